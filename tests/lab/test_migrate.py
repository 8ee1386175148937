# SPDX-License-Identifier: Apache-2.0
"""migrate on a kernel that tells which memory was changed: pre-copy, and a store that loses no acknowledged write."""
import json
import os
import signal
import socket
import threading
import time

import pytest

import host
import managers
import units
from checkpoints import CRIU
from hosts import Network, OtherHost
from migrations import Relay, migrant, needs_migration, receivers  # noqa: F401
from test_migrate_network import in_netns

pytestmark = needs_migration

MIB = 1 << 20


def events(result):
    return [json.loads(line) for line in result.out.splitlines()]


def rounds_of(lines):
    return [line for line in lines if line["event"] == "round"]


def one(lines, event):
    return next(line for line in lines if line["event"] == event)


def test_pre_copy_is_what_is_chosen(migrant):
    m = migrant(mib=64)
    lines = events(m.move("--format", "json", timeout=240))
    assert one(lines, "checked")["mode"] == "pre-copy"
    rounds = rounds_of(lines)
    assert len(rounds) >= 2 and rounds[0]["memoryBytes"] >= 64 * MIB
    assert one(lines, "sent")["memoryBytes"] < 16 * MIB, "an idle container has next to nothing left"
    assert one(lines, "moved")["rounds"] == len(rounds) + 1
    m.assert_well(m.places[1])


def test_memory_that_changes_comes_along(migrant):
    """As fast as it can: the rounds end all the same, and nothing of it is lost."""
    m = migrant(mib=64, dirty=2000)
    lines = events(m.move("--format", "json", "--pre-copy", timeout=240))
    assert 2 <= len(rounds_of(lines)) <= 12
    assert rounds_of(lines)[-1]["changedBytesPerSecond"] > 0
    m.assert_well(m.places[1])


def test_a_user_namespace(migrant):
    """The container's root, who is nobody on the host, opens the images of every round."""
    m = migrant(mib=8)
    m.container.delete("--force")
    m.container.bundle.map_ids()
    m.container.up(stdout=m.output, stderr=m.output)
    assert one(events(m.move("--format", "json", "--pre-copy", timeout=240)), "moved")["rounds"] >= 2
    m.check_memory()
    m.assert_well(m.places[1])


def test_memory_of_every_round_is_read_later(migrant):
    """What has not changed since is in an earlier round's image, and is given on access as well."""
    m = migrant(mib=160, dirty=8)
    lines = events(m.move("--format", "json", "--pre-copy", timeout=240))
    assert one(lines, "moved")["rounds"] >= 3
    assert one(lines, "running")["leftBytes"] == 0
    m.assert_well(m.places[1], 60)
    m.check_memory(120)
    lines = events(m.move("--format", "json", "--pre-copy", "--whole", timeout=240))
    assert not [line for line in lines if line["event"] == "running"]
    m.assert_well(m.places[0], 60)
    m.check_memory(120)


@pytest.mark.parametrize("point, rolled_back", [("resumed", True), ("fetched", True), ("whole", False)])
def test_what_is_killed_while_memory_is_read(migrant, point, rolled_back):
    m = migrant(mib=96, dirty=8)
    home, target = m.places
    result = m.move("--pre-copy", check=False, timeout=240, to=target, env={"WHERRY_TEST_MIGRATE_FAULT": f"destination {point} kill"})
    assert result.rc == (1 if rolled_back else 0), result
    m.assert_well(home if rolled_back else target, timeout=60, rolled_back=rolled_back)
    m.check_memory(120)


@pytest.mark.parametrize("mib, dirty, mode", [(64, 0, "pre-copy"), (64, 16, "cold"), (512, 1, "pre-copy"), (512, 64, "cold")])
def test_sizes_and_rates(migrant, mib, dirty, mode):
    m = migrant(mib=mib, dirty=dirty)
    lines = events(m.move("--format", "json", "--" + mode, timeout=600, env={"TMPDIR": None}))
    assert one(lines, "checked")["mode"] == mode
    assert sum(line["memoryBytes"] for line in rounds_of(lines) + [one(lines, "sent")]) >= mib * MIB
    m.assert_well(m.places[1], 60)


