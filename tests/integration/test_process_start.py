"""How the program starts: environment, directory, lookup, names, sysctls, keyring, sockets that it is given."""
import os
import socket

import pytest

from containers import assert_refused
from rig import lacks, skip_if


# --- environment and directory -------------------------------------------------------------------------------


def test_the_environment_is_the_documents_and_no_more(container):
    c = container()
    c.bundle.set("process.env", ["PATH=/bin", "ONE=1", "EMPTY=", "EQUALS=a=b", "HOME=/somewhere"]).args("env")
    out = c.run(check=True, env={"SECRET": "of the caller"}).out
    assert sorted(out.splitlines()) == ["EMPTY=", "EQUALS=a=b", "HOME=/somewhere", "ONE=1", "PATH=/bin"]


@pytest.mark.parametrize("uid, want", [(0, "/root"), (1000, "/home/user"), (4242, "/")])
def test_home_is_found_in_the_images_passwd(container, uid, want):
    c = container()
    c.bundle.set("process.user", {"uid": uid, "gid": 0}).sh("echo $HOME")
    assert c.run(check=True).out == want + "\n"


def test_home_does_not_follow_a_link_out(container, tmp_path):
    forged = tmp_path / "passwd"
    forged.write_text("root:x:0:0::/stolen:/bin/sh\n")
    c = container()
    os.unlink(c.bundle.rootfs + "/etc/passwd")
    os.symlink(str(forged), c.bundle.rootfs + "/etc/passwd")
    c.bundle.sh("echo $HOME")
    assert "stolen" not in c.run(check=True).out


def test_the_working_directory(container):
    c = container()
    c.bundle.set("process.cwd", "/home/user").sh("pwd; readlink /proc/self/cwd")
    assert c.run(check=True).out == "/home/user\n/home/user\n"


def test_a_missing_working_directory_is_made(container):
    c = container()
    c.bundle.set("process.cwd", "/not/there/yet").sh("pwd; stat -c %a .")
    assert c.run(check=True).out == "/not/there/yet\n755\n"


def test_a_working_directory_that_only_the_user_may_enter(container):
    c = container()
    os.chmod(c.bundle.rootfs + "/home/user", 0o700)
    c.bundle.set("process.cwd", "/home/user").set("process.user", {"uid": 1000, "gid": 1000}).sh("pwd")
    assert c.run(check=True).out == "/home/user\n"


@pytest.mark.parametrize("args, rc, out", [
    (["printf", "found"], 0, "found"), (["/bin/printf", "a b"], 0, "a b"), (["./tool", "x"], 0, "tool x\n"),
    (["../usr/tool", "y"], 0, "tool y\n"), (["second"], 0, "second\n"), (["printf", "", "", ""], 0, ""),
])
def test_the_program_is_found(container, args, rc, out):
    c = container()
    c.bundle.file("usr/tool", "#!/bin/sh\necho tool $1\n", 0o755)
    c.bundle.file("opt/second", "#!/bin/sh\necho second\n", 0o755)
    c.bundle.file("usr/second", "not executable\n", 0o644)
    c.bundle.set("process.env", ["PATH=/usr:/missing:/bin:/opt"]).set("process.cwd", "/usr").args(*args)
    result = c.run()
    assert (result.rc, result.out) == (rc, out), result


def test_the_name_of_a_program_is_what_was_asked(container):
    c = container()
    c.up()
    with open(f"/proc/{c.pid}/cmdline") as f:
        assert f.read() == "sleep\x001000\0"


# --- names and sysctls ---------------------------------------------------------------------------------------


def test_host_and_domain_name(container):
    skip_if("runc", "domainname came with 1.2", below=(1, 2, 0))
    c = container()
    c.bundle.set("hostname", "dinghy").set("domainname", "harbour.example")
    c.bundle.sh("hostname; cat /proc/sys/kernel/domainname")
    before = open("/proc/sys/kernel/domainname").read()
    assert c.run(check=True).out == "dinghy\nharbour.example\n"
    assert open("/proc/sys/kernel/domainname").read() == before


@pytest.mark.parametrize("key", ["hostname", "domainname"])
def test_a_name_without_a_uts_namespace_is_refused(container, key):
    skip_if("runc", "ignores a domainname", below=(1, 2, 0)) if key == "domainname" else None
    c = container()
    c.bundle.without_namespace("uts").drop("hostname").set(key, "adrift")
    assert_refused(c, "uts")


SYSCTLS = [("net.ipv4.ip_forward", "1"), ("net/ipv4/ip_forward", "1"), ("kernel.msgmax", "4096"),
           ("kernel.shmmni", "99"), ("kernel.sem", "32000\t1024000000\t500\t31999"), ("fs.mqueue.msg_max", "5"),
           ("net.ipv4.ip_local_port_range", "5000\t6000"), ("kernel.domainname", "quay")]


@pytest.mark.parametrize("name, value", SYSCTLS, ids=[n for n, _ in SYSCTLS])
def test_a_sysctl(container, name, value):
    path = "/proc/sys/" + name.replace(".", "/")
    before = open(path).read()
    c = container()
    c.bundle.config["linux"]["sysctl"] = {name: value.replace("\t", " ")}
    c.bundle.args("cat", path)
    assert c.run(check=True).out == value + "\n"
    assert open(path).read() == before


