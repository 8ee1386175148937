"""User namespaces: the mappings, who owns what, and what a mapped root may do."""
import os
import resource

import pytest

import host
from containers import assert_refused
from rig import skip_if

CAP_SYS_RESOURCE = 24
TWO_LINES = [{"containerID": 0, "hostID": 100000, "size": 1000}, {"containerID": 1000, "hostID": 300000, "size": 5}]


def rows(text):
    return [[int(n) for n in line.split()] for line in text.splitlines()]


def test_the_mapping_is_the_documents(container):
    c = container()
    c.bundle.map_ids().set("linux.uidMappings", TWO_LINES)
    c.bundle.set("linux.gidMappings", TWO_LINES[:1])
    pid = c.up()
    with open(f"/proc/{pid}/uid_map") as uids, open(f"/proc/{pid}/gid_map") as gids:
        assert rows(uids.read()) == [[0, 100000, 1000], [1000, 300000, 5]]
        assert rows(gids.read()) == [[0, 100000, 1000]]
    assert c.sh("cat /proc/self/uid_map") == open(f"/proc/{pid}/uid_map").read()
    assert os.readlink(f"/proc/{pid}/ns/user") != os.readlink("/proc/self/ns/user")


def test_as_many_lines_as_a_page_holds(container):
    """user_namespaces(7): 340 lines, and less than a page of text; the second is the one that binds."""
    lines = [{"containerID": n, "hostID": 100000 + 2 * n, "size": 1} for n in range(300)]
    c = container()
    c.bundle.map_ids().set("linux.uidMappings", lines)
    c.bundle.sh("wc -l < /proc/self/uid_map; tail -1 /proc/self/uid_map")
    assert c.run(check=True).out.split() == ["300", "299", "100598", "1"]


def test_more_lines_than_the_kernel_takes_are_refused(container):
    lines = [{"containerID": n, "hostID": 100000 + 2 * n, "size": 1} for n in range(341)]
    c = container()
    c.bundle.map_ids().set("linux.uidMappings", lines)
    assert_refused(c)


def test_root_is_the_mapped_user_of_the_host(container):
    c = container()
    c.bundle.map_ids().sh("id -u; touch /made; sleep 1000")
    pid = c.up()
    c.wait_stdout("0\n")
    assert host.proc_status(pid, "Uid").split() == ["100000"] * 4
    assert host.proc_status(pid, "Gid").split() == ["100000"] * 4
    host.wait_until(lambda: os.path.exists(c.bundle.rootfs + "/made"), "/made")
    st = os.stat(c.bundle.rootfs + "/made")
    assert (st.st_uid, st.st_gid) == (100000, 100000)


@pytest.mark.parametrize("verb", ["create", "run", "exec"])
def test_a_hard_limit_above_the_callers(container, verb):
    """Which root of the initial user namespace may raise, and nobody else: not the container's root."""
    if not int(host.proc_status("self", "CapEff"), 16) >> CAP_SYS_RESOURCE & 1:
        pytest.skip("root lacks CAP_SYS_RESOURCE here")
    hard = resource.getrlimit(resource.RLIMIT_MSGQUEUE)[1] + 1000
    c = container()
    c.bundle.map_ids().set("process.rlimits", [{"type": "RLIMIT_MSGQUEUE", "soft": 1000, "hard": hard}])
    if verb == "run":
        out = c.bundle.args("cat", "/proc/self/limits") and c.run(check=True).out
    elif verb == "create":
        with open(f"/proc/{c.up()}/limits") as file:
            out = file.read()
    else:
        c.up()
        out = c.sh("cat /proc/self/limits")
    assert [line.split()[3:5] for line in out.splitlines() if "msgqueue" in line] == [["1000", str(hard)]]


def test_another_user_and_its_groups_are_mapped(container):
    c = container()
    c.bundle.map_ids().set("process.user", {"uid": 1000, "gid": 1001, "additionalGids": [5, 7]})
    pid = c.up()
    assert host.proc_status(pid, "Uid").split() == ["101000"] * 4
    assert host.proc_status(pid, "Gid").split() == ["101001"] * 4
    assert set(host.proc_status(pid, "Groups").split()) >= {"100005", "100007"}


def test_the_other_namespaces_belong_to_it(container):
    """What a mapped root with CAP_SYS_ADMIN changes is its own: host name, mounts, network."""
    c = container()
    c.bundle.map_ids().capabilities(**{kind: ["CAP_SYS_ADMIN", "CAP_NET_ADMIN"] for kind in
                                       ("bounding", "effective", "permitted")})
    c.bundle.sh("hostname gig && hostname; mount -t tmpfs none /tmp && grep -c ' /tmp ' /proc/self/mounts; "
                "ip addr add 10.9.8.7/32 dev lo && ip addr show lo | grep -c 10.9.8.7")
    assert c.run(check=True).out.split() == ["gig", "1", "1"]


