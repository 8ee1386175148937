# SPDX-License-Identifier: Apache-2.0
"""The suites of tests/lab/suites.py, each in a virtual machine that tools/lab boots."""
import os
import sys

from command import ROOT

sys.path.append(os.path.join(ROOT, "tools", "labhost"))
import runs  # noqa: E402  pylint: disable=wrong-import-position
from errors import CannotRun  # noqa: E402  pylint: disable=wrong-import-position


def lab(report):
    try:
        with runs.Session() as session:
            for name, suite in runs.SUITES.items():
                if suite.ci:
                    runs.run_suite(session, report, name, suite, [], quiet=True)
    except CannotRun as cause:
        report.skips("lab", str(cause))
