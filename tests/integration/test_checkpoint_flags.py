"""checkpoint and restore: what each flag does, and CRIU's own configuration file."""
import os
import pty
import shutil
import socket
import subprocess

import pytest

import host
from checkpoints import CRIU, needs_criu
from console import Terminal

pytestmark = needs_criu

LOOP = "while :; do usleep 20000; done"


@pytest.fixture
def looping(saved):
    saved.container.bundle.sh(LOOP)
    return saved


def has(directory, *names):
    return [name for name in names if os.path.exists(os.path.join(directory, name))]


# --- where things go -----------------------------------------------------------------------------------------------

def test_work_path(looping, tmp_path):
    """Logs and statistics go there, and nothing else; the error of a failure names it."""
    work = str(tmp_path / "work")
    looping.up()
    looping.checkpoint("--work-path", work)
    assert has(work, "dump.log", "stats-dump", "inventory.img") == ["dump.log", "stats-dump"]
    assert has(looping.image, "dump.log", "stats-dump", "inventory.img") == ["inventory.img"]
    os.rename(os.path.join(looping.container.bundle.rootfs, "bin/busybox"), os.path.join(looping.container.bundle.rootfs, "x"))
    result = looping.restore("--work-path", work, check=False)
    assert result.rc == 1 and os.path.join(work, "restore.log") in result.err
    os.rename(os.path.join(looping.container.bundle.rootfs, "x"), os.path.join(looping.container.bundle.rootfs, "bin/busybox"))
    looping.restore("--work-path", work)
    assert has(looping.image, "restore.log", "stats-restore") == []


def test_the_image_s_parents_are_made(looping, tmp_path):
    looping.up()
    looping.checkpoint(image=str(tmp_path / "a" / "b" / "image"))
    assert os.stat(tmp_path / "a" / "b" / "image").st_mode & 0o777 == 0o700
    looping.restore(image=str(tmp_path / "a" / "b" / "image"))


def test_the_default_is_a_directory_named_checkpoint(looping, tmp_path):
    looping.up()
    looping.runtime.run("checkpoint", "--criu", CRIU, looping.container.id, check=True, timeout=60, cwd=str(tmp_path))
    assert has(tmp_path / "checkpoint", "wherry.json", "descriptors.json")


# --- what has to be asked for --------------------------------------------------------------------------------------

def refused(k, words, *flags):
    """It cannot be saved without a flag: the error says so in CRIU's words, and it runs on."""
    result = k.saved.checkpoint(*flags, check=False)
    assert result.rc == 1, result
    for word in ("CRIU could not save container", "dump.log", *words):
        assert word in result.err, result.err
    assert result.err.count("wherry: ") == 1, "one error"
    assert k.saved.container.status == "running"
    assert not os.path.exists(os.path.join(k.saved.image, "wherry.json"))


