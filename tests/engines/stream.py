"""The far end of exec and attach over CRI: Kubernetes' streams of a remote command, over a WebSocket."""
import json
import time

import websocket

from call import LIMIT

STDIN, STDOUT, STDERR, ERROR, RESIZE = range(5)
PROTOCOL = "v4.channel.k8s.io"
"""Each message begins with the number of its channel; the last one, on ERROR, is a Status of Kubernetes'."""


class Stream:
    """One exec or attach, by the URL that the server gave for it."""

    def __init__(self, url):
        self.url, self.seen, self.open = url, {STDOUT: "", STDERR: "", ERROR: ""}, True
        self.socket = websocket.create_connection("ws" + url.removeprefix("http"), timeout=LIMIT, subprotocols=[PROTOCOL])
        assert self.socket.subprotocol == PROTOCOL

    def write(self, text):
        self.socket.send_binary(bytes([STDIN]) + text.encode())

    def resize(self, rows, columns):
        self.socket.send_binary(bytes([RESIZE]) + json.dumps({"Height": rows, "Width": columns}).encode())

    def wait_for(self, text, channel=STDOUT, timeout=LIMIT):
        deadline = time.monotonic() + timeout
        while text not in self.seen[channel] and self._read():
            assert time.monotonic() < deadline, f"no {text!r} from {self.url}, but {self.seen}"
        assert text in self.seen[channel], f"no {text!r} from {self.url}, but {self.seen}"

    def _read(self):
        """Takes one message; False after the last one."""
        if not self.open:
            return False
        opcode, data = self.socket.recv_data()
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            self.open = False
        elif data:
            self.seen[data[0]] += data[1:].decode("utf-8", "replace")
        return self.open

    def end(self):
        """Reads to the end; returns the exit status of the program, or the error's text where there is none."""
        while self._read():
            pass
        self.close()
        status = json.loads(self.seen[ERROR])
        if status["status"] == "Success":
            return 0
        causes = {cause.get("reason"): cause.get("message") for cause in status.get("details", {}).get("causes", [])}
        return int(causes["ExitCode"]) if "ExitCode" in causes else status["message"]

    def close(self):
        self.socket.close()
