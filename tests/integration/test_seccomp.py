"""Seccomp: what a program gets back from its system calls under each part of a profile."""
import errno
import json
import os
import platform
import signal
import subprocess

import pytest

import host
from containers import assert_refused
from rig import SOURCE_ROOT, skip_if, wherry_only

X86 = platform.machine() == "x86_64"
NR = {"personality": 135, "getpriority": 140, "mount_setattr": 442, "sethostname": 170, "lookup_dcookie": 212,
      "socket": 41} if X86 else {"personality": 92, "getpriority": 141, "mount_setattr": 442, "sethostname": 161,
                                 "lookup_dcookie": 18, "socket": 198}
ARCH = "SCMP_ARCH_X86_64" if X86 else "SCMP_ARCH_AARCH64"
ENGINES = os.path.join(SOURCE_ROOT, "tests", "data", "engines")


@pytest.fixture
def filtered(container, helper):
    """A container with the probe; filtered.rules(...) sets a profile that allows the rest."""
    c = container()
    c.bundle.install(helper("probe"))

    def rules(*listed, **more):
        c.bundle.set("linux.seccomp", dict({"defaultAction": "SCMP_ACT_ALLOW", "architectures": [ARCH],
                                            "syscalls": list(listed)}, **more))
        return c

    def call(*words, **kw):
        """Run one system call as the container's program; returns (result, errno) or the Result when it died."""
        c.bundle.args("/bin/probe", "call", *[str(NR.get(w, w)) for w in words])
        result = c.run(**kw)
        return tuple(int(n) for n in result.out.split()) if result.ok else result

    c.rules, c.call = rules, call
    return c


def rule(action, *names, args=(), **more):
    found = {"names": list(names), "action": "SCMP_ACT_" + action, **more}
    if args:
        found["args"] = list(args)
    return found


def arg(index, op, value, two=0):
    return {"index": index, "op": "SCMP_CMP_" + op, "value": value, "valueTwo": two}


# --- actions ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ret", [None, 0, errno.EPERM, errno.ENOENT, errno.ENOSYS, 4094])
def test_errno(filtered, ret):
    filtered.rules(rule("ERRNO", "personality", **({} if ret is None else {"errnoRet": ret})))
    want = errno.EPERM if ret is None else ret
    assert filtered.call("personality", 0xffffffff) == ((-1, want) if want else (0, 0))


@pytest.mark.parametrize("action, sig", [("KILL", signal.SIGSYS), ("KILL_THREAD", signal.SIGSYS),
                                         ("KILL_PROCESS", signal.SIGSYS), ("TRAP", signal.SIGSYS)])
def test_an_action_that_ends_the_program(filtered, action, sig):
    filtered.rules(rule(action, "personality"))
    assert filtered.call("personality", 0xffffffff).rc == 128 + sig


@pytest.mark.parametrize("action", ["ALLOW", "LOG"])
def test_an_action_that_lets_through(filtered, action):
    filtered.rules(rule(action, "personality"))
    assert filtered.call("personality", 0xffffffff) == (0, 0)


def test_trace_without_a_tracer_is_enosys(filtered):
    filtered.rules(rule("TRACE", "personality"))
    assert filtered.call("personality", 0xffffffff) == (-1, errno.ENOSYS)


def test_the_default_action(filtered):
    """Deny all but what the probe needs."""
    names = """execve execveat exit exit_group write writev brk arch_prctl set_tid_address set_robust_list rseq
        prlimit64 readlink readlinkat getrandom mprotect newfstatat fstat ioctl mmap munmap read close fcntl getpid
        rt_sigaction rt_sigprocmask openat openat2 futex prctl capget capset setresuid setresgid setgroups sendmsg
        recvmsg sendto recvfrom poll ppoll close_range chdir getcwd faccessat2 faccessat lseek dup3 dup2 fchdir
        fstatfs statx epoll_pwait nanosleep madvise sched_yield sigaltstack tgkill gettid getppid uname epoll_ctl
        getdents64 access open stat seccomp umask""".split()
    skip_if("runc", "its Go program needs more calls before it executes this one")
    c = filtered.rules(rule("ALLOW", *names), defaultAction="SCMP_ACT_ERRNO", defaultErrnoRet=errno.EXDEV)
    assert c.call("personality", 0xffffffff) == (-1, errno.EXDEV)


