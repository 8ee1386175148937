"""What Podman does besides running a container, for root and for an ordinary user: systemd in containers and containers in systemd,
health checks, kube, secrets, builds, descriptors, no cgroups."""
import os
import subprocess

import pytest

import leftovers
import podman as engine
from call import wait_until
from listener import Listener
from podman_fixtures import image_of_root, images, mine, podman  # noqa: F401  pylint: disable=unused-import


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


# --- systemd ---------------------------------------------------------------------------------------------------------

def boots_and_stops(podman, *flags):
    """The host's own systemd, over its root: it reaches its target, and stops when it is told to."""
    container = podman.out("run", "-d", "--systemd", "always", "--network", "none", *flags, "/lib/systemd/systemd", "--unit=basic.target")
    wait_until(lambda: podman.exec(container, "systemctl", "is-active", "basic.target", rc=None).out.strip() == "active",
               "systemd's basic.target", 240)
    assert "init.scope" in podman.exec(container, "cat", "/proc/1/cgroup").out
    podman.call("stop", "-t", "60", container)
    assert podman.get(container, "{{.State.ExitCode}}") in ("0", "130")


@pytest.mark.systemd
@pytest.mark.parametrize("podman", [None], indirect=True, ids=["root"])
def test_a_real_systemd(podman):
    boots_and_stops(podman, "--rootfs", "/:O")


@pytest.mark.systemd
@pytest.mark.parametrize("podman", [engine.USER], indirect=True, ids=["user"])
def test_a_real_systemd_of_a_user(podman):
    """Who may not put an overlay over the host's root, but may have it as it is, with nothing to write in it."""
    empty = [word for place in ("/tmp", "/run", "/run/lock", "/var/log/journal") for word in ("--tmpfs", f"{place}:mode=755,notmpcopyup")]
    boots_and_stops(podman, *empty, "--rootfs", "/")


def test_systemd_mode(podman):
    """What podman prepares for a systemd: /run, /sys/fs/cgroup writable, the container variable, its stop signal."""
    if podman.user and podman.manager != "systemd":
        pytest.skip("only systemd gives an ordinary user a cgroup of their own")
    script = ("echo $container; grep -c ' /run tmpfs' /proc/mounts; mkdir /sys/fs/cgroup/mine && rmdir /sys/fs/cgroup/mine && echo writable;"
              "cat /proc/self/cgroup")
    got = podman.sh(script, flags=["--systemd", "always", "--stop-timeout", "1"]).splitlines()
    assert got[0] in ("podman", "oci") and got[1:3] == ["1", "writable"], got


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
def test_quadlet(podman, oci):
    top = os.path.join(podman.home(), ".config/containers/systemd") if podman.user else "/run/containers/systemd"
    unit = write(os.path.join(top, "wherryquadlet.container"), QUADLET.format(runtime=oci))
    try:
        podman.systemctl("daemon-reload")
        podman.systemctl("start", "wherryquadlet.service")
        wait_until(lambda: podman.out("logs", "quadlet", rc=None) == "aye", "its word")
        assert os.path.basename(podman.get("quadlet", "{{.OCIRuntime}}")) == oci
        podman.systemctl("stop", "wherryquadlet.service")
    finally:
        os.unlink(unit)
        podman.systemctl("daemon-reload")


# --- health ------------------------------------------------------------------------------------------------------------

def test_healthcheck(podman):
    container = podman.start(flags=["--health-cmd", "test -e /tmp/well", "--health-interval", "disable", "--health-retries", "1"])
    podman.call("healthcheck", "run", container, rc=1)
    podman.exec(container, "touch", "/tmp/well")
    podman.call("healthcheck", "run", container)


@pytest.mark.systemd
def test_healthcheck_by_a_timer(podman):
    """systemd calls, each time by an exec into the container."""
    container = podman.start(flags=["--health-cmd", "test -e /tmp/well", "--health-interval", "3s", "--health-retries", "1"])
    wait_until(lambda: podman.get(container, "{{.State.Health.Status}}") == "unhealthy", "the first sign", 120)
    podman.exec(container, "touch", "/tmp/well")
    wait_until(lambda: podman.get(container, "{{.State.Health.Status}}") == "healthy", "its health", 120)


# --- documents -----------------------------------------------------------------------------------------------------------

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


