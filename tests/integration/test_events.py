"""events: what a container uses, in the form that programs written for runc read."""
import json
import os
import signal
import subprocess
import time

import pytest

import host
from rig import skip_if, wherry_only


def stats(c, **kw):
    """The one line of events --stats."""
    result = c.runtime.run("events", "--stats", c.id, check=True, **kw)
    assert result.out.endswith("\n") and result.out.count("\n") == 1
    return json.loads(result.out)


def test_the_envelope(container):
    c = container()
    c.up()
    document = stats(c)
    assert list(document) == ["type", "id", "data"]
    assert document["type"] == "stats" and document["id"] == c.id
    for part in ("cpu", "memory", "pids", "blkio", "hugetlb", "intel_rdt", "network_interfaces"):
        assert part in document["data"]
    assert set(document["data"]["cpu"]["usage"]) >= {"kernel", "user"}
    assert set(document["data"]["memory"]["usage"]) >= {"limit", "failcnt"}


def test_values(container):
    c = container()
    c.bundle.sh("sleep 1000 & i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo done; sleep 1000")
    c.up()
    c.wait_stdout("done\n")
    first = stats(c)["data"]
    assert first["pids"]["current"] == 2
    usage = first["cpu"]["usage"]
    assert usage["total"] > 1000000
    if c.runtime.kind == "wherry":
        assert abs(usage["total"] - usage["kernel"] - usage["user"]) < 10000
        assert {"some", "full"} <= set(first["cpu"]["psi"])
    c.sh("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done")
    assert stats(c)["data"]["cpu"]["usage"]["total"] > usage["total"] + 1000000


@wherry_only("runc shows only interfaces that it made itself")
def test_interfaces_of_the_container(container):
    c = container()
    pid = c.up()
    assert stats(c)["data"]["network_interfaces"] == []
    name = f"wt{os.getpid() % 100000}"
    subprocess.run(["ip", "link", "add", name, "type", "veth", "peer", "name", "inside", "netns", str(pid)], check=True)
    try:
        for device in (["ip", "link", "set", name, "up"], ["nsenter", f"--net=/proc/{pid}/ns/net", "ip", "link", "set", "inside", "up"]):
            subprocess.run(device, check=True)
        host.wait_until(lambda: stats(c)["data"]["network_interfaces"][0]["RxPackets"] > 0, "a packet to arrive")
        [interface] = stats(c)["data"]["network_interfaces"]
    finally:
        subprocess.run(["ip", "link", "delete", name], check=False)
    assert interface["Name"] == "inside" and interface["RxBytes"] > 0
    assert set(interface) == {"Name"} | {way + what for way in ("Rx", "Tx") for what in ("Bytes", "Packets", "Errors", "Dropped")}


def test_the_host_network_is_not_the_containers(container):
    c = container()
    c.bundle.without_namespace("network")
    c.up()
    assert not stats(c)["data"]["network_interfaces"]


def test_lines_at_each_interval_until_the_end(container):
    c = container()
    c.up()
    if host.cgroup2_is_alone() and not os.path.exists(host.cgroup_path(c.id) + "/memory.events"):
        skip_if("runc", "gives up where it cannot watch memory.events")
    started = time.monotonic()
    call = c.runtime.spawn("events", "--interval", "100ms", c.id)
    host.wait_until(lambda: call.out().count("\n") >= 3, "three lines")
    assert time.monotonic() - started > 0.29
    assert call.running()
    c.kill("KILL")
    if c.runtime.kind == "wherry":  # runc waits for the v1 cgroup to be deleted
        assert call.wait(5).rc == 0
    c.delete("--force")
    assert call.wait(5).rc == 0
    lines = [json.loads(line) for line in call.out().splitlines()]
    assert {(line["type"], line["id"]) for line in lines} == {("stats", c.id)}


@wherry_only("runc has no such case apart")
def test_a_paused_container(container):
    c = container()
    c.up()
    c.pause()
    assert stats(c)["data"]["pids"]["current"] == 1
    call = c.runtime.spawn("events", "--interval", "50ms", c.id)
    host.wait_until(lambda: call.out().count("\n") >= 2, "two lines")
    c.resume()
    c.kill("KILL")
    assert call.wait(5).rc == 0


@wherry_only("runc goes on")
def test_nobody_reads_any_more(container):
    c = container()
    c.up()
    read_end, write_end = os.pipe()
    call = c.runtime.spawn("events", "--interval", "20ms", c.id, stdout=write_end)
    os.close(write_end)
    assert os.read(read_end, 10) == b'{"type":"s'
    os.close(read_end)
    result = call.wait(5)
    assert result.rc == 128 + signal.SIGPIPE and result.err.count("\n") <= 1


@wherry_only("runc's v1 memory controller is another's")
def test_a_host_without_the_memory_controller_is_warned_of(container):
    with open(os.path.join(host.cgroup2_mount(), "cgroup.controllers")) as f:
        if "memory" in f.read().split():
            pytest.skip("the memory controller is on cgroup v2 here")
    c = container()
    c.up()
    call = c.runtime.spawn("events", c.id)
    host.wait_until(lambda: "memory controller" in call.err(), "a warning")
    c.kill("KILL")
    assert call.wait(5).rc == 0


@pytest.mark.parametrize("interval", ["0", "0s", "-1s", "5", "soon", ""])
def test_bad_intervals(container, interval):
    c = container()
    c.up()
    result = c.runtime.run("events", f"--interval={interval}", c.id)
    assert result.rc == 1


def test_a_stopped_container(container):
    c = container()
    c.up()
    c.kill("KILL")
    c.wait_status("stopped")
    for flags in ([], ["--stats"]):
        result = c.runtime.run("events", *flags, c.id)
        assert result.rc == 1 and "not running" in result.err, result


def test_no_such_container(runtime):
    result = runtime.run("events", "--stats", "nobody")
    assert result.rc == 1 and "does not exist" in result.err
