# SPDX-License-Identifier: Apache-2.0
"""The suites of tests/lab/suites.py, each in a virtual machine that tools/lab boots."""
import os
import shutil
import sys

import again
from command import ROOT
from report import Report

sys.path.append(os.path.join(ROOT, "tools", "labhost"))
import runs  # noqa: E402  pylint: disable=wrong-import-position
from errors import CannotRun  # noqa: E402  pylint: disable=wrong-import-position


PART = {"engines-core": "tools/lab run --jobs 2 podman docker cri contract containerd"}
"""Suites that are a part of others, which take too long for here."""


def lab(report):
    try:
        with runs.Session() as session:
            found = {name: _first(session, report, name, suite) for name, suite in runs.SUITES.items() if suite.ci}
            if any(failed for _, failed in found.values()):
                report.say(again.announcement(sum((failed for _, failed in found.values()), [])))
                yield
            for name, (first, failed) in found.items():
                report.absorb(_second(session, name, failed) if failed else first)
    except CannotRun as cause:
        report.skips("lab", str(cause))


def _files(name):
    """Where the results of the first and the second try come to lie."""
    return [os.path.join(runs.RESULTS, run, "junit.xml") for run in (name, f"{name}-again")]


def _first(session, report, name, suite):
    """One suite's report, and what deserves a second try (again.py)."""
    if name in PART:
        report.say(f"{name} is a part, and wherry alone: `{PART[name]}` is the whole")
    junit, second = _files(name)
    for old in (junit, second):
        shutil.rmtree(os.path.dirname(old), ignore_errors=True)
    found = Report()
    runs.run_suite(session, found, name, suite, [], quiet=True)
    return found, again.node_ids(again.failed_cases(junit), _test_files(suite))


def _test_files(suite):
    """What a suite runs, file by file: it may name a folder, and options."""
    found = []
    for word in suite.files.split():
        folder = os.path.join(ROOT, word)
        found += [os.path.join(word, name) for name in sorted(os.listdir(folder))] if os.path.isdir(folder) else [word]
    return [name for name in found if name.endswith(".py")]


def _second(session, name, failed):
    """The merged report, after those have run again in a new machine."""
    junit, second = _files(name)
    runs.run_suite(session, Report(), f"{name}-again", runs.SUITES[name]._replace(files=""), failed, quiet=True)
    steadied = again.merge(junit, second)
    merged = Report()
    merged.add_junit(f"lab {name}", junit)
    merged.unsteady = [f"lab {name}: {one}" for one in steadied]
    return merged
