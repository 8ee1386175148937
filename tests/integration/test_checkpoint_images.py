"""Images that are damaged, incomplete or of another place: one clear error, and nothing is left."""
import os
import random
import shutil

import pytest

import host
from checkpoints import CRIU, needs_criu

pytestmark = needs_criu


@pytest.fixture
def image(saved):
    """A saved container; its image is complete, and it is gone."""
    saved.container.bundle.sh("while :; do usleep 20000; done")
    saved.up()
    saved.checkpoint()
    return saved


def edit(saved, **changes):
    saved.edit(lambda manifest: manifest.update(changes))


def refused(saved, host_unchanged, *words):
    result = saved.restore(check=False)
    assert result.rc == 1, result
    for word in words:
        assert word in result.err, result.err
    assert result.seconds < 10
    assert result.err.count("wherry: ") == 1, "one error"
    assert saved.container.state() is None
    host_unchanged()


def images(saved):
    return sorted(name for name in os.listdir(saved.image) if name.endswith(".img"))


def test_no_image(saved, host_unchanged):
    saved.container.bundle.write()
    refused(saved, host_unchanged, saved.image)


def test_an_empty_directory(saved, host_unchanged):
    saved.container.bundle.write()
    os.mkdir(saved.image)
    refused(saved, host_unchanged, "no complete image")