def test_twenty_in_a_row(migrant):
    m = migrant(mib=4, dirty=2)
    for i in range(20):
        m.move(timeout=240)
        assert m.home is m.places[(i + 1) % 2]
    m.assert_well()


LIMIT = 256 * MIB


def managed(migrant, manager):
    """A migrant under one of the managers, with a limit, and the cgroup that it has."""
    m = migrant(mib=8)
    m.container.delete("--force")
    m.container.bundle.set("linux.resources.memory.limit", LIMIT)
    m.container.up(stdout=m.output, stderr=m.output, options=("--cgroup-manager", manager))
    before = m.count()
    host.wait_until(lambda: m.count() > before, "it to count", 20)
    return m, cgroup_at(m.places[0], m)


def cgroup_at(place, m):
    return host.cgroup_of(place.runtime.state(m.ident)["pid"])


@pytest.mark.parametrize("mode", ["--pre-copy", "--cold", "--lazy"])
@pytest.mark.parametrize("manager", managers.NAMES)
def test_each_manager(migrant, manager, mode):
    """A unit of systemd is one there, too, under the other root's name for it, and with its limits; and so is a cgroup."""
    m, old = managed(migrant, manager)
    m.move("--dry-run")
    m.move(mode, timeout=240)
    m.assert_well(m.places[1])
    new = cgroup_at(m.places[1], m)
    assert new != old and units.value(new, "memory.max") == str(LIMIT)
    assert new.endswith(".scope") == (manager == "systemd")
    if manager == "systemd":
        unit = os.path.basename(new)
        assert units.show(unit, "ActiveState", "ControlGroup", "MemoryMax") == {
            "ActiveState": "active", "ControlGroup": new, "MemoryMax": str(LIMIT)}
        units.forgotten(os.path.basename(old))
        m.places[1].runtime.run("delete", "--force", m.ident, check=True)
        units.forgotten(unit)


def test_a_unit_whose_name_is_in_use(migrant):
    """One that is named has that name on both roots of a host: nothing is touched."""
    m = migrant(mib=8)
    m.container.delete("--force")
    m.container.bundle.set("linux.cgroupsPath", f"system.slice:lab:{m.ident}")
    m.container.up(stdout=m.output, stderr=m.output, options=units.SYSTEMD)
    result = m.move(check=False, to=m.places[1])
    assert result.rc == 1 and f"the cgroup 'system.slice:lab:{m.ident}' of the source" in result.err, result
    m.assert_well(m.places[0])


@pytest.mark.parametrize("point", ["restored", "got:commit"])
def test_a_killed_receiver_leaves_no_unit(migrant, point):
    m, old = managed(migrant, "systemd")
    result = m.move("--cold", check=False, to=m.places[1], env={"WHERRY_TEST_MIGRATE_FAULT": f"destination {point} kill"})
    assert result.rc == 1, result
    m.assert_well(m.places[0], rolled_back=True)
    assert cgroup_at(m.places[0], m) == old

    def known():
        text = units.systemctl("list-units", "--all", "--plain", "--no-legend", f"wherry*{m.ident}.scope")
        return [line.split()[0] for line in text.splitlines()]
    host.wait_until(lambda: known() == [os.path.basename(old)], "the receiver's unit to be gone", 20)


@pytest.mark.parametrize("flags", [(), ("--dry-run",)])
def test_a_destination_without_systemd(migrant, tmp_path, flags):
    m, old = managed(migrant, "systemd")
    there = m.places[1].runtime
    remote = f"env DBUS_SYSTEM_BUS_ADDRESS=unix:path={tmp_path}/no-bus {there.binary} --root {there.root}"
    result = m.move(*flags, "--remote-wherry", remote, check=False, to=m.places[1])
    assert result.rc == 1 and "it cannot make the container a unit of systemd" in result.err, result
    assert result.err.count("is systemd this host's init") == 1
    m.assert_well(m.places[0])
    assert cgroup_at(m.places[0], m) == old


def test_memory_follows(migrant):
    """Post-copy: it runs there without its memory, which is fetched; what it changes meanwhile is its own."""
    m = migrant(mib=64, dirty=4)
    lines = events(m.move("--lazy", "--format", "json", timeout=240))
    assert one(lines, "checked")["mode"] == "post-copy"
    assert one(lines, "sent")["memoryBytes"] < 4 * MIB and one(lines, "running")["leftBytes"] > 0
    assert one(lines, "moved")["memoryBytes"] >= 64 * MIB
    m.check_memory(120)
    m.assert_well(m.places[1])


