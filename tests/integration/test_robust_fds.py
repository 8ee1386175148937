"""Descriptors that are closed, broken or full when the runtime starts."""
import os
import resource
import signal

import pytest

import host
from rig import skip_if

CLOSED = {"stdin": "0<&-", "stdout": "1>&-", "stderr": "2>&-", "in+out": "0<&- 1>&-", "out+err": "1>&- 2>&-",
          "all": "0<&- 1>&- 2>&-"}


@pytest.mark.parametrize("which", CLOSED)
def test_create_and_delete_with_closed_descriptors(runtime, container, host_unchanged, which):
    c = container()
    c.bundle.write()
    redirect = CLOSED[which]
    assert runtime.run("create", "--bundle", c.bundle.path, c.id, redirect=redirect).rc == 0
    assert c.status == "created"
    assert runtime.run("start", c.id, redirect=redirect).rc == 0
    assert runtime.run("exec", c.id, "/bin/true", redirect=redirect).rc == 0
    assert runtime.run("delete", "--force", c.id, redirect=redirect).rc == 0
    host_unchanged()


@pytest.mark.parametrize("which", CLOSED)
def test_the_program_has_three_descriptors_all_the_same(runtime, container, which):
    c = container()
    c.bundle.write()
    runtime.run("run", "--detach", "--bundle", c.bundle.path, c.id, redirect=CLOSED[which], check=True)
    pid = c.pid
    assert sorted(os.listdir(f"/proc/{pid}/fd")) == ["0", "1", "2"]
    for fd in range(3):
        target = os.readlink(f"/proc/{pid}/fd/{fd}")
        assert runtime.root not in target and not target.startswith("/proc"), target


def broken_pipe():
    """The writing end of a pipe that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    return writer


@pytest.mark.parametrize("verb", [["list"], ["list", "-f", "json"], ["features"], ["--help"], ["--version"]],
                         ids=" ".join)
@pytest.mark.parametrize("sigpipe", ["default", "ignored"])
def test_output_into_a_closed_pipe(runtime, verb, sigpipe):
    ignore = (lambda: signal.signal(signal.SIGPIPE, signal.SIG_IGN)) if sigpipe == "ignored" else None
    writer = broken_pipe()
    try:
        result = runtime.run(*verb, stdout=writer, preexec=ignore, timeout=5)
    finally:
        os.close(writer)
    skip_if("runc", "Go ends with SIGPIPE on stdout, or forgets the error")
    assert result.rc in (1, 128 + signal.SIGPIPE), "an output that was not written is a failure, but no death by signal"


@pytest.mark.parametrize("verb", [["list"], ["features"], ["--version"]], ids=" ".join)
def test_output_onto_a_full_disk(runtime, verb):
    skip_if("runc", "forgets the error of its output") if verb == ["--version"] else None
    with open("/dev/full", "w") as full:
        result = runtime.run(*verb, stdout=full, timeout=5)
    assert result.rc == 1
    assert "no space left" in result.err.lower()


def test_state_onto_a_full_disk(container):
    skip_if("runc", "forgets the error of its output")
    c = container()
    c.create()
    with open("/dev/full", "w") as full:
        assert c.runtime.run("state", c.id, stdout=full, timeout=5).rc == 1


def test_errors_into_a_closed_pipe(runtime):
    writer = broken_pipe()
    try:
        result = runtime.run("state", "nobody", stderr=writer, timeout=5)
    finally:
        os.close(writer)
    assert result.rc == 1 or runtime.kind == "runc"


def test_the_program_dies_of_its_own_sigpipe(container):
    c = container()
    c.bundle.sh("while echo x; do :; done; exit 5").share_pid_namespace()
    writer = broken_pipe()
    try:
        result = c.run(stdout=writer, timeout=10)
    finally:
        os.close(writer)
    assert result.rc == 128 + signal.SIGPIPE


def test_create_in_a_closed_pipe_does_not_hang(container):
    c = container()
    c.bundle.args("no-such-program")
    writer = broken_pipe()
    try:
        result = c.create(check=False, stderr=writer, stdout=writer, timeout=10)
    finally:
        os.close(writer)
    assert result.rc != 0
    assert c.state() is None


@pytest.mark.parametrize("blocked", [signal.SIGCHLD, signal.SIGTERM, signal.SIGUSR1], ids=lambda s: s.name)
def test_the_callers_signal_mask_is_not_inherited(container, blocked):
    skip_if("runc", "Go hands its caller's mask on") if blocked == signal.SIGUSR1 else None
    c = container()
    c.bundle.args("grep", "SigBlk", "/proc/self/status")
    result = c.run(preexec=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, [blocked]), timeout=10)
    assert result.rc == 0
    assert int(result.out.split()[1], 16) == 0


def test_ignored_sigchld_of_the_caller(container, host_unchanged):
    c = container()
    c.bundle.sh("exit 3")
    result = c.run(preexec=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN), timeout=10)
    assert result.rc == 3
    host_unchanged()


def test_many_open_descriptors_of_the_caller(container, tmp_path):
    (tmp_path / "f").write_text("")
    c = container()
    c.bundle.sh("ls /proc/self/fd | wc -l")
    with open(tmp_path / "f") as f:
        redirect = " ".join(f"{n}<&{f.fileno()}" for n in range(30, 230))
        result = c.run(redirect=redirect, pass_fds=[f.fileno()])
    assert (result.rc, result.out) == (0, "4\n")


def test_few_descriptors_allowed(container):
    c = container()
    c.bundle.drop("process.rlimits").args("true")
    result = c.run(preexec=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)))
    assert result.rc == 0, result


def test_no_file_may_be_written(container, host_unchanged):
    c = container()
    c.bundle.args("true")
    result = c.run(preexec=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)), timeout=10)
    assert result.rc == 0 or (result.rc == 1 and c.state() is None) or c.runtime.kind == "runc", result
    c.delete("--force")
    host_unchanged()


def test_a_working_directory_that_is_gone(container, tmp_path):
    (tmp_path / "gone").mkdir()
    c = container()
    c.bundle.write()
    result = c.runtime.run("create", "--bundle", c.bundle.path, c.id, cwd=tmp_path / "gone",
                           preexec=lambda: os.rmdir(tmp_path / "gone"))
    assert (result.rc == 0 and c.status == "created") or "no such file or directory" in result.err
    host.reap_orphans()
