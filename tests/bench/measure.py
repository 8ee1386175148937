# SPDX-License-Identifier: Apache-2.0
"""Runs inside the Debian root that tests/bench/run prepares: times every case with hyperfine and writes JSON.

    measure.py OUT ROUNDS RUNS PROGRAM,... CASE,...      (CASE: a name of CASES, or all)

The programs take turns, RUNS at a time, for ROUNDS rounds: what else the machine does then hits all alike.
"""
import json
import os
import random
import shutil
import statistics
import subprocess
import sys

BENCH = "/bench"              # the programs, bound by tests/bench/run
WORK = "/run/bench"           # bundles and hyperfine's results, in memory
ROOTFS = f"{WORK}/rootfs"
CGROUP = "/sys/fs/cgroup"
SEQUENCE = f"{BENCH}/sequence"
RUNTIMES = {"crun": "crun", "runc": "runc", "wherry": f"{BENCH}/wherry"}
HUNDRED = 100


class Case:
    """title and unit for the table; floor: what the least program runs; per runtime: the timed command and what comes
    before all rounds, after each and after all. {rt} is the runtime, {id} a container's name."""

    def __init__(self, title, command, floor=None, before=None, after_each=None, after=None, runs=None, peak=False):
        self.title, self.command, self.floor = title, command, floor or {}
        self.before, self.after_each, self.after = before, after_each, after
        self.runs, self.peak = runs, peak

    def programs(self, wanted):
        """(program, its commands with the names filled in)"""
        for name in wanted:
            if name in self.floor:
                yield name, self.floor[name]
            elif name in RUNTIMES:
                yield name, self.command.format(rt=RUNTIMES[name], id=f"bench-{name}")


FLOOR = f"{BENCH}/floor{{}} {CGROUP}/bench-floor {ROOTFS} /bin/true"
DELETE = "{rt} delete --force {id}"
SLEEPER = f"{SEQUENCE} {{rt}} create --bundle {WORK}/sleep {{id}} + {{rt}} start {{id}}"

CASES = {
    "run": Case("`run` of the default spec, /bin/true", f"{{rt}} run --bundle {WORK}/plain {{id}}",
                floor={"floor": FLOOR.format(""), "floor+spec": FLOOR.format(" --whole")}),
    "run-seccomp": Case("the same with Docker's seccomp profile", f"{{rt}} run --bundle {WORK}/seccomp {{id}}"),
    "create-start-delete": Case("`create` + `start` + `delete --force`", SLEEPER + " + " + DELETE),
    "exec": Case("`exec` of /bin/true", "{rt} exec {id} /bin/true", before=SLEEPER, after=DELETE),
    "state": Case("`state`", "{rt} state {id}", before=SLEEPER, after=DELETE),
    "version": Case("start-up alone (`--version`; floor: static busybox)", "{rt} --version",
                    floor={"floor": f"{ROOTFS}/bin/true"}),
    "hundred": Case(f"{HUNDRED} containers at once, `create` + `start`",
                    f"{SEQUENCE} --count {HUNDRED} {{rt}} create --bundle {WORK}/sleep {{id}}-{{{{}}}}"
                    " + {rt} start {id}-{{}}",
                    after_each=f"{SEQUENCE} --count {HUNDRED} {{rt}} delete --force {{id}}-{{{{}}}}", runs=1),
    "peak-run": Case("peak memory of `run`, its children too",
                     f"{SEQUENCE} --peak {WORK}/peak {{rt}} run --bundle {WORK}/plain {{id}}",
                     floor={"floor": f"{SEQUENCE} --peak {WORK}/peak " + FLOOR.format("")}, peak=True),
    "peak-create": Case("peak memory of `create`",
                        f"{SEQUENCE} --peak {WORK}/peak {{rt}} create --bundle {WORK}/sleep {{id}}",
                        after_each=DELETE, peak=True),
    "peak-state": Case("peak memory of `state`", f"{SEQUENCE} --peak {WORK}/peak {{rt}} state {{id}}",
                       before=SLEEPER, after=DELETE, peak=True),
}


class Failed(Exception):
    pass


def call(command):
    """Runs one command whose output matters only when it fails. Not to a pipe: a container keeps what it inherits."""
    with open(f"{WORK}/output", "w+") as output:
        done = subprocess.run(command.split(), stdin=subprocess.DEVNULL, stdout=output, stderr=output, timeout=120)
        if done.returncode:
            output.seek(0)
            raise Failed(f"{command}: exit status {done.returncode}: {output.read()[-500:].strip()}")


