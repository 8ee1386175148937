# SPDX-License-Identifier: Apache-2.0
"""How tools/test runs its suites: in which order, how many at a time, and what is left for the end."""
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

SUITES = os.path.join(os.path.dirname(__file__), "..", "..", "tools", "suites")
sys.path.insert(0, SUITES)  # tools/labhost has a main, too
import main  # noqa: E402  pylint: disable=wrong-import-position
import pool  # noqa: E402  pylint: disable=wrong-import-position

LIMIT = 30


class Stage:
    """Suites that do nothing but meet, and a note of who did what, in order."""

    def __init__(self):
        self.said, self.under_way, self.most = [], 0, 0
        self.lock = threading.Lock()

    def suite(self, name, passed=1, failed=(), second=False, waits_for=None, error=None):
        """second: leaves something for the end. waits_for: does not end before this event."""
        def body(report):
            self.enter(name)
            if waits_for:
                assert waits_for.wait(LIMIT)
            report.passes(passed)
            for test in failed:
                report.fails(f"{name}: {test}", "why")
            self.leave(name)
            if error:
                raise error

        def in_two(report):
            body(report)
            yield
            self.enter(f"{name} again")
            report.unsteady.append(f"{name}: x")
            self.leave(f"{name} again")

        return in_two if second else body

    def enter(self, name):
        with self.lock:
            self.said.append(name)
            self.under_way += 1
            self.most = max(self.most, self.under_way)

    def leave(self, name):
        with self.lock:
            self.said.append(f"/{name}")
            self.under_way -= 1


@pytest.fixture
def stage():
    return Stage()


def row(name, function, seconds=1):
    return name, function, True, seconds, "text"


def test_what_comes_alone_comes_first_and_the_longest_of_the_others_first():
    rows = [row(name, None, seconds) for name, seconds in
            [("lint", 1), ("unit", 2), ("short", 3), ("long", 9), ("middle", 5), ("as-long", 9)]]
    assert main.order(rows, 2) == (["lint", "unit"], ["long", "as-long", "middle", "short"])


def test_one_at_a_time_keeps_the_order_of_the_table():
    rows = [row(name, None, seconds) for name, seconds in [("unit", 1), ("short", 3), ("long", 9)]]
    assert main.order(rows, 1) == (["unit"], ["short", "long"])


def test_each_suite_of_the_table_runs_once():
    alone, others = main.order(main.SUITES, 2)
    assert alone == list(main.ALONE) and sorted(alone + others) == sorted(row[0] for row in main.SUITES)


def test_the_first_ones_run_alone(stage):
    main.run_suites([row("x", stage.suite("x")), row("unit", stage.suite("unit")), row("lint", stage.suite("lint"))], 2)
    assert stage.said[:4] == ["unit", "/unit", "lint", "/lint"] and stage.said[4:] == ["x", "/x"]


def test_two_run_at_a_time_and_not_three(stage):
    go_on = threading.Event()
    names = "abcde"
    rows = [row(name, stage.suite(name, waits_for=go_on if name == "a" else None), 9 - i) for i, name in enumerate(names)]
    rows[-1] = row("e", lambda report: (report.passes(), go_on.set()), 1)
    report = main.run_suites(rows, 2)  # e, the last one, ends while a, the first one, still runs
    assert report.passed == 5 and not report.failed and stage.most == 2
    assert stage.said == ["a", "b", "/b", "c", "/c", "d", "/d", "/a"]


def test_with_one_at_a_time_none_runs_beside_another(stage):
    main.run_suites([row(name, stage.suite(name)) for name in "abc"], 1)
    assert stage.said == ["a", "/a", "b", "/b", "c", "/c"]


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_suite_that_breaks_has_failed_and_stops_nothing(stage, jobs):
    rows = [row("broken", stage.suite("broken", error=KeyError("x")), 9), row("whole", stage.suite("whole")),
            row("again", stage.suite("again", second=True))]
    report = main.run_suites(rows, jobs)
    assert report.failed == [("broken: the suite itself", "KeyError: 'x'")] and report.passed == 3
    assert {"/whole", "/again again"} <= set(stage.said)


