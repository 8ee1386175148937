"""migrate --rootfs shared: what of the container has to be at the destination already, and how that is found out."""
import os
import shutil
import subprocess

import pytest

import host
from hosts import OtherHost
from migrations import migrant, needs_migration  # noqa: F401

pytestmark = needs_migration


@pytest.fixture
def sharing(migrant, tmp_path):
    """A migrant, and another host, which shares the bundle until something else is put there."""
    m = migrant()
    m.other = OtherHost(tmp_path)
    yield m
    m.places[1].runtime.run("delete", "--force", m.ident)
    m.other.end()


def move(m, *flags):
    return m.spawn_over(m.other.rsh, *flags).wait(120)


def refused(m, *texts):
    result = move(m)
    assert result.rc == 1 and all(text in result.err for text in texts), result
    m.assert_well(m.places[0])


MS_RDONLY, MS_REMOUNT = 1, 32
NOT_ITS_OWN = "there is not the source's own, shared between the two"


def test_another_root_is_refused(sharing, tmp_path):
    """The witness that the source makes is not in it, however alike the two are."""
    m, root = sharing, sharing.container.bundle.rootfs
    shutil.copytree(root, tmp_path / "copy", symlinks=True)
    m.other.bind(tmp_path / "copy", root)
    refused(m, f"the root file system '{root}' {NOT_ITS_OWN}")


@pytest.fixture
def image(sharing, tmp_path):
    """Its root is the top of a file system that cannot be written to, as an image has it at every host. With a copy of it as it
    is before anything is mounted there."""
    m, root = sharing, sharing.container.bundle.rootfs
    shared = tmp_path / "shared"
    shared.mkdir()
    m.container.delete("--force")
    m.other.end()
    shutil.copytree(root, tmp_path / "original", symlinks=True)
    subprocess.run(["find", tmp_path / "original", "-exec", "touch", "-h", "-d", "@1700000000", "{}", "+"], check=True)
    host.mount("tmpfs", root, "tmpfs", data="mode=755")
    try:
        shutil.copytree(tmp_path / "original", root, symlinks=True, dirs_exist_ok=True)
        host.mount("tmpfs", root, "tmpfs", MS_REMOUNT | MS_RDONLY)
        m.files = str(shared)
        m.anew(lambda b: b.mount("/tmp", str(shared), options=["bind", "rw"]))
        m.other = OtherHost(tmp_path)
        yield m
        m.places[1].runtime.run("delete", "--force", m.ident)
        m.container.delete("--force")
        m.other.end()
    finally:
        host.umount(root)


def mount_another(m, tmp_path, *commands):
    """The top of another file system in its place, whose inode has the same number, changed by the commands in it."""
    root = m.container.bundle.rootfs
    m.other.run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", root)
    m.other.run("cp", "-a", f"{tmp_path}/original/.", root)
    for command in commands:
        m.other.run(f"cd {root} && {command}")
    m.other.run("mount", "-o", "remount,ro", root)
    assert m.other.run("stat", "-c", "%i", root).stdout.strip() == str(os.stat(root).st_ino)


def test_the_same_image_at_both_hosts(image, tmp_path):
    m = image
    mount_another(m, tmp_path)
    result = move(m)
    assert result.rc == 0, f"{result!r}\n{m.logs()}"
    m.assert_well(m.places[1])


def test_the_same_read_only_root(image):
    m = image
    result = move(m)
    assert result.rc == 0, f"{result!r}\n{m.logs()}"
    m.assert_well(m.places[1])


@pytest.mark.parametrize("command, path", [
    ("rm etc/group", "/etc/group"),
    ("touch -d @1 bin/migrant", "/bin/migrant"),
    ("cp -p etc/passwd etc/kept && sed -i s/root/toor/ etc/passwd && touch -r etc/kept etc/passwd && rm etc/kept", "/etc/passwd"),
    ("chown 1:1 etc", "/etc"),
])
def test_another_image(image, tmp_path, command, path):
    m = image
    mount_another(m, tmp_path, command)
    refused(m, NOT_ITS_OWN, f"'{path}' there is another, or missing")
