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


@pytest.mark.systemd
@pytest.mark.parametrize("engine", FILES)
def test_apply_check_undo(engine, units):
    setup(engine, "--undo")
    before = text_of(FILES[engine])
    setup(engine, "--apply")
    if engine == "docker":  # a reload is a signal, which takes its time
        wait_until(lambda: "wherry" in call("docker", "info", "--format", "{{json .Runtimes}}").out, "the new runtime")
    assert f"{engine}: a container ran on wherry" in setup(engine, "--check").out
    assert "already" in setup(engine, "--apply").out
    setup(engine, "--undo")
    assert text_of(FILES[engine]) == before


@pytest.mark.parametrize("engine", ["podman", "buildah"])
def test_engines_without_a_daemon(engine):
    before = text_of(FILES[engine])
    setup(engine, "--apply")
    try:
        assert f"{engine}: a container ran on wherry" in setup(engine, "--check").out
    finally:
        if before is None:
            setup(engine, "--undo")
    assert text_of(FILES[engine]) == before
