# SPDX-License-Identifier: Apache-2.0
"""That the benchmark's own programs do what its figures rest on. No figure is taken here."""
import os
import re
import tempfile

from command import ROOT, run


def bench(report):
    with tempfile.TemporaryDirectory(prefix="wherry-bench-test-") as top:
        for name in ("floor", "sequence", "levers"):
            done = run(["gcc", "-static", "-O1", "-Wall", "-Wextra", "-Werror", "-o", os.path.join(top, name),
                        os.path.join(ROOT, "tests", "bench", f"{name}.c")], 120)
            report.check(f"bench: {name} compiles", done.problems())
            if not done.ok:
                return
        _sequence(report, os.path.join(top, "sequence"), os.path.join(top, "peak"))
        _floor(report, os.path.join(top, "floor"), os.path.join(top, "rootfs"))
    listed = run(["tests/bench/run", "--help"], 60)
    report.check("bench: run --help", listed.problems())


def _sequence(report, sequence, peak):
    done = run([sequence, "--count", "3", "--peak", peak, "echo", "first-{}", "+", "echo", "then"], 60)
    lines = done.output.split()
    report.check("bench: sequence runs its commands in order", [] if done.ok and sorted(lines[:3]) == [
        "first-0", "first-1", "first-2"] and lines[3:] == ["then"] * 3 else [done.output])
    with open(peak) as file:
        kib = int(file.read())
    report.check("bench: sequence reports the peak of a command", [] if 100 < kib < 100000 else [f"{kib} KiB"])
    report.check("bench: sequence fails with its command", [] if not run([sequence, "false"], 60).ok else ["it did not"])


def _floor(report, floor, rootfs):
    obstacle, cgroup = _cgroup()
    if obstacle:
        report.skips("bench: floor", obstacle)
        return
    for name in ("bin", "proc", "dev", "sys"):
        os.makedirs(os.path.join(rootfs, name))
    run(["cp", "/bin/busybox", os.path.join(rootfs, "bin")], 60)
    for option in ([], ["--whole"]):
        name = " ".join(["floor"] + option)
        done = run([floor] + option + [cgroup, rootfs, "/bin/busybox", "sh", "-c", "busybox mount; exit 7"], 60)
        problems = [] if done.status == 7 else [f"exit status {done.status}, not the command's 7", done.output]
        problems += [f"nothing is mounted at {place}" for place in ("/proc", "/dev/pts", "/sys/fs/cgroup")
                     if f" on {place} type " not in done.output]
        problems += ["its cgroup is left"] if os.path.exists(cgroup) else []
        report.check(f"bench: {name} makes the default mounts and cleans up", problems)


def _cgroup():
    if os.geteuid() != 0:
        return "needs root", None
    with open("/proc/self/mountinfo") as mounts:
        found = re.search(r"^\S+ \S+ \S+ \S+ (\S+) .* - cgroup2 ", mounts.read(), re.M)
    if not found:
        return "no cgroup v2 tree is mounted", None
    return None, os.path.join(found.group(1), f"bench-test-{os.getpid()}")
