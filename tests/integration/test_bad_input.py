"""What else can be wrong: the bundle, the root, the program, names and places. One error, nothing left."""
import os
import socket

import pytest

import host
from rig import KIND, lacks, skip_if, wherry_only


@pytest.mark.parametrize("verb", ["create", "run"])
@pytest.mark.parametrize("what", ["missing", "file"])
def test_no_bundle(runtime, tmp_path, host_unchanged, verb, what):
    (tmp_path / "file").write_text("")
    result = runtime.run(verb, "--bundle", tmp_path / what, host.PREFIX + "0")
    assert result.rc == 1
    assert what in result.err
    host_unchanged()


def replace_root(kind):
    def change(b):
        os.rename(b.rootfs, b.path + "/moved")
        if kind == "file":
            open(b.rootfs, "w").close()
        elif kind == "symlink":
            os.symlink("moved", b.rootfs)
        elif kind == "dangling":
            os.symlink("nowhere", b.rootfs)
    return change


@pytest.mark.parametrize("kind", ["missing", "file", "symlink", "dangling"])
@pytest.mark.parametrize("verb", ["create", "run"])
def test_bad_root(refused, kind, verb):
    # runc 1.1 finds the file only when it changes directory to it
    words = [] if kind == "file" and KIND == "runc" else ["rootfs"]
    refused(replace_root(kind), *words, verb=verb)


def test_root_path_is_empty(refused):
    refused(lambda b: b.set("root.path", ""))


@pytest.mark.parametrize("verb", ["create", "run"])
def test_empty_args(refused, verb):
    refused(lambda b: b.args(), "args", verb=verb)


def test_empty_program_name(refused):
    refused(lambda b: b.args(""))


def plain_file(b):
    b.file("bin/plain", "text", 0o644)
    b.args("/bin/plain")


@pytest.mark.parametrize("verb", ["create", "run"])
@pytest.mark.parametrize("change, words", [
    (lambda b: b.args("no-such-program"), ["executable file not found in $PATH"]),
    (lambda b: b.args("/no/such/program"), ["/no/such/program", "no such file or directory"]),
    (lambda b: b.args("/etc"), ["/etc"]),
    (plain_file, ["/bin/plain", "permission denied"]),
    (lambda b: b.args("/etc/passwd/sh"), ["/etc/passwd/sh"]),
    (lambda b: b.set("process.env", ["PATH="]).args("sleep"), ["executable file not found in $PATH"])],
    ids=["not-in-path", "missing", "directory", "not-executable", "below-a-file", "empty-path"])
def test_bad_program(refused, change, words, verb):
    refused(change, *words, verb=verb)


@pytest.mark.parametrize("cwd", ["/etc/passwd", "/etc/passwd/x"])
def test_cwd_is_a_file(refused, cwd):
    refused(lambda b: b.set("process.cwd", cwd), "/etc/passwd")


@pytest.mark.parametrize("field", ["uid", "gid"])
def test_user_that_is_not_mapped(refused, field):
    def change(b):
        b.namespace("user").set("process.user." + field, 5000)
        for side in ("uid", "gid"):
            b.set(f"linux.{side}Mappings", [{"containerID": 0, "hostID": 0, "size": 10}])
    refused(change)


def test_user_namespace_without_mappings(refused):
    refused(lambda b: b.namespace("user"))


def test_unknown_capability_is_a_warning(container):
    c = container()
    c.bundle.capabilities(bounding=["CAP_KILL", "CAP_NONSENSE"], effective=["CAP_KILL"], permitted=["CAP_KILL"])
    c.bundle.sh("grep CapBnd /proc/self/status")
    result = c.run()
    assert result.rc == 0
    assert int(result.out.split()[1], 16) == 1 << 5
    assert "CAP_NONSENSE" in result.err


def test_unknown_mount_type(refused):
    result = refused(lambda b: b.mount("/mnt", "none", "nonsensefs"), "/mnt")
    assert "nonsensefs" in result.err or "no such device" in result.err


def test_unknown_mount_option(refused):
    refused(lambda b: b.mount("/mnt", "tmpfs", "tmpfs", ["nonsense=1"]), "/mnt")


def test_missing_mount_source(refused):
    refused(lambda b: b.mount("/mnt", "/no/such/source", options=["bind"]), "/no/such/source")


def test_directory_bound_over_a_file(refused):
    refused(lambda b: b.mount("/etc/passwd", "/etc", options=["bind"]), "/etc/passwd")


