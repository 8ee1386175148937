# SPDX-License-Identifier: Apache-2.0
"""Runs a container through an engine as it is set up, and finds out that it was wherry that ran it: the program that the
engine has in its configuration, and the one that a running container's monitor calls, are asked what they are. The image is
made here, of a static busybox: no registry is asked."""
import contextlib
import json
import os
import subprocess
import tempfile
import tomllib

import image
from change import Refused

NAME = "wherry-check"
IMAGE = "localhost/wherry-check:latest"
BUSYBOX = "/bin/busybox"
SAYS = "wherry runs here"
WAITS = (BUSYBOX, "sleep", "600")
RAN = "a container ran on wherry"


def run(engine, options):
    """Returns what was found out, in words; anything else is Refused."""
    return CHECKS[engine.name](options)


def call(*argv, text=None):
    """Calls a program of the engine; its failure is the check's, with its words."""
    try:
        done = subprocess.run(argv, input=text, capture_output=True, text=True, timeout=600)
    except FileNotFoundError as error:
        raise Refused(f"{argv[0]} is missing: install it, then check again") from error
    except subprocess.TimeoutExpired as expired:
        raise Refused(f"`{' '.join(argv)}` has not ended after {expired.timeout:g} s") from expired
    if done.returncode != 0:
        raise Refused(f"`{' '.join(argv)}` failed (exit status {done.returncode}): {(done.stderr or done.stdout).strip()}")
    return done.stdout


def clean(*argv):
    """Takes away what the check made, or would have made."""
    with contextlib.suppress(Refused):
        call(*argv)


def want(condition, said):
    if not condition:
        raise Refused(said)


def want_wherry(program, whose):
    """The program that an engine would call, or does, says what it is: a name says nothing."""
    said = call(program, "--version")
    want(said.startswith("wherry version "), f"{whose} is {program}, which is not wherry: it says '{said.partition(chr(10))[0]}'")


def want_said(said):
    want(said.strip() == SAYS, f"the container's output did not arrive: there was '{said.strip()}'")


def want_wherry_runs(pid):
    """Of a container that runs, by its first process: the runtime that its monitor calls."""
    program = monitor_calls(pid)
    if program:
        want_wherry(program, "the runtime of the container's monitor")


def monitor_calls(pid):
    """The runtime of the monitor, which is the parent: conmon is told it by its words, containerd's shim writes it into its
    directory. None where neither is found."""
    try:
        with open(f"/proc/{int(pid)}/stat", encoding="utf-8", errors="replace") as file:
            parent = file.read().rpartition(") ")[2].split()[1]
        with open(f"/proc/{parent}/cmdline", encoding="utf-8", errors="replace") as file:
            words = file.read().split("\0")
        if os.path.basename(words[0]) == "conmon":
            return next((words[at + 1] for at, word in enumerate(words[:-1]) if word in ("-r", "--runtime")), None)
        with open(f"/proc/{parent}/cwd/runtime", encoding="utf-8") as file:
            return file.read().strip() or None
    except (OSError, ValueError):
        return None


@contextlib.contextmanager
def archive(make):
    with tempfile.TemporaryDirectory(prefix="wherry-check-") as top:
        path = os.path.join(top, "image.tar")
        make(path)
        yield path


def docker(options):
    runtimes = json.loads(call("docker", "info", "--format", "{{json .Runtimes}}"))
    want("wherry" in runtimes, f"docker knows no runtime wherry, but {', '.join(runtimes)}: apply, then `systemctl reload docker`")
    path = runtimes["wherry"].get("path")
    want(path, "docker's runtime wherry has no path: apply, then `systemctl reload docker`")
    want_wherry(path, "docker's runtime wherry")
    runtime = [] if options.default else ["--runtime", "wherry"]
    with archive(image.rootfs_tar) as tar:
        call("docker", "import", tar, IMAGE)
    try:
        call("docker", "create", "--name", NAME, *runtime, IMAGE, *WAITS)
        used = call("docker", "inspect", "--format", "{{.HostConfig.Runtime}}", NAME).strip()
        want(used == "wherry", f"docker gave the container the runtime '{used}'")
        call("docker", "start", NAME)
        want_wherry_runs(call("docker", "inspect", "--format", "{{.State.Pid}}", NAME))
        want_said(call("docker", "exec", NAME, BUSYBOX, "echo", SAYS))
    finally:
        clean("docker", "rm", "--force", NAME)
        clean("docker", "rmi", "--force", IMAGE)
    return RAN


