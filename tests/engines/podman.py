"""Podman, as root or as an ordinary user: its command line with one runtime."""
import os
import shutil
import subprocess

from call import call, read
from client import Client

IMAGE = "localhost/bb"
USER = "lab"


class Podman(Client):
    """The command line, whose containers get one runtime. user: an ordinary user, whose podman it is then."""

    image = IMAGE

    def __init__(self, runtime, manager="cgroupfs", user=None, network="none"):
        self.runtime, self.manager, self.user, self.network = runtime, manager, user, network

    def of(self, runtime):
        """The same of another runtime."""
        return Podman(runtime, self.manager, self.user, self.network)

    def uid(self):
        return int(call("id", "-u", self.user).out) if self.user else 0

    def home(self):
        return f"/home/{self.user}" if self.user else "/root"

    def prefix(self):
        """What makes a command the user's."""
        if not self.user:
            return []
        run = f"/run/user/{self.uid()}"
        return ["setpriv", "--reuid", self.user, "--regid", self.user, "--init-groups", "env", "-i", "-C", self.home(),
                f"HOME={self.home()}", f"USER={self.user}", f"LOGNAME={self.user}", f"XDG_RUNTIME_DIR={run}",
                "PATH=/usr/bin:/usr/sbin:/bin:/sbin", f"DBUS_SESSION_BUS_ADDRESS=unix:path={run}/bus"]

    def argv(self, *args):
        return [*self.prefix(), "podman", "--runtime", self.runtime, "--cgroup-manager", self.manager, *map(str, args)]

    def beside(self, *argv, **kw):
        """Another program of theirs."""
        return call(*self.prefix(), *argv, **kw)

    def leave_mounts(self):
        """Ends the process that keeps an ordinary user's mount namespace: the next call sees the host's mounts anew."""
        if self.user:
            self.call("system", "migrate")

    def systemctl(self, *words):
        """Of the systemd that is theirs."""
        return self.beside("systemctl", *(["--user"] if self.user else []), *words, timeout=240)

    def flags(self, flags):
        named = any(str(f).startswith(("--network", "--net", "--pod")) for f in flags)
        return ([] if named else ["--network", self.network]) + list(flags)

    def rm_all(self):
        self.call("pod", "rm", "-f", "-a", "-t", "0", rc=None)
        self.call("rm", "-f", "-a", "-t", "0", rc=None)


def own_manager():
    """The cgroup manager that Podman takes by itself on this host."""
    return "systemd" if os.path.isdir("/run/systemd/system") else "cgroupfs"


def configure(setup):
    """Podman knows the runtime by what engine-setup writes."""
    call("/usr/bin/python3", setup, "podman", "--apply", "--wherry", "/usr/sbin/wherry")


def exists(user):
    return subprocess.run(["id", user], capture_output=True, check=False).returncode == 0


def add_ids_for_auto():
    """Where the host ids of --userns auto come from, for root. shadow 4.20 finds ids of users only that exist."""
    if not exists("containers"):
        call("useradd", "--system", "--no-create-home", "containers")
    for name in ("subuid", "subgid"):
        if "containers:" not in read("/etc", name):
            with open(f"/etc/{name}", "a", encoding="utf-8") as file:
                file.write("containers:2147483647:2147483648\n")


def add_user():
    """An ordinary user with ids for a user namespace, and a session where systemd runs."""
    if not exists(USER):
        call("useradd", "-m", "-s", "/bin/sh", USER)
    for name in ("subuid", "subgid"):
        if f"{USER}:" not in read("/etc", name):
            with open(f"/etc/{name}", "a", encoding="utf-8") as file:
                file.write(f"{USER}:300000:65536\n")
    uid = int(call("id", "-u", USER).out)
    if os.path.isdir("/run/systemd/system"):
        call("loginctl", "enable-linger", USER)
        call("systemctl", "start", f"user@{uid}.service")
    elif not os.path.isdir(f"/run/user/{uid}"):
        os.makedirs(f"/run/user/{uid}")
        shutil.chown(f"/run/user/{uid}", USER, USER)
        os.chmod(f"/run/user/{uid}", 0o700)
    return uid
