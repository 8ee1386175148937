"""The process: user, groups, limits, capabilities and the rest of its attributes, as /proc shows them."""
import ctypes
import os
import re
import stat
import struct

import pytest

import host
from containers import assert_refused
from rig import lacks, skip_if, wherry_only

CAPS = {"CAP_CHOWN": 0, "CAP_DAC_OVERRIDE": 1, "CAP_KILL": 5, "CAP_NET_BIND_SERVICE": 10, "CAP_NET_RAW": 13,
        "CAP_SYS_ADMIN": 21, "CAP_AUDIT_WRITE": 29, "CAP_SETFCAP": 31}
SETS = {"inheritable": "CapInh", "permitted": "CapPrm", "effective": "CapEff", "bounding": "CapBnd",
        "ambient": "CapAmb"}


def mask(names):
    return sum(1 << CAPS[n] for n in names)


def cap_sets(pid):
    return {kind: int(host.proc_status(pid, key), 16) for kind, key in SETS.items()}


def limits(text):
    """/proc/PID/limits as {name: (soft, hard)}."""
    return {line[:26].strip(): tuple(line[26:].split()[:2]) for line in text.splitlines()[1:]}


# --- user and groups -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("uid, gid, more", [(0, 0, []), (1000, 1000, []), (1, 2, [3, 4, 5]), (65534, 65534, [0]),
                                            (4294967294, 4294967294, []), (2147483648, 7, [2147483648]),
                                            (5, 5, [7, 7, 5])])
def test_user_and_groups(container, uid, gid, more):
    if uid == 4294967294 or 2147483648 in more:
        skip_if("runc", "keeps ids in an int32", below=(1, 4, 0))
    c = container()
    c.bundle.set("process.user", {"uid": uid, "gid": gid, "additionalGids": more})
    pid = c.up()
    assert host.proc_status(pid, "Uid").split() == [str(uid)] * 4
    assert host.proc_status(pid, "Gid").split() == [str(gid)] * 4
    assert set(host.proc_status(pid, "Groups").split()) - {str(gid)} == {str(g) for g in more} - {str(gid)}


def test_the_callers_groups_do_not_stay(container):
    c = container()
    c.bundle.set("process.user", {"uid": 1000, "gid": 1000})
    c.create(preexec=lambda: os.setgroups([4, 24, 27]))
    assert host.proc_status(c.pid, "Groups").split() in ([], ["1000"])


def test_the_images_passwd_does_not_change_a_number(container):
    c = container()
    c.bundle.file("etc/passwd", "1000:x:0:0::/:/bin/sh\n1000:x:0:0::/root:/bin/sh\n")
    c.bundle.set("process.user", {"uid": 1000, "gid": 1000})
    pid = c.up()
    assert host.proc_status(pid, "Uid").split() == ["1000"] * 4


@pytest.mark.parametrize("umask, mode", [(0, 0o666), (0o77, 0o600), (0o27, 0o640), (None, 0o644)])
def test_umask(container, umask, mode):
    c = container()
    if umask is not None:
        c.bundle.set("process.user.umask", umask)
    c.bundle.sh("touch /made; umask")
    out = c.run(check=True).out
    assert stat.S_IMODE(os.stat(c.bundle.rootfs + "/made").st_mode) == mode
    assert int(out, 8) == (0o22 if umask is None else umask)


# --- limits --------------------------------------------------------------------------------------------------

LIMITS = [("RLIMIT_AS", "Max address space"), ("RLIMIT_CORE", "Max core file size"), ("RLIMIT_CPU", "Max cpu time"),
          ("RLIMIT_DATA", "Max data size"), ("RLIMIT_FSIZE", "Max file size"), ("RLIMIT_LOCKS", "Max file locks"),
          ("RLIMIT_MEMLOCK", "Max locked memory"), ("RLIMIT_MSGQUEUE", "Max msgqueue size"),
          ("RLIMIT_NICE", "Max nice priority"), ("RLIMIT_NOFILE", "Max open files"), ("RLIMIT_NPROC", "Max processes"),
          ("RLIMIT_RSS", "Max resident set"), ("RLIMIT_RTPRIO", "Max realtime priority"),
          ("RLIMIT_RTTIME", "Max realtime timeout"), ("RLIMIT_SIGPENDING", "Max pending signals"),
          ("RLIMIT_STACK", "Max stack size")]


