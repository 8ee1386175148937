"""Limits in hard cases: what is in use, what is gone, what the kernel lacks, and how containers end under them."""
import contextlib
import os
import subprocess
import time

import pytest

import host
import rdma_device
from containers import assert_refused
from managers import cgroup_of, manager, read, update  # noqa: F401  manager is a fixture

MIB = 1 << 20
FILL = "dd if=/dev/zero of=/dev/shm/fill bs=1M count={} 2>/dev/null && echo filled; sleep 1000"


def _filled(manager, container, limit, mebibytes):  # noqa: F811
    """A container that holds that much of a tmpfs, which nothing but the OOM killer takes back."""
    c = container()
    c.bundle.set("linux.resources.memory", {"limit": limit})
    c.bundle.sh(FILL.format(mebibytes))
    manager.up(c)
    c.wait_stdout("filled", timeout=30)
    return c


@contextlib.contextmanager
def _cgroup(path):
    """A cgroup of the test's own, removed with what is below it."""
    top = host.cgroup_path(path)
    os.makedirs(top)
    try:
        yield top
    finally:
        with open(os.path.join(top, "cgroup.kill"), "w") as file:
            file.write("1")
        for directory, _, _ in os.walk(top, topdown=False):
            host.wait_until(lambda d=directory: _removed(d), f"cgroup {directory} to be removed")


def _removed(directory):
    with contextlib.suppress(OSError):
        os.rmdir(directory)
    return not os.path.exists(directory)


def _write(top, name, text):
    with open(os.path.join(top, name), "w") as file:
        file.write(text)


# --- in use --------------------------------------------------------------------------------------------------


def test_check_before_update_refuses_what_is_in_use(manager, container):  # noqa: F811
    c = _filled(manager, container, 96 * MIB, 32)
    result = update(c, {"memory": {"limit": 16 * MIB, "checkBeforeUpdate": True}}, check=False)
    assert result.rc == 1 and "memory.limit" in result.err, result
    assert read(c, "memory.max") == str(96 * MIB)
    assert c.status == "running"
    update(c, {"memory": {"limit": 64 * MIB, "checkBeforeUpdate": True}})
    assert read(c, "memory.max") == str(64 * MIB)


def test_a_limit_below_what_is_in_use_kills_and_is_reported(manager, container):  # noqa: F811
    """Without the check the kernel makes room, by its OOM killer in the end; the write itself succeeds."""
    c = _filled(manager, container, 96 * MIB, 32)
    path = cgroup_of(c)
    update(c, {"memory": {"limit": 4 * MIB}}, check=False)
    c.wait_status("stopped")
    if manager.name == "systemd" and not os.path.exists(path):
        return  # systemd removes a scope with its last process
    with open(os.path.join(path, "memory.events")) as events:
        counts = dict(line.split() for line in events)
    assert int(counts["oom_kill"]) > 0, counts


def test_pids_below_what_runs_stops_new_ones_only(manager, container):  # noqa: F811
    c = container()
    c.bundle.sh("for i in 1 2 3 4 5; do sleep 1000 & done; echo up; wait")
    manager.up(c)
    c.wait_stdout("up")
    update(c, {"pids": {"limit": 2}})
    assert read(c, "pids.max") == "2"
    assert int(read(c, "pids.current")) == 6
    assert c.status == "running"
    assert c.exec("true").rc != 0


# --- out of memory and of processes -----------------------------------------------------------------------------


def test_a_container_that_runs_out_of_memory_ends_by_sigkill(manager, container):  # noqa: F811
    c = manager.prepare(container())
    c.bundle.set("linux.resources.memory", {"limit": 16 * MIB, "swap": 16 * MIB})
    c.bundle.args("dd", "if=/dev/zero", "of=/dev/null", "bs=64M", "count=1")
    assert c.run(options=manager.options).rc == 128 + 9


def test_a_limit_too_small_to_start_in_is_named(manager, container):  # noqa: F811
    """systemd removes a scope with its last process, and its counts with it: there the signal is all that is known."""
    word = "out of memory, linux.resources.memory.limit is too low" if manager.name == "cgroupfs" else "init"
    for kib in (4, 16, 64):
        c = manager.prepare(container())
        c.bundle.set("linux.resources.memory", {"limit": kib << 10, "swap": kib << 10})
        assert_refused(c, word, options=manager.options)


