"""plan BUNDLE: what would be done, and every problem; nothing changes."""
import os

import pytest

import host
from rig import wherry_only

pytestmark = wherry_only("plan is its own")


@pytest.fixture
def plan(runtime, host_unchanged):
    """plan(bundle) -> Result of the text form; plan(bundle, "json") of the other."""
    def run(b, form=None, write=True):
        if write:
            b.write()
        before = host.describe_tree(b.path)
        result = runtime.run("plan", *(["--format", form] if form else []), b.path)
        assert host.describe_tree(b.path) == before, "plan changed the bundle"
        assert not os.path.exists(runtime.root), "plan made the state directory"
        host_unchanged()
        return result

    return run


def rich(b):
    """A bundle with something of everything that a plan shows."""
    b.set("linux.seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["acct", "swapon"], "action": "SCMP_ACT_ERRNO"}]})
    b.set("linux.devices", [{"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 0o666}])
    b.mount("/data", "/tmp", options=["rbind", "ro", "nosuid"])
    return b.namespace("network", "/proc/1/ns/net")


@pytest.mark.parametrize("word", ["pid", "network", "mount", "ipc", "uts", "/proc/1/ns/net", "/dev/shm", "/data",
                                  "/dev/fuse", "CAP_NET_BIND_SERVICE", "seccomp", "/dev/mqueue", "cgroup"])
def test_text_shows(bundle, plan, word):
    b = rich(bundle())
    result = plan(b)
    assert (result.rc, result.err) == (0, "")
    assert word in result.out


def test_text_shows_the_cgroup(bundle, plan):
    b = bundle()
    assert b.id in plan(b).out


def test_id(runtime, bundle):
    b = bundle()
    del b.config["linux"]["cgroupsPath"]
    b.write()
    plan = runtime.run("plan", "--id", "other", "--format", "json", b.path).json()
    assert plan["cgroup"]["path"].endswith("-other")


def test_json_has_every_part(bundle, plan):
    b = rich(bundle())
    result = plan(b, "json")
    assert (result.rc, result.err) == (0, "")
    document = result.json()
    assert {"namespaces", "mounts", "devices", "capabilities", "seccomp", "cgroup", "problems"} <= set(document)
    assert document["problems"] == []
    assert {n["type"] for n in document["namespaces"]} >= {"pid", "network", "mount", "ipc", "uts"}


def test_mounts_are_in_order(bundle, plan):
    b = bundle()
    for n in range(5):
        b.mount(f"/m{n}", "tmpfs", "tmpfs")
    wanted = [m["destination"] for m in b.config["mounts"]]
    got = [m["destination"] for m in plan(b, "json").json()["mounts"]]
    assert [d for d in got if d in wanted] == wanted


def test_every_problem_is_listed(bundle, plan):
    b = bundle()
    b.set("hostname", 7).set("process.cwd", "relative").set("process.rlimits.0.type", "RLIMIT_X")
    result = plan(b)
    assert result.rc == 1
    for place in ("hostname", "process.cwd", "process.rlimits[0].type"):
        assert place in result.out + result.err


def test_problems_in_json(bundle, plan):
    b = bundle()
    b.set("hostname", 7).set("process.cwd", "relative")
    result = plan(b, "json")
    assert result.rc == 1
    text = str(result.json()["problems"])
    assert "hostname" in text and "process.cwd" in text


@pytest.mark.parametrize("change, word", [
    (lambda b: b.set("linux.sysctl", {"vm.swappiness": "1"}), "vm.swappiness"),
    (lambda b: b.mount("/x", "none", "tmpfs", ["idmap"]), "idmap"),
    (lambda b: b.without_namespace("uts"), "hostname")], ids=["sysctl", "idmap", "hostname-without-uts"])
def test_what_create_would_refuse_is_a_problem(bundle, plan, container, change, word):
    b = bundle()
    change(b)
    planned = plan(b)
    created = container(b).create(check=False)
    assert planned.rc == created.rc
    assert created.ok or word in planned.out + planned.err


def test_missing_bundle(runtime, tmp_path):
    result = runtime.run("plan", tmp_path / "none")
    assert result.rc == 1 and "none" in result.err


def test_missing_document(bundle, plan):
    result = plan(bundle(), write=False)
    assert result.rc == 1 and "config.json" in result.err + result.out


def test_default_is_the_working_directory_or_an_error(runtime, bundle):
    b = bundle().write()
    result = runtime.run("plan", cwd=b.path)
    assert result.ok or "BUNDLE" in result.err


def test_unknown_format(runtime, bundle):
    b = bundle().write()
    assert runtime.run("plan", "--format", "xml", b.path).rc != 0


def test_it_runs_without_root(runtime, bundle):
    b = bundle().write()
    for path in (os.path.dirname(b.path), os.path.dirname(os.path.dirname(b.path))):
        os.chmod(path, 0o755)
    os.chmod(os.path.dirname(os.path.dirname(os.path.dirname(b.path))), 0o755)
    result = runtime.run("plan", b.path, preexec=lambda: (os.setgroups([]), os.setgid(1000), os.setuid(1000)))
    assert result.rc == 0, result


def test_of_another_document(runtime, bundle, tmp_path):
    b = bundle()
    b.set("hostname", "from-the-other").write()
    os.rename(b.config_file, tmp_path / "other.json")
    b.set("hostname", "from-config-json").write()
    out = runtime.run("plan", "--config", "other.json", b.path, cwd=tmp_path, check=True).out
    assert "from-the-other" in out and "from-config-json" not in out


def test_without_pivot_root(runtime, bundle):
    b = bundle()
    b.write()
    for flags, pivots in (([], True), (["--no-pivot"], False)):
        assert runtime.run("plan", *flags, "--format", "json", b.path, check=True).json()["root"]["pivotRoot"] is pivots
