"""checkpoint and restore: the cgroups that a container has made below its own, by --manage-cgroups-mode."""
import os

import pytest

import host
from checkpoints import needs_criu

pytestmark = needs_criu

# no sleep(1): its system call is interrupted by a checkpoint, and newer ones of busybox end then
WORK = "work() { sh -c 'while :; do usleep 20000; done' worker$1 & }\n"
TREE = WORK + """
mkdir -p /sys/fs/cgroup/one/deep /sys/fs/cgroup/two /sys/fs/cgroup/empty
echo 7 > /sys/fs/cgroup/two/cgroup.max.depth
work 1; echo $! > /sys/fs/cgroup/one/deep/cgroup.procs
work 2; echo $! > /sys/fs/cgroup/two/cgroup.procs
work 3; echo $! > /sys/fs/cgroup/two/cgroup.procs
touch /tmp/ready
while :; do usleep 20000; done
"""


class Tree:
    """A container with cgroups of its own making."""

    def __init__(self, saved):
        self.saved, self.container = saved, saved.container
        self.container.bundle.namespace("cgroup").mount("/sys/fs/cgroup", "cgroup", "cgroup",
                                                        ["rw", "nosuid", "nodev", "noexec"])
        self.container.bundle.sh(TREE)

    def up(self):
        self.saved.up()
        host.wait_until(lambda: os.path.exists(os.path.join(self.container.bundle.rootfs, "tmp/ready")), "the cgroups")
        host.wait_until(lambda: self.seen() == WHOLE, "its processes to be in them")

    def top(self):
        return host.cgroup_path(host.cgroup_of(self.container.pid))

    def seen(self):
        """Each cgroup with the names of the workers in it."""
        top = self.top()
        return {folder[len(top):]: sorted(self.workers(folder)) for folder, _, _ in os.walk(top)}

    @staticmethod
    def workers(folder):
        found = set()
        with open(os.path.join(folder, "cgroup.procs")) as f:
            pids = f.read().split()
        for pid in pids:
            try:
                with open(f"/proc/{pid}/cmdline") as f:
                    name = f.read().rstrip("\0").rsplit("\0", 1)[-1]
            except OSError:  # a usleep that has ended
                continue
            if name.startswith("worker"):
                found.add(name)
        return found

    def setting(self):
        with open(os.path.join(self.top(), "two/cgroup.max.depth")) as f:
            return f.read().strip()


@pytest.fixture
def tree(saved):
    return Tree(saved)


WHOLE = {"": [], "/one": [], "/one/deep": ["worker1"], "/two": ["worker2", "worker3"], "/empty": []}
FLAT = {"": ["worker1", "worker2", "worker3"]}


@pytest.mark.parametrize("flags", [[], ["--manage-cgroups-mode", "soft"], ["--manage-cgroups-mode", "full"],
                                   ["--manage-cgroups-mode", "strict"]])
def test_cgroups_below_come_back(tree, flags):
    """With their processes and settings, and can be saved again."""
    tree.up()
    for round_ in ("", "2"):
        tree.saved.image += round_
        tree.saved.cycle(*flags)
        assert tree.seen() == WHOLE
        assert tree.setting() == "7"
    assert tree.container.sh("grep 0:: /proc/self/cgroup") == "0::/\n"


@pytest.mark.parametrize("save, restore", [("ignore", None), (None, "ignore"), ("ignore", "full")])
def test_ignored_on_either_side(tree, save, restore):
    """Every process is in the container's own cgroup."""
    tree.up()
    tree.saved.cycle(*(["--manage-cgroups-mode", save] if save else []),
                     restore_flags=["--manage-cgroups-mode", restore] if restore else [])
    assert tree.seen() == FLAT


THREADED = "cd /sys/fs/cgroup/empty && mkdir threads && echo threaded > threads/cgroup.type"
FROZEN = "echo 1 > /sys/fs/cgroup/one/deep/cgroup.freeze"


@pytest.mark.parametrize("make, text, flags", [
    (THREADED, "'/empty/threads' is threaded (cgroup.type), which is not kept: remove it first", []),
    (FROZEN, "'/one/deep' is frozen (cgroup.freeze), which is not kept: thaw it first", []),
    (FROZEN, "'/one/deep' is frozen", ["--manage-cgroups-mode", "ignore"])])
def test_what_would_be_lost_is_refused(tree, make, text, flags):
    """Before anything is touched. What is frozen would keep CRIU waiting, too, whatever becomes of its cgroup."""
    tree.up()
    tree.container.sh(make)
    for more in ([], ["--pre-dump"], ["--leave-running"]):
        result = tree.saved.checkpoint(*flags, *more, check=False)
        assert result.rc == 1 and f"the container's cgroup {text}" in result.err, result
        assert not os.path.exists(tree.saved.image)
    assert tree.container.state()["status"] == "running"


def test_a_threaded_cgroup_may_be_ignored(tree):
    tree.up()
    tree.container.sh(THREADED)
    tree.saved.cycle("--manage-cgroups-mode", "ignore")
    assert tree.seen() == FLAT


def test_strict_wants_a_new_cgroup(tree, host_unchanged):
    tree.up()
    path = tree.top()
    tree.saved.checkpoint()
    os.mkdir(path)
    try:
        result = tree.saved.restore("--manage-cgroups-mode", "strict", check=False)
        assert result.rc == 1 and "strict" in result.err and os.path.basename(path) in result.err
        assert tree.container.state() is None
    finally:
        os.rmdir(path)
    host_unchanged()
    tree.saved.restore("--manage-cgroups-mode", "strict")
    assert tree.seen() == WHOLE


