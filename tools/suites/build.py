# SPDX-License-Identifier: Apache-2.0
"""The builds that the suites share. Each lives in a build directory of its own, which git ignores."""
import atexit
import contextlib
import fcntl
import os
import shutil

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

# A report goes to files, too: what init or a detached process prints may reach nobody. They are where an ordinary user can
# write, whose tests there are: a clone may lie in /root.
SANITIZER_LOGS = os.path.join("/var/tmp", f"wherry-sanitizer-reports-{os.getpid()}")
SANITIZER_ENV = {
    "ASAN_OPTIONS": f"exitcode=99:detect_stack_use_after_return=0:log_path={SANITIZER_LOGS}/asan",
    "UBSAN_OPTIONS": f"halt_on_error=1:print_stacktrace=1:exitcode=99:log_path={SANITIZER_LOGS}/ubsan",
}

_done = {}


def directory(kind):
    return os.path.join(ROOT, f"build-test-{kind}")


def ensure(kind):
    """Configures and builds once a run; returns the list of problems."""
    if kind not in _done:
        with _alone():
            _done[kind] = configure(kind) or run(["ninja", "--quiet", "-k", "0", "-C", directory(kind)], 900).problems()
    return _done[kind]


@contextlib.contextmanager
def _alone():
    """One call builds in this tree at a time (tools/test, tools/lab): two would write the same files."""
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


def sanitizer_reports():
    """The reports written since clear_sanitizer_reports(), as problems. A warning is none: ASan gives one where a
    child runs on a stack of its own."""
    found = []
    for name in sorted(os.listdir(SANITIZER_LOGS)):
        with open(os.path.join(SANITIZER_LOGS, name), errors="replace") as report:
            text = report.read(4000)
        if "ERROR: " in text or "runtime error: " in text:
            found.append(f"{name}: {text}")
    return found


def clear_sanitizer_reports():
    atexit.register(shutil.rmtree, SANITIZER_LOGS, ignore_errors=True)
    shutil.rmtree(SANITIZER_LOGS, ignore_errors=True)
    os.makedirs(SANITIZER_LOGS)
    os.chmod(SANITIZER_LOGS, 0o1777)
