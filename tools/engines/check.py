# SPDX-License-Identifier: Apache-2.0
"""Runs a container through an engine as it is set up, and finds out that it was wherry that ran it. The image is made
here, of a static busybox: no registry is asked."""
import contextlib
import os
import shutil
import subprocess
import tempfile
import tomllib

import image
from change import Refused

NAME = "wherry-check"
IMAGE = "localhost/wherry-check:latest"
SAYS = "wherry runs here"


def run(engine, options):
    CHECKS[engine.name](options)
    print(f"{engine.name}: a container ran on wherry")


def call(*argv, text=None, fails=False):
    """Calls a program of the engine; its failure is the check's, with its words."""
    try:
        done = subprocess.run(argv, input=text, capture_output=True, text=True, timeout=600)
    except FileNotFoundError as error:
        raise Refused(f"{argv[0]} is missing: install it, then check again") from error
    if done.returncode != 0 and not fails:
        raise Refused(f"`{' '.join(argv)}` failed (exit status {done.returncode}): {(done.stderr or done.stdout).strip()}")
    return done.stdout


def want(condition, said):
    if not condition:
        raise Refused(said)


@contextlib.contextmanager
def archive(make):
    with tempfile.TemporaryDirectory(prefix="wherry-check-") as top:
        path = os.path.join(top, "image.tar")
        make(path)
        yield path


def docker(options):
    runtimes = call("docker", "info", "--format", "{{json .Runtimes}}")
    want('"wherry"' in runtimes, f"docker knows no runtime wherry, but {runtimes.strip()}: apply, then `systemctl reload docker`")
    with archive(image.rootfs_tar) as path:
        call("docker", "import", path, IMAGE)
    runtime = [] if options.default else ["--runtime", "wherry"]
    try:
        call("docker", "create", "--name", NAME, *runtime, IMAGE, "/bin/busybox", "echo", SAYS)
        used = call("docker", "inspect", "--format", "{{.HostConfig.Runtime}}", NAME).strip()
        want(used == "wherry", f"docker gave the container the runtime '{used}'")
        want(call("docker", "start", "--attach", NAME).strip() == SAYS, "the container's output did not arrive")
    finally:
        call("docker", "rm", "--force", NAME, fails=True)
        call("docker", "rmi", "--force", IMAGE, fails=True)


def containerd_handler(config):
    """The table of the handler wherry, in which plugin ever this version has it."""
    for plugin in ("io.containerd.cri.v1.runtime", "io.containerd.grpc.v1.cri"):
        runtimes = config.get("plugins", {}).get(plugin, {}).get("containerd", {}).get("runtimes", {})
        if "wherry" in runtimes:
            return runtimes["wherry"]
    return None


def containerd(options):
    """ctr knows no handlers, which are CRI's: it runs a container with the type and the options that the handler has."""
    handler = containerd_handler(tomllib.loads(call("containerd", "config", "dump")))
    want(handler, "containerd's configuration has no runtime wherry: apply, then `systemctl restart containerd`")
    given = handler.get("options", {})
    flags = ["--runtime", handler["runtime_type"], "--runc-binary", given.get("BinaryName", "")]
    if given.get("SystemdCgroup"):
        flags += ["--runc-systemd-cgroup", "--cgroup", f"system.slice:check:{NAME}"]
    with archive(lambda path: image.oci_archive(path, IMAGE)) as path:
        call("ctr", "image", "import", path)
    try:
        said = call("ctr", "run", "--rm", *flags, IMAGE, NAME, "/bin/busybox", "echo", SAYS)
        want(said.strip() == SAYS, "the container's output did not arrive")
    finally:
        call("ctr", "container", "rm", NAME, fails=True)
        call("ctr", "image", "rm", IMAGE, fails=True)


def podman(options):
    runtime = [] if options.default else ["--runtime", "wherry"]
    with archive(image.rootfs_tar) as path:
        call("podman", "import", path, IMAGE)
    try:
        call("podman", *runtime, "create", "--name", NAME, "--network", "none", IMAGE, "/bin/busybox", "echo", SAYS)
        used = call("podman", "inspect", "--format", "{{.OCIRuntime}}", NAME).strip()
        want(os.path.basename(used) == "wherry", f"podman gave the container the runtime '{used}'")
        want(call("podman", *runtime, "start", "--attach", NAME).strip() == SAYS, "the container's output did not arrive")
    finally:
        call("podman", "rm", "--force", NAME, fails=True)
        call("podman", "rmi", "--force", IMAGE, fails=True)


def buildah(options):
    name = ""
    environment = call("/bin/sh", "-c", "[ ! -f /etc/profile.d/wherry-buildah.sh ] || . /etc/profile.d/wherry-buildah.sh; "
                       "echo ${BUILDAH_RUNTIME-}").strip()
    want(os.path.basename(environment) == "wherry", "BUILDAH_RUNTIME does not name wherry: apply first")
    try:
        name = call("buildah", "from", "--name", NAME, "scratch").strip()
        with archive(image.rootfs_tar) as path:
            call("buildah", "add", name, path, "/")
        said = call("env", f"BUILDAH_RUNTIME={environment}", "buildah", "run", "--isolation", "oci", "--network", "none", name,
                    "--", "/bin/busybox", "echo", SAYS)
        want(said.strip() == SAYS, "the container's output did not arrive")
    finally:
        call("buildah", "rm", name or NAME, fails=True)


def crio(options):
    want("runtimes.wherry" in call("crio", "config"), "CRI-O's configuration has no runtime wherry: apply, then restart it")
    with tempfile.TemporaryDirectory(prefix="wherry-check-") as top:
        pod = os.path.join(top, "pod.json")
        with open(pod, "w", encoding="utf-8") as file:
            file.write('{"metadata": {"name": "%s", "namespace": "default", "uid": "%s"}, "log_directory": "%s", '
                       '"linux": {}}' % (NAME, NAME, top))
        sandbox = call("crictl", "runp", "--runtime", "wherry", pod).strip()
        call("crictl", "stopp", sandbox)
        call("crictl", "rmp", sandbox)


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


def kubernetes(options):
    which = os.environ.get("WHERRY_CHECK_IMAGE", "busybox")
    want("wherry" in call("kubectl", "get", "runtimeclass", "--output", "name"), "the cluster has no RuntimeClass wherry: apply first")
    call("kubectl", "apply", "-f", "-", text=POD.format(name=NAME, image=which, says=SAYS))
    try:
        call("kubectl", "wait", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=300s", f"pod/{NAME}")
        want(call("kubectl", "logs", NAME).strip() == SAYS, "the pod's output did not arrive")
    finally:
        call("kubectl", "delete", "pod", NAME, "--ignore-not-found", fails=True)


CHECKS = {name: globals()[name] for name in ("docker", "containerd", "podman", "buildah", "crio", "kubernetes")}
