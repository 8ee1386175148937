"""Namespaces: new ones, inherited ones, and ones joined by path."""
import os
import subprocess

import pytest

import host
from containers import assert_refused
from rig import lacks, skip_if

LINKS = {"pid": "pid", "network": "net", "mount": "mnt", "ipc": "ipc", "uts": "uts", "cgroup": "cgroup",
         "time": "time", "user": "user"}


def link(pid, kind):
    return os.readlink(f"/proc/{pid}/ns/{LINKS[kind]}")


def all_links(pid):
    return {kind: link(pid, kind) for kind in LINKS}


def ask_new(b, kind):
    if kind == "time":
        skip_if("runc", "no time namespaces", below=(1, 2, 0))
    return b.map_ids() if kind == "user" else b.namespace(kind)


@pytest.mark.parametrize("kind", LINKS)
def test_each_new_one_is_new_and_those_left_out_are_the_callers(container, kind):
    c = container()
    for other in ("network", "ipc", "uts"):
        c.bundle.without_namespace(other)
    c.bundle.drop("hostname").unmount("/sys").unmount("/dev/mqueue")
    ask_new(c.bundle, kind)
    pid = c.up()
    new = {k for k, v in all_links(pid).items() if v != link("self", k)}
    assert new == {"pid", "mount", kind}


def test_the_program_is_the_first_of_a_new_pid_namespace(container):
    c = container()
    c.bundle.sh("echo $$; cd /proc && echo [0-9]*; true")
    assert c.run(check=True).out == "1\n1\n"


def test_an_inherited_pid_namespace_shows_the_host(container):
    c = container()
    c.bundle.share_pid_namespace()
    pid = c.up()
    assert link(pid, "pid") == link("self", "pid")
    assert c.sh("ls -d /proc/" + str(os.getpid())).strip() == f"/proc/{os.getpid()}"
    assert f"\nPid:\t{pid}\n" in c.sh(f"cat /proc/{pid}/status")


def test_a_new_network_has_its_loopback_up_and_nothing_else(container):
    c = container()
    c.bundle.sh("ip -o link; ip -o addr show lo; nc -l -p 5000 -e echo over >/dev/null & "
                "sleep 0.2; echo x | nc -w 2 127.0.0.1 5000 >/dev/null && echo connected")
    out = c.run(check=True).out.splitlines()
    assert {line.split()[1].split("@")[0] for line in out if line[0].isdigit()} <= {
        "lo:", "lo", "tunl0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0", "sit0", "ip6tnl0", "ip6gre0",
        "tunl0:", "sit0:"}
    assert "<LOOPBACK,UP,LOWER_UP>" in out[0]
    assert any("127.0.0.1/8" in line for line in out)
    assert out[-1] == "connected"


def test_a_new_uts_namespace_keeps_its_names_to_itself(container):
    c = container()
    before = os.uname().nodename
    c.bundle.sh("cat /proc/sys/kernel/hostname").set("hostname", "skiff")
    assert c.run(check=True).out == "skiff\n"
    assert os.uname().nodename == before


def test_a_new_ipc_namespace_has_its_own_queues(container):
    c = container()
    c.bundle.sh("mount | grep ' /dev/mqueue '; ls /dev/mqueue | wc -l; wc -l < /proc/sysvipc/shm")
    lines = c.run(check=True).out.splitlines()
    assert " type mqueue " in lines[0]
    assert lines[1:] == ["0", "1"]


def test_a_new_cgroup_namespace_hides_the_path(container):
    c = container()
    c.bundle.namespace("cgroup").sh("cat /proc/self/cgroup")
    assert "0::/" in c.run(check=True).out.splitlines()


def test_without_a_cgroup_namespace_the_path_is_seen(container):
    c = container()
    c.bundle.sh("cat /proc/self/cgroup")
    assert any(line.endswith("/" + c.id) for line in c.run(check=True).out.splitlines())


# --- joined by path ------------------------------------------------------------------------------------------


