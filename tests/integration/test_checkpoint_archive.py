"""checkpoint --export and restore --import: a container in one file."""
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import tarfile

import pytest

import host
from checkpoints import CRIU, needs_criu
from test_checkpoint_killed import no_criu

pytestmark = needs_criu

READ_ONLY = 1  # MS_RDONLY


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


FILES = {"config.dump", "spec.dump", "rootfs-diff.tar", "dump.log"}
"""Besides the image. What Podman has and a bundle has not: network.status, deleted.files, volumes/, devshm-checkpoint.tar."""
IMAGES = {"inventory.img", "pstree.img", "core-1.img", "mm-1.img", "pagemap-1.img", "pages-1.img", "files.img", "fs-1.img", "ids-1.img",
          "descriptors.json", "wherry.json"}
"""What checkpointctl asks an image for, and what a restore does."""
CONFIG_KEYS = {"id", "name", "rootfsImageName", "runtime", "createdTime", "checkpointedTime"}
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


def members(file):
    """{name: TarInfo} of an archive that is not compressed."""
    with tarfile.open(file) as archive:
        found = archive.getmembers()
    assert len({m.name for m in found}) == len(found), "a name comes twice"
    return {m.name: m for m in found}


def json_of(file, name):
    with tarfile.open(file) as archive:
        return json.load(archive.extractfile(name))


@pytest.mark.parametrize("flags", [(), ("--leave-running",), ("--ignore-rootfs",)])
def test_layout(counting, tmp_path, flags):
    """What checkpointctl and Podman look for, and no more. CRIU's statistics are not there before it lets go what it saves."""
    file = tmp_path / "saved.tar"
    export(counting, file, *flags)
    found = members(file)
    images = {name.partition("/")[2] for name in found if name.startswith("checkpoint/")}
    expected = FILES | ({"stats-dump"} if flags == ("--leave-running",) else set())
    assert {name for name in found if "/" not in name} == expected - set(flags and flags[0] == "--ignore-rootfs" and
                                                                        ["rootfs-diff.tar"] or []) | {"checkpoint"}
    assert IMAGES <= images and not [name for name in images if "/" in name]
    assert found.pop("checkpoint").isdir()
    assert all(m.isreg() and m.uid == m.gid == 0 for m in found.values())


def test_config_dump(counting, tmp_path):
    """The keys of checkpointctl's metadata.ContainerConfig, whose times Go parses."""
    file = tmp_path / "saved.tar"
    export(counting, file)
    config = json_of(file, "config.dump")
    assert set(config) == CONFIG_KEYS
    assert (config["id"], config["name"], config["runtime"]) == (counting.container.id, counting.container.id, "wherry")
    assert config["rootfsImageName"] == ""
    assert RFC3339.fullmatch(config["createdTime"]) and RFC3339.fullmatch(config["checkpointedTime"])
    assert config["createdTime"][:19] <= config["checkpointedTime"][:19]


def test_spec_dump(counting, tmp_path):
    """The configuration, as any reader of one takes it; checkpointctl asks for annotations and mounts."""
    counting.container.delete("--force")
    counting.container.bundle.set("annotations", {"org.example": "kept"})
    counting.up()
    file = tmp_path / "saved.tar"
    export(counting, file)
    spec, bundle = json_of(file, "spec.dump"), counting.container.bundle
    for key in ("ociVersion", "annotations", "hostname", "mounts"):
        assert spec[key] == bundle.get(key), key
    for key in ("args", "env", "cwd", "user"):
        assert spec["process"][key] == bundle.get("process." + key), key
    other = tmp_path / "other"
    (other / "rootfs").mkdir(parents=True)
    (other / "config.json").write_text(json.dumps(spec))
    counting.runtime.run("plan", str(other), check=True)


