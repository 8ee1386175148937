"""checkpoint and restore where cgroups have limits, systemd makes them, and the kernel tracks changes of memory."""
import os
import select
import subprocess

import pytest

import host
from checkpoints import CRIU, Keeper, Saved, needs_criu
from managers import cgroup_of, manager, read  # noqa: F401  manager is a fixture

pytestmark = needs_criu

MIB = 1 << 20
LOOP = "while :; do usleep 50000; done"


@pytest.fixture
def saved(manager, container, tmp_path):  # noqa: F811
    """A container of one manager, to be saved and brought back by the same."""
    one = Saved(manager.prepare(container()), tmp_path)
    one.options = manager.options
    one.container.bundle.sh(LOOP)
    return one


def cycle(saved, *flags, restore_flags=None):
    saved.checkpoint(*flags, timeout=120)
    assert saved.container.state() is None
    saved.restore(*(flags if restore_flags is None else restore_flags), options=saved.options, timeout=120)


def test_limits_and_place(saved):
    """Twice, since what was restored can be saved again."""
    c = saved.container
    c.bundle.set("linux.resources.memory", {"limit": 96 * MIB, "swap": 96 * MIB})
    c.bundle.set("linux.resources.pids", {"limit": 77})
    c.bundle.set("linux.resources.cpu", {"quota": 50000, "period": 100000})
    saved.up(options=saved.options)

    def seen():
        return [cgroup_of(c)] + [read(c, name) for name in ("memory.max", "memory.swap.max", "pids.max", "cpu.max")]
    before = seen()
    assert before[1] == str(96 * MIB)
    for round_ in ("", "2"):
        saved.image += round_
        cycle(saved)
        assert seen() == before
        assert str(c.pid) in read(c, "cgroup.procs").split()
    gone = cgroup_of(c)
    c.delete("--force")
    assert not os.path.exists(gone)


def test_systemd_knows_the_restored_unit(saved):
    c = saved.container
    if "systemd" not in saved.options:
        pytest.skip("of the systemd manager only")
    saved.up(options=saved.options)
    cycle(saved)
    unit = os.path.basename(cgroup_of(c))
    state = subprocess.run(["systemctl", "show", "-p", "ActiveState", unit], capture_output=True, text=True, check=True)
    assert state.stdout == "ActiveState=active\n"
    c.delete("--force")
    state = subprocess.run(["systemctl", "show", "-p", "ActiveState", unit], capture_output=True, text=True, check=True)
    assert state.stdout == "ActiveState=inactive\n"


def test_a_small_limit_holds_while_criu_restores(saved):
    """CRIU is in the container's cgroup meanwhile, and goes."""
    saved.container.bundle.set("linux.resources.memory", {"limit": 64 * MIB})
    saved.container.bundle.set("linux.resources.pids", {"limit": 20})
    saved.up(options=saved.options)
    cycle(saved)
    assert read(saved.container, "cgroup.procs").split() == [str(saved.container.pid)] or \
        len(read(saved.container, "cgroup.procs").split()) <= 2


def test_a_failed_restore_leaves_no_unit(saved, host_unchanged):
    saved.up(options=saved.options)
    saved.checkpoint(timeout=120)
    os.rename(saved.container.bundle.rootfs + "/bin/busybox", saved.container.bundle.rootfs + "/bin/away")
    result = saved.restore(check=False, options=saved.options, timeout=120)
    assert result.rc == 1 and "busybox" in result.err
    host_unchanged()


BELOW = """
cd /sys/fs/cgroup
mkdir init one one/deep
echo $$ > init/cgroup.procs
echo '+memory +pids +cpu' > cgroup.subtree_control
echo '+pids' > one/cgroup.subtree_control
echo 50000000 > one/memory.max
echo 30000 100000 > one/cpu.max
echo 33 > one/deep/pids.max
sh -c 'while :; do usleep 50000; done' & echo $! > one/deep/cgroup.procs
touch /tmp/ready
"""


