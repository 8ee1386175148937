# SPDX-License-Identifier: Apache-2.0
"""The body of tools/test: chooses the suites, runs them in order, prints what they found."""
import argparse
import sys
import time

import bench
import debian13
import fuzz
import integration
import lab
import lint
import package
import tools
import unit
from report import Report

# name, function, whether --quick runs it, what it is
SUITES = [
    ("lint", lint.lint, True, "format, layers, path calls, shell, Python, man pages, links"),
    ("unit", unit.unit, True, "cmocka programs, gcc, as released"),
    ("integration", integration.integration, True, "pytest against the program as released"),
    ("bench", bench.bench, True, "the benchmark's own programs (no figures)"),
    ("tools", tools.tools, True, "pytest against the programs in tools/"),
    ("package", package.package, False, "the Debian package: contents, dependencies, the same bytes twice"),
    ("analysis", lint.analysis, False, "clang-tidy and cppcheck over every source"),
    ("unit-sanitize", unit.unit_sanitize, False, "cmocka programs, clang, ASan and UBSan"),
    ("integration-sanitize", integration.integration_sanitize, False,
     "pytest against a program with ASan and UBSan"),
    ("fuzz", fuzz.fuzz, False, "libFuzzer on documents and words, some seconds each"),
    ("reference", integration.reference, False, "the integration tests pointed at runc: they describe OCI, not ourselves"),
    ("lab", lab.lab, False, "tests that want a whole host, in a virtual machine: tools/lab"),
    ("debian13", debian13.debian13, False, "tools/quickstart, twice, and the unit tests in a fresh Debian 13 root"),
]


def parse():
    parser = argparse.ArgumentParser(prog="tools/test", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="leave out what takes minutes")
    parser.add_argument("--list", action="store_true", help="print the suites")
    parser.add_argument("--no-deps", action="store_true", help="install nothing")
    parser.add_argument("suite", nargs="*", help="only these")
    options = parser.parse_args()
    unknown = set(options.suite) - {row[0] for row in SUITES}
    if unknown:
        parser.error(f"no suite {', '.join(sorted(unknown))}; there are {', '.join(row[0] for row in SUITES)}")
    return options


def chosen(options):
    if options.suite:
        return [row for row in SUITES if row[0] in options.suite]
    return [row for row in SUITES if row[2] or not options.quick]


def run_suite(report, name, function):
    print(f"== {name}", flush=True)
    began, before = time.monotonic(), (report.passed, len(report.failed), len(report.skipped))
    count = report.count()
    try:
        function(report)
    except Exception as error:  # a suite that breaks must not hide the others' results
        report.fails(f"{name}: the suite itself", f"{type(error).__name__}: {error}")
    if report.count() == count:
        report.fails(f"{name}: the suite itself", "it ran no test")
    now = (report.passed, len(report.failed), len(report.skipped))
    passed, failed, skipped = (a - b for a, b in zip(now, before))
    print(f"   {passed} ok, {failed} not ok, {skipped} left out, {time.monotonic() - began:.0f} s", flush=True)


def main():
    options = parse()
    if options.list:
        for name, _, quick, text in SUITES:
            print(f"{name:22}{text}{'' if quick else ' (not with --quick)'}")
        return 0
    report = Report()
    for name, function, _, _ in chosen(options):
        run_suite(report, name, function)
    report.print_closing()
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
