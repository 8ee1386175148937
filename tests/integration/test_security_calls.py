"""Which names init resolves, and how: read off a trace of its system calls."""
import os
import re
import subprocess

import pytest

import host
import rig
from rig import wherry_only

pytestmark = wherry_only("how it is done, not what comes out")

# What a path in a call is relative to: a descriptor, or (AT_FDCWD, or a call without one) the caller's directory or root.
CALL = re.compile(r'^(\d+) +(\w+)\((?:(AT_FDCWD|\d+)<([^>]*)>, )?"([^"]*)"(.*)$')
CLONED = re.compile(r"^\d+ +(?:clone3\(|<\.\.\. clone3 resumed>).* = (\d+)$")
ENTERED = re.compile(r'^\d+ +pivot_root\("\.", "\."\) += 0')


class Trace:
    """The calls that take a path, of init's processes: (call, what the path is relative to or None, path, the rest, whether
    the container's root had been entered)."""

    def __init__(self, log):
        self.calls = []
        images, inside, executing = set(), set(), set()
        for line in log.splitlines():
            pid = line.split(" ", 1)[0]
            if "execveat(" in line and "memfd:wherry-init" in line:
                images.add(pid)
                continue
            if ENTERED.match(line):
                inside.add(pid)
            # strace splits a call in two when another process's comes between
            if pid in executing and "execve resumed" in line:
                executing.discard(pid)
                if line.rstrip().endswith("= 0"):
                    images.discard(pid)
            child = CLONED.match(line)
            if child and pid in images:
                images.add(child.group(1))
                if pid in inside:
                    inside.add(child.group(1))
            # the text of a link is no path that is resolved
            found = CALL.match(re.sub(r'symlinkat\("[^"]*", ', "symlinkat(", line))
            if found and pid in images:
                _, call, fd, of, path, rest = found.groups()
                self.calls.append((call, None if fd in (None, "AT_FDCWD") else of, path, rest, pid in inside))
                if call == "execve" and rest.rstrip().endswith("= 0"):
                    images.discard(pid)  # the container's program
                elif call == "execve" and rest.rstrip().endswith("<unfinished ...>"):
                    executing.add(pid)


@pytest.fixture
def traced(container, tmp_path):
    """traced(bundle change, verb): run or exec a program under strace; returns the Trace of its init."""
    def run(change, verb):
        c = container()
        change(c.bundle)
        if verb == "exec":
            c.bundle.args("sleep", "1000")
            c.up()
            argv = c.runtime.argv("exec", c.id, "/bin/true")
        else:
            c.bundle.args("/bin/true").write()
            argv = c.runtime.argv("run", "--bundle", c.bundle.path, c.id)
        log = tmp_path / "strace"
        env = dict(os.environ, ASAN_OPTIONS=os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0")
        call = rig.Process(["strace", "-f", "-y", "-s", "4096", "-o", str(log), "-e", "trace=%file,clone3"] + argv, env=env)
        c.runtime.processes.append(call)
        result = call.wait(60)
        assert result.rc == 0, result
        trace = Trace(log.read_text())
        assert len(trace.calls) > 3, "no trace of init"
        return trace

    return run


def everything(b):
    """A bundle that has init write to procfs, mask, bind, make devices and look for users."""
    b.mount("/host", "/usr/share", options=["rbind", "ro"])
    b.set("linux.sysctl", {"kernel.domainname": "dock"}).set("process.oomScoreAdj", 100)
    b.set("process.user", {"uid": 1000, "gid": 1000})


def user_namespace(b):
    everything(b)
    b.drop("linux.sysctl").map_ids()


CONFIGURATIONS = {"plain": lambda b: None, "everything": everything, "user namespace": user_namespace}


def is_procfs(call, path, rest):
    """The one name by which procfs is opened, and how."""
    return (call, path) == ("open", "/proc") and all(flag in rest for flag in ("O_PATH", "O_NOFOLLOW", "O_DIRECTORY"))


@pytest.mark.parametrize("verb", ["run", "exec"])
@pytest.mark.parametrize("kind", CONFIGURATIONS)
def test_of_procfs_only_the_hosts_root_is_opened_by_name(traced, kind, verb):
    """As a descriptor, once and once more for sysctls, before the container's root is entered. What is in it is reached from
    there, without links and without leaving its mount."""
    trace = traced(CONFIGURATIONS[kind], verb)
    by_name = [found for found in trace.calls if found[1] is None and re.match(r"/proc(/|$)", found[2])]
    assert 1 <= len(by_name) <= 2, by_name
    for call, _, path, rest, inside in by_name:
        assert is_procfs(call, path, rest) and not inside, (call, path, rest)
    for call, of, path, rest, _ in trace.calls:
        if of == "/proc" and path != "self":
            assert call == "openat2", (call, path)
            for flag in ("RESOLVE_BENEATH", "RESOLVE_NO_XDEV", "RESOLVE_NO_MAGICLINKS", "RESOLVE_NO_SYMLINKS"):
                assert flag in rest, (path, flag, rest)


@pytest.mark.parametrize("kind", CONFIGURATIONS)
def test_nothing_is_resolved_by_name_once_the_root_is_open(traced, kind):
    """Until the container's root is entered every name is one below a descriptor, and cannot lead out of it."""
    trace = traced(CONFIGURATIONS[kind], "run")
    opened = False
    relative = 0
    for call, of, path, rest, inside in trace.calls:
        if inside:
            break
        if not opened:
            opened = call == "open" and path.endswith("/rootfs")
        elif of is None:
            assert path in (".", "/") or is_procfs(call, path, rest), f"{call} of '{path}' once the root is open: {rest}"
        elif call == "openat2":
            assert "RESOLVE_IN_ROOT" in rest or "RESOLVE_BENEATH" in rest, (path, rest)
            assert "RESOLVE_NO_MAGICLINKS" in rest, (path, rest)
            relative += 1
        elif path:
            follows_none = ("mkdirat", "mknodat", "symlinkat", "readlinkat")
            assert "/" not in path and (call in follows_none or "NOFOLLOW" in rest), (call, path, rest)
    assert opened and inside and relative > 10


@pytest.mark.parametrize("verb", ["run", "exec"])
def test_inside_only_the_program_and_its_user_are_looked_up_by_name(traced, verb):
    trace = traced(CONFIGURATIONS["everything"], verb)
    names = {path for _, of, path, _, inside in trace.calls if of is None and (inside or verb == "exec")}
    assert names <= {"/", ".", "/proc", "/etc/passwd", "/bin/true"}, names


@pytest.mark.parametrize("level, works", [(0, True), (1, True), (2, False)])
def test_a_host_that_forbids_executable_memfds(container, level, works):
    """vm.memfd_noexec: init is executed from a sealed memfd or not at all, never from a file that could be written."""
    if not os.path.exists("/proc/sys/vm/memfd_noexec"):
        pytest.skip("this kernel has no vm.memfd_noexec (Linux 6.3)")
    c = container()
    c.bundle.args("echo", "in").write()
    script = f'echo {level} > /proc/sys/vm/memfd_noexec; exec "$@"'
    # the setting is the pid namespace's
    done = subprocess.run(["unshare", "--pid", "--fork", "--mount-proc", "sh", "-c", script, "sh"]
                          + c.runtime.argv("run", "--bundle", c.bundle.path, c.id), capture_output=True, text=True,
                          timeout=20, stdin=subprocess.DEVNULL)
    if works:
        assert (done.returncode, done.stdout) == (0, "in\n"), done
    else:
        assert done.returncode == 1 and "vm.memfd_noexec is 2" in done.stderr, done
    assert not host.cgroup_dirs(c.id)