def test_every_truncated_file_is_found(image, host_unchanged):
    for name in images(image):
        path = os.path.join(image.image, name)
        with open(path, "rb") as f:
            whole = f.read()
        for size in {0, len(whole) // 2} - {len(whole)}:
            with open(path, "wb") as f:
                f.write(whole[:size])
            refused(image, host_unchanged, name, "damaged")
        with open(path, "wb") as f:
            f.write(whole)
    image.restore()


def test_every_missing_file_is_found(image, host_unchanged):
    for name in images(image) + ["descriptors.json"]:
        path = os.path.join(image.image, name)
        os.rename(path, path + ".away")
        refused(image, host_unchanged, name, "incomplete")
        os.rename(path + ".away", path)


def test_flipped_bits_are_found(image, host_unchanged):
    choose = random.Random(7)
    for name in images(image):
        path = os.path.join(image.image, name)
        size = os.path.getsize(path)
        if size == 0:
            continue
        with open(path, "r+b") as f:
            at = choose.randrange(size)
            f.seek(at)
            byte = f.read(1)
            f.seek(at)
            f.write(bytes([byte[0] ^ 1 << choose.randrange(8)]))
            f.flush()
            refused(image, host_unchanged, name, "checksum")
            f.seek(at)
            f.write(byte)


@pytest.mark.parametrize("kind", ["link", "fifo", "directory"])
def test_what_is_no_file(image, host_unchanged, kind):
    path = os.path.join(image.image, "pstree.img")
    os.rename(path, path + ".away")
    if kind == "link":
        os.symlink("pstree.img.away", path)
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        os.mkdir(path)
    refused(image, host_unchanged, "pstree.img", "damaged")


def test_swapped_files(image, host_unchanged):
    one, two = (os.path.join(image.image, name) for name in ("core-1.img", "mm-1.img"))
    os.rename(one, one + ".away")
    os.rename(two, one)
    os.rename(one + ".away", two)
    refused(image, host_unchanged, "damaged")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": 1}', "\0\0", '{"format": "x"}'])
def test_a_damaged_manifest(image, host_unchanged, text):
    with open(os.path.join(image.image, "wherry.json"), "w") as f:
        f.write(text)
    refused(image, host_unchanged, image.image)


@pytest.mark.parametrize("member, value, word", [
    ("machine", "vax", "vax machine"),
    ("pageSize", 512, "page size"),
    ("criuVersion", 999999, "CRIU 99.99"),
    ("format", 77, "format 77"),
    ("preDump", True, "pre-dump"),
    ("lazyPages", True, "--lazy-pages"),
    ("terminal", True, "process.terminal"),
])
def test_an_image_that_does_not_fit(image, host_unchanged, member, value, word):
    edit(image, **{member: value})
    refused(image, host_unchanged, word)


def test_a_file_outside_of_the_image(image, host_unchanged):
    manifest = image.manifest()
    manifest["files"].append({"name": "../../etc/passwd", "size": 1})
    edit(image, files=manifest["files"])
    refused(image, host_unchanged, "damaged")


def test_a_forged_key_mounts_nothing(image, host_unchanged):
    edit(image, mounts=[{"key": "m0]:/etc", "destination": "/etc", "path": ""}])
    refused(image, host_unchanged, "/etc")


def test_a_processor_without_what_the_saved_one_had(image, host_unchanged):
    """cpuinfo.img with every feature set."""
    path = os.path.join(image.image, "cpuinfo.img")
    with open(path, "rb") as f:
        data = bytearray(f.read())
    changed = False
    for i in range(16, len(data)):
        if data[i] < 0x80 and i > 20 and data[i] & 0x40 == 0:
            data[i] |= 0x3f
            changed = True
    assert changed
    with open(path, "wb") as f:
        f.write(data)
    manifest = image.manifest()
    for entry in manifest["files"]:
        if entry["name"] == "cpuinfo.img":
            entry["checked"] = False
    edit(image, files=manifest["files"])
    refused(image, host_unchanged, "processor")


def test_no_bundle(image, host_unchanged, tmp_path):
    result = image.restore(bundle=str(tmp_path / "nowhere"), check=False)
    assert result.rc == 1 and "nowhere" in result.err
    host_unchanged()


def test_no_root(image, host_unchanged):
    os.rename(image.container.bundle.rootfs, image.container.bundle.rootfs + ".away")
    refused(image, host_unchanged, "rootfs")
    os.rename(image.container.bundle.rootfs + ".away", image.container.bundle.rootfs)


def test_a_root_without_the_program(image, host_unchanged):
    path = os.path.join(image.container.bundle.rootfs, "bin/busybox")
    os.rename(path, path + ".away")
    refused(image, host_unchanged, "busybox")
    os.rename(path + ".away", path)


def test_the_id_is_taken(image):
    other = image.runtime.spawn("run", "--detach", "--bundle", image.container.bundle.path, image.container.id,
                                stdout=open(os.devnull, "w"), stderr=open(os.devnull, "w")).wait()
    assert other.rc == 0
    pid = image.container.pid
    result = image.restore(check=False)
    assert result.rc == 1 and "already exists" in result.err
    assert image.container.pid == pid


def test_restore_without_criu(image, host_unchanged):
    result = image.runtime.run("restore", "--criu", "/nonexistent", "--image-path", image.image, "--bundle",
                               image.container.bundle.path, "--detach", image.container.id)
    assert result.rc == 1 and "/nonexistent" in result.err
    host_unchanged()


def test_an_image_that_does_not_fit_on_the_disk(saved, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    host.mount("tmpfs", small, "tmpfs", data="size=1m")
    saved.container.bundle.sh("x=$(seq 1 1000000); while :; do usleep 20000; done")
    saved.up()
    host.wait_until(lambda: rss_of(saved.container.pid) > 6000, "memory in use")
    try:
        result = saved.checkpoint(image=str(small / "image"), check=False)
        assert result.rc == 1 and "MiB" in result.err and "space" in result.err
        assert saved.container.status == "running"
        assert not os.path.exists(small / "image" / "wherry.json")
    finally:
        host.umount(small)


def rss_of(pid):
    return int(host.proc_status(pid, "VmRSS").split()[0])


def test_a_disk_that_fills_up(saved, tmp_path):
    """What the estimate does not see: CRIU fails, the container runs on."""
    small = tmp_path / "small"
    small.mkdir()
    host.mount("tmpfs", small, "tmpfs", data="size=200k")
    saved.container.bundle.sh("while :; do usleep 20000; done")
    saved.container.bundle.mount("/scratch", "tmpfs", "tmpfs", [])
    saved.up()
    saved.container.sh("head -c 4000000 /dev/urandom > /scratch/x")
    try:
        result = saved.checkpoint(image=str(small / "image"), check=False)
        assert result.rc == 1
        assert saved.container.status == "running"
        saved.container.sh("test -s /scratch/x")
        assert not os.path.exists(small / "image" / "wherry.json")
    finally:
        host.umount(small)
    saved.checkpoint()
    saved.restore()


def test_an_older_image_is_not_left_valid(image):
    """A checkpoint that fails into a directory with an image leaves none there."""
    image.restore()
    result = image.checkpoint("--parent-path", "../nowhere", check=False)
    if result.rc != 0:
        assert not os.path.exists(os.path.join(image.image, "wherry.json"))
    assert CRIU and shutil.which("ip")