def cgroup_file(top, name):
    with open(os.path.join(top, name)) as file:
        return file.read().strip()


@pytest.mark.parametrize("mode", ["soft", "full", "ignore"])
def test_cgroups_below(saved, mode):
    """Controllers, limits and places of cgroups of the container's own making, as systemd in a container makes them."""
    c = saved.container
    c.bundle.namespace("cgroup").mount("/sys/fs/cgroup", "cgroup", "cgroup", ["rw", "nosuid", "nodev", "noexec"])
    c.bundle.set("linux.resources.pids", {"limit": 70}).sh(BELOW + LOOP)
    saved.up(options=saved.options)
    host.wait_until(lambda: os.path.exists(c.bundle.rootfs + "/tmp/ready"), "the cgroups")
    place = cgroup_of(c)
    assert place.endswith("/init")
    top = os.path.dirname(place)
    names = ["cgroup.subtree_control", "pids.max", "one/cgroup.subtree_control", "one/memory.max", "one/cpu.max",
             "one/deep/pids.max"]
    with open(os.path.join(top, "pids.max"), "w") as file:
        file.write("60")

    def seen():
        return [cgroup_file(top, name) for name in names] + [cgroup_file(top, "one/deep/cgroup.procs") != ""]
    before = seen()
    assert before == ["cpu memory pids", "60", "pids", str(50000000 // 4096 * 4096), "30000 100000", "33", True]
    if mode == "ignore":
        cycle(saved, "--manage-cgroups-mode", mode)
        assert cgroup_of(c) == top and len(cgroup_file(top, "cgroup.procs").split()) >= 2
        assert cgroup_file(top, "pids.max") == "70"
    else:
        for round_ in ("", "2"):
            saved.image += round_
            cycle(saved, "--manage-cgroups-mode", mode)
            assert cgroup_of(c) == place and cgroup_file(top, "cgroup.procs") == ""
            if mode == "soft":
                before[1] = "70"  # the container's own are the configuration's
            assert seen() == before
    c.delete("--force")
    assert not os.path.exists(top)


def test_the_host_s_cgroup_mount_stays_as_it_is(saved):
    """CRIU, left to itself, mounts the hierarchy anew, which takes nsdelegate from it."""
    def options():
        with open("/proc/self/mountinfo") as mounts:
            return [line.split(" - ")[1] for line in mounts if " - cgroup2 " in line]
    before = options()
    assert "nsdelegate" in before[0]
    saved.up(options=saved.options)
    for mode in ("soft", "full"):
        saved.image += mode
        cycle(saved, "--manage-cgroups-mode", mode)
    assert options() == before


# --- memory ----------------------------------------------------------------------------------------------------

@pytest.fixture
def filled(manager, container, tmp_path, helper):  # noqa: F811
    """Sixteen MiB that are known, and hardly change."""
    one = Saved(manager.prepare(container()), tmp_path)
    one.options = manager.options
    keeper = Keeper(one, helper("keeper"), "memory")
    keeper.up(options=manager.options)
    return keeper


MEMORY = 16 * MIB


def pages(directory):
    return sum(os.path.getsize(os.path.join(directory, n)) for n in os.listdir(directory) if n.startswith("pages-"))


def test_pre_dump(filled, tmp_path):
    """The second image has what has changed, and names the first for the rest."""
    saved, pre = filled.saved, str(tmp_path / "pre")
    saved.checkpoint("--pre-dump", image=pre, timeout=120)
    assert saved.container.status == "running"
    saved.checkpoint("--parent-path", "../pre", timeout=120)
    assert os.path.islink(os.path.join(saved.image, "parent"))
    assert pages(pre) >= MEMORY
    assert pages(saved.image) < MEMORY / 8
    result = saved.restore(check=False, image=pre, options=saved.options)
    assert result.rc == 1 and "pre-dump" in result.err
    saved.restore(options=saved.options, timeout=120)
    assert filled.ask() == "ok"


def blocks(directory):
    return sum(os.stat(os.path.join(directory, n)).st_blocks * 512 for n in os.listdir(directory) if n.startswith("pages-"))


def test_auto_dedup(manager, container, tmp_path, helper):  # noqa: F811
    """What a newer image has is punched out of its parent, if asked for."""
    saved = Saved(manager.prepare(container()), tmp_path)
    keeper = Keeper(saved, helper("keeper"), "redone")
    keeper.up(options=manager.options)
    first, second = str(tmp_path / "first"), str(tmp_path / "second")
    saved.checkpoint("--pre-dump", image=first, timeout=120)
    before = blocks(first)
    assert before >= MEMORY and keeper.ask() == "ok"
    saved.checkpoint("--pre-dump", "--parent-path", "../first", image=second, timeout=120)
    assert blocks(first) == before
    before = blocks(second)
    assert before >= MEMORY and keeper.ask() == "ok"
    saved.checkpoint("--auto-dedup", "--parent-path", "../second", timeout=120)
    assert pages(second) >= MEMORY and blocks(second) < before / 4
    saved.restore(options=manager.options, timeout=120)
    assert keeper.ask() == "ok"


def _listens(port):
    with open("/proc/net/tcp") as file:
        return any(f":{port:04X} " in line and " 0A " in line for line in file)


def test_page_server(filled, tmp_path):
    """Memory goes over the network, into another directory."""
    saved, away = filled.saved, tmp_path / "away"
    away.mkdir()
    server = subprocess.Popen([CRIU, "page-server", "--images-dir", str(away), "--port", "9911", "--address", "127.0.0.1"])
    host.adopt(server.pid)
    try:
        host.wait_until(lambda: _listens(9911), "the page server", 30)
        saved.checkpoint("--page-server", "127.0.0.1:9911", timeout=120)
        server.wait(60)
    finally:
        server.kill()
        server.wait()
        host.release(server.pid)
    assert pages(saved.image) == 0 and MEMORY <= pages(str(away)) < 2 * MEMORY
    for name in os.listdir(away):
        if name.endswith(".img") and not os.path.exists(os.path.join(saved.image, name)):
            os.rename(away / name, os.path.join(saved.image, name))
    saved.restore(options=saved.options, timeout=120)
    assert filled.ask() == "ok"


def test_lazy_pages(filled, tmp_path):
    """The memory is fetched when the restored container touches it; the status fd says when it can be, also when the
    program that was started has left the work to its twin, which knows systemd."""
    saved, work = filled.saved, tmp_path / "work"
    work.mkdir()
    reader, writer = os.pipe()
    saving = saved.runtime.spawn(
        "checkpoint", "--criu", CRIU, "--image-path", saved.image, "--lazy-pages", "--page-server", "127.0.0.1:9912",
        "--status-fd", str(writer), saved.container.id, pass_fds=[writer])
    os.close(writer)
    assert select.select([reader], [], [], 120)[0] and os.read(reader, 1) == b"\0", saving.err()
    os.close(reader)
    assert pages(saved.image) < MEMORY / 8
    daemon = subprocess.Popen([CRIU, "lazy-pages", "--images-dir", saved.image, "--work-dir", str(work), "--page-server",
                               "--address", "127.0.0.1", "--port", "9912"])
    host.adopt(daemon.pid)
    other = saved.container.id + "x"
    try:
        host.wait_until(lambda: os.path.exists(work / "lazy-pages.socket"), "the daemon", 30)
        saved.container.bundle.drop("linux.cgroupsPath").write()
        saved.restore("--lazy-pages", "--work-path", str(work), ident=other, options=saved.options, timeout=120)
        assert filled.ask() == "ok"
        assert saving.wait(120).rc == 0
        daemon.wait(60)
    finally:
        saved.runtime.run("delete", "--force", other)
        daemon.kill()
        daemon.wait()
        host.release(daemon.pid)
