# SPDX-License-Identifier: Apache-2.0
"""What the suites found: one result a test, printed at the end with the causes."""
import sys
import threading
import xml.etree.ElementTree


_printing = threading.Lock()


class Report:
    """suite: whose it is, of several that may be under way."""

    def __init__(self, suite=""):
        self.suite = suite
        self.passed = 0
        self.failed = []
        self.skipped = []
        self.unsteady = []

    def passes(self, count=1):
        self.passed += count

    def fails(self, name, why):
        self.failed.append((name, why))

    def skips(self, name, why):
        self.skipped.append((name, why))

    def check(self, name, problems):
        """One test that passes when the list of problems is empty."""
        if problems:
            self.fails(name, "\n".join(problems))
        else:
            self.passes()

    def say(self, text):
        """A line for who watches."""
        self.print_line(f"   {self.suite}: {text}")

    @staticmethod
    def print_line(text):
        with _printing:
            print(text, flush=True)

    def absorb(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.unsteady += other.unsteady

    def count(self):
        return self.passed + len(self.failed) + len(self.skipped)

    def add_junit(self, suite, path):
        """Takes over the results of a JUnit file, as pytest and meson write it."""
        for group in xml.etree.ElementTree.parse(path).iter("testsuite"):
            output = "\n".join(group.findtext(tag) or "" for tag in ("system-out", "system-err")).strip()
            for case in group.iter("testcase"):
                self._add_case(f"{suite}: {case.get('classname', '')}::{case.get('name')}", case, output)

    def _add_case(self, name, case, output):
        """output: what its program printed, for a failure that says nothing itself."""
        bad = [e for e in case if e.tag in ("failure", "error")]
        skip = case.find("skipped")
        if bad:
            self.fails(name, "\n".join(_text_of(e) for e in bad).strip() or output)
        elif skip is not None:
            self.skips(name, skip.get("message") or _text_of(skip) or _cause_in(output))
        else:
            self.passes()

    def print_closing(self):
        """What is unsteady, skips and failures, then the one line that ends every run."""
        for name in self.unsteady:
            print(f"unsteady: {name}: failed, and passed when it was run again")
        for why, names in _by_cause(self.skipped):
            print(f"skipped: {names[0]}{f' and {len(names) - 1} more' if names[1:] else ''}: {why}")
        for name, why in self.failed:
            print(f"FAILED: {name}")
            for line in why.splitlines()[-40:]:
                print(f"    {line}")
        print(f"{self.passed} passed, {len(self.failed)} failed, {len(self.skipped)} skipped")
        sys.stdout.flush()


def _text_of(element):
    return "\n".join(t for t in (element.get("message"), element.text) if t)


def _cause_in(output):
    """TAP carries no cause through meson: a cmocka test prints it as a comment, or after "skipped: " on stderr."""
    lines = [line.strip() for line in output.splitlines()]
    causes = [line[2:] for line in lines if line.startswith("# ") and not line.startswith(("# ok", "# not ok"))]
    causes += [line[9:] for line in lines if line.startswith("skipped: ")]
    return "; ".join(dict.fromkeys(causes)) or "no cause given"


def _by_cause(skipped):
    causes = {}
    for name, why in skipped:
        causes.setdefault(why, []).append(name)
    return causes.items()
