"""--trace FILE: the timeline of parent and init; trace FILE draws it."""
import json
import time

import pytest

from rig import wherry_only

pytestmark = wherry_only("--trace and trace are its own")


def events_of(path):
    """The complete events of a Chrome trace-event file, checked against the format."""
    document = json.loads(path.read_text())
    events = document["traceEvents"] if isinstance(document, dict) else document
    for event in events:
        assert isinstance(event["name"], str) and event["name"]
        assert event["ph"] in ("X", "M", "B", "E", "i", "I")
        assert isinstance(event["pid"], int)
        if event["ph"] == "X":
            assert isinstance(event["ts"], (int, float)) and event["dur"] >= 0
            assert isinstance(event["tid"], int)
    return [e for e in events if e["ph"] == "X"]


@pytest.fixture
def traced(container, tmp_path):
    """A container with the trace files of its create, start, exec and delete."""
    c = container()
    files = {verb: tmp_path / f"{verb}.json" for verb in ("create", "start", "exec", "delete")}
    begin = time.time()
    c.create("--trace", str(files["create"]))
    pid = c.pid
    c.runtime.run("start", "--trace", files["start"], c.id, check=True)
    c.runtime.run("exec", "--trace", files["exec"], c.id, "true", check=True)
    c.runtime.run("delete", "--trace", files["delete"], "--force", c.id, check=True)
    return {verb: events_of(path) for verb, path in files.items()}, pid, begin, time.time(), c


def test_every_verb_writes_events(traced):
    for verb, events in traced[0].items():
        assert len(events) >= 2, f"{verb} has {len(events)} events"


@pytest.mark.parametrize("verb", ["create", "exec"])
def test_both_sides_are_in_it(traced, verb):
    pids = {e["pid"] for e in traced[0][verb]} | {e["tid"] for e in traced[0][verb]}
    assert len(pids) >= 2
    if verb == "create":
        assert traced[1] in pids


def test_create_names_its_steps(traced):
    names = " ".join(e["name"] for e in traced[0]["create"]).lower()
    for word in ("config", "plan", "cgroup", "clone", "mount", "pivot"):
        assert word in names, f"no step about {word} in: {names}"


def test_times_are_within_the_call(traced):
    events = traced[0]["create"]
    first, last = min(e["ts"] for e in events), max(e["ts"] + e["dur"] for e in events)
    assert 0 < last - first < (traced[3] - traced[2]) * 1e6


def test_run_is_traced(container, tmp_path):
    c = container()
    c.bundle.args("true")
    assert c.run("--trace", str(tmp_path / "t.json")).rc == 0
    assert len(events_of(tmp_path / "t.json")) > 5


def test_a_failure_leaves_a_valid_trace(container, tmp_path):
    c = container()
    c.bundle.args("no-such-program")
    assert c.run("--trace", str(tmp_path / "t.json")).rc == 1
    if (tmp_path / "t.json").exists():
        events_of(tmp_path / "t.json")


def test_relative_file_is_relative_to_the_caller(container, tmp_path):
    c = container()
    c.create("--trace", "here.json", cwd=tmp_path)
    assert events_of(tmp_path / "here.json")


def test_unwritable_file(container, tmp_path, host_unchanged):
    c = container()
    result = c.create("--trace", str(tmp_path / "none" / "t.json"), check=False)
    assert result.rc == 1 and "none/t.json" in result.err
    assert c.state() is None
    host_unchanged()


def test_waterfall(container, tmp_path):
    c = container()
    c.create("--trace", str(tmp_path / "t.json"))
    result = c.runtime.run("trace", tmp_path / "t.json")
    assert (result.rc, result.err) == (0, "")
    for event in events_of(tmp_path / "t.json"):
        assert event["name"] in result.out
    lines = result.out.splitlines()
    assert len(lines) >= len(events_of(tmp_path / "t.json"))
    assert max(map(len, lines)) <= 200


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"traceEvents": 5}', '{"traceEvents": [5]}', "\0\0",
                                     "[" * 100000],
                         ids=["empty", "cut", "no-events", "null", "wrong-type", "wrong-entry", "binary", "deep"])
def test_waterfall_of_something_else(runtime, tmp_path, content):
    (tmp_path / "t.json").write_text(content)
    result = runtime.run("trace", tmp_path / "t.json", timeout=5)
    if content != "[]":
        assert result.rc == 1
    assert result.rc in (0, 1)
    assert result.err or result.out


def test_waterfall_of_a_missing_file(runtime, tmp_path):
    result = runtime.run("trace", tmp_path / "none.json")
    assert result.rc == 1 and "none.json" in result.err
