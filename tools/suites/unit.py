# SPDX-License-Identifier: Apache-2.0
"""The cmocka programs, by meson: once as released, once with the sanitizers."""
import json
import os

import again
import build
from command import run


def unit(report):
    yield from _run(report, "unit", "release", {})


def unit_sanitize(report):
    with build.sanitizer_logs() as logs:
        yield from _run(report, "unit-sanitize", "sanitize", build.sanitizer_env(logs))
        report.check("unit-sanitize: no sanitizer report", build.sanitizer_reports(logs))


def _run(report, suite, kind, env):
    problems = build.ensure(kind)
    if problems:
        report.fails(f"{suite}: build", "\n".join(problems))
        return
    logs = os.path.join(build.directory(kind), "meson-logs")
    junit, records = (os.path.join(logs, n) for n in ("testlog.junit.xml", "testlog.json"))
    done = _meson_test(kind, env, junit, records, ["--suite", "unit"])
    if not os.path.exists(junit):
        report.fails(f"{suite}: meson test", done.output)
        return
    failed = again.failed_cases(junit)
    if failed:
        report.say(again.announcement(failed))
        yield
        done = _try_again(report, suite, kind, env, junit, records)
    failed_before = len(report.failed)
    report.add_junit(suite, junit)
    if not done.ok and len(report.failed) == failed_before:
        _add_programs_that_broke(report, suite, records, done)


def _meson_test(kind, env, junit, records, what):
    for old in (junit, records):
        if os.path.exists(old):
            os.unlink(old)
    # a test that hangs is ended; one that a loaded machine makes wait is not
    return run(["meson", "test", "-C", build.directory(kind), "--no-rebuild", "--timeout-multiplier", "5"] + what, 1500, env=env)


def _try_again(report, suite, kind, env, junit, records):
    """Runs the programs that failed once more (again.py); the merged results are in junit's place."""
    with open(records) as lines:
        programs = [r["name"].rsplit(" ", 1)[-1] for r in map(json.loads, lines) if r["result"] not in ("OK", "SKIP", "EXPECTEDFAIL")]
    first, second = junit + ".first", junit + ".second"
    os.rename(junit, first)
    done = _meson_test(kind, env, junit, records, programs)
    if os.path.exists(junit):
        os.rename(junit, second)
    report.unsteady += [f"{suite}: {name}" for name in again.merge(first, second)]
    os.rename(first, junit)
    return done


def _add_programs_that_broke(report, suite, records, done):
    """A program that crashed or hung between two of its tests has no failed test in the JUnit file."""
    broken = 0
    with open(records) as lines:
        for record in map(json.loads, lines):
            if record["result"] not in ("OK", "SKIP", "EXPECTEDFAIL"):
                broken += 1
                report.fails(f"{suite}: {record['name']}", record["result"] + "\n"
                             + record.get("stdout", "")[-2000:] + record.get("stderr", "")[-4000:])
    if not broken:
        report.fails(f"{suite}: meson test", done.output)
