"""An ordinary user on a host with systemd: containers in scopes of the user's own manager, with limits that hold."""
import os
import pwd
import shutil
import subprocess

import pytest

import host
from console import ConsoleSocket
from ordinary_user import User

NAME = "lab"
ACCOUNT = pwd.getpwnam(NAME)
UID = ACCOUNT.pw_uid
RUN = f"/run/user/{UID}"
SERVICE = f"/user.slice/user-{UID}.slice/user@{UID}.service/"
WHERRY = "/usr/local/sbin/wherry"
# a directory that is mounted at the login, which this session's own mount namespace does not see
HOST = "/proc/1/root"
ENTER = ["/usr/bin/nsenter", "--mount=/proc/1/ns/mnt"]
MIB = 1 << 20


@pytest.fixture(scope="module", autouse=True)
def session():
    """The user's manager runs, as after a login."""
    subprocess.run(["loginctl", "enable-linger", NAME], check=True, timeout=60)
    host.wait_until(lambda: all(os.path.exists(f"{HOST}{RUN}/{name}") for name in ("bus", "systemd/private")),
                    "the user's systemd", 60)
    yield
    subprocess.run(["loginctl", "disable-linger", NAME], check=True, timeout=60)


def made(runtime, top, **kw):
    top.mkdir()
    return User(runtime, top, UID, binary=WHERRY, enter=ENTER, **kw)


@pytest.fixture
def user(runtime, tmp_path):
    user = made(runtime, tmp_path / "user", run_dir=RUN)
    yield user
    user.call("delete", "--force", user.id, timeout=60)
    shutil.rmtree(user.top, ignore_errors=True)


def up(user, change=lambda config: None):
    """A container of the user that sleeps; returns the pid of its init."""
    user.plain(lambda c: (c["process"].update(args=["sleep", "1000"]), change(c)))
    result = user.call("run", "--detach", user.id, timeout=60)
    assert result.returncode == 0, result
    with open(f"{HOST}{RUN}/wherry/{user.id}/record.json") as file:
        return int(file.read().split('"initPid":')[1].split(",")[0])


def cgroup_of(pid):
    with open(f"/proc/{pid}/cgroup") as file:
        return file.read().strip().removeprefix("0::")


def read(pid, name):
    with open(f"/sys/fs/cgroup{cgroup_of(pid)}/{name}") as file:
        return file.read().strip()


def ids_of(path):
    with open(path) as file:
        return next(line.split(":")[1:] for line in file.read().split() if line.startswith(NAME + ":"))


def test_the_users_ids_and_a_scope_of_the_users_manager(user):
    user.plain(lambda c: c["process"].update(args=["cat", "/proc/self/uid_map", "/proc/self/gid_map"]))
    result = user.call("run", user.id, timeout=60)
    assert result.returncode == 0 and result.stderr == "", result
    want = [["0", str(n), "1"] for n in (UID, ACCOUNT.pw_gid)]
    rest = [["1", *ids_of(path)] for path in ("/etc/subuid", "/etc/subgid")]
    assert [line.split() for line in result.stdout.splitlines()] == [want[0], rest[0], want[1], rest[1]]


def test_its_life(user):
    pid = up(user)
    path = cgroup_of(pid)
    assert path.startswith(SERVICE) and path.endswith(".scope") and user.id in path
    assert user.call("exec", user.id, "cat", "/proc/self/cgroup", timeout=60).stdout == "0::/\n"
    assert user.call("exec", "--user", "33:33", user.id, "id", "-u", timeout=60).stdout == "33\n"
    for verb, status in (("pause", "paused"), ("resume", "running")):
        assert user.call(verb, user.id, timeout=60).returncode == 0
        assert f'"status": "{status}"' in user.call("state", user.id, timeout=60).stdout
    assert str(pid) in user.call("ps", "--format", "json", user.id, timeout=60).stdout
    assert user.call("kill", user.id, "KILL", timeout=60).returncode == 0
    host.wait_until(lambda: '"status": "stopped"' in user.call("state", user.id, timeout=60).stdout, "the end", 30)
    assert user.call("delete", user.id, timeout=60).returncode == 0
    assert not os.path.exists(f"/sys/fs/cgroup{path}")


