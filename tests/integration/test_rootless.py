"""Rootless: an ordinary user runs containers, within what the host lets it do."""
import json
import os
import shutil
import subprocess
import tempfile

import pytest

import host
from console import ConsoleSocket, Terminal
from ordinary_user import SETPRIV, User
from rig import skip_if, wherry_only

UID = 1000


def userns_allowed():
    argv = [SETPRIV, "--reuid", str(UID), "--regid", str(UID), "--clear-groups", "unshare", "-Ur", "true"]
    return bool(SETPRIV) and subprocess.run(argv, capture_output=True).returncode == 0


pytestmark = pytest.mark.skipif(not userns_allowed(), reason="this host lets no ordinary user make a user namespace")


@pytest.fixture
def user(runtime, tmp_path, host_unchanged):
    (tmp_path / "user").mkdir()
    made = User(runtime, tmp_path / "user", UID)
    yield made
    made.call("delete", "--force", made.id)
    host.reap_orphans()
    host.remove_leftovers(made.id)
    shutil.rmtree(made.top, ignore_errors=True)


def run(user, *flags, **kw):
    result = user.call("run", *flags, user.id, **kw)
    if result.returncode != 0 and user.kind == "runc" and "cgroup" in result.stderr:
        skip_if("runc", "wants its cgroup on v1")
    return result


def test_spec_maps_the_user_alone(user):
    config = user.spec()
    for key in ("uidMappings", "gidMappings"):
        assert [(m["containerID"], m["hostID"], m["size"]) for m in config["linux"][key]] == [(0, UID, 1)]
    assert {"type": "user"} in config["linux"]["namespaces"]
    assert {"type": "network"} not in config["linux"]["namespaces"]


def test_run(user):
    user.spec()
    result = run(user)
    assert result.returncode == 0, result
    assert result.stdout.startswith("uid=0(root) gid=0(root)")


def test_what_the_container_writes_is_the_users(user):
    user.spec(lambda c: (c["root"].update(readonly=False), c["process"].update(args=["touch", "/made"])))
    assert run(user).returncode == 0
    assert os.stat(user.bundle / "rootfs" / "made").st_uid == UID


# --- without a user namespace in the configuration -----------------------------------------------------------


def maps(result):
    assert result.returncode == 0, result
    return [line.split() for line in result.stdout.splitlines()]


@wherry_only("runc wants a user namespace in the configuration")
def test_one_is_made_for_the_user_alone(user):
    user.plain()
    result = run(user)
    assert maps(result) == [["0", str(UID), "1"]] * 2
    assert "/etc/subuid" in result.stderr, "why it has no more ids"


@wherry_only("runc wants a user namespace in the configuration")
@pytest.mark.parametrize("own, want", [
    (0, [[0, UID, 1], [1, 200000, 65536]]), (1000, [[0, 200000, 1000], [1000, UID, 1], [1001, 201000, 64536]])])
def test_one_is_made_with_the_users_ids(subordinate, user, own, want):
    user.plain(lambda c: c["process"].update(user={"uid": own, "gid": own}))
    result = run(user)
    assert maps(result) == [[str(n) for n in row] for row in want] * 2
    assert result.stderr == ""


@wherry_only("runc wants a user namespace in the configuration")
def test_what_its_process_writes_is_the_users(subordinate, user):
    user.plain(lambda c: (c["root"].update(readonly=False),
                           c["process"].update(user={"uid": 33, "gid": 33}, args=["touch", "/tmp/made"])))
    assert run(user).returncode == 0
    assert os.stat(user.bundle / "rootfs/tmp/made").st_uid == UID


@wherry_only("runc wants a user namespace in the configuration")
def test_exec_finds_its_way_there(subordinate, user):
    user.plain(lambda c: c["process"].update(args=["sleep", "1000"]))
    assert run(user, "--detach").returncode == 0
    assert user.call("exec", user.id, "id", "-u").stdout == "0\n"
    assert user.call("exec", "--user", "7:8", user.id, "id", "-u").stdout == "7\n"
    assert user.call("kill", user.id, "KILL").returncode == 0


@wherry_only("the plan is its own")
def test_plan_shows_the_namespace_that_is_made(subordinate, user):
    user.plain()
    shown = json.loads(user.call("plan", "--format", "json", user.bundle).stdout)
    assert {"containerID": 1, "hostID": 200000, "size": 65536} in shown["uidMappings"]


