"""Devices: the default ones, the links, listed ones, and the rules that the kernel enforces."""
import os
import stat

import pytest

import host
from containers import assert_refused
from mount_table import inside
from rig import skip_if

DEFAULT = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}


def powers(c, *names):
    """Let the container's processes do more; returns its bundle."""
    return c.bundle.capabilities(**{kind: list(names) for kind in ("bounding", "effective", "permitted")})


@pytest.mark.parametrize("name", DEFAULT)
def test_a_default_device(container, name):
    c = container()
    c.bundle.sh(f"stat -c '%F %t %T %a %u:%g' /dev/{name}")
    major, minor = DEFAULT[name]
    *kind, got_major, got_minor, mode, owner = c.run(check=True).out.split()
    assert (" ".join(kind), int(got_major, 16), int(got_minor, 16)) == ("character special file", major, minor)
    assert mode == "666" and owner.startswith("0:")


def test_default_devices_work(container):
    c = container()
    c.bundle.sh("echo x > /dev/null; head -c 3 /dev/zero | od -An -tx1; echo x > /dev/full; "
                "head -c 4 /dev/urandom | wc -c; head -c 4 /dev/random | wc -c; cat /dev/null")
    result = c.run(check=True)
    assert result.out.split() == ["00", "00", "00", "4", "4"]
    assert "No space left" in result.err


@pytest.mark.parametrize("name, target", [("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"),
                                          ("stdout", "/proc/self/fd/1"), ("stderr", "/proc/self/fd/2"),
                                          ("ptmx", "pts/ptmx")])
def test_a_link_of_dev(container, name, target):
    c = container()
    c.bundle.sh(f"readlink /dev/{name}")
    assert c.run(check=True).out == f"{target}\n"


def test_devices_are_made_where_dev_is_the_root_file_systems(container):
    """No mount on /dev: what is there already is kept."""
    c = container()
    for sub in ("", "/pts", "/shm", "/mqueue"):
        c.bundle.unmount("/dev" + sub)
    c.bundle.file("dev/mine", "mine\n")
    c.bundle.sh("cat /dev/mine; stat -c %t:%T /dev/null; readlink /dev/fd; ls /dev | grep -c console")
    assert c.run().out == "mine\n1:3\n/proc/self/fd\n0\n"


def test_a_listed_device(container):
    c = container()
    c.bundle.set("linux.devices", [
        {"path": "/dev/loud", "type": "c", "major": 1, "minor": 3, "fileMode": 0o640, "uid": 11, "gid": 22},
        {"path": "/deep/block", "type": "b", "major": 7, "minor": 200, "fileMode": 0o600},
        {"path": "/dev/sub/pipe", "type": "p", "fileMode": 0o622},
        {"path": "/dev/unbuffered", "type": "u", "major": 1, "minor": 5}])
    c.bundle.sh("umask 0; stat -c '%n %F %t:%T %a %u:%g' /dev/loud /deep/block /dev/sub/pipe; "
                "stat -c '%F %t:%T' /dev/unbuffered")
    assert c.run(check=True).out == ("/dev/loud character special file 1:3 640 11:22\n"
                                     "/deep/block block special file 7:c8 600 0:0\n"
                                     "/dev/sub/pipe fifo 0:0 622 0:0\n"
                                     "character special file 1:5\n")


def test_a_listed_default_device_keeps_the_documents_mode(container):
    c = container()
    c.bundle.set("linux.devices", [{"path": "/dev/null", "type": "c", "major": 1, "minor": 3, "fileMode": 0o600,
                                    "uid": 5, "gid": 6}])
    c.bundle.sh("stat -c '%a %u:%g' /dev/null")
    skip_if("runc", "makes the default one first", below=(1, 2, 0))
    assert c.run(check=True).out == "600 5:6\n"


