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


PART = {"engines-core": "tools/lab run docker podman containerd cri contract"}
"""Suites that are a part of others, which take too long for here."""


def lab(report):
    try:
        with runs.Session() as session:
            for name, suite in runs.SUITES.items():
                if suite.ci:
                    if name in PART:
                        print(f"   {name} is a part, and wherry alone: `{PART[name]}` is the whole", flush=True)
                    report.absorb(_twice_at_most(session, name, suite))
    except CannotRun as cause:
        report.skips("lab", str(cause))


def _twice_at_most(session, name, suite):
    """One suite's report; what failed is tried again in a new machine (again.py)."""
    junit, second = (os.path.join(runs.RESULTS, run, "junit.xml") for run in (name, f"{name}-again"))
    for old in (junit, second):
        shutil.rmtree(os.path.dirname(old), ignore_errors=True)
    report = Report()
    runs.run_suite(session, report, name, suite, [], quiet=True)
    failed = again.node_ids(again.failed_cases(junit), suite.files.split())
    if not failed:
        return report
    runs.run_suite(session, Report(), f"{name}-again", suite._replace(files=""), failed, quiet=True)
    steadied = again.merge(junit, second)
    merged = Report()
    merged.add_junit(f"lab {name}", junit)
    merged.unsteady = [f"lab {name}: {one}" for one in steadied]
    return merged
