# SPDX-License-Identifier: Apache-2.0
"""Makes the two trees and the disk image of recipe.py. A change here makes the next call build anew, too."""
import lzma
import os
import shutil
import stat
import subprocess

import cache
import recipe
from cpio import archive
from errors import LabError
from progress import step

TREE = os.path.dirname(os.path.dirname(cache.HERE))
DEBIAN_ROOT = os.path.join(TREE, "tools", "debian-root")


def do(*argv, **kw):
    """Runs a command whose output matters only when it fails."""
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", **kw)
    if done.returncode:
        raise LabError(f"{' '.join(argv)}: exit status {done.returncode}\n{(done.stdout + done.stderr)[-3000:].strip()}")
    return done.stdout


def make_host(lab, directory):
    cache.drop_old("host")
    partial = directory + ".new"
    with step(f"Debian's {recipe.HOST_SUITE} for QEMU (about a minute)"):
        do(DEBIAN_ROOT, recipe.HOST_SUITE, partial, *recipe.HOST_PACKAGES)
    os.rename(partial, directory)


def make_guest(lab, directory):
    cache.drop_old("guest")
    shutil.rmtree(directory + ".new", ignore_errors=True)
    tree = directory + ".tree"
    packages = " ".join([*recipe.GUEST_PACKAGES.values(), lab.release.packages]).split()
    with step(f"{lab.release.name} for the guest (about two minutes)"):
        do(DEBIAN_ROOT, lab.debian, tree, *packages)
    os.makedirs(directory + ".new")
    with step("kernel and initramfs"):
        _add_kernel(lab.release, tree, directory + ".new")
    with step("disk image"):
        _customise(tree)
        disk = os.path.join(directory + ".new", "disk.img")
        do(*lab.program("sbin/mke2fs"), "-q", "-F", "-t", "ext4", "-O", "^has_journal", "-E", "lazy_itable_init=1",
           "-d", tree, disk, recipe.SIZE)
    shutil.rmtree(tree)
    os.rename(directory + ".new", directory)


def _add_kernel(release, tree, out):
    """Unpacks the kernel's packages: installing them would make an initramfs of Debian's, which nobody boots."""
    script = f"""set -e
        mkdir -p /tmp/kernel && cd /tmp/kernel
        version=$(apt-cache depends {recipe.KERNEL} | sed -n 's/^ *Depends: *linux-image-//p')
        for name in {" ".join(release.kernel)}; do
            apt-get -qq -o APT::Sandbox::User=root download "$name$version"
        done
        for package in *.deb; do dpkg-deb -x "$package" /; done
        depmod "$(ls /usr/lib/modules)" """
    do(DEBIAN_ROOT, "enter", tree, "--", "sh", "-c", script)
    version, = os.listdir(os.path.join(tree, "usr/lib/modules"))
    shutil.move(os.path.join(tree, release.vmlinuz.format(version=version)), os.path.join(out, "vmlinuz"))
    with open(os.path.join(tree, "bin/busybox"), "rb") as file:
        busybox = file.read()
    entries = [(name, stat.S_IFDIR | 0o755, b"") for name in ("bin", "dev", "proc", "root", "modules")]
    entries += [("dev/console", stat.S_IFCHR | 0o600, (5, 1)), ("bin/busybox", stat.S_IFREG | 0o755, busybox),
                ("init", stat.S_IFREG | 0o755, recipe.INIT.encode())]
    entries += [(f"modules/{number:02}.ko", stat.S_IFREG | 0o644, module)
                for number, module in enumerate(_modules(tree, version))]
    with open(os.path.join(out, "initramfs"), "wb") as file:
        file.write(archive(entries))


def _modules(tree, version):
    """The contents of what has to be loaded for the disk, each after what it needs."""
    script = f"for name in {' '.join(recipe.INITRAMFS_MODULES)}; do modprobe -S {version} --show-depends $name; done"
    lines = do(DEBIAN_ROOT, "enter", tree, "--", "sh", "-c", script).splitlines()
    for path in dict.fromkeys(line.split()[1] for line in lines if line.startswith("insmod ")):
        with lzma.open(os.path.join(tree, path.lstrip("/"))) as packed:
            yield packed.read()


def _customise(tree):
    for name in recipe.REMOVED:
        path = os.path.join(tree, name)
        shutil.rmtree(path, ignore_errors=True) if os.path.isdir(path) else os.path.exists(path) and os.unlink(path)
    for name, content in recipe.FILES.items():
        os.makedirs(os.path.dirname(os.path.join(tree, name)), exist_ok=True)
        with open(os.path.join(tree, name), "w") as file:
            file.write(content)
    script = f"""set -e
        rm -f /usr/sbin/policy-rc.d /etc/resolv.conf
        for unit in {" ".join(recipe.DISABLED)}; do systemctl -q disable $unit 2>/dev/null || true; done
        systemctl -q mask {" ".join(recipe.MASKED)}
        systemctl -q set-default multi-user.target
        systemctl -q enable lab.service
        passwd -q -d root
        useradd -m -s /bin/bash {recipe.USER}
        ssh-keygen -A >/dev/null
        ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519
        cp /root/.ssh/id_ed25519.pub /root/.ssh/authorized_keys"""
    os.makedirs(os.path.join(tree, "root/.ssh"), mode=0o700, exist_ok=True)
    do(DEBIAN_ROOT, "enter", tree, "--", "sh", "-c", script)
    for name in ("proc", "sys", "dev", "run", "tmp", "mnt"):
        _empty(os.path.join(tree, name))


def _empty(directory):
    with os.scandir(directory) as entries:
        for entry in entries:
            shutil.rmtree(entry.path) if entry.is_dir(follow_symlinks=False) else os.unlink(entry.path)
