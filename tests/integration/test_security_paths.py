"""A hostile root file system: whatever its links say, nothing of the host is made, changed or mounted on.

Each test has a canary directory on the host; the fixture compares its content, owners, modes and times at
the end, and host_unchanged the mount table.
"""
import os

import pytest

import host
from mount_table import rows
from rig import lacks, skip_if


def points(pid):
    with open(f"/proc/{pid}/mountinfo") as f:
        return [row.point for row in rows(f.read())]


def try_up(c, timeout=20):
    """Create and start; returns the pid of init, or None when the runtime refused in an orderly way."""
    result = c.create(check=False, timeout=timeout)
    if not result.ok:
        assert result.rc == 1 and result.err.strip(), result
        return None
    c.start()
    return c.pid


# --- mount targets (CVE-2015-3627, CVE-2019-18837, CVE-2021-30465) --------------------------------------------


@pytest.mark.parametrize("link", ["absolute", "dotdot", "chain", "dangling", "magic"])
@pytest.mark.parametrize("kind", ["tmpfs", "bind of a file"])
def test_a_mount_target_behind_a_link(container, canary, tmp_path, link, kind):
    c = container()
    root = c.bundle.rootfs
    target = {"absolute": str(canary), "dotdot": "../../../../../../../../.." + str(canary), "chain": "/l0",
              "dangling": "/not/there", "magic": "/proc/self/root" + str(canary)}[link]
    if link == "chain":
        for n in range(30):
            os.symlink(f"/l{n + 1}", f"{root}/l{n}")
        os.symlink(str(canary), root + "/l30")
    os.symlink(target, root + "/link")
    (tmp_path / "file").write_text("of the bind\n")
    if kind == "tmpfs":
        c.bundle.mount("/link/new/x", "tmpfs", "tmpfs")
    else:
        c.bundle.mount("/link/f", tmp_path / "file", "none", ["bind"])
    pid = try_up(c)
    if pid:
        assert any(p.endswith(("/new/x", "/f")) for p in points(pid))
        assert os.readlink(f"/proc/{pid}/root") == "/"


@pytest.mark.parametrize("what", ["a loop", "41 links", "a name of 255 bytes", "a path of 4095 bytes"])
def test_a_mount_target_at_the_limits(container, canary, what):
    c = container()
    root = c.bundle.rootfs
    destination = "/link/x"
    if what == "a loop":
        os.symlink("/other", root + "/link")
        os.symlink("/link", root + "/other")
    elif what == "41 links":
        for n in range(41):
            os.symlink(f"/l{n + 1}", f"{root}/l{n}")
        os.mkdir(root + "/l41")
        destination = "/l0/x"
    elif what == "a name of 255 bytes":
        destination = "/" + "n" * 255
    else:
        destination = "/" + "/".join(["d" * 100] * 40) + "/" + "e" * 54
    c.bundle.mount(destination, "tmpfs", "tmpfs")
    pid = try_up(c)
    if what == "a loop":
        assert pid is None
    elif what == "41 links":
        assert pid is None or "/l41/x" in points(pid)
    elif what == "a name of 255 bytes":
        assert destination in points(pid)


def test_a_mount_target_that_is_itself_a_link(container, canary):
    c = container()
    os.symlink(str(canary), c.bundle.rootfs + "/link")
    c.bundle.mount("/link", "tmpfs", "tmpfs")
    pid = try_up(c)
    if pid:
        assert str(canary) in points(pid) and str(canary) not in [line.split()[4] for line in host.mountinfo()]


def test_a_link_on_an_earlier_mount(container, canary, tmp_path):
    """A volume of another container's brings the link."""
    volume = tmp_path / "volume"
    volume.mkdir()
    os.symlink(str(canary), volume / "link")
    c = container()
    c.bundle.mount("/vol", volume, "none", ["rbind"]).mount("/vol/link/made", "tmpfs", "tmpfs")
    pid = try_up(c)
    if pid:
        assert any(p.endswith("/made") for p in points(pid))
    assert sorted(os.listdir(volume)) == ["link"]


# --- /dev (CVE-2026-41579, CVE-2026-47766) ---------------------------------------------------------------------


