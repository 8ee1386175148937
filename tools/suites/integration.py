# SPDX-License-Identifier: Apache-2.0
"""pytest against the built program: once as released, once with the sanitizers; and against runc, the reference."""
import contextlib
import os
import shutil
import tempfile

import again
import build
from command import ROOT, run
from report import Report

FOLDER = os.path.join(ROOT, "tests", "integration")
LIMIT = 3600  # alone on two idle processors each takes ten minutes or so


def integration(report):
    yield from _run(report, "integration", "release", {})


def integration_sanitize(report):
    with build.sanitizer_logs() as logs:
        # what waits for minutes in all has been there once, without them
        yield from _run(report, "integration-sanitize", "sanitize", build.sanitizer_env(logs), ["-m", "not waits"])
        report.check("integration-sanitize: no sanitizer report", build.sanitizer_reports(logs))


def reference(report):
    """The tests describe OCI when runc passes them, or skips for a stated reason. That is one result: what runc lacks is
    no test of ours left out."""
    runc = shutil.which("runc")
    if not runc:
        report.skips("reference", "runc is not installed")
        return
    junit = os.path.join(build.directory("release"), "reference.xml")
    os.makedirs(os.path.dirname(junit), exist_ok=True)
    _fetch_criu()
    done = yield from _pytest(report, "reference", junit, {"WHERRY_TEST_RUNTIME": runc})
    found = Report()
    if os.path.exists(junit):
        found.add_junit("reference", junit)
    problems = [f"{name}: {why.splitlines()[0]}" for name, why in found.failed]
    problems += [f"{name}: skipped without a cause" for name, why in found.skipped if why == "no cause given"]
    report.say(f"runc: {found.passed} ok, {len(found.failed)} not ok, {len(found.skipped)} do not apply")
    report.check("reference: the integration tests describe runc, too",
                 problems or ([] if done.ok and found.passed else done.problems()[-40:]))


@contextlib.contextmanager
def _within_reach(program):
    """A copy (with its twin) that an ordinary user can execute, too: a clone may lie in /root."""
    with tempfile.TemporaryDirectory(prefix="wherry-test-", dir="/var/tmp") as top:
        os.chmod(top, 0o755)
        for path in (program, program + "-dynamic"):
            if os.path.exists(path):
                shutil.copy(path, top)
        yield os.path.join(top, os.path.basename(program))


def _pytest(report, suite, junit, env, options=()):
    """Runs them, and at the end once more those that failed (again.py); returns how the last run ended."""
    done = _pytest_once(junit, env, [*options, FOLDER])
    files = [os.path.join(FOLDER, name) for name in os.listdir(FOLDER) if name.endswith(".py")]
    failed = again.node_ids(again.failed_cases(junit), files)
    if not failed:
        return done
    report.say(again.announcement(failed))
    yield
    second = junit + ".second"
    done = _pytest_once(second, env, failed)
    report.unsteady += [f"{suite}: {name}" for name in again.merge(junit, second)]
    return done


def _pytest_once(junit, env, tests):
    if os.path.exists(junit):
        os.unlink(junit)
    return run(["/usr/bin/python3", "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={junit}"] + tests,
               LIMIT, env=env)


def _fetch_criu():
    """The tests of checkpoint and restore use what is there then; without it they skip and say so."""
    if os.geteuid() == 0:
        run(["tools/criu"], 600)


def _run(report, suite, kind, env, options=()):
    problems = build.ensure(kind)
    if problems:
        report.fails(f"{suite}: build", "\n".join(problems))
        return
    junit = os.path.join(build.directory(kind), "integration.xml")
    _fetch_criu()
    with _within_reach(build.wherry(kind)) as program:
        done = yield from _pytest(report, suite, junit, dict(env, WHERRY_TEST_RUNTIME=program), options)
    if not os.path.exists(junit):
        report.fails(f"{suite}: pytest", done.output[-6000:])
        return
    failed_before = len(report.failed)
    report.add_junit(suite, junit)
    if not done.ok and len(report.failed) == failed_before:
        report.fails(f"{suite}: pytest", "\n".join(done.problems()[-40:]))
