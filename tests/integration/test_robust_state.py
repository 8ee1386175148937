"""The state directory when something is wrong with it: list shows it, delete --force clears it."""
import os
import re
import shutil
import signal
import subprocess
import time

import pytest

import host
from rig import lacks, skip_if, wherry_only

BOOT_ID = open("/proc/sys/kernel/random/boot_id").read().strip()


def state_files(runtime, ident):
    """The regular files of a container's entry that have content."""
    found = []
    for path, _, files in os.walk(os.path.join(runtime.root, ident)):
        found += [os.path.join(path, f) for f in files if os.path.isfile(os.path.join(path, f))
                  and os.path.getsize(os.path.join(path, f))]
    assert found, "the container has no state file"
    return found


def rewrite(runtime, ident, change):
    """Change the bytes of every state file of a container; returns how many did change."""
    changed = 0
    for path in state_files(runtime, ident):
        with open(path, "rb") as f:
            old = f.read()
        new = change(old)
        changed += new != old
        with open(path, "wb") as f:
            f.write(new)
    return changed


DAMAGES = {
    "empty": lambda old: b"", "half": lambda old: old[:len(old) // 2], "garbage": lambda old: os.urandom(len(old)),
    "empty-object": lambda old: b"{}", "array": lambda old: b"[]", "null": lambda old: b"null",
    "deep": lambda old: b"[" * 200000, "zeros": lambda old: b"\0" * 4096, "text": lambda old: b"no json\n",
    "huge": lambda old: b'{"a":"' + b"x" * (8 << 20) + b'"}', "trailing": lambda old: old + b"}}junk",
    "last-byte": lambda old: old[:-2], "wrong-types": lambda old: re.sub(rb":\s*\d+", b':"x"', old)}


@lacks("runc", "a damaged state file makes a container that can never be removed")
@pytest.mark.parametrize("running", [True, False], ids=["running", "created"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_state_file(runtime, container, host_unchanged, damage, running):
    healthy, c = container(), container()
    healthy.create()
    c.create()
    if running:
        c.start()
    pid = c.pid
    rewrite(runtime, c.id, DAMAGES[damage])
    listed = runtime.run("list", check=True).out
    assert c.id in listed and healthy.id in listed
    assert {e["id"] for e in runtime.run("list", "-f", "json", check=True).json()} == {c.id, healthy.id}
    refused = c.delete(check=False)
    assert refused.rc == 1 and c.id in refused.err + "".join(refused.argv)
    assert host.alive(pid), "delete refused, but ended the container"
    state = runtime.run("state", c.id)
    assert state.rc == 1 or state.json()["status"] == "unknown"
    for verb in ("start", "kill", "pause", "resume"):
        assert runtime.run(verb, c.id).rc == 1
    assert runtime.run("exec", c.id, "true").rc == 255
    assert c.delete("--force").ok
    assert runtime.run("list", "-q").out.split() == [healthy.id]
    host.wait_gone(pid)
    assert host.cgroup_dirs(c.id) == []


@wherry_only("wording")
def test_damaged_state_says_what_happened(runtime, container):
    c = container()
    c.create()
    rewrite(runtime, c.id, DAMAGES["half"])
    error = runtime.run("delete", c.id).err
    assert c.id in error and "--force" in error


@lacks("runc", "an entry without its state file cannot be deleted")
def test_missing_state_file(runtime, container, host_unchanged):
    c = container()
    c.up()
    for path in state_files(runtime, c.id):
        os.unlink(path)
    assert c.id in runtime.run("list", check=True).out
    c.delete("--force")
    assert runtime.run("list", "-q").out.strip() == ""


@lacks("runc", "an empty entry cannot be deleted")
def test_empty_entry(runtime, host_unchanged):
    os.makedirs(os.path.join(runtime.root, "half-made"), mode=0o700)
    assert "half-made" in runtime.run("list", check=True).out
    assert runtime.run("delete", "--force", "half-made").ok
    assert runtime.run("list", "-q").out.strip() == ""
    host_unchanged()


@pytest.mark.parametrize("what", ["config.json", "rootfs", "bundle"])
def test_vanished_bundle(runtime, container, host_unchanged, what):
    c = container()
    pid = c.up()
    gone = {"config.json": c.bundle.config_file, "rootfs": c.bundle.rootfs, "bundle": c.bundle.path}[what]
    (os.unlink if what == "config.json" else shutil.rmtree)(gone)
    assert c.status == "running"
    assert c.id in runtime.run("list", check=True).out
    c.kill("KILL")
    host.wait_gone(pid)
    c.wait_status("stopped")
    c.delete()
    assert c.state() is None
    host_unchanged()


def test_vanished_bundle_and_force(container, host_unchanged):
    c = container()
    c.up()
    shutil.rmtree(c.bundle.path)
    c.delete("--force")
    host_unchanged()


@pytest.fixture
def small_root(runtime, host_unchanged):
    """The state directory on a tmpfs of its own: small_root(options) mounts it."""
    def mount(options):
        os.makedirs(runtime.root, mode=0o700)
        host.mount("tmpfs", runtime.root, "tmpfs", 0, "mode=700," + options)

    yield mount
    host.umount_below(runtime.root)


def fill(path):
    with open(path, "wb", buffering=0) as f:
        try:
            while f.write(b"x" * 4096):
                pass
        except OSError:
            pass


@pytest.mark.parametrize("options", ["size=4k", "size=8k", "nr_inodes=1", "nr_inodes=2", "nr_inodes=3", "nr_inodes=4"])
def test_state_directory_without_room(runtime, small_root, container, options):
    small_root(options)
    if options.startswith("size"):
        fill(runtime.root + "/filler")
    c = container()
    result = c.create(check=False)
    if result.ok and options in ("nr_inodes=3", "nr_inodes=4"):
        assert c.status == "created"
        return
    assert result.rc == 1
    assert "no space left on device" in result.err.lower() or runtime.kind == "runc"
    assert host.cgroup_dirs(c.id) == [] and host.processes_in_cgroups(c.id) == []
    assert runtime.run("list", "-q", check=True).out.strip() == ""
    assert not os.path.exists(os.path.join(runtime.root, c.id))


@wherry_only("the path is named")
def test_state_directory_without_room_names_it(runtime, small_root, container):
    small_root("nr_inodes=1")
    assert runtime.root in container().create(check=False).err


def test_full_state_directory_does_not_lock_containers_in(runtime, small_root, container):
    small_root("size=256k")
    first, second = container(), container()
    first.up()
    second.create()
    fill(runtime.root + "/filler")
    assert (first.status, second.status) == ("running", "created")
    assert first.sh("echo in") == "in\n"
    first.kill("KILL")
    first.wait_status("stopped")
    first.delete()
    second.delete("--force")
    assert runtime.run("list", "-q", check=True).out.strip() == ""


@wherry_only("the boot id is in its state file")
class TestReboot:
    """After a reboot with a persistent state directory, no pid in it means anything."""

    OTHER = "00000000-1111-2222-3333-444444444444"

    def rebooted(self, runtime, c):
        assert rewrite(runtime, c.id, lambda old: old.replace(BOOT_ID.encode(), self.OTHER.encode()))

    def test_every_container_is_stopped(self, runtime, container):
        made = [container() for _ in range(3)]
        for c in made:
            c.up()
            self.rebooted(runtime, c)
        assert {e["status"] for e in runtime.run("list", "-f", "json", check=True).json()} == {"stopped"}
        assert [c.status for c in made] == ["stopped"] * 3

    def test_no_process_is_touched(self, runtime, container):
        c = container()
        pid = c.up()
        self.rebooted(runtime, c)
        for result, rc in ((c.kill("KILL", check=False), 1), (c.exec("true"), 255), (runtime.run("start", c.id), 1),
                           (runtime.run("pause", c.id), 1), (runtime.run("update", "--pids-limit", "9", c.id), 1)):
            assert result.rc == rc and "the host was restarted since" in result.err, result
        assert host.alive(pid)

    def test_it_can_be_deleted(self, runtime, container, host_unchanged):
        c = container()
        pid = c.up()
        host.kill_quietly(pid)
        host.wait_gone(pid)
        os.rmdir(host.cgroup_path(c.id))
        self.rebooted(runtime, c)
        c.delete()
        assert c.state() is None
        host_unchanged()


@pytest.fixture
def bystander():
    """A process that has nothing to do with any container."""
    process = subprocess.Popen(["/bin/sleep", "1000"])
    host.adopt(process.pid)
    # the kernel counts start times in ticks: what starts after this has another one
    time.sleep(2 / os.sysconf("SC_CLK_TCK"))
    yield process
    process.kill()
    process.wait(10)
    host.release(process.pid)


def test_reused_pid_is_not_the_container(runtime, container, bystander, host_unchanged):
    c = container()
    pid = c.up()
    host.kill_quietly(pid)
    host.wait_gone(pid)
    pattern = rb'("(?:init_process_pid|initPid)"\s*:\s*)%d\b' % pid
    assert rewrite(runtime, c.id, lambda old: re.sub(pattern, rb"\g<1>%d" % bystander.pid, old))
    assert c.status == "stopped"
    killed = c.kill("KILL", check=False)
    assert killed.rc == 1 and "container not running" in killed.err
    c.delete("--force")
    assert bystander.poll() is None, "a stranger was killed"
    host_unchanged()


@lacks("runc", "delete --force leaves a process that the state file does not name, and its cgroup")
def test_wrong_start_time_is_not_the_container(runtime, container):
    c = container()
    pid = c.up()
    with open(f"/proc/{pid}/stat") as f:
        start = f.read().rsplit(")", 1)[1].split()[19]
    assert rewrite(runtime, c.id, lambda old: old.replace(start.encode(), str(int(start) - 1).encode()))
    assert c.status == "stopped"
    assert c.kill("TERM", check=False).rc == 1
    assert host.alive(pid)


@pytest.mark.parametrize("kind", ["process", "child"])
def test_cgroup_that_is_in_use_is_refused(container, bystander, host_unchanged, kind):
    c = container()
    place = host.cgroup_path(c.id + ("/inner" if kind == "child" else ""))
    skip_if("runc", "looks at the cgroup itself only") if kind == "child" else None
    os.makedirs(place)
    try:
        with open(place + "/cgroup.procs", "w") as f:
            f.write(str(bystander.pid))
        if not host.cgroup2_is_alone():
            skip_if("runc", "looks for processes in the v1 hierarchies of a hybrid host")
        skip_if("runc", "only warns", below=(1, 2, 0))
        result = c.create(check=False)
        assert result.rc == 1
        assert c.state() is None
        assert bystander.poll() is None
        assert host.cgroup_of(bystander.pid) == place[len(host.cgroup2_mount()):]
        c.delete("--force")
        assert bystander.poll() is None, "delete --force killed a stranger"
        assert os.path.exists(place)
    finally:
        bystander.kill()
        bystander.wait(10)
        host.remove_leftovers(c.id)


def test_empty_cgroup_that_is_there_already(container, host_unchanged):
    c = container()
    os.mkdir(host.cgroup_path(c.id))
    c.up()
    assert host.cgroup_of(c.pid) == "/" + c.id
    c.delete("--force")
    if os.path.exists(host.cgroup_path(c.id)):
        os.rmdir(host.cgroup_path(c.id))


@lacks("runc", "looks at the v1 freezer of a hybrid host")
def test_frozen_cgroup_is_refused(container, host_unchanged):
    c = container()
    place = host.cgroup_path(c.id)
    os.mkdir(place)
    try:
        with open(place + "/cgroup.freeze", "w") as f:
            f.write("1")
        result = c.create(check=False, timeout=5)
        assert result.rc == 1 and "frozen" in result.err
    finally:
        host.remove_leftovers(c.id)


@pytest.mark.parametrize("sig", ["STOP", "KILL"])
def test_init_stopped_or_killed_from_outside(container, sig):
    c = container()
    pid = c.up()
    os.kill(pid, getattr(signal, "SIG" + sig))
    if sig == "STOP":
        assert c.status == "running"
    else:
        c.wait_status("stopped")
    c.delete("--force")


def test_init_killed_while_created(container, host_unchanged):
    c = container()
    c.create()
    pid = c.pid
    os.kill(pid, signal.SIGKILL)
    host.wait_gone(pid)
    assert c.status == "stopped"
    result = c.start(check=False)
    assert result.rc == 1
    c.delete()
    host_unchanged()
