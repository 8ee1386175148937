"""migrate --lazy: the container runs at the destination at once, and its memory follows."""
import json
import os
import signal

import pytest

import host
from migrations import migrant, needs_migration, there_stopped  # noqa: F401

pytestmark = needs_migration


def test_it_goes_on_elsewhere(migrant):
    m = migrant()
    before = m.count()
    result = m.move("--lazy")
    assert "mode: post-copy" in result.out and "it runs at 'local:" in result.out and result.err == ""
    assert "losing the destination loses what it does there" in result.out
    m.assert_well(m.places[1])
    assert m.count() < before + 2000, "it began anew"


def test_memory_comes_along(migrant):
    """64 MiB, each page of which the program checks by itself, some of it changed while it is still being fetched."""
    m = migrant(mib=64, dirty=16)
    lines = [json.loads(line) for line in m.move("--lazy", "--format", "json").out.splitlines()]
    events = [line["event"] for line in lines if line["event"] != "fetched"]
    assert events == ["checked", "frozen", "sent", "prepared", "running", "moved"]
    by_event = {line["event"]: line for line in lines}
    assert by_event["checked"]["mode"] == by_event["moved"]["mode"] == "post-copy"
    assert by_event["sent"]["memoryBytes"] < 4 << 20, "its memory was in the images"
    # CRIU fetches from the commit on, and tells only later that the tasks go: how much is there by then is a matter of time
    # (test_nothing_comes_before_it_is_asked_for is what holds that up)
    assert 0 < by_event["running"]["leftBytes"] < 66 << 20
    assert lines[-2]["event"] == "fetched" and lines[-2]["leftBytes"] < 1 << 20
    assert 64 << 20 <= by_event["moved"]["memoryBytes"] < 80 << 20
    assert by_event["moved"]["downtimeMilliseconds"] + by_event["moved"]["windowMilliseconds"] <= \
        by_event["moved"]["totalMilliseconds"]
    m.check_memory()
    m.assert_well(m.places[1])


def test_nothing_comes_before_it_is_asked_for(migrant):
    """From the commit until the destination says that the tasks run the source stands still: what they touched, and the one piece
    that CRIU asks for at a time, are all that is not left."""
    m = migrant(mib=64)
    there = m.places[1]
    remote = f"env WHERRY_TEST_MIGRATE_FAULT='destination sent:confirm stop' {there.runtime.binary} --root {there.runtime.root}"
    process = m.spawn("--lazy", "--format", "json", "--remote-wherry", remote, to=there,
                      env={"WHERRY_TEST_MIGRATE_FAULT": "source sent:commit stop"})
    host.wait_until(lambda: host.proc_status(process.pid, "State").startswith("T"), "the commit", 60)
    receiver = there_stopped(there)
    for pid in (process.pid, receiver):
        os.kill(pid, signal.SIGCONT)
    result = process.wait(60)
    assert result.rc == 0, result
    running = next(line for line in map(json.loads, result.out.splitlines()) if line["event"] == "running")
    assert 63 << 20 <= running["leftBytes"] < 66 << 20
    m.check_memory()
    m.assert_well(there)


def test_back_and_forth(migrant):
    m = migrant(mib=8, dirty=4)
    for i in range(4):
        m.move("--lazy" if i % 2 == 0 else "--cold")
        assert m.home is m.places[(i + 1) % 2]
        m.check_memory()
    m.assert_well()


def test_memory_of_several_processes(migrant):
    """Each with its own, and one that forks while its memory is still at the source."""
    m = migrant(mib=32)
    inside = ["exec", m.ident, "/bin/sh", "-c",
              "x=$(head -c 3000000 /dev/urandom | md5sum); (echo $x >/tmp/before; while :; do (echo $x) >/tmp/after; sleep 0.01; done) "
              "</dev/null >/dev/null 2>&1 &"]
    m.home.runtime.run(*inside, check=True)
    host.wait_until(lambda: m.lines("after"), "the other process")
    m.move("--lazy")
    with open(m.file("after"), "w"):
        pass
    host.wait_until(lambda: m.lines("after") == m.lines("before"), "the other process to go on")
    m.check_memory()
    m.assert_well(m.places[1])


@pytest.mark.parametrize("flags, text", [
    (("--cold",), "exclude each other"), (("--pre-copy",), "exclude each other"), (("--downtime", "100"), "has none")])
def test_what_it_excludes(migrant, flags, text):
    m = migrant()
    result = m.move("--lazy", *flags, check=False)
    assert result.rc != 0 and text in result.err, result
    m.assert_well(m.places[0])


def test_a_dry_run_checks_it(migrant):
    m = migrant()
    result = m.move("--lazy", "--dry-run")
    assert "mode: post-copy" in result.out
    m.assert_well(m.places[0])


def test_a_user_namespace_needs_a_permission(migrant):
    """CRIU opens the userfaultfd as the container's root, who is nobody on the host."""
    with open("/proc/sys/vm/unprivileged_userfaultfd") as f:
        allowed = f.read().strip() == "1"
    m = migrant()
    m.container.delete("--force")
    m.container.bundle.map_ids()
    m.container.up(stdout=m.output, stderr=m.output)
    result = m.move("--lazy", "--dry-run", check=False, to=m.places[1])
    if allowed:
        assert result.rc == 0
    else:
        assert result.rc == 1 and "sysctl vm.unprivileged_userfaultfd=1" in result.err, result
    m.assert_well(m.places[0])
