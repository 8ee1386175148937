"""Hooks: the six kinds, when and where they run, what they are told, and what their failure does."""
import json
import os
import signal
import time

import pytest

import host
from rig import lacks, skip_if, wherry_only

KINDS = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"]
IN_CREATE, RUNTIME = KINDS[:3], ["prestart", "createRuntime", "poststart", "poststop"]


@pytest.fixture
def hooked(container, tmp_path):
    """A container with a helper that adds a hook of a kind: hooked.hook(kind, script) runs a script of the
    host's shell (or the container's, for startContainer)."""
    c = container()
    os.chmod(tmp_path, 0o755)
    c.out = tmp_path / "out"
    c.out.mkdir()
    c.bundle.mount("/out", c.out, "none", ["bind"])

    def hook(kind, script, **more):
        entry = {"path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/usr/bin:/bin"]}
        c.bundle.append(f"hooks.{kind}", dict(entry, **more))
        return c

    c.hook = hook
    c.place = lambda kind: "/out" if kind == "startContainer" else str(c.out)
    c.read = lambda name: (c.out / name).read_text()
    return c


def life(c):
    """The whole life of a container: create, start, kill, delete."""
    c.create()
    c.start()
    c.kill("KILL")
    c.wait_status("stopped")
    c.delete()


@lacks("runc", "runs poststart hooks at the end of create", below=(1, 3, 0))
def test_all_run_in_the_listed_order(hooked):
    for kind in reversed(KINDS):
        for n in (1, 2):
            hooked.hook(kind, f"echo {kind}{n} >> {hooked.place(kind)}/log")
    seen = []
    hooked.create()
    seen.append(hooked.read("log").split())
    hooked.start()
    seen.append(hooked.read("log").split())
    hooked.kill("KILL")
    hooked.wait_status("stopped")
    assert hooked.read("log").split() == seen[1]
    hooked.delete()
    seen.append(hooked.read("log").split())
    names = [k + n for k in KINDS for n in "12"]
    assert seen == [names[:6], names[:10], names]


STATUS = {"prestart": ("creating", "created"), "createRuntime": ("creating", "created"),
          "createContainer": ("creating", "created"), "startContainer": ("created", "starting"),
          "poststart": ("running",), "poststop": ("stopped",)}


@pytest.mark.parametrize("kind", KINDS)
def test_the_state_is_on_stdin(hooked, kind):
    if kind == "poststart":
        skip_if("runc", "runs poststart hooks at the end of create", below=(1, 3, 0))
    hooked.bundle.set("annotations", {"org.example.a": "b"})
    hooked.hook(kind, f"cat > {hooked.place(kind)}/state")
    hooked.create()
    pid = hooked.pid
    hooked.start()
    hooked.kill("KILL")
    hooked.wait_status("stopped")
    hooked.delete()
    state = json.loads(hooked.read("state"))
    assert state["id"] == hooked.id and state["bundle"] == hooked.bundle.path
    assert state["status"] in STATUS[kind] and state["annotations"] == {"org.example.a": "b"}
    assert state["ociVersion"].startswith("1.")
    if kind in ("createContainer", "startContainer"):
        if kind == "createContainer":
            skip_if("runc", "tells the host's pid in the container, too")
        assert state["pid"] == 1  # as seen in the container
    elif kind == "poststop":
        assert state.get("pid", 0) == 0
    else:
        assert state["pid"] == pid


@pytest.mark.parametrize("kind", KINDS)
def test_arguments_and_environment_are_the_documents(hooked, kind):
    script = f'echo "$0|$1|$2" > {hooked.place(kind)}/args; env > {hooked.place(kind)}/env'
    hooked.hook(kind, "", args=["sh", "-c", script, "zero", "x", "a b"], env=["PATH=/usr/bin:/bin", "ONE=1"])
    hooked.create(env={"SECRET": "caller"})
    hooked.start()
    hooked.kill("KILL")
    hooked.wait_status("stopped")
    hooked.delete(env={"SECRET": "caller"})
    assert hooked.read("args") == "zero|x|a b\n"
    names = {line.split("=")[0] for line in hooked.read("env").splitlines()}
    assert {"PATH", "ONE"} <= names <= {"PATH", "ONE", "PWD", "SHLVL", "_", "OLDPWD", "HOME"}


