"""A migration whose destination lets the container run before all of its memory is read from the images there.

Until all of it is read the source holds its own: what is lost meanwhile is the destination's wherry, or CRIU's process, and the
container goes on at the source from its freeze. A connection that is lost changes nothing (docs/migration.md).
"""
import json
import os
import signal
import subprocess
import time

import pytest

import host
from migrations import Relay, migrant, needs_migration, receivers, there_stopped  # noqa: F401

pytestmark = needs_migration

MUCH = 80  # MiB: more than is read at once


def events(result):
    return [json.loads(line) for line in result.out.splitlines()]


def names(result):
    return [event["event"] for event in events(result)]


def daemon_of(images):
    found = subprocess.run(["pgrep", "-f", f"lazy-pages --images-dir {images}"], capture_output=True, text=True).stdout.split()
    return int(found[-1]) if found else None


def kill_daemon(m):
    """To its end, though the receiver, who stands still, does not reap it."""
    pid = daemon_of(m.images)
    os.kill(pid, signal.SIGKILL)
    host.wait_until(lambda: host.proc_status(pid, "State").startswith("Z"), "its end")


def pager_of(m):
    """The process at the destination that reads the images for CRIU: it alone has their directory open, and nothing of CRIU's."""
    def find():
        for pid in receivers(m.places[1]):
            try:
                fds = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
            except OSError:
                continue
            if os.getsid(pid) == pid and any(fd.startswith(str(m.images)) for fd in fds) and len(fds) < 10:
                return pid
        return None
    return host.wait_until(find, "the pager", 20)


class Held:
    """A migration in its window: the container runs at the destination, and nobody reads memory for it."""

    def __init__(self, m, process):
        self.m, self.process = m, process
        self.receiver = there_stopped(m.places[1])
        self.pager = pager_of(m)
        os.kill(self.pager, signal.SIGSTOP)
        os.kill(self.receiver, signal.SIGCONT)
        # once the source has heard that it runs there it is deaf to signals
        host.wait_until(lambda: int(host.proc_status(process.pid, "SigBlk"), 16) & 1 << (signal.SIGTERM - 1), "the window", 30)
        assert m.statuses() == {"here": "paused", "there": "running"}

    def go_on(self):
        os.kill(self.pager, signal.SIGCONT)


@pytest.fixture
def held(tmp_path):
    """held(m): the migration of m in its window. Where the destination stops first the pager has its copies, and CRIU has asked for
    next to nothing."""
    def make(m, *flags, **kw):
        process = m.spawn_over(make.relay.program, "--cold", "--early", *flags, fault="destination send:prepared stop", **kw)
        return Held(m, process)

    make.relay = Relay(tmp_path)
    return make


def test_it_runs_before_its_memory_is_read(migrant):
    m = migrant(mib=MUCH)
    result = m.move("--cold", "--early", "--format", "json")
    assert [n for n in names(result) if n in ("prepared", "running", "fetched", "moved")] == [
        "prepared", "running", "fetched", "moved"]
    running = next(event for event in events(result) if event["event"] == "running")
    assert running["leftBytes"] == 0, "nothing of it is at the source"
    moved = events(result)[-1]
    assert 0 < moved["windowMilliseconds"] < moved["totalMilliseconds"]
    m.assert_well(m.places[1])
    m.check_memory()


def test_what_a_person_reads(migrant):
    m = migrant(mib=MUCH)
    lines = m.move("--cold", "--early").out.splitlines()
    assert "it runs there, and its memory is read from the images there meanwhile" in lines
    assert any(line.startswith("all of its memory is read, after ") for line in lines)


def userfaultfds(pid):
    try:
        return [fd for fd in os.listdir(f"/proc/{pid}/fd") if os.readlink(f"/proc/{pid}/fd/{fd}") == "anon_inode:[userfaultfd]"]
    except OSError:
        return []


@pytest.mark.parametrize("flags", [("--cold", "--early"), ("--lazy",)])
def test_nobody_watches_its_memory_once_it_is_whole(migrant, tmp_path, flags):
    """A copy of its userfaultfd that outlives CRIU would keep it waiting in fork(2) and where it gives memory back, for somebody to read
    of that: for as long as the receiver and the source take to be done."""
    m = migrant(mib=MUCH)
    process = m.spawn_over(Relay(tmp_path).program, *flags, fault="destination fetched stop")
    receiver = there_stopped(m.places[1])
    assert len(receivers(m.places[1])) == 3
    host.wait_until(lambda: not any(userfaultfds(pid) for pid in receivers(m.places[1])), "the copies to be closed", 1)
    os.kill(receiver, signal.SIGCONT)
    assert process.wait(60).rc == 0
    m.assert_well(m.places[1])


