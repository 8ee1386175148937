"""Whatever system call fails: an operation is done whole, or says why not and leaves nothing.

By default a sample of the calls of each verb fails, with one error each. WHERRY_TEST_FAULTS is how many calls (0: every
one, with every error), WHERRY_TEST_SEED chooses others. Calls for memory are among them: ENOMEM of mmap and brk is a
failed malloc.
"""
import errno
import os
import random

import pytest

import host
import rig
from rig import wherry_only

pytestmark = [wherry_only("it asks more than OCI does"),
              pytest.mark.skipif("ASAN_OPTIONS" in os.environ, reason="the sanitizer's own calls would fail, too")]

COUNT = int(os.environ.get("WHERRY_TEST_FAULTS", "20"))
SEED = int(os.environ.get("WHERRY_TEST_SEED", "1"))
ERRORS = [errno.ENOMEM, errno.EIO, errno.ENOSPC, errno.EINTR, errno.EMFILE, errno.EPERM]

# What the container can tell of how it was made. Mount ids and the like differ from one to the next.
FACTS = r"""
grep -E '^(Cap|NoNewPrivs|Seccomp:|Uid|Gid|Groups|SigBlk|SigIgn)' /proc/self/status
cut -d' ' -f4,5,6 /proc/self/mountinfo; umask; ulimit -n; hostname; pwd; id
cat /proc/self/oom_score_adj /proc/sys/kernel/domainname; wc -c < /proc/keys; ls /sys/firmware
stat -c '%A %u %g %t %T %N' /dev/* /dev/pts/*; readlink /proc/self/fd/3; env
"""


