"""What CRI-O, conmon, Podman, BuildKit and containerd's shim send and expect, form by form, where no recorded call covers it."""
import json
import os
import re
import subprocess

import pytest

import host
from console import ConsoleSocket
from rig import wherry_only

CRIO = {"CRI_O_EXTERNAL": "1"}
LIMITS = [("pids", "pids.max", "TasksMax", 77), ("memory", "memory.max", "MemoryMax", 134217728)]
"""A controller, its file, what systemd calls it, and a value; those that are on the host's v2 tree are tested."""


@pytest.fixture
def log(tmp_path):
    return tmp_path / "log.json"


def process_file(tmp_path, *args, **more):
    path = tmp_path / "process.json"
    path.write_text(json.dumps({"terminal": False, "user": {"uid": 0, "gid": 0}, "args": list(args), "cwd": "/",
                                "env": ["PATH=/bin"], **more}))
    return str(path)


# --- CRI-O ---------------------------------------------------------------------------------------------------------

def test_crio_direct_calls(container, tmp_path):
    c = container()
    c.create("--pid-file", str(tmp_path / "pid"), env=CRIO)
    c.runtime.run("start", c.id, env=CRIO, check=True)
    state = c.runtime.run("state", c.id, env=CRIO, check=True).json()
    assert state["status"] == "running" and state["pid"] == int((tmp_path / "pid").read_text())
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", state["created"]) and state["bundle"] == c.bundle.path
    c.runtime.run("pause", c.id, env=CRIO, check=True)
    c.runtime.run("resume", c.id, env=CRIO, check=True)
    c.runtime.run("update", "--resources", "-", c.id, input="{}", env=CRIO, check=True)
    c.runtime.run("kill", c.id, "KILL", env=CRIO, check=True)
    c.wait_status("stopped")
    c.runtime.run("delete", "--force", c.id, env=CRIO, check=True)
    c.runtime.run("delete", "--force", c.id, env=CRIO, check=True)


@pytest.mark.skipif(not os.path.isdir("/run/systemd/system"), reason="systemd does not run here: the lab's suite contract has it")
def test_crio_names_the_manager_only_at_create(container, tmp_path):
    """update comes without --systemd-cgroup, and exec by conmon, too: the state remembers."""
    c = container()
    c.bundle.set("linux.cgroupsPath", f"system.slice:crio:{c.id}")
    c.create("--pid-file", str(tmp_path / "pid"), options=["--systemd-cgroup"], env=CRIO)
    for verb, status in (("start", "running"), ("pause", "paused"), ("resume", "running")):
        c.runtime.run("--systemd-cgroup", verb, c.id, env=CRIO, check=True)
        state = c.runtime.run("--systemd-cgroup", "state", c.id, env=CRIO, check=True).json()
        assert (state["id"], state["status"]) == (c.id, status)
    cgroup = host.cgroup_of(c.pid)
    assert cgroup == f"/system.slice/crio-{c.id}.scope"
    with open(host.cgroup_path("cgroup.controllers")) as f:
        controllers = f.read().split()
    there = [row for row in LIMITS if row[0] in controllers]
    c.runtime.run("update", "--resources", "-", c.id, input=json.dumps({name: {"limit": value} for name, _, _, value in there}), env=CRIO,
                  check=True)
    for _, file, unit_property, value in there:
        with open(os.path.join(host.cgroup_path(cgroup), file)) as f:
            assert f.read().strip() == str(value)
        shown = subprocess.run(["systemctl", "show", "-p", unit_property, f"crio-{c.id}.scope"], capture_output=True, text=True, check=True)
        assert shown.stdout.strip() == f"{unit_property}={value}"
    c.runtime.run("exec", "--process", process_file(tmp_path, "sleep", "1000"), "--detach", "--pid-file", str(tmp_path / "x.pid"), c.id,
                  check=True)
    assert host.cgroup_of((tmp_path / "x.pid").read_text()) == cgroup
    c.runtime.run("kill", c.id, "KILL", env=CRIO, check=True)
    c.wait_status("stopped")
    c.runtime.run("delete", "--force", c.id, env=CRIO, check=True)
    assert not os.path.exists(host.cgroup_path(cgroup))


@pytest.mark.parametrize("flags, signal", [([], "15"), ([], "KILL"), ([], "SIGKILL"), (["-a"], "9"), (["--all"], "9")])
def test_signals_as_engines_name_them(container, flags, signal):
    c = container()
    c.bundle.sh("trap 'exit 0' TERM; while :; do sleep 0.1; done")
    c.up()
    host.wait_until(lambda: host.proc_status(c.pid, "SigCgt") != "0000000000000000", "the trap")
    c.runtime.run("kill", *flags, c.id, signal, check=True)
    c.wait_status("stopped")


