"""linux.intelRdt: with a directory that stands in for resctrl, and on a host without one."""
import json
import os
import signal

import pytest

import host
from containers import assert_refused
from rig import skip_if, wherry_only

ROOT = "/sys/fs/resctrl"
MS_BIND, MS_REC = 4096, host.MS_REC
SCHEMATA = "    MB:0=100;1=100\n    L3:0=7ff;1=7ff\n"


@pytest.fixture
def resctrl(tmp_path_factory):
    """A tree with one class, "gold", where the kernel would have resctrl. Directories made in it get no files."""
    if os.path.exists(ROOT + "/schemata"):
        pytest.skip("this host has a resctrl of its own")
    kept = tmp_path_factory.mktemp("sys-fs-cgroup")
    host.mount("/sys/fs/cgroup", kept, "none", MS_BIND | MS_REC)
    host.mount("none", kept, "none", host.MS_PRIVATE | MS_REC)  # else its end is that of /sys/fs/cgroup
    host.mount("sys-fs", "/sys/fs", "tmpfs")
    for name in ("cgroup", "resctrl", "resctrl/info", "resctrl/mon_groups", "resctrl/gold", "resctrl/gold/mon_groups"):
        os.mkdir("/sys/fs/" + name)
    host.mount(kept, "/sys/fs/cgroup", "none", MS_BIND | MS_REC)
    for group in (".", "gold"):
        for name, text in (("schemata", SCHEMATA), ("tasks", "")):
            with open(os.path.join(ROOT, group, name), "w") as f:
                f.write(text)
    yield ROOT
    host.umount("/sys/fs")
    host.umount(kept)


def read(*path):
    with open(os.path.join(ROOT, *path)) as f:
        return f.read()


def has(*path):
    return os.path.exists(os.path.join(ROOT, *path))


def test_without_resctrl_it_is_refused(container):
    if os.path.exists(ROOT + "/schemata"):
        pytest.skip("this host has resctrl")
    c = container()
    skip_if("runc", "leaves it out where there is none")
    c.bundle.set("linux.intelRdt", {"closID": "gold"})
    assert_refused(c, "rdt")


@wherry_only("a directory stands in for resctrl")
@pytest.mark.parametrize("clos, group", [("gold", "gold"), ("/", ".")])
@pytest.mark.parametrize("schema", [{}, {"l3CacheSchema": "L3:1=7FF", "memBwSchema": "MB:0=100"}], ids=["none", "same"])
def test_a_class_that_is_there(resctrl, container, clos, group, schema):
    c = container()
    c.bundle.set("linux.intelRdt", {"closID": clos, **schema})
    pid = c.up()
    assert read(group, "tasks") == f"{pid}\n"
    assert read(group, "schemata") == SCHEMATA
    c.delete("--force")
    assert has(group, "tasks")


@wherry_only("a directory stands in for resctrl")
def test_exec_and_run_join_it_too(resctrl, container):
    c = container()
    c.bundle.set("linux.intelRdt", {"closID": "gold"})
    c.run("--detach", check=True)
    assert read("gold", "tasks") == f"{c.pid}\n"
    os.truncate(f"{ROOT}/gold/tasks", 0)
    exec_pid = c.bundle.path + "/exec.pid"
    c.exec("sleep", "1000", flags=["--detach", "--pid-file", exec_pid], check=True)
    with open(exec_pid) as f:
        assert read("gold", "tasks").strip() == f.read().strip()


@wherry_only("a directory stands in for resctrl")
def test_schemata_are_written(resctrl, container):
    c = container()
    c.bundle.set("linux.intelRdt", {"closID": "gold", "schemata": ["L3:0=3", "L2:0=f"]})
    c.up()
    assert read("gold", "schemata").startswith("L3:0=3\nL2:0=f\n")


@wherry_only("a directory stands in for resctrl")
def test_update(resctrl, container, runtime):
    c = container()
    c.bundle.set("linux.intelRdt", {"closID": "gold", "memBwSchema": "MB:0=100"})
    c.up()
    runtime.run("update", "--l3-cache-schema", "L3:0=3", "--mem-bw-schema", "MB:0=10;1=10", c.id, check=True)
    assert read("gold", "schemata").startswith("L3:0=3\nMB:0=10;1=10\n")
    with open(f"{runtime.root}/{c.id}/config.json") as f:
        kept = json.load(f)["linux"]["intelRdt"]
    assert kept == {"closID": "gold", "l3CacheSchema": "L3:0=3", "memBwSchema": "MB:0=10;1=10"}


@wherry_only("a directory stands in for resctrl")
@pytest.mark.parametrize("flags, words", [
    (["--mem-bw-schema", "10"], ["memBwSchema", "MB:"]),
    (["--l3-cache-schema", "L3:0=1", "--resources", "/not/there"], ["/not/there"])])
def test_an_update_that_fails_changes_nothing(resctrl, container, runtime, flags, words):
    c = container()
    c.bundle.set("linux.intelRdt", {"closID": "gold"})
    c.up()
    result = runtime.run("update", *flags, c.id)
    assert result.rc == 1 and all(w in result.err for w in words), result
    assert read("gold", "schemata") == SCHEMATA