def test_rootfs_diff(counting, tmp_path):
    """All of the root, as Podman's reader knows it: pax headers say where a file has holes, and what attributes it has."""
    root = counting.container.bundle.rootfs
    with open(os.path.join(root, "sparse"), "wb") as f:
        f.truncate(50 << 20)
    os.setxattr(os.path.join(root, "etc/group"), "user.kept", b"value")
    file = tmp_path / "saved.tar"
    export(counting, file)
    with tarfile.open(file) as archive, tarfile.open(fileobj=archive.extractfile("rootfs-diff.tar")) as inner:
        found = {m.name: m for m in inner.getmembers()}
    on_disk = {"."} | {os.path.relpath(os.path.join(at, name), root) for at, dirs, names in os.walk(root) for name in dirs + names}
    assert {os.path.normpath(name) for name in found} == on_disk
    assert not [m for m in found.values() if m.type == tarfile.GNUTYPE_SPARSE]
    assert found["./sparse"].pax_headers["GNU.sparse.realsize"] == str(50 << 20)
    assert found["./etc/group"].pax_headers["SCHILY.xattr.user.kept"] == "value"


def test_only_its_owner_reads_it(counting, tmp_path):
    """All of the container's memory is in it."""
    file = tmp_path / "saved.tar"
    export(counting, file)
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(shutil.which("checkpointctl") is None, reason="no checkpointctl: Debian has it from 13 on")
@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".tar.zst"])
def test_checkpointctl(counting, tmp_path, suffix):
    """Every view of it. --stats, and so --all, want CRIU's statistics."""
    def ask(*args):
        return subprocess.run(["checkpointctl", *args, str(file)], capture_output=True, text=True, check=True, timeout=60).stdout

    file = tmp_path / ("saved" + suffix)
    export(counting, file, "--leave-running")
    assert re.search(rf"{counting.container.id[:12]} +wherry ", ask("show"))
    seen = json.loads(ask("inspect", "--all", "--format", "json"))[0]
    assert (seen["id"], seen["runtime"]) == (counting.container.id, "wherry")
    assert seen["checkpoint_size"]["memory_pages_size"] > 0 and seen["checkpoint_size"]["root_fs_diff_size"] > 0
    assert seen["statistics"]["pages_written"] > 0
    assert seen["process_tree"]["pid"] == 1
    file.unlink()
    export(counting, file)
    seen = json.loads(ask("inspect", "--ps-tree", "--files", "--sockets", "--mounts", "--metadata", "--format", "json"))[0]
    assert {"/proc", "/dev"} <= {m["destination"] for m in seen["mounts"]}
    ask("memparse")


IMAGE = "5d1f" * 16


def test_for_podman(counting, tmp_path):
    """An image, by its id, and the root's mode that Podman gives every root."""
    file, root = tmp_path / "saved.tar", counting.container.bundle.rootfs
    os.chmod(root, 0o755)
    result = export(counting, file, "--podman-image", IMAGE, check=False)
    assert result.rc == 1 and f"chmod 555 {root}" in result.err and not file.exists()
    os.chmod(root, 0o555)
    export(counting, file, "--podman-image", "sha256:" + IMAGE)
    config = json_of(file, "config.dump")
    assert set(config) == CONFIG_KEYS | {"rootfsImageID"}
    assert (config["rootfsImageID"], config["rootfsImageName"]) == (IMAGE, IMAGE)
    bring_back(counting, file, tmp_path / "other")


@pytest.mark.parametrize("flags, words", [
    (("--podman-image", "web"), "podman images --no-trunc"),
    (("--podman-image", IMAGE[:-1]), "podman images --no-trunc"),
    (("--podman-image", IMAGE, "--ignore-rootfs"), "without --ignore-rootfs"),
])
def test_for_podman_refused(counting, tmp_path, flags, words):
    result = export(counting, tmp_path / "saved.tar", *flags, check=False)
    assert result.rc == 1 and words in result.err
    assert counting.container.status == "running" and not os.path.exists(tmp_path / "saved.tar")


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