@pytest.mark.parametrize("link", ["absolute", "dots"])
def test_mount_target_through_a_link_stays_in_the_root(container, canary, host_unchanged, link):
    c = container()
    target = str(canary) if link == "absolute" else "../" * 12 + str(canary).lstrip("/")
    os.symlink(target, c.bundle.rootfs + "/out")
    c.bundle.mount("/out/new/deep", "tmpfs", "tmpfs")
    created = c.create(check=False)
    if created.ok:
        with open(f"/proc/{c.pid}/mountinfo") as f:
            points = [line.split()[4] for line in f]
        assert f"{canary}/new/deep" in points, "the mount is inside the root, where the link leads there"
    c.delete("--force")
    host_unchanged()


@pytest.mark.parametrize("kind, other", [("network", "ipc"), ("ipc", "uts"), ("pid", "mnt"), ("uts", "net"),
                                         ("mount", "pid"), ("user", "net"), ("cgroup", "uts")])
def test_namespace_of_another_type(refused, kind, other):
    refused(lambda b: b.namespace(kind, f"/proc/self/ns/{other}"))


@wherry_only("wording")
@pytest.mark.parametrize("kind, other", [("network", "ipc"), ("ipc", "uts"), ("mount", "pid")])
def test_namespace_of_another_type_is_named(refused, kind, other):
    refused(lambda b: b.namespace(kind, f"/proc/self/ns/{other}"), kind, f"/proc/self/ns/{other}")


@pytest.mark.parametrize("path", ["/no/such/namespace", "/etc/passwd", "/", "relative"])
def test_namespace_path_is_none(refused, path):
    refused(lambda b: b.namespace("network", path))


def test_namespace_path_with_a_fifo_does_not_hang(refused, tmp_path):
    skip_if("runc", "waits for the FIFO's writer")
    os.mkfifo(tmp_path / "fifo")
    refused(lambda b: b.namespace("network", tmp_path / "fifo"), timeout=5)


BAD_IDS = [".", "..", "../x", "a/b", "a b", "a\nb", "", "-x", "a\tb", "ä", "a:b", "a*", "/etc", "a\\b", "%00",
           ".hidden"]


@pytest.mark.parametrize("verb", ["create", "run"])
@pytest.mark.parametrize("ident", BAD_IDS, ids=repr)
def test_invalid_id(runtime, bundle, host_unchanged, verb, ident):
    if ident == ".hidden":
        skip_if("runc", "takes a leading dot", below=None)
    b = bundle().write()
    result = runtime.run(verb, "--bundle", b.path, ident)
    assert result.rc != 0
    assert runtime.run("list", "-q").out.strip() == ""
    host_unchanged()


@pytest.mark.parametrize("verb", ["state", "start", "kill", "delete", "pause", "exec", "ps"])
@pytest.mark.parametrize("ident", ["../victim", "..", "a/../victim", "."])
def test_an_id_is_never_a_path(runtime, tmp_path, verb, ident):
    os.makedirs(tmp_path / "victim")
    os.makedirs(runtime.root, mode=0o700)
    (tmp_path / "victim" / "state.json").write_text("{}")
    flags = ["--force"] if verb == "delete" else []
    rest = ["true"] if verb == "exec" else []
    assert runtime.run(verb, *flags, ident, *rest).rc != 0
    assert (tmp_path / "victim" / "state.json").read_text() == "{}"


def test_id_that_is_too_long(runtime, bundle, host_unchanged):
    b = bundle().write()
    result = runtime.run("create", "--bundle", b.path, host.PREFIX + "x" * 1025)
    assert result.rc == 1
    host_unchanged()


@pytest.mark.parametrize("suffix", ["", ".with.dots", "_under", "+plus", "-dash-", "UPPER"])
def test_valid_ids(container, bundle, suffix):
    b = bundle()
    c = container(b, b.id + suffix)
    c.create()
    assert c.state()["id"] == b.id + suffix


def test_read_only_state_directory(container, runtime, host_unchanged):
    os.makedirs(runtime.root)
    host.mount("tmpfs", runtime.root, "tmpfs", 1, "mode=700")
    try:
        c = container()
        c.bundle.write()
        result = runtime.run("create", "--bundle", c.bundle.path, c.id)
        assert result.rc == 1
        assert "read-only file system" in result.err.lower()
    finally:
        host.umount(runtime.root)
    host_unchanged()


