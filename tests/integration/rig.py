"""The runtime under test: which binary, how it is called, and what a call answered."""
import json
import os
import re
import select
import signal
import subprocess
import tempfile
import time

import pytest

import host

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE_ROOT = os.path.dirname(os.path.dirname(HERE))
BINARY = os.environ.get("WHERRY_TEST_RUNTIME") or os.path.join(SOURCE_ROOT, "build", "cmd", "wherry")


def _read_version():
    try:
        done = subprocess.run([BINARY, "--version"], capture_output=True, text=True, timeout=20)
        return done.stdout if done.returncode == 0 else ""
    except (OSError, subprocess.TimeoutExpired):
        return ""


VERSION_TEXT = _read_version()
KIND = VERSION_TEXT.split(" ", 1)[0] if VERSION_TEXT else "missing"


def _version_tuple():
    """The leading numbers of the version: (1, 1, 5) of "1.1.5+ds1"."""
    found = re.match(r"\S+ version v?(\d+)(?:\.(\d+))?(?:\.(\d+))?", VERSION_TEXT)
    return tuple(int(n) for n in found.groups("0")) if found else (0, 0, 0)


VERSION = _version_tuple()


def wherry_only(reason):
    """Mark a test of what only wherry has, or of an exact text that OCI leaves open."""
    return pytest.mark.skipif(KIND != "wherry", reason=f"wherry only: {reason}")


TRY_GAPS = bool(os.environ.get("WHERRY_TEST_TRY_GAPS"))
"""Set it to run what lacks() and skip_if() would skip: a test that passes then has a stale reason."""


def lacks(kind, reason, below=None):
    """Mark a test that another runtime cannot pass (below: only its versions under this one)."""
    hit = KIND == kind and (below is None or VERSION < below) and not TRY_GAPS
    return pytest.mark.skipif(hit, reason=f"{kind} {'.'.join(map(str, VERSION))}: {reason}")


def skip_if(kind, reason, below=None):
    """The same as lacks(), from inside a test or for one case of a table."""
    if KIND == kind and (below is None or VERSION < below) and not TRY_GAPS:
        reason = f"{kind} {'.'.join(map(str, VERSION))}: {reason}"
        raise pytest.skip.Exception(reason, _use_item_location=True)


def gives_up_on_cgroups(runtime):
    """runc 1.1 tries for a moment to remove a cgroup of version 2 alone whose processes are just ending; then it stays."""
    return runtime.kind == "runc" and runtime.version < (1, 2, 0) and host.cgroup2_is_alone()


def skip_if_leaves_cgroups():
    """runc ends what outlives init where cgroup v2 is alone, and removes the cgroup too soon after."""
    if host.cgroup2_is_alone():
        skip_if("runc", "leaves the cgroup, where v2 is alone, of processes that outlive init", below=(1, 2, 0))


def skip_if_slaves_have_no_master():
    """A regression between two of runc's patch releases."""
    if VERSION > (1, 1, 5):
        skip_if("runc", "makes slave mounts that have no master", below=(1, 2, 0))


class Result:
    """One finished call of the runtime."""

    def __init__(self, argv, rc, out, err, seconds):
        self.argv, self.rc, self.out, self.err, self.seconds = argv, rc, out, err, seconds

    @property
    def ok(self):
        return self.rc == 0

    def json(self):
        return json.loads(self.out)

    def __repr__(self):
        return (f"{' '.join(map(str, self.argv))}\n  exit {self.rc} after {self.seconds:.2f} s"
                f"\n  stdout: {_shorten(self.out)}\n  stderr: {_shorten(self.err)}")


def _shorten(text, limit=4000):
    return text if len(text) <= limit else text[:limit] + f"... ({len(text)} characters)"


