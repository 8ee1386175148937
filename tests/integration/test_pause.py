"""pause and resume: all processes stand still, and go on."""
import os
import signal
import time

import pytest

import host
from rig import wherry_only


@pytest.fixture
def counter(container):
    """A container that writes an ever longer line of dots to its output."""
    c = container()
    c.bundle.sh("while :; do printf .; usleep 2000; done")
    c.up()
    c.wait_stdout("..")
    return c


def advances(c, seconds=0.15):
    """True when the container writes within a short time."""
    before, deadline = len(c.stdout()), time.monotonic() + seconds
    while time.monotonic() < deadline:
        if len(c.stdout()) > before:
            return True
        time.sleep(0.005)
    return False


def test_paused_processes_stand_still(counter):
    counter.pause()
    assert counter.status == "paused"
    counter.stdout()
    assert not advances(counter)
    counter.resume()
    assert counter.status == "running"
    assert advances(counter, 5)


@wherry_only("runc uses the v1 freezer where there is one")
def test_the_v2_cgroup_is_frozen(counter):
    counter.pause()
    with open(host.cgroup_path(counter.id) + "/cgroup.events") as f:
        assert "frozen 1\n" in f.read()
    counter.resume()
    with open(host.cgroup_path(counter.id) + "/cgroup.events") as f:
        assert "frozen 0\n" in f.read()


def test_every_process_is_paused(container):
    c = container()
    c.bundle.sh("(while :; do printf a; usleep 2000; done) & while :; do printf b; usleep 2000; done")
    c.up()
    c.wait_stdout("a")
    c.wait_stdout("b")
    c.pause()
    assert not advances(c)


def test_pause_twice(counter):
    counter.pause()
    result = counter.pause(check=False)
    assert result.rc == 1
    assert "paused" in result.err or "container not running" in result.err
    assert counter.status == "paused"


def test_resume_of_a_running_container(counter):
    result = counter.resume(check=False)
    assert result.rc == 1
    assert "container not paused" in result.err


def test_pause_of_a_stopped_container(container):
    c = container()
    c.up()
    c.kill("KILL")
    c.wait_status("stopped")
    result = c.pause(check=False)
    assert result.rc == 1
    assert "container not running" in result.err


def test_pause_of_a_created_container(container):
    c = container()
    c.create()
    result = c.pause(check=False)
    if result.ok:
        assert c.status == "paused"
        c.resume()
    assert c.status == "created"


def test_resume_of_a_stopped_container(container):
    c = container()
    c.up()
    c.kill("KILL")
    c.wait_status("stopped")
    assert c.resume(check=False).rc == 1


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_no_such_container(runtime, verb):
    result = runtime.run(verb, "nobody")
    assert result.rc == 1 and "does not exist" in result.err


def test_signals_wait_for_resume(container):
    c = container()
    c.bundle.sh('trap "echo got; exit 0" USR1; echo ready; while :; do sleep 0.01; done')
    c.up()
    c.wait_stdout("ready\n")
    c.pause()
    c.kill("USR1")
    assert c.status == "paused" and "got" not in c.stdout()
    c.resume()
    c.wait_stdout("got\n")


def test_paused_init_killed_on_the_host(container):
    c = container()
    pid = c.up()
    c.pause()
    os.kill(pid, 9)
    c.resume(check=False)
    host.wait_gone(pid)
    c.wait_status("stopped")


def test_sigkill_of_a_paused_container_lets_a_waiting_exec_end(container):
    c = container()
    c.up()
    c.pause()
    call = c.runtime.spawn("exec", "--ignore-paused", c.id, "/bin/sleep", "1000")
    host.wait_until(lambda: not call.running() or len(host.processes_in_cgroups(c.id)) > 1, "exec to enter")
    c.kill("KILL")
    assert call.wait(5).rc != 0
    c.wait_status("stopped")


@wherry_only("runc waits until the container is resumed")
@pytest.mark.parametrize("flags", [[], ["--detach"]], ids=["foreground", "detached"])
def test_an_exec_that_comes_too_late_is_refused(container, late, flags):
    """The container was running when exec looked, and is frozen when its process is born."""
    c = container()
    pid = c.up()
    call = late("clone3", "exec", *flags, c.id, "/bin/sleep", "1000")
    c.pause()
    result = call.wait(15)
    assert result.rc == 255 and "container paused" in result.err, result
    assert c.status == "paused"
    c.resume()
    host.wait_until(lambda: host.processes_in_cgroups(c.id) == [pid], "only init to be left")
    assert c.sh("echo in") == "in\n"


@wherry_only("runc blocks what it will forward")
@pytest.mark.parametrize("sig", ["TERM", "INT", "HUP"])
@pytest.mark.parametrize("flags", [[], ["--detach"]], ids=["foreground", "detached"])
def test_a_waiting_exec_is_ended_by_a_signal(container, flags, sig):
    c = container()
    pid = c.up()
    c.pause()
    call = c.runtime.spawn("exec", "--ignore-paused", *flags, c.id, "/bin/sleep", "1000")
    host.wait_until(lambda: not call.running() or len(host.processes_in_cgroups(c.id)) > 1, "exec to enter")
    assert call.running()
    call.kill(getattr(signal, "SIG" + sig))
    assert call.wait(10).rc == -getattr(signal, "SIG" + sig)
    c.resume()
    host.wait_until(lambda: host.processes_in_cgroups(c.id) == [pid], "only init to be left")
