"""exec by arguments: one more process in a running container."""
import os
import signal
import time

import pytest

import host
from rig import lacks, skip_if, wherry_only

FILTER = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["personality"], "action": "SCMP_ACT_ERRNO"}]}


@pytest.fixture
def vessel(container):
    c = container()
    c.up()
    return c


def test_output_and_exit_status(vessel):
    result = vessel.exec("/bin/sh", "-c", "cat; echo problem >&2; exit 7", input="typed\n")
    assert (result.rc, result.out, result.err) == (7, "typed\n", "problem\n")


@pytest.mark.parametrize("name", ["TERM", "KILL", "SEGV", "HUP"])
def test_death_by_signal_is_128_and_its_number(vessel, name):
    assert vessel.exec("/bin/sh", "-c", f"kill -{name} $$; sleep 5").rc == 128 + getattr(signal, "SIG" + name)


def test_joins_the_container(vessel):
    spaces = ["pid", "net", "ipc", "uts", "mnt", "cgroup", "user"]
    out = vessel.sh(f"for s in {' '.join(spaces)}; do readlink /proc/self/ns/$s; done; readlink /proc/1/exe; hostname")
    *links, exe, hostname = out.splitlines()
    assert links == [os.readlink(f"/proc/{vessel.pid}/ns/{s}") for s in spaces]
    assert (exe, hostname) == ("/bin/busybox", "vessel")


def test_is_in_the_containers_cgroup(vessel):
    vessel.exec("sleep", "1000", flags=["-d"], check=True)
    assert len(host.processes_in_cgroups(vessel.id)) == 2
    with open(host.cgroup_path(vessel.id) + "/cgroup.procs") as f:
        assert len(f.read().split()) == 2


def test_has_the_documents_process_settings(container):
    c = container()
    c.bundle.set("process.rlimits", [{"type": "RLIMIT_MSGQUEUE", "soft": 111, "hard": 222}])
    c.bundle.set("process.user", {"uid": 1000, "gid": 1001, "additionalGids": [5, 6]})
    c.bundle.set("process.cwd", "/home").set("process.env", ["PATH=/bin", "WHO=doc"])
    c.bundle.capabilities(effective=[], permitted=["CAP_KILL"], bounding=["CAP_KILL"])
    c.up()
    out = c.sh("id -u; id -g; id -G; pwd; echo $WHO; grep msgqueue /proc/self/limits; "
               "grep -E 'NoNewPrivs|CapBnd' /proc/self/status")
    assert [" ".join(line.split()) for line in out.splitlines()] == [
        "1000", "1001", "1001 5 6", "/home", "doc", "Max msgqueue size 111 222 bytes", "CapBnd: 0000000000000020",
        "NoNewPrivs: 1"]


@lacks("runc", "the document's umask holds for init only")
def test_has_the_documents_umask(container):
    c = container()
    c.bundle.set("process.user.umask", 0o27)
    c.up()
    assert c.sh("umask") == "0027\n"


@pytest.mark.parametrize("flags", [["--cwd", "/home"], ["--cwd=/home"]], ids=" ".join)
def test_cwd(vessel, flags):
    assert vessel.exec("pwd", flags=flags).out == "/home\n"


@pytest.mark.parametrize("flag", ["-e", "--env"])
def test_env_is_added_to_the_documents(vessel, flag):
    out = vessel.exec("env", flags=[flag, "A=1", flag, "B=x y", flag, "TERM=dumb"], check=True,
                      env={"SECRET": "1"}).out
    assert sorted(out.splitlines()) == ["A=1", "B=x y", "HOME=/root", "PATH=/usr/bin:/bin", "TERM=dumb"]


@pytest.mark.parametrize("text, uid, gid", [("1000:1001", 1000, 1001), ("1000", 1000, 0), ("0:0", 0, 0), ("1", 1, 0),
                                            ("4294967294", 4294967294, 0)])
@pytest.mark.parametrize("flag", ["-u", "--user"])
def test_user(vessel, flag, text, uid, gid):
    if uid > 2**31:
        skip_if("runc", "takes no uid above 2147483647")
    assert vessel.sh("id -u; id -g", flags=[flag, text]) == f"{uid}\n{gid}\n"


@pytest.mark.parametrize("text", [":5", "1:", "1:2:3", "0x1", "1e3", " 1", "", "-1", "4294967295", "4294967296",
                                  "99999999999999999999", "user", "1 ", "1:x"])