def make_bundles():
    for name in ("bin", "proc", "dev", "sys"):
        os.makedirs(f"{ROOTFS}/{name}", exist_ok=True)
    shutil.copy("/bin/busybox", f"{ROOTFS}/bin/busybox")
    for applet in ("true", "sleep", "sh"):
        os.symlink("busybox", f"{ROOTFS}/bin/{applet}")
    with open(f"{BENCH}/seccomp.json") as profile:
        seccomp = json.load(profile)
    make_bundle("plain", ["/bin/true"], None)
    make_bundle("seccomp", ["/bin/true"], seccomp)
    make_bundle("sleep", ["/bin/sleep", "1000"], None)


def make_bundle(name, arguments, seccomp):
    """The default spec, which is the same in all: only the command, the terminal, the root and the filter differ."""
    bundle = f"{WORK}/{name}"
    os.makedirs(bundle)
    subprocess.run(["runc", "spec", "--bundle", bundle], check=True)
    with open(f"{bundle}/config.json") as file:
        config = json.load(file)
    config["process"].update(args=arguments, terminal=False)
    config["root"]["path"] = ROOTFS
    if seccomp:
        config["linux"]["seccomp"] = seccomp
    with open(f"{bundle}/config.json", "w") as file:
        json.dump(config, file)


def hyperfine(command, runs, warmup):
    """The wall times of runs, in seconds."""
    result = f"{WORK}/hyperfine.json"
    done = subprocess.run(["hyperfine", "-N", "--style", "none", "--warmup", str(warmup), "--runs", str(runs),
                           "--export-json", result, command], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        call(command)  # its own words say more than hyperfine's
        raise Failed(done.stderr.strip())
    with open(result) as file:
        found = json.load(file)["results"][0]
    # hyperfine 2 has a record a run, 1 a list of times
    return found.get("times") or [m["time_wall_clock"]["value"] for m in found["measurements"]]


def peak(command, runs):
    """Peak resident sets of runs, in MiB."""
    found = []
    for _ in range(runs):
        call(command)
        with open(f"{WORK}/peak") as file:
            found.append(int(file.read()) / 1024)
    return found


class Turn:
    """One program in one case."""

    def __init__(self, case, name, command):
        self.case, self.name, self.command = case, name, command
        self.values, self.error = [], None

    def fill(self, command):
        return command.format(rt=RUNTIMES.get(self.name, ""), id=f"bench-{self.name}")

    def guarded(self, work):
        """A program that fails drops out of the case; the others go on."""
        if not self.error:
            try:
                work()
            except (Failed, subprocess.TimeoutExpired) as error:
                self.error = str(error)

    def aside(self, command):
        if command and self.name in RUNTIMES:
            self.guarded(lambda: call(self.fill(command)))

    def round(self, runs):
        runs = self.case.runs or runs
        if self.case.peak:
            # one call a time, so that what must be undone between two calls can be
            self.guarded(lambda: self.values.extend(peak(self.command, 1)))
        else:
            self.guarded(lambda: self.values.extend(hyperfine(self.command, runs, 0 if runs == 1 else 2)))
        self.aside(self.case.after_each)

    def result(self):
        if self.error or not self.values:
            return {"error": self.error or "no value"}
        values = sorted(self.values)
        scale = 1 if self.case.peak else 1000
        return {"median": statistics.median(values) * scale, "mean": statistics.fmean(values) * scale,
                "min": values[0] * scale, "p95": values[int(0.95 * (len(values) - 1))] * scale, "runs": len(values)}


def measure(case, programs, rounds, runs):
    turns = [Turn(case, name, command) for name, command in case.programs(programs)]
    for turn in turns:
        turn.aside(case.before)
    rounds = min(rounds, 5) if case.peak or case.runs == 1 else rounds
    for _ in range(rounds):
        random.shuffle(turns)
        for turn in turns:
            turn.round(runs)
    for turn in turns:
        if case.after and turn.name in RUNTIMES:
            subprocess.run(turn.fill(case.after).split(), stdin=subprocess.DEVNULL, capture_output=True)
    return {"title": case.title, "unit": "MiB" if case.peak else "ms",
            "programs": {turn.name: turn.result() for turn in turns}}


def version(name):
    text = subprocess.run([RUNTIMES[name], "--version"], capture_output=True, text=True).stdout
    return text.splitlines()[0] if text else "?"


def main(out, rounds, runs, programs, wanted):
    programs = programs.split(",")
    shutil.rmtree(WORK, ignore_errors=True)
    make_bundles()
    with open("/etc/os-release") as release:
        suite = [line.split("=")[1].strip().strip('"') for line in release if line.startswith("PRETTY_NAME=")][0]
    found = {"suite": suite, "versions": {name: version(name) for name in programs if name in RUNTIMES}, "cases": {}}
    for key, case in CASES.items():
        if wanted == "all" or key in wanted.split(","):
            print(f"  {key}", file=sys.stderr, flush=True)
            found["cases"][key] = measure(case, programs, int(rounds), int(runs))
    with open(out, "w") as file:
        json.dump(found, file, indent=2)


if __name__ == "__main__":
    main(*sys.argv[1:])
