"""linux.netDevices: interfaces of a network namespace that stands for the host's move into the container's."""
import json
import os
import subprocess

import pytest

import host
from containers import assert_refused
from rig import wherry_only

pytestmark = wherry_only("runc has them from 1.4 on, with other words")
CLONE_NEWNET = 0x40000000


class Network:
    """A network namespace held by a process, and the program ip in it."""

    def __init__(self):
        self.holder = subprocess.Popen(["unshare", "--net", "sleep", "1000"])
        host.adopt(self.holder.pid)
        self.path = f"/proc/{self.holder.pid}/ns/net"
        host.wait_until(lambda: os.readlink(self.path) != os.readlink("/proc/self/ns/net"), "the namespace")
        self.fd = os.open(self.path, os.O_RDONLY)

    def enter(self):
        host._call("setns", self.fd, CLONE_NEWNET)

    def ip(self, *args):
        return ip(self.holder.pid, *args)

    def names(self):
        return names(self.holder.pid)

    def end(self):
        os.close(self.fd)
        self.holder.kill()
        self.holder.wait()
        host.release(self.holder.pid)


def ip(pid, *args):
    done = subprocess.run(["nsenter", "-t", str(pid), "-n", "ip", *args], capture_output=True, text=True, timeout=10)
    assert done.returncode == 0, (args, done.stderr)
    return done.stdout


def names(pid):
    return sorted(link["ifname"] for link in json.loads(ip(pid, "-j", "link")))


def device(pid, name):
    return json.loads(ip(pid, "-j", "addr", "show", "dev", name))[0]


@pytest.fixture
def network():
    """Factory of namespaces; the first one is what the runtime is started in."""
    made = []

    def make(*links):
        made.append(Network())
        for link in links:
            made[-1].ip("link", "add", "name", link, "type", "veth", "peer", "name", "p" + link)
        return made[-1]

    yield make
    for one in made:
        one.end()


def up(c, net):
    c.create(preexec=net.enter)
    c.start()
    return c.pid


def test_renamed_with_its_attributes_and_addresses(container, network):
    net = network("src0", "other0")
    net.ip("link", "set", "src0", "mtu", "1400", "address", "02:00:00:00:12:34")
    net.ip("link", "set", "src0", "up")
    net.ip("addr", "add", "10.1.2.3/24", "broadcast", "10.1.2.255", "dev", "src0")
    net.ip("addr", "add", "10.1.2.4/24", "dev", "src0")
    net.ip("addr", "add", "fd00:1::5/64", "dev", "src0", "nodad")
    net.ip("addr", "add", "10.9.9.9/32", "scope", "link", "dev", "src0")
    net.ip("addr", "add", "10.7.7.7/32", "valid_lft", "900", "preferred_lft", "900", "dev", "src0")
    net.ip("addr", "add", "10.5.5.5/24", "dev", "other0")
    c = container()
    c.bundle.set("linux.netDevices", {"src0": {"name": "eth0"}})
    pid = up(c, net)
    assert net.names() == ["lo", "other0", "pother0", "psrc0"]
    assert names(pid) == ["eth0", "lo"]
    link = device(pid, "eth0")
    assert link["mtu"] == 1400 and link["address"] == "02:00:00:00:12:34" and "UP" in link["flags"]
    kept = {f"{a['local']}/{a['prefixlen']}": a for a in link["addr_info"] if a["scope"] == "global"}
    assert sorted(kept) == ["10.1.2.3/24", "10.1.2.4/24", "fd00:1::5/64"], link
    assert kept["10.1.2.3/24"]["broadcast"] == "10.1.2.255"
    assert [a["local"] for a in link["addr_info"] if a["scope"] == "link" and a["family"] == "inet"] == []
    assert "10.1.2.0/24" in ip(pid, "route")
    assert "eth0" in c.sh("cat /proc/net/dev")


@pytest.mark.parametrize("value", [{}, {"name": "src0"}], ids=["no-name", "same-name"])
def test_the_name_stays_without_another(container, network, value):
    net = network("src0")
    net.ip("addr", "add", "10.1.2.3/24", "label", "src0:x", "dev", "src0")
    c = container()
    c.bundle.set("linux.netDevices", {"src0": value})
    pid = up(c, net)
    assert names(pid) == ["lo", "src0"] and net.names() == ["lo", "psrc0"]
    assert device(pid, "src0")["addr_info"][0]["label"] == "src0:x"


def test_a_pattern_gives_free_names(container, network):
    net = network("a", "b")
    c = container()
    c.bundle.set("linux.netDevices", {"a": {"name": "eth%d"}, "b": {"name": "eth%d"}})
    assert names(up(c, net)) == ["eth0", "eth1", "lo"]
    assert net.names() == ["lo", "pa", "pb"]


def test_many_addresses(container, network):
    net = network("a")
    for n in range(1, 101):
        net.ip("addr", "add", f"10.3.{n}.1/24", "dev", "a")
    c = container()
    c.bundle.set("linux.netDevices", {"a": {}})
    assert len([a for a in device(up(c, net), "a")["addr_info"] if a["family"] == "inet"]) == 100


def test_a_joined_namespace_where_the_name_is_taken(container, network):
    net, joined = network("src0"), network("eth0")
    c = container()
    c.bundle.namespace("network", joined.path).set("linux.netDevices", {"src0": {"name": "eth0"}})
    assert_refused(c, "linux.netDevices", "'src0'", "'eth0'", "%d", preexec=net.enter)
    assert "src0" in net.names() and joined.names() == ["eth0", "lo", "peth0"]


