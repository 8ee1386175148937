"""A checkpoint that ends the container has its image on the disk first."""
import os
import re
import shutil
import subprocess

import pytest

import host
from checkpoints import CRIU, advance, needs_criu
from test_checkpoint import COUNT, counter_of

pytestmark = needs_criu


@pytest.fixture
def counting(saved):
    saved.container.bundle.sh(COUNT)
    saved.up()
    saved.count = counter_of(saved.container)
    host.wait_until(lambda: saved.count() > 2, "the first counts")
    return saved


class BadDisk:
    """A file system that takes everything, and cannot keep it: it lies in a file for which there is no room any more."""

    def __init__(self, top):
        self.top, self.below = top / "disk", top / "below"
        self.top.mkdir()
        self.below.mkdir()
        host.mount("tmpfs", self.below, "tmpfs", data="size=32m")
        image = self.below / "disk"
        with open(image, "wb") as f:
            f.truncate(64 << 20)
        mkfs = subprocess.run(["/sbin/mkfs.ext4", "-q", "-O", "^has_journal", str(image)], capture_output=True, text=True)
        mounted = mkfs.returncode == 0 and subprocess.run(["mount", "-o", "loop", str(image), str(self.top)],
                                                          capture_output=True, text=True)
        if not mounted or mounted.returncode != 0:
            host.umount(self.below)
            pytest.skip(f"no ext4 over a loop device here: {mkfs.stderr}{mounted.stderr if mounted else ''}")
        self.fill()

    def fill(self):
        subprocess.run(["sync", "-f", str(self.top)], check=True)  # what the new file system has to write
        with open(self.below / "filler", "wb", buffering=0) as f:
            try:
                while True:
                    f.write(b"x" * 4096)
            except OSError:
                pass

    def end(self):
        os.truncate(self.below / "filler", 0)
        subprocess.run(["umount", str(self.top)], check=True)
        host.umount(self.below)


@pytest.fixture
def bad_disk(tmp_path):
    disk = BadDisk(tmp_path)
    yield disk
    disk.end()


def test_an_image_that_the_disk_does_not_take(counting, bad_disk):
    image = str(bad_disk.top / "image")
    result = counting.checkpoint(check=False, image=image)
    assert result.rc == 1 and re.search(r"write image '.*' to the disk", result.err), result
    assert not os.path.exists(os.path.join(image, "wherry.json"))
    assert counting.container.status == "running"
    advance(counting.count)
    counting.checkpoint()


@pytest.mark.skipif(shutil.which("strace") is None, reason="no strace")
@pytest.mark.parametrize("flags", [(), ("--leave-running",)])
def test_what_is_synchronized(counting, tmp_path, flags):
    """Every file, its name and that of the directory, after which CRIU is answered; and nothing where the container goes on."""
    log = tmp_path / "strace"
    argv = counting.runtime.argv("checkpoint", "--criu", CRIU, "--image-path", counting.image, *flags, counting.container.id)
    subprocess.run(["strace", "-y", "-o", str(log), "-e", "trace=fsync", *argv], check=True, timeout=60, capture_output=True,
                   env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"))
    synced = set(re.findall(r"fsync\(\d+<(.*?)>\) += 0", log.read_text()))
    if flags:
        assert not synced
        return
    files = {os.path.join(counting.image, n) for n in os.listdir(counting.image)}
    late = {n for n in files - synced if not n.endswith((".log", "stats-dump"))}
    assert not late and {counting.image, str(tmp_path)} <= synced
