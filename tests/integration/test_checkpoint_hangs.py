"""A CRIU that hangs, and a signal: what it saves runs on, and of what it restores nothing is left.

The CRIU is the real one, held (SIGSTOP) by a helper as soon as it has written certain words to its log: it answers nobody and undoes
nothing, as one that waits for ever for a kernel or a file server.
"""
import os
import shutil
import signal
import time

import pytest

import host
from checkpoints import CRIU, Saved, needs_criu
from test_checkpoint import COUNT, counter_of
from test_checkpoint_killed import no_criu

pytestmark = needs_criu

HELD = """#!/usr/bin/python3
# CRIU, which is stopped when its log {log!r} has {words!r}; {mark!r} is there then.
import os, signal, sys, time
if os.fork() == 0:
    os.setsid()
    criu = os.getppid()
    os.closerange(0, 100)
    while os.getppid() == criu:
        try:
            with open({log!r}) as f:
                if {words!r} in f.read():
                    os.kill(criu, signal.SIGSTOP)
                    os.mkdir({mark!r})
                    break
        except OSError:
            pass
        time.sleep(0.0002)
    os._exit(0)
os.execv({criu!r}, ["criu", *sys.argv[1:]])
"""

DUMPS = ["freezing cgroup", "Seized task", "Dumping pages"]
"""The cgroup is frozen; the processes are held; CRIU's code is at work in one. (While it brings that in, a process has neither
its own code nor its own registers, for some microseconds: who kills CRIU then kills it, too.)"""
RESTORES = ["Will restore in", "Restoring link", "Preparing info about", "Opened local page read"]

GIVES_UP = 10
"""Seconds for which CRIU may undo what it did (DUMP_GIVE_UP_MS)."""


class Held:
    def __init__(self, container, top, words, log, image=None):
        top.mkdir()
        self.container, self.saved = container, Saved(container, top)
        self.saved.image = image or self.saved.image
        self.mark, self.criu = str(top / "held"), top / "criu"
        self.criu.write_text(HELD.format(log=os.path.join(self.saved.image, log), words=words, mark=self.mark, criu=CRIU))
        self.criu.chmod(0o755)

    def begin(self, verb, *flags):
        self.process = self.container.runtime.spawn(verb, "--criu", str(self.criu), "--image-path", self.saved.image, *flags,
                                                    self.container.id)

    def await_held(self):
        host.wait_until(lambda: os.path.exists(self.mark), "CRIU to be held", 30)


@pytest.fixture
def dumps(container, tmp_path):
    """Containers, each of which is about to be saved by a CRIU that hangs somewhere else."""
    made = []
    for words in DUMPS:
        c = container()
        c.bundle.sh(COUNT)
        held = Held(c, tmp_path / c.id, words, "dump.log")
        held.saved.up()
        held.count = counter_of(c)
        host.wait_until(lambda count=held.count: count() > 2, "the first counts")
        made.append(held)
    return made


def assert_goes_on(held):
    before = held.count()
    host.wait_until(lambda: held.count() != before, f"{held.container.id} to go on")
    assert held.container.status == "running"
    assert host.proc_status(held.container.pid, "TracerPid") == "0"


@pytest.mark.waits
@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGKILL])
def test_checkpoint(dumps, sig):
    for held in dumps:
        held.begin("checkpoint")
    for held in dumps:
        held.await_held()
    time.sleep(0.2)
    stood_at = [held.count() for held in dumps]
    time.sleep(0.2)
    assert [held.count() for held in dumps] == stood_at, "they stand still"
    begun = time.monotonic()
    for held in dumps:
        held.process.kill(sig)
    for held in dumps:
        result = held.process.wait(3 * GIVES_UP)
        if sig != signal.SIGKILL:
            assert result.rc == 1 and f"interrupted by signal {sig.value}" in result.err, result
    for held in dumps:
        count, at = held.count, held.count()
        host.wait_until(lambda count=count, at=at: count() != at, f"{held.container.id} to go on", 2 * GIVES_UP)
        assert_goes_on(held)
        assert not os.path.exists(os.path.join(held.saved.image, "wherry.json"))
    assert time.monotonic() - begun < 2 * GIVES_UP + 5
    host.wait_until(no_criu, "CRIU and the guard to end", 2 * GIVES_UP)
    held = dumps[-1]
    held.saved.checkpoint()
    held.saved.restore()
    assert_goes_on(held)


