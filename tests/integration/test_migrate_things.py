"""migrate and what a container has besides memory: what comes along, what wants a flag, what cannot, and that the error says so."""
import os
import shutil
import signal
import socket

import pytest

import host
from checkpoints import needs_inet
from migrations import migrant, needs_migration  # noqa: F401

pytestmark = needs_migration


@pytest.fixture
def keeping(migrant, helper):
    """keeping(thing, change) is a container that runs helpers/keeper.c, as a Migrant. change(bundle) comes before it is made."""
    def make(thing, change=lambda bundle: None):
        if thing == "tcp":
            needs_inet()
        m = migrant()
        m.container.delete("--force")
        bundle = m.container.bundle
        shutil.copy(helper("keeper"), os.path.join(bundle.rootfs, "bin/keeper"))
        change(bundle.args("/bin/keeper", thing))
        m.container.up(stdout=m.output, stderr=m.output)
        host.wait_until(lambda: os.path.exists(m.file("ready")), "the keeper to be ready")
        return m
    return make


def ask(m):
    """What the keeper says, wherever it runs."""
    open(m.file("ask"), "w").close()
    host.wait_until(lambda: os.path.exists(m.file("answer")), "an answer")
    with open(m.file("answer")) as f:
        text = f.read()
    os.unlink(m.file("answer"))
    return text


def runs_in(m, place):
    host.wait_until(m.settled, "one container and no rest", 20)
    assert m.home is place


@pytest.mark.parametrize("thing", ["tcp", "unix", "named", "pipe", "deleted", "linked", "shared", "threads", "timers"])
def test_it_comes_along(keeping, thing):
    m = keeping(thing)
    m.move()
    runs_in(m, m.places[1])
    assert ask(m) == "ok"


def test_connections_are_dropped_where_that_is_asked_for(keeping):
    m = keeping("tcp")
    m.move("--tcp-close")
    runs_in(m, m.places[1])
    assert ask(m) != "ok"


def refused(m, *flags, words):
    """One error with all the words; nothing has been touched."""
    result = m.move(*flags, check=False, to=m.places[1])
    assert result.rc == 1 and len(result.err.splitlines()) == 1, result
    assert not [word for word in words if word not in result.err], result
    assert result.out.splitlines()[-1] == f"container '{m.ident}' runs here, on, as before"
    runs_in(m, m.places[0])
    return result


def test_a_socket_of_the_host(keeping, tmp_path):
    """CRIU's own words for what only it notices; with the flag that they name it comes along."""
    outside = tmp_path / "outside"
    outside.mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ours:
        ours.bind(str(outside / "sock"))
        os.chmod(outside / "sock", 0o777)
        ours.settimeout(10)

        def reach_it(bundle):
            bundle.mount(str(outside), outside, options=["bind"])
            bundle.without_namespace("network").set("process.cwd", str(outside))
        m = keeping("outside", reach_it)
        result = refused(m, words=["CRIU could not save", "--ext-unix-sk"])
        assert "more in" not in result.err, "a log that has gone with the images"
        assert "stands still" in result.out
        m.move("--ext-unix-sk")
        runs_in(m, m.places[1])
        assert ask(m) == "ok"
        assert ours.recv(16) == b"heard"


@pytest.mark.parametrize("flags", [(), ("--dry-run",)], ids=["move", "dry-run"])
def test_every_obstacle_of_the_container_is_named(migrant, flags):
    """What is in its configuration, and what its processes have open."""
    device = {"type": "c", "major": 1, "minor": 3}

    def change(bundle):
        bundle.append("linux.devices", {"path": "/dev/other", "fileMode": 0o666, **device})
        bundle.append("linux.resources.devices", {"allow": True, "access": "rw", **device})
        bundle.without_namespace("ipc")
    m = migrant()
    m.anew(change)
    m.container.runtime.run("exec", m.ident, "/bin/sh", "-c", "(exec 5</dev/other; touch /tmp/open; while :; do sleep 0.1; done) "
                            "</dev/null >/dev/null 2>&1 &", check=True)
    host.wait_until(lambda: os.path.exists(m.file("open")), "the device to be open")
    result = refused(m, *flags, words=["has the device '/dev/other' open", "it has no ipc namespace of its own"])
    assert "stands still" not in result.out


