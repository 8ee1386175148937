"""A pid namespace is joined by a fork. Whichever of the two processes gets the processor first, the runtime takes the one
inside for the container's: what a pid file holds is what an engine waits for, and it waits for ever for any other."""
import os

import pytest

import host
import rig

pytestmark = pytest.mark.usefixtures("host_unchanged")


@pytest.fixture
def slow_parents(runtime, tmp_path):
    """slow_parents(args): a call in which every process that forks is slower than its child; detached, to its end."""
    def call(*args):
        argv = ["strace", "-f", "-o", str(tmp_path / "strace"), "-e", "trace=clone3,clone",
                "-e", "inject=clone3,clone:delay_exit=300000"]
        # nobody can look for leaks in a process that is traced
        env = dict(os.environ, ASAN_OPTIONS=os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0")
        traced = rig.Process(argv + runtime.argv(*args), env=env)
        runtime.processes.append(traced)
        return traced

    return call


def pid_in(file):
    host.wait_until(lambda: file.exists() and file.read_text(), "the pid file")
    return int(file.read_text())


def test_exec_knows_the_process_inside(container, slow_parents, tmp_path):
    c = container()
    init = c.up()
    call = slow_parents("exec", "--detach", "--pid-file", tmp_path / "pid", c.id, "/bin/sleep", "1000")
    pid = pid_in(tmp_path / "pid")
    host.wait_until(lambda: host.alive(pid) and os.path.basename(os.readlink(f"/proc/{pid}/exe")) == "busybox", "the program")
    assert sorted(host.processes_in_cgroups(c.id)) == sorted([init, pid])
    c.kill("KILL")
    assert call.wait(15).rc == 0


def test_create_knows_the_process_inside(container, bundle, slow_parents, tmp_path):
    first = container()
    first.up()
    b = bundle().namespace("pid", f"/proc/{first.pid}/ns/pid").args("/bin/sleep", "1000")
    c = container(b)
    b.write()
    call = slow_parents("create", "--bundle", b.path, "--pid-file", tmp_path / "pid", c.id)
    pid = pid_in(tmp_path / "pid")
    host.wait_until(lambda: c.status == "created", "the container to be created")
    assert host.processes_in_cgroups(c.id) == [pid] == [c.pid]
    c.delete("--force")
    assert call.wait(15).rc == 0
