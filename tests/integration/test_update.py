"""update: new limits for a container that runs, all of them or none."""
import json
import os
import subprocess

import pytest

import host
from rig import wherry_only

needs_hugetlb = pytest.mark.skipif(
    "hugetlb" not in open(os.path.join(host.cgroup2_mount(), "cgroup.controllers")).read().split(),
    reason="the hugetlb controller is not on cgroup v2 here")
v2_only = wherry_only("runc takes the v1 hierarchies of a hybrid host")
MIB = 1 << 20


def read(c, name):
    with open(os.path.join(host.cgroup_path(c.id), name)) as f:
        return f.read().strip()


def update(c, document, **kw):
    return c.runtime.run("update", "--resources=-", c.id, input=json.dumps(document), **kw)


def remembered(c):
    """linux.resources of the container's own copy of the configuration."""
    with open(os.path.join(c.runtime.root, c.id, "config.json")) as f:
        return json.load(f)["linux"]["resources"]


@v2_only
@needs_hugetlb
def test_a_limit_is_changed_and_remembered(container):
    c = container()
    c.up()
    update(c, {"hugepageLimits": [{"pageSize": "2MB", "limit": 4 * MIB}]}, check=True)
    assert read(c, "hugetlb.2MB.max") == str(4 * MIB)
    update(c, {"hugepageLimits": [{"pageSize": "1GB", "limit": 0}]}, check=True)
    assert (read(c, "hugetlb.2MB.max"), read(c, "hugetlb.1GB.max")) == (str(4 * MIB), "0")
    assert remembered(c)["hugepageLimits"] == [{"pageSize": "2MB", "limit": 4 * MIB}, {"pageSize": "1GB", "limit": 0}]
    assert c.status == "running"
    assert c.sh("echo still here") == "still here\n"


@v2_only
@needs_hugetlb
@pytest.mark.parametrize("state", ["created", "paused"])
def test_states_that_can_be_updated(container, state):
    c = container()
    c.create()
    if state == "paused":
        c.start()
        c.pause()
    update(c, {"hugepageLimits": [{"pageSize": "2MB", "limit": 2 * MIB}]}, check=True)
    assert read(c, "hugetlb.2MB.max") == str(2 * MIB)
    assert c.status == state
    if state == "paused":
        c.resume()


@v2_only
@needs_hugetlb
def test_all_or_none(container):
    c = container()
    c.bundle.set("linux.resources.hugepageLimits", [{"pageSize": "2MB", "limit": 4 * MIB}])
    c.bundle.set("linux.resources.unified", {"cgroup.max.depth": "7"})
    c.up()
    before = remembered(c)
    result = update(c, {"hugepageLimits": [{"pageSize": "2MB", "limit": 8 * MIB}],
                        "unified": {"cgroup.max.depth": "9", "hugetlb.2MB.no_such": "1"}})
    assert result.rc == 1 and "hugetlb.2MB.no_such" in result.err, result
    assert read(c, "hugetlb.2MB.max") == str(4 * MIB)
    assert read(c, "cgroup.max.depth") == "7"
    assert remembered(c) == before


@v2_only
@needs_hugetlb
def test_a_page_size_that_the_kernel_lacks(container):
    c = container()
    c.up()
    result = update(c, {"hugepageLimits": [{"pageSize": "3MB", "limit": 0}]})
    assert result.rc == 1 and "hugepageLimits[0]" in result.err and "hugetlb.3MB.max" in result.err, result


@v2_only
def test_an_absent_controller_is_named(container):
    offered = open(os.path.join(host.cgroup2_mount(), "cgroup.controllers")).read().split()
    for controller, document in {"rdma": {"rdma": {"mlx5_1": {"hcaHandles": 3}}}, "memory": {"memory": {"limit": MIB}},
                                 "pids": {"pids": {"limit": 5}}}.items():
        if controller in offered:
            continue
        c = container()
        c.up()
        result = update(c, document)
        assert result.rc == 1 and f"the {controller} controller is not available on cgroup v2" in result.err, result
        assert c.status == "running"
        return
    pytest.skip("this host has all controllers on cgroup v2")