def test_memory_follows_into_a_user_namespace(migrant):
    """Where the host lets others than its root use userfaultfd."""
    m = migrant(mib=8)
    m.container.delete("--force")
    m.container.bundle.map_ids()
    m.container.up(stdout=m.output, stderr=m.output)
    result = m.move("--lazy", check=False, timeout=240, to=m.places[1])
    assert result.rc == 1 and "sysctl vm.unprivileged_userfaultfd=1" in result.err, result
    with open("/proc/sys/vm/unprivileged_userfaultfd", "w") as f:
        f.write("1")
    try:
        m.move("--lazy", timeout=240)
    finally:
        with open("/proc/sys/vm/unprivileged_userfaultfd", "w") as f:
            f.write("0")
    m.check_memory(120)
    m.assert_well(m.places[1])


@pytest.mark.parametrize("point", ["source serving", "destination sent:confirm", "destination whole"])
def test_the_window(migrant, point):
    m = migrant(mib=16)
    m.move("--lazy", check=False, timeout=240, to=m.places[1], env={"WHERRY_TEST_MIGRATE_FAULT": f"{point} kill"})
    m.assert_well(m.places[1 if point == "destination whole" else 0], 60, rolled_back=True)
    m.check_memory(120)


def test_a_source_that_is_killed_in_a_round(migrant):
    m = migrant(mib=16, dirty=4)
    result = m.move(check=False, timeout=240, env={"WHERRY_TEST_MIGRATE_FAULT": "source got:round-done kill"})
    assert result.rc == -9
    m.assert_well(m.places[0], 60)
    m.move(timeout=240)
    m.assert_well(m.places[1])


def test_the_goal_decides_the_rounds(migrant):
    """One that is reached at once ends them after the second, which tells what changes; one that cannot be, later."""
    m = migrant(mib=64, dirty=16)
    easy = rounds_of(events(m.move("--format", "json", "--downtime", "60000", timeout=240)))
    assert len(easy) == 2 and 150 <= easy[1]["expectedDowntimeMilliseconds"] <= 60000
    hard = rounds_of(events(m.move("--format", "json", "--downtime", "0", timeout=240)))
    assert len(hard) > 2 and all(line["expectedDowntimeMilliseconds"] >= 150 for line in hard)
    m.assert_well(m.places[0])


@pytest.mark.parametrize("point", ["got:round", "got:file", "got:data", "got:end-of-the-round", "send:round-done", "sent:round-done"])
def test_a_destination_that_is_killed_in_a_round(migrant, point):
    """The first one: nothing stands still."""
    m = migrant(mib=16, dirty=4)
    result = m.move("--pre-copy", check=False, timeout=240, to=m.places[1], env={"WHERRY_TEST_MIGRATE_FAULT": f"destination {point} kill"})
    assert result.rc == 1 and result.err.strip() and "stands still" not in result.out, result
    assert result.out.splitlines()[-1] == f"container '{m.ident}' runs here, on, as before"
    m.assert_well(m.places[0], 60)
    m.check_memory(120)


def test_a_destination_that_is_killed_between_two_rounds(migrant, tmp_path):
    m = migrant(mib=16, dirty=4)
    process = m.spawn_over(Relay(tmp_path).program, "--pre-copy", env={"WHERRY_TEST_MIGRATE_FAULT": "source got:round-done stop"})
    host.wait_until(lambda: host.proc_status(process.pid, "State").startswith("T"), "the first round", 120)
    killed = receivers(m.places[1])
    assert killed
    for pid in killed:  # its guard as well
        host.kill_quietly(pid)
    os.kill(process.pid, signal.SIGCONT)
    result = process.wait(120)
    assert result.rc == 1 and result.out.splitlines()[-1] == f"container '{m.ident}' runs here, on, as before", result
    m.assert_well(m.places[0], 60)