# --- what an ordinary user cannot have, and what stands in for it ----------------------------------------------


@wherry_only("runc takes no limits it can leave out for an error")
@pytest.mark.parametrize("limit, word", [({"pids": {"limit": 5}}, "pids"), ({"memory": {"limit": 1 << 24}}, "memory"),
                                         ({"unified": {"cgroup.max.depth": "3"}}, "cgroup")])
def test_a_limit_without_a_cgroup_of_the_users_is_an_error(user, limit, word):
    user.spec(lambda c: c["linux"].update(resources=limit))
    result = user.call("run", user.id)
    assert result.returncode == 1 and word in result.stderr, result


@wherry_only("runc mounts neither")
def test_sysfs_and_mqueue_of_the_hosts_namespaces(user):
    """Neither may be mounted where the network and ipc namespaces are the host's: they are bound."""
    def change(config):
        linux = config["linux"]
        linux["namespaces"] = [n for n in linux["namespaces"] if n["type"] not in ("network", "ipc")]
        config["mounts"] = [m for m in config["mounts"] if not m["destination"].startswith(("/sys", "/dev/mqueue"))]
        config["mounts"] += [{"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro", "nosuid"]}]
        if os.path.ismount("/dev/mqueue"):
            config["mounts"] += [{"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue"}]
        config["process"]["args"] = ["sh", "-c", "ls -d /sys/class/net/lo; touch /sys/x 2>&1 | grep -c Read-only; mount"]
    user.spec(change)
    result = run(user)
    assert result.returncode == 0 and result.stdout.startswith("/sys/class/net/lo\n1\n"), result
    assert " on /sys type sysfs" in result.stdout


def test_a_terminal_in_the_foreground(user):
    user.spec(lambda c: c["process"].update(terminal=True, args=["sh", "-c", "tty; stat -c %u:%t $(tty); id -u"]))
    master, slave = os.openpty()
    process = subprocess.Popen(user.argv("run", user.id), stdin=slave, stdout=slave, stderr=slave, env=user.env,
                               start_new_session=True)
    os.close(slave)
    text = Terminal(master).read_all()
    if process.wait(20) != 0 and "cgroup" in text:
        skip_if("runc", "wants its cgroup on v1")
    assert process.returncode == 0 and text.split() == ["/dev/pts/0", "0:88", "0"], text


def test_a_terminal_over_a_socket(user):
    user.spec(lambda c: c["process"].update(terminal=True, args=["sh", "-c", "tty; read line; echo got $line"]))
    sock = ConsoleSocket(user.run_dir / "console")
    os.chown(sock.path, UID, UID)
    result = run(user, "--detach", "--console-socket", sock.path)
    assert result.returncode == 0, result
    _, _, terminal = sock.receive()
    terminal.write("words\n")
    assert "got words" in terminal.read_until("got words")
    terminal.close()
    sock.close()


# --- its state, its program --------------------------------------------------------------------------------------


def test_the_state_is_in_the_runtime_directory(user):
    user.spec(lambda c: c["process"].update(args=["sleep", "1000"]))
    result = run(user, "--detach")
    assert result.returncode == 0, result
    assert (user.run_dir / user.kind / user.id).is_dir()
    state = json.loads(user.call("state", user.id).stdout)
    assert state["status"] == "running"
    assert host.proc_status(state["pid"], "Uid").split() == [str(UID)] * 4
    assert user.call("exec", user.id, "id", "-u").stdout == "0\n"
    assert user.call("kill", user.id, "KILL").returncode == 0
    host.wait_gone(state["pid"])
    assert user.call("delete", user.id).returncode == 0
    assert not (user.run_dir / user.kind / user.id).exists()


def as_root_of_a_namespace(user, *args, before=()):
    """The call as rootless Podman makes it: by the user as root of a user namespace of its own."""
    argv = [SETPRIV, "--reuid", str(UID), "--regid", str(UID), "--groups", "4321", "unshare", "-Ur", *before, user.binary, *map(str, args)]
    variables = {"PATH": "/usr/sbin:/usr/bin:/bin", "XDG_RUNTIME_DIR": str(user.run_dir), "USER": "user"}
    with tempfile.TemporaryFile("w+") as out:
        done = subprocess.run(argv, stdout=out, stderr=out, timeout=20, env=variables, cwd=user.bundle, stdin=subprocess.DEVNULL)
        out.seek(0)
        return subprocess.CompletedProcess(argv, done.returncode, out.read())


