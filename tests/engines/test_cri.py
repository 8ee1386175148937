"""Kubernetes' calls to containerd, by its gRPC socket: pods and containers of the handler under test, with both cgroup drivers."""
import os
import subprocess

import grpc
import pytest

import cri as api
from call import read, wait_until
from conftest import ROOT
from containerd import Containerd

MIB = 1 << 20
DRIVERS = ["cgroupfs", pytest.param("systemd", marks=pytest.mark.systemd)]


@pytest.fixture(scope="module", params=DRIVERS)
def containerd(request, installed, tmp_path_factory, oci_image, pause_image):
    made = Containerd(tmp_path_factory.mktemp("containerd"), os.path.join(ROOT, "tools", "engine-setup"), request.param).start()
    for archive in (oci_image, pause_image):
        made.ctr("-n", "k8s.io", "image", "import", archive)
    yield made
    made.remove()


@pytest.fixture
def cri(containerd, oci, nothing_left, here):
    made = api.Cri(containerd.socket, oci, containerd.driver, here)
    wait_until(lambda: answers(made), "the CRI plugin", 120)
    yield made
    made.end()


def answers(cri):
    try:
        cri.call("Version")
        return True
    except grpc.RpcError:
        return False


@pytest.mark.core
def test_pod_and_containers(cri, containerd, oci):
    pod = cri.pod()
    assert cri.call("PodSandboxStatus", id=pod)["status"]["runtime_handler"] == oci
    one = cri.start(pod, "sh", "-c", "echo $WORD; exec sleep 1000", envs=[{"key": "WORD", "value": "hello"}], working_dir="/tmp")
    other = cri.start(pod)
    assert cri.state(one) == cri.state(other) == api.RUNNING
    for kind in ("net", "ipc", "uts"):
        assert os.readlink(f"/proc/{cri.pid(one)}/ns/{kind}") == os.readlink(f"/proc/{cri.pid(other)}/ns/{kind}")
    assert os.readlink(f"/proc/{cri.pid(one)}/ns/pid") == os.readlink(f"/proc/{cri.pid(other)}/ns/pid"), "POD is the default"
    cgroup = read("/proc", cri.pid(one), "cgroup")
    assert ("wherrypods.slice/cri-containerd-" if containerd.driver == "systemd" else "/wherrypods/") + one in cgroup
    assert cri.exec(one, "sh", "-c", "pwd; echo err >&2; exit 3") == ("/tmp\n", "err\n", 3)
    cri.call("StopContainer", id=one, timeout=0)
    assert cri.finish(one) == 137
    cri.call("RemoveContainer", id=one)
    cri.remove(pod)


def test_exec_failures(cri):
    container = cri.start(cri.pod())
    with pytest.raises(grpc.RpcError) as failure:
        cri.exec(container, "no-such-program")
    assert "executable file not found in $PATH" in failure.value.details()
    with pytest.raises(grpc.RpcError) as failure:
        cri.exec(container, "sleep", "60", timeout=1)
    assert failure.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert cri.exec(container, "true") == ("", "", 0)


def test_logs_and_exit_status(cri, here):
    container = cri.start(cri.pod(), "sh", "-c", "echo out; echo err >&2; exit 9", log_path="the.log")
    assert cri.finish(container) == 9
    lines = [line.split(" ", 3)[1:] for line in (here / "the.log").read_text().splitlines()]
    assert sorted(lines) == [["stderr", "F", "err"], ["stdout", "F", "out"]]


def test_stop_is_a_signal_first(cri):
    container = cri.start(cri.pod(namespaces={"pid": api.CONTAINER}), "sh", "-c", "trap 'exit 7' TERM; while :; do sleep 0.1; done",
                          linux={"security_context": {"namespace_options": {"network": api.NODE, "pid": api.CONTAINER}}})
    cri.exec(container, "true")
    cri.call("StopContainer", id=container, timeout=60)
    assert cri.finish(container) == 7


@pytest.mark.core
@pytest.mark.controllers("memory", "cpu", "cpuset")
def test_limits_and_update(cri):
    limits = {"memory_limit_in_bytes": 64 * MIB, "memory_swap_limit_in_bytes": 64 * MIB, "cpu_quota": 50000, "cpu_period": 100000,
              "cpu_shares": 512, "oom_score_adj": 900, "cpuset_cpus": "0"}
    container = cri.start(cri.pod(), linux={"resources": limits})
    cgroup = "/sys/fs/cgroup" + read("/proc", cri.pid(container), "cgroup").split("0::")[1].strip()
    assert [read(cgroup, name).strip() for name in ("memory.max", "memory.swap.max", "cpu.max", "cpuset.cpus")] == [
        str(64 * MIB), "0", "50000 100000", "0"]
    assert read("/proc", cri.pid(container), "oom_score_adj").strip() == "900"
    cri.call("UpdateContainerResources", id=container, linux={"memory_limit_in_bytes": 128 * MIB, "cpu_quota": 20000, "cpu_period": 100000,
                                                               "memory_swap_limit_in_bytes": 128 * MIB})
    assert [read(cgroup, name).strip() for name in ("memory.max", "cpu.max")] == [str(128 * MIB), "20000 100000"]
    assert cri.call("ContainerStats", id=container)["stats"]["memory"]["working_set_bytes"]["value"] > 0


@pytest.mark.controllers("memory")
def test_out_of_memory_is_the_reason(cri):
    container = cri.start(cri.pod(), "tail", "/dev/zero", linux={"resources": {
        "memory_limit_in_bytes": 16 * MIB, "memory_swap_limit_in_bytes": 16 * MIB}})
    assert cri.finish(container) == 137
    assert cri.status(container)["reason"] == "OOMKilled"


