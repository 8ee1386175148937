# SPDX-License-Identifier: Apache-2.0
"""An RDMA device in software, on a network interface that leads nowhere: what linux.resources.rdma may be about."""
import contextlib
import os
import subprocess

import host
from resource_rows import RDMA

INTERFACE = "rdma-wire"
NODE = "/dev/infiniband/uverbs0"


def _do(*argv):
    subprocess.run(argv, check=True, timeout=120)


@contextlib.contextmanager
def made():
    _do("modprobe", "-a", "dummy", "ib_uverbs", "rdma_rxe")
    _do("ip", "link", "add", INTERFACE, "type", "dummy")
    _do("ip", "link", "set", INTERFACE, "up")
    _do("rdma", "link", "add", RDMA, "type", "rxe", "netdev", INTERFACE)
    host.wait_until(lambda: os.path.exists(NODE), f"{NODE} to be made by udev", 30)
    try:
        yield RDMA
    finally:  # it goes with its interface; Debian 13's `rdma link delete` ends by SIGSEGV
        _do("ip", "link", "delete", INTERFACE)
        host.wait_until(lambda: not os.path.exists(NODE), f"{NODE} to go", 30)


def use(c, helper):
    """Let the container have the device, and its program be one that takes what it gets of it: helpers/rdma_user.c."""
    number = os.stat(NODE).st_rdev
    major, minor = os.major(number), os.minor(number)
    c.bundle.append("linux.devices", {"path": NODE, "type": "c", "major": major, "minor": minor, "fileMode": 0o666})
    c.bundle.append("linux.resources.devices", {"allow": True, "type": "c", "major": major, "minor": minor, "access": "rwm"})
    argv = [c.bundle.install(helper("rdma_user")), NODE]
    c.bundle.args(*argv)
    return argv
