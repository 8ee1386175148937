"""Many calls at once: one id has one winner, and nothing is left when all are done.

WHERRY_TEST_PAIRS is how many seeds the random mixes of calls are tried with (4).
"""
import json
import os
import random
import time

import pytest

import host
from rig import lacks, skip_if

CALLERS = 12
SEEDS = int(os.environ.get("WHERRY_TEST_PAIRS", "4"))


def together(runtime, *calls, timeout=60, thaw=None):
    """Start all calls, then wait for all; returns the results. thaw: a container that one of the calls may
    freeze under another, which then waits until it is resumed."""
    started = [runtime.spawn(*argv) for argv in calls]
    begin = time.monotonic()
    resume_at = begin + 1
    while thaw and time.monotonic() < begin + timeout and any(process.running() for process in started):
        host.reap_orphans()
        time.sleep(0.002)
        if time.monotonic() > resume_at:
            thaw.resume(check=False)
            resume_at += 1
    return [process.wait(timeout) for process in started]


@lacks("runc", "looks for the directory and makes it in two steps: two may win", below=(1, 2))
@pytest.mark.parametrize("attempt", range(3))
def test_one_create_wins(runtime, container, host_unchanged, attempt):
    c = container()
    c.bundle.write()
    results = together(runtime, *[("create", "--bundle", c.bundle.path, c.id)] * CALLERS)
    assert sorted(r.rc for r in results) == [0] + [1] * (CALLERS - 1)
    for r in results:
        assert r.rc == 0 or "exist" in r.err, r
    assert c.status == "created"
    assert len(host.processes_in_cgroups(c.id)) == 1
    c.delete("--force")
    host_unchanged()


def test_different_ids_do_not_wait_for_each_other(runtime, container, host_unchanged):
    made = [container() for _ in range(CALLERS)]
    for c in made:
        c.bundle.write()
    results = together(runtime, *[("create", "--bundle", c.bundle.path, c.id) for c in made])
    assert [r for r in results if r.rc] == []
    assert sorted(runtime.run("list", "-q").out.split()) == sorted(c.id for c in made)
    results = together(runtime, *[("start", c.id) for c in made])
    assert [r for r in results if r.rc] == []
    results = together(runtime, *[("delete", "--force", c.id) for c in made])
    assert [r for r in results if r.rc] == []
    host_unchanged()


@lacks("runc", "a start that loses may wait for ever at the FIFO")
def test_one_start_wins(runtime, container):
    c = container()
    c.bundle.sh("echo once; sleep 1000")
    c.create()
    results = together(runtime, *[("start", c.id)] * CALLERS)
    skip_if("runc", "takes no lock: several starts may succeed") if sum(r.ok for r in results) != 1 else None
    assert sum(r.ok for r in results) == 1
    assert c.wait_stdout("once\n") == "once\n"


def test_every_forced_delete_succeeds(runtime, container, host_unchanged):
    c = container()
    c.up()
    results = together(runtime, *[("delete", "--force", c.id)] * CALLERS)
    assert [r for r in results if r.rc] == []
    assert c.state() is None
    host_unchanged()


@lacks("runc", "takes no lock: several deletes may succeed")
def test_one_plain_delete_wins(runtime, container, host_unchanged):
    c = container()
    c.up()
    c.kill("KILL")
    c.wait_status("stopped")
    results = together(runtime, *[("delete", c.id)] * CALLERS)
    assert sorted(r.rc for r in results) == [0] + [1] * (CALLERS - 1)
    for r in results:
        assert r.rc == 0 or "does not exist" in r.err, r
    host_unchanged()


@lacks("runc", "takes no lock: poststop may run more than once")
def test_poststop_runs_once(runtime, container, tmp_path, host_unchanged):
    c = container()
    c.bundle.set("hooks", {"poststop": [{"path": "/bin/sh",
                                         "args": ["sh", "-c", f"echo ran >> {tmp_path}/poststop"]}]})
    c.up()
    together(runtime, *[("delete", "--force", c.id)] * CALLERS)
    assert (tmp_path / "poststop").read_text() == "ran\n"
    host_unchanged()


def test_list_while_containers_come_and_go(runtime, container):
    made = [container() for _ in range(4)]
    for c in made:
        c.bundle.write()
    for _ in range(3):
        calls = [("create", "--bundle", c.bundle.path, c.id) for c in made]
        listed = together(runtime, *[call for pair in zip(calls, [("list", "-f", "json")] * 4) for call in pair])
        listed += together(runtime, *[call for c in made
                                      for call in (("delete", "--force", c.id), ("list", "-f", "json"))])
        for r in listed:
            assert r.rc == 0, r
            if "list" in r.argv:
                assert {e["id"] for e in json.loads(r.out) or []} <= {c.id for c in made}


@lacks("runc", "takes no lock: a create that meets a delete leaves its cgroup or process behind")
@pytest.mark.parametrize("seed", range(SEEDS))
def test_random_pairs(runtime, container, host_unchanged, seed):
    chance = random.Random(seed)
    c = container()
    c.bundle.write()
    calls = {
        "create": ("create", "--bundle", c.bundle.path, c.id), "start": ("start", c.id),
        "exec": ("exec", c.id, "/bin/true"), "kill": ("kill", c.id, "KILL"), "delete": ("delete", c.id),
        "force": ("delete", "--force", c.id), "pause": ("pause", c.id), "resume": ("resume", c.id),
        "state": ("state", c.id), "ps": ("ps", "-f", "json", c.id)}
    for _ in range(12):
        picked = [chance.choice(list(calls)) for _ in range(4)]
        for result in together(runtime, *[calls[name] for name in ["create"] + picked], thaw=c):
            assert result.rc in (0, 1, 255, 137), (picked, result)
        runtime.run("delete", "--force", c.id, check=True)
        assert c.state() is None
        assert host.cgroup_dirs(c.id) == [] and host.processes_in_cgroups(c.id) == [], picked


def test_exec_against_delete(runtime, container, host_unchanged):
    c = container()
    for _ in range(8):
        c.up()
        results = together(runtime, ("exec", c.id, "/bin/sleep", "1000"), ("delete", "--force", c.id),
                           ("exec", "-d", c.id, "/bin/sleep", "1000"))
        assert results[1].rc == 0, results[1]
        assert host.processes_in_cgroups(c.id) == []
    host_unchanged()


def test_sixty_containers(runtime, bundle, container, host_unchanged):
    b = bundle().drop("linux.cgroupsPath")
    made = [container(b, f"{b.id}.{n}") for n in range(60)]
    for c in made:
        c.create()
    assert sorted(runtime.run("list", "-q", check=True).out.split()) == sorted(c.id for c in made)
    assert {e["status"] for e in runtime.run("list", "-f", "json", check=True).json()} == {"created"}
    for c in made:
        c.delete("--force")
    host_unchanged()