def test_security_context(cri):
    context = {"capabilities": {"drop_capabilities": ["ALL"], "add_capabilities": ["CHOWN"]}, "readonly_rootfs": 1, "no_new_privs": 1,
               "run_as_user": {"value": 0}, "run_as_group": {"value": 10}, "supplemental_groups": [77],
               "masked_paths": ["/proc/keys"], "readonly_paths": ["/proc/sys"], "seccomp": {"profile_type": 0},
               "namespace_options": {"network": api.NODE, "pid": api.CONTAINER}}
    container = cri.start(cri.pod(), linux={"security_context": context})
    status = cri.sh(container, "cat /proc/1/status")
    values = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert int(values["CapEff"], 16) == 1 and values["NoNewPrivs"] == "1" and values["Seccomp"] == "2"
    assert cri.sh(container, "id -g; id -G; touch /x 2>/dev/null || echo ro; wc -c </proc/keys").split() == [
        "10", "10", "77", "ro", "0"]
    assert cri.sh(container, "cat /proc/1/cmdline").startswith("sleep")


def test_privileged(cri):
    pod = cri.pod(security_context={"privileged": 1})
    container = cri.start(pod, linux={"security_context": {"privileged": 1, "namespace_options": {"network": api.NODE}}})
    assert cri.sh(container, "mount -t tmpfs tmpfs /tmp && echo mounted; ls /dev/kmsg") == "mounted\n/dev/kmsg"


def test_host_namespaces(cri):
    pod = cri.pod(namespaces={"pid": api.NODE, "ipc": api.NODE})
    container = cri.start(pod, linux={"security_context": {"namespace_options": {"network": api.NODE, "pid": api.NODE, "ipc": api.NODE}}})
    for kind in ("pid", "ipc", "net"):
        assert os.readlink(f"/proc/{cri.pid(container)}/ns/{kind}") == os.readlink(f"/proc/self/ns/{kind}")


def test_the_pid_namespace_of_another_container(cri):
    pod = cri.pod(namespaces={"pid": api.CONTAINER})
    own = {"security_context": {"namespace_options": {"network": api.NODE, "pid": api.CONTAINER}}}
    target = cri.start(pod, linux=own)
    debugger = cri.start(pod, linux={"security_context": {"namespace_options": {
        "network": api.NODE, "pid": api.TARGET, "target_id": target}}})
    assert cri.sh(debugger, "ps").count("sleep 1000") == 2


def test_a_pod_in_a_user_namespace(cri):
    mapping = [{"host_id": 700000, "container_id": 0, "length": 65536}]
    userns = {"network": api.POD, "userns_options": {"mode": api.POD, "uids": mapping, "gids": mapping}}
    try:
        pod = cri.pod(namespaces=userns)
    except grpc.RpcError as error:
        if "network" in error.details() or "cni" in error.details().lower():
            pytest.skip("a pod in a user namespace needs a network plugin (CNI), which is not installed here")
        raise
    container = cri.start(pod, linux={"security_context": {"namespace_options": userns}})
    assert cri.sh(container, "cat /proc/self/uid_map").split() == ["0", "700000", "65536"]


def test_mounts(cri, here):
    (here / "below").mkdir()
    (here / "file").write_text("of the host\n")
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(here / "below")], check=True)
    try:
        container = cri.start(cri.pod(), mounts=[
            {"container_path": "/rw", "host_path": str(here)}, {"container_path": "/ro", "host_path": str(here), "readonly": 1},
            {"container_path": "/rro", "host_path": str(here), "readonly": 1, "recursive_read_only": 1}])
        found = cri.sh(container, "cat /rw/file; for d in rw rw/below ro rro rro/below; do touch /$d/x 2>/dev/null || echo $d; done")
        options = cri.info(container)["runtimeSpec"]["mounts"][-1]["options"]
        # containerd 1.7 does not know the field, and asks for ro alone
        assert found.splitlines() == ["of the host", "ro", "rro"] + (["rro/below"] if "rro" in options else [])
        cri.call("StopContainer", id=container, timeout=0)
    finally:
        subprocess.run(["umount", "-l", str(here / "below")], check=True)


def test_sysctls_and_devices(cri):
    pod = cri.pod(namespaces={"ipc": api.POD}, sysctls={"kernel.shm_rmid_forced": "1"})
    container = cri.start(pod, devices=[{"container_path": "/dev/given", "host_path": "/dev/null", "permissions": "rw"}])
    assert cri.sh(container, "cat /proc/sys/kernel/shm_rmid_forced; echo x >/dev/given && echo written") == "1\nwritten"


def test_a_program_that_is_missing(cri):
    pod = cri.pod()
    container = cri.create(pod, "/no/such/program")
    with pytest.raises(grpc.RpcError) as failure:
        cri.call("StartContainer", id=container)
    assert "/no/such/program" in failure.value.details() and "no such file or directory" in failure.value.details()
    assert cri.finish(container) in (127, 128)


def test_a_mount_that_is_missing(cri):
    with pytest.raises(grpc.RpcError) as failure:
        cri.start(cri.pod(), mounts=[{"container_path": "/etc/passwd/x", "host_path": "/tmp"}])
    assert "/etc/passwd/x" in failure.value.details()


def test_streaming_urls(cri):
    container = cri.start(cri.pod(), stdin=1)
    assert cri.call("Exec", id=container, cmd=["true"], stdout=1)["url"].startswith("http")
    assert cri.call("Attach", id=container, stdout=1)["url"].startswith("http")


def test_ten_pods(cri):
    pods = [cri.pod() for _ in range(10)]
    containers = [cri.start(pod) for pod in pods]
    assert [cri.state(c) for c in containers] == [api.RUNNING] * 10