@pytest.fixture
def other(container):
    c = container()
    c.bundle.namespace("cgroup").set("hostname", "flagship")
    c.up()
    return c


@pytest.mark.parametrize("kind", ["network", "ipc", "uts", "cgroup", "pid"])
def test_joins_anothers_by_path(container, other, kind):
    c = container()
    c.bundle.namespace(kind, f"/proc/{other.pid}/ns/{LINKS[kind]}")
    if kind == "uts":
        c.bundle.drop("hostname")
    pid = c.up()
    assert link(pid, kind) == link(other.pid, kind) != link("self", kind)
    for own in {"network", "ipc", "uts", "pid", "mount"} - {kind}:
        assert link(pid, own) not in (link(other.pid, own), link("self", own))


def test_joins_a_time_namespace(container):
    skip_if("runc", "no time namespaces", below=(1, 2, 0))
    first = container()
    first.bundle.namespace("time").set("linux.timeOffsets", {"boottime": {"secs": 300000}})
    first.up()
    c = container()
    c.bundle.namespace("time", f"/proc/{first.pid}/ns/time").sh("cat /proc/uptime; readlink /proc/self/ns/time")
    uptime, own = c.run(check=True).out.splitlines()
    assert own == link(first.pid, "time")
    assert float(uptime.split()[0]) > 300000


@pytest.fixture
def lone_mounts():
    """A mount namespace of a process of the host."""
    holder = subprocess.Popen(["unshare", "--mount", "--propagation", "private", "sleep", "1000"])
    host.adopt(holder.pid)
    host.wait_until(lambda: link(holder.pid, "mount") != link("self", "mount"), "unshare")
    yield f"/proc/{holder.pid}/ns/mnt"
    holder.kill()
    holder.wait()
    host.release(holder.pid)


def test_joins_a_mount_namespace(container, lone_mounts):
    c = container()
    c.bundle.namespace("mount", lone_mounts)
    pid = c.up()
    assert link(pid, "mount") == os.readlink(lone_mounts)
    assert c.sh("ls /; hostname").split() == sorted(os.listdir(c.bundle.rootfs)) + ["vessel"]


def test_a_mount_namespace_that_lacks_the_root_is_refused(container, other):
    c = container()
    c.bundle.namespace("mount", f"/proc/{other.pid}/ns/mnt")
    before = other.sh("cat /proc/self/mountinfo")
    assert_refused(c, "no such file" if c.runtime.kind != "wherry" else "root.path")
    assert other.sh("cat /proc/self/mountinfo") == before


def test_a_pod_shares_three(container, other):
    c = container()
    for kind in ("network", "ipc", "uts"):
        c.bundle.namespace(kind, f"/proc/{other.pid}/ns/{LINKS[kind]}")
    c.bundle.drop("hostname").sh("hostname; sleep 1000")
    c.up()
    c.wait_stdout("flagship\n")
    other.sh("nc -l -p 7000 -e echo hail >/dev/null 2>&1 &")
    assert c.sh("sleep 0.3; echo x | nc -w 3 127.0.0.1 7000") == "hail\n"


def test_in_a_joined_pid_namespace_the_program_is_not_its_first(container, other):
    c = container()
    c.bundle.namespace("pid", f"/proc/{other.pid}/ns/pid").sh("echo $$; cat /proc/1/cmdline; sleep 987")
    pid = c.up()
    c.wait_stdout("sleep")
    own, first = c.stdout().split("\n", 1)
    assert int(own) > 1
    assert first.split("\0")[:2] == ["sleep", "1000"]
    assert int(host.proc_status(pid, "NSpid").split()[1]) == int(own)
    assert "sleep 987" in other.sh("ps")
    c.kill("KILL")
    c.wait_status("stopped")
    assert other.status == "running"


def test_a_joined_pid_namespaces_end_is_the_containers(container, other):
    c = container()
    c.bundle.namespace("pid", f"/proc/{other.pid}/ns/pid")
    c.up()
    other.kill("KILL")
    c.wait_status("stopped")


