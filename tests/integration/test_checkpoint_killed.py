"""checkpoint and restore killed at any moment: the container runs on, or what there is of it can be deleted."""
import os
import random
import time

import pytest

import host
from checkpoints import needs_criu
from test_checkpoint import COUNT, counter_of

pytestmark = needs_criu

KILLS = 8


def no_criu():
    """Whether each CRIU whose caller was killed, and that we have adopted, has ended."""
    host.reap_orphans()
    for pid in host.children():
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                command = f.read()
            # before it is CRIU, as it was called then, and as it calls itself at work
            if any(word in command for word in (b"checkpoint", b"swrk", b"--rpc")):
                return False
        except OSError:
            pass
    return True


@pytest.fixture
def counting(saved):
    saved.container.bundle.sh(COUNT)
    saved.up()
    saved.count = counter_of(saved.container)
    host.wait_until(lambda: saved.count() > 2, "the first counts")
    return saved


def test_checkpoint_killed(counting):
    """As long as the image is not complete the container goes on; then it may have ended, and is in the image."""
    from checkpoints import CRIU
    choose = random.Random(3)
    for i in range(KILLS):
        image = f"{counting.image}{i}"
        process = counting.runtime.spawn("checkpoint", "--criu", CRIU, "--image-path", image, counting.container.id)
        time.sleep(choose.random() * 0.35)
        process.kill()
        process.popen.wait(10)
        host.wait_until(no_criu, "CRIU to end")
        host.reap_orphans()
        if counting.container.status == "running":
            before = counting.count()
            host.wait_until(lambda: counting.count() != before, "it to go on")
            assert host.proc_status(counting.container.pid, "TracerPid") == "0"
            continue
        assert os.path.exists(os.path.join(image, "wherry.json")), f"no image, and {counting.container.state()}"
        counting.container.delete("--force")
        counting.restore(image=image)


def test_restore_killed(counting, host_unchanged):
    from checkpoints import CRIU
    counting.checkpoint()
    choose = random.Random(4)
    for _ in range(KILLS):
        process = counting.runtime.spawn("restore", "--criu", CRIU, "--image-path", counting.image, "--bundle",
                                         counting.container.bundle.path, "--detach", counting.container.id)
        time.sleep(choose.random() * 0.3)
        process.kill()
        process.popen.wait(10)
        counting.container.delete("--force")
        host.wait_until(no_criu, "CRIU to end")
        host.reap_orphans()
        host_unchanged()
    counting.restore()
    assert counting.container.status == "running"
