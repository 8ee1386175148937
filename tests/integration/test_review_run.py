"""run in the foreground: what others may do with the container meanwhile, and a terminal that is not read."""
import os
import signal
import socket
import subprocess
import time

import host
import pytest
from rig import lacks, wherry_only

pytestmark = pytest.mark.usefixtures("host_unchanged")


def in_foreground(c):
    process = c.spawn()
    c.wait_status("running")
    c.pause()  # from here on it waits for the container's end
    c.resume()
    return process


def test_container_of_run_can_be_paused(container):
    c = container()
    process = in_foreground(c)
    assert c.pause().seconds < 5
    assert c.status == "paused"
    c.resume()
    c.kill("KILL")
    assert process.wait().rc == 137


def test_container_of_run_can_be_deleted(container):
    c = container()
    process = in_foreground(c)
    assert c.delete("--force").seconds < 5
    assert process.wait().rc == 137
    assert c.state() is None


@wherry_only("another runtime's run removes what has its container's name")
def test_run_leaves_a_new_container_of_its_id_alone(container, bundle):
    """The first one was deleted while its run could not notice; the id is another container's by then."""
    b = bundle()
    c = container(b)
    process = in_foreground(c)
    process.kill(signal.SIGSTOP)
    c.delete("--force")
    again = container(bundle(), c.id)
    again.bundle.set("linux.cgroupsPath", "/" + c.id)
    pid = again.up()
    process.kill(signal.SIGCONT)
    assert process.wait().rc == 137
    assert again.status == "running" and again.pid == pid


def read_some(fd, enough, timeout):
    """How many bytes could be read from a non-blocking fd until enough(bytes so far), for timeout seconds at most."""
    got, deadline = 0, time.monotonic() + timeout
    while not enough(got) and time.monotonic() < deadline:
        try:
            got += len(os.read(fd, 65536))
        except BlockingIOError:
            time.sleep(0.01)
    return got


@lacks("runc", "1.1 ends when its terminal is written faster than it reads")
@pytest.mark.parametrize("size", [400_000])
def test_terminal_takes_more_than_it_has_room_for(container, bundle, size):
    """The container answers while it is written to: neither side may wait for the other."""
    b = bundle().args("cat").set("process.terminal", True)
    c = container(b)
    line = b"abcdefghijklmno\n"
    source, target = os.pipe()
    c.bundle.write()
    process = subprocess.Popen(c.runtime.argv("run", "--bundle", b.path, c.id), stdin=subprocess.PIPE,
                               stdout=target, start_new_session=True)
    feeder = subprocess.Popen(["/bin/sh", "-c", f"yes {line.decode().strip()} | head -c {size}; sleep 30"],
                              stdout=process.stdin, start_new_session=True)
    os.close(target)
    os.set_blocking(source, False)
    # its echo and its output; the kernel may leave out some of an echo
    want = int(1.8 * size)
    got = read_some(source, lambda so_far: so_far >= want, 15)
    c.kill("KILL")
    os.killpg(feeder.pid, signal.SIGKILL)
    feeder.wait(10)
    process.stdin.close()
    # what the terminal still held is passed on before it ends, so it must find a reader
    read_some(source, lambda _: process.poll() is not None, 10)
    process.wait(10)
    os.close(source)
    assert got >= want, f"{got} of {want} bytes"


@wherry_only("another runtime's delete asks no more of a cgroup than that it is named")
@pytest.mark.parametrize("where", ["own", "there-before"])
def test_kill_of_run_at_any_moment_leaves_nothing_running(container, bundle, where):
    """The program may run before the record says so: delete --force finds it all the same."""
    b = bundle()
    path = host.cgroup_path(b.id)

    def is_empty():
        """Whoever dies with its creator takes a moment to be gone."""
        return not os.path.exists(path) or not open(os.path.join(path, "cgroup.procs")).read()

    for i in range(60):
        if where == "there-before":
            os.makedirs(path, exist_ok=True)
        c = container(b)
        process = c.spawn()
        time.sleep(0.0015 + 0.00006 * i)
        process.kill()
        process.wait()
        c.delete("--force")
        host.wait_until(is_empty, f"round {i}: the program is left running, without any state", 5)
    if os.path.exists(path):
        os.rmdir(path)


@wherry_only("another runtime's start takes no lock")
def test_start_that_waits_for_ready_lets_others_in(container, tmp_path):
    """The program never reports; start goes on waiting until it has ended."""
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(tmp_path / "notify"))
    notify = {"NOTIFY_SOCKET": str(tmp_path / "notify")}
    c = container()
    c.create(env=notify)
    start = c.runtime.spawn("start", c.id, env=notify)
    c.wait_status("running")
    assert c.pause().seconds < 5
    c.resume()
    assert start.running()
    assert c.delete("--force").seconds < 5
    assert start.wait().rc == 0
    manager.close()
