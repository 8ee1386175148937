"""create: the environment is made, the program waits; and create's own flags."""
import array
import os
import socket

import pytest

import host
from rig import lacks, skip_if, wherry_only


def test_created_container_waits_for_start(container, host_unchanged):
    c = container()
    c.bundle.sh("echo ran; sleep 1000")
    c.create()
    state = c.state()
    assert state["status"] == "created"
    assert host.alive(state["pid"])
    assert c.stdout() == ""
    c.start()
    c.wait_stdout("ran\n")
    c.delete("--force")
    host_unchanged()


def test_environment_is_made_before_start(container):
    c = container()
    c.bundle.set("hostname", "early").mount("/run", "tmpfs", "tmpfs")
    c.create()
    for kind in ("mnt", "pid", "net", "ipc", "uts"):
        assert os.readlink(f"/proc/{c.pid}/ns/{kind}") != os.readlink(f"/proc/self/ns/{kind}")
    assert os.path.realpath(f"/proc/{c.pid}/root") == "/" or os.readlink(f"/proc/{c.pid}/root") == "/"
    with open(f"/proc/{c.pid}/mountinfo") as f:
        assert any(line.split()[4] == "/run" for line in f)
    assert host.cgroup_of(c.pid) == "/" + c.id


def test_the_document_is_frozen_at_create(container):
    c = container()
    c.bundle.sh("echo first; sleep 1000")
    c.create()
    c.bundle.sh("echo second; sleep 1000").write()
    c.start()
    assert c.wait_stdout("\n") == "first\n"


def test_bundle_defaults_to_the_working_directory(runtime, container):
    c = container()
    c.bundle.write()
    runtime.run("create", c.id, cwd=c.bundle.path, check=True)
    assert c.state()["bundle"] == c.bundle.path


@pytest.mark.parametrize("form", [["--bundle", "{}"], ["--bundle={}"], ["-b", "{}"], ["-bundle", "{}"],
                                  ["-bundle={}"]], ids=lambda f: f[0].format("X") + " "[:len(f) - 1])
def test_forms_of_the_bundle_option(runtime, container, form):
    c = container()
    c.bundle.write()
    runtime.run("create", *[part.format(c.bundle.path) for part in form], c.id, check=True)
    assert c.status == "created"


@wherry_only("--config is crun's, not runc's")
@pytest.mark.parametrize("flag", ["--config", "-f"])
def test_another_document(container, tmp_path, flag):
    c = container()
    c.bundle.sh("echo from the other; sleep 1000").write()
    os.rename(c.bundle.config_file, tmp_path / "other.json")
    c.bundle.sh("echo from config.json; sleep 1000")
    c.create(flag, "other.json", cwd=tmp_path)
    c.start()
    assert c.wait_stdout("\n") == "from the other\n"


def test_relative_bundle_is_reported_absolute(runtime, container):
    c = container()
    c.bundle.write()
    runtime.run("create", "--bundle", os.path.basename(c.bundle.path), c.id, check=True,
                cwd=os.path.dirname(c.bundle.path))
    assert c.state()["bundle"] == c.bundle.path


def test_relative_pid_file_is_relative_to_the_caller(container, tmp_path):
    c = container()
    c.create("--pid-file", "init.pid", cwd=tmp_path)
    assert (tmp_path / "init.pid").read_text().strip() == str(c.pid)
    assert not os.path.exists(os.path.join(c.bundle.path, "init.pid"))


def test_pid_file_holds_only_the_number(container, tmp_path):
    c = container()
    c.create("--pid-file", str(tmp_path / "p"))
    assert (tmp_path / "p").read_text().rstrip("\n").isdigit()


def test_pid_file_in_a_missing_directory(container, tmp_path, host_unchanged):
    c = container()
    result = c.create("--pid-file", str(tmp_path / "missing" / "p"), check=False)
    assert result.rc == 1
    assert str(tmp_path / "missing") in result.err
    assert c.state() is None
    host_unchanged()


@wherry_only("runc's create has no such flag: crun's has")
def test_no_subreaper_is_accepted(container):
    c = container()
    c.create("--no-subreaper")
    assert c.status == "created"


