"""update with every controller: values that belong together, all or none, and what the kernel refuses."""
import json
import os

import pytest

from resource_rows import RDMA
from used import MANAGERS, MIB, read, start, values, wait_for_use

LIMITS = {
    "memory.max": str(64 * MIB), "memory.swap.max": str(64 * MIB), "memory.low": str(32 * MIB),
    "cpu.max": "50000 100000", "cpu.max.burst": "10000", "cpu.weight": "59",
    "cpuset.cpus": "0", "cpuset.mems": "0", "pids.max": "50",
}
FLAGS = ["--memory", "64m", "--memory-swap", "128m", "--memory-reservation", "32m", "--cpu-quota", "50000", "--cpu-period",
         "100000", "--cpu-burst", "10000", "--cpu-share", "512", "--cpuset-cpus", "0", "--cpuset-mems", "0", "--pids-limit", "50"]
SMALL = {"memory": {"limit": 32 * MIB, "swap": 48 * MIB}, "cpu": {"quota": 20000, "period": 50000, "burst": 5000, "shares": 1024},
         "pids": {"limit": 20}}


def update(c, document, **kw):
    return c.runtime.run("update", "--resources=-", c.id, input=json.dumps(document), **kw)


def remembered(c):
    with open(os.path.join(c.runtime.root, c.id, "config.json")) as f:
        return json.load(f)["linux"]["resources"]


@pytest.mark.parametrize("manager", MANAGERS)
@pytest.mark.parametrize("before", [{}, SMALL], ids=["without-limits", "with-limits"])
def test_every_flag(container, manager, before):
    c = container()
    cgroup = start(c, manager, **before)
    c.runtime.run("update", c.id, *FLAGS, check=True)
    assert values(cgroup, *LIMITS) == LIMITS
    assert remembered(c)["memory"]["limit"] == 64 * MIB


def test_the_weight_of_block_io(container):
    c = container()
    cgroup = start(c)
    c.runtime.run("update", c.id, "--blkio-weight", "500", check=True)
    if os.path.exists(os.path.join(cgroup, "io.bfq.weight")):
        assert "500" in read(cgroup, "io.bfq.weight")
    else:
        assert read(cgroup, "io.weight").startswith("default 4950")


@pytest.mark.parametrize("manager", MANAGERS)
def test_one_value_keeps_its_companions(container, manager):
    c = container()
    cgroup = start(c, manager, **SMALL)
    steps = [
        (["--cpu-quota", "30000"], "cpu.max", "30000 50000"),
        (["--cpu-period", "100000"], "cpu.max", "30000 100000"),
        (["--cpu-quota", "-1"], "cpu.max", "max 100000"),
        (["--memory", "40m"], "memory.swap.max", str(8 * MIB)),
        (["--memory-swap", "60m"], "memory.swap.max", str(20 * MIB)),
        (["--memory", "-1"], "memory.swap.max", "max"),
        (["--memory", "50m", "--memory-swap", "-1"], "memory.max", str(50 * MIB)),
        (["--pids-limit", "-1"], "pids.max", "max"),
        (["--pids-limit", "0"], "pids.max", "1"),
    ]
    for flags, name, want in steps:
        c.runtime.run("update", c.id, *flags, check=True)
        assert read(cgroup, name) == want, flags


def test_quota_and_burst_in_both_directions(container):
    c = container()
    cgroup = start(c, **SMALL)
    for quota, burst in ((90000, 80000), (10000, 9000), (50000, 0)):
        c.runtime.run("update", c.id, "--cpu-quota", quota, "--cpu-burst", burst, check=True)
        assert values(cgroup, "cpu.max", "cpu.max.burst") == {"cpu.max": f"{quota} 50000", "cpu.max.burst": str(burst)}


def test_idle_and_back(container):
    c = container()
    cgroup = start(c, cpu={"shares": 512})
    c.runtime.run("update", c.id, "--cpu-idle", "1", check=True)
    assert read(cgroup, "cpu.idle") == "1"
    c.runtime.run("update", c.id, "--cpu-idle", "0", check=True)
    assert values(cgroup, "cpu.idle", "cpu.weight") == {"cpu.idle": "0", "cpu.weight": "59"}


