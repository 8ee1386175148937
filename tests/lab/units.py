# SPDX-License-Identifier: Apache-2.0
"""Units of systemd, as systemctl tells of them, and containers that are units."""
import os
import subprocess

import host

SYSTEMD = ["--systemd-cgroup"]


def as_user(uid, cwd="/"):
    """The words that run a command as an ordinary user who knows of his systemd. It stays in the caller's cgroup, and is in
    the host's mount namespace: the tests' own was made before the user's runtime directory was mounted."""
    return ["nsenter", "--mount=/proc/1/ns/mnt", f"--wdns={cwd}", "setpriv", f"--reuid={uid}", f"--regid={uid}", "--init-groups", "env", f"XDG_RUNTIME_DIR=/run/user/{uid}"]


def systemctl(*args, user=None, check=True):
    """The output of systemctl; user: of that uid's own manager."""
    words = [*as_user(user), "systemctl", "--user"] if user else ["systemctl"]
    done = subprocess.run([*words, *args], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 or not check, done
    return done.stdout


def show(unit, *names, user=None):
    """The properties of a unit: a dict. Of a property that is there more than once the last."""
    text = systemctl("show", unit, *[f"--property={n}" for n in names], user=user)
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def prop(unit, name, user=None):
    return show(unit, name, user=user)[name]


def all_of(unit, name):
    """Every line of a property that is there more than once."""
    return [line.split("=", 1)[1] for line in systemctl("show", unit, f"--property={name}").splitlines() if "=" in line]


def is_known(unit, user=None, check=True):
    """Whether systemd has anything to say about the unit: it is loaded, running or failed. A systemd that is being restarted
    says nothing, which check=False takes for None."""
    text = systemctl("list-units", "--all", "--plain", "--no-legend", unit, "*.target", user=user, check=check)
    return unit in text if text else None


def forgotten(*units, user=None, timeout=10.0):
    """Wait until systemd has forgotten the units."""
    for unit in units:
        host.wait_until(lambda: is_known(unit, user, check=False) is False, f"unit {unit} to be forgotten", timeout)


def daemon_reload():
    systemctl("daemon-reload")


def value(path, name):
    """A file of the cgroup at that path below the mount."""
    with open(os.path.join(host.cgroup_path(path), name)) as file:
        return file.read().rstrip("\n")


class Unit:
    """A container that is a scope: its container, the unit's name, and its cgroup."""

    def __init__(self, container, prefix="lab"):
        self.c = container
        self.c.bundle.set("linux.cgroupsPath", f":{prefix}:{container.id}")
        self.name = f"{prefix}-{container.id}.scope"
        self.path = f"/system.slice/{self.name}"

    def create(self, **kw):
        self.c.create(options=SYSTEMD, **kw)
        return self

    def up(self, **kw):
        self.create(**kw)
        self.c.start()
        return self

    def value(self, name):
        return value(self.path, name)

    def prop(self, name):
        return prop(self.name, name)

    def update(self, *flags, check=True, **kw):
        """Without a word about the manager: the record knows it."""
        return self.c.runtime.run("update", *flags, self.c.id, check=check, **kw)

    def delete(self):
        self.c.delete("--force")
        assert not is_known(self.name)
        assert not os.path.exists(host.cgroup_path(self.path))
