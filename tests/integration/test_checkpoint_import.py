"""restore --import of archives that are damaged, too large, or made to write elsewhere."""
import io
import os
import signal
import stat
import subprocess
import tarfile

import pytest

import host
from checkpoints import CRIU, needs_criu
from test_checkpoint_archive import READ_ONLY, bring_back, count, counting, export, fill, small  # noqa: F401 (fixtures)

pytestmark = needs_criu


@pytest.fixture
def archive(counting, tmp_path):
    """A good one, of a container that has ended."""
    file = tmp_path / "saved.tar"
    export(counting, file)
    return file


def entry(name, kind=tarfile.REGTYPE, link="", data=b"", **more):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size, info.mode = kind, link, len(data), 0o644
    for key, value in more.items():
        setattr(info, key, value)
    return info, data


def rewrite(source, target, *extra, without=(), first=False, change=None):
    """target is source with other members: extra ones before or after its own, none of without; change(name, data) is what a
    file has."""
    with tarfile.open(source) as old, tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as new:
        def add(info, data):
            new.addfile(info, io.BytesIO(data) if info.isreg() else None)

        for info, data in extra if first else ():
            add(info, data)
        for info in old.getmembers():
            if info.name in without:
                continue
            data = old.extractfile(info).read() if info.isreg() else b""
            data = change(info.name, data) if change else data
            info.size = len(data)
            add(info, data)
        for info, data in () if first else extra:
            add(info, data)
    return target


def in_root(archive, target, *extra):
    """The same for what is in rootfs-diff.tar."""
    def change(name, data):
        if name != "rootfs-diff.tar":
            return data
        buffer = io.BytesIO(data)
        with tarfile.open(fileobj=buffer, mode="a", format=tarfile.PAX_FORMAT) as inner:
            for info, content in extra:
                inner.addfile(info, io.BytesIO(content) if info.isreg() else None)
        return buffer.getvalue()
    return rewrite(archive, target, change=change)


def assert_refused(counting, file, bundle, *words):
    result = bring_back(counting, file, bundle, check=False)
    assert result.rc == 1 and len(result.err.splitlines()) == 1, result
    assert all(word in result.err for word in words), result
    assert not os.path.lexists(bundle)
    assert counting.container.state() is None
    return result


OUTSIDE = [
    ("parent", [entry("../canary/new", data=b"x")]),
    ("parent below", [entry("checkpoint/../../canary/f", data=b"x")]),
    ("link to a directory", [entry("checkpoint/way", tarfile.SYMTYPE, "{canary}"), entry("checkpoint/way/f", data=b"x")]),
    ("relative link", [entry("checkpoint/way", tarfile.SYMTYPE, "../../canary"), entry("checkpoint/way/f", data=b"x")]),
    ("link to a file", [entry("way", tarfile.SYMTYPE, "{canary}/f"), entry("way", data=b"x")]),
    ("two links", [entry("a", tarfile.SYMTYPE, "."), entry("a/b", tarfile.SYMTYPE, ".."), entry("a/b/canary/f", data=b"x")]),
    ("hard link", [entry("checkpoint/way", tarfile.LNKTYPE, "../canary/f"), entry("checkpoint/way", data=b"x")]),
    ("absolute hard link", [entry("checkpoint/way", tarfile.LNKTYPE, "{canary}/f"), entry("checkpoint/way", data=b"x")]),
    ("hard link by a link", [entry("a", tarfile.SYMTYPE, "{canary}"), entry("b", tarfile.LNKTYPE, "a/f"), entry("b", data=b"x")]),
]


def aim(entries, canary):
    for info, data in entries:
        made = tarfile.TarInfo(info.name)
        made.type, made.size, made.mode = info.type, len(data), 0o644
        made.linkname = info.linkname.format(canary=canary)
        yield made, data


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("entries", [row[1] for row in OUTSIDE], ids=[row[0] for row in OUTSIDE])
def test_members_that_lead_out(counting, archive, tmp_path, canary, entries, first, host_unchanged):
    """`canary` is beside the bundle; it compares itself afterwards."""
    bad = rewrite(archive, tmp_path / "bad.tar", *aim(entries, canary), first=first)
    assert_refused(counting, bad, tmp_path / "other")
    host_unchanged()


