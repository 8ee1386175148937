"""Every option of the spec's table of mount options, read back from the container's mount table."""
import os

import pytest

import host
import rig
from containers import assert_refused
from mount_table import inside, row_of, run_and_read
from rig import skip_if

# options -> what the mount's own options then have, and what they lack
OWN = [
    ([], {"rw", "relatime"}, {"nosuid", "nodev", "noexec"}),
    (["defaults"], {"rw", "relatime"}, {"nosuid", "nodev", "noexec"}),
    (["ro"], {"ro"}, {"rw"}), (["ro", "rw"], {"rw"}, {"ro"}),
    (["nosuid"], {"nosuid"}, set()), (["nosuid", "suid"], set(), {"nosuid"}),
    (["nodev"], {"nodev"}, set()), (["nodev", "dev"], set(), {"nodev"}),
    (["noexec"], {"noexec"}, set()), (["noexec", "exec"], set(), {"noexec"}),
    (["noatime"], {"noatime"}, {"relatime"}), (["noatime", "atime"], {"relatime"}, {"noatime"}),
    (["nodiratime"], {"nodiratime"}, set()), (["nodiratime", "diratime"], set(), {"nodiratime"}),
    (["strictatime"], set(), {"relatime", "noatime"}), (["strictatime", "nostrictatime"], {"relatime"}, set()),
    (["relatime"], {"relatime"}, set()), (["norelatime"], {"relatime"}, {"noatime"}),
    (["nosymfollow"], {"nosymfollow"}, set()), (["nosymfollow", "symfollow"], set(), {"nosymfollow"}),
    (["nosuid", "nodev", "noexec", "ro", "noatime"], {"nosuid", "nodev", "noexec", "ro", "noatime"}, {"rw"}),
]
SUPER = [
    (["sync"], {"sync"}, set()), (["sync", "async"], set(), {"sync"}),
    (["dirsync"], {"dirsync"}, set()),
    (["lazytime"], {"lazytime"}, set()), (["lazytime", "nolazytime"], set(), {"lazytime"}),
    (["iversion"], set(), set()), (["noiversion"], set(), set()), (["silent"], set(), set()), (["loud"], set(), set()),
    (["mand"], set(), set()), (["nomand"], set(), {"mand"}),
    (["size=1m", "nr_inodes=33"], {"size=1024k", "nr_inodes=33"}, set()),
    (["mode=0710", "uid=3", "gid=4"], {"mode=710", "uid=3", "gid=4"}, set()),
]
PROPAGATION = [(["private"], set()), (["rprivate"], set()), (["shared"], {"shared"}), (["rshared"], {"shared"}),
               (["slave"], set()), (["rslave"], set()), (["unbindable"], {"unbindable"}),
               (["runbindable"], {"unbindable"}), (["shared", "private"], set())]
NEW_FOR_RUNC = {"nosymfollow", "symfollow"}


def gap(options):
    if NEW_FOR_RUNC & set(options):
        skip_if("runc", f"{options} came with 1.2", below=(1, 2, 0))


def name(value):
    return ",".join(value) or "none" if isinstance(value, list) else ""


@pytest.mark.parametrize("options, has, lacks_", OWN, ids=name)
def test_of_a_new_file_system(container, options, has, lacks_):
    gap(options)
    if options == ["defaults"]:
        skip_if("runc", "hands 'defaults' to the file system", below=(1, 2, 0))
    c = container()
    c.bundle.mount("/new", "tmpfs", "tmpfs", options)
    row = run_and_read(c, "/new")
    assert has <= row.options and not lacks_ & row.options, row


@pytest.mark.parametrize("options, has, lacks_", OWN, ids=name)
def test_of_a_bind(container, tmp_path, options, has, lacks_):
    gap(options)
    c = container()
    c.bundle.mount("/bound", tmp_path, "none", ["bind", *options])
    row = run_and_read(c, "/bound")
    assert has <= row.options and not lacks_ & row.options, row


@pytest.mark.parametrize("options, has, lacks_", SUPER, ids=name)
def test_of_the_super_block(container, options, has, lacks_):
    if set(options) & {"lazytime", "nolazytime", "iversion", "noiversion", "silent", "loud"}:
        skip_if("runc", f"{options} came with 1.2", below=(1, 2, 0))
    c = container()
    c.bundle.mount("/new", "tmpfs", "tmpfs", options)
    row = run_and_read(c, "/new")
    assert row.fstype == "tmpfs"
    assert has <= row.super_options and not lacks_ & row.super_options, row


@pytest.mark.parametrize("options, want", PROPAGATION, ids=name)
@pytest.mark.parametrize("bind", [False, True], ids=["new", "bind"])
def test_propagation(container, tmp_path, options, want, bind):
    if options == ["shared", "private"]:
        skip_if("runc", "makes each in turn, so that the mount stays in a peer group")
    c = container()
    if bind:
        c.bundle.mount("/there", tmp_path, "none", ["bind", *options])
    else:
        c.bundle.mount("/there", "tmpfs", "tmpfs", options)
    row = run_and_read(c, "/there")
    if bind and options[0].endswith("slave"):
        rig.skip_if_slaves_have_no_master()
        want = {"master"}
    assert row.optional - {"propagate_from"} - ({"master"} if "shared" in want else set()) == want, row


