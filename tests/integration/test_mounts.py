"""Mounts: the file systems, binds, targets and their order."""
import os
import socket
import stat

import pytest

import host
from containers import assert_refused
from mount_table import inside, rows, run_and_read
from rig import lacks, skip_if


# --- file systems --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fstype, source, point, options, proof", [
    ("proc", "proc", "/p", [], "cat /p/1/comm"),
    ("sysfs", "sysfs", "/s", ["ro"], "ls /s/class/net"),
    ("tmpfs", "none", "/t", [], "touch /t/x && ls /t"),
    ("mqueue", "mqueue", "/q", [], "touch /q/made && ls /q"),
    ("devpts", "devpts", "/pts", ["newinstance", "ptmxmode=0666"], "ls /pts"),
    ("cgroup2", "cgroup", "/cg", ["ro"], "ls /cg/cgroup.controllers"),
])
def test_a_file_system(container, fstype, source, point, options, proof):
    c = container()
    c.bundle.mount(point, source, fstype, options)
    if fstype == "cgroup2":
        skip_if("runc", "knows the type cgroup alone and mounts what the host has")
        c.bundle.namespace("cgroup")
    c.up()
    row = inside(c, point)
    assert row.fstype == fstype
    assert c.sh(proof).strip()


def test_cgroup_is_the_containers_own_tree(container):
    """With a cgroup namespace of its own, the root of the mount is the container's cgroup."""
    skip_if("runc", "mounts the v1 hierarchies of this host")
    c = container()
    c.bundle.namespace("cgroup").mount("/sys/fs/cgroup", "cgroup", "cgroup", ["ro", "nosuid", "noexec", "nodev"])
    pid = c.up()
    row = inside(c, "/sys/fs/cgroup")
    assert row.fstype == "cgroup2" and {"ro", "nosuid", "nodev", "noexec"} <= row.options and row.root == "/"
    assert c.sh("cat /sys/fs/cgroup/cgroup.procs").split()[0] == "1"
    assert c.exec("mkdir", "/sys/fs/cgroup/x").rc != 0
    assert str(pid) in open(host.cgroup_path(c.id) + "/cgroup.procs").read().split()


@pytest.mark.parametrize("fstype", ["tmpfs", "mqueue"])
def test_a_mount_label_that_the_kernel_does_not_have_is_refused(container, fstype):
    if os.path.exists("/sys/fs/selinux/enforce"):
        pytest.skip("this kernel has SELinux")
    if fstype == "mqueue":
        skip_if("runc", "is silent about a label without SELinux")
    c = container()
    c.bundle.set("linux.mountLabel", "system_u:object_r:container_file_t:s0:c1,c2")
    c.bundle.set("mounts", [m for m in c.bundle.config["mounts"] if m["type"] in ("proc", "sysfs")])
    c.bundle.mount("/q", fstype, fstype)
    assert_refused(c, *(["mounts[2]", "linux.mountLabel", "SELinux"] if c.runtime.kind == "wherry" else []))


def test_a_destination_of_any_characters(container):
    c = container()
    c.bundle.mount("/tmp/a b\tc\nd", "tmpfs", "tmpfs", ["size=64k"])
    c.up()
    assert inside(c, "/tmp/a b\tc\nd").fstype == "tmpfs"


def test_overlay(container, tmp_path):
    for d in ("lower", "upper", "work"):
        (tmp_path / d).mkdir()
    (tmp_path / "lower" / "low").write_text("from below\n")
    c = container()
    c.bundle.mount("/over", "overlay", "overlay", [f"lowerdir={tmp_path}/lower", f"upperdir={tmp_path}/upper",
                                                   f"workdir={tmp_path}/work"])
    c.bundle.sh("cat /over/low; echo new > /over/high; rm /over/low; ls /over")
    assert c.run(check=True).out == "from below\nhigh\n"
    assert (tmp_path / "upper" / "high").read_text() == "new\n"
    assert (tmp_path / "lower" / "low").exists()


def test_tmpfs_takes_the_mode_of_what_it_covers(container):
    skip_if("runc", "puts the covered mode over mode=", below=(1, 2, 0))
    c = container()
    os.mkdir(c.bundle.rootfs + "/private")
    os.chmod(c.bundle.rootfs + "/private", 0o701)
    c.bundle.mount("/private", "tmpfs", "tmpfs").mount("/tmp", "tmpfs", "tmpfs", ["mode=0750"])
    c.bundle.sh("stat -c %a /private /tmp")
    assert c.run(check=True).out.split() == ["701", "750"]


def test_a_tmpfs_that_covers_nothing_is_everybodys(container):
    c = container()
    c.bundle.set("process.user", {"uid": 1000, "gid": 1000})
    for place in ("/scratch", "/made/for/it"):
        c.bundle.mount(place, "tmpfs", "tmpfs", ["size=64k"])
    c.bundle.mount("/copied", "tmpfs", "tmpfs", ["tmpcopyup"])
    c.bundle.sh("stat -c %a /scratch /made/for/it /copied; touch /scratch/x && echo written")
    assert c.run(check=True).out.split() == ["1777", "1777", "1777", "written"]


