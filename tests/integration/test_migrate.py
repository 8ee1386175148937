"""migrate: a running container goes on elsewhere, and nothing of it is lost or left."""
import glob
import json
import os
import pty
import re
import signal

import pytest

import host
import rig
from checkpoints import CRIU
from containers import Container
from migrations import migrant, needs_migration  # noqa: F401

pytestmark = needs_migration


def test_it_goes_on_elsewhere(migrant):
    m = migrant()
    there = m.places[1]
    before = m.count()
    result = m.move()
    assert "it runs at 'local:" in result.out and result.err == ""
    m.assert_well(there)
    assert m.count() < before + 2000, "it began anew"


def test_a_user_namespace(migrant):
    """The container's root, who is nobody on the host, opens images at the destination."""
    m = migrant(mib=8)
    m.container.delete("--force")
    m.container.bundle.map_ids()
    m.container.up(stdout=m.output, stderr=m.output)
    for i in range(2):
        m.move("--cold")
        m.check_memory()
        m.assert_well(m.places[(i + 1) % 2])


def test_memory_comes_along(migrant):
    m = migrant(mib=64, dirty=16)
    m.move("--cold")
    m.assert_well(m.places[1])


def test_back_and_forth(migrant):
    m = migrant(mib=4, dirty=2)
    for i in range(int(os.environ.get("WHERRY_TEST_MIGRATIONS", "6"))):
        m.move()
        assert m.home is m.places[(i + 1) % 2]
    m.assert_well()


def test_images_lie_in_memory_where_there_is_room(migrant):
    """Unless $TMPDIR says where; and nothing of them is left."""
    m = migrant(mib=4)
    process = m.spawn("--cold", env={"TMPDIR": None, "WHERRY_TEST_MIGRATE_FAULT": "source saved stop"})
    host.wait_until(lambda: host.proc_status(process.pid, "State").startswith("T"), "the freeze", 30)
    number = m.places[0].records()[0]["number"]
    found = glob.glob(f"/dev/shm/wherry-migrate-{number}-*")
    os.kill(process.pid, signal.SIGCONT)
    assert process.wait(60).rc == 0
    assert sorted(path.rsplit("-", 1)[1] for path in found) == ["destination", "source"]
    assert glob.glob(f"/*/*/wherry-migrate-{number}-*") == []
    m.assert_well(m.places[1])


OTHER_VERSION = """#!/usr/bin/python3
# A CRIU that says it is version 4.98.7, and is the one here otherwise.
import os, sys
fd = int(sys.argv[2])
asked = os.read(fd, 65536)
os.write(fd, bytes.fromhex("080a1001" "5206" "0804" "1062" "2007"))
os.execv({criu!r}, ["criu", "swrk", str(fd)])
"""


@pytest.mark.parametrize("same", [True, False])
def test_memory_travels_while_criu_saves_it(migrant, tmp_path, same):
    """Only where CRIU is the same at both ends; else it is saved to files, and sent from them."""
    m = migrant(mib=16, dirty=4)
    other = tmp_path / "criu"
    other.write_text(OTHER_VERSION.format(criu=CRIU))
    other.chmod(0o755)
    process = m.spawn("--cold", "--remote-criu", CRIU if same else str(other),
                      env={"WHERRY_TEST_MIGRATE_FAULT": "source saved stop"})
    host.wait_until(lambda: host.proc_status(process.pid, "State").startswith("T"), "the freeze", 30)
    saved = {end: sum(os.path.getsize(path) for path in glob.glob(f"{m.images}/*-{end}/0/pages-*.img"))
             for end in ("source", "destination")}
    os.kill(process.pid, signal.SIGCONT)
    result = process.wait(60)
    assert result.rc == 0, f"{result!r}\n{m.logs()}"
    has, has_not = ("destination", "source") if same else ("source", "destination")
    assert saved[has] >= 16 << 20 and saved[has_not] == 0
    m.assert_well(m.places[1])


def test_a_dry_run_changes_nothing(migrant):
    m = migrant()
    pid = m.container.pid
    result = m.move("--dry-run")
    assert "the destination can take the container" in result.out
    assert m.container.pid == pid
    m.assert_well(m.places[0])
    assert not [name for name in os.listdir(m.container.bundle.rootfs) if name.startswith(".wherry")]


