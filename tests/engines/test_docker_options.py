"""What docker run can ask for: limits, devices, capabilities, seccomp, mounts, users, namespaces."""
import json
import os
import re
import subprocess
import time

import pytest

from call import OVER_MEMORY, read, wait_until, with_word

MIB = 1 << 20


# --- resources ---------------------------------------------------------------------------------------------------

@pytest.mark.core
@pytest.mark.controllers("memory", "cpu", "pids", "cpuset")
def test_limits(docker):
    container = docker.start(flags=["-m", "64m", "--memory-swap", "96m", "--memory-reservation", "32m", "--cpus", "0.5",
                                    "--cpu-shares", "512", "--cpuset-cpus", "0", "--pids-limit", "20"])
    cgroup = docker.cgroup(container)
    found = {name: read(cgroup, name).strip() for name in (
        "memory.max", "memory.swap.max", "memory.low", "cpu.max", "cpuset.cpus", "pids.max")}
    assert found == {"memory.max": str(64 * MIB), "memory.swap.max": str(32 * MIB), "memory.low": str(32 * MIB),
                     "cpu.max": "50000 100000", "cpuset.cpus": "0", "pids.max": "20"}
    assert int(read(cgroup, "cpu.weight")) in range(10, 60)


@pytest.mark.controllers("memory", "cpu", "pids")
def test_update(docker):
    container = docker.start(flags=["-m", "64m", "--memory-swap", "64m", "--pids-limit", "20"])
    docker.call("update", "-m", "128m", "--memory-swap", "128m", "--memory-reservation", "48m", "--cpus", "0.25", "--pids-limit", "30",
                container)
    cgroup = docker.cgroup(container)
    assert read(cgroup, "memory.low").strip() == str(48 * MIB)
    assert read(cgroup, "memory.max").strip() == str(128 * MIB)
    assert read(cgroup, "cpu.max").strip() == "25000 100000"
    assert read(cgroup, "pids.max").strip() == "30"


