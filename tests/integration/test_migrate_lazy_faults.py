"""migrate --lazy, cut down where it differs from the other modes: exactly one container runs afterwards, and never did two.

From the commit until all memory is at the destination the source has the only copy of what is missing. A destination that is
cut off then takes its container away, and the source's goes on from its freeze (docs/migration.md).
"""
import json
import os
import signal
import subprocess
import time

import pytest

import host
from checkpoints import CRIU
from migrations import Relay, migrant, needs_migration  # noqa: F401

pytestmark = needs_migration

# What a source that is killed leaves: at home until the destination has all of the memory.
AT_HOME = ["saved", "send:restore", "sent:restore", "got:want", "send:given", "sent:given", "sent:given-data", "got:prepared",
           "handed-over", "held", "send:commit"]
# Here, too, but the destination may have run it for a moment.
WINDOW = ["sent:commit", "got:confirm", "serving"]
MOVED = ["got:complete", "moved", "send:done", "sent:done"]

# The same of the destination.
THERE_NEVER = ["got:restore", "restored", "send:prepared", "sent:prepared", "got:commit"]
THERE_IN_PART = ["committed", "resumed", "running", "send:confirm", "sent:confirm", "fetched"]
THERE = ["whole", "send:complete", "sent:complete", "got:done"]


def cut_down(m, point):
    home, target = m.places
    return home, target, m.move("--lazy", check=False, to=target, home=home,
                                env={"WHERRY_TEST_MIGRATE_FAULT": f"{point} kill"})


@pytest.mark.parametrize("point", AT_HOME + WINDOW + MOVED)
def test_the_source_is_killed(migrant, point):
    m = migrant(mib=8)
    home, target, result = cut_down(m, f"source {point}")
    assert result.rc == -9, f"it was not killed at {point}: {result!r}"
    m.assert_well(target if point in MOVED else home, timeout=30, rolled_back=point in WINDOW)
    m.check_memory()


@pytest.mark.parametrize("point", THERE_NEVER + THERE_IN_PART + THERE)
def test_the_destination_is_killed(migrant, point):
    m = migrant(mib=8)
    home, target, result = cut_down(m, f"destination {point}")
    m.assert_well(target if point in THERE else home, timeout=30, rolled_back=point in THERE_IN_PART)
    m.check_memory()
    if point in THERE:
        assert result.rc == 0, result
    else:
        assert result.rc == 1 and result.err.strip(), f"it was not killed at {point}: {result!r}"
    if point in ("sent:confirm", "fetched"):
        assert "goes on here from its freeze: what it did there is lost" in result.err, result
        assert result.out.splitlines()[-1] == f"container '{m.ident}' runs here, on from its freeze"


@pytest.mark.parametrize("point", ["got:given-data", "send:want", "got:prepared", "send:commit", "send:confirm"])
def test_the_pager_is_killed(migrant, point):
    """The process between the connection and those that use it."""
    m = migrant(mib=8)
    home, target, result = cut_down(m, f"pager {point}")
    assert result.rc == 1, f"it was not killed at {point}: {result!r}"
    m.assert_well(home, timeout=30, rolled_back=True)
    m.check_memory()


def daemon_of(images):
    found = subprocess.run(["pgrep", "-f", f"lazy-pages --images-dir {images}"], capture_output=True, text=True).stdout.split()
    return [int(pid) for pid in found]


def test_criu_is_killed(migrant):
    """The process that gives memory, in the middle of it."""
    m = migrant(mib=64)
    process = m.spawn("--lazy", "--format", "json", env={"WHERRY_TEST_MIGRATE_FAULT": "source serving stop"})
    host.wait_until(lambda: host.proc_status(process.pid, "State").startswith("T"), "the window", 30)
    daemon = host.wait_until(lambda: daemon_of(m.images), "CRIU", 10)
    os.kill(daemon[-1], signal.SIGKILL)
    host.wait_until(lambda: m.statuses()["there"] is None, "it to be taken away there", 20)
    assert m.statuses()["here"] == "paused"
    os.kill(process.pid, signal.SIGCONT)
    result = process.wait(60)
    assert result.rc == 1 and "was lost at 'local:" in result.err and "ended by signal 9" in result.err, result
    assert "a migration without --lazy does not need" in result.err, "what helps"
    assert json.loads(result.out.splitlines()[-1]) == {"event": "failed", "container": "runs here, from its freeze"}
    m.assert_well(m.places[0], rolled_back=True)
    m.check_memory()


