"""What the engines really send: their configs, their process files, and their command lines."""
import glob
import json
import os
import resource
import subprocess

import pytest

import host
from console import ConsoleSocket
from engine_calls import CALLS, DATA, saves_or_restores
from rig import skip_if, wherry_only

CONFIGS = sorted(os.path.basename(p)[:-len(".config.json")] for p in glob.glob(DATA + "/*.config.json"))
RUNS_ON = {"docker-exec", "podman-exec", "podman-plain", "podman-pod"}
IDS = {"podman-userns", "podman-rootless"}
OUTPUT = {"containerd-ctr": "hi-ctr\n", "podman-pod-2": "inpod\n"}


@pytest.fixture
def neighbour():
    """A process in namespaces of its own, whose paths stand for those that the engine made."""
    holder = subprocess.Popen(["unshare", "--net", "--ipc", "--uts", "sleep", "1000"])
    host.adopt(holder.pid)
    host.wait_until(lambda: os.readlink(f"/proc/{holder.pid}/ns/uts") != os.readlink("/proc/self/ns/uts"), "unshare")
    yield holder.pid
    holder.kill()
    holder.wait()
    host.release(holder.pid)


def load(name):
    with open(f"{DATA}/{name}.config.json") as f:
        return json.load(f)


def controllers():
    with open(os.path.join(host.cgroup2_mount(), "cgroup.controllers")) as f:
        return f.read().split()


def adapt_mounts(config, top):
    """The engine's files become ours; an idmapped mount a plain one."""
    for n, mount in enumerate(config["mounts"]):
        mount.pop("uidMappings", None)
        mount.pop("gidMappings", None)
        mount["options"] = [o for o in mount.get("options", []) if o not in ("idmap", "ridmap")]
        if not {"bind", "rbind"} & set(mount["options"]) or os.path.exists(mount["source"]):
            continue
        mount["source"] = f"{top}/source{n}"
        target = mount["destination"]
        if target == "/dev/shm" or "." not in target and target.count("/") == 1:
            os.mkdir(mount["source"])
        else:
            with open(mount["source"], "w") as f:
                f.write(f"{mount['destination']}\n")


def adapt_process(process):
    """No limit above our own: raising one takes CAP_SYS_RESOURCE."""
    for limit in process.get("rlimits", []):
        own = resource.getrlimit(getattr(resource, limit["type"]))
        for key, most in (("soft", own[0]), ("hard", own[1])):
            if most != resource.RLIM_INFINITY:
                limit[key] = min(limit[key], most)


def adapt(name, b, neighbour):
    """The engine's config, with what only its host had replaced. Returns the bundle."""
    config = load(name)
    config["root"]["path"] = b.rootfs
    linux = config["linux"]
    linux["cgroupsPath"] = "/" + b.id
    linux["resources"] = {"devices": linux.get("resources", {}).get("devices", [])}
    for space in linux["namespaces"]:
        if "path" in space:
            space["path"] = f"/proc/{neighbour}/ns/" + {"network": "net"}.get(space["type"], space["type"])
    for hooks in config.get("hooks", {}).values():
        for hook in hooks:
            hook["path"] = "/bin/true"
    adapt_mounts(config, b.path)
    adapt_process(config["process"])
    b.reachable().config = config
    b.file("catatonit", "#!/bin/sh\nexec sleep 1000\n", 0o755)
    mapping = linux.get("uidMappings")
    if mapping:
        subprocess.run(["chown", "-R", f"{mapping[0]['hostID']}:{mapping[0]['hostID']}", b.rootfs], check=True)
    return b


def has_every_capability():
    with open("/proc/sys/kernel/cap_last_cap") as f:
        return int(host.proc_status("self", "CapEff"), 16) == (2 << int(f.read())) - 1


def gaps(name):
    if name in ("podman-userns", "podman-idmap") and not host.cgroup2_is_alone():
        skip_if("runc", "mounts the v1 cgroups of this host, which are not the container's to mount", below=(1, 2, 0))
    if name == "docker-privileged" and not has_every_capability():
        skip_if("runc", "fails where root lacks a capability of the document, as CAP_SYS_RESOURCE here")
    if name == "docker-hostns" and host.cgroup2_is_alone():
        skip_if("runc", "takes nsdelegate and memory_recursiveprot off the host's cgroup v2 mount")


