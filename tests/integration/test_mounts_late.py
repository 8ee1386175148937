"""mounts add and remove: what comes into a container that runs, and how it goes again."""
import json
import os
import signal
import subprocess
import time

import pytest

import host
from mount_table import inside, row_of
from rig import wherry_only

pytestmark = wherry_only("runc has no such verb")
KILLS = int(os.environ.get("WHERRY_TEST_KILLS", "40"))
RACE_SECONDS = float(os.environ.get("WHERRY_TEST_RACE_SECONDS", "2"))


class Mounts:
    """The verb, with a file of its own for each call."""

    def __init__(self, runtime, top):
        self.runtime, self.top, self.count = runtime, top, 0

    def _call(self, action, c, mounts, check, kw):
        self.count += 1
        path = self.top / f"mounts{self.count}.json"
        path.write_text(mounts if isinstance(mounts, str) else json.dumps(mounts))
        return self.runtime.run("mounts", action, c.id, path, check=check, **kw)

    def add(self, c, *mounts, check=True, **kw):
        return self._call("add", c, mounts[0] if isinstance(mounts[0], str) else list(mounts), check, kw)

    def remove(self, c, *destinations, check=True, **kw):
        return self._call("remove", c, [{"destination": d} for d in destinations], check, kw)

    def refused(self, c, *mounts, words, action="add"):
        before = c.sh("cat /proc/self/mountinfo")
        result = self._call(action, c, mounts[0] if isinstance(mounts[0], str) else list(mounts), False, {})
        assert result.rc == 1 and result.out == "", result
        assert not [w for w in words if w not in result.err], result
        assert c.sh("cat /proc/self/mountinfo") == before


@pytest.fixture
def mounts(runtime, tmp_path):
    return Mounts(runtime, tmp_path)


@pytest.fixture
def volume(tmp_path):
    top = tmp_path / "volume"
    top.mkdir()
    (top / "f").write_text("of the host\n")
    os.chown(top / "f", 1000, 1000)
    yield top
    host.umount_below(top)


def bind(destination, source, *options, **more):
    return {"destination": destination, "source": str(source), "options": ["bind", *options], **more}


TMPFS = {"destination": "/late", "type": "tmpfs", "source": "tmpfs", "options": ["size=64k", "nosuid"]}


def test_a_directory_a_file_and_a_file_system(container, mounts, volume):
    c = container()
    c.up()
    mounts.add(c, bind("/data/new", volume, "ro", "noexec"), bind("/etc/late", volume / "f"), TMPFS)
    assert c.sh("cat /data/new/f /etc/late") == "of the host\n" * 2
    assert {"ro", "noexec"} <= inside(c, "/data/new").options
    assert inside(c, "/late").super_options >= {"size=64k"} and "nosuid" in inside(c, "/late").options
    c.sh("touch /late/x && ! touch /data/new/x 2>/dev/null")
    mounts.remove(c, "/data/new", "/late", "/etc/late")
    assert not [p for p in ("/data/new", "/late", "/etc/late") if inside(c, p)]
    assert c.sh("ls /data/new; cat /etc/late; ls /late") == ""


def test_the_program_that_runs_sees_it(container, mounts, volume):
    c = container()
    c.bundle.sh("until test -e /late/f; do usleep 1000; done; cat /late/f; sleep 1000")
    c.up()
    mounts.add(c, bind("/late", volume))
    c.wait_stdout("of the host\n")


def test_a_document_that_has_mounts(container, mounts, volume):
    c = container()
    c.up()
    mounts.add(c, json.dumps({"ociVersion": "1.2.0", "mounts": [bind("/late", volume)]}))
    assert c.sh("cat /late/f") == "of the host\n"


def test_a_relative_source_is_the_bundles(container, mounts):
    c = container()
    c.up()
    mounts.add(c, bind("/late", "rootfs/etc"))
    assert c.sh("cat /late/passwd") == c.sh("cat /etc/passwd")


