"""Migration in tests: two state roots, a container that notices when two of it run, and what must hold afterwards."""
import json
import os
import shutil
import subprocess

import pytest

import host
import rig
from checkpoints import CRIU, needs_criu

needs_migration = needs_criu
"""The marks of a module of such tests."""


RELAY = """#!/usr/bin/python3
# HOST COMMAND...: runs the command, and is the wire to it until the file DOWN is there.
import os, subprocess, sys, threading, time
DOWN = {down!r}
def is_down():
    if not os.path.exists(DOWN):
        return False
    with open(DOWN) as f:
        once = f.read() == "once"
    if once:
        os.unlink(DOWN)
    return True
if is_down():
    sys.exit(255)
there = subprocess.Popen(["sh", "-c", " ".join(sys.argv[2:])], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
def pump(source, target):
    while data := os.read(source, 65536):
        while data:
            data = data[os.write(target, data):]
    os.close(target)
threads = [threading.Thread(target=pump, args=ends, daemon=True)
           for ends in ((0, there.stdin.fileno()), (there.stdout.fileno(), 1))]
for thread in threads:
    thread.start()
while there.poll() is None or threads[1].is_alive():
    if is_down():
        os._exit(255)
    time.sleep(0.01)
sys.exit(there.returncode)
"""


class Relay:
    """A remote shell to this host that can be cut."""

    def __init__(self, tmp_path):
        self.down, self.program = tmp_path / "down", tmp_path / "relay"
        self.program.write_text(RELAY.format(down=str(self.down)))
        self.program.chmod(0o755)

    def cut(self):
        self.down.touch()

    def cut_once(self):
        """The connection that there is; the next one works."""
        new = self.down.with_suffix(".new")
        new.write_text("once")
        new.rename(self.down)
        host.wait_until(lambda: not self.down.exists(), "the connection to be cut")

    def mend(self):
        self.down.unlink()


class Place:
    """A state root, as one end of a migration."""

    def __init__(self, runtime, name):
        self.runtime, self.name = runtime, name

    def status(self, ident):
        state = self.runtime.state(ident)
        return state["status"] if state else None

    def records(self):
        """The records of migrations here."""
        return json.loads(self.runtime.run("migrate", "--status", "--format", "json", check=True).out)


def receivers(there):
    """The pids of who is a destination there: the receiver, its guard, and the process between with --lazy."""
    found = subprocess.run(["pgrep", "-f", f"^{there.runtime.binary} --root {there.runtime.root} migrate --receive"],
                           capture_output=True, text=True).stdout.split()
    return [int(pid) for pid in found]