def facts_bundle(b):
    b.sh(FACTS)
    b.set("process.oomScoreAdj", 100).set("process.user.umask", 0o27).set("process.user.additionalGids", [7, 8])
    b.set("linux.sysctl", {"kernel.domainname": "dock"})
    b.set("linux.seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["swapon"], "action": "SCMP_ACT_ERRNO"}]})
    return b


class Faults:
    """Calls of the runtime in which one system call fails."""

    def __init__(self, runtime, helper, tmp_path):
        self.runtime, self.program, self.report = runtime, helper("inject"), str(tmp_path / "report")

    def call(self, number, code, *args, **kw):
        """Returns the Result; .calls is how many there were, .failed what has failed, or None."""
        argv = [self.program, self.report, str(number), str(code)] + self.runtime.argv(*args)
        process = rig.Process(argv, **kw)
        self.runtime.processes.append(process)
        result = process.wait(30)
        with open(self.report) as f:
            calls, failed, *who = f.read().split()
        result.calls = int(calls)
        result.failed = None if failed == "-1" else f"call {number}, {name_of(int(failed))}, of {who[0]}: " + \
            errno.errorcode[code]
        return result

    def plan(self, total):
        """Which calls fail, and how."""
        numbers = range(1, total + 1)
        if COUNT == 0:
            return [(n, code) for n in numbers for code in ERRORS]
        chosen = random.Random(SEED)
        return [(n, chosen.choice(ERRORS)) for n in sorted(chosen.sample(numbers, min(COUNT, total)))]


def name_of(number):
    """The system call's name, where the machine's headers tell it."""
    for path in ("/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "/usr/include/asm-generic/unistd.h"):
        if os.path.exists(path):
            with open(path) as f:
                for line in f:
                    words = line.split()
                    if len(words) == 3 and words[1].startswith("__NR_") and words[2] == str(number):
                        return words[1][len("__NR_"):]
    return f"system call {number}"


@pytest.fixture
def faults(runtime, helper, tmp_path):
    return Faults(runtime, helper, tmp_path)


def check_words(result):
    """A failure has one clear error."""
    assert result.failed, f"it failed although no call did: {result!r}"
    text = result.err.strip()
    assert len(text) > 15 and "assert" not in text.lower(), f"{result.failed}: {result!r}"
    assert 1 <= result.rc <= 127 or result.rc == 255, f"{result.failed}: {result!r}"


def check_nothing_left(c, result):
    assert c.state() is None, f"{result.failed}: a container is left: {result!r}"
    host.wait_no_processes(c.id)
    assert not host.cgroup_dirs(c.id), f"{result.failed}: {result!r}"


def test_run(faults, container, host_unchanged):
    c = container(facts_bundle(container().bundle))
    c.bundle.write()
    argv = ("run", "--bundle", c.bundle.path, c.id)
    whole = faults.call(0, 0, *argv)
    assert whole.ok and "dock" in whole.out, whole
    for number, code in faults.plan(whole.calls):
        result = faults.call(number, code, *argv)
        if result.ok:
            assert result.out == whole.out, f"{result.failed}: made otherwise without a word"
        else:
            check_words(result)
        if result.out == whole.out:  # it came as far as the end, and delete may have to go on from there
            c.delete("--force")
        check_nothing_left(c, result)
    host_unchanged()


def test_create_and_start(faults, container, host_unchanged):
    c = container(facts_bundle(container().bundle))
    c.bundle.write()
    argv = ("create", "--bundle", c.bundle.path, c.id)
    whole = faults.call(0, 0, *argv)
    assert whole.ok, whole
    c.delete("--force")
    for number, code in faults.plan(whole.calls):
        result = faults.call(number, code, *argv)
        if result.ok:
            assert c.status == "created", f"{result.failed}: {result!r}"
            started = c.start(check=False)
            assert started.ok, f"{result.failed}: it cannot be started: {started!r}"
            c.wait_status("stopped")
        else:
            check_words(result)
        if result.ok:
            c.delete()
        check_nothing_left(c, result)
    host_unchanged()


def test_start(faults, container, host_unchanged):
    c = container()
    c.bundle.sh("echo started; sleep 1000")
    c.create()
    whole = faults.call(0, 0, "start", c.id)
    assert whole.ok
    c.delete("--force")
    for number, code in faults.plan(whole.calls):
        c.create()
        result = faults.call(number, code, "start", c.id)
        status = c.status
        if result.ok:
            c.wait_stdout("started")
            assert status == "running", f"{result.failed}: {status}"
        else:
            check_words(result)
            assert status in ("created", "running", "stopped"), f"{result.failed}: {status}"
        c.delete("--force")
        check_nothing_left(c, result)
    host_unchanged()


def test_exec(faults, container, host_unchanged):
    b = facts_bundle(container().bundle)
    b.args("sleep", "1000")
    c = container(b)
    pid = c.up()
    argv = ("exec", "--user", "1000", "--cap", "CAP_KILL", c.id, "/bin/sh", "-c", FACTS)
    whole = faults.call(0, 0, *argv)
    assert whole.ok and "uid=1000" in whole.out, whole
    for number, code in faults.plan(whole.calls):
        result = faults.call(number, code, *argv)
        if result.ok:
            assert result.out == whole.out, f"{result.failed}: made otherwise without a word"
        else:
            check_words(result)
        assert c.status == "running" and host.alive(pid), f"{result.failed}: {result!r}"
        host.wait_until(lambda: host.processes_in_cgroups(c.id) == [pid], f"only init to be left: {result.failed}")
    c.delete("--force")
    host_unchanged()


def test_delete(faults, container, host_unchanged):
    c = container()
    c.up()
    whole = faults.call(0, 0, "delete", "--force", c.id)
    assert whole.ok
    for number, code in faults.plan(whole.calls):
        c.up()
        result = faults.call(number, code, "delete", "--force", c.id)
        if not result.ok:
            check_words(result)
            assert c.delete("--force").ok
        check_nothing_left(c, result)
    host_unchanged()


@pytest.mark.parametrize("verb", ["state", "list", "ps", "kill", "pause", "resume"])
def test_what_changes_little(faults, container, host_unchanged, verb):
    c = container()
    c.up()
    argv = {"list": ("list",), "kill": ("kill", c.id, "CONT")}.get(verb, (verb, c.id))
    if verb == "resume":
        c.pause()
    whole = faults.call(0, 0, *argv)
    assert whole.ok, whole
    for number, code in faults.plan(whole.calls):
        if verb in ("pause", "resume"):
            getattr(c, "resume" if verb == "pause" else "pause")(check=False)
        result = faults.call(number, code, *argv)
        if not result.ok:
            check_words(result)
        elif verb in ("state", "list"):
            assert c.id in result.out, f"{result.failed}: {result!r}"
        elif verb in ("pause", "resume"):
            assert c.status == {"pause": "paused", "resume": "running"}[verb], f"{result.failed}: {result!r}"
    c.delete("--force")
    host_unchanged()