@pytest.mark.parametrize("when", ["created", "paused"])
def test_it_need_not_run(container, mounts, volume, when):
    c = container()
    c.bundle.sh("cat /late/f; sleep 1000")
    c.create()
    if when == "paused":
        c.start()
        c.pause()
    mounts.add(c, bind("/late", volume))
    c.start() if when == "created" else c.resume()
    assert c.sh("cat /late/f") == "of the host\n"


@pytest.mark.parametrize("flags", [[], ["--no-pivot"]], ids=["pivot", "no-pivot"])
@pytest.mark.parametrize("propagation", ["private", "shared", "rslave"])
def test_nothing_of_it_reaches_the_host(container, mounts, volume, host_unchanged, flags, propagation):
    c = container()
    c.bundle.set("linux.rootfsPropagation", propagation)
    c.create(*flags)
    c.start()
    mounts.add(c, bind("/late", volume), TMPFS)
    assert not [line for line in host.mountinfo() if line.split()[4].endswith("/late")]
    assert row_of(c.sh("cat /proc/self/mountinfo"), "/late").fstype == "tmpfs"


def test_a_read_only_file_system_with_another_in_it(container, mounts):
    c = container()
    c.up()
    mounts.add(c, {**TMPFS, "options": ["ro"]}, {**TMPFS, "destination": "/late/below"})
    assert "ro" in inside(c, "/late").options and "rw" in inside(c, "/late/below").options
    mounts.remove(c, "/late/below", "/late")


# --- whose it is ---------------------------------------------------------------------------------------------


def test_idmapped(container, mounts, volume):
    c = container()
    c.up()
    mapping = [{"containerID": 0, "hostID": 5000, "size": 65536}]
    mounts.add(c, bind("/late", volume, "idmap", uidMappings=mapping, gidMappings=mapping))
    assert c.sh("stat -c '%u:%g' /late/f") == "6000:6000\n"


def test_in_a_user_namespace(container, mounts, volume):
    c = container()
    c.bundle.map_ids(100000)
    c.up()
    mounts.add(c, bind("/late", volume, "idmap"), bind("/plain", volume), {**TMPFS, "destination": "/tmpfs"})
    assert c.sh("stat -c '%u:%g' /late/f /plain/f /tmpfs").split() == ["1000:1000", "65534:65534", "0:0"]
    assert os.stat(c.bundle.rootfs + "/late").st_uid == 100000, "the container's root made the place for it"
    mounts.remove(c, "/late", "/tmpfs")
    assert not inside(c, "/late")


# --- remove --------------------------------------------------------------------------------------------------


def test_the_last_one_goes_first(container, mounts, volume, tmp_path):
    c = container()
    c.up()
    mounts.add(c, TMPFS, bind("/late", volume))
    assert c.sh("ls /late") == "f\n"
    mounts.remove(c, "/late")
    assert inside(c, "/late").fstype == "tmpfs"
    mounts.remove(c, "/late")
    mounts.refused(c, {"destination": "/late"}, action="remove", words=["'/late'", "mounts add"])


def test_what_is_in_use_goes(container, mounts, volume):
    c = container()
    c.up()
    mounts.add(c, bind("/late", volume))
    c.exec("/bin/sh", "-c", "cd /late && sleep 1000", flags=["--detach"], check=True)
    mounts.remove(c, "/late")
    assert not inside(c, "/late")


@pytest.mark.parametrize("destination", ["/proc/keys", "/dev", "/sys", "/", "/not/there"])
def test_what_the_container_came_with_stays(container, mounts, destination):
    c = container()
    c.up()
    mounts.refused(c, {"destination": destination}, action="remove", words=["was not added"])


def test_all_or_none_are_removed(container, mounts, volume):
    c = container()
    c.up()
    mounts.add(c, bind("/one", volume), bind("/two", volume))
    mounts.refused(c, {"destination": "/one"}, {"destination": "/three"}, action="remove", words=["mounts[1]"])
    mounts.remove(c, "/one", "/two")


