"""--cgroup-manager and --systemd-cgroup: who makes the container's cgroup, if anybody."""
import os

import pytest

import host
from rig import wherry_only

pytestmark = wherry_only("--cgroup-manager is crun's, not runc's")
DISABLED = ["--cgroup-manager", "disabled"]


@pytest.fixture
def without_cgroup(container):
    """A created container without a cgroup of its own."""
    c = container()
    c.bundle.drop("linux.cgroupsPath").drop("linux.resources")
    c.create(options=DISABLED)
    return c


def test_disabled_leaves_the_callers_cgroup(without_cgroup):
    c = without_cgroup
    assert host.cgroup_of(c.pid) == host.cgroup_of(os.getpid())
    assert host.cgroup_dirs(c.id) == []


def test_the_whole_life_without_a_cgroup(without_cgroup, host_unchanged):
    c = without_cgroup
    c.start()
    assert c.status == "running"
    assert c.sh("echo in") == "in\n"
    pid = c.pid
    c.kill("KILL")
    host.wait_gone(pid)
    c.wait_status("stopped")
    c.delete()
    host_unchanged()


def test_later_verbs_know_the_manager_without_being_told(without_cgroup):
    c = without_cgroup
    c.start()
    pid = c.pid
    c.delete("--force")
    assert not host.alive(pid)


@pytest.mark.parametrize("verb", ["pause", "ps"])
def test_what_needs_a_cgroup_says_so(without_cgroup, verb):
    c = without_cgroup
    c.start()
    result = c.runtime.run(verb, c.id)
    assert result.ok if verb == "ps" and str(c.pid) in result.out else result.rc == 1 and "cgroup" in result.err, result


def test_a_limit_cannot_be_kept_without_a_cgroup(container, host_unchanged):
    c = container()
    c.bundle.set("linux.resources", {"pids": {"limit": 5}})
    result = c.create(options=DISABLED, check=False)
    assert result.rc == 1 and "pids" in result.err, result
    host_unchanged()


def test_device_rules_that_nobody_enforces_are_a_warning(container):
    c = container()
    result = c.create(options=DISABLED)
    assert "devices" in result.err


def test_cgroupfs_is_the_default(container):
    c = container()
    c.create(options=["--cgroup-manager", "cgroupfs"])
    assert host.cgroup_of(c.pid) == "/" + c.id


@pytest.fixture
def no_bus(tmp_path):
    """The environment of a host without systemd: its bus is nowhere."""
    return {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={tmp_path}/no-bus"}


def test_without_systemd_there_is_one_clear_error(container, no_bus, host_unchanged):
    c = container()
    c.bundle.drop("linux.cgroupsPath")
    result = c.create(options=["--systemd-cgroup"], env=no_bus, check=False)
    assert result.rc == 1 and "is systemd this host's init" in result.err, result
    assert result.err.count("\n") == 1
    host_unchanged()


def test_the_path_of_another_manager_is_an_error(container, no_bus):
    c = container()
    c.bundle.set("linux.cgroupsPath", "/a/path")
    result = c.create(options=["--systemd-cgroup"], env=no_bus, check=False)
    assert result.rc == 1 and "slice:prefix:name" in result.err, result


def test_systemds_form_without_systemd_is_a_name_and_a_warning(container):
    c = container()
    path = f"a.slice:engine:{c.id}"
    c.bundle.set("linux.cgroupsPath", path)
    result = c.create()
    assert f"'{path}'" in result.err and "the cgroup manager is cgroupfs" in result.err, result
    assert host.cgroup_of(c.pid).endswith("/" + path)


def test_plan_shows_the_unit(container, runtime):
    c = container()
    c.bundle.set("linux.cgroupsPath", "a-b.slice:engine:one")
    c.bundle.set("linux.resources", {"pids": {"limit": 5}})
    c.bundle.write()
    result = runtime.run("plan", "--format", "json", c.bundle.path, options=["--systemd-cgroup"])
    cgroup = result.json()["cgroup"]
    assert cgroup["path"] == "/a.slice/a-b.slice/engine-one.scope"
    assert (cgroup["unit"], cgroup["slice"]) == ("engine-one.scope", "a-b.slice")
    assert {"name": "TasksMax", "value": "5"} in cgroup["properties"]


@pytest.mark.parametrize("value", ["nonsense", ""])
def test_unknown_manager(runtime, value):
    assert runtime.run("list", options=[f"--cgroup-manager={value}"]).rc == 1


def test_a_cgroup_mount_shows_the_callers_own_and_cannot_be_written(container):
    c = container()
    c.bundle.mount("/sys/fs/cgroup", "cgroup", "cgroup", ["nosuid", "noexec", "nodev", "relatime"])
    c.bundle.sh("cat /sys/fs/cgroup/cgroup.procs >/dev/null && echo there; mkdir /sys/fs/cgroup/x")
    result = c.run(options=DISABLED, check=False)
    assert result.out == "there\n" and "Read-only file system" in result.err, result
