"""Calls of engines' programs: each with a time limit, its output kept; terminals; waiting."""
import fcntl
import os
import pty
import select
import shlex
import signal
import struct
import subprocess
import termios
import time

OVER_MEMORY = "tail /dev/zero; status=$?; sleep 2; exit $status"
"""Is killed for its memory, of which an engine hears by the cgroup: systemd takes that away with the last process, faster than some
engines read it."""
LIMIT = 120
"""Seconds after which a call counts as hung; the machine may be an emulated one."""


class Result:
    """One finished call."""

    def __init__(self, argv, rc, out, err):
        self.argv, self.rc, self.out, self.err = argv, rc, out, err

    @property
    def all(self):
        return self.out + self.err

    def __repr__(self):
        return f"$ {shlex.join(map(str, self.argv))}\n  exit {self.rc}\n  stdout: {self.out}\n  stderr: {self.err}"


def call(*argv, rc=0, text=None, timeout=LIMIT, env=None, user=None):
    """Calls a program; another exit status than rc (None: any) fails the test."""
    argv = [str(a) for a in argv]
    with subprocess.Popen(argv, stdin=subprocess.PIPE if text is not None else subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, errors="replace", start_new_session=True,
                          env=dict(os.environ, **env) if env else None) as process:
        try:
            out, err = process.communicate(text, timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            raise AssertionError(f"hangs for {timeout} s: {Result(argv, 'timeout', out, err)!r}") from None
    result = Result(argv, process.returncode, out, err)
    assert rc is None or result.rc == rc, f"exit status {result.rc}, not {rc}: {result!r}"
    return result


class Terminal:
    """A program on a terminal of its own, as a person would use it."""

    def __init__(self, *argv, rows=24, columns=80):
        self.argv, self.seen = [str(a) for a in argv], ""
        self.master, slave = pty.openpty()
        self.resize(rows, columns)
        self.process = subprocess.Popen(self.argv, stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
        os.close(slave)

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        if hasattr(self, "process"):
            self.process.send_signal(signal.SIGWINCH)

    def write(self, text):
        os.write(self.master, text.encode())

    def wait_for(self, text, timeout=LIMIT):
        """Reads until the text has come; returns all that was seen."""
        deadline = time.monotonic() + timeout
        while text not in self.seen:
            assert time.monotonic() < deadline, f"no {text!r} on the terminal of {self.argv}, but {self.seen!r}"
            if not self._read():
                break
        assert text in self.seen, f"no {text!r} on the terminal of {self.argv}, but {self.seen!r}"
        return self.seen

    def has(self, text):
        """Whether the text is among what has come so far; waits a moment for more."""
        self._read()
        return text in self.seen

    def _read(self):
        if not select.select([self.master], [], [], 0.2)[0]:
            return self.process.poll() is None
        try:
            got = os.read(self.master, 65536)
        except OSError:  # the other end is closed
            return False
        self.seen += got.decode("utf-8", "replace")
        return bool(got)

    def end(self, timeout=LIMIT):
        """Reads to the end; returns the exit status."""
        deadline = time.monotonic() + timeout
        while self._read():
            assert time.monotonic() < deadline, f"{self.argv} does not end; it wrote {self.seen!r}"
        rc = self.process.wait(10)
        os.close(self.master)
        return rc


def wait_until(condition, what, timeout=60.0):
    """Polls until the condition is true and returns its value."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"timed out after {timeout:g} s waiting for {what}"
        time.sleep(0.1)


def read(*path):
    with open(os.path.join(*map(str, path)), encoding="utf-8", errors="replace") as file:
        return file.read()


def with_word(word):
    """The processes that have it in their command lines."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            found += [int(pid)] if word in read("/proc", pid, "cmdline").split("\0") else []
        except OSError:
            pass  # it has gone
    return found