@pytest.mark.waits
@pytest.mark.parametrize("paused, sig", [(True, signal.SIGINT), (False, signal.SIGKILL)])
def test_when_the_image_is_complete(container, tmp_path, paused, sig):
    """CRIU has been told to end the container, and does not hear it."""
    c = container()
    c.bundle.sh(COUNT)
    held = Held(c, tmp_path / c.id, "Running post-dump scripts", "dump.log")
    held.saved.up()
    held.count = counter_of(c)
    if paused:
        c.pause()
    held.begin("checkpoint")
    held.await_held()
    manifest = os.path.join(held.saved.image, "wherry.json")
    host.wait_until(lambda: os.path.exists(manifest), "the image to be complete")
    time.sleep(0.5)
    held.process.kill(sig)
    result = held.process.wait(3 * GIVES_UP)
    if sig == signal.SIGINT:
        assert result.rc == 1 and "has not answered" in result.err, result
        assert not os.path.exists(manifest)
    host.wait_until(no_criu, "CRIU and the guard to end", 2 * GIVES_UP)
    if paused:
        assert c.status == "paused"
        c.resume()
    assert_goes_on(held)


def criu_at_work():
    host.reap_orphans()
    return [pid for pid in host.children() if b"--rpc" in open(f"/proc/{pid}/cmdline", "rb").read()]


def test_memory_that_is_given_away(counting_anew):
    """With --lazy-pages CRIU goes on alone when the image is complete: somebody may run what is in it."""
    saved, count = counting_anew
    ours, theirs = os.pipe()
    process = saved.runtime.spawn("checkpoint", "--criu", CRIU, "--image-path", saved.image, "--lazy-pages", "--page-server",
                                  "127.0.0.1:27627", "--status-fd", str(theirs), saved.container.id, pass_fds=(theirs,))
    os.close(theirs)
    said = os.read(ours, 1)
    os.close(ours)
    if not said:
        pytest.skip("no lazy checkpoint here: " + process.wait(20).err)
    host.wait_until(lambda: os.path.exists(os.path.join(saved.image, "wherry.json")), "the image to be complete")
    time.sleep(1)
    at = count()
    process.kill(signal.SIGTERM)
    assert process.wait(5).rc == -signal.SIGTERM
    time.sleep(0.5)
    assert count() == at and criu_at_work()
    for pid in criu_at_work():
        host.kill_quietly(pid)
    host.wait_until(no_criu, "CRIU to end")


@pytest.fixture
def counting_anew(saved):
    saved.container.bundle.sh(COUNT)
    saved.up()
    count = counter_of(saved.container)
    host.wait_until(lambda: count() > 2, "the first counts")
    return saved, count


SILENT = """#!/usr/bin/python3
# CRIU, whose last answer to a dump is lost. It opens the directories of whoever is at the other end of its socket, by their numbers.
import os, select, socket, subprocess, sys
pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
for number, fd in enumerate([int(sys.argv[2]), pair[0].fileno(), pair[1].fileno()]):
    os.dup2(fd, 200 + number)
os.closerange(3, 200)
criu = subprocess.Popen([{criu!r}, "swrk", "202"], pass_fds=[202])
os.close(202)
while True:
    for ready in select.select([200, 201], [], [])[0]:
        data = os.read(ready, 65536)
        if not data or (ready == 201 and data[:2] == bytes([8, 1])):
            criu.wait()
            os._exit(0)
        for name in os.listdir(f"/proc/{{os.getppid()}}/fd"):
            path = f"/proc/{{os.getppid()}}/fd/{{name}}"
            if ready == 200 and int(name) > 2 and os.path.isdir(path):
                opened = os.open(path, os.O_RDONLY)
                if opened != int(name):
                    os.dup2(opened, int(name))
                    os.close(opened)
        os.write(401 - ready, data)
"""