def assert_goes_on(counting):
    assert counting.container.status == "running"
    before = count(counting.container.bundle.rootfs)
    host.wait_until(lambda: count(counting.container.bundle.rootfs) > before, "it to go on")


@pytest.fixture
def small(tmp_path):
    """small(size): a directory of its own file system with so much room."""
    made = []

    def make(size, flags=0):
        made.append(tmp_path / f"small{len(made)}")
        made[-1].mkdir()
        host.mount("tmpfs", made[-1], "tmpfs", flags, data=f"size={size}")
        return made[-1]

    yield make
    for top in made:
        host.umount(top)


@pytest.mark.parametrize("size, at", [("100k", "CRIU"), ("1500k", "pack the root file system"), ("3000k", "write the archive")])
def test_a_full_disk(counting, small, size, at):
    """The archive does not fit: the container runs on, and nothing is left."""
    top = small(size)
    result = export(counting, top / "saved.tar", check=False)
    assert result.rc == 1 and len(result.err.splitlines()) == 1, result
    assert "o room" in result.err or "No space left" in result.err or at == "CRIU", result
    assert at in result.err or at == "CRIU", result
    assert os.listdir(top) == []
    assert_goes_on(counting)


@pytest.mark.parametrize("place", ["read-only/saved.tar", "missing/saved.tar", "file/saved.tar", "link.tar", "directory", "directory/"])
def test_a_place_that_it_cannot_take(counting, tmp_path, small, place):
    """Found out before the container stands still; a link that leads nowhere is somebody's, too."""
    if place.startswith("read-only"):
        os.symlink(small("1m", READ_ONLY), tmp_path / "read-only")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "directory").mkdir()
    os.symlink(tmp_path / "nowhere", tmp_path / "link.tar")
    before = sorted(os.listdir(tmp_path))
    result = export(counting, f"{tmp_path}/{place}", check=False)
    assert result.rc == 1 and len(result.err.splitlines()) == 1 and "--export" in result.err, result
    assert sorted(os.listdir(tmp_path)) == before and os.listdir(tmp_path / "directory") == []
    assert_goes_on(counting)


def test_a_compressor_that_is_missing(counting, tmp_path):
    counting.on_a_host(f"mount --bind /dev/null {os.path.realpath(shutil.which('zstd'))}")
    result = export(counting, tmp_path / "saved.tar.zst", check=False)
    assert result.rc == 1 and "zstd is not installed" in result.err, result
    assert not [n for n in os.listdir(tmp_path) if n.startswith("saved.tar")]
    assert_goes_on(counting)


def test_a_place_that_was_taken_meanwhile(counting, tmp_path):
    """Nobody's file is replaced, and the container runs on."""
    file = tmp_path / "saved.tar"
    fill(counting, 64)
    process = spawn_export(counting, file)
    host.wait_until(lambda: staged(tmp_path, "rootfs-diff.tar"), "the root to be packed", 30)
    file.write_text("mine")
    result = process.wait(60)
    assert result.rc == 1 and "saved.tar" in result.err and file.read_text() == "mine"
    assert [n for n in os.listdir(tmp_path) if n.startswith("saved.tar")] == ["saved.tar"]
    assert_goes_on(counting)


def fill(counting, mib):
    """Files that take a while."""
    with open(os.path.join(counting.container.bundle.rootfs, "filler"), "wb") as f:
        for _ in range(mib):
            f.write(os.urandom(1 << 20))


def spawn_export(counting, file):
    return counting.runtime.spawn("checkpoint", "--criu", CRIU, "--export", str(file), counting.container.id)