def test_a_signal_between_two_rounds(migrant):
    m = migrant(mib=16, dirty=4)
    process = m.spawn("--pre-copy", env={"WHERRY_TEST_MIGRATE_FAULT": "source got:round-done stop"})
    host.wait_until(lambda: host.proc_status(process.pid, "State").startswith("T"), "the first round", 120)
    os.kill(process.pid, signal.SIGINT)
    os.kill(process.pid, signal.SIGCONT)
    result = process.wait(120)
    assert result.rc == 1 and "interrupted by a signal" in result.err and "stands still" not in result.out, result
    m.assert_well(m.places[0], 60)


class Store(threading.Thread):
    """A client that writes numbered keys, each after the last was acknowledged, and knows which were."""

    def __init__(self, sock):
        super().__init__(daemon=True)
        self.sock, self.acknowledged, self.error, self.stop = sock, 0, None, False
        self.lines = sock.makefile("rb")

    def ask(self, *words):
        self.sock.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))
        return self.lines.readline().rstrip()

    def run(self):
        try:
            while not self.stop:
                n = self.acknowledged + 1
                assert self.ask(b"SET", b"key%d" % n, b"value%d" % n) == b"+OK"
                self.acknowledged = n
        except (OSError, AssertionError) as e:
            self.error = e

    def missing(self):
        """The acknowledged writes that cannot be read, of all of them."""
        missing = []
        for n in range(1, self.acknowledged + 1):
            head = self.ask(b"GET", b"key%d" % n)
            if head == b"$-1" or self.lines.readline().rstrip() != b"value%d" % n:
                missing.append(n)
        return missing


def redis(m, network, other, tmp_path):
    bundle = m.container.bundle
    for i, name in enumerate(("place", "place-of-the-other")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "net").symlink_to(network.path(network.places[i]))
        network.script(tmp_path / name / "connect", i)
    other.bind(tmp_path / "place-of-the-other", tmp_path / "place")
    for name in ("lib", "lib64"):
        os.symlink(f"usr/{name}", os.path.join(bundle.rootfs, name))
    bundle.mount("/usr", "/usr", options=["rbind", "ro"])
    bundle.args("/usr/bin/redis-server", "--save", "", "--appendonly", "no", "--protected-mode", "no", "--dir", "/tmp")
    bundle.namespace("network", tmp_path / "place/net")
    bundle.set("hooks", {"poststart": [{"path": str(tmp_path / "place/connect"), "env": ["PATH=" + os.environ["PATH"]]}]})
    m.container.up(stdout=m.output, stderr=m.output)


def connect(network):
    def try_it():
        deadline = time.monotonic() + 60
        while True:
            try:
                return socket.create_connection((network.ADDRESS, 6379), timeout=120)
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
    return in_netns(network.client, try_it)


@pytest.mark.parametrize("flags, ballast", [((), 0), ((), 100), (("--lazy",), 0)])
def test_no_acknowledged_write_is_lost(migrant, tmp_path, flags, ballast):
    """ballast: MiB of other values, with which the store is large enough to run before all of it is read."""
    m = migrant()
    m.container.delete("--force")
    network, other = Network(), OtherHost(tmp_path)
    try:
        redis(m, network, other, tmp_path)
        store = Store(connect(network))
        for n in range(ballast):
            assert store.ask(b"SET", b"ballast%d" % n, os.urandom(MIB)) == b"+OK"
        store.start()
        host.wait_until(lambda: store.acknowledged > 200 or store.error, "the first writes", 60)
        there = m.places[1]
        remote = f"env TMPDIR={m.images} {there.runtime.binary} --root {there.runtime.root}"
        result = m.places[0].runtime.run("migrate", "--criu", CRIU, "--remote-criu", CRIU, "--rsh", other.rsh,
                                         "--remote-wherry", remote, *flags, m.ident, "ssh://other", env=m.env, timeout=240)
        at = store.acknowledged
        host.wait_until(lambda: store.acknowledged > at + 100 or store.error, "the writes to go on", 120)
        store.stop = True
        store.join(60)
        assert result.rc == 0 and store.error is None, f"{store.error!r}: {result!r}\n{m.logs()}"
        assert m.home is there
        assert ("its memory is read from the images" in result.out) == bool(ballast), result
        assert store.missing() == []
        store.sock.close()
    finally:
        m.container.delete("--force", check=False)
        m.places[1].runtime.run("delete", "--force", m.ident)
        other.end()
        network.end()
