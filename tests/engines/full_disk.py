"""A file system without room, over a directory."""
import contextlib
import os
import shutil
import subprocess


@contextlib.contextmanager
def full(top, owner=None):
    """Nothing can be written below top meanwhile. owner: whose directory it is."""
    os.makedirs(top, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k,nr_inodes=20,mode=700", "tmpfs", top], check=True)
    try:
        with open(os.path.join(top, "filler"), "wb", buffering=0) as filler, contextlib.suppress(OSError):
            while filler.write(b"x" * 4096):
                pass
        if owner:
            shutil.chown(top, owner, owner)
        yield top
    finally:
        subprocess.run(["umount", "-l", top], check=True)
