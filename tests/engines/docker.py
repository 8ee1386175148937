"""Docker: a daemon of the tests' own, and its client."""
import json
import os
import re
import shutil
import signal
import subprocess

import leftovers
from call import Terminal, call, read, wait_until

IMAGE = "bb"


class Daemon:
    """dockerd with a configuration, a root, and a socket of its own. It starts its own containerd."""

    def __init__(self, top, config=None, data=None):
        self.top, self.socket = str(top), os.path.join(str(top), "docker.sock")
        self.exec_root, self.data = os.path.join(self.top, "exec"), data or os.path.join(self.top, "data")
        self.config = {"runtimes": {"wherry": {"path": "/usr/sbin/wherry"}}, "features": {"buildkit": False}, **(config or {})}
        self.process = self.log = None
        os.makedirs(self.top, exist_ok=True)
        for directory in (self.top, os.path.dirname(self.top), os.path.dirname(os.path.dirname(self.top))):
            os.chmod(directory, 0o755)  # root of a user namespace has to come by

    def start(self):
        with open(os.path.join(self.top, "daemon.json"), "w", encoding="utf-8") as file:
            json.dump(self.config, file)
        self.log = open(os.path.join(self.top, "log"), "ab")
        self.process = subprocess.Popen(
            ["dockerd", "--config-file", self.top + "/daemon.json", "--data-root", self.data, "--exec-root", self.exec_root,
             "--pidfile", self.top + "/pid", "--host", "unix://" + self.socket],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, start_new_session=True)
        wait_until(self._answers, "dockerd to answer", 180)
        return self

    def _answers(self):
        assert self.process.poll() is None, f"dockerd ended: {self.tail()}"
        return call("docker", "-H", "unix://" + self.socket, "version", rc=None).rc == 0

    def tail(self):
        return read(self.top, "log")[-3000:]

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(120)
        if self.log:
            self.log.close()

    def states(self):
        """Where the runtime keeps its states for this daemon."""
        return os.path.join(self.exec_root, "runtime-runc", "moby")

    def remove(self):
        self.stop()
        for mount in reversed([line.split()[4] for line in read("/proc/self/mountinfo").splitlines()
                               if line.split()[4].startswith(self.top + "/")]):
            subprocess.run(["umount", "-l", mount], check=False)
        shutil.rmtree(self.top, ignore_errors=True)


class Docker:
    """The client, whose containers get one runtime and a name that starts with its prefix."""

    def __init__(self, daemon, runtime, network="none"):
        self.daemon, self.runtime, self.network, self.count = daemon, runtime, network, 0

    def argv(self, *args):
        return ["docker", "-H", "unix://" + self.daemon.socket, *map(str, args)]

    def call(self, *args, **kw):
        return call(*self.argv(*args), **kw)

    def out(self, *args, **kw):
        return self.call(*args, **kw).out.strip()

    def flags(self, flags):
        named = any(str(f).startswith(("--network", "--net")) for f in flags)
        return ["--runtime", self.runtime] + ([] if named else ["--network", self.network]) + list(flags)

    def run(self, *command, flags=(), rc=0, **kw):
        """docker run --rm: the Result."""
        return self.call("run", "--rm", *self.flags(flags), IMAGE, *command, rc=rc, **kw)

    def sh(self, script, flags=(), **kw):
        """The output of a shell script in a container."""
        return self.run("sh", "-c", script, flags=flags, **kw).out.strip()

    def start(self, *command, flags=(), **kw):
        """docker run -d: the container's id."""
        return self.out("run", "-d", *self.flags(flags), IMAGE, *(command or ("sleep", "1000")), **kw)

    def exec(self, container, *command, flags=(), **kw):
        return self.call("exec", *flags, container, *command, **kw)

    def sh_in(self, container, script):
        """The output of a shell script in a container that runs."""
        return self.exec(container, "sh", "-c", script).out.strip()

    def terminal(self, *args):
        return Terminal(*self.argv(*args))

    def get(self, container, form):
        return self.out("inspect", "--format", form, container)

    def pid(self, container):
        return int(self.get(container, "{{.State.Pid}}"))

    def cgroup(self, container):
        """The directory of the container's cgroup."""
        path = re.search(r"^0::(.*)$", read("/proc", self.pid(container), "cgroup"), re.M).group(1)
        return leftovers.cgroup_mount() + path

    def wait_status(self, container, status):
        wait_until(lambda: self.get(container, "{{.State.Status}}") == status, f"the container to be {status}")

    def rm(self, *containers):
        return self.call("rm", "-f", "-v", *containers)

    def rm_all(self):
        left = self.out("ps", "-aq", rc=None).split()
        return self.call("rm", "-f", "-v", *left, rc=None) if left else None

