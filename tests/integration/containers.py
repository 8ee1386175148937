"""One container of a test: the verbs called on it, and a clean-up that leaves nothing."""
import os
import shutil

import host
import rig


class Container:
    """A container id with its bundle. Each verb returns the Result; the test asserts on it.

    Keyword arguments of a verb go to Runtime.run (check, timeout, input, env, cwd, options, ...)."""

    def __init__(self, runtime, bundle, ident=None):
        self.runtime, self.bundle = runtime, bundle
        self.id = ident or bundle.id
        self.leaves = None  # set to the reason when delete --force is known to leave something
        self.creator = None

    def _launch(self, verb, flags, kw):
        self.bundle.write()
        kw.setdefault("check", False)
        timeout, check = kw.pop("timeout", 20), kw.pop("check")
        self.creator = self.runtime.spawn(verb, "--bundle", self.bundle.path, *flags, self.id, **kw)
        result = self.creator.wait(timeout)
        assert result.rc == 0 or not check, f"the runtime failed: {result!r}"
        return result

    def create(self, *flags, check=True, **kw):
        return self._launch("create", flags, dict(kw, check=check))

    def run(self, *flags, check=False, **kw):
        return self._launch("run", flags, dict(kw, check=check))

    def spawn(self, *flags, verb="run", **kw):
        """Start `run` in the foreground and return its Process without waiting for it."""
        self.bundle.write()
        self.creator = self.runtime.spawn(verb, "--bundle", self.bundle.path, *flags, self.id, **kw)
        return self.creator

    def start(self, check=True, **kw):
        return self.runtime.run("start", self.id, check=check, **kw)

    def up(self, *flags, **kw):
        """create and start; returns the pid of the container's init."""
        self.create(*flags, **kw)
        self.start()
        return self.pid

    def exec(self, *args, flags=(), check=False, **kw):
        """exec FLAGS ID ARGS."""
        return self.runtime.run("exec", *flags, self.id, *args, check=check, **kw)

    def sh(self, script, flags=(), **kw):
        """Run a shell script in the container and return its output; its failure fails the test."""
        return self.exec("/bin/sh", "-c", script, flags=flags, check=True, **kw).out

    def kill(self, *signal, flags=(), check=True, **kw):
        return self.runtime.run("kill", *flags, self.id, *signal, check=check, **kw)

    def delete(self, *flags, check=True, **kw):
        return self.runtime.run("delete", *flags, self.id, check=check, **kw)

    def pause(self, check=True):
        return self.runtime.run("pause", self.id, check=check)

    def resume(self, check=True):
        return self.runtime.run("resume", self.id, check=check)

    def state(self):
        return self.runtime.state(self.id)

    @property
    def status(self):
        state = self.state()
        return state["status"] if state else None

    @property
    def pid(self):
        return self.state()["pid"]

    def wait_status(self, status, timeout=10.0):
        def reached():
            host.reap_orphans()
            return self.status == status
        host.wait_until(reached, f"container {self.id} to be {status}", timeout)

    def stdout(self):
        """What the container (and the call that made it) has written to stdout so far."""
        return self.creator.out()

    def stderr(self):
        return self.creator.err()

    def wait_stdout(self, text, timeout=10.0):
        host.wait_until(lambda: text in self.stdout(), f"{text!r} in the container's output", timeout)
        return self.stdout()

    def finish(self):
        """Delete whatever is there; returns what delete --force left behind, as text, or None."""
        result = self.runtime.run("delete", "--force", self.id, timeout=30)
        left = host.remove_leftovers(self.id)
        entry = os.path.join(self.runtime.root, self.id)
        if os.path.exists(entry):
            left.append(f"state {entry}")
            shutil.rmtree(entry)
        if rig.gives_up_on_cgroups(self.runtime) and all(found.startswith("cgroup ") for found in left):
            left = []
        if left and self.leaves is None:
            return f"left behind after {result!r}\n  " + "\n  ".join(left)
        return None


def assert_refused(c, *words, verb="create", flags=(), timeout=20, **kw):
    """The call fails with exit status 1 and an error that has all the words; no container is left."""
    result = c._launch(verb, flags, dict(kw, timeout=timeout))
    assert result.rc == 1, f"not refused: {result!r}"
    missing = [w for w in words if w.lower() not in result.err.lower()]
    assert not missing, f"the error lacks {missing}: {result!r}"
    assert result.err.strip(), f"refused without a word: {result!r}"
    if c.runtime.kind == "wherry":
        assert result.out == "", f"an error belongs on stderr: {result!r}"
        assert "assert" not in result.err and "Sanitizer" not in result.err, result
    assert c.state() is None, "a container is left"
    return result