# --- arguments -------------------------------------------------------------------------------------------------

COMPARE = [("NE", 5, {4: True, 5: False, 6: True}), ("LT", 5, {4: True, 5: False, 6: False}),
           ("LE", 5, {4: True, 5: True, 6: False}), ("EQ", 5, {4: False, 5: True, 6: False}),
           ("GE", 5, {4: False, 5: True, 6: True}), ("GT", 5, {4: False, 5: False, 6: True}),
           ("EQ", 2 ** 63 + 1, {2 ** 63 + 1: True, 1: False, 2 ** 63: False}),
           ("GT", 2 ** 32, {2 ** 32 + 1: True, 2 ** 32: False, 2 ** 33: True, 7: False}),
           ("EQ", 2 ** 64 - 1, {2 ** 64 - 1: True, 2 ** 32 - 1: False})]


@pytest.mark.parametrize("op, value, cases", COMPARE, ids=[f"{op}-{v}" for op, v, _ in COMPARE])
def test_an_operator(filtered, op, value, cases):
    """lookup_dcookie is gone from the kernel: what is let through says ENOSYS or EPERM, never ERANGE."""
    filtered.rules(rule("ERRNO", "lookup_dcookie", errnoRet=errno.ERANGE, args=[arg(0, op, value)]))
    filtered.bundle.sh("; ".join(f"probe call {NR['lookup_dcookie']} {n}" for n in cases))
    lines = filtered.run(check=True).out.splitlines()
    assert [line == f"-1 {errno.ERANGE}" for line in lines] == list(cases.values()), lines


def test_a_masked_compare_ignores_the_rest(filtered):
    """CVE-2019-10063: a 32-bit argument is compared under a mask; high bits must not make a difference."""
    filtered.rules(rule("ERRNO", "lookup_dcookie", errnoRet=errno.ERANGE,
                        args=[arg(1, "MASKED_EQ", 0xffffffff, 0x5412)]))
    cases = {0x5412: True, 0xffffffff00005412: True, 0x100005412: True, 0x5413: False, 0xffffffff00005413: False}
    filtered.bundle.sh("; ".join(f"probe call {NR['lookup_dcookie']} 0 {n}" for n in cases))
    lines = filtered.run(check=True).out.splitlines()
    assert [line == f"-1 {errno.ERANGE}" for line in lines] == list(cases.values()), lines


def test_a_masked_compare_in_the_high_half(filtered):
    mask, value = 0xff00000000000000, 0x1200000000000000
    filtered.rules(rule("ERRNO", "lookup_dcookie", errnoRet=errno.ERANGE, args=[arg(2, "MASKED_EQ", mask, value)]))
    cases = {value: True, value | 0xffff: True, value << 1: False, 0x12: False}
    filtered.bundle.sh("; ".join(f"probe call {NR['lookup_dcookie']} 0 0 {n % 2 ** 64}" for n in cases))
    lines = filtered.run(check=True).out.splitlines()
    assert [line == f"-1 {errno.ERANGE}" for line in lines] == list(cases.values()), lines


def test_arguments_of_one_rule_are_all_needed(filtered):
    filtered.rules(rule("ERRNO", "lookup_dcookie", errnoRet=errno.ERANGE, args=[arg(0, "EQ", 1), arg(2, "GT", 7)]))
    cases = {"1 0 8": True, "1 0 7": False, "2 0 8": False, "0 0 0": False}
    filtered.bundle.sh("; ".join(f"probe call {NR['lookup_dcookie']} {n}" for n in cases))
    lines = filtered.run(check=True).out.splitlines()
    assert [line == f"-1 {errno.ERANGE}" for line in lines] == list(cases.values()), lines


