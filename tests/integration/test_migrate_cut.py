"""migrate whose connection is cut at each of its steps while both ends live: exactly one container runs afterwards."""
import os
import pathlib
import re
import signal

import pytest

import host
import rig
import test_migrate_deferred
import test_migrate_faults
import test_migrate_lazy_faults
from migrations import Relay, migrant, needs_migration, receivers, there_stopped  # noqa: F401
from test_migrate_faults import DESTINATION, RAN, SOURCE, TOLD

pytestmark = needs_migration

# After the last message there is no connection that could be cut.
SOURCE = [point for point in SOURCE if point != "source sent:done"]
DESTINATION = [point for point in DESTINATION if point != "destination got:done"]

# Here the destination may have it or not: the commit may be on its way.
EITHER = {"source sent:commit", "destination sent:prepared"}

# With the commit in its hands it goes on without a connection.
HEARD = RAN | {"destination got:commit", "destination committed"}


def ends_well(m, process, point, where):
    result = process.wait(120)
    if where is None:
        where = m.places[0] if result.rc else m.places[1]
    m.assert_well(where, 30)
    if where is m.places[1]:
        assert result.rc == 0 and "it runs at" in result.out, result
    else:
        assert result.rc == 1 and result.err.strip(), f"it was not cut at {point}: {result!r}"
        assert result.out.splitlines()[-1] == f"container '{m.ident}' runs here, on, as before"


@pytest.mark.parametrize("point", SOURCE)
def test_while_the_source_is_there(migrant, tmp_path, point):
    m, relay = migrant(), Relay(tmp_path)
    process = m.spawn_over(relay.program, env={"WHERRY_TEST_MIGRATE_FAULT": f"{point} stop"})
    host.wait_until(lambda: host.proc_status(process.pid, "State").startswith("T"), point, 60)
    relay.cut_once()
    os.kill(process.pid, signal.SIGCONT)
    ends_well(m, process, point, None if point in EITHER else m.places[point in TOLD])


@pytest.mark.parametrize("point", DESTINATION)
def test_while_the_destination_is_there(migrant, tmp_path, point):
    m, relay = migrant(), Relay(tmp_path)
    process = m.spawn_over(relay.program, fault=f"{point} stop")
    receiver = there_stopped(m.places[1])
    relay.cut_once()
    os.kill(receiver, signal.SIGCONT)
    ends_well(m, process, point, None if point in EITHER else m.places[point in HEARD])


def test_a_receiver_that_a_test_has_left_standing_still(migrant, tmp_path):
    """Of the tests themselves: one that fails between the stop and the cut leaves nobody behind."""
    m = migrant()
    m.spawn_over(Relay(tmp_path).program, fault="destination got:commit stop")
    there_stopped(m.places[1])
    m.end()
    host.wait_until(lambda: not receivers(m.places[1]), "the receiver to be gone")


# Post-copy: until all memory is at the destination it is the source that is whole.
WITH_MEMORY = {"source got:complete", "source moved", "source send:done", "destination fetched", "destination whole",
               "destination send:complete", "destination sent:complete"}

# The memory may be there by the time of the cut: it comes while the receiver stands still.
COMING = {f"destination {point}" for point in test_migrate_lazy_faults.THERE_IN_PART} - WITH_MEMORY
LAZY_SOURCE = [f"source {point}" for point in test_migrate_lazy_faults.AT_HOME + test_migrate_lazy_faults.WINDOW +
               test_migrate_lazy_faults.MOVED if point != "sent:done"]
LAZY_DESTINATION = [f"destination {point}" for point in test_migrate_lazy_faults.THERE_NEVER + test_migrate_lazy_faults.THERE_IN_PART +
                    test_migrate_lazy_faults.THERE if point != "got:done"]


def test_every_message_and_step_is_among_the_points():
    """Of the code, which the lists here and in the modules beside this one repeat: what is added there is cut down in the tests, too."""
    code = {path.name: path.read_text() for path in pathlib.Path(rig.SOURCE_ROOT, "libcontainer/migrate").glob("*.c")}
    messages = {name.replace(" ", "-") for name in re.findall(r'\[MIGRATE_\w+\] = \{"([a-z ]+)"', code["protocol.c"])}
    steps = {f"{side} {what}" for side, what in re.findall(r'migrate_fault\("(\w+)", "([\w-]+)"', "".join(code.values()))}
    points = set(test_migrate_faults.SOURCE + test_migrate_faults.DESTINATION + LAZY_SOURCE + LAZY_DESTINATION +
                 test_migrate_deferred.POINTS)
    assert len(messages) > 20 and len(steps) > 8
    # an end and an abort are failures already; query and answer are the question of --resume, over a connection of its own
    assert messages - {point.split(":")[1] for point in points if ":" in point} == {"end-of-file", "abort", "query", "answer"}
    assert steps - points == set()


def ends_well_lazily(m, process, point):
    result = process.wait(120)
    whole = point in WITH_MEMORY or (point in COMING and result.rc == 0)
    if whole:
        assert result.rc == 0 and "it runs at" in result.out, result
    else:
        assert result.rc == 1 and result.err.strip(), f"it was not cut at {point}: {result!r}"
        assert result.out.splitlines()[-1].startswith(f"container '{m.ident}' runs here, on"), result
    m.assert_well(m.places[whole], 30, rolled_back=True)
    m.check_memory()


@pytest.mark.parametrize("point", LAZY_SOURCE)
def test_post_copy_while_the_source_is_there(migrant, tmp_path, point):
    m, relay = migrant(mib=8), Relay(tmp_path)
    process = m.spawn_over(relay.program, "--lazy", env={"WHERRY_TEST_MIGRATE_FAULT": f"{point} stop"})
    host.wait_until(lambda: host.proc_status(process.pid, "State").startswith("T"), point, 60)
    relay.cut_once()
    os.kill(process.pid, signal.SIGCONT)
    ends_well_lazily(m, process, point)


@pytest.mark.parametrize("point", LAZY_DESTINATION)
def test_post_copy_while_the_destination_is_there(migrant, tmp_path, point):
    m, relay = migrant(mib=8), Relay(tmp_path)
    process = m.spawn_over(relay.program, "--lazy", fault=f"{point} stop")
    receiver = there_stopped(m.places[1])
    relay.cut_once()
    os.kill(receiver, signal.SIGCONT)
    ends_well_lazily(m, process, point)