def test_a_criu_that_dies_when_it_has_ended_the_container(saved, tmp_path):
    """There is the image, and nothing else: it is kept, and the checkpoint is done."""
    saved.container.bundle.sh(COUNT)
    saved.up()
    criu = tmp_path / "criu"
    criu.write_text(SILENT.format(criu=CRIU))
    criu.chmod(0o755)
    result = saved.runtime.run("checkpoint", "--criu", str(criu), "--image-path", saved.image, saved.container.id, timeout=60)
    assert result.rc == 0 and "CRIU ended without an answer" in result.err, result
    assert saved.container.state() is None
    saved.restore()
    assert saved.container.status == "running"


@pytest.mark.waits
def test_a_paused_container_stays_paused(container, tmp_path):
    """It is not the checkpoint that has frozen it."""
    c = container()
    c.bundle.sh(COUNT)
    held = Held(c, tmp_path / c.id, "Seized task", "dump.log")
    held.saved.up()
    c.pause()
    held.begin("checkpoint")
    held.await_held()
    held.process.kill(signal.SIGTERM)
    assert held.process.wait(3 * GIVES_UP).rc == 1
    assert c.status == "paused"
    held.count = counter_of(c)
    c.resume()
    assert_goes_on(held)


def test_much_memory_is_given_up_at_once(keeper_of_memory):
    """CRIU would not look before all of it is written."""
    saved = keeper_of_memory(512)
    process = saved.runtime.spawn("checkpoint", "--criu", CRIU, "--image-path", saved.image, saved.container.id)
    host.wait_until(lambda: pages_of(saved.image) > 1 << 20, "the first memory to be written")
    begun = time.monotonic()
    process.kill(signal.SIGINT)
    result = process.wait(30)
    taken = time.monotonic() - begun
    assert result.rc == 1 and "interrupted by signal 2" in result.err
    assert pages_of(saved.image) < 500 << 20 and taken < 5, (pages_of(saved.image), taken)
    assert saved.container.status == "running"
    saved.checkpoint()
    saved.restore()


def pages_of(image):
    try:
        return sum(os.path.getsize(os.path.join(image, n)) for n in os.listdir(image) if n.startswith("pages-"))
    except OSError:
        return 0


@pytest.fixture
def keeper_of_memory(saved, helper):
    """keeper_of_memory(MiB): a running container with so much."""
    def make(mib):
        shutil.copy(helper("migrant"), os.path.join(saved.container.bundle.rootfs, "bin/migrant"))
        saved.container.bundle.args("/bin/migrant", str(mib), "0")
        saved.up()
        host.wait_until(lambda: int(host.proc_status(saved.container.pid, "VmRSS").split()[0]) >= mib << 10, "its memory", 30)
        return saved
    return make


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_restore(saved, tmp_path, sig, host_unchanged):
    """A signal leaves nothing; SIGKILL what `list` shows and `delete` removes."""
    saved.container.bundle.sh(COUNT)
    saved.up()
    saved.checkpoint()
    for number, words in enumerate(RESTORES):
        held = Held(saved.container, tmp_path / str(number), words, "restore.log", saved.image)
        held.begin("restore", "--bundle", saved.container.bundle.path, "--detach")
        held.await_held()
        held.process.kill(sig)
        result = held.process.wait(3 * GIVES_UP)
        if sig == signal.SIGKILL:
            assert saved.container.state() is not None
            saved.container.delete("--force")
        else:
            assert result.rc == 1 and f"interrupted by signal {sig.value}" in result.err, (words, result)
        assert saved.container.state() is None
        host.wait_until(no_criu, "CRIU to end")
        host_unchanged()
        os.unlink(os.path.join(saved.image, "restore.log"))
    saved.restore()
    assert saved.container.status == "running"
