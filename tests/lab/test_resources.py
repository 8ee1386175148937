"""Each row of docs/resources.md on a host that has every controller: created, read back, updated, read back."""
import json
import subprocess

import pytest

from managers import cgroup_of, manager, read, update  # noqa: F401  manager is a fixture
from resource_rows import ROWS, TOGETHER, documented_fields


@pytest.fixture(scope="module")
def disk():
    """A block device that throttles and weights may be about: MAJOR:MINOR."""
    subprocess.run(["modprobe", "bfq"], check=True, timeout=60)
    subprocess.run(["modprobe", "null_blk", "nr_devices=1", "gb=1"], check=True, timeout=60)
    with open("/sys/block/nullb0/queue/scheduler", "w") as file:
        file.write("bfq")
    with open("/sys/block/nullb0/dev") as file:
        yield file.read().strip()
    subprocess.run(["modprobe", "-r", "null_blk"], check=True, timeout=60)


def _with_disk(value, disk):
    """The value with the device's numbers in their places."""
    major, minor = disk.split(":")
    text = json.dumps(value).replace('"MAJOR"', major).replace('"MINOR"', minor).replace("DISK", disk)
    return json.loads(text)


def _assert_files(c, files, disk):
    for name, want in _with_disk(files, disk).items():
        lines = read(c, name).splitlines()
        found = want in lines or any(line.startswith(disk + " ") and want in line.split() for line in lines)
        assert found, f"{name} of {cgroup_of(c)} is {lines}, not {want!r}"


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_field(manager, container, disk, rdma, row):  # noqa: F811
    c = container()
    c.bundle.set("linux.resources", _with_disk(row.created, disk))
    manager.up(c)
    _assert_files(c, row.files, disk)
    update(c, _with_disk(row.updated, disk))
    _assert_files(c, row.files_updated, disk)
    assert c.status == "running"


def test_every_documented_field_has_a_row():
    assert {row.name.split()[0] for row in ROWS} == set(documented_fields())


def test_fields_together(manager, container, disk, rdma):  # noqa: F811
    """No order of writing stands in another's way."""
    rows = [row for row in ROWS if row.name in TOGETHER]
    assert len(rows) == len(TOGETHER)
    resources, files = {}, {}
    for row in rows:
        files.update(row.files)
        for section, value in row.created.items():
            if isinstance(value, dict):
                resources.setdefault(section, {}).update(value)
            else:
                resources[section] = value
    c = container()
    c.bundle.set("linux.resources", _with_disk(resources, disk))
    manager.up(c)
    _assert_files(c, files, disk)
