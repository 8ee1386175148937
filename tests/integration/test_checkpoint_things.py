"""What a process can have, and has again after checkpoint and restore."""
import os
import time

import pytest

import host
from checkpoints import needs_criu

pytestmark = needs_criu


FLAGS = {"tcp": ["--tcp-established"], "lock": ["--file-locks"]}


@pytest.mark.parametrize("thing", ["tcp", "unix", "named", "pipe", "deleted", "lock", "shared", "threads", "timers"])
def test_kept(keeper, thing):
    k = keeper(thing)
    k.up()
    k.saved.cycle(*FLAGS.get(thing, []))
    assert k.ask() == "ok"


@pytest.mark.parametrize("thing", ["tcp", "lock"])
def test_what_needs_a_flag_is_named_without_it(keeper, thing):
    k = keeper(thing)
    k.up()
    result = k.saved.checkpoint(check=False)
    assert result.rc == 1 and "CRIU could not save container" in result.err
    assert {"tcp": "tcp", "lock": "lock"}[thing] in result.err.lower()
    assert not os.path.exists(os.path.join(k.saved.image, "wherry.json"))
    assert k.saved.container.status == "running"
    assert k.ask() == "ok", "a failed checkpoint left a mark"


def test_tcp_close(keeper):
    k = keeper("tcp")
    k.up()
    k.saved.checkpoint("--tcp-established")
    k.saved.restore("--tcp-close")
    assert k.ask() != "ok"


def test_clocks_do_not_jump(keeper):
    """In a time namespace monotonic clocks go on where they stood."""
    k = keeper("clock")
    k.saved.container.bundle.namespace("time")
    k.up()
    k.saved.checkpoint()
    time.sleep(2.5)
    k.saved.restore()
    time.sleep(0.3)
    assert float(k.ask()) < 2.0


def test_sessions_and_zombies(keeper):
    k = keeper("tree")
    k.up()
    time.sleep(0.2)
    before = k.saved.container.sh("ps -o pid,ppid,pgid,stat,comm").splitlines()
    k.saved.cycle()
    after = k.saved.container.sh("ps -o pid,ppid,pgid,stat,comm").splitlines()

    def keepers(lines):
        return sorted(line.split()[:4] for line in lines if "keeper" in line)
    assert len(keepers(before)) == 13, before
    assert [k[:3] for k in keepers(after)] == [k[:3] for k in keepers(before)]
    assert [k[3][0] for k in keepers(after)].count("Z") == 3


def test_many_megabytes(saved):
    """Memory is the same afterwards."""
    c = saved.container
    c.bundle.set("process.args", ["/bin/sh", "-c", "x=$(seq 1 300000 | sha256sum; seq 1 300000); while [ ! -e /tmp/ask ]; do "
                                  "usleep 20000; done; echo \"$x\" | tail -n +2 | sha256sum; echo \"$x\" | head -n 1"])
    saved.up()
    time.sleep(1.0)
    saved.checkpoint(timeout=60)
    open(os.path.join(c.bundle.rootfs, "tmp/ask"), "w").close()
    saved.restore()
    host.wait_until(lambda: saved.output().count("-") == 2, "two sums", 20)
    first, second = saved.output().split("\n")[:2]
    assert first.split()[0] == second.split()[0]
