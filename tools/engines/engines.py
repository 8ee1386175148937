# SPDX-License-Identifier: Apache-2.0
"""The engines that tools/engine-setup knows: where each reads its configuration, and the snippet that goes there."""
import dataclasses
import os
import re
import subprocess

HERE = os.path.dirname(os.path.realpath(__file__))
SNIPPET_PROGRAM = "/usr/sbin/wherry"  # as it stands in the snippets


@dataclasses.dataclass(frozen=True)
class Engine:
    name: str
    file: str  # what is changed; empty where the change is not a file's
    kind: str  # how: a row of change.KINDS
    snippet: str
    default_snippet: str = ""
    no_default: str = ""  # why there is no default_snippet
    activation: str = ""  # the command after which the engine uses it; several with " && " between them
    unit: str = ""  # the activation is for a unit of this name that is running
    user_file: str = ""  # for an ordinary user's engine, below XDG_CONFIG_HOME
    beside_default: str = ""  # what --default does not reach
    after_undo: str = ""  # what the activation does not take back


ENGINES = {engine.name: engine for engine in (
    Engine("docker", "/etc/docker/daemon.json", "json", "docker.json", "docker-default.json",
           activation="systemctl reload docker", unit="docker",
           beside_default="the RUN steps of BuildKit's builds (`docker build`) go to runc all the same: see docker-buildkit",
           after_undo="a daemon that runs knows the name wherry until `systemctl restart docker`, which ends its containers"),
    Engine("docker-buildkit", "/etc/systemd/system/docker.service.d/50-wherry.conf", "file", "docker-buildkit.conf",
           no_default="BuildKit knows one runtime: what is applied is its default",
           activation="systemctl daemon-reload && systemctl restart docker", unit="docker"),
    Engine("containerd", "/etc/containerd/config.toml", "block", "containerd-v2.toml",
           no_default="containerd's default is the key default_runtime_name of its own section: set it there by hand, or "
                      "name wherry in a pod's RuntimeClass",
           activation="systemctl restart containerd", unit="containerd"),
    Engine("podman", "/etc/containers/containers.conf.d/50-wherry.conf", "file", "podman.conf", "podman-default.conf",
           user_file="containers/containers.conf.d/50-wherry.conf"),
    Engine("crio", "/etc/crio/crio.conf.d/50-wherry.conf", "file", "crio.conf", "crio-default.conf",
           activation="systemctl restart crio", unit="crio"),
    Engine("kubernetes", "", "cluster", "kubernetes.yaml",
           no_default="a pod without a RuntimeClass gets the default of the node's containerd or CRI-O: set it there"),
    Engine("buildah", "/etc/profile.d/wherry-buildah.sh", "file", "buildah.sh",
           no_default="buildah knows one runtime: what is applied is its default",
           activation=". /etc/profile.d/wherry-buildah.sh   (or log in again)"),
)}


def snippet_of(engine, options, version=None):
    """The snippet as it goes into the file, with this host's wherry. version: of a containerd file that is there."""
    name = engine.default_snippet if options.default else engine.snippet
    if engine.name == "containerd":
        name = f"containerd-v{version or new_containerd_version(options)}.toml"
    with open(os.path.join(HERE, name), encoding="utf-8") as file:
        text = file.read().replace(SNIPPET_PROGRAM, options.wherry)
    if engine.name == "containerd" and options.cgroup_driver == "cgroupfs":
        text = text.replace("SystemdCgroup = true", "SystemdCgroup = false")
    return text


def new_containerd_version(options):
    """The version that a configuration made anew gets: 3 is understood by containerd 2.0 and newer."""
    if options.config_version:
        return options.config_version
    try:
        said = subprocess.run(["containerd", "--version"], capture_output=True, text=True, timeout=20).stdout
    except (OSError, subprocess.TimeoutExpired):
        return "2"
    found = re.search(r"\bv?(\d+)\.\d+", said)
    return "3" if found and int(found.group(1)) >= 2 else "2"
