# SPDX-License-Identifier: Apache-2.0
"""An ordinary user's containers in scopes of the user's own systemd."""
import json
import os
import pwd
import shutil
import signal
import subprocess
import tempfile

import pytest

import host
import units
from bundles import make_rootfs

USER = "lab"
UID = pwd.getpwnam(USER).pw_uid
MANAGER = f"/user.slice/user-{UID}.slice/user@{UID}.service"
CALL_LIMIT = 20


@pytest.fixture(scope="module", autouse=True)
def manager():
    """The user's systemd runs, without anybody logged in."""
    subprocess.run(["loginctl", "enable-linger", USER], check=True, timeout=60)
    subprocess.run(["systemctl", "start", f"user@{UID}.service"], check=True, timeout=60)
    host.wait_until(lambda: os.path.exists(f"/proc/1/root/run/user/{UID}/bus"), "the user's bus", 60)
    return int(units.prop(f"user@{UID}.service", "MainPID"))


class User:
    """The user with a bundle, and calls of the runtime."""

    def __init__(self, runtime, top):
        self.binary, self.id, self.bundle = runtime.binary, f"{host.PREFIX}user", top / "bundle"
        for parent in (top, *list(top.parents)[:3]):
            os.chmod(parent, os.stat(parent).st_mode | 0o011)
        self.bundle.mkdir()
        make_rootfs(str(self.bundle / "rootfs"))
        subprocess.run(["chown", "-R", f"{UID}:{UID}", self.bundle], check=True)
        self.unit = f"wherry-{self.id}.scope"
        self.path = f"{MANAGER}/user.slice/{self.unit}"

    def call(self, *args, check=True, timeout=60, within=False, input=None):
        """within: from a unit of the user's systemd, whose tree is the user's; else from root's, where the kernel lets him
        move nobody into it."""
        argv = [*self.words(), self.binary, *map(str, args)]
        if within:
            argv = [*self.words(), "systemd-run", "--user", "--scope", "--quiet", "--collect", self.binary,
                    *map(str, args)]
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            done = subprocess.run(argv, stdout=out, stderr=err, timeout=timeout, input=input, text=True)
            for file in (out, err):
                file.seek(0)
            result = subprocess.CompletedProcess(argv, done.returncode, out.read(), err.read())
        assert result.returncode == 0 or not check, result
        return result

    def words(self):
        return units.as_user(UID, self.bundle)

    def spec(self, change=lambda config: None):
        path = self.bundle / "config.json"
        path.unlink(missing_ok=True)
        self.call("spec", "--rootless")
        config = json.loads(path.read_text())
        config["process"].update(terminal=False, args=["sleep", "1000"])
        config["process"].pop("rlimits", None)
        change(config)
        path.write_text(json.dumps(config))

    def value(self, name):
        return units.value(self.path, name)

    def pid(self):
        return json.loads(self.call("state", self.id).stdout)["pid"]


@pytest.fixture
def user(runtime, tmp_path, host_unchanged):
    (tmp_path / "user").mkdir()
    made = User(runtime, tmp_path / "user")
    yield made
    made.call("delete", "--force", made.id)
    host.reap_orphans()
    units.forgotten(made.unit, user=UID)
    assert not os.path.exists(host.cgroup_path(made.path))
    shutil.rmtree(made.bundle)


def limits(config):
    config["linux"]["resources"] = {"memory": {"limit": 64 << 20}, "pids": {"limit": 50}, "cpu": {"quota": 50000}}


@pytest.mark.parametrize("within", [False, True], ids=["outside", "within"])
def test_the_whole_life(user, within):
    """Where no cgroup is delegated nothing need be said about a manager. Later verbs know it in any case."""
    user.spec(limits)
    user.call(*(units.SYSTEMD if within else []), "run", "--detach", user.id, within=within)
    pid = user.pid()
    assert host.cgroup_of(pid) == user.path
    assert user.value("memory.max") == str(64 << 20) and user.value("pids.max") == "50"
    assert user.value("cpu.max") == "50000 100000"
    assert units.prop(user.unit, "TasksMax", user=UID) == "50"
    assert user.call("exec", user.id, "sh", "-c", "echo $$; sleep 0; cat /proc/self/cgroup", within=within).stdout
    user.call("exec", "--detach", user.id, "sleep", "999", within=within)
    assert len(host.processes_in_cgroups(user.unit)) == 2
    user.call("update", "-r", "-", user.id, input='{"pids": {"limit": 40}}', within=within)
    assert user.value("pids.max") == "40" and units.prop(user.unit, "TasksMax", user=UID) == "40"
    user.call("pause", user.id)
    assert "frozen 1" in user.value("cgroup.events")
    user.call("resume", user.id)
    user.call("kill", user.id, "KILL")
    host.wait_gone(pid)
    user.call("delete", user.id)