def test_another_place(tree):
    """The cgroup is that of the configuration; what is below it goes along."""
    tree.up()
    tree.saved.checkpoint()
    tree.container.bundle.set("linux.cgroupsPath", f"/{tree.container.id}-other").write()
    tree.saved.restore()
    assert tree.top().endswith("-other")
    assert tree.seen() == WHOLE


def test_user_namespace(tree):
    """The container's root owns what it made."""
    tree.container.bundle.map_ids()
    tree.up()

    def owners():
        return {name: (os.stat(os.path.join(tree.top(), name)).st_uid,
                       os.stat(os.path.join(tree.top(), name, "cgroup.procs")).st_uid,
                       os.stat(os.path.join(tree.top(), name, "cgroup.max.depth")).st_uid) for name in ("one", "one/deep", "two")}
    before = owners()
    assert before["two"] == (100000, 100000, 100000)
    tree.saved.cycle()
    assert tree.seen() == WHOLE and owners() == before
    tree.container.sh("mkdir /sys/fs/cgroup/two/more && rmdir /sys/fs/cgroup/two/more && echo 8 > /sys/fs/cgroup/two/cgroup.max.depth")


def test_a_setting_that_cannot_be_written(tree, host_unchanged):
    """Named with its cgroup; nothing is left."""
    tree.up()
    tree.saved.checkpoint()
    tree.saved.edit(lambda manifest: next(c for c in manifest["cgroups"] if c["path"] == "two")["settings"].append(
        {"file": "cgroup.max.descendants", "value": "many"}))
    result = tree.saved.restore(check=False)
    assert result.rc == 1 and "cgroup.max.descendants" in result.err and "/two" in result.err
    assert tree.container.state() is None
    host_unchanged()


def test_a_setting_that_this_kernel_does_not_have(tree):
    """Of another kernel, whose container moved here: a warning tells what is left out."""
    tree.up()
    tree.saved.checkpoint()
    tree.saved.edit(lambda manifest: next(c for c in manifest["cgroups"] if c["path"] == "two")["settings"].append(
        {"file": "cgroup.max.beauty", "value": "max"}))
    result = tree.saved.restore()
    assert "warning: the kernel has no cgroup.max.beauty for the cgroup '/two'" in result.err
    assert tree.seen() == WHOLE and tree.setting() == "7"


@pytest.mark.parametrize("path", ["../outside", "..", "/outside", "one/../../outside"])
def test_a_forged_path_leaves_the_container_s_cgroup_alone(tree, host_unchanged, path):
    tree.up()
    outside = os.path.join(os.path.dirname(tree.top()), "outside")
    tree.saved.checkpoint()
    tree.saved.edit(lambda manifest: manifest["cgroups"][1].update(path=path))
    result = tree.saved.restore(check=False)
    assert not os.path.exists(outside)
    if result.rc == 0:  # "/outside" is one below
        assert path == "/outside"
        tree.container.delete("--force")
    host_unchanged()


CONTROLLED = WORK + """
cd /sys/fs/cgroup
mkdir init one one/deep
echo $$ > init/cgroup.procs
echo +hugetlb > cgroup.subtree_control
echo +hugetlb > one/cgroup.subtree_control
echo 8388608 > one/hugetlb.2MB.max
echo 4194304 > one/deep/hugetlb.2MB.max
work 1; echo $! > one/deep/cgroup.procs
touch /tmp/ready
while :; do usleep 20000; done
"""


def has_hugetlb():
    with open(host.cgroup_path("cgroup.controllers")) as f:
        return "hugetlb" in f.read().split() and os.path.isdir("/sys/kernel/mm/hugepages/hugepages-2048kB")


@pytest.mark.skipif(not has_hugetlb(), reason="no hugetlb controller on cgroup v2 (the lab's suite tests others)")
@pytest.mark.parametrize("mode", ["soft", "full"])
def test_controllers(tree, mode):
    """They are on below cgroups again, which hold no process then: not even CRIU."""
    b = tree.container.bundle
    b.set("linux.resources.hugepageLimits", [{"pageSize": "2MB", "limit": 64 << 20}]).sh(CONTROLLED)
    tree.saved.up()
    host.wait_until(lambda: os.path.exists(os.path.join(b.rootfs, "tmp/ready")), "the cgroups")
    top = os.path.dirname(tree.top())
    with open(os.path.join(top, "hugetlb.2MB.max"), "w") as f:
        f.write(str(32 << 20))

    def seen():
        assert tree.top() == os.path.join(top, "init")
        found = []
        for name in ("cgroup.procs", "cgroup.subtree_control", "one/cgroup.subtree_control", "hugetlb.2MB.max",
                     "one/hugetlb.2MB.max", "one/deep/hugetlb.2MB.max"):
            with open(os.path.join(top, name)) as f:
                found.append(f.read().strip())
        return found + sorted(tree.workers(os.path.join(top, "one/deep")))
    host.wait_until(lambda: len(seen()) == 7, "its process")
    before = seen()
    assert before == ["", "hugetlb", "hugetlb", str(32 << 20), "8388608", "4194304", "worker1"]
    if mode == "soft":
        before[3] = str(64 << 20)
    for round_ in ("", "2"):
        tree.saved.image += round_
        tree.saved.cycle("--manage-cgroups-mode", mode)
        assert seen() == before
