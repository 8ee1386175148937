"""What Podman, conmon, CRI-O and containerd's shim call to save a container and to bring it back, word by word: the options, their
forms and their order; --criu is added where CRIU is not in its ordinary place."""
import json
import os
import subprocess

import pytest

import host
from checkpoints import CRIU, needs_criu
from console import ConsoleSocket
from engine_calls import CALLS, saves_or_restores
from rig import KIND

ELSEWHERE = [] if CRIU == "/usr/sbin/criu" else ["--criu", CRIU]
pytestmark = [*needs_criu[1:], pytest.mark.skipif(KIND != "wherry" and bool(ELSEWHERE), reason="only wherry takes a CRIU by --criu")]
JSON = ["--log-format=json", "--log"]
KEYRING = [] if KIND == "runc" else ["--no-new-keyring"]
"""Of conmon's restore, where Podman has no keyrings. runc knows it for create and run alone."""
SHIM = ["--tcp-established", "--ext-unix-sk", "--shell-job", "--file-locks"]


class Engine:
    """A container that counts in a file, the directories that an engine has for its image, and its calls."""

    def __init__(self, saved, tmp_path):
        self.saved, self.c = saved, saved.container
        self.image, self.work, self.pid_file = (str(tmp_path / name) for name in ("checkpoint", "work", "pidfile"))
        self.log = str(tmp_path / "oci-log")
        self.output = None
        self.counter = os.path.join(self.c.bundle.rootfs, "tmp/n")
        for directory in (self.image, self.work):
            os.mkdir(directory, 0o700)

    def up(self, *flags):
        self.c.bundle.sh("i=0; while :; do echo $i > /tmp/n; i=$((i+1)); usleep 20000; done")
        self.output, theirs = os.pipe()  # as a conmon or a shim gives
        self.saved.up(*flags, stdout=theirs, stderr=theirs)
        os.close(theirs)
        host.wait_until(lambda: self.count() > 2, "the first counts")

    def count(self):
        try:
            with open(self.counter) as f:
                return int(f.read() or -1)
        except (OSError, ValueError):
            return -1

    def call(self, verb, *words, options=(), check=True):
        """VERB and the words; a detached container keeps the output, which goes to a file therefore."""
        with open(self.log + ".output", "ab") as out:
            return self.saved.runtime.run(verb, *ELSEWHERE, *words, options=options, check=check, timeout=60, stdout=out,
                                          stderr=out)

    def goes_on(self, before):
        host.wait_until(lambda: self.count() > before, "the count to go on", 20)
        assert self.count() < before + 500, "it began anew"
        with open(self.pid_file) as f:
            assert int(f.read()) == self.c.pid

    def says_nothing(self):
        assert not os.path.exists(self.log) or os.path.getsize(self.log) == 0


def cgroup_options():
    """Those of the mounted tree of version 2."""
    with open("/proc/self/mountinfo") as f:
        return next(line.split()[-1] for line in f if line.split()[4] == host.cgroup2_mount())


@pytest.fixture
def cgroup_tree(host_unchanged):
    """runc takes options off the host's own mount when it restores: they are put back."""
    before = cgroup_options()
    yield
    if KIND == "runc" and cgroup_options() != before:
        subprocess.run(["mount", "-o", f"remount,{before}", host.cgroup2_mount()], check=True)


@pytest.fixture
def engine(cgroup_tree, saved, tmp_path):
    made = Engine(saved, tmp_path)
    yield made
    if made.output is not None:
        os.close(made.output)


def test_podman_saves_and_conmon_restores(engine):
    engine.up()
    engine.call("checkpoint", "--image-path", engine.image, "--work-path", engine.work, "--tcp-established", "--file-locks",
                engine.c.id)
    assert engine.c.state() is None and "dump.log" in os.listdir(engine.work)
    before = engine.count()
    bundle = engine.c.bundle.path
    engine.call("restore", "--bundle", bundle, "--pid-file", engine.pid_file, "--no-pivot", *KEYRING, "--detach",
                "--image-path", engine.image, "--work-path", bundle, "--tcp-established", "--file-locks", engine.c.id,
                options=[*JSON, engine.log])
    engine.goes_on(before)
    assert "restore.log" in os.listdir(bundle)
    engine.says_nothing()


RECORDED = [words for section in CALLS.values() for words in section if saves_or_restores(words)]


@pytest.mark.parametrize("words", RECORDED, ids=lambda words: words[0])
def test_a_recorded_call(engine, words):
    """Nothing of it is left out; the paths and the id are the test's."""
    engine.up()
    ours = {"--image-path": engine.image, "--work-path": engine.work}
    verb, *flags, _ = [ours.get(previous, word) for previous, word in zip(["", *words], words)]
    assert verb == "checkpoint"
    engine.call(verb, *flags, engine.c.id)
    assert engine.c.state() is None and "inventory.img" in os.listdir(engine.image) and "dump.log" in os.listdir(engine.work)


def test_podman_leaves_it_running(engine):
    engine.up()
    pid = engine.c.pid
    engine.call("checkpoint", "--image-path", engine.image, "--work-path", engine.work, "--leave-running", engine.c.id)
    assert engine.c.pid == pid and engine.c.status == "running"


