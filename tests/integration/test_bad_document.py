"""Documents that are wrong: each is refused before anything on the host has changed."""
import json
import os

import pytest

import host
from containers import assert_refused
from rig import lacks, skip_if, wherry_only


def raw(document):
    def change(bundle):
        bundle.raw = document
    return change


@pytest.mark.parametrize("verb", ["create", "run"])
def test_no_config_json(runtime, bundle, host_unchanged, verb):
    b = bundle()
    result = runtime.run(verb, "--bundle", b.path, b.id)
    assert result.rc == 1
    assert "config.json" in result.err
    host_unchanged()


@pytest.mark.parametrize("document", [
    b"", b" \n\t", b"not json", b"{", b'{"ociVersion": "1.0.0"', b"[]", b"null", b"7", b'"text"', b"{}", b"{}{}",
    b"{'ociVersion': '1.0.0'}", b'{"ociVersion": "1.0.0",}', b"\x00" * 100, b"\xff\xfe{\x00}\x00", b'{"a": 01}',
    b'{"a": "\x01"}', b'{"ociVersion": "\xc3\x28"}', b"[" * 100, b"]"],
    ids=["empty", "blanks", "text", "cut", "cut-later", "array", "null", "number", "string", "no-properties", "two",
         "single-quotes", "trailing-comma", "zeros", "utf16", "leading-zero", "control-character", "bad-utf8",
         "brackets", "closing"])
def test_not_a_document(refused, document):
    skip_if("runc", "null decodes to an empty document, and crashes it") if document == b"null" else None
    refused(raw(document))


@wherry_only("where in the document")
@pytest.mark.parametrize("document, place", [
    (b'{\n  "ociVersion": "1.0.0",\n  oops\n}', "config.json:3:"), (b"", "config.json"),
    (b'{"ociVersion": 7, "root": {"path": "rootfs"}}', "config.json:1:16: ociVersion: expected a string, found"),
    (b'{\n "ociVersion": "1.0.0",\n "root": {\n  "path": []}}', "config.json:4:11: root.path: expected a string")],
    ids=["syntax", "empty", "type", "nested"])
def test_line_and_column(refused, document, place):
    refused(raw(document), place)


@pytest.mark.parametrize("document", [
    b"[" * 100000, b'{"a":' * 100000, b'{"annotations":' + b"[" * 100000 + b"]" * 100000 + b"}",
    b'{"unknown":' + b"[" * 100000 + b"]" * 100000 + b', "ociVersion": "1.0.0"}'],
    ids=["brackets", "objects", "in-a-property", "in-an-unknown-property"])
def test_deep_nesting(refused, document):
    refused(raw(document), timeout=10)


