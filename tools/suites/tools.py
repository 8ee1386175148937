# SPDX-License-Identifier: Apache-2.0
"""pytest against the programs in tools/, with files of the tests' own."""
import os

from command import ROOT, run


def tools(report):
    junit = os.path.join(ROOT, "build-test-release", "tools.xml")
    os.makedirs(os.path.dirname(junit), exist_ok=True)
    if os.path.exists(junit):
        os.unlink(junit)
    done = run(["/usr/bin/python3", "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={junit}", "tests/tools"], 300)
    if os.path.exists(junit):
        report.add_junit("tools", junit)
    if not done.ok and not report.failed:
        report.fails("tools: pytest", "\n".join(done.problems()[-40:]))