@pytest.mark.waits
def test_what_the_pager_has_met_is_told(migrant):
    """The source does not give what is wanted: the one error names that, and not what came of it."""
    m = migrant(mib=64)
    process = m.spawn("--lazy", env={"WHERRY_TEST_MIGRATE_FAULT": "source serving stop"})
    host.wait_until(lambda: host.proc_status(process.pid, "State").startswith("T"), "the window", 30)
    host.wait_until(lambda: m.statuses()["there"] is None, "it to be taken away there", 60)
    os.kill(process.pid, signal.SIGCONT)
    result = process.wait(60)
    assert result.rc == 1 and len(result.err.splitlines()) == 1, result
    assert "goes on here from its freeze" in result.err, result
    assert "the destination: the source has not given for 30 s memory that is wanted" in result.err, result
    m.assert_well(m.places[0], rolled_back=True)
    m.check_memory()


def test_missing_memory_is_never_zeros(migrant):
    """CRIU's process is killed, and nobody is there to take the container away: it waits for its memory."""
    m = migrant(mib=64)
    process = m.spawn("--lazy", env={"WHERRY_TEST_MIGRATE_FAULT": "source serving stop"})
    host.wait_until(lambda: host.proc_status(process.pid, "State").startswith("T"), "the window", 30)
    daemon = daemon_of(m.images)[-1]
    receiver = int(host.proc_status(daemon, "PPid"))
    os.kill(receiver, signal.SIGSTOP)
    os.kill(daemon, signal.SIGKILL)
    host.wait_until(lambda: host.proc_status(daemon, "State").startswith("Z"), "its end")
    time.sleep(0.5)
    before = m.count()
    time.sleep(0.5)
    assert m.count() == before and not m.lines("damage"), "it went on without its memory"
    assert m.statuses()["there"] == "running", "it died of zeros"
    os.kill(receiver, signal.SIGCONT)
    os.kill(process.pid, signal.SIGCONT)
    assert process.wait(60).rc == 1
    m.assert_well(m.places[0], rolled_back=True)
    m.check_memory()


def test_a_signal_waits_until_it_is_whole(migrant):
    """Once it runs there, to be interrupted would lose what it does there."""
    m = migrant(mib=64)
    process = m.spawn("--lazy", env={"WHERRY_TEST_MIGRATE_FAULT": "source serving stop"})
    host.wait_until(lambda: host.proc_status(process.pid, "State").startswith("T"), "the window", 30)
    os.kill(process.pid, signal.SIGCONT)
    host.wait_until(lambda: int(host.proc_status(process.pid, "SigBlk"), 16) & 1 << (signal.SIGTERM - 1), "it to go on")
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(60).rc == 0
    m.assert_well(m.places[1])


def test_a_connection_that_is_lost_for_good(migrant, tmp_path):
    """In the window: the destination takes its container away; the source, which cannot know, holds its own and says so."""
    m = migrant(mib=64)
    here, there = m.places
    relay = Relay(tmp_path)
    remote = f"env TMPDIR={m.images} {there.runtime.binary} --root {there.runtime.root}"
    process = here.runtime.spawn("migrate", "--lazy", "--criu", CRIU, "--remote-criu", CRIU, "--rsh", relay.program,
                                 "--remote-wherry", remote, m.ident, "ssh://other",
                                 env=dict(m.env, WHERRY_TEST_MIGRATE_FAULT="source serving stop"))
    host.wait_until(lambda: host.proc_status(process.pid, "State").startswith("T"), "the window", 30)
    relay.cut()
    host.wait_until(lambda: there.status(m.ident) is None, "it to be taken away there", 20)
    os.kill(process.pid, signal.SIGCONT)
    result = process.wait(120)
    assert result.rc == 3 and "has not confirmed that it has all of its memory" in result.err, result
    assert f"wherry migrate --resume {m.ident}" in result.err
    assert here.status(m.ident) == "paused"
    assert here.records()[0]["phase"] == "serving" and not here.records()[0]["active"]
    refused = here.runtime.run("resume", m.ident)
    assert refused.rc == 1 and "was handed over" in refused.err, refused
    relay.mend()
    settled = here.runtime.run("migrate", "--resume", m.ident, timeout=60)
    assert settled.rc == 0 and "runs here" in settled.out, settled
    m.assert_well(here, rolled_back=True)
    m.check_memory()
