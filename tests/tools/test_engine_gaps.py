"""What the engines' tests leave out (tests/engines/gaps.py) is what docs/engines.md says that they leave out, by the tests' names."""
import os
import re
import sys

import pytest

TOP = os.path.join(os.path.dirname(__file__), "..", "..")
sys.path.append(os.path.join(TOP, "tests", "engines"))
import gaps  # noqa: E402  pylint: disable=wrong-import-position


def rows():
    """Those of the table."""
    with open(os.path.join(TOP, "docs", "engines.md"), encoding="utf-8") as file:
        return [line for line in file.read().split("What is left out, by name:")[1].splitlines() if line.startswith("| ")]


def named(row):
    return set(re.findall(r"`(test_\w+)`", row))


def test_the_document_names_no_other():
    assert set().union(*map(named, rows())) == {test for _, test in gaps.RUNTIMES} | set(gaps.OPTIONS)


@pytest.mark.parametrize("runtime, test", gaps.RUNTIMES, ids=lambda value: value.replace(" ", "-"))
def test_the_row_is_about_that_runtime(runtime, test):
    row = next(row for row in rows() if test in named(row))
    assert row.startswith(f"| {runtime.split()[0]}: ")
