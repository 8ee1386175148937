# SPDX-License-Identifier: Apache-2.0
"""The systemd manager: every resource as a property and in its file, set by create, changed by update, kept over a reload."""
import json
import os

import pytest

import units
from units import Unit

MIB = 1 << 20
DISK = "254:0"


def _major_minor():
    """The machine's first disk."""
    with open("/sys/block/vda/dev") as file:
        return file.read().strip()


@pytest.fixture
def unit(container):
    return Unit(container())


# resources of create: files and properties then; resources of update: the same then
LIMITS = {
    "memory": (
        {"memory": {"limit": 64 * MIB, "swap": 96 * MIB, "reservation": 16 * MIB}},
        {"memory.max": str(64 * MIB), "memory.swap.max": str(32 * MIB), "memory.low": str(16 * MIB)},
        {"MemoryMax": str(64 * MIB), "MemorySwapMax": str(32 * MIB), "MemoryLow": str(16 * MIB)},
        {"memory": {"limit": 128 * MIB, "swap": -1, "reservation": 8 * MIB}},
        {"memory.max": str(128 * MIB), "memory.swap.max": "max", "memory.low": str(8 * MIB)},
        {"MemoryMax": str(128 * MIB), "MemorySwapMax": "infinity", "MemoryLow": str(8 * MIB)}),
    "cpu": (
        {"cpu": {"shares": 512, "quota": 50000, "period": 200000, "cpus": "0", "mems": "0"}},
        {"cpu.weight": "59", "cpu.max": "50000 200000", "cpuset.cpus": "0", "cpuset.mems": "0"},
        {"CPUWeight": "59", "CPUQuotaPerSecUSec": "250ms", "CPUQuotaPeriodUSec": "200ms", "AllowedCPUs": "0",
         "AllowedMemoryNodes": "0"},
        {"cpu": {"shares": 2048, "quota": -1, "cpus": "0-1"}},
        {"cpu.weight": "174", "cpu.max": "max 200000", "cpuset.cpus": "0-1"},
        {"CPUWeight": "174", "CPUQuotaPerSecUSec": "infinity", "AllowedCPUs": "0-1"}),
    "idle": (
        {"cpu": {"idle": 1}}, {"cpu.idle": "1"}, {"CPUWeight": "idle"},
        {"cpu": {"idle": 0, "shares": 1024}}, {"cpu.idle": "0", "cpu.weight": "100"}, {"CPUWeight": "100"}),
    "pids": (
        {"pids": {"limit": 50}}, {"pids.max": "50"}, {"TasksMax": "50"},
        {"pids": {"limit": -1}}, {"pids.max": "max"}, {"TasksMax": "infinity"}),
    "unified": (
        {"unified": {"memory.high": str(32 * MIB), "memory.min": "4096", "pids.max": "33", "cpu.max": "20000 100000"}},
        {"memory.high": str(32 * MIB), "memory.min": "4096", "pids.max": "33", "cpu.max": "20000 100000"},
        {"MemoryHigh": str(32 * MIB), "MemoryMin": "4096", "TasksMax": "33", "CPUQuotaPerSecUSec": "200ms"},
        {"unified": {"memory.high": "max", "pids.max": "34"}}, {"memory.high": "max", "pids.max": "34"},
        {"MemoryHigh": "infinity", "TasksMax": "34"}),
}


def check(unit, files, properties):
    assert {name: unit.value(name) for name in files} == files
    assert units.show(unit.name, *properties) == properties


@pytest.mark.parametrize("case", LIMITS)
def test_set_changed_and_kept_over_a_reload(unit, case):
    create, files, properties, update, new_files, new_properties = LIMITS[case]
    for section, value in create.items():
        unit.c.bundle.set(f"linux.resources.{section}", value)
    unit.up()
    check(unit, files, properties)
    units.daemon_reload()
    check(unit, files, properties)
    unit.update("-r", "-", input=json.dumps(update))
    check(unit, new_files, new_properties)
    units.daemon_reload()
    check(unit, new_files, new_properties)


def test_a_quota_that_systemd_cannot_keep_is_exact_in_the_file(unit):
    unit.c.bundle.set("linux.resources.cpu", {"quota": 33333, "period": 100000})
    unit.up()
    assert unit.value("cpu.max") == "33333 100000" and unit.prop("CPUQuotaPerSecUSec") == "340ms"


def test_io(unit):
    disk = _major_minor()
    major, minor = map(int, disk.split(":"))
    unit.c.bundle.set("linux.resources.blockIO", {
        "weight": 500,
        "throttleReadBpsDevice": [{"major": major, "minor": minor, "rate": MIB}],
        "throttleWriteIOPSDevice": [{"major": major, "minor": minor, "rate": 120}],
    })
    unit.up()
    want = {"rbps=1048576", "wbps=max", "riops=max", "wiops=120"}
    assert set(unit.value("io.max").split()[1:]) == want
    assert unit.prop("IOWeight") == "4950"
    assert unit.prop("IOReadBandwidthMax") == f"/dev/block/{disk} 1048576"
    assert unit.prop("IOWriteIOPSMax") == f"/dev/block/{disk} 120"
    units.daemon_reload()
    assert set(unit.value("io.max").split()[1:]) == want
    weight = "io.bfq.weight" if os.path.exists(f"/sys/fs/cgroup{unit.path}/io.bfq.weight") else "io.weight"
    assert unit.value(weight).split()[-1] in ("500", "4950")


def test_what_has_no_property_is_written_to_its_file(unit):
    unit.c.bundle.set("linux.resources.hugepageLimits", [{"pageSize": "2MB", "limit": 4 * MIB}])
    unit.c.bundle.set("linux.resources.cpu", {"quota": 50000, "burst": 1000})
    unit.c.bundle.set("linux.resources.unified", {"memory.oom.group": "1"})
    unit.up()
    for reloaded in (False, True):
        if reloaded:
            units.daemon_reload()
        assert unit.value("hugetlb.2MB.max") == str(4 * MIB)
        assert unit.value("cpu.max.burst") == "1000"
        assert unit.value("memory.oom.group") == "1"


BAD_UPDATES = {
    "a file that is missing": ({"pids": {"limit": 77}, "unified": {"pids.no_such": "1"}}, "pids.no_such"),
    "a value that the kernel refuses": ({"memory": {"limit": 99 * MIB}, "unified": {"memory.oom.group": "nonsense"}}, "memory.oom.group"),
    "what systemd refuses": ({"pids": {"limit": 77}, "unified": {"cpu.weight": "0"}}, "CPUWeight"),
}


@pytest.mark.parametrize("case", BAD_UPDATES)
def test_an_update_that_fails_changes_nothing(unit, case):
    change, word = BAD_UPDATES[case]
    unit.c.bundle.set("linux.resources.pids", {"limit": 50}).set("linux.resources.memory", {"limit": 64 * MIB})
    unit.up()
    result = unit.update("-r", "-", input=json.dumps(change), check=False)
    assert result.rc == 1 and result.err, result
    want = ({"pids.max": "50", "memory.max": str(64 * MIB)}, {"TasksMax": "50", "MemoryMax": str(64 * MIB)})
    check(unit, *want)
    units.daemon_reload()
    check(unit, *want)
    assert unit.c.sh("echo runs") == "runs\n"


def test_a_controller_that_is_missing(unit, host_unchanged):
    unit.c.bundle.set("linux.resources.rdma", {"mlx5_0": {"hcaHandles": 1}})
    result = unit.c.create(options=units.SYSTEMD, check=False)
    assert result.rc == 1 and "linux.resources.rdma" in result.err, result
    units.forgotten(unit.name)
    host_unchanged()