def test_root_of_the_users_namespace_has_its_state_there_too(user):
    user.spec(lambda c: c["process"].update(args=["sleep", "1000"]))
    result = run(user, "--detach")
    assert result.returncode == 0, result
    assert as_root_of_a_namespace(user, "list", "-q").stdout == user.id + "\n"
    assert user.call("kill", user.id, "KILL").returncode == 0


def inherits_network(config):
    """No new network namespace, nor what has to be mounted in one."""
    config["linux"]["namespaces"] = [n for n in config["linux"]["namespaces"] if n["type"] not in ("network", "cgroup")]
    config["mounts"] = [m for m in config["mounts"] if m["destination"] not in ("/sys", "/sys/fs/cgroup", "/dev/mqueue")]


JOIN = """setpriv --pdeathsig KILL unshare --pid --fork --kill-child sleep 1000 >/dev/null 2>&1 &
until readlink /proc/$!/ns/pid_for_children; do sleep 0.1; done >/dev/null 2>&1
sed -i s/KEEPER/$!/ config.json
exec "$@"
"""


@wherry_only("runc asks for a cgroup of its own")
def test_a_pid_namespace_is_joined_by_root_of_the_users_namespace(user):
    """A pod's second container: once in there, nobody could go back to make the procfs."""
    user.plain(lambda c: (inherits_network(c), c["process"].update(args=["sh", "-c", "echo $$; ls /proc | grep -c '^1$'"]),
                          c["linux"]["namespaces"].remove({"type": "pid"}),
                          c["linux"]["namespaces"].append({"type": "pid", "path": "/proc/KEEPER/ns/pid_for_children"})))
    result = as_root_of_a_namespace(user, "run", user.id, before=["sh", "-c", JOIN, "sh"])
    own, first = result.stdout.split()
    assert (int(own) > 1, first) == (True, "1"), result


@wherry_only("runc has no such verb")
def test_mounts_come_late(user):
    """What the user may reach, in a copy of the host's tree that the container's user namespace owns."""
    user.spec(lambda c: (c["root"].update(readonly=False), c["process"].update(args=["sleep", "1000"])))
    assert run(user, "--detach").returncode == 0
    volume, mounts = user.run_dir / "volume", user.bundle / "mounts.json"
    volume.mkdir()
    (volume / "f").write_text("of the user\n")
    mounts.write_text(json.dumps([
        {"destination": "/late", "source": str(volume), "options": ["bind", "ro"]},
        {"destination": "/shadow", "source": "/etc/shadow", "options": ["bind"]},
        {"destination": "/tmpfs", "type": "tmpfs", "source": "tmpfs"}]))
    added = user.call("mounts", "add", user.id, mounts)
    assert added.returncode == 0, added
    script = "cat /late/f; touch /late/x 2>&1 | grep -c Read-only; touch /tmpfs/x && stat -c %u /tmpfs/x; cat /shadow"
    shown = user.call("exec", user.id, "sh", "-c", script)
    assert shown.stdout == "of the user\n1\n0\n" and "denied" in shown.stderr, shown
    removed = user.call("mounts", "remove", user.id, mounts)
    assert removed.returncode == 0, removed
    assert user.call("exec", user.id, "ls", "/late", "/tmpfs").stdout == "/late:\n\n/tmpfs:\n"


@wherry_only("runc has no such verb")
def test_an_idmapped_mount_cannot_come_late(user):
    user.spec(lambda c: c["process"].update(args=["sleep", "1000"]))
    assert run(user, "--detach").returncode == 0
    (user.bundle / "mounts.json").write_text(json.dumps([
        {"destination": "/tmp", "source": str(user.run_dir), "options": ["bind", "idmap"]}]))
    added = user.call("mounts", "add", user.id, user.bundle / "mounts.json")
    assert added.returncode == 1 and "CAP_SYS_ADMIN" in added.stderr, added


def test_the_image_of_init_is_sealed_here_too(user):
    skip_if("runc", "binds its own program", below=(9,))
    user.spec()
    result = user.call("create", user.id)
    assert result.returncode == 0, result
    pid = json.loads(user.call("state", user.id).stdout)["pid"]
    assert os.readlink(f"/proc/{pid}/exe").startswith("/memfd:")