@lacks("runc", "writes the links of /dev into the host directory (CVE-2026-41579)", below=(1, 3, 6))
def test_dev_is_a_link(container, canary, tmp_path):
    (tmp_path / "devs").mkdir()
    (tmp_path / "devs" / "ptmx").write_text("marker\n")
    c = container()
    for sub in ("", "/pts", "/shm", "/mqueue"):
        c.bundle.unmount("/dev" + sub)
    os.rmdir(c.bundle.rootfs + "/dev")
    os.symlink(str(tmp_path / "devs"), c.bundle.rootfs + "/dev")
    try_up(c)
    assert os.listdir(tmp_path / "devs") == ["ptmx"]
    assert (tmp_path / "devs" / "ptmx").read_text() == "marker\n"


@pytest.mark.parametrize("name", ["null", "fd", "stdin", "ptmx", "core", "shm", "pts"])
def test_a_name_in_dev_is_a_link(container, canary, name):
    c = container()
    for sub in ("", "/pts", "/shm", "/mqueue"):
        c.bundle.unmount("/dev" + sub)
    os.symlink(str(canary / "f"), c.bundle.rootfs + "/dev/" + name)
    if name in ("shm", "pts"):
        os.unlink(c.bundle.rootfs + "/dev/" + name)
        os.symlink(str(canary / "dir"), c.bundle.rootfs + "/dev/" + name)
        c.bundle.mount("/dev/" + name, "tmpfs", "tmpfs")
    try_up(c)


# --- /proc and /sys (CVE-2019-19921, CVE-2023-27561, CVE-2025-54867) ----------------------------------------


@pytest.mark.parametrize("name", ["proc", "sys"])
@pytest.mark.parametrize("target", ["evil", "/evil", "/"])
def test_proc_and_sys_may_not_be_links(container, name, target):
    c = container()
    os.rmdir(f"{c.bundle.rootfs}/{name}")
    os.mkdir(c.bundle.rootfs + "/evil")
    os.symlink(target, f"{c.bundle.rootfs}/{name}")
    result = c.create(check=False)
    assert not result.ok and "/" + name in result.err, result


def test_proc_elsewhere_does_not_count_as_proc(container, canary):
    """Masks are for what is at /proc, wherever else procfs is mounted."""
    c = container()
    os.symlink("proc", c.bundle.rootfs + "/proc2")
    c.bundle.mount("/proc2", "proc", "proc")
    pid = try_up(c)
    if pid:
        assert c.exec("/bin/sh", "-c", "echo x > /proc/sys/kernel/hostname").rc != 0
        assert c.sh("hostname") == "vessel\n"


@pytest.mark.parametrize("target", ["/proc", "/proc/self", "/proc/1/root", "/proc/sys/kernel"])
def test_a_directory_may_not_cover_proc(container, tmp_path, target):
    skip_if("runc", "looks at /proc itself alone", below=(1, 2, 0)) if target != "/proc" else None
    (tmp_path / "forged").mkdir()
    c = container()
    c.bundle.mount(target, tmp_path / "forged", "none", ["bind"])
    result = c.create(check=False)
    assert not result.ok and "proc" in result.err, result


def test_a_file_may_cover_what_only_tells_of_the_host(container, tmp_path):
    (tmp_path / "uptime").write_text("1.00 1.00\n")
    c = container()
    c.bundle.mount("/proc/uptime", tmp_path / "uptime", "none", ["bind"]).sh("cat /proc/uptime")
    assert c.run(check=True).out == "1.00 1.00\n"


# --- writes to /proc (CVE-2019-16884, CVE-2025-52881) -------------------------------------------------------


@pytest.mark.parametrize("cover", ["tmpfs", "another procfs file", "a forged file"])
def test_a_sysctl_goes_to_the_real_file(container, tmp_path, cover):
    forged = tmp_path / "forged"
    forged.write_text("")
    c = container()
    c.bundle.config["linux"]["sysctl"] = {"kernel.shmmni": "77"}
    target = "/proc/sys/kernel/shmmni"
    if cover == "tmpfs":
        c.bundle.mount("/proc/sys/kernel", "tmpfs", "tmpfs")
    elif cover == "another procfs file":
        c.bundle.mount(target, "/proc/sys/kernel/hostname", "none", ["bind"])
    else:
        c.bundle.mount(target, forged, "none", ["bind"])
    before = os.uname().nodename
    pid = try_up(c)
    assert os.uname().nodename == before and forged.read_text() == ""
    if pid:
        assert c.sh("hostname") == "vessel\n"
        assert c.sh("cut -d' ' -f1 /proc/sysvipc/shm | wc -l; ipcs -l 2>/dev/null; true")


