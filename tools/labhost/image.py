# SPDX-License-Identifier: Apache-2.0
"""The lab as it lies in the cache, made when it is not there."""
import contextlib
import fcntl
import glob
import os
import platform
import shutil
import subprocess
import tempfile
import time

import cache
import recipe
import trees
from errors import CannotRun

SCRATCH = "/var/tmp"
MADE_BY = ("recipe.py", "trees.py", "cpio.py")


class Lab:
    """What was built for one suite of Debian: .host (QEMU's tree), .guest (holds vmlinuz, initramfs and disk.img)."""

    def __init__(self, debian):
        self.debian = debian
        self.host = cache.place("host", recipe.HOST_SUITE, *recipe.HOST_PACKAGES)
        self.guest = cache.place("guest", debian, *MADE_BY)

    @property
    def release(self):
        return recipe.RELEASES[self.debian]

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


def build(debian=recipe.DEFAULT):
    """The lab whose guest is of that suite of Debian, made now if it is not there. Raises CannotRun where this machine cannot."""
    if os.geteuid() != 0:
        raise CannotRun("the lab needs root: its image is made by debootstrap and shared by all")
    lab = Lab(debian)
    for directory, make in ((lab.host, trees.make_host), (lab.guest, trees.make_guest)):
        if not os.path.exists(directory):
            _require_means()
            with cache.locked(os.path.basename(directory).split("-")[0]):
                if not os.path.exists(directory):
                    make(lab, directory)
        cache.use(directory)
    return lab


def _require_means():
    if platform.machine() != "x86_64":
        raise CannotRun(f"the lab has a recipe for x86_64 only, this is {platform.machine()}")
    if not shutil.which("apt-get"):
        raise CannotRun("making the lab's image needs Debian's apt")
    done = subprocess.run([os.path.join(trees.TREE, "tools", "deps"), "lab"], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True)
    if done.returncode:
        raise CannotRun("debootstrap cannot be installed: " + done.stderr.strip())


class Scratch:
    """A directory of this run's own (.path), held by a lock: what a run that was killed left goes with the next one's start."""

    def __init__(self):
        for left in glob.glob(os.path.join(SCRATCH, "wherry-lab-*")):
            self._drop_if_left(left)
        self.path = tempfile.mkdtemp(prefix="wherry-lab-", dir=SCRATCH)
        self.lock = self._lock(self.path)

    @staticmethod
    def _lock(path):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return descriptor

    def _drop_if_left(self, path):
        """One that is younger may be about to be locked."""
        with contextlib.suppress(OSError):
            if time.time() - os.stat(path).st_mtime > 60:
                os.close(self._lock(path))
                shutil.rmtree(path)

    def drop(self):
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self.lock)
