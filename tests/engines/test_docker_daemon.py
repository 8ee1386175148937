"""What is the daemon's: both cgroup drivers, the default runtime and builds, userns-remap, live-restore, a specification as newer
versions write it, many containers."""
import json
import os
import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import leftovers
from call import read, wait_until
from conftest import ROOT
from docker import Docker


DRIVERS = ["cgroupfs", pytest.param("systemd", marks=pytest.mark.systemd)]


@pytest.mark.parametrize("driver", DRIVERS)
def test_cgroup_drivers(another, oci, driver):
    docker = Docker(another({"exec-opts": [f"native.cgroupdriver={driver}"]}), oci)
    assert docker.out("info", "--format", "{{.CgroupDriver}}") == driver
    limits = ["-m", "64m", "--pids-limit", "50"] if {"memory", "pids"} <= set(docker_controllers()) else []
    container = docker.start(flags=limits)
    cgroup = docker.cgroup(container)
    assert cgroup.endswith(f"docker-{container}.scope" if driver == "systemd" else f"docker/{container}")
    if limits:
        docker.call("update", "-m", "32m", "--memory-swap", "64m", container)
        assert read(cgroup, "memory.max").strip() == str(32 << 20)
    docker.exec(container, "true")
    docker.call("pause", container)
    docker.call("unpause", container)
    assert "sleep" in docker.out("top", container)
    docker.call("stop", "-t", "0", container)
    docker.call("start", container)
    docker.rm(container)
    assert not os.path.exists(cgroup)


def docker_controllers():
    return read(leftovers.cgroup_mount(), "cgroup.controllers").split()


DOCKERFILE = """FROM bb
ENV WORD=hello
RUN echo $WORD >/made && id -u >>/made
USER 1000
WORKDIR /srv/dir
RUN pwd >/tmp/pwd && ! touch /made 2>/dev/null
RUN exit 0
CMD ["sh", "-c", "cat /made /tmp/pwd; id -u"]
"""


def test_default_runtime_and_build(another, oci, here):
    docker = Docker(another({"default-runtime": oci}), oci)
    assert docker.out("info", "--format", "{{.DefaultRuntime}}") == oci
    (here / "Dockerfile").write_text(DOCKERFILE)
    docker.call("build", "--network", "none", "-t", "built", here, env={"DOCKER_BUILDKIT": "0"})
    container = docker.out("create", "--network", "none", "built")
    assert docker.get(container, "{{.HostConfig.Runtime}}") == oci
    assert docker.out("start", "-a", container) == "hello\n0\n/srv/dir\n1000"
    (here / "Dockerfile").write_text("FROM bb\nRUN exit 3\n")
    assert "returned a non-zero code: 3" in docker.call("build", "--network", "none", here, rc=3, env={"DOCKER_BUILDKIT": "0"}).all


LISTENS = """#!/bin/sh
echo "$*" >>CALLS
exec PROGRAM "$@"
"""


@pytest.mark.skipif(not os.path.exists("/usr/libexec/docker/cli-plugins/docker-buildx"),
                    reason="the package docker-buildx is not installed")
def test_buildkit(another, oci, program, here):
    """Docker's BuildKit does not look at the default runtime, but at a variable in its environment."""
    listener = here / "runtime"
    listener.write_text(LISTENS.replace("CALLS", str(here / "calls")).replace("PROGRAM", program))
    listener.chmod(0o755)
    name = re.search("^Environment=(.*?)=", read(ROOT, "tools/engines/docker-buildkit.conf"), re.M).group(1)
    docker = Docker(another({"features": {"buildkit": True}}, {name: str(listener)}), oci)
    (here / "Dockerfile").write_text(DOCKERFILE)
    build = ["build", "--network", "none", "--progress", "plain"]
    docker.call(*build, "-t", "kit", here, env={"DOCKER_BUILDKIT": "1"})
    assert docker.out("run", "--rm", *docker.flags([]), "kit") == "hello\n0\n/srv/dir\n1000"
    assert (here / "calls").read_text().count(" run --bundle ") == 3
    (here / "Dockerfile").write_text("FROM bb\nRUN exit 3\n")
    assert "exit code: 3" in docker.call(*build, here, rc=1, env={"DOCKER_BUILDKIT": "1"}).err
    (here / "Dockerfile").write_text("FROM bb\nRUN [\"no-such-program\"]\n")
    assert "executable file not found in $PATH" in docker.call(*build, here, rc=1, env={"DOCKER_BUILDKIT": "1"}).err


