"""list: every container of the state directory, as a table or as JSON."""
import json
import os

import pytest

from rig import wherry_only


def rows(text):
    return [line.split() for line in text.splitlines()]


def test_empty_table(runtime):
    result = runtime.run("list", check=True)
    assert rows(result.out) == [["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]]
    assert result.err == ""


def test_empty_json(runtime):
    assert not runtime.run("list", "--format", "json", check=True).json()


@wherry_only("an empty list, not null")
def test_empty_json_is_a_list(runtime):
    assert runtime.run("list", "--format", "json").json() == []


@wherry_only("reading makes nothing")
def test_missing_root_is_an_empty_list(runtime, tmp_path):
    assert runtime.run("--root", str(tmp_path / "none"), "list", root=False).rc == 0
    assert not (tmp_path / "none").exists()


def test_table(runtime, container):
    first, second = container(), container()
    first.up()
    second.create()
    listed = {row[0]: row for row in rows(runtime.run("list", check=True).out)[1:]}
    assert set(listed) == {first.id, second.id}
    for c, status in ((first, "running"), (second, "created")):
        assert listed[c.id][1:] == [str(c.pid), status, c.bundle.path, c.state()["created"], "root"]


@pytest.mark.parametrize("form", [["--format", "json"], ["--format=json"], ["-f", "json"], ["-format=json"]],
                         ids=" ".join)
def test_json(runtime, container, form):
    c = container()
    c.bundle.set("annotations", {"a": "b"})
    c.up()
    listed = runtime.run("list", *form, check=True).json()
    assert len(listed) == 1
    state = c.state()
    for key in ("ociVersion", "id", "pid", "status", "bundle", "rootfs", "created", "annotations"):
        assert listed[0][key] == state[key]
    assert listed[0]["owner"] == "root"


@pytest.mark.parametrize("flag", ["-q", "--quiet"])
def test_quiet(runtime, container, flag):
    made = [container() for _ in range(3)]
    for c in made:
        c.create()
    assert sorted(runtime.run("list", flag, check=True).out.split()) == sorted(c.id for c in made)


def test_stopped_containers_are_listed(runtime, container):
    c = container()
    c.up()
    c.kill("KILL")
    c.wait_status("stopped")
    row = rows(runtime.run("list", check=True).out)[1]
    assert row[:3] == [c.id, "0", "stopped"]


@pytest.mark.parametrize("form", ["xml", "", "JSON"])
def test_unknown_format(runtime, container, form):
    container().create()
    assert runtime.run("list", f"--format={form}").rc != 0 or (form == "" and runtime.kind == "runc")


def test_files_beside_the_containers_are_not_listed(runtime, container):
    c = container()
    c.create()
    with open(os.path.join(runtime.root, "README"), "w") as f:
        f.write("not a container")
    try:
        assert runtime.run("list", "-q", check=True).out.split() == [c.id]
    finally:
        os.unlink(os.path.join(runtime.root, "README"))


def test_table_and_json_agree(runtime, container):
    for _ in range(3):
        container().create()
    from_table = sorted(row[0] for row in rows(runtime.run("list").out)[1:])
    assert from_table == sorted(c["id"] for c in json.loads(runtime.run("list", "-f", "json").out))
