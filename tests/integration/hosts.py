"""A second host on this one: a mount namespace with its own files at chosen paths, reached by --rsh; and a network between."""
import os
import subprocess

import host


class OtherHost:
    """Commands run in a mount namespace in which some paths are others than here: bind(here, path)."""

    def __init__(self, top):
        self.top = top
        self.holder = subprocess.Popen(["unshare", "--mount", "--propagation", "private", "sh", "-c",
                                        "mount --make-rshared / && echo ready && exec sleep 100000"], stdout=subprocess.PIPE, start_new_session=True)
        host.adopt(self.holder.pid)
        assert self.holder.stdout.readline() == b"ready\n"
        self.rsh = os.path.join(str(top), "rsh")
        with open(self.rsh, "w") as f:
            f.write(f"#!/bin/sh\n# HOST COMMAND...\nshift\nexec nsenter --mount=/proc/{self.holder.pid}/ns/mnt -- sh -c \"$*\"\n")
        os.chmod(self.rsh, 0o755)

    def run(self, *argv, check=True):
        return subprocess.run([self.rsh, "other", " ".join(argv)], check=check, capture_output=True, text=True, timeout=60)

    def bind(self, source, path):
        self.run("mount", "--bind", str(source), str(path))

    def end(self):
        self.holder.kill()
        self.holder.wait()
        self.holder.stdout.close()
        host.release(self.holder.pid)


class Network:
    """Two places with one address, of which one is connected at a time, and a client: three network namespaces.

    client: br0 10.77.0.1, with the ports porta and portb; places: eth0 10.77.0.2 with one and the same MAC address."""

    ADDRESS = "10.77.0.2"

    def __init__(self):
        self.holders = [subprocess.Popen(["unshare", "--net", "sleep", "100000"], start_new_session=True) for _ in range(3)]
        for holder in self.holders:
            host.adopt(holder.pid)
            host.wait_until(lambda: os.readlink(f"/proc/{holder.pid}/ns/net") != os.readlink("/proc/self/ns/net"),
                            "a network namespace")
        self.client, *self.places = [holder.pid for holder in self.holders]
        self._ip(self.client, "link add br0 type bridge", "address add 10.77.0.1/24 dev br0", "link set br0 up")
        for port, place in zip(("porta", "portb"), self.places):
            self._ip(self.client, f"link add {port} type veth peer name eth0 netns {place}", f"link set {port} master br0")
            self._ip(place, "link set lo up", "link set eth0 address 02:00:00:77:00:02",
                     f"address add {self.ADDRESS}/24 dev eth0", "link set eth0 up")
        self._ip(self.client, "link set porta up")

    @staticmethod
    def _ip(pid, *lines):
        for line in lines:
            subprocess.run(["nsenter", f"--net=/proc/{pid}/ns/net", "ip"] + line.split(), check=True, timeout=20)

    @staticmethod
    def path(pid):
        return f"/proc/{pid}/ns/net"

    def script(self, path, place):
        """A program that connects that place, and disconnects the other."""
        up, down = ("porta", "portb") if place == 0 else ("portb", "porta")
        with open(path, "w") as f:
            f.write(f"#!/bin/sh\nfor what in '{down} down' '{up} up'; do nsenter --net={self.path(self.client)} ip link set $what; "
                    "done\n")
        os.chmod(path, 0o755)

    def end(self):
        for holder in self.holders:
            holder.kill()
            holder.wait()
            host.release(holder.pid)