@lacks("runc", "loses the set-id bits of what it copies", below=(1, 2, 0))
def test_tmpcopyup_copies_what_it_covers(container):
    c = container()
    c.bundle.file("data/f", "first\n", 0o640)
    c.bundle.file("data/sub/g", "second\n", 0o4711)
    os.symlink("sub/g", c.bundle.rootfs + "/data/link")
    os.link(c.bundle.rootfs + "/data/f", c.bundle.rootfs + "/data/hard")
    os.chown(c.bundle.rootfs + "/data/sub", 12, 34)
    os.chmod(c.bundle.rootfs + "/data/sub", 0o2755)
    c.bundle.mount("/data", "tmpfs", "tmpfs", ["tmpcopyup"])
    c.bundle.sh("cd /data; cat f hard link; readlink link; stat -c '%n %a %u:%g' f sub; echo changed > f; rm sub/g; ls")
    out = c.run(check=True).out
    assert out == "first\nfirst\nsecond\nsub/g\nf 640 0:0\nsub 2755 12:34\nf\nhard\nlink\nsub\n"
    with open(c.bundle.rootfs + "/data/f") as f:
        assert f.read() == "first\n"
    assert os.path.exists(c.bundle.rootfs + "/data/sub/g")


def test_two_proc_mounts_with_options(container):
    c = container()
    c.bundle.mount("/less", "proc", "proc", ["subset=pid", "hidepid=invisible"])
    c.bundle.sh("ls -d /proc/sys; ls -d /less/sys; ls -d /less/1")
    result = c.run()
    assert result.out == "/proc/sys\n/less/1\n"


def test_an_unknown_file_system_is_refused(container):
    c = container()
    c.bundle.mount("/new", "x", "nosuchfs")
    assert_refused(c, "/new", "no such device" if c.runtime.kind != "wherry" else "nosuchfs")


# --- binds ---------------------------------------------------------------------------------------------------


def test_a_directory_a_file_a_device_and_a_socket(container, tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "inner").write_text("inner\n")
    (tmp_path / "f").write_text("file\n")
    s = socket.socket(socket.AF_UNIX)
    s.bind(str(tmp_path / "s"))
    c = container()
    for name in "dfs":
        c.bundle.mount("/b/" + name, tmp_path / name, "none", ["bind"])
    c.bundle.mount("/b/null", "/dev/null", "none", ["bind"])
    c.bundle.sh("cat /b/d/inner /b/f; echo lost > /b/null; test -S /b/s && test -c /b/null && echo right; "
                "echo changed > /b/f; touch /b/d/new")
    assert c.run(check=True).out == "inner\nfile\nright\n"
    assert (tmp_path / "f").read_text() == "changed\n" and (tmp_path / "d" / "new").exists()
    s.close()


def test_a_relative_source_is_the_bundles(container):
    c = container()
    os.mkdir(c.bundle.path + "/share")
    with open(c.bundle.path + "/share/f", "w") as f:
        f.write("beside config.json\n")
    c.bundle.mount("/share", "share", "none", ["bind"]).sh("cat /share/f")
    assert c.run(check=True, cwd="/").out == "beside config.json\n"


def test_a_source_that_is_a_link_is_followed(container, tmp_path):
    (tmp_path / "f").write_text("linked\n")
    os.symlink("f", tmp_path / "link")
    c = container()
    c.bundle.mount("/f", tmp_path / "link", "none", ["bind"]).sh("cat /f")
    assert c.run(check=True).out == "linked\n"


def test_bind_is_an_option_and_not_a_type(container, tmp_path):
    (tmp_path / "f").write_text("x\n")
    c = container()
    c.bundle.mount("/b", tmp_path, "tmpfs", ["bind"]).sh("cat /b/f")
    assert c.run(check=True).out == "x\n"


def test_a_missing_source_is_refused(container, tmp_path):
    c = container()
    c.bundle.mount("/b", tmp_path / "nothing", "none", ["bind"])
    assert_refused(c, str(tmp_path / "nothing"))
    assert not os.path.exists(tmp_path / "nothing")


@pytest.mark.parametrize("source, target", [("file", "directory"), ("directory", "file")])
def test_a_target_of_the_other_kind_is_refused(container, tmp_path, source, target):
    c = container()
    (tmp_path / "directory").mkdir()
    (tmp_path / "file").touch()
    c.bundle.file("x/file")
    os.mkdir(c.bundle.rootfs + "/x/directory")
    c.bundle.mount("/x/" + target, tmp_path / source, "none", ["bind"])
    assert_refused(c, "/x/" + target)


