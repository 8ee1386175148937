# SPDX-License-Identifier: Apache-2.0
"""The systemd manager when things go wrong: systemd absent, silent, restarted; the runtime killed at any moment."""
import os
import random
import socket
import subprocess
import time

import pytest

import host
import units
from units import SYSTEMD, Unit

KILLS = int(os.environ.get("WHERRY_TEST_KILLS", "25"))
SEED = int(os.environ.get("WHERRY_TEST_SEED", "1"))
CALL_LIMIT = 20  # seconds that an answer is waited for (SYSTEMD_CALL_TIMEOUT_MS)


@pytest.fixture
def unit(container):
    return Unit(container())


@pytest.fixture
def no_bus(tmp_path):
    return {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={tmp_path}/no-bus"}


@pytest.fixture
def silent_bus(tmp_path):
    """A bus that takes connections and never says a word."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "silent"))
        listening.listen(8)
        yield {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={tmp_path}/silent"}


@pytest.fixture
def empty_bus(tmp_path):
    """A bus that works, and on which there is no systemd."""
    config = tmp_path / "bus.conf"
    config.write_text(f"<busconfig><type>session</type><listen>unix:path={tmp_path}/empty</listen><policy context='default'>"
                      "<allow send_destination='*' eavesdrop='true'/><allow eavesdrop='true'/><allow own='*'/></policy>"
                      "</busconfig>")
    daemon = subprocess.Popen(["dbus-daemon", f"--config-file={config}", "--nofork"], stdin=subprocess.DEVNULL)
    host.adopt(daemon.pid)
    host.wait_until(lambda: os.path.exists(tmp_path / "empty"), "the bus")
    yield {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={tmp_path}/empty"}
    daemon.kill()
    daemon.wait()
    host.release(daemon.pid)


def test_no_systemd(unit, no_bus, host_unchanged):
    result = unit.c.create(options=SYSTEMD, env=no_bus, check=False)
    assert result.rc == 1 and "--cgroup-manager cgroupfs" in result.err and result.err.count("\n") == 1, result
    host_unchanged()


def test_a_bus_that_never_answers(unit, silent_bus, host_unchanged):
    begin = time.monotonic()
    result = unit.c.create(options=SYSTEMD, env=silent_bus, check=False, timeout=3 * CALL_LIMIT)
    assert result.rc == 1 and f"within {CALL_LIMIT} seconds" in result.err and result.err.count("\n") == 1, result
    assert CALL_LIMIT - 1 < time.monotonic() - begin < 2 * CALL_LIMIT
    host_unchanged()


def test_a_bus_without_systemd(unit, empty_bus, host_unchanged):
    result = unit.c.create(options=SYSTEMD, env=empty_bus, check=False, timeout=60)
    assert result.rc == 1 and "systemd1" in result.err and result.err.count("\n") == 1, result
    host_unchanged()


def test_an_update_without_systemd_changes_nothing(unit, no_bus):
    unit.c.bundle.set("linux.resources.pids", {"limit": 50})
    unit.up()
    result = unit.update("--pids-limit", "77", env=no_bus, check=False)
    assert result.rc == 1 and "bus" in result.err, result
    assert unit.value("pids.max") == "50" and unit.prop("TasksMax") == "50"


def test_a_delete_without_systemd_leaves_nothing(unit, no_bus):
    """systemd sees the end of a scope by itself, and forgets it: it need not be asked."""
    unit.up()
    time.sleep(0.1)
    result = unit.c.delete("--force", env=no_bus)
    assert not os.path.exists(host.cgroup_path(unit.path))
    assert "was not stopped" in result.err or not units.is_known(unit.name)
    units.forgotten(unit.name)


def test_a_delete_without_systemd_of_what_it_does_not_end_by_itself(container, no_bus):
    """A slice stays until it is stopped: the cgroup goes, and a warning says what does not."""
    c = container()
    name = f"lab-{c.id}.slice"
    c.bundle.set("linux.cgroupsPath", f"::{name}")
    c.up(options=SYSTEMD)
    result = c.delete("--force", env=no_bus)
    assert "was not stopped" in result.err
    assert not os.path.exists(host.cgroup_path(f"/lab.slice/{name}"))
    units.systemctl("stop", name)
    units.forgotten(name)


def test_systemd_is_restarted_meanwhile(container):
    """daemon-reexec takes systemd away for a moment, emulated for a second, in which a call or its answer is lost: containers
    come and go all the same."""
    stop = f"/run/lab-{os.getpid()}-stop"
    loop = subprocess.Popen(["sh", "-c", f"while [ ! -e {stop} ]; do systemctl daemon-reexec; sleep 0.2; done"],
                            stdin=subprocess.DEVNULL)
    host.adopt(loop.pid)
    try:
        for _ in range(8):
            unit = Unit(container())
            unit.c.bundle.args("echo", "through")
            result = unit.c.run(options=SYSTEMD, timeout=90)
            assert result.out == "through\n", result
            units.forgotten(unit.name, timeout=90)
    finally:
        with open(stop, "w"):
            pass
        loop.wait(60)
        host.release(loop.pid)
        os.unlink(stop)


def test_a_container_outlives_a_restart_of_systemd(unit):
    unit.c.bundle.set("linux.resources.pids", {"limit": 50})
    unit.up()
    units.systemctl("daemon-reexec")
    assert unit.c.sh("echo runs") == "runs\n"
    assert unit.value("pids.max") == "50" and unit.prop("TasksMax") == "50"
    unit.update("--pids-limit", "51")
    assert unit.value("pids.max") == "51"
    unit.delete()


def test_kill_9_of_create_at_any_moment(unit, runtime):
    """list shows what is there, and delete --force removes it, unit and all."""
    begin = time.monotonic()
    unit.create()
    usual = time.monotonic() - begin
    unit.delete()
    moments = random.Random(SEED)
    for i in range(KILLS):
        process = unit.c.spawn(verb="create", options=SYSTEMD)
        time.sleep(usual * 1.2 * (i + moments.random()) / KILLS)
        process.kill()
        process.wait()
        listed = runtime.run("list", "--format", "json", check=True)
        assert runtime.state(unit.c.id) is None or unit.c.id in listed.out
        unit.c.delete("--force")
        host.wait_no_processes(unit.name)
        units.forgotten(unit.name)
        assert not os.path.exists(host.cgroup_path(unit.path))
        assert unit.c.id not in os.listdir(runtime.root)


def test_many_at_once(container):
    made = [Unit(container()) for _ in range(6)]
    for unit in made:
        unit.c.bundle.args("sleep", "1000")
    processes = [unit.c.spawn("--detach", options=SYSTEMD) for unit in made]
    assert [process.wait(90).rc for process in processes] == [0] * len(made)
    for unit in made:
        assert host.cgroup_of(unit.c.pid) == unit.path
        unit.delete()
