"""checkpoint and restore: the root, mounts, namespaces, cgroup and hooks of a container come back as they were."""
import json
import os
import subprocess

import pytest

import host
from checkpoints import needs_criu

pytestmark = needs_criu

LOOP = "while :; do usleep 20000; done"


def mounts_of(saved):
    """What is mounted where, without what is numbered anew: mount ids, devices of unnamed file systems, peer groups."""
    found = []
    for fields in saved.mountinfo():
        dash = fields.index("-")
        found.append((fields[4], fields[3], fields[5], fields[dash + 1], ",".join(sorted(fields[dash + 3].split(",")))))
    return sorted(found)


@pytest.fixture
def looping(saved):
    saved.container.bundle.sh(LOOP)
    return saved


def cycle_keeps_mounts(saved, **kw):
    saved.up()
    before = mounts_of(saved)
    saved.cycle(**kw)
    assert mounts_of(saved) == before


def test_mount_table(looping):
    cycle_keeps_mounts(looping)


def test_read_only_root(looping):
    looping.container.bundle.set("root.readonly", True)
    cycle_keeps_mounts(looping)
    assert looping.container.exec("touch", "/x").rc != 0
    looping.image += "2"
    looping.cycle()
    assert looping.container.exec("touch", "/x").rc != 0


def test_read_only_root_stays_so_while_it_runs_on(looping):
    looping.container.bundle.set("root.readonly", True)
    looping.up()
    looping.checkpoint("--leave-running")
    assert looping.container.exec("touch", "/x").rc != 0


@pytest.mark.parametrize("flags", [[], ["--leave-running"], ["--pre-dump"]], ids=["cold", "leave-running", "pre-dump"])
def test_what_mounts_add_has_brought_is_refused_by_name(looping, tmp_path, flags):
    c = looping.container
    looping.up()
    document = tmp_path / "mounts.json"
    document.write_text(json.dumps([{"destination": "/late", "type": "tmpfs", "source": "tmpfs"}]))
    c.runtime.run("mounts", "add", c.id, document, check=True)
    result = looping.checkpoint(*flags, check=False)
    assert result.rc == 1 and "'/late'" in result.err and "mounts remove" in result.err, result
    assert c.status == "running"
    c.runtime.run("mounts", "remove", c.id, document, check=True)
    looping.cycle()


def test_what_mounts_add_has_brought_may_go_by_itself(looping, tmp_path):
    """Its program may unmount it: what is not there any more is no reason to refuse."""
    c = looping.container
    for kind in ("bounding", "effective", "permitted"):
        c.bundle.config["process"]["capabilities"][kind].append("CAP_SYS_ADMIN")
    looping.up()
    document = tmp_path / "mounts.json"
    document.write_text(json.dumps([{"destination": "/late", "type": "tmpfs", "source": "tmpfs"}]))
    c.runtime.run("mounts", "add", c.id, document, check=True)
    c.sh("umount /late")
    looping.cycle()


def test_tmpfs_content(looping):
    looping.container.bundle.mount("/scratch", "tmpfs", "tmpfs", ["nosuid", "mode=0751"])
    caps = ["CAP_CHOWN", "CAP_KILL"]
    looping.container.bundle.capabilities(bounding=caps, effective=caps, permitted=caps)
    looping.up()
    looping.container.sh("mkdir -p /scratch/a && echo kept > /scratch/a/b && chown 7:8 /scratch/a/b")
    looping.cycle()
    assert looping.container.sh("cat /scratch/a/b; stat -c %u:%g /scratch/a/b; stat -c %a /scratch") == "kept\n7:8\n751\n"


def test_bind_mounts(looping, tmp_path):
    b = looping.container.bundle
    (tmp_path / "rw").mkdir()
    (tmp_path / "ro").mkdir()
    (tmp_path / "file").write_text("of the host\n")
    b.mount("/rw", tmp_path / "rw", options=["bind", "rw"])
    b.mount("/ro", tmp_path / "ro", options=["bind", "ro", "nosuid", "nodev"])
    b.mount("/etc/one", tmp_path / "file", options=["bind", "ro"])
    cycle_keeps_mounts(looping)
    looping.container.sh("echo back > /rw/x; cat /etc/one")
    assert (tmp_path / "rw" / "x").read_text() == "back\n"
    assert looping.container.exec("touch", "/ro/x").rc != 0
    keys = [m["key"] for m in looping.manifest()["mounts"]]
    assert len(keys) == 3 and all("/" not in key for key in keys)