def staged(top, name):
    return [n for n in os.listdir(top) if n.startswith("saved.tar") and os.path.exists(os.path.join(top, n, name))]


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("at", ["rootfs-diff.tar", "archive"])
def test_export_interrupted(counting, tmp_path, at, sig):
    """While tar is at work, which has a session of its own."""
    fill(counting, 128)
    process = spawn_export(counting, tmp_path / "saved.tar.zst")
    host.wait_until(lambda: staged(tmp_path, at), f"{at} to be written", 30)
    process.kill(sig)
    result = process.wait(30)
    assert result.rc == 1 and f"interrupted by signal {sig.value}" in result.err, result
    assert not [n for n in os.listdir(tmp_path) if n.startswith("saved.tar")]
    assert_goes_on(counting)


def test_export_killed(counting, tmp_path):
    """Its directory is all that is left; the same name can be tried again."""
    file = tmp_path / "saved.tar"
    fill(counting, 128)
    process = spawn_export(counting, file)
    host.wait_until(lambda: staged(tmp_path, "rootfs-diff.tar"), "the root to be packed", 30)
    process.kill()
    process.popen.wait(10)
    assert_goes_on(counting)
    assert not file.exists() and len([n for n in os.listdir(tmp_path) if n.startswith("saved.tar")]) == 1
    host.wait_until(no_criu, "CRIU and the guard to end", 20)
    export(counting, file)


@pytest.mark.skipif(shutil.which("strace") is None, reason="no strace")
def test_a_file_system_without_hard_links(counting, tmp_path):
    file = tmp_path / "saved.tar"
    argv = counting.runtime.argv("checkpoint", "--criu", CRIU, "--export", str(file), counting.container.id)
    done = subprocess.run(["strace", "-o", str(tmp_path / "strace"), "-e", "trace=linkat", "-e", "inject=linkat:error=EPERM", *argv],
                          timeout=60, capture_output=True, text=True, env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"))
    assert done.returncode == 0 and file.exists() and counting.container.state() is None, done
    bring_back(counting, file, tmp_path / "other")


@pytest.mark.skipif(shutil.which("strace") is None, reason="no strace")
@pytest.mark.parametrize("nth", [1, 2])
def test_a_disk_that_does_not_keep_it(counting, tmp_path, nth):
    """The file, or its name."""
    file = tmp_path / "saved.tar"
    argv = counting.runtime.argv("checkpoint", "--criu", CRIU, "--export", str(file), counting.container.id)
    done = subprocess.run(["strace", "-o", str(tmp_path / "strace"), "-e", "trace=fsync", "-e", f"inject=fsync:error=EIO:when={nth}",
                           *argv], timeout=60, capture_output=True, text=True, env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"))
    assert done.returncode == 1 and "to the disk" in done.stderr, done
    assert not [n for n in os.listdir(tmp_path) if n.startswith("saved.tar")]
    assert_goes_on(counting)


@pytest.mark.skipif(shutil.which("strace") is None, reason="no strace")
def test_it_is_on_the_disk_before_the_container_ends(counting, tmp_path):
    """The file, then its name, then CRIU's answer."""
    file, log = tmp_path / "saved.tar", tmp_path / "strace"
    argv = counting.runtime.argv("checkpoint", "--criu", CRIU, "--export", str(file), counting.container.id)
    subprocess.run(["strace", "-y", "-o", str(log), "-e", "trace=fsync,link,linkat,rename,renameat,sendmsg,sendto", *argv], check=True,
                   timeout=60, capture_output=True, env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"))
    order = [re.match(r"(\w+)\((?:\d+<(.*?)>)?", line) for line in log.read_text().splitlines()]
    calls = [(m.group(1), m.group(2) or "") for m in order if m]
    synced = [i for i, (call, path) in enumerate(calls) if call == "fsync"]
    placed = [i for i, (call, _) in enumerate(calls) if call in ("linkat", "link", "renameat", "rename")]
    assert [calls[i][1].rsplit("/", 1)[-1] for i in synced] == ["archive", tmp_path.name]
    assert synced[0] < placed[-1] < synced[1]
    assert [i for i, (call, _) in enumerate(calls) if call.startswith("send") and i > synced[1]], "CRIU is answered after it"


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
