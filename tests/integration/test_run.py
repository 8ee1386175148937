"""run: the program's streams and exit status, signals, and run's own flags."""
import os
import signal
import subprocess

import pytest

import host
import rig
from rig import wherry_only


@pytest.mark.parametrize("status", [0, 1, 7, 126, 127, 255])
def test_exit_status_is_the_programs(container, status):
    c = container()
    c.bundle.sh(f"exit {status}")
    assert c.run().rc == status


@pytest.mark.parametrize("name", ["TERM", "KILL", "SEGV", "INT", "HUP", "ABRT"])
def test_death_by_signal_is_128_and_its_number(container, name):
    c = container()
    # not pid 1 of a namespace, which its own signals do not reach
    c.bundle.share_pid_namespace().sh(f"kill -{name} $$; sleep 5")
    assert c.run().rc == 128 + getattr(signal, "SIG" + name)


def test_init_killed_from_outside(runtime, container):
    c = container()
    call = c.spawn()
    c.wait_status("running")
    c.kill("KILL")
    assert call.wait().rc == 137


def test_streams_are_the_callers(container):
    c = container()
    c.bundle.sh("cat; echo problem >&2")
    result = c.run(input="typed\n")
    assert (result.rc, result.out, result.err) == (0, "typed\n", "problem\n")


def test_streams_carry_any_bytes(container, tmp_path):
    c = container()
    data = bytes(range(256)) * 4096
    c.bundle.args("cat")
    with open(tmp_path / "in", "wb+") as source, open(tmp_path / "out", "wb+") as sink:
        source.write(data)
        source.seek(0)
        assert c.run(stdin=source, stdout=sink).rc == 0
        sink.seek(0)
        assert sink.read() == data


def test_nothing_is_left_after_run(runtime, container, host_unchanged):
    c = container()
    c.bundle.args("true")
    assert c.run().rc == 0
    assert c.state() is None
    host_unchanged()


def test_a_failed_program_leaves_nothing_either(container, host_unchanged):
    c = container()
    c.bundle.sh("exit 3")
    assert c.run().rc == 3
    assert c.state() is None
    host_unchanged()


def test_what_the_program_left_running_ends_with_it(container, host_unchanged):
    rig.skip_if_leaves_cgroups()
    c = container()
    c.bundle.share_pid_namespace().sh("sleep 1000 & exit 0")
    assert c.run().rc == 0
    host_unchanged()


def test_keep_leaves_a_stopped_container(container):
    c = container()
    c.bundle.sh("exit 4")
    assert c.run("--keep").rc == 4
    assert c.status == "stopped"
    c.delete()
    assert c.state() is None


def test_detach_returns_with_the_program_running(container):
    c = container()
    c.bundle.sh("echo up; sleep 1000")
    assert c.run("--detach").rc == 0
    assert c.status == "running"
    c.wait_stdout("up\n")


@pytest.mark.parametrize("flags", [["-d"], ["--detach"], ["--detach=true"], ["-detach"]], ids=lambda f: f[0])
def test_forms_of_detach(container, flags):
    c = container()
    assert c.run(*flags).rc == 0
    assert c.status == "running"


def test_detached_output_goes_to_the_callers_streams(container):
    c = container()
    c.bundle.sh("echo out; echo err >&2; sleep 1000")
    c.run("-d", check=True)
    c.wait_stdout("out\n")
    host.wait_until(lambda: "err\n" in c.stderr(), "the container's stderr")


def test_detached_exit_status_reaches_the_reaper(container):
    c = container()
    c.bundle.sh("read line; exit 9")
    reader, writer = os.pipe()
    with os.fdopen(reader), os.fdopen(writer, "w") as hand:
        c.run("-d", stdin=reader, check=True)
        pid = c.pid
        hand.write("go\n")
        hand.flush()
        host.wait_gone(pid)
    assert os.waitstatus_to_exitcode(host.reaped[pid]) == 9
    assert c.status == "stopped"


def test_detach_with_pid_file(container, tmp_path):
    c = container()
    c.run("-d", "--pid-file", str(tmp_path / "p"), check=True)
    assert int((tmp_path / "p").read_text()) == c.pid


@wherry_only("--config is crun's, not runc's")
@pytest.mark.parametrize("flag", ["--config", "-f"])
def test_another_document(container, tmp_path, flag):
    c = container()
    c.bundle.sh("echo from the other").write()
    os.rename(c.bundle.config_file, tmp_path / "other.json")
    c.bundle.sh("echo from config.json")
    result = c.run(flag, "other.json", cwd=tmp_path)
    assert (result.rc, result.out) == (0, "from the other\n"), result


@pytest.mark.parametrize("flag", ["--no-subreaper", "-no-subreaper"])
def test_no_subreaper_is_accepted_with_one_dash_or_two(container, flag):
    c = container()
    c.bundle.sh("echo ran")
    result = c.run(flag)
    assert (result.rc, result.out) == (0, "ran\n")


@pytest.mark.parametrize("flags, takes", [([], True), (["--no-subreaper"], False)], ids=["by default", "no-subreaper"])
def test_who_takes_in_orphans(container, flags, takes):
    """Seen where the container has no pid namespace, whose init would take them."""
    c = container()
    c.bundle.share_pid_namespace().sh("(sleep 1001 &); echo ready; read end")
    call = c.spawn(*flags, stdin=subprocess.PIPE)
    host.wait_until(lambda: call.out() == "ready\n", "the orphan")
    orphan, = (pid for pid in host.processes_in_cgroups(c.id) if pid != c.pid)
    assert (int(host.proc_status(orphan, "PPid")) == call.popen.pid) is takes
    c.kill("KILL", flags=["--all"])
    call.wait()


