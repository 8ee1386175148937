"""What a test cannot do with a runtime, or on this host: each by name, with the reason."""
import os

import leftovers

# (runtime, test without its parameters): reason
RUNTIMES = {
    ("runc", "test_a_time_namespace_in_the_specification"): "1.1 knows no time namespace",
    ("runc", "test_an_idmapped_volume"): "1.1 has no idmapped mounts",
    ("runc", "test_keep_groups"): "knows no annotation that keeps the caller's groups",
    ("runc", "test_without_cgroups"): "makes no container without a cgroup",
    ("runc", "test_a_real_systemd_of_a_user"): "1.1 does not find a bind source below the tmpfs that it has put on the root's /run",
    ("runc", "test_a_full_disk"): "1.1 says '%!w(<nil>)' in place of the cause",
}


def cause(item):
    """Why the test is left out, or None."""
    runtime = item.callspec.params.get("oci") if hasattr(item, "callspec") else None
    if (runtime, item.originalname) in RUNTIMES:
        return f"{runtime}: {RUNTIMES[runtime, item.originalname]}"
    for mark in item.iter_markers("controllers"):
        missing = set(mark.args) - controllers()
        if missing:
            return f"this host's cgroup v2 tree lacks the controllers {', '.join(sorted(missing))}"
    if item.get_closest_marker("systemd") and not os.path.isdir("/run/systemd/system"):
        return "systemd does not run here"
    return None


def controllers():
    with open(os.path.join(leftovers.cgroup_mount(), "cgroup.controllers"), encoding="utf-8") as file:
        return set(file.read().split())
