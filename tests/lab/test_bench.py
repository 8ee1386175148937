"""Figures that only a whole host gives: the least memory.max to start in, and `run` under an engine's limits. Each test prints its
line, into bench.txt of the results as well, and holds wherry to its bar (docs/performance.md). The clock is steady
(docs/testing.md), so that a few calls do."""
import json
import os
import random
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


@pytest.mark.parametrize("manager", ["cgroupfs", "systemd"])
def test_run_with_the_limits_of_an_engine(rootfs, tmp_path, manager):
    config = docker_limits(rootfs, str(tmp_path))
    options = ["--systemd-cgroup"] if manager == "systemd" else []
    bundles = {}
    for name in RUNTIMES:
        path = f"system.slice:bench:{name}" if options else f"/bench-{name}"
        bundles[name] = write_bundle(tmp_path / name, dict(config, linux=dict(config["linux"], cgroupsPath=path)))
        done, _ = run(name, bundles[name], *options)
        if name == "wherry" and "not part of this version" in done.stderr:
            pytest.skip("this version of wherry has no systemd manager")
        assert done.returncode == 0, f"{name}: {done.stderr}"
    times = {name: [] for name in RUNTIMES}
    for _ in range(ROUNDS):
        for name in random.sample(list(RUNTIMES), len(RUNTIMES)):
            times[name] += [run(name, bundles[name], *options)[1] for _ in range(CALLS)]
    medians = {name: statistics.median(values) * 1000 for name, values in times.items()}
    say(f"`run` with docker-limits.config.json, {manager}, median of {ROUNDS * CALLS} (ms): "
        + ", ".join(f"{name} {ms:.1f}" for name, ms in medians.items()))
    if manager == "cgroupfs":
        assert medians["wherry"] <= 0.7 * medians["crun"]