BUILDKIT = "DOCKER_BUILDKIT_RUNC_COMMAND"
BUILD = f"""FROM scratch AS build
ADD image.tar /
RUN ["{BUSYBOX}", "sh", "-c", "echo {SAYS} >/said"]
FROM scratch
COPY --from=build /said /said
"""


def docker_buildkit(_options):
    """BuildKit calls what the daemon had in its environment when it began."""
    pid = call("systemctl", "show", "--property", "MainPID", "--value", "docker.service").strip()
    want(pid not in ("", "0"), "docker.service does not run: `systemctl start docker`")
    with open(f"/proc/{pid}/environ", encoding="utf-8", errors="replace") as file:
        environment = dict(entry.partition("=")[::2] for entry in file.read().split("\0"))
    want(environment.get(BUILDKIT), f"the daemon's environment has no {BUILDKIT}: apply, then `systemctl daemon-reload` and "
                                    "`systemctl restart docker`")
    want_wherry(environment[BUILDKIT], BUILDKIT)
    with archive(image.rootfs_tar) as path:
        top = os.path.dirname(path)
        with open(os.path.join(top, "Dockerfile"), "w", encoding="utf-8") as file:
            file.write(BUILD)
        call("docker", "buildx", "build", "--builder", "default", "--no-cache", "--network", "none", "--output", f"{top}/out", top)
        with open(os.path.join(top, "out", "said"), encoding="utf-8") as file:
            want_said(file.read())
    return "the RUN step of a build ran on wherry"


def containerd_handler(config):
    """The table of the handler wherry, in which plugin ever this version has it."""
    for plugin in ("io.containerd.cri.v1.runtime", "io.containerd.grpc.v1.cri"):
        runtimes = config.get("plugins", {}).get(plugin, {}).get("containerd", {}).get("runtimes", {})
        if "wherry" in runtimes:
            return runtimes["wherry"]
    return None


def containerd(_options):
    """ctr knows no handlers, which are CRI's: it runs a container with the type and the options that the handler has."""
    handler = containerd_handler(tomllib.loads(call("containerd", "config", "dump")))
    want(handler, "containerd's configuration has no runtime wherry: apply, then `systemctl restart containerd`")
    kind, given = handler.get("runtime_type", ""), handler.get("options", {})
    want(kind.startswith("io.containerd.runc."), f"containerd's runtime wherry has the runtime_type '{kind}', which calls no runtime")
    binary = given.get("BinaryName") or "runc"
    want_wherry(binary, "the BinaryName of containerd's runtime wherry")
    flags = ["--runtime", kind, "--runc-binary", binary]
    if given.get("SystemdCgroup"):
        flags += ["--runc-systemd-cgroup", "--cgroup", f"system.slice:check:{NAME}"]
    with archive(lambda path: image.oci_archive(path, IMAGE)) as path:
        call("ctr", "image", "import", path)
    try:
        want_said(call("ctr", "run", "--rm", *flags, IMAGE, NAME, BUSYBOX, "echo", SAYS))
    finally:
        clean("ctr", "container", "rm", NAME)
        clean("ctr", "image", "rm", IMAGE)
    return RAN


def podman(options):
    runtime = [] if options.default else ["--runtime", "wherry"]
    want_wherry(call("podman", *runtime, "info", "--format", "{{.Host.OCIRuntime.Path}}").strip(), "podman's runtime")
    with archive(image.rootfs_tar) as path:
        call("podman", "import", path, IMAGE)
    try:
        call("podman", *runtime, "create", "--name", NAME, "--network", "none", "--stop-timeout", "0", IMAGE, *WAITS)
        used = call("podman", "inspect", "--format", "{{.OCIRuntime}}", NAME).strip()
        want(os.path.basename(used) == "wherry", f"podman gave the container the runtime '{used}'")
        call("podman", *runtime, "start", NAME)
        want_wherry_runs(call("podman", "inspect", "--format", "{{.State.Pid}}", NAME))
        want_said(call("podman", *runtime, "exec", NAME, BUSYBOX, "echo", SAYS))
    finally:
        clean("podman", "rm", "--force", NAME)
        clean("podman", "rmi", "--force", IMAGE)
    return RAN