def test_ext_unix_sk(keeper, tmp_path):
    """A socket of the container's that is connected to the host's; CRIU finds those of one network namespace."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ours:
        (tmp_path / "outside").mkdir()
        ours.bind(str(tmp_path / "outside" / "sock"))
        os.chmod(tmp_path / "outside" / "sock", 0o777)
        ours.settimeout(10)
        k = keeper("outside")
        k.saved.container.bundle.mount(str(tmp_path / "outside"), tmp_path / "outside", options=["bind"])
        k.saved.container.bundle.without_namespace("network").set("process.cwd", str(tmp_path / "outside"))
        k.up()
        refused(k, ["--ext-unix-sk"])
        k.saved.cycle("--ext-unix-sk")
        assert k.ask() == "ok"
        assert ours.recv(16) == b"heard"


def test_tcp_skip_in_flight(keeper):
    k = keeper("waiting")
    k.up()
    refused(k, ["In-flight"], "--tcp-established")
    k.saved.cycle("--tcp-established", "--tcp-skip-in-flight", restore_flags=["--tcp-established"])
    assert k.ask() == "ok"


def test_link_remap(keeper):
    k = keeper("linked")
    k.up()
    refused(k, ["/tmp/first", "link-remap"])
    k.saved.cycle("--link-remap")
    assert k.ask() == "ok"
    assert not [name for name in os.listdir(os.path.join(k.root, "tmp")) if "remap" in name]


def locks(network):
    """What holds packets back in the network namespace of that fd."""
    found = set()
    for method, command, sign in (("iptables", "iptables -S", "-A CRIU -j DROP"),
                                  ("nftables", "nft list ruleset", "table inet CRIU-")):
        done = subprocess.run(["nsenter", f"--net=/proc/self/fd/{network}", *command.split()], capture_output=True, text=True,
                              timeout=20, check=True, pass_fds=[network])
        if sign in done.stdout:
            found.add(method)
    return found


@pytest.mark.skipif(not all(shutil.which(tool) for tool in ("iptables-restore", "ip6tables-restore", "nft")),
                    reason="iptables and nft show what holds packets back")
@pytest.mark.parametrize("flags, method", [([], "iptables"), (["--network-lock", "iptables"], "iptables"),
                                           (["--network-lock", "nftables"], "nftables"), (["--network-lock", "skip"], None)])
def test_network_lock(keeper, flags, method):
    """Packets are held back by that method from the checkpoint on, until it is restored, with whatever method that names."""
    holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "ip link set lo up; exec sleep 1000"])
    host.adopt(holder.pid)
    try:
        path = f"/proc/{holder.pid}/ns/net"
        host.wait_until(lambda: os.readlink(path) != os.readlink("/proc/self/ns/net"), "the namespace")
        host.wait_until(lambda: "UP" in subprocess.run(["nsenter", f"--net={path}", "ip", "link", "show", "lo"], text=True,
                                                       capture_output=True, check=True).stdout, "its loopback device")
        network = os.open(path, os.O_RDONLY)
        k = keeper("tcp")
        k.saved.container.bundle.namespace("network", path)
        k.up()
        assert locks(network) == set()
        k.saved.checkpoint("--tcp-established", *flags)
        assert locks(network) == ({method} if method else set())
        k.saved.restore("--tcp-established", "--network-lock", "skip" if method else "nftables")
        assert locks(network) == set()
        assert k.ask() == "ok"
        os.close(network)
    finally:
        holder.kill()
        holder.wait()
        host.release(holder.pid)


ECHO = "while read x; do echo got $x; done"


@pytest.fixture
def terminal():
    """terminal() is the master of a new pseudo-terminal, and what its slave is as standard streams."""
    made = []

    def make():
        master, slave = pty.openpty()
        made.append((Terminal(master), slave))
        return made[-1][0], dict.fromkeys(("stdin", "stdout", "stderr"), slave)
    yield make
    for master, slave in made:
        master.close()
        os.close(slave)


def test_shell_job(saved, terminal, host_unchanged):
    """Standard streams that are the caller's terminal: they lead to that of the restore's caller."""
    c = saved.container
    c.bundle.sh(ECHO)
    (first, ours), (second, theirs) = terminal(), terminal()
    saved.up(**ours)
    result = saved.checkpoint(check=False)
    assert result.rc == 1 and "caller's terminal" in result.err and "--shell-job" in result.err, result
    first.write("one\n")
    first.read_until("got one")
    saved.checkpoint("--shell-job")
    theirs["stderr"] = open(saved.outputs / "errors", "w")
    for flags, streams, words in (([], theirs, "--shell-job is needed"),
                                  (["--shell-job"], {"stdin": subprocess.DEVNULL}, "none of standard input, output and error")):
        result = saved.restore(*flags, check=False, **streams)
        text = result.err + (saved.outputs / "errors").read_text()
        assert result.rc == 1 and words in text, text
        assert c.state() is None
    host_unchanged()
    saved.restore("--shell-job", **theirs)
    second.write("two\n")
    second.read_until("got two")
    with pytest.raises(AssertionError):
        first.read_until("got two", timeout=0.2)


def test_shell_job_beside_a_pipe(saved, terminal):
    """A pipe stays a pipe, and one terminal of the caller's is enough."""
    saved.container.bundle.sh(ECHO)
    (_, ours), (second, theirs) = terminal(), terminal()
    reader, writer = os.pipe()
    saved.up(stdin=ours["stdin"], stdout=writer, stderr=writer)
    saved.checkpoint("--shell-job")
    saved.restore("--shell-job", stdin=theirs["stdin"], stdout=writer)
    second.write("two\n")
    assert os.read(reader, 16) == b"got two\n"
    os.close(reader)
    os.close(writer)


def test_shell_job_of_a_file_that_is_no_stream(saved, terminal):
    """Only CRIU looks at all files, and the error still names the flag."""
    c = saved.container
    c.bundle.sh("exec 5<&0 6>&1 </dev/null >/dev/null 2>&1; while read x <&5; do echo got $x >&6; done")
    (first, ours), (second, theirs) = terminal(), terminal()
    saved.up(**ours)
    first.write("one\n")
    first.read_until("got one")
    result = saved.checkpoint(check=False)
    assert result.rc == 1 and "--shell-job is needed" in result.err, result
    assert c.status == "running"
    saved.checkpoint("--shell-job")
    result = saved.restore(check=False)
    assert result.rc == 1 and "--shell-job is needed" in result.err, result
    saved.restore("--shell-job", stdin=theirs["stdin"])
    second.write("two\n")
    second.read_until("got two")


