"""Kubernetes' calls to containerd, by its gRPC socket: pods and containers of the handler under test, with both cgroup drivers."""
import json
import os
import subprocess

import grpc
import pytest

import cri as api
from call import OVER_MEMORY, read, wait_until
from conftest import ROOT
from containerd import Containerd
from full_disk import full
from listener import LONG, Listener
from stream import STDERR, STDOUT

MIB = 1 << 20
START_ERROR = 128
"""containerd's exit status of a container that the runtime did not start, whatever the cause."""
LOCALHOST = 2
"""A seccomp profile in a file of the node's."""
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
    container = cri.start(cri.pod(), "sh", "-c", OVER_MEMORY, linux={"resources": {
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


@pytest.fixture
def network():
    """What a pod needs for a network of its own."""
    if not os.path.exists("/usr/lib/cni/ptp"):
        pytest.skip("Debian's containernetworking-plugins are not installed")


def test_a_pod_with_a_network_of_its_own(cri, network):
    pod = cri.pod(namespaces={"network": api.POD})
    container = cri.start(pod, linux={"security_context": {"namespace_options": {"network": api.POD}}})
    address = cri.call("PodSandboxStatus", id=pod)["status"]["network"]["ip"]
    assert address.startswith("10.78.0.") and address in cri.sh(container, "ip addr show eth0")
    assert os.readlink(f"/proc/{cri.pid(container)}/ns/net") != os.readlink("/proc/self/ns/net")


def test_a_pod_in_a_user_namespace(cri, network):
    """As a kubelet asks for it with hostUsers: false; a pod in the host's network may not have one."""
    mapping = [{"host_id": 700000, "container_id": 0, "length": 65536}]
    userns = {"network": api.POD, "userns_options": {"mode": api.POD, "uids": mapping, "gids": mapping}}
    pod = cri.pod(namespaces=userns)
    one, other = (cri.start(pod, linux={"security_context": {"namespace_options": userns}}) for _ in range(2))
    assert cri.sh(one, "cat /proc/self/uid_map /proc/self/gid_map").split() == ["0", "700000", "65536"] * 2
    assert cri.sh(one, "id -u; stat -c %u /etc/passwd; touch /x && stat -c %u /x").split() == ["0", "0", "0"]
    assert os.stat(f"/proc/{cri.pid(one)}").st_uid == 700000
    for kind in ("user", "net", "ipc"):
        assert os.readlink(f"/proc/{cri.pid(one)}/ns/{kind}") == os.readlink(f"/proc/{cri.pid(other)}/ns/{kind}"), kind


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
    assert cri.finish(container) == START_ERROR


def test_a_mount_below_a_file(cri):
    with pytest.raises(grpc.RpcError) as failure:
        cri.start(cri.pod(), mounts=[{"container_path": "/etc/passwd/x", "host_path": "/tmp"}])
    assert "/etc/passwd/x" in failure.value.details() and "not a directory" in failure.value.details().lower(), failure.value.details()


def test_a_bad_seccomp_profile(cri, here):
    """The profile of a node's file that names what is no action: containerd hands it on, and the runtime finds it."""
    (here / "p.json").write_text(json.dumps({"defaultAction": "SCMP_ACT_NONSENSE"}))
    with pytest.raises(grpc.RpcError) as failure:
        cri.start(cri.pod(), linux={"security_context": {"seccomp": {"profile_type": LOCALHOST, "localhost_ref": f"{here}/p.json"}}})
    assert "SCMP_ACT_NONSENSE" in failure.value.details() and "OCI runtime create failed" in failure.value.details()


def test_a_seccomp_profile_of_the_node(cri, here):
    (here / "p.json").write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}]}))
    container = cri.start(cri.pod(), linux={"security_context": {
        "seccomp": {"profile_type": LOCALHOST, "localhost_ref": f"{here}/p.json"}}})
    out, err, rc = cri.exec(container, "mkdir", "/x")
    assert rc != 0 and "not implemented" in err.lower(), (out, err, rc)


def test_a_program_that_cannot_be_executed(cri):
    container = cri.create(cri.pod(), "/etc/noexec")
    with pytest.raises(grpc.RpcError) as failure:
        cri.call("StartContainer", id=container)
    assert "permission denied" in failure.value.details() and "/etc/noexec" in failure.value.details()
    assert cri.finish(container) == START_ERROR


@pytest.mark.controllers("memory")
def test_a_limit_below_the_least_that_a_process_takes(cri):
    """Less memory than a process needs to begin with: no container, and words about memory."""
    container = cri.create(cri.pod(), linux={"resources": {"memory_limit_in_bytes": 4096, "memory_swap_limit_in_bytes": 4096}})
    with pytest.raises(grpc.RpcError) as failure:
        cri.call("StartContainer", id=container)
    assert "memory" in failure.value.details().lower(), failure.value.details()


