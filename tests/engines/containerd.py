"""containerd: a daemon of the tests' own, with what engine-setup writes into its configuration."""
import json
import os
import re
import sys

from call import call, wait_until
from service import Service

IMAGE = "docker.io/library/bb:latest"

CONFIG = """version = {version}
root = "{top}/root"
state = "{top}/state"
oom_score = 0

[grpc]
  address = "{top}/socket"

[plugins."io.containerd.internal.v1.opt"]
  path = "{top}/opt"

{beside}
[plugins."{plugin}"]
  enable_unprivileged_ports = false
  enable_unprivileged_icmp = false
  restrict_oom_score_adj = true
{within}
  [plugins."{plugin}".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{top}/net.d"
  [plugins."{plugin}".containerd]
    default_runtime_name = "wherry"
  [plugins."{plugin}".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."{plugin}".containerd.runtimes.runc.options]
      BinaryName = "runc"
      SystemdCgroup = {systemd}
    [plugins."{plugin}".containerd.runtimes.heard]
      runtime_type = "io.containerd.runc.v2"
    [plugins."{plugin}".containerd.runtimes.heard.options]
      BinaryName = "{top}/heard/runtime"
      SystemdCgroup = {systemd}
"""

PAUSE = '"docker.io/library/pause:latest"'
STREAMS = """  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
"""
VERSIONS = {
    2: {"plugin": "io.containerd.grpc.v1.cri", "within": STREAMS + f"  sandbox_image = {PAUSE}", "beside": ""},
    3: {"plugin": "io.containerd.cri.v1.runtime", "within": "",
        "beside": f"""[plugins."io.containerd.grpc.v1.cri"]
{STREAMS}
[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = {PAUSE}
"""}}
"""Versions of the configuration; containerd 2 has divided what concerns pods."""

NETWORK = {"cniVersion": "1.0.0", "name": "wherrypods", "plugins": [
    {"type": "ptp", "ipam": {"type": "host-local", "subnet": "10.78.0.0/24"}}]}
"""Pods' own networks: a pair of devices each, between the pod and the host."""


def config_version():
    """The newest that this host's containerd reads."""
    return 3 if int(re.search(r" v?(\d+)\.\d+", call("containerd", "--version").out).group(1)) >= 2 else 2


class Containerd(Service):
    """The daemon; its configuration has the handlers runc and wherry, and "heard" where a test puts a Listener into that directory."""

    def __init__(self, top, setup, driver="cgroupfs"):
        super().__init__(top)
        self.driver = driver
        self.socket = os.path.join(self.top, "socket")
        self.prefix = os.path.join(self.top, "prefix")
        self.heard = os.path.join(self.top, "heard")
        config = os.path.join(self.prefix, "etc/containerd/config.toml")
        os.makedirs(os.path.dirname(config))
        with open(config, "w", encoding="utf-8") as file:
            file.write(CONFIG.format(top=self.top, systemd=str(driver == "systemd").lower(), version=config_version(), **VERSIONS[config_version()]))
        os.makedirs(os.path.join(self.top, "net.d"))
        with open(os.path.join(self.top, "net.d/10-wherry.conflist"), "w", encoding="utf-8") as file:
            json.dump(NETWORK, file)
        call(sys.executable, setup, "containerd", "--apply", "--prefix", self.prefix, "--wherry", "/usr/sbin/wherry",
             "--cgroup-driver", driver)
        self.config = config

    def argv(self):
        return ["containerd", "--config", self.config]

    def answers(self):
        return os.path.exists(self.socket) and self.ctr("version", rc=None).rc == 0

    def start(self):
        if not os.path.exists("/etc/resolv.conf"):  # a host without a network has none, and pods get a copy
            with open("/etc/resolv.conf", "w", encoding="utf-8") as file:
                file.write("nameserver 127.0.0.1\n")
        return super().start()

    def ctr(self, *args, **kw):
        return call("ctr", "-a", self.socket, *args, **kw)


class Ctr:
    """ctr with one runtime; containers have names v0, v1, ..."""

    def __init__(self, containerd, program):
        self.daemon, self.program, self.names = containerd, program, []

    def call(self, *args, **kw):
        return self.daemon.ctr(*args, **kw)

    def name(self):
        self.names.append(f"v{len(self.names)}")
        return self.names[-1]

    def run(self, *command, flags=(), **kw):
        return self.call("run", "--rm", "--runc-binary", self.program, *flags, IMAGE, self.name(), *command, **kw)

    def start(self, *command, flags=()):
        self.call("run", "-d", "--runc-binary", self.program, *flags, IMAGE, self.name(), *(command or ("sleep", "1000")))
        return self.names[-1]

    def exec(self, container, *command, **kw):
        return self.call("tasks", "exec", "--exec-id", "e" + os.urandom(4).hex(), container, *command, **kw)

    def status(self, container):
        rows = [line.split() for line in self.call("tasks", "ls").out.splitlines()[1:]]
        return next((row[2] for row in rows if row[0] == container), None)

    def pid(self, container):
        rows = [line.split() for line in self.call("tasks", "ls").out.splitlines()[1:]]
        return next(int(row[1]) for row in rows if row[0] == container)

    def remove(self, container):
        self.call("tasks", "kill", "-s", "KILL", container, rc=None)
        wait_until(lambda: self.status(container) in (None, "STOPPED"), f"{container} to end")
        self.call("tasks", "rm", "-f", container, rc=None)
        self.call("containers", "rm", container, rc=None)

    def end(self):
        for name in self.names:
            self.remove(name)
