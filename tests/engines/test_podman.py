"""Podman as root: containers, exec, pods, user namespaces, systemd, kube, builds, and what it asks of a runtime besides."""
import os
import shutil
import subprocess

import pytest

import podman as engine
from call import call, read, wait_until
from conftest import ROOT

MANAGERS = ["cgroupfs", pytest.param("systemd", marks=pytest.mark.systemd)]


@pytest.fixture(scope="module", autouse=True)
def configured(installed, rootfs):
    engine.configure(os.path.join(ROOT, "tools", "engine-setup"))
    engine.Podman("runc").call("import", rootfs, engine.IMAGE)


@pytest.fixture(params=MANAGERS)
def podman(request, oci, nothing_left):
    made = engine.Podman(oci, request.param)
    yield made
    made.rm_all()


@pytest.fixture
def podman1(oci, nothing_left):
    """With one manager only, where that makes no difference."""
    made = engine.Podman(oci, "systemd" if os.path.isdir("/run/systemd/system") else "cgroupfs")
    yield made
    made.rm_all()


@pytest.mark.core
def test_run(podman):
    assert podman.run("echo", "hello").out == "hello\n"
    result = podman.run("sh", "-c", "cat; echo err >&2; exit 42", flags=["-i"], rc=42, text="typed")
    assert (result.out, result.err) == ("typed", "err\n")


def test_the_runtime_is_the_one_that_was_asked_for(podman1, oci):
    container = podman1.start()
    assert os.path.basename(podman1.get(container, "{{.OCIRuntime}}")) == oci


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
    with open("/etc/subuid", encoding="utf-8") as file:
        if "containers:" not in file.read():
            for name in ("subuid", "subgid"):
                with open(f"/etc/{name}", "a", encoding="utf-8") as ids:
                    ids.write("containers:2147483647:2147483648\n")
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


def test_systemd_mode(podman1):
    """What podman prepares for a systemd: /run, /sys/fs/cgroup writable, the container variable, its stop signal."""
    script = ("echo $container; grep -c ' /run tmpfs' /proc/mounts; mkdir /sys/fs/cgroup/mine && rmdir /sys/fs/cgroup/mine && echo writable;"
              "cat /proc/self/cgroup")
    got = podman1.sh(script, flags=["--systemd", "always", "--stop-timeout", "1"]).splitlines()
    assert got[0] in ("podman", "oci") and got[1:3] == ["1", "writable"], got


@pytest.mark.systemd
def test_a_real_systemd(podman1):
    """The host's own, over its root: it reaches its target, and stops when it is told to."""
    container = podman1.out("run", "-d", "--systemd", "always", "--network", "none", "--rootfs", "/:O", "/lib/systemd/systemd",
                            "--unit=basic.target")
    wait_until(lambda: podman1.exec(container, "systemctl", "is-active", "basic.target", rc=None).out.strip() == "active",
               "systemd's basic.target", 240)
    assert "init.scope" in podman1.exec(container, "cat", "/proc/1/cgroup").out
    podman1.call("stop", "-t", "60", container)
    assert podman1.get(container, "{{.State.ExitCode}}") in ("0", "130")


QUADLET = """[Container]
Image=localhost/bb:latest
ContainerName=quadlet
Exec=sh -c "echo aye; exec sleep 1000"
Network=none
PodmanArgs=--pull never
GlobalArgs=--runtime {runtime}
[Service]
TimeoutStartSec=180
"""


@pytest.mark.systemd
def test_quadlet(podman1, oci):
    unit = "/run/containers/systemd/wherryquadlet.container"
    os.makedirs(os.path.dirname(unit), exist_ok=True)
    with open(unit, "w", encoding="utf-8") as file:
        file.write(QUADLET.format(runtime=oci))
    try:
        for words in (["daemon-reload"], ["start", "wherryquadlet.service"]):
            call("systemctl", *words, timeout=240)
        wait_until(lambda: podman1.out("logs", "quadlet", rc=None) == "aye", "its word")
        assert os.path.basename(podman1.get("quadlet", "{{.OCIRuntime}}")) == oci
        call("systemctl", "stop", "wherryquadlet.service", timeout=240)
    finally:
        os.unlink(unit)
        call("systemctl", "daemon-reload")


def test_healthcheck(podman1):
    container = podman1.start(flags=["--health-cmd", "test -e /tmp/well", "--health-interval", "disable", "--health-retries", "1"])
    assert podman1.call("healthcheck", "run", container, rc=1)
    podman1.exec(container, "touch", "/tmp/well")
    podman1.call("healthcheck", "run", container)


KUBE = """apiVersion: v1
kind: Pod
metadata:
  name: vessel
spec:
  hostNetwork: true
  containers:
  - name: mast
    image: localhost/bb:latest
    imagePullPolicy: Never
    command: ["sh", "-c", "echo aye; exec sleep 1000"]
    env: [{name: WORD, value: hello}]
    securityContext: {readOnlyRootFilesystem: true, capabilities: {drop: ["ALL"]}}
"""


