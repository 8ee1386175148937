"""Terminals: handed over by --console-socket, or used in the foreground."""
import fcntl
import json
import os
import pty
import signal
import stat
import struct
import subprocess
import termios
import time

import pytest

import host
from console import ConsoleSocket, Terminal
from containers import assert_refused
from rig import lacks, skip_if, wherry_only

RACE_SECONDS = float(os.environ.get("WHERRY_TEST_RACE_SECONDS", "2"))

def size_of(fd):
    rows, columns, _, _ = struct.unpack("HHHH", fcntl.ioctl(fd, termios.TIOCGWINSZ, b"\0" * 8))
    return rows, columns


def set_size(fd, rows, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


@pytest.fixture
def console(tmp_path):
    made = ConsoleSocket(tmp_path / "console.sock")
    yield made
    made.close()


@pytest.fixture
def tty(container, console):
    """tty(script) creates a container with a terminal that runs a script; returns it with .terminal set."""
    terminals = []

    def make(script="sleep 1000", **more):
        c = container()
        c.bundle.set("process.terminal", True).sh(script)
        for key, value in more.items():
            c.bundle.set(f"process.{key}", value)
        c.create("--console-socket", console.path)
        c.payload, c.ancillary, c.terminal = console.receive()
        terminals.append(c.terminal)
        return c

    yield make
    for terminal in terminals:
        terminal.close()


# --- the console socket ------------------------------------------------------------------------------------------


def test_one_message_with_one_descriptor_and_a_payload(tty):
    c = tty()
    assert len(c.payload) >= 1
    assert len(c.ancillary) == 1 and len(c.ancillary[0][2]) == 4
    st = os.fstat(c.terminal.fd)
    assert stat.S_ISCHR(st.st_mode) and os.major(st.st_rdev) == 5 and os.minor(st.st_rdev) == 2
    with open(f"/proc/self/fdinfo/{c.terminal.fd}") as f:
        assert "tty-index" in f.read()


def test_what_the_program_writes_and_reads(tty):
    c = tty("read line; echo got $line; tty; exit 3")
    c.start()
    c.terminal.write("input\n")
    out = c.terminal.read_all()
    assert "got input" in out and "/dev/" in out


def test_newlines_stay_as_they_are(tty):
    """ONLCR is off, so that what a container prints is not changed on its way."""
    skip_if("runc", "leaves that to whoever takes the terminal")
    c = tty("stty -a; printf 'a\\nb\\n'; sleep 0.2")
    c.start()
    out = c.terminal.read_all()
    assert "-onlcr" in out and "a\nb\n" in out


def test_it_is_the_controlling_terminal(tty, helper):
    c = tty("exec sh -c 'probe session; echo to-tty > /dev/tty'")
    c.bundle.install(helper("probe"))
    c.start()
    out = c.terminal.read_all()
    assert " 1 open" in out and "to-tty" in out


def test_the_standard_streams_and_dev_console_are_its_slave(tty):
    c = tty("for n in 0 1 2; do readlink /proc/self/fd/$n; done; stat -c %t /dev/console; "
            "grep ' /dev/console ' /proc/self/mountinfo; echo end")
    c.start()
    lines = c.terminal.read_until("end").replace("\r", "").split("\n")
    assert len(set(lines[:3])) == 1 and lines[0].startswith("/dev/")
    assert lines[3] == "88"  # 136 in hexadecimal: a slave
    assert " - devpts " in lines[4]


def test_the_slave_belongs_to_the_user(tty):
    c = tty("stat -c '%u %a' $(readlink /proc/self/fd/0)", user={"uid": 1000, "gid": 1000})
    c.start()
    uid, mode = c.terminal.read_all().split()
    assert uid == "1000" and mode in ("620", "600")


@pytest.mark.parametrize("rows, columns", [(24, 80), (50, 132), (2, 1000)])
def test_console_size(tty, rows, columns):
    skip_if("runc", "sets it for exec and restore only", below=(1, 2, 0))
    c = tty("stty size", consoleSize={"height": rows, "width": columns})
    assert size_of(c.terminal.fd) == (rows, columns)
    c.start()
    assert c.terminal.read_all().split() == [str(rows), str(columns)]


def test_a_resize_by_the_engine_reaches_the_program(tty):
    c = tty("trap 'stty size' WINCH; echo ready; while :; do sleep 0.1; done")
    c.start()
    c.terminal.read_until("ready")
    set_size(c.terminal.fd, 33, 99)
    assert "33 99" in c.terminal.read_until("33 99")


def test_hang_up_ends_the_program(container, console):
    c = container()
    c.bundle.set("process.terminal", True).sh("trap 'exit 5' HUP; echo ready; sleep 1000 & wait")
    c.create("--console-socket", console.path)
    terminal = console.receive()[2]
    c.start()
    terminal.read_until("ready")
    terminal.close()
    c.wait_status("stopped")


def test_a_long_socket_path(container, tmp_path):
    skip_if("runc", "is held to the 107 bytes of sun_path", below=(1, 2, 0))
    deep = tmp_path / ("d" * 120) / ("e" * 100)
    deep.mkdir(parents=True)
    console = ConsoleSocket(deep / "console.sock")
    c = container()
    c.bundle.set("process.terminal", True).sh("echo far")
    c.create("--console-socket", console.path)
    terminal = console.receive()[2]
    c.start()
    assert "far" in terminal.read_all()
    terminal.close()
    console.close()


def test_a_terminal_in_a_user_namespace(container, console):
    c = container()
    c.bundle.map_ids().set("process.terminal", True).sh("tty; test -c /dev/console && echo console; id -u")
    c.create("--console-socket", console.path)
    terminal = console.receive()[2]
    c.start()
    out = terminal.read_all()
    terminal.close()
    assert "console" in out and "/dev/" in out and "0" in out


def test_create_with_a_terminal_wants_a_socket(container):
    c = container()
    c.bundle.set("process.terminal", True)
    assert_refused(c, "console" if c.runtime.kind != "wherry" else "console-socket")


def test_a_socket_without_a_terminal_is_refused(container, console):
    c = container()
    result = c.create("--console-socket", console.path, check=False)
    assert not result.ok and "console" in result.err


@pytest.mark.parametrize("path", ["missing", "file", "directory"])
def test_a_socket_that_is_none_is_refused(container, tmp_path, path):
    (tmp_path / "file").touch()
    (tmp_path / "directory").mkdir()
    c = container()
    c.bundle.set("process.terminal", True)
    assert_refused(c, "console" if c.runtime.kind == "wherry" else "", flags=["--console-socket", str(tmp_path / path)])


# --- hostile /dev/console (CVE-2026-88264, CVE-2025-52565) ------------------------------------------------------


@pytest.mark.parametrize("mounted", [True, False])
def test_a_forged_dev_console(container, console, canary, mounted):
    c = container()
    if not mounted:
        for sub in ("", "/pts", "/shm", "/mqueue"):
            c.bundle.unmount("/dev" + sub)
    os.symlink(str(canary / "f"), c.bundle.rootfs + "/dev/console")
    os.symlink(str(canary / "new"), c.bundle.rootfs + "/dev/tty")
    c.bundle.set("process.terminal", True).sh("sleep 1000")
    result = c.create("--console-socket", console.path, check=False)
    if result.ok:
        terminal = console.receive()[2]
        c.start()
        terminal.close()
    assert not (canary / "new").exists()


def is_of_a_devpts(terminal):
    """By the file system that the descriptor is of; its name could be anything's."""
    found = subprocess.run(["stat", "--file-system", "--format=%t", "/dev/stdin"], stdin=terminal.fd, capture_output=True,
                           text=True, check=True)
    return found.stdout == "1cd1\n"


@pytest.mark.parametrize("name, links_to", [("console", "f"), ("pts", "dir"), ("ptmx", "f")])
def test_names_of_dev_that_are_swapped_meanwhile(container, canary, helper, tmp_path, name, links_to):
    """CVE-2025-52565: somebody else who has the root file system puts a link out in the place of what is about to be used.
    Each create works as if nothing were, or fails; nothing of the host's is touched or comes in."""
    c = container()
    for sub in ("", "/shm", "/mqueue"):
        c.bundle.unmount("/dev" + sub)
    dev = c.bundle.rootfs + "/dev"
    os.makedirs(dev + "/pts", exist_ok=True)
    if name != "pts":
        with open(f"{dev}/{name}", "w"):
            pass
    os.symlink(str(canary / links_to), dev + "/evil")
    c.bundle.set("process.terminal", True).sh("sleep 1000")
    swapper = subprocess.Popen([helper("exchange"), f"{dev}/{name}", f"{dev}/evil"])
    made = refused = 0
    deadline = time.monotonic() + RACE_SECONDS
    try:
        while time.monotonic() < deadline or made + refused < 5:
            console = ConsoleSocket(tmp_path / f"{made}-{refused}.sock")
            if not c.create("--console-socket", console.path, check=False).ok:
                refused += 1
                console.close()
                continue
            made += 1
            terminal = console.receive()[2]
            console.close()
            with open(f"/proc/{c.pid}/mountinfo") as f:
                mounts = [line.split() for line in f]
            assert not [row for row in mounts if str(canary) in row[3]], mounts  # what is mounted; where is inside
            assert not [line for line in host.mountinfo() if str(canary) in line]
            assert [row for row in mounts if "devpts" in row[-4:] and row[3][1:].isdigit()], mounts  # its slave, for /dev/console
            assert is_of_a_devpts(terminal)
            terminal.close()
            c.delete("--force")
    finally:
        swapper.kill()
        swapper.wait()
    assert made or name != "console", f"none of {refused} was made"


# --- exec ----------------------------------------------------------------------------------------------------------


def test_exec_with_a_terminal(container, console, tmp_path):
    c = container()
    c.up()
    document = {"terminal": True, "consoleSize": {"height": 31, "width": 71}, "user": {"uid": 0, "gid": 0},
                "args": ["/bin/sh", "-c", "stty size; tty; echo end"], "env": ["PATH=/bin"], "cwd": "/"}
    (tmp_path / "process.json").write_text(json.dumps(document))
    call = c.runtime.spawn("exec", "--process", tmp_path / "process.json", "--detach", "--console-socket",
                           console.path, "--pid-file", tmp_path / "pid", c.id)
    terminal = console.receive()[2]
    assert call.wait().ok
    out = terminal.read_all().split()
    terminal.close()
    assert out[-1] == "end" and (out[:2] == ["31", "71"] or c.runtime.kind == "runc")
    host.wait_gone(int((tmp_path / "pid").read_text()))


def test_exec_without_a_terminal_refuses_a_console_socket(container, console):
    """As create does: nobody would ever connect to it."""
    c = container()
    c.up()
    result = c.exec("true", flags=["--detach", "--console-socket", console.path])
    assert result.rc in (1, 255) and "cannot use console socket" in result.err, result


# --- the foreground --------------------------------------------------------------------------------------------------


class Foreground:
    """A call of the runtime whose standard streams are a terminal of ours."""

    def __init__(self, runtime, *args):
        self.master, self.slave = pty.openpty()
        set_size(self.slave, 40, 100)
        self.before = termios.tcgetattr(self.slave)
        self.terminal = Terminal(self.master)
        slave = self.slave

        def take_terminal():
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

        self.call = runtime.spawn(*args, stdin=slave, stdout=slave, stderr=slave, preexec=take_terminal)

    def close(self):
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def foreground(container):
    made = []

    def make(script, verb="run", **sets):
        c = container()
        if verb == "run":  # else exec, by its option's short or long form
            c.bundle.set("process.terminal", True).sh(script)
            for key, value in sets.items():
                c.bundle.set(f"process.{key}", value)
            c.bundle.write()
            call = Foreground(c.runtime, "run", "--bundle", c.bundle.path, c.id)
        else:
            c.up()
            call = Foreground(c.runtime, "exec", "-t" if verb == "exec" else verb, c.id, "/bin/sh", "-c", script)
        made.append(call)
        call.container = c
        return call

    yield make
    for call in made:
        call.call.kill()
        call.close()


@pytest.mark.parametrize("verb", ["run", "exec", "--tty"])
def test_output_and_exit_status(foreground, verb):
    f = foreground("tty; until [ \"$(stty size)\" = '40 100' ]; do sleep 0.05; done; stty size; exit 7", verb)
    out = f.terminal.read_until("40 100")
    assert "/dev/" in out
    assert f.call.wait().rc == 7


@lacks("runc", "sets the size when it begins to relay, and the program may have asked before")
@pytest.mark.parametrize("verb", ["run", "exec"])
def test_the_size_is_there_before_the_program(foreground, verb):
    for _ in range(15):
        f = foreground("stty size", verb)
        assert f.call.wait().rc == 0
        f.terminal.read_until("40 100")


@pytest.mark.parametrize("verb", ["run", "exec"])
def test_it_is_raw_meanwhile_and_restored_after(foreground, verb):
    f = foreground("echo ready; read line; echo got $line", verb)
    f.terminal.read_until("ready")
    lflag = termios.tcgetattr(f.slave)[3]
    assert not lflag & (termios.ECHO | termios.ICANON | termios.ISIG)
    f.terminal.write("line\r")
    f.terminal.read_until("got line")
    assert f.call.wait().rc == 0
    assert termios.tcgetattr(f.slave)[:4] == f.before[:4]


def test_attributes_are_restored_when_the_program_is_killed(foreground):
    f = foreground("echo ready; kill -9 $$; sleep 5", "exec")
    f.terminal.read_until("ready")
    assert f.call.wait().rc == 137
    assert termios.tcgetattr(f.slave)[:4] == f.before[:4]


@pytest.mark.parametrize("verb", ["run", "exec"])
def test_a_resize_is_handed_on(foreground, verb):
    f = foreground("trap 'stty size' WINCH; echo ready; while :; do sleep 0.1; done", verb)
    f.terminal.read_until("ready")
    set_size(f.slave, 22, 77)
    f.call.popen.send_signal(signal.SIGWINCH)
    assert "22 77" in f.terminal.read_until("22 77")


def test_keys_reach_the_program_and_not_the_runtime(foreground):
    f = foreground("trap 'echo interrupted; exit 9' INT; echo ready; while :; do sleep 0.1; done", "run")
    f.terminal.read_until("ready")
    f.terminal.write("\x03")
    assert "interrupted" in f.terminal.read_until("interrupted")
    assert f.call.wait().rc == 9


@pytest.mark.parametrize("sig", ["TERM", "USR1", "HUP"])
def test_a_signal_is_forwarded(foreground, sig):
    f = foreground(f"trap 'echo caught; exit 11' {sig}; echo ready; while :; do sleep 0.1; done", "run")
    f.terminal.read_until("ready")
    f.call.popen.send_signal(getattr(signal, "SIG" + sig))
    assert "caught" in f.terminal.read_until("caught")
    assert f.call.wait().rc == 11


def test_a_lot_of_output_arrives_whole(foreground):
    f = foreground("seq 1 20000; echo end", "run")
    out = f.terminal.read_until("end", 20)
    assert [int(n) for n in out.split()[:-1]] == list(range(1, 20001))
    assert f.call.wait().rc == 0


@wherry_only("run --rootfs is wherry's")
def test_run_of_a_directory_takes_the_terminal_there_is(container):
    b = container().bundle
    f = Foreground(container().runtime, "run", "--rootfs", b.rootfs, b.id, "--", "/bin/sh", "-c", "tty; stty size; exit 7")
    try:
        assert "/dev/" in f.terminal.read_until("40 100")
        assert f.call.wait().rc == 7
    finally:
        f.call.kill()
        f.close()


@pytest.mark.parametrize("socket_is", ["absent", "dead", "a file"])
def test_exec_without_a_console_socket_that_answers(container, tmp_path, socket_is):
    c = container()
    c.up()
    path = tmp_path / "socket"
    if socket_is == "dead":
        ConsoleSocket(path).close()
    elif socket_is == "a file":
        path.write_text("")
    result = c.exec("true", flags=["--tty", "--detach", "--console-socket", str(path)])
    assert result.rc in (1, 255) and str(path) in result.err, result
    assert host.processes_in_cgroups(c.id) == [c.pid]


def test_a_terminal_is_refused_where_the_caller_has_none(container):
    c = container()
    c.bundle.set("process.terminal", True).args("true")
    result = c.run(timeout=10)
    assert result.rc in (0, 1)
    if result.rc == 1:
        assert "terminal" in result.err or "tty" in result.err or "ioctl" in result.err
