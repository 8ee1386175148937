# SPDX-License-Identifier: Apache-2.0
"""Where the lab keeps what takes minutes to make: outside the source tree, one directory a recipe."""
import contextlib
import fcntl
import hashlib
import os
import shutil
import time

from progress import say

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.environ.get("WHERRY_LAB_DIR") or "/var/cache/wherry-lab"
DAYS_KEPT = 7


def place(kind, *parts):
    """The directory for what is made of these parts of a recipe (text, or the names of our sources)."""
    key = hashlib.sha256()
    for part in parts:
        if part.endswith(".py"):
            with open(os.path.join(HERE, part), "rb") as source:
                part = source.read().decode()
        key.update(part.encode() + b"\0")
    return os.path.join(TOP, f"{kind}-{key.hexdigest()[:16]}")


@contextlib.contextmanager
def locked(name):
    """One maker at a time; the others wait, and then find it made."""
    os.makedirs(TOP, exist_ok=True)
    with open(os.path.join(TOP, f"{name}.lock"), "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another call makes the {name} tree: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def slot():
    """Leave to run a machine: as many as there are processors, or each would take so long that its time limit ends it."""
    count = int(os.environ.get("WHERRY_LAB_SLOTS") or os.cpu_count())
    locks = [open(os.path.join(TOP, f"slot-{number}.lock"), "w") for number in range(count)]
    try:
        if not _take_one(locks):
            say(f"{count} machines are running here already: waiting for one to end")
            while not _take_one(locks):
                time.sleep(0.5)
        yield
    finally:
        for lock in locks:
            lock.close()


def _take_one(locks):
    for lock in locks:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    return False


def use(directory):
    """Notes that it is in use, for drop_old()."""
    os.utime(directory)


def drop_old(kind):
    """Removes what no call has used for a week."""
    for name in os.listdir(TOP):
        path = os.path.join(TOP, name)
        if name.startswith(kind + "-") and os.path.isdir(path) and time.time() - os.stat(path).st_mtime > DAYS_KEPT * 86400:
            shutil.rmtree(path, ignore_errors=True)
