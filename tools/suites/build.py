# SPDX-License-Identifier: Apache-2.0
"""The builds that the suites share. Each lives in a build directory of its own, which git ignores."""
import contextlib
import fcntl
import os
import shutil
import tempfile

from command import ROOT, run

KINDS = {
    "release": {
        "options": ["--buildtype=release", "-Dwerror=true", "-Dtests=true"],
        "cc": "gcc",
    },
    # What clang-tidy reads: the commands of a compiler that knows clang's options. Nothing is compiled in it.
    "analysis": {
        "options": ["--buildtype=release", "-Dtests=false"],
        "cc": "clang",
    },
    # clang here, so that both compilers see the sources; libraries shared, as the sanitizers want it.
    "fuzz": {
        "options": ["--buildtype=debugoptimized", "-Dtests=false", "-Dfuzz=true", "-Db_lundef=false", "-Dcompletions=false",
                    "-Db_sanitize=address,undefined", "-Dlink-static=false", "-Dc_args=-fsanitize=fuzzer-no-link"],
        "cc": "clang",
    },
    "sanitize": {
        "options": ["--buildtype=debugoptimized", "-Dwerror=true", "-Dtests=true", "-Db_lundef=false",
                    "-Db_sanitize=address,undefined", "-Dlink-static=false"],
        "cc": "clang",
    },
}

_done = {}


def directory(kind):
    return os.path.join(ROOT, f"build-test-{kind}")


def ensure(kind):
    """Configures and builds once a run; returns the list of problems."""
    with _alone():
        if kind not in _done:
            _done[kind] = configure(kind) or run(["ninja", "--quiet", "-k", "0", "-C", directory(kind)], 900).problems()
    return _done[kind]


@contextlib.contextmanager
def _alone():
    """One builds in this tree at a time (a suite, another call of tools/test or tools/lab): two would write the same files."""
    tree = os.open(ROOT, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(tree, fcntl.LOCK_EX)
        yield
    finally:
        os.close(tree)


def configure(kind):
    if os.path.exists(os.path.join(directory(kind), "build.ninja")):
        return []
    shutil.rmtree(directory(kind), ignore_errors=True)  # of a setup that did not end well
    return run(["meson", "setup", directory(kind), ROOT] + KINDS[kind]["options"], 180,
               env={"CC": KINDS[kind]["cc"]}).problems()


def wherry(kind):
    return os.path.join(directory(kind), "cmd", "wherry")


@contextlib.contextmanager
def sanitizer_logs():
    """A directory for the reports of what one suite runs. They go to files, too, since what init or a detached process prints may
    reach nobody; where an ordinary user can write, whose tests there are, and a clone may lie in /root."""
    with tempfile.TemporaryDirectory(prefix="wherry-sanitizer-reports-", dir="/var/tmp") as logs:
        os.chmod(logs, 0o1777)
        yield logs


def sanitizer_env(logs):
    return {
        "ASAN_OPTIONS": f"exitcode=99:detect_stack_use_after_return=0:log_path={logs}/asan",
        "UBSAN_OPTIONS": f"halt_on_error=1:print_stacktrace=1:exitcode=99:log_path={logs}/ubsan",
    }


def sanitizer_reports(logs):
    """The reports written so far, as problems. A warning is none: ASan gives one where a child runs on a stack of its own."""
    found = []
    for name in sorted(os.listdir(logs)):
        with open(os.path.join(logs, name), errors="replace") as report:
            text = report.read(4000)
        if "ERROR: " in text or "runtime error: " in text:
            found.append(f"{name}: {text}")
    return found