def test_the_state_goes_with_the_container(container, mounts, volume, runtime):
    c = container()
    c.up()
    mounts.add(c, bind("/late", volume))
    assert os.path.exists(f"{runtime.root}/{c.id}/mounts.json")
    c.delete("--force")
    assert not os.path.exists(f"{runtime.root}/{c.id}")


# --- refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mount, words", [
    (bind("/late", "/not/there"), ["mounts[1].source", "/not/there"]),
    (bind("/proc/cmdline", "/etc/hostname"), ["mounts[1]", "/proc"]),
    (bind("/", "/etc"), ["mounts[1]", "'/'"]),
    (bind("/late", "/etc", "idmap"), ["mounts[1]", "mappings"]),
    (bind("/etc/passwd/x", "/etc"), ["mounts[1] '/etc/passwd/x'"]),
    (bind("/etc/passwd", "/etc"), ["mounts[1] '/etc/passwd'"]),
    ({"destination": "/", "options": ["remount", "ro"]}, ["mounts[1].options", "remount"]),
    ({"destination": "/late", "type": "proc", "source": "proc"}, ["mounts[1].type", "procfs"]),
    ({"destination": "/late", "type": "cgroup", "source": "cgroup"}, ["mounts[1].type", "cgroup"]),
    ({"destination": "/late", "type": "nonsense", "source": "x"}, ["mounts[1]", "nonsense"]),
    ({"destination": "/late", "type": "tmpfs", "options": ["iversion"]}, ["mounts[1].options", "iversion"]),
    ({"destination": "/late", "source": "/etc"}, ["[1]", "type"]),
    ({"source": "/etc", "options": ["bind"]}, ["destination"])],
    ids=["no-source", "in-proc", "root", "no-mapping", "below-a-file", "on-a-file", "remount", "proc", "cgroup", "type",
         "iversion", "no-type", "no-destination"])
def test_one_that_cannot_be_leaves_none(container, mounts, volume, mount, words):
    c = container()
    c.up()
    mounts.refused(c, bind("/first", volume), mount, words=words)


@pytest.mark.parametrize("text, words", [
    ("", ["mounts1.json"]), ("[", ["mounts1.json"]), ("[]", ["0 mounts"]), ("{}", ["mounts", "missing"]), ("7", ["object"]),
    ('["x"]', ["[0]", "object"]), ('{"mounts": {}}', ["mounts", "array"]),
    (json.dumps([TMPFS] * 129), ["129 mounts", "1 to 128"])],
    ids=["empty", "cut", "none", "no-mounts", "number", "string", "object", "too-many"])
def test_a_bad_document(container, mounts, text, words):
    c = container()
    c.up()
    mounts.refused(c, text, words=words)


def test_a_container_that_cannot_take_any(container, mounts, volume):
    c = container()
    result = mounts.add(c, TMPFS, check=False)
    assert result.rc == 1 and "does not exist" in result.err
    c.bundle.args("true")
    c.up()
    c.wait_status("stopped")
    result = mounts.add(c, TMPFS, check=False)
    assert result.rc == 1 and "container not running" in result.err


def test_without_a_mount_namespace(container, mounts, host_unchanged):
    c = container()
    c.bundle.without_namespace("mount").set("mounts", []).set("linux.maskedPaths", []).set("linux.readonlyPaths", [])
    c.up()
    result = mounts.add(c, TMPFS, check=False)
    assert result.rc == 1 and "mount namespace" in result.err


@pytest.mark.parametrize("words", [["mounts"], ["mounts", "list", "x", "y"], ["mounts", "add", "x"]])
def test_a_wrong_command_line(runtime, words):
    result = runtime.run(*words)
    assert result.rc == 1 and result.err


# --- a hostile container -------------------------------------------------------------------------------------


