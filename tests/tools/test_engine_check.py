"""tools/engine-setup --check with stand-ins for the engines' programs: what it asks them, and what it takes for wherry."""
import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SETUP = os.path.join(ROOT, "tools", "engine-setup")

RUNTIME = """#!/bin/sh
echo "NAME version 1.1.5"
"""
LOGS = """#!/bin/sh
echo "${0##*/} $*" >>"$TOP/log"
"""
ENGINES = {
    "docker": LOGS + """
case "$*" in
info*) echo "{\\"runc\\": {\\"path\\": \\"runc\\"}, \\"wherry\\": {\\"path\\": \\"$PROGRAM\\"}}" ;;
inspect*Runtime*) echo "${USED:-wherry}" ;;
inspect*Pid*) echo "${PID:-0}" ;;
exec*) echo "wherry runs here" ;;
esac
""",
    "podman": LOGS + """
case "$*" in
*info*) echo "$PROGRAM" ;;
*inspect*Runtime*) echo "${USED:-wherry}" ;;
*inspect*Pid*) echo "${PID:-0}" ;;
*exec*) echo "wherry runs here" ;;
esac
""",
    "containerd": LOGS + """
cat <<END
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.wherry]
  runtime_type = "${KIND:-io.containerd.runc.v2}"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.wherry.options]
    BinaryName = "$PROGRAM"
END
""",
    "ctr": LOGS + """
case $1 in
run) echo "wherry runs here" ;;
esac
""",
    "buildah": LOGS + """
case $1 in
from) echo wherry-check ;;
run) echo "wherry runs here" ;;
esac
""",
    "crio": LOGS + """
[ -z "$PROGRAM" ] || printf '[crio.runtime]\\ndefault_runtime = "wherry"\\n[crio.runtime.runtimes.wherry]\\nruntime_path = "%s"\\n' "$PROGRAM"
""",
    "crictl": LOGS + """
case $1 in
"$FAILS") echo "no answer" >&2; exit 1 ;;
runp)
	for pod; do :; done
	{ cat "$pod"; echo; } >>"$TOP/log"
	echo a1b2c3
	;;
inspectp) echo "{\\"status\\": {\\"runtimeHandler\\": \\"${USED-wherry}\\"}, \\"info\\": {\\"pid\\": ${PID:-0}}}" ;;
esac
""",
    "kubectl": LOGS + """
case $1 in
apply | delete) cat >>"$TOP/log" ;;
esac
case "$*" in
"get runtimeclass"*) echo "${HANDLER-wherry}" ;;
"get pod"*) echo node7 ;;
logs*) echo "wherry runs here" ;;
apply*) echo "runtimeclass.node.k8s.io/wherry created" ;;
esac
""",
    "systemctl": LOGS + """
echo "$DAEMON"
""",
}
BUILDX = LOGS + """
while [ $# -gt 1 ]; do
	[ "$1" != --output ] || out=$2
	shift
done
mkdir "$out"
cat "$out/../Dockerfile" >>"$TOP/log"
echo "wherry runs here" >"$out/said"
"""


def executable(path, text):
    path.write_text(text)
    path.chmod(0o755)
    return path


class Host:
    """A host with the stand-ins in its PATH, and a wherry and a runc that say no more than their names."""

    def __init__(self, top):
        self.top, self.log = top, top / "log"
        self.bin = top / "bin"
        self.bin.mkdir()
        for name, text in ENGINES.items():
            executable(self.bin / name, text)
        self.wherry = executable(top / "oci", RUNTIME.replace("NAME", "wherry"))
        self.runc = executable(top / "wherry", RUNTIME.replace("NAME", "runc"))
        """Of the same name as ours, to the letter."""

    def setup(self, engine, *flags, rc=0, **environment):
        values = {"TOP": self.top, "PROGRAM": self.wherry, "PATH": f"{self.bin}:{os.environ['PATH']}", **environment}
        done = subprocess.run([sys.executable, SETUP, engine, *flags], capture_output=True, text=True,
                              env=dict(os.environ, **{key: str(value) for key, value in values.items()}))
        assert done.returncode == rc, done
        assert (done.stderr == "") is (rc == 0) and "Traceback" not in done.stderr, done
        return done.stdout + done.stderr

    def check(self, engine, *flags, **kw):
        return self.setup(engine, "--check", *flags, **kw)

    def calls(self, program=None):
        return [line for line in self.log.read_text().splitlines() if program is None or line.startswith(f"{program} ")]


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


