"""Checkpoint and restore in tests: where CRIU is, and a container that can be saved and brought back."""
import json
import os
import re
import shutil
import subprocess

import pytest

import host
import rig


def _is_new_enough(program):
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return False
    found = re.search(r"Version: (\d+)", done.stdout)
    return found is not None and int(found.group(1)) >= 4


def _find_criu():
    """The CRIU 4 of WHERRY_TEST_CRIU, the host's, or the one that tools/criu has fetched; None without one."""
    named = os.environ.get("WHERRY_TEST_CRIU")
    if named or _is_new_enough("/usr/sbin/criu"):
        return named or "/usr/sbin/criu"
    try:
        done = subprocess.run([os.path.join(rig.SOURCE_ROOT, "tools", "criu"), "--have"], capture_output=True,
                              text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


CRIU = _find_criu()

needs_criu = [
    rig.wherry_only("the tests name CRIU by --criu"),
    pytest.mark.skipif(CRIU is None, reason="no CRIU 4 on this host: tools/criu fetches one"),
]
"""The marks of a module of such tests."""


def _version(command, prefix):
    """The first two numbers of a version."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    return tuple(int(n) for n in re.search(prefix + r"(\d+)\.(\d+)", done.stdout).groups())


def needs_inet():
    """Skip where CRIU cannot save an internet socket: the kernel denies what an older one asks of it."""
    if _version(["uname", "-r"], "") >= (6, 16) and _version([CRIU, "--version"], "Version: ") < (4, 2):
        pytest.skip("CRIU before 4.2 cannot save a TCP socket on this kernel: tools/criu fetches a newer one")


class Saved:
    """A container, its image, and what comes back of it."""

    def __init__(self, container, tmp_path):
        self.container, self.runtime = container, container.runtime
        self.image = str(tmp_path / "image")
        self.outputs = tmp_path
        self.calls = 0

    def _output(self, kw):
        """A named file for what a container writes: CRIU opens it again, and cannot with the flags of a
        temporary one (O_NOFOLLOW)."""
        self.calls += 1
        self.output_path = str(self.outputs / f"output{self.calls}")
        kw.setdefault("stdout", open(self.output_path, "ab"))
        os.chmod(self.output_path, 0o666)  # a mapped root opens it, too
        kw.setdefault("stderr", kw["stdout"])

    def up(self, *flags, **kw):
        """create and start the container; its output goes to output()."""
        self._output(kw)
        return self.container.up(*flags, **kw)

    def checkpoint(self, *flags, check=True, image=None, timeout=60, **kw):
        return self.runtime.run("checkpoint", "--criu", CRIU, "--image-path", image or self.image, *flags,
                                self.container.id, check=check, timeout=timeout, **kw)

    def _restore_argv(self, flags, ident, image, bundle):
        return ["restore", "--criu", CRIU, "--image-path", image or self.image, "--bundle",
                bundle or self.container.bundle.path, *flags, ident or self.container.id]

    def restore(self, *flags, ident=None, image=None, bundle=None, check=True, detach=True, timeout=60, **kw):
        """Restore, detached; its output goes to self.output()."""
        flags = (("--detach",) if detach else ()) + flags
        self._output(kw)
        self.call = self.runtime.spawn(*self._restore_argv(flags, ident, image, bundle), **kw)
        result = self.call.wait(timeout)
        result.err = self.output()
        assert result.rc == 0 or not check, f"the runtime failed: {result!r}\n{self.log('restore.log')}"
        return result

    def spawn_restore(self, *flags, ident=None, **kw):
        """Restore in the foreground and return the Process."""
        self._output(kw)
        self.call = self.runtime.spawn(*self._restore_argv(flags, ident, None, None), **kw)
        return self.call

    def output(self):
        """What the container (and the last call that made it) has written."""
        with open(self.output_path, errors="replace") as f:
            return f.read()

    def log(self, name):
        try:
            with open(os.path.join(self.image, name), errors="replace") as f:
                return "".join(line for line in f if "Error" in line or "Warn" in line)[-3000:]
        except OSError:
            return ""

    def manifest(self):
        with open(os.path.join(self.image, "wherry.json")) as f:
            return json.load(f)

    def edit(self, change):
        """Change the manifest: change(manifest)."""
        manifest = self.manifest()
        change(manifest)
        with open(os.path.join(self.image, "wherry.json"), "w") as f:
            json.dump(manifest, f)

    def cycle(self, *flags, restore_flags=None, **kw):
        """Checkpoint and restore with the same flags."""
        self.checkpoint(*flags)
        assert self.container.state() is None, "a saved container is deleted"
        self.restore(*(flags if restore_flags is None else restore_flags), **kw)

    def on_a_host(self, *commands):
        """From here on the runtime is called in a mount namespace of its own, after these commands in it: slaves of the host's
        mounts, so that nothing of it gets out."""
        self.calls += 1
        inner, outer = (self.outputs / f"host{self.calls}{part}" for part in ("inner", "outer"))
        inner.write_text("#!/bin/sh\nset -e\n" + "\n".join(commands) + f"\nexec {rig.BINARY} \"$@\"\n")
        outer.write_text(f"#!/bin/sh\nexec unshare --mount --propagation slave {inner} \"$@\"\n")
        for script in (inner, outer):
            script.chmod(0o755)
        self.runtime.binary = str(outer)

    def mountinfo(self):
        with open(f"/proc/{self.container.pid}/mountinfo") as f:
            return [line.split() for line in f]


class Keeper:
    """A container whose program is helpers/keeper.c."""

    def __init__(self, saved, program, thing):
        self.saved, self.root = saved, saved.container.bundle.rootfs
        shutil.copy(program, os.path.join(self.root, "bin/keeper"))
        saved.container.bundle.args("/bin/keeper", thing)

    def up(self, **kw):
        self.saved.up(**kw)
        host.wait_until(lambda: os.path.exists(os.path.join(self.root, "tmp/ready")), "the keeper to be ready")

    def ask(self):
        answer = os.path.join(self.root, "tmp/answer")
        open(os.path.join(self.root, "tmp/ask"), "w").close()
        host.wait_until(lambda: os.path.exists(answer), "an answer")
        with open(answer) as f:
            text = f.read()
        os.unlink(answer)
        return text


def advance(read, timeout=10.0):
    """Wait until what read() returns changes; returns the new value."""
    before = read()
    host.wait_until(lambda: read() != before, f"{before!r} to change", timeout)
    return read()