@pytest.mark.parametrize("flags", [(), ("--dry-run",)], ids=["move", "dry-run"])
def test_every_obstacle_of_the_destination_is_named(migrant, tmp_path, flags):
    volumes = [tmp_path / "one", tmp_path / "two"]
    m = migrant()
    for volume in volumes:
        volume.mkdir()
    m.anew(lambda bundle: [bundle.mount(f"/{volume.name}", str(volume), options=["bind"]) for volume in volumes])
    for volume in volumes:
        volume.rmdir()
    result = refused(m, *flags, words=[f"the source '{volume}' of the mount at '/{volume.name}' is missing there" for volume in volumes])
    assert "stands still" not in result.out


def test_what_exec_has_started_stays_behind(migrant):
    """Its parent is outside of the container; who moves it is told so. What is a child of the container's comes along."""
    m = migrant()
    loop = "while :; do sleep 0.01; done"
    m.container.runtime.run("exec", m.ident, "/bin/sh", "-c", "(i=0; while :; do i=$((i+1)); (echo $i) >/tmp/child; sleep 0.01; done) "
                            "</dev/null >/dev/null 2>&1 &", check=True)
    m.container.runtime.run("exec", "--detach", "--pid-file", m.tmp_path / "pid", m.ident, "/bin/sh", "-c", loop, check=True)
    pid = (m.tmp_path / "pid").read_text()
    result = m.move()
    assert result.err.count("was started by exec") == 1 and f"process {pid} was started by exec and does not come along" in result.err
    m.assert_well(m.places[1])
    host.wait_until(lambda: not os.path.exists(f"/proc/{pid}"), "its end")
    before = m.lines("child")
    host.wait_until(lambda: m.lines("child") not in (before, []), "the child to go on")


# --- locks -------------------------------------------------------------------------------------------------------------

HELD = "holds a lock on '/tmp/locked', which both ends have without --rootfs copy"


@pytest.mark.parametrize("flags", [(), ("--lazy",), ("--dry-run",)], ids=["move", "lazy", "dry-run"])
def test_a_lock_on_a_file_that_both_ends_have(keeping, flags):
    """The destination would wait for it, and the source stand still, for ever."""
    m = keeping("lock")
    result = refused(m, *flags, words=[HELD])
    assert "stands still" not in result.out
    assert ask(m) == "ok"


def lock(m, helper):
    """One more process in it, a child of its first one, which locks /tmp/locked."""
    shutil.copy(helper("keeper"), os.path.join(m.container.bundle.rootfs, "bin/keeper"))
    m.container.runtime.run("exec", m.ident, "/bin/sh", "-c", "/bin/keeper lock </dev/null >/dev/null 2>&1 &", check=True)
    host.wait_until(lambda: os.path.exists(m.file("ready")), "the lock")


def test_a_lock_that_is_taken_after_all_was_looked_at(migrant, helper):
    m = migrant()
    process = m.spawn("--cold", to=m.places[1], env={"WHERRY_TEST_MIGRATE_FAULT": "source got:verdict stop"})
    host.wait_until(lambda: host.proc_status(process.pid, "State").startswith("T"), "the verdict", 60)
    lock(m, helper)
    os.kill(process.pid, signal.SIGCONT)
    result = process.wait(60)
    assert result.rc == 1 and HELD in result.err and len(result.err.splitlines()) == 1, result
    assert result.out.splitlines()[-1] == f"container '{m.ident}' runs here, on, as before"
    m.assert_well(m.places[0])
    assert ask(m) == "ok"


def test_a_lock_on_a_file_of_its_own_memory(migrant, helper):
    """On a tmpfs of the container's, which comes along as it is."""
    m = migrant()
    os.symlink("/dev/shm/locked", m.file("locked"))
    lock(m, helper)
    m.move()
    m.assert_well(m.places[1])
    assert ask(m) == "ok"
