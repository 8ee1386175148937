"""What containers must not leave behind on the host: mounts, cgroups, state directories, processes of theirs."""
import os
import re
import time

RUNTIME_ROOTS = ("/run/docker/runtime-runc", "/run/containerd/runc", "/run/runc", "/run/wherry")


def cgroup_mount():
    """Where the cgroup v2 tree is."""
    with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
        return re.search(r"^\S+ \S+ \S+ / (\S+) .* - cgroup2 ", mounts.read(), re.M).group(1)


def take():
    return {"mount": _mounts(), "cgroup": _cgroups(), "state": _states(), "process": _processes()}


def _mounts():
    with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
        return {line.split()[4] for line in mounts if "/netns/" not in line}


def _cgroups():
    """Those of containers, by the names that engines give."""
    top = cgroup_mount()
    return {folder for folder, _, _ in os.walk(top)
            if re.search(r"docker|libpod-|conmon-|cri-containerd|kubepods|/default/|buildah", folder[len(top):])}


def _states():
    found = set()
    for root in RUNTIME_ROOTS:
        for folder, names, _ in os.walk(root):
            if folder.count("/") - root.count("/") <= 1:
                found |= {os.path.join(folder, name) for name in names}
    return {path for path in found if not re.search(r"/(moby|default|k8s\.io)$|/\.cache\b", path)}


def _processes():
    """Shims, monitors, runtimes."""
    found = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
                name = file.read().strip()
        except OSError:
            continue
        if re.match(r"containerd-shim|conmon|wherry|runc|\[?wherry|catatonit|docker-init", name) and not _keeps_namespaces(pid):
            found.add(f"{name} {pid}")
    return found


def _keeps_namespaces(pid):
    """An ordinary user's Podman has one process that is meant to stay: catatonit -P."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().split(b"\0")[1:2] == [b"-P"]
    except OSError:
        return True  # it has gone


def left(before, oci):
    now = take()
    if oci == "runc":  # it leaves the parents that it made
        now["cgroup"] = {path for path in now["cgroup"] if not re.search(r"/docker(/buildkit)?$", path)}
    return {kind: sorted(now[kind] - before[kind]) for kind in now if now[kind] - before[kind]}


def require_same(before, oci, timeout=15):
    """Engines clean up when the client has gone already: give them time."""
    deadline = time.monotonic() + timeout
    while left(before, oci) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not left(before, oci), f"left behind: {left(before, oci)}"
