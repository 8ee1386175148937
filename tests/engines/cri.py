"""Kubernetes' Container Runtime Interface (v1) as far as the tests call it, over gRPC. Debian packages no definitions of it: the
table below has the fields' numbers, and the wire format of protocol buffers is four lines a kind."""
import json

import grpc

from call import wait_until
from stream import Stream

# message: field: (number, kind). A kind in a list is repeated; "map" is of strings to strings; other names are messages.
SCHEMA = {
    "Id": {"id": (1, "text")},
    "Empty": {},
    "Int64Value": {"value": (1, "int")},
    "KeyValue": {"key": (1, "text"), "value": (2, "text")},
    "IDMapping": {"host_id": (1, "int"), "container_id": (2, "int"), "length": (3, "int")},
    "UserNamespace": {"mode": (1, "int"), "uids": (2, ["IDMapping"]), "gids": (3, ["IDMapping"])},
    "NamespaceOption": {"network": (1, "int"), "pid": (2, "int"), "ipc": (3, "int"), "target_id": (4, "text"),
                        "userns_options": (5, "UserNamespace")},
    "SecurityProfile": {"profile_type": (1, "int"), "localhost_ref": (2, "text")},
    "LinuxSandboxSecurityContext": {"namespace_options": (1, "NamespaceOption"), "privileged": (6, "int"),
                                    "seccomp": (9, "SecurityProfile")},
    "Metadata": {"name": (1, "text"), "uid": (2, "text"), "namespace": (3, "text"), "attempt": (4, "int")},
    "LinuxPodSandboxConfig": {"cgroup_parent": (1, "text"), "security_context": (2, "LinuxSandboxSecurityContext"),
                              "sysctls": (3, "map")},
    "PodSandboxConfig": {"metadata": (1, "Metadata"), "hostname": (2, "text"), "log_directory": (3, "text"),
                         "linux": (8, "LinuxPodSandboxConfig")},
    "RunPodSandboxRequest": {"config": (1, "PodSandboxConfig"), "runtime_handler": (2, "text")},
    "ImageSpec": {"image": (1, "text")},
    "Mount": {"container_path": (1, "text"), "host_path": (2, "text"), "readonly": (3, "int"), "propagation": (5, "int"),
              "uidMappings": (6, ["IDMapping"]), "gidMappings": (7, ["IDMapping"]), "recursive_read_only": (8, "int")},
    "Resources": {"cpu_period": (1, "int"), "cpu_quota": (2, "int"), "cpu_shares": (3, "int"), "memory_limit_in_bytes": (4, "int"),
                  "oom_score_adj": (5, "int"), "cpuset_cpus": (6, "text"), "unified": (9, "map"),
                  "memory_swap_limit_in_bytes": (10, "int")},
    "Capability": {"add_capabilities": (1, ["text"]), "drop_capabilities": (2, ["text"])},
    "LinuxContainerSecurityContext": {
        "capabilities": (1, "Capability"), "privileged": (2, "int"), "namespace_options": (3, "NamespaceOption"),
        "run_as_user": (5, "Int64Value"), "readonly_rootfs": (7, "int"), "supplemental_groups": (8, ["int"]),
        "no_new_privs": (11, "int"), "run_as_group": (12, "Int64Value"), "masked_paths": (13, ["text"]),
        "readonly_paths": (14, ["text"]), "seccomp": (15, "SecurityProfile")},
    "LinuxContainerConfig": {"resources": (1, "Resources"), "security_context": (2, "LinuxContainerSecurityContext")},
    "ContainerMetadata": {"name": (1, "text"), "attempt": (2, "int")},
    "Device": {"container_path": (1, "text"), "host_path": (2, "text"), "permissions": (3, "text")},
    "ContainerConfig": {
        "metadata": (1, "ContainerMetadata"), "image": (2, "ImageSpec"), "command": (3, ["text"]), "args": (4, ["text"]),
        "working_dir": (5, "text"), "envs": (6, ["KeyValue"]), "mounts": (7, ["Mount"]), "devices": (8, ["Device"]),
        "log_path": (11, "text"), "stdin": (12, "int"), "stdin_once": (13, "int"), "tty": (14, "int"),
        "linux": (15, "LinuxContainerConfig")},
    "CreateContainerRequest": {"id": (1, "text"), "config": (2, "ContainerConfig"), "sandbox_config": (3, "PodSandboxConfig")},
    "StopContainerRequest": {"id": (1, "text"), "timeout": (2, "int")},
    "StatusRequest": {"id": (1, "text"), "verbose": (2, "int")},
    "ContainerStatus": {"id": (1, "text"), "state": (3, "int"), "exit_code": (7, "int"), "reason": (10, "text"),
                        "message": (11, "text")},
    "ContainerStatusResponse": {"status": (1, "ContainerStatus"), "info": (2, "map")},
    "PodSandboxNetworkStatus": {"ip": (1, "text")},
    "PodSandboxStatus": {"id": (1, "text"), "state": (3, "int"), "network": (5, "PodSandboxNetworkStatus"),
                         "runtime_handler": (9, "text")},
    "PodSandboxStatusResponse": {"status": (1, "PodSandboxStatus"), "info": (2, "map")},
    "UpdateContainerResourcesRequest": {"id": (1, "text"), "linux": (2, "Resources")},
    "ExecSyncRequest": {"id": (1, "text"), "cmd": (2, ["text"]), "timeout": (3, "int")},
    "ExecSyncResponse": {"stdout": (1, "text"), "stderr": (2, "text"), "exit_code": (3, "int")},
    "ExecRequest": {"id": (1, "text"), "cmd": (2, ["text"]), "tty": (3, "int"), "stdin": (4, "int"), "stdout": (5, "int"),
                    "stderr": (6, "int")},
    "AttachRequest": {"id": (1, "text"), "stdin": (2, "int"), "tty": (3, "int"), "stdout": (4, "int"), "stderr": (5, "int")},
    "Url": {"url": (1, "text")},
    "UInt64Value": {"value": (1, "int")},
    "MemoryUsage": {"working_set_bytes": (2, "UInt64Value")},
    "ContainerStats": {"memory": (3, "MemoryUsage")},
    "ContainerStatsResponse": {"stats": (1, "ContainerStats")},
}