def test_podman_saves_memory_ahead(engine, tmp_path):
    engine.up()
    first = tmp_path / "pre-checkpoint"
    first.mkdir()
    result = engine.call("checkpoint", "--image-path", first, "--work-path", engine.work, "--pre-dump", engine.c.id, check=False)
    if result.rc != 0:
        with open(engine.log + ".output") as f:
            said = f.read()
        assert "Tracking memory is not available" in said or "CRIU is missing features" in said, said
        pytest.skip("this kernel does not track changed memory, which --pre-dump needs")
    engine.call("checkpoint", "--image-path", engine.image, "--work-path", engine.work, "--parent-path", "../pre-checkpoint",
                engine.c.id)
    before = engine.count()
    engine.call("restore", "--bundle", engine.c.bundle.path, "--pid-file", engine.pid_file, "--detach", "--image-path", engine.image,
                "--work-path", engine.c.bundle.path, engine.c.id)
    engine.goes_on(before)


def test_conmon_restores_with_a_terminal(engine, tmp_path):
    first, second = ConsoleSocket(tmp_path / "a"), ConsoleSocket(tmp_path / "b")
    engine.c.bundle.set("process.terminal", True).sh("while read x; do echo got $x; done")
    engine.saved.up("--console-socket", first.path)
    terminal = first.receive()[2]
    engine.call("checkpoint", "--image-path", engine.image, "--work-path", engine.work, engine.c.id)
    terminal.close()
    engine.call("restore", "--bundle", engine.c.bundle.path, "--pid-file", engine.pid_file, *KEYRING, "--detach",
                "--image-path", engine.image, "--work-path", engine.c.bundle.path, "--console-socket", second.path, engine.c.id,
                options=[*JSON, engine.log])
    payload, _, terminal = second.receive()
    assert payload, "conmon takes an empty message for none"
    terminal.write("this\n")
    terminal.read_until("got this")
    terminal.close()
    first.close()
    second.close()


def test_crio_leaves_it_running(engine):
    engine.up()
    pid = engine.c.pid
    engine.call("checkpoint", "--file-locks", "--image-path", engine.image, "--work-path", engine.work, "--leave-running", engine.c.id)
    assert "inventory.img" in os.listdir(engine.image)
    assert engine.c.pid == pid and engine.c.status == "running"
    before = engine.count()
    host.wait_until(lambda: engine.count() > before, "the count to go on")


def test_crio(engine):
    """CRI-O's own call of checkpoint; conmon's of restore, with the pod's label where the node has SELinux. CRI-O takes an image for one by
    its inventory.img."""
    engine.up()
    engine.call("checkpoint", "--file-locks", "--image-path", engine.image, "--work-path", engine.work, engine.c.id)
    assert "inventory.img" in os.listdir(engine.image)
    before = engine.count()
    engine.call("restore", "--bundle", engine.c.bundle.path, "--pid-file", engine.pid_file, "--detach", "--image-path", engine.image,
                "--work-path", engine.c.bundle.path, "--file-locks", engine.c.id)
    engine.goes_on(before)


LABELS = ["--lsm-profile=selinux:system_u:system_r:container_t:s0", "--lsm-mount-context=system_u:object_r:container_file_t:s0"]


@pytest.mark.parametrize("flags", [LABELS[:1], LABELS[1:], LABELS], ids=["profile", "mounts", "both"])
def test_labels_are_accepted(engine, flags):
    """A host without SELinux cannot set one, and CRIU says so; it is no mistake in the call."""
    engine.up()
    engine.call("checkpoint", "--image-path", engine.image, "--work-path", engine.work, engine.c.id)
    result = engine.call("restore", "--bundle", engine.c.bundle.path, "--pid-file", engine.pid_file, "--detach", "--image-path",
                         engine.image, "--work-path", engine.c.bundle.path, *flags, engine.c.id, options=[*JSON, engine.log],
                         check=False)
    if result.rc != 0:
        with open(engine.log) as f:
            said = json.loads(f.read())["msg"]
        assert "criu" in said.lower() and "flag" not in said and "unknown" not in said.lower(), said


@pytest.mark.parametrize("more", [[], ["--empty-ns", "network"]], ids=["plain", "empty-ns"])
def test_the_shim_of_containerd(engine, more):
    engine.up()
    options = ["--log", engine.log, "--log-format", "json"]
    engine.call("checkpoint", "--image-path", engine.image, "--work-path", engine.work, *SHIM, *more, engine.c.id, options=options)
    assert engine.c.state() is None
    before = engine.count()
    engine.call("restore", "--image-path", engine.image, "--work-path", engine.work, *SHIM, *more, "--detach", "--pid-file",
                engine.pid_file, "-no-subreaper", "--bundle", engine.c.bundle.path, engine.c.id, options=options)
    engine.goes_on(before)
    engine.says_nothing()


def test_an_image_that_is_none(engine):
    """The cause arrives as one object in the log, which is what Podman shows."""
    result = engine.call("restore", "--bundle", engine.c.bundle.write().path, "--pid-file", engine.pid_file,
                         "--detach", "--image-path", engine.image, "--work-path", engine.c.bundle.path, engine.c.id,
                         options=[*JSON, engine.log], check=False)
    assert result.rc == 1 and not os.path.exists(engine.pid_file)
    with open(engine.log) as f:
        assert engine.image in json.loads(f.read())["msg"]
