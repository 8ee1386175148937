"""The root file system: how it is entered, and how its mounts propagate."""
import os

import pytest

import host
import rig
from containers import assert_refused
from rig import skip_if


def root_line(pid):
    """The mountinfo line of a process's root mount: its options, its optional fields."""
    with open(f"/proc/{pid}/mountinfo") as f:
        for line in f:
            left = line.split(" - ", 1)[0].split()
            if left[4] == "/":
                return left[5], [field.split(":")[0] for field in left[6:]]
    raise AssertionError("no root in the mount table")


@pytest.fixture
def volume(tmp_path):
    """A mount of the host, shared, that a container can be given."""
    top = tmp_path / "volume"
    top.mkdir()
    host.mount("volume", top, "tmpfs", 0, "")
    host.mount("none", top, "none", host.MS_SHARED)
    (top / "sub").mkdir()
    yield top
    host.umount_below(top)


def mounter(c):
    """Let the container mount."""
    c.bundle.capabilities(**{kind: ["CAP_SYS_ADMIN"] for kind in ("bounding", "effective", "permitted")})
    return c


@pytest.mark.parametrize("flags", [[], ["--no-pivot"]])
def test_the_root_is_the_rootfs_and_no_way_leads_out(container, flags):
    c = container()
    c.bundle.file("etc/token", c.id)
    c.bundle.sh("cat /etc/token; echo; cd /..; pwd; stat -c %i / /.. | uniq | wc -l; sleep 1000")
    c.create(*flags)
    c.start()
    c.wait_stdout("/\n1\n")
    assert c.stdout().splitlines()[0] == c.id
    points = [line.split()[4] for line in open(f"/proc/{c.pid}/mountinfo")]
    assert points.count("/") == 1 and not [p for p in points if p.startswith("/tmp/pytest")]
    assert c.exec("cat", "/etc/token", check=True).out == c.id


@pytest.mark.parametrize("flags", [[], ["--no-pivot"]])
def test_a_root_path_may_be_absolute_or_relative(container, flags):
    c = container()
    c.bundle.set("root.path", c.bundle.rootfs).args("ls", "/bin/busybox")
    assert c.run(*flags, check=True).out == "/bin/busybox\n"


def test_a_read_only_root(container):
    c = container()
    c.bundle.set("root.readonly", True)
    c.bundle.sh("touch /x; mkdir /etc/y; echo z > /etc/passwd; touch /dev/shm/ok && echo writable")
    result = c.run(check=True)
    assert result.out == "writable\n"
    assert result.err.count("Read-only file system") == 3
    assert not os.path.exists(c.bundle.rootfs + "/x")


def test_a_read_only_root_is_read_only_in_the_mount_table(container):
    c = container()
    c.bundle.set("root.readonly", True)
    assert "ro" in root_line(c.up())[0].split(",")
    assert os.access(c.bundle.rootfs, os.W_OK)


def test_a_read_only_root_still_gets_its_mount_points(container):
    c = container()
    c.bundle.set("root.readonly", True).mount("/made/on/the/way", "tmpfs", "tmpfs")
    c.bundle.sh("touch /made/on/the/way/x && ls /made/on/the/way")
    assert c.run(check=True).out == "x\n"


PROPAGATION = [("private", []), ("rprivate", []), ("slave", ["master"]), ("rslave", ["master"]),
               ("shared", ["shared"]), ("rshared", ["shared"]), ("unbindable", ["unbindable"])]


@pytest.mark.parametrize("asked, want", PROPAGATION)
def test_root_propagation_in_the_mount_table(container, asked, want):
    if "shared" in asked or asked == "unbindable":
        skip_if("runc", f"does not manage '{asked}' for a root below a shared mount")
    if "slave" in asked:
        rig.skip_if_slaves_have_no_master()
    c = container()
    c.bundle.set("linux.rootfsPropagation", asked)
    fields = root_line(c.up())[1]
    assert set(want) <= set(fields) and (want or not fields)


def test_an_unknown_propagation_is_refused(container):
    c = container()
    c.bundle.set("linux.rootfsPropagation", "sideways")
    assert_refused(c, "sideways" if c.runtime.kind == "wherry" else "")


@pytest.mark.parametrize("asked, arrives", [("rslave", True), ("rshared", True), ("rprivate", False)])
def test_a_mount_of_the_host_arrives_by_propagation(container, volume, asked, arrives):
    c = container()
    c.bundle.set("linux.rootfsPropagation", asked).mount("/vol", volume, "none", ["rbind", asked])
    c.up()
    host.mount("late", volume / "sub", "tmpfs", 0, "size=1m")
    try:
        assert ("late /vol/sub tmpfs" in c.sh("cat /proc/mounts")) is arrives
    finally:
        host.umount(volume / "sub")


@pytest.mark.parametrize("option, leaves", [("rshared", True), ("rslave", False), ("rprivate", False)])
def test_a_mount_of_the_container_reaches_the_host_by_propagation(container, volume, option, leaves):
    c = mounter(container())
    c.bundle.mount("/vol", volume, "none", ["rbind", option])
    if option == "rshared":
        c.bundle.set("linux.rootfsPropagation", "rshared")
    c.up()
    c.sh("mount -t tmpfs inner /vol/sub && grep -c 'inner /vol/sub' /proc/mounts")
    seen = any(f" {volume}/sub " in line and " inner " in line for line in host.mountinfo())
    assert seen is leaves
    c.sh("umount /vol/sub")
    assert not any(" inner " in line for line in host.mountinfo())


def test_the_containers_own_mounts_never_reach_the_host(container):
    """The host's mounts are shared here, as under systemd: a missing 'private' would show at once."""
    c = container()
    c.bundle.mount("/deep/er", "tmpfs", "tmpfs")
    before = host.mountinfo()
    c.up()
    assert host.mountinfo() == before


def test_a_host_mount_under_the_rootfs_is_in_the_container(container):
    c = container()
    c.bundle.sh("cat /layer/f")
    os.mkdir(c.bundle.rootfs + "/layer")
    host.mount("layer", c.bundle.rootfs + "/layer", "tmpfs", 0, "")
    c.bundle.file("layer/f", "on a mount of its own\n")
    assert c.run(check=True).out == "on a mount of its own\n"
    host.umount(c.bundle.rootfs + "/layer")