class Migrant:
    """A container of the program migrant, and the two places between which it moves."""

    def __init__(self, container, here, there, tmp_path):
        self.container, self.places = container, [here, there]
        self.ident = container.id
        self.images = tmp_path / "images"
        self.images.mkdir()
        self.tmp_path = tmp_path
        self.files = os.path.join(container.bundle.rootfs, "tmp")  # where the program writes
        self.env = {"TMPDIR": str(self.images)}
        # CRIU opens again what the container's streams lead to: a file with a name
        self.output = open(tmp_path / "output", "ab")
        os.chmod(self.output.name, 0o666)  # a mapped root opens it, too

    def up(self, mib=0, dirty=0, helper=None):
        bundle = self.container.bundle
        shutil.copy(helper, os.path.join(bundle.rootfs, "bin/migrant"))
        bundle.args("/bin/migrant", str(mib), str(dirty))
        bundle.drop("linux.cgroupsPath")  # one that is named cannot be both ends' on one host
        self.container.up(stdout=self.output, stderr=self.output)
        host.wait_until(lambda: self.count() > 1, "the first counts", 60)
        return self

    @property
    def home(self):
        """Where it runs. It has to be one place exactly."""
        running = [p for p in self.places if p.status(self.ident) == "running"]
        assert len(running) == 1, f"it runs in {[p.name for p in running]}: {self.statuses()}"
        return running[0]

    @property
    def elsewhere(self):
        home = self.home
        return next(p for p in self.places if p is not home)

    def statuses(self):
        return {p.name: p.status(self.ident) for p in self.places}

    def file(self, name):
        return os.path.join(self.files, name)

    def count(self):
        try:
            with open(self.file("n")) as f:
                return int(f.read() or 0)
        except (OSError, ValueError):
            return 0

    def argv(self, *flags, to=None):
        to = to or self.elsewhere
        return ["migrate", "--criu", CRIU, *flags, self.ident, f"local:{to.runtime.root}"]

    def spawn(self, *flags, to=None, env=None, home=None):
        to = to or self.elsewhere
        home = home or next(p for p in self.places if p is not to)
        return home.runtime.spawn(*self.argv(*flags, to=to), env=dict(self.env, **(env or {})))

    def move(self, *flags, check=True, timeout=120, **kw):
        result = self.spawn(*flags, **kw).wait(timeout)
        assert result.rc == 0 or not check, f"the migration failed: {result!r}\n{self.logs()}"
        return result

    def spawn_over(self, rsh, *flags, env=None, fault=""):
        """A migration from the first place to the second by a remote shell; fault: the receiver's."""
        target = self.places[1].runtime
        remote = f"env TMPDIR={self.images} WHERRY_TEST_MIGRATE_FAULT='{fault}' {target.binary} --root {target.root}"
        return self.places[0].runtime.spawn("migrate", "--criu", CRIU, "--remote-criu", CRIU, "--rsh", rsh, "--remote-wherry", remote,
                                            *flags, self.ident, "ssh://other", env=dict(self.env, **(env or {})))

    def anew(self, change):
        """The container once more, after change(bundle)."""
        self.container.delete("--force")
        change(self.container.bundle)
        self.container.up(stdout=self.output, stderr=self.output)
        before = self.count()
        host.wait_until(lambda: self.count() > before, "it to count", 20)

    def logs(self):
        found = subprocess.run(["grep", "-rhE", "Error|Warn", "--include=*.log", str(self.images)], capture_output=True,
                               text=True)
        return found.stdout[-3000:]

    def settled(self):
        """One runs, nobody is at a migration, and nothing of one is left."""
        host.reap_orphans()
        statuses = list(self.statuses().values())
        return statuses.count("running") == 1 and statuses.count(None) == 1 and not any(
            p.records() for p in self.places) and not os.listdir(self.images)

    def describe(self):
        return f"{self.statuses()}, records {[p.records() for p in self.places]}, images {os.listdir(self.images)}"

    def check_memory(self, timeout=30):
        """Every page has what was written to it."""
        before = self.lines("checked")
        self.home.runtime.run("kill", self.ident, "USR1", check=True)
        host.wait_until(lambda: len(self.lines("checked")) > len(before), "all pages to be checked", timeout)
        assert not self.lines("damage")

    def lines(self, name):
        try:
            with open(self.file(name)) as f:
                return f.read().splitlines()
        except OSError:
            return []

    def assert_well(self, where=None, timeout=20, rolled_back=False):
        """Exactly one of it runs (at where), it goes on counting, and never did two run. rolled_back: it may go on from an
        earlier moment, once, of which its count tells."""
        try:
            host.wait_until(self.settled, "one container and no rest", timeout)
        except AssertionError as e:
            raise AssertionError(f"{e}: {self.describe()}") from e
        assert where is None or self.home is where, f"it runs in {self.home.name}, not in {where.name}"
        before = self.count()
        host.wait_until(lambda: self.count() > before + 2, "the count to go on")
        clashes = self.lines("clash")
        if rolled_back and len(clashes) == 1:
            assert int(clashes[0].split()[0]) < int(clashes[0].split()[1]), clashes
            os.unlink(self.file("clash"))
        for trace in ("clash", "damage"):
            assert not os.path.exists(self.file(trace)), f"{trace}: {open(self.file(trace)).read()[:500]}"

    def end(self):
        """Also after a test that has failed: a receiver that stands still at a fault would wait for ever, and its guard for it."""
        self.output.close()
        for place in self.places:
            place.runtime.end()
        for place in self.places:
            for pid in receivers(place):
                host.kill_quietly(pid)
        for place in self.places:
            place.runtime.run("delete", "--force", self.ident, timeout=30)
            place.runtime.end()


def there_stopped(there):
    """The pid of a receiver that stands still at a fault."""
    def find():
        return next((pid for pid in receivers(there) if host.proc_status(pid, "State").startswith("T")), None)
    return host.wait_until(find, "the receiver to stand still", 60)


@pytest.fixture
def migrant(container, runtime, tmp_path, helper):
    """Call it for a running Migrant: migrant(mib=64, dirty=1)."""
    made = []

    def make(**kw):
        there = rig.Runtime(tmp_path / "elsewhere")
        made.append(Migrant(container(), Place(runtime, "here"), Place(there, "there"), tmp_path))
        return made[-1].up(helper=helper("migrant"), **kw)

    yield make
    for one in made:
        one.end()
