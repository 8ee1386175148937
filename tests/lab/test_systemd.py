# SPDX-License-Identifier: Apache-2.0
"""The systemd manager: a container's life as a unit, its names, its devices, what annotations ask for."""
import os
import signal

import pytest

import host
import units
from units import SYSTEMD, Unit


@pytest.fixture
def unit(container):
    """A container that will be a scope of system.slice."""
    return Unit(container())


def test_the_whole_life(unit, host_unchanged):
    c = unit.c
    c.bundle.sh("cat /proc/self/cgroup >/was; exec sleep 1000")
    c.bundle.namespace("cgroup")
    unit.create()
    assert host.cgroup_of(c.pid) == unit.path
    assert units.show(unit.name, "ActiveState", "Delegate", "DefaultDependencies", "CollectMode", "Slice") == {
        "ActiveState": "active", "Delegate": "yes", "DefaultDependencies": "no", "CollectMode": "inactive-or-failed",
        "Slice": "system.slice"}
    c.start()
    assert c.status == "running"
    assert c.sh("cat /proc/self/cgroup; cat /was").split() == ["0::/", "0::/"]
    pid = c.pid
    c.kill("KILL")
    host.wait_gone(pid)
    c.wait_status("stopped")
    c.delete()
    units.forgotten(unit.name)
    assert not os.path.exists(host.cgroup_path(unit.path))
    host_unchanged()


def test_run_in_the_foreground_leaves_no_unit(unit):
    unit.c.bundle.args("echo", "done")
    result = unit.c.run(options=SYSTEMD, check=True)
    assert result.out == "done\n"
    units.forgotten(unit.name)


def test_the_program_runs_within_the_limits_from_its_first_instruction(unit):
    unit.c.bundle.set("linux.resources.pids", {"limit": 7}).namespace("cgroup")
    unit.c.bundle.mount("/sys/fs/cgroup", "cgroup", "cgroup", ["ro"])
    unit.c.bundle.args("cat", "/sys/fs/cgroup/pids.max")
    assert unit.c.run(options=SYSTEMD, check=True).out == "7\n"


def test_a_container_without_a_path(container):
    c = container()
    c.bundle.drop("linux.cgroupsPath")
    c.create(options=SYSTEMD)
    name = os.path.basename(host.cgroup_of(c.pid))
    assert name.startswith("wherry.") and name.endswith(f"-{c.id}.scope")
    assert units.prop(name, "Slice") == "system.slice"
    c.delete("--force")
    units.forgotten(name)


NAMES = {
    "the root slice": ("-:lab:{id}", "/lab-{id}.scope", "-.slice"),
    "a slice in a slice": ("lab-deep.slice:lab:{id}", "/lab.slice/lab-deep.slice/lab-{id}.scope", "lab-deep.slice"),
    "no prefix": ("::{id}", "/system.slice/{id}.scope", "system.slice"),
    "no name": (":lab:", "/system.slice/lab-{id}.scope", "system.slice"),
    "bytes that are escaped": (":lab:{id}+x@y", "/system.slice/lab-{id}\\x2bx\\x40y.scope", "system.slice"),
    "the look of a file": ("::_{id}", "/system.slice/__{id}.scope", "system.slice"),
}


@pytest.mark.parametrize("case", NAMES)
def test_names(container, case):
    path, cgroup, in_slice = NAMES[case]
    c = container()
    c.bundle.set("linux.cgroupsPath", path.format(id=c.id))
    c.up(options=SYSTEMD)
    assert host.cgroup_of(c.pid) == cgroup.format(id=c.id)
    name = os.path.basename(cgroup.format(id=c.id)).replace("__", "_")
    assert units.prop(name, "Slice") == in_slice
    c.delete("--force")
    units.forgotten(name)


def test_a_slice_of_its_own(container):
    c = container()
    name = f"lab-{c.id}.slice"
    c.bundle.set("linux.cgroupsPath", f"::{name}").set("linux.resources.pids", {"limit": 9})
    c.up(options=SYSTEMD)
    assert host.cgroup_of(c.pid) == f"/lab.slice/{name}"
    assert units.prop(name, "TasksMax") == "9" and units.value(f"/lab.slice/{name}", "pids.max") == "9"
    assert c.sh("echo in") == "in\n"
    c.delete("--force")
    units.forgotten(name)
    assert not os.path.exists(host.cgroup_path(f"/lab.slice/{name}"))