@pytest.mark.parametrize("kind", RUNTIME)
def test_without_an_environment_the_callers_is_not_handed_on(hooked, kind):
    skip_if("runc", "hands its own on")
    hooked.hook(kind, f"/usr/bin/env > {hooked.out}/env", env=None)
    for entry in hooked.bundle.get(f"hooks.{kind}"):
        del entry["env"]
    hooked.create(env={"SECRET": "caller"})
    hooked.runtime.run("start", hooked.id, env={"SECRET": "caller"}, check=True)
    hooked.kill("KILL")
    hooked.wait_status("stopped")
    hooked.delete(env={"SECRET": "caller"})
    assert "SECRET" not in hooked.read("env")


def test_start_container_without_an_environment_gets_the_containers(hooked):
    skip_if("runc", "came with 1.3", below=(1, 3, 0))
    hooked.bundle.set("process.env", ["PATH=/bin", "OF=process"])
    hooked.hook("startContainer", "env > /out/env")
    del hooked.bundle.get("hooks.startContainer")[0]["env"]
    hooked.create()
    hooked.start()
    assert "OF=process" in hooked.read("env").splitlines()


# --- place and time --------------------------------------------------------------------------------------------

LINKS = "for n in mnt net uts ipc pid; do readlink /proc/self/ns/$n; done"


@pytest.mark.parametrize("kind", KINDS)
def test_namespaces(hooked, kind):
    hooked.hook(kind, LINKS + f" > {hooked.place(kind)}/ns")
    hooked.create()
    inside = [os.readlink(f"/proc/{hooked.pid}/ns/{n}") for n in ("mnt", "net", "uts", "ipc", "pid")]
    hooked.start()
    hooked.kill("KILL")
    hooked.wait_status("stopped")
    hooked.delete()
    outside = [os.readlink(f"/proc/self/ns/{n}") for n in ("mnt", "net", "uts", "ipc", "pid")]
    got = hooked.read("ns").split()
    if kind in RUNTIME:
        assert got == outside
    elif kind == "startContainer":
        assert got == inside
    else:  # createContainer: before pivot_root /proc is the host's, which has no self for a new pid namespace
        assert got[:4] == inside[:4] or got == []


def test_prestart_and_create_runtime_see_namespaces_but_no_mounts(hooked):
    for kind in ("prestart", "createRuntime"):
        hooked.hook(kind, f"pid=$(sed -n 's/.*\"pid\": *\\([0-9]*\\).*/\\1/p' | head -1); "
                          f"readlink /proc/$pid/ns/net > {hooked.out}/{kind}; "
                          f"grep -c ' /dev/mqueue ' /proc/$pid/mountinfo >> {hooked.out}/{kind}; exit 0")
    hooked.create()
    for kind in ("prestart", "createRuntime"):
        link = hooked.read(kind).split()[0]
        assert link == os.readlink(f"/proc/{hooked.pid}/ns/net") != os.readlink("/proc/self/ns/net")


def test_create_container_runs_before_pivot_root_in_the_mount_namespace(hooked):
    """It sees the host's files and, below the root file system, the container's mounts."""
    out = hooked.out
    hooked.hook("createContainer", f"ls -d / /usr > {out}/ls; "
                                   f"grep -c '{hooked.bundle.rootfs}/dev/mqueue' /proc/mounts > {out}/mounts; "
                                   f"hostname > {out}/name")
    hooked.create()
    assert hooked.read("ls").split() == ["/", "/usr"]
    assert hooked.read("mounts").strip() != "0" and hooked.read("name") in ("vessel\n", os.uname().nodename + "\n")


def test_start_container_runs_in_the_container_just_before_the_program(hooked):
    hooked.hook("startContainer", "pwd > /out/cwd; hostname > /out/name; cat /proc/1/comm > /out/comm; "
                                  "tr '\\0' ' ' < /proc/1/cmdline > /out/cmdline; ls / > /out/ls")
    hooked.create()
    assert not (hooked.out / "cwd").exists()
    hooked.start()
    assert hooked.read("name") == "vessel\n" and "busybox" not in hooked.read("comm")
    assert not hooked.read("cmdline").startswith("sleep")
    assert hooked.read("ls").split() == sorted(os.listdir(hooked.bundle.rootfs))


def test_poststart_runs_when_the_program_is_there(hooked):
    hooked.hook("poststart", "pid=$(sed -n 's/.*\"pid\": *\\([0-9]*\\).*/\\1/p' | head -1); "
                             f"tr '\\0' ' ' < /proc/$pid/cmdline > {hooked.out}/cmdline")
    skip_if("runc", "runs it without waiting for the program's exec", below=(1, 6, 0))
    hooked.create()
    hooked.start()
    assert hooked.read("cmdline") == "sleep 1000 "


