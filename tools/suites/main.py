# SPDX-License-Identifier: Apache-2.0
"""The body of tools/test: chooses the suites, runs them, two at a time, and prints what they found."""
import argparse
import os
import signal
import sys
import time

import bench
import debian13
import fuzz
import integration
import lab
import lint
import package
import pool
import tools
import unit
from report import Report

# name, function, whether --quick runs it, seconds that it takes alone on two cores (the longest begin first), what it is
SUITES = [
    ("lint", lint.lint, True, 3, "format, layers, path calls, shell, Python, man pages, links"),
    ("unit", unit.unit, True, 57, "cmocka programs, gcc, as released"),
    ("integration", integration.integration, True, 652, "pytest against the program as released"),
    ("bench", bench.bench, True, 1, "the benchmark's own programs (no figures)"),
    ("tools", tools.tools, True, 7, "pytest against the programs in tools/"),
    ("package", package.package, False, 36, "the Debian package: contents, dependencies, the same bytes twice"),
    ("analysis", lint.analysis, False, 122, "clang-tidy and cppcheck over every source"),
    ("unit-sanitize", unit.unit_sanitize, False, 71, "cmocka programs, clang, ASan and UBSan"),
    ("integration-sanitize", integration.integration_sanitize, False, 1040,
     "pytest against a program with ASan and UBSan"),
    ("fuzz", fuzz.fuzz, False, 131, "libFuzzer on documents and words, some seconds each"),
    ("reference", integration.reference, False, 376, "the integration tests pointed at runc: they describe OCI, not ourselves"),
    ("lab", lab.lab, False, 850, "tests that want a whole host, in a virtual machine: tools/lab"),
    ("debian13", debian13.debian13, False, 150, "tools/quickstart, twice, and the unit tests in a fresh Debian 13 root"),
]
ALONE = ("lint", "unit")
"""They come first, with nothing beside them: what is wrong in general shows within a minute."""
MOST = 2
"""More at a time would make each so slow that its limits of time end it."""


def parse():
    parser = argparse.ArgumentParser(prog="tools/test", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="leave out what takes minutes")
    parser.add_argument("--list", action="store_true", help="print the suites")
    parser.add_argument("--no-deps", action="store_true", help="install nothing")
    parser.add_argument("--jobs", type=int, metavar="N", default=min(os.cpu_count(), MOST),
                        help=f"run N suites at a time (the processors, at most {MOST})")
    parser.add_argument("suite", nargs="*", help="only these")
    options = parser.parse_args()
    unknown = set(options.suite) - {row[0] for row in SUITES}
    if options.jobs < 1:
        parser.error("--jobs wants a number from 1 on")
    if unknown:
        parser.error(f"no suite {', '.join(sorted(unknown))}; there are {', '.join(row[0] for row in SUITES)}")
    return options


def chosen(options):
    if options.suite:
        return [row for row in SUITES if row[0] in options.suite]
    return [row for row in SUITES if row[2] or not options.quick]


def order(rows, jobs):
    """The names of those that run alone, and of the others as they begin."""
    alone, others = ([row for row in rows if (row[0] in ALONE) is wanted] for wanted in (True, False))
    if jobs > 1:
        others.sort(key=lambda row: -row[3])
    return [row[0] for row in alone], [row[0] for row in others]


def run_suites(rows, jobs):
    """The report of all of them, in the order of the rows, however they ran."""
    runs = {row[0]: pool.Run(row[0], row[1]) for row in rows}
    alone, others = order(rows, jobs)
    pool.run([runs[name] for name in alone], [runs[name] for name in others], jobs)
    report = Report()
    for one in runs.values():
        report.absorb(one.report)
    return report


def main():
    options = parse()
    if options.list:
        for name, _, quick, _, text in SUITES:
            print(f"{name:22}{text}{'' if quick else ' (not with --quick)'}")
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    began = time.monotonic()
    report = run_suites(chosen(options), options.jobs)
    Report.print_line(f"== done after {time.monotonic() - began:.0f} s")
    report.print_closing()
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