def test_foreground(user):
    user.spec(lambda c: c["process"].update(args=["echo", "out"]))
    assert user.call("run", user.id).stdout == "out\n"


def test_a_slice_of_the_users(user):
    user.spec(lambda c: c["linux"].update(cgroupsPath=f"lab-test.slice:mine:{user.id}"))
    user.call("--systemd-cgroup", "run", "--detach", user.id)
    user.unit, user.path = f"mine-{user.id}.scope", f"{MANAGER}/lab.slice/lab-test.slice/mine-{user.id}.scope"
    assert host.cgroup_of(user.pid()) == user.path


def test_exec_into_a_sub_cgroup(user):
    def delegated(config):
        config["mounts"] = [m for m in config["mounts"] if m["destination"] != "/sys/fs/cgroup"]
        config["mounts"].append({"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["rw"]})
        config["process"].update(args=["sh", "-c", "cd /sys/fs/cgroup; mkdir init other; echo 1 >init/cgroup.procs; "
                                       "echo +pids >cgroup.subtree_control; exec sleep 1000"])
    user.spec(delegated)
    user.call("run", "--detach", user.id)
    host.wait_until(lambda: "pids" in user.value("cgroup.subtree_control"), "the container's own cgroups", 20)
    assert user.call("exec", user.id, "cat", "/proc/self/cgroup").stdout.endswith("/init\n")
    assert user.call("exec", "--cgroup", "/other", user.id, "cat", "/proc/self/cgroup").stdout.endswith("/other\n")


def test_a_refused_update_of_what_the_unit_has_no_file_for(user):
    """Users get no io and no cpuset by default: the properties are kept by systemd alone, and stay as they were."""
    def annotated(config):
        config["annotations"] = {"org.systemd.property.IOWeight": "uint64 300"}
        config["linux"]["resources"] = {"pids": {"limit": 50}}
    user.spec(annotated)
    user.call("run", "--detach", user.id)
    names = ("IOWeight", "AllowedCPUs", "TasksMax")
    before = units.show(user.unit, *names, user=UID)
    assert before["IOWeight"] == "300" and before["TasksMax"] == "50"
    assert not os.path.exists(host.cgroup_path(user.path) + "/io.weight")
    for change, word in (({"blockIO": {"weight": 500}}, "blockIO.weight"), ({"cpu": {"cpus": "0"}}, "cpu.cpus")):
        result = user.call("update", "-r", "-", user.id, input=json.dumps(dict(change, pids={"limit": 40})), check=False)
        assert result.returncode == 1 and word in result.stderr, result
        assert units.show(user.unit, *names, user=UID) == before
        assert user.value("pids.max") == "50"


def test_a_systemd_that_stands_still(user, manager):
    """The user's systemd does not answer: an error in time, and nothing is left once it goes on."""
    user.spec()
    os.kill(manager, signal.SIGSTOP)
    try:
        result = user.call("run", "--detach", user.id, check=False, timeout=4 * CALL_LIMIT)
        assert result.returncode == 1 and f"within {CALL_LIMIT} seconds" in result.stderr, result
        assert result.stderr.count("\n") == 1, result
    finally:
        os.kill(manager, signal.SIGCONT)
    assert user.call("state", user.id, check=False).returncode == 1


def test_without_the_users_systemd(user):
    """Asked for by name it is an error; else a container without limits runs where the caller is."""
    user.spec(lambda c: c["process"].update(args=["echo", "out"]))
    away = ["env", "XDG_RUNTIME_DIR=/tmp/no-such-directory"]
    argv = [*user.words(), *away, user.binary, "--root", f"/run/user/{UID}/other", "--systemd-cgroup", "run", user.id]
    result = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert result.returncode == 1 and "loginctl enable-linger" in result.stderr, result
    argv.remove("--systemd-cgroup")
    result = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert result.stdout == "out\n", result
    user.spec(limits)
    result = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert result.returncode == 1 and "needs a cgroup" in result.stderr, result
