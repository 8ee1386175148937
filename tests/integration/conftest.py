"""Fixtures of the integration tests. The binary is named by WHERRY_TEST_RUNTIME; see docs/testing.md."""
import os
import re
import shutil
import subprocess

import pytest

import host
import rig
from bundles import BUSYBOX, Bundle
from checkpoints import Keeper, Saved, needs_inet
from containers import Container, assert_refused


def pytest_configure(config):
    prepare(config)
    host.isolate_network()


def prepare(config):
    """The session's own mount namespace, and that there is something to test."""
    config.addinivalue_line("markers", "waits: takes ten seconds and more, for a limit of time that has to pass")
    if os.geteuid() != 0:
        pytest.exit("the integration tests need root: they make namespaces, mounts and cgroups", 2)
    if rig.KIND == "missing":
        pytest.exit(f"no runtime to test: {rig.BINARY} does not answer --version "
                    "(build it, or name another in WHERRY_TEST_RUNTIME)", 2)
    if not os.path.exists(BUSYBOX):
        pytest.exit(f"no {BUSYBOX}: install the package busybox-static", 2)
    host.isolate()


def pytest_report_header(config):
    return [f"runtime: {rig.BINARY} ({rig.VERSION_TEXT.splitlines()[0]})",
            f"cgroup v2: {host.cgroup2_mount()}" + ("" if host.cgroup2_is_alone() else " (hybrid)")]


@pytest.fixture
def runtime(tmp_path):
    """The runtime under test with an empty state directory (runtime.root)."""
    made = rig.Runtime(tmp_path / "state")
    yield made
    made.end()


@pytest.fixture
def host_unchanged(runtime):
    """Call it to fail unless mounts, cgroups, processes, network devices and the state directory are as
    they were when the test began. The end of every test that has a bundle or a container calls it, after
    their clean-up."""
    snapshot = host.Snapshot(runtime.root)
    yield snapshot.check
    snapshot.check()


@pytest.fixture
def bundle(tmp_path, runtime, host_unchanged):
    """Factory of bundles: bundle() gives one with a root file system and the default config."""
    made = []

    def make(rootfs=True):
        made.append(Bundle(tmp_path / f"bundle{len(made)}", rootfs))
        return made[-1]

    yield make
    left = [found for b in made for found in host.remove_leftovers(b.id)]
    host.umount_below(tmp_path)
    for b in made:
        shutil.rmtree(b.path, ignore_errors=True)
    assert not left, f"left behind by a container of this bundle: {left}"


@pytest.fixture
def container(runtime, host_unchanged, bundle):
    """Factory of containers: container(bundle, ident) or container() with a new default bundle. At the
    end each is deleted by force, and what is left even then fails the test."""
    made = []

    def make(b=None, ident=None):
        made.append(Container(runtime, b or bundle(), ident))
        return made[-1]

    yield make
    runtime.end()
    left = [text for text in (c.finish() for c in reversed(made)) if text]
    host.reap_orphans()
    assert not left, "\n".join(left)


@pytest.fixture
def refused(container, host_unchanged):
    """refused(change, *words): create from a changed default bundle fails, and leaves nothing."""
    def check(change, *words, **kw):
        c = container()
        change(c.bundle)
        result = assert_refused(c, *words, **kw)
        host_unchanged()
        return result

    return check


@pytest.fixture
def saved(container, tmp_path):
    """A container that a test starts, saves and restores (checkpoints.Saved)."""
    return Saved(container(), tmp_path)


@pytest.fixture
def keeper(saved, helper):
    """keeper(thing) is a container that keeps something, and tells whether it still has it (checkpoints.Keeper)."""
    def make(thing):
        if thing in ("tcp", "waiting"):
            needs_inet()
        return Keeper(saved, helper("keeper"), thing)
    return make


@pytest.fixture
def late(runtime, tmp_path):
    """late("clone3", args): a call of the runtime, as soon as it comes to that system call, be it by its init: there it stands
    still for two seconds. late("execve: /bin/sh"): the one with this path. Each process does, once; nth=2: to go on from the
    second."""
    def begin(moment, *args, nth=1):
        call, _, path = moment.partition(": ")
        sign = re.compile(rf"\b{call}\(" + (re.escape(f'"{path}"') if path else ""))
        log = tmp_path / "strace"
        argv = ["strace", "-f", "-o", str(log), "-e", f"trace={call}", "-e", f"inject={call}:delay_enter=2000000:when=1"]
        # nobody can look for leaks in a process that is traced
        env = dict(os.environ, ASAN_OPTIONS=os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0")
        made = rig.Process(argv + runtime.argv(*args), env=env)
        runtime.processes.append(made)
        host.wait_until(lambda: log.exists() and len(sign.findall(log.read_text())) >= nth, f"it to come to {moment}")
        return made

    return begin


@pytest.fixture
def canary(tmp_path):
    """A directory of the host that a container must not change; checked at the end of the test."""
    top = tmp_path / "canary"
    top.mkdir(mode=0o751)
    (top / "f").write_text("untouched\n")
    (top / "dir").mkdir()
    (top / "dir" / "inner").write_text("untouched as well\n")
    os.chmod(top / "f", 0o640)
    for path in (top / "f", top / "dir", top / "dir" / "inner", top):
        os.utime(path, (1000000000, 1000000000))
    before = host.describe_tree(top)
    yield top
    after = host.describe_tree(top)
    assert after == before, f"the canary changed: {sorted(set(after) ^ set(before)) or 'content or mode'}"


@pytest.fixture(scope="session")
def helper(tmp_path_factory):
    """helper("name") compiles helpers/name.c once to a static program and returns its path. WHERRY_TEST_HELPERS names
    a folder of compiled ones, for a host without a compiler."""
    made = {}
    top = tmp_path_factory.mktemp("helpers")

    def build(name):
        ready = os.path.join(os.environ.get("WHERRY_TEST_HELPERS", "/nonexistent"), name)
        if os.path.exists(ready):
            return ready
        if name not in made:
            source = os.path.join(rig.HERE, "helpers", name + ".c")
            target = str(top / name)
            subprocess.run(["cc", "-static", "-O1", "-Wall", "-Werror", "-o", target, source], check=True,
                           timeout=120)
            made[name] = target
        return made[name]

    return build