@pytest.mark.parametrize("verb", ["run", "exec"])
def test_pid_file_in_a_missing_directory(container, tmp_path, verb):
    c = container()
    c.up() if verb == "exec" else c.bundle.args("true")
    flags = ["--pid-file", str(tmp_path / "missing" / "p")]
    result = c.exec("touch", "/ran", flags=flags) if verb == "exec" else c.run(*flags)
    assert result.rc in (1, 255) and str(tmp_path / "missing") in result.err, result
    assert (c.status == "running" and host.processes_in_cgroups(c.id) == [c.pid]) if verb == "exec" else c.state() is None


@pytest.mark.parametrize("name", ["TERM", "INT", "HUP", "USR1", "QUIT"])
def test_signals_are_forwarded_to_the_program(container, name):
    c = container()
    c.bundle.sh(f'trap "echo got {name}; exit 42" {name}; echo ready; while :; do sleep 0.02; done')
    call = c.spawn()
    c.wait_stdout("ready\n")
    call.kill(getattr(signal, "SIG" + name))
    result = call.wait()
    assert (result.rc, result.out) == (42, f"ready\ngot {name}\n")


def test_environment_is_the_documents(container):
    c = container()
    c.bundle.set("process.env", ["PATH=/bin", "A=1", "B=two words", "A=last"]).args("/bin/env")
    result = c.run(env={"SECRET": "x"})
    assert sorted(result.out.splitlines()) == ["A=last", "B=two words", "HOME=/root", "PATH=/bin"]


@pytest.mark.parametrize("uid, env, home", [
    (0, [], "/root"), (1000, [], "/home/user"), (1000, ["HOME="], "/home/user"), (0, ["HOME=/x"], "/x"),
    (4321, [], "/")], ids=["root", "user", "empty", "given", "unknown"])
def test_home_comes_from_the_containers_passwd(container, uid, env, home):
    c = container()
    c.bundle.set("process.env", ["PATH=/bin"] + env).set("process.user.uid", uid).sh("echo $HOME")
    assert c.run().out == home + "\n"


def test_program_is_looked_up_in_the_containers_path(container):
    c = container()
    c.bundle.file("opt/tools/greet", "#!/bin/sh\necho hello $1\n", 0o755)
    c.bundle.set("process.env", ["PATH=/nowhere:/opt/tools:/bin"]).args("greet", "sailor")
    assert c.run().out == "hello sailor\n"


def test_working_directory(container):
    c = container()
    c.bundle.set("process.cwd", "/home/user").args("pwd")
    assert c.run().out == "/home/user\n"


def test_a_missing_working_directory_is_made(container):
    c = container()
    c.bundle.set("process.cwd", "/srv/app").args("pwd")
    assert c.run().out == "/srv/app\n"


@pytest.mark.parametrize("flags", [[], ["--detach"]], ids=["foreground", "detach"])
def test_a_missing_program_leaves_nothing(container, host_unchanged, flags):
    c = container()
    c.bundle.args("no-such-program")
    result = c.run(*flags)
    assert result.rc == 1
    assert 'executable file not found in $PATH' in result.err
    assert c.state() is None
    host_unchanged()


@wherry_only("no config.json is needed")
class TestRootfsOption:
    """run --rootfs DIR ID [--] CMD..."""

    @pytest.mark.parametrize("dashes", [[], ["--"]], ids=["plain", "dashes"])
    def test_runs_a_command_in_a_directory(self, runtime, bundle, host_unchanged, dashes):
        b = bundle()
        result = runtime.run("run", "--rootfs", b.rootfs, b.id, *dashes, "/bin/sh", "-c",
                             "echo $0 $1; pwd; hostname; exit 6", "a", "--keep")
        assert (result.rc, result.out.splitlines()[:2]) == (6, ["a --keep", "/"]), result
        host_unchanged()

    def test_relative_directory(self, runtime, bundle):
        b = bundle()
        result = runtime.run("run", "--rootfs", "rootfs", b.id, "--", "/bin/cat", "/etc/passwd", cwd=b.path)
        assert (result.rc, result.out) == (0, open(b.rootfs + "/etc/passwd").read())

    def test_is_as_isolated_as_the_default_spec(self, runtime, bundle):
        b = bundle()
        script = "for s in pid mnt net ipc uts; do readlink /proc/self/ns/$s; done; grep NoNewPrivs /proc/self/status"
        result = runtime.run("run", "--rootfs", b.rootfs, b.id, "--", "/bin/sh", "-c", script)
        *spaces, nnp = result.out.splitlines()
        assert spaces and all(s != os.readlink("/proc/self/ns/" + s.split(":")[0]) for s in spaces)
        assert nnp.split() == ["NoNewPrivs:", "1"]

    def test_missing_directory(self, runtime, bundle, host_unchanged):
        b = bundle()
        result = runtime.run("run", "--rootfs", b.path + "/nowhere", b.id, "--", "true")
        assert result.rc == 1 and "nowhere" in result.err
        host_unchanged()

    def test_no_command_runs_a_shell_or_says_what_is_missing(self, runtime, bundle, host_unchanged):
        b = bundle()
        result = runtime.run("run", "--rootfs", b.rootfs, b.id, input="echo from-sh\n")
        assert result.out == "from-sh\n" or (result.rc != 0 and result.err), result
        host_unchanged()
