# SPDX-License-Identifier: Apache-2.0
"""A container's cgroup, by either manager, for the tests of the verbs that read and change it."""
import os
import shutil
import tempfile

import host

MIB = 1 << 20
MANAGERS = ("cgroupfs", "systemd")


def start(c, manager="cgroupfs", **resources):
    """Create and start the container with these linux.resources; returns its cgroup's directory."""
    for name, value in resources.items():
        c.bundle.set(f"linux.resources.{name}", value)
    if manager == "systemd":
        c.bundle.set("linux.cgroupsPath", f"system.slice:wherry:{c.id}")
    pid = c.up(options=["--systemd-cgroup"] if manager == "systemd" else [])
    with open(f"/proc/{pid}/cgroup") as file:
        return "/sys/fs/cgroup" + file.read().strip().split("::")[1]


def on_disk(c):
    """Give the container a directory /disk of the machine's disk: its own root is in memory. Returns a clean-up."""
    directory = tempfile.mkdtemp(dir="/var/tmp")
    c.bundle.mount("/disk", directory, options=["bind"])
    return lambda: shutil.rmtree(directory)


def read(directory, name):
    with open(os.path.join(directory, name)) as file:
        return file.read().strip()


def values(directory, *names):
    return {name: read(directory, name) for name in names}


def wait_for_use(directory, bytes_used, timeout=30):
    host.wait_until(lambda: int(read(directory, "memory.current")) >= bytes_used, f"{bytes_used} bytes in use", timeout)
