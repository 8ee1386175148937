"""A daemon of the tests' own: started from a directory that holds all of it, stopped, and removed with what it left mounted."""
import os
import shutil
import signal
import subprocess

from call import read, wait_until


class Service:
    """argv() and answers() are the daemon's; all of its files are below top."""

    def __init__(self, top, environment=None):
        self.top, self.process, self.environment = str(top), None, environment or {}
        os.makedirs(self.top, exist_ok=True)
        for directory in (self.top, os.path.dirname(self.top), os.path.dirname(os.path.dirname(self.top))):
            os.chmod(directory, 0o755)  # root of a user namespace has to come by

    def argv(self):
        raise NotImplementedError

    def answers(self):
        raise NotImplementedError

    def runs(self):
        return self.process is not None and self.process.poll() is None

    def start(self):
        with open(os.path.join(self.top, "log"), "ab") as log:
            self.process = subprocess.Popen(self.argv(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                                            env=dict(os.environ, **self.environment))
        wait_until(self._answers, f"{self.argv()[0]} to answer", 180)
        return self

    def _answers(self):
        assert self.runs(), f"{self.argv()[0]} ended: {self.tail()}"
        return self.answers()

    def tail(self):
        return read(self.top, "log")[-3000:]

    def stop(self):
        if self.runs():
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(120)

    def remove(self):
        self.stop()
        for mount in reversed([line.split()[4] for line in read("/proc/self/mountinfo").splitlines()
                               if line.split()[4].startswith(self.top + "/")]):
            subprocess.run(["umount", "-l", mount], check=False)
        shutil.rmtree(self.top, ignore_errors=True)