def test_a_mapped_root_has_no_power_over_the_host(container, canary):
    os.chmod(canary, 0o700)
    os.utime(canary, (1000000000, 1000000000))
    c = container()
    c.bundle.map_ids().mount("/canary", canary, "none", ["bind"])
    c.bundle.capabilities(**{kind: ["CAP_DAC_OVERRIDE", "CAP_CHOWN", "CAP_SYS_ADMIN"] for kind in
                             ("bounding", "effective", "permitted")})
    c.bundle.sh("touch /canary/f; chown 0:0 /canary/f; rm /canary/f; stat -c %u /canary; echo done")
    assert c.run(check=True).out == "65534\ndone\n"
    os.chmod(canary, 0o751)
    os.utime(canary, (1000000000, 1000000000))


def test_joins_anothers(container):
    first = container()
    first.bundle.map_ids()
    first.up()
    c = container()
    c.bundle.map_ids().namespace("user", f"/proc/{first.pid}/ns/user")
    skip_if("runc", "wants no mappings with a joined user namespace", below=(1, 2, 0))
    pid = c.up()
    assert os.readlink(f"/proc/{pid}/ns/user") == os.readlink(f"/proc/{first.pid}/ns/user")
    assert host.proc_status(pid, "Uid").split() == ["100000"] * 4


def test_joins_anothers_with_its_network_and_ipc(container):
    first = container()
    first.bundle.map_ids()
    first.up()
    skip_if("runc", "wants mappings with a joined user namespace, too", below=(1, 2, 0))
    c = container()
    c.bundle.map_ids().drop("linux.uidMappings").drop("linux.gidMappings")
    for kind, name in (("user", "user"), ("network", "net"), ("ipc", "ipc")):
        c.bundle.namespace(kind, f"/proc/{first.pid}/ns/{name}")
    pid = c.up()
    for name in ("user", "net", "ipc"):
        assert os.readlink(f"/proc/{pid}/ns/{name}") == os.readlink(f"/proc/{first.pid}/ns/{name}")
    assert c.sh("id -u") == "0\n"


def test_exec_enters_it(container):
    c = container()
    c.bundle.map_ids()
    pid = c.up()
    out = c.sh("id -u; cat /proc/self/uid_map; readlink /proc/self/ns/user").split()
    assert out == ["0", "0", "100000", "65536", os.readlink(f"/proc/{pid}/ns/user")]
    assert c.exec("id", "-u", flags=["--user", "1000:1000"], check=True).out == "1000\n"


def test_sysfs_is_bound_where_the_network_is_the_hosts(container):
    """sysfs can be mounted by the owner of the network namespace alone; engines ask for it all the same."""
    c = container()
    c.bundle.map_ids().without_namespace("network")
    c.bundle.unmount("/sys").mount("/sys", "/sys", "none", ["rbind", "nosuid", "noexec", "nodev", "ro"])
    c.bundle.sh("ls /sys/class/net | grep -c lo; grep ' / /sys ' /proc/self/mountinfo | cut -d' ' -f6")
    count, options = c.run(check=True).out.split()
    assert count == "1"
    assert {"ro", "nosuid", "nodev", "noexec"} <= set(options.split(","))


def test_devpts_works_where_group_five_has_no_mapping(container):
    skip_if("runc", "does not leave gid=5 out")
    c = container()
    c.bundle.map_ids().set("linux.gidMappings", [{"containerID": 0, "hostID": 100000, "size": 1}])
    c.bundle.sh("grep ' /dev/pts ' /proc/self/mounts")
    assert " devpts " in c.run(check=True).out


@pytest.mark.parametrize("bad, words", [
    ("no mapping", ["uidMappings"]),
    ("no gid mapping", ["gidMappings"]),
    ("mapping without the namespace", ["user"]),
    ("overlap", ["overlap"]),
    ("size 0", ["size"]),
    ("user outside", ["uid"]),
    ("group outside", ["gid"]),
    ("additional group outside", ["group"]),
])
def test_a_mapping_that_cannot_work_is_refused(container, bad, words):
    c = container()
    one = [{"containerID": 0, "hostID": 100000, "size": 1000}]
    c.bundle.map_ids().set("linux.uidMappings", one).set("linux.gidMappings", one)
    if bad == "no mapping":
        c.bundle.drop("linux.uidMappings").drop("linux.gidMappings")
    elif bad == "no gid mapping":
        c.bundle.drop("linux.gidMappings")
        skip_if("runc", "misses it until init dies", below=(1, 2, 0))
    elif bad == "mapping without the namespace":
        c.bundle.without_namespace("user")
        skip_if("runc", "ignores them", below=(1, 2, 0))
    elif bad == "overlap":
        c.bundle.append("linux.uidMappings", {"containerID": 999, "hostID": 500000, "size": 2})
    elif bad == "size 0":
        c.bundle.set("linux.uidMappings", [{"containerID": 0, "hostID": 100000, "size": 0}])
    elif bad == "user outside":
        c.bundle.set("process.user.uid", 1000)
    elif bad == "group outside":
        c.bundle.set("process.user.gid", 1000)
    else:
        c.bundle.set("process.user.additionalGids", [1000])
    assert_refused(c, *(words if c.runtime.kind == "wherry" else []))