@v2_only
def test_device_rules_are_replaced(container):
    c = container()
    c.bundle.append("linux.devices", {"path": "/dev/thing", "type": "c", "major": 10, "minor": 229, "fileMode": 0o666})
    c.up()
    allow = {"allow": True, "type": "c", "major": 10, "minor": 229, "access": "r"}
    deny = {"allow": False, "access": "rwm"}
    probe = "exec 3</dev/thing"
    assert c.exec("/bin/sh", "-c", probe).rc != 0
    update(c, {"devices": [deny, allow]}, check=True)
    assert c.exec("/bin/sh", "-c", probe).rc == 0
    assert c.exec("/bin/sh", "-c", "exec 3>/dev/thing").rc != 0
    update(c, {"devices": [deny]}, check=True)
    assert c.exec("/bin/sh", "-c", probe).rc != 0
    assert remembered(c)["devices"] == [deny]


@v2_only
def test_null_stays_open_while_rules_are_replaced(container):
    """Never a moment without a program: what is denied before and after must be denied in between, too."""
    c = container()
    c.bundle.append("linux.devices", {"path": "/dev/thing", "type": "c", "major": 10, "minor": 229, "fileMode": 0o666})
    c.bundle.sh("while :; do (exec 3</dev/thing) 2>/dev/null && echo hole; (exec 3</dev/null) || echo shut; "
                "[ -e /stop ] && break; done; echo end; sleep 1000")
    c.up()
    deny = {"allow": False, "access": "rwm"}
    for minor in range(100):
        rules = [deny, {"allow": True, "type": "c", "major": 200, "minor": minor, "access": "r"}]
        update(c, {"devices": rules}, check=True)
    c.sh("touch /stop")
    assert c.wait_stdout("end\n") == "end\n"


@v2_only
@pytest.mark.parametrize("rule, place", [
    ({"allow": True, "type": "c", "major": -2}, "devices[0].major"),
    ({"allow": True, "type": "x"}, "devices[0].type"),
    ({"allow": True, "access": "rq"}, "devices[0].access")], ids=str)
def test_malformed_device_rules(container, rule, place):
    c = container()
    c.up()
    before = remembered(c)
    result = update(c, {"devices": [rule]})
    assert result.rc == 1 and place in result.err, result
    assert remembered(c) == before


@v2_only
@pytest.mark.parametrize("document, words", [
    ('{"memory": {"limit": "1G"}}', ["standard input:1:22: memory.limit", "expected an integer"]),
    ('{\n  "cpu": {"quota": 1.5}}', ["standard input:2:20: cpu.quota"]),
    ('{"memory": {"limit": 9223372036854775808}}', ["memory.limit", "9223372036854775808"]),
    ('{"memory": {"limit": -2}}', ["memory.limit"]),
    ('{"cpu": {"idle": 2}}', ["cpu.idle"]),
    ('{"cpu": {"cpus": "0-x"}}', ["cpu.cpus"]),
    ('{"blockIO": {"weight": 9}}', ["blockIO.weight"]),
    ('{"memory": {"limit": 1000, "swap": 10}}', ["memory.swap"]),
    ('{"memory": {"swap": 10}}', ["memory.swap", "needs memory.limit"]),
    ('{"unified": {"../memory.max": "1"}}', ["unified", "../memory.max"]),
    ('{"unified": {"a/b": "1"}}', ["unified", "a/b"]),
    ('{"unified": {"cgroup.procs": "1"}}', ["unified.cgroup.procs"]),
    ('{"network": {"classID": 7}}', ["network.classID"]),
    ('{"memory": ', ["standard input:1:"]),
    ("", ["standard input"]),
    ("[]", ["standard input:1:1"])])
def test_bad_documents(container, document, words):
    c = container()
    c.up()
    before = remembered(c)
    result = c.runtime.run("update", "-r", "-", c.id, input=document)
    assert result.rc == 1 and result.out == "", result
    assert [w for w in words if w not in result.err] == [], result
    assert remembered(c) == before