def test_userns_remap(another, oci):
    for name in ("subuid", "subgid"):
        text = read("/etc", name) if os.path.exists(f"/etc/{name}") else ""
        if "dockremap:" not in text:
            with open(f"/etc/{name}", "a", encoding="utf-8") as file:
                file.write("dockremap:700000:65536\n")
    docker = Docker(another({"userns-remap": "default"}), oci)
    container = docker.start(flags=["--tmpfs", "/t", "-v", "vol:/vol"])
    uid = int(read("/proc", docker.pid(container), "status").split("Uid:")[1].split()[0])
    assert uid >= 65536
    assert docker.sh_in(container, "id -u; touch /new /vol/new; stat -c %u /new /vol/new /etc/passwd") == "0\n0\n0\n0"
    assert docker.exec(container, "id", "-u", flags=["-u", "1000"]).out == "1000\n"
    docker.call("stop", "-t", "0", container)
    assert docker.sh("id -u", flags=["--userns", "host"]) == "0"


def test_live_restore(another, oci):
    one = another({"live-restore": True})
    docker = Docker(one, oci)
    container = docker.start("sh", "-c", "while :; do date +%N >/tmp/now; sleep 0.1; done", flags=["-i"])
    pid = docker.pid(container)
    one.stop()
    assert os.path.exists(f"/proc/{pid}")
    one.start()
    assert docker.pid(container) == pid and docker.get(container, "{{.State.Status}}") == "running"
    assert docker.exec(container, "cat", "/tmp/now").out
    docker.call("stop", "-t", "0", container)
    docker.call("start", container)
    docker.rm(container)


ADDS_TIME = """#!/bin/sh
# what Docker 29.5 and newer write: a time namespace
for argument in "$@"; do
	[ "$previous" != --bundle ] || bundle=$argument
	previous=$argument
done
if [ -n "$bundle" ]; then
	jq '.linux.namespaces += [{"type": "time"}]' "$bundle/config.json" >"$bundle/new" && cat "$bundle/new" >"$bundle/config.json"
fi
exec PROGRAM "$@"
"""


def test_a_time_namespace_in_the_specification(another, oci, program, here):
    wrapper = here / "runtime"
    wrapper.write_text(ADDS_TIME.replace("PROGRAM", program))
    wrapper.chmod(0o755)
    docker = Docker(another({"runtimes": {"timed": {"path": str(wrapper)}}}), "timed")
    container = docker.start()
    assert os.readlink(f"/proc/{docker.pid(container)}/ns/time") != os.readlink("/proc/self/ns/time")
    assert docker.exec(container, "echo", "inside").out == "inside\n"


@pytest.mark.long
def test_fifty_at_once(docker):
    with ThreadPoolExecutor(16) as pool:
        containers = list(pool.map(lambda n: docker.start("sh", "-c", f"echo {n}; exec sleep 1000"), range(50)))
        assert docker.out("ps", "-q").count("\n") == 49
        assert list(pool.map(lambda c: docker.out("logs", c), containers)) == [str(n) for n in range(50)]
        list(pool.map(lambda c: docker.call("kill", c), containers))
        list(pool.map(docker.rm, containers))


def memory_of(name):
    """Kilobytes of all processes of that name."""
    total = 0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if read("/proc", pid, "comm").strip() == name:
                total += int(read("/proc", pid, "smaps_rollup").split("Pss:")[1].split()[0])
        except (OSError, IndexError):
            pass
    return total


@pytest.mark.long
def test_five_hundred_starts_leave_nothing(docker):
    for _ in range(20):
        docker.run("true")
    before, memory, slab = leftovers.take(), memory_of("dockerd"), slabs()
    began = time.monotonic()
    for _ in range(500):
        docker.run("true")
    print(json.dumps({"seconds": time.monotonic() - began, "dockerd": [memory, memory_of("dockerd")], "slab": [slab, slabs()]}))
    leftovers.require_same(before, docker.runtime)
    wait_until(lambda: dying() < 100, "dead cgroups to go", 120)
    assert memory_of("dockerd") < memory + 100_000


def slabs():
    return int(read("/proc/meminfo").split("SUnreclaim:")[1].split()[0])


def dying():
    """Cgroups that the kernel still holds."""
    return int(read(leftovers.cgroup_mount(), "cgroup.stat").split("nr_dying_descendants")[1].split()[0])
