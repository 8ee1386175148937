# SPDX-License-Identifier: Apache-2.0
"""What a run brings into the machine, as a tar archive that is the second disk: the program as installed (with its twin, manual
and completions) and as the Debian package where a suite wants it, the tests, their compiled helpers, and the job."""
import glob
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import threading

from errors import LabError
from progress import step
from trees import TREE, do

sys.path.insert(0, os.path.join(TREE, "tools", "suites"))
import build  # noqa: E402  pylint: disable=wrong-import-position
from command import tracked_files  # noqa: E402  pylint: disable=wrong-import-position

BROUGHT = ("tests/lab/", "tests/engines/", "tests/integration/", "tests/data/", "tests/bench/", "docs/", "tools/engine")
HELPERS = ("tests/integration/helpers/*.c", "tests/bench/*.c", "tests/lab/helpers/*.c")


class Payload:
    """Made once for all suites of a call; archive() adds the job."""

    def __init__(self, lab, folder):
        self.install = os.path.join(folder, "install")
        self.helpers = os.path.join(folder, "helpers")
        self.folder = folder
        self._packaging = threading.Lock()
        with step("build"):
            self._build(lab)
        self._compile_helpers()

    def _build(self, lab):
        problems = build.ensure("release")
        if problems:
            raise LabError("the build failed:\n" + "\n".join(problems[-40:]))
        do("meson", "install", "-C", build.directory("release"), "--no-rebuild", "--quiet", "--destdir", self.install)
        self._check_twin(lab)

    def _check_twin(self, lab):
        """The static program runs anywhere; the twin has to find its libraries' versions in the guest's Debian."""
        for twin in glob.glob(os.path.join(self.install, "**", "wherry-dynamic"), recursive=True):
            done = subprocess.run(lab.loader() + [twin, "--version"], capture_output=True, text=True)
            if done.returncode:
                raise LabError(f"what this machine builds does not run on Debian 13: {twin}: {done.stderr.strip()}")

    def _compile_helpers(self):
        """Here rather than there: under emulation a compiler takes many times as long."""
        os.makedirs(self.helpers, exist_ok=True)
        for pattern in HELPERS:
            for source in glob.glob(os.path.join(TREE, pattern)):
                target = os.path.join(self.helpers, os.path.basename(source).removesuffix(".c"))
                do("cc", "-static", "-O1", "-Wall", "-Werror", "-o", target, source)

    def package(self):
        """The path of the Debian package, which is built when it is first asked for."""
        output = os.path.join(self.folder, "package")
        with self._packaging:
            if not os.path.isdir(output):
                self._package(output)
        built, = glob.glob(os.path.join(output, "*.deb"))
        return built

    def _package(self, output):
        with step("package"):
            do(os.path.join(TREE, "tools", "package"), "--output", output, "--build", os.path.join(self.folder, "build-package"))

    def archive(self, job, name, with_package):
        """Writes the disk and returns its path."""
        path = os.path.join(self.folder, name)
        with tarfile.open(path, "w") as tar:
            if with_package:
                tar.add(self.package(), "wherry.deb", filter=_by_root)
            for source, there in ((self.install, "install"), (self.helpers, "helpers")):
                tar.add(source, there, filter=_by_root)
            for file in tracked_files():
                if file.startswith(BROUGHT):
                    tar.add(os.path.join(TREE, file), os.path.join("tree", file), filter=_by_root)
            text = json.dumps(job).encode()
            entry = tarfile.TarInfo("job.json")
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text))
        return path

    def drop(self):
        shutil.rmtree(self.folder, ignore_errors=True)


def _by_root(entry):
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    return entry
