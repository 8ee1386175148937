"""The lab is the host that the other suites take it for."""
import os
import subprocess

import host
import rig

CONTROLLERS = "cpuset cpu io memory hugetlb pids rdma".split()


def _output(*argv):
    return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60).stdout


def test_systemd_runs_the_machine():
    assert os.readlink("/proc/1/exe").endswith("/systemd")
    assert _output("systemctl", "--failed", "--plain", "--no-legend") == ""


def test_cgroup_v2_is_alone_and_has_every_controller():
    assert host.cgroup2_mount() == "/sys/fs/cgroup"
    assert host.cgroup2_is_alone()
    with open("/sys/fs/cgroup/cgroup.controllers") as file:
        missing = set(CONTROLLERS) - set(file.read().split())
    assert not missing


def test_the_installed_wherry_and_its_twin_answer():
    assert rig.KIND == "wherry"
    twin = _output("/usr/local/libexec/wherry/wherry-dynamic", "--version")
    assert twin == _output("wherry", "--version")


def test_a_container_runs(container):
    c = container()
    c.bundle.sh("echo $((6 * 7)); cat /proc/self/cgroup")
    done = c.run(check=True)
    assert done.out.split() == ["42", "0::/"] or done.out.startswith("42\n0::/"), done


def test_the_peers_and_engines_are_there():
    for program in ("crun", "runc", "criu", "docker", "podman", "containerd", "redis-server"):
        assert _output(program, "--version")