def test_a_unit_that_is_there_is_left_alone(unit, container):
    unit.up()
    other = container()
    other.bundle.set("linux.cgroupsPath", unit.c.bundle.get("linux.cgroupsPath"))
    result = other.create(options=SYSTEMD, check=False)
    assert result.rc == 1 and "there is such a unit" in result.err, result
    assert other.state() is None
    assert unit.c.status == "running" and unit.prop("ActiveState") == "active"


def test_a_unit_that_has_failed_gives_up_its_name(unit):
    """CollectMode=inactive is what an annotation asks for: the failed unit stays until delete."""
    unit.c.bundle.set("annotations", {"org.systemd.property.CollectMode": "'inactive'",
                                      "org.systemd.property.RuntimeMaxSec": "1"})
    unit.c.bundle.sh("trap 'exit 3' TERM; while :; do sleep 1 & wait; done")
    unit.up()
    host.wait_until(lambda: unit.prop("ActiveState") == "failed", "the unit to fail", 30)
    unit.c.delete()
    units.forgotten(unit.name)


def test_annotations_are_properties(unit):
    unit.c.bundle.set("annotations", {
        "org.systemd.property.TimeoutStopSec": "7",
        "org.systemd.property.Description": "'it''s'".replace("''", "\\'"),
        "org.systemd.property.Before": "['final.target']",
        "org.systemd.property.RuntimeMaxUSec": "uint64 3600000000",
        "other.annotation": "untouched",
    })
    unit.up()
    got = units.show(unit.name, "TimeoutStopUSec", "Description", "RuntimeMaxUSec", "Before")
    assert got["TimeoutStopUSec"] == "7s" and got["Description"] == "it's" and got["RuntimeMaxUSec"] == "1h"
    assert "final.target" in got["Before"]


def test_a_property_that_systemd_refuses(unit, host_unchanged):
    unit.c.bundle.set("annotations", {"org.systemd.property.NoSuchThing": "true"})
    result = unit.c.create(options=SYSTEMD, check=False)
    assert result.rc == 1 and unit.name in result.err and "NoSuchThing" in result.err, result
    assert result.err.count("\n") == 1
    assert not units.is_known(unit.name)
    host_unchanged()


# --- devices


RULES = [{"allow": False, "access": "rwm"}, {"allow": True, "type": "c", "major": 1, "minor": 11, "access": "rw"}]
TRY = "for n in kmsg fuse rtc; do dd if=/dev/$n of=/dev/null count=0 2>/dev/null && echo $n; done; true"


@pytest.fixture
def guarded(unit):
    """A container with nodes of three devices, of which it may use one."""
    b = unit.c.bundle
    for name, major, minor in (("kmsg", 1, 11), ("fuse", 10, 229), ("rtc", 10, 135)):
        b.append("linux.devices", {"path": f"/dev/{name}", "type": "c", "major": major, "minor": minor})
    b.set("linux.resources.devices", RULES)
    b.capabilities(**{kind: ["CAP_SYSLOG"] for kind in ("bounding", "effective", "permitted")})
    return unit.up()


def test_device_rules_survive_a_reload(guarded):
    assert guarded.prop("DevicePolicy") == "strict"
    assert "/dev/char/1:11 rw" in units.all_of(guarded.name, "DeviceAllow")
    assert guarded.c.sh(TRY) == "kmsg\n"
    units.daemon_reload()
    assert guarded.c.sh(TRY) == "kmsg\n"
    assert guarded.c.sh("head -c 1 /dev/zero | od -An -tx1; test -c /dev/pts/ptmx && echo pty").split() == ["00", "pty"]


def test_device_rules_are_changed(guarded):
    rules = RULES[:1] + [{"allow": True, "type": "c", "major": 10, "minor": 229, "access": "rw"}]
    guarded.update("-r", "-", input='{"devices": %s}' % str(rules).replace("'", '"').replace("False", "false").replace("True", "true"))
    for reloaded in (False, True):
        if reloaded:
            units.daemon_reload()
        assert guarded.c.sh(TRY) == "fuse\n"
        assert "/dev/char/10:229 rw" in units.all_of(guarded.name, "DeviceAllow")


def test_a_container_that_may_use_everything(unit):
    unit.c.bundle.set("linux.resources.devices", [{"allow": True, "access": "rwm"}])
    unit.up()
    assert unit.prop("DevicePolicy") == "auto" and units.all_of(unit.name, "DeviceAllow") == []


# --- pause, kill, exec


def test_pause_holds_over_reload_and_update(unit):
    unit.up()
    unit.c.pause()
    units.daemon_reload()
    unit.update("--pids-limit", "20")
    assert unit.c.status == "paused" and "frozen 1" in unit.value("cgroup.events")
    assert unit.value("pids.max") == "20"
    unit.c.resume()
    assert unit.c.sh("echo again") == "again\n"


