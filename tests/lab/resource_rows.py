"""The table "fields and files" of docs/resources.md, with a value to create with and one to update to.

A value stands for what the kernel's file says then. DISK is a block device of the lab's own (null_blk), as MAJOR:MINOR.
"""
import itertools
import os
import re
from typing import NamedTuple

DOCUMENT = os.path.join(os.path.dirname(__file__), "..", "..", "docs", "resources.md")
MIB = 1 << 20
DISK = {"major": "MAJOR", "minor": "MINOR"}  # replaced by the device's numbers
RDMA = "rxe0"  # the device that the fixture rdma makes


class Row(NamedTuple):
    name: str  # the field, below linux.resources
    created: dict  # linux.resources of create
    files: dict  # file -> what is in it then
    updated: dict  # linux.resources of update
    files_updated: dict


def _throttle(name, key):
    return Row(f"blockIO.{name}", {"blockIO": {name: [dict(DISK, rate=MIB)]}}, {"io.max": f"{key}={MIB}"},
               {"blockIO": {name: [dict(DISK, rate=2 * MIB)]}}, {"io.max": f"{key}={2 * MIB}"})


def _hugepages(size, rsvd):
    limits = [{"pageSize": size, "limit": rsvd}]
    return Row(f"hugepageLimits {size}", {"hugepageLimits": limits},
               {f"hugetlb.{size}.max": str(rsvd), f"hugetlb.{size}.rsvd.max": str(rsvd)},
               {"hugepageLimits": [{"pageSize": size, "limit": 0}]}, {f"hugetlb.{size}.max": "0", f"hugetlb.{size}.rsvd.max": "0"})


def _rdma(name, created, line, updated, line_updated):
    return Row(name, {"rdma": {RDMA: created}}, {"rdma.max": f"{RDMA} {line}"},
               {"rdma": {RDMA: updated}}, {"rdma.max": f"{RDMA} {line_updated}"})


