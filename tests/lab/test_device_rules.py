"""Device rules, tried by opening nodes: what passes, what does not, and that there is no moment in between."""
import os
import subprocess

import pytest

from bundles import CAPABILITIES
from managers import manager, update  # noqa: F401  manager is a fixture

MISC = (10, 229)  # fuse, which anybody may open
DENY_ALL = {"allow": False, "access": "rwm"}


@pytest.fixture(scope="module")
def disk():
    """A block device of the lab's own."""
    subprocess.run(["modprobe", "null_blk", "nr_devices=1", "gb=1"], check=True, timeout=60)
    number = os.stat("/dev/nullb0").st_rdev
    yield os.major(number), os.minor(number)
    subprocess.run(["modprobe", "-r", "null_blk"], check=True, timeout=60)


def _rule(kind, numbers, access, allow=True):
    rule = {"allow": allow, "type": kind, "access": access}
    for name, number in zip(("major", "minor"), numbers):
        if number is not None:
            rule[name] = number
    return rule


def _container_with(container, rules, disk):
    c = container()
    for path, kind, (major, minor) in (("/dev/disk", "b", disk), ("/dev/misc", "c", MISC)):
        c.bundle.append("linux.devices", {"path": path, "type": kind, "major": major, "minor": minor, "fileMode": 0o666})
    c.bundle.set("linux.resources.devices", rules)
    return c


def _opens(c, *paths):
    """Which of reading and writing the container may do with each node: "r", "w", "rw" or ""."""
    script = (f"for path in {' '.join(paths)}; do for how in '<' '>' '<>'; do "
              "(eval \"exec 3$how$path\") 2>/dev/null && echo $how$path; done; done; true")
    found = c.sh(script).split()
    for path in paths:
        each = {f"<{path}", f">{path}"} <= set(found)
        assert (f"<>{path}" in found) == each, f"both at once differ from each: {found}"
    return tuple(("r" if f"<{path}" in found else "") + ("w" if f">{path}" in found else "") for path in paths)


# name, the rules, what of the disk and of the other node may be opened then
CASES = [
    ("nothing", lambda d: [DENY_ALL], "", ""),
    ("no rule at all", lambda d: [], "", ""),
    ("the disk for reading", lambda d: [DENY_ALL, _rule("b", d, "r")], "r", ""),
    ("the disk for writing", lambda d: [DENY_ALL, _rule("b", d, "w")], "w", ""),
    ("both kinds of access in two rules", lambda d: [DENY_ALL, _rule("b", d, "r"), _rule("b", d, "w")], "rw", ""),
    ("all of the major", lambda d: [DENY_ALL, _rule("b", (d[0], None), "rwm")], "rw", ""),
    ("the same numbers of the other type", lambda d: [DENY_ALL, _rule("c", d, "rwm")], "", ""),
    ("all block devices", lambda d: [DENY_ALL, _rule("b", (None, None), "rw")], "rw", ""),
    ("the last rule wins", lambda d: [DENY_ALL, _rule("b", d, "rw"), _rule("b", d, "w", allow=False)], "r", ""),
    ("everything but the disk", lambda d: [{"allow": True, "access": "rwm"}, _rule("b", d, "rwm", allow=False)], "", "rw"),
    ("everything", lambda d: [{"allow": True, "access": "rwm"}], "rw", "rw"),
]


@pytest.mark.parametrize("case", CASES, ids=[c[0] for c in CASES])
def test_rules_of_create_and_of_update(manager, container, disk, case):  # noqa: F811
    _, rules, of_disk, of_misc = case
    created = manager.up(_container_with(container, rules(disk), disk))
    assert _opens(created, "/dev/disk", "/dev/misc") == (of_disk, of_misc)
    changed = manager.up(_container_with(container, [DENY_ALL, _rule("c", MISC, "r")], disk))
    assert _opens(changed, "/dev/disk", "/dev/misc") == ("", "r")
    if not rules(disk):
        return  # an update without rules changes none
    update(changed, {"devices": rules(disk)})
    assert _opens(changed, "/dev/disk", "/dev/misc") == (of_disk, of_misc)


def test_the_usual_nodes_are_always_open(manager, container, disk):  # noqa: F811
    c = _container_with(container, [DENY_ALL], disk)
    c.bundle.capabilities(**{kind: CAPABILITIES + ["CAP_MKNOD"] for kind in ("bounding", "effective", "permitted")})
    manager.up(c)
    usual = [f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom")]
    assert _opens(c, *usual) == ("rw",) * len(usual)
    assert c.sh("mknod /tmp/node b 7 0 && echo made") == "made\n"
    assert _opens(c, "/tmp/node") == ("",)


def test_never_a_moment_without_rules(manager, container, disk):  # noqa: F811
    """What is denied before and after an update is denied during it."""
    c = _container_with(container, [DENY_ALL], disk)
    c.bundle.sh("until [ -e /stop ]; do (exec 3</dev/disk) 2>/dev/null && echo open; (exec 3</dev/null) || echo shut; done; "
                "echo end; sleep 1000")
    manager.up(c)
    for minor in range(20):
        update(c, {"devices": [DENY_ALL, _rule("c", (200, minor), "r")]})
    c.sh("touch /stop")
    assert c.wait_stdout("end\n", timeout=30) == "end\n"


def test_what_an_exec_opens_is_judged_as_well(manager, container, disk):  # noqa: F811
    c = manager.up(_container_with(container, [DENY_ALL, _rule("b", disk, "r")], disk))
    done = c.exec("/bin/sh", "-c", "exec 3</dev/disk && echo read; exec 3>/dev/disk")
    assert done.out == "read\n" and "Operation not permitted" in done.err, done