@pytest.mark.parametrize("kind, name", LIMITS, ids=[k for k, _ in LIMITS])
def test_a_limit(container, kind, name):
    """Only lowered: raising needs CAP_SYS_RESOURCE, which root may lack in a container of its own."""
    soft, hard = (0, 0) if kind in ("RLIMIT_NICE", "RLIMIT_RTPRIO") else (40000000, 50000000)
    if kind in ("RLIMIT_AS", "RLIMIT_DATA"):
        skip_if("runc", "is itself in the container by then, and Go needs more")
    if kind == "RLIMIT_NOFILE":
        skip_if("runc", "raises its own soft limit, and exec inherits that", below=(1, 1, 13))
    if kind in ("RLIMIT_NOFILE", "RLIMIT_NPROC", "RLIMIT_SIGPENDING"):
        soft, hard = 500, 600
    elif kind in ("RLIMIT_MEMLOCK", "RLIMIT_MSGQUEUE"):
        soft, hard = 4096, 8192
    c = container()
    c.bundle.set("process.rlimits", [{"type": kind, "soft": soft, "hard": hard}])
    pid = c.up()
    with open(f"/proc/{pid}/limits") as f:
        assert limits(f.read())[name] == (str(soft), str(hard))
    assert limits(c.sh("cat /proc/self/limits"))[name] == (str(soft), str(hard))


def test_an_unlimited_limit(container):
    c = container()
    c.bundle.set("process.rlimits", [{"type": "RLIMIT_AS", "soft": 2 ** 64 - 1, "hard": 2 ** 64 - 1}])
    pid = c.up()
    with open(f"/proc/{pid}/limits") as f:
        assert limits(f.read())["Max address space"] == ("unlimited", "unlimited")


@pytest.mark.parametrize("listed, word", [
    ([{"type": "RLIMIT_NOTHING", "soft": 1, "hard": 1}], "RLIMIT_NOTHING"),
    ([{"type": "NOFILE", "soft": 1, "hard": 1}], "NOFILE"),
    ([{"type": "RLIMIT_CORE", "soft": 1, "hard": 1}] * 2, "RLIMIT_CORE"),
    ([{"type": "RLIMIT_CORE", "soft": 2, "hard": 1}], "rlimit")])
def test_a_wrong_limit_is_refused(container, listed, word):
    if len(listed) == 2:
        skip_if("runc", "lets the last one win", below=(1, 3, 0))
    c = container()
    c.bundle.set("process.rlimits", listed)
    assert_refused(c, *([word] if c.runtime.kind == "wherry" else []))


# --- capabilities --------------------------------------------------------------------------------------------

CASES = [
    dict(),
    dict(bounding=["CAP_KILL"], permitted=["CAP_KILL"], effective=["CAP_KILL"]),
    dict(bounding=["CAP_KILL", "CAP_CHOWN"], permitted=["CAP_KILL"], effective=[]),
    dict(bounding=["CAP_NET_RAW", "CAP_KILL"], permitted=["CAP_NET_RAW", "CAP_KILL"], effective=["CAP_KILL"],
         inheritable=["CAP_NET_RAW"]),
    dict(bounding=["CAP_NET_RAW"], permitted=["CAP_NET_RAW"], effective=["CAP_NET_RAW"],
         inheritable=["CAP_NET_RAW"], ambient=["CAP_NET_RAW"]),
]


