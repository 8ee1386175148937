"""migrate --rootfs copy: the root file system comes along as it is, to a host that has nothing of it."""
import os
import shutil
import signal
import stat
import struct
import subprocess

import pytest

import host
from hosts import OtherHost
from migrations import migrant, needs_migration, receivers  # noqa: F401

pytestmark = needs_migration + [pytest.mark.skipif(not shutil.which("rsync"), reason="rsync is not installed")]


@pytest.fixture
def copying(migrant, tmp_path):
    """A migrant, and another host where the place of its bundle is empty."""
    m = migrant(mib=4, dirty=1)
    m.other = OtherHost(tmp_path)
    m.other.run("mount", "-t", "tmpfs", "tmpfs", m.container.bundle.path)
    yield m
    m.places[1].runtime.run("delete", "--force", m.ident)
    m.other.end()


def spawn(m, *flags, env=None):
    return m.spawn_over(m.other.rsh, *flags, env=env)


def migrate(m, *flags, env=None):
    return spawn(m, *flags, env=env).wait(120)


def test_it_comes_along_as_it_is(copying):
    m, root = copying, copying.container.bundle.rootfs
    os.chown(f"{root}/home/user", 1234, 4321)
    os.chmod(f"{root}/home/user", 0o4751)
    os.link(f"{root}/etc/passwd", f"{root}/etc/passwd-again")
    os.setxattr(f"{root}/etc/group", "user.note", b"kept")
    os.symlink("/etc/passwd", f"{root}/etc/link")
    with open(f"{root}/tmp/sparse", "wb") as f:
        f.truncate(64 << 20)
    before = m.count()
    result = migrate(m, "--rootfs", "copy")
    assert result.rc == 0, f"{result!r}\n{m.logs()}"
    assert m.places[0].status(m.ident) is None and m.places[1].status(m.ident) == "running"

    def there(*argv):
        return m.other.run(*argv).stdout.strip()
    assert there("stat", "-c", "%u:%g:%a", f"{root}/home/user") == "1234:4321:4751"
    assert there("stat", "-c", "%h", f"{root}/etc/passwd") == "2"
    assert there("readlink", f"{root}/etc/link") == "/etc/passwd"
    assert there("/usr/bin/python3", "-c", f"'import os; print(os.getxattr(\"{root}/etc/group\", \"user.note\").decode())'") == "kept"
    assert int(there("stat", "-c", "%b", f"{root}/tmp/sparse")) < 1000
    host.wait_until(lambda: int(there("cat", m.file("n"))) > before + 10, "the count to go on there")
    left = sorted(there("ls", f"{root}/tmp").split())
    assert left == ["n", "sparse"], f"it noticed another copy of itself, or damage: {there('cat', m.file('clash'))}"
    assert there("ls", "-a", m.container.bundle.path).split() == [".", "..", ".wherry-rootfs-copy", "config.json", "rootfs"]


def acl(*entries):
    """An access control list as the kernel has it: (tag, permissions, id)."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def test_access_control_lists_come_along(copying):
    m, root = copying, copying.container.bundle.rootfs
    nobody = 0xffffffff
    # user::rw- user:1234:r-- group::r-- mask::rw- other::---
    lists = {"etc/passwd": {"access": acl((1, 6, nobody), (2, 4, 1234), (4, 4, nobody), (16, 6, nobody), (32, 0, nobody))},
             "home": {"default": acl((1, 7, nobody), (2, 5, 4321), (4, 5, nobody), (16, 7, nobody), (32, 5, nobody))}}
    try:
        for path, kinds in lists.items():
            for kind, value in kinds.items():
                os.setxattr(f"{root}/{path}", f"system.posix_acl_{kind}", value)
    except OSError as e:
        pytest.skip(f"no access control lists here: {e}")
    result = migrate(m, "--rootfs", "copy")
    assert result.rc == 0, f"{result!r}\n{m.logs()}"
    for path, kinds in lists.items():
        for kind, value in kinds.items():
            show = f"'import os; print(os.getxattr(\"{root}/{path}\", \"system.posix_acl_{kind}\").hex())'"
            assert m.other.run("/usr/bin/python3", "-c", show).stdout.strip() == value.hex(), (path, kind)


STEPPED = """#!/bin/sh
# The other host's; the copy number NUMBER waits until go is there.
case "$*" in
*--receive*) ;;
*rsync*)
    echo >>{top}/copies
    if [ "$(wc -l <{top}/copies)" = {number} ]; then
        touch {top}/waits
        while [ ! -e {top}/go ]; do sleep 0.02; done
    fi ;;
