"""What a test cannot do with a runtime, with an engine, or on this host: each by name, with the reason."""
import functools
import os
import re
import subprocess

import leftovers

# (runtime, of all versions or of one; test without its parameters): reason
RUNTIMES = {
    ("runc 1.1", "test_a_time_namespace_in_the_specification"): "knows no time namespace",
    ("runc 1.1", "test_an_idmapped_volume"): "has no idmapped mounts",
    ("runc", "test_keep_groups"): "knows no annotation that keeps the caller's groups",
    ("runc", "test_without_cgroups"): "makes no container without a cgroup",
    ("runc 1.1", "test_a_real_systemd_of_a_user"): "does not find a bind source below the tmpfs that it has put on the root's /run",
    ("runc 1.1", "test_a_limit_below_the_least_that_a_process_takes"): "may find the scope collected by then, and says only that",
    ("runc 1.1", "test_a_limit_of_an_ordinary_user_is_exceeded"): "refuses limits where it is not told of a cgroup that is the user's",
    ("runc 1.1", "test_a_full_disk"): "says '%!w(<nil>)' in place of the cause",
    ("runc", "test_the_cause_of_a_refusal"): "names CRIU's log in place of the cause",
    ("runc", "test_ctr_reports_the_cause"): "names CRIU's log in place of the cause",
    ("runc 1.1", "test_a_read_only_root"): "restores a read-only root as a writable one",
    ("runc 1.1", "test_tcp_established"): "restores into a network namespace whose loopback device is down",
    ("runc 1.1", "test_a_copy_s_cgroup"): "restores a copy into the cgroup of what was saved, which it makes anew and leaves behind",
}

# test without its parameters: the engine's command, and an option of it that older versions of the engine do not have
OPTIONS = {
    "test_tcp_close": ("podman container restore", "--tcp-close"),
}


def cause(item):
    """Why the test is left out, or None."""
    runtime = item.callspec.params.get("oci") if hasattr(item, "callspec") else None
    for name in names(runtime) if runtime else ():
        if (name, item.originalname) in RUNTIMES:
            return f"{name}: {RUNTIMES[name, item.originalname]}"
    if item.originalname in OPTIONS:
        command, option = OPTIONS[item.originalname]
        if option not in said(*command.split(), "--help"):
            return f"{said(command.split()[0], '--version').strip()}: there is no `{command} {option}`"
    for mark in item.iter_markers("controllers"):
        missing = set(mark.args) - controllers()
        if missing:
            return f"this host's cgroup v2 tree lacks the controllers {', '.join(sorted(missing))}"
    if item.get_closest_marker("systemd") and not os.path.isdir("/run/systemd/system"):
        return "systemd does not run here"
    return None


@functools.cache
def names(runtime):
    """The runtime's name, without and with its version."""
    version = re.search(r" version (\d+\.\d+)", said(runtime, "--version"))
    return [runtime, f"{runtime} {version.group(1)}"] if version else [runtime]


@functools.cache
def said(*argv):
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout


def controllers():
    with open(os.path.join(leftovers.cgroup_mount(), "cgroup.controllers"), encoding="utf-8") as file:
        return set(file.read().split())
