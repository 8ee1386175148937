# SPDX-License-Identifier: Apache-2.0
"""The lab as a suite of tools/test, with a stand-in for the machines: what it reports, and its second tries."""
import contextlib
import os
import sys

import pytest

sys.path.append(os.path.join(os.path.dirname(__file__), "..", "..", "tools", "suites"))
import again  # noqa: E402  pylint: disable=wrong-import-position
import lab  # noqa: E402  pylint: disable=wrong-import-position
import pool  # noqa: E402  pylint: disable=wrong-import-position
from suites import Suite  # noqa: E402  pylint: disable=wrong-import-position


@pytest.fixture
def machines(monkeypatch, tmp_path):
    """machines(first, second): what the tests of test_x.py do in the suite x then; each has run in what is returned."""
    monkeypatch.delenv(again.OFF, raising=False)
    monkeypatch.setattr(lab.runs, "RESULTS", str(tmp_path))
    monkeypatch.setattr(lab.runs, "Session", lambda: contextlib.nullcontext("session"))
    monkeypatch.setattr(lab.runs, "SUITES", {"x": Suite("tests/lab/test_x.py", 60, "text"), "y": Suite("tests/lab/test_y.py", 60, "text"),
                                             "by-hand": Suite("tests/lab/test_z.py", 60, "text", ci=False)})
    ran = []

    def make(first, second=None):
        def run_suite(_session, report, name, suite, arguments, quiet=False):
            assert quiet
            ran.append((name, suite.files, arguments))
            marks = (second if name.endswith("-again") else first if name == "x" else {"c": ""})
            (tmp_path / name).mkdir()
            cases = "".join(f'<testcase classname="tests.lab.test_{name[0]}" name="{test}">'
                            + (f'<{mark} message="m"/>' if mark else "") + "</testcase>" for test, mark in marks.items())
            (tmp_path / name / "junit.xml").write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
            report.add_junit(f"lab {name}", str(tmp_path / name / "junit.xml"))
        monkeypatch.setattr(lab.runs, "run_suite", run_suite)
        return ran
    return make


def test_suites_in_turn(machines):
    ran = machines({"a": "", "b": "skipped"})
    one = pool.Run("lab", lab.lab)
    one.begin()
    assert one.rest is None and ran == [("x", "tests/lab/test_x.py", []), ("y", "tests/lab/test_y.py", [])]
    assert (one.report.passed, len(one.report.skipped), one.report.failed) == (2, 1, [])


def test_what_failed_is_tried_again_in_a_new_machine_at_the_end(machines):
    ran = machines({"a": "failure", "b": "error", "d": ""}, {"a": "", "b": "failure"})
    one = pool.Run("lab", lab.lab)
    one.begin()
    assert len(ran) == 2 and one.rest
    one.finish()
    assert ran[2:] == [("x-again", "", ["tests/lab/test_x.py::a", "tests/lab/test_x.py::b"])]
    assert one.report.passed == 3 and one.report.unsteady == ["lab x: tests.lab.test_x::a"]
    assert [name for name, _ in one.report.failed] == ["lab x: tests.lab.test_x::b"]


def test_the_tests_of_a_folder_are_tried_again_too(machines, monkeypatch):
    ran = machines({"a": "failure"}, {"a": ""})
    monkeypatch.setitem(lab.runs.SUITES, "x", Suite("tests/tools --core", 60, "text"))
    monkeypatch.setattr(lab.os, "listdir", lambda folder: ["test_x.py", "data"] if folder.endswith("tests/tools") else [])
    one = pool.Run("lab", lab.lab)
    one.begin()
    one.finish()
    assert ran[2:] == [("x-again", "", ["tests/tools/test_x.py::a"])]
    assert one.report.unsteady == ["lab x: tests.lab.test_x::a"] and not one.report.failed


def test_a_host_that_cannot_is_a_skip(machines, monkeypatch):
    machines({})

    def cannot():
        raise lab.CannotRun("no apt")
    monkeypatch.setattr(lab.runs, "Session", cannot)
    one = pool.Run("lab", lab.lab)
    one.begin()
    assert one.report.skipped == [("lab", "no apt")] and not one.report.failed