def test_devices_are_bound_and_masks_hold(user):
    script = "stat -c %t:%T /dev/null; cat /proc/keys 2>&1 | wc -c; echo x > /dev/null && echo works"
    user.spec(lambda c: c["process"].update(args=["sh", "-c", script]))
    result = run(user)
    assert result.stdout == "1:3\n0\nworks\n", result


def test_the_hosts_cgroups_cannot_be_written(user):
    """CVE-2023-25809: without a cgroup namespace, /sys/fs/cgroup is the host's."""
    skip_if("runc", "puts a tmpfs of its own over the v1 hierarchies")
    def change(config):
        config["process"]["args"] = ["sh", "-c", "mkdir /sys/fs/cgroup/wherry-x; echo $?"]
        config["linux"]["namespaces"] = [n for n in config["linux"]["namespaces"] if n["type"] != "cgroup"]
        config["mounts"] = [m for m in config["mounts"] if m["destination"] != "/sys/fs/cgroup"]
        config["mounts"].append({"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
                                 "options": ["nosuid", "noexec", "nodev", "relatime"]})
    user.spec(change)
    result = run(user)
    assert result.returncode != 0 or result.stdout.strip() != "0", result
    assert not [d for d in host.cgroup_dirs("wherry-x")]


def test_a_mapping_beyond_the_users_is_refused(user):
    def change(config):
        config["linux"]["uidMappings"] = [{"containerID": 0, "hostID": 0, "size": 1}]
    user.spec(change)
    result = user.call("run", user.id)
    assert result.returncode == 1 and result.stderr.strip(), result


@pytest.fixture
def subordinate(tmp_path):
    """/etc/subuid and /etc/subgid of this session alone grant the user a range."""
    if not shutil.which("newuidmap"):
        pytest.skip("no newuidmap on this host: install uidmap")
    with open("/etc/passwd") as f:
        passwd = f.read()
    if f":x:{UID}:" not in passwd:
        passwd += f"mate:x:{UID}:{UID}::/:/bin/sh\n"
    name = next(line.split(":")[0] for line in passwd.splitlines() if line.split(":")[2] == str(UID))
    files = {"/etc/passwd": passwd, "/etc/subuid": f"{name}:200000:65536\n", "/etc/subgid": f"{name}:200000:65536\n"}
    bound = []
    for path, text in files.items():
        ours = tmp_path / os.path.basename(path)
        ours.write_text(text)
        ours.chmod(0o644)
        if not os.path.exists(path):
            pytest.skip(f"no {path} on this host to cover")
        host.mount(ours, path, "none", 4096)
        bound.append(path)
    yield
    for path in bound:
        host.umount(path)


def test_newuidmap_maps_a_subordinate_range(subordinate, user):
    def change(config):
        lines = [{"containerID": 0, "hostID": UID, "size": 1}, {"containerID": 1, "hostID": 200000, "size": 65536}]
        config["linux"]["uidMappings"] = config["linux"]["gidMappings"] = lines
        config["process"]["args"] = ["cat", "/proc/self/uid_map", "/proc/self/gid_map"]
    user.spec(change)
    result = run(user)
    assert result.returncode == 0, result
    assert [line.split() for line in result.stdout.splitlines()] == [["0", "1000", "1"], ["1", "200000", "65536"]] * 2


def test_newuidmap_refuses_what_the_user_was_not_given(subordinate, user):
    def change(config):
        config["linux"]["uidMappings"] = [{"containerID": 0, "hostID": UID, "size": 1},
                                          {"containerID": 1, "hostID": 500000, "size": 10}]
    user.spec(change)
    result = user.call("run", user.id)
    assert result.returncode == 1
    if user.kind == "wherry":
        assert "newuidmap" in result.stderr, result


def test_no_program_of_the_users_path_stands_in_for_newuidmap(subordinate, user):
    evil = user.top / "evil"
    evil.mkdir()
    for name in ("newuidmap", "newgidmap"):
        (evil / name).write_text(f"#!/bin/sh\ntouch {user.run_dir}/ran\n")
        (evil / name).chmod(0o755)
    skip_if("runc", "looks for it in PATH", below=(9,))
    user.spec(lambda c: c["linux"].update(uidMappings=[{"containerID": 0, "hostID": UID, "size": 1},
                                                       {"containerID": 1, "hostID": 200000, "size": 10}]))
    user.call("run", user.id, env={"PATH": str(evil)})
    assert not (user.run_dir / "ran").exists()
