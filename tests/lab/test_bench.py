"""Figures that only a whole host gives: the least memory.max to start in, and `run` under an engine's limits. Each test prints its
line, into bench.txt of the results as well, and holds wherry to its bar (docs/performance.md). The clock is steady
(docs/testing.md), so that a few calls do."""
import json
import os
import random
import resource
import shutil
import statistics
import subprocess
import time

import pytest

import rig
from bundles import make_rootfs

RUNTIMES = {"wherry": rig.BINARY, "crun": "/usr/bin/crun", "runc": "/usr/sbin/runc"}
TABLE = "/lab/results/bench.txt"
TRIES = 5  # a size counts when it is enough so many times in a row
STEP = 32  # KiB
ROUNDS = 4
CALLS = 3  # of one runtime in a row


@pytest.fixture(scope="module")
def rootfs(tmp_path_factory):
    top = tmp_path_factory.mktemp("bench") / "rootfs"
    make_rootfs(top)
    return str(top)


def say(text):
    print(text, flush=True)
    with open(TABLE, "a") as file:
        file.write(text + "\n")


def run(name, bundle, *options):
    """One run of a bundle. Returns its exit status and the seconds it took."""
    began = time.perf_counter()
    done = subprocess.run([RUNTIMES[name], *options, "run", "--bundle", bundle, f"bench-{name}"], stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=120)
    seconds = time.perf_counter() - began
    if done.returncode:
        subprocess.run([RUNTIMES[name], "delete", "--force", f"bench-{name}"], capture_output=True, timeout=60)
    return done, seconds


def write_bundle(top, config):
    os.makedirs(top, exist_ok=True)
    with open(os.path.join(top, "config.json"), "w") as file:
        json.dump(config, file)
    return str(top)


# --- the least memory ------------------------------------------------------------------------------------------


def starts(name, config, kib, top):
    config["linux"]["resources"]["memory"] = {"limit": kib << 10, "swap": kib << 10}
    bundle = write_bundle(top, config)
    return all(run(name, bundle)[0].returncode == 0 for _ in range(TRIES))


def least_memory(name, config, top):
    """In KiB: doubled until it is enough, then halved between the last two."""
    enough = 64
    while not starts(name, config, enough, top):
        enough *= 2
        assert enough <= 1 << 18, f"{name} does not start in {enough} KiB"
    low = enough // 2
    while enough - low > STEP:
        middle = (low + enough) // 2 // STEP * STEP
        if middle in (low, enough):
            break
        low, enough = (low, middle) if starts(name, config, middle, top) else (middle, enough)
    return enough


def test_least_memory_to_start_in(rootfs, tmp_path):
    subprocess.run(["runc", "spec", "--bundle", str(tmp_path)], check=True, timeout=60)
    with open(tmp_path / "config.json") as file:
        config = json.load(file)
    config["process"].update(args=["/bin/true"], terminal=False)
    config["root"]["path"] = rootfs
    found = {name: least_memory(name, dict(config, linux=dict(config["linux"], cgroupsPath=f"/bench-{name}")), tmp_path / name)
             for name in RUNTIMES}
    say("least memory.max in which busybox `true` starts (KiB, in steps of %d): " % STEP
        + ", ".join(f"{name} {kib}" for name, kib in found.items()))
    assert found["wherry"] <= found["crun"]
    assert found["wherry"] <= 384


# --- an engine's limits -----------------------------------------------------------------------------------------


def docker_limits(rootfs, top):
    """What Docker 26 sent for a container with limits; only what lies on its host is replaced."""
    with open(os.path.join(rig.SOURCE_ROOT, "tests", "data", "engines", "docker-limits.config.json")) as file:
        config = json.load(file)
    config["root"]["path"] = rootfs
    config["process"]["args"] = ["/bin/true"]
    del config["hooks"]
    for mount in config["mounts"]:
        if mount["type"] == "bind":
            mount["source"] = os.path.join(top, os.path.basename(mount["source"]))
            shutil.copy("/etc/hosts", mount["source"])
    return config