def test_a_signal_to_every_process(container, tmp_path):
    c = container()
    script = "trap 'echo %s' TERM; echo up; while :; do sleep 0.1; done"
    c.bundle.sh(script % "init")
    c.up()
    beside = c.runtime.spawn("exec", "--process", process_file(tmp_path, "sh", "-c", script % "beside"), c.id)
    host.wait_until(lambda: c.stdout() == beside.out() == "up\n", "the traps")
    c.runtime.run("kill", "-a", c.id, "15", env=CRIO, check=True)
    host.wait_until(lambda: (c.stdout(), beside.out()) == ("up\ninit\n", "up\nbeside\n"), "both to be told")


def test_crio_exec_is_attached(container, tmp_path):
    c = container()
    c.up()
    path = process_file(tmp_path, "sh", "-c", "cat; echo err >&2; exit 7")
    result = c.runtime.run("exec", "--process", path, c.id, input="through")
    assert (result.rc, result.out, result.err) == (7, "through", "err\n")


def test_features_are_json_and_nothing_else(runtime):
    result = runtime.run("features", root=False, check=True)
    assert result.err == "", "CRI-O reads both together"
    json.loads(result.out)


@pytest.mark.parametrize("verb", [["kill", "ID", "9"], ["kill", "--all", "ID", "9"], ["kill", "-a", "ID", "9"],
                                  ["kill", "ID", "15"]], ids=" ".join)
def test_a_signal_to_a_container_that_has_ended(container, log, verb):
    c = container()
    c.bundle.args("true")
    c.up()
    c.wait_status("stopped")
    result = c.runtime.run(*[c.id if word == "ID" else word for word in verb], options=["--log", str(log), "--log-format", "json"])
    if len(verb) == 4 and result.ok:
        return  # runc from 1.2 on: nobody to signal is no error then
    text = json.loads(log.read_text())["msg"]
    assert any(known in text.lower() for known in ("container not running", "no such process", "process already finished")), text
    assert any(known in result.err.lower() for known in ("container not running", "no such process", "process already finished"))


# --- conmon ----------------------------------------------------------------------------------------------------------

def test_conmon_create_with_a_terminal(container, tmp_path):
    c = container()
    c.bundle.set("process.terminal", True).sh("tty; exec sleep 1000")
    console = ConsoleSocket(tmp_path / "console")
    c.create("--pid-file", str(tmp_path / "pidfile"), "--no-pivot", "--no-new-keyring", "--console-socket", console.path,
             options=["--log-format=json", "--log", str(tmp_path / "oci-log")])
    payload, fds, terminal = console.receive()
    assert payload, "conmon takes an empty message for none"
    c.start()
    terminal.read_until("/dev/pts/")
    terminal.close()
    console.close()


def test_conmon_has_the_root_in_one_word(container, tmp_path):
    """As it does for CRI-O: --runtime-arg --root=R."""
    c = container()
    c.bundle.write()
    root, pid_file = f"--root={c.runtime.root}", tmp_path / "pidfile"
    c.runtime.run(root, "create", "--bundle", c.bundle.path, "--pid-file", str(pid_file), c.id, root=False, check=True)
    assert c.status == "created" and int(pid_file.read_text()) == c.pid
    c.start()
    beside = c.runtime.spawn(root, "exec", "--pid-file", str(tmp_path / "x.pid"), "--process", process_file(tmp_path, "echo", "beside"),
                             "--detach", c.id, root=False)
    assert beside.wait().ok and int((tmp_path / "x.pid").read_text()) not in (0, c.pid)
    host.wait_until(lambda: beside.out() == "beside\n", "the output of exec")


def test_conmon_reads_the_cause_from_standard_error(container):
    c = container()
    c.bundle.args("no-such-program")
    result = c.create(check=False)
    assert result.rc == 1 and "no-such-program" in result.err and len(result.err) < 4096


def test_conmon_notices_a_failed_exec_by_the_missing_pid_file(container, tmp_path):
    c = container()
    c.up()
    pid_file = tmp_path / "exec.pid"
    result = c.runtime.run("exec", "--pid-file", str(pid_file), "--process", process_file(tmp_path, "no-such-program"), "--detach", c.id)
    assert result.rc != 0 and not pid_file.exists()