@pytest.fixture
def disk():
    """A block device of the test's own."""
    if subprocess.run(["modprobe", "null_blk", "nr_devices=1", "gb=1"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this host has no null_blk")
    yield "/dev/nullb0"
    subprocess.run(["modprobe", "-r", "null_blk"], check=True)


@pytest.mark.controllers("io")
def test_limits_of_a_disk(docker, disk):
    """By the daemon's API: Docker 26's command line takes --device-read-bps and its like, and drops them (docker/cli#5321)."""
    def rate(value):
        return [{"Path": disk, "Rate": value}]
    container = docker.create_by_api(BlkioDeviceReadBps=rate(MIB), BlkioDeviceWriteBps=rate(2 * MIB), BlkioDeviceReadIOps=rate(100),
                                     BlkioDeviceWriteIOps=rate(200), BlkioWeight=500)
    docker.call("start", container)
    cgroup, number = docker.cgroup(container), os.stat(disk).st_rdev
    assert read(cgroup, "io.max").strip() == (
        f"{os.major(number)}:{os.minor(number)} rbps={MIB} wbps={2 * MIB} riops=100 wiops=200")
    bfq = os.path.exists(f"{cgroup}/io.bfq.weight")
    assert read(cgroup, "io.bfq.weight" if bfq else "io.weight").splitlines()[0] == f"default {500 if bfq else 4950}"
    docker.rm(container)


@pytest.mark.controllers("memory")
def test_a_container_over_its_memory_is_killed(docker):
    container = docker.start("sh", "-c", OVER_MEMORY, flags=["-m", "16m", "--memory-swap", "16m"])
    docker.out("wait", container)
    assert docker.get(container, "{{.State.OOMKilled}} {{.State.ExitCode}}") == "true 137"


@pytest.mark.controllers("pids")
def test_a_container_over_its_pids_cannot_fork(docker):
    result = docker.run("sh", "-c", "for i in 1 2 3 4 5 6 7 8; do sleep 5 & done; wait", flags=["--pids-limit", "5"], rc=None)
    assert "fork" in result.all


def test_ulimits(docker):
    script = "ulimit -n; ulimit -Hn; ulimit -c"
    assert docker.sh(script, flags=["--ulimit", "nofile=512:1024", "--ulimit", "core=0"]) == "512\n1024\n0"


def test_cgroup_parent(docker):
    parent = "wherrytest.slice" if docker.out("info", "--format", "{{.CgroupDriver}}") == "systemd" else "/wherrytest"
    container = docker.start(flags=["--cgroup-parent", parent])
    cgroup = docker.cgroup(container)
    assert parent.strip("/") in cgroup and str(docker.pid(container)) in read(cgroup, "cgroup.procs").split()
    docker.rm(container)
    if not parent.startswith("/"):
        subprocess.run(["systemctl", "stop", parent], check=True)
    elif os.path.exists(os.path.dirname(cgroup)):  # runc leaves the parent that it made
        os.rmdir(os.path.dirname(cgroup))


# --- what the process may do ---------------------------------------------------------------------------------------

def opens(device):
    try:
        os.close(os.open(device, os.O_RDONLY))
        return True
    except OSError:
        return False


def test_devices(docker):
    disk = next((name for name in ("/dev/vda", "/dev/sda", "/dev/nvme0n1", "/dev/loop0") if opens(name)), None)
    if not disk:
        pytest.skip("this host lets no disk be opened")
    flags = ["--device", "/dev/null:/dev/given:rw", "--device", f"{disk}:/dev/readable:r"]
    assert docker.sh("echo x >/dev/given; cat /dev/given; (: </dev/readable) && echo opened;"
                     "(: >/dev/readable) 2>&1 | grep -o 'not permitted'", flags=flags) == "opened\nnot permitted"
    script = "mknod /tmp/full c 1 7 && cat /tmp/full | dd bs=1 count=1 2>/dev/null | wc -c"
    assert docker.sh(script, flags=["--device-cgroup-rule", "c 1:7 rm"]) == "1"
    assert "not permitted" in docker.run("sh", "-c", "mknod /tmp/kmsg c 1 11 && cat /tmp/kmsg", rc=1).err


def test_privileged(docker):
    container = docker.start(flags=["--privileged"])
    assert docker.sh_in(container, "mount -t tmpfs tmpfs /mnt 2>/dev/null || mount -t tmpfs tmpfs /tmp; ls /dev | wc -l;"
                        "grep -c ' /sys sysfs rw' /proc/mounts").splitlines()[-1] == "1"
    inside = set(docker.sh_in(container, "ls /dev").split())
    assert {"full", "kmsg", "null"} <= inside and len(inside) > 15
    assert int(docker.sh_in(container, "sed -n 's/Seccomp:\t//p' /proc/self/status")) == 0
    of_the_daemon = re.search("^CapEff:.*$", read("/proc", docker.daemon.process.pid, "status"), re.M).group(0)
    assert docker.sh_in(container, "grep CapEff /proc/1/status") == of_the_daemon


def capabilities(docker, *flags):
    return int(docker.sh("sed -n 's/CapEff:\t//p' /proc/self/status", flags=list(flags)), 16)


def test_capabilities(docker):
    plain = capabilities(docker)
    assert capabilities(docker, "--cap-drop", "ALL") == 0
    assert capabilities(docker, "--cap-drop", "ALL", "--cap-add", "CHOWN") == 1 << 0
    assert capabilities(docker, "--cap-add", "SYS_ADMIN") == plain | 1 << 21
    assert capabilities(docker, "--cap-drop", "MKNOD") == plain & ~(1 << 27)
    assert capabilities(docker, "-u", "1000") == 0


@pytest.mark.core
def test_seccomp(docker, here):
    blocked = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]}
    (here / "profile.json").write_text(json.dumps(blocked))
    status = "sed -n 's/Seccomp:\t//p' /proc/self/status"
    assert docker.sh(status) == "2"
    assert docker.sh(status, flags=["--security-opt", "seccomp=unconfined"]) == "0"
    result = docker.run("mkdir", "/tmp/x", flags=["--security-opt", f"seccomp={here}/profile.json"], rc=1)
    assert "No space left on device" in result.err
    # what the default profile forbids, and nothing else does
    without = ["--security-opt", "apparmor=unconfined"]
    assert "not permitted" in docker.run("unshare", "-U", "true", flags=without, rc=1).err
    docker.run("unshare", "-U", "true", flags=without + ["--security-opt", "seccomp=unconfined"])