@pytest.mark.parametrize("entries", [row[1] for row in OUTSIDE], ids=[row[0] for row in OUTSIDE])
def test_members_of_the_root_that_lead_out(counting, archive, tmp_path, canary, entries):
    """A root may have any links in it: they lead nowhere while it is unpacked. Some are refused, and none is followed."""
    bad = in_root(archive, tmp_path / "bad.tar", *aim(entries, canary))
    result = bring_back(counting, bad, tmp_path / "other", check=False)
    if result.rc:
        assert not (tmp_path / "other").exists() and counting.container.state() is None


def test_absolute_names_are_those_of_the_root(counting, archive, tmp_path, canary):
    bad = in_root(archive, tmp_path / "bad.tar", entry(f"{canary}/f", data=b"x"))
    bring_back(counting, bad, tmp_path / "other")
    assert os.path.exists(f"{tmp_path}/other/rootfs{canary}/f")


FOREIGN = [
    ("a symbolic link in the image", entry("checkpoint/x.img", tarfile.SYMTYPE, "/etc/passwd")),
    ("a hard link in the image", entry("checkpoint/x.img", tarfile.LNKTYPE, "checkpoint/inventory.img")),
    ("a device", entry("checkpoint/x.img", tarfile.BLKTYPE, devmajor=7, devminor=0)),
    ("a device beside it", entry("device", tarfile.CHRTYPE, devmajor=1, devminor=3)),
    ("a FIFO", entry("checkpoint/x.img", tarfile.FIFOTYPE)),
    ("a directory in the image", entry("checkpoint/dir", tarfile.DIRTYPE)),
    ("a configuration", entry("config.json", data=b"{}")),
    ("a root", entry("rootfs", tarfile.SYMTYPE, "/")),
    ("Podman's", entry("network.status", data=b"{}")),
]


@pytest.mark.parametrize("extra", [row[1] for row in FOREIGN], ids=[row[0] for row in FOREIGN])
def test_members_that_an_export_has_not(counting, archive, tmp_path, extra):
    bad = rewrite(archive, tmp_path / "bad.tar", extra)
    assert_refused(counting, bad, tmp_path / "other", "member", os.path.basename(extra[0].name), "none of checkpoint --export")


@pytest.mark.parametrize("name, kind, target", [
    ("spec.dump", tarfile.SYMTYPE, "/etc/passwd"), ("config.dump", tarfile.FIFOTYPE, ""), ("rootfs-diff.tar", tarfile.SYMTYPE, "/dev/zero"),
    ("dump.log", tarfile.SYMTYPE, "/etc/passwd"), ("spec.dump", tarfile.DIRTYPE, ""),
])
def test_members_of_another_kind(counting, archive, tmp_path, name, kind, target):
    bad = rewrite(archive, tmp_path / "bad.tar", entry(name, kind, target), without=(name,))
    assert_refused(counting, bad, tmp_path / "other", f"member '{name}'")


def test_an_image_that_is_elsewhere(counting, archive, tmp_path, canary):
    """CRIU would write its log there."""
    names = [m for m in tarfile.open(archive).getnames() if m.split("/")[0] == "checkpoint"]
    bad = rewrite(archive, tmp_path / "bad.tar", entry("checkpoint", tarfile.SYMTYPE, str(canary)), without=names)
    assert_refused(counting, bad, tmp_path / "other", "member 'checkpoint'")


@pytest.mark.parametrize("name", ["spec.dump", "checkpoint", "checkpoint/wherry.json", "rootfs-diff.tar"])
def test_a_member_that_is_missing(counting, archive, tmp_path, name):
    names = [m for m in tarfile.open(archive).getnames() if m == name or m.startswith(name + "/")]
    bad = rewrite(archive, tmp_path / "bad.tar", without=names)
    assert_refused(counting, bad, tmp_path / "other", os.path.basename(name))


def test_devices_and_modes_of_the_root(counting, archive, tmp_path):
    """It is the container's: what it had there it has again."""
    good = in_root(archive, tmp_path / "good.tar", entry("./null", tarfile.CHRTYPE, devmajor=1, devminor=3),
                   entry("./fifo", tarfile.FIFOTYPE), entry("./setuid", data=b"x", mode=0o4755))
    bring_back(counting, good, tmp_path / "other")
    root = tmp_path / "other" / "rootfs"
    assert stat.S_ISCHR(os.lstat(root / "null").st_mode) and stat.S_ISFIFO(os.lstat(root / "fifo").st_mode)
    assert os.lstat(root / "setuid").st_mode & 0o7777 == 0o4755


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".tar.zst"])
@pytest.mark.parametrize("part", [0, 0.3, 0.9])
def test_a_part_of_an_archive(counting, tmp_path, suffix, part, host_unchanged):
    """Found before the bundle is made."""
    file = tmp_path / ("saved" + suffix)
    export(counting, file)
    os.truncate(file, int(file.stat().st_size * part))
    assert_refused(counting, file, tmp_path / "other", "read the archive")
    host_unchanged()


