# SPDX-License-Identifier: Apache-2.0
"""The second try for tests that failed: what is tried again, and what it changes."""
import os
import sys

import pytest

sys.path.append(os.path.join(os.path.dirname(__file__), "..", "..", "tools", "suites"))
import again  # noqa: E402  pylint: disable=wrong-import-position
from report import Report  # noqa: E402  pylint: disable=wrong-import-position


@pytest.fixture(autouse=True)
def second_try_is_on(monkeypatch):
    monkeypatch.delenv(again.OFF, raising=False)


def junit(path, **outcomes):
    """A JUnit file of the class test_x; an outcome is "", failure, error or skipped."""
    marks = {name: f'<{outcome} message="m"/>' if outcome else "" for name, outcome in outcomes.items()}
    cases = "".join(f'<testcase classname="test_x" name="{name}">{mark}</testcase>' for name, mark in marks.items())
    path.write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
    return str(path)


def test_what_failed_is_tried_again(tmp_path):
    first = junit(tmp_path / "first", a="", b="failure", c="error", d="skipped")
    assert again.failed_cases(first) == [("test_x", "b"), ("test_x", "c")]
    assert again.node_ids(again.failed_cases(first), ["/t/test_x.py"]) == ["/t/test_x.py::b", "/t/test_x.py::c"]


def test_it_is_announced():
    assert again.announcement([("tests.test_x", "b[/]")]) == "1 failed, a second try comes at the end: tests.test_x::b[/]"
    assert again.announcement(["/t/test_x.py::b[/]", "t/test_y.py::c"]).endswith("end: test_x.py::b[/], test_y.py::c")


def test_many_failures_are_no_accident(tmp_path):
    assert again.failed_cases(junit(tmp_path / "first", **{f"t{i}": "failure" for i in range(again.MOST + 1)})) == []


def test_it_can_be_turned_off(tmp_path, monkeypatch):
    monkeypatch.setenv(again.OFF, "1")
    assert again.failed_cases(junit(tmp_path / "first", b="failure")) == []


def test_a_test_of_an_unknown_file_is_not_tried_again(tmp_path):
    assert again.node_ids(again.failed_cases(junit(tmp_path / "first", b="failure")), ["/t/test_y.py"]) == []


def test_what_passes_then_is_unsteady_and_what_fails_or_skips_then_has_failed(tmp_path):
    first = junit(tmp_path / "first", a="", b="failure", c="error", d="failure", e="failure")
    second = junit(tmp_path / "second", b="", c="failure", d="skipped")
    assert again.merge(first, second) == ["test_x::b"]
    report = Report()
    report.add_junit("s", first)
    assert report.passed == 2 and [name for name, _ in report.failed] == ["s: test_x::c", "s: test_x::d", "s: test_x::e"]


def test_a_second_try_that_came_to_nothing_changes_nothing(tmp_path):
    first = junit(tmp_path / "first", b="failure")
    assert again.merge(first, str(tmp_path / "absent")) == []
    assert again.failed_cases(first) == [("test_x", "b")]