def test_what_is_printed(migrant):
    """For a person, line by line; with the mode that was chosen, and why."""
    m = migrant(mib=8)
    lines = m.move().out.splitlines()
    chosen = re.fullmatch("the destination can take the container; mode: (pre-copy|cold), since (.*)", lines[0])
    assert (chosen.group(1), chosen.group(2)) in [
        ("pre-copy", "the kernel tells which memory was changed"),
        ("cold", "the kernel does not tell which memory was changed (soft-dirty)")], lines[0]
    rest = [r"the container stands still", r"round \d+, the last: \d+\.\d [KM]iB in \d+(\.\d\d)? m?s",
            "it is restored at the destination, and held there",
            r"it runs at 'local:.*': \d+(\.\d\d)? m?s in all, \d+(\.\d\d)? m?s of them standing still, \d+\.\d MiB sent"]
    assert all(re.match(r"round \d+: \d", line) for line in lines[1:-len(rest)])
    assert all(re.fullmatch(want, line) for want, line in zip(rest, lines[-len(rest):])), lines
    m.assert_well(m.places[1])


def test_json(migrant):
    m = migrant(mib=8)
    lines = [json.loads(line) for line in m.move("--format", "json", "--cold").out.splitlines()]
    assert [line["event"] for line in lines] == ["checked", "frozen", "sent", "prepared", "moved"]
    assert lines[0]["mode"] == "cold"
    assert 8 << 20 <= lines[2]["memoryBytes"] < 20 << 20
    assert lines[-1]["sentBytes"] > lines[-1]["memoryBytes"] >= 8 << 20
    assert 0 < lines[-1]["downtimeMilliseconds"] <= lines[-1]["totalMilliseconds"]
    m.assert_well(m.places[1])


def test_one_id_in_two_roots(container, bundle, tmp_path):
    """Two containers of this host: neither their cgroups nor what is done to one of them meet."""
    here = container()
    there = Container(rig.Runtime(tmp_path / "elsewhere"), bundle(), here.id)
    for c in (here, there):
        c.bundle.drop("linux.cgroupsPath")
        c.up()
    try:
        cgroups = [host.cgroup_of(c.pid) for c in (here, there)]
        assert cgroups[0] != cgroups[1] and here.pid != there.pid
        for c, other in ((here, there), (there, here)):
            listed = c.runtime.run("ps", "--format", "json", c.id, check=True).json()
            assert c.pid in listed and other.pid not in listed
        there.runtime.run("pause", there.id, check=True)
        assert (here.status, there.status) == ("running", "paused")
        there.delete("--force")
        assert here.status == "running" and here.runtime.run("exec", here.id, "true").rc == 0
        assert os.path.exists(host.cgroup_path(cgroups[0])) and not os.path.exists(host.cgroup_path(cgroups[1]))
    finally:
        there.runtime.run("delete", "--force", there.id)
        there.runtime.end()


def test_an_id_that_is_taken(migrant):
    m = migrant()
    os.makedirs(os.path.join(m.places[1].runtime.root, m.ident), mode=0o700)
    result = m.move(check=False, to=m.places[1])
    assert result.rc == 1 and f"a container '{m.ident}' is there already" in result.err
    os.rmdir(os.path.join(m.places[1].runtime.root, m.ident))
    m.assert_well(m.places[0])


def refused(m, text, *flags):
    result = m.move(*flags, check=False, to=m.places[1])
    assert result.rc == 1 and text in result.err, result
    assert result.out == f"container '{m.ident}' runs here, on, as before\n"
    assert len(result.err.splitlines()) == 1, result
    m.assert_well(m.places[0])


def test_a_cgroup_of_the_same_host(migrant):
    m = migrant()
    m.container.delete("--force")
    m.container.bundle.set("linux.cgroupsPath", f"/{m.ident}-own")
    m.container.up(stdout=m.output, stderr=m.output)
    refused(m, "it is the same host, where the cgroup")


@pytest.mark.parametrize("change, text", [
    (lambda b: b.share_pid_namespace(), "it has no pid namespace of its own"),
    (lambda b: b.without_namespace("ipc"), "it has no ipc namespace of its own"),
])
def test_what_is_shared_with_the_host_stays(migrant, change, text):
    m = migrant()
    m.container.delete("--force")
    change(m.container.bundle)
    m.container.up(stdout=m.output, stderr=m.output)
    refused(m, text)


def test_a_terminal_of_the_callers_stays(migrant):
    m = migrant()
    m.container.delete("--force")
    master, slave = pty.openpty()
    m.container.up(stdin=slave, stdout=m.output, stderr=m.output)
    refused(m, "a standard stream of it is its caller's terminal")
    os.close(master)
    os.close(slave)


