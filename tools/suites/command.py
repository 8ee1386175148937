# SPDX-License-Identifier: Apache-2.0
"""Running one command of a suite: with a time limit, its output kept, its process group ended."""
import os
import signal
import subprocess
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


_lock = threading.Lock()
_running = set()
_interrupted = False


class Interrupted(BaseException):
    """No command begins any more."""


class Finished:
    def __init__(self, argv, status, output):
        self.argv, self.status, self.output = argv, status, output

    @property
    def ok(self):
        return self.status == 0

    def problems(self):
        """An empty list after success, else what went wrong in a form for Report.check()."""
        if self.ok:
            return []
        return [f"{' '.join(self.argv)}: exit status {self.status}"] + self.output.splitlines()


def run(argv, timeout, cwd=ROOT, env=None):
    """Runs argv with no input. A command over its time (seconds) ends with status 'timeout'."""
    environment = dict(os.environ, **(env or {}))
    with _lock:
        if _interrupted:
            raise Interrupted
        process = subprocess.Popen(argv, cwd=cwd, env=environment, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                   errors="replace", start_new_session=True)
        _running.add(process)
    try:
        output, _ = process.communicate(timeout=timeout)
        return Finished(argv, process.returncode, output)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        return Finished(argv, "timeout", f"{output}\nnot done after {timeout} s")
    finally:
        _running.discard(process)


def interrupt(patience=20):
    """Interrupts every command, ends what is left of them after that many seconds, and lets no other begin."""
    global _interrupted
    with _lock:
        _interrupted = True
    deadline = time.monotonic() + patience
    _signal(signal.SIGINT)
    while _running and time.monotonic() < deadline:
        time.sleep(0.05)
    _signal(signal.SIGKILL)


def _signal(number):
    for process in list(_running):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            pass


def tracked_files(*suffixes):
    """The tree's files (known to git, or not ignored by it), relative to its root."""
    listed = run(["git", "-c", f"safe.directory={ROOT}", "ls-files", "-co", "--exclude-standard"], 60)
    names = listed.output.splitlines() if listed.ok else _walk()
    return sorted(n for n in names if n.endswith(suffixes or "") and os.path.isfile(os.path.join(ROOT, n)))


def _walk():
    """The same for a tree that came as an archive."""
    for top, folders, files in os.walk(ROOT):
        folders[:] = [f for f in folders if f not in (".git", "build", "__pycache__")
                      and not f.startswith("build-")]
        for name in files:
            yield os.path.relpath(os.path.join(top, name), ROOT)