@pytest.mark.parametrize("link", ["absolute", "dotdot", "magic", "last"])
def test_a_link_does_not_lead_out(container, mounts, volume, canary, link):
    c = container()
    c.up()
    target = {"dotdot": "../../../../../../.." + str(canary), "magic": f"/proc/1/root{canary}"}.get(link, str(canary))
    c.sh(f"ln -s {target} /link")
    destination = "/link" if link == "last" else "/link/new"
    result = mounts.add(c, bind(destination, volume), check=False)
    if link == "magic":
        assert result.rc == 1, result
    else:
        assert result.rc == 0, result
        assert inside(c, str(canary) + destination[len("/link"):])
    assert not [line for line in host.mountinfo() if str(canary) in line]


def test_a_link_does_not_lead_into_proc(container, mounts, volume):
    c = container()
    c.up()
    c.sh("ln -s /proc/sys/kernel /link")
    mounts.refused(c, bind("/link/hostname", volume / "f"), words=["/proc"])


def test_a_mask_is_not_removed_under_another_name(container, mounts, volume):
    """The container makes the name that was added lead to a mask of its own."""
    c = container()
    c.up()
    mounts.add(c, bind("/d/keys", volume / "f"))
    masked = "stat -c %t:%T /proc/keys"
    assert c.sh(masked) == "1:3\n"
    c.sh("mv /d /e; ln -s /proc /d")
    mounts.refused(c, {"destination": "/d/keys"}, action="remove", words=["'/d/keys'", "something else"])
    assert c.sh(masked) == "1:3\n"
    c.sh("rm /d; mv /e /d")
    mounts.remove(c, "/d/keys")


def test_names_that_are_swapped_meanwhile(container, mounts, volume, canary, helper):
    """CVE-2021-30465 in a container that runs: a directory and a link out change places all the time."""
    c = container()
    swapper = c.bundle.install(helper("exchange"))
    c.up()
    c.sh(f"mkdir -p /v/a; ln -s {canary} /v/b")
    c.exec(swapper, "/v/a", "/v/b", flags=["--detach"], check=True)
    done = refused = 0
    deadline = time.monotonic() + RACE_SECONDS
    while time.monotonic() < deadline:
        if mounts.add(c, bind("/v/a/dir", volume), TMPFS, check=False).rc == 0:
            done += 1
            mounts.remove(c, "/late")
        else:
            refused += 1
    assert done, f"none of {refused} came in"
    assert not [line for line in host.mountinfo() if str(canary) in line]
    table = c.sh("cat /proc/self/mountinfo")
    assert not row_of(table, "/late")


def test_a_tracer_in_the_container_does_not_see_the_helper(container, mounts, helper):
    """What comes in is in no namespace of the container's that would show it, and cannot be read by others."""
    c = container()
    c.bundle.sh("while :; do for p in /proc/[0-9]*; do echo ${p#/proc/}; done; done | uniq > /seen")
    c.up()
    for _ in range(20):
        mounts.add(c, TMPFS)
        mounts.remove(c, "/late")
    seen = set(c.sh("cat /seen").split())
    with open(f"/proc/{c.pid}/task/{c.pid}/children") as f:
        children = len(f.read().split())
    assert len(seen) <= 4 + children, seen


def helpers_of(c):
    """The processes that are in the container's mount namespace and not in its cgroup."""
    inside_cgroup = set(host.processes_in_cgroups(c.id))
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{pid}/ns/mnt") == os.readlink(f"/proc/{c.pid}/ns/mnt") and int(pid) not in inside_cgroup:
                found.append(pid)
        except OSError:
            pass
    return found


