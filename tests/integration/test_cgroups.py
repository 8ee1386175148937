"""The container's cgroup: limits, malformed device rules, owner, and whose it is at the end."""
import json
import os
import subprocess

import pytest

import host
from containers import assert_refused
from rig import wherry_only


def controllers():
    with open(os.path.join(host.cgroup2_mount(), "cgroup.controllers")) as f:
        return f.read().split()


@wherry_only("runc reports it in other words")
@pytest.mark.parametrize("rule, words", [
    ({"allow": True, "type": "c", "major": -2}, ["devices[1].major"]),
    ({"allow": True, "type": "c", "major": 1, "minor": 1 << 32}, ["devices[1].minor"]),
    ({"allow": True, "type": "p"}, ["devices[1].type"]),
    ({"allow": True, "type": "c", "access": "rx"}, ["devices[1].access"])], ids=str)
def test_bad_device_rules(container, rule, words):
    c = container()
    c.bundle.append("linux.resources.devices", rule)
    assert_refused(c, *words)


@pytest.mark.skipif("hugetlb" not in controllers(), reason="the hugetlb controller is not on cgroup v2 here")
@wherry_only("runc takes the v1 hierarchies of a hybrid host")
@pytest.mark.parametrize("below", ["", "/a/b"])
def test_hugepage_limits_are_written(container, host_unchanged, below):
    c = container()
    path = f"/{c.id}{below}"
    c.bundle.set("linux.cgroupsPath", path)
    c.bundle.set("linux.resources.hugepageLimits", [{"pageSize": "2MB", "limit": 4 << 20}])
    c.up()
    for name in ("hugetlb.2MB.max", "hugetlb.2MB.rsvd.max"):
        with open(os.path.join(host.cgroup_path(path), name)) as f:
            assert f.read() == f"{4 << 20}\n"
    c.delete("--force")
    assert not os.path.exists(host.cgroup_path(c.id))


@pytest.mark.skipif("hugetlb" not in controllers(), reason="the hugetlb controller is not on cgroup v2 here")
@wherry_only("runc takes the v1 hierarchies of a hybrid host")
def test_a_page_size_that_the_kernel_lacks(container, host_unchanged):
    c = container()
    c.bundle.set("linux.resources.hugepageLimits", [{"pageSize": "3MB", "limit": 0}])
    assert_refused(c, "hugepageLimits[0]", "hugetlb.3MB.max")


@wherry_only("runc takes the v1 hierarchies of a hybrid host")
def test_unified_is_written_line_by_line(container):
    c = container()
    c.bundle.set("linux.resources.unified", {"cgroup.max.depth": "3\n5\n"})
    c.up()
    with open(os.path.join(host.cgroup_path(c.id), "cgroup.max.depth")) as f:
        assert f.read() == "5\n"


@wherry_only("runc refuses them in other words, if at all")
@pytest.mark.parametrize("key", ["../cgroup.procs", "a/b", "", "..", "cgroup.procs", "cgroup.kill", "cgroup.freeze",
                                 "cgroup.subtree_control", "cgroup.threads", "cgroup.type"])
def test_unified_keys_that_are_no_limits(container, key):
    c = container()
    c.bundle.set("linux.resources.unified", {key: "1"})
    assert_refused(c, "unified")


@wherry_only("what else version 1 had is the runtime's choice")
@pytest.mark.parametrize("path, value", [
    ("memory.kernel", 1 << 24), ("memory.kernelTCP", 1 << 24), ("memory.swappiness", 10), ("memory.disableOOMKiller", True),
    ("cpu.realtimeRuntime", 1000), ("cpu.realtimePeriod", 1000), ("blockIO.leafWeight", 100), ("network.classID", 1),
    ("network.priorities", [{"name": "lo", "priority": 1}])], ids=lambda v: str(v).replace(" ", ""))
def test_limits_of_version_1_are_named(container, path, value):
    c = container()
    c.bundle.set("linux.resources." + path, value)
    assert_refused(c, "linux.resources." + path)


@pytest.mark.parametrize("resources", [
    {"memory": {}}, {"cpu": {}}, {"blockIO": {}}, {"pids": {}}, {"memory": {"limit": 0, "swap": 0}}, {"cpu": {"shares": 0, "quota": 0}},
    {"hugepageLimits": []}, {"network": {}}, {"memory": {"disableOOMKiller": False, "kernel": 0, "kernelTCP": 0}},
    {"cpu": {"realtimeRuntime": 0, "realtimePeriod": 0}}], ids=lambda v: "".join(json.dumps(v).split()).replace('"', ""))
