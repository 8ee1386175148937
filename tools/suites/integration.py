# SPDX-License-Identifier: Apache-2.0
"""pytest against the built program: once as released, once with the sanitizers."""
import os

import build
from command import ROOT, run

FOLDER = os.path.join(ROOT, "tests", "integration")
LIMIT = 900


def integration(report):
    _run(report, "integration", "release", {})


def integration_sanitize(report):
    build.clear_sanitizer_reports()
    _run(report, "integration-sanitize", "sanitize", build.SANITIZER_ENV)
    report.check("integration-sanitize: no sanitizer report", build.sanitizer_reports())


def _run(report, suite, kind, env):
    problems = build.ensure(kind)
    if problems:
        report.fails(f"{suite}: build", "\n".join(problems))
        return
    junit = os.path.join(build.directory(kind), "integration.xml")
    if os.path.exists(junit):
        os.unlink(junit)
    done = run(["/usr/bin/python3", "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={junit}", FOLDER],
               LIMIT, env=dict(env, WHERRY_TEST_RUNTIME=build.wherry(kind)))
    if not os.path.exists(junit):
        report.fails(f"{suite}: pytest", done.output[-6000:])
        return
    failed_before = len(report.failed)
    report.add_junit(suite, junit)
    if not done.ok and len(report.failed) == failed_before:
        report.fails(f"{suite}: pytest", "\n".join(done.problems()[-40:]))
