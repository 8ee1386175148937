"""migrate, cut down at each of its steps: exactly one container runs afterwards, and never did two."""
import os

import pytest

import host
from migrations import migrant, needs_migration  # noqa: F401

pytestmark = needs_migration

# Every message in the order in which it travels, by who sends it; what the sender's own file says of its names.
SOURCE_SENDS = ["hello", "offer", "config", "start", "round", "file", "data", "end-of-the-file", "end-of-the-round", "restore",
                "commit", "done"]
DESTINATION_SENDS = ["hello", "verdict", "started", "round-done", "prepared", "confirm"]
SOURCE_STEPS = ["saved", "handed-over", "held", "moved"]
DESTINATION_STEPS = ["restored", "committed", "resumed", "running"]

# From here on the source has told the destination to go on.
TOLD = {"source sent:commit", "source got:confirm", "source moved", "source send:done", "source sent:done"}


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
    m.assert_well()
    if m.home is target:
        # as far as its word goes: it ran, and the source could ask
        assert result.rc == 0, result
    else:
        assert result.rc == 1 and result.err.strip(), result
        assert m.home is home


def test_all_points_were_met(migrant):
    """A name that no step has would never fail: here each side is stopped at the last of its points."""
    m = migrant()
    home, target, result = kill_at(m, "source no-such-point")
    assert result.rc == 0
    m.assert_well(target)