@pytest.mark.parametrize("option, script, want", [
    ("noexec", "/v/probe euid", "permission denied"), ("nosymfollow", "cat /v/link", "too many"),
    ("ro", "echo y > /v/f", "read-only"), ("nodev", "echo y > /v/null", "permission denied"),
    ("nosuid", "test $(/v/probe euid) = 0 || echo 'not root' >&2; false", "not root"),
    ("suid", "test $(/v/probe euid) = 0 && echo 'is root' >&2; false", "is root"),
])
def test_an_option_has_its_effect(container, helper, option, script, want):
    gap([option])
    c = container()
    c.bundle.capabilities(bounding=["CAP_SETUID"]).set("process.noNewPrivileges", False)
    c.bundle.set("process.user", {"uid": 1000, "gid": 1000})
    with open(helper("probe"), "rb") as f:
        c.bundle.file("v/probe", f.read(), 0o4755)
    c.bundle.file("v/f", "content\n", 0o666)
    os.symlink("f", c.bundle.rootfs + "/v/link")
    os.mknod(c.bundle.rootfs + "/v/null", 0o20666, os.makedev(1, 3))
    os.chmod(c.bundle.rootfs + "/v/null", 0o666)
    c.bundle.mount("/v", c.bundle.rootfs + "/v", "none", ["bind", option]).sh(script)
    result = c.run()
    assert result.rc != 0 and want in result.err.lower(), result


# --- recursive ones ------------------------------------------------------------------------------------------

RECURSIVE = [("rro", "ro"), ("rnosuid", "nosuid"), ("rnodev", "nodev"), ("rnoexec", "noexec"), ("rnoatime", "noatime"),
             ("rnodiratime", "nodiratime"), ("rrelatime", "relatime"), ("rnosymfollow", "nosymfollow"),
             ("rnorelatime", "relatime"), ("rstrictatime,rnostrictatime", "relatime")]
CLEARING = [("rrw", "ro"), ("rsuid", "nosuid"), ("rdev", "nodev"), ("rexec", "noexec"), ("ratime", "noatime"),
            ("rdiratime", "nodiratime"), ("rnoatime,rstrictatime", "noatime"), ("rstrictatime", "relatime"),
            ("rsymfollow", "nosymfollow")]
MS = {"ro": 1, "nosuid": 2, "nodev": 4, "noexec": 8, "noatime": 1024, "nodiratime": 2048, "relatime": 1 << 21,
      "nosymfollow": 256}


@pytest.fixture
def volume(tmp_path):
    """volume(flags): a tree of two mounts that have the flags."""
    top = tmp_path / "volume"
    top.mkdir()

    def make(flags=0):
        host.mount("top", top, "tmpfs", 0)
        (top / "sub").mkdir()
        host.mount("sub", top / "sub", "tmpfs", flags)
        (top / "sub" / "f").touch() if not flags & 1 else None
        if flags:
            host.mount("none", top, "none", 32 | 4096 | flags)  # MS_REMOUNT | MS_BIND
        return top

    yield make
    host.umount_below(top)


def both(c):
    text = c.sh("cat /proc/self/mountinfo")
    return row_of(text, "/vol"), row_of(text, "/vol/sub")


@pytest.mark.parametrize("option, flag", RECURSIVE)
def test_recursive_holds_below(container, volume, option, flag):
    gap([option.replace("rnosym", "nosym")])
    if option in ("rnorelatime", "rstrictatime,rnostrictatime"):
        skip_if("runc", "clears one bit of the access times, which mount_setattr refuses", below=(1, 2, 0))
    c = container()
    c.bundle.mount("/vol", volume(), "none", ["rbind", *option.split(",")])
    c.up()
    top, sub = both(c)
    assert flag in top.options and flag in sub.options, (top, sub)


@pytest.mark.parametrize("options, flag", CLEARING)
def test_recursive_clears_below(container, volume, options, flag):
    gap([options.replace("rsym", "sym")])
    if flag == "noatime":
        skip_if("runc", "clears one bit of the access times, which mount_setattr refuses", below=(1, 2, 0))
    c = container()
    c.bundle.mount("/vol", volume(MS[flag]), "none", ["rbind", *options.split(",")])
    c.up()
    top, sub = both(c)
    assert flag not in top.options and flag not in sub.options, (top, sub)


def test_ro_holds_for_the_top_alone_and_rro_for_all(container, volume):
    top = volume()
    c = container()
    c.bundle.mount("/one", top, "none", ["rbind", "ro"]).mount("/all", top, "none", ["rbind", "rro"])
    c.up()
    assert c.exec("touch", "/one/x").rc != 0
    assert c.exec("touch", "/one/sub/x").rc == 0
    assert c.exec("touch", "/all/x").rc != 0
    assert c.exec("touch", "/all/sub/y").rc != 0
    assert sorted(os.listdir(top / "sub")) == ["f", "x"]
    assert "ro" not in str(host.mountinfo()[-1].split()[5]).split(",")


def test_bind_leaves_the_mounts_below_out_and_rbind_does_not(container, volume):
    top = volume()
    c = container()
    c.bundle.mount("/flat", top, "none", ["bind"]).mount("/deep", top, "none", ["rbind"])
    c.up()
    assert c.sh("ls /flat/sub; echo -; ls /deep/sub") == "-\nf\n"
    assert inside(c, "/flat/sub") is None


def test_an_unknown_option_goes_to_the_file_system(container):
    c = container()
    c.bundle.mount("/new", "tmpfs", "tmpfs", ["nosuid", "nosuchthing=1"])
    assert_refused(c, "/new", *(["nosuchthing"] if c.runtime.kind == "wherry" else []))