@pytest.mark.parametrize("name", CONFIGS)
def test_a_config_runs(container, neighbour, name, tmp_path):
    gaps(name)
    c = container()
    adapt(name, c.bundle, neighbour)
    if c.bundle.config["process"].get("terminal"):
        console = ConsoleSocket(tmp_path / "console")
        c.create("--console-socket", console.path)
        terminal = console.receive()[2]
        c.start()
        assert terminal.read_all().strip() == "hi"
        terminal.close()
        console.close()
    elif name in RUNS_ON:
        c.up()
        assert c.status == "running"
        assert c.exec("/bin/echo", "more", check=True).out == "more\n"
    else:
        out = c.run(check=True).out
        if name in IDS or c.bundle.get("process.args.0") == "/bin/id":
            assert out.startswith("uid=0(root) gid=0(root)"), out
        elif name == "podman-idmap":
            assert out.startswith("-rw") and out.endswith(" /m/passwd\n")
        else:
            assert out == OUTPUT.get(name, "hi\n")


@pytest.mark.parametrize("name", ["docker-default", "podman-default", "containerd-ctr"])
def test_what_a_config_asks_for_is_there(container, neighbour, name):
    c = container()
    adapt(name, c.bundle, neighbour).args("/bin/sleep", "1000")
    pid = c.up()
    config = load(name)
    points = [line.split()[4] for line in c.sh("cat /proc/self/mountinfo").splitlines()]
    assert {m["destination"] for m in config["mounts"]} <= set(points)
    assert host.proc_status(pid, "Seccomp") == ("2" if "seccomp" in config["linux"] else "0")
    for space in config["linux"]["namespaces"]:
        kind = {"network": "net", "mount": "mnt"}.get(space["type"], space["type"])
        own, given = os.readlink(f"/proc/{pid}/ns/{kind}"), os.readlink(f"/proc/{neighbour}/ns/{kind}")
        assert (own == given) is ("path" in space), space
    for key, value in (config["linux"].get("sysctl") or {}).items():
        assert c.sh("cat /proc/sys/" + key.replace(".", "/")).split() == value.split()


@wherry_only("the texts")
@pytest.mark.parametrize("name", CONFIGS)
def test_an_unchanged_config_fails_and_names_what_is_missing(container, name):
    c = container()
    config = load(name)
    c.bundle.config = config
    missing = [config["root"]["path"]] if os.path.isabs(config["root"]["path"]) else []
    missing += [s["path"] for s in config["linux"]["namespaces"] if "path" in s]
    missing += [m["source"] for m in config["mounts"] if "bind" in "".join(m.get("options", []))]
    limits = [k for k in config["linux"].get("resources", {}) if k != "devices"]
    result = c.create(check=False)
    if not missing and set(limits) <= set(controllers()):
        assert result.ok, result  # whatever it asks for, this host has
        return
    assert not result.ok, f"it runs unchanged: {result!r}"
    assert any(m in result.err for m in missing + limits + ["cgroupsPath", "idmap", "rlimits"]), result


@pytest.mark.parametrize("config, process", [("docker-exec", "docker-exec"), ("docker-exec", "docker-exec-2"),
                                             ("podman-exec", "podman-exec")])
def test_a_process_file(container, neighbour, tmp_path, config, process):
    c = container()
    adapt(config, c.bundle, neighbour)
    c.up()
    with open(f"{DATA}/{process}.process.json") as f:
        document = json.load(f)
    pid_file = tmp_path / "exec.pid"
    flags = ["--process", f"{DATA}/{process}.process.json", "--detach", "--pid-file", str(pid_file)]
    if document.get("terminal"):
        console = ConsoleSocket(tmp_path / "console")
        call = c.runtime.spawn("exec", *flags, "--console-socket", console.path, c.id)
        terminal = console.receive()[2]
        assert call.wait().ok and terminal.read_all().strip() == document["args"][-1]
        terminal.close()
        console.close()
    else:
        call = c.runtime.spawn("exec", *flags, c.id)
        assert call.wait().ok
        host.wait_until(lambda: call.out() == document["args"][-1] + "\n", "the output")
    host.wait_gone(int(pid_file.read_text()))


