"""What a container must not reach: the runtime's program, its descriptors, the caller's terminal, other ids."""
import fcntl
import hashlib
import mmap
import os
import pty
import subprocess

import pytest

import host
from containers import assert_refused
from rig import KIND, lacks, skip_if, wherry_only

F_GET_SEALS = 1034
SEALS = 0x1 | 0x2 | 0x4 | 0x8  # seal, shrink, grow, write


def write_through(path, flags):
    """Try each way to change a file that its descriptor offers; raises when none works (a sealed memfd can
    be opened for writing, but never written)."""
    fd = os.open(path, flags)
    for change in (lambda: os.write(fd, b"x"), lambda: os.pwrite(fd, b"x", 0), lambda: os.ftruncate(fd, 0),
                   lambda: os.ftruncate(fd, 1 << 30), lambda: mmap.mmap(fd, 4096, mmap.MAP_SHARED, mmap.PROT_WRITE)):
        try:
            change()
        except OSError:
            continue
        os.close(fd)
        return
    os.close(fd)
    raise PermissionError(path)


def sha(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


# --- descriptors (CVE-2024-21626, CVE-2016-9962) ---------------------------------------------------------------


@pytest.fixture
def leaked():
    """A descriptor of the host's root that the caller leaks to the runtime."""
    fd = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    yield fd
    os.close(fd)


def leak(fd, at=9):
    return {"redirect": f"{at}<&{fd}", "pass_fds": (fd,)}


def test_the_program_has_three_descriptors(container, leaked, helper):
    c = container()
    c.bundle.args(c.bundle.install(helper("probe")), "fds")
    out = c.run(check=True, **leak(leaked)).out
    assert [line.split("=")[0] for line in out.splitlines()] == ["0", "1", "2"]
    assert "=/\n" not in out


def test_a_process_of_exec_has_three_descriptors(container, leaked, helper):
    c = container()
    c.bundle.install(helper("probe"))
    c.up()
    out = c.exec("/bin/probe", "fds", check=True, **leak(leaked)).out
    assert [line.split("=")[0] for line in out.splitlines()] == ["0", "1", "2"]


@pytest.mark.parametrize("hook", ["prestart", "createContainer"])
def test_a_hook_has_no_descriptor_of_the_runtimes(container, leaked, helper, tmp_path, hook):
    skip_if("runc", "hands its own pipes to hooks", below=(1, 2, 0))
    c = container()
    out = tmp_path / "fds"
    c.bundle.set(f"hooks.{hook}", [{"path": "/bin/sh", "args": ["sh", "-c", f"{helper('probe')} fds > {out}"]}])
    c.create(**leak(leaked))
    assert [line.split("=")[0] for line in out.read_text().splitlines()] == ["0", "1", "2"]


@pytest.mark.parametrize("n", [3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 20, 30])
def test_a_working_directory_by_descriptor_is_refused(container, leaked, n):
    c = container()
    c.bundle.set("process.cwd", f"/proc/self/fd/{n}").sh("ls")
    result = c.run(**leak(leaked))
    assert result.rc != 0 and result.out == "", result


@pytest.mark.parametrize("n", [3, 5, 7, 9, 15])
def test_a_working_directory_of_exec_by_descriptor_is_refused(container, leaked, n):
    c = container()
    c.up()
    result = c.exec("ls", flags=["--cwd", f"/proc/self/fd/{n}"], **leak(leaked))
    assert result.rc != 0 and result.out == "", result


@pytest.mark.parametrize("n", [3, 4, 5, 6, 7, 8, 9, 10, 12, 20])
def test_a_program_by_descriptor_is_refused(container, leaked, n):
    c = container()
    c.bundle.args(f"/proc/self/fd/{n}/bin/sh", "-c", "echo ran")
    result = c.run(**leak(leaked))
    assert result.rc != 0 and "ran" not in result.out, result


@lacks("runc", "holds ten descriptors, the host's root among them")
def test_init_waits_with_four_descriptors_and_none_of_the_hosts_files(container, leaked):
    c = container()
    c.create(**leak(leaked))
    top = f"/proc/{c.pid}/fd"
    fds = {int(n): os.readlink(f"{top}/{n}") for n in os.listdir(top)}
    assert len(fds) <= 4, fds
    assert not [t for n, t in fds.items() if n > 2 and t.startswith("/")], fds
    with open(f"/proc/{c.pid}/maps") as f:
        files = {line.split()[5] for line in f if len(line.split()) > 5 and line.split()[5].startswith("/")}
    assert not [p for p in files if not p.startswith(("/memfd:", "/dev/zero"))], files


def test_init_is_not_dumpable_while_it_waits(container):
    """Its /proc belongs to a root then, not to the user that it has become already."""
    c = container()
    c.bundle.map_ids().set("process.user", {"uid": 1000, "gid": 1000})
    c.create()
    # wherry's belongs to the host's root: nobody in the namespace can trace it
    assert os.stat(f"/proc/{c.pid}/fd").st_uid in ((0,) if KIND == "wherry" else (0, 100000))
    assert host.proc_status(c.pid, "Uid").split() == ["101000"] * 4
    c.start()
    host.wait_until(lambda: os.stat(f"/proc/{c.pid}/fd").st_uid == 101000, "the program", 5)


@lacks("runc", "holds directories while it joins, and its exec can be stopped by a tracer", below=(1, 2, 0))
@pytest.mark.parametrize("mapped", [False, True], ids=["plain", "mapped"])
def test_an_attacker_inside_gets_nothing_of_exec(container, helper, mapped):
    """With CAP_SYS_PTRACE over the host, a process can be opened whatever it does: then it must hold nothing
    of the host. With that capability in a user namespace alone, it must not open at all.
    WHERRY_TEST_ITERATIONS sets the number of execs (100)."""
    c = container()
    c.bundle.install(helper("grabber"))
    c.bundle.capabilities(**{k: ["CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE"] for k in
                             ("bounding", "effective", "permitted")})
    c.bundle.args("/bin/grabber", *(["all"] if mapped else []))
    if mapped:
        c.bundle.map_ids()
    c.up()
    c.wait_stdout("ready\n")
    for _ in range(int(os.environ.get("WHERRY_TEST_ITERATIONS", "100"))):
        c.exec("true", check=True)
    lines = c.stdout().splitlines()
    assert lines == ["ready"], sorted({line.rsplit(" of ")[0] for line in lines})


# --- the runtime's own program (CVE-2019-5736) ------------------------------------------------------------------


def test_the_program_of_init_cannot_be_opened_for_writing(container):
    c = container()
    before = sha(c.runtime.binary)
    c.create()
    fd = os.open(f"/proc/{c.pid}/exe", os.O_RDONLY)
    c.delete("--force")
    content = os.pread(fd, 1 << 26, 0)
    for flags in (os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_TRUNC, os.O_RDWR | os.O_APPEND):
        with pytest.raises(OSError):
            write_through(f"/proc/self/fd/{fd}", flags)
    assert os.pread(fd, 1 << 26, 0) == content
    os.close(fd)
    assert sha(c.runtime.binary) == before


@wherry_only("the image in a sealed memfd; runc binds its own program read-only")
@pytest.mark.parametrize("mapped", [False, True])
def test_the_program_of_init_is_a_sealed_memfd(container, mapped):
    c = container()
    if mapped:
        c.bundle.map_ids()
    c.create()
    path = f"/proc/{c.pid}/exe"
    assert os.readlink(path).startswith("/memfd:")
    fd = os.open(path, os.O_RDONLY)
    assert fcntl.fcntl(fd, F_GET_SEALS) & SEALS == SEALS
    assert os.fstat(fd).st_size < 256 * 1024
    os.close(fd)


@pytest.mark.parametrize("start", ["args", "script", "exec", "exec of a script"])
def test_executing_self_exe_does_not_run_the_runtime(container, start):
    c = container()
    before = sha(c.runtime.binary)
    c.bundle.file("script", "#!/proc/self/exe\n", 0o755)
    if start.startswith("exec"):
        c.up()
        result = c.exec("/proc/self/exe" if start == "exec" else "/script")
    else:
        c.bundle.args("/proc/self/exe" if start == "args" else "/script")
        result = c.run(timeout=10)
    assert result.rc != 0 and "OCI" not in result.out, result
    assert sha(c.runtime.binary) == before


def test_an_attacker_opening_every_exe_gets_nothing_writable(container):
    c = container()
    before = sha(c.runtime.binary)
    c.bundle.sh("while :; do for e in /proc/[0-9]*/exe; do ( exec 3>>$e ) 2>/dev/null && "
                "case $(readlink $e) in */busybox) ;; *) echo got $e;; esac; done; done")
    c.up()
    for _ in range(40):
        c.exec("true")
    assert c.stdout() == "" and sha(c.runtime.binary) == before


# --- the caller's terminal (CVE-2016-10124, CVE-2017-5226) -------------------------------------------------------


def test_no_input_can_be_pushed_into_the_callers_terminal(container, helper):
    master, slave = pty.openpty()
    c = container()
    c.bundle.install(helper("probe"))
    c.bundle.sh("probe session; probe inject")
    result = c.run("--detach", stdin=slave)
    assert result.ok
    host.wait_until(lambda: c.stdout().count("\n") == 2, "both lines")
    out = c.stdout().splitlines()
    _, session, tty = out[0].split(" ", 2)
    assert session == "1" and tty.startswith("No such device"), out
    assert out[1].startswith("-1 "), out
    os.close(master)
    os.close(slave)


# --- installed files --------------------------------------------------------------------------------------------


def test_the_program_has_no_privilege_bits(runtime):
    assert os.stat(runtime.binary).st_mode & 0o6000 == 0
    with pytest.raises(OSError):
        os.getxattr(runtime.binary, "security.capability")


# --- users (CVE-2016-3697, CVE-2026-30892) -----------------------------------------------------------------------


@pytest.mark.parametrize("given, want", [("1", "1 0"), ("1000", "1000 0"), ("1:2", "1 2"), ("0", "0 0"),
                                         ("2147483647:5", "2147483647 5")])
def test_a_user_of_exec(container, given, want):
    c = container()
    c.bundle.file("etc/passwd", "1000:x:0:0::/:/bin/sh\nroot:x:0:0::/:/bin/sh\n1:x:0:0::/:/bin/sh\n")
    c.up()
    assert c.exec("sh", "-c", "echo $(id -u) $(id -g)", flags=["--user", given], check=True).out.strip() == want


BAD_USERS = [":5", "1:", "1:2:3", "0x1", "1e3", " 1", "1 ", "+1", "", "-1", "4294967295", "4294967296", "1:4294967296",
             "99999999999999999999", "root", "1:wheel", "１"]


@pytest.mark.parametrize("given", BAD_USERS)
def test_a_user_of_exec_that_is_no_number_is_refused(container, given):
    skip_if("runc", "parses users with what fmt.Sscanf takes", below=(9,))
    c = container()
    c.up()
    result = c.exec("sh", "-c", "echo ran", flags=[f"--user={given}"])
    assert result.rc not in (0, 127) and "ran" not in result.out, result


@pytest.mark.parametrize("value", ["-1", "4294967295", "4294967296", "x", "1,2", ""])
def test_an_additional_group_of_exec_that_is_no_number_is_refused(container, value):
    skip_if("runc", "wraps them", below=(9,))
    c = container()
    c.up()
    result = c.exec("sh", "-c", "echo ran", flags=[f"--additional-gids={value}"])
    assert result.rc != 0 and "ran" not in result.out, result


@pytest.mark.parametrize("key", ["uid", "gid"])
@pytest.mark.parametrize("value", [-1, 4294967295, 4294967296, 2 ** 64, 1.5, "0"])
def test_a_user_of_the_document_out_of_range_is_refused(container, key, value):
    if value == 4294967295:
        skip_if("runc", "takes it for 'unchanged'", below=(9,))
    c = container()
    c.bundle.set(f"process.user.{key}", value)
    assert_refused(c)


# --- capabilities (CVE-2022-29162, CVE-2022-27650) ---------------------------------------------------------------


@pytest.mark.parametrize("uid", ["0", "1000"])
def test_exec_cap_raises_neither_inheritable_nor_ambient(container, uid):
    c = container()
    c.up()
    out = c.exec("grep", "Cap", "/proc/self/status", flags=["--cap", "CAP_NET_RAW", "--user", uid], check=True).out
    sets = {line.split()[0]: int(line.split()[1], 16) for line in out.splitlines()}
    assert sets["CapInh:"] == 0 and sets["CapAmb:"] == 0
    assert sets["CapBnd:"] & 1 << 13


def test_no_set_is_inheritable_unless_listed(container):
    c = container()
    pid = c.up()
    assert int(host.proc_status(pid, "CapInh"), 16) == 0 and int(host.proc_status(pid, "CapAmb"), 16) == 0


def test_ambient_beyond_permitted_and_inheritable_is_not_raised(container):
    """OCI 1.3: what cannot be granted is a warning, never silently more."""
    skip_if("runc", "raises an error in init", below=(1, 2, 0))
    c = container()
    c.bundle.set("process.capabilities", {"bounding": ["CAP_NET_RAW"], "ambient": ["CAP_NET_RAW"]})
    c.bundle.set("process.user", {"uid": 1000, "gid": 1000})
    result = c.create(check=False)
    if result.ok:
        c.start()
        assert "ambient" in result.err
        assert int(host.proc_status(c.pid, "CapEff"), 16) == 0


# --- helpers and hooks by name ------------------------------------------------------------------------------------


def test_no_program_is_looked_up_in_the_callers_path(container, tmp_path):
    evil = tmp_path / "evil"
    evil.mkdir()
    for name in ("newuidmap", "newgidmap", "criu", "sh", "ps", "hook", "mount", "ip", "modprobe", "systemctl"):
        (evil / name).write_text(f"#!/bin/sh\necho {name} >> {evil}/ran\n")
        (evil / name).chmod(0o755)
    c = container()
    c.bundle.map_ids()
    env = {"PATH": str(evil)}
    c.create(env=env)
    c.runtime.run("start", c.id, env=env, check=True)
    c.exec("true", check=True, env=env)
    c.runtime.run("kill", c.id, "KILL", env=env)
    c.wait_status("stopped")
    c.runtime.run("delete", c.id, env=env, check=True)
    assert not (evil / "ran").exists()


def test_a_hook_that_is_no_absolute_path_is_refused(container, tmp_path):
    skip_if("runc", "looks for it in the PATH of the hook", below=(1, 4, 0))
    c = container()
    c.bundle.set("hooks.prestart", [{"path": "true"}])
    assert_refused(c, "hooks.prestart")


# --- libraries and variables of the caller -----------------------------------------------------------------------


def test_the_callers_variables_do_not_reach_the_program(container):
    c = container()
    c.bundle.args("env")
    out = c.run(check=True, env={"LD_PRELOAD": "", "SECRET": "1", "LISTEN_FDNAMES": "x", "_LIBCONTAINER_X": "1"}).out
    assert sorted(line.split("=")[0] for line in out.splitlines()) == ["HOME", "PATH", "TERM"]


def test_the_state_directory_is_the_owners_alone(container):
    c = container()
    c.create()
    assert os.stat(c.runtime.root).st_mode & 0o077 == 0 or c.runtime.kind == "runc"
    assert subprocess.run(["setpriv", "--reuid", "1000", "--clear-groups", "ls", c.runtime.root + "/" + c.id],
                          capture_output=True).returncode != 0