def test_a_root_without_the_mount_points(looping, tmp_path):
    """As an engine copies it: what create had made for the mounts is not there, and is made anew."""
    b = looping.container.bundle
    (tmp_path / "d").mkdir()
    (tmp_path / "file").write_text("of the host\n")
    b.mount("/new/dir", tmp_path / "d", options=["bind"])
    b.mount("/new/file", tmp_path / "file", options=["bind", "ro"])
    b.mount("/scratch", "tmpfs", "tmpfs", [])
    b.mount("/scratch/in/file", tmp_path / "file", options=["bind", "ro"])
    looping.up()
    before = mounts_of(looping)
    looping.checkpoint()
    for name in ("new/file", "new/dir", "new", "scratch", "proc", "sys", "dev"):
        path = os.path.join(b.rootfs, name)
        (os.rmdir if os.path.isdir(path) else os.unlink)(path)
    looping.restore()
    assert mounts_of(looping) == before
    assert looping.container.sh("cat /new/file /scratch/in/file") == "of the host\nof the host\n"


def test_recursive_bind(looping, tmp_path):
    top = tmp_path / "top"
    (top / "below").mkdir(parents=True)
    host.mount("tmpfs", top / "below", "tmpfs")
    (top / "below" / "inner").write_text("inner\n")
    looping.container.bundle.mount("/top", top, options=["rbind", "ro"])
    cycle_keeps_mounts(looping)
    assert looping.container.sh("cat /top/below/inner") == "inner\n"


def test_bind_through_a_link(looping, tmp_path):
    """The destination in the document is not where the mount is."""
    os.makedirs(os.path.join(looping.container.bundle.rootfs, "real"))
    os.symlink("real", os.path.join(looping.container.bundle.rootfs, "link"))
    (tmp_path / "d").mkdir()
    looping.container.bundle.mount("/link/d", tmp_path / "d", options=["bind"])
    cycle_keeps_mounts(looping)


def test_two_binds_of_one_directory(looping, tmp_path):
    (tmp_path / "d").mkdir()
    looping.container.bundle.mount("/one", tmp_path / "d", options=["bind"])
    looping.container.bundle.mount("/two", tmp_path / "d", options=["bind", "ro"])
    cycle_keeps_mounts(looping)


def test_two_read_only_binds_of_one_directory(looping, tmp_path):
    """CRIU gives the second one no attributes, since it has those of the first."""
    (tmp_path / "d").mkdir()
    for name in ("/one", "/two", "/three"):
        looping.container.bundle.mount(name, tmp_path / "d", options=["bind", "ro", "nosuid", "noexec"])
    cycle_keeps_mounts(looping)
    assert looping.container.exec("touch", "/three/x").rc != 0


def test_idmapped_bind(looping, tmp_path):
    """What CRIU knows nothing of is in the source that it is given."""
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "f").write_text("x")
    os.chown(tmp_path / "d" / "f", 1000, 1000)
    mapping = [{"containerID": 1000, "hostID": 5000, "size": 1}]
    looping.container.bundle.mount("/mapped", tmp_path / "d", options=["bind", "idmap"])
    looping.container.bundle.get("mounts")[-1].update(uidMappings=mapping, gidMappings=mapping)
    looping.up()
    seen = looping.container.sh("stat -c %u /mapped/f")
    looping.cycle()
    assert looping.container.sh("stat -c %u /mapped/f") == seen == "5000\n"


def test_the_bundle_s_list_may_be_in_another_order(looping, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "name").write_text(name)
        looping.container.bundle.mount("/" + name, tmp_path / name, options=["bind"])
    looping.up()
    looping.checkpoint()
    mounts = looping.container.bundle.config["mounts"]
    mounts[-1], mounts[-2] = mounts[-2], mounts[-1]
    looping.container.bundle.write()
    looping.restore()
    assert looping.container.sh("cat /one/name /two/name") == "onetwo"


