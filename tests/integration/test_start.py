"""start: the program of a created container runs, once."""
import os

import pytest

from rig import lacks, wherry_only


def test_start_runs_the_program(container):
    c = container()
    c.bundle.sh("echo started; sleep 1000")
    c.create()
    result = c.start()
    assert (result.rc, result.out, result.err) == (0, "", "")
    assert c.status == "running"
    c.wait_stdout("started\n")


def test_init_keeps_its_pid(container):
    c = container()
    c.bundle.sh("echo $$; sleep 1000; :")
    c.create()
    before = c.pid
    c.start()
    assert c.wait_stdout("\n") == "1\n"
    assert c.pid == before
    with open(f"/proc/{before}/cmdline") as f:
        assert f.read().startswith("/bin/sh\0-c\0")


def test_program_that_ends_at_once(container):
    c = container()
    c.bundle.args("true")
    c.create()
    c.start()
    c.wait_status("stopped")
    assert c.state().get("pid", 0) == 0


def test_start_twice(container):
    c = container()
    pid = c.up()
    again = c.start(check=False)
    assert again.rc == 1
    assert "start" in again.err and "running" in again.err
    assert "exec.fifo" not in again.err
    assert (c.status, c.pid) == ("running", pid)


def test_start_of_a_stopped_container(container):
    c = container()
    c.up()
    c.kill("KILL")
    c.wait_status("stopped")
    again = c.start(check=False)
    assert again.rc == 1
    assert "stopped" in again.err
    assert c.status == "stopped"


def test_start_of_no_container(runtime):
    result = runtime.run("start", "nobody")
    assert result.rc == 1
    assert "does not exist" in result.err


@pytest.mark.parametrize("ids", [[], ["a", "b"]], ids=["none", "two"])
def test_exactly_one_id(runtime, ids):
    assert runtime.run("start", *ids).rc != 0


@lacks("runc", "the error of execve is lost once start has opened the gate")
@pytest.mark.parametrize("content, word", [(b"\x7fELFnonsense", "exec format error"), (b"", "exec format error"),
                                           (b"#!/no/such/interpreter\n", "no such file or directory")],
                         ids=["wrong-format", "empty-file", "missing-interpreter"])
def test_execve_failing_after_the_gate_is_reported(container, content, word):
    c = container()
    c.bundle.file("bin/broken", content, 0o755)
    c.bundle.args("/bin/broken")
    created = c.create(check=False)
    result = c.start(check=False) if created.ok else created
    assert result.rc == 1
    assert word in result.err.lower() and "/bin/broken" in result.err
    if created.ok:
        c.wait_status("stopped")


@wherry_only("the state that execve's failure leaves")
def test_container_that_failed_to_start_is_stopped_and_can_be_deleted(container, host_unchanged):
    c = container()
    c.bundle.file("bin/broken", b"\x7fELFnonsense", 0o755)
    c.bundle.args("/bin/broken")
    c.create()
    assert c.start(check=False).rc == 1
    c.wait_status("stopped")
    c.delete()
    host_unchanged()


def test_start_from_another_directory_and_environment(container, tmp_path):
    c = container()
    c.bundle.sh("pwd; echo ${FROM_START:-unset}; sleep 1000")
    c.create()
    c.start(cwd=str(tmp_path), env={"FROM_START": "1"})
    assert c.wait_stdout("unset\n") == "/\nunset\n"


def test_started_program_has_no_gate_left_open(container):
    c = container()
    pid = c.up()
    assert sorted(os.listdir(f"/proc/{pid}/fd"), key=int) == ["0", "1", "2"]