esac
exec {rsh} "$@"
"""


def rsyncs_of(pid):
    """rsync, where it is started from."""
    return subprocess.run(["pgrep", "-x", "-P", str(pid), "rsync"], capture_output=True, text=True).stdout.split()


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("victim", ["rsync", "the destination", "the source"])
def test_a_copy_is_killed(copying, tmp_path, number, victim):
    """The first one, while the container runs, or the second, while it stands still: it runs on here, and another attempt is made."""
    m, there = copying, copying.places[1]
    stepped = tmp_path / "stepped"
    stepped.write_text(STEPPED.format(top=tmp_path, number=number, rsh=m.other.rsh))
    stepped.chmod(0o755)
    process = m.spawn_over(stepped, "--rootfs", "copy")
    host.wait_until((tmp_path / "waits").exists, "the copy", 60)
    if victim == "the destination":
        assert receivers(there)
        for pid in receivers(there):  # the guard as well
            host.kill_quietly(pid)
    elif victim == "the source":
        os.kill(process.pid, signal.SIGKILL)
    else:
        rsyncs = rsyncs_of(process.pid)
        assert rsyncs
        os.kill(int(rsyncs[0]), signal.SIGKILL)
    (tmp_path / "go").touch()
    result = process.wait(120)
    if victim == "the source":
        assert result.rc == -signal.SIGKILL
    else:
        assert result.rc == 1 and result.err.strip(), result
        assert result.out.splitlines()[-1] == f"container '{m.ident}' runs here, on, as before"
    if victim == "rsync":
        assert "copy the root file system" in result.err, result
    m.assert_well(m.places[0])
    result = migrate(m, "--rootfs", "copy")
    assert result.rc == 0, f"{result!r}\n{m.logs()}"


def test_a_write_that_does_not_show(copying):
    """In the step of the clock in which the file was copied, or by who sets the time back: neither size nor time tells."""
    m, root = copying, copying.container.bundle.rootfs
    os.makedirs(f"{root}/srv/deep")
    for name in ("a", "deep/b c", "new"):
        with open(f"{root}/srv/{name}", "w") as f:
            f.write("before")
    process = spawn(m, "--rootfs", "copy", "--cold", env={"WHERRY_TEST_MIGRATE_FAULT": "source send:stream stop"})
    host.wait_until(lambda: host.proc_status(process.pid, "State").startswith("T"), "the first copy", 60)
    for name in ("a", "deep/b c"):
        times = os.stat(f"{root}/srv/{name}")
        with open(f"{root}/srv/{name}", "w") as f:
            f.write("behind")
        os.utime(f"{root}/srv/{name}", ns=(times.st_atime_ns, times.st_mtime_ns))
    with open(f"{root}/srv/new", "w") as f:
        f.write("behind")
    os.kill(process.pid, signal.SIGCONT)
    result = process.wait(120)
    assert result.rc == 0, f"{result!r}\n{m.logs()}"
    for name in ("a", "deep/b c", "new"):
        assert m.other.run("cat", f"'{root}/srv/{name}'").stdout == "behind", name


def test_without_it_the_destination_says_what_is_missing(copying):
    result = migrate(copying)
    assert result.rc == 1 and "(--rootfs copy brings it along)" in result.err, result
    copying.assert_well(copying.places[0])


def test_what_is_there_is_not_overwritten(copying):
    m = copying
    m.other.run("mkdir", "-p", m.container.bundle.rootfs + "/precious")
    result = migrate(m, "--rootfs", "copy")
    assert result.rc == 1 and "is not empty, and was not copied there by a migration" in result.err, result
    assert m.other.run("ls", m.container.bundle.rootfs).stdout.split() == ["precious"]
    m.assert_well(m.places[0])


def test_a_second_attempt(copying):
    m = copying
    result = migrate(m, "--rootfs", "copy", env={"WHERRY_TEST_MIGRATE_FAULT": "source saved kill"})
    assert result.rc == -9
    m.assert_well(m.places[0])
    result = migrate(m, "--rootfs", "copy")
    assert result.rc == 0, result


def test_the_same_root_is_no_copy(migrant):
    m = migrant()
    result = m.move("--rootfs", "copy", check=False, to=m.places[1])
    assert result.rc == 1 and "is the source's own: there is nothing to copy" in result.err, result
    m.assert_well(m.places[0])


def test_what_is_made_and_removed_between_the_two_copies(copying):
    """The second one brings all kinds of things along, and takes away what is not here any more."""
    m, root = copying, copying.container.bundle.rootfs
    os.makedirs(f"{root}/srv/old/deep")
    for name in ("gone", "old/deep/gone", "to-link"):
        with open(f"{root}/srv/{name}", "w") as f:
            f.write("before")
    process = spawn(m, "--rootfs", "copy", "--cold", env={"WHERRY_TEST_MIGRATE_FAULT": "source send:stream stop"})
    host.wait_until(lambda: host.proc_status(process.pid, "State").startswith("T"), "the first copy", 60)
    assert m.other.run("ls", f"{root}/srv/old/deep").stdout.split() == ["gone"]
    os.unlink(f"{root}/srv/gone")
    shutil.rmtree(f"{root}/srv/old")
    os.unlink(f"{root}/srv/to-link")
    os.symlink("elsewhere", f"{root}/srv/to-link")
    os.makedirs(f"{root}/srv/new")
    os.mkfifo(f"{root}/srv/new/fifo", 0o640)
    os.mknod(f"{root}/srv/new/null", 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    os.chown(f"{root}/srv/new", 1234, 4321)
    os.link(f"{root}/etc/group", f"{root}/srv/new/group")
    os.chmod(f"{root}/etc/hosts" if os.path.exists(f"{root}/etc/hosts") else f"{root}/etc/passwd", 0o600)
    os.setxattr(f"{root}/etc/group", "user.late", b"kept")
    os.kill(process.pid, signal.SIGCONT)
    result = process.wait(120)
    assert result.rc == 0, f"{result!r}\n{m.logs()}"

    def described(run):
        return run("sh", "-c", f"'cd {root} && find srv etc -printf \"%p %y %m %U:%G %n %l\\n\" | sort'").stdout

    here = subprocess.run(["sh", "-c", f"cd {root} && find srv etc -printf '%p %y %m %U:%G %n %l\\n' | sort"], capture_output=True,
                          text=True, check=True)
    assert described(m.other.run) == here.stdout != ""
    assert m.other.run("stat", "-c", "%t:%T", f"{root}/srv/new/null").stdout.strip() == "1:3"
    show = f"'import os; print(os.getxattr(\"{root}/etc/group\", \"user.late\").decode())'"
    assert m.other.run("/usr/bin/python3", "-c", show).stdout.strip() == "kept"