LIMITS = {"pids": {"limit": 40}, "memory": {"limit": 64 * MIB}, "cpu": {"quota": 50000, "period": 100000}}


def delegated():
    with open(f"/sys/fs/cgroup{SERVICE}cgroup.controllers") as file:
        return set(file.read().split())


def test_limits_hold(user):
    assert {"pids", "memory"} <= delegated()
    limits = {name: value for name, value in LIMITS.items() if name in delegated()}
    pid = up(user, lambda c: c["linux"].update(resources=limits))
    assert read(pid, "pids.max") == "40" and read(pid, "memory.max") == str(64 * MIB)
    if "cpu" in limits:
        assert read(pid, "cpu.max") == "50000 100000"
    forked = user.call("exec", user.id, "sh", "-c", "for i in $(seq 100); do sleep 5 & done; wait", timeout=120)
    assert "fork" in forked.stderr, forked
    changed = user.call("update", "--pids-limit", "7", user.id, timeout=60)
    assert changed.returncode == 0 and read(pid, "pids.max") == "7", changed


def test_a_limit_whose_controller_was_not_delegated_is_named(user):
    missing = next((c for c in ("hugetlb", "io") if c not in delegated()), None)
    if not missing:
        pytest.skip("every controller is delegated to users here")
    limit = {"hugetlb": {"hugepageLimits": [{"pageSize": "2MB", "limit": 0}]},
             "io": {"unified": {"io.max": "8:0 rbps=1000"}}}[missing]
    user.plain(lambda c: c["linux"].update(resources=limit))
    result = user.call("run", user.id, timeout=60)
    assert result.returncode == 1 and missing in result.stderr, result


def test_without_the_users_systemd_there_are_no_limits(runtime, tmp_path):
    alone = made(runtime, tmp_path / "alone")
    alone.plain(lambda c: c["process"].update(args=["true"]))
    result = alone.call("run", alone.id, timeout=60)
    assert result.returncode == 0, result
    alone.plain(lambda c: c["linux"].update(resources={"pids": {"limit": 5}}))
    result = alone.call("run", alone.id, timeout=60)
    assert result.returncode == 1 and "pids" in result.stderr, result


def test_a_delegated_cgroup_without_systemds_help(runtime, tmp_path):
    """Under systemd-run --scope -p Delegate=yes, wherry itself makes the cgroup."""
    prefix = ["systemd-run", "--quiet", "--user", "--scope", "-p", "Delegate=yes"]
    user = made(runtime, tmp_path / "user", run_dir=RUN, prefix=prefix)
    user.plain(lambda c: c["process"].update(args=["cat", "/proc/self/cgroup"]))
    result = user.call("--cgroup-manager", "cgroupfs", "run", user.id, timeout=120)
    assert result.returncode == 0 and result.stdout == "0::/\n", result


def test_a_login(runtime, tmp_path):
    """Nothing but what su(1) sets."""
    user = made(runtime, tmp_path / "user", run_dir=RUN)
    user.plain(lambda c: c["process"].update(args=["id", "-u"]))
    done = subprocess.run([*ENTER, "su", "-", NAME, "-c", f"XDG_RUNTIME_DIR={RUN} {WHERRY} run --bundle {user.bundle} {user.id}"],
                          capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stdout) == (0, "0\n"), done


def test_a_terminal(user):
    user.plain(lambda c: c["process"].update(terminal=True, args=["sh", "-c", "tty; read line; echo got $line"]))
    sock = ConsoleSocket(user.top / "console")
    os.chown(sock.path, UID, UID)
    result = user.call("run", "--detach", "--console-socket", sock.path, user.id, timeout=60)
    assert result.returncode == 0, result
    _, _, terminal = sock.receive()
    terminal.write("words\n")
    assert "got words" in terminal.read_until("got words", 30)
    terminal.close()
    sock.close()


def test_the_rootless_spec_runs_as_it_is(user):
    """spec --rootless asks for no network namespace: /sys is the host's, bound."""
    user.spec(lambda c: c["process"].update(args=["sh", "-c", "ls -d /sys/class/net/lo; id -u"]))
    result = user.call("run", user.id, timeout=60)
    assert result.returncode == 0 and result.stdout == "/sys/class/net/lo\n0\n", result