@lacks("runc", "reads a document of any size")
@pytest.mark.parametrize("part", ["padding", "string", "list", "members"])
def test_a_hundred_megabytes(refused, part):
    size = 100 << 20
    filler = {"padding": lambda: b" " * size + b"{}",
              "string": lambda: b'{"ociVersion": "1.0.0", "unknown": "' + b"x" * size + b'"}',
              "list": lambda: b'{"ociVersion": "1.0.0", "unknown": [' + b"1," * (size // 2) + b"1]}",
              "members": lambda: b'{' + b'"k":1,' * (size // 6) + b'"ociVersion": "1.0.0"}'}[part]
    result = refused(raw(filler()), "config.json", timeout=10)
    assert len(result.err) < 1000


@pytest.mark.parametrize("what", ["directory", "fifo", "dangling-link", "loop", "device"])
def test_config_json_is_no_file(runtime, bundle, host_unchanged, what):
    skip_if("runc", "waits for a FIFO's writer") if what == "fifo" else None
    b = bundle()
    {"directory": lambda: os.mkdir(b.config_file), "fifo": lambda: os.mkfifo(b.config_file),
     "dangling-link": lambda: os.symlink("nowhere", b.config_file),
     "loop": lambda: os.symlink("config.json", b.config_file),
     "device": lambda: os.symlink("/dev/zero", b.config_file)}[what]()
    result = runtime.run("create", "--bundle", b.path, b.id, timeout=5)
    assert result.rc == 1
    assert "config.json" in result.err or runtime.kind == "runc"
    host_unchanged()


def test_unknown_properties_are_ignored(container):
    c = container()
    for where in ("", "process.", "root.", "linux.", "process.user.", "mounts.0.", "linux.namespaces.0."):
        c.bundle.set(where + "futureProperty", {"a": [1, None, {"b": True}]})
    c.bundle.set("windows", {"x": 1}).set("solaris", {"y": []}).set("vm", {"hypervisor": {"path": "/x"}})
    c.create()
    assert c.status == "created"


WRONG_TYPES = [
    ("ociVersion", 1), ("root", []), ("root.path", 7), ("root.readonly", "yes"), ("hostname", 5), ("domainname", []),
    ("mounts", {}), ("mounts", [[]]), ("mounts.0.destination", 1), ("mounts.0.type", True), ("mounts.0.source", {}),
    ("mounts.1.options", "ro"), ("mounts.1.options.0", 3), ("process", []), ("process.terminal", "no"),
    ("process.consoleSize", 80), ("process.consoleSize.height", "25"), ("process.user", 0),
    ("process.user.uid", "0"), ("process.user.gid", True), ("process.user.umask", "022"),
    ("process.user.additionalGids", 5), ("process.user.additionalGids", ["5"]), ("process.args", "sh"),
    ("process.args", [1]), ("process.env", {}), ("process.env", [["A=1"]]), ("process.cwd", 0),
    ("process.capabilities", ["CAP_KILL"]), ("process.capabilities.bounding", "CAP_KILL"),
    ("process.capabilities.effective", [5]), ("process.rlimits", {}), ("process.rlimits.0.type", 7),
    ("process.rlimits.0.soft", "1024"), ("process.rlimits.0.hard", []), ("process.noNewPrivileges", 1),
    ("process.apparmorProfile", 1), ("process.selinuxLabel", []), ("process.oomScoreAdj", "0"),
    ("hooks", []), ("hooks.prestart", {}), ("hooks.poststop", [{"path": 1}]),
    ("hooks.createRuntime", [{"path": "/x", "args": "x"}]), ("hooks.poststart", [{"path": "/x", "timeout": "1"}]),
    ("annotations", []), ("annotations", {"a": 1}), ("linux", []), ("linux.namespaces", {}),
    ("linux.namespaces.0", "pid"), ("linux.namespaces.0.type", 1), ("linux.namespaces.0.path", 1),
    ("linux.uidMappings", {}), ("linux.uidMappings", [{"containerID": "0", "hostID": 0, "size": 1}]),
    ("linux.gidMappings", [0]), ("linux.devices", {}), ("linux.devices", ["/dev/x"]),
    ("linux.devices", [{"path": "/dev/x", "type": "c", "major": "1", "minor": 3}]), ("linux.cgroupsPath", 1),
    ("linux.resources", []), ("linux.resources.devices", {}), ("linux.resources.devices.0.allow", "no"),
    ("linux.resources.devices.0.access", 7), ("linux.resources.memory", []), ("linux.resources.memory.limit", "1M"),
    ("linux.resources.pids.limit", "many"), ("linux.resources.unified", []), ("linux.sysctl", []),
    ("linux.sysctl", {"net.ipv4.ip_forward": 1}), ("linux.seccomp", []), ("linux.seccomp.defaultAction", 1),
    ("linux.seccomp.architectures", "x86"), ("linux.seccomp.syscalls", {}),
    ("linux.seccomp.syscalls", [{"names": "read", "action": "SCMP_ACT_ALLOW"}]), ("linux.rootfsPropagation", 1),
    ("linux.maskedPaths", "/proc/kcore"), ("linux.maskedPaths", [1]), ("linux.readonlyPaths", {}),
    ("linux.mountLabel", 1)]


@pytest.mark.parametrize("path, value", WRONG_TYPES, ids=lambda v: str(v).replace("/", "_"))
def test_wrong_types(refused, path, value):
    refused(lambda b: b.set(path, value))


@wherry_only("the place in the document")
@pytest.mark.parametrize("path, value", WRONG_TYPES, ids=lambda v: str(v).replace("/", "_"))
def test_wrong_types_are_named(refused, path, value):
    result = refused(lambda b: b.set(path, value), "config.json:", "expected")
    first = path.split(".")[0]
    dotted = "".join(f"[{k}]" if k.isdigit() else "." + k for k in path.split("."))[1:]
    assert first in result.err and (dotted in result.err), result


VALUES = [
    # path, value, what the error has to say, why runc 1.1 takes it
    ("ociVersion", "", ["ociVersion"], "does not look at it"),
    ("ociVersion", "one", ["ociVersion"], "does not look at it"),
    ("ociVersion", "2.0.0", ["ociVersion"], "does not look at it"),
    ("process.user.uid", -1, [], None), ("process.user.uid", 4294967296, [], None),
    ("process.user.uid", 2**64, [], None), ("process.user.uid", 1.5, [], None), ("process.user.gid", -1, [], None),
    ("process.user.umask", -1, [], None), ("process.oomScoreAdj", 1001, [], None),
    ("process.oomScoreAdj", -1001, [], None), ("process.oomScoreAdj", 2**31, [], None),
    ("process.cwd", "", [], None), ("process.cwd", "relative", ["cwd"], None),
    ("process.rlimits.0.type", "RLIMIT_NONSENSE", ["RLIMIT_NONSENSE"], None),
    ("process.rlimits.0.soft", 2048, [], None), ("process.rlimits.0.hard", -1, [], None),
    ("process.rlimits", [{"type": "RLIMIT_CORE", "soft": 1, "hard": 1}] * 2, ["RLIMIT_CORE"],
     "takes the last of two"),
    ("linux.namespaces.0.type", "nonsense", ["nonsense"], None),
    ("linux.namespaces", [{"type": "pid"}, {"type": "mount"}, {"type": "pid"}], ["pid"], None),
    ("linux.namespaces", [{"type": "mount"}, {"type": "mount"}], ["mount"], None),
    ("linux.rootfsPropagation", "nonsense", ["nonsense"], None),
    ("linux.devices", [{"path": "/dev/x", "type": "q", "major": 1, "minor": 3}], [], None),
    ("linux.uidMappings", [{"containerID": 0, "hostID": -1, "size": 1}], [], None),
    ("linux.seccomp", {"defaultAction": "SCMP_ACT_NONSENSE"}, ["SCMP_ACT_NONSENSE"], None),
    ("linux.seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_NONSENSE"]},
     ["SCMP_ARCH_NONSENSE"], None),
    ("linux.seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["read"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 6, "value": 0, "op": "SCMP_CMP_EQ"}]}]},
     [], None),
    ("linux.seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["read"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 0, "value": 0, "op": "SCMP_CMP_XX"}]}]},
     ["SCMP_CMP_XX"], None),
    ("linux.sysctl", {"kernel.nonsense": "1"}, ["kernel.nonsense"], None),
    ("linux.sysctl", {"vm.swappiness": "1"}, ["vm.swappiness"], None),
    ("linux.sysctl", {"kernel.hostname": "x"}, ["kernel.hostname"], None),
    ("linux.resources.devices.0.access", "xyz", [], "takes any letters"),
    ("process.scheduler", {"policy": "SCHED_NONSENSE"}, ["SCHED_NONSENSE"], "1.1 does not know the property"),
    ("process.ioPriority", {"class": "IOPRIO_CLASS_NONSENSE", "priority": 1}, ["IOPRIO_CLASS_NONSENSE"],
     "1.1 does not know the property"),
    ("linux.personality", {"domain": "NONSENSE"}, ["NONSENSE"], "1.1 does not know the property"),
    ("hooks.prestart", [{"path": "relative"}], ["path"], "takes a relative path"),
    ("hooks.prestart", [{"path": "/bin/true", "timeout": 0}], ["timeout"],
     "takes it, and the hook may be done before its time is over"),
    ("hooks.prestart", [{"path": "/bin/true", "timeout": -1}], ["timeout"],
     "takes it, and the hook may be done before its time is over"),
    ("linux.maskedPaths", ["relative"], ["relative"], "takes a relative path"),
    ("linux.readonlyPaths", ["relative"], ["relative"], "takes a relative path"),
]


@pytest.mark.parametrize("path, value, words, gap", VALUES, ids=lambda v: str(v).replace("/", "_")[:60])
def test_values_that_cannot_be(refused, path, value, words, gap):
    if gap:
        skip_if("runc", gap)
    refused(lambda b: b.set(path, value), *words)


REQUIRED = [("ociVersion", "does not look at it"), ("root", None), ("root.path", None), ("mounts.0.destination", None),
            ("process.cwd", None), ("process.args", None), ("linux.namespaces.0.type", None),
            ("process.rlimits.0.type", None), ("process.rlimits.0.hard", None),
            ("linux.seccomp.defaultAction", None), ("linux.devices.0.type", None),
            ("linux.devices.0.path", "takes the root itself"),
            ("hooks.prestart.0.path", None), ("linux.uidMappings.0.size", None),
            ("linux.seccomp.syscalls.0.names", "takes none"), ("linux.seccomp.syscalls.0.action", None)]


@pytest.mark.parametrize("path, gap", REQUIRED, ids=lambda v: v if isinstance(v, str) and " " not in v else "")
def test_missing_required_properties(refused, path, gap):
    if gap:
        skip_if("runc", gap)

    def change(b):
        b.set("linux.seccomp", {"defaultAction": "SCMP_ACT_ALLOW",
                                "syscalls": [{"names": ["acct"], "action": "SCMP_ACT_ERRNO"}]})
        b.set("linux.devices", [{"path": "/dev/x", "type": "c", "major": 1, "minor": 3}])
        b.set("hooks", {"prestart": [{"path": "/bin/true"}]})
        if "Mappings" in path:
            b.namespace("user")
            for side in ("uid", "gid"):
                b.set(f"linux.{side}Mappings", [{"containerID": 0, "hostID": 0, "size": 1}])
        b.drop(path)

    result = refused(change)
    if result.argv[0].endswith("wherry"):
        assert path.split(".")[-1] in result.err


@wherry_only("all errors that can be found, not only the first")
def test_every_error_is_shown(refused):
    def change(b):
        b.set("hostname", 7).set("process.cwd", "relative").set("process.rlimits.0.type", "RLIMIT_X")
        b.set("linux.namespaces.1.type", "nope").drop("root.path")

    refused(change, "hostname", "process.cwd", "process.rlimits[0].type", "linux.namespaces[1].type", "root.path")


@wherry_only("one line an error, the summary included in the log's one object")
def test_every_error_is_in_the_log(container, tmp_path):
    c = container()
    c.bundle.set("hostname", 7).set("process.terminal", "x")
    assert_refused(c, options=["--log", str(tmp_path / "log"), "--log-format", "json"])
    message = json.loads((tmp_path / "log").read_text())["msg"]
    assert "hostname" in message and "process.terminal" in message


@wherry_only("a limit that cannot be applied is never left out")
@pytest.mark.parametrize("path, value, word", [
    ("memory.limit", 1 << 24, "memory"), ("pids.limit", 10, "pids"), ("cpu.shares", 512, "cpu"),
    ("cpu.cpus", "0", "cpu"), ("blockIO.weight", 100, "blockIO"), ("unified", {"memory.high": "1000000"}, "memory")],
    ids=lambda v: str(v).replace(" ", ""))
def test_a_limit_without_its_controller_is_named(refused, path, value, word):
    with open(os.path.join(host.cgroup2_mount(), "cgroup.controllers")) as f:
        if word.lower().replace("blockio", "io") in f.read().split():
            pytest.skip("the controller is there")
    refused(lambda b: b.set("linux.resources." + path, value), word)