def tell(*path, **files):
    """Give the stand-in a directory with these files."""
    directory = os.path.join(ROOT, *path)
    os.makedirs(directory, exist_ok=True)
    for name, text in files.items():
        with open(os.path.join(directory, name), "w") as f:
            f.write(text + "\n")


def stats_of(c, runtime):
    return json.loads(runtime.run("events", "--stats", c.id, check=True).out)["data"]["intel_rdt"]


@wherry_only("a directory stands in for resctrl")
def test_events_tell_what_resctrl_does(resctrl, container, runtime):
    tell("info", "L3", cbm_mask="7ff", min_cbm_bits="2", num_closids="16")
    tell("info", "MB", bandwidth_gran="10", delay_linear="1", min_bandwidth="5", num_closids="8")
    tell("gold", "mon_data", "mon_L3_00", mbm_total_bytes="4096", mbm_local_bytes="1024", llc_occupancy="512")
    tell("gold", "mon_data", "mon_L3_01", mbm_total_bytes="0", mbm_local_bytes="0", llc_occupancy="0")
    c = container()
    c.bundle.set("linux.intelRdt", {"closID": "gold", "memBwSchema": "MB:0=100"})
    c.up()
    tell("gold", schemata="    MB:0=100;1=40\n    L3:0=7ff;1=00f")
    assert stats_of(c, runtime) == {
        "l3_cache_info": {"cbm_mask": "7ff", "min_cbm_bits": 2, "num_closids": 16},
        "l3_cache_schema_root": "L3:0=7ff;1=7ff", "l3_cache_schema": "L3:0=7ff;1=00f",
        "mem_bw_info": {"bandwidth_gran": 10, "delay_linear": 1, "min_bandwidth": 5, "num_closids": 8},
        "mem_bw_schema_root": "MB:0=100;1=100", "mem_bw_schema": "MB:0=100;1=40",
        "mbm_stats": [{"mbm_total_bytes": 4096, "mbm_local_bytes": 1024}, {"mbm_total_bytes": 0, "mbm_local_bytes": 0}],
        "cmt_stats": [{"llc_occupancy": 512}, {"llc_occupancy": 0}]}


@wherry_only("a directory stands in for resctrl")
def test_events_of_a_container_without_a_class(resctrl, container, runtime):
    tell("info", "L3", cbm_mask="7ff")
    c = container()
    c.up()
    assert stats_of(c, runtime) == {}


@wherry_only("runc makes a class for it")
def test_update_of_a_container_without_a_class(container, runtime):
    c = container()
    c.up()
    result = runtime.run("update", "--mem-bw-schema", "MB:0=10", c.id)
    assert result.rc == 1 and "--mem-bw-schema" in result.err and "linux.intelRdt" in result.err


@wherry_only("a directory stands in for resctrl")
@pytest.mark.parametrize("rdt, words", [
    ({"closID": "silver"}, ["linux.intelRdt.closID", "'silver'"]),
    ({"closID": "gold", "l3CacheSchema": "L3:0=f"}, ["'gold'", "l3CacheSchema"]),
    ({"closID": "gold", "memBwSchema": "MB:1=10"}, ["'gold'", "memBwSchema"]),
    ({"closID": "silver", "schemata": ["L3:0=f"]}, ["silver/schemata"]),
    ({"enableMonitoring": True}, ["/mon_groups/"])],
    ids=["missing", "other-cache", "other-bandwidth", "unwritable", "no-monitoring"])
def test_what_cannot_be_done_leaves_nothing(resctrl, container, rdt, words):
    c = container()
    c.bundle.set("linux.intelRdt", rdt)
    assert_refused(c, *words)
    assert sorted(os.listdir(ROOT)) == ["gold", "info", "mon_groups", "schemata", "tasks"]
    assert read("gold", "schemata") == SCHEMATA and read("gold", "tasks") == ""


@wherry_only("a directory stands in for resctrl")
def test_what_create_made_goes_with_a_killed_create(resctrl, container):
    """The record tells of the class before the class is there, so that delete finds it."""
    c = container()
    c.bundle.set("linux.intelRdt", {}).set("hooks.createRuntime", [{"path": "/bin/sleep", "args": ["sleep", "1000"]}])
    creator = c.spawn(verb="create")
    host.wait_until(lambda: has(c.id), "the class of service")
    creator.kill(signal.SIGKILL)
    creator.wait()
    for hook in host.children():  # what a killed create leaves is its hook, in a session of its own
        os.kill(hook, signal.SIGKILL)
    c.delete("--force")
    assert not has(c.id)


@wherry_only("the plan is its own")
def test_plan_shows_it(runtime, bundle):
    b = bundle()
    b.set("linux.intelRdt", {"closID": "gold", "l3CacheSchema": "L3:0=f", "enableMonitoring": True})
    b.write()
    text = runtime.run("plan", b.path, check=True).out
    assert "class          gold\n" in text and "L3:0=f" in text
    shown = json.loads(runtime.run("plan", "--format", "json", b.path, check=True).out)["intelRdt"]
    assert (shown["class"], shown["limits"]) == ("gold", "L3:0=f\n") and shown["monitoring"].startswith("gold/mon_groups/")