def after_exec(asked, uid):
    """What execve(2) makes of the sets (capabilities(7)); uid 0 gets what bounding and inheritable allow."""
    got = {kind: mask(asked.get(kind, [])) for kind in SETS}
    root = uid == 0
    permitted = (got["inheritable"] | got["bounding"]) if root else got["ambient"]
    got["permitted"] = permitted
    got["effective"] = permitted if root else got["ambient"]
    return got


@pytest.mark.parametrize("uid", [0, 1000])
@pytest.mark.parametrize("asked", CASES, ids=lambda a: "+".join(a) or "none")
def test_the_five_sets_after_exec(container, asked, uid):
    c = container()
    c.bundle.set("process.capabilities", asked).set("process.user", {"uid": uid, "gid": uid})
    c.bundle.set("process.noNewPrivileges", False)
    pid = c.up()
    want = after_exec(asked, uid)
    if uid == 0 and not asked.get("ambient"):
        want["ambient"] = 0
    assert cap_sets(pid) == want


def test_no_capabilities_object_is_none_at_all(container):
    c = container()
    c.bundle.drop("process.capabilities")
    skip_if("runc", "leaves all of root's", below=(1, 4, 0))
    pid = c.up()
    assert set(cap_sets(pid).values()) == {0}


@pytest.mark.parametrize("name, works", [("CAP_CHOWN", "chown 1:1 /tmp/f"), ("CAP_NET_RAW", "ping -c1 127.0.0.1"),
                                         ("CAP_SYS_ADMIN", "mount -t tmpfs x /tmp")])
def test_a_capability_has_its_effect(container, name, works):
    results = []
    for names in ([name], ["CAP_KILL"]):
        c = container()
        c.bundle.capabilities(bounding=names, permitted=names, effective=names)
        os.symlink("busybox", c.bundle.rootfs + "/bin/ping")
        c.bundle.file("tmp/f")
        c.bundle.sh(works)
        results.append(c.run().rc == 0)
    assert results == [True, False]


def test_an_unknown_capability_is_a_warning(container):
    skip_if("runc", "refused it", below=(1, 1, 0))
    c = container()
    names = ["CAP_KILL", "CAP_TIME_TRAVEL"]
    c.bundle.capabilities(bounding=names, permitted=names, effective=names)
    result = c.create()
    assert "CAP_TIME_TRAVEL" in result.err
    c.start()
    assert cap_sets(c.pid)["bounding"] == mask(["CAP_KILL"])


def test_no_new_privileges(container, helper):
    seen = []
    for wanted in (True, False):
        c = container()
        c.bundle.set("process.noNewPrivileges", wanted).set("process.user", {"uid": 1000, "gid": 1000})
        c.bundle.capabilities(bounding=["CAP_SETUID"], permitted=[], effective=[])
        with open(helper("probe"), "rb") as f:
            c.bundle.file("bin/suid", f.read(), 0o4755)
        c.bundle.sh("grep NoNewPrivs /proc/self/status; suid euid")
        out = c.run(check=True).out.split()
        seen.append((out[1], out[-1]))
    assert seen == [("1", "1000"), ("0", "0")]


# --- the kernel's other attributes ---------------------------------------------------------------------------


@pytest.mark.parametrize("value", [0, 500, 1000])
def test_oom_score_adj(container, value):
    c = container()
    c.bundle.set("process.oomScoreAdj", value)
    pid = c.up()
    with open(f"/proc/{pid}/oom_score_adj") as f:
        assert int(f.read()) == value


def test_oom_score_adj_is_inherited_when_not_given(container):
    c = container()
    def raise_own():
        with open("/proc/self/oom_score_adj", "w") as f:
            f.write("321")
    c.create(preexec=raise_own)
    with open(f"/proc/{c.pid}/oom_score_adj") as f:
        assert int(f.read()) == 321


