"""Races, sizes and paths at their limits: each works or fails in an orderly way, and never half."""
import hashlib
import os
import subprocess
import time

import pytest

import host
from containers import assert_refused
from mount_table import rows
from rig import skip_if

RACE_SECONDS = float(os.environ.get("WHERRY_TEST_RACE_SECONDS", "2"))
"""How long each race runs; 120 for a thorough run."""


# --- races (CVE-2021-30465, CVE-2024-45310, CVE-2025-31133) -----------------------------------------------------


def mounts_of(pid):
    with open(f"/proc/{pid}/mountinfo") as f:
        return rows(f.read())


@pytest.fixture
def raced(tmp_path, canary, helper):
    """A volume in which "a", a directory, and "b", a link to the canary, are swapped all the time."""
    volume = tmp_path / "volume"
    (volume / "a").mkdir(parents=True)
    (volume / "a" / "dir").mkdir()
    (volume / "a" / "f").write_text("of the volume\n")
    os.symlink(str(canary), volume / "b")
    swapper = subprocess.Popen([helper("exchange"), str(volume / "a"), str(volume / "b")])
    host.adopt(swapper.pid)
    yield volume
    swapper.kill()
    swapper.wait()
    host.release(swapper.pid)


@pytest.mark.parametrize("what", ["tmpfs", "deep tmpfs", "bind of a file", "maskedPaths", "readonlyPaths", "devices",
                                  "cwd"])
def test_names_swapped_under_the_runtime(container, canary, raced, tmp_path, what):
    if what in ("maskedPaths", "readonlyPaths", "cwd"):
        skip_if("runc", "works by path there", below=(1, 5, 0))
    if what in ("tmpfs", "deep tmpfs", "bind of a file"):
        skip_if("runc", "makes files and directories on the host (CVE-2024-45310)", below=(1, 1, 14))
    if what == "devices":
        skip_if("runc", "makes the node on the host", below=(1, 3, 6))
    (tmp_path / "source").write_text("of the bind\n")
    c = container()
    c.bundle.mount("/vol", raced, "none", ["rbind", "rslave"])
    if what == "tmpfs":
        c.bundle.mount("/vol/a", "racer", "tmpfs")
    elif what == "deep tmpfs":
        c.bundle.mount("/vol/a/new/deeper", "racer", "tmpfs")
    elif what == "bind of a file":
        c.bundle.mount("/vol/a/f", tmp_path / "source", "none", ["bind"])
    elif what == "devices":
        c.bundle.set("linux.devices", [{"path": "/vol/a/null", "type": "c", "major": 1, "minor": 3}])
    elif what == "cwd":
        c.bundle.set("process.cwd", "/vol/a/made/here")
    else:
        c.bundle.set(f"linux.{what}", ["/vol/a/f", "/vol/a/dir"])
    before = host.mountinfo()
    deadline = time.monotonic() + RACE_SECONDS
    while time.monotonic() < deadline:
        result = c.create(check=False)
        if result.ok:
            inside = [mount for mount in mounts_of(c.pid) if mount.fstype == "tmpfs" and "racer" in mount.source]
            assert all(mount.point != "/" for mount in inside), inside
            c.delete("--force")
        assert sorted(os.listdir(canary)) == ["dir", "f"], "the canary was reached"
    assert host.mountinfo() == before


# --- sizes (CVE-2021-43784) --------------------------------------------------------------------------------------


def sha(text):
    return hashlib.sha256(text).hexdigest()


@pytest.mark.parametrize("size", [65536, 131072 - 10])
def test_one_long_variable_arrives_whole(container, size):
    c = container()
    c.bundle.append("process.env", "LONG=" + "v" * (size - 5))
    pid = c.up()
    with open(f"/proc/{pid}/environ", "rb") as f:
        environment = f.read().split(b"\0")
    assert b"LONG=" + b"v" * (size - 5) in environment


def test_a_variable_longer_than_the_kernel_takes_is_refused(container):
    c = container()
    c.bundle.append("process.env", "LONG=" + "v" * 131072)
    result = c.create(check=False)
    if result.ok:
        result = c.start(check=False)
        if result.ok:  # the refusal is execve's, then: the program never runs
            c.wait_status("stopped")
            return
    assert result.rc == 1 and result.err.strip()


def test_many_variables_and_arguments_arrive_whole(container):
    c = container()
    c.bundle.set("process.env", [f"V{n}=" + "x" * 1000 for n in range(600)] + ["PATH=/bin"])
    c.bundle.args("/bin/sleep", "1000", *["0" * 1000] * 600)
    pid = c.up()
    with open(f"/proc/{pid}/environ", "rb") as f:
        got = [v for v in f.read().split(b"\0") if v.startswith(b"V")]
    assert sha(b"|".join(got)) == sha(b"|".join(f"V{n}={'x' * 1000}".encode() for n in range(600)))
    with open(f"/proc/{pid}/cmdline", "rb") as f:
        assert f.read().count(b"0" * 1000) == 600


