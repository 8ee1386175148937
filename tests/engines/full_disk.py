"""A file system without room, over a directory."""
import contextlib
import os
import shutil
import subprocess


@contextlib.contextmanager
def full(top, owner=None):
    """Nothing can be written below top meanwhile. owner: whose directory it is."""
    with small(top, owner, "size=4k,nr_inodes=20") as fill:
        fill()
        yield top


@contextlib.contextmanager
def small(top, owner=None, size="size=1m"):
    """Yields what fills it."""
    if not os.path.isdir(top):
        os.makedirs(top, 0o700)
        shutil.chown(top, owner or "root", owner or "root")
    subprocess.run(["mount", "-t", "tmpfs", "-o", size + ",mode=700", "tmpfs", top], check=True)

    def fill():
        with open(os.path.join(top, "filler"), "wb", buffering=0) as filler, contextlib.suppress(OSError):
            while filler.write(b"x" * 4096):
                pass

    try:
        shutil.chown(top, owner or "root", owner or "root")
        yield fill
    finally:
        subprocess.run(["umount", "-l", top], check=True)