@pytest.mark.parametrize("label", ["apparmorProfile", "selinuxLabel"])
def test_a_label_that_the_kernel_does_not_have_is_refused(container, label):
    if label == "apparmorProfile" and os.path.exists("/sys/module/apparmor"):
        pytest.skip("this kernel has AppArmor")
    if label == "selinuxLabel" and os.path.exists("/sys/fs/selinux/enforce"):
        pytest.skip("this kernel has SELinux")
    skip_if("runc", "is silent about a label without SELinux") if label == "selinuxLabel" else None
    c = container()
    c.bundle.set(f"process.{label}", "system_u:system_r:container_t:s0" if "selinux" in label else "confined")
    assert_refused(c, "apparmor" if "apparmor" in label else "selinux")


@pytest.mark.parametrize("asked, policy, nice, prio", [
    ({"policy": "SCHED_OTHER", "nice": 5}, os.SCHED_OTHER, 5, 0),
    ({"policy": "SCHED_BATCH", "nice": 7}, os.SCHED_BATCH, 7, 0),
    ({"policy": "SCHED_IDLE"}, os.SCHED_IDLE, None, 0),
    ({"policy": "SCHED_BATCH", "flags": ["SCHED_FLAG_RESET_ON_FORK"]}, os.SCHED_BATCH | 0x40000000, 0, 0),
    ({"policy": "SCHED_FIFO", "priority": 3}, os.SCHED_FIFO, 0, 3),
    ({"policy": "SCHED_RR", "priority": 4}, os.SCHED_RR, 0, 4),
])
def test_scheduler(container, asked, policy, nice, prio):
    skip_if("runc", "came with 1.2", below=(1, 2, 0))
    c = container()
    c.bundle.set("process.scheduler", asked)
    if "priority" in asked:
        try:
            os.sched_setscheduler(0, policy, os.sched_param(prio))
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        except PermissionError:
            pytest.skip("this host does not let root have a real-time policy (CAP_SYS_NICE or its cgroup)")
    pid = c.up()
    assert os.sched_getscheduler(pid) == policy
    assert os.sched_getparam(pid).sched_priority == prio
    # a policy without a nice value of its own leaves the caller's
    want = os.getpriority(os.PRIO_PROCESS, 0) if nice is None else nice
    assert os.getpriority(os.PRIO_PROCESS, pid) == want or prio


DEADLINE = {"policy": "SCHED_DEADLINE", "runtime": 2000000, "deadline": 10000000, "period": 20000000}


def deadline_of(pid):
    """policy, runtime, deadline, period (sched_getattr(2))."""
    number = {"x86_64": 315, "aarch64": 275}[os.uname().machine]
    attr = ctypes.create_string_buffer(48)
    assert host._libc.syscall(number, pid, attr, 48, 0) == 0
    policy, runtime, deadline, period = struct.unpack_from("I", attr, 4) + struct.unpack_from("3Q", attr, 24)
    return policy, runtime, deadline, period


def may_have_a_deadline():
    """Whether root may have it here: tried in a child."""
    number = {"x86_64": 314, "aarch64": 274}[os.uname().machine]
    attr = struct.pack("IIQiIQQQ", 48, 6, 0, 0, 0, 2000000, 10000000, 20000000)
    pid = os.fork()
    if pid == 0:
        os._exit(0 if host._libc.syscall(number, 0, attr, 0) == 0 else 1)
    return os.waitpid(pid, 0)[1] == 0


@lacks("runc", "came with 1.2", below=(1, 2, 0))
def test_scheduler_with_a_deadline(container):
    if not may_have_a_deadline():
        pytest.skip("this host lets root have no SCHED_DEADLINE (CAP_SYS_NICE, or no bandwidth is left)")
    c = container()
    c.bundle.set("process.scheduler", DEADLINE)
    assert deadline_of(c.up()) == (6, 2000000, 10000000, 20000000)


@pytest.mark.parametrize("asked, want", [({"class": "IOPRIO_CLASS_BE", "priority": 6}, (2 << 13) | 6),
                                         ({"class": "IOPRIO_CLASS_IDLE", "priority": 0}, 3 << 13),
                                         ({"class": "IOPRIO_CLASS_RT", "priority": 1}, (1 << 13) | 1)])
