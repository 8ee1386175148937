"""Seccomp's user notification: the agent at listenerPath gets the descriptor and the state, and answers."""
import array
import errno
import fcntl
import json
import os
import socket
import struct
import threading

import pytest

from rig import lacks, skip_if
from test_seccomp import ARCH, NR, rule

NOTIF_RECV, NOTIF_SEND = 0xC0502100, 0xC0182101
CONTINUE = 1


def read_json(connection, data):
    """The one document that comes, whose end is its last brace: a runtime may keep the connection."""
    while True:
        try:
            return json.loads(data.decode())
        except ValueError:
            more = connection.recv(65536)
            assert more, f"no document: {data!r}"
            data += more


class Agent:
    """A listener that takes one connection per process and answers each notification with answer(data), which
    returns (value, error, flags)."""

    def __init__(self, path, answer):
        self.path, self.answer, self.messages, self.extra = str(path), answer, [], []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.bind(self.path)
        self.socket.listen(8)
        self.threads = []
        self._start(self._accept)

    def _start(self, target, *args):
        self.threads.append(threading.Thread(target=target, args=args, daemon=True))
        self.threads[-1].start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            with connection:
                data, ancillary, _, _ = connection.recvmsg(65536, socket.CMSG_LEN(64))
                fds = array.array("i")
                for _, _, body in ancillary:
                    fds.frombytes(body[:len(body) - len(body) % fds.itemsize])
                self.messages.append(read_json(connection, data))
                self.extra.append(len(fds))
            for fd in fds:
                self._start(self._serve, fd)

    def _serve(self, fd):
        while True:
            request = bytearray(80)
            try:
                fcntl.ioctl(fd, NOTIF_RECV, request)
            except InterruptedError:
                continue
            except OSError:
                os.close(fd)
                return
            ident, pid, _, number = struct.unpack_from("=QIIi", request)
            value, error, flags = self.answer(number, pid)
            try:
                fcntl.ioctl(fd, NOTIF_SEND, bytearray(struct.pack("=QqiI", ident, value, -error, flags)))
            except OSError:
                pass

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


@pytest.fixture
def agent(tmp_path):
    made = []

    def make(answer):
        made.append(Agent(tmp_path / "agent.sock", answer))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def watched(container, helper):
    """A container whose personality(2) is told to the agent."""
    def make(agent, **more):
        c = container()
        c.bundle.install(helper("probe"))
        c.bundle.set("linux.seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "architectures": [ARCH],
                                       "listenerPath": agent.path, "syscalls": [rule("NOTIFY", "personality")], **more})
        c.bundle.args("/bin/probe", "call", str(NR["personality"]), "0xffffffff")
        return c
    return make


@pytest.mark.parametrize("no_new_privileges", [True, False])
@pytest.mark.parametrize("answer, want", [((4242, 0, 0), "4242 0\n"), ((0, errno.EXDEV, 0), f"-1 {errno.EXDEV}\n"),
                                          ((0, 0, CONTINUE), "0 0\n")])
def test_the_agent_answers(agent, watched, no_new_privileges, answer, want):
    listener = agent(lambda number, pid: answer)
    c = watched(listener)
    c.bundle.set("process.noNewPrivileges", no_new_privileges)
    assert c.run(check=True).out == want


@lacks("runc", "1.1 does not know the flag", below=(1, 2))
def test_the_agent_is_waited_for_in_a_killable_sleep(agent, watched):
    """The flag reaches the kernel, which refuses it without a listener: what it answers is as without it."""
    c = watched(agent(lambda number, pid: (4242, 0, 0)), flags=["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"])
    assert c.run(check=True).out == "4242 0\n"


def test_the_message_is_the_process_state(agent, watched):
    seen = []
    listener = agent(lambda number, pid: (seen.append((number, pid)), (7, 0, 0))[1])
    c = watched(listener, listenerMetadata="some \"metadata\"")
    c.bundle.set("annotations", {"org.example.k": "v"})
    assert c.run(check=True).out == "7 0\n"
    assert len(listener.messages) == 1 and listener.extra == [1]
    message = listener.messages[0]
    assert message["fds"] == ["seccompFd"] and message["metadata"] == 'some "metadata"'
    assert message["ociVersion"].startswith("1.")
    state = message["state"]
    assert state["id"] == c.id and state["bundle"] == c.bundle.path
    assert state["annotations"] == {"org.example.k": "v"}
    assert state["status"] in ("creating", "created", "running")
    assert message["pid"] > 0 and state.get("pid", message["pid"]) > 0
    assert seen[0][0] == NR["personality"]


def test_without_metadata_there_is_none(agent, watched):
    listener = agent(lambda number, pid: (7, 0, 0))
    c = watched(listener)
    assert c.run(check=True).out == "7 0\n"
    assert listener.messages[0].get("metadata", "") == ""


def test_exec_tells_the_agent_as_well(agent, watched):
    skip_if("runc", "keeps 'creating' and its own pid", below=(0, 1))
    listener = agent(lambda number, pid: (55, 0, 0))
    c = watched(listener)
    c.bundle.args("sleep", "1000")
    pid = c.up()
    result = c.exec("/bin/probe", "call", str(NR["personality"]), "0xffffffff", check=True)
    assert result.out == "55 0\n"
    assert len(listener.messages) == 2
    assert listener.messages[1]["state"]["pid"] == pid != listener.messages[1]["pid"]


def test_an_agent_that_is_not_there_is_refused(container, tmp_path):
    c = container()
    c.bundle.set("linux.seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "architectures": [ARCH],
                                   "listenerPath": str(tmp_path / "nobody.sock"),
                                   "syscalls": [rule("NOTIFY", "personality")]})
    result = c.create(check=False)
    if result.ok:  # a runtime may hand the descriptor over at start
        result = c.start(check=False)
    assert result.rc == 1 and ("nobody.sock" in result.err or c.runtime.kind == "runc"), result


def test_a_listener_path_without_notify_is_ignored(container, tmp_path):
    c = container()
    c.bundle.set("linux.seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "architectures": [ARCH],
                                   "listenerPath": str(tmp_path / "nobody.sock"),
                                   "syscalls": [rule("ERRNO", "personality")]}).args("true")
    assert c.run().rc == 0


def test_notify_without_a_listener_path_is_refused(container):
    c = container()
    c.bundle.set("linux.seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "architectures": [ARCH],
                                   "syscalls": [rule("NOTIFY", "personality")]})
    result = c.create(check=False)
    assert result.rc == 1 and "listenerPath" in result.err
