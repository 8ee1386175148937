"""The fixtures of Podman's tests for root and for an ordinary user alike."""
import os
import shutil

import pytest

import podman as engine
from conftest import ROOT


@pytest.fixture(scope="module")
def images(installed, rootfs):
    """The image in the storage of both."""
    engine.configure(os.path.join(ROOT, "tools", "engine-setup"))
    engine.add_user()
    given = f"/home/{engine.USER}/rootfs.tar"
    shutil.copy(rootfs, given)
    for user in (None, engine.USER):
        engine.Podman("runc", user=user).call("import", given, engine.IMAGE)
    yield
    engine.Podman("runc", user=engine.USER).call("system", "reset", "-f", rc=None)


@pytest.fixture(params=[None, engine.USER], ids=["root", "user"])
def podman(request, images, oci, nothing_left):
    """With the manager that Podman takes by itself."""
    made = engine.Podman(oci, "systemd" if os.path.isdir("/run/systemd/system") else "cgroupfs", request.param)
    yield made
    made.rm_all()


@pytest.fixture
def mine(podman):
    """A directory of theirs."""
    top = os.path.join(podman.home(), "mine")
    os.makedirs(top)
    shutil.chown(top, podman.user or "root", podman.user or "root")
    yield top
    shutil.rmtree(top)
