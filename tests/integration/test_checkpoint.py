"""checkpoint and restore: a container is saved as files, and goes on where it was."""
import json
import os
import pty
import shutil

import pytest

import host
from checkpoints import CRIU, advance, needs_criu
from console import ConsoleSocket

pytestmark = needs_criu

COUNT = "i=0; while :; do echo $i > /tmp/n; i=$((i+1)); usleep 20000; done"


def counter_of(c):
    def read():
        try:
            with open(os.path.join(c.bundle.rootfs, "tmp/n")) as f:
                return int(f.read() or -1)
        except (OSError, ValueError):
            return -1
    return read


@pytest.fixture
def counting(saved):
    """A running container that counts in a file of its root."""
    saved.container.bundle.sh(COUNT)
    saved.up()
    saved.count = counter_of(saved.container)
    host.wait_until(lambda: saved.count() > 2, "the first counts")
    return saved


def test_the_processes_go_on(counting):
    counting.checkpoint()
    assert counting.container.state() is None
    stopped_at = counting.count()
    counting.restore()
    assert counting.container.status == "running"
    host.wait_until(lambda: counting.count() > stopped_at, "the count to go on")
    assert counting.count() < stopped_at + 200, "it began anew"


def test_leave_running(counting):
    pid = counting.container.pid
    counting.checkpoint("--leave-running")
    assert counting.container.status == "running" and counting.container.pid == pid
    advance(counting.count)


def test_a_second_round(counting):
    counting.cycle()
    counting.image += "2"
    before = counting.count()
    counting.cycle()
    host.wait_until(lambda: counting.count() > before, "the count to go on")


def test_a_paused_container(counting):
    counting.container.pause()
    counting.checkpoint()
    before = counting.count()
    counting.restore()
    host.wait_until(lambda: counting.count() > before, "the count to go on")


def test_a_paused_container_stays_paused(counting):
    counting.container.pause()
    counting.checkpoint("--leave-running")
    assert counting.container.status == "paused"
    counting.container.resume()
    advance(counting.count)


@pytest.mark.parametrize("state", ["created", "stopped"])
def test_what_does_not_run_is_refused(saved, state):
    if state == "created":
        saved.container.create()
    else:
        saved.container.bundle.args("true")
        saved.up()
        saved.container.wait_status("stopped")
    result = saved.checkpoint(check=False)
    assert result.rc == 1 and f"is {state}" in result.err
    assert not os.path.exists(saved.image)


def test_no_such_container(saved):
    result = saved.checkpoint(check=False)
    assert result.rc == 1 and "does not exist" in result.err


def test_descriptors(counting):
    counting.checkpoint()
    with open(os.path.join(counting.image, "descriptors.json")) as f:
        streams = json.load(f)
    assert len(streams) == 3 and streams[0] == "/dev/null"


def test_a_foreground_restore_returns_the_status(saved):
    saved.container.bundle.sh("while [ ! -e /tmp/go ]; do usleep 20000; done; exit 7")
    saved.up()
    saved.checkpoint()
    process = saved.spawn_restore()
    saved.container.wait_status("running")
    open(os.path.join(saved.container.bundle.rootfs, "tmp/go"), "w").close()
    assert process.wait(30).rc == 7
    assert saved.container.state() is None


def test_pid_file(counting, tmp_path):
    counting.checkpoint()
    counting.restore("--pid-file", str(tmp_path / "pid"))
    with open(tmp_path / "pid") as f:
        assert int(f.read()) == counting.container.pid


def test_output_goes_to_the_new_caller(saved):
    saved.container.bundle.sh("i=0; while :; do echo line $i; i=$((i+1)); usleep 20000; done")
    saved.up()
    host.wait_until(lambda: "line 3" in saved.output(), "output")
    saved.cycle()
    host.wait_until(lambda: "line" in saved.output(), "output of the restored container")
    assert "line 0\n" not in saved.output() and "\0" not in saved.output()


LINES = "i=0; while :; do echo line $i; i=$((i+1)); usleep 20000; done"


@pytest.mark.parametrize("before", ["wb", "ab", "r+b"])
@pytest.mark.parametrize("after", ["wb", "ab", "r+b", "pipe", "terminal"])
def test_output_goes_to_whatever_the_caller_has(saved, tmp_path, before, after):
    """A file in place of another has neither its size nor its mode, and need be no file."""
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("")
    one.chmod(0o666)
    two.write_text("here already\n")
    two.chmod(0o600)
    saved.container.bundle.sh(LINES)
    with open(one, before) as out:
        saved.up(stdout=out)
    host.wait_until(lambda: one.stat().st_size > 100, "output")
    saved.checkpoint()
    if after in ("pipe", "terminal"):
        ours, theirs = os.pipe() if after == "pipe" else pty.openpty()
        saved.restore(stdout=theirs)
        os.close(theirs)
        assert b"line " in os.read(ours, 100)
        saved.container.delete("--force")
        os.close(ours)
        return
    with open(two, after) as out:
        saved.restore(stdout=out)
    host.wait_until(lambda: "line" in two.read_text(), "output")
    text = two.read_text()
    assert "\0" not in text and "line 0\n" not in text
    assert text.startswith("here already\n") == (after != "wb")


def test_input_goes_on_in_the_caller_s_file(saved, tmp_path):
    """What was read already is not read again."""
    source = tmp_path / "in"
    source.write_text("one\ntwo\n")
    saved.container.bundle.sh("read x; echo got $x; while [ ! -e /tmp/go ]; do usleep 20000; done; read x; echo got $x")
    with open(source) as stdin:
        saved.up(stdin=stdin)
    host.wait_until(lambda: "got one" in saved.output(), "the first line")
    saved.checkpoint()
    with open(source, "a") as f:
        f.write("three\n")
    with open(source) as stdin:
        saved.restore(stdin=stdin)
    open(os.path.join(saved.container.bundle.rootfs, "tmp/go"), "w").close()
    host.wait_until(lambda: "got two" in saved.output(), "the second line")


