"""events with every controller: the numbers are the kernel's, and killing for want of memory is told."""
import json
import os

import pytest

import host
import rdma_device
from used import MANAGERS, MIB, on_disk, read, start

HOG = "dd if=/dev/zero of=/dev/null bs=64M count=1"


def stats(c):
    return c.runtime.run("events", "--stats", c.id, check=True).json()["data"]


def lines(call):
    return [json.loads(line) for line in call.out().splitlines()]


@pytest.mark.parametrize("manager", MANAGERS)
def test_numbers(container, request, manager):
    c = container()
    request.addfinalizer(on_disk(c))
    c.bundle.sh("dd if=/dev/zero of=/disk/held bs=1M count=4 conv=fsync; sleep 1000 & echo done; wait")
    if manager == "cgroupfs":  # systemd does not hand hugetlb down
        c.bundle.set("linux.resources.hugepageLimits", [{"pageSize": "2MB", "limit": 0}])
    cgroup = start(c, manager, memory={"limit": 64 * MIB, "swap": 96 * MIB}, pids={"limit": 30},
                   cpu={"quota": 50000, "period": 100000, "cpus": "0"})
    c.wait_stdout("done\n", 60)
    seen = stats(c)
    memory = seen["memory"]
    assert memory["usage"]["limit"] == 64 * MIB
    assert abs(memory["usage"]["usage"] - int(read(cgroup, "memory.current"))) < 2 * MIB
    assert memory["usage"]["max"] >= memory["usage"]["usage"]
    assert memory["swap"]["limit"] == 96 * MIB
    assert memory["raw"]["anon"] > 0 and memory["kernel"]["usage"] > 0
    assert seen["pids"] == {"current": 2, "limit": 30}
    assert seen["cpu"]["throttling"]["periods"] > 0
    assert seen["cpuset"]["cpus"] == [0]
    if manager == "cgroupfs":
        assert seen["hugetlb"]["2MB"] == {"failcnt": 0}
    disk = os.stat("/var/tmp").st_dev
    written = [entry["value"] for entry in seen["blkio"]["ioServiceBytesRecursive"]
               if entry["op"] == "Write" and entry["major"] == os.major(disk) and entry.get("minor", 0) == os.minor(disk)]
    assert written and written[0] >= 4 * MIB
    for psi in (seen["cpu"]["psi"], memory["psi"], seen["blkio"]["psi"]):
        assert set(psi["some"]) == {"avg10", "avg60", "avg300", "total"}


@pytest.mark.parametrize("manager", MANAGERS)
def test_rdma_in_use(container, rdma, helper, manager):
    c = container()
    rdma_device.use(c, helper)
    start(c, manager, rdma={rdma: {"hcaHandles": 2}})
    c.wait_stdout("objects")
    seen = stats(c)["rdma"]
    assert seen["current"] == [{"device": rdma, "hcaHandles": 2, "hcaObjects": 16}]
    assert seen["limit"] == [{"device": rdma, "hcaHandles": 2, "hcaObjects": (1 << 64) - 1}]


def test_killing_for_want_of_memory_is_told(container):
    c = container()
    start(c, memory={"limit": 24 * MIB, "swap": 24 * MIB})
    call = c.runtime.spawn("events", "--interval", "1h", c.id)
    host.wait_until(lambda: "epoll" in open(f"/proc/{call.pid}/wchan").read() or "poll" in open(f"/proc/{call.pid}/wchan").read(),
                    "events to wait")
    for n in (1, 2):
        assert c.exec("/bin/sh", "-c", HOG, timeout=60).rc != 0
        host.wait_until(lambda: len(lines(call)) >= n, "an event", 20)
    assert lines(call) == [{"type": "oom", "id": c.id}] * 2
    assert stats(c)["memory"]["event_count"]["oom_kill"] == 2
    c.kill("KILL")
    assert call.wait(20).rc == 0
    assert len(lines(call)) == 2


@pytest.mark.parametrize("manager", MANAGERS)
def test_the_end_for_want_of_memory(container, manager):
    """systemd takes the cgroup away, and with it the count, as soon as nobody is left in it."""
    c = container()
    c.bundle.sh(f"while ! [ -e /go ]; do sleep 0.1; done; exec {HOG}")
    start(c, manager, memory={"limit": 24 * MIB, "swap": 24 * MIB})
    call = c.runtime.spawn("events", "--interval", "1h", c.id)
    host.wait_until(lambda: "poll" in open(f"/proc/{call.pid}/wchan").read(), "events to wait")
    c.bundle.file("go")
    assert call.wait(60).rc == 0
    assert lines(call) == [{"type": "oom", "id": c.id}]


def test_an_end_beside_one_for_want_of_memory(container):
    """In the same slice: what was killed in another's cgroup is not told of this one."""
    calls = []
    for other in (False, True):
        c = container()
        c.bundle.sh(f"while ! [ -e /go ]; do sleep 0.1; done; {f'exec {HOG}' if other else 'exit 0'}")
        start(c, "systemd", memory={"limit": 24 * MIB, "swap": 24 * MIB})
        calls.append((c, c.runtime.spawn("events", "--interval", "1h", c.id)))
    for _, call in calls:
        host.wait_until(lambda: "poll" in open(f"/proc/{call.pid}/wchan").read(), "events to wait")
    for c, call in reversed(calls):
        c.bundle.file("go")
        assert call.wait(60).rc == 0
    assert [lines(call) for _, call in calls] == [[], [{"type": "oom", "id": calls[1][0].id}]]
