"""reclaim: what can go wrong before the kernel is asked. The rest needs a host with the memory controller."""
import os

import pytest

import host
from rig import wherry_only

pytestmark = wherry_only("a verb of wherry's own")


def test_without_the_memory_controller(container):
    with open(os.path.join(host.cgroup2_mount(), "cgroup.controllers")) as f:
        if "memory" in f.read().split():
            pytest.skip("the memory controller is on cgroup v2 here")
    c = container()
    c.up()
    result = c.runtime.run("reclaim", c.id, "1m")
    assert result.rc == 1 and "the memory controller is not available on cgroup v2" in result.err, result


@pytest.mark.parametrize("size", ["0", "-1", "lots", "", "1x"])
def test_bad_sizes(container, size):
    c = container()
    c.up()
    result = c.runtime.run("reclaim", c.id, "--", size)
    assert result.rc == 1 and "expected a size" in result.err, result


def test_a_stopped_container(container):
    c = container()
    c.up()
    c.kill("KILL")
    c.wait_status("stopped")
    result = c.runtime.run("reclaim", c.id, "1m")
    assert result.rc == 1 and "container not running" in result.err


def test_no_such_container(runtime):
    result = runtime.run("reclaim", "nobody", "1m")
    assert result.rc == 1 and "does not exist" in result.err


def test_missing_arguments(runtime):
    result = runtime.run("reclaim", "nobody")
    assert result.rc == 1 and "missing argument: SIZE" in result.err
