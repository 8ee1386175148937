"""ps: the processes of a container, as a table or as a JSON list of pids."""
import pytest

import host
from rig import wherry_only


@pytest.fixture
def vessel(container):
    c = container()
    c.bundle.sh("sleep 1001 & sleep 1002 & echo ready; wait")
    c.up()
    c.wait_stdout("ready\n")
    host.wait_until(lambda: len(host.processes_in_cgroups(c.id)) == 3, "three processes")
    return c


@pytest.mark.parametrize("form", [["--format", "json"], ["--format=json"], ["-f", "json"]], ids=" ".join)
def test_json_is_a_list_of_host_pids(runtime, vessel, form):
    result = runtime.run("ps", *form, vessel.id, check=True)
    assert sorted(result.json()) == sorted(host.processes_in_cgroups(vessel.id))
    assert vessel.pid in result.json()


@wherry_only("runc's -q is list's alone")
@pytest.mark.parametrize("flag", ["-q", "--quiet"])
def test_the_pids_alone(runtime, vessel, flag):
    lines = runtime.run("ps", flag, vessel.id, check=True).out.splitlines()
    assert sorted(int(line) for line in lines) == sorted(host.processes_in_cgroups(vessel.id))
    assert sorted(runtime.run("ps", flag, "--format", "json", vessel.id, check=True).json()) == sorted(int(line) for line in lines)


def test_options_after_the_id(runtime, vessel):
    assert vessel.pid in runtime.run("ps", "--format", "json", vessel.id, check=True).json()


def test_table(runtime, vessel):
    head, *lines = runtime.run("ps", vessel.id, check=True).out.splitlines()
    assert {"UID", "PID", "PPID", "CMD"} <= set(head.split())
    column = head.split().index("PID")
    assert sorted(int(line.split()[column]) for line in lines) == sorted(host.processes_in_cgroups(vessel.id))
    assert any("sleep 1002" in line for line in lines)


@pytest.mark.parametrize("arguments", [["-o", "pid,comm"], ["-eo", "pid,args"], ["aux"], ["-ef"]], ids=" ".join)
def test_arguments_are_those_of_ps(runtime, vessel, arguments):
    head, *lines = runtime.run("ps", vessel.id, *arguments, check=True).out.splitlines()
    column = head.split().index("PID")
    got = sorted(int(line.split()[column]) for line in lines)
    # what ps lists without -e depends on its terminal: here it may be fewer, but never another's
    everything = sorted(host.processes_in_cgroups(vessel.id))
    assert got == everything if arguments[0] != "-o" else set(got) <= set(everything)


def test_execs_are_listed(runtime, vessel):
    vessel.exec("sleep", "1003", flags=["-d"], check=True)
    assert len(runtime.run("ps", "-f", "json", vessel.id, check=True).json()) == 4


def test_a_stopped_container_has_none(runtime, vessel):
    vessel.kill("KILL")
    vessel.wait_status("stopped")
    result = runtime.run("ps", "-f", "json", vessel.id)
    assert not (result.json() if result.ok else None)


def test_of_a_paused_container(runtime, vessel):
    vessel.pause()
    assert len(runtime.run("ps", "-f", "json", vessel.id, check=True).json()) == 3


def test_no_such_container(runtime):
    result = runtime.run("ps", "nobody")
    assert result.rc == 1 and "does not exist" in result.err


def test_unknown_format(runtime, vessel):
    assert runtime.run("ps", "--format", "xml", vessel.id).rc != 0