def test_what_mounts_add_has_brought_stays(migrant, tmp_path):
    m = migrant()
    document = tmp_path / "mounts.json"
    document.write_text(json.dumps([{"destination": "/late", "type": "tmpfs", "source": "tmpfs"}]))
    m.container.runtime.run("mounts", "add", m.ident, document, check=True)
    refused(m, "'/late' was mounted by mounts add")


def test_a_frozen_cgroup_of_its_own_stays(migrant):
    m = migrant()
    top = host.cgroup_path(host.cgroup_of(m.container.pid))
    os.mkdir(os.path.join(top, "still"))
    with open(os.path.join(top, "still/cgroup.freeze"), "w") as f:
        f.write("1")
    refused(m, "the container's cgroup '/still' is frozen (cgroup.freeze), which is not kept: thaw it first")


def test_a_destination_that_is_full(migrant, tmp_path):
    m = migrant(mib=16)
    small = tmp_path / "small"
    small.mkdir()
    host.mount("tmpfs", small, "tmpfs", data="size=8m")
    remote = f"env TMPDIR={small} {m.places[1].runtime.binary} --root {m.places[1].runtime.root}"
    try:
        refused(m, "MiB of room for images", "--remote-wherry", remote)
    finally:
        host.umount(small)


def test_no_wherry_there(migrant):
    m = migrant()
    refused(m, "does not answer as wherry does but with 'Welcome'", "--remote-wherry", "echo Welcome; true")
    refused(m, "ended without an answer", "--remote-wherry", "true")


@pytest.mark.waits
def test_a_criu_there_that_does_not_answer(migrant, tmp_path):
    mute = tmp_path / "mute"
    mute.write_text("#!/bin/sh\nexec sleep 300\n")
    mute.chmod(0o755)
    refused(migrant(), "has not answered for 20 s", "--remote-criu", mute)


def test_what_does_not_run_is_refused(migrant):
    m = migrant()
    m.container.pause()
    result = m.move(check=False, home=m.places[0], to=m.places[1])
    assert result.rc == 1 and "is paused, and only what runs can be moved" in result.err and result.out == ""
    m.container.resume()
    m.assert_well(m.places[0])


@pytest.mark.parametrize("argv, text", [
    (["x"], "missing argument: DEST"),
    ([], "missing argument: ID"),
    (["x", "host"], "destination 'host': unknown kind"),
    (["x", "local:", "--downtime", "soon"], "--downtime 'soon'"),
    (["x", "local:", "--cold", "--pre-copy"], "exclude each other"),
    (["--resume"], "missing argument: ID"),
    (["--take-back", "x", "local:"], "goes with --resume"),
    (["--receive", "x"], "unexpected argument 'x'"),
])
def test_wrong_command_lines(runtime, argv, text):
    result = runtime.run("migrate", *argv)
    assert result.rc == 1 and text in result.err, result


def test_one_that_ends_meanwhile(migrant):
    m = migrant()
    process = m.spawn("--format", "json", env={"WHERRY_TEST_MIGRATE_FAULT": "source sent:start stop"})
    host.wait_until(lambda: host.proc_status(process.pid, "State").startswith("T"), "the start", 30)
    m.container.kill("KILL")
    m.container.wait_status("stopped")
    os.kill(process.pid, signal.SIGCONT)
    result = process.wait(60)
    assert result.rc == 1, result
    assert json.loads(result.out.splitlines()[-1]) == {"event": "failed", "container": "does not run here"}
    assert m.statuses() == {"here": "stopped", "there": None}


def test_nothing_to_resume(migrant):
    m = migrant()
    result = m.places[0].runtime.run("migrate", "--resume", m.ident)
    assert result.rc == 1 and "no migration of container" in result.err
    assert m.places[0].records() == []


def test_no_such_container(runtime):
    result = runtime.run("migrate", "--criu", CRIU, "nobody", "local:")
    assert result.rc == 1 and "container 'nobody' does not exist" in result.err and result.out == ""


@pytest.mark.parametrize("flags", [(), ("--dry-run",)])
def test_a_receiver_whose_manager_is_systemd_says_when_there_is_none(migrant, tmp_path, flags):
    """By the verdict, before anything is touched: the twin that can load libsystemd has the whole conversation."""
    m = migrant()
    there = m.places[1].runtime
    remote = f"env DBUS_SYSTEM_BUS_ADDRESS=unix:path={tmp_path}/no-bus {there.binary} --root {there.root} --systemd-cgroup"
    result = m.move(*flags, "--remote-wherry", remote, check=False)
    assert result.rc == 1 and result.err.count("it cannot make the container a unit of systemd") == 1, result
    m.assert_well(m.places[0])
