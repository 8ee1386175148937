"""The fixtures of Podman's tests, which a module imports: `podman` and `podman1` of root, or `podman` of root and an ordinary user."""
import os
import shutil

import pytest

import podman as engine
from conftest import ROOT

MANAGERS = ["cgroupfs", pytest.param("systemd", marks=pytest.mark.systemd)]
SETUP = os.path.join(ROOT, "tools", "engine-setup")


def used(made):
    """What a fixture yields from: the client, without containers when the test is over."""
    yield made
    made.rm_all()


def import_for_user(rootfs):
    """The image in the storage of the ordinary user, who is made for that."""
    engine.add_user()
    given = f"/home/{engine.USER}/rootfs.tar"
    shutil.copy(rootfs, given)
    engine.Podman("runc", user=engine.USER).call("import", given, engine.IMAGE)


def reset_user():
    engine.Podman("runc", user=engine.USER).call("system", "reset", "-f", rc=None)


# --- root --------------------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def image_of_root(installed, rootfs):
    engine.configure(SETUP)
    engine.Podman("runc").call("import", rootfs, engine.IMAGE)


@pytest.fixture(name="podman", params=MANAGERS)
def podman_of_root(request, image_of_root, oci, nothing_left):
    yield from used(engine.Podman(oci, request.param))


@pytest.fixture(name="podman1")
def podman1_of_root(image_of_root, oci, nothing_left):
    """With one manager only, where that makes no difference."""
    yield from used(engine.Podman(oci, engine.own_manager()))


# --- root and an ordinary user alike -----------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def images(image_of_root, rootfs):
    """The image in the storage of both."""
    import_for_user(rootfs)
    yield
    reset_user()


@pytest.fixture(params=[None, engine.USER], ids=["root", "user"])
def podman(request, images, oci, nothing_left):
    """With the manager that Podman takes by itself."""
    yield from used(engine.Podman(oci, engine.own_manager(), request.param))


@pytest.fixture
def mine(podman):
    """A directory of theirs."""
    top = os.path.join(podman.home(), "mine")
    os.makedirs(top)
    shutil.chown(top, podman.user or "root", podman.user or "root")
    yield top
    shutil.rmtree(top)