@pytest.mark.parametrize("suffix", [".tar.gz", ".tar.zst"])
def test_a_changed_byte(counting, tmp_path, suffix):
    file = tmp_path / ("saved" + suffix)
    export(counting, file)
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0x55
    file.write_bytes(data)
    assert_refused(counting, file, tmp_path / "other", "read the archive")


def test_a_changed_byte_of_memory(counting, archive, tmp_path):
    """Which tar does not notice: the image's own checksums do."""
    def change(name, data):
        return data[:100] + bytes([data[100] ^ 1]) + data[101:] if name == "checkpoint/pages-1.img" else data
    bad = rewrite(archive, tmp_path / "bad.tar", change=change)
    assert_refused(counting, bad, tmp_path / "other", "pages-1.img")


@pytest.mark.parametrize("what", ["directory", "fifo", "missing"])
def test_what_is_no_file(counting, tmp_path, what):
    file = tmp_path / "saved.tar"
    {"directory": os.mkdir, "fifo": os.mkfifo, "missing": lambda _: None}[what](file)
    counting.container.delete("--force")
    assert_refused(counting, file, tmp_path / "other", "read the archive")


def test_more_than_there_is_room_for(counting, tmp_path, small):
    """However small the archive: nothing is unpacked before it is known how much there is."""
    counting.container.delete("--force")
    bomb, top = tmp_path / "bomb.tar.zst", small("16m")
    with tarfile.open(tmp_path / "head.tar", "w") as f:
        f.addfile(entry("checkpoint", tarfile.DIRTYPE)[0])
    head = tarfile.TarInfo("checkpoint/pages-1.img")
    head.size = 1 << 30
    with open(bomb, "wb") as out, subprocess.Popen(["zstd", "-q"], stdin=subprocess.PIPE, stdout=out) as zstd:
        zstd.stdin.write(head.tobuf())
        for _ in range(1 << 10):
            zstd.stdin.write(bytes(1 << 20))
        zstd.stdin.write(bytes(1024))
    assert bomb.stat().st_size < 1 << 20
    before = os.statvfs(top).f_bavail
    assert_refused(counting, bomb, top / "other", "needs 1025 MiB", "16 left", "--bundle")
    assert os.statvfs(top).f_bavail == before


@pytest.mark.parametrize("room", [0.5, 1.5])
def test_a_full_disk(counting, tmp_path, small, room, host_unchanged):
    """For the archive, or for the root beside it."""
    fill(counting, 16)
    file = tmp_path / "saved.tar.zst"
    export(counting, file)
    top = small(f"{int((16 + 2) * room * 1024)}k")
    result = assert_refused(counting, file, top / "other", "--bundle")
    assert "no space left on device" in result.err and "make room" in result.err
    assert os.listdir(top) == []


@pytest.mark.parametrize("place", ["read-only/other", "missing/other"])
def test_a_place_that_it_cannot_take(counting, archive, tmp_path, small, place):
    os.symlink(small("1m", READ_ONLY), tmp_path / "read-only")
    assert_refused(counting, archive, tmp_path / place, "--bundle")


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("at", ["rootfs-diff.tar", "rootfs/filler"])
def test_interrupted(counting, tmp_path, at, sig, host_unchanged):
    """While tar is at work, which has a session of its own."""
    fill(counting, 256)
    file, bundle = tmp_path / "saved.tar", tmp_path / "other"
    export(counting, file)
    process = counting.runtime.spawn("restore", "--criu", CRIU, "--import", str(file), "--bundle", str(bundle), "--detach",
                                     counting.container.id)
    host.wait_until(lambda: os.path.exists(bundle / at), f"{at} to be there", 30)
    process.kill(sig)
    result = process.wait(30)
    assert result.rc == 1 and f"interrupted by signal {sig.value}" in result.err, result
    assert not bundle.exists() and counting.container.state() is None
    host_unchanged()
    bring_back(counting, file, bundle)
    host.wait_until(lambda: count(bundle / "rootfs") > 0, "it to go on")
