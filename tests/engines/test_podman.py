"""Podman as root: containers, exec, pods, user namespaces, limits."""
import os
import shutil
import subprocess

import pytest

import podman as engine
from call import read, wait_until
from check import monitor_calls
from podman_fixtures import image_of_root, podman1_of_root, podman_of_root  # noqa: F401  pylint: disable=unused-import


@pytest.mark.core
def test_run(podman):
    assert podman.run("echo", "hello").out == "hello\n"
    result = podman.run("sh", "-c", "cat; echo err >&2; exit 42", flags=["-i"], rc=42, text="typed")
    assert (result.out, result.err) == ("typed", "err\n")


def test_the_runtime_is_the_one_that_was_asked_for(podman1, oci):
    container = podman1.start()
    assert os.path.basename(podman1.get(container, "{{.OCIRuntime}}")) == oci
    assert os.path.basename(monitor_calls(podman1.pid(container))) == oci


def test_run_on_a_terminal(podman1):
    terminal = podman1.terminal("run", "--rm", "-it", "--network", "none", engine.IMAGE, "sh", "-c",
                                "tty; read x; echo got $x; exit 5")
    terminal.wait_for("/dev/pts/0")
    terminal.write("something\r")
    terminal.wait_for("got something")
    assert terminal.end() == 5


@pytest.mark.core
def test_exec(podman):
    container = podman.start(flags=["-e", "A=1"])
    assert podman.exec(container, "sh", "-c", "echo $A$B; pwd; id -u; exit 3", flags=["-e", "B=2", "-u", "1000", "-w", "/tmp"],
                       rc=3).out == "12\n/tmp\n1000\n"
    assert "executable file not found" in podman.exec(container, "no-such-program", rc=127).err
    assert "permission denied" in podman.exec(container, "/etc/noexec", rc=126).err.lower()
    assert podman.exec(container, "cat", flags=["-i"], text="through").out == "through"


def test_lifecycle(podman):
    container = podman.start("sh", "-c", "trap 'exit 7' TERM; trap 'echo usr1' USR1; echo up; while :; do sleep 0.1; done")
    wait_until(lambda: podman.out("logs", container) == "up", "it to be up")
    podman.call("kill", "--signal", "USR1", container)
    wait_until(lambda: "usr1" in podman.out("logs", container), "the signal")
    podman.call("pause", container)
    assert podman.get(container, "{{.State.Status}}") == "paused"
    podman.call("unpause", container)
    assert "sleep" in podman.out("top", container)
    podman.call("stop", container)
    assert podman.get(container, "{{.State.ExitCode}}") == "7"
    podman.call("start", container)
    podman.call("rm", "-f", "-t", "0", container)


@pytest.mark.controllers("memory", "pids", "cpu")
def test_limits_and_update(podman):
    container = podman.start(flags=["-m", "64m", "--pids-limit", "20", "--cpus", "0.5"])
    cgroup = podman.cgroup(container)
    if os.path.basename(cgroup) == "container":  # a cgroup below the one with the limits, as crun makes it
        cgroup = os.path.dirname(cgroup)
    assert read(cgroup, "memory.max").strip() == str(64 << 20)
    assert read(cgroup, "pids.max").strip() == "20" and read(cgroup, "cpu.max").strip() == "50000 100000"
    podman.call("update", "-m", "128m", "--memory-swap", "256m", "--pids-limit", "30", container)
    assert read(cgroup, "memory.max").strip() == str(128 << 20) and read(cgroup, "pids.max").strip() == "30"


def test_options(podman1, here):
    (here / "file").write_text("of the host\n")
    flags = ["--read-only", "--tmpfs", "/scratch:size=1m", "-v", f"{here}:/v:ro", "--cap-drop", "all", "--cap-add", "chown",
             "--hostname", "vessel", "--ulimit", "nofile=512:1024", "--sysctl", "net.ipv4.ip_forward=1", "-u", "1000:10",
             "--security-opt", "no-new-privileges", "--device", "/dev/full:/dev/given", "--init"]
    script = ("hostname; cat /v/file; touch /v/x /x 2>/dev/null || echo ro; touch /scratch/x && echo rw; id -u; id -g; ulimit -n;"
              "cat /proc/sys/net/ipv4/ip_forward; sed -n 's/NoNewPrivs:\t//p' /proc/self/status; test -c /dev/given && echo device")
    assert podman1.sh(script, flags=flags).splitlines() == [
        "vessel", "of the host", "ro", "rw", "1000", "10", "512", "1", "1", "device"]


@pytest.mark.core
def test_pod(podman):
    pod = podman.out("pod", "create", "--network", "none", "--name", "vessel", "--share", "net,ipc,uts,pid")
    one = podman.start(flags=["--pod", pod])
    other = podman.start(flags=["--pod", pod])
    for kind in ("net", "ipc", "uts", "pid"):
        assert os.readlink(f"/proc/{podman.pid(one)}/ns/{kind}") == os.readlink(f"/proc/{podman.pid(other)}/ns/{kind}")
    assert podman.sh_in(other, "ps").count("sleep 1000") == 2
    podman.call("pod", "pause", pod)
    podman.call("pod", "unpause", pod)
    podman.call("pod", "stop", "-t", "0", pod)
    podman.call("pod", "start", pod)
    assert podman.get(one, "{{.State.Status}}") == "running"
    podman.call("pod", "rm", "-f", "-t", "0", pod)


def test_user_namespaces(podman1):
    engine.add_ids_for_auto()
    assert int(podman1.sh("awk '{print $2; exit}' /proc/self/uid_map 2>/dev/null || cut -c 12-22 /proc/self/uid_map | head -n 1",
                          flags=["--userns", "auto"]).split()[0]) > 65535
    flags = ["--uidmap", "0:100000:5000", "--gidmap", "0:200000:5000"]
    assert podman1.sh("cat /proc/self/uid_map /proc/self/gid_map; stat -c %u:%g /etc/passwd", flags=flags).split() == [
        "0", "100000", "5000", "0", "200000", "5000", "0:0"]


def test_an_idmapped_volume(podman1, here):
    (here / "file").write_text("")
    flags = ["--uidmap", "0:100000:5000", "--gidmap", "0:100000:5000", "-v", f"{here}:/v:idmap"]
    result = podman1.run("sh", "-c", "stat -c %u /v/file; touch /v/new", flags=flags, rc=None)
    if "idmap" in result.err and "not supported" in result.err.lower():
        pytest.skip(f"the file system of {here} has no idmapped mounts: {result.err}")
    assert result.out == "0\n" and result.rc == 0, result
    assert (here / "new").stat().st_uid == 0


def test_checkpoint_support_is_answered_truthfully(podman1, program):
    """Podman asks the runtime's help; a checkpoint that then fails shows the runtime's cause."""
    known = subprocess.run([program, "checkpoint", "--help"], capture_output=True, check=False).returncode == 0
    container = podman1.start("sh", "-c", "while :; do sleep 0.1; done")  # no long sleep: some end at a checkpoint (docs/checkpoint.md)
    result = podman1.call("container", "checkpoint", container, rc=None)
    if not known:
        assert "does not support checkpoint" in result.err
    elif not shutil.which("criu"):
        assert result.rc and "criu" in result.err.lower(), result
        assert podman1.get(container, "{{.State.Status}}") == "running"
    else:
        assert result.rc == 0, result
        podman1.call("container", "restore", container)
        assert podman1.get(container, "{{.State.Status}}") == "running"