# method: the messages of its request and its answer
METHODS = {
    "RunPodSandbox": ("RunPodSandboxRequest", "Id"), "StopPodSandbox": ("Id", "Empty"), "RemovePodSandbox": ("Id", "Empty"),
    "PodSandboxStatus": ("StatusRequest", "PodSandboxStatusResponse"), "CreateContainer": ("CreateContainerRequest", "Id"),
    "StartContainer": ("Id", "Empty"), "StopContainer": ("StopContainerRequest", "Empty"), "RemoveContainer": ("Id", "Empty"),
    "ContainerStatus": ("StatusRequest", "ContainerStatusResponse"), "ExecSync": ("ExecSyncRequest", "ExecSyncResponse"),
    "UpdateContainerResources": ("UpdateContainerResourcesRequest", "Empty"), "Exec": ("ExecRequest", "Url"),
    "Attach": ("AttachRequest", "Url"), "ContainerStats": ("Id", "ContainerStatsResponse"), "Version": ("Empty", "Empty"),
}

CREATED, RUNNING, EXITED = range(3)
POD, CONTAINER, NODE, TARGET = range(4)


# --- the wire format ---------------------------------------------------------------------------------------------

def _varint(number):
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 0x7f:
        out.append(number & 0x7f | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _bytes(number, content):
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _encode_one(number, kind, value):
    if kind == "int":
        return _varint(number << 3) + _varint(int(value))
    if kind == "text":
        return _bytes(number, value.encode())
    if kind == "map":
        return b"".join(_bytes(number, encode("KeyValue", {"key": k, "value": v})) for k, v in value.items())
    return _bytes(number, encode(kind, value))


def encode(message, fields):
    out = b""
    for name, value in fields.items():
        number, kind = SCHEMA[message][name]
        for one in value if isinstance(kind, list) else [value]:
            out += _encode_one(number, kind[0] if isinstance(kind, list) else kind, one)
    return out


def _read_varint(data, at):
    number = shift = 0
    while True:
        number |= (data[at] & 0x7f) << shift
        shift, at = shift + 7, at + 1
        if data[at - 1] < 0x80:
            return number, at


def decode(message, data):
    """Fields that the table does not have are passed over; those that did not come are absent."""
    by_number = {number: (name, kind) for name, (number, kind) in SCHEMA[message].items()}
    out, at = {}, 0
    while at < len(data):
        key, at = _read_varint(data, at)
        if key & 7 == 0:
            value, at = _read_varint(data, at)
        elif key & 7 == 2:
            size, at = _read_varint(data, at)
            value, at = data[at:at + size], at + size
        else:
            at += {1: 8, 5: 4}[key & 7]
            continue
        name, kind = by_number.get(key >> 3, (None, None))
        if name is None:
            continue
        if kind == "map":
            pair = decode("KeyValue", value)
            out.setdefault(name, {})[pair.get("key", "")] = pair.get("value", "")
        else:
            one = kind[0] if isinstance(kind, list) else kind
            value = value if one == "int" else value.decode("utf-8", "replace") if one == "text" else decode(one, value)
            out.setdefault(name, []).append(value) if isinstance(kind, list) else out.update({name: value})
    return out


# --- the client ----------------------------------------------------------------------------------------------------

class Cri:
    """The runtime service of containerd, for pods of one handler."""

    def __init__(self, socket, handler, driver, logs):
        self.channel = grpc.insecure_channel("unix://" + socket)
        self.handler, self.driver, self.logs = handler, driver, str(logs)
        self.pods, self.configs, self.count = [], {}, 0

    def call(self, method, **fields):
        request, answer = METHODS[method]
        made = self.channel.unary_unary(f"/runtime.v1.RuntimeService/{method}",
                                        request_serializer=lambda message: encode(request, message),
                                        response_deserializer=lambda data: decode(answer, data))
        return made(fields, timeout=180)

    def pod(self, handler=None, namespaces=None, **linux):
        """A pod sandbox, in the host's network unless namespaces say otherwise. handler: another one than ours; "" names none, for
        the default one. Returns its id."""
        self.count += 1
        context = dict(linux.pop("security_context", {}), namespace_options=dict({"network": NODE}, **(namespaces or {})))
        config = {"metadata": {"name": f"vessel{self.count}", "uid": f"uid{id(self)}{self.count}", "namespace": "default"},
                  "log_directory": self.logs, "linux": dict({"cgroup_parent": self.parent(), "security_context": context}, **linux)}
        ident = self.call("RunPodSandbox", config=config, runtime_handler=self.handler if handler is None else handler)["id"]
        self.pods.append(ident)
        self.configs[ident] = config
        return ident

    def parent(self):
        return "wherrypods.slice" if self.driver == "systemd" else "/wherrypods"

    def create(self, pod, *command, linux=None, **config):
        self.count += 1
        config = dict({"metadata": {"name": f"mast{self.count}"}, "image": {"image": "docker.io/library/bb:latest"},
                       "command": list(command or ("sleep", "1000")), "log_path": f"mast{self.count}.log"},
                      linux=linux or {}, **config)
        return self.call("CreateContainer", id=pod, config=config, sandbox_config=self.configs[pod])["id"]

    def start(self, pod, *command, **config):
        """A container that runs; returns its id."""
        ident = self.create(pod, *command, **config)
        self.call("StartContainer", id=ident)
        return ident

    def status(self, container):
        return self.call("ContainerStatus", id=container)["status"]

    def state(self, container):
        return self.status(container).get("state", CREATED)

    def info(self, container):
        """containerd's own words about it: pid, runtime specification."""
        return json.loads(self.call("ContainerStatus", id=container, verbose=1)["info"]["info"])

    def pid(self, container):
        return self.info(container)["pid"]

    def runtime_of(self, pod):
        """The program that containerd's shim calls for it."""
        return json.loads(self.call("PodSandboxStatus", id=pod, verbose=1)["info"]["info"])["runtimeOptions"]["binary_name"]

    def stream(self, method, container, stdin=0, tty=0, **more):
        """Exec or Attach by a stream. A terminal has no errors of its own."""
        return Stream(self.call(method, id=container, stdin=stdin, tty=tty, stdout=1, stderr=int(not tty), **more)["url"])

    def exec(self, container, *command, timeout=60):
        """(output, errors, exit status)"""
        got = self.call("ExecSync", id=container, cmd=list(command), timeout=timeout)
        return got.get("stdout", ""), got.get("stderr", ""), got.get("exit_code", 0)

    def sh(self, container, script):
        out, err, rc = self.exec(container, "sh", "-c", script)
        assert rc == 0, (script, out, err, rc)
        return out.strip()

    def finish(self, container):
        """Waits for its end; returns the exit status."""
        wait_until(lambda: self.state(container) == EXITED, "the container to end", 120)
        return self.status(container).get("exit_code", 0)

    def remove(self, pod):
        self.call("StopPodSandbox", id=pod)
        self.call("RemovePodSandbox", id=pod)
        self.pods.remove(pod)

    def end(self):
        for pod in list(self.pods):
            self.remove(pod)