# --- command lines -------------------------------------------------------------------------------------------

OF_THE_SAME_NAME = ("docker-default docker-limits docker-hardened docker-privileged docker-hostns docker-tty "
                    "docker-exec podman-default podman-limits podman-userns podman-systemdmode podman-exec").split()
SECTIONS = {**{name: [name] for name in OF_THE_SAME_NAME}, "podman-pod": ["podman-pod", "podman-pod-2"],
            "podman-health": ["podman-plain"], "podman-rootfs-ro": ["podman-default"], "containerd": ["containerd-ctr"],
            "docker-mounts": ["docker-default"], "podman-idmap": ["podman-idmap"]}
SYSTEMD = os.path.isdir("/run/systemd/system")
HEARS = "trap 'echo heard 10' 10; trap 'echo heard 15' 15; echo up; while :; do sleep 0.05; done"
"""A program that tells of each signal but SIGKILL that the calls send: pid 1 of a pid namespace does not even see one without a handler."""


class Replay:
    """The calls of one section, with the paths and ids of a test in place of the engine's."""

    def __init__(self, container, section, neighbour, tmp_path):
        self.containers, self.tmp, self.terminals = {}, tmp_path, []
        self.hear = {words[-2] for words in CALLS[section] if "kill" in words and words[-1] != "9"}
        self.make, self.names, self.neighbour = container, list(SECTIONS[section]), neighbour
        self.consoles = []
        self.log = str(tmp_path / "log.json")
        self.by_systemd = SYSTEMD and any("--systemd-cgroup" in words for words in CALLS[section])
        self.change = {"pids": {"limit": 77}} if "pids" in controllers() else {}

    def container(self, ident):
        if ident not in self.containers:
            c = self.make()
            adapt(self.names.pop(0), c.bundle, self.neighbour)
            if ident in self.hear:
                c.bundle.args("/bin/sh", "-c", HEARS)
            if self.by_systemd:
                c.bundle.set("linux.cgroupsPath", f"system.slice:engine:{c.id}")
            c.bundle.write()
            self.containers[ident] = c
        return self.containers[ident]

    def value(self, option, c, old):
        if option == "--root":
            return c.runtime.root
        if option == "--log":
            return self.log
        if option == "--bundle":
            return c.bundle.path
        if option == "--pid-file":
            return str(self.tmp / f"{c.id}.{len(self.containers)}.pid")
        if option == "--process":
            return self.process(c)
        if option == "--console-socket":
            self.consoles.append(ConsoleSocket(self.tmp / f"console{len(self.consoles)}"))
            return self.consoles[-1].path
        return old

    def resources(self, old):
        """update: a change on standard input or in a file, as the engine gives it; an empty one without controllers."""
        if old == "--resources=-":
            return old
        (self.tmp / "resources.json").write_text(json.dumps(self.change))
        return f"--resources={self.tmp}/resources.json"

    def process(self, c):
        document = {"terminal": False, "user": {"uid": 0, "gid": 0}, "args": ["/bin/echo", "again"], "cwd": "/",
                    "env": ["PATH=/bin"]}
        path = self.tmp / f"process{len(os.listdir(self.tmp))}"
        path.write_text(json.dumps(document))
        return str(path)

    def translate(self, words):
        c = self.container(words[-2] if words[-1].isdigit() and len(words[-1]) < 4 else words[-1])
        out, previous = [], ""
        for word in words:
            if word == "--systemd-cgroup" and not SYSTEMD:
                continue
            known = {old: new.id for old, new in self.containers.items()}
            word = self.resources(word) if word.startswith("--resources=") else word
            out.append(self.value(previous, c, known.get(word, word)))
            previous = word
        return c, out

    def call(self, words):
        c, out = self.translate(words)
        verb = next(w for w in out if w in ("create", "start", "exec", "kill", "delete", "pause", "resume", "ps", "update"))
        if "--console-socket" in out and verb == "exec":
            path = out[out.index("--process") + 1]
            with open(path) as f:
                document = dict(json.load(f), terminal=True)
            with open(path, "w") as f:
                json.dump(document, f)
        if verb == "delete" and "--force" not in out or "--all" in out:  # the shim's, when init has ended
            c.wait_status("stopped")
        over = verb == "kill" and c.status == "stopped"
        given = {"input": json.dumps(self.change)} if "--resources=-" in out else {}
        process = c.runtime.spawn(*out, root="--root" not in out, **given)
        if "--console-socket" in out:
            self.terminals.append(self.consoles[-1].receive()[2])
        result = process.wait()
        if verb == "create":
            c.creator = process
        if over and not result.ok:
            assert "not running" in result.err + str(self.logged()), result
        else:
            assert result.ok, (result, self.logged())
            self.check(verb, c, out, process)
        return process

    def logged(self):
        if not os.path.exists(self.log):
            return []
        with open(self.log) as f:
            return [json.loads(line) for line in f]

    def check(self, verb, c, words, process):
        """That a call has done its job."""
        if verb == "create":
            assert c.status == "created"
            assert int((self.tmp / f"{c.id}.{len(self.containers)}.pid").read_text()) == c.pid
            assert not self.by_systemd or host.cgroup_of(c.pid).endswith(f"/system.slice/engine-{c.id}.scope")
        elif verb == "start" and c.bundle.get("process.args")[-1] == HEARS:
            c.wait_stdout("up\n")
        elif verb == "start":
            assert c.status in ("running", "stopped")
        elif verb == "exec" and "--console-socket" in words:
            assert self.terminals[-1].read_until("again")
        elif verb == "exec":
            host.wait_until(lambda: process.out() == "again\n", "the output of exec")
        elif verb == "update" and self.change:
            with open(os.path.join(host.cgroup2_mount() + host.cgroup_of(c.pid), "pids.max")) as f:
                assert f.read() == "77\n"
        elif verb == "pause":
            assert c.status == "paused"
        elif verb == "resume":
            assert c.status == "running"
        elif verb == "ps":
            pids = json.loads(process.out())
            assert c.pid in pids and all(isinstance(p, int) for p in pids)
        elif verb == "kill" and words[-1] == "9":
            c.wait_status("stopped")
        elif verb == "kill":
            c.wait_stdout(f"heard {words[-1]}\n")
        elif verb == "delete":
            assert c.state() is None