def test_no_new_privileges(docker):
    assert docker.sh("sed -n 's/NoNewPrivs:\t//p' /proc/self/status", flags=["--security-opt", "no-new-privileges"]) == "1"


def test_users(docker):
    assert docker.sh("id", flags=["-u", "1000:1000", "--group-add", "10", "--group-add", "77"]).startswith(
        "uid=1000(user) gid=1000(user) groups=")
    assert docker.sh("id -G", flags=["-u", "user", "--group-add", "77"]).split()[:1] == ["1000"]
    assert "77" in docker.sh("id -G", flags=["-u", "user", "--group-add", "77"]).split()
    assert docker.sh("echo $HOME", flags=["-u", "user"]) == "/home"


def test_sysctl(docker):
    script = "cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shm_rmid_forced"
    assert docker.sh(script, flags=["--sysctl", "net.ipv4.ip_forward=1", "--sysctl", "kernel.shm_rmid_forced=1"]) == "1\n1"


def test_oom_score(docker):
    assert docker.sh("cat /proc/self/oom_score_adj", flags=["--oom-score-adj", "500"]) == "500"


# --- the root and its mounts ----------------------------------------------------------------------------------------

def test_read_only(docker):
    result = docker.run("sh", "-c", "echo x >/tmp/x || touch /x; echo y >/scratch/y && cat /scratch/y",
                        flags=["--read-only", "--tmpfs", "/scratch:rw,noexec,size=1m"])
    assert "Read-only file system" in result.err and result.out == "y\n"


def test_tmpfs(docker):
    line = docker.sh("grep ' /scratch ' /proc/mounts; stat -c %a /scratch", flags=["--tmpfs", "/scratch:size=2m,mode=1700,exec"])
    assert "tmpfs" in line and "size=2048k" in line and "noexec" not in line and line.endswith("1700")
    assert "size=3072k" in docker.sh("grep ' /dev/shm ' /proc/mounts", flags=["--shm-size", "3m"])
    assert "nosuid" in docker.sh("grep ' /s ' /proc/mounts", flags=["--mount", "type=tmpfs,destination=/s,tmpfs-size=1048576"])


@pytest.mark.core
def test_volumes(docker, here):
    (here / "file").write_text("of the host\n")
    try:
        docker.sh("echo kept >/data/f", flags=["-v", "kept:/data"])
        assert docker.sh("cat /data/f", flags=["-v", "kept:/data:ro"]) == "kept"
    finally:
        docker.call("volume", "rm", "kept")
    flags = ["-v", f"{here}:/dir", "-v", f"{here}/file:/etc/one:ro"]
    assert docker.sh("cat /dir/file /etc/one; echo x >/dir/new; echo x 2>/dev/null >/etc/one || echo ro", flags=flags
                     ) == "of the host\nof the host\nro"
    assert (here / "new").read_text() == "x\n"


@pytest.fixture
def shared(here):
    """A shared mount of the host."""
    top = here / "shared"
    top.mkdir()
    for words in (["-t", "tmpfs", "tmpfs"], ["--make-shared"]):
        subprocess.run(["mount", *words, str(top)], check=True)
    yield top
    subprocess.run(["umount", "-R", "-l", str(top)], check=True)


