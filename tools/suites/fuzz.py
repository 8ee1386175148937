# SPDX-License-Identifier: Apache-2.0
"""libFuzzer's programs with ASan and UBSan, each for a short time from the corpus of the unit tests. What is found by longer
runs becomes a document in tests/data, which every run reads then."""
import os
import tempfile

import build
from command import ROOT, run

SECONDS = int(os.environ.get("WHERRY_TEST_FUZZ_SECONDS", "8"))
# name, the folders it starts from
TARGETS = [
    ("command_line", ["tests/data/fuzz/command_line"]),
    ("config", ["tests/data/good", "tests/data/bad"]),
    ("kernel_files", ["tests/data/fuzz/kernel_files"]),
    ("messages", []),
    ("paths", []),
    ("records", ["tests/data/fuzz/records"]),
    ("rules", []),
    ("words", ["tests/data/fuzz/words"]),
]

MORE = {"rules": ["-max_len=512"], "paths": ["-max_len=256"]}
# libseccomp leaks what it has made of a rule when it merges it with another
ENV = {"rules": {"ASAN_OPTIONS": "detect_leaks=0"}}


def fuzz(report):
    problems = build.configure("fuzz") or run(
        ["ninja", "--quiet", "-C", build.directory("fuzz")] + [f"tests/fuzz/fuzz_{name}" for name, _ in TARGETS], 900).problems()
    if problems:
        report.fails("fuzz: build", "\n".join(problems))
        return
    for name, seeds in TARGETS:
        _run(report, name, seeds)


def _run(report, name, seeds):
    with tempfile.TemporaryDirectory(prefix="wherry-fuzz-") as corpus:
        done = run([os.path.join(build.directory("fuzz"), "tests", "fuzz", f"fuzz_{name}"), f"-max_total_time={SECONDS}",
                    "-timeout=10", "-max_len=65536", *MORE.get(name, []), f"-artifact_prefix={corpus}/", corpus]
                   + [os.path.join(ROOT, seed) for seed in seeds], SECONDS + 120, env=ENV.get(name))
        tried = [line for line in done.output.splitlines() if line.startswith("Done ")]
        # the input that breaks it is printed, when it is short, in the output's last lines
        report.check(f"fuzz: {name}", done.problems()[-30:] or ([] if tried else ["it has not run to its end"]))
        report.say(f"{name}: {tried[0] if tried else 'failed'}")