def test_nonsense_users_run_nothing(vessel, text):
    if text in ("", "4294967296"):
        skip_if("runc", "takes no user as root, and wraps at 32 bits: 4294967296 runs as root")
    result = vessel.exec("id", flags=[f"--user={text}"])
    assert (result.rc, result.out) == (255, ""), result


def test_numeric_user_is_never_looked_up(container):
    c = container()
    c.bundle.file("etc/passwd", "1000:x:0:0::/:/bin/sh\n")
    c.up()
    assert c.sh("id -u", flags=["-u", "1000"]) == "1000\n"


@pytest.mark.parametrize("flags", [["-g", "7", "-g", "8"], ["--additional-gids", "7", "--additional-gids", "8"]],
                         ids=lambda f: f[0])
def test_additional_gids(vessel, flags):
    assert vessel.exec("id", "-G", flags=flags).out.split()[1:] == ["7", "8"]


@pytest.mark.parametrize("flag", ["--cap", "-c"])
def test_cap_is_added_but_never_inheritable_or_ambient(vessel, flag):
    out = vessel.sh("grep Cap /proc/self/status", flags=[flag, "CAP_NET_RAW"])
    sets = {line.split()[0]: int(line.split()[1], 16) for line in out.splitlines()}
    raw = 1 << 13
    assert sets["CapEff:"] & raw and sets["CapPrm:"] & raw and sets["CapBnd:"] & raw
    assert sets["CapInh:"] == 0 and sets["CapAmb:"] == 0
    assert sets["CapEff:"] & ~raw == int(host.proc_status(vessel.pid, "CapEff"), 16)


def test_no_new_privs(container):
    c = container()
    c.bundle.set("process.noNewPrivileges", False)
    c.up()
    script = "grep NoNewPrivs /proc/self/status"
    assert c.sh(script).split()[1] == "0"
    assert c.sh(script, flags=["--no-new-privs"]).split()[1] == "1"


def cmdline(pid):
    with open(f"/proc/{pid}/cmdline", encoding="utf-8") as f:
        return f.read()


def test_detach_and_pid_file(vessel, tmp_path):
    result = vessel.exec("sleep", "1000", flags=["--detach", "--pid-file", "exec.pid"], cwd=tmp_path)
    assert result.rc == 0
    pid = int((tmp_path / "exec.pid").read_text())
    assert host.alive(pid)
    assert host.cgroup_of(pid).endswith(vessel.id)

    if vessel.runtime.kind == "runc":  # its own process is still there when its call ends
        host.wait_until(lambda: "init" not in cmdline(pid), "runc's init to execute the program")
    assert cmdline(pid) == "sleep\x001000\x00"


def test_pid_file_without_detach(vessel, tmp_path):
    call = vessel.runtime.spawn("exec", "--pid-file", tmp_path / "p", vessel.id, "sleep", "1000")
    host.wait_until((tmp_path / "p").exists, "the pid file")
    host.wait_until(lambda: (tmp_path / "p").read_text(), "the pid file's content")
    pid = int((tmp_path / "p").read_text())
    host.wait_until(lambda: cmdline(pid) == "sleep\x001000\x00", "the program to be executed")
    host.kill_quietly(pid)
    assert call.wait().rc == 137


def test_detached_exec_ends_with_the_container(vessel, host_unchanged):
    vessel.exec("sleep", "1000", flags=["-d"], check=True)
    vessel.delete("--force")
    host_unchanged()


def test_exec_ends_when_init_ends(vessel):
    call = vessel.runtime.spawn("exec", vessel.id, "/bin/sh", "-c", "echo in; sleep 1000")
    host.wait_until(lambda: "in" in call.out(), "exec to run")
    vessel.kill("KILL")
    assert call.wait().rc == 137


@pytest.mark.parametrize("name", ["TERM", "INT", "USR2"])
def test_signals_are_forwarded(vessel, name):
    call = vessel.runtime.spawn("exec", vessel.id, "/bin/sh", "-c",
                                f'trap "exit 42" {name}; echo ready; while :; do sleep 0.02; done')
    host.wait_until(lambda: "ready" in call.out(), "exec to run")
    call.kill(getattr(signal, "SIG" + name))
    assert call.wait().rc == 42