def test_auto_dedup(looping):
    """The image is used up while it is restored, and only then."""
    looping.container.bundle.sh("x=$(seq 1 100000); " + LOOP)
    looping.up()
    host.wait_until(lambda: int(host.proc_status(looping.container.pid, "VmRSS").split()[0]) > 1500, "memory in use")
    looping.checkpoint()

    def blocks():
        return sum(os.stat(os.path.join(looping.image, n)).st_blocks for n in os.listdir(looping.image) if n.startswith("pages-"))
    before = blocks()
    looping.restore()
    assert blocks() == before
    looping.container.delete("--force")
    looping.restore("--auto-dedup")
    assert looping.container.status == "running"
    assert blocks() < before / 2


def test_what_engines_say_besides(looping):
    looping.up()
    looping.checkpoint("--file-locks", "--tcp-established")
    looping.restore("--no-pivot", "--no-new-keyring", "--file-locks", "--tcp-established", "--preserve-fds", "0")
    assert looping.container.status == "running"


# --- what is refused before anything is done -----------------------------------------------------------------------

@pytest.mark.parametrize("flags, words", [
    (["--pre-dump", "--lazy-pages"], ["exclude each other"]),
    (["--tcp-established", "--tcp-close"], ["exclude each other"]),
    (["--empty-ns", "mount"], ["only network"]),
    (["--manage-cgroups-mode", "hard"], ["hard"]),
    (["--network-lock", "none"], ["none"]),
    (["--page-server", "9911"], ["ADDRESS:PORT"]),
    (["--page-server", "127.0.0.1:0"], ["ADDRESS:PORT"]),
    (["--status-fd", "77"], ["--status-fd 77", "Bad file descriptor"]),
    (["--criu", "criu"], ["absolute"]),
])
def test_wrong_words(looping, flags, words):
    looping.up()
    result = looping.checkpoint(*flags, check=False)
    assert result.rc == 1
    for word in words:
        assert word.lower() in result.err.lower(), result.err
    assert looping.container.status == "running"


def test_a_page_server_that_is_not_there(looping):
    """CRIU does not call that an error, but what it stumbles over when it gives up."""
    looping.up()
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        server = "127.0.0.1:%d" % silent.getsockname()[1]
        result = looping.checkpoint("--page-server", server, check=False)
    assert result.rc == 1 and f"which runs on: Can't connect to server {server}" in result.err, result
    assert looping.container.status == "running"


def test_a_status_fd_that_cannot_be_written_to(looping):
    looping.up()
    with open("/dev/null") as null:
        result = looping.checkpoint("--status-fd", str(null.fileno()), check=False, pass_fds=[null.fileno()])
    assert result.rc == 1 and "not open for writing" in result.err
    assert looping.container.status == "running"


# --- CRIU's configuration ------------------------------------------------------------------------------------------

def etc_criu(saved, **files):
    """From here on the host has these files in /etc/criu, and no others."""
    etc = os.path.join(saved.outputs, "etc")
    subprocess.run(["cp", "-a", "/etc", etc], check=True)
    os.makedirs(os.path.join(etc, "criu"), exist_ok=True)
    for name in ("wherry", "runc"):
        path = os.path.join(etc, "criu", name + ".conf")
        if os.path.exists(path):
            os.unlink(path)
        if name in files:
            with open(path, "w") as f:
                f.write(files[name] + "\n")
    saved.on_a_host(f"mount --bind {etc} /etc")


@pytest.mark.parametrize("files", [{"wherry": "file-locks"}, {"runc": "file-locks"}, {"wherry": "file-locks", "runc": ""}])
def test_a_configuration_file(keeper, files):
    """An option that the command line does not name is in the file: the first that is there."""
    k = keeper("lock")
    k.up()
    refused(k, ["lock"])
    etc_criu(k.saved, **files)
    k.saved.cycle()
    assert k.ask() == "ok"


def test_the_second_file_is_not_read(keeper):
    k = keeper("lock")
    k.up()
    etc_criu(k.saved, wherry="", runc="file-locks")
    refused(k, ["lock"])


def test_the_annotation_names_the_file(keeper, tmp_path):
    k = keeper("lock")
    (tmp_path / "own.conf").write_text("file-locks\n")
    k.saved.container.bundle.set("annotations", {"org.criu.config": str(tmp_path / "own.conf")})
    k.up()
    etc_criu(k.saved, wherry="")
    k.saved.cycle()
    assert k.ask() == "ok"


def test_an_empty_annotation_is_no_file(keeper):
    k = keeper("lock")
    k.saved.container.bundle.set("annotations", {"org.criu.config": ""})
    k.up()
    etc_criu(k.saved, wherry="file-locks", runc="file-locks")
    refused(k, ["lock"])


def test_an_annotation_that_names_nothing(looping):
    looping.container.bundle.set("annotations", {"org.criu.config": "/no/such.conf"})
    looping.up()
    result = looping.checkpoint(check=False)
    assert result.rc == 1 and "org.criu.config" in result.err and "/no/such.conf" in result.err
    assert looping.container.status == "running"
