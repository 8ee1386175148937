"""An ordinary user who runs containers: what the tests of rootless containers have in common."""
import json
import os
import shutil
import subprocess
import tempfile

import host
from bundles import make_rootfs

SETPRIV = shutil.which("setpriv")


class User:
    """A user with a bundle, a runtime directory of its own or of a session, and a copy of the runtime or an installed one."""

    def __init__(self, runtime, top, uid, run_dir=None, binary=None, enter=(), prefix=()):
        """enter, prefix: commands in whose care the runtime is started, by root and by the user."""
        self.top, self.kind, self.uid, self.enter, self.prefix = top, runtime.kind, uid, list(enter), list(prefix)
        for parent in (top, *list(top.parents)[:3]):
            os.chmod(parent, os.stat(parent).st_mode | 0o011)
        self.binary = binary or self._copy(runtime.binary)
        self.run_dir, self.bundle, self.id = run_dir or top / "run", top / "bundle", f"{host.PREFIX}rootless"
        self.env = {"PATH": "/usr/local/sbin:/usr/sbin:/usr/bin:/bin", "XDG_RUNTIME_DIR": str(self.run_dir)}
        if not run_dir:
            self.run_dir.mkdir(mode=0o700)
            os.chown(self.run_dir, uid, uid)
        self.bundle.mkdir()
        make_rootfs(str(self.bundle / "rootfs"))
        subprocess.run(["chown", "-R", f"{uid}:{uid}", self.bundle], check=True)

    def _copy(self, binary):
        copy = str(self.top / os.path.basename(binary))
        shutil.copy(binary, copy)
        os.chmod(copy, 0o755)
        return copy

    def argv(self, *args):
        return [*self.enter, "/usr/bin/env", "-C", self.bundle, SETPRIV, "--reuid", str(self.uid), "--regid", str(self.uid), "--clear-groups", *self.prefix, self.binary,
                *map(str, args)]

    def call(self, *args, env=None, timeout=20):
        argv = self.argv(*args)
        # files, not pipes: a detached container keeps them open
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            done = subprocess.run(argv, stdout=out, stderr=err, timeout=timeout, env={**self.env, **(env or {})},
                                  stdin=subprocess.DEVNULL)
            for file in (out, err):
                file.seek(0)
            return subprocess.CompletedProcess(argv, done.returncode, out.read(), err.read())

    def _write(self, flags, args, change):
        path = self.bundle / "config.json"
        path.unlink(missing_ok=True)
        made = self.call("spec", *flags)
        assert made.returncode == 0, made
        config = json.loads(path.read_text())
        config["process"].update(terminal=False, args=args)
        config["process"].pop("rlimits", None)
        change(config)
        path.write_text(json.dumps(config))
        return config

    def spec(self, change=lambda config: None):
        """spec --rootless, made to run without a terminal, then changed by the test."""
        return self._write(["--rootless"], ["id"], change)

    def plain(self, change=lambda config: None):
        """spec without --rootless: what root would run, with no user namespace in it."""
        return self._write([], ["cat", "/proc/self/uid_map", "/proc/self/gid_map"], change)