ROWS = [
    Row("memory.limit", {"memory": {"limit": 64 * MIB}}, {"memory.max": str(64 * MIB)},
        {"memory": {"limit": 96 * MIB}}, {"memory.max": str(96 * MIB)}),
    Row("memory.limit unlimited", {"memory": {"limit": 64 * MIB}}, {"memory.max": str(64 * MIB)},
        {"memory": {"limit": -1}}, {"memory.max": "max"}),
    Row("memory.reservation", {"memory": {"reservation": 16 * MIB}}, {"memory.low": str(16 * MIB)},
        {"memory": {"reservation": 8 * MIB}}, {"memory.low": str(8 * MIB)}),
    Row("memory.swap", {"memory": {"limit": 64 * MIB, "swap": 96 * MIB}}, {"memory.swap.max": str(32 * MIB)},
        {"memory": {"limit": 64 * MIB, "swap": 64 * MIB}}, {"memory.max": str(64 * MIB), "memory.swap.max": "0"}),
    Row("memory.swap unlimited", {"memory": {"limit": 64 * MIB, "swap": 64 * MIB}}, {"memory.swap.max": "0"},
        {"memory": {"limit": 64 * MIB, "swap": -1}}, {"memory.swap.max": "max"}),
    Row("cpu.shares", {"cpu": {"shares": 1024}}, {"cpu.weight": "100"}, {"cpu": {"shares": 2048}}, {"cpu.weight": "174"}),
    Row("cpu.shares at its ends", {"cpu": {"shares": 2}}, {"cpu.weight": "1"},
        {"cpu": {"shares": 262144}}, {"cpu.weight": "10000"}),
    Row("cpu.quota", {"cpu": {"quota": 50000, "period": 100000}}, {"cpu.max": "50000 100000"},
        {"cpu": {"quota": 20000}}, {"cpu.max": "20000 100000"}),
    Row("cpu.quota unlimited", {"cpu": {"quota": 50000}}, {"cpu.max": "50000 100000"},
        {"cpu": {"quota": -1}}, {"cpu.max": "max 100000"}),
    Row("cpu.period", {"cpu": {"quota": 50000, "period": 200000}}, {"cpu.max": "50000 200000"},
        {"cpu": {"quota": 50000, "period": 50000}}, {"cpu.max": "50000 50000"}),
    Row("cpu.burst", {"cpu": {"quota": 50000, "period": 100000, "burst": 20000}}, {"cpu.max.burst": "20000"},
        {"cpu": {"burst": 30000}}, {"cpu.max.burst": "30000", "cpu.max": "50000 100000"}),
    Row("cpu.burst above the old quota", {"cpu": {"quota": 20000, "period": 100000, "burst": 10000}},
        {"cpu.max.burst": "10000"}, {"cpu": {"quota": 80000, "burst": 60000}},
        {"cpu.max.burst": "60000", "cpu.max": "80000 100000"}),
    Row("cpu.idle", {"cpu": {"idle": 1}}, {"cpu.idle": "1"}, {"cpu": {"idle": 0}}, {"cpu.idle": "0"}),
    Row("cpu.cpus", {"cpu": {"cpus": "0"}}, {"cpuset.cpus": "0", "cpuset.cpus.effective": "0"},
        {"cpu": {"cpus": "0-1"}}, {"cpuset.cpus": "0-1"}),
    Row("cpu.mems", {"cpu": {"cpus": "0-1", "mems": "0"}}, {"cpuset.mems": "0", "cpuset.mems.effective": "0"},
        {"cpu": {"mems": "1"}}, {"cpuset.mems": "1"}),
    Row("pids.limit", {"pids": {"limit": 100}}, {"pids.max": "100"}, {"pids": {"limit": 50}}, {"pids.max": "50"}),
    Row("pids.limit of 0", {"pids": {"limit": 0}}, {"pids.max": "1"}, {"pids": {"limit": -1}}, {"pids.max": "max"}),
    Row("blockIO.weight", {"blockIO": {"weight": 500}}, {"io.bfq.weight": "default 500"},
        {"blockIO": {"weight": 200}}, {"io.bfq.weight": "default 200"}),
    Row("blockIO.weightDevice", {"blockIO": {"weightDevice": [dict(DISK, weight=300)]}}, {"io.bfq.weight": "DISK 300"},
        {"blockIO": {"weightDevice": [dict(DISK, weight=400)]}}, {"io.bfq.weight": "DISK 400"}),
    _throttle("throttleReadBpsDevice", "rbps"),
    _throttle("throttleWriteBpsDevice", "wbps"),
    _throttle("throttleReadIOPSDevice", "riops"),
    _throttle("throttleWriteIOPSDevice", "wiops"),
    _hugepages("2MB", 8 * MIB),
    _hugepages("1GB", 1024 * MIB),
    _rdma("rdma", {"hcaHandles": 3, "hcaObjects": 200}, "hca_handle=3 hca_object=200",
          {"hcaHandles": 5, "hcaObjects": 100}, "hca_handle=5 hca_object=100"),
    _rdma("rdma hcaHandles", {"hcaHandles": 2}, "hca_handle=2 hca_object=max", {"hcaHandles": 0}, "hca_handle=0 hca_object=max"),
    _rdma("rdma hcaObjects", {"hcaObjects": 10}, "hca_handle=max hca_object=10", {"hcaObjects": 9},
          "hca_handle=max hca_object=9"),
    _rdma("rdma one after the other", {"hcaHandles": 2}, "hca_handle=2 hca_object=max", {"hcaObjects": 7},
          "hca_handle=2 hca_object=7"),
    Row("unified", {"unified": {"memory.high": str(48 * MIB), "cgroup.max.depth": "4"}},
        {"memory.high": str(48 * MIB), "cgroup.max.depth": "4"},
        {"unified": {"memory.high": str(40 * MIB)}}, {"memory.high": str(40 * MIB), "cgroup.max.depth": "4"}),
    Row("unified above the fields", {"memory": {"limit": 64 * MIB}, "unified": {"memory.max": str(80 * MIB)}},
        {"memory.max": str(80 * MIB)}, {"unified": {"memory.max": str(96 * MIB)}}, {"memory.max": str(96 * MIB)}),
    Row("unified without a field", {"unified": {"memory.oom.group": "1"}}, {"memory.oom.group": "1"},
        {"unified": {"memory.oom.group": "0"}}, {"memory.oom.group": "0"}),
]

# No two of them are about one file.
TOGETHER = ["memory.reservation", "memory.swap", "cpu.shares", "cpu.burst", "cpu.cpus", "pids.limit", "blockIO.weight",
            "blockIO.weightDevice", "blockIO.throttleReadBpsDevice", "hugepageLimits 2MB", "rdma",
            "unified"]


class Documented(NamedTuple):
    fields: list  # below linux.resources, without what stands in brackets
    files: list
    property: str  # systemd's, as it is written


def _names(cell):
    """What stands in backquotes, its braces expanded: `a{B,C}` is aB and aC."""
    for name in re.findall(r"`([^`]+)`", cell):
        groups = [group.split(",") for group in re.findall(r"{(\w+,\w+)}", name)]
        form = re.sub(r"{\w+,\w+}", "%s", name)
        for choice in itertools.product(*groups):
            yield form % choice


def documented(begin="## Fields and files", end="###"):
    """The rows of a table of docs/resources.md, which stands between these two texts."""
    with open(DOCUMENT) as file:
        table = file.read().split(begin)[1].split(end)[0]
    for line in [line for line in table.splitlines() if line.startswith("| `")][1:]:
        cells = line.split("|")[1:]
        fields = [re.split(r"[\[{]", name)[0] for name in _names(cells[0])]
        yield Documented(list(dict.fromkeys(fields)), list(_names(cells[1])), cells[3] if len(cells) > 4 else "")


def documented_fields(begin="## Fields and files", end="###"):
    return [field for row in documented(begin, end) for field in row.fields]
