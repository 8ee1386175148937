# SPDX-License-Identifier: Apache-2.0
"""A container whose program is an init system: Debian 13's own systemd as pid 1, with a cgroup tree of its own."""
import os
import shutil
import signal
import subprocess

import pytest

import host
import units
from bundles import Bundle
from units import SYSTEMD

CAPABILITIES = """CAP_AUDIT_CONTROL CAP_AUDIT_WRITE CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID
    CAP_IPC_LOCK CAP_IPC_OWNER CAP_KILL CAP_LEASE CAP_LINUX_IMMUTABLE CAP_MKNOD CAP_NET_ADMIN CAP_NET_BIND_SERVICE
    CAP_NET_BROADCAST CAP_NET_RAW CAP_SETFCAP CAP_SETGID CAP_SETPCAP CAP_SETUID CAP_SYS_ADMIN CAP_SYS_CHROOT CAP_SYS_NICE
    CAP_SYS_PTRACE CAP_SYS_RESOURCE CAP_SYS_TTY_CONFIG""".split()
DIRECTORIES = """dev etc home mnt opt proc root run srv sys tmp usr var/cache var/lib/systemd var/log var/tmp""".split()
BOOT = 240.0  # seconds: emulated, and beside other work


def make_system(rootfs):
    """A root file system of this very Debian: /usr is the host's, mounted; /etc a copy; the rest empty."""
    for name in DIRECTORIES:
        os.makedirs(os.path.join(rootfs, name))
    for name in ("bin", "sbin", "lib", "lib64"):
        os.symlink(f"usr/{name}", os.path.join(rootfs, name))
    subprocess.run(["cp", "-a", "/etc/.", os.path.join(rootfs, "etc")], check=True)
    for name in ("fstab", "machine-id", "systemd/system/lab.service", "systemd/system/multi-user.target.wants/lab.service"):
        target = os.path.join(rootfs, "etc", name)
        if os.path.lexists(target):
            os.unlink(target)
    for name in ("fstab", "machine-id"):
        with open(os.path.join(rootfs, "etc", name), "w"):
            pass


class System:
    """A container that is a system."""

    def __init__(self, container, tmp_path, options, userns):
        bundle = Bundle(tmp_path / "system", rootfs=False)
        os.makedirs(bundle.rootfs)
        make_system(bundle.rootfs)
        self.c, self.options = container(bundle), options
        if options:
            bundle.set("linux.cgroupsPath", f":lab:{bundle.id}")
        bundle.args("/usr/lib/systemd/systemd", "--log-target=console", "--show-status=no")
        bundle.set("process.env", ["PATH=/usr/sbin:/usr/bin", "container=oci", "TERM=dumb"])
        bundle.set("process.noNewPrivileges", False).drop("process.rlimits").drop("linux.readonlyPaths")
        bundle.capabilities(**{kind: CAPABILITIES for kind in ("bounding", "effective", "permitted")})
        bundle.namespace("cgroup").mount("/sys/fs/cgroup", "cgroup", "cgroup", ["nosuid", "noexec", "nodev", "rw"])
        for name in ("/run", "/tmp"):
            bundle.mount(name, "tmpfs", "tmpfs", ["nosuid", "nodev", "mode=755" if name == "/run" else "mode=1777"])
        if userns:
            bundle.map_ids()
        bundle.mount("/usr", "/usr", options=["rbind", "ro", *(["idmap"] if userns else [])])
        bundle.set("linux.resources.memory", {"limit": 512 << 20}).set("linux.resources.pids", {"limit": 500})

    def systemctl(self, *args, check=True):
        return self.c.exec("/usr/bin/systemctl", *args, check=check, timeout=120).out

    def boot(self, disturb=False):
        """Start it in the foreground and wait until it is up; returns the process of the runtime. disturb: with exec all the
        while its systemd lays out its cgroups, which a process in the container's own would keep it from."""
        process = self.c.spawn(options=self.options)
        host.wait_until(lambda: not process.running() or self.c.status == "running", "the container to run", 60)
        assert process.running(), process.wait()
        while disturb and not self.has_cgroups():
            self.c.exec("/usr/bin/true", check=True, timeout=60)
        host.wait_until(lambda: self.is_up(process), "multi-user.target", BOOT)
        return process

    def has_cgroups(self):
        """Whether its systemd has made the cgroup of its first slice; it enables the controllers before that, or never."""
        return os.path.isdir(host.cgroup_path(host.cgroup_of(self.c.pid).removesuffix("/init.scope")) + "/system.slice")

    def is_up(self, process):
        assert process.running(), process.wait()
        return self.systemctl("is-active", "multi-user.target", check=False) == "active\n"


CASES = {"cgroupfs": ([], False), "systemd": (SYSTEMD, False), "userns": ([], True), "systemd in a userns": (SYSTEMD, True)}


@pytest.fixture(params=CASES)
def system(request, container, tmp_path):
    made = System(container, tmp_path, *CASES[request.param])
    yield made
    made.c.delete("--force")
    host.reap_orphans()
    shutil.rmtree(made.c.bundle.path)


def test_it_comes_up_works_and_stops(system):
    process = system.boot(disturb=True)
    c = system.c
    top = host.cgroup_of(c.pid).removesuffix("/init.scope")
    assert system.systemctl("--failed", "--plain", "--no-legend") == ""
    # its own cgroup tree, made by itself below the container's
    assert host.cgroup_of(c.pid) == top + "/init.scope"
    assert os.path.isdir(host.cgroup_path(top + "/system.slice"))
    assert {"memory", "pids"} <= set(units.value(top, "cgroup.subtree_control").split())
    # a service with a limit, in there
    done = c.exec("/usr/bin/systemd-run", "--wait", "--pipe", "--quiet", "-p", "TasksMax=5", "-p", "MemoryMax=64M", "sh", "-c",
                  "p=/sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup); cat $p/pids.max $p/memory.max", check=True, timeout=120)
    assert done.out.split() == ["5", str(64 << 20)]
    # a further process finds its place beside init
    assert c.exec("/usr/bin/cat", "/proc/self/cgroup", check=True).out == "0::/init.scope\n"
    if system.options:
        units.daemon_reload()
        assert system.systemctl("is-active", "multi-user.target") == "active\n"
        assert units.value(top, "memory.max") == str(512 << 20)
    c.kill("SIGRTMIN+3")
    result = process.wait(120)
    assert result.rc == 0, result
    assert c.state() is None and not os.path.exists(host.cgroup_path(top))
    if system.options:
        units.forgotten(os.path.basename(top))


def end_by_kill(c):
    c.kill("KILL")


def end_by_delete(c):
    c.delete("--force")


@pytest.mark.parametrize("end", [end_by_kill, end_by_delete], ids=["kill", "delete"])
def test_a_running_system_is_ended(system, end):
    """With all its cgroups and services, and without asking it."""
    process = system.boot()
    c = system.c
    top = host.cgroup_of(c.pid).removesuffix("/init.scope")
    assert len(host.processes_in_cgroups(os.path.basename(top))) > 3
    c.pause()
    assert c.status == "paused"
    c.resume()
    assert system.systemctl("is-active", "multi-user.target") == "active\n"
    end(c)
    assert process.wait(60).rc == 128 + signal.SIGKILL
    assert c.state() is None and not os.path.exists(host.cgroup_path(top))
    host.wait_no_processes(os.path.basename(top))
    if system.options:
        units.forgotten(os.path.basename(top))
