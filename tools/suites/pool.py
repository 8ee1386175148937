# SPDX-License-Identifier: Apache-2.0
"""Suites side by side. A suite is a function that takes a report; where it is a generator, what follows its `yield` waits until
nothing else runs: second tries, for which a busy machine is no excuse."""
import collections
import contextlib
import inspect
import threading
import time

import command
from report import Report


class Run:
    """One suite on its way: its own report, whoever else writes at the same time."""

    def __init__(self, name, function):
        self.name, self.function = name, function
        self.report = Report(name)
        self.seconds = 0.0
        self.rest = None

    def begin(self):
        """Runs it as far as it goes beside others."""
        self.report.print_line(f"== {self.name}")
        with self._part():
            begun = self.function(self.report)
            if inspect.isgenerator(begun) and next(begun, self) is not self:
                self.rest = begun
        if not self.rest:
            self._close()

    def finish(self):
        """Runs what it has left for the end."""
        if self.rest:
            self.report.print_line(f"== {self.name}, what failed once more")
            with self._part():
                collections.deque(self.rest, maxlen=0)
            self._close()

    @contextlib.contextmanager
    def _part(self):
        began = time.monotonic()
        try:
            yield
        except Exception as error:  # a suite that breaks must not hide the others' results
            self.report.fails(f"{self.name}: the suite itself", f"{type(error).__name__}: {error}")
        self.seconds += time.monotonic() - began

    def _close(self):
        report = self.report
        if not report.count():
            report.fails(f"{self.name}: the suite itself", "it ran no test")
        report.say(f"{report.passed} ok, {len(report.failed)} not ok, {len(report.skipped)} left out, {self.seconds:.0f} s")


def side_by_side(calls, jobs):
    """Makes these calls in this order, up to jobs at once; returns when none is under way any more."""
    waiting = collections.deque(calls)

    def work():
        with contextlib.suppress(IndexError, command.Interrupted):
            while True:
                waiting.popleft()()

    # not an executor's: those are waited for when this program is told to end
    workers = [threading.Thread(target=work, daemon=True) for _ in range(jobs)]
    for worker in workers:
        worker.start()
    try:
        for worker in workers:
            worker.join()
    except BaseException:
        waiting.clear()
        command.interrupt()
        for worker in workers:
            worker.join(30)
        raise


def run(first, others, jobs):
    """The first ones alone and in turn, then the others, then in turn what they left for the end."""
    side_by_side([one.begin for one in first], 1)
    side_by_side([one.begin for one in others], jobs)
    side_by_side([one.finish for one in first + others], 1)
