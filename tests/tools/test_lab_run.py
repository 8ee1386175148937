# SPDX-License-Identifier: Apache-2.0
"""tools/lab run, without a machine: suites in turn or two at once, and what becomes of their results."""
import contextlib
import threading

import pytest

from lab_main import main


@pytest.fixture
def suites(monkeypatch):
    """suites(does): what each suite does to its report, in place of a machine; the names of those that ran."""
    ran = []
    monkeypatch.setattr(main, "Session", lambda debian: contextlib.nullcontext(debian))

    def make(does):
        def run_suite(_session, report, name, _suite, arguments, quiet=False):
            ran.append((name, arguments, quiet))
            does(report, name)
        monkeypatch.setattr(main, "run_suite", run_suite)
        return ran
    return make


def call(*words):
    return main.verb_run(main.parse(["run", *words]))


def passes(report, _name):
    report.passes()


def fails(report, name):
    report.fails(name, "as it has to")


def test_in_turn(suites):
    ran = suites(passes)
    assert call("host", "rootless", "--", "-k", "x") == 0
    assert ran == [("host", ["-k", "x"], False), ("rootless", ["-k", "x"], False)]


def test_two_at_once(suites, capsys):
    both = threading.Barrier(2)

    def meets(report, name):
        both.wait(20)
        report.passes(2)
        if name == "rootless":
            fails(report, name)
    ran = suites(meets)
    assert call("--jobs", "2", "host", "rootless") == 1
    assert sorted(ran) == [("host", [], True), ("rootless", [], True)]
    assert "4 passed" in capsys.readouterr().out


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_stop(suites, jobs, capsys):
    """Of four not all begin once the first has failed; a suite that has not run is told."""
    ran = suites(fails)
    assert call("--stop", "--jobs", jobs, "host", "rootless", "verbs", "resources") == 1
    assert 1 <= len(ran) <= int(jobs)
    assert "--stop, and another suite has failed" in capsys.readouterr().out


def test_a_suite_that_breaks_is_a_failure(suites, capsys):
    def breaks(_report, _name):
        raise OSError("no space left")
    suites(breaks)
    assert call("host") == 1
    assert "OSError: no space left" in capsys.readouterr().out