# --- masks (CVE-2025-31133, CVE-2026-88265) ------------------------------------------------------------------


def no_dev(c):
    for sub in ("", "/pts", "/shm", "/mqueue"):
        c.bundle.unmount("/dev" + sub)
    return c


def test_dev_null_is_a_link_when_files_are_masked(container, tmp_path):
    secret = tmp_path / "hostfile"
    secret.write_text("host\n")
    os.chmod(secret, 0o600)
    before = os.stat(secret)
    c = no_dev(container())
    os.symlink("/hostfile", c.bundle.rootfs + "/dev/null")
    c.bundle.mount("/hostfile", secret, "none", ["bind"]).set("linux.maskedPaths", ["/proc/timer_list", "/etc/passwd"])
    pid = try_up(c)
    if pid:
        skip_if("runc", "masks with whatever /dev/null leads to (CVE-2025-31133)", below=(1, 2, 8))
        assert c.sh("cat /proc/timer_list /etc/passwd") == ""
    after = os.stat(secret)
    assert secret.read_text() == "host\n" and (after.st_uid, after.st_mode) == (before.st_uid, before.st_mode)


@lacks("runc", "writes the host's file (CVE-2026-88265's class)", below=(1, 2, 8))
def test_standard_streams_are_never_reopened_by_a_path_of_the_container(container, tmp_path):
    secret = tmp_path / "hostfile"
    secret.write_text("host\n")
    os.chmod(secret, 0o600)
    c = no_dev(container())
    os.symlink("/hostfile", c.bundle.rootfs + "/dev/null")
    c.bundle.mount("/hostfile", secret, "none", ["bind"]).set("process.user", {"uid": 1000, "gid": 1000})
    c.bundle.sh("echo pwned; echo pwned >&2; cat; sleep 1000")
    with open("/dev/null", "r+") as null:
        result = c.create(check=False, stdin=null, stdout=null, stderr=null)
        if result.ok:
            c.start()
            c.exec("true")
    assert secret.read_text() == "host\n" and os.stat(secret).st_uid == 0


@pytest.mark.parametrize("key", ["maskedPaths", "readonlyPaths"])
def test_a_masked_path_behind_a_link_stays_inside(container, canary, key):
    c = container()
    os.symlink(str(canary), c.bundle.rootfs + "/link")
    c.bundle.set(f"linux.{key}", ["/link", "/link/f", "/link/dir"])
    try_up(c)


def test_a_read_only_root_with_forged_links_of_proc(container):
    """CVE-2026-115521: the root is read-only from the moment it is attached."""
    c = container()
    os.makedirs(c.bundle.rootfs + "/proc/self/fd")
    for n in range(64):
        os.symlink("/tmp", f"{c.bundle.rootfs}/proc/self/fd/{n}")
    c.bundle.unmount("/proc").set("linux.maskedPaths", []).set("linux.readonlyPaths", [])
    c.bundle.set("root.readonly", True).sh("touch /x; echo $?")
    skip_if("runc", "needs the container's own /proc to close descriptors", below=(1, 2, 0))
    result = c.run(check=True)
    assert result.out == "1\n" and "Read-only" in result.err
    assert not os.path.exists(c.bundle.rootfs + "/x")


# --- other writes into the root ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cwd", "etc/passwd", "etc/group", "dev/console", "run"])
def test_a_link_where_the_runtime_reads_or_writes(container, canary, name):
    c = no_dev(container())
    path = os.path.join(c.bundle.rootfs, name)
    if os.path.isdir(path):
        os.rmdir(path)
    elif os.path.exists(path):
        os.unlink(path)
    os.symlink(str(canary / "f") if "/" in name else str(canary), path)
    if name == "cwd":
        c.bundle.set("process.cwd", "/cwd/made/here")
    try_up(c)