@pytest.mark.parametrize("name, space", [("net.ipv4.ip_forward", "network"), ("kernel.msgmax", "ipc"),
                                         ("fs.mqueue.msg_max", "ipc"), ("kernel.domainname", "uts")])
def test_a_sysctl_without_its_namespace_is_refused(container, name, space):
    c = container()
    c.bundle.without_namespace(space)
    if space == "uts":
        c.bundle.drop("hostname")
    c.bundle.config["linux"]["sysctl"] = {name: "7"}
    before = open("/proc/sys/" + name.replace(".", "/")).read()
    assert_refused(c, name)
    assert open("/proc/sys/" + name.replace(".", "/")).read() == before


@pytest.mark.parametrize("name", ["kernel.hostname", "vm.swappiness", "kernel.panic", "fs.file-max",
                                  "net/../kernel/panic", "net.ipv4.no_such_thing", "../../etc/passwd", ""])
def test_a_sysctl_that_is_none_of_the_containers_is_refused(container, name):
    c = container()
    c.bundle.config["linux"]["sysctl"] = {name: "1"}
    assert_refused(c, name.rsplit(".", 1)[-1].rsplit("/", 1)[-1], *(["sysctl"] if c.runtime.kind == "wherry" else []))


@pytest.mark.parametrize("space", ["network", "ipc"])
def test_a_sysctl_in_a_joined_namespace(container, space):
    skip_if("runc", "compares the path with the host's own namespace only for the network") if space == "ipc" else None
    first = container()
    first.up()
    name = {"network": "net.ipv4.ip_forward", "ipc": "kernel.msgmax"}[space]
    c = container()
    c.bundle.namespace(space, f"/proc/{first.pid}/ns/{space.replace('work', '')}")
    c.bundle.config["linux"]["sysctl"] = {name: "1"}
    c.up()
    assert first.sh("cat /proc/sys/" + name.replace(".", "/")) == "1\n"


# --- keyring -------------------------------------------------------------------------------------------------


def keyring_of(c):
    """The name of the session keyring that the container's program has: keyctl(KEYCTL_DESCRIBE)."""
    c.bundle.set("linux.maskedPaths", [])
    c.bundle.sh("cat /proc/keys")
    return c.run(check=True).out


def test_a_session_keyring_of_its_own(container):
    c = container()
    assert f"_ses.{c.id}" in keyring_of(c)


def test_no_new_keyring_keeps_the_callers(container):
    c = container()
    c.bundle.set("linux.maskedPaths", []).sh("cat /proc/keys")
    assert f"_ses.{c.id}" not in c.run("--no-new-keyring", check=True).out


# --- sockets ---------------------------------------------------------------------------------------------------


def test_listen_fds_are_handed_on(container, tmp_path):
    (tmp_path / "four").write_text("text\n")
    c = container()
    c.bundle.sh("cat <&3; echo $LISTEN_FDS $LISTEN_PID $$")
    fd = os.open(tmp_path / "four", os.O_RDONLY)
    result = c.run(check=True, redirect=f"3<&{fd}", env={"LISTEN_FDS": "1", "LISTEN_PID": "$$"}, pass_fds=(fd,))
    os.close(fd)
    assert result.out == "text\n1 1 1\n"


class Manager:
    """The socket of a service manager: collects what sd_notify(3) sends."""

    def __init__(self, path):
        self.path = str(path)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.settimeout(10)
        os.chmod(self.path, 0o666)

    def receive(self):
        return self.socket.recv(4096).decode()


@pytest.fixture
def manager(tmp_path):
    made = Manager(tmp_path / "notify")
    yield made
    made.socket.close()


def test_ready_of_the_program_reaches_the_service_manager(container, manager, tmp_path, helper):
    c = container()
    c.bundle.install(helper("notify"))
    c.bundle.sh("echo $NOTIFY_SOCKET; notify STATUS=loading; sleep 0.2; notify READY=1; sleep 1000")
    c.create(env={"NOTIFY_SOCKET": manager.path})
    starter = c.runtime.spawn("start", c.id, env={"NOTIFY_SOCKET": manager.path})
    texts = []
    while not any("READY=1" in t for t in texts):
        texts.append(manager.receive())
    assert starter.wait().rc == 0
    text = "\n".join(texts)
    if "MAINPID" not in text:
        text += "\n" + manager.receive()
    pids = [line.split("=")[1] for line in text.splitlines() if line.startswith("MAINPID=")]
    assert pids and pids[0] in (str(c.pid), str(c.creator.pid), str(starter.pid)), text
    assert c.stdout().strip() and c.stdout().strip() != manager.path


@lacks("runc", "waits for ever", below=(1, 2, 0))
def test_a_program_that_ends_without_ready_does_not_hang_run(container, manager):
    c = container()
    c.bundle.args("true")
    result = c.run(env={"NOTIFY_SOCKET": manager.path}, timeout=10)
    assert result.rc == 0


def test_without_a_service_manager_there_is_no_variable(container):
    c = container()
    c.bundle.args("env")
    assert "NOTIFY" not in c.run(check=True, env={"NOTIFY_SOCKET": None}).out


@lacks("runc", "starts all the same", below=(1, 2, 0))
def test_a_notify_socket_that_is_not_there_is_no_reason_to_hang(container, tmp_path):
    c = container()
    c.bundle.args("true")
    result = c.run(env={"NOTIFY_SOCKET": str(tmp_path / "missing")}, timeout=10)
    assert result.rc in (0, 1)