def test_rules_of_one_call_are_alternatives(filtered):
    filtered.rules(rule("ERRNO", "lookup_dcookie", errnoRet=errno.ERANGE, args=[arg(0, "EQ", 1)]),
                   rule("ERRNO", "lookup_dcookie", errnoRet=errno.ERANGE, args=[arg(0, "EQ", 9)]))
    filtered.bundle.sh("; ".join(f"probe call {NR['lookup_dcookie']} {n}" for n in (1, 9, 5)))
    lines = filtered.run(check=True).out.splitlines()
    assert [line == f"-1 {errno.ERANGE}" for line in lines] == [True, True, False], lines


def test_two_conditions_on_one_argument_are_alternatives(filtered):
    """So runc reads them, and profiles rely on it."""
    filtered.rules(rule("ERRNO", "lookup_dcookie", errnoRet=errno.ERANGE, args=[arg(0, "EQ", 1), arg(0, "EQ", 3)]))
    filtered.bundle.sh("; ".join(f"probe call {NR['lookup_dcookie']} {n}" for n in (1, 2, 3)))
    lines = filtered.run(check=True).out.splitlines()
    assert [line == f"-1 {errno.ERANGE}" for line in lines] == [True, False, True], lines


JOINED = {
    "not equal, on several arguments": (
        [("ERANGE", [arg(4, "NE", 1), arg(0, "NE", 0)]), ("EXDEV", [arg(0, "EQ", 0), arg(0, "EQ", 7)])],
        {"0 0 0 0 0": "EXDEV", "0 0 0 0 1": "EXDEV", "7 0 0 0 1": "EXDEV", "7 0 0 0 0": "ERANGE", "2 0 0 0 1": None}),
    "one begins as the other": (
        [("ERANGE", [arg(0, "EQ", 1), arg(1, "EQ", 0)]), ("EXDEV", [arg(0, "EQ", 1)])],
        {"1 0": "ERANGE", "1 1": "EXDEV", "1 4294967296": "EXDEV", "2 0": None}),
    "several less": (
        [("ERANGE", [arg(1, "LE", 0x31bdde40)]), ("ERANGE", [arg(1, "LT", 0x100), arg(0, "LT", 2 ** 40)]),
         ("EXDEV", [arg(1, "GT", 0x6fac453c27)])],
        {"0 0": "ERANGE", f"0 {0x31bdde40}": "ERANGE", f"0 {0x31bdde41}": None, f"0 {0xe7c19cff}": None,
         f"0 {0x6fac453c28}": "EXDEV"}),
    "a rule without conditions": (
        [("ERANGE", [arg(0, "LE", 0x7fffffff)]), ("EXDEV", [])], {"0": "EXDEV", f"{2 ** 32}": "EXDEV"}),
    "the first that holds": (
        [("ERANGE", [arg(0, "GE", 4)]), ("EXDEV", [arg(0, "GE", 2)])], {"1": None, "2": "EXDEV", "5": "ERANGE"}),
}


@pytest.mark.parametrize("shape", JOINED)
@wherry_only("libseccomp joins the conditions of several rules wrongly in some shapes")
def test_several_rules_about_one_call(filtered, shape):
    rules, cases = JOINED[shape]
    filtered.rules(*[rule("ERRNO", "lookup_dcookie", errnoRet=getattr(errno, e), args=a) for e, a in rules])
    filtered.bundle.sh("; ".join(f"probe call {NR['lookup_dcookie']} {n}" for n in cases))
    lines = filtered.run(check=True).out.splitlines()
    told = {f"-1 {getattr(errno, e)}": e for e in ("ERANGE", "EXDEV")}
    assert [told.get(line) for line in lines] == list(cases.values()), lines


# --- names, new calls, architectures ---------------------------------------------------------------------------


def test_an_unknown_name_is_ignored(filtered):
    filtered.rules(rule("ERRNO", "no_such_call", "personality"))
    assert filtered.call("personality", 0xffffffff) == (-1, errno.EPERM)


