"""Fixtures of the engines' tests. They start Docker, containerd and Podman with wherry (and with runc, the reference): on a host
that is there for nothing else, as the lab's machine (tools/lab) is. See docs/testing.md."""
import os
import shutil
import subprocess
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, os.path.join(ROOT, "tools", "engines")]

import gaps  # noqa: E402
import image  # noqa: E402
import leftovers  # noqa: E402
from docker_fixtures import another, daemon, docker, nothing_left_of_docker, running  # noqa: E402, F401  pylint: disable=unused-import

WHERRY = "/usr/sbin/wherry"
PACKAGE = "/lab/wherry.deb"


def pytest_addoption(parser):
    parser.addoption("--oci", action="append", choices=("wherry", "runc"), help="run with this runtime (default: both)")
    parser.addoption("--core", action="store_true", help="only what is marked core, and only with wherry")
    parser.addoption("--long", action="store_true", help="also what is marked long: hundreds of containers")


def pytest_configure(config):
    if os.geteuid() != 0 or not (os.path.exists("/lab/job.json") or os.environ.get("WHERRY_TEST_ENGINES")):
        pytest.exit("the tests of tests/engines change the host that they run on: run them by tools/lab run docker podman ...", 2)
    config.addinivalue_line("markers", "core: part of the short selection, engines-core")
    config.addinivalue_line("markers", "long: hundreds of containers")
    config.addinivalue_line("markers", "controllers(*names): needs these controllers of cgroup v2")
    config.addinivalue_line("markers", "systemd: needs systemd as this host's first process")


def pytest_generate_tests(metafunc):
    if "oci" in metafunc.fixturenames:
        core = metafunc.config.getoption("--core")
        names = ["wherry"] if core else metafunc.config.getoption("--oci") or ["wherry", "runc"]
        metafunc.parametrize("oci", names, scope="session")


def pytest_collection_modifyitems(config, items):
    chosen = []
    for item in items:
        if config.getoption("--core") and not of_core(item):
            continue
        if item.get_closest_marker("long") and not config.getoption("--long"):
            continue
        chosen.append(item)
        cause = gaps.cause(item)
        if cause:
            item.add_marker(pytest.mark.skip(reason=cause))
    left = [item for item in items if item not in chosen]
    config.hook.pytest_deselected(items=left)
    items[:] = chosen


def of_core(item):
    """Of the tests for each cgroup manager the core has systemd's, which does more; containerd's own tests have the other."""
    values = item.callspec.params.values() if hasattr(item, "callspec") else ()
    return item.get_closest_marker("core") and "cgroupfs" not in values


@pytest.fixture(scope="session", autouse=True)
def installed():
    """wherry as its package installs it, and no other one."""
    if os.path.exists(PACKAGE):
        subprocess.run(["apt-get", "-qq", "install", "--no-install-recommends", PACKAGE], check=True, stdin=subprocess.DEVNULL,
                       env=dict(os.environ, DEBIAN_FRONTEND="noninteractive"))
        for path in ("/usr/local/sbin/wherry", "/usr/local/libexec/wherry/wherry-dynamic"):
            if os.path.exists(path):
                os.unlink(path)
    assert shutil.which("wherry") == WHERRY


@pytest.fixture(scope="session")
def program(oci):
    """The path of the runtime."""
    path = WHERRY if oci == "wherry" else shutil.which("runc")
    assert path and os.path.exists(path), f"{oci} is not installed"
    return path


@pytest.fixture(scope="session")
def rootfs(tmp_path_factory):
    """An archive of a root file system of busybox."""
    path = str(tmp_path_factory.mktemp("image") / "rootfs.tar")
    image.rootfs_tar(path)
    return path


@pytest.fixture(scope="session")
def oci_image(tmp_path_factory):
    """The same as an OCI image, docker.io/library/bb:latest."""
    path = str(tmp_path_factory.mktemp("image") / "image.tar")
    image.oci_archive(path, "docker.io/library/bb:latest")
    return path


@pytest.fixture(scope="session")
def pause_image(tmp_path_factory):
    """An image whose program holds a pod's namespaces, docker.io/library/pause:latest."""
    path = str(tmp_path_factory.mktemp("image") / "pause.tar")
    image.oci_archive(path, "docker.io/library/pause:latest", ("/bin/sleep", "2000000000"))
    return path


@pytest.fixture
def here(tmp_path):
    """A directory of the test's own that everybody may enter."""
    for directory in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        os.chmod(directory, 0o755)
    return tmp_path


@pytest.fixture(scope="module")
def nothing_left(oci):
    """Fails a module whose containers left processes, mounts, cgroups, or states of the runtime behind. Docker's tests have another."""
    before = leftovers.take()
    yield
    leftovers.require_same(before, oci)