def test_a_joined_namespace_where_the_hosts_name_is_taken(container, network):
    net, joined = network("src0"), network("src0", "eth0")
    c = container()
    c.bundle.namespace("network", joined.path).set("linux.netDevices", {"src0": {"name": "eth%d"}})
    c.create(preexec=net.enter)
    assert joined.names() == ["eth0", "eth1", "lo", "peth0", "psrc0", "src0"]
    assert net.names() == ["lo", "psrc0"]


def test_delete_does_not_move_it_back(container, network):
    net, joined = network("src0"), network()
    c = container()
    c.bundle.namespace("network", joined.path).set("linux.netDevices", {"src0": {}})
    up(c, net)
    c.delete("--force")
    assert joined.names() == ["lo", "src0"] and net.names() == ["lo", "psrc0"]


def test_a_virtual_device_ends_with_a_new_namespace(container, network):
    net = network("src0")
    c = container()
    c.bundle.set("linux.netDevices", {"src0": {}})
    up(c, net)
    c.delete("--force")
    host.wait_until(lambda: net.names() == ["lo"], "the pair to be gone")


@pytest.mark.parametrize("joined", [False, True], ids=["new", "beside-a-joined-one"])
def test_in_a_user_namespace(container, bundle, network, joined):
    net = network("src0")
    net.ip("addr", "add", "10.1.2.3/24", "dev", "src0")
    b = bundle()
    b.map_ids()
    if joined:
        first = container()
        first.bundle.map_ids()
        b.namespace("user", f"/proc/{first.up()}/ns/user")
    b.set("linux.netDevices", {"src0": {"name": "eth0"}})
    c = container(b)
    pid = up(c, net)
    assert names(pid) == ["eth0", "lo"]
    assert device(pid, "eth0")["addr_info"][0]["local"] == "10.1.2.3"


def test_hooks_and_sysctls_find_it(container, network, tmp_path):
    net = network("src0")
    c = container()
    c.bundle.set("linux.netDevices", {"src0": {"name": "eth0"}})
    c.bundle.set("linux.sysctl", {"net.ipv4.conf.eth0.forwarding": "1"})
    look = "nsenter -t $(sed 's/.*\"pid\": *\\([0-9]*\\).*/\\1/' | tr -d '\\n') -n ip -br link > " + str(tmp_path / "seen")
    c.bundle.set("hooks.createRuntime", [{"path": "/bin/sh", "args": ["sh", "-c", look],
                                          "env": ["PATH=" + os.environ["PATH"]]}])
    up(c, net)
    assert "eth0" in (tmp_path / "seen").read_text()
    assert c.sh("cat /proc/sys/net/ipv4/conf/eth0/forwarding").strip() == "1"


def test_run_in_the_foreground(container, network):
    net = network("src0")
    c = container()
    c.bundle.set("linux.netDevices", {"src0": {"name": "eth0"}}).args("cat", "/proc/net/dev")
    assert "eth0:" in c.run(check=True, preexec=net.enter).out


def test_plan_and_features_show_it(runtime, bundle):
    b = bundle()
    b.set("linux.netDevices", {"src0": {"name": "eth%d"}, "src1": {}}).write()
    text = runtime.run("plan", b.path, check=True).out
    assert "src0 becomes eth%d" in text and "src1 becomes src1" in text
    shown = runtime.run("plan", "--format", "json", b.path, check=True).json()["netDevices"]
    assert shown == [{"hostName": "src0", "name": "eth%d"}, {"hostName": "src1", "name": "src1"}]
    assert runtime.run("features", check=True).json()["linux"]["netDevices"]["enabled"] is True


# --- refused -------------------------------------------------------------------------------------------------

def test_a_missing_device_moves_no_other(container, network):
    net = network("src0")
    c = container()
    c.bundle.set("linux.netDevices", {"src0": {}, "none0": {}})
    assert_refused(c, "linux.netDevices", "'none0'", "no such network interface", preexec=net.enter)
    assert net.names() == ["lo", "psrc0", "src0"]


@pytest.mark.parametrize("devices, word", [
    ({"a": {"name": "eth0"}, "b": {"name": "eth0"}}, "is that of"), ({"a": {"name": "b"}, "b": {}}, "is that of"),
    ({"a": {"name": "eth%d%d"}}, "%d"), ({"a": {"name": "eth%s"}}, "%d"), ({"a": {"name": "lo"}}, "'lo'"),
    ({"lo": {"name": "x0"}}, "does not move")], ids=["twice", "the-others", "two-numbers", "other-pattern", "lo", "from-lo"])
def test_names_that_cannot_be(container, network, devices, word):
    net = network("a", "b")
    c = container()
    c.bundle.set("linux.netDevices", devices)
    assert_refused(c, "linux.netDevices", word, preexec=net.enter)
    assert net.names() == ["a", "b", "lo", "pa", "pb"]


def test_the_namespace_they_are_in(container, network):
    net = network("src0")
    c = container()
    c.bundle.namespace("network", net.path).set("linux.netDevices", {"src0": {"name": "eth0"}})
    assert_refused(c, "linux.netDevices", "network namespace to join", preexec=net.enter)
    assert net.names() == ["lo", "psrc0", "src0"]


def test_without_a_network_namespace(container):
    c = container()
    c.bundle.without_namespace("network").set("linux.netDevices", {"src0": {}})
    assert_refused(c, "linux.netDevices", "network namespace")