def add_traced(c, tmp_path, inject, *mounts, follow=False):
    """`mounts add` with a fault in a call of the runtime's own, or of init's, too; nobody can look for leaks in a process that is traced."""
    (tmp_path / "traced.json").write_text(json.dumps(mounts))
    env = dict(os.environ, ASAN_OPTIONS=os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0")
    argv = ["strace", "-o", str(tmp_path / "strace"), "-e", "inject=" + inject] + ["-f"] * follow
    return subprocess.run(argv + c.runtime.argv("mounts", "add", c.id, str(tmp_path / "traced.json")), env=env,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)


def take_all_away(c, mounts, *destinations):
    """Remove what is there, which has to be possible. Returns what that was."""
    host.wait_until(lambda: not helpers_of(c), "the helper to end")
    there = [d for d in destinations if inside(c, d)]
    for destination in there:
        while inside(c, destination):
            mounts.remove(c, destination)
    return there


@pytest.mark.parametrize("call", ["renameat", "sendmsg"])
@pytest.mark.parametrize("count", [1, 2])
def test_one_that_is_killed_leaves_what_remove_finds(container, mounts, volume, tmp_path, call, count):
    """Before a mount is written down, or when it is and init may attach it. init ends with us: it may have time to clean up."""
    c = container()
    c.up()
    mounts.add(c, TMPFS)
    killed = add_traced(c, tmp_path, f"{call}:signal=KILL:when={count}", bind("/late", volume), bind("/later", volume))
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    host.wait_until(lambda: not helpers_of(c), "the helper to end")
    assert call == "sendmsg" or not inside(c, "/later")
    assert "/late" in take_all_away(c, mounts, "/late", "/later"), "the one that was there before is gone"
    mounts.add(c, {**TMPFS, "destination": "/after"})
    mounts.remove(c, "/after")


def test_what_a_killed_helper_has_attached_is_found(container, mounts, volume, tmp_path):
    """init itself ends without a word, the first of two mounts in place."""
    c = container()
    c.up()
    mounts.add(c, TMPFS)
    call = add_traced(c, tmp_path, "move_mount:signal=KILL:when=2", bind("/late", volume), bind("/later", volume), follow=True)
    assert call.returncode == 1 and "signal 9" in call.stderr, call.stderr
    assert c.sh("ls /late") == "f\n" and not inside(c, "/later")
    mounts.remove(c, "/late")
    assert inside(c, "/late").fstype == "tmpfs"
    mounts.remove(c, "/late")
    mounts.refused(c, {"destination": "/later"}, action="remove", words=["'/later'", "something else"])


def test_a_kill_at_any_moment_leaves_what_remove_finds(container, mounts, volume, tmp_path):
    c = container()
    c.up()
    (tmp_path / "m.json").write_text(json.dumps([bind("/one", volume), {**TMPFS, "destination": "/two"}]))
    begin = time.monotonic()
    argv = [c.runtime.binary, "--root", c.runtime.root, "mounts", "add", c.id, tmp_path / "m.json"]
    subprocess.run(argv, check=True)
    usual = time.monotonic() - begin
    assert take_all_away(c, mounts, "/one", "/two") == ["/one", "/two"]
    for step in range(KILLS // 2):
        process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(usual * 2.4 * step / KILLS)
        process.send_signal(signal.SIGKILL)
        process.wait()
        take_all_away(c, mounts, "/one", "/two")
    mounts.add(c, {**TMPFS, "destination": "/after"})
    assert inside(c, "/after")


def test_one_that_cannot_be_written_down_leaves_none(container, mounts, volume, tmp_path):
    """The second of two: the first, which is attached by then, is taken away again."""
    c = container()
    c.up()
    mounts.add(c, TMPFS)
    before = c.sh("cat /proc/self/mountinfo")
    call = add_traced(c, tmp_path, "renameat:error=ENOSPC:when=2", bind("/one", volume), bind("/two", volume))
    assert call.returncode == 1 and "no space left on device" in call.stderr
    assert c.sh("cat /proc/self/mountinfo") == before
    with open(f"{c.runtime.root}/{c.id}/mounts.json") as f:
        assert [m["destination"] for m in json.load(f)["added"]] == ["/late"]
    mounts.remove(c, "/late")


def test_one_destination_twice_is_refused(container, mounts, volume):
    c = container()
    c.up()
    mounts.add(c, TMPFS, bind("/late", volume))
    mounts.refused(c, {"destination": "/late"}, {"destination": "/late"}, action="remove", words=["mounts[1]", "mounts[0]"])