def test_remount_changes_a_mount_that_is_there(container):
    c = container()
    c.bundle.mount("/r", "tmpfs", "tmpfs", ["size=1m"]).mount("/r", "tmpfs", "tmpfs", ["remount", "ro"])
    row = run_and_read(c, "/r")
    assert row.fstype == "tmpfs" and ("ro" in row.options or "ro" in row.super_options)
    assert [r.point for r in rows(c.creator.out())].count("/r") == 1


# --- targets and order ---------------------------------------------------------------------------------------


def test_missing_targets_are_made(container, tmp_path):
    (tmp_path / "f").write_text("x\n")
    c = container()
    c.bundle.mount("/a/b/c", "tmpfs", "tmpfs").mount("/a/d/f", tmp_path / "f", "none", ["bind"])
    c.bundle.sh("stat -c '%F %a' /a /a/b /a/d/f")
    c.run(check=True)
    for made in ("a", "a/b", "a/b/c", "a/d"):
        st = os.stat(os.path.join(c.bundle.rootfs, made))
        assert stat.S_ISDIR(st.st_mode) and stat.S_IMODE(st.st_mode) == 0o755 and st.st_uid == 0
    st = os.stat(c.bundle.rootfs + "/a/d/f")
    assert stat.S_ISREG(st.st_mode) and st.st_size == 0


def test_a_missing_target_is_made_on_the_mount_before(container):
    c = container()
    c.bundle.mount("/t", "tmpfs", "tmpfs").mount("/t/u", "tmpfs", "tmpfs")
    assert run_and_read(c, "/t/u").fstype == "tmpfs"
    assert os.listdir(c.bundle.rootfs + "/t") == []


def test_they_are_done_in_the_listed_order(container, tmp_path):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    c = container()
    c.bundle.mount("/x", tmp_path / "first", "none", ["bind"]).mount("/x", tmp_path / "second", "none", ["bind"])
    c.bundle.sh("ls /x; grep -c ' /x ' /proc/mounts")
    assert c.run(check=True).out == "second\n2\n"


def test_a_later_mount_hides_an_earlier_one_below_it(container):
    c = container()
    c.bundle.mount("/x/y", "tmpfs", "tmpfs").mount("/x", "tmpfs", "tmpfs").sh("ls /x | wc -l")
    assert c.run(check=True).out == "0\n"


@lacks("runc", "refuses a relative destination", below=(1, 1, 0))
def test_a_relative_destination_is_below_the_root(container):
    c = container()
    c.bundle.mount("rel/path", "tmpfs", "tmpfs").set("process.cwd", "/tmp")
    assert run_and_read(c, "/rel/path").fstype == "tmpfs"


@pytest.mark.parametrize("written", ["/odd//x/", "/odd/./x", "/odd/y/../x"])
def test_a_destination_is_cleaned(container, written):
    c = container()
    os.makedirs(c.bundle.rootfs + "/odd/y")
    c.bundle.mount(written, "tmpfs", "tmpfs")
    assert run_and_read(c, "/odd/x").fstype == "tmpfs"


def test_a_destination_with_blanks_and_utf8(container):
    c = container()
    c.bundle.mount("/a b/grün", "tmpfs", "tmpfs").sh("touch '/a b/grün/x' && ls '/a b/grün'; sleep 1000")
    c.up()
    assert c.wait_stdout("x\n")
    assert c.bundle.config["mounts"][-1]["destination"] in [
        r.point.encode("latin-1").decode() for r in rows(c.sh("cat /proc/self/mountinfo"))]


def test_a_destination_through_a_link_stays_in_the_root(container, canary):
    c = container()
    os.symlink(str(canary), c.bundle.rootfs + "/out")
    os.symlink("run", c.bundle.rootfs + "/in")
    c.bundle.mount("/in/x", "tmpfs", "tmpfs").mount("/out/y", "tmpfs", "tmpfs")
    c.up()
    assert inside(c, "/run/x").fstype == "tmpfs"
    assert inside(c, str(canary) + "/y").fstype == "tmpfs"
    assert os.path.isdir(c.bundle.rootfs + str(canary) + "/y")


@lacks("runc", "closes descriptors by the container's /proc", below=(1, 2, 0))
def test_no_mounts_at_all(container):
    c = container()
    c.bundle.set("mounts", []).set("linux.maskedPaths", []).set("linux.readonlyPaths", []).sh("ls /proc; ls /dev")
    out = c.run(check=True).out.split()
    assert {"null", "zero", "full", "random", "urandom", "tty"} <= set(out)
    assert "self" not in out


def test_two_thousand_mounts(container):
    c = container()
    for n in range(2000):
        c.bundle.mount(f"/m/{n % 50}/{n}", "/bin", "none", ["bind", "ro"])
    c.bundle.sh("grep -c ' /m/' /proc/self/mounts")
    assert c.run(check=True, timeout=60).out == "2000\n"
