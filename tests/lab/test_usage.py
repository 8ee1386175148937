"""stats and reclaim with the memory controller."""
import json

import pytest

from used import MANAGERS, MIB, on_disk, read, start, wait_for_use


@pytest.mark.parametrize("manager", MANAGERS)
def test_memory_and_its_limit_in_the_table(container, manager):
    c = container()
    c.bundle.sh("dd if=/dev/zero of=/dev/shm/held bs=1M count=16; sleep 1000")
    cgroup = start(c, manager, memory={"limit": 64 * MIB}, pids={"limit": 12})
    wait_for_use(cgroup, 16 * MIB)
    [row] = json.loads(c.runtime.run("stats", "--no-stream", "-f", "json", c.id, check=True).out)
    assert row["memory_limit_bytes"] == 64 * MIB and 16 * MIB <= row["memory_bytes"] < 32 * MIB
    assert abs(row["memory_percent"] - row["memory_bytes"] / row["memory_limit_bytes"] * 100) < 0.02
    assert (row["pids"], row["pids_limit"]) == (1, 12)
    assert {"cpu_waits_percent", "memory_waits_percent", "io_waits_percent"} <= set(row)
    table = c.runtime.run("stats", "--no-stream", "--interval", "10ms", c.id, check=True).out
    assert "/ 64.0MiB" in table and "1 / 12" in table


@pytest.mark.parametrize("manager", MANAGERS)
def test_page_cache_comes_back(container, request, manager):
    c = container()
    request.addfinalizer(on_disk(c))
    c.bundle.sh("dd if=/dev/zero of=/disk/held bs=1M count=32 conv=fsync; echo done; sleep 1000")
    cgroup = start(c, manager, memory={"limit": 256 * MIB})
    c.wait_stdout("done\n", 60)
    before = int(read(cgroup, "memory.current"))
    result = c.runtime.run("reclaim", c.id, "16m", timeout=60)
    assert result.rc == 0 and "of 16.0MiB" in result.out, result
    came_back = int(result.out.split()[0])
    assert came_back >= 12 * MIB
    assert abs(before - int(read(cgroup, "memory.current")) - came_back) < 4 * MIB


def test_less_than_was_asked_for(container):
    c = container()
    start(c, memory={"limit": 64 * MIB, "swap": 64 * MIB})
    result = c.runtime.run("reclaim", c.id, "1g", timeout=120)
    assert result.rc == 2 and "of 1.00GiB" in result.out and "no more to take" in result.out, result
    assert c.status == "running" and c.sh("echo alive") == "alive\n"


def test_without_a_limit_there_is_nothing_to_reclaim_by(container):
    c = container()
    cgroup = start(c)
    result = c.runtime.run("reclaim", c.id, "1m", timeout=60)
    try:
        read(cgroup, "memory.current")
    except FileNotFoundError:
        assert result.rc == 1 and "no limit asked for it" in result.err, result
    else:
        assert result.rc in (0, 2), result