def test_a_call_newer_than_the_profile_is_enosys(filtered):
    """The newest call that the profile names is openat2 (437); 442 did not exist when it was written."""
    allowed = {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": errno.EPERM}
    with open(ENGINES + "/docker-default.config.json") as f:
        profile = json.load(f)["linux"]["seccomp"]
    old = [dict(r, names=[n for n in r["names"] if n not in NEWER]) for r in profile["syscalls"]]
    filtered.bundle.set("linux.seccomp", dict(profile, syscalls=[r for r in old if r["names"]], **allowed))
    assert filtered.call("mount_setattr", -1 % 2 ** 64, 0, 0, 0, 0) == (-1, errno.ENOSYS)
    filtered.delete("--force")
    assert filtered.call("sethostname", 0, 0) == (-1, errno.EPERM)


NEWER = {"close_range", "openat2", "pidfd_getfd", "faccessat2", "process_madvise", "epoll_pwait2", "mount_setattr",
         "quotactl_fd", "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self", "memfd_secret",
         "process_mrelease", "futex_waitv", "set_mempolicy_home_node", "cachestat", "fchmodat2", "map_shadow_stack",
         "futex_wake", "futex_wait", "futex_requeue", "statmount", "listmount", "lsm_get_self_attr",
         "lsm_set_self_attr", "lsm_list_modules", "mseal", "setxattrat", "getxattrat", "listxattrat", "removexattrat",
         "open_tree_attr", "file_getattr", "file_setattr", "clone3", "open_tree", "move_mount", "fsopen", "fsconfig",
         "fsmount", "fspick", "pidfd_open"}


@pytest.mark.parametrize("name, denied, number", [("docker-default", "40 2 0", errno.EPERM),
                                                  ("podman-default", "16 3 9", errno.EINVAL)])
def test_an_engines_profile(filtered, name, denied, number):
    with open(f"{ENGINES}/{name}.config.json") as f:
        filtered.bundle.set("linux.seccomp", json.load(f)["linux"]["seccomp"])
    filtered.bundle.sh(f"probe call {NR['sethostname']} 0 0; probe call {NR['socket']} {denied}; "
                       f"probe call {NR['personality']} 0xffffffff; mkdir /x && echo works")
    lines = filtered.run(check=True).out.splitlines()
    assert lines == [f"-1 {errno.EPERM}", f"-1 {number}", "0 0", "works"]


# --- when and for whom -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("no_new_privileges", [True, False])
@pytest.mark.parametrize("uid", [0, 1000])
def test_with_and_without_no_new_privileges(filtered, no_new_privileges, uid):
    filtered.rules(rule("ERRNO", "personality")).bundle.set("process.noNewPrivileges", no_new_privileges)
    filtered.bundle.set("process.user", {"uid": uid, "gid": uid})
    assert filtered.call("personality", 0xffffffff) == (-1, errno.EPERM)


def test_a_profile_may_deny_what_the_runtime_itself_did_before(filtered):
    filtered.rules(rule("ERRNO", "mount", "umount2", "pivot_root", "unshare", "setns", "clone3", "move_mount", "fsopen",
                        "sethostname", "keyctl", "setresuid", "setgroups", "capset", "chdir"))
    filtered.bundle.set("process.noNewPrivileges", True)
    assert filtered.call("sethostname", 0, 0) == (-1, errno.EPERM)


def test_exec_is_filtered_as_well(filtered):
    filtered.rules(rule("ERRNO", "personality", errnoRet=errno.ERANGE))
    filtered.up()
    out = filtered.exec("/bin/probe", "call", str(NR["personality"]), "0xffffffff", check=True).out
    assert out.split() == ["-1", str(errno.ERANGE)]
    assert host.proc_status(filtered.pid, "Seccomp") == "2"


@pytest.mark.parametrize("flag", ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
                                  "SECCOMP_FILTER_FLAG_TSYNC"])
def test_a_flag(filtered, flag):
    skip_if("runc", "has no flags", below=(1, 2, 0))
    filtered.rules(rule("ERRNO", "personality"), flags=[flag])
    assert filtered.call("personality", 0xffffffff) == (-1, errno.EPERM)


