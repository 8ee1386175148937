# SPDX-License-Identifier: Apache-2.0
"""Runs inside of the lab's machine, started by its lab.service when systemd is up: installs what was brought, does the job,
leaves the results on the third disk, powers off. What it prints goes to the person at tools/lab."""
import json
import os
import shutil
import subprocess
import sys
import traceback

LAB = "/lab"
RESULTS = os.path.join(LAB, "results")
RESULTS_DISK = "/dev/vdc"
ADDRESS = "10.77.0.%d/24"
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root", "LANG": "C.UTF-8", "TERM": "dumb", "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1",
    "WHERRY_TEST_RUNTIME": "/usr/local/sbin/wherry", "WHERRY_TEST_HELPERS": os.path.join(LAB, "helpers"),
}


def command_line():
    """The lab.NAME=VALUE words of the kernel's command line."""
    with open("/proc/cmdline") as file:
        words = [word.split("=", 1) for word in file.read().split() if word.startswith("lab.")]
    return {word[0].removeprefix("lab."): word[-1] for word in words}


def run(*argv, **kw):
    return subprocess.run(argv, stdin=subprocess.DEVNULL, check=True, **kw)


def install():
    shutil.copytree(os.path.join(LAB, "install"), "/", dirs_exist_ok=True, symlinks=True)
    os.makedirs(RESULTS, exist_ok=True)


def join(number):
    """The wire between two machines, and ssh over it."""
    run("modprobe", "virtio_net")
    run("ip", "address", "add", ADDRESS % number, "dev", "eth0")
    run("ip", "link", "set", "eth0", "up")
    run("hostname", f"lab{number}")
    run("systemctl", "start", "ssh.service")


def job_pytest(job, words):
    done = subprocess.run([sys.executable, "-m", "pytest", "-v", "--tb=short", "--color=no", "-p", "no:cacheprovider",
                           f"--junitxml={RESULTS}/junit.xml", *job["files"], *job["arguments"]],
                          stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT, cwd=os.path.join(LAB, "tree"), env=ENVIRONMENT)
    return done.returncode


def job_exec(job, words):
    done = subprocess.run(job["command"], stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT,
                          cwd=os.path.join(LAB, "tree"), env=ENVIRONMENT)
    return done.returncode if done.returncode >= 0 else 128 - done.returncode


def job_shell(job, words):
    """The shell's terminal is the serial line, whose size only the host knows."""
    settings = ["rows", words.get("rows", "24"), "columns", words.get("columns", "80")]
    with open("/dev/ttyS0", "r+b", buffering=0) as line:
        subprocess.run(["stty", "sane", *settings], stdin=line, check=True)
        subprocess.run(["setsid", "--ctty", "--wait", "bash", "-l"], stdin=line, stdout=line, stderr=line,
                       cwd=os.path.join(LAB, "tree"), env=dict(ENVIRONMENT, TERM=job["term"]))
    return 0


JOBS = {"pytest": job_pytest, "exec": job_exec, "shell": job_shell}


def say_that_it_is_up():
    """To the host: see tools/labhost/machine.py."""
    with open("/dev/ttyS0", "w") as line:
        line.write("lab: up\n")


def main():
    status = 1
    try:
        with open(os.path.join(LAB, "job.json")) as file:
            job = json.load(file)
        if job["kind"] != "shell":
            say_that_it_is_up()
        words = command_line()
        install()
        if job["runtime"]:
            ENVIRONMENT["WHERRY_TEST_RUNTIME"] = job["runtime"]
        if job["machines"] > 1:
            join(int(words["number"]))
        if words["number"] != "1":
            return  # the first one's peer: it is there until the host ends it
        status = JOBS[job["kind"]](job, words)
    except Exception:
        traceback.print_exc(file=sys.stdout)
    finish(status)


def finish(status):
    if status:
        with open(os.path.join(RESULTS, "journal.txt"), "wb") as journal:
            subprocess.run(["journalctl", "-b", "--no-pager", "-o", "short-monotonic"], stdout=journal)
    with open(os.path.join(RESULTS, "status"), "w") as file:
        file.write(str(status))
    run("tar", "-C", RESULTS, "-cf", RESULTS_DISK, ".")
    sys.stdout.flush()
    os.sync()
    run("busybox", "poweroff", "-f")


if __name__ == "__main__":
    main()