def test_a_bind_that_the_configuration_lacks(looping, tmp_path, host_unchanged):
    (tmp_path / "d").mkdir()
    looping.container.bundle.mount("/gone", tmp_path / "d", options=["bind"])
    looping.up()
    looping.checkpoint()
    looping.container.bundle.unmount("/gone").write()
    result = looping.restore(check=False)
    assert result.rc == 1 and "/gone" in result.err
    host_unchanged()


def test_a_destination_that_ends_a_key(looping, canary, tmp_path):
    """CVE-2026-115520: what follows "]:" in a destination is no path of the host's."""
    (tmp_path / "mine").mkdir()
    looping.container.bundle.mount(f"/a]:{canary}", tmp_path / "mine", options=["bind"])
    looping.up()
    before = mounts_of(looping)
    looping.checkpoint()
    looping.restore()
    assert mounts_of(looping) == before


def test_a_mount_that_crius_keys_cannot_tell_apart(looping, tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "e").mkdir()
    looping.container.bundle.mount("/a", tmp_path / "d", options=["bind"])
    looping.container.bundle.mount("/a]:/etc", tmp_path / "e", options=["bind"])
    looping.up()
    result = looping.checkpoint(check=False)
    assert result.rc == 1 and "cannot be told apart" in result.err
    assert looping.container.status == "running"


def test_user_namespace(looping):
    looping.container.bundle.map_ids()
    looping.up()
    before = mounts_of(looping)
    looping.cycle()
    assert mounts_of(looping) == before
    with open(f"/proc/{looping.container.pid}/uid_map") as f:
        assert f.read().split() == ["0", "100000", "65536"]
    assert looping.container.sh("id -u") == "0\n"


def test_cgroup_namespace_and_mount(looping):
    looping.container.bundle.namespace("cgroup")
    looping.container.bundle.mount("/sys/fs/cgroup", "cgroup", "cgroup", ["ro", "nosuid", "nodev", "noexec"])
    looping.up()
    before = mounts_of(looping)
    looping.cycle()
    assert mounts_of(looping) == before
    pid = looping.container.pid
    assert os.readlink(f"/proc/{pid}/ns/cgroup") != os.readlink("/proc/self/ns/cgroup")
    assert host.cgroup_of(pid).endswith("/" + looping.container.id)
    assert looping.container.sh("grep 0:: /proc/self/cgroup") == "0::/\n"
    looping.container.sh("cat /sys/fs/cgroup/cgroup.procs")


def test_every_process_is_in_the_cgroup(looping):
    looping.container.bundle.sh(f"( {LOOP} ) & ( {LOOP} ) & {LOOP}")  # no long sleep: some end at a checkpoint (docs/checkpoint.md)

    def inside():
        with open(host.cgroup_path(looping.container.id) + "/cgroup.procs") as f:
            return f.read().split()

    looping.up()
    host.wait_until(lambda: len(inside()) >= 3, "the shell to have started them", 10)
    looping.cycle()
    assert len(inside()) >= 3 and str(looping.container.pid) in inside()


def test_another_cgroup(looping):
    """The cgroup is that of the configuration, not that of the saved container."""
    looping.up()
    looping.checkpoint()
    path = f"/{looping.container.id}-other"
    looping.container.bundle.set("linux.cgroupsPath", path).write()
    looping.restore()
    assert host.cgroup_of(looping.container.pid).endswith(path)


def test_device_rules(looping):
    """The program that the kernel asks is the new cgroup's."""
    looping.container.bundle.capabilities(bounding=["CAP_MKNOD"], effective=["CAP_MKNOD"], permitted=["CAP_MKNOD"])
    looping.up()
    looping.cycle()
    assert looping.container.exec("sh", "-c", "mknod /tmp/mem c 1 1 && head -c 1 /tmp/mem").rc != 0


