# SPDX-License-Identifier: Apache-2.0
"""migrate between two machines, by ssh."""
import json
import os
import signal
import subprocess

import pytest

import host
from migrations import migrant, needs_migration  # noqa: F401

pytestmark = needs_migration

PEER = "ssh://lab2"


def there(*argv, check=True):
    return subprocess.run(["ssh", "lab2", *argv], check=check, capture_output=True, text=True, timeout=240)


def status_there(ident):
    done = there("wherry", "state", ident, check=False)
    return json.loads(done.stdout)["status"] if done.returncode == 0 else None


def count_there(m):
    return int(there("cat", m.file("n")).stdout)


@pytest.fixture
def traveller(migrant):
    m = migrant(mib=16, dirty=1)
    yield m
    there("wherry", "delete", "--force", m.ident, check=False)
    there("rm", "-rf", m.container.bundle.path, check=False)


def send(m, *flags, **kw):
    return m.places[0].runtime.run("migrate", *flags, m.ident, PEER, timeout=400, **kw)


def test_without_a_root_file_system_there(traveller):
    result = send(traveller)
    assert result.rc == 1 and "--rootfs copy" in result.err, result
    assert traveller.places[0].status(traveller.ident) == "running"


def test_the_root_file_system_is_copied(traveller):
    m = traveller
    root = m.container.bundle.rootfs
    subprocess.run(["setfattr", "-n", "user.note", "-v", "kept", f"{root}/etc/passwd"], check=True)
    os.chown(f"{root}/home/user", 1234, 1234)
    os.link(f"{root}/etc/passwd", f"{root}/etc/passwd-again")
    subprocess.run(["truncate", "-s", "64M", f"{root}/tmp/sparse"], check=True)
    before = m.count()
    result = send(m, "--rootfs", "copy", "--format", "json")
    assert result.rc == 0, f"{result!r}\n{m.logs()}"
    assert m.places[0].status(m.ident) is None
    assert status_there(m.ident) == "running"
    host.wait_until(lambda: count_there(m) > before, "the count to go on there", 60)
    assert there("getfattr", "-n", "user.note", "--only-values", f"{root}/etc/passwd").stdout == "kept"
    assert there("stat", "-c", "%u:%g", f"{root}/home/user").stdout.strip() == "1234:1234"
    assert there("stat", "-c", "%h", f"{root}/etc/passwd").stdout.strip() == "2"
    assert int(there("stat", "-c", "%b", f"{root}/tmp/sparse").stdout) < 1000
    assert there("ls", f"{root}/tmp").stdout.split() == ["n", "sparse"], "it noticed damage, or another copy of it"


def test_memory_follows(traveller):
    """Post-copy over ssh: every page is there in the end."""
    m = traveller
    before = m.count()
    result = send(m, "--rootfs", "copy", "--lazy", "--format", "json")
    assert result.rc == 0, f"{result!r}\n{m.logs()}"
    lines = [json.loads(line) for line in result.out.splitlines()]
    assert lines[0]["mode"] == "post-copy" and lines[-1]["memoryBytes"] >= 16 << 20
    assert m.places[0].status(m.ident) is None and status_there(m.ident) == "running"
    host.wait_until(lambda: count_there(m) > before, "the count to go on there", 60)
    there("wherry", "kill", m.ident, "USR1")
    root = m.container.bundle.rootfs
    host.wait_until(lambda: "checked" in there("ls", f"{root}/tmp").stdout.split(), "all pages to be checked", 120)
    assert there("ls", f"{root}/tmp").stdout.split() == ["checked", "n"], "it noticed damage, or another copy of it"


def test_a_connection_that_is_cut(traveller):
    """ssh is killed while it carries the memory: the container goes on here."""
    m = traveller
    carrier = m.tmp_path / "carrier"
    wrapper = m.tmp_path / "rsh"
    wrapper.write_text(f"#!/bin/sh\n# ssh, also for rsync; for the protocol one that can be found\n"
                       f"case \"$*\" in\n*--receive*) echo $$ >{carrier} ;;\nesac\nexec ssh \"$@\"\n")
    wrapper.chmod(0o755)
    stopped = m.places[0].runtime.spawn("migrate", "--rootfs", "copy", "--rsh", str(wrapper), "--cold", m.ident, PEER,
                                        env=dict(m.env, WHERRY_TEST_MIGRATE_FAULT="source sent:pages stop"))
    host.wait_until(lambda: "State:\tT" in open(f"/proc/{stopped.pid}/status").read(), "memory to be on its way", 240)
    os.kill(int(carrier.read_text()), signal.SIGKILL)
    host.wait_until(lambda: not there("pgrep", "-f", "migrate --receive", check=False).stdout, "the cut", 120)
    os.kill(stopped.pid, signal.SIGCONT)
    result = stopped.wait(240)
    assert result.rc == 1, result
    assert m.places[0].status(m.ident) == "running"
    assert status_there(m.ident) is None
    before = m.count()
    host.wait_until(lambda: m.count() > before, "the count to go on here", 60)