class Process:
    """A call of the runtime that is still under way. Its output goes to files, never to pipes: a
    detached container keeps the descriptors that it inherited, and reading a pipe would wait for it."""

    def __init__(self, argv, input=None, env=None, cwd=None, stdin=None, stdout=None, stderr=None,
                 pass_fds=(), preexec=None, session=True):
        self.argv = argv
        self.out_file = tempfile.TemporaryFile() if stdout is None else None
        self.err_file = tempfile.TemporaryFile() if stderr is None else None
        self._in = None
        if input is not None:
            self._in = tempfile.TemporaryFile()
            self._in.write(input.encode() if isinstance(input, str) else input)
            self._in.seek(0)
            stdin = self._in
        self.started = time.monotonic()
        self.popen = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL if stdin is None else stdin, stdout=stdout or self.out_file,
            stderr=stderr or self.err_file, env=env, cwd=cwd, pass_fds=pass_fds, preexec_fn=preexec,
            start_new_session=session)
        self.pid = self.popen.pid
        host.adopt(self.pid)

    def out(self):
        return _slurp(self.out_file)

    def err(self):
        return _slurp(self.err_file)

    def running(self):
        return self.popen.poll() is None

    def kill(self, sig=signal.SIGKILL):
        if self.popen.poll() is None:
            self.popen.send_signal(sig)

    def wait(self, timeout=20, reap=True):
        """Wait for the end. Meanwhile orphans are reaped, as a shim would (reap=False: as none would)."""
        deadline = time.monotonic() + timeout
        if self.running():
            pidfd = os.pidfd_open(self.pid)
            end = select.poll()
            end.register(pidfd, select.POLLIN)
            try:
                while not end.poll(20) and time.monotonic() < deadline:
                    if reap:
                        host.reap_orphans()
            finally:
                os.close(pidfd)
        try:
            rc = self.popen.wait(max(0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.kill()
            self.popen.wait(10)
            host.release(self.pid)
            pytest.fail(f"hangs: {' '.join(map(str, self.argv))} not done after {timeout} s"
                        f"\n  stdout: {_shorten(self.out())}\n  stderr: {_shorten(self.err())}")
        host.release(self.pid)
        return Result(self.argv, rc, self.out(), self.err(), time.monotonic() - self.started)


def _slurp(file):
    if file is None:
        return ""
    with open(f"/proc/self/fd/{file.fileno()}", "rb") as again:
        return again.read().decode("utf-8", "replace")


class Runtime:
    """The binary under test, with a state directory of the test's own."""

    def __init__(self, root):
        self.binary, self.root, self.kind, self.version = BINARY, str(root), KIND, VERSION
        self.processes = []

    def argv(self, *args, options=(), root=True):
        head = [self.binary] + (["--root", self.root] if root else [])
        return head + [str(o) for o in options] + [str(a) for a in args]

    def spawn(self, *args, options=(), root=True, env=None, redirect=None, **kw):
        """Start a call and return its Process. options go before the verb; env is added to ours, a
        value of None removes; redirect is a redirection in bash's words, such as "3<&7" or "1>&-". With
        it, the call's own pid stands for $$ in LISTEN_PID."""
        full = dict(os.environ, **{k: v for k, v in (env or {}).items() if v is not None})
        for key in [k for k, v in (env or {}).items() if v is None]:
            full.pop(key, None)
        argv = self.argv(*args, options=options, root=root)
        if redirect:
            own_pid = 'if [ "$LISTEN_PID" = \\$\\$ ]; then export LISTEN_PID=$BASHPID; fi; '
            argv = ["/bin/bash", "-c", f'{own_pid}exec "$@" {redirect}', "bash"] + argv
        process = Process(argv, env=full, **kw)
        self.processes.append(process)
        return process

    def run(self, *args, check=False, timeout=20, reap=True, **kw):
        """Call and wait. check=True makes a failure of the runtime a failure of the test."""
        if reap:
            host.reap_orphans()
        result = self.spawn(*args, **kw).wait(timeout, reap)
        if check and result.rc != 0:
            pytest.fail(f"the runtime failed: {result!r}")
        return result

    def state(self, ident):
        """The state document, or None when there is no such container."""
        result = self.run("state", ident)
        return result.json() if result.ok else None

    def end(self):
        for process in self.processes:
            if process.running():
                process.kill()
                process.popen.wait(10)
            host.release(process.pid)
