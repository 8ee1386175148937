"""migrate, cut down at each of its steps: exactly one container runs afterwards, and never did two."""
import contextlib
import glob
import os
import signal
import time

import pytest

import host
from checkpoints import CRIU
from migrations import Relay, migrant, needs_migration, there_stopped  # noqa: F401

pytestmark = needs_migration

# Every message in the order in which it travels, by who sends it; what the sender's own file says of its names.
SOURCE_SENDS = ["hello", "offer", "config", "start", "stream", "pages", "round", "file", "data", "end-of-the-file",
                "end-of-the-round", "restore", "commit", "done"]
DESTINATION_SENDS = ["hello", "verdict", "started", "streaming", "pages", "round-done", "prepared", "confirm"]
SOURCE_STEPS = ["saved", "handed-over", "held", "moved"]
DESTINATION_STEPS = ["restored", "committed", "resumed", "running"]

# From here on the source has told the destination to go on.
TOLD = {"source sent:commit", "source got:confirm", "source moved", "source send:done", "source sent:done"}

# From here on it runs at the destination: CRIU was told so.
RAN = {"destination resumed", "destination running", "destination send:confirm", "destination sent:confirm", "destination got:done"}


def points(side, sends, gets, steps):
    """hello is not received as the others are."""
    return [f"{side} {when}:{name}" for name in sends for when in ("send", "sent")] + \
        [f"{side} got:{name}" for name in gets if name != "hello"] + [f"{side} {name}" for name in steps]


SOURCE = points("source", SOURCE_SENDS, DESTINATION_SENDS, SOURCE_STEPS)
DESTINATION = points("destination", DESTINATION_SENDS, SOURCE_SENDS, DESTINATION_STEPS)


def kill_at(m, point):
    """One migration that is cut down there. Returns where it was and where it was to go."""
    home, target = m.home, m.elsewhere
    result = m.move(check=False, to=target, home=home, env={"WHERRY_TEST_MIGRATE_FAULT": f"{point} kill"})
    return home, target, result


@pytest.mark.parametrize("point", SOURCE)
def test_the_source_is_killed(migrant, point):
    m = migrant()
    home, target, result = kill_at(m, point)
    assert result.rc == -9, f"it was not killed at {point}: {result!r}"
    m.assert_well(target if point in TOLD else home)


@pytest.mark.parametrize("point", DESTINATION)
def test_the_destination_is_killed(migrant, point):
    m = migrant()
    home, target, result = kill_at(m, point)
    m.assert_well(target if point in RAN else home)
    if point in RAN:
        assert result.rc == 0, result
    else:
        assert result.rc == 1 and result.err.strip(), f"it was not killed at {point}: {result!r}"
        assert last_line(result) == f"container '{m.ident}' runs here, on, as before"


def last_line(result):
    return result.out.splitlines()[-1]


def stopped_at(m, point, *flags, env=None):
    """A migration whose source stands still there."""
    process = m.spawn("--cold", *flags, to=m.places[1], env=dict(env or {}, WHERRY_TEST_MIGRATE_FAULT=f"{point} stop"))
    host.wait_until(lambda: host.proc_status(process.pid, "State").startswith("T"), point, 60)
    return process


def criu_at(m, end):
    """The pid of CRIU that reads memory at the source, or writes it at the destination: it works in the directory of the images."""
    for cwd in glob.glob("/proc/[0-9]*/cwd"):
        with contextlib.suppress(OSError):
            # of another mount namespace it is "(unreachable)/..."
            if f"-{end}/" in os.readlink(cwd) and f"{m.images}/" in os.readlink(cwd):
                return int(cwd.split("/")[2])
    raise AssertionError("there is none")


def goes_on_here(m, process, text, stopped=None):
    """The stopped call goes on (or who is @stopped instead), and fails with @text."""
    os.kill(stopped or process.pid, signal.SIGCONT)
    result = process.wait(60)
    assert result.rc == 1 and text.lower() in result.err.lower(), result
    assert last_line(result) == f"container '{m.ident}' runs here, on, as before"
    m.assert_well(m.places[0])


@pytest.mark.parametrize("end, point, text", [
    ("destination", "source got:streaming", "CRIU's page server was ended by signal 9"),
    ("destination", "source sent:pages", "CRIU's page server was ended by signal 9"),
    ("source", "source sent:pages", "CRIU ended without an answer"),
])
def test_criu_is_killed(migrant, end, point, text):
    """While memory travels from the one to the other."""
    m = migrant(mib=16, dirty=4)
    process = stopped_at(m, point)
    os.kill(criu_at(m, end), signal.SIGKILL)
    goes_on_here(m, process, text)


