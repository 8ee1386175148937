"""Failures as a user of Podman sees them, be it root or an ordinary one: the exit status of runc, and the runtime's own cause."""
import json
import os

import pytest

from call import OVER_MEMORY
from full_disk import full
from listener import Listener
from podman_fixtures import image_of_root, images, mine, podman  # noqa: F401  pylint: disable=unused-import


@pytest.mark.core
def test_a_program_that_does_not_start(podman):
    assert "executable file not found in $PATH" in podman.run("no-such-program", rc=127).err
    assert "no such file or directory" in podman.run("/no/such/program", rc=127).err
    assert "permission denied" in podman.run("/etc/noexec", rc=126).err.lower()


def test_an_exec_that_does_not_start(podman):
    container = podman.start()
    assert "executable file not found" in podman.exec(container, "no-such-program", rc=127).err
    assert "permission denied" in podman.exec(container, "/etc/noexec", rc=126).err.lower()


def test_errors_are_one_json_object_to_podman(podman, oci):
    """What podman could not read as JSON it shows raw, with the time and the level."""
    err = podman.run("no-such-program", rc=127).err
    assert '{"level"' not in err and err.count("no-such-program") == 1 and err.startswith(f"Error: {oci}: ")


def test_the_error_arrives_whole(podman, program, oci, mine):
    """All of what the runtime has logged, which Podman reads and removes."""
    listener = Listener(mine, program, podman.user)
    os.symlink("runtime", f"{mine}/{oci}")  # Podman knows by the name that its log is JSON
    with open(f"{mine}/file", "w", encoding="utf-8"):
        pass
    for command, flags, rc in ((["true"], ["-v", f"{mine}/file:/etc"], 126), (["no-such-program"], [], 127), (["/etc/noexec"], [], 126)):
        err = podman.of(f"{mine}/{oci}").run(*command, flags=flags, rc=rc).err
        cause = listener.error("create --bundle")
        assert cause in err and len(cause.split()) > 3, (cause, err)


def test_a_mount_of_a_file_on_a_directory(podman, mine):
    with open(f"{mine}/file", "w", encoding="utf-8"):
        pass
    result = podman.run("true", flags=["-v", f"{mine}/file:/etc"], rc=126)
    assert "/etc" in result.err and "not a directory" in result.err.lower()


def not_the_program(podman):
    """The status of what failed for another cause than a missing program: runc's words may have Podman take it for that."""
    return (126,) if podman.runtime == "wherry" else (126, 127)


def test_a_working_directory_that_is_a_file(podman):
    result = podman.run("true", flags=["-w", "/etc/passwd"], rc=None)
    assert "/etc/passwd" in result.err and result.rc in not_the_program(podman), result


def test_a_sysctl_that_does_not_exist(podman):
    result = podman.run("true", flags=["--sysctl", "net.no.such=1"], rc=None)
    assert "net.no.such" in result.err.replace("/", ".") and result.rc in not_the_program(podman), result


def test_a_seccomp_profile_with_a_mistake(podman, oci, mine):
    with open(f"{mine}/p.json", "w", encoding="utf-8") as file:
        json.dump({"defaultAction": "SCMP_ACT_NONSENSE", "syscalls": []}, file)
    result = podman.run("true", flags=["--security-opt", f"seccomp={mine}/p.json"], rc=126)
    assert "SCMP_ACT_NONSENSE" in result.err and result.err.startswith(f"Error: OCI runtime error: {oci}: "), result


@pytest.mark.controllers("memory")
@pytest.mark.systemd
def test_a_limit_below_the_least_that_a_process_takes(podman, oci):
    result = podman.run("true", flags=["-m", "4k"], rc=126)
    assert "memory" in result.err.lower() and result.err.startswith(f"Error: OCI runtime error: {oci}: "), result


@pytest.mark.controllers("memory")
@pytest.mark.systemd
def test_a_limit_that_is_exceeded(podman):
    container = podman.start("sh", "-c", OVER_MEMORY, flags=["-m", "20m", "--memory-swap", "20m"])
    assert podman.out("wait", container) == "137"
    assert podman.get(container, "{{.State.OOMKilled}}") == "true"


def test_a_full_disk(podman, oci):
    """No room where the runtime keeps its states."""
    top = f"/run/user/{podman.uid()}" if podman.user else "/run"
    with full(os.path.join(top, oci), podman.user):
        podman.leave_mounts()
        assert "no space left on device" in podman.run("true", rc=126).err.lower()
    podman.leave_mounts()
    podman.run("true")