@pytest.fixture
def monitor(tmp_path):
    """Starts a process as its monitor starts a container's, by the monitor's name; the pid of the container's."""
    started = []

    def start(name, program):
        top = tmp_path / name
        top.mkdir()
        (top / "runtime").write_text("/no/such/program" if name == "conmon" else str(program))
        words = [name, "-c", "sleep 600 & echo $!; wait", "-r", str(program)]
        process = subprocess.Popen(words, executable="/bin/sh", cwd=top, stdout=subprocess.PIPE, text=True)
        started.append((process, int(process.stdout.readline())))
        return started[-1][1]

    yield start
    for process, child in started:
        os.kill(child, signal.SIGKILL)
        process.communicate()


ASKED = ["docker", "podman", "containerd", "crio", "buildah"]
"""Engines whose configuration names a program."""


def configuration(host, program):
    return {"PROGRAM": program, "BUILDAH_RUNTIME": program, "HOME": host.top}


@pytest.mark.parametrize("engine", ASKED)
def test_a_container_runs_and_is_taken_away(host, engine):
    said = host.check(engine, **configuration(host, host.wherry))
    assert said == f"{engine}: " + ("a pod's sandbox ran on wherry\n" if engine == "crio" else "a container ran on wherry\n")
    last = {"docker": "docker rmi", "podman": "podman rmi", "containerd": "ctr image rm", "crio": "crictl rmp", "buildah": "buildah rm"}
    assert host.calls()[-1].startswith(last[engine])


@pytest.mark.parametrize("engine", ASKED)
def test_the_name_of_wherry_is_not_taken_for_wherry(host, engine):
    """A runtime called wherry, of a program called wherry, which is runc."""
    said = host.check(engine, rc=1, **configuration(host, host.runc))
    assert f"is {host.runc}, which is not wherry: it says 'runc version 1.1.5'" in said
    assert not re.search("^(docker start|podman .*start|ctr run|crictl|buildah run)", host.log.read_text(), re.M) \
        if host.log.exists() else engine == "buildah"


@pytest.mark.parametrize("engine", ASKED)
def test_a_program_that_is_not_there_is_not_wherry(host, engine):
    assert "/no/wherry is missing" in host.check(engine, rc=1, **configuration(host, "/no/wherry"))


@pytest.mark.parametrize("engine, cause", [("docker", "has no path"), ("containerd", "is runc, which is not"), ("buildah", "BUILDAH_RUNTIME"),
                                           ("crio", "no runtime wherry")])
def test_a_configuration_without_a_program(host, engine, cause):
    executable(host.bin / "runc", host.runc.read_text())
    assert cause in host.check(engine, rc=1, **configuration(host, ""))


@pytest.mark.parametrize("engine, name", [("docker", "containerd-shim-runc-v2"), ("podman", "conmon"), ("crio", "conmon")])
def test_the_container_s_monitor_is_asked(host, monitor, engine, name):
    host.check(engine, PID=monitor(name, host.wherry))


@pytest.mark.parametrize("engine, name", [("docker", "containerd-shim-runc-v2"), ("podman", "conmon"), ("crio", "conmon")])
def test_a_container_whose_monitor_calls_another_is_not_wherry_s(host, monitor, engine, name):
    """The configuration has changed since the daemon read it, say."""
    assert "the runtime of the container's monitor" in host.check(engine, rc=1, PID=monitor(name, host.runc))
    last = {"docker": "docker rmi", "podman": "podman rmi", "crio": "crictl rmp"}
    assert host.calls()[-1].startswith(last[engine]), "it is taken away all the same"


@pytest.mark.parametrize("engine", ["docker", "podman", "crio"])
def test_a_container_of_another_runtime_is_not_wherry_s(host, engine):
    assert "the runtime 'crun'" in host.check(engine, rc=1, USED="crun")


def test_containerd_s_runtime_of_another_kind(host):
    assert "io.containerd.kata.v2" in host.check("containerd", rc=1, KIND="io.containerd.kata.v2")


# --- CRI-O ---------------------------------------------------------------------------------------------------------------

