"""Podman of an ordinary user, with both cgroup managers where the user has a systemd of their own."""
import os
import shutil
import subprocess

import pytest

import podman as engine
from call import call, read, wait_until
from listener import Listener
from podman_fixtures import MANAGERS, SETUP, import_for_user, reset_user, used


@pytest.fixture(scope="module", autouse=True)
def configured(installed, rootfs):
    engine.configure(SETUP)
    import_for_user(rootfs)
    yield
    reset_user()


@pytest.fixture(params=MANAGERS)
def podman(request, oci, nothing_left):
    yield from used(engine.Podman(oci, request.param, engine.USER))


@pytest.fixture
def podman1(oci, nothing_left):
    yield from used(engine.Podman(oci, engine.own_manager(), engine.USER))


@pytest.fixture
def mine(configured):
    """A directory of the user's."""
    top = f"/home/{engine.USER}/mine"
    os.makedirs(top)
    shutil.chown(top, engine.USER, engine.USER)
    yield top
    shutil.rmtree(top)


@pytest.mark.core
def test_run(podman):
    result = podman.run("sh", "-c", "cat; id -u; cat /proc/self/uid_map | wc -l; exit 42", flags=["-i"], rc=42, text="typed ")
    assert result.out == "typed 0\n2\n"


def test_exec_and_lifecycle(podman):
    container = podman.start("sh", "-c", "trap 'exit 7' TERM; echo up; while :; do sleep 0.1; done")
    wait_until(lambda: podman.out("logs", container) == "up", "it to be up")
    assert podman.exec(container, "sh", "-c", "pwd; id -u; exit 3", flags=["-u", "1000", "-w", "/tmp"], rc=3).out == "/tmp\n1000\n"
    assert "executable file not found" in podman.exec(container, "no-such-program", rc=127).err
    assert "sleep" in podman.out("top", container)
    podman.call("kill", "--signal", "CONT", container)
    podman.call("stop", container)
    assert podman.get(container, "{{.State.ExitCode}}") == "7"
    podman.call("start", container)
    podman.call("rm", "-f", "-t", "0", container)


@pytest.mark.systemd
@pytest.mark.controllers("memory", "pids")
def test_limits_pause_and_update(oci, nothing_left):
    podman = engine.Podman(oci, "systemd", engine.USER)
    try:
        container = podman.start(flags=["-m", "64m", "--pids-limit", "20"])
        cgroup = podman.cgroup(container)
        if os.path.basename(cgroup) == "container":
            cgroup = os.path.dirname(cgroup)
        assert f"user@{call('id', '-u', engine.USER).out.strip()}.service" in cgroup
        assert read(cgroup, "memory.max").strip() == str(64 << 20) and read(cgroup, "pids.max").strip() == "20"
        podman.call("update", "-m", "128m", "--memory-swap", "256m", container)
        assert read(cgroup, "memory.max").strip() == str(128 << 20)
        podman.call("pause", container)
        assert podman.get(container, "{{.State.Status}}") == "paused"
        podman.call("unpause", container)
    finally:
        podman.rm_all()


def test_user_namespaces(podman1, mine):
    uid, gid = call("id", "-u", engine.USER).out.strip(), call("id", "-g", engine.USER).out.strip()
    assert podman1.sh("id -u; id -g", flags=["--userns", "keep-id"]).split() == [uid, gid]
    assert podman1.sh("touch /m/x; stat -c %u /m/x", flags=["--userns", "keep-id", "-v", f"{mine}:/m"]) == uid
    assert os.stat(f"{mine}/x").st_uid == int(uid)
    assert podman1.sh("id -u", flags=["--userns", "keep-id:uid=1234,gid=5678"]) == "1234"
    assert podman1.sh("wc -l </proc/self/uid_map", flags=["--userns", "nomap"]).strip().isdigit()
    assert podman1.sh("cut -c 12-22 /proc/self/uid_map", flags=["--uidmap", "0:1:1000"]).split()[0] == "1"


def test_keep_groups(podman1, mine):
    """A file that only a further group of the user may read."""
    subprocess.run(["groupadd", "-f", "crew"], check=True)
    subprocess.run(["usermod", "-aG", "crew", engine.USER], check=True)
    path = os.path.join(mine, "for-the-crew")
    with open(path, "w", encoding="utf-8") as file:
        file.write("aye\n")
    shutil.chown(path, "root", "crew")
    os.chmod(path, 0o640)
    assert podman1.run("cat", "/m/for-the-crew", flags=["-v", f"{mine}:/m"], rc=None).rc != 0
    assert podman1.sh("cat /m/for-the-crew", flags=["-v", f"{mine}:/m", "--group-add", "keep-groups"]) == "aye"


def test_options(podman1, mine):
    with open(f"{mine}/file", "w", encoding="utf-8") as file:
        file.write("of the host\n")
    flags = ["--read-only", "--tmpfs", "/scratch:size=1m", "-v", f"{mine}:/v:ro", "--cap-drop", "all", "--hostname", "vessel",
             "-u", "1000:10", "--security-opt", "no-new-privileges"]
    script = "hostname; cat /v/file; touch /v/x /x 2>/dev/null || echo ro; touch /scratch/x && echo rw; id -u; id -g"
    assert podman1.sh(script, flags=flags).splitlines() == ["vessel", "of the host", "ro", "rw", "1000", "10"]


def test_a_pod(podman):
    pod = podman.out("pod", "create", "--network", "none", "--share", "net,ipc,uts,pid")
    one, other = podman.start(flags=["--pod", pod]), podman.start(flags=["--pod", pod])
    for kind in ("net", "ipc", "uts", "pid"):
        assert os.readlink(f"/proc/{podman.pid(one)}/ns/{kind}") == os.readlink(f"/proc/{podman.pid(other)}/ns/{kind}")
    podman.call("pod", "stop", "-t", "0", pod)
    podman.call("pod", "start", pod)
    assert podman.get(one, "{{.State.Status}}") == "running"
    podman.call("pod", "rm", "-f", "-t", "0", pod)


def test_build(podman, program, mine):
    with open(f"{mine}/Containerfile", "w", encoding="utf-8") as file:
        file.write("FROM localhost/bb\nRUN id -u >/made\nCMD [\"cat\", \"/made\"]\n")
    listener = Listener(mine, program, podman.user)
    podman.of(listener.path).call("build", "--no-cache", "--network", "none", "--isolation", "oci", "-t", "built", mine)
    assert listener.calls("create --bundle") == 1
    assert podman.out("run", "--rm", "--network", "none", "built") == "0"


def test_host_namespaces(podman1):
    container = podman1.start(flags=["--network", "host", "--pid", "host", "--uts", "host"])
    for kind in ("net", "pid", "uts"):
        assert os.readlink(f"/proc/{podman1.pid(container)}/ns/{kind}") == os.readlink(f"/proc/self/ns/{kind}"), kind