def test_preserve_fds_as_podman_passes_them(container, tmp_path):
    c = container()
    c.bundle.args("cat", "/proc/self/fd/3")
    (tmp_path / "given").write_text("given\n")
    c.bundle.write()
    result = c.runtime.run("run", "--preserve-fds", "1", "--bundle", c.bundle.path, c.id, redirect=f"3<{tmp_path}/given")
    assert result.out == "given\n"


# --- BuildKit ------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("rootless", [[], ["--rootless=true"]], ids=["root", "rootless"])
def test_buildkit_runs_and_keeps(container, log, tmp_path, rootless):
    """A RUN step: run --keep in the foreground, a second process beside it, then delete."""
    c = container()
    c.bundle.sh("read word; echo built $word; exit 4")
    options = ["--log", str(log), "--log-format", "json", *rootless]
    c.bundle.write()
    step = c.runtime.spawn("run", "--bundle", c.bundle.path, "--no-pivot", "--keep", c.id, options=options, stdin=subprocess.PIPE)
    host.wait_until(lambda: c.status == "running", "the step to run")
    path = process_file(tmp_path, "sh", "-c", "echo beside; exit 5")
    beside = c.runtime.run("exec", "--process", path, "--pid-file", str(tmp_path / "pidfile"), c.id, options=options)
    assert (beside.rc, beside.out) == (5, "beside\n") and int((tmp_path / "pidfile").read_text()) > 0
    step.popen.stdin.write(b"it\n")
    step.popen.stdin.close()
    result = step.wait()
    assert (result.rc, result.out) == (4, "built it\n") and c.status == "stopped"
    c.runtime.run("delete", c.id, options=options, check=True)
    assert c.state() is None and (not log.exists() or log.read_text() == "")


def test_buildkit_gives_a_name_in_systemds_form_without_asking_for_systemd(container, runtime, log):
    """What it does where Docker's cgroup driver is systemd: the text is a directory's name then, as runc takes it."""
    c = container()
    name = f"system.slice:docker:{c.id}"
    c.bundle.set("linux.cgroupsPath", name)
    c.bundle.write()
    step = c.runtime.spawn("run", "--bundle", c.bundle.path, "--no-pivot", "--keep", c.id,
                           options=["--log", str(log), "--log-format", "json"])
    host.wait_until(lambda: c.status == "running", "the step to run")
    with open(f"/proc/{c.pid}/cgroup") as f:
        assert re.search(f"(?m)/{re.escape(name)}$", f.read()), "of any version: runc takes a hybrid host's version 1"
    c.runtime.run("kill", c.id, "9", check=True)
    result = step.wait()
    assert (result.rc, result.err) == (137, "")
    c.runtime.run("delete", c.id, check=True)
    assert host.cgroup_dirs(c.id) == []
    assert not log.exists() or log.read_text() == ""


def test_buildkit_kills_a_step(container):
    c = container()
    step = c.spawn("--keep")
    host.wait_until(lambda: c.status == "running", "the step to run")
    c.runtime.run("kill", c.id, "9", check=True)
    assert step.wait().rc == 137
    c.runtime.run("delete", c.id, check=True)


# --- containerd's shim -------------------------------------------------------------------------------------------------

def test_the_log_is_a_stream_of_objects_whose_last_error_counts(container, log):
    c = container()
    c.bundle.args("no-such-program")
    c.create(check=False, options=["--log", str(log), "--log-format", "json"])
    errors = [entry for entry in map(json.loads, log.read_text().splitlines()) if entry["level"] == "error"]
    assert "executable file not found in $PATH" in errors[-1]["msg"]


@wherry_only("Podman decodes the whole log as one document")
def test_the_log_is_one_object(container, log):
    c = container()
    c.bundle.args("no-such-program")
    c.create(check=False, options=["--log", str(log), "--log-format", "json"])
    assert set(json.loads(log.read_text())) == {"level", "msg", "time"}


def test_a_call_without_trouble_leaves_no_log(container, log):
    c = container()
    options = ["--log", str(log), "--log-format", "json"]
    c.create(options=options)
    for words in (["start", c.id], ["ps", "--format", "json", c.id], ["pause", c.id], ["resume", c.id], ["kill", c.id, "9"]):
        c.runtime.run(*words, options=options, check=True)
    c.wait_status("stopped")
    c.runtime.run("delete", c.id, options=options, check=True)
    assert not log.exists() or log.read_text() == ""