def test_a_paused_container_is_deleted(unit):
    unit.up()
    unit.c.pause()
    unit.delete()


def test_kill_reaches_all(unit):
    unit.c.bundle.sh("trap : TERM; sleep 1000 & sleep 1000 & wait; wait; wait")
    unit.up()
    host.wait_until(lambda: len(host.processes_in_cgroups(unit.name)) == 3, "the container's three processes")
    unit.c.kill("KILL", flags=["--all"])
    host.wait_no_processes(unit.name)


def test_a_unit_that_is_stopped_from_outside(unit):
    unit.c.bundle.sh("trap 'exit 3' TERM; while :; do sleep 1 & wait; done")
    unit.up()
    pid = unit.c.pid
    units.systemctl("stop", unit.name)
    host.wait_gone(pid)
    unit.c.wait_status("stopped")
    unit.c.delete()
    assert not units.is_known(unit.name)


def test_exec_goes_where_init_is(unit):
    """Before it has enabled anything in the container's cgroup, which a process in there would keep it from."""
    b = unit.c.bundle.namespace("cgroup")
    b.mount("/sys/fs/cgroup", "cgroup", "cgroup", ["rw"])
    b.sh("cd /sys/fs/cgroup; mkdir init; echo 1 >init/cgroup.procs; exec sleep 1000")
    unit.up()
    host.wait_until(lambda: host.cgroup_of(unit.c.pid).endswith("/init"), "init to move")
    assert unit.c.sh("cat /proc/self/cgroup") == "0::/init\n"
    unit.delete()


def test_exec_into_a_container_that_has_cgroups_of_its_own(unit):
    """What systemd does inside: the container's cgroup holds no process, controllers are on below it."""
    b = unit.c.bundle.namespace("cgroup")
    b.mount("/sys/fs/cgroup", "cgroup", "cgroup", ["rw"])
    b.sh("cd /sys/fs/cgroup; mkdir init; echo 1 >init/cgroup.procs; echo +pids >cgroup.subtree_control; exec sleep 1000")
    unit.up()
    host.wait_until(lambda: "pids" in unit.value("cgroup.subtree_control"), "the container's own cgroup")
    assert unit.c.sh("cat /proc/self/cgroup") == "0::/init\n"
    unit.delete()


def test_the_users_root_owns_the_cgroup(unit):
    b = unit.c.bundle.map_ids().namespace("cgroup")
    b.mount("/sys/fs/cgroup", "cgroup", "cgroup", ["rw"])
    unit.up()
    top = host.cgroup_path(unit.path)
    assert os.stat(top).st_uid == 100000 and os.stat(top + "/cgroup.procs").st_uid == 100000
    assert os.stat(top + "/pids.max").st_uid == 0
    assert unit.c.sh("mkdir /sys/fs/cgroup/mine && echo made") == "made\n"
    units.daemon_reload()
    assert unit.c.sh("mkdir /sys/fs/cgroup/mine/more && echo made") == "made\n"
    unit.delete()


def test_the_death_of_init_by_its_limit_is_explained(container):
    """Wherever it strikes: systemd may have taken the cgroup and its counts away by then. With enough nothing is said."""
    refused = []
    for kib in (4, 16, 64, 96, 128, 160, 192, 256, 1024):
        unit = Unit(container())
        unit.c.bundle.set("linux.resources.memory", {"limit": kib << 10}).args("true")
        result = unit.c.create(options=SYSTEMD, check=False, timeout=60)
        if result.rc:
            assert "memory.limit is too low" in result.err, (kib, result)
            refused.append(kib)
        unit.c.delete("--force", check=False)
        units.forgotten(unit.name)
    assert 64 in refused and 1024 not in refused


def test_a_create_that_is_killed_in_a_hook(unit):
    """The unit is there while a hook takes its time: delete takes both away."""
    hook = unit.c.bundle.file("hook", "#!/bin/sh\nwhile kill -0 $PPID; do sleep 0.1; done\n", 0o755)
    unit.c.bundle.set("hooks.createRuntime", [{"path": hook}])
    process = unit.c.spawn(verb="create", options=SYSTEMD)
    host.wait_until(lambda: units.is_known(unit.name), "the unit to be there", 20)
    process.kill(signal.SIGKILL)
    process.wait()
    unit.c.delete("--force")
    units.forgotten(unit.name)

    def hook_has_gone():
        host.reap_orphans()
        return not host.children()

    host.wait_until(hook_has_gone, "the hook to see that its create has gone", 20)