@v2_only
def test_what_holds_together_is_checked_together(container):
    """A document that is right by itself, and wrong for this container."""
    c = container()
    c.up()
    path = os.path.join(c.runtime.root, c.id, "config.json")
    with open(path) as f:
        config = json.load(f)
    config["linux"]["resources"]["cpu"] = {"quota": 5000}  # as if a create had set it
    with open(path, "w") as f:
        json.dump(config, f)
    result = update(c, {"cpu": {"burst": 6000}})
    assert result.rc == 1 and "linux.resources.cpu.burst: must not be larger than quota" in result.err, result
    assert c.sh("echo fine") == "fine\n"


@v2_only
@needs_hugetlb
def test_document_from_a_file_and_a_pipe(container, tmp_path):
    c = container()
    c.up()
    file = tmp_path / "limits.json"
    file.write_text(json.dumps({"hugepageLimits": [{"pageSize": "2MB", "limit": 0}]}))
    c.runtime.run("update", "--resources", file, c.id, check=True)
    assert read(c, "hugetlb.2MB.max") == "0"
    argv = c.runtime.argv("update", "-r", "-", c.id)
    done = subprocess.run(argv, input=json.dumps({"hugepageLimits": [{"pageSize": "2MB", "limit": 2 * MIB}]}),
                          text=True, capture_output=True, timeout=20)
    assert done.returncode == 0, done
    assert read(c, "hugetlb.2MB.max") == str(2 * MIB)
    result = c.runtime.run("update", "-r", tmp_path / "missing", c.id)
    assert result.rc == 1 and "missing" in result.err


@v2_only
@pytest.mark.parametrize("flags, words", [
    (["--memory", "lots"], ["invalid value 'lots' for --memory"]),
    (["--memory", "99999999999999999999"], ["--memory"]),
    (["--pids-limit", "many"], ["--pids-limit"]),
    (["--cpu-share", "-1"], ["--cpu-share"]),
    (["--blkio-weight", "9"], ["--blkio-weight"]),
    (["--cpu-idle", "2"], ["--cpu-idle"]),
    (["--cpuset-cpus", "0-x"], ["cpu.cpus"]),
    (["--cpu-rt-runtime", "1000"], ["cpu.realtimeRuntime"]),
    (["--cpu-rt-period", "1000"], ["cpu.realtimePeriod"]),
    (["--memory", "1m", "--memory-swap", "1k"], ["memory.swap"]),
    (["--memory", "1m", "-r", "-"], ["--resources"])], ids=str)
def test_bad_flags(container, flags, words):
    c = container()
    c.up()
    before = remembered(c)
    result = c.runtime.run("update", *flags, c.id)
    assert result.rc == 1, result
    assert [w for w in words if w not in result.err] == [], result
    assert remembered(c) == before


@v2_only
def test_obsolete_flags_are_ignored_with_a_warning(container):
    c = container()
    c.up()
    result = c.runtime.run("update", c.id, "--kernel-memory", "1g", "--kernel-memory-tcp=1g", check=True)
    assert "--kernel-memory is obsolete" in result.err and "--kernel-memory-tcp is obsolete" in result.err


def test_nothing_to_change(container):
    c = container()
    c.up()
    assert c.runtime.run("update", c.id).rc == 0


def test_a_stopped_container(container):
    c = container()
    c.up()
    c.kill("KILL")
    c.wait_status("stopped")
    result = update(c, {"pids": {"limit": 5}})
    assert result.rc == 1
    if c.runtime.kind == "wherry":
        assert "container not running" in result.err


def test_no_such_container(runtime):
    result = runtime.run("update", "--pids-limit", "5", "nobody")
    assert result.rc == 1 and "does not exist" in result.err


@v2_only
def test_a_container_without_a_cgroup(container):
    c = container()
    c.bundle.drop("linux.cgroupsPath").drop("linux.resources")
    c.create(options=["--cgroup-manager", "disabled"])
    result = update(c, {"pids": {"limit": 5}})
    assert result.rc == 1 and "no cgroup of its own" in result.err, result