@pytest.mark.parametrize("mode, to_container, to_host", [("rshared", True, True), ("rslave", True, False), ("rprivate", False, False)])
def test_propagation(docker, shared, mode, to_container, to_host):
    for name in ("of_host", "of_container"):
        (shared / name).mkdir()
    container = docker.start(flags=["-v", f"{shared}:/v:{mode}", "--cap-add", "SYS_ADMIN", "--security-opt", "apparmor=unconfined"])
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(shared / "of_host")], check=True)
    assert (" /v/of_host " in docker.sh_in(container, "cat /proc/mounts")) is to_container
    docker.exec(container, "mount", "-t", "tmpfs", "tmpfs", "/v/of_container")
    assert os.path.ismount(shared / "of_container") is to_host
    docker.rm(container)


def test_recursive_read_only(docker, shared):
    (shared / "below").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(shared / "below")], check=True)
    mount = f"type=bind,source={shared},destination=/v,readonly,bind-propagation=rprivate"
    script = "touch /v/x 2>/dev/null || echo ro; touch /v/below/x 2>/dev/null || echo ro below"
    assert docker.sh(script, flags=["--mount", mount + ",bind-recursive=readonly"]) == "ro\nro below"
    assert docker.sh(script, flags=["--mount", mount + ",bind-recursive=writable"]) == "ro"


# --- namespaces --------------------------------------------------------------------------------------------------------

HOST_NAMESPACES = {"pid": ["--pid", "host"], "net": ["--network", "host"], "ipc": ["--ipc", "host"], "uts": ["--uts", "host"],
                   "cgroup": ["--cgroupns", "host"]}


def test_host_namespaces(docker):
    container = docker.start(flags=sum(HOST_NAMESPACES.values(), []))
    plain = docker.start()
    for kind in HOST_NAMESPACES:
        host, given, own = [os.readlink(f"/proc/{pid}/ns/{kind}") for pid in (
            docker.daemon.process.pid, docker.pid(container), docker.pid(plain))]
        assert given == host != own, kind
    docker.call("stop", "-t", "0", container)


def test_namespaces_of_another_container(docker):
    first = docker.start(flags=["--ipc", "shareable"])
    other = docker.start(flags=[f"--pid=container:{first}", f"--network=container:{first}", f"--ipc=container:{first}"])
    for kind in ("pid", "net", "ipc"):
        assert os.readlink(f"/proc/{docker.pid(first)}/ns/{kind}") == os.readlink(f"/proc/{docker.pid(other)}/ns/{kind}"), kind
    assert os.readlink(f"/proc/{docker.pid(first)}/ns/mnt") != os.readlink(f"/proc/{docker.pid(other)}/ns/mnt")
    assert docker.sh_in(other, "ps").count("sleep 1000") == 2
    docker.rm(other)
    assert docker.get(first, "{{.State.Status}}") == "running"


def test_a_container_dies_with_the_pid_namespace_that_it_joined(docker):
    first = docker.start()
    other = docker.start(flags=[f"--pid=container:{first}"])
    docker.call("kill", first)
    docker.wait_status(other, "exited")
    assert docker.get(other, "{{.State.ExitCode}}") == "137"


def test_in_the_host_pid_namespace_all_processes_end_with_the_container(docker):
    container = docker.start("sh", "-c", "sleep 4321 & exec sleep 4322", flags=["--pid", "host"])
    wait_until(lambda: docker.out("top", container).count("sleep 432") == 2, "both processes")
    docker.call("kill", container)
    docker.wait_status(container, "exited")
    wait_until(lambda: not with_word("4321"), "the other process to end")


def test_hosts_network(docker):
    """With Docker's own bridge: an address, a route, names."""
    script = "ip -4 addr show eth0 | grep -c inet; ip route | grep -c default; cat /etc/resolv.conf | wc -l >/dev/null; hostname -i"
    assert docker.sh(script, flags=["--network", "bridge"]).splitlines()[:2] == ["1", "1"]


def test_time_passes_alike(docker):
    assert abs(int(docker.sh("date +%s")) - time.time()) < 60