def test_seccomp(looping):
    looping.container.bundle.set("linux.seccomp", {
        "defaultAction": "SCMP_ACT_ALLOW", "architectures": [],
        "syscalls": [{"names": ["chmod", "fchmodat", "fchmodat2"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95}]})
    looping.container.bundle.sh(
        "while :; do usleep 20000; if [ -e /tmp/ask ]; then chmod 700 /tmp/ask 2>/tmp/answer; rm /tmp/ask; fi; done")
    looping.up()
    looping.cycle()
    assert host.proc_status(looping.container.pid, "Seccomp") == "2"
    answer = os.path.join(looping.container.bundle.rootfs, "tmp/answer")
    open(os.path.join(looping.container.bundle.rootfs, "tmp/ask"), "w").close()
    host.wait_until(lambda: os.path.exists(answer) and os.path.getsize(answer) > 0, "an answer")
    with open(answer) as f:
        assert "not supported" in f.read()


def test_capabilities_and_no_new_privs(looping):
    looping.up()

    def sets():
        return [host.proc_status(looping.container.pid, key) for key in
                ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Uid", "Gid", "Groups")]
    before = sets()
    looping.cycle()
    assert sets() == before


def test_joined_network_namespace(looping):
    holder = subprocess.Popen(["unshare", "--net", "sleep", "1000"])
    host.adopt(holder.pid)
    try:
        path = f"/proc/{holder.pid}/ns/net"
        host.wait_until(lambda: os.readlink(path) != os.readlink("/proc/self/ns/net"), "the namespace")
        looping.container.bundle.namespace("network", path)
        looping.up()
        looping.cycle()
        assert os.readlink(f"/proc/{looping.container.pid}/ns/net") == os.readlink(path)
    finally:
        holder.kill()
        holder.wait()
        host.release(holder.pid)


def test_host_network(looping):
    looping.container.bundle.without_namespace("network")
    looping.up()
    looping.cycle()
    assert os.readlink(f"/proc/{looping.container.pid}/ns/net") == os.readlink("/proc/self/ns/net")


def in_network(c, command):
    done = subprocess.run(["nsenter", "--net", "--target", str(c.pid), "sh", "-ec", command], capture_output=True, text=True,
                          check=True, timeout=20)
    return done.stdout


def addresses(c):
    """The devices of the container's network namespace that have addresses of IPv4, with these."""
    return {line.split()[0]: line.split()[2:] for line in in_network(c, "ip -4 -br addr").splitlines()}


DEVICES = {"lo": ["127.0.0.1/8", "10.1.1.1/32"], "eth0": ["10.9.8.7/24"]}


@pytest.fixture
def networked(looping):
    """A container with a device of its own, which CRIU can make, with addresses and a route."""
    looping.up()
    in_network(looping.container, "ip link set lo up; ip addr add 10.1.1.1/32 dev lo; ip link add eth0 type bridge; "
                                  "ip addr add 10.9.8.7/24 dev eth0; ip link set eth0 up; ip route add 10.77.0.0/16 via 10.9.8.1")
    assert addresses(looping.container) == DEVICES
    return looping


def test_network(networked):
    networked.cycle()
    assert addresses(networked.container) == DEVICES
    assert "10.77.0.0/16 via 10.9.8.1" in in_network(networked.container, "ip route")


def test_empty_network(networked):
    """Nothing of it is saved, and hooks fill it."""
    networked.checkpoint("--empty-ns", "network")
    assert not [name for name in os.listdir(networked.image) if name.startswith(("netdev-", "ifaddr-", "route-"))]
    networked.restore("--empty-ns", "network")
    assert addresses(networked.container) == {}
    networked.container.delete("--force")
    networked.container.bundle.set("hooks.createRuntime", [{"path": "/bin/sh", "env": [f"PATH={os.environ['PATH']}"], "args": [
        "sh", "-ec", "pid=$(sed -n 's/.*\"pid\": *\\([0-9]*\\).*/\\1/p'); nsenter --net --target $pid sh -ec "
                     "'ip link add eth0 type bridge; ip addr add 10.9.8.8/24 dev eth0; ip link set eth0 up'"]}]).write()
    networked.restore("--empty-ns", "network")
    assert addresses(networked.container) == {"eth0": ["10.9.8.8/24"]}


def test_a_network_that_was_saved_may_be_left_out(networked):
    networked.checkpoint()
    networked.restore("--empty-ns", "network")
    assert addresses(networked.container) == {}


def test_hooks(looping, tmp_path):
    log = tmp_path / "log"
    for kind in ("prestart", "createRuntime", "poststart", "poststop"):
        looping.container.bundle.set(f"hooks.{kind}", [{
            "path": "/bin/sh", "args": ["sh", "-c", f"echo {kind} $(cat | tr -d '\\n') >> {log}"]}])
    looping.up()
    looping.checkpoint()
    log.unlink()
    looping.restore()
    lines = log.read_text().splitlines()
    assert [line.split(" ", 1)[0] for line in lines] == ["prestart", "createRuntime", "poststart"]
    states = [json.loads(line.split(" ", 1)[1]) for line in lines]
    assert {s["pid"] for s in states} == {looping.container.pid}
    assert [s["status"] for s in states] == ["creating", "creating", "running"]
    looping.container.delete("--force")
    assert log.read_text().splitlines()[-1].startswith("poststop")


def test_hooks_of_the_container_s_side_are_in_the_image(looping, tmp_path):
    """createContainer and startContainer hooks run once: before pivot_root, and before the program, which both lie behind
    what is restored. What they did inside is there again."""
    log = tmp_path / "log"
    looping.container.bundle.mount("/scratch", "tmpfs", "tmpfs", [])
    looping.container.bundle.set("hooks.createContainer", [
        {"path": "/bin/sh", "args": ["sh", "-c", f"echo createContainer >> {log}"]}])
    looping.container.bundle.set("hooks.startContainer", [
        {"path": "/bin/sh", "args": ["sh", "-c", "echo startContainer >> /scratch/log"]}])
    looping.up()
    assert log.read_text() == "createContainer\n"
    looping.cycle()
    assert log.read_text() == "createContainer\n"
    assert looping.container.sh("cat /scratch/log") == "startContainer\n"


def test_a_failing_poststart_hook_undoes_the_restore(looping, host_unchanged):
    looping.up()
    looping.checkpoint()
    looping.container.bundle.set("hooks.poststart", [
        {"path": "/bin/sh", "args": ["sh", "-c", "echo no such luck >&2; exit 3"]}]).write()
    result = looping.restore(check=False)
    assert result.rc == 1 and "no such luck" in result.err
    assert looping.container.state() is None
    host_unchanged()


def test_a_pid_file_that_cannot_be_written_undoes_the_restore(looping, tmp_path, host_unchanged):
    """What fails when everything is restored already."""
    looping.up()
    looping.checkpoint()
    result = looping.restore("--pid-file", str(tmp_path / "no" / "pid"), check=False)
    assert result.rc == 1 and "pid" in result.err
    assert looping.container.state() is None
    host_unchanged()


def test_a_failing_hook_undoes_the_restore(looping, host_unchanged):
    looping.up()
    looping.checkpoint()
    looping.container.bundle.set("hooks.createRuntime", [
        {"path": "/bin/sh", "args": ["sh", "-c", "echo no such luck >&2; exit 3"]}]).write()
    result = looping.restore(check=False)
    assert result.rc == 1 and "no such luck" in result.err
    host_unchanged()


def test_limits_of_processes(looping):
    looping.container.bundle.set("process.rlimits", [{"type": "RLIMIT_NOFILE", "soft": 77, "hard": 99}])
    looping.container.bundle.set("process.oomScoreAdj", 321)
    looping.up()
    looping.cycle()
    pid = looping.container.pid
    with open(f"/proc/{pid}/limits") as f:
        line = next(line for line in f if line.startswith("Max open files"))
    assert line.split()[3:5] == ["77", "99"]
    with open(f"/proc/{pid}/oom_score_adj") as f:
        assert f.read() == "321\n"


@pytest.mark.parametrize("before, after", [("rshared", "rprivate"), ("rprivate", "rshared"), ("rshared", "rslave"),
                                           ("rslave", "rprivate")])
def test_a_host_with_another_propagation(looping, tmp_path, before, after):
    """What was a slave of the host's mounts needs a master to become one again."""
    b = looping.container.bundle
    for name in ("private", "slave", "default"):
        (tmp_path / name).mkdir()
        b.mount("/" + name, tmp_path / name, options=["rbind"] + ([] if name == "default" else ["r" + name]))
    looping.on_a_host(f"mount --make-{before} /")
    looping.up()
    looping.checkpoint()
    looping.on_a_host(f"mount --make-{after} /")
    looping.restore()
    assert looping.container.status == "running"
    looping.image += "2"
    looping.cycle()
    assert looping.container.status == "running"
