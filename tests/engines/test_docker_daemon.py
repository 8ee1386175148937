"""What is the daemon's: both cgroup drivers, the default runtime and builds, userns-remap, live-restore, a specification as newer
versions write it, many containers."""
import contextlib
import json
import os
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import leftovers
from call import OVER_MEMORY, read, wait_until, with_word
from conftest import ROOT
from docker import RUNTIMES, Docker
from full_disk import full
from listener import Listener


DRIVERS = ["cgroupfs", pytest.param("systemd", marks=pytest.mark.systemd)]
LIMITS = [("memory", ["-m", "64m"], "memory.max", str(64 << 20)), ("pids", ["--pids-limit", "50"], "pids.max", "50"),
          ("cpu", ["--cpus", "0.5"], "cpu.max", "50000 100000"),
          ("cpuset", ["--cpuset-cpus", "0"], "cpuset.cpus", "0")]
"""A controller, Docker's flags, and what they write into a file."""


@pytest.mark.parametrize("driver", DRIVERS)
def test_cgroup_drivers(another, oci, driver):
    docker = Docker(another({"exec-opts": [f"native.cgroupdriver={driver}"]}), oci)
    assert docker.out("info", "--format", "{{.CgroupDriver}}") == driver
    limits = [row for row in LIMITS if row[0] in docker_controllers()]
    container = docker.start(flags=[flag for _, flags, _, _ in limits for flag in flags])
    cgroup = docker.cgroup(container)
    assert cgroup.endswith(f"docker-{container}.scope" if driver == "systemd" else f"docker/{container}")
    assert {file: read(cgroup, file).strip() for _, _, file, _ in limits} == {file: value for _, _, file, value in limits}
    if "memory" in docker_controllers():
        docker.call("update", "-m", "32m", "--memory-swap", "64m", container)
        assert read(cgroup, "memory.max").strip() == str(32 << 20)
        row = json.loads(docker.out("stats", "--no-stream", "--format", "{{json .}}", container))
        assert row["MemUsage"].endswith("/ 32MiB") and not row["MemUsage"].startswith("0B"), row
    docker.exec(container, "true")
    docker.call("pause", container)
    docker.call("unpause", container)
    assert "sleep" in docker.out("top", container)
    docker.call("stop", "-t", "0", container)
    docker.call("start", container)
    docker.rm(container)
    assert not os.path.exists(cgroup)
    exceeds_what_it_may(docker)
    of_the_host = docker.start("sh", "-c", "sleep 4323 & exec sleep 4324", flags=["--pid", "host"])
    wait_until(lambda: with_word("4323"), "the other process")
    docker.call("kill", of_the_host)
    docker.wait_status(of_the_host, "exited")
    wait_until(lambda: not with_word("4323"), "the other process to end")


def exceeds_what_it_may(docker):
    """One container, for a daemon takes its time: a device by a rule and one without, too many processes, too much memory."""
    limits = {"pids": ["--pids-limit", "20"], "memory": ["-m", "32m", "--memory-swap", "32m"]}  # runc starts with a few threads
    flags = ["--device-cgroup-rule", "c 1:7 rm"] + [flag for name in docker_controllers() for flag in limits.get(name, [])]
    has_limit = "memory" in docker_controllers()
    container = docker.start("sh", "-c", f"""mknod /tmp/full c 1 7 && head -c 1 /tmp/full | wc -c
        mknod /tmp/kmsg c 1 11 && cat /tmp/kmsg
        (for i in $(seq 30); do sleep 5 & done)
        {OVER_MEMORY if has_limit else "true"}""", flags=flags)
    assert docker.out("wait", container) == ("137" if has_limit else "0")
    assert docker.get(container, "{{.State.OOMKilled}}") == str(has_limit).lower()
    logs = docker.call("logs", container)
    assert logs.out == "1\n" and "can't open '/tmp/kmsg': Operation not permitted" in logs.err
    assert ("can't fork" in logs.err) == ("pids" in docker_controllers()), logs


@pytest.mark.parametrize("driver, parent, below", [
    ("cgroupfs", "/wherrypods/deck", "/wherrypods/deck/{}"),
    pytest.param("systemd", "wherrypods-deck.slice", "/wherrypods.slice/wherrypods-deck.slice/docker-{}.scope", marks=pytest.mark.systemd)])