def assert_help(containers, words):
    """Podman takes an exit status of 0 for a runtime that can checkpoint."""
    runtime = next(iter(containers.values())).runtime
    known = words[0] in runtime.run("--help", root=False).out
    assert (runtime.run(*words, root=False).rc == 0) is known


@pytest.mark.parametrize("section", SECTIONS)
def test_the_calls_of_an_engine(container, neighbour, tmp_path, section):
    gaps(section)
    replay = Replay(container, section, neighbour, tmp_path)
    for words in CALLS[section]:
        if "--help" in words:
            assert_help(replay.containers, words)
        elif not saves_or_restores(words):  # test_engine_checkpoint.py has those
            replay.call(words)
    for terminal in replay.terminals:
        terminal.close()
    for console in replay.consoles:
        console.close()
    assert [entry["msg"] for entry in replay.logged() if entry["level"] == "error" and "not running" not in entry["msg"]] == []


def test_no_recorded_call_is_left_out():
    """Each line of calls.txt is replayed by one of these tests."""
    assert CALLS[""] == [["features"]] and set(CALLS) - {""} == set(SECTIONS)


def test_features_and_version_as_engines_ask(runtime):
    assert runtime.run("features", root=False, check=True).json()["ociVersionMax"] or runtime.kind == "runc"
    first = runtime.run("--version", root=False, check=True).out.splitlines()[0]
    assert first.split()[1] == "version"
