"""stats: what containers use, for people."""
import json
import os
import pty
import signal
import time

import pytest

import host
from rig import wherry_only

pytestmark = wherry_only("a verb of wherry's own")


def busy(c):
    c.bundle.sh("while :; do :; done")
    return c.up()


def look(runtime, *ids, interval="200ms"):
    result = runtime.run("stats", "--no-stream", "--format", "json", "--interval", interval, *ids, check=True)
    assert result.out.count("\n") == 1
    return {row["id"]: row for row in json.loads(result.out)}


def used(c):
    """Seconds of processor time that the kernel says the container has used."""
    with open(os.path.join(host.cgroup_path(c.id), "cpu.stat")) as f:
        return int(dict(line.split() for line in f)["usage_usec"]) / 1e6


def test_a_busy_and_an_idle_container(container):
    """Others may want the processors, too: what one busy process can have used in the look is known from what it used
    around it, of which at most all the time outside the look was outside."""
    loud, quiet = container(), container()
    busy(loud)
    quiet.up()
    look_for = 1.0
    began, before = time.monotonic(), used(loud)
    rows = look(loud.runtime, loud.id, quiet.id, interval=f"{look_for}s")
    after, took = used(loud), time.monotonic() - began
    assert list(rows) == [loud.id, quiet.id]
    least = 100 * (1 - (took - (after - before)) / look_for)
    most = 100 * (after - before) / look_for
    percent = rows[loud.id]["cpu_percent"]
    assert least - 1 <= percent <= most + 1, (least, percent, most)
    assert percent > 2 > rows[quiet.id]["cpu_percent"]
    assert rows[quiet.id]["pids"] == 1


def test_all_containers_that_are_not_stopped(container):
    running, paused, created, stopped = (container() for _ in range(4))
    running.up()
    paused.up()
    paused.pause()
    created.create()
    stopped.up()
    stopped.kill("KILL")
    stopped.wait_status("stopped")
    assert set(look(running.runtime)) >= {running.id, paused.id, created.id}
    assert stopped.id not in look(running.runtime)


def test_no_container(runtime):
    result = runtime.run("stats", "--no-stream", "--interval", "1ms", check=True)
    assert result.out.startswith("ID ") and result.out.count("\n") == 1
    assert look(runtime) == {}


def test_the_table(container):
    c = container()
    c.up()
    result = c.runtime.run("stats", "--no-stream", "--interval", "50ms", c.id, check=True)
    header, row = result.out.splitlines()
    assert header.split("  ")[0] == "ID" and "MEMORY" in header and "PIDS" in header
    assert row.startswith(c.id + " ") and "0B / 0B" in row
    assert "\033" not in result.out


def test_streams_until_interrupted(container):
    c = container()
    c.up()
    call = c.runtime.spawn("stats", "--interval", "50ms", "-f", "json")
    host.wait_until(lambda: call.out().count("\n") >= 3, "three looks")
    lines = [json.loads(line) for line in call.out().splitlines()]
    assert "cpu_percent" not in lines[0][0] and "cpu_percent" in lines[1][0]
    c.delete("--force")
    host.wait_until(lambda: call.out().endswith("[]\n"), "the container to go from the table")
    assert call.running()
    call.kill(signal.SIGINT)
    assert call.wait(5).rc == -signal.SIGINT


def test_named_containers_end_with_an_error(container):
    c = container()
    c.up()
    call = c.runtime.spawn("stats", "--interval", "50ms", c.id)
    host.wait_until(lambda: call.out().count(c.id) >= 2, "two looks")
    c.kill("KILL")
    result = call.wait(5)
    assert result.rc == 1 and "not running" in result.err, result


def test_is_refreshed_in_place_on_a_terminal(container):
    c = container()
    c.up()
    master, terminal = pty.openpty()
    call = c.runtime.spawn("stats", "--interval", "50ms", stdout=terminal)
    os.close(terminal)
    text, deadline = b"", time.monotonic() + 5
    while text.count(b"\033[H\033[J") < 3 and time.monotonic() < deadline:
        text += os.read(master, 4096)
    call.kill(signal.SIGTERM)
    call.wait(5)
    os.close(master)
    assert text.count(b"\033[H\033[JID ") >= 3


@pytest.mark.parametrize("flags, word", [(["--format", "xml"], "--format"), (["--interval", "0"], "--interval"),
                                         (["nobody"], "does not exist")], ids=str)
def test_errors(runtime, flags, word):
    result = runtime.run("stats", "--no-stream", *flags)
    assert result.rc == 1 and word in result.err