def test_a_fork_bomb_stays_within_pids_limit_and_dies_at_once(manager, container):  # noqa: F811
    c = container()
    c.bundle.set("linux.resources.pids", {"limit": 64})
    c.bundle.sh("bomb() { while :; do bomb & done; }; echo lit; bomb 2>/dev/null")
    manager.up(c, stderr=subprocess.DEVNULL)
    path = cgroup_of(c)
    host.wait_until(lambda: read(c, "pids.events") != "max 0", "the bomb to hit the limit", 20)
    assert int(read(c, "pids.peak")) <= 64
    began = time.monotonic()
    c.kill("KILL", flags=["--all"])
    host.wait_until(lambda: _empty(path), "the bomb to be gone", 20)
    assert time.monotonic() - began < 1.5  # one second, and the emulation's share
    c.delete()


def _empty(path):
    host.reap_orphans()
    try:
        with open(os.path.join(path, "cgroup.events")) as file:
            return "populated 0" in file.read()
    except FileNotFoundError:
        return True


def test_delete_waits_for_what_dies_slowly(manager, container, host_unchanged):  # noqa: F811
    """Much memory to give back, in many processes, some of them in cgroups below."""
    c = container()
    c.bundle.namespace("cgroup").mount("/sys/fs/cgroup", "cgroup", "cgroup", ["nosuid", "noexec", "nodev", "rw"])
    c.bundle.sh("for i in 1 2 3 4; do mkdir -p /sys/fs/cgroup/$i/deep; "
                "sh -c 'echo $$ >/sys/fs/cgroup/'$i'/deep/cgroup.procs; x=$(dd if=/dev/zero bs=1M count=24 | tr \"\\0\" x); "
                "echo up; sleep 1000' & done; wait")
    manager.up(c)
    path = cgroup_of(c)
    host.wait_until(lambda: c.stdout().count("up") == 4, "four processes with memory", 60)
    c.delete("--force")
    assert not os.path.exists(path)


def test_rdma_stays_within_its_limits(manager, container, rdma, helper):  # noqa: F811
    """What is refused is the kernel's EAGAIN; an update counts for what is asked for from then on."""
    c = container()
    c.bundle.set("linux.resources.rdma", {rdma: {"hcaHandles": 2, "hcaObjects": 3}})
    user = rdma_device.use(c, helper)
    manager.up(c)
    assert c.wait_stdout("objects") == ("handles 2, Resource temporarily unavailable\n"
                                        "objects 3, Resource temporarily unavailable\n")
    assert f"{rdma} hca_handle=2 hca_object=3" in read(c, "rdma.current").splitlines()
    update(c, {"rdma": {rdma: {"hcaHandles": 3, "hcaObjects": 7}}})
    assert c.exec(*user, "leave", check=True).out == ("handles 1, Resource temporarily unavailable\n"
                                                      "objects 4, Resource temporarily unavailable\n")
    update(c, {"rdma": {rdma: {"hcaHandles": 1}}})
    assert c.exec(*user, "leave", check=True).out.startswith("handles 0, Resource temporarily unavailable\n")
    assert f"{rdma} hca_handle=1 hca_object=7" in read(c, "rdma.max").splitlines() and c.status == "running"


# --- what is gone or was never there ------------------------------------------------------------------------------


def test_io_max_of_a_device_that_is_gone(manager, container):  # noqa: F811
    subprocess.run(["modprobe", "null_blk", "nr_devices=1", "gb=1"], check=True, timeout=60)
    number = os.stat("/dev/nullb0").st_rdev
    throttle = [{"major": os.major(number), "minor": os.minor(number), "rate": MIB}]
    c = container()
    c.bundle.set("linux.resources.blockIO", {"throttleReadBpsDevice": throttle})
    manager.up(c)
    subprocess.run(["modprobe", "-r", "null_blk"], check=True, timeout=60)
    host.wait_until(lambda: not os.path.exists("/dev/nullb0"), "the device to go")
    # what is about others can still be changed, and the container can be deleted
    update(c, {"pids": {"limit": 20}})
    result = update(c, {"pids": {"limit": 30}, "blockIO": {"throttleReadBpsDevice": throttle}}, check=False)
    assert result.rc == 1 and "throttleReadBpsDevice[0]" in result.err, result
    assert read(c, "pids.max") == "20"
    late = manager.prepare(container())
    late.bundle.set("linux.resources.blockIO", {"throttleReadBpsDevice": throttle})
    assert_refused(late, "throttleReadBpsDevice[0]", options=manager.options)


