"""Masked and read-only paths."""
import os

import pytest

from containers import assert_refused
from mount_table import inside, row_of, rows
from rig import skip_if


def test_a_masked_file_reads_empty_and_swallows(container):
    c = container()
    c.bundle.file("secret", "secret\n")
    c.bundle.append("linux.maskedPaths", "/secret")
    c.bundle.sh("cat /secret; echo x > /secret; stat -c '%F %t:%T' /secret")
    assert c.run(check=True).out == "character special file 1:3\n"
    assert open(c.bundle.rootfs + "/secret").read() == "secret\n"


def test_a_masked_directory_is_empty_and_read_only(container):
    c = container()
    c.bundle.file("vault/gold", "gold\n")
    c.bundle.append("linux.maskedPaths", "/vault")
    c.bundle.sh("ls -A /vault; cat /vault/gold; touch /vault/x; mkdir /vault/y; exit 0")
    result = c.run(check=True)
    assert result.out == "" and "gold\n" not in result.out
    assert result.err.count("Read-only file system") == 2


def test_the_default_masks(container):
    c = container()
    c.up()
    table = c.sh("cat /proc/self/mountinfo")
    for path in c.bundle.get("linux.maskedPaths"):
        if not os.path.exists(path):
            continue
        assert row_of(table, path), path
        if os.path.isdir(path):
            assert "ro" in row_of(table, path).options and c.sh(f"ls -A {path}") == ""
        else:
            assert c.sh(f"stat -c %t:%T {path}; cat {path}") == "1:3\n"


def test_masked_directories_share_one_file_system(container):
    skip_if("runc", "a tmpfs for each", below=(1, 5, 0))
    c = container()
    names = [f"/masked/{n}" for n in range(20)]
    for name in names:
        os.makedirs(c.bundle.rootfs + name)
    c.bundle.set("linux.maskedPaths", names)
    c.up()
    table = c.sh("cat /proc/self/mountinfo")
    devices = {line.split()[2] for line in table.splitlines() if " /masked/" in line}
    assert len(devices) == 1 and table.count(" /masked/") == 20
    assert all("ro" in row.options for row in rows(table) if row.point.startswith("/masked/"))


def test_read_only_paths(container):
    c = container()
    c.bundle.file("etc/conf/f", "kept\n")
    c.bundle.set("linux.readonlyPaths", ["/proc/sys", "/etc/conf", "/etc/passwd"])
    c.bundle.sh("echo x > /etc/conf/f; touch /etc/conf/y; echo x >> /etc/passwd; echo x > /proc/sys/kernel/hostname; "
                "cat /etc/conf/f; touch /etc/free && echo free")
    result = c.run(check=True)
    assert result.out == "kept\nfree\n"
    assert result.err.count("Read-only file system") == 4


def test_a_read_only_path_keeps_the_mounts_options(container):
    c = container()
    c.bundle.unmount("/proc").mount("/proc", "proc", "proc", ["nosuid", "nodev", "noexec"])
    c.up()
    assert {"ro", "nosuid", "nodev", "noexec"} <= inside(c, "/proc/sys").options


@pytest.mark.parametrize("key", ["maskedPaths", "readonlyPaths"])
def test_a_missing_path_is_ignored(container, key):
    c = container()
    c.bundle.append(f"linux.{key}", "/nothing/here", "/etc/nothing")
    c.bundle.sh("ls -d /nothing /etc/nothing; echo on")
    assert c.run(check=True).out == "on\n"


@pytest.mark.parametrize("key", ["maskedPaths", "readonlyPaths"])
@pytest.mark.parametrize("path", ["/etc/passwd/below", "/loop/x", "/loop"])
def test_a_path_that_cannot_be_followed_is_fatal(container, key, path):
    skip_if("runc", "ignores what it cannot follow", below=(1, 5, 0))
    c = container()
    os.symlink("loop", c.bundle.rootfs + "/loop")
    c.bundle.append(f"linux.{key}", path)
    assert_refused(c, key, path)


@pytest.mark.parametrize("key", ["maskedPaths", "readonlyPaths"])
def test_a_relative_path_is_refused(container, key):
    c = container()
    c.bundle.append(f"linux.{key}", "proc/keys")
    skip_if("runc", "takes it as it is", below=(1, 5, 0))
    assert_refused(c, key)


@pytest.mark.parametrize("written", ["/secret/", "//secret", "/./secret", "/etc/../secret", "/link"])
def test_a_path_is_masked_however_it_is_written(container, written):
    c = container()
    c.bundle.file("secret/f", "secret\n")
    os.symlink("secret", c.bundle.rootfs + "/link")
    c.bundle.append("linux.maskedPaths", written).sh("ls -A /secret; echo on")
    assert c.run(check=True).out == "on\n"


@pytest.mark.parametrize("paths", [["/secret", "/secret"], ["/secret", "/secret/f"], ["/secret/f", "/secret"],
                                   ["/secret/f", "/secret/f"]], ids="-".join)
def test_a_path_given_twice_or_within_another_stays_masked(container, paths):
    c = container()
    c.bundle.file("secret/f", "secret\n")
    c.bundle.append("linux.maskedPaths", *paths).sh("cat /secret/f; echo on")
    assert c.run(check=True).out == "on\n"


def test_masked_wins_over_read_only(container):
    c = container()
    c.bundle.file("secret", "secret\n")
    c.bundle.append("linux.maskedPaths", "/secret").append("linux.readonlyPaths", "/secret")
    c.bundle.sh("cat /secret; echo on")
    assert c.run(check=True).out == "on\n"


def test_a_masked_mount_stays_masked_in_exec(container):
    c = container()
    c.bundle.mount("/vol", "tmpfs", "tmpfs").append("linux.maskedPaths", "/vol")
    c.up()
    assert c.exec("touch", "/vol/x").rc != 0


def test_the_mask_does_not_come_off_without_the_power_to_mount(container):
    c = container()
    c.bundle.file("secret", "secret\n")
    c.bundle.append("linux.maskedPaths", "/secret")
    c.up()
    assert c.exec("umount", "/secret").rc != 0
    assert c.sh("cat /secret") == ""
