"""The host as the tests see it: its mounts, cgroups and processes, before and after.

The session moves into a mount namespace of its own whose mounts are shared (as on a host run by
systemd), so a mount that a runtime leaks is seen here and never reaches the real host, and becomes a child
subreaper, so a process that a runtime leaks becomes a child of this one and can be found. Sessions may run side by
side: each has a network namespace of its own, too, and what is still shared carries PREFIX.
"""
import ctypes
import difflib
import os
import signal
import socket
import subprocess
import time

CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
MS_REC, MS_PRIVATE, MS_SHARED = 0x4000, 1 << 18, 1 << 20
MNT_DETACH = 2
PR_SET_CHILD_SUBREAPER = 36

PREFIX = f"wt{os.getpid()}n"
"""Every container id of this session starts so, and every cgroup that a test asks for has it in its name: what others
run on the host at the same time is told apart by it."""

_libc = ctypes.CDLL(None, use_errno=True)
_own = set()

reaped = {}
"""The wait status of every orphan reaped so far, by pid."""


def _call(name, *args):
    if getattr(_libc, name)(*args) != 0:
        err = ctypes.get_errno()
        raise OSError(err, f"{name}: {os.strerror(err)}")


def isolate():
    """Enter the session's own mount namespace and become the reaper of its orphans. A background job ignores SIGINT, nohup's
    child SIGHUP: what is run here shall not."""
    for ignored in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        if signal.getsignal(ignored) == signal.SIG_IGN:
            signal.signal(ignored, lambda *_: None)
    _call("unshare", CLONE_NEWNS)
    for propagation in (MS_PRIVATE, MS_SHARED):
        # in a chroot, / need not be a mount point
        points = _mount_points()
        for top in ["/"] if "/" in points else points:
            _call("mount", None, top.encode(), None, MS_REC | propagation, None)
    _call("prctl", PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def isolate_network():
    """Enter a network namespace, which stands for the host's: its ports and devices are the session's own."""
    _call("unshare", CLONE_NEWNET)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True, timeout=20)


def mountinfo():
    with open("/proc/self/mountinfo") as f:
        return f.read().splitlines()


def _mount_points():
    points = [line.split(" - ", 1)[0].split()[4] for line in mountinfo()]
    return [p.encode().decode("unicode_escape") for p in points]


def mount(source, target, fstype, flags=0, data=""):
    _call("mount", str(source).encode(), str(target).encode(), fstype.encode(), flags, data.encode())


def umount(target):
    _call("umount2", str(target).encode(), MNT_DETACH)


def wait_until(condition, what, timeout=10.0):
    """Poll condition until it is true and return its value; past the deadline the test fails."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"timed out after {timeout:g} s waiting for {what}")
        time.sleep(0.005)


# --- processes ---------------------------------------------------------------------------------------------


def adopt(pid):
    """A child that subprocess waits for itself: reap_orphans leaves it alone."""
    _own.add(pid)


def release(pid):
    _own.discard(pid)


def children():
    found = []
    for task in os.listdir("/proc/self/task"):
        try:
            with open(f"/proc/self/task/{task}/children") as f:
                found += [int(p) for p in f.read().split()]
        except FileNotFoundError:
            pass
    return [p for p in found if p not in _own]


def reap_orphans():
    """Reap dead processes that fell to this session as subreaper, as a shim would: the init of a pid
    namespace cannot end before its processes with a parent outside have been reaped."""
    for pid in children():
        try:
            got, status = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            continue
        if got:
            reaped[pid] = status


def wait_gone(pid, timeout=10.0):
    """Wait for a process to be dead, and reaped when it is an orphan of this session."""
    def gone():
        reap_orphans()
        return not alive(pid) and pid not in children()
    wait_until(gone, f"process {pid} to end", timeout)


def wait_no_processes(name, timeout=10.0):
    """Wait until no process is left in the cgroups with that name in their path."""
    def gone():
        reap_orphans()
        return not processes_in_cgroups(name)
    wait_until(gone, f"the processes of {name} to end", timeout)


def alive(pid):
    """True when pid exists and is not a zombie."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def proc_status(pid, key):
    """One field of /proc/PID/status, as text."""
    with open(f"/proc/{pid}/status") as f:
        for line in f:
            if line.startswith(key + ":"):
                return line.split(":", 1)[1].strip()
    raise KeyError(key)


def kill_quietly(pid, sig=signal.SIGKILL):
    try:
        os.kill(pid, sig)
    except ProcessLookupError:
        pass


# --- cgroups -----------------------------------------------------------------------------------------------


def _mounts_of_type(fstype):
    found = []
    for line in mountinfo():
        left, right = line.split(" - ", 1)
        if right.split()[0] == fstype:
            found.append(left.split()[4])
    return found


def cgroup2_mount():
    mounts = _mounts_of_type("cgroup2")
    return mounts[0] if mounts else None


