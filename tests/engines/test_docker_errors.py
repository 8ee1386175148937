"""Failures as a user of Docker sees them: the exit status of runc, and a message that holds the runtime's own cause."""
import json
import os

import pytest

import full_disk
from docker import Docker
from listener import LONG, Listener


@pytest.mark.core
def test_a_missing_program(docker):
    result = docker.run("no-such-program", rc=127)
    assert 'exec: "no-such-program": executable file not found in $PATH' in result.err
    assert "/no/such/program" in docker.run("/no/such/program", rc=127).err


def test_a_program_that_cannot_be_executed(docker):
    assert "permission denied" in docker.run("/etc/noexec", rc=126).err
    assert docker.run("/etc", rc=126).err


def test_a_mount_of_a_file_on_a_directory(docker, here):
    (here / "file").write_text("")
    result = docker.run("true", flags=["-v", f"{here}/file:/etc"], rc=125)
    assert "/etc" in result.err and "OCI runtime create failed" in result.err and "not a directory" in result.err


def test_a_mount_whose_source_is_missing(docker):
    """Docker looks by itself, and calls no runtime; ctr does not look (test_containerd.py)."""
    result = docker.run("true", flags=["--mount", "type=bind,source=/no/such/source,destination=/x"], rc=125)
    assert "bind source path does not exist: /no/such/source" in result.err


def test_a_seccomp_profile_with_a_mistake(docker, here):
    (here / "p.json").write_text(json.dumps({"defaultAction": "SCMP_ACT_NONSENSE", "syscalls": []}))
    result = docker.run("true", flags=["--security-opt", f"seccomp={here}/p.json"], rc=125)
    assert "SCMP_ACT_NONSENSE" in result.err and "OCI runtime create failed" in result.err, result


def test_a_seccomp_profile_that_ends_the_program(docker, here):
    (here / "p.json").write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["uname"], "action": "SCMP_ACT_KILL_PROCESS"}]}))
    assert docker.run("uname", flags=["--security-opt", f"seccomp={here}/p.json"], rc=None).rc == 128 + 31


def not_the_program(docker):
    """The status of what failed for another cause than a missing program: runc's words may have Docker take it for that."""
    return (125,) if docker.runtime == "wherry" else (125, 126, 127)


def test_a_working_directory_that_is_a_file(docker):
    result = docker.run("true", flags=["-w", "/etc/passwd"], rc=None)
    assert "/etc/passwd" in result.err and result.rc in not_the_program(docker), result


def test_an_unknown_user(docker):
    assert "nobodyknows" in docker.run("true", flags=["-u", "nobodyknows"], rc=125).err


def test_a_sysctl_that_does_not_exist(docker):
    result = docker.run("true", flags=["--sysctl", "net.no.such=1"], rc=None)
    assert "net.no.such" in result.err.replace("/", ".") and result.rc in not_the_program(docker), result


def test_a_limit_that_cannot_be(docker):
    """One that Docker hands on: more open files than the kernel lets anyone have."""
    with open("/proc/sys/fs/nr_open", encoding="utf-8") as file:
        more = int(file.read()) + 1
    result = docker.run("true", flags=["--ulimit", f"nofile={more}:{more}"], rc=125)
    assert "OCI runtime create failed" in result.err and "rlimit" in result.err.lower(), result


def test_a_namespace_of_a_container_that_has_gone(docker):
    first = docker.start()
    docker.call("kill", first)
    result = docker.run("true", flags=[f"--pid=container:{first}"], rc=125)
    assert "not running" in result.err


@pytest.fixture
def full(docker):
    """No room where the runtime keeps its states."""
    with full_disk.full(docker.daemon.states()):
        yield


@pytest.mark.core
def test_a_full_disk(docker, full):
    result = docker.run("true", rc=125)
    assert "OCI runtime create failed" in result.err and "no space left on device" in result.err.lower()


def test_a_disk_that_fills_up(docker):
    """Where a container runs already, a process is started in it, and it ends and goes as ever."""
    with full_disk.small(docker.daemon.states()) as fill:
        container = docker.start()
        fill()
        assert docker.exec(container, "echo", "inside").out == "inside\n"
        assert "executable file not found in $PATH" in docker.exec(container, "no-such-program", rc=None).all
        docker.call("stop", "-t", "0", container)
        docker.rm(container)
        assert container not in os.listdir(docker.daemon.states())
    assert docker.run("echo", "again").out == "again\n"


def test_the_runtimes_words_arrive_whole(docker, program, here):
    """What it wrote into its log as the error, be it long: of a mount, of a mistake in the configuration, of an exec."""
    listener, client = Listener(docker.daemon.heard, program), Docker(docker.daemon, "heard")
    (here / "p.json").write_text(json.dumps({"defaultAction": "SCMP_ACT_NONSENSE", "syscalls": []}))
    for flags in (["-v", f"{here}:/etc/passwd/{LONG}"], ["--security-opt", f"seccomp={here}/p.json"]):
        result = client.run("true", flags=flags, rc=125)
        assert listener.error("create") in result.err
    container = client.start()
    result = client.exec(container, "true", flags=["-w", f"/etc/passwd/{LONG}"], rc=None)
    assert result.rc != 0 and listener.error("exec") in result.all, result


def test_a_runtime_that_is_missing(docker):
    result = docker.call("run", "--rm", "--runtime", "none", "bb", "true", rc=125)
    assert "none" in result.err