def test_poststop_runs_when_all_is_gone(hooked):
    hooked.hook("poststop", f"ls -d {host.cgroup_path(hooked.id)} > {hooked.out}/cgroup; exit 0")
    life(hooked)
    assert hooked.read("cgroup") == ""


# --- failures ----------------------------------------------------------------------------------------------------

MISSING = {"path": "/no/such/hook"}


@pytest.mark.parametrize("kind", IN_CREATE)
@pytest.mark.parametrize("how", ["exit 3", "kill -9 $$", "missing"])
def test_a_failing_hook_of_create_stops_it(hooked, kind, how):
    hooked.hook(kind, f"echo first >> {hooked.out}/log")
    hooked.hook(kind, "echo 'why it failed' >&2; " + how, **(MISSING if how == "missing" else {}))
    hooked.hook(kind, f"echo third >> {hooked.out}/log")
    hooked.hook("poststop", f"echo poststop >> {hooked.out}/log")
    result = hooked.create(check=False)
    assert result.rc == 1 and hooked.state() is None
    assert hooked.read("log").split()[0] == "first" and "third" not in hooked.read("log")
    if hooked.runtime.kind == "wherry":
        assert f"hooks.{kind}[1]" in result.err or kind in result.err
    assert not host.processes_in_cgroups(hooked.id) and not host.cgroup_dirs(hooked.id)


@pytest.mark.parametrize("more", [{}, MISSING], ids=["fails", "missing"])
def test_a_failing_start_container_hook_keeps_the_program_from_running(hooked, more):
    hooked.bundle.sh("touch /out/ran; sleep 1000")
    hooked.hook("startContainer", "exit 4", **more)
    hooked.create()
    result = hooked.start(check=False)
    skip_if("runc", "its start does not hear of it", below=(1, 3, 0))
    assert result.rc == 1 and "startContainer" in result.err
    assert not (hooked.out / "ran").exists()


@pytest.mark.parametrize("more", [{}, MISSING], ids=["fails", "missing"])
@lacks("runc", "its start only warns", below=(1, 3, 0))
def test_a_failing_poststart_hook_destroys(hooked, more):
    hooked.hook("poststart", "exit 5", **more)
    hooked.hook("poststart", f"touch {hooked.out}/second")
    hooked.create()
    pid = hooked.pid
    result = hooked.start(check=False)
    assert result.rc == 1 and "poststart" in result.err
    host.wait_gone(pid)
    assert not (hooked.out / "second").exists()
    assert hooked.status in (None, "stopped")


@lacks("runc", "stops at the first that fails", below=(1, 3, 0))
@pytest.mark.parametrize("more", [{}, MISSING], ids=["fails", "missing"])
def test_a_failing_poststop_hook_is_a_warning_and_the_others_run(hooked, more):
    hooked.hook("poststop", "exit 6", **more)
    hooked.hook("poststop", f"touch {hooked.out}/second")
    hooked.create()
    hooked.start()
    hooked.kill("KILL")
    hooked.wait_status("stopped")
    result = hooked.delete()
    assert "hook" in result.err.lower()
    assert (hooked.out / "second").exists() and hooked.state() is None