def test_little_memory_is_read_at_once(migrant):
    m = migrant(mib=8)
    assert "running" not in names(m.move("--cold", "--early", "--format", "json"))


def test_cold_reads_all_of_it_first(migrant):
    m = migrant(mib=MUCH)
    assert "running" not in names(m.move("--cold", "--format", "json"))
    m.assert_well(m.places[1])
    m.check_memory()


@pytest.mark.parametrize("flags", [("--early", "--whole"), ("--early", "--lazy"), ("--whole", "--lazy")])
def test_what_excludes_each_other(runtime, flags):
    refused = runtime.run("migrate", *flags, "some", "local:/nowhere")
    assert refused.rc == 1 and f"{flags[0]} and {flags[1]} exclude each other" in refused.err, refused


def test_memory_of_several_processes_is_read_at_once(migrant):
    """They may share it since a fork: read on access, each would have its own."""
    m = migrant(mib=MUCH)
    m.anew(lambda bundle: bundle.args("/bin/sh", "-c", f"dd if=/dev/urandom bs={MUCH}M count=1 | sleep 1000 & "
                                                       f"exec /bin/migrant {MUCH} 0"))
    host.wait_until(lambda: any(int(host.proc_status(pid, "VmRSS").split()[0]) > 30 << 10 for pid in dd_of(m)), "dd", 30)
    assert "running" not in names(m.move("--cold", "--early", "--format", "json"))
    m.assert_well(m.places[1])
    m.check_memory()


def dd_of(m):
    found = subprocess.run(["pgrep", "-f", f"^/bin/sh -c dd if=/dev/urandom bs={MUCH}M"], capture_output=True, text=True).stdout.split()
    return [int(pid) for pid in found]


def test_memory_in_a_user_namespace_is_read_at_once(migrant):
    """Its root may not have a userfaultfd."""
    m = migrant(mib=MUCH)
    m.anew(lambda bundle: bundle.map_ids())
    assert "running" not in names(m.move("--cold", "--early", "--format", "json"))
    m.assert_well(m.places[1])


# What a source that is killed leaves: at home until the destination was told, and there from then on.
AT_HOME = ["got:prepared", "handed-over", "held", "send:commit"]
MOVED = ["sent:commit", "got:confirm", "serving", "got:complete", "moved", "send:done"]

# The same of the destination: at home until all memory is there.
THERE_NEVER = ["restored", "send:prepared", "sent:prepared", "got:commit"]
THERE_IN_PART = ["committed", "resumed", "running", "send:confirm", "sent:confirm", "fetched"]
THERE = ["whole", "send:complete", "sent:complete", "got:done"]


POINTS = [f"source {point}" for point in AT_HOME + MOVED + ["got:reading"]] + [
    f"destination {point}" for point in THERE_NEVER + THERE_IN_PART + THERE]


def cut_down(m, point):
    home, target = m.places
    return home, target, m.move("--cold", "--early", check=False, to=target, home=home,
                                env={"WHERRY_TEST_MIGRATE_FAULT": f"{point} kill"})


@pytest.mark.parametrize("point", AT_HOME + MOVED)
def test_the_source_is_killed(migrant, point):
    m = migrant(mib=MUCH)
    home, target, result = cut_down(m, f"source {point}")
    assert result.rc == -9, f"it was not killed at {point}: {result!r}"
    m.assert_well(target if point in MOVED else home, timeout=30)
    m.check_memory()


@pytest.mark.parametrize("point", THERE_NEVER + THERE_IN_PART + THERE)
def test_the_destination_is_killed(migrant, point):
    m = migrant(mib=MUCH)
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


@pytest.mark.parametrize("point", ["got:prepared", "send:prepared"])
def test_the_pager_is_killed(migrant, point):
    """The process that reads the images, before anything runs."""
    m = migrant(mib=MUCH)
    home, target, result = cut_down(m, f"pager {point}")
    assert result.rc == 1 and "the pager" in result.err, f"it was not killed at {point}: {result!r}"
    m.assert_well(home, timeout=30)
    m.check_memory()


def test_the_pager_is_killed_in_the_window(migrant, held):
    m = migrant(mib=MUCH)
    window = held(m, "--format", "json")
    os.kill(window.pager, signal.SIGKILL)
    result = window.process.wait(60)
    assert result.rc == 1 and "memory could not be read while the container runs, which a migration with --whole does not need" in result.err, result
    assert events(result)[-1] == {"event": "failed", "container": "runs here, from its freeze"}
    m.assert_well(m.places[0], rolled_back=True)
    m.check_memory()