def test_a_suite_that_breaks_in_what_it_left_for_the_end_has_failed(stage):
    def breaks(report):
        report.passes()
        yield
        raise OSError("gone")

    report = main.run_suites([row("a", breaks, 9), row("b", stage.suite("b", second=True))], 2)
    assert report.failed == [("a: the suite itself", "OSError: gone")] and stage.said[-1] == "/b again"


@pytest.mark.parametrize("empty", [lambda report: None, lambda report: (yield)], ids=["at once", "at the end"])
def test_a_suite_without_a_test_has_failed(empty):
    assert main.run_suites([row("a", empty)], 2).failed == [("a: the suite itself", "it ran no test")]


def test_second_tries_come_when_nothing_else_runs(stage):
    late = threading.Event()
    rows = [row("unit", stage.suite("unit", second=True)), row("b", stage.suite("b", second=True), 9),
            row("c", stage.suite("c", waits_for=late), 8), row("d", lambda report: (report.passes(), late.set()), 1)]
    report = main.run_suites(rows, 2)
    assert stage.said[-5:] == ["/c", "unit again", "/unit again", "b again", "/b again"]
    assert report.unsteady == ["unit: x", "b: x"]


def closing(capsys, jobs):
    """What is printed at the end, where the second suite of the table is done first and the first one last."""
    stage, done = Stage(), threading.Event()

    def last(report):
        assert jobs == 1 or done.wait(LIMIT)
        report.skips("slow: s", "no such thing")
        stage.suite("slow", failed=["x"])(report)

    def quick(report):
        stage.suite("quick", failed=["y"], passed=7)(report)
        done.set()

    main.run_suites([row("slow", last, 9), row("quick", quick, 3), row("even", stage.suite("even", second=True), 5)],
                    jobs).print_closing()
    return capsys.readouterr().out.split("\nunsteady", 1)[1]


def test_the_closing_is_the_same_however_many_run_at_a_time(capsys):
    one, two = closing(capsys, 1), closing(capsys, 2)
    assert one == two and two.splitlines()[-1] == "9 passed, 2 failed, 1 skipped"
    assert two.index("FAILED: slow: x") < two.index("FAILED: quick: y")


def test_each_line_says_whose_it_is(capsys, stage):
    main.run_suites([row("a", lambda report: (report.say("half done"), report.passes())), row("b", stage.suite("b", failed=["x"]))], 2)
    lines = capsys.readouterr().out.splitlines()
    assert sorted(lines) == sorted(["== a", "   a: half done", "   a: 1 ok, 0 not ok, 0 left out, 0 s",
                                    "== b", "   b: 1 ok, 1 not ok, 0 left out, 0 s"])
    assert lines.index("== a") < lines.index("   a: half done")


INTERRUPTED = """
import signal, sys
sys.path.append(sys.argv[1])
import command, pool
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

def asleep(report):
    report.say("asleep")
    done = command.run(["sh", "-c", "trap 'echo ended >>" + sys.argv[2] + "; exit' INT; while :; do sleep 0.1; done"], 60)
    command.run(["sh", "-c", "echo went on >>" + sys.argv[2]], 60)

pool.run([], [pool.Run(name, asleep) for name in "abc"], 2)
"""


@pytest.mark.parametrize("sig, status", [(signal.SIGINT, -signal.SIGINT), (signal.SIGTERM, 143)])
def test_what_is_interrupted_ends_its_commands(tmp_path, sig, status):
    process = subprocess.Popen([sys.executable, "-c", INTERRUPTED, SUITES, tmp_path / "said"], stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True,
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
    for _ in range(4):
        process.stdout.readline()
    time.sleep(0.5)
    process.send_signal(sig)
    assert process.wait(LIMIT) == status
    assert (tmp_path / "said").read_text() == "ended\n" * 2
    process.stdout.close()


def test_a_pool_waits_for_the_last_one():
    done = []
    pool.side_by_side([lambda: (time.sleep(0.2), done.append(1)), lambda: None], 2)
    assert done == [1]