def test_long_annotations_come_back_whole(container):
    c = container()
    annotations = {f"org.example.{n}": "a" * 2000 for n in range(200)}
    c.bundle.set("annotations", annotations)
    c.create()
    assert c.state()["annotations"] == annotations


def test_sixty_five_thousand_groups_and_one_more(container):
    c = container()
    c.bundle.set("process.user.additionalGids", list(range(1, 65536)))
    c.create()
    assert len(host.proc_status(c.pid, "Groups").split()) >= 65535
    c = container()
    c.bundle.set("process.user.additionalGids", list(range(1, 70001)))
    assert_refused(c)


# --- control groups and ids (crun's cgroupsPath escapes) ---------------------------------------------------------


ESCAPE = f"/tmp/{host.PREFIX}escape"


@pytest.fixture
def escape():
    yield ESCAPE
    found = os.path.exists(ESCAPE)
    if found:
        os.rmdir(ESCAPE)
    assert not found, "a directory was made outside the hierarchy"


@pytest.mark.parametrize("path", ["/../../../../.." + ESCAPE, "../../../.." + ESCAPE, "/a/../../b",
                                  "a\nb", "/" + "a" * 4096, "/" + "/".join(["b" * 200] * 30), "/a/./../../c"],
                         ids=["rooted", "relative", "inside", "newline", "name", "names", "dots"])
def test_a_cgroups_path_that_leads_out(container, escape, path):
    skip_if("runc", "cleans it and makes what is left") if path.startswith(("/a", "a\n", "..", "/..")) else None
    c = container()
    c.bundle.set("linux.cgroupsPath", path)
    before = host.cgroup_dirs("")
    result = c.create(check=False)
    if result.ok:
        assert host.cgroup_of(c.pid).startswith("/")
        c.delete("--force")
    else:
        assert result.rc == 1 and "cgroup" in result.err.lower(), result
    assert host.cgroup_dirs("") == before


@pytest.mark.parametrize("path", ["/", "//", ".", "/."])
def test_a_cgroups_path_that_is_the_root(container, path):
    """Never the root cgroup: killing the container would kill the host."""
    skip_if("runc", "takes it on v1")
    c = container()
    c.bundle.set("linux.cgroupsPath", path)
    result = c.create(check=False)
    if result.ok:
        assert host.cgroup_of(c.pid) not in ("/", host.cgroup_of(os.getpid()))
        c.delete("--force")


@pytest.mark.parametrize("key", ["../cgroup.procs", "a/b", "", ".", "..", "x\ny"])
def test_a_unified_key_that_is_no_file_name_is_refused(container, key):
    skip_if("runc", "ignores unified on v1", below=(9,))
    c = container()
    c.bundle.config["linux"]["resources"]["unified"] = {key: "1"}
    assert_refused(c, "unified")


def test_a_cgroup_that_has_processes_is_not_joined(container):
    """crun 1.28 joined it, and its delete killed the processes that it found."""
    skip_if("runc", "looks at v1 here", below=(9,))
    path = host.cgroup_path("/" + host.PREFIX + "foreign")
    os.mkdir(path)
    sleeper = subprocess.Popen(["sleep", "1000"])
    host.adopt(sleeper.pid)
    try:
        with open(path + "/cgroup.procs", "w") as f:
            f.write(str(sleeper.pid))
        c = container()
        c.bundle.set("linux.cgroupsPath", "/" + host.PREFIX + "foreign")
        result = c.create(check=False)
        assert result.rc == 1 and "cgroup" in result.err.lower(), result
        c.delete("--force", check=False)
        assert sleeper.poll() is None, "the foreign process was killed"
    finally:
        sleeper.kill()
        sleeper.wait()
        host.release(sleeper.pid)
        host._rmdir(path)


@pytest.mark.parametrize("ident", [".", "..", "../x", "a/b", "a b", "a\nb", "", "a" * 1025, "é", "a%b",
                                   "/", "a;b", "$x"])
def test_an_id_that_is_a_path_or_worse_is_refused(container, canary, ident):
    c = container()
    c.bundle.write()
    result = c.runtime.run("create", "--bundle", c.bundle.path, ident)
    assert result.rc == 1 and result.err.strip()
    entries = os.listdir(c.runtime.root) if os.path.isdir(c.runtime.root) else []
    assert not [e for e in entries if not e.startswith(".")]


@pytest.mark.parametrize("group", ["../..", "/..", "../../" + "x", "/"])
def test_the_cgroup_of_exec_stays_below_the_containers(container, group):
    c = container()
    c.up()
    before = host.cgroup_dirs("")
    result = c.exec("cat", "/proc/self/cgroup", flags=["--cgroup", group])
    if result.ok:
        assert c.id in result.out or "0::/\n" in result.out
    assert host.cgroup_dirs("") == before
