# SPDX-License-Identifier: Apache-2.0
"""SELinux with Debian's policy loaded: the labels that a document names are the kernel's, of processes, mounts and keyrings. The
machine is permissive, since its files have no labels; what a label keeps apart is tried with enforcing switched on for a moment."""
import contextlib
import json
import os

import pytest

import host
from checkpoints import CRIU, Saved
from containers import assert_refused

LABEL = "system_u:system_r:container_t:s0:c11,c12"
OTHER = "system_u:system_r:container_t:s0:c21,c22"
UNKNOWN = "system_u:system_r:no_such_type_t:s0"
FILES = "system_u:object_r:container_file_t:s0:c11,c12"
SELINUX = "/sys/fs/selinux"


def _of_process(pid, kind="current"):
    with open(f"/proc/{pid}/attr/{kind}") as file:
        return file.read().rstrip("\0\n")


def _of_file(path):
    return os.getxattr(path, "security.selinux", follow_symlinks=False).decode().rstrip("\0")


def _mounts(c):
    """Mount point in the container: what its super-block's options are."""
    with open(f"/proc/{c.pid}/mountinfo") as file:
        return {line.split()[4]: line.rstrip("\n").split(" - ")[1].split(" ", 2)[2] for line in file}


@pytest.fixture(scope="module", autouse=True)
def policy():
    if not os.path.exists("/etc/selinux/default/policy"):
        pytest.skip("this machine's Debian has no policy")


@contextlib.contextmanager
def enforcing():
    def switch(text):
        with open(f"{SELINUX}/enforce", "w") as file:
            file.write(text)
    switch("1")
    try:
        yield
    finally:
        switch("0")


@pytest.fixture
def labelled(container):
    c = container()
    c.bundle.set("process.selinuxLabel", LABEL)
    return c


# --- the host --------------------------------------------------------------------------------------------------


def test_a_policy_is_loaded():
    with open(f"{SELINUX}/policyvers") as version, open(f"{SELINUX}/enforce") as enforce:
        assert int(version.read()) >= 33 and enforce.read() == "0"
    with open(f"{SELINUX}/context", "r+b", buffering=0) as check:
        check.write(LABEL.encode())
        with pytest.raises(OSError):
            check.write(UNKNOWN.encode())


def test_features_says_that_it_is_there(runtime):
    assert runtime.run("features", check=True).json()["linux"]["selinux"]["enabled"] is True


# --- process.selinuxLabel ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("no_new_privileges", [False, True])
def test_the_program_has_the_label(labelled, no_new_privileges):
    labelled.bundle.set("process.noNewPrivileges", no_new_privileges)
    labelled.up()
    assert _of_process(labelled.pid) == LABEL
    assert labelled.sh("cat /proc/1/attr/current /proc/self/attr/current").replace("\0", "\n").split() == [LABEL, LABEL]


def test_without_a_label_it_has_the_callers(container):
    c = container()
    c.up()
    assert _of_process(c.pid) == _of_process("self")


def test_a_user_namespace(labelled):
    labelled.bundle.map_ids()
    labelled.up()
    assert _of_process(labelled.pid) == LABEL


def test_a_process_of_exec_has_the_documents_label(labelled):
    labelled.up()
    assert labelled.sh("cat /proc/self/attr/current").rstrip("\0\n") == LABEL


@pytest.mark.skipif(CRIU is None, reason="no CRIU 4 on this host: tools/criu fetches one")
def test_a_process_that_lost_its_label_is_not_restored(labelled, tmp_path):
    """Debian's CRIU knows nothing of SELinux: what it restores has the label of who restores it."""
    saved = Saved(labelled, tmp_path)
    labelled.bundle.sh("while :; do usleep 50000; done")
    saved.up()
    saved.checkpoint(timeout=120)
    result = saved.restore(check=False, timeout=120)
    assert result.rc == 1 and f"process.selinuxLabel '{LABEL}'" in result.err and _of_process("self") in result.err, result
    assert labelled.state() is None
    labelled.bundle.drop("process.selinuxLabel").write()
    saved.restore(timeout=120)
    assert _of_process(labelled.pid) == _of_process("self")


@pytest.mark.parametrize("documents", [LABEL, None])
def test_exec_with_a_label_of_its_own(container, documents):
    c = container()
    if documents:
        c.bundle.set("process.selinuxLabel", documents)
    c.up()
    done = c.exec("cat", "/proc/self/attr/current", flags=["--process-label", OTHER], check=True)
    assert done.out.rstrip("\0\n") == OTHER
    assert _of_process(c.pid) == (documents or _of_process("self"))


def test_nothing_is_left_for_what_the_program_makes(labelled):
    labelled.up()
    assert {kind: _of_process(labelled.pid, kind) for kind in ("exec", "fscreate", "keycreate", "sockcreate")} == dict.fromkeys(
        ("exec", "fscreate", "keycreate", "sockcreate"), "")


@pytest.mark.parametrize("flags", [[], ["--no-new-keyring"]], ids=["keyring", "no-keyring"])
@pytest.mark.parametrize("label", [UNKNOWN, "nonsense", "system_u:system_r:container_t:s0:c9999"])
def test_a_label_that_the_policy_does_not_know(container, label, flags):
    c = container()
    c.bundle.set("process.selinuxLabel", label)
    done = assert_refused(c, "process.selinuxLabel", label, "Invalid argument", flags=flags)
    assert len(done.err.splitlines()) == 1, done


