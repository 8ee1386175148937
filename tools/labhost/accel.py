# SPDX-License-Identifier: Apache-2.0
"""KVM or software emulation. That /dev/kvm can be opened says little: in a virtual machine it may be there and run no kernel
but its own kind. So the first call of a boot tries: the lab's kernel has to reach its initramfs."""
import os
import subprocess

from progress import say

# Five-level page tables would cost every miss a level, and a kernel that is promised fast string instructions (erms, fsrm)
# copies and clears memory by those that are emulated byte after byte.
EMULATED = "max,la57=off,erms=off,fsrm=off"
# accelerator -> what QEMU is told
OPTIONS = {
    "kvm": ["-accel", "kvm", "-cpu", "host"],
    "tcg": ["-accel", "tcg,thread=multi", "-cpu", EMULATED],
}
# The guest's clock counts instructions, one a nanosecond: figures that do not depend on what else this machine does, nor on
# which instructions are dear to emulate. Idle time is skipped. It has one processor: several would be emulated in turns, and
# what one does count as time of the others.
STEADY = ["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off", "-cpu", EMULATED]
SECONDS = 15


def options(lab, steady):
    """What QEMU is told; steady: see there."""
    return STEADY if steady else OPTIONS[choose(lab)]


def processors(steady):
    """How many the guest has."""
    return 1 if steady else min(2, os.cpu_count())


def choose(lab):
    """The accelerator's name; WHERRY_LAB_ACCEL overrides."""
    wanted = os.environ.get("WHERRY_LAB_ACCEL")
    if wanted:
        return wanted
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "tcg"
    with open("/proc/sys/kernel/random/boot_id") as file:
        record = lab.file(f"accel-{file.read().strip()}")
    if not os.path.exists(record):
        _record(record, "kvm" if _kernel_runs(lab) else "tcg")
    with open(record) as file:
        return file.read()


def _record(path, text):
    with open(f"{path}.{os.getpid()}", "w") as file:
        file.write(text)
    os.rename(f"{path}.{os.getpid()}", path)


def _kernel_runs(lab):
    argv = lab.program("usr/bin/qemu-system-x86_64") + OPTIONS["kvm"] + lab.firmware() + [
        "-m", "256", "-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio",
        "-kernel", lab.file("vmlinuz"), "-initrd", lab.file("initramfs"),
        "-append", "console=ttyS0 panic=-1 lab.probe"]
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=SECONDS, env=lab.environment())
        answer = done.stdout
    except subprocess.TimeoutExpired as late:
        answer = late.stdout or b""
    runs = b"lab: the kernel runs" in answer
    if not runs:
        say("/dev/kvm is there but does not run Debian's kernel: software emulation instead")
    return runs