def test_preserve_fds(vessel, tmp_path):
    (tmp_path / "text").write_text("handed over\n")
    with open(tmp_path / "text") as f:
        result = vessel.exec("/bin/sh", "-c", "cat <&3; ls /proc/self/fd | wc -l", flags=["--preserve-fds=1"],
                             redirect=f"3<&{f.fileno()}", pass_fds=[f.fileno()])
    assert (result.rc, result.out) == (0, "handed over\n5\n")


@lacks("runc", "exec --cgroup wants the child in all eleven hierarchies of a hybrid host", below=None)
@pytest.mark.parametrize("path", ["sub", "/sub", "sub/deep"])
def test_cgroup(vessel, path):
    os.makedirs(host.cgroup_path(f"{vessel.id}/sub/deep"))
    out = vessel.exec("cat", "/proc/self/cgroup", flags=["--cgroup", path], check=True).out
    assert f"0::/{vessel.id}/{path.lstrip('/')}\n" in out


@lacks("runc", "exec goes to the container's own cgroup until the kernel refuses that")
@pytest.mark.parametrize("asked, place", [([], "/inner"), (["--cgroup", "/"], ""), (["--cgroup", "other"], "/other")], ids=str)
def test_cgroup_of_an_init_that_has_moved(container, asked, place):
    """An init that makes cgroups of its own (systemd) wants nobody in the one that they are below."""
    c = container()
    c.bundle.namespace("cgroup").mount("/sys/fs/cgroup", "cgroup", "cgroup", ["nosuid", "noexec", "nodev", "rw"])
    c.bundle.sh("cd /sys/fs/cgroup; [ -e cgroup.procs ] || cd unified; mkdir inner other; echo 1 >inner/cgroup.procs; exec sleep 1000")
    c.up()
    host.wait_until(lambda: host.cgroup_of(c.pid).endswith("/inner"), "init to move")
    assert c.exec("/bin/sh", "-c", "grep ^0:: /proc/self/cgroup", flags=asked, check=True).out == f"0::{place or '/'}\n"


def test_missing_cgroup(vessel, host_unchanged):
    result = vessel.exec("true", flags=["--cgroup", "nowhere"])
    assert result.rc == 255 and "nowhere" in result.err


@pytest.mark.parametrize("path", ["..", "../..", "sub/../..", "/../x"])
def test_cgroup_stays_below_the_containers(vessel, path):
    os.mkdir(host.cgroup_path(f"{vessel.id}/sub"))
    result = vessel.exec("cat", "/proc/self/cgroup", flags=["--cgroup", path])
    assert result.rc == 255, result


@pytest.mark.parametrize("args, words", [
    (["no-such"], ["no-such", "executable file not found in $PATH"]),
    (["/bin/no-such"], ["/bin/no-such", "no such file or directory"]),
    (["/etc/passwd"], ["/etc/passwd", "permission denied"]),
    (["/etc"], ["/etc"]),
    (["/etc/passwd/x"], ["/etc/passwd/x"])], ids=lambda a: a[0].replace("/", "_"))
def test_failing_to_run_is_255(vessel, args, words):
    result = vessel.exec(*args)
    assert result.rc == 255
    assert [w for w in words if w.lower() not in result.err.lower()] == [], result


def test_no_arguments(vessel):
    assert vessel.exec().rc != 0


@pytest.mark.parametrize("cwd", ["relative", "/etc/passwd", "/proc/self/fd/3"])
def test_bad_cwd(vessel, cwd):
    result = vessel.exec("pwd", flags=["--cwd", cwd])
    assert (result.rc, result.out) == (255, "")


def test_a_missing_cwd_is_refused_and_not_made(vessel):
    result = vessel.exec("pwd", flags=["--cwd", "/not/there"])
    assert (result.rc, result.out) == (255, "")
    assert "cwd" in result.err and "/not/there" in result.err
    assert not os.path.exists(vessel.bundle.rootfs + "/not")


def test_a_failing_exec_waits_for_nothing(vessel):
    """Whether the container is ending is looked at, not waited for: the best of several, since the host may be busy."""
    def best(*args, flags=()):
        times = []
        for _ in range(5):
            start = time.monotonic()
            assert vessel.exec(*args, flags=flags).rc == 255
            times.append(time.monotonic() - start)
        return min(times)

    assert best("pwd", flags=["--cwd", "/not/there"]) < best("/not/there") + 0.08


