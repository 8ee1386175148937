"""kill -9 of the runtime at random moments: delete --force afterwards leaves nothing.

WHERRY_TEST_KILLS is how often each verb is killed (40), WHERRY_TEST_SEED chooses the moments.
"""
import os
import random
import time

import pytest

import host
from rig import lacks

ROUNDS = int(os.environ.get("WHERRY_TEST_KILLS", "40"))
SEED = int(os.environ.get("WHERRY_TEST_SEED", "1"))

pytestmark = lacks("runc", "leaves cgroups behind when it is killed (43 of 60)")


class Killer:
    """Spawns a call over and over and kills each at a moment spread over 0 to 1.3 of its usual time."""

    def __init__(self, usual):
        self.usual, self.random = usual, random.Random(SEED)

    def moments(self):
        return [self.usual * 1.3 * (i + self.random.random()) / ROUNDS for i in range(ROUNDS)]

    @staticmethod
    def strike(process, after):
        end = process.started + after
        while time.monotonic() < end:
            pass
        process.kill()
        process.wait()
        process.out_file.close()
        process.err_file.close()


def victim(runtime, *argv):
    """Start a call that is to be killed. A sanitizer's search for leaks would be killed half-way, and complain."""
    options = os.environ.get("ASAN_OPTIONS")
    return runtime.spawn(*argv, env={"ASAN_OPTIONS": options + ":detect_leaks=0"} if options else None)


def leftovers(runtime, c):
    """What is there of a container, as text; processes get a short time to end."""
    deadline = time.monotonic() + 2
    while True:
        host.reap_orphans()
        found = ([f"process {p}" for p in host.processes_in_cgroups(c.id)]
                 + [f"cgroup {d}" for d in host.cgroup_dirs(c.id)]
                 + [f"state {e}" for e in os.listdir(runtime.root) if c.id in e])
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.005)


def clear(runtime, c, moment, what):
    result = runtime.run("delete", "--force", c.id)
    assert result.rc == 0, f"{what} killed after {moment * 1000:.2f} ms (seed {SEED}): {result!r}"
    found = leftovers(runtime, c)
    assert not found, f"{what} killed after {moment * 1000:.2f} ms (seed {SEED}) left {found}"


def usual_time(action, clean):
    """The shorter of three tries, in seconds."""
    best = 60.0
    for _ in range(3):
        begin = time.monotonic()
        action()
        best = min(best, time.monotonic() - begin)
        clean()
    return best


def test_create(runtime, container, host_unchanged):
    c = container()
    c.bundle.write()
    argv = ("create", "--bundle", c.bundle.path, c.id)
    killer = Killer(usual_time(lambda: runtime.run(*argv, check=True), lambda: c.delete("--force")))
    for moment in killer.moments():
        killer.strike(victim(runtime, *argv), moment)
        clear(runtime, c, moment, "create")
    host_unchanged()


def test_create_can_follow_at_once(runtime, container, host_unchanged):
    c = container()
    c.bundle.write()
    argv = ("create", "--bundle", c.bundle.path, c.id)
    killer = Killer(usual_time(lambda: runtime.run(*argv, check=True), lambda: c.delete("--force")))
    for moment in killer.moments()[::4]:
        killer.strike(victim(runtime, *argv), moment)
        runtime.run("delete", "--force", c.id, check=True)
        c.create()
        assert c.status == "created"
        c.delete("--force")
    host_unchanged()


def test_run(runtime, container, host_unchanged):
    c = container()
    c.bundle.args("true").write()
    argv = ("run", "--bundle", c.bundle.path, c.id)
    killer = Killer(usual_time(lambda: runtime.run(*argv, check=True), lambda: None))
    for moment in killer.moments():
        killer.strike(victim(runtime, *argv), moment)
        clear(runtime, c, moment, "run")
    host_unchanged()


def test_start(runtime, container, host_unchanged):
    c = container()
    c.create()
    killer = Killer(usual_time(c.start, lambda: (c.delete("--force"), c.create())))
    for moment in killer.moments():
        killer.strike(victim(runtime, "start", c.id), moment)
        assert c.status in ("created", "running", "stopped")
        clear(runtime, c, moment, "start")
        c.create()
    c.delete("--force")
    host_unchanged()


def test_exec(runtime, container, host_unchanged):
    c = container()
    c.up()
    killer = Killer(usual_time(lambda: c.exec("true", check=True), lambda: None))
    for moment in killer.moments():
        killer.strike(victim(runtime, "exec", c.id, "/bin/true"), moment)
        assert c.status == "running"
    assert c.sh("echo alive") == "alive\n"
    c.delete("--force")
    host_unchanged()


def test_delete(runtime, container, host_unchanged):
    c = container()
    c.up()
    killer = Killer(usual_time(lambda: c.delete("--force"), c.up))
    for moment in killer.moments():
        killer.strike(victim(runtime, "delete", "--force", c.id), moment)
        clear(runtime, c, moment, "delete")
        c.up()
    c.delete("--force")
    host_unchanged()


@pytest.mark.parametrize("verb", ["pause", "resume", "kill"])
def test_small_verbs(runtime, container, verb):
    c = container()
    c.up()
    killer = Killer(0.004)
    for moment in killer.moments()[::2]:
        killer.strike(victim(runtime, verb, c.id, *(["CONT"] if verb == "kill" else [])), moment)
        assert c.status in ("running", "paused")
        if verb != "pause":
            c.pause(check=False)
    clear(runtime, c, 0, verb)


def test_init_that_lost_its_creator_does_not_stay(runtime, container):
    c = container()
    c.bundle.set("hooks", {"createRuntime": [{"path": "/bin/sleep", "args": ["sleep", "20"]}]})
    call = c.spawn(verb="create")
    host.wait_until(lambda: host.processes_in_cgroups(c.id), "init to be there")
    call.kill()
    call.wait()
    host.wait_no_processes(c.id, 5)
    clear(runtime, c, 0, "create in a hook")
    for hook in host.children():  # a program of the host, which nobody but its caller ends
        host.kill_quietly(hook)
        host.wait_gone(hook)