@pytest.mark.parametrize("alone", [True, False])
def test_criu_is_killed_as_it_is_to_let_the_tasks_go(migrant, alone):
    """At the destination, with the commit written down: they stand there and will never run. With the receiver killed as well
    it is the guard that has to tell them from such as run."""
    m = migrant()
    there = m.places[1]
    remote = (f"env TMPDIR={m.images} WHERRY_TEST_MIGRATE_FAULT='destination committed stop' {there.runtime.binary} --root "
              f"{there.runtime.root}")
    process = m.spawn("--remote-wherry", remote, to=there)
    receiver = there_stopped(there)
    os.kill(criu_at(m, "destination"), signal.SIGKILL)
    os.kill(receiver, signal.SIGCONT if alone else signal.SIGKILL)
    result = process.wait(60)
    assert result.rc == 1 and result.err.strip(), result
    m.assert_well(m.places[0])


@pytest.mark.parametrize("before", [True, False])
def test_the_destination_fills_up(migrant, tmp_path, before):
    """There was room when it was looked for; that it is gone is noticed before memory comes, or by CRIU's page server."""
    m = migrant(mib=16)
    there = m.places[1]
    small = tmp_path / "small"
    small.mkdir()
    host.mount("tmpfs", small, "tmpfs", data="size=100m")
    fault = "WHERRY_TEST_MIGRATE_FAULT='destination sent:streaming stop' " if before else ""
    remote = f"env TMPDIR={small} {fault}{there.runtime.binary} --root {there.runtime.root}"
    try:
        if before:
            process = m.spawn("--cold", "--remote-wherry", remote, to=there)
            stopped = there_stopped(there)
        else:
            process = stopped_at(m, "source got:streaming", "--remote-wherry", remote)
            stopped = process.pid
        with open(small / "full", "wb") as f, contextlib.suppress(OSError):
            while True:
                f.write(bytes(1 << 20))
        goes_on_here(m, process, "No space left on device", stopped)
        assert os.listdir(small) == ["full"]
    finally:
        host.umount(small)


@pytest.mark.parametrize("told", [True, False])
def test_a_destination_that_cannot_be_asked(migrant, tmp_path, told):
    """The connection is lost for good right after the commit was sent: the container is held here, whether or not the
    destination has heard it, until it can be asked."""
    m = migrant()
    here, there = m.places
    relay = Relay(tmp_path)
    remote = (f"env TMPDIR={m.images} WHERRY_TEST_MIGRATE_FAULT='destination got:commit stop' {there.runtime.binary} --root "
              f"{there.runtime.root}")
    process = here.runtime.spawn("migrate", "--criu", CRIU, "--remote-criu", CRIU, "--rsh", relay.program, "--remote-wherry", remote,
                                 m.ident, "ssh://other", env=m.env)
    pid = there_stopped(there)
    relay.cut()
    result = process.wait(120)
    assert result.rc == 3 and f"wherry migrate --resume {m.ident}" in result.err, result
    assert last_line(result) == f"container '{m.ident}' is held here, and may run at the destination"
    assert here.status(m.ident) == "paused"
    assert here.records()[0]["phase"] == "handed over" and not here.records()[0]["active"]
    for verb in (["resume"], ["migrate", "--criu", CRIU]):
        refused = here.runtime.run(*verb, m.ident, *(["local:"] if len(verb) > 1 else []))
        assert refused.rc == 1 and "was handed over" in refused.err, refused
    still = here.runtime.run("migrate", "--resume", m.ident, timeout=60)
    assert still.rc == 3 and "which cannot be asked" in still.err and here.status(m.ident) == "paused", still
    os.kill(pid, signal.SIGCONT if told else signal.SIGKILL)
    if told:
        host.wait_until(lambda: there.status(m.ident) == "running", "it to run there", 30)
    relay.mend()
    settled = here.runtime.run("migrate", "--resume", m.ident, timeout=60)
    assert settled.rc == 0, settled
    assert ("runs at the destination" if told else "runs here") in settled.out
    m.assert_well(there if told else here)


def test_it_is_taken_back(migrant, tmp_path):
    """From a destination that is gone for good, by an administrator who knows that."""
    m = migrant()
    here, there = m.places
    relay = Relay(tmp_path)
    remote = (f"env TMPDIR={m.images} WHERRY_TEST_MIGRATE_FAULT='destination got:commit kill' {there.runtime.binary} --root "
              f"{there.runtime.root}; touch {relay.down}")
    result = here.runtime.run("migrate", "--criu", CRIU, "--remote-criu", CRIU, "--rsh", relay.program, "--remote-wherry",
                              f"sh -c \"{remote.split(';')[0]} \\\"\\$@\\\"; touch {relay.down}; sleep 5\" sh", m.ident, "ssh://other",
                              env=m.env, timeout=120)
    assert result.rc == 3, result
    taken = here.runtime.run("migrate", "--resume", "--take-back", m.ident)
    assert taken.rc == 0 and "runs here" in taken.out, taken
    m.assert_well(here)


