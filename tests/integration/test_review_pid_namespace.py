"""A container that shares another's pid namespace: what the processes in there see of its init."""
import os

import pytest
from rig import lacks

pytestmark = pytest.mark.usefixtures("host_unchanged")

ROUNDS = 60


@pytest.fixture
def spy(container, bundle, helper, tmp_path):
    """A container of root without any capability that looks at every process it sees."""
    secret = tmp_path / "secret"
    secret.write_text("of the host")
    secret.chmod(0o600)
    b = bundle()
    b.args(b.install(helper("spy")), str(secret)).unmount("/proc").mount("/proc", "proc", "proc")
    b.set("linux.maskedPaths", []).set("linux.readonlyPaths", [])
    b.capabilities(bounding=[], effective=[], permitted=[])
    c = container(b)
    c.up()
    c.wait_stdout("spying")
    return c


def join(b, c):
    """The bundle's container shares c's pid namespace; without /proc, which it could not always mount."""
    b.namespace("pid", f"/proc/{c.pid}/ns/pid").unmount("/proc").args("true")
    return b.set("linux.maskedPaths", []).set("linux.readonlyPaths", [])


@lacks("runc", "owns the user namespace as root, and its init holds the host's root in the pid namespace")
def test_init_in_a_new_user_namespace_shows_nothing(container, bundle, spy):
    """Root of the host's user namespace has all capabilities over one that root made (user_namespaces(7))."""
    b = join(bundle().map_ids(), spy)
    for i in range(ROUNDS):
        assert container(b, f"{b.id}-{i}").run().rc == 0
    assert spy.stdout() == "spying\n"


@lacks("runc", "cannot mount a procfs for a pid namespace that it joins beside others")
def test_init_shows_nothing(container, bundle, spy):
    b = join(bundle(), spy)
    for i in range(ROUNDS):
        assert container(b, f"{b.id}-{i}").run().rc == 0
    assert spy.stdout() == "spying\n"


def test_exec_shows_nothing(spy):
    for _ in range(ROUNDS):
        assert spy.exec("/bin/true").rc == 0
    assert spy.stdout() == "spying\n"


@lacks("runc", "1.1 cannot mount devpts with these maps")
@pytest.mark.parametrize("ids", [(0, 1), (100000, 65536)], ids=["root", "others"])
def test_owner_of_the_user_namespace_means_nothing_to_the_program(container, bundle, ids):
    """Whoever owns it, the container's root is who the mapping says, and has its capabilities."""
    first = container(bundle())
    first.up()
    b = join(bundle().map_ids(*ids), first).sh("id -u; cat /proc/self/uid_map; grep CapEff /proc/self/status")
    b.mount("/proc", "/proc", options=["rbind", "ro"]).capabilities(effective=["CAP_KILL"], permitted=["CAP_KILL"])
    result = container(b).run()
    lines = [" ".join(line.split()) for line in result.out.splitlines()]
    assert lines == ["0", f"0 {ids[0]} {ids[1]}", "CapEff: 0000000000000020"], result
