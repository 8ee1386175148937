"""checkpoint --export and restore --import: a container in one file."""
import json
import os
import pty
import subprocess
import tarfile

import pytest

import host
from checkpoints import CRIU, needs_criu

pytestmark = needs_criu


@pytest.fixture
def counting(saved):
    saved.container.bundle.sh("i=0; while :; do echo $i > /tmp/n; i=$((i+1)); usleep 20000; done")
    saved.up()
    host.wait_until(lambda: count(saved.container.bundle.rootfs) > 2, "the first counts")
    return saved


def count(root):
    try:
        with open(os.path.join(root, "tmp/n")) as f:
            return int(f.read() or -1)
    except (OSError, ValueError):
        return -1


def export(saved, file, *flags, check=True):
    return saved.runtime.run("checkpoint", "--criu", CRIU, "--export", str(file), *flags, saved.container.id, check=check,
                             timeout=60)


def bring_back(saved, file, bundle, *flags, check=True):
    saved._output(kw := {})
    result = saved.runtime.spawn("restore", "--criu", CRIU, "--import", str(file), "--bundle", str(bundle), "--detach", *flags,
                                 saved.container.id, **kw).wait(60)
    result.err = saved.output()
    assert result.rc == 0 or not check, result
    return result


def listing(file):
    return subprocess.run(["tar", "--list", "--file", str(file)], capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.parametrize("suffix, magic", [(".tar", None), (".tar.gz", b"\x1f\x8b"), (".tar.zst", b"\x28\xb5\x2f\xfd")])
def test_there_and_back(counting, tmp_path, suffix, magic):
    file, bundle = tmp_path / ("saved" + suffix), tmp_path / "other"
    export(counting, file)
    assert counting.container.state() is None
    stopped_at = count(counting.container.bundle.rootfs)
    if magic:
        assert file.read_bytes()[:len(magic)] == magic
    assert sorted(os.listdir(tmp_path)).count(file.name) == 1
    assert not [n for n in os.listdir(tmp_path) if n.startswith(file.name) and n != file.name], "something is left"
    bring_back(counting, file, bundle)
    host.wait_until(lambda: count(bundle / "rootfs") > stopped_at, "the count to go on in the new root")
    assert count(counting.container.bundle.rootfs) == stopped_at, "the old root is not touched"
    assert not (bundle / "rootfs-diff.tar").exists()


def test_layout(counting, tmp_path):
    """What checkpointctl and Podman look for."""
    file = tmp_path / "saved.tar"
    export(counting, file)
    names = set(listing(file))
    assert {"config.dump", "spec.dump", "rootfs-diff.tar", "checkpoint/inventory.img", "checkpoint/pstree.img",
            "checkpoint/descriptors.json", "dump.log"} <= names
    with tarfile.open(file) as archive:
        config = json.load(archive.extractfile("config.dump"))
        spec = json.load(archive.extractfile("spec.dump"))
    assert config["id"] == counting.container.id and config["runtime"] == "wherry" and config["createdTime"]
    assert spec["process"]["args"] == counting.container.bundle.get("process.args")


def test_leave_running(counting, tmp_path):
    export(counting, tmp_path / "saved.tar", "--leave-running")
    assert counting.container.status == "running"


def on_a_terminal(call):
    """What call(stderr) writes to a terminal."""
    ours, theirs = pty.openpty()
    try:
        call(theirs)
    finally:
        os.close(theirs)
    text = ""
    try:
        while part := os.read(ours, 4096):
            text += part.decode()
    except OSError:  # the end of a terminal whose other side is closed
        pass
    os.close(ours)
    return text


def test_a_person_is_told_what_is_being_done(counting, tmp_path):
    """On a terminal; a log or a pipe gets nothing (the other tests compare it)."""
    file = tmp_path / "saved.tar.zst"
    told = ["saving the processes", "packing the root file system", "writing the archive"]
    argv = ["checkpoint", "--criu", CRIU, "--export", str(file), counting.container.id]
    text = on_a_terminal(lambda stderr: counting.runtime.run(*argv, stderr=stderr, check=True, timeout=60))
    assert [line.strip() for line in text.splitlines()] == ["wherry: " + words for words in told]
    told = ["reading the archive", "unpacking the root file system", "restoring the processes"]
    argv = ["restore", "--criu", CRIU, "--import", str(file), "--bundle", str(tmp_path / "other"), "--detach", counting.container.id]
    with open(tmp_path / "out", "ab") as out:
        text = on_a_terminal(lambda stderr: counting.runtime.run(*argv, stdout=out, stderr=stderr, timeout=60))
    assert [line.strip() for line in text.splitlines()] == ["wherry: " + words for words in told]


def test_files_come_as_they_were(counting, tmp_path):
    root = counting.container.bundle.rootfs
    os.chown(os.path.join(root, "home/user"), 1234, 4321)
    os.chmod(os.path.join(root, "home/user"), 0o2751)
    os.link(os.path.join(root, "etc/passwd"), os.path.join(root, "etc/passwd2"))
    with open(os.path.join(root, "sparse"), "wb") as f:
        f.truncate(50 << 20)
    os.setxattr(os.path.join(root, "etc/group"), "user.kept", b"value")
    file, bundle = tmp_path / "saved.tar.zst", tmp_path / "other"
    export(counting, file)
    bring_back(counting, file, bundle)
    st = os.stat(bundle / "rootfs/home/user")
    assert (st.st_uid, st.st_gid, st.st_mode & 0o7777) == (1234, 4321, 0o2751)
    assert os.stat(bundle / "rootfs/etc/passwd").st_ino == os.stat(bundle / "rootfs/etc/passwd2").st_ino
    assert os.stat(bundle / "rootfs/sparse").st_blocks < 1000
    assert os.getxattr(bundle / "rootfs/etc/group", "user.kept") == b"value"


def test_without_the_root(counting, tmp_path, host_unchanged):
    file = tmp_path / "saved.tar"
    export(counting, file, "--ignore-rootfs")
    assert "rootfs-diff.tar" not in listing(file)
    result = bring_back(counting, file, tmp_path / "other", check=False)
    assert result.rc == 1 and "rootfs-diff.tar" in result.err
    assert not (tmp_path / "other").exists()


def test_a_file_that_is_there(counting, tmp_path):
    (tmp_path / "saved.tar").write_text("mine")
    result = export(counting, tmp_path / "saved.tar", check=False)
    assert result.rc == 1 and "saved.tar" in result.err
    assert (tmp_path / "saved.tar").read_text() == "mine"
    assert counting.container.status == "running"


def test_a_full_disk(counting, tmp_path):
    """The archive does not fit: the container runs on, and nothing is left."""
    small = tmp_path / "small"
    small.mkdir()
    host.mount("tmpfs", small, "tmpfs", data="size=1500k")
    try:
        result = export(counting, small / "saved.tar", check=False)
        assert result.rc == 1 and "root file system" in result.err
        assert os.listdir(small) == []
        before = count(counting.container.bundle.rootfs)
        host.wait_until(lambda: count(counting.container.bundle.rootfs) > before, "it to go on")
    finally:
        host.umount(small)


def test_a_bundle_that_is_there(counting, tmp_path):
    file = tmp_path / "saved.tar"
    export(counting, file)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine").write_text("mine")
    result = bring_back(counting, file, tmp_path / "other", check=False)
    assert result.rc == 1 and "other" in result.err
    assert (tmp_path / "other" / "mine").read_text() == "mine"


@pytest.mark.parametrize("how", ["missing", "text", "cut"])
def test_a_damaged_archive(counting, tmp_path, how, host_unchanged):
    file = tmp_path / "saved.tar.zst"
    export(counting, file)
    if how == "missing":
        file.unlink()
    elif how == "text":
        file.write_text("no archive\n")
    else:
        file.write_bytes(file.read_bytes()[:20000])
    result = bring_back(counting, file, tmp_path / "other", check=False)
    assert result.rc == 1 and "archive" in result.err
    assert not (tmp_path / "other").exists()
    host_unchanged()
