"""tools/engine-setup on the host itself: the change, a container that runs on wherry by it, and the host as it was, where the same check
fails."""
import os
import subprocess
import sys

import pytest

import podman
from call import call, read, wait_until
from conftest import ROOT, WHERRY
from listener import Listener
from podman_fixtures import reset_user

SETUP = os.path.join(ROOT, "tools", "engine-setup")
FILES = {"docker": "/etc/docker/daemon.json", "docker-buildkit": "/etc/systemd/system/docker.service.d/50-wherry.conf",
         "containerd": "/etc/containerd/config.toml",
         "podman": "/etc/containers/containers.conf.d/50-wherry.conf", "buildah": "/etc/profile.d/wherry-buildah.sh"}
UNITS = {"docker": ["containerd.service", "docker.service"], "docker-buildkit": ["containerd.service", "docker.service"],
         "containerd": ["containerd.service"]}


def setup(engine, *flags, rc=0, user=None):
    return call(*podman.Podman("wherry", user=user).prefix(), sys.executable, SETUP, engine, *flags, rc=rc, timeout=600)


def text_of(path):
    return read(path) if os.path.exists(path) else None


@pytest.fixture
def units(request):
    """The engine's own units, running for the time of a test."""
    names = UNITS.get(request.getfixturevalue("engine"), [])
    for name in names:
        call("systemctl", "reset-failed", name, rc=None)  # Docker's unit may be started three times a minute
        call("systemctl", "start", name, timeout=300)
    yield names
    for name in reversed(names):
        subprocess.run(["systemctl", "stop", name, name.replace(".service", ".socket")], capture_output=True, check=False)


WAYS = [(engine, []) for engine in FILES] + [("docker", ["--default"]), ("podman", ["--default"]),
                                             ("containerd", ["--cgroup-driver", "cgroupfs"])]
WITHOUT_A_DAEMON = [pytest.param(engine, flags, marks=pytest.mark.core) if engine == "podman" and not flags else (engine, flags)
                    for engine, flags in WAYS if engine not in UNITS]
RAN = {"docker-buildkit": "the RUN step of a build ran on wherry"}


def name_of(value):
    return value if isinstance(value, str) else "".join(value) or "named"


def ran(engine):
    return f"{engine}: {RAN.get(engine, 'a container ran on wherry')}\n"


def wait_for_docker(shows, flags):
    """A reload is a signal, which takes its time."""
    shown = "{{.DefaultRuntime}}" if flags else "{{json .Runtimes}}"
    wait_until(lambda: ("wherry" in call("docker", "info", "--format", shown).out) is shows, "docker to have read its file")


@pytest.mark.systemd
@pytest.mark.parametrize("engine, flags", WAYS, ids=name_of)
def test_apply_check_undo(engine, flags, units):
    setup(engine, "--undo")
    before = text_of(FILES[engine])
    assert setup(engine, "--check", *flags, rc=1).err.startswith("engine-setup: ")
    applied = setup(engine, "--apply", *flags).out
    if engine == "docker":
        wait_for_docker(True, flags)
        assert ("docker-buildkit" in applied) is bool(flags)
    assert setup(engine, "--check", *flags).out == ran(engine)
    assert "already" in setup(engine, "--apply", *flags).out
    undone = setup(engine, "--undo").out
    assert text_of(FILES[engine]) == before
    if engine == "docker":
        if flags:
            wait_for_docker(False, flags)
        assert "systemctl restart docker" in undone, "what a reload does not make it forget"
        call("systemctl", "restart", "docker", timeout=300)
    assert setup(engine, "--check", *flags, rc=1).err.startswith("engine-setup: ")


@pytest.mark.parametrize("engine, flags", WITHOUT_A_DAEMON, ids=name_of)
def test_engines_without_a_daemon(engine, flags):
    before = text_of(FILES[engine])
    setup(engine, "--apply", *flags)
    try:
        assert setup(engine, "--check", *flags).out == ran(engine)
    finally:
        if before is None:
            setup(engine, "--undo")
    assert text_of(FILES[engine]) == before


@pytest.mark.systemd
@pytest.mark.parametrize("engine", ["docker-buildkit"])
def test_the_run_step_of_a_build_is_the_program_s(engine, units, here):
    """What the check says of a build: it was the program in the daemon's environment that ran it."""
    listener = Listener(here, WHERRY)
    setup(engine, "--apply", "--wherry", listener.path)
    try:
        assert setup(engine, "--check").out == ran(engine)
        assert listener.calls("run --bundle") == 1
    finally:
        setup(engine, "--undo")


@pytest.fixture
def user():
    """An ordinary user with storage of their own."""
    podman.add_user()
    yield podman.USER
    reset_user()


@pytest.mark.systemd
def test_an_ordinary_user_s_podman(user):
    """Nothing of root's is changed: the file is in the user's home."""
    setup("podman", "--undo")
    file = f"/home/{user}/.config/containers/containers.conf.d/50-wherry.conf"
    assert setup("podman", "--check", rc=1, user=user).err.startswith("engine-setup: ")
    assert setup("podman", "--apply", user=user).out == f"{file}: made\n"
    assert os.stat(file).st_uid == podman.Podman("wherry", user=user).uid() and not os.path.exists(FILES["podman"])
    assert setup("podman", "--check", user=user).out == ran("podman")
    setup("podman", "--undo", user=user)
    assert not os.path.exists(file)
    assert setup("podman", "--check", rc=1, user=user).err.startswith("engine-setup: ")
