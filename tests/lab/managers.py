"""The cgroup managers, as the tests of the lab name them, and the containers that they make."""
import json
import os

import pytest

import host

NAMES = ["cgroupfs", "systemd"]


class Manager:
    """How a container is made under one manager, and where its cgroup is then."""

    def __init__(self, name):
        self.name = name
        self.options = ("--cgroup-manager", name)

    def prepare(self, c):
        """Ask for a cgroup of the container's own in this manager's words. Returns the container."""
        c.bundle.set("linux.cgroupsPath", f"/{c.id}" if self.name == "cgroupfs" else f"system.slice:wherry:{c.id}")
        return c

    def up(self, c, **kw):
        self.prepare(c).up(options=self.options, **kw)
        return c

    def create(self, c, **kw):
        return self.prepare(c).create(options=self.options, **kw)

    def require(self, c):
        """Skip when this build has no such manager."""
        if self.name == "systemd" and "not part of this version" in self.create(c, check=False).err:
            pytest.skip("this version of wherry has no systemd manager")
        c.delete("--force", check=False)


@pytest.fixture(params=NAMES)
def manager(request, container):
    one = Manager(request.param)
    one.require(container())
    return one


def cgroup_of(c):
    """The directory of a container's cgroup."""
    return host.cgroup_path(host.cgroup_of(c.pid))


def read(c, name):
    with open(os.path.join(cgroup_of(c), name)) as file:
        return file.read().strip()


def update(c, resources, check=True):
    return c.runtime.run("update", "--resources", "-", c.id, input=json.dumps(resources), check=check)
