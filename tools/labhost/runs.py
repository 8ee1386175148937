# SPDX-License-Identifier: Apache-2.0
"""One run, from the payload to the results."""
import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import time

import accel
import cache
import image
import machine
import trees
from errors import LabError
from payload import Payload
from progress import say

sys.path.append(os.path.join(trees.TREE, "tests", "lab"))
from suites import SUITES, Suite  # noqa: E402, F401  pylint: disable=wrong-import-position

RESULTS = os.path.join(trees.TREE, "build-lab")


class Session:
    """What the runs of one call share: the lab, the payload and a scratch folder."""

    def __init__(self, debian=image.recipe.DEFAULT):
        self.lab = image.build(debian)
        self.suffix = "" if debian == image.recipe.DEFAULT else f"-{debian}"
        self.scratch = image.Scratch()
        self.folder = self.scratch.path
        self.payload = None

    def __enter__(self):
        try:
            self.payload = Payload(self.lab, os.path.join(self.folder, "payload"))
        except BaseException:
            self.drop()
            raise
        return self

    def __exit__(self, *exception):
        self.drop()

    def drop(self):
        self.scratch.drop()

    def run(self, name, job, suite, interactive=False, quiet=False):
        """Boots, does the job, and returns the folder with the results; its status is what `status` in there says."""
        name += self.suffix
        folder = os.path.join(self.folder, name)
        os.makedirs(folder)
        disk = self.payload.archive(dict(job, machines=suite.machines, runtime=suite.runtime), f"{name}.tar", suite.package)
        machines = [machine.Machine(self.lab, folder, number, disk, suite)
                    for number in range(1, suite.machines + 1)]
        with contextlib.nullcontext() if interactive else cache.slot():
            self._boot(name, folder, machines, suite, interactive, quiet)
        return keep(folder, name)

    def _boot(self, name, folder, machines, suite, interactive, quiet):
        say(f"{name}: starting {self.lab.release.name} ({'steady' if suite.steady else accel.choose(self.lab)}, {suite.memory} MiB, "
            f"at most {suite.seconds} s)")
        began = time.monotonic()
        try:
            power_on(name, machines, suite, interactive, quiet)
        except LabError as error:
            raise LabError(str(error).replace(folder, keep(folder, name))) from None
        say(f"{name}: done after {time.monotonic() - began:.0f} s")


def power_on(name, machines, suite, interactive, quiet, boot_seconds=machine.BOOT_SECONDS):
    """Until they are done. One that stands still while it boots gets a second chance."""
    def once():
        for one in machines:
            one.start(interactive)
        # the console of an interactive one is the person's terminal
        machine.wait(machines, suite.seconds, quiet or interactive, float("inf") if interactive else boot_seconds)
    try:
        once()
    except machine.StandsStill:
        say(f"{name}: it stands still, and is started once more")
        once()


def keep(folder, name):
    """Moves the files of a run to build-lab/NAME in the tree, where the last run's are; returns that folder."""
    kept = os.path.join(RESULTS, name)
    fresh = f"{kept}.{os.getpid()}"
    os.makedirs(fresh, exist_ok=True)
    results = os.path.join(folder, "results-1")
    with open(results, "rb") as disk:
        if disk.read(512).strip(b"\0"):
            subprocess.run(["tar", "-C", fresh, "--no-same-owner", "-xf", results], check=True)
    for file in os.listdir(folder):
        if file.startswith(("console", "output")):
            shutil.move(os.path.join(folder, file), os.path.join(fresh, file))
    old = f"{fresh}.old"
    with locked(RESULTS):  # of two runs of one suite the later one's stay
        if os.path.exists(kept):
            os.rename(kept, old)
        os.rename(fresh, kept)
    shutil.rmtree(old, ignore_errors=True)
    return kept


@contextlib.contextmanager
def locked(directory):
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def status_of(folder):
    try:
        with open(os.path.join(folder, "status")) as file:
            return int(file.read())
    except FileNotFoundError:
        raise LabError(f"the machine powered off without a result; its console: {folder}/console-1") from None


def run_suite(session, report, name, suite, arguments, quiet=False):
    """One suite's results into the report."""
    try:
        folder = session.run(name, {"kind": "pytest", "files": suite.files.split(), "arguments": arguments}, suite, quiet=quiet)
        status, junit = status_of(folder), os.path.join(folder, "junit.xml")
    except LabError as error:
        report.fails(f"lab {name}", str(error))
        return
    failed_before, count = len(report.failed), report.count()
    if os.path.exists(junit):
        report.add_junit(f"lab {name}", junit)
    if status and len(report.failed) == failed_before or report.count() == count:
        report.fails(f"lab {name}", f"pytest ended with status {status}; see {folder}/output-1")