def test_exec_with_a_label_that_the_policy_does_not_know(labelled):
    labelled.up()
    done = labelled.exec("true", flags=["--process-label", UNKNOWN])
    assert done.rc == 255 and UNKNOWN in done.err and "selinuxLabel" in done.err and len(done.err.splitlines()) == 1, done
    assert labelled.status == "running"


# --- the session keyring -------------------------------------------------------------------------------------------


def test_the_session_keyring_has_the_programs_label(labelled, helper):
    """It is made by wherry, which is another domain: a confined program could not use a ring of that."""
    labelled.bundle.args(labelled.bundle.install(helper("keyring_label")))
    assert labelled.run(check=True).out == LABEL + "\n"


def test_exec_joins_the_ring(labelled, helper):
    program = labelled.bundle.install(helper("keyring_label"))
    labelled.up()
    assert labelled.exec(program, check=True).out == LABEL + "\n"
    assert labelled.exec(program, flags=["--process-label", OTHER], check=True).out == LABEL + "\n"


# --- linux.mountLabel ----------------------------------------------------------------------------------------------


def test_mounts_have_the_mount_label(container):
    c = container()
    c.bundle.set("linux.mountLabel", FILES).mount("/scratch", "tmpfs", "tmpfs", ["tmpcopyup"])
    c.bundle.file("scratch/copied", "from below")
    c.up()
    root = f"/proc/{c.pid}/root"
    mounts = _mounts(c)
    for point in ("/dev", "/dev/shm", "/dev/pts", "/scratch"):
        assert f'context="{FILES}"' in mounts[point], mounts[point]
    c.sh("echo new >/scratch/new; echo new >/dev/shm/new")
    for path in ("/dev", "/dev/null", "/dev/pts", "/dev/pts/ptmx", "/dev/shm/new", "/dev/mqueue", "/scratch/new", "/scratch/copied"):
        assert _of_file(root + path) == FILES, path


def test_what_the_policy_decides_about_is_left_to_it(container):
    c = container()
    c.bundle.set("linux.mountLabel", FILES).namespace("cgroup").mount("/sys/fs/cgroup", "cgroup", "cgroup", ["ro"])
    c.up()
    root = f"/proc/{c.pid}/root"
    for path, kind in (("/proc", "proc_t"), ("/sys", "sysfs_t"), ("/sys/fs/cgroup", "cgroup_t")):
        assert _of_file(root + path).split(":")[2] == kind, path


def test_a_bind_mount_keeps_its_labels(container, tmp_path):
    before = _of_file(str(tmp_path))
    c = container()
    c.bundle.set("linux.mountLabel", FILES).mount("/bound", str(tmp_path), options=["bind"])
    c.up()
    assert _of_file(f"/proc/{c.pid}/root/bound") == before == _of_file(str(tmp_path)) != FILES


def test_a_late_mount_has_the_mount_label(container, runtime, tmp_path):
    c = container()
    c.bundle.set("linux.mountLabel", FILES)
    c.up()
    document = tmp_path / "late.json"
    document.write_text(json.dumps([{"destination": "/late", "type": "tmpfs", "source": "tmpfs"}]))
    runtime.run("mounts", "add", c.id, document, check=True)
    assert f'context="{FILES}"' in _mounts(c)["/late"]


@pytest.mark.parametrize("kind", ["tmpfs", "devpts", "mqueue"])
def test_a_mount_label_that_the_policy_does_not_know(container, kind):
    c = container()
    c.bundle.set("linux.mountLabel", "system_u:object_r:no_such_type_t:s0:c1,c2")
    c.bundle.set("mounts", [m for m in c.bundle.config["mounts"] if m["type"] in ("proc", "sysfs")])
    c.bundle.mount("/q", kind, kind)
    done = assert_refused(c, "mounts[2]", "linux.mountLabel", "no_such_type_t")
    assert len(done.err.splitlines()) == 1, done


# --- and it counts -------------------------------------------------------------------------------------------------


WATCH = """exec >/log
while :; do
    for f in own others hosts; do if cat /$f >/dev/null 2>&1; then echo $f open; else echo $f shut; fi; done
    sleep 0.2
done"""


def test_the_labels_keep_containers_and_the_host_apart(labelled):
    """Enforced: the program reads what is its categories', neither what is another container's nor what is the host's."""
    files = {"own": FILES, "others": FILES.replace("c11,c12", "c21,c22"), "hosts": "system_u:object_r:shadow_t:s0"}
    for name in files:
        labelled.bundle.file(name, name)
    log = labelled.bundle.file("log")
    for directory, folders, names in os.walk(labelled.bundle.rootfs):
        for name in [".", *folders, *names]:
            label = files.get(name, FILES)
            os.setxattr(os.path.join(directory, name), "security.selinux", label.encode() + b"\0", follow_symlinks=False)
    labelled.bundle.set("linux.mountLabel", FILES).sh(WATCH)
    labelled.up()

    def said():
        with open(log) as file:
            return file.read()

    host.wait_until(lambda: "hosts open" in said(), "a permissive kernel to let it read all", 30)
    seen = len(said())
    with enforcing():
        host.wait_until(lambda: "hosts shut" in said()[seen:], "the host's file to be shut", 30)
    assert {"own open", "others shut"} <= set(said()[seen:].splitlines()) and "own shut" not in said()