@pytest.mark.parametrize("resources, words", [
    ({"hugepageLimits": [{"pageSize": "512KB", "limit": 0}]}, ["hugepageLimits[0]", "hugetlb.512KB.max"]),
    ({"rdma": {"mlx5_1": {"hcaHandles": 3}}}, ["rdma.mlx5_1"]),
    ({"unified": {"memory.no_such": "1"}}, ["unified.memory.no_such"]),
    ({"unified": {"no_such.max": "1"}}, ["unified.no_such.max"]),
    ({"unified": {"memory/max": "1"}}, ["unified", "memory/max"]),
    ({"unified": {"pids.max": "many"}}, ["unified.pids.max"]),
    ({"cpu": {"cpus": "7"}}, ["cpu.cpus"]),
    ({"cpu": {"mems": "9"}}, ["cpu.mems"]),
    ({"cpu": {"quota": 10}}, ["cpu.quota"]),
    ({"cpu": {"quota": 5000, "period": 2000000}}, ["cpu."]),
    ({"cpu": {"quota": 5000, "burst": 6000}}, ["cpu.burst"]),
    ({"network": {"classID": 9}}, ["network.classID"]),
    ({"network": {"priorities": [{"name": "lo", "priority": 2}]}}, ["network.priorities"]),
], ids=str)
def test_what_the_kernel_refuses_is_named(manager, container, resources, words):  # noqa: F811
    c = manager.prepare(container())
    c.bundle.set("linux.resources", resources)
    assert_refused(c, *words, options=manager.options)


# --- where a cgroup may be ------------------------------------------------------------------------------------------


def test_no_limits_below_a_cgroup_with_processes(container):
    """cgroup v2 has no internal processes."""
    c = container()
    with _cgroup("/" + c.id) as top:
        sleeper = subprocess.Popen(["sleep", "1000"])
        _write(top, "cgroup.procs", str(sleeper.pid))
        c.bundle.set("linux.cgroupsPath", f"/{c.id}/inner").set("linux.resources.memory", {"limit": 64 * MIB})
        assert_refused(c, "memory.limit", f"/{c.id}", "holds processes itself")
        sleeper.kill()
        sleeper.wait()


def test_no_memory_limit_in_a_threaded_domain(container):
    c = container()
    with _cgroup("/" + c.id) as top:
        os.mkdir(os.path.join(top, "threads"))
        _write(top, "threads/cgroup.type", "threaded")
        c.bundle.set("linux.cgroupsPath", f"/{c.id}/threads/inner").set("linux.resources.memory", {"limit": 64 * MIB})
        assert_refused(c, "memory.limit", f"/{c.id}'", "threaded")


def test_no_container_in_an_invalid_domain(container):
    """A cgroup made beside threaded ones is none that a process may enter, until it is made threaded as well."""
    c = container()
    with _cgroup("/" + c.id) as top:
        os.mkdir(os.path.join(top, "threads"))
        _write(top, "threads/cgroup.type", "threaded")
        c.bundle.set("linux.cgroupsPath", f"/{c.id}/threads/inner")
        assert_refused(c, f"/{c.id}/threads/inner", "threaded")


@pytest.mark.parametrize("path, place", [("/{}/deep", "/{}/deep"), ("{}", "/system.slice/{}"), ("a{}/b", "/system.slice/a{}/b")])
def test_absolute_and_relative_paths(container, path, place):
    """A relative one is beside the caller's own cgroup, which is a service's."""
    c = container()
    c.bundle.set("linux.cgroupsPath", path.format(c.id)).set("linux.resources.pids", {"limit": 9})
    c.up()
    assert host.cgroup_of(c.pid) == place.format(c.id)
    assert read(c, "pids.max") == "9"


def test_a_frozen_cgroup_is_refused(container):
    c = container()
    with _cgroup("/" + c.id) as top:
        _write(top, "cgroup.freeze", "1")
        c.bundle.set("linux.cgroupsPath", "/" + c.id)
        assert_refused(c, "frozen")


def test_the_containers_own_limits_hold_in_what_it_delegates(manager, container):  # noqa: F811
    """With a cgroup namespace and a writable mount the container enables controllers for cgroups of its own."""
    c = container()
    c.bundle.namespace("cgroup").mount("/sys/fs/cgroup", "cgroup", "cgroup", ["nosuid", "noexec", "nodev", "rw"])
    c.bundle.set("linux.resources.memory", {"limit": 64 * MIB}).set("linux.resources.pids", {"limit": 50})
    manager.up(c)
    script = ("cd /sys/fs/cgroup && mkdir init inner && echo 1 >init/cgroup.procs && echo $$ >init/cgroup.procs && "
              "echo '+memory +pids' >cgroup.subtree_control && echo 7 >inner/pids.max && cat inner/pids.max; "
              "cat memory.max 2>/dev/null || echo none")
    assert c.sh(script).split()[:1] == ["7"]
    assert read(c, "../memory.max") == str(64 * MIB)