class TestConsole:
    """The console socket and the terminal property have to agree."""

    def test_absent_socket(self, refused, tmp_path):
        path = str(tmp_path / "console.sock")
        refused(lambda b: b.set("process.terminal", True), "console.sock", flags=["--console-socket", path])

    def test_socket_without_listener(self, refused, tmp_path):
        dead = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        dead.bind(str(tmp_path / "console.sock"))
        dead.close()
        refused(lambda b: b.set("process.terminal", True), "console.sock",
                flags=["--console-socket", str(tmp_path / "console.sock")])

    def test_socket_is_a_file(self, refused, tmp_path):
        (tmp_path / "console.sock").write_text("")
        refused(lambda b: b.set("process.terminal", True), "console.sock",
                flags=["--console-socket", str(tmp_path / "console.sock")])

    def test_terminal_without_socket(self, refused):
        refused(lambda b: b.set("process.terminal", True), "console")

    def test_socket_without_terminal(self, refused, tmp_path):
        refused(lambda b: b, "console", flags=["--console-socket", str(tmp_path / "console.sock")])


HOOKS = ["prestart", "createRuntime", "createContainer"]


@pytest.mark.parametrize("kind", HOOKS)
def test_hook_that_is_missing(refused, kind):
    refused(lambda b: b.set("hooks", {kind: [{"path": "/no/such/hook"}]}), "/no/such/hook")


@pytest.mark.parametrize("kind", HOOKS)
def test_hook_that_fails(refused, kind):
    args = ["sh", "-c", "echo because; exit 3"]
    result = refused(lambda b: b.set("hooks", {kind: [{"path": "/bin/sh", "args": args}]}))
    assert "exit status 3" in result.err or "exited with 3" in result.err or "status 3" in result.err, result


@pytest.mark.parametrize("kind", HOOKS)
def test_hook_that_hangs(refused, kind):
    hook = {"path": "/bin/sleep", "args": ["sleep", "30"], "timeout": 1}
    assert refused(lambda b: b.set("hooks", {kind: [hook]}), timeout=10).seconds < 5


@lacks("runc", "waits for the grandchild that holds its pipe")
def test_hook_that_hangs_with_children(refused):
    hook = {"path": "/bin/sh", "args": ["sh", "-c", "sleep 31 & sleep 32"], "timeout": 1}
    assert refused(lambda b: b.set("hooks", {"prestart": [hook]}), timeout=10).seconds < 3


@wherry_only("which hook")
def test_failing_hook_is_named(refused):
    hooks = {"createRuntime": [{"path": "/bin/true"}, {"path": "/bin/false"}]}
    refused(lambda b: b.set("hooks", hooks), "hooks.createRuntime[1]", "/bin/false")


@pytest.mark.parametrize("flag", ["--pid-file"])
def test_unusable_pid_file(refused, tmp_path, flag):
    refused(lambda b: b, flags=[flag, str(tmp_path)])


ESCAPE = f"/tmp/{host.PREFIX}escape"
CGROUPS = ["/../../.." + ESCAPE, "../x", "/a/../b", "a\nb"]


@pytest.mark.parametrize("path", CGROUPS, ids=["absolute", "relative", "middle", "newline"])
def test_cgroups_path_never_leaves_the_hierarchy(container, host_unchanged, path):
    skip_if("runc", "cleans the path and goes on") if ".." in path else None
    c = container()
    c.bundle.set("linux.cgroupsPath", path)
    result = c.create(check=False)
    assert result.rc == 1, result
    assert not os.path.exists(ESCAPE)
    host_unchanged()


@wherry_only("the release is made up by WHERRY_TEST_KERNEL_RELEASE")
@pytest.mark.parametrize("release", ["5.13.19", "5.4.0-42-generic", "4.19.0", "3.10.0-1160.el7"])
@pytest.mark.parametrize("verb", ["create", "run"])
def test_kernel_too_old(refused, verb, release):
    refused(lambda b: b, release, "5.14", verb=verb, env={"WHERRY_TEST_KERNEL_RELEASE": release})


@wherry_only("the release is made up by WHERRY_TEST_KERNEL_RELEASE")
@pytest.mark.parametrize("release", ["5.14.0", "5.14", "6.0.0-rc1", "10.1.2"])
def test_kernel_new_enough(container, release):
    container().create(env={"WHERRY_TEST_KERNEL_RELEASE": release})