# --- the other system call table of x86 ------------------------------------------------------------------------

X86_32 = {"getpid": 20, "personality": 136, "sethostname": 74, "socketcall": 102, "socket": 359}


@pytest.fixture
def int80(filtered, helper):
    """int80(name, args): a call by the numbers of 32-bit x86, which a 64-bit program can make as well."""
    if not X86:
        pytest.skip("only x86_64 has a 32-bit table of system calls that its programs reach")
    program = helper("int80")
    if subprocess.run([program], timeout=10).returncode != 0:
        pytest.skip("this kernel has no 32-bit system calls (CONFIG_IA32_EMULATION)")
    filtered.bundle.install(program)

    def call(name, *words):
        filtered.bundle.args("/bin/int80", str(X86_32[name]), *map(str, words))
        result = filtered.run(timeout=10)
        return tuple(int(n) for n in result.out.split()) if result.ok else result

    return call


def test_a_rule_holds_for_the_32_bit_numbers_of_a_listed_architecture(filtered, int80):
    filtered.rules(rule("ERRNO", "personality"), architectures=[ARCH, "SCMP_ARCH_X86"])
    assert int80("personality", 0xffffffff) == (-1, errno.EPERM)
    assert int80("getpid") == (1, 0)
    assert filtered.call("personality", 0xffffffff) == (-1, errno.EPERM)


def test_an_argument_of_a_32_bit_call_is_compared(filtered, int80):
    filtered.rules(rule("ERRNO", "personality", args=[arg(0, "EQ", 0xffffffff)]), architectures=[ARCH, "SCMP_ARCH_X86"])
    assert int80("personality", 0xffffffff) == (-1, errno.EPERM)
    assert int80("personality", 0)[1] == 0


@wherry_only("libseccomp joins the conditions of several rules wrongly in some shapes")
def test_several_rules_about_a_32_bit_call(filtered, int80):
    filtered.rules(rule("ERRNO", "personality", errnoRet=errno.ERANGE, args=[arg(0, "GT", 7)]),
                   rule("ERRNO", "personality", errnoRet=errno.EXDEV, args=[arg(0, "NE", 0), arg(1, "LT", 2)]),
                   architectures=[ARCH, "SCMP_ARCH_X86"])
    assert int80("personality", 0xffffffff, 2) == (-1, errno.ERANGE)
    assert int80("personality", 6, 1) == (-1, errno.EXDEV)
    assert int80("personality", 0, 1)[1] == 0


def test_a_condition_of_a_socket_by_either_number(filtered, int80):
    """By socketcall the family is in memory: the rule then holds for every socket, and for no other call."""
    filtered.rules(rule("ERRNO", "socket", errnoRet=errno.ERANGE, args=[arg(0, "EQ", 16)]),
                   architectures=[ARCH, "SCMP_ARCH_X86"])
    assert int80("socket", 16, 3, 0) == (-1, errno.ERANGE)
    assert int80("socket", 1, 99, 0)[1] != errno.ERANGE
    assert int80("socketcall", 1, 0) == (-1, errno.ERANGE)
    assert int80("socketcall", 2, 0) == (-1, errno.EFAULT)


def test_the_32_bit_numbers_of_an_architecture_that_is_not_listed_are_no_way_around(filtered, int80):
    """What the filter does not know it does not let through: the process is killed."""
    filtered.rules(rule("ERRNO", "personality"))
    result = int80("personality", 0xffffffff)
    assert result.rc == 128 + signal.SIGSYS, result


SPEECHLESS = rule("ERRNO", "sendmsg", "sendto", "write", "writev")


