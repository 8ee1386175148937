"""tools/engine-setup on the host itself: the change, a container that runs on wherry by it, and the host as it was."""
import os
import subprocess
import sys

import pytest

from call import call, read, wait_until
from conftest import ROOT

SETUP = os.path.join(ROOT, "tools", "engine-setup")
FILES = {"docker": "/etc/docker/daemon.json", "containerd": "/etc/containerd/config.toml",
         "podman": "/etc/containers/containers.conf.d/50-wherry.conf", "buildah": "/etc/profile.d/wherry-buildah.sh"}
UNITS = {"docker": ["containerd.service", "docker.service"], "containerd": ["containerd.service"]}


def setup(engine, *flags, rc=0):
    return call(sys.executable, SETUP, engine, *flags, rc=rc, timeout=300)


def text_of(path):
    return read(path) if os.path.exists(path) else None


@pytest.fixture
def units(request):
    """The engine's own units, running for the time of a test."""
    names = UNITS.get(request.getfixturevalue("engine"), [])
    for name in names:
        call("systemctl", "start", name, timeout=300)
    yield names
    for name in reversed(names):
        subprocess.run(["systemctl", "stop", name, name.replace(".service", ".socket")], capture_output=True, check=False)


WAYS = [(engine, []) for engine in FILES] + [("docker", ["--default"]), ("podman", ["--default"])]
WITHOUT_A_DAEMON = [way for way in WAYS if way[0] not in UNITS]


def name_of(value):
    return value if isinstance(value, str) else "".join(value) or "named"


@pytest.mark.systemd
@pytest.mark.parametrize("engine, flags", WAYS, ids=name_of)
def test_apply_check_undo(engine, flags, units):
    setup(engine, "--undo")
    before = text_of(FILES[engine])
    setup(engine, "--apply", *flags)
    if engine == "docker":  # a reload is a signal, which takes its time
        shown = "{{.DefaultRuntime}}" if flags else "{{json .Runtimes}}"
        wait_until(lambda: "wherry" in call("docker", "info", "--format", shown).out, "the new runtime")
    assert f"{engine}: a container ran on wherry" in setup(engine, "--check", *flags).out
    assert "already" in setup(engine, "--apply", *flags).out
    setup(engine, "--undo")
    assert text_of(FILES[engine]) == before


@pytest.mark.parametrize("engine, flags", WITHOUT_A_DAEMON, ids=name_of)
def test_engines_without_a_daemon(engine, flags):
    before = text_of(FILES[engine])
    setup(engine, "--apply", *flags)
    try:
        assert f"{engine}: a container ran on wherry" in setup(engine, "--check", *flags).out
    finally:
        if before is None:
            setup(engine, "--undo")
    assert text_of(FILES[engine]) == before