def test_pipes_lead_to_the_new_caller(saved):
    first, second = os.pipe(), os.pipe()
    saved.container.bundle.sh("while read x; do echo got $x; done")
    saved.up(stdin=first[0])
    saved.checkpoint()
    os.close(first[0])
    os.close(first[1])
    saved.restore(stdin=second[0])
    os.write(second[1], b"word\n")
    host.wait_until(lambda: "got word" in saved.output(), "an answer")
    os.close(second[0])
    os.close(second[1])


def test_terminal(saved, tmp_path):
    c = saved.container
    first, second = ConsoleSocket(tmp_path / "tty1"), ConsoleSocket(tmp_path / "tty2")
    c.bundle.set("process.terminal", True).sh("while read x; do echo got $x; done")
    saved.up("--console-socket", first.path)
    _, _, terminal = first.receive()
    terminal.write("one\n")
    terminal.read_until("got one")
    saved.checkpoint()
    terminal.close()
    saved.restore("--console-socket", second.path)
    _, _, terminal = second.receive()
    terminal.write("two\n")
    terminal.read_until("got two")
    terminal.close()
    first.close()
    second.close()


def test_a_terminal_needs_a_console_socket(saved, tmp_path):
    c = saved.container
    console = ConsoleSocket(tmp_path / "tty")
    c.bundle.set("process.terminal", True).args("sleep", "1000")
    saved.up("--console-socket", console.path)
    _, _, terminal = console.receive()
    saved.checkpoint()
    result = saved.restore(check=False)
    assert result.rc == 1 and "console socket" in result.err
    terminal.close()
    console.close()


def test_checkpoint_help(runtime):
    assert runtime.run("checkpoint", "--help").rc == 0


def test_the_probe_for_lsm_mount_context(runtime):
    result = runtime.run("restore", "--lsm-mount-context")
    assert result.rc == 1 and "flag needs an argument" in result.err


def test_what_shims_say_to_restore(counting):
    """containerd's shim writes -no-subreaper with one dash, conmon --no-pivot and --no-new-keyring."""
    counting.checkpoint()
    counting.restore("-no-subreaper", "--no-new-keyring")
    assert counting.container.status == "running"


def test_criu_is_not_looked_for_in_path(counting, tmp_path):
    planted = tmp_path / "bin" / "criu"
    planted.parent.mkdir()
    planted.write_text(f"#!/bin/sh\ntouch {tmp_path}/planted\n")
    planted.chmod(0o755)
    counting.runtime.run("checkpoint", "--image-path", counting.image, "--leave-running", counting.container.id,
                         env={"PATH": f"{planted.parent}:/usr/bin:/bin"}, timeout=60)
    assert not (tmp_path / "planted").exists()


def test_a_missing_criu(counting):
    result = counting.runtime.run("checkpoint", "--criu", "/nonexistent/criu", "--image-path", counting.image,
                                  counting.container.id)
    assert result.rc == 1 and "/nonexistent/criu" in result.err
    advance(counting.count)


def test_criu_has_to_be_absolute(counting):
    result = counting.runtime.run("checkpoint", "--criu", "criu", "--image-path", counting.image,
                                  counting.container.id)
    assert result.rc == 1 and "absolute" in result.err


def copy_of(bundle, path):
    """The same bundle with a root of its own, and the cgroup that the id gives."""
    shutil.copytree(bundle.path, path, symlinks=True)
    config = json.loads(json.dumps(bundle.config))
    del config["linux"]["cgroupsPath"]
    with open(os.path.join(path, "config.json"), "w") as f:
        json.dump(config, f)
    return str(path)


def test_another_id(counting, tmp_path):
    """Clones: one image, several containers, each with a root and a cgroup of its own."""
    counting.checkpoint()
    stopped_at = counting.count()
    ids = [counting.container.id + suffix for suffix in ("a", "b", "c")]
    roots = [copy_of(counting.container.bundle, tmp_path / ident) for ident in ids]
    try:
        for ident, root in zip(ids, roots):
            counting.restore(ident=ident, bundle=root)
        states = [counting.runtime.state(ident) for ident in ids]
        assert [s["status"] for s in states] == ["running"] * 3
        assert len({s["pid"] for s in states}) == 3
        assert len({host.cgroup_of(s["pid"]) for s in states}) == 3
        for root in roots:
            host.wait_until(lambda: int(open(os.path.join(root, "rootfs/tmp/n")).read() or 0) > stopped_at, "each to go on")
        assert counting.count() == stopped_at, "nobody uses the first root"
    finally:
        for ident in ids:
            counting.runtime.run("delete", "--force", ident)


def test_a_file_that_changed_since(saved, host_unchanged):
    """What was open has to be as it was: two clones that write to one root would take each other for this."""
    saved.container.bundle.sh("exec 5<>/tmp/open; while :; do usleep 20000; done")
    saved.up()
    host.wait_until(lambda: os.path.exists(os.path.join(saved.container.bundle.rootfs, "tmp/open")), "the file")
    saved.checkpoint()
    with open(os.path.join(saved.container.bundle.rootfs, "tmp/open"), "a") as f:
        f.write("more")
    result = saved.restore(check=False)
    assert result.rc == 1 and "tmp/open has bad size 4 (expect 0)" in result.err
    host_unchanged()


def test_version_is_in_the_manifest(counting):
    counting.checkpoint()
    manifest = counting.manifest()
    assert manifest["id"] == counting.container.id and manifest["criuVersion"] >= 40000
    assert os.path.exists(CRIU)