DOOMED = [
    ("io.max of a device that is gone", {"blockIO": {"throttleReadBpsDevice": [{"major": 99, "minor": 99, "rate": 1}]}},
     ["blockIO.throttleReadBpsDevice[0]", "io.max"]),
    ("a page size that the kernel lacks", {"hugepageLimits": [{"pageSize": "3MB", "limit": 0}]}, ["hugepageLimits[0]"]),
    ("an rdma device that is not there", {"rdma": {RDMA: {"hcaHandles": 6}, "nosuch": {"hcaHandles": 1}}},
     ["rdma.nosuch"]),
    ("a file that is not there", {"unified": {"memory.nosuch": "1"}}, ["unified.memory.nosuch"]),
    ("a value that the kernel refuses", {"unified": {"memory.high": "much"}}, ["unified.memory.high"]),
]


NAMES = ["memory.max", "memory.swap.max", "memory.low", "cpu.max", "cpu.max.burst", "cpu.weight", "cpu.idle", "pids.max", "io.max",
         "rdma.max"]
BIG = {"memory": {"limit": 100 * MIB, "swap": 200 * MIB, "reservation": MIB}, "pids": {"limit": 77},
       "rdma": {RDMA: {"hcaHandles": 5}},
       "cpu": {"quota": 90000, "period": 100000, "burst": 80000, "idle": 1, "cpus": "0"}}


@pytest.mark.parametrize("manager", MANAGERS)
@pytest.mark.parametrize("change, words", [row[1:] for row in DOOMED], ids=[row[0].replace(" ", "-") for row in DOOMED])
def test_all_or_none(container, rdma, manager, change, words):
    c = container()
    cgroup = start(c, manager, **SMALL, rdma={rdma: {"hcaObjects": 50}})
    before, document, processors = values(cgroup, *NAMES), remembered(c), read(cgroup, "cpuset.cpus.effective")
    result = update(c, dict(BIG, **change))
    assert result.rc == 1 and [w for w in words if w not in result.err] == [], result
    assert values(cgroup, *NAMES) == before
    assert read(cgroup, "cpuset.cpus.effective") == processors
    assert remembered(c) == document
    update(c, BIG, check=True)
    assert values(cgroup, "memory.max", "pids.max") == {"memory.max": str(100 * MIB), "pids.max": "77"}
    assert f"{rdma} hca_handle=5 hca_object=50" in read(cgroup, "rdma.max").splitlines()
    assert read(cgroup, "cpuset.cpus.effective") == "0"


@pytest.mark.parametrize("flags, words", [
    (["--cpu-period", "10"], ["linux.resources.cpu.period", "cpu.max"]),
    (["--cpu-quota", "1"], ["cpu.quota", "cpu.max"]),
    (["--cpuset-cpus", "4095"], ["cpu.cpus", "cpuset.cpus"]),
    (["--cpuset-mems", "1023"], ["cpu.mems", "cpuset.mems"]),
    (["--pids-limit", "99999999999"], ["pids.limit", "pids.max"])], ids=str)
def test_out_of_range(container, flags, words):
    c = container()
    cgroup = start(c, memory={"limit": 32 * MIB}, cpu={"cpus": "0", "mems": "0"}, pids={"limit": 20})
    names = ["memory.max", "cpu.max", "cpuset.cpus", "cpuset.mems", "pids.max"]
    before = values(cgroup, *names)
    result = c.runtime.run("update", c.id, "--memory", "40m", *flags)
    assert result.rc == 1 and [w for w in words if w not in result.err] == [], result
    assert values(cgroup, *names) == before


@pytest.mark.parametrize("manager", MANAGERS)
def test_check_before_update(container, manager):
    c = container()
    c.bundle.sh("dd if=/dev/zero of=/dev/shm/held bs=1M count=24; sleep 1000")
    cgroup = start(c, manager, memory={"limit": 64 * MIB, "swap": 64 * MIB, "checkBeforeUpdate": True})
    wait_for_use(cgroup, 24 * MIB)
    result = c.runtime.run("update", c.id, "--memory", "8m", "--memory-swap", "8m")
    assert result.rc == 1 and "memory.limit" in result.err and "checkBeforeUpdate" in result.err, result
    assert read(cgroup, "memory.max") == str(64 * MIB)
    c.runtime.run("update", c.id, "--memory", "60m", "--memory-swap", "60m", check=True)
    result = update(c, {"memory": {"limit": 16 * MIB, "swap": -1, "checkBeforeUpdate": False}})
    if result.ok:  # whether the container lives on is the kernel's choice, and so is whether its cgroup is still there to be written to
        assert remembered(c)["memory"]["limit"] == 16 * MIB
    else:
        c.wait_status("stopped")


def test_a_paused_container(container):
    c = container()
    cgroup = start(c, **SMALL)
    c.pause()
    c.runtime.run("update", c.id, "--pids-limit", "33", check=True)
    assert read(cgroup, "pids.max") == "33" and c.status == "paused"
    c.resume()
