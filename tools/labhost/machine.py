# SPDX-License-Identifier: Apache-2.0
"""One or two virtual machines of one run, from boot to power off. Their disks are overlays of the image, so that any number
of runs may be under way at once."""
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time

import accel
from errors import LabError

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)
# no_timer_check: the kernel takes a timer whose ticks come late, since QEMU does not get a processor, for a broken one, and panics.
COMMAND_LINE = "panic=-1 no_timer_check mitigations=off net.ifnames=0 systemd.show_status=false loglevel=4"
RESULTS_SIZE = 256 << 20
# An emulated kernel may lose its timer while it boots, and stand still. One that boots takes half a minute, and some more under load; its
# console has this then (tests/lab/guest/main.py).
BOOT_SECONDS = 180
UP = "lab: up"


class Machine:
    """One guest. number: 1 or 2; the files of a run are in its folder, which the caller made."""

    def __init__(self, lab, folder, number, job, suite):
        self.lab, self.folder, self.number = lab, folder, number
        self.job, self.suite = job, suite
        self.process = None

    def path(self, name):
        return os.path.join(self.folder, f"{name}-{self.number}")

    @property
    def console(self):
        return self.path("console")

    @property
    def output(self):
        return self.path("output")

    def start(self, interactive=False):
        open(self.output, "wb").close()
        with open(self.path("results"), "wb") as file:
            file.truncate(RESULTS_SIZE)
        argv = self._argv(interactive)
        streams = {} if interactive else {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
        with open(self.path("qemu"), "wb") as errors:
            self.process = subprocess.Popen(argv, stderr=errors, env=self.lab.environment(), preexec_fn=_die_with_parent,
                                            **streams)

    def _argv(self, interactive):
        lab = self.lab
        return (lab.program("usr/bin/qemu-system-x86_64") + accel.options(lab, self.suite.steady) + lab.firmware() + [
            "-name", f"wherry-lab-{self.number}", "-m", str(self.suite.memory),
            "-smp", str(accel.processors(self.suite.steady)),
            "-nodefaults", "-display", "none", "-no-reboot",
            "-kernel", lab.file("vmlinuz"), "-initrd", lab.file("initramfs"),
            "-append", f"console=ttyS0 {COMMAND_LINE} {self.suite.kernel} lab.number={self.number} {terminal_size(interactive)}",
            "-serial", "mon:stdio" if interactive else f"file:{self.console}"]
            + _disk(lab.file("disk.img"), "snapshot=on,") + _disk(self.job, "readonly=on,") + _disk(self.path("results"))
            + ["-device", "virtio-serial-pci", "-chardev", f"file,id=output,path={self.output}",
               "-device", "virtserialport,chardev=output,name=lab"]
            + ["-object", "rng-random,id=rng,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=rng"]
            + (self._network() if self.suite.machines > 1 else []))

    def _network(self):
        """A wire between the two, over a socket in the run's folder."""
        server = "on" if self.number == 1 else "off,reconnect-ms=500"
        return ["-netdev", f"stream,id=wire,server={server},addr.type=unix,addr.path={self.folder}/wire",
                "-device", f"virtio-net-pci,netdev=wire,mac=52:54:00:77:00:0{self.number}"]

    def is_up(self):
        with open(self.console, errors="replace") as file:
            return UP in file.read()

    def running(self):
        return self.process is not None and self.process.poll() is None

    def stop(self):
        if self.running():
            self.process.kill()
            self.process.wait()

    def check(self, *expected):
        """Raises LabError when QEMU has ended with another status than these."""
        status = self.process.poll()
        if status is not None and status not in expected:
            with open(self.path("qemu"), errors="replace") as file:
                raise LabError(f"machine {self.number}: QEMU ended with status {status}: {file.read().strip()}; "
                               f"its console: {self.console}")


def _disk(path, options=""):
    return ["-drive", f"file={path},format=raw,if=virtio,{options}cache=unsafe"]


def terminal_size(interactive):
    if not interactive:
        return ""
    size = shutil.get_terminal_size()
    return f"lab.columns={size.columns} lab.rows={size.lines}"


def _die_with_parent():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class StandsStill(LabError):
    """A machine that has not come to its job, and will not."""


class Output:
    """Passes on what a machine's port has said, as it comes."""

    def __init__(self, path, to):
        self.file, self.to = open(path, "rb"), to

    def pass_on(self):
        data = self.file.read()
        if data:
            self.to.write(data)
            self.to.flush()


def wait(machines, seconds, quiet=False, boot_seconds=BOOT_SECONDS):
    """Until the first machine has powered off; the others are stopped then. Raises LabError after that many seconds, and
    StandsStill when it is not up after those of the boot."""
    output = None if quiet else Output(machines[0].output, sys.stdout.buffer)
    deadline = time.monotonic() + seconds
    boot_deadline = time.monotonic() + boot_seconds
    try:
        while machines[0].running():
            for one in machines[1:]:
                one.check()
            if time.monotonic() > deadline:
                raise LabError(f"the machine was not done after {seconds} s and was killed; its console: "
                               f"{machines[0].console}\n{_tail(machines[0].console)}")
            if time.monotonic() > boot_deadline:
                boot_deadline = float("inf")
                if not machines[0].is_up():
                    raise StandsStill(f"the machine has not booted after {boot_seconds} s and was killed; its console: "
                                      f"{machines[0].console}\n{_tail(machines[0].console)}")
            time.sleep(0.1)
            if output:
                output.pass_on()
    finally:
        for machine in machines:
            machine.stop()
        if output:
            output.pass_on()
    machines[0].check(0)


def _tail(path, lines=15):
    with open(path, errors="replace") as file:
        return "\n".join("    " + line.rstrip() for line in file.readlines()[-lines:])