def test_the_umask_of_the_caller_does_not_count(container):
    c = container()
    c.bundle.set("linux.devices", [{"path": "/dev/mine", "type": "c", "major": 1, "minor": 3, "fileMode": 0o666}])
    c.bundle.sh("stat -c '%a' /dev/mine /dev/null")
    assert c.run(check=True, preexec=lambda: os.umask(0o077) and None).out == "666\n666\n"


@pytest.mark.parametrize("there", ["a file", "another device", "a block device", "a directory", "a link to a file"])
def test_a_node_that_does_not_match_is_refused(container, there):
    if there in ("another device", "a block device"):
        skip_if("runc", "takes any device that is there", below=(1, 3, 0))
    c = container()
    for sub in ("", "/pts", "/shm", "/mqueue"):
        c.bundle.unmount("/dev" + sub)
    path = c.bundle.rootfs + "/dev/mine"
    if there == "a file":
        open(path, "w").close()
    elif there == "another device":
        os.mknod(path, 0o20666, os.makedev(1, 5))
    elif there == "a block device":
        os.mknod(path, 0o60666, os.makedev(1, 3))
    elif there == "a directory":
        os.mkdir(path)
    else:
        os.symlink("/etc/passwd", path)
    c.bundle.set("linux.devices", [{"path": "/dev/mine", "type": "c", "major": 1, "minor": 3, "fileMode": 0o666}])
    skip_if("runc", f"does not look at {there}", below=(1, 3, 0))
    assert_refused(c, "/dev/mine")


def test_a_node_that_matches_is_taken(container):
    c = container()
    for sub in ("", "/pts", "/shm", "/mqueue"):
        c.bundle.unmount("/dev" + sub)
    os.mknod(c.bundle.rootfs + "/dev/mine", 0o20600, os.makedev(1, 3))
    c.bundle.set("linux.devices", [{"path": "/dev/mine", "type": "c", "major": 1, "minor": 3}])
    c.bundle.sh("stat -c %t:%T /dev/mine")
    assert c.run(check=True).out == "1:3\n"


def test_a_device_beyond_a_link_stays_in_the_root(container, canary):
    skip_if("runc", "refuses or resolves it, by version", below=(1, 3, 0))
    c = container()
    os.symlink(str(canary), c.bundle.rootfs + "/out")
    c.bundle.set("linux.devices", [{"path": "/out/mine", "type": "c", "major": 1, "minor": 3}])
    c.create()
    assert os.stat(c.bundle.rootfs + str(canary) + "/mine").st_rdev == os.makedev(1, 3)


# --- rules ---------------------------------------------------------------------------------------------------

DENY = {"allow": False, "access": "rwm"}


def rules(c, *listed):
    """A container whose own file system has nodes to try the rules on."""
    b = powers(c, "CAP_MKNOD", "CAP_SYSLOG")
    os.mknod(b.rootfs + "/kmsg", 0o20666, os.makedev(1, 11))
    os.mknod(b.rootfs + "/zero", 0o20666, os.makedev(1, 5))
    os.chmod(b.rootfs + "/kmsg", 0o666)
    b.set("linux.resources.devices", list(listed))
    return c


def test_a_denied_device_cannot_be_opened(container):
    c = rules(container(), DENY)
    c.bundle.sh("cat /kmsg; head -c1 /zero | wc -c")
    result = c.run()
    assert "Operation not permitted" in result.err and result.out == "1\n", result


def test_a_denied_device_can_be_made_but_not_opened(container):
    """As the peers: making any node is allowed, opening is what the rules decide."""
    c = rules(container(), DENY)
    c.bundle.sh("mknod /mem c 1 1 && echo made; cat /mem")
    result = c.run()
    assert result.out == "made\n" and "Operation not permitted" in result.err


def test_the_last_rule_that_matches_decides(container):
    kmsg = {"type": "c", "major": 1, "minor": 11, "access": "rwm"}
    c = rules(container(), DENY, dict(kmsg, allow=True))
    c.bundle.sh("exec 3</kmsg && echo open")
    assert c.run().out == "open\n"
    c = rules(container(), DENY, dict(kmsg, allow=True), dict(kmsg, allow=False))
    c.bundle.sh("exec 3</kmsg && echo open; exit 0")
    assert c.run().out == ""


