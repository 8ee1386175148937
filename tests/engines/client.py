"""What the command lines of Docker and of Podman have in common: containers of one runtime."""
import re

import leftovers
from call import Terminal, call, read


class Client:
    """A command line. An engine says what comes before a command, and which flags each of its containers gets."""

    image = None

    def argv(self, *args):
        raise NotImplementedError

    def flags(self, flags):
        raise NotImplementedError

    def call(self, *args, **kw):
        return call(*self.argv(*args), **kw)

    def out(self, *args, **kw):
        return self.call(*args, **kw).out.strip()

    def run(self, *command, flags=(), rc=0, **kw):
        """run --rm: the Result."""
        return self.call("run", "--rm", *self.flags(flags), self.image, *command, rc=rc, **kw)

    def sh(self, script, flags=(), **kw):
        """The output of a shell script in a container."""
        return self.run("sh", "-c", script, flags=flags, **kw).out.strip()

    def start(self, *command, flags=(), **kw):
        """run -d: the container's id."""
        return self.out("run", "-d", *self.flags(flags), self.image, *(command or ("sleep", "1000")), **kw)

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
