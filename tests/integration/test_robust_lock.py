"""An operation that does not end holds its container's lock: others hear of it, and delete --force ends it.

The waits are ten seconds each, so all of them wait at once."""
import os
import signal

import pytest

import host
from rig import wherry_only

pytestmark = wherry_only("runc has no lock")


def hook(c, kind, script, **more):
    c.bundle.append(f"hooks.{kind}", dict({"path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/bin:/usr/bin"]},
                                         **more))


def sleepers(marker):
    """The live processes that run `sleep MARKER`."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/cmdline") as f:
                if f.read() == f"sleep\0{marker}\0" and host.alive(int(entry)):
                    found.append(int(entry))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


class Stuck:
    """A container, the call that does not end, and what its end answers."""

    def __init__(self, container, runtime, number):
        self.c, self.runtime, self.marker = container(), runtime, f"5{os.getpid()}{number:03}"
        self.call = None

    def hangs(self):
        host.wait_until(lambda: sleepers(self.marker), f"the hook of {self.marker} to run")
        return self


def in_create(kind):
    def begin(stuck):
        hook(stuck.c, kind, f"(setsid sleep {stuck.marker} &); sleep {stuck.marker}")
        stuck.call = stuck.c.spawn(verb="create")
    return begin


def in_stopped_create(stuck):
    """It cannot even be asked to end."""
    in_create("createRuntime")(stuck)
    stuck.hangs()
    stuck.call.kill(signal.SIGSTOP)


def in_start(stuck):
    hook(stuck.c, "startContainer", f"sleep {stuck.marker}")
    stuck.c.create()
    stuck.call = stuck.runtime.spawn("start", stuck.c.id)


def in_delete(stuck):
    """The hook hangs once: the last clean-up runs it again."""
    hook(stuck.c, "poststop", f"mkdir {stuck.c.bundle.path}/once || exit 0; sleep {stuck.marker}")
    stuck.c.create()
    stuck.call = stuck.runtime.spawn("delete", "--force", stuck.c.id)


STUCK = {"prestart": in_create("prestart"), "createRuntime": in_create("createRuntime"),
         "createContainer": in_create("createContainer"), "startContainer": in_start, "poststop": in_delete,
         "stopped": in_stopped_create}


@pytest.fixture
def stuck(container, runtime):
    """stuck(names): for each of STUCK a container whose lock is held by a hook that never ends."""
    made = {}

    def make(names):
        for number, name in enumerate(names):
            made[name] = Stuck(container, runtime, number)
            STUCK[name](made[name])
            made[name].hangs()
        return made

    yield make
    for one in made.values():
        if one.call.running():
            one.call.kill()
        one.call.wait()
        for pid in sleepers(one.marker):
            host.kill_quietly(pid)


@pytest.mark.waits
def test_others_hear_of_it(runtime, stuck, host_unchanged):
    made = stuck(["createRuntime", "startContainer", "poststop"])
    status = {"createRuntime": "creating", "startContainer": "running", "poststop": "stopped"}
    listed = {e["id"]: e["status"] for e in runtime.run("list", "-f", "json", check=True).json()}
    for name, one in made.items():
        assert (one.c.status, listed[one.c.id]) == (status[name], status[name]), name
    calls = {name: runtime.spawn("start" if name != "poststop" else "delete", one.c.id) for name, one in made.items()}
    for name, one in made.items():
        result = calls[name].wait(30)
        assert result.rc == 1 and f"container '{one.c.id}' is locked by another operation" in result.err, result
        assert f"(by process {one.call.pid}: " in result.err and f" {one.c.id})" in result.err, result
        assert "delete --force" in result.err
        assert one.call.running() and sleepers(one.marker)


@pytest.mark.waits
def test_forced_delete_ends_it(runtime, stuck, host_unchanged):
    made = stuck(STUCK)
    deletes = {name: runtime.spawn("delete", "--force", one.c.id) for name, one in made.items()}
    for name, one in made.items():
        result = deletes[name].wait(60)
        assert result.ok, f"{name}: {result!r}"
    for name, one in made.items():
        ended = one.call.wait()
        assert ended.rc == {"poststop": 0, "stopped": -signal.SIGKILL}.get(name, 1), f"{name}: {ended!r}"
        assert one.c.state() is None
        if name == "stopped":  # who was killed could not end its hook
            [host.kill_quietly(pid) for pid in sleepers(one.marker)]
        host.wait_until(lambda: not sleepers(one.marker), f"the hook of {name} to end")
    assert runtime.run("list", "-q", check=True).out.strip() == ""


def test_a_poststart_hook_holds_nobody_up(runtime, container):
    """The container runs: it can be paused, entered and killed meanwhile."""
    one = Stuck(container, runtime, 0)
    hook(one.c, "poststart", f"sleep {one.marker}")
    one.c.create()
    one.call = runtime.spawn("start", one.c.id)
    one.hangs()
    one.c.pause()
    one.c.resume()
    assert one.c.sh("echo in") == "in\n" and one.c.status == "running"
    one.c.kill("KILL")
    one.c.wait_status("stopped")
    one.c.delete()
    one.call.kill(signal.SIGTERM)
    result = one.call.wait()
    assert result.rc == 1 and "hooks.poststart[0]" in result.err and not sleepers(one.marker)


@pytest.mark.parametrize("verb", ["run", "start"])
def test_a_failing_poststart_hook_of_a_container_that_another_replaced(runtime, container, tmp_path, verb):
    """Meanwhile the container was deleted and its id taken: the new one is not the hook's to destroy."""
    c = container()
    hook(c, "poststart", f"touch {tmp_path}/there; while test -e {tmp_path}/there; do sleep 0.01; done; exit 1")
    if verb == "start":
        c.create()
        call = runtime.spawn("start", c.id)
    else:
        call = c.spawn()
    host.wait_until((tmp_path / "there").exists, "the hook to run")
    c.delete("--force")
    c.bundle.drop("hooks")
    second = container(c.bundle, c.id)
    pid = second.up()
    (tmp_path / "there").unlink()
    assert call.wait().rc == 1
    assert second.status == "running" and second.pid == pid and host.alive(pid)
    assert second.sh("echo in") == "in\n"
