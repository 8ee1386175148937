"""The receiving end of --console-socket, as conmon and containerd's shim have it."""
import array
import os
import select
import socket
import time


class ConsoleSocket:
    """A listening socket; receive() takes the one message of the runtime and returns the terminal."""

    def __init__(self, path):
        self.path = str(path)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # a long path is bound by way of its directory, as engines do
        directory = os.open(os.path.dirname(self.path), os.O_PATH | os.O_DIRECTORY)
        self.socket.bind(f"/proc/self/fd/{directory}/{os.path.basename(self.path)}")
        os.close(directory)
        self.socket.listen(1)
        self.socket.settimeout(10)

    def receive(self):
        """Returns (payload, ancillary messages, the master or None)."""
        connection, _ = self.socket.accept()
        with connection:
            connection.settimeout(10)
            payload, ancillary, _, _ = connection.recvmsg(4096, socket.CMSG_LEN(64))
        fds = array.array("i")
        for level, kind, data in ancillary:
            assert (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
            fds.frombytes(data[:len(data) - len(data) % fds.itemsize])
        return payload, ancillary, Terminal(fds[0]) if fds else None

    def close(self):
        self.socket.close()


class Terminal:
    """The master of a pseudoterminal."""

    def __init__(self, fd):
        self.fd = fd
        self.seen = b""

    def read_until(self, text, timeout=10.0):
        """Read until text is in what was read, or the other side is gone; returns all that was read."""
        deadline = time.monotonic() + timeout
        while text.encode() not in self.seen:
            left = deadline - time.monotonic()
            assert left > 0, f"{text!r} is not in {self.seen!r}"
            poll = select.poll()
            poll.register(self.fd, select.POLLIN)
            if not poll.poll(left * 1000):
                continue
            try:
                data = os.read(self.fd, 4096)
            except OSError:  # EIO: no slave is open
                data = b""
            if not data:
                break
            self.seen += data
        return self.seen.decode()

    def read_all(self, timeout=10.0):
        return self.read_until("\0 never \0", timeout)

    def write(self, text):
        os.write(self.fd, text.encode())

    def close(self):
        os.close(self.fd)