def test_a_full_disk(cri):
    """At the pod, and at a container of a pod that runs."""
    with full("/run/containerd/runc/k8s.io"), pytest.raises(grpc.RpcError) as failure:
        cri.pod()
    assert "no space left on device" in failure.value.details().lower()
    pod = cri.pod()
    with full("/run/containerd/runc/k8s.io"), pytest.raises(grpc.RpcError) as failure:
        cri.start(pod)
    assert "no space left on device" in failure.value.details().lower()


def test_the_runtimes_words_arrive_whole(cri, containerd, program, here):
    """What it wrote into its log as the error: of a mount, of a mistake in the configuration, of an exec."""
    listener, pod = Listener(containerd.heard, program), cri.pod(handler="heard")
    (here / "p.json").write_text(json.dumps({"defaultAction": "SCMP_ACT_NONSENSE"}))
    for config in ({"mounts": [{"container_path": f"/etc/passwd/{LONG}", "host_path": "/tmp"}]},
                   {"linux": {"security_context": {"seccomp": {"profile_type": LOCALHOST, "localhost_ref": f"{here}/p.json"}}}}):
        with pytest.raises(grpc.RpcError) as failure:
            cri.start(pod, **config)
        assert listener.error("create") in failure.value.details()
    container = cri.start(pod)
    with pytest.raises(grpc.RpcError) as failure:
        cri.exec(container, LONG)
    assert listener.error("exec") in failure.value.details()


def test_handlers_side_by_side(cri, oci):
    """RuntimeClasses: a pod of each handler, one of none, which gets the node's default, and one of a handler that is not there."""
    pods = {handler: cri.pod(handler=handler) for handler in ("wherry", "runc", "")}
    containers = {handler: cri.start(pod) for handler, pod in pods.items()}
    assert {handler: os.path.basename(cri.runtime_of(pod)) for handler, pod in pods.items()} == {
        "wherry": "wherry", "runc": "runc", "": "wherry"}
    assert [cri.sh(container, "echo aye") for container in containers.values()] == ["aye"] * 3
    with pytest.raises(grpc.RpcError) as failure:
        cri.pod(handler="galley")
    assert "galley" in failure.value.details()


# --- streams -----------------------------------------------------------------------------------------------------------

def test_exec_by_a_stream(cri):
    container = cri.start(cri.pod())
    stream = cri.stream("Exec", container, stdin=1, cmd=["sh", "-c", "echo up; read x; echo got $x; echo err >&2; exit 5"])
    stream.wait_for("up\n")
    stream.write("this\n")
    assert stream.end() == 5
    assert (stream.seen[STDOUT], stream.seen[STDERR]) == ("up\ngot this\n", "err\n")
    assert cri.stream("Exec", container, cmd=["true"]).end() == 0


def test_exec_on_a_terminal_by_a_stream(cri):
    container = cri.start(cri.pod())
    script = "tty; until [ \"$(stty size)\" = '33 77' ]; do sleep 0.1; done; echo resized; read x; echo got $x; exit 3"
    stream = cri.stream("Exec", container, stdin=1, tty=1, cmd=["sh", "-c", script])
    stream.wait_for("/dev/pts/0")
    stream.resize(33, 77)
    stream.wait_for("resized")
    stream.write("this\n")
    assert stream.end() == 3 and "got this" in stream.seen[STDOUT]


def test_a_missing_program_by_a_stream(cri):
    container = cri.start(cri.pod())
    assert "executable file not found in $PATH" in cri.stream("Exec", container, cmd=["no-such-program"]).end()


@pytest.mark.parametrize("tty", [0, 1], ids=["pipes", "terminal"])
def test_attach_by_a_stream(cri, tty):
    """Who attaches sees what comes from then on, and speaks to the program; it outlives them."""
    container = cri.start(cri.pod(), "sh", "-c", "while read x; do echo got $x; done; exit 4", stdin=1, tty=tty)
    for word in ("one", "two"):
        stream = cri.stream("Attach", container, stdin=1, tty=tty)
        stream.write(f"{word}\n")
        stream.wait_for(f"got {word}")
        stream.close()
        assert cri.state(container) == api.RUNNING


def test_ten_pods(cri):
    pods = [cri.pod() for _ in range(10)]
    containers = [cri.start(pod) for pod in pods]
    assert [cri.state(c) for c in containers] == [api.RUNNING] * 10