@pytest.mark.parametrize("access, reads, writes", [("r", True, False), ("w", False, True), ("rw", True, True),
                                                   ("m", False, False)])
def test_access_is_told_apart(container, access, reads, writes):
    c = rules(container(), DENY, {"allow": True, "type": "c", "major": 1, "minor": 11, "access": access})
    c.bundle.sh("( exec 3</kmsg ) && echo r; ( exec 3>/kmsg ) && echo w; exit 0")
    assert c.run(check=True).out.split() == ["r"] * reads + ["w"] * writes


def test_a_rule_without_numbers_matches_all(container):
    c = rules(container(), DENY, {"allow": True, "type": "c", "access": "rwm"})
    c.bundle.sh("( exec 3</kmsg ) && echo open")
    assert c.run().out == "open\n"


def test_a_rule_for_a_major_matches_all_its_minors(container):
    c = rules(container(), DENY, {"allow": True, "type": "c", "major": 1, "access": "r"})
    c.bundle.sh("( exec 3</kmsg ) && echo open; ( exec 3>/kmsg ) && echo writes; exit 0")
    assert c.run(check=True).out == "open\n"


def test_the_default_devices_stay_usable_whatever_the_rules(container):
    c = rules(container(), DENY)
    c.bundle.sh("for d in null zero full random urandom; do ( exec 3</dev/$d ) && echo $d; done; "
                "( exec 3<>/dev/ptmx ) && echo ptmx")
    assert c.run(check=True).out.split() == ["null", "zero", "full", "random", "urandom", "ptmx"]


def test_allow_all_is_what_a_privileged_container_gets(container):
    c = rules(container(), {"allow": True, "access": "rwm"})
    c.bundle.sh("( exec 3</kmsg ) && echo open")
    assert c.run().out == "open\n"


def test_exec_is_held_to_the_rules(container):
    c = rules(container(), DENY)
    c.up()
    result = c.exec("cat", "/kmsg")
    assert result.rc != 0 and "Operation not permitted" in result.err


def test_many_rules(container):
    if host.cgroup2_is_alone():
        skip_if("runc", "makes a device program of so many rules that the kernel refuses it", below=(1, 2, 0))
    listed = [DENY] + [{"allow": True, "type": "c", "major": 1000 + n, "minor": n, "access": "rw"} for n in range(400)]
    c = rules(container(), *listed, {"allow": True, "type": "c", "major": 1, "minor": 11, "access": "r"})
    c.bundle.sh("( exec 3</kmsg ) && echo open; ( exec 3>/kmsg ) || echo no")
    assert c.run().out == "open\nno\n"


# --- user namespaces -----------------------------------------------------------------------------------------


def test_in_a_user_namespace_devices_are_the_hosts_bound(container):
    c = container()
    c.bundle.map_ids().set("linux.devices", [{"path": "/dev/loud", "type": "c", "major": 1, "minor": 3}])
    if not os.path.exists("/dev/loud"):
        c.bundle.set("linux.devices", [{"path": "/dev/kmsg", "type": "c", "major": 1, "minor": 11}])
    name = c.bundle.get("linux.devices.0.path")
    if not os.path.exists(name):
        pytest.skip(f"the host has no {name} to bind")
    c.up()
    row = inside(c, name)
    assert row is not None and row.root == name.replace("/dev", "", 1)
    assert stat.S_ISCHR(os.stat(name).st_mode)
    assert c.sh(f"stat -c %t:%T {name}; echo x > /dev/null; head -c1 /dev/zero | wc -c").split() == ["1:b", "1"]
    assert inside(c, "/dev/null").root == "/null"


def test_in_a_user_namespace_a_device_that_the_host_lacks_is_refused(container):
    c = container()
    c.bundle.map_ids().set("linux.devices", [{"path": "/dev/nosuch", "type": "c", "major": 1, "minor": 3}])
    assert_refused(c, "/dev/nosuch")
