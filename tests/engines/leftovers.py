"""What containers must not leave behind on the host: mounts, cgroups, state directories, processes of theirs."""
import glob
import os
import re
import time

RUNTIME_ROOTS = ("/run/docker/runtime-runc", "/run/containerd/runc", "/run/runc", "/run/wherry", "/run/user/*/runc", "/run/user/*/wherry")
OF_CONTAINERS = re.compile(r"docker|libpod|conmon-|cri-containerd|kubepods|wherrypods|wherryquadlet|/default/|buildah")
"""Cgroups of containers, by the names that engines and these tests give."""
NOT_OURS = re.compile(r"/libpod_parent(/conmon)?$|/wherrypods(-deck)?\.slice$")
"""Podman's own, and slices, which systemd keeps."""
ENGINES_OWN = re.compile(r"containerd-shim|conmon|wherry|runc|\[?wherry|catatonit|docker-init")
"""Shims, monitors, runtimes: what no host has by itself."""
SERVICE = re.compile(r"/(init\.scope|system\.slice/[^/]+\.service|user\.slice/user-\d+\.slice/"
                     r"(session-\w+\.scope|user@\d+\.service/(init\.scope|(app|session)\.slice/[^/]+\.service)))(/udev)?")
"""The cgroup of a host's own service, of which systemd starts one at any moment."""
KERNEL_THREAD = 0x00200000


def cgroup_mount():
    """Where the cgroup v2 tree is."""
    with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
        return re.search(r"^\S+ \S+ \S+ / (\S+) .* - cgroup2 ", mounts.read(), re.M).group(1)


def take(*roots):
    """What is there now. roots: where a daemon of the tests' own has the runtime's states."""
    return {"roots": roots, "mount": _mounts(), "cgroup": _cgroups(), "state": states(*RUNTIME_ROOTS, *roots), "process": _processes()}


def _mounts():
    with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
        return {line.split()[4] for line in mounts if "/netns/" not in line}


def _cgroups():
    top = cgroup_mount()
    names = (folder[len(top):] for folder, _, _ in os.walk(top))
    return {top + name for name in names if OF_CONTAINERS.search(name) and not NOT_OURS.search(name)}


def states(*roots):
    """The directories of containers below a runtime's roots."""
    found = set()
    for root in (path for pattern in roots for path in glob.glob(pattern)):
        for folder, names, _ in os.walk(root):
            if folder.count("/") - root.count("/") <= 1:
                found |= {os.path.join(folder, name) for name in names}
    # of containerd's name spaces Docker has one more for each userns-remap
    return {path for path in found if not re.search(r"/(moby(-\d+\.\d+)?|default|k8s\.io)$|/\.cache\b", path)}


# --- processes ---------------------------------------------------------------------------------------------------------

def _processes():
    """All but the kernel's, those of the host's services, and our own with the daemons that we have started. On a host that others
    use, too, only those that are engines' by their name."""
    alone, ours, found = os.path.exists("/lab/job.json"), _cgroup_of("self"), set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            name, parents, flags = _stat(pid)
            cgroup = _cgroup_of(pid)
            kept = flags & KERNEL_THREAD or _keeps_namespaces(pid) or str(os.getpid()) in (pid, *parents)
        except OSError:
            continue  # it has gone
        of_host = cgroup != ours and SERVICE.fullmatch(cgroup) or not alone
        if not kept and (ENGINES_OWN.match(name) or not of_host):
            found.add(f"{name} {pid}")
    return found


def _stat(pid):
    """Its name, its parent and their parents, its flags."""
    parents = []
    name, parent, flags = _stat_line(pid)
    while parent not in ("0", "1", *parents):
        parents.append(parent)
        parent = _stat_line(parent)[1]
    return name, parents, flags


def _stat_line(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        begin, rest = file.read().rsplit(") ", 1)
    return begin.split(" (", 1)[1], rest.split()[1], int(rest.split()[6])


def _cgroup_of(pid):
    with open(f"/proc/{pid}/cgroup", encoding="utf-8", errors="replace") as file:
        return next((line[3:].rstrip() for line in file if line.startswith("0::")), "/")


def _keeps_namespaces(pid):
    """An ordinary user's Podman has one process that is meant to stay: catatonit -P."""
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        return file.read().split(b"\0")[1:2] == [b"-P"]


# --- before and after ----------------------------------------------------------------------------------------------------

def left(before, oci):
    now = take(*before["roots"])
    if oci == "runc":  # it leaves the parents that it made, and the cgroup that a copy of a container is restored into
        left_by_runc = re.compile(r"/docker(/buildkit)?$|/wherrypods(/deck)?$|/libpod-[0-9a-f]+(\.scope)?$")
        now["cgroup"] = {path for path in now["cgroup"] if not left_by_runc.search(path)}
    kinds = [kind for kind in now if kind != "roots"]
    return {kind: sorted(now[kind] - before[kind]) for kind in kinds if now[kind] - before[kind]}


def require_same(before, oci, timeout=15):
    """Engines clean up when the client has gone already: give them time."""
    deadline = time.monotonic() + timeout
    while left(before, oci) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not left(before, oci), f"left behind: {left(before, oci)}"
