"""containerd by its own client: ctr run, tasks exec, kill, pause, metrics, checkpoint."""
import json
import os
import signal
import subprocess

import pytest

import leftovers
from call import Terminal, read, wait_until
from containerd import IMAGE, Ctr
from containerd_fixtures import containerd, ctr  # noqa: F401  pylint: disable=unused-import
from full_disk import full
from listener import LONG, Listener


@pytest.mark.core
def test_run(ctr):
    assert ctr.run("echo", "hello").out == "hello\n"
    assert ctr.run("sh", "-c", "echo err >&2; exit 42", rc=42).err == "err\n"
    assert ctr.run("sh", "-c", "echo $WORD; pwd", flags=["--env", "WORD=hello", "--cwd", "/tmp"]).out == "hello\n/tmp\n"


def test_failures(ctr):
    assert "executable file not found in $PATH" in ctr.run("no-such-program", rc=1).err
    assert "permission denied" in ctr.run("/etc/noexec", rc=1).err
    container = ctr.start()
    assert "executable file not found in $PATH" in ctr.exec(container, "no-such-program", rc=1).err
    result = ctr.run("true", flags=["--mount", "type=bind,src=/no/such/source,dst=/x,options=rbind:ro"], rc=1)
    assert "/no/such/source" in result.err
    result = ctr.run("true", flags=["--mount", "type=bind,src=/etc/passwd,dst=/etc,options=rbind:ro"], rc=1)
    assert "/etc" in result.err and "not a directory" in result.err.lower()


def test_a_bad_seccomp_profile(ctr, here):
    (here / "p.json").write_text(json.dumps({"defaultAction": "SCMP_ACT_NONSENSE"}))
    assert "SCMP_ACT_NONSENSE" in ctr.run("true", flags=["--seccomp", "--seccomp-profile", here / "p.json"], rc=1).err


def test_the_runtimes_words_arrive_whole(containerd, program, nothing_left, here):
    """What it wrote into its log as the error: of a mount, of a mistake in the configuration, of an exec."""
    listener = Listener(containerd.heard, program)
    heard = Ctr(containerd, listener.path)
    (here / "p.json").write_text(json.dumps({"defaultAction": "SCMP_ACT_NONSENSE"}))
    try:
        for flags in (["--mount", f"type=bind,src={here},dst=/etc/passwd/{LONG},options=rbind:ro"],
                      ["--seccomp", "--seccomp-profile", here / "p.json"]):
            result = heard.run("true", flags=flags, rc=1)
            assert listener.error("create") in result.err
        result = heard.exec(heard.start(), LONG, rc=1)
    finally:
        heard.end()
    assert listener.error("exec") in result.err


def test_a_full_disk(ctr):
    with full("/run/containerd/runc/default"):
        assert "no space left on device" in ctr.run("true", rc=1).err.lower()


@pytest.mark.controllers("memory")
def test_a_limit_that_is_exceeded(ctr):
    ctr.run("tail", "/dev/zero", flags=["--memory-limit", str(16 << 20)], rc=137)


@pytest.mark.controllers("memory")
def test_a_limit_that_is_exceeded_at_once(ctr):
    assert "memory" in ctr.run("true", flags=["--memory-limit", "4096"], rc=1).err.lower()


@pytest.mark.core
def test_tasks(ctr):
    container = ctr.start("sh", "-c", "trap 'exit 7' USR1; while :; do sleep 0.1; done")
    assert ctr.exec(container, "sh", "-c", "echo inside; exit 5", rc=5).out == "inside\n"
    ctr.call("tasks", "pause", container)
    assert ctr.status(container) == "PAUSED"
    ctr.call("tasks", "resume", container)
    assert ctr.status(container) == "RUNNING"
    assert str(ctr.pid(container)) in ctr.call("tasks", "ps", container).out
    assert container in ctr.call("tasks", "metrics", container).out
    ctr.call("tasks", "kill", "-s", "SIGUSR1", container)
    wait_until(lambda: ctr.status(container) == "STOPPED", "the end")
    assert "exit code 7" in ctr.call("tasks", "rm", container).err


