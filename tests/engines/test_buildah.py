"""buildah, of root and of an ordinary user: `run` and builds, and failures as its user sees them."""
import json
import os
import shutil

import pytest

import podman as engine
from full_disk import full
from listener import Listener
from podman_fixtures import image_of_root, images, mine, podman  # noqa: F401  pylint: disable=unused-import

pytestmark = pytest.mark.skipif(not shutil.which("buildah"), reason="buildah is not installed")
ISOLATED = ["--isolation", "oci", "--network", "none"]


class Buildah:
    """Its command line with one runtime, whose calls are heard."""

    def __init__(self, podman, directory, program):
        self.podman, self.directory = podman, directory
        self.listener = Listener(directory, program, podman.user)
        self.names = []

    def call(self, *args, rc=0):
        return self.podman.beside("env", f"BUILDAH_RUNTIME={self.listener.path}", "buildah", *args, rc=rc)

    def new(self, *flags):
        """A working container with the tests' image in it."""
        self.names.append(self.call("from", *flags, "scratch").out.strip())
        self.call("add", self.names[-1], f"{self.directory}/rootfs.tar", "/")
        return self.names[-1]

    def run(self, name, *argv, flags=(), rc=0):
        return self.call("run", *ISOLATED, *flags, name, "--", *argv, rc=rc)

    def file(self, name, text):
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path


@pytest.fixture
def buildah(podman, program, rootfs, mine):
    shutil.copy(rootfs, f"{mine}/rootfs.tar")
    made = Buildah(podman, mine, program)
    yield made
    for name in made.names:
        made.call("rm", name, rc=None)


def test_run_and_build(buildah, mine):
    name = buildah.new()
    assert buildah.run(name, "sh", "-c", "echo built; exit 4", rc=4).out == "built\n"
    assert buildah.listener.calls("create --bundle") == 1
    buildah.file("Containerfile", "FROM localhost/bb\nRUN id -u >/made\n")
    buildah.call("build", *ISOLATED, mine)
    assert buildah.listener.calls("create --bundle") == 1


NO_PROGRAM, NO_FILE, NO_PERMISSION = "executable file not found in $PATH", "no such file or directory", "permission denied"


def test_a_program_that_does_not_start(buildah):
    name = buildah.new()
    for program, cause in (("no-such-program", NO_PROGRAM), ("/no/such/program", NO_FILE), ("/etc/noexec", NO_PERMISSION)):
        assert cause in buildah.run(name, program, rc=1).err


@pytest.mark.parametrize("argv0, cause", [("no-such-program", NO_PROGRAM), ("/no/such/program", NO_FILE), ("/etc/noexec", NO_PERMISSION)],
                         ids=["name", "path", "permission"])
def test_a_step_of_a_build_that_does_not_start(buildah, mine, argv0, cause):
    """By buildah, and by Podman, which has the same code in it."""
    buildah.file("Containerfile", f"FROM localhost/bb\nRUN [\"{argv0}\"]\n")
    assert cause in buildah.call("build", *ISOLATED, mine, rc=1).err
    assert cause in buildah.podman.of(buildah.listener.path).call("build", "--no-cache", *ISOLATED, mine, rc=1).err
    assert buildah.listener.calls("create --bundle") == 2


def test_what_is_wrong_is_told(buildah):
    """A mount, a seccomp profile. A full disk has a test of its own, below."""
    name = buildah.new()
    given = buildah.file("file", "")
    failed = buildah.run(name, "true", flags=["-v", f"{given}:/etc"], rc=1)
    assert "/etc" in failed.err and "not a directory" in failed.err.lower()
    profile = buildah.file("p.json", json.dumps({"defaultAction": "SCMP_ACT_NONSENSE", "syscalls": []}))
    failed = buildah.run(buildah.new("--security-opt", f"seccomp={profile}"), "true", rc=1)
    assert "SCMP_ACT_NONSENSE" in failed.err


def test_a_full_disk(buildah, oci):
    name, podman = buildah.new(), buildah.podman
    with full(os.path.join(f"/run/user/{podman.uid()}" if podman.user else "/run", oci), podman.user):
        podman.leave_mounts()
        assert "no space left on device" in buildah.run(name, "true", rc=1).err.lower()
    podman.leave_mounts()
    buildah.run(name, "true")


def exceeds(buildah):
    """buildah makes an exit status of 1 of any signal."""
    name = buildah.new("--memory", "20m", "--memory-swap", "20m")
    buildah.run(name, "dd", "if=/dev/zero", "of=/dev/null", "bs=1M", "count=1")
    assert "container exited on killed" in buildah.run(name, "dd", "if=/dev/zero", "of=/dev/null", "bs=100M", "count=1", rc=1).err


@pytest.mark.controllers("memory")
@pytest.mark.parametrize("podman", [None], indirect=True, ids=["root"])
def test_a_limit_that_is_exceeded(buildah):
    exceeds(buildah)


@pytest.mark.controllers("memory")
@pytest.mark.systemd
@pytest.mark.parametrize("podman", [engine.USER], indirect=True, ids=["user"])
def test_a_limit_of_an_ordinary_user_is_exceeded(buildah):
    """buildah asks for no cgroup manager: wherry takes the user's systemd."""
    exceeds(buildah)