@pytest.mark.parametrize("verb", ["run", "start", "exec"])
@wherry_only("runc tells of an execve that fails only where the filter lets it")
def test_an_execve_that_fails_where_the_filter_forbids_to_say_so(filtered, verb):
    c = filtered.rules(SPEECHLESS)
    c.bundle.file("bin/odd", "neither a script nor a program", 0o755)
    if verb == "exec":
        c.bundle.args("/bin/sleep", "1000")
        c.up()
        result = c.exec("/bin/odd")
    elif verb == "run":
        result = c.bundle.args("/bin/odd") and c.run()
    else:
        c.bundle.args("/bin/odd")
        c.create()
        result = c.start(check=False, reap=False)
    assert result.rc == {"run": 1, "start": 1, "exec": 255}[verb], result
    assert 'exec: "/bin/odd"' in result.err and "exec format error" in result.err.lower(), result


@pytest.mark.parametrize("verb", ["run", "start"])
@pytest.mark.parametrize("privileged", [False, True], ids=["execve", "capset"])
@wherry_only("runc reports the filter's signal as the program's")
def test_a_filter_that_kills_before_the_program_is_there(filtered, verb, privileged):
    """Without noNewPrivileges the last capset comes after the filter."""
    c = filtered.rules(rule("KILL_PROCESS", "capset" if privileged else "execve"))
    c.bundle.args("/bin/true").set("process.noNewPrivileges", not privileged)
    if verb == "run":
        result = c.run()
    else:
        c.create()
        result = c.start(check=False, reap=False)
    assert result.rc == 1 and "killed by signal 31" in result.err and "linux.seccomp" in result.err, result


@pytest.mark.parametrize("code", [0, 1, 77])
@wherry_only("runc's init writes once the filter is loaded")
def test_a_program_that_ends_at_once_under_a_filter_is_no_failure(filtered, code):
    c = filtered.rules(SPEECHLESS)
    c.bundle.args("/bin/sh", "-c", f"exit {code}")
    assert c.run().rc == code
    c.create()
    c.start(reap=False)
    c.wait_status("stopped")


@pytest.mark.parametrize("change, word", [
    ({"defaultAction": "SCMP_ACT_NOTHING"}, "SCMP_ACT_NOTHING"), ({"flags": ["SECCOMP_NO_FLAG"]}, "SECCOMP_NO_FLAG"),
    ({"architectures": ["SCMP_ARCH_PDP11"]}, "SCMP_ARCH_PDP11"),
    ({"syscalls": [rule("ERRNO", "personality", args=[arg(6, "EQ", 1)])]}, "index"),
    ({"syscalls": [rule("ERRNO", "personality", args=[{"index": 0, "value": 1, "op": "SCMP_CMP_XX"}])]}, "SCMP_CMP_XX"),
    ({"syscalls": [rule("KILL", "personality", errnoRet=5)]}, "errnoRet"),
    ({"syscalls": [rule("ERRNO", "personality", errnoRet=70000)]}, "errnoRet"),
    ({"syscalls": [{"names": [], "action": "SCMP_ACT_ERRNO"}]}, "names"),
    ({"listenerMetadata": "x"}, "listenerMetadata"), ({"defaultAction": "SCMP_ACT_NOTIFY"}, "NOTIFY")])
def test_a_profile_that_cannot_work_is_refused(filtered, change, word):
    skip_if("runc", "checks a part of it only", below=(1, 3, 0))
    filtered.rules(rule("ERRNO", "personality"), **{k: v for k, v in change.items() if k != "syscalls"})
    if "syscalls" in change:
        filtered.bundle.set("linux.seccomp.syscalls", change["syscalls"])
    assert_refused(filtered, "seccomp", word)


@pytest.mark.parametrize("count", [500, 5000])
def test_many_rules(filtered, count):
    """Past what one filter can hold (BPF_MAXINSNS), an orderly refusal."""
    filtered.rules(*[rule("ERRNO", "lookup_dcookie", errnoRet=errno.ERANGE, args=[arg(0, "EQ", n)])
                     for n in range(count)])
    result = filtered.call("lookup_dcookie", count - 1, timeout=60)
    if count == 500:
        assert result == (-1, errno.ERANGE)
    else:
        assert not isinstance(result, tuple) and result.rc == 1 and "seccomp" in result.err