def test_crio_makes_a_sandbox_of_the_handler_and_removes_it(host):
    host.check("crio")
    runp, pod, inspect, stop, remove = host.calls()[1:]
    assert runp.startswith("crictl runp --runtime wherry ")
    assert json.loads(pod)["linux"]["security_context"]["namespace_options"]["pid"] == 0, "CRI-O makes no container for others"
    assert inspect.endswith(" a1b2c3") and (stop, remove) == ("crictl stopp a1b2c3", "crictl rmp --force a1b2c3")


def test_crio_s_default_is_asked_for_by_no_name(host):
    host.check("crio", "--default", USED="")
    assert "--runtime" not in host.calls()[1]


@pytest.mark.parametrize("verb", ["inspectp", "stopp"])
def test_crio_removes_the_sandbox_after_a_failure(host, verb):
    said = host.check("crio", rc=1, FAILS=verb)
    assert f"crictl {verb}" in said and "no answer" in said
    assert host.calls("crictl")[-1] == "crictl rmp --force a1b2c3"


def test_crio_without_a_sandbox_removes_none(host):
    assert "crictl runp" in host.check("crio", rc=1, FAILS="runp")
    assert len(host.calls("crictl")) == 1


# --- BuildKit ------------------------------------------------------------------------------------------------------------

@pytest.fixture
def daemon():
    """Starts what stands for dockerd, with these variables in its environment; its pid."""
    started = []

    def start(**variables):
        started.append(subprocess.Popen(["/bin/sleep", "600"], env={key: str(value) for key, value in variables.items()}))
        while not open(f"/proc/{started[-1].pid}/cmdline", "rb").read().startswith(b"/bin/sleep"):
            time.sleep(0.01)
        return started[-1].pid

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_buildkit_by_the_daemon_s_environment_and_a_build(host, daemon):
    executable(host.bin / "docker", BUILDX)
    said = host.check("docker-buildkit", DAEMON=daemon(DOCKER_BUILDKIT_RUNC_COMMAND=host.wherry))
    assert said == "docker-buildkit: the RUN step of a build ran on wherry\n"
    assert "docker buildx build" in host.log.read_text() and 'RUN ["' in host.log.read_text()


def test_buildkit_with_another_program(host, daemon):
    assert "which is not wherry" in host.check("docker-buildkit", rc=1, DAEMON=daemon(DOCKER_BUILDKIT_RUNC_COMMAND=host.runc))


def test_buildkit_of_a_daemon_that_has_not_read_it(host, daemon):
    assert "systemctl restart docker" in host.check("docker-buildkit", rc=1, DAEMON=daemon(A="b"))


@pytest.mark.parametrize("pid", ["", "0"])
def test_buildkit_without_a_daemon(host, pid):
    assert "does not run" in host.check("docker-buildkit", rc=1, DAEMON=pid)


# --- Kubernetes ----------------------------------------------------------------------------------------------------------

def test_kubernetes_applies_and_deletes_a_runtime_class(host):
    host.setup("kubernetes", "--apply")
    host.setup("kubernetes", "--undo")
    text = host.log.read_text()
    assert re.findall(r"^kubectl (apply|delete)\b", text, re.M) == ["apply", "delete"]
    assert text.count("handler: wherry\n") == 2


def test_kubernetes_check_runs_a_pod_of_that_class(host):
    said = host.check("kubernetes")
    assert "a pod of the RuntimeClass wherry ran on the node node7" in said and "ran on wherry" not in said
    assert "runtimeClassName: wherry" in host.log.read_text()
    assert host.calls()[-1].startswith("kubectl delete pod wherry-check")


@pytest.mark.parametrize("handler, cause", [("", "no RuntimeClass wherry"), ("runc", "with the handler 'runc'")])
def test_kubernetes_with_another_handler(host, handler, cause):
    assert cause in host.check("kubernetes", rc=1, HANDLER=handler)


@pytest.mark.parametrize("engine, program", [("docker", "docker"), ("containerd", "containerd"), ("podman", "podman"),
                                             ("crio", "crio"), ("kubernetes", "kubectl"), ("buildah", "BUILDAH_RUNTIME"),
                                             ("docker-buildkit", "systemctl")])
def test_without_the_engine_it_names_what_is_missing(host, engine, program):
    assert program in host.check(engine, rc=1, PATH="/usr/bin/nothing:/bin/nothing")