def sleepers(marker):
    """The live processes that sleep for a number of seconds that is told from all others."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/cmdline") as f:
                if f.read() == f"sleep\0{marker}\0" and host.alive(int(entry)):
                    found.append(int(entry))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


@lacks("runc", "waits for the grandchild, whatever the timeout")
@pytest.mark.parametrize("kind", IN_CREATE + ["poststart"])
def test_a_hook_that_hangs_is_ended_with_its_children(hooked, kind):
    """A grandchild holds the standard streams: no reason to wait for it."""
    marker = f"7{os.getpid()}"
    hooked.hook(kind, f"sleep {marker} & sleep {marker}", timeout=1)
    begin = time.monotonic()
    if kind == "poststart":
        hooked.create()
        result = hooked.start(check=False, timeout=15)
    else:
        result = hooked.create(check=False, timeout=15)
    assert result.rc == 1 and 0.9 < time.monotonic() - begin < 8
    assert kind in result.err and "timeout" in result.err
    host.wait_until(lambda: not sleepers(marker), "the grandchild's end", 5)


@lacks("runc", "waits for the grandchild, whatever the timeout")
@pytest.mark.parametrize("kind", KINDS)
def test_a_hook_that_hangs_is_ended_with_its_daemons(hooked, kind):
    """A daemon has a session of its own and a parent that has gone: nothing of a hook outlives its timeout."""
    marker = f"8{os.getpid()}"
    script = f"(setsid sh -c 'sleep {marker} & sleep {marker}' &); sleep {marker}"
    if kind == "startContainer":  # in there everything is busybox's
        script = script.replace("setsid", "busybox setsid")
        hooked.bundle.share_pid_namespace()  # the end of its own would be the daemon's
    hooked.hook(kind, script, timeout=1)
    if kind in IN_CREATE:
        assert hooked.create(check=False).rc == 1
    elif kind == "poststop":
        life(hooked)
    else:
        hooked.create()
        assert hooked.start(check=False).rc == 1
    host.wait_until(lambda: not sleepers(marker), "the daemons' end", 5)


def test_a_daemon_that_a_hook_leaves_behind_lives(hooked):
    marker = f"9{os.getpid()}"
    hooked.hook("createRuntime", f"(setsid sleep {marker} >/dev/null 2>&1 &)", timeout=20)
    hooked.create()
    host.wait_until(lambda: sleepers(marker), "the daemon, which may still be on its way to its program", 5)
    assert len(sleepers(marker)) == 1
    host.kill_quietly(sleepers(marker)[0])


@wherry_only("runc blocks what it will forward")
def test_a_signal_to_run_while_init_is_silent(hooked):
    """Signals are caught for the program already, which there is none of yet: run gives up, and ends of it."""
    marker = f"4{os.getpid()}"
    hooked.hook("createContainer", f"sleep {marker}")
    run = hooked.spawn()
    host.wait_until(lambda: sleepers(marker), "the hook to run")
    run.kill(signal.SIGTERM)
    assert run.wait().rc == -signal.SIGTERM
    assert hooked.state() is None
    host.wait_until(lambda: not sleepers(marker), "the hook's end")


@pytest.mark.parametrize("sig", ["TERM", "INT", "HUP"])
@wherry_only("a signal to it ends runc, and leaves the hook running")
def test_a_signal_during_a_hook_undoes_create(hooked, sig):
    marker = f"6{os.getpid()}"
    hooked.hook("createRuntime", f"sleep {marker}")
    hooked.hook("poststop", f"touch {hooked.out}/poststop")
    create = hooked.spawn(verb="create")
    host.wait_until(lambda: sleepers(marker), "the hook to run")
    create.kill(getattr(signal, "SIG" + sig))
    result = create.wait()
    assert result.rc == 1 and "hooks.createRuntime[0]" in result.err, result
    assert f"received signal {int(getattr(signal, 'SIG' + sig))}" in result.err
    assert not sleepers(marker) and hooked.state() is None
    assert (hooked.out / "poststop").exists()


@lacks("runc", "waits for the grandchild, whatever the timeout")
def test_a_poststop_hook_that_hangs_is_a_warning(hooked):
    hooked.hook("poststop", "sleep 600", timeout=1)
    hooked.hook("poststop", f"touch {hooked.out}/second")
    life(hooked)
    assert (hooked.out / "second").exists() and hooked.state() is None


def test_a_hook_that_does_not_read_its_stdin(hooked):
    hooked.bundle.set("annotations", {f"org.example.{n}": "x" * 4000 for n in range(60)})
    hooked.hook("createRuntime", "exec 0<&-; sleep 0.1; exit 0")
    hooked.create()
    assert hooked.status == "created"


def test_a_poststart_hook_that_talks_is_no_obstacle(hooked):
    hooked.hook("poststart", "head -c 300000 /dev/zero; echo done >&2")
    hooked.create()
    hooked.start(timeout=10)
    assert hooked.status == "running"


@pytest.mark.parametrize("timeout", [0, -1])
def test_a_timeout_that_is_not_positive_is_refused(hooked, timeout):
    skip_if("runc", "takes it for none", below=(1, 4, 0))
    hooked.hook("prestart", "true", timeout=timeout)
    result = hooked.create(check=False)
    assert result.rc == 1 and "timeout" in result.err


@pytest.mark.parametrize("kind", RUNTIME)
def test_hooks_of_the_runtime_run_in_the_bundle(hooked, kind):
    if kind in RUNTIME[2:]:
        skip_if("runc", "runs the later hooks in the caller's directory")
    hooked.hook(kind, f"pwd > {hooked.place(kind)}/cwd")
    life(hooked)
    assert hooked.read("cwd").strip() == os.path.realpath(hooked.bundle.path)
