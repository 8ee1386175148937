"""checkpoint and restore where cgroups have limits, systemd makes them, and the kernel tracks changes of memory."""
import os
import subprocess

import pytest

import host
from checkpoints import CRIU, Saved, needs_criu
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


def test_cgroups_below(saved):
    """Processes in cgroups of the container's own making are all in the container's afterwards."""
    c = saved.container
    c.bundle.namespace("cgroup").mount("/sys/fs/cgroup", "cgroup", "cgroup", ["rw", "nosuid", "nodev", "noexec"])
    c.bundle.sh("mkdir /sys/fs/cgroup/one; sleep 1000 & echo $! > /sys/fs/cgroup/one/cgroup.procs; touch /tmp/ready; " + LOOP)
    saved.up(options=saved.options)
    host.wait_until(lambda: os.path.exists(c.bundle.rootfs + "/tmp/ready"), "the cgroup")
    top = cgroup_of(c)
    cycle(saved)
    assert cgroup_of(c) == top
    assert len(read(c, "cgroup.procs").split()) >= 2
    c.delete("--force")
    assert not os.path.exists(top)


# --- memory ----------------------------------------------------------------------------------------------------

FILL = "x=$(seq 1 200000); while [ ! -e /tmp/ask ]; do usleep 50000; done; echo \"$x\" | sha256sum > /tmp/sum; " + LOOP


@pytest.fixture
def filled(container, tmp_path):
    one = Saved(container(), tmp_path)
    one.container.bundle.sh(FILL)
    one.up()
    host.wait_until(lambda: int(host.proc_status(one.container.pid, "VmRSS").split()[0]) > 1500, "memory in use", 60)
    one.sum = subprocess.run("seq 1 200000 | sha256sum", shell=True, capture_output=True, text=True, check=True).stdout
    return one


def sum_of(saved):
    path = os.path.join(saved.container.bundle.rootfs, "tmp/sum")
    open(os.path.join(saved.container.bundle.rootfs, "tmp/ask"), "w").close()
    host.wait_until(lambda: os.path.exists(path) and os.path.getsize(path) > 60, "the sum", 60)
    with open(path) as file:
        return file.read()


def pages(directory):
    return sum(os.path.getsize(os.path.join(directory, n)) for n in os.listdir(directory) if n.startswith("pages-"))


def test_pre_dump(filled, tmp_path):
    pre = str(tmp_path / "pre")
    filled.checkpoint("--pre-dump", image=pre, timeout=120)
    assert filled.container.status == "running"
    filled.checkpoint("--parent-path", "../pre", timeout=120)
    assert os.path.islink(os.path.join(filled.image, "parent"))
    assert pages(filled.image) < pages(pre)
    result = filled.restore(check=False, image=pre)
    assert result.rc == 1 and "pre-dump" in result.err
    filled.restore(timeout=120)
    assert sum_of(filled) == filled.sum


def test_page_server(filled, tmp_path):
    """Memory goes over the network, into another directory."""
    away = tmp_path / "away"
    away.mkdir()
    server = subprocess.Popen([CRIU, "page-server", "--images-dir", str(away), "--port", "9911", "--address", "127.0.0.1"])
    host.adopt(server.pid)
    try:
        filled.checkpoint("--page-server", "127.0.0.1:9911", timeout=120)
        server.wait(60)
    finally:
        server.kill()
        server.wait()
        host.release(server.pid)
    assert pages(filled.image) == 0 and pages(str(away)) > 100000
    for name in os.listdir(away):
        if name.endswith(".img") and not os.path.exists(os.path.join(filled.image, name)):
            os.rename(away / name, os.path.join(filled.image, name))
    filled.restore(timeout=120)
    assert sum_of(filled) == filled.sum


def test_lazy_pages(filled, tmp_path):
    """The memory is fetched when the restored container touches it; the status fd says when it can be."""
    work = tmp_path / "work"
    work.mkdir()
    reader, writer = os.pipe()
    saving = filled.runtime.spawn(
        "checkpoint", "--criu", CRIU, "--image-path", filled.image, "--lazy-pages", "--page-server", "127.0.0.1:9912",
        "--status-fd", str(writer), filled.container.id, pass_fds=[writer])
    os.close(writer)
    assert os.read(reader, 1) == b"\0"
    os.close(reader)
    daemon = subprocess.Popen([CRIU, "lazy-pages", "--images-dir", filled.image, "--work-dir", str(work), "--page-server",
                               "--address", "127.0.0.1", "--port", "9912"])
    host.adopt(daemon.pid)
    try:
        host.wait_until(lambda: os.path.exists(work / "lazy-pages.socket"), "the daemon", 30)
        other = filled.container.id + "x"
        filled.container.bundle.set("linux.cgroupsPath", "/" + other).write()
        filled.restore("--lazy-pages", "--work-path", str(work), ident=other, timeout=120)
        assert sum_of(filled) == filled.sum
        assert saving.wait(120).rc == 0
        daemon.wait(60)
    finally:
        filled.runtime.run("delete", "--force", other)
        daemon.kill()
        daemon.wait()
        host.release(daemon.pid)
