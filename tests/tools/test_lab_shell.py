# SPDX-License-Identifier: Apache-2.0
"""tools/lab shell on a terminal, without a machine: what it asks for, and that it gives the terminal back."""
import argparse
import os
import pty
import sys
import termios
import tty

import pytest

from lab_main import main
from errors import LabError

OPTIONS = argparse.Namespace(memory=1536, machines=1, debian="trixie")


class Session:
    """Does to the terminal what QEMU does, and ends as the test wants."""

    outcome, asked = None, []

    def __init__(self, debian):
        assert debian == OPTIONS.debian

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass

    def run(self, name, job, suite, interactive):
        Session.asked.append((name, job, interactive))
        tty.setraw(sys.stdin)
        if self.outcome:
            raise self.outcome


@pytest.fixture
def terminal(monkeypatch):
    master, slave = pty.openpty()
    with os.fdopen(slave) as line:
        monkeypatch.setattr(sys, "stdin", line)
        monkeypatch.setattr(main, "Session", Session)
        monkeypatch.setenv("TERM", "xterm")
        Session.asked, Session.outcome = [], None
        yield line
    os.close(master)


def test_without_a_terminal_it_says_what_there_is(monkeypatch):
    with open(os.devnull) as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        with pytest.raises(LabError, match="tools/lab exec"):
            main.verb_shell(OPTIONS)


@pytest.mark.parametrize("outcome", [None, LabError("killed"), KeyboardInterrupt()], ids=["exit", "killed", "interrupted"])
def test_the_terminal_is_given_back(terminal, outcome):
    before = termios.tcgetattr(terminal)
    Session.outcome = outcome
    if outcome:
        with pytest.raises(type(outcome)):
            main.verb_shell(OPTIONS)
    else:
        assert main.verb_shell(OPTIONS) == 0
    assert termios.tcgetattr(terminal) == before
    assert Session.asked == [("shell", {"kind": "shell", "term": "xterm"}, True)]
