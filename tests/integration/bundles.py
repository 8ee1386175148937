"""Bundles: a root file system of busybox and a config.json made in Python."""
import copy
import json
import os
import shutil
import stat

import host

BUSYBOX = "/bin/busybox"
APPLETS = """sh ash cat chmod chown cp cut date dd df dirname dmesg echo env expr false find free grep head hostname
    id ifconfig ip kill ln ls mkdir mkfifo mknod mount mv nc nproc od pidof ps printenv printf pwd readlink
    realpath rm rmdir route sed seq sha256sum sleep sort stat stty sync tail tee test touch tr true tty umount uname
    uniq usleep vi wc which whoami xargs yes""".split()
DIRECTORIES = ("bin", "dev", "etc", "home", "proc", "root", "run", "sys", "tmp", "usr/bin", "var")
PASSWD = "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home/user:/bin/sh\n"
GROUP = "root:x:0:\ntty:x:5:\nuser:x:1000:\n"

CAPABILITIES = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]

DEFAULT = {
    "ociVersion": "1.0.2",
    "process": {
        "terminal": False,
        "user": {"uid": 0, "gid": 0},
        "args": ["sleep", "1000"],
        "env": ["PATH=/usr/bin:/bin", "TERM=xterm"],
        "cwd": "/",
        "capabilities": {kind: CAPABILITIES for kind in ("bounding", "effective", "permitted")},
        "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
        "noNewPrivileges": True,
    },
    "root": {"path": "rootfs", "readonly": False},
    "hostname": "vessel",
    "mounts": [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
         "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
        {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
         "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
        {"destination": "/dev/shm", "type": "tmpfs", "source": "shm",
         "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]},
        {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue",
         "options": ["nosuid", "noexec", "nodev"]},
        {"destination": "/sys", "type": "sysfs", "source": "sysfs",
         "options": ["nosuid", "noexec", "nodev", "ro"]},
    ],
    "linux": {
        "resources": {"devices": [{"allow": False, "access": "rwm"}]},
        "namespaces": [{"type": t} for t in ("pid", "network", "ipc", "uts", "mount")],
        "maskedPaths": ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"],
        "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
    },
}


def make_rootfs(path, busybox=BUSYBOX):
    """A small root file system; every file in it is its own copy."""
    for name in DIRECTORIES:
        os.makedirs(os.path.join(path, name), exist_ok=True)
    os.chmod(os.path.join(path, "tmp"), 0o1777)
    shutil.copy(busybox, os.path.join(path, "bin/busybox"))
    for applet in APPLETS:
        os.symlink("busybox", os.path.join(path, "bin", applet))
    for name, text in (("passwd", PASSWD), ("group", GROUP)):
        with open(os.path.join(path, "etc", name), "w") as f:
            f.write(text)
    os.mkdir(os.path.join(path, "home/user"))
    os.chown(os.path.join(path, "home/user"), 1000, 1000)


def _step(node, key):
    return node[int(key)] if isinstance(node, list) else node[key]


class Bundle:
    """A bundle directory. Change .config (set, update, drop), then write() it; a container made from
    the bundle writes it as well."""

    count = 0

    def __init__(self, path, rootfs=True):
        Bundle.count += 1
        self.id = f"{host.PREFIX}{Bundle.count}"
        self.path = str(path)
        self.rootfs = os.path.join(self.path, "rootfs")
        self.config_file = os.path.join(self.path, "config.json")
        self.config = copy.deepcopy(DEFAULT)
        self.config["linux"]["cgroupsPath"] = "/" + self.id
        self.raw = None
        os.makedirs(self.path)
        if rootfs:
            make_rootfs(self.rootfs)

    def get(self, dotted):
        """The value at a dotted path: get("process.args.0")."""
        node = self.config
        for key in dotted.split("."):
            node = _step(node, key)
        return node

    def set(self, dotted, value):
        """Set the value at a dotted path; objects missing on the way are made. Returns the bundle."""
        *way, last = dotted.split(".")
        node = self.config
        for key in way:
            node = _step(node, key) if isinstance(node, list) else node.setdefault(key, {})
        node[int(last) if isinstance(node, list) else last] = value
        return self

    def drop(self, dotted):
        """Remove the property at a dotted path. Returns the bundle."""
        way, _, last = dotted.rpartition(".")
        node = self.get(way) if way else self.config
        del node[int(last) if isinstance(node, list) else last]
        return self

    def append(self, dotted, *values):
        """Append to the list at a dotted path, which is made when missing. Returns the bundle."""
        try:
            self.get(dotted)
        except KeyError:
            self.set(dotted, [])
        self.get(dotted).extend(values)
        return self

    def update(self, fn):
        """Call fn(config) to change the document in place. Returns the bundle."""
        fn(self.config)
        return self

    def args(self, *argv):
        """Set process.args. Returns the bundle."""
        return self.set("process.args", list(argv))

    def sh(self, script):
        """Run a script with the root file system's shell. Returns the bundle."""
        return self.args("/bin/sh", "-c", script)

    def namespace(self, kind, path=None):
        """Ask for a namespace (a new one, or the one at path) in place of what was asked. Returns the bundle."""
        self.without_namespace(kind)
        self.get("linux.namespaces").append({"type": kind, **({"path": str(path)} if path else {})})
        return self

    def without_namespace(self, kind):
        """Leave a namespace out, so that it is inherited. Returns the bundle."""
        kept = [n for n in self.get("linux.namespaces") if n["type"] != kind]
        return self.set("linux.namespaces", kept)

    def share_pid_namespace(self):
        """Inherit the pid namespace; /proc is the host's. Returns the bundle."""
        self.without_namespace("pid").unmount("/proc").set("linux.maskedPaths", []).set("linux.readonlyPaths", [])
        return self.mount("/proc", "/proc", options=["rbind", "ro"])

    def mount(self, destination, source, type="none", options=()):
        """Add a mount at the end of the list. Returns the bundle."""
        return self.append("mounts", {"destination": destination, "type": type, "source": str(source),
                                      "options": list(options)})

    def unmount(self, destination):
        """Leave the mounts on a destination out. Returns the bundle."""
        return self.set("mounts", [m for m in self.config["mounts"] if m["destination"] != destination])

    def capabilities(self, **sets):
        """Set the sets given by name, e.g. capabilities(bounding=["CAP_KILL"]). Returns the bundle."""
        for kind, names in sets.items():
            self.set(f"process.capabilities.{kind}", list(names))
        return self

    def file(self, name, content="", mode=0o644):
        """Write a file in the root file system and return its path on the host."""
        full = os.path.join(self.rootfs, name.lstrip("/"))
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "wb") as f:
            f.write(content if isinstance(content, bytes) else content.encode())
        os.chmod(full, mode)
        return full

    def install(self, program, name=None):
        """Copy a program of the host (a static one) to /bin of the root file system."""
        target = os.path.join(self.rootfs, "bin", name or os.path.basename(program))
        shutil.copy(program, target)
        os.chmod(target, stat.S_IMODE(os.stat(target).st_mode) | 0o755)
        return "/bin/" + os.path.basename(target)

    def write(self):
        """Write config.json. A bundle with .raw set (text or bytes) has that as its document."""
        if self.raw is None:
            with open(self.config_file, "w") as f:
                json.dump(self.config, f, indent=1)
        else:
            with open(self.config_file, "wb") as f:
                f.write(self.raw if isinstance(self.raw, bytes) else self.raw.encode())
        return self

    def reachable(self):
        """Let everybody pass the directories above the bundle, as a mapped root must. Returns the bundle."""
        top = os.path.dirname(self.path)
        for directory in (self.path, top, os.path.dirname(top), os.path.dirname(os.path.dirname(top))):
            os.chmod(directory, os.stat(directory).st_mode | 0o011)
        return self

    def map_ids(self, first=100000, size=65536):
        """Ask for a new user namespace whose ids 0 and up are the host's first and up; the root file system
        becomes theirs. Returns the bundle."""
        mapping = [{"containerID": 0, "hostID": first, "size": size}]
        self.namespace("user").reachable()
        self.set("linux.uidMappings", mapping).set("linux.gidMappings", mapping)
        for directory, names, files in os.walk(self.rootfs):
            for name in names + files + ([directory] if directory == self.rootfs else []):
                full = os.path.join(directory, name)
                st = os.lstat(full)
                os.lchown(full, st.st_uid + first, st.st_gid + first)
                if not os.path.islink(full):
                    os.chmod(full, stat.S_IMODE(st.st_mode))
        return self
