"""Big documents: each works whole, or is refused; nothing is ever cut short."""
import hashlib
import json

import pytest

import host
from rig import skip_if, wherry_only

ARG_MAX_ONE = 128 * 1024  # MAX_ARG_STRLEN of execve(2): the longest single string, with its zero


@pytest.mark.parametrize("count, size", [(1, ARG_MAX_ONE - 1), (15, 100 * 1024), (3000, 400)])
def test_environment_arrives_whole(container, count, size):
    c = container()
    env = [f"V{n}=".ljust(size, "x") for n in range(count)]
    c.bundle.set("process.env", ["PATH=/bin", "HOME=/"] + env)
    pid = c.up()
    host.wait_until(lambda: open(f"/proc/{pid}/cmdline").read().startswith("sleep"), "the program")
    with open(f"/proc/{pid}/environ") as f:
        got = f.read().split("\0")[:-1]
    assert sorted(got) == sorted(["PATH=/bin", "HOME=/"] + env)


def test_a_variable_that_the_kernel_refuses(container, host_unchanged):
    c = container()
    c.bundle.set("process.env", ["PATH=/bin", "V=" + "x" * ARG_MAX_ONE]).args("true")
    result = c.run()
    skip_if("runc", "its exit status is 255 or 1") if result.rc != 1 else None
    assert result.rc == 1 and "argument list too long" in result.err.lower()
    host_unchanged()


def test_arguments_arrive_whole(container):
    c = container()
    arguments = [str(n) * 500 for n in range(1000)]
    c.bundle.args("sh", "-c", "printf '%s\\n' \"$@\" | sha256sum", "sh", *arguments)
    result = c.run()
    want = hashlib.sha256(("\n".join(arguments) + "\n").encode()).hexdigest()
    assert result.out.split()[0] == want


def test_exec_with_long_arguments(container):
    c = container()
    c.up()
    text = "y" * (ARG_MAX_ONE - 1)
    assert c.exec("/bin/sh", "-c", "echo ${#1}", "sh", text).out == f"{len(text)}\n"


def test_many_annotations(container):
    c = container()
    notes = {f"key{n}": "v" * 1000 for n in range(1000)}
    c.bundle.set("annotations", notes)
    c.create()
    assert c.state()["annotations"] == notes
    c.start()
    assert c.status == "running"


def test_a_thousand_mounts(container, host_unchanged):
    c = container()
    for n in range(1000):
        c.bundle.mount(f"/mnt/m{n}", "tmpfs", "tmpfs", ["size=4k"])
    c.create(timeout=60)
    with open(f"/proc/{c.pid}/mountinfo") as f:
        points = {line.split()[4] for line in f}
    assert {f"/mnt/m{n}" for n in range(1000)} <= points
    c.delete("--force")
    host_unchanged()


def test_many_groups(container):
    c = container()
    groups = list(range(1000, 31000))
    c.bundle.set("process.user.additionalGids", groups)
    pid = c.up()
    assert set(groups) <= {int(g) for g in host.proc_status(pid, "Groups").split()}


def test_more_groups_than_the_kernel_takes(container, host_unchanged):
    c = container()
    c.bundle.set("process.user.additionalGids", list(range(70000)))
    result = c.create(check=False)
    assert result.rc == 1
    assert c.state() is None
    host_unchanged()


@pytest.mark.parametrize("lines, works", [(340, True), (341, False)])
def test_lines_of_id_mappings(container, host_unchanged, lines, works):
    c = container()
    # short numbers: the kernel takes no more than a page of text, either
    mapping = [{"containerID": n, "hostID": 1000 + n, "size": 1} for n in range(lines)]
    c.bundle.map_ids(1000).set("linux.uidMappings", mapping)
    result = c.create(check=False)
    assert result.ok == works, result
    c.delete("--force")
    host_unchanged()


def test_a_large_seccomp_profile(container):
    c = container()
    rules = [{"names": ["personality"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1 + n % 100,
              "args": [{"index": 0, "value": 0x10000 + n, "op": "SCMP_CMP_EQ"}]} for n in range(1000)]
    c.bundle.set("linux.seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules}).sh("echo runs")
    assert c.run(timeout=30).out == "runs\n"


def test_a_seccomp_profile_beyond_the_kernels_limit(container, host_unchanged):
    c = container()
    rules = [{"names": ["personality"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1 + n % 100,
              "args": [{"index": 0, "value": 0x10000 + n, "op": "SCMP_CMP_EQ"}]} for n in range(5000)]
    c.bundle.set("linux.seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules}).sh("echo runs")
    result = c.create(check=False, timeout=30)
    assert result.ok or (result.rc == 1 and "seccomp" in result.err.lower())
    c.delete("--force")
    host_unchanged()


@wherry_only("a limit of its own")
def test_a_document_near_the_limit_is_read(container):
    c = container()
    c.bundle.set("unknown", ["x" * 1000] * 8000)
    c.create()
    assert c.status == "created"


def test_a_long_path_to_everything(runtime, container, tmp_path):
    deep = tmp_path
    for _ in range(12):
        deep = deep / ("d" * 200)
    deep.mkdir(parents=True)
    c = container()
    c.bundle.set("root.path", c.bundle.rootfs)
    c.bundle.write()
    root = str(deep / "state")
    result = runtime.run("--root", root, "create", "--bundle", c.bundle.path, "--pid-file", deep / "pid", c.id,
                         root=False)
    skip_if("runc", "its exec fifo's path is too long") if not result.ok else None
    assert result.ok, result
    assert json.loads(runtime.run("--root", root, "state", c.id, root=False).out)["status"] == "created"
    assert runtime.run("--root", root, "start", c.id, root=False).ok
    assert runtime.run("--root", root, "exec", c.id, "true", root=False).ok
    assert runtime.run("--root", root, "delete", "--force", c.id, root=False).ok
