# SPDX-License-Identifier: Apache-2.0
"""The lab as it lies in the cache, made when it is not there."""
import os
import platform
import shutil
import subprocess
import tempfile

import cache
import recipe
import trees
from errors import CannotRun

MADE_BY = ("recipe.py", "trees.py", "cpio.py")


class Lab:
    """What was built: .host (QEMU's tree), .guest (holds vmlinuz, initramfs and disk.img)."""

    def __init__(self, host, guest):
        self.host, self.guest = host, guest

    def file(self, name):
        return os.path.join(self.guest, name)

    def loader(self):
        """The start of a command line that runs a program with the libraries of Debian 13, whatever this machine has."""
        libraries = [os.path.join(self.host, top, "x86_64-linux-gnu") for top in ("usr/lib", "lib")]
        return [os.path.join(self.host, "lib64/ld-linux-x86-64.so.2"), "--library-path", ":".join(libraries)]

    def program(self, path):
        """The start of a command line that runs a program of QEMU's tree."""
        return self.loader() + [os.path.join(self.host, path)]

    def environment(self):
        return dict(os.environ, QEMU_MODULE_DIR=os.path.join(self.host, "usr/lib/x86_64-linux-gnu/qemu"))

    def firmware(self):
        return ["-L", os.path.join(self.host, "usr/share/seabios"), "-L", os.path.join(self.host, "usr/share/qemu")]


def build():
    """The lab, made now if it is not there. Raises CannotRun where this machine cannot."""
    lab = Lab(cache.place("host", recipe.SUITE, *recipe.HOST_PACKAGES), cache.place("guest", *MADE_BY))
    for directory, make in ((lab.host, trees.make_host), (lab.guest, trees.make_guest)):
        if not os.path.exists(directory):
            _require_means()
            with cache.locked(os.path.basename(directory).split("-")[0]):
                if not os.path.exists(directory):
                    make(lab, directory)
        if os.geteuid() == 0:
            cache.use(directory)
    return lab


def _require_means():
    if platform.machine() != "x86_64":
        raise CannotRun(f"the lab has a recipe for x86_64 only, this is {platform.machine()}")
    if os.geteuid() != 0:
        raise CannotRun("making the lab's image needs root (debootstrap)")
    if not shutil.which("apt-get"):
        raise CannotRun("making the lab's image needs Debian's apt")
    done = subprocess.run([os.path.join(trees.TREE, "tools", "deps"), "lab"], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True)
    if done.returncode:
        raise CannotRun("debootstrap cannot be installed: " + done.stderr.strip())


def scratch():
    """A directory of this run's own."""
    return tempfile.mkdtemp(prefix="wherry-lab-", dir="/var/tmp")