def test_cgroup_parent(another, oci, driver, parent, below):
    docker = Docker(another({"exec-opts": [f"native.cgroupdriver={driver}"]}), oci)
    container = docker.start(flags=["--cgroup-parent", parent])
    cgroup = docker.cgroup(container)
    assert cgroup == leftovers.cgroup_mount() + below.format(container)
    assert str(docker.pid(container)) in read(cgroup, "cgroup.procs").split()
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


def test_default_runtime_and_build(another, oci, program, here):
    (here / "heard").mkdir()
    listener = Listener(here / "heard", program)
    with_words = {"with-words": {"path": listener.path, "runtimeArgs": ["--debug"]}}
    docker = Docker(another({"default-runtime": oci, "runtimes": RUNTIMES | with_words}), oci)
    assert docker.out("info", "--format", "{{.DefaultRuntime}}") == oci
    docker.call("run", "--rm", "--runtime", "with-words", "--network", "none", "bb", "true")
    assert listener.calls("--debug") > 0
    (here / "Dockerfile").write_text(DOCKERFILE)
    docker.call("build", "--network", "none", "-t", "built", here, env={"DOCKER_BUILDKIT": "0"})
    container = docker.out("create", "--network", "none", "built")
    assert docker.get(container, "{{.HostConfig.Runtime}}") == oci
    assert docker.out("start", "-a", container) == "hello\n0\n/srv/dir\n1000"
    unnamed = docker.out("run", "-d", "--network", "none", "bb", "sh", "-c", "trap 'exit 7' TERM; while :; do sleep 0.1; done")
    assert docker.get(unnamed, "{{.HostConfig.Runtime}}") == oci
    assert docker.exec(unnamed, "sh", "-c", "echo inside; exit 3", rc=3).out == "inside\n"
    docker.call("stop", unnamed)
    assert docker.get(unnamed, "{{.State.ExitCode}}") == "7"
    docker.call("start", unnamed)
    docker.call("kill", unnamed)
    docker.wait_status(unnamed, "exited")
    assert docker.get(unnamed, "{{.State.ExitCode}}") == "137"
    steps_that_fail(docker, oci, here)


NO_PROGRAM = 'exec: "no-such-program": executable file not found in $PATH'
NO_ROOM = {"wherry": "no space left on device", "runc": "unable to store init state"}
"""A runtime's words when it cannot write its state; runc 1.1 leaves the cause out."""


def steps_that_fail(docker, oci, here):
    """With Docker's own builder, which ends with 1 where a step's container did not start, and with the status of one that did. It
    cannot be asked for mounts, nor for a seccomp profile."""
    def fails(step, flags=(), rc=1):
        (here / "Dockerfile").write_text(f"FROM bb\nRUN {step}\n")
        return docker.call("build", "--network", "none", *flags, here, rc=rc, env={"DOCKER_BUILDKIT": "0"}).err

    assert "returned a non-zero code: 3" in fails("exit 3", rc=3)
    missing, forbidden = fails('["no-such-program"]'), fails('["/etc/noexec"]')
    with full(docker.daemon.states()):
        no_room = fails("true")
    for message, cause in ((missing, NO_PROGRAM), (forbidden, "permission denied"), (no_room, NO_ROOM[oci])):
        assert "OCI runtime create failed" in message and cause in message
    if "memory" in docker_controllers():
        assert "returned a non-zero code: 137" in fails("tail /dev/zero", ["-m", "16m", "--memory-swap", "16m"], rc=137)
    assert "security options are not supported" in fails("true", ["--security-opt", "seccomp=unconfined"])


@pytest.mark.skipif(not os.path.exists("/usr/libexec/docker/cli-plugins/docker-buildx"),
                    reason="the package docker-buildx is not installed")