def test_terminal(ctr):
    terminal = Terminal("ctr", "-a", ctr.daemon.socket, "run", "--rm", "-t", "--runc-binary", ctr.program, IMAGE, ctr.name(), "sh", "-c",
                        "tty; read x; echo got $x; exit 4")
    terminal.wait_for("/dev/pts/0")
    terminal.write("this\r")
    terminal.wait_for("got this")
    assert terminal.end() == 4


def test_options(ctr, here):
    (here / "file").write_text("of the host\n")
    flags = ["--read-only", "--mount", f"type=bind,src={here},dst=/v,options=rbind:ro", "--seccomp", "--user", "1000:1000"]
    assert ctr.run("sh", "-c", "cat /v/file; touch /x /v/x 2>/dev/null || echo ro; id -u; sed -n 's/Seccomp:\t//p' /proc/self/status",
                   flags=flags).out.split("\n")[:4] == ["of the host", "ro", "1000", "2"]
    assert ctr.run("mount", "-t", "tmpfs", "tmpfs", "/tmp", flags=["--privileged"]).rc == 0
    assert ctr.run("readlink", "/proc/self/ns/net", flags=["--net-host"]).out.strip() == os.readlink("/proc/self/ns/net")


def test_recursive_read_only(ctr, here):
    """What Kubernetes' recursiveReadOnly makes of a volume; ctr hands the option on."""
    (here / "below").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(here / "below")], check=True)
    try:
        script = "for d in ro ro/below rro rro/below; do touch /$d/x 2>/dev/null || echo $d; done"
        flags = [word for name in ("ro", "rro") for word in ("--mount", f"type=bind,src={here},dst=/{name},options=rbind:{name}")]
        assert ctr.run("sh", "-c", script, flags=flags).out.split() == ["ro", "rro", "rro/below"]
    finally:
        subprocess.run(["umount", "-l", str(here / "below")], check=True)


@pytest.mark.controllers("memory", "cpu")
def test_limits(ctr):
    container = ctr.start(flags=["--memory-limit", str(64 << 20), "--cpus", "0.5"])
    cgroup = "/sys/fs/cgroup" + read("/proc", ctr.pid(container), "cgroup").split("0::")[1].strip()
    assert read(cgroup, "memory.max").strip() == str(64 << 20)
    assert read(cgroup, "cpu.max").split() == ["50000", "100000"]
    metrics = ctr.call("tasks", "metrics", "--format", "json", container).out
    assert json.loads(metrics)["memory"]["usage_limit"] == 64 << 20 and json.loads(metrics)["memory"]["usage"] > 0, metrics


def test_user_namespace(ctr):
    result = ctr.run("cat", "/proc/self/uid_map", flags=["--uidmap", "0:100000:65536", "--gidmap", "0:100000:65536", "--remap-labels"], rc=None)
    if result.rc != 0 and "snapshotter" in result.err:
        pytest.skip(f"the snapshotter does not map ids: {result.err}")
    assert result.out.split() == ["0", "100000", "65536"], result


def test_containerd_restarts_and_containers_live(ctr):
    container = ctr.start()
    pid = ctr.pid(container)
    ctr.daemon.stop()
    ctr.daemon.start()
    assert ctr.pid(container) == pid and ctr.status(container) == "RUNNING"
    assert ctr.exec(container, "echo", "again").out == "again\n"


def test_a_shim_that_dies_leaves_nothing(ctr, oci):
    before, container = leftovers.take(), ctr.start()
    pid = ctr.pid(container)
    shim = int(read("/proc", pid, "status").split("PPid:")[1].split()[0])
    os.kill(shim, signal.SIGKILL)
    wait_until(lambda: ctr.status(container) in (None, "STOPPED", "UNKNOWN"), "containerd to see it", 60)
    wait_until(lambda: not os.path.exists(f"/proc/{pid}"), "the container's own process to be killed", 60)
    ctr.remove(container)
    leftovers.require_same(before, oci)
