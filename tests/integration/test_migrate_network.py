"""migrate with established TCP connections: the address moves with the container, and the client sees a pause."""
import ctypes
import os
import shutil
import socket
import struct
import threading
import time

import pytest

import host
from checkpoints import CRIU
from hosts import Network, OtherHost
from migrations import migrant, needs_migration  # noqa: F401

pytestmark = needs_migration

PORT = 7777


def in_netns(netns, call):
    """Run call() in a network namespace: in a thread of its own, which enters it for good."""
    result = []

    def run():
        with open(Network.path(netns)) as f:
            assert ctypes.CDLL(None, use_errno=True).setns(f.fileno(), 0x40000000) == 0
        result.append(call())
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return result[0]


class Talk(threading.Thread):
    """A client that sends numbers and wants each back, over one connection."""

    def __init__(self, sock):
        super().__init__(daemon=True)
        self.sock, self.count, self.longest, self.error, self.stop = sock, 0, 0.0, None, False

    def run(self):
        try:
            while not self.stop:
                started = time.monotonic()
                self.sock.sendall(struct.pack("!Q", self.count))
                got = b""
                while len(got) < 8:
                    part = self.sock.recv(8 - len(got))
                    assert part, "the server closed the connection"
                    got += part
                assert struct.unpack("!Q", got)[0] == self.count, "not what was sent"
                self.count += 1
                self.longest = max(self.longest, time.monotonic() - started)
                time.sleep(0.002)
        except (OSError, AssertionError) as e:
            self.error = e

    def end(self):
        self.stop = True
        self.join(30)
        self.sock.close()


@pytest.fixture
def network():
    if not shutil.which("iptables") and not shutil.which("nft"):
        pytest.skip("neither iptables nor nft is installed: CRIU cannot hold packets back")
    made = Network()
    yield made
    made.end()


@pytest.fixture
def other(tmp_path):
    made = OtherHost(tmp_path)
    yield made
    made.end()


def server(m, network, other, helper, tmp_path):
    """The echo server in the first place. At the same paths the other host has the second place, and another hook."""
    bundle = m.container.bundle
    for i, name in enumerate(("place", "place-of-the-other")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "net").symlink_to(network.path(network.places[i]))
        network.script(tmp_path / name / "connect", i)
    other.bind(tmp_path / "place-of-the-other", tmp_path / "place")
    shutil.copy(helper("echo"), os.path.join(bundle.rootfs, "bin/echo-server"))
    bundle.args("/bin/echo-server", str(PORT)).namespace("network", tmp_path / "place/net")
    bundle.set("hooks", {"poststart": [{"path": str(tmp_path / "place/connect"), "env": ["PATH=" + os.environ["PATH"]]}]})
    m.container.up(stdout=m.output, stderr=m.output)


def connect(network):
    def try_it():
        deadline = time.monotonic() + 20
        while True:
            try:
                return socket.create_connection((network.ADDRESS, PORT), timeout=60)
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
    return in_netns(network.client, try_it)


def talk_through(m, other, network, *flags, fault=None):
    talk = Talk(connect(network))
    talk.start()
    host.wait_until(lambda: talk.count > 20 or talk.error, "a conversation")
    home, target = m.places
    remote = f"env TMPDIR={m.images} {target.runtime.binary} --root {target.runtime.root}"
    argv = ["migrate", "--criu", CRIU, "--remote-criu", CRIU, "--rsh", other.rsh, "--remote-wherry", remote, *flags, m.ident,
            "ssh://other"]
    env = dict(m.env, **({"WHERRY_TEST_MIGRATE_FAULT": fault} if fault else {}))
    result = home.runtime.run(*argv, env=env, timeout=120)
    before = talk.count
    host.wait_until(lambda: talk.count > before + 50 or talk.error, "the conversation to go on", 60)
    talk.end()
    assert talk.error is None, f"{talk.error!r} after {talk.count} numbers: {result!r}"
    return talk, result


@pytest.mark.parametrize("flags", [(), ("--lazy",)])
def test_a_connection_survives(migrant, network, other, helper, tmp_path, flags):
    m = migrant()
    m.container.delete("--force")
    server(m, network, other, helper, tmp_path)
    talk, result = talk_through(m, other, network, *flags)
    assert result.rc == 0, f"{result!r}\n{m.logs()}"
    assert m.home is m.places[1]
    assert 0.01 < talk.longest < 60


@pytest.mark.parametrize("fault", ["source saved kill", "source got:prepared kill", "destination restored kill"])
def test_a_connection_survives_a_failure(migrant, network, other, helper, tmp_path, fault):
    """It goes on at the source, with nothing left of the freeze's firewall."""
    m = migrant()
    m.container.delete("--force")
    server(m, network, other, helper, tmp_path)
    talk, result = talk_through(m, other, network, fault=fault)
    assert result.rc != 0
    host.wait_until(m.settled, "one container and no rest", 30)
    assert m.home is m.places[0]