def find_daemons():
    """The processes besides the runtime that a unit keeps busy: pids by name."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with open(f"/proc/{pid}/comm") as file:
            name = file.read().strip()
        if pid == "1" or name in ("dbus-daemon", "systemd-logind"):
            found[name] = pid
    return found


def processor_ms(daemons):
    """The processor time so far of the daemons and of the runtimes that were called."""
    spent = {}
    for name, pid in daemons.items():
        with open(f"/proc/{pid}/schedstat") as file:
            spent[name] = int(file.read().split()[0]) / 1e6
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return dict(spent, runtime=(children.ru_utime + children.ru_stime) * 1000)


class Turns:
    """Calls of the runtimes, a few in a row, in turns: the time each took, and the processor time of all that take part."""

    def __init__(self, call):
        self.times, self.spent = {name: [] for name in RUNTIMES}, {name: [] for name in RUNTIMES}
        daemons = find_daemons()
        for _ in range(ROUNDS):
            for name in random.sample(list(RUNTIMES), len(RUNTIMES)):
                before = processor_ms(daemons)
                self.times[name] += [call(name) * 1000 for _ in range(CALLS)]
                time.sleep(0.1)  # what follows from the last one
                self.spent[name].append({key: (ms - before[key]) / CALLS for key, ms in processor_ms(daemons).items()})

    def medians(self):
        return {name: statistics.median(values) for name, values in self.times.items()}

    def say(self, what):
        say(f"{what}, median of {ROUNDS * CALLS} (ms): " + ", ".join(f"{name} {ms:.1f}" for name, ms in self.medians().items()))
        for name, rounds in self.spent.items():
            parts = {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}
            say(f"    processor time with {name} {sum(parts.values()):.1f}: " + ", ".join(f"{key} {ms:.1f}" for key, ms in parts.items()))


def bundles_with_limits(rootfs, top, manager):
    config, bundles = docker_limits(rootfs, str(top)), {}
    for name in RUNTIMES:
        path = f"system.slice:bench:{name}" if manager == "systemd" else f"/bench-{name}"
        bundles[name] = write_bundle(top / name, dict(config, linux=dict(config["linux"], cgroupsPath=path)))
    return bundles


OPTIONS = {"cgroupfs": [], "systemd": ["--systemd-cgroup"]}


@pytest.mark.parametrize("manager", OPTIONS)
def test_run_with_the_limits_of_an_engine(rootfs, tmp_path, manager):
    bundles = bundles_with_limits(rootfs, tmp_path, manager)
    for name in RUNTIMES:
        done, _ = run(name, bundles[name], *OPTIONS[manager])
        assert done.returncode == 0, f"{name}: {done.stderr}"
    turns = Turns(lambda name: run(name, bundles[name], *OPTIONS[manager])[1])
    turns.say(f"`run` with docker-limits.config.json, {manager}")
    medians = turns.medians()
    if manager == "cgroupfs":
        assert medians["wherry"] <= 0.7 * medians["crun"]
    assert medians["wherry"] <= medians["crun"]


def test_delete_of_a_unit(rootfs, tmp_path):
    """Of one that runs, with --force."""
    bundles = bundles_with_limits(rootfs, tmp_path, "systemd")
    for bundle in bundles.values():
        with open(os.path.join(bundle, "config.json")) as file:
            config = json.load(file)
        config["process"]["args"] = ["/bin/sleep", "1000"]
        write_bundle(bundle, config)

    def delete(name):
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "timeout": 120}
        subprocess.run([RUNTIMES[name], "--systemd-cgroup", "run", "--detach", "--bundle", bundles[name], f"bench-{name}"], check=True,
                       **quiet)
        began = time.perf_counter()
        subprocess.run([RUNTIMES[name], "delete", "--force", f"bench-{name}"], check=True, **quiet)
        return time.perf_counter() - began

    turns = Turns(delete)
    turns.say("`delete --force` of a running unit (processor time: with its start)")
    assert turns.medians()["wherry"] <= 0.7 * turns.medians()["crun"]