def test_buildkit(another, oci, program, here):
    """Docker's BuildKit does not look at the default runtime, but at a variable in its environment. A build that fails ends with 1.
    It cannot be asked for limits of memory, nor for a seccomp profile."""
    (here / "heard").mkdir()
    listener = Listener(here / "heard", program)
    name = re.search("^Environment=(.*?)=", read(ROOT, "tools/engines/docker-buildkit.conf"), re.M).group(1)
    docker = Docker(another({"features": {"buildkit": True}}, {name: listener.path}), oci)
    (here / "Dockerfile").write_text(DOCKERFILE)
    build = ["build", "--network", "none", "--progress", "plain"]
    docker.call(*build, "-t", "kit", here, env={"DOCKER_BUILDKIT": "1"})
    assert listener.calls("run --bundle") == 3
    assert docker.out("run", "--rm", *docker.flags([]), "kit") == "hello\n0\n/srv/dir\n1000"

    def fails(step):
        (here / "Dockerfile").write_text(f"FROM bb\nRUN {step}\n")
        return docker.call(*build, here, rc=1, env={"DOCKER_BUILDKIT": "1"}).err

    assert "exit code: 3" in fails("exit 3")
    assert NO_PROGRAM in fails('["no-such-program"]')
    assert "permission denied" in fails('["/etc/noexec"]')
    mount = fails("--mount=type=tmpfs,target=/etc/passwd true")
    assert "/etc/passwd" in mount and "not a directory" in mount
    with full(f"/run/{oci}"):  # BuildKit gives no --root
        assert NO_ROOM[oci] in fails("true")


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
    container = docker.start("sh", "-c", "while :; do echo tick; sleep 0.2; done & while read x; do echo got $x; done", flags=["-i"])
    pid = docker.pid(container)
    one.stop()
    assert os.path.exists(f"/proc/{pid}")
    one.start()
    assert docker.pid(container) == pid and docker.get(container, "{{.State.Status}}") == "running"
    assert docker.exec(container, "echo", "inside").out == "inside\n"
    seen = docker.out("logs", container).count("tick")
    wait_until(lambda: docker.out("logs", container).count("tick") > seen, "its output to go on")
    terminal = docker.terminal("attach", container)
    terminal.write("words\n")
    terminal.wait_for("got words")
    assert "got words" in docker.out("logs", container)
    terminal.process.kill()
    terminal.end()
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
    """The second fifty need what the first have needed, and no more."""
    fifty_at_once(docker)
    with nothing_more(docker, OF_FIFTY):
        fifty_at_once(docker)


def fifty_at_once(docker):
    ready = threading.Barrier(50)

    def start(number):
        ready.wait(60)
        return docker.start("sh", "-c", f"echo {number}; exec sleep 1000", timeout=600)

    with ThreadPoolExecutor(50) as pool:
        containers = list(pool.map(start, range(50)))
        assert docker.out("ps", "-q").count("\n") == 49
        assert list(pool.map(lambda c: docker.out("logs", c), containers)) == [str(n) for n in range(50)]
        list(pool.map(lambda c: docker.call("stop", "-t", "0", c, timeout=600), containers))
        list(pool.map(lambda c: docker.call("rm", "-f", c, timeout=600), containers))


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
        start_and_stop(docker)
    with nothing_more(docker, OF_FIVE_HUNDRED):
        for _ in range(500):
            start_and_stop(docker)


@contextlib.contextmanager
def nothing_more(docker, more):
    """What is done here leaves nothing behind, and takes no memory for good. more: what it may take."""
    before, was, began = leftovers.take(docker.daemon.state_root()), usage(docker), time.monotonic()
    yield
    leftovers.require_same(before, docker.runtime)
    wait_until(lambda: dying() < 100, "dead cgroups to go", 120)
    now = usage(docker)
    print(json.dumps({"seconds": time.monotonic() - began, "before": was, "after": now, "dying": dying()}))
    assert {name: (was[name], now[name]) for name in was if now[name] > was[name] + more[name]} == {}


def start_and_stop(docker):
    container = docker.start()
    docker.call("stop", "-t", "0", container)
    docker.rm(container)


OF_FIVE_HUNDRED = {"dockerd": 100_000, "containerd": 50_000, "slab": 50_000, "/run": 2_000, "files": 20}
OF_FIFTY = dict(OF_FIVE_HUNDRED, **{"slab": 8_000, "/run": 200})
"""Kilobytes that may be in use more after the containers are gone, and files of states; the kernel's caches of one container that is kept
are some 200."""


def usage(docker):
    with open("/proc/sys/vm/drop_caches", "w", encoding="utf-8") as file:
        file.write("2")
    of_run = os.statvfs("/run")
    return {"dockerd": memory_of("dockerd"), "containerd": memory_of("containerd"),
            "slab": int(read("/proc/meminfo").split("SUnreclaim:")[1].split()[0]),
            "/run": (of_run.f_blocks - of_run.f_bfree) * of_run.f_frsize // 1024,
            "files": sum(len(names) for _, _, names in os.walk(docker.daemon.state_root()))}


def dying():
    """Cgroups that the kernel still holds."""
    return int(read(leftovers.cgroup_mount(), "cgroup.stat").split("nr_dying_descendants")[1].split()[0])