def test_criu_is_killed_in_the_window(migrant, held):
    m = migrant(mib=MUCH)
    window = held(m)
    os.kill(daemon_of(m.images), signal.SIGKILL)
    window.go_on()
    result = window.process.wait(60)
    assert result.rc == 1 and "was lost at 'ssh://other'" in result.err and "ended by signal 9" in result.err, result
    assert "memory could not be read while the container runs, which a migration with --whole does not need" in result.err, result
    m.assert_well(m.places[0], rolled_back=True)
    m.check_memory()


def test_criu_is_killed_before_anything_runs(migrant, tmp_path):
    m = migrant(mib=MUCH)
    process = m.spawn_over(Relay(tmp_path).program, "--cold", "--early", fault="destination restored stop")
    receiver = there_stopped(m.places[1])
    kill_daemon(m)
    os.kill(receiver, signal.SIGCONT)
    result = process.wait(60)
    assert result.rc == 1 and "criu lazy-pages" in result.err, result
    m.assert_well(m.places[0])
    m.check_memory()


def test_missing_memory_is_never_zeros(migrant, held):
    """CRIU's process is killed, and nobody is there to take the container away: it waits for its memory."""
    m = migrant(mib=MUCH)
    window = held(m)
    os.kill(window.receiver, signal.SIGSTOP)
    kill_daemon(m)
    window.go_on()
    time.sleep(0.5)
    before = m.count()
    time.sleep(0.5)
    assert m.count() == before and not m.lines("damage"), "it went on without its memory"
    assert m.statuses()["there"] == "running", "it died of zeros"
    os.kill(window.receiver, signal.SIGCONT)
    assert window.process.wait(60).rc == 1
    m.assert_well(m.places[0], rolled_back=True)
    m.check_memory()


@pytest.mark.parametrize("back", [True, False])
def test_the_connection_is_lost_in_the_window(migrant, held, back):
    """The destination has all that it needs; the source asks, now or when somebody has it ask."""
    m = migrant(mib=MUCH)
    here, there = m.places
    window = held(m)
    if back:
        held.relay.cut_once()
        window.go_on()
        result = window.process.wait(120)
        assert result.rc == 0, result
    else:
        held.relay.cut()
        window.go_on()
        host.wait_until(lambda: daemon_of(m.images) is None, "all memory to be read", 60)
        result = window.process.wait(120)
        assert result.rc == 3 and "has not confirmed that it has all of its memory" in result.err, result
        assert m.statuses() == {"here": "paused", "there": "running"}
        held.relay.mend()
        settled = here.runtime.run("migrate", "--resume", m.ident, timeout=60)
        assert settled.rc == 0 and "destination" in settled.out, settled
    m.assert_well(there)
    m.check_memory()


@pytest.mark.waits
def test_the_connection_is_lost_while_much_is_still_to_be_read(migrant, held):
    """An answer to the source's question, and no reason to give up or to let go."""
    m = migrant(mib=MUCH)
    window = held(m)
    held.relay.cut_once()
    time.sleep(25)  # longer than the destination has a question wait for the end of the old receiver
    assert host.proc_status(window.process.pid, "State").startswith("S"), window.process.wait(1)
    assert m.statuses() == {"here": "paused", "there": "running"}
    window.go_on()
    result = window.process.wait(60)
    assert result.rc == 0, result
    m.assert_well(m.places[1])
    m.check_memory()


def test_a_signal_waits_until_it_is_whole(migrant, held):
    """Once it runs there, to be interrupted would lose what it does there."""
    m = migrant(mib=MUCH)
    window = held(m)
    os.kill(window.process.pid, signal.SIGTERM)
    time.sleep(0.3)
    assert not host.proc_status(window.process.pid, "State").startswith("Z"), "it has ended"
    window.go_on()
    assert window.process.wait(60).rc == 0
    m.assert_well(m.places[1])


@pytest.mark.waits
def test_a_source_hears_that_it_takes_long(migrant, held):
    """Else it would think that the destination hangs, when there is very much memory: but not while nobody reads any."""
    m = migrant(mib=MUCH)
    window = held(m, env={"WHERRY_TEST_MIGRATE_FAULT": "source got:reading kill"})
    time.sleep(12)
    assert host.proc_status(window.process.pid, "State").startswith("S"), "it heard that memory is read"
    window.go_on()
    assert window.process.wait(30).rc == -9, "it heard nothing"
    m.assert_well(m.places[1], timeout=60)
    m.check_memory()