@lacks("runc", "--pidfd-socket came with 1.2", below=(1, 2))
@pytest.mark.parametrize("verb", ["create", "run", "exec"])
def test_pidfd_socket_receives_a_pidfd(container, tmp_path, verb):
    """Of init, or of the program of exec; run and exec say which of the two as runc does."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(tmp_path / "pidfd.sock"))
    listener.listen(1)
    listener.settimeout(10)
    c = container()
    flags = ["--pidfd-socket", str(tmp_path / "pidfd.sock"), "--pid-file", str(tmp_path / "pid")]
    if verb == "exec":
        c.up()
        c.exec("sleep", "1000", flags=["--detach", *flags], check=True)
    else:
        getattr(c, verb)(*(["--detach"] if verb == "run" else []), *flags, check=True)
    peer, _ = listener.accept()
    peer.settimeout(10)
    payload, ancillary, _, _ = peer.recvmsg(4096, socket.CMSG_SPACE(64))
    fds = array.array("i")
    for level, kind, data in ancillary:
        assert (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
        fds.frombytes(data)
    try:
        assert payload == (b"setns" if verb == "exec" else b"standard") and len(fds) == 1
        with open(f"/proc/self/fdinfo/{fds[0]}") as f:
            assert f"Pid:\t{(tmp_path / 'pid').read_text()}\n" in f.read()
    finally:
        for fd in fds:
            os.close(fd)
        listener.close()


@lacks("runc", "--pidfd-socket came with 1.2", below=(1, 2))
def test_pidfd_socket_absent(container, tmp_path, host_unchanged):
    c = container()
    result = c.create("--pidfd-socket", str(tmp_path / "nobody.sock"), check=False)
    assert result.rc == 1
    assert "nobody.sock" in result.err
    assert c.state() is None
    host_unchanged()


def test_no_pivot_gives_the_same_root(container):
    c = container()
    c.bundle.file("marker", "here\n")
    c.up("--no-pivot")
    assert c.sh("cat /marker; ls -d /bundle* /work 2>/dev/null | wc -l") == "here\n0\n"


@pytest.mark.parametrize("flags, joined", [([], True), (["--no-new-keyring"], False)],
                         ids=["default", "no-new-keyring"])
def test_session_keyring(container, flags, joined):
    if not os.path.exists("/proc/keys"):
        pytest.skip("the kernel has no keyrings")
    c = container()
    c.bundle.set("linux.maskedPaths", []).sh("cat /proc/keys; echo end; sleep 1000")
    c.up(*flags)
    assert (f"_ses.{c.id}" in c.wait_stdout("end\n")) == joined


def test_preserve_fds_hands_them_over(container, tmp_path):
    (tmp_path / "text").write_text("from the caller\n")
    c = container()
    c.bundle.sh("cat <&3; ls /proc/self/fd | wc -l")
    with open(tmp_path / "text") as f:
        result = c.run("--preserve-fds", "1", redirect=f"3<&{f.fileno()}", pass_fds=[f.fileno()])
    # 0, 1, 2, the preserved 3, and the one that ls has of /proc/self/fd itself
    assert (result.rc, result.out) == (0, "from the caller\n5\n"), result


def test_without_preserve_fds_nothing_is_inherited(container, tmp_path):
    (tmp_path / "text").write_text("secret\n")
    c = container()
    c.bundle.sh("ls /proc/self/fd | wc -l")
    with open(tmp_path / "text") as f:
        result = c.run(redirect=f"3<&{f.fileno()} 7<&{f.fileno()}", pass_fds=[f.fileno()])
    assert (result.rc, result.out) == (0, "4\n"), result


def test_preserving_more_descriptors_than_there_are(container, host_unchanged):
    c = container()
    result = c.create("--preserve-fds", "5", check=False)
    assert result.rc == 1, result
    assert c.state() is None
    host_unchanged()


@pytest.mark.parametrize("value", ["-1", "x", "99999999999", ""])
def test_preserve_fds_wants_a_count(container, host_unchanged, value):
    skip_if("runc", "takes a negative count as none", below=(1, 2)) if value == "-1" else None
    c = container()
    result = c.create(f"--preserve-fds={value}", check=False)
    assert result.rc != 0
    assert c.state() is None
    host_unchanged()


def test_listen_fds_are_handed_over(container, tmp_path):
    (tmp_path / "text").write_text("activated\n")
    c = container()
    c.bundle.sh("cat <&3; echo $LISTEN_FDS $LISTEN_PID")
    with open(tmp_path / "text") as f:
        result = c.run(redirect=f"3<&{f.fileno()}", pass_fds=[f.fileno()],
                       env={"LISTEN_FDS": "1", "LISTEN_PID": "$$"})
    assert (result.rc, result.out) == (0, "activated\n1 1\n"), result


def test_an_id_that_is_taken(container, host_unchanged):
    c = container()
    c.create()
    pid = c.pid
    second = c.create(check=False)
    assert second.rc == 1
    assert "exist" in second.err
    assert (c.status, c.pid) == ("created", pid)


@wherry_only("engines look for this text")
def test_the_text_of_an_id_that_is_taken(container):
    c = container()
    c.create()
    assert "container with given ID already exists" in c.create(check=False).err


def test_default_cgroup_has_the_container_in_it(container):
    c = container()
    c.bundle.drop("linux.cgroupsPath")
    c.create()
    name = host.cgroup_of(c.pid)
    assert c.id in name
    pid = c.pid
    c.delete("--force")
    assert not os.path.exists(host.cgroup_path(name))
    assert not host.alive(pid)


@pytest.mark.parametrize("verb", ["create", "run"])
@pytest.mark.parametrize("ids", [[], ["a", "b"]], ids=["none", "two"])
def test_exactly_one_id(runtime, bundle, host_unchanged, verb, ids):
    b = bundle().write()
    result = runtime.run(verb, "--bundle", b.path, *[b.id + i for i in ids])
    assert result.rc != 0
    assert runtime.run("list", "-q", check=True).out.strip() == ""
    host_unchanged()