def test_joins_a_namespace_that_only_a_file_keeps(container, other, tmp_path):
    kept = tmp_path / "net"
    kept.touch()
    inode = link(other.pid, "network")
    host.mount(f"/proc/{other.pid}/ns/net", kept, "none", flags=4096)
    try:
        other.delete("--force")
        c = container()
        c.bundle.namespace("network", kept)
        assert link(c.up(), "network") == inode
        c.delete("--force")
    finally:
        host.umount(kept)


@pytest.mark.parametrize("kind, given", [("network", "uts"), ("uts", "ipc"), ("ipc", "network"), ("pid", "uts"),
                                         ("mount", "network"), ("cgroup", "ipc")])
def test_a_path_of_another_kind_is_refused(container, other, kind, given):
    path = f"/proc/{other.pid}/ns/{LINKS[given]}"
    c = container()
    c.bundle.namespace(kind, path)
    if kind == "uts":
        c.bundle.drop("hostname")
    words = [path] if c.runtime.kind == "wherry" else []
    assert_refused(c, *words)


@pytest.mark.parametrize("content", ["missing", "a file", "a directory"])
@pytest.mark.parametrize("kind", ["network", "ipc", "uts", "pid", "cgroup"])
def test_a_path_that_is_no_namespace_is_refused(container, tmp_path, kind, content):
    path = tmp_path / "ns"
    if content == "a file":
        path.write_text("no namespace")
    elif content == "a directory":
        path.mkdir()
    c = container()
    c.bundle.namespace(kind, path)
    if kind == "uts":
        c.bundle.drop("hostname")
    assert_refused(c, *([str(path)] if c.runtime.kind == "wherry" else []))


def test_a_relative_namespace_path_is_refused(container):
    c = container()
    c.bundle.namespace("network", "proc/self/ns/net")
    assert_refused(c, "proc/self/ns/net")


# --- time ----------------------------------------------------------------------------------------------------


@lacks("runc", "no time namespaces", below=(1, 2, 0))
class TestTimeOffsets:
    def test_both_clocks(self, container):
        c = container()
        c.bundle.namespace("time").set("linux.timeOffsets", {"monotonic": {"secs": 86400, "nanosecs": 5},
                                                             "boottime": {"secs": 604800}})
        c.bundle.sh("cat /proc/self/timens_offsets; cut -d' ' -f1 /proc/uptime")
        *offsets, uptime = c.run(check=True).out.splitlines()
        assert [line.split() for line in offsets] == [["monotonic", "86400", "5"], ["boottime", "604800", "0"]]
        with open("/proc/uptime") as f:
            assert abs(float(uptime) - float(f.read().split()[0]) - 604800) < 20

    def test_a_clock_may_be_set_back(self, container):
        c = container()
        c.bundle.namespace("time").set("linux.timeOffsets", {"monotonic": {"secs": -10, "nanosecs": 500}})
        c.bundle.sh("head -1 /proc/self/timens_offsets")
        assert c.run(check=True).out.split() == ["monotonic", "-10", "500"]

    def test_exec_sees_them(self, container):
        c = container()
        c.bundle.namespace("time").set("linux.timeOffsets", {"boottime": {"secs": 604800}})
        pid = c.up()
        assert c.sh("readlink /proc/self/ns/time").strip() == link(pid, "time")
        assert float(c.sh("cat /proc/uptime").split()[0]) > 604800

    def test_are_refused_without_a_time_namespace(self, container):
        c = container()
        c.bundle.set("linux.timeOffsets", {"boottime": {"secs": 1}})
        assert_refused(c, "time")

    def test_are_refused_with_a_joined_one(self, container):
        c = container()
        c.bundle.namespace("time", "/proc/self/ns/time").set("linux.timeOffsets", {"boottime": {"secs": 1}})
        assert_refused(c, "time")

    def test_out_of_range_is_refused(self, container):
        c = container()
        c.bundle.namespace("time").set("linux.timeOffsets", {"monotonic": {"secs": -10 ** 12}})
        assert_refused(c, "offset")
