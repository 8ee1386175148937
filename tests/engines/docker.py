"""Docker: a daemon of the tests' own, and its client."""
import http.client
import json
import os
import socket

from call import LIMIT, call, read, wait_until
from client import Client
from service import Service

IMAGE = "bb"
RUNTIMES = json.loads(read(os.path.dirname(__file__), "../../tools/engines/docker.json"))["runtimes"]
"""What engine-setup writes."""


class Daemon(Service):
    """dockerd with a configuration, a root, and a socket of its own. It starts its own containerd. Of its runtimes, "heard" is there
    where a test puts a Listener into that directory."""

    def __init__(self, top, config=None, environment=None):
        super().__init__(top, environment)
        self.socket = os.path.join(self.top, "docker.sock")
        self.exec_root, self.data = os.path.join(self.top, "exec"), os.path.join(self.top, "data")
        self.heard = os.path.join(self.top, "heard")
        self.config = {"runtimes": {**RUNTIMES, "heard": {"path": self.heard + "/runtime"}},
                       "features": {"buildkit": False}, **(config or {})}

    def argv(self):
        return ["dockerd", "--config-file", self.top + "/daemon.json", "--data-root", self.data, "--exec-root", self.exec_root,
                "--pidfile", self.top + "/pid", "--host", "unix://" + self.socket]

    def answers(self):
        return call("docker", "-H", "unix://" + self.socket, "version", rc=None).rc == 0

    def start(self):
        with open(os.path.join(self.top, "daemon.json"), "w", encoding="utf-8") as file:
            json.dump(self.config, file)
        return super().start()

    def start_with_image(self, rootfs):
        """Starts it where it does not run, with the image that all tests use."""
        if not self.runs():
            self.start()
            client = Docker(self, "runc")
            if not client.out("images", "-q", IMAGE):
                client.call("import", rootfs, IMAGE)
        return self

    def state_root(self):
        """What the runtime gets as --root, without the name space."""
        return os.path.join(self.exec_root, "runtime-runc")

    def states(self):
        """Where the runtime keeps its states for this daemon."""
        return os.path.join(self.state_root(), "moby")


class Docker(Client):
    """The client, whose containers get one runtime."""

    image = IMAGE

    def __init__(self, daemon, runtime, network="none"):
        self.daemon, self.runtime, self.network = daemon, runtime, network

    def argv(self, *args):
        return ["docker", "-H", "unix://" + self.daemon.socket, *map(str, args)]

    def flags(self, flags):
        named = any(str(f).startswith(("--network", "--net")) for f in flags)
        return ["--runtime", self.runtime] + ([] if named else ["--network", self.network]) + list(flags)

    def create_by_api(self, **of_host):
        """The id of a container that the daemon is asked for without the command line; of_host: members of its HostConfig."""
        body = {"Image": self.image, "Cmd": ["sleep", "1000"],
                "HostConfig": {"Runtime": self.runtime, "NetworkMode": self.network, **of_host}}
        connection = http.client.HTTPConnection("docker", timeout=LIMIT)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(self.daemon.socket)
        connection.request("POST", "/containers/create", json.dumps(body), {"Content-Type": "application/json"})
        answer = json.load(connection.getresponse())
        connection.close()
        assert "Id" in answer and not answer["Warnings"], answer
        return answer["Id"]

    def wait_status(self, container, status):
        wait_until(lambda: self.get(container, "{{.State.Status}}") == status, f"the container to be {status}")

    def rm(self, *containers):
        return self.call("rm", "-f", "-v", *containers)

    def rm_all(self):
        left = self.out("ps", "-aq", rc=None).split()
        return self.call("rm", "-f", "-v", *left, rc=None) if left else None
