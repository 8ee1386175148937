"""What the caller gives to a container's process and what it finds: standard streams, working directory, groups."""
import os
import stat

import pytest
from rig import lacks

pytestmark = pytest.mark.usefixtures("host_unchanged")


def host_null_mode():
    return stat.S_IMODE(os.stat("/dev/null").st_mode)


@pytest.fixture
def null_mode_kept():
    before = host_null_mode()
    yield
    after = host_null_mode()
    os.chmod("/dev/null", before)
    assert after == before, f"the host's /dev/null has mode {after:o} now"


@lacks("runc", "hands the host's null device in")
@pytest.mark.parametrize("stream", [0, 1, 2])
def test_host_null_device_is_not_handed_in(container, bundle, null_mode_kept, stream):
    """Root of a container owns the host's inode as well: through an fd of it the mode can be changed for all."""
    b = bundle().sh(f"chmod 600 /proc/self/fd/{stream}; [ $(stat -L -c %a /dev/null) = 600 ] && exit 3")
    with open("/dev/null", "r+") as null:
        result = container(b).run(stdin=null, stdout=null, stderr=null)
    assert result.rc == 3, "the stream is not the container's own /dev/null"


@lacks("runc", "hands the host's null device in")
def test_host_null_device_is_not_handed_to_exec(container, bundle, null_mode_kept):
    c = container(bundle())
    c.up()
    with open("/dev/null", "r+") as null:
        assert c.exec("/bin/chmod", "600", "/proc/self/fd/0", stdin=null).rc == 0
    assert c.sh("stat -c %a /dev/null").strip() == "600"


@lacks("runc", "looks at no null device of an exec")
@pytest.mark.parametrize("fake", ["file", "link", "fifo"])
def test_null_device_of_an_exec_is_verified(container, bundle, fake):
    """The container may have put something else in its place: it is not opened as a stream, and nothing hangs."""
    make = {"file": "echo x > /dev/null", "link": "ln -s /etc/passwd /dev/null", "fifo": "mkfifo /dev/null"}[fake]
    c = container(bundle())
    c.up()
    c.sh(f"rm /dev/null; {make}", input="")
    with open("/dev/null", "r+") as null:
        result = c.exec("/bin/true", stdin=null)
    assert result.rc != 0 and "/dev/null" in result.err, result


def test_pipes_belong_to_the_user(container, bundle):
    """/dev/stdout can be opened by a user that is not root."""
    b = bundle().sh("echo said > /dev/stdout").set("process.user", {"uid": 1000, "gid": 1000})
    reader, writer = os.pipe()
    result = container(b).run(stdout=writer)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        assert (result.rc, pipe.read()) == (0, "said\n"), result


def test_files_of_the_caller_keep_their_owner(container, bundle, tmp_path):
    with open(tmp_path / "log", "w") as log:
        b = bundle().args("id").set("process.user", {"uid": 1000, "gid": 1000})
        assert container(b).run(stdout=log).rc == 0
        assert os.fstat(log.fileno()).st_uid == 0


USERS = {"root": {"uid": 0, "gid": 0}, "user": {"uid": 1000, "gid": 1000}}


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("readonly", [False, True], ids=["writable", "read-only"])
def test_missing_working_directory_is_made(container, bundle, user, readonly):
    """As root and before the root becomes read-only: images name directories that nobody has made."""
    b = bundle().args("pwd").set("process.cwd", "/srv/app/work").set("process.user", USERS[user])
    b.set("root.readonly", readonly)
    result = container(b).run()
    assert (result.rc, result.out) == (0, "/srv/app/work\n"), result
    made = os.stat(os.path.join(b.rootfs, "srv/app/work"))
    assert (made.st_uid, stat.S_IMODE(made.st_mode)) == (0, 0o755)


def test_working_directory_that_only_root_may_enter(container, bundle):
    b = bundle().args("true").set("process.cwd", "/private").set("process.user", USERS["user"])
    os.mkdir(os.path.join(b.rootfs, "private"), 0o700)
    assert container(b).run().rc == 0


@lacks("runc", "1.1 fails before with words of its own")
def test_working_directory_may_not_leave_the_root(container, bundle, canary):
    """Also where it is made: a link is followed inside the root."""
    b = bundle().sh("pwd -P").set("process.cwd", "/out/made")
    os.symlink(canary, os.path.join(b.rootfs, "out"))
    result = container(b).run()
    assert result.rc == 0 and result.out.strip() == f"{canary}/made", result


@lacks("runc", "writes to cgroups that only the host's root may")
def test_user_namespace_that_denies_setgroups(runtime, bundle):
    """`unshare -r` denies setgroups(2) for itself and all namespaces below it."""
    for nested in (False, True):
        b = bundle().args("id", "-u").drop("process.rlimits")
        if nested:
            mapping = [{"containerID": 0, "hostID": 0, "size": 1}]
            b.namespace("user").set("linux.uidMappings", mapping).set("linux.gidMappings", mapping)
        b.write()
        binary, runtime.binary = runtime.binary, "/usr/bin/unshare"
        result = runtime.run("-Urm", binary, "--root", runtime.root, "run", "--bundle", b.path, b.id, root=False)
        runtime.binary = binary
        assert (result.rc, result.out) == (0, "0\n"), result


@lacks("runc", "1.1 cannot mount devpts with these maps")
def test_groups_that_cannot_be_set_are_refused(runtime, bundle):
    b = bundle().args("id").drop("process.rlimits").set("process.user.additionalGids", [0]).write()
    binary, runtime.binary = runtime.binary, "/usr/bin/unshare"
    result = runtime.run("-Urm", binary, "--root", runtime.root, "run", "--bundle", b.path, b.id, root=False)
    runtime.binary = binary
    assert result.rc == 1 and "groups" in result.err, result