def test_a_restore_that_fails(migrant, tmp_path):
    """Here by a hook that does its work once: the error names the hook and has its words, and the container runs on."""
    hook = tmp_path / "hook"
    hook.write_text(f"#!/bin/sh\ncat >/dev/null\nmkdir {tmp_path}/once || {{ echo the address is taken >&2; exit 7; }}\n")
    hook.chmod(0o755)
    m = migrant()
    m.anew(lambda b: b.append("hooks.createRuntime", {"path": str(hook)}))
    result = m.move(check=False, to=m.places[1])
    assert result.rc == 1 and str(hook) in result.err and "the address is taken" in result.err, result
    assert last_line(result) == f"container '{m.ident}' runs here, on, as before"
    m.assert_well(m.places[0])
    os.rmdir(tmp_path / "once")
    m.move()
    m.assert_well(m.places[1])


@pytest.mark.parametrize("flags", [[], ["--lazy"]], ids=["cold or pre-copy", "lazy"])
def test_a_poststart_hook_that_fails_there_takes_nothing_away(migrant, tmp_path, flags):
    """It runs there by then, and the source has been told so: it must not be taken away any more."""
    m = migrant(mib=8)
    hook = tmp_path / "hook"
    hook.write_text(f"#!/bin/sh\ncat >/dev/null\nmkdir {tmp_path}/once || {{ touch {tmp_path}/failed; exit 7; }}\n")
    hook.chmod(0o755)
    m.anew(lambda b: b.append("hooks.poststart", {"path": str(hook)}))
    result = m.move(*flags)
    assert (tmp_path / "failed").exists(), result
    m.assert_well(m.places[1])


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("point", ["source got:verdict", "source got:started", "source saved", "source got:prepared"])
def test_a_signal_before_the_commit(migrant, point, sig):
    """It is obeyed also where it comes while nothing waits."""
    m = migrant()
    process = stopped_at(m, point)
    os.kill(process.pid, sig)
    goes_on_here(m, process, "interrupted")


def test_a_signal_while_it_waits(migrant, tmp_path):
    m = migrant()
    process = m.spawn_over(Relay(tmp_path).program, fault="destination restored stop")
    receiver = there_stopped(m.places[1])
    os.kill(process.pid, signal.SIGINT)
    time.sleep(0.3)
    os.kill(receiver, signal.SIGCONT)
    result = process.wait(60)
    assert result.rc == 1 and "interrupted" in result.err.lower(), result
    m.assert_well(m.places[0])


def test_a_signal_after_the_commit(migrant):
    """What was said cannot be taken back."""
    m = migrant()
    process = stopped_at(m, "source sent:commit")
    os.kill(process.pid, signal.SIGINT)
    os.kill(process.pid, signal.SIGCONT)
    result = process.wait(60)
    assert result.rc == 0, result
    m.assert_well(m.places[1])


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as f:
        return [int(child) for child in f.read().split()]


@pytest.mark.parametrize("point, where", [("source saved", 0), ("source held", 0), ("source sent:commit", 1)])
def test_guard_and_worker_are_killed(migrant, point, where):
    """Nobody is left who would ask: --status says so, and --resume does it."""
    m = migrant()
    here, there = m.places
    process = stopped_at(m, point)
    if where:
        host.wait_until(lambda: there.status(m.ident) == "running", "it to run there", 30)
    guards = [pid for pid in children_of(process.pid) if os.readlink(f"/proc/{pid}/exe") == os.readlink(f"/proc/{process.pid}/exe")]
    for pid in guards + [process.pid]:
        os.kill(pid, signal.SIGKILL)
    assert guards and process.wait(20).rc == -signal.SIGKILL
    host.reap_orphans()
    held = point != "source saved"
    host.wait_until(lambda: here.status(m.ident) == ("paused" if held else "running"), "CRIU to be gone")
    table = here.runtime.run("migrate", "--status", check=True).out.splitlines()
    assert table[0].split() == ["ID", "PHASE", "DIRECTION", "STARTED", "WORKER"]
    assert table[1].split()[0] == m.ident and table[1].split()[-1] == "interrupted"
    assert ("handed over" if held else "sending") in table[1] and f"to local:{there.runtime.root}" in table[1]
    settled = here.runtime.run("migrate", "--resume", m.ident, timeout=60)
    assert settled.rc == 0, settled
    assert ("runs at the destination, and was removed here" if where else "runs here") in settled.out
    m.assert_well(m.places[where])
