# SPDX-License-Identifier: Apache-2.0
"""An initramfs: a cpio archive in the kernel's form (newc; Documentation/driver-api/early-userspace/buffer-format.rst)."""
import stat


def archive(entries):
    """entries: (name, mode, content or (major, minor) of a node). Returns the archive's bytes."""
    end = ("TRAILER!!!", 0, b"")
    out = b"".join(_entry(number, *entry) for number, entry in enumerate(list(entries) + [end], 1))
    return out + b"\0" * (-len(out) % 512)


def _entry(inode, name, mode, content):
    node = content if stat.S_ISCHR(mode) else (0, 0)
    body = b"" if stat.S_ISCHR(mode) else content
    fields = [inode, mode, 0, 0, 1, 0, len(body), 0, 0, *node, len(name) + 1, 0]
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
    return _padded(head) + _padded(body)


def _padded(data):
    return data + b"\0" * (-len(data) % 4)