def test_kube_play_and_generate(podman, mine):
    pod = write(f"{mine}/pod.yaml", KUBE)
    podman.call("kube", "play", pod)
    try:
        wait_until(lambda: podman.out("logs", "vessel-mast") == "aye", "the pod's word")
        assert podman.sh_in("vessel-mast", "echo $WORD; touch /x 2>/dev/null || echo ro; grep CapEff /proc/self/status").split() == [
            "hello", "ro", "CapEff:", "0000000000000000"]
        assert "kind: Pod" in podman.out("kube", "generate", "vessel")
    finally:
        podman.call("kube", "down", "--force", pod, rc=None)


@pytest.mark.systemd
def test_generate_systemd(podman):
    """The unit that Podman writes starts the container, and stops it."""
    container = podman.out("create", "--network", "none", "--stop-signal", "KILL", engine.IMAGE, "sleep", "1000")
    top = os.path.join(podman.home(), ".config/systemd/user") if podman.user else "/run/systemd/system"
    unit = write(os.path.join(top, "wherrygenerated.service"), podman.out("generate", "systemd", container) + "\n")
    try:
        podman.systemctl("daemon-reload")
        podman.systemctl("start", "wherrygenerated.service")
        assert podman.get(container, "{{.State.Status}}") == "running"
        podman.systemctl("stop", "wherrygenerated.service")
        assert podman.get(container, "{{.State.Status}}") == "exited"
    finally:
        os.unlink(unit)
        podman.systemctl("daemon-reload")


def test_build(podman, program, mine):
    write(f"{mine}/Containerfile", "FROM localhost/bb\nRUN echo built >/made && id -u >>/made\nCMD [\"cat\", \"/made\"]\n")
    listener = Listener(mine, program, podman.user)
    podman.of(listener.path).call("build", "--no-cache", "--network", "none", "--isolation", "oci", "-t", "built", mine)
    assert listener.calls("create --bundle") == 1
    assert podman.out("run", "--rm", "--network", "none", "built") == "built\n0"


# --- what is handed in -------------------------------------------------------------------------------------------------

def test_secrets(podman):
    podman.call("secret", "create", "word", "-", text="mellon")
    try:
        assert podman.sh("cat /run/secrets/word; echo; echo $W", flags=["--secret", "word", "--secret", "word,type=env,target=W"]
                         ) == "mellon\nmellon"
    finally:
        podman.call("secret", "rm", "word")


def test_preserve_fds(podman, mine):
    """A descriptor of the caller's reaches the program, of run and of exec."""
    given = write(f"{mine}/given", "through a descriptor\n")
    container = podman.start()
    for argv in (podman.argv("run", "--rm", "--network", "none", "--preserve-fds", "1", engine.IMAGE, "cat", "/proc/self/fd/3"),
                 podman.argv("exec", "--preserve-fds", "1", container, "cat", "/proc/self/fd/3")):
        done = subprocess.run(["sh", "-c", "exec 3<\"$0\"; exec \"$@\"", given, *argv], capture_output=True, text=True, timeout=120,
                              check=False)
        assert done.stdout == "through a descriptor\n", done


def test_without_cgroups(podman):
    """The program is where its caller is, and no cgroup is the container's."""
    assert podman.sh("echo on its own", flags=["--cgroups", "disabled"]) == "on its own"
    container = podman.start(flags=["--cgroups", "disabled"])
    assert container not in podman.cgroup(container)
    assert not [folder for folder, _, _ in os.walk(leftovers.cgroup_mount()) if container in folder]
    assert podman.exec(container, "echo", "inside").out == "inside\n"
    podman.call("kill", container)
    wait_until(lambda: podman.get(container, "{{.State.Status}}") == "exited", "its end")


def test_a_pod_in_a_user_namespace(podman):
    engine.add_ids_for_auto()
    pod = podman.out("pod", "create", "--network", "none", "--userns", "auto:size=3000", "--share", "net,ipc,uts")
    one, other = podman.start(flags=["--pod", pod]), podman.start(flags=["--pod", pod])
    spaces = [os.readlink(f"/proc/{podman.pid(container)}/ns/user") for container in (one, other)]
    assert spaces[0] == spaces[1] != os.readlink("/proc/self/ns/user")
    assert podman.sh_in(one, "cat /proc/self/uid_map").split()[::2] == ["0", "3000"]
