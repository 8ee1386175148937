"""An ordinary user: a user namespace of one id, no cgroup to write to, the state in XDG_RUNTIME_DIR."""
import json
import os

import pytest

import host
from rig import BINARY, KIND, wherry_only

UID = 1000


def become_user():
    os.setgroups([])
    os.setgid(UID)
    os.setuid(UID)


@pytest.fixture
def user(runtime, bundle, tmp_path):
    """user(verb, ...) calls the runtime as uid 1000; user.bundle is theirs and made by spec --rootless."""
    above = BINARY
    while above != "/":
        if not os.stat(above).st_mode & 1:
            pytest.skip(f"an ordinary user cannot reach {above}")
        above = os.path.dirname(above)
    b = bundle().reachable()
    for directory, names, files in os.walk(b.path):
        for name in [directory] + names + files:
            os.lchown(os.path.join(directory, name), UID, UID)
    xdg = tmp_path / "xdg"
    xdg.mkdir(mode=0o700)
    os.chown(xdg, UID, UID)

    def call(*args, **kw):
        env = dict({"XDG_RUNTIME_DIR": str(xdg), "HOME": "/"}, **kw.pop("env", {}))
        return runtime.run(*args, root=False, preexec=become_user, env=env, cwd=b.path, **kw)

    call("spec", "--rootless", check=True)
    with open(b.config_file) as f:
        b.config = json.load(f)
    b.set("process.terminal", False).args("sleep", "1000").write()
    call.bundle, call.xdg = b, xdg
    yield call
    call("delete", "--force", b.id)


def test_run(user, host_unchanged):
    user.bundle.sh("id -u; id -g; cat; exit 4").write()
    result = user("run", user.bundle.id, input="typed\n")
    assert (result.rc, result.out) == (4, "0\n0\ntyped\n"), result
    host_unchanged()


def test_the_whole_life(user, host_unchanged):
    ident = user.bundle.id
    user("create", ident, check=True)
    state = user("state", ident, check=True).json()
    assert state["status"] == "created"
    assert os.stat(f"/proc/{state['pid']}").st_uid in (0, UID)
    user("start", ident, check=True)
    assert user("exec", ident, "id", "-u").out == "0\n"
    assert user("list", "-q").out.split() == [ident]
    user("kill", ident, "KILL", check=True)
    host.wait_gone(state["pid"])
    user("delete", ident, check=True)
    assert user("list", "-q").out.strip() == ""
    host_unchanged()


def test_force_ends_a_running_one(user, host_unchanged):
    user("create", user.bundle.id, check=True)
    user("start", user.bundle.id, check=True)
    pid = user("state", user.bundle.id).json()["pid"]
    user("delete", "--force", user.bundle.id, check=True)
    assert not host.alive(pid)
    host_unchanged()


def test_state_is_in_xdg_runtime_dir(user):
    user("create", user.bundle.id, check=True)
    assert (user.xdg / KIND / user.bundle.id).is_dir()
    assert os.stat(user.xdg / KIND).st_uid == UID


@wherry_only("runc falls back to a directory in /tmp or /run/user")
def test_without_xdg_runtime_dir(user):
    result = user("create", user.bundle.id, env={"XDG_RUNTIME_DIR": None})
    assert result.rc == 1 and "XDG_RUNTIME_DIR" in result.err and "--root" in result.err


def test_without_a_user_namespace(user, host_unchanged):
    user.bundle.without_namespace("user").drop("linux.uidMappings").drop("linux.gidMappings").write()
    result = user("create", user.bundle.id)
    assert result.rc == 1
    assert user("list", "-q").out.strip() == ""
    host_unchanged()


def test_a_mapping_that_the_user_may_not_make(user, host_unchanged):
    user.bundle.set("linux.uidMappings", [{"containerID": 0, "hostID": 0, "size": 10}]).write()
    result = user("create", user.bundle.id)
    assert result.rc == 1
    assert user("list", "-q").out.strip() == ""
    host_unchanged()


def test_anothers_containers_are_out_of_reach(user, container):
    c = container()
    pid = c.up()
    for verb in (["state"], ["kill"], ["delete", "--force"], ["exec"]):
        rest = ["true"] if verb == ["exec"] else ["KILL"] if verb == ["kill"] else []
        result = user("--root", c.runtime.root, *verb, c.id, *rest)
        assert result.rc != 0, result
    assert host.alive(pid) and c.status == "running"