@pytest.mark.parametrize("verb", ["state", "start", "kill", "pause", "resume", "ps", "exec", "update", "delete"])
def test_what_the_shim_matches_for_a_container_that_is_not_there(runtime, log, verb):
    words = {"kill": ["nobody", "9"], "exec": ["nobody", "true"], "update": ["--resources=-", "nobody"]}.get(verb, ["nobody"])
    result = runtime.run(verb, *words, options=["--log", str(log), "--log-format", "json"], input="{}")
    assert result.rc != 0 and "does not exist" in json.loads(log.read_text())["msg"]


def test_pid_files_are_numbers(container, tmp_path):
    c = container()
    c.create("--pid-file", str(tmp_path / "init.pid"))
    c.start()
    c.runtime.run("exec", "--process", process_file(tmp_path, "sleep", "1000"), "--detach", "--pid-file", str(tmp_path / "x.pid"), c.id, check=True)
    pids = [int((tmp_path / name).read_text()) for name in ("init.pid", "x.pid")]
    assert pids[0] == c.pid and sorted(c.runtime.run("ps", "--format", "json", c.id).json()) == sorted(pids)
    assert all(os.path.exists(f"/proc/{pid}") for pid in pids)


# --- exit statuses that Docker and Podman make of the words -------------------------------------------------------------

DOCKER_126 = ("permission denied", "is a directory")
DOCKER_127 = ("not a directory", "executable file not found", "no such file or directory")


@pytest.mark.parametrize("args, words", [(["no-such-program"], DOCKER_127), (["/no/such/program"], DOCKER_127),
                                         (["/etc/passwd"], DOCKER_126), (["/etc"], DOCKER_126)], ids=lambda a: a[0])
def test_words_for_a_program_that_does_not_start(container, args, words):
    c = container()
    c.bundle.args(*args)
    assert any(word in c.create(check=False).err.lower() for word in words)


@wherry_only("an internal missing file must not look like a missing command")
@pytest.mark.parametrize("break_it", [
    lambda b: b.mount("/x", "/no/such/source", options=["bind"]), lambda b: b.set("root.path", "nowhere"),
    lambda b: b.namespace("network", "/no/such/namespace"),
    lambda b: b.set("linux.sysctl", {"net.no.such": "1"}),
    lambda b: b.set("hooks", {"createRuntime": [{"path": "/no/such/hook"}]}),
    lambda b: b.map_ids().set("linux.devices", [{"path": "/dev/no-such", "type": "c", "major": 1, "minor": 3}]),
    lambda b: b.set("process.apparmorProfile", "no-such-profile")],
    ids=["mount", "root", "namespace", "sysctl", "hook", "device", "apparmor"])
def test_other_missing_files_do_not_look_like_a_missing_command(container, break_it):
    c = container()
    break_it(c.bundle)
    result = c.create(check=False)
    assert result.rc == 1 and not any(word in result.err.lower() for word in DOCKER_127 + ("open executable",)), result


@wherry_only("an internal missing file must not look like a missing command")
@pytest.mark.parametrize("flag, name", [("--console-socket", "socket"), ("--pid-file", "pid")])
def test_a_file_of_the_engine_s_in_a_missing_directory_does_not_look_like_a_missing_command(container, tmp_path, flag, name):
    c = container()
    c.bundle.set("process.terminal", flag == "--console-socket")
    path = str(tmp_path / "nowhere" / name)
    result = c.create(flag, path, check=False)
    assert result.rc == 1 and path in result.err, result
    assert not any(word in result.err.lower() for word in DOCKER_127 + ("open executable",)), result


@wherry_only("an internal missing file must not look like a missing command")
def test_a_missing_hook_at_start_does_not_look_like_a_missing_command(container):
    c = container()
    c.bundle.set("hooks", {"startContainer": [{"path": "/no/such/hook"}]})
    c.create()
    result = c.start(check=False)
    assert result.rc == 1 and "/no/such/hook" in result.err, result
    assert not any(word in result.err.lower() for word in DOCKER_127 + ("open executable",)), result


@wherry_only("an internal missing file must not look like a missing command")
def test_a_missing_process_file_does_not_look_like_a_missing_command(container, tmp_path):
    c = container()
    c.up()
    result = c.runtime.run("exec", "--process", str(tmp_path / "nowhere.json"), c.id)
    assert result.rc not in (0, 127) and "nowhere.json" in result.err, result
    assert not any(word in result.err.lower() for word in DOCKER_127 + ("open executable",)), result