def test_exec_in_a_stopped_container(vessel):
    vessel.kill("KILL")
    vessel.wait_status("stopped")
    result = vessel.exec("true")
    assert result.rc == 255
    assert "stopped" in result.err or "container not running" in result.err


@wherry_only("runc tells what became of its own process")
@pytest.mark.parametrize("end", [("kill", "{}", "KILL"), ("delete", "--force", "{}")], ids=["kill", "delete"])
@pytest.mark.parametrize("moment", ["clone3", "setns", "chdir", "execve: /bin/sleep"])
def test_exec_in_a_container_that_ends_meanwhile(container, late, moment, end):
    """Whatever it keeps from being done: the container has stopped. Nothing else is to blame, the filter neither."""
    c = container()
    c.bundle.set("linux.seccomp", FILTER)
    c.up()
    call = late(moment, "exec", c.id, "/bin/sleep", "1000")
    c.runtime.run(*[word.format(c.id) for word in end], check=True)
    result = call.wait(20)
    assert result.rc == 255 and "container not running" in result.err and "seccomp" not in result.err, result


@wherry_only("runc tells what became of its own process")
def test_exec_in_a_container_that_ends_while_the_process_is_born_in_it(container, late):
    """It has not told yet who it is. Where nobody reaps it, the container's init does not end before the exec does."""
    c = container()
    c.up()
    call = late("prctl", "exec", c.id, "/bin/sleep", "1000", nth=2)
    c.runtime.run("delete", "--force", c.id, check=True)
    result = call.wait(20)
    assert result.rc == 255 and "container not running" in result.err, result


@wherry_only("runc tells nothing")
def test_an_exec_that_is_killed_before_its_program_is_there(container, late):
    """While the container goes on: the signal is what there is to tell."""
    c = container()
    c.bundle.set("linux.seccomp", FILTER)
    pid = c.up()
    call = late("execve: /bin/sleep", "exec", c.id, "/bin/sleep", "1000")
    other, = set(host.processes_in_cgroups(c.id)) - {pid}
    os.kill(other, signal.SIGKILL)
    result = call.wait(20)
    assert result.rc == 255 and "killed by signal 9" in result.err and "seccomp" not in result.err, result
    assert c.status == "running"


def test_exec_in_no_container(runtime):
    result = runtime.run("exec", "nobody", "true")
    assert result.rc == 255
    assert "does not exist" in result.err


def test_exec_in_a_paused_container(vessel):
    vessel.pause()
    result = vessel.exec("true")
    assert result.rc == 255
    assert "paused" in result.err


def test_ignore_paused_waits_for_resume(vessel):
    vessel.pause()
    call = vessel.runtime.spawn("exec", "--ignore-paused", vessel.id, "/bin/sh", "-c", "echo thawed")
    host.wait_until(lambda: not call.running() or len(host.processes_in_cgroups(vessel.id)) > 1, "exec to enter")
    assert call.out() == ""
    vessel.resume()
    result = call.wait()
    assert (result.rc, result.out) == (0, "thawed\n"), result


def test_exec_in_a_created_container(container):
    c = container()
    c.create()
    result = c.exec("/bin/sh", "-c", "echo in; readlink /proc/self/ns/pid")
    assert result.out.splitlines() == ["in", os.readlink(f"/proc/{c.pid}/ns/pid")]
    assert c.status == "created"


def test_many_execs_leave_nothing(vessel):
    for number in range(20):
        assert vessel.exec("/bin/sh", "-c", f"exit {number}").rc == number
    assert len(host.processes_in_cgroups(vessel.id)) == 1


def test_execs_at_once(vessel):
    calls = [vessel.runtime.spawn("exec", vessel.id, "/bin/sh", "-c", f"echo {n}; exit {n}") for n in range(12)]
    assert [(call.wait().rc, call.out()) for call in calls] == [(n, f"{n}\n") for n in range(12)]


@wherry_only("labels need a kernel that has them; without, asking for one is an error")
@pytest.mark.parametrize("flag, where", [("--apparmor", "/sys/kernel/security/apparmor"),
                                         ("--process-label", "/sys/fs/selinux")])
def test_a_label_the_kernel_cannot_set_is_refused(vessel, flag, where):
    if os.path.exists(where):
        pytest.skip(f"{where} exists: the kernel has it")
    result = vessel.exec("true", flags=[flag, "some_label"])
    assert result.rc == 255 and ("label" in result.err.lower() or "apparmor" in result.err.lower()), result
