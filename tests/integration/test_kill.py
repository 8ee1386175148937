"""kill: which signal, to whom, and when it is refused."""
import signal

import pytest

import host
from rig import lacks, skip_if, wherry_only

TRAP = 'trap "exit 42" {n}; echo ready; while :; do sleep 0.01; done'


def trapping(container, number):
    c = container()
    c.bundle.sh(TRAP.format(n=number))
    call = c.spawn()
    c.wait_stdout("ready\n")
    return c, call


@pytest.mark.parametrize("text, name", [
    (None, "TERM"), ("15", "TERM"), ("TERM", "TERM"), ("SIGTERM", "TERM"), ("term", "TERM"), ("sigterm", "TERM"),
    ("SigTerm", "TERM"), ("USR1", "USR1"), ("10", "USR1"), ("HUP", "HUP"), ("SIGWINCH", "WINCH"), ("2", "INT")])
def test_signal_reaches_init(container, text, name):
    c, call = trapping(container, name)
    c.kill(*([text] if text else []))
    assert call.wait().rc == 42


@pytest.mark.parametrize("text, number", [("37", 37), ("RTMIN+3", 37), ("SIGRTMIN+3", 37), ("rtmin+3", 37),
                                          ("RTMIN", 34), ("RTMAX", 64), ("RTMAX-2", 62), ("64", 64)])
def test_realtime_signals(container, text, number):
    if not text.isdigit():
        skip_if("runc", "knows no names of real-time signals")
    c, call = trapping(container, number)
    c.kill(text)
    assert call.wait().rc == 42


@pytest.mark.parametrize("text", ["KILL", "SIGKILL", "kill", "9"])
def test_sigkill_ends_any_program(container, text):
    c, call = trapping(container, "TERM")
    c.kill(text)
    assert call.wait().rc == 137


def test_signal_to_a_created_container(container):
    c = container()
    c.create()
    pid = c.pid
    c.kill("KILL")
    c.wait_status("stopped")
    assert not host.alive(pid)


def test_kill_ends_a_paused_container(container):
    c = container()
    pid = c.up()
    c.pause()
    c.kill("KILL")
    host.wait_gone(pid)
    c.wait_status("stopped")


@pytest.mark.parametrize("text", ["FOO", "SIGFOO", "-1", "65", "1000", "9x", "RTMIN+99", "RTMAX-99", "RTMIN+",
                                  "SIG", "4294967305"])
def test_unknown_signal_is_refused(container, text):
    if text == "4294967305":
        skip_if("runc", "wraps the number at 32 bits")
    c = container()
    c.up()
    result = c.kill("--", text, check=False) if text == "-1" else c.kill(text, check=False)
    assert result.rc != 0
    assert c.status == "running"


@wherry_only("wording")
def test_unknown_signal_is_named(container):
    c = container()
    c.up()
    assert "'FOO'" in c.kill("FOO", check=False).err


def test_kill_of_a_stopped_container(container):
    c = container()
    c.up()
    c.kill("KILL")
    c.wait_status("stopped")
    result = c.kill("TERM", check=False)
    assert result.rc == 1
    assert "container not running" in result.err


def test_kill_of_no_container(runtime):
    result = runtime.run("kill", "nobody", "9")
    assert result.rc == 1
    assert "does not exist" in result.err


def shares_pid_namespace(container, script):
    c = container()
    c.bundle.share_pid_namespace().sh(script)
    return c


@pytest.mark.parametrize("flag", ["--all", "-a"])
def test_all_reaches_every_process(container, flag):
    c = shares_pid_namespace(container, "sleep 1000 & sleep 1001 & echo ready; wait")
    c.up()
    c.wait_stdout("ready\n")
    host.wait_until(lambda: len(host.processes_in_cgroups(c.id)) == 3, "three processes")
    c.kill("KILL", flags=[flag])
    host.wait_no_processes(c.id)


def test_all_reaches_what_init_left_behind(container):
    c = shares_pid_namespace(container, "sleep 1000 & exit 0")
    c.up()
    c.wait_status("stopped")
    assert len(host.processes_in_cgroups(c.id)) == 1
    c.kill("KILL", flags=["--all"])
    host.wait_no_processes(c.id)


@lacks("runc", "without --all it is refused before 1.2", below=(1, 2))
def test_sigkill_reaches_what_init_left_behind_without_all(container):
    c = shares_pid_namespace(container, "sleep 1000 & exit 0")
    c.up()
    c.wait_status("stopped")
    c.kill("KILL")
    host.wait_no_processes(c.id)


def test_all_with_another_signal(container):
    c = shares_pid_namespace(container,
                             'trap "echo parent; exit 0" USR1; (trap "echo child; exit 0" USR1; echo ready;'
                             ' while :; do sleep 0.01; done) & while :; do sleep 0.01; done')
    c.up()
    c.wait_stdout("ready\n")
    c.kill("USR1", flags=["--all"])
    host.wait_until(lambda: sorted(c.stdout().split()) == ["child", "parent", "ready"], "both to be told")


def test_kill_does_not_reach_the_rest_of_a_shared_pid_namespace(container):
    first, second = shares_pid_namespace(container, "sleep 1000"), shares_pid_namespace(container, "sleep 1000")
    first.up()
    survivor = second.up()
    first.kill("KILL", flags=["--all"])
    first.wait_status("stopped")
    assert host.alive(survivor) and second.status == "running"


def test_a_signal_that_the_program_ignores(container):
    c = container()
    c.bundle.sh('trap "" TERM; echo ready; sleep 1000')
    c.up()
    c.wait_stdout("ready\n")
    c.kill("TERM")
    assert c.status == "running"
    assert int(host.proc_status(c.pid, "SigIgn"), 16) & (1 << (signal.SIGTERM - 1))