def test_kube_play_and_generate(podman1, here):
    (here / "pod.yaml").write_text(KUBE)
    podman1.call("kube", "play", here / "pod.yaml")
    try:
        wait_until(lambda: podman1.out("logs", "vessel-mast") == "aye", "the pod's word")
        assert podman1.sh_in("vessel-mast", "echo $WORD; touch /x 2>/dev/null || echo ro; grep CapEff /proc/self/status").split() == [
            "hello", "ro", "CapEff:", "0000000000000000"]
        assert "kind: Pod" in podman1.out("kube", "generate", "vessel")
    finally:
        podman1.call("kube", "down", "--force", here / "pod.yaml", rc=None)


def test_generate_systemd(podman1):
    container = podman1.out("create", "--network", "none", engine.IMAGE, "sleep", "1000")
    assert "ExecStart=" in podman1.out("generate", "systemd", container)


def test_build(podman1, here):
    (here / "Containerfile").write_text("FROM localhost/bb\nRUN echo built >/made && id -u >>/made\nCMD [\"cat\", \"/made\"]\n")
    podman1.call("build", "--network", "none", "--isolation", "oci", "-t", "built", here)
    assert podman1.out("run", "--rm", "--network", "none", "built") == "built\n0"


def test_without_cgroups(podman1, oci):
    assert podman1.sh("echo on its own", flags=["--cgroups", "disabled"]) == "on its own"


def test_secrets(podman1):
    podman1.call("secret", "create", "word", "-", text="mellon")
    try:
        assert podman1.sh("cat /run/secrets/word; echo; echo $W", flags=["--secret", "word", "--secret", "word,type=env,target=W"]
                          ) == "mellon\nmellon"
    finally:
        podman1.call("secret", "rm", "word")


def test_preserve_fds(podman1, here):
    """A descriptor of the caller's reaches the program."""
    (here / "given").write_text("through a descriptor\n")
    argv = podman1.argv("run", "--rm", "--network", "none", "--preserve-fds", "1", engine.IMAGE, "cat", "/proc/self/fd/3")
    done = subprocess.run(["sh", "-c", "exec 3<\"$0\"; exec \"$@\"", str(here / "given"), *argv],
                          capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout == "through a descriptor\n", done


def test_checkpoint_support_is_answered_truthfully(podman1, program):
    """Podman asks the runtime's help; a checkpoint that then fails shows the runtime's cause."""
    known = subprocess.run([program, "checkpoint", "--help"], capture_output=True, check=False).returncode == 0
    container = podman1.start()
    result = podman1.call("container", "checkpoint", container, rc=None)
    if not known:
        assert "does not support checkpoint" in result.err
    elif result.rc != 0:
        assert result.err.strip() and podman1.get(container, "{{.State.Status}}") in ("running", "exited")
    else:
        podman1.call("container", "restore", container)
        assert podman1.get(container, "{{.State.Status}}") == "running"


# --- failures ----------------------------------------------------------------------------------------------------------

@pytest.mark.core
def test_failures_have_runcs_exit_status_and_the_cause(podman1, here):
    (here / "file").write_text("")
    assert "no-such-program" in podman1.run("no-such-program", rc=127).err
    assert "permission denied" in podman1.run("/etc/noexec", rc=126).err.lower()
    result = podman1.run("true", flags=["-v", f"{here}/file:/etc"], rc=None)
    assert "/etc" in result.err and result.rc in (125, 126, 127)
    result = podman1.run("true", flags=["-w", "/etc/passwd"], rc=None)
    assert "/etc/passwd" in result.err and result.rc in (126, 127)


def test_errors_are_one_json_object_to_podman(podman1, oci):
    """What podman could not read as JSON it shows raw, with the time and the level."""
    err = podman1.run("no-such-program", rc=127).err
    assert '{"level"' not in err and err.count("no-such-program") == 1 and err.startswith(f"Error: {oci}: ")


def test_buildah(podman1, program, rootfs, here):
    if not shutil.which("buildah"):
        pytest.skip("buildah is not installed")
    env = {"BUILDAH_RUNTIME": program}
    name = subprocess.run(["buildah", "from", "scratch"], capture_output=True, text=True, check=True).stdout.strip()
    try:
        subprocess.run(["buildah", "add", name, rootfs, "/"], capture_output=True, check=True)
        done = subprocess.run(["buildah", "run", "--isolation", "oci", "--network", "none", name, "--", "sh", "-c", "echo built; exit 4"],
                              env=dict(os.environ, **env), capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (4, "built\n"), done
        (here / "Containerfile").write_text("FROM localhost/bb\nRUN id -u >/made\n")
        done = subprocess.run(["buildah", "build", "--isolation", "oci", "--network", "none", str(here)], env=dict(os.environ, **env),
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0, done
    finally:
        subprocess.run(["buildah", "rm", name], capture_output=True, check=False)
