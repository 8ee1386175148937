"""The fixtures of the tests of Docker: one daemon for a module, with the runtime under test."""
import os

import pytest

from docker import IMAGE, Daemon, Docker


def systemd_runs():
    return os.path.isdir("/run/systemd/system")


@pytest.fixture(scope="module")
def daemon(tmp_path_factory, rootfs):
    """The daemon of a module, with Docker's default cgroup driver: systemd where that runs."""
    made = Daemon(tmp_path_factory.mktemp("docker")).start()
    Docker(made, "runc").call("import", rootfs, IMAGE)
    yield made
    made.remove()


@pytest.fixture
def docker(daemon, oci, nothing_left):
    made = Docker(daemon, oci)
    yield made
    made.rm_all()