def buildah(_options):
    environment = call("/bin/sh", "-c", "[ ! -f /etc/profile.d/wherry-buildah.sh ] || . /etc/profile.d/wherry-buildah.sh; "
                       "echo ${BUILDAH_RUNTIME-}").strip()
    want(environment, "BUILDAH_RUNTIME is not set: apply first")
    want_wherry(environment, "BUILDAH_RUNTIME")
    try:
        name = call("buildah", "from", "--name", NAME, "scratch").strip()
        with archive(image.rootfs_tar) as path:
            call("buildah", "add", name, path, "/")
        want_said(call("env", f"BUILDAH_RUNTIME={environment}", "buildah", "run", "--isolation", "oci", "--network", "none", name,
                       "--", BUSYBOX, "echo", SAYS))
    finally:
        clean("buildah", "rm", NAME)
    return RAN


def crio(options):
    table = tomllib.loads(call("crio", "config")).get("crio", {}).get("runtime", {})
    handler = table.get("runtimes", {}).get("wherry")
    want(handler is not None, "CRI-O's configuration has no runtime wherry: apply, then `systemctl restart crio`")
    want_wherry(handler.get("runtime_path") or "wherry", "the runtime_path of CRI-O's runtime wherry")
    with tempfile.TemporaryDirectory(prefix="wherry-check-") as top:
        pod = os.path.join(top, "pod.json")
        with open(pod, "w", encoding="utf-8") as file:  # a PID namespace of the pod's: else CRI-O makes no container for it
            json.dump({"metadata": {"name": NAME, "namespace": "default", "uid": NAME}, "log_directory": top,
                       "linux": {"security_context": {"namespace_options": {"pid": 0}}}}, file)
        sandbox = call("crictl", "runp", *([] if options.default else ["--runtime", "wherry"]), pod).strip()
        try:
            info = json.loads(call("crictl", "inspectp", "--output", "json", sandbox))
            used = info.get("status", {}).get("runtimeHandler") or table.get("default_runtime")
            want(used == "wherry", f"CRI-O gave the pod the runtime '{used}'")
            want_wherry_runs(info.get("info", {}).get("pid", 0))
            call("crictl", "stopp", sandbox)
        finally:
            clean("crictl", "rmp", "--force", sandbox)
    return "a pod's sandbox ran on wherry"


POD = """apiVersion: v1
kind: Pod
metadata:
  name: {name}
spec:
  runtimeClassName: wherry
  restartPolicy: Never
  containers:
  - name: check
    image: {image}
    command: ["echo", "{says}"]
"""


def kubernetes(_options):
    """The cluster knows a handler's name; what that is on a node, the check of the node's engine finds out."""
    which = os.environ.get("WHERRY_CHECK_IMAGE", "busybox")
    handler = call("kubectl", "get", "runtimeclass", "wherry", "--ignore-not-found", "--output", "jsonpath={.handler}").strip()
    want(handler == "wherry", f"the cluster has a RuntimeClass wherry with the handler '{handler}'" if handler
         else "the cluster has no RuntimeClass wherry: apply first")
    call("kubectl", "apply", "-f", "-", text=POD.format(name=NAME, image=which, says=SAYS))
    try:
        call("kubectl", "wait", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=300s", f"pod/{NAME}")
        want(call("kubectl", "logs", NAME).strip() == SAYS, "the pod's output did not arrive")
        node = call("kubectl", "get", "pod", NAME, "--output", "jsonpath={.spec.nodeName}").strip()
    finally:
        clean("kubectl", "delete", "pod", NAME, "--ignore-not-found")
    return (f"a pod of the RuntimeClass wherry ran on the node {node}; what the handler wherry is there, the check of its containerd "
            "or CRI-O says")


CHECKS = {"docker": docker, "docker-buildkit": docker_buildkit, "containerd": containerd, "podman": podman, "buildah": buildah,
          "crio": crio, "kubernetes": kubernetes}