def test_io_priority(container, asked, want):
    skip_if("runc", "came with 1.2", below=(1, 2, 0))
    c = container()
    c.bundle.set("process.ioPriority", asked)
    pid = c.up()
    number = {"x86_64": 252, "aarch64": 31}[os.uname().machine]
    assert host._libc.syscall(number, 1, pid) == want


@wherry_only("runc 1.1.5 has no personality")
@pytest.mark.parametrize("domain, machine", [("LINUX", os.uname().machine),
                                             ("LINUX32", {"x86_64": "i686", "aarch64": "armv8l"}[os.uname().machine])])
def test_personality(container, domain, machine):
    c = container()
    c.bundle.set("linux.personality", {"domain": domain}).args("uname", "-m")
    assert c.run(check=True).out.strip() == machine


MEMORY_MODES_SINCE = {"MPOL_PREFERRED_MANY": "5.15", "MPOL_WEIGHTED_INTERLEAVE": "6.9"}
needs_numa = pytest.mark.skipif(not os.path.exists("/proc/self/numa_maps"), reason="this kernel has no memory policies")


@needs_numa
@lacks("runc", "came with 1.4", below=(1, 4, 0))
@pytest.mark.parametrize("policy, shown", [
    ({"mode": "MPOL_DEFAULT"}, "default"), ({"mode": "MPOL_DEFAULT", "nodes": ""}, "default"),
    ({"mode": "MPOL_BIND", "nodes": "0"}, "bind:0"), ({"mode": "MPOL_INTERLEAVE", "nodes": "0"}, "interleave:0"),
    ({"mode": "MPOL_PREFERRED", "nodes": "0"}, "prefer:0"), ({"mode": "MPOL_PREFERRED"}, "local"),
    ({"mode": "MPOL_LOCAL"}, "local"),
    ({"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]}, "bind=static:0"),
    ({"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_RELATIVE_NODES"]}, "bind=relative:0"),
    ({"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_NUMA_BALANCING"]}, "bind=balancing:0"),
    ({"mode": "MPOL_PREFERRED_MANY", "nodes": "0"}, "prefer (many):0"),
    ({"mode": "MPOL_WEIGHTED_INTERLEAVE", "nodes": "0"}, "weighted interleave:0")],
    ids=lambda v: v if isinstance(v, str) else "")
def test_memory_policy(container, policy, shown):
    since = MEMORY_MODES_SINCE.get(policy["mode"], "0")
    if tuple(map(int, re.findall(r"\d+", os.uname().release)[:2])) < tuple(map(int, since.split("."))):
        pytest.skip(f"{policy['mode']} came with Linux {since}")
    c = container()
    c.bundle.set("linux.memoryPolicy", policy).args("cat", "/proc/self/numa_maps")
    maps = [line.split(" ", 1)[1] for line in c.run(check=True).out.splitlines()]
    assert maps and [line for line in maps if not f"{line} ".startswith(f"{shown} ")] == []


@needs_numa
@lacks("runc", "came with 1.4", below=(1, 4, 0))
def test_a_memory_node_that_is_not_there_is_refused(container):
    c = container()
    c.bundle.set("linux.memoryPolicy", {"mode": "MPOL_BIND", "nodes": "1000"})
    assert_refused(c, *(["linux.memoryPolicy"] if c.runtime.kind == "wherry" else []))


@wherry_only("an annotation of crun and Podman")
@pytest.mark.parametrize("value, groups", [("1", ["4321"]), ("0", ["7"])])
def test_the_callers_groups_stay_when_asked_for(container, value, groups):
    c = container()
    c.bundle.set("annotations", {"run.oci.keep_original_groups": value}).set("process.user.additionalGids", [7])
    c.bundle.sh("grep Groups /proc/self/status")
    result = c.run(check=True, preexec=lambda: os.setgroups([4321]))
    assert result.out.split()[1:] == groups