def test_what_engines_send_for_not_set(container, resources):
    c = container()
    for name, value in resources.items():
        c.bundle.set("linux.resources." + name, value)
    c.bundle.args("true")
    assert c.run().rc == 0


@wherry_only("runc takes the v1 hierarchies of a hybrid host")
def test_cgroup_belongs_to_the_containers_root(container):
    c = container()
    c.bundle.namespace("user").namespace("cgroup").reachable()
    for kind in ("uid", "gid"):
        c.bundle.set(f"linux.{kind}Mappings", [{"containerID": 0, "hostID": 200000, "size": 65536}])
    os.chown(c.bundle.rootfs, 200000, 200000)
    c.bundle.mount("/sys/fs/cgroup", "cgroup", type="cgroup", options=["nosuid", "noexec", "nodev", "rw"])
    c.up()
    top = host.cgroup_path(c.id)
    for name in (".", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"):
        assert os.stat(os.path.join(top, name)).st_uid == 200000
    assert os.stat(os.path.join(top, "cgroup.freeze")).st_uid == 0
    assert c.sh("mkdir /sys/fs/cgroup/inner && echo made").strip() == "made"


@wherry_only("runc takes the v1 hierarchies of a hybrid host")
@pytest.mark.parametrize("how", ["mapped", "read-only", "no-mount", "no-namespace"])
def test_what_is_delegated_and_what_is_not(container, how):
    """config-linux.md#cgroup-ownership: a cgroup namespace of its own, and cgroup mounted to be written."""
    c = container()
    c.bundle.map_ids(100000).set("process.user", {"uid": 7, "gid": 7})
    if how != "no-namespace":
        c.bundle.namespace("cgroup")
    if how != "no-mount":
        c.bundle.mount("/sys/fs/cgroup", "cgroup", "cgroup", ["ro" if how == "read-only" else "rw"])
    c.up()
    top = host.cgroup_path(c.id)
    want = 100007 if how == "mapped" else 0
    assert {os.stat(os.path.join(top, name)).st_uid for name in (".", "cgroup.procs", "cgroup.subtree_control")} == {want}
    assert os.stat(os.path.join(top, "cgroup.max.depth")).st_uid == 0


def has_nsdelegate():
    return any(" cgroup2 " in line and "nsdelegate" in line for line in host.mountinfo())


@wherry_only("runc takes the v1 hierarchies of a hybrid host")
def test_nsdelegate(container):
    """The option is the host's mount's; asked for in a container it is taken. Where the host has it, limits cannot be
    changed from within by root either."""
    c = container()
    c.bundle.namespace("cgroup").mount("/sys/fs/cgroup", "cgroup", "cgroup", ["rw", "nosuid", "nsdelegate"])
    c.up()
    result = c.exec("/bin/sh", "-c", "mkdir /sys/fs/cgroup/inner && echo 5 > /sys/fs/cgroup/inner/cgroup.max.depth && "
                    "echo 5 > /sys/fs/cgroup/cgroup.max.depth")
    assert os.path.isdir(host.cgroup_path(c.id) + "/inner")
    assert (result.rc != 0) == has_nsdelegate(), result


@wherry_only("runc leaves the parents")
def test_parents_go_with_the_last_container(container, host_unchanged):
    first, second = container(), container()
    for c, name in ((first, "one"), (second, "two")):
        c.bundle.set("linux.cgroupsPath", f"/{first.id}/deep/{name}")
        c.up()
    first.delete("--force")
    assert os.path.exists(host.cgroup_path(f"/{first.id}/deep/two"))
    second.delete("--force")


@wherry_only("the record is wherry's")
def test_after_a_reboot_strangers_in_the_cgroup_live(container, runtime):
    c = container()
    c.up()
    c.kill("KILL")
    c.wait_status("stopped")
    record = os.path.join(runtime.root, c.id, "record.json")
    with open(record) as f:
        document = json.load(f)
    document["bootId"] = "00000000-0000-0000-0000-000000000000"
    with open(record, "w") as f:
        json.dump(document, f)
    stranger = subprocess.Popen(["sleep", "30"])
    try:
        with open(os.path.join(host.cgroup_path(c.id), "cgroup.procs"), "w") as f:
            f.write(str(stranger.pid))
        c.delete("--force")
        assert stranger.poll() is None
        assert c.state() is None
    finally:
        stranger.kill()
        stranger.wait()
    os.rmdir(host.cgroup_path(c.id))
