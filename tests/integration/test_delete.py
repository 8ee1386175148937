"""delete: what create made is undone, and nothing that was not asked for."""
import os
import time

import pytest

import host
import rig
from rig import lacks


def stopped(container):
    c = container()
    c.up()
    c.kill("KILL")
    c.wait_status("stopped")
    return c


def test_delete_of_a_stopped_container(container, host_unchanged):
    c = stopped(container)
    result = c.delete()
    assert (result.out, result.err) == ("", "")
    assert c.state() is None
    assert not os.path.exists(host.cgroup_path(c.id))
    host_unchanged()


def test_delete_keeps_the_bundle_and_its_root(container):
    c = container()
    c.bundle.mount("/data", "tmpfs", "tmpfs")
    c.up()
    assert c.delete("--force").ok
    assert os.path.exists(c.bundle.config_file)
    assert os.path.exists(c.bundle.rootfs + "/bin/busybox")


def test_delete_of_a_running_container_is_refused(container):
    c = container()
    pid = c.up()
    result = c.delete(check=False)
    assert result.rc == 1
    assert f"cannot delete container {c.id} that is not stopped: running" in result.err
    assert c.status == "running" and host.alive(pid)


def test_delete_of_a_paused_container_is_refused(container):
    c = container()
    c.up()
    c.pause()
    result = c.delete(check=False)
    assert result.rc == 1
    assert "that is not stopped: paused" in result.err
    assert c.status == "paused"


def test_delete_of_a_created_container_ends_it(container, host_unchanged):
    c = container()
    c.create()
    pid = c.pid
    c.delete()
    host.wait_gone(pid)
    assert c.state() is None
    host_unchanged()


@pytest.mark.parametrize("flag", ["--force", "-f", "--force=true", "-force"])
def test_force_ends_a_running_container(container, host_unchanged, flag):
    c = container()
    pid = c.up()
    c.delete(flag)
    assert not host.alive(pid)
    assert c.state() is None
    host_unchanged()


def test_force_ends_a_program_that_ignores_signals(container, host_unchanged):
    c = container()
    c.bundle.sh('trap "" TERM INT HUP; echo ready; while :; do sleep 1; done')
    c.up()
    c.wait_stdout("ready\n")
    c.delete("--force")
    host_unchanged()


def test_force_ends_a_paused_container(container, host_unchanged):
    c = container()
    c.bundle.sh("sleep 1000 & sleep 1000")
    c.up()
    c.pause()
    c.delete("--force")
    host_unchanged()


def test_force_ends_every_process_without_a_pid_namespace(container, host_unchanged):
    rig.skip_if_leaves_cgroups()
    c = container()
    c.bundle.share_pid_namespace().sh("sleep 1000 & sleep 1001 & echo ready; wait")
    c.up()
    c.wait_stdout("ready\n")
    c.delete("--force")
    host_unchanged()


def test_delete_ends_what_init_left_behind(container, host_unchanged):
    rig.skip_if_leaves_cgroups()
    c = container()
    c.bundle.share_pid_namespace().sh("sleep 1000 & exit 0")
    c.up()
    c.wait_status("stopped")
    c.delete("--force")
    host_unchanged()


def test_delete_ends_a_process_in_a_child_cgroup(container, host_unchanged):
    c = container()
    pid = c.up()
    sub = host.cgroup_path(c.id + "/sub/deep")
    os.makedirs(sub)
    with open(sub + "/cgroup.procs", "w") as f:
        f.write(str(pid))
    c.delete("--force")
    host_unchanged()


def test_delete_removes_empty_child_cgroups(container, host_unchanged):
    c = container()
    c.up()
    for name in ("a", "a/b", "c"):
        os.mkdir(host.cgroup_path(f"{c.id}/{name}"))
    c.delete("--force")
    host_unchanged()


@lacks("runc", "a foreign process keeps the cgroup busy, and delete --force fails", below=(1, 2))
def test_force_ends_a_foreign_process_in_the_cgroup(container, host_unchanged):
    c = container()
    c.up()
    pid = os.fork()
    if pid == 0:
        while True:
            time.sleep(1000)
    with open(host.cgroup_path(c.id) + "/cgroup.procs", "w") as f:
        f.write(str(pid))
    try:
        c.delete("--force")
        host.wait_gone(pid)
    finally:
        host.kill_quietly(pid)
        host.reap_orphans()
    host_unchanged()


def test_delete_of_no_container(runtime, host_unchanged):
    result = runtime.run("delete", "nobody")
    assert result.rc == 1
    assert "does not exist" in result.err
    host_unchanged()


def test_force_of_no_container_succeeds(runtime, host_unchanged):
    result = runtime.run("delete", "--force", "nobody")
    assert (result.rc, result.out) == (0, "")
    host_unchanged()


def test_double_delete(container):
    c = stopped(container)
    c.delete()
    second = c.delete(check=False)
    assert second.rc == 1 and "does not exist" in second.err
    assert c.delete("--force").ok


def test_delete_leaves_other_containers_alone(container):
    first, second = container(), container()
    first.up()
    survivor = second.up()
    first.delete("--force")
    assert second.status == "running" and host.alive(survivor)


def test_an_id_can_be_used_again(container):
    c = container()
    for _ in range(3):
        c.up()
        c.delete("--force")
    assert c.state() is None


def test_one_id_may_be_the_start_of_another(container):
    c = container()
    longer = container(ident=c.id + "0")
    c.up()
    longer.up()
    c.delete("--force")
    assert longer.status == "running"


def test_delete_of_a_cgroup_that_is_gone(container, host_unchanged):
    c = stopped(container)
    os.rmdir(host.cgroup_path(c.id))
    c.delete()
    host_unchanged()