def cgroup2_is_alone():
    return not _mounts_of_type("cgroup")


def cgroup_path(name):
    """Directory of the v2 cgroup with that absolute name."""
    return os.path.join(cgroup2_mount(), name.lstrip("/"))


def cgroup_of(pid):
    """The v2 cgroup of a process, as /proc/PID/cgroup names it."""
    with open(f"/proc/{pid}/cgroup") as f:
        for line in f:
            if line.startswith("0::"):
                return line[3:].rstrip("\n")
    return None


def _tree(top, below=False):
    """The cgroups of this session under top: those named so, and all below them."""
    found = set()
    with os.scandir(top) as entries:
        names = [e.path for e in entries if e.is_dir(follow_symlinks=False)]
    for path in names:
        try:
            own = below or PREFIX in os.path.basename(path)
            found |= {path} | _tree(path, True) if own else set()
        except FileNotFoundError:
            continue
    return found


def cgroup_dirs(name):
    """Every cgroup directory (all hierarchies) with name in its path, deepest first."""
    found = set()
    for top in _mounts_of_type("cgroup2") + _mounts_of_type("cgroup"):
        found.update(d for d in _tree(top) if name in d[len(top):])
    return sorted(found, key=len, reverse=True)


def processes_in_cgroups(name):
    """Live processes that have name in the path of one of their cgroups."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/cgroup", "rb", buffering=0) as f:
                if name.encode() in f.read() and alive(int(entry)):
                    found.append(int(entry))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def remove_leftovers(name):
    """End and remove what is left of the containers with name in their cgroup; returns what was found."""
    reap_orphans()
    pids = processes_in_cgroups(name)
    dirs = cgroup_dirs(name)
    found = [f"process {p}" for p in pids] + [f"cgroup {d}" for d in dirs]
    for pid in pids:
        kill_quietly(pid)
    for d in dirs:
        for knob, value in (("cgroup.freeze", "0"), ("freezer.state", "THAWED")):
            try:
                with open(os.path.join(d, knob), "w") as f:
                    f.write(value)
            except OSError:
                pass
    if pids:
        wait_no_processes(name)
    for d in dirs:
        _rmdir(d)
    return found


def _rmdir(path):
    for _ in range(200):
        try:
            os.rmdir(path)
            return
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.01)


def umount_below(top):
    """Unmount everything below a directory; returns the mount points that were found."""
    found = [p for p in _mount_points() if p == str(top) or p.startswith(str(top) + "/")]
    for point in reversed(found):
        try:
            umount(point)
        except OSError:
            pass
    return found


# --- before and after --------------------------------------------------------------------------------------


class Snapshot:
    """What of the host a test must leave as it found it."""

    def __init__(self, state_dir):
        self.state_dir = state_dir
        self.before = self._take()

    def _take(self):
        reap_orphans()
        state = []
        for path, dirs, files in os.walk(self.state_dir):
            if path == str(self.state_dir):
                dirs[:] = [d for d in dirs if not d.startswith(".")]
                files = [f for f in files if not f.startswith(".")]
            state += [os.path.join(path, n) for n in dirs + files]
        return {
            "mount table": mountinfo(),
            "v2 cgroups of the session": sorted(_tree(cgroup2_mount())) if cgroup2_mount() else [],
            "state directory": sorted(state),
            "processes in the session's cgroups": processes_in_cgroups(PREFIX),
            "orphaned or zombie children": sorted(children()),
            "network devices": sorted(name for _, name in socket.if_nameindex()),
        }

    def differences(self):
        after = self._take()
        out = []
        for what, old in self.before.items():
            if after[what] != old:
                diff = difflib.unified_diff([str(x) for x in old], [str(x) for x in after[what]],
                                            "before", "after", n=0, lineterm="")
                out.append(f"{what} changed:\n  " + "\n  ".join(diff))
        return out

    def check(self, timeout=3.0):
        """Fail unless the host is as it was; a process that is just ending gets a short time."""
        deadline = time.monotonic() + timeout
        while True:
            diff = self.differences()
            if not diff:
                return
            if time.monotonic() > deadline:
                raise AssertionError("the host is not as it was before:\n" + "\n".join(diff))
            time.sleep(0.02)


def describe_tree(top):
    """Every entry of a tree with its type, mode, owner, times and content: equal means untouched."""
    found = {}
    for path, dirs, files in os.walk(top):
        for name in ["."] + dirs + files:
            full = os.path.join(path, name)
            st = os.lstat(full)
            body = None
            if os.path.islink(full):
                body = os.readlink(full)
            elif os.path.isfile(full):
                with open(full, "rb") as f:
                    body = f.read()
            found[os.path.normpath(full)] = (oct(st.st_mode), st.st_uid, st.st_gid, st.st_mtime_ns, body)
    return found
