"""The fixtures of the tests of Docker. conftest.py takes them over, so that all modules share one daemon."""
import pytest

import call
import leftovers
from docker import Daemon, Docker


@pytest.fixture(scope="session")
def daemon(tmp_path_factory):
    """The daemon of all tests, with Docker's default cgroup driver (systemd where that runs); the first that wants it starts it."""
    made = Daemon(tmp_path_factory.mktemp("docker"))
    yield made
    made.remove()


@pytest.fixture(scope="module")
def running(daemon, rootfs):
    """It runs before what is there is counted: it mounts its directory."""
    return daemon.start_with_image(rootfs)


@pytest.fixture(scope="module")
def nothing_left_of_docker(running, oci):
    """As nothing_left, with the states that the runtime keeps for this daemon."""
    before = leftovers.take(running.state_root())
    yield
    leftovers.require_same(before, oci)


@pytest.fixture
def docker(running, rootfs, oci, nothing_left_of_docker):
    made = Docker(running.start_with_image(rootfs), oci)
    yield made
    made.rm_all()


@pytest.fixture
def another(daemon, oci, tmp_path_factory, rootfs):
    """Makes daemons with a configuration of their own; one runs at a time, since all use the same bridge."""
    daemon.stop()
    made, before = [], leftovers.take()

    def make(config, environment=None):
        made.append(Daemon(tmp_path_factory.mktemp("docker"), config, environment).start_with_image(rootfs))
        return made[-1]

    yield make
    for one in made:
        if one.runs():
            Docker(one, "runc").rm_all()
            call.wait_until(lambda daemon=one: not leftovers.states(daemon.state_root()), "the runtime's states to go", 15)
        one.remove()
    leftovers.require_same(before, oci)
