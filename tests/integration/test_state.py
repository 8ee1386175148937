"""state: the document that engines read."""
import datetime
import json
import os
import re
import stat

import pytest

import host
from rig import lacks, wherry_only

RFC3339_NANO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")


def test_fields_of_a_created_container(container):
    c = container()
    c.bundle.set("annotations", {"org.example.k": "v", "empty": ""})
    c.create()
    state = c.state()
    assert re.fullmatch(r"1\.\d+\.\d+(-\w+)?(\+\w+)?", state["ociVersion"])
    assert state["id"] == c.id
    assert state["status"] == "created"
    assert isinstance(state["pid"], int) and host.alive(state["pid"])
    assert state["bundle"] == c.bundle.path
    assert state["rootfs"] == c.bundle.rootfs
    assert state["annotations"] == {"org.example.k": "v", "empty": ""}


def test_created_is_a_time_that_go_reads(container):
    before = datetime.datetime.now(datetime.timezone.utc)
    c = container()
    c.create()
    after = datetime.datetime.now(datetime.timezone.utc)
    text = c.state()["created"]
    assert RFC3339_NANO.fullmatch(text)
    made = datetime.datetime.fromisoformat(re.sub(r"(\.\d{6})\d*", r"\1", text).replace("Z", "+00:00"))
    assert before - datetime.timedelta(seconds=1) <= made <= after + datetime.timedelta(seconds=1)


def test_created_does_not_change(container):
    c = container()
    c.create()
    first = c.state()["created"]
    c.start()
    assert c.state()["created"] == first


def test_status_over_the_whole_life(container):
    c = container()
    seen = []
    c.create()
    seen.append(c.status)
    c.start()
    seen.append(c.status)
    c.pause()
    seen.append(c.status)
    c.resume()
    seen.append(c.status)
    c.kill("KILL")
    c.wait_status("stopped")
    seen.append(c.status)
    c.delete()
    seen.append(c.status)
    assert seen == ["created", "running", "paused", "running", "stopped", None]


def test_a_program_that_was_seen_to_run_is_running(container):
    for _ in range(15):
        c = container()
        c.bundle.sh("echo ready; sleep 1000; :")
        call = c.spawn()
        c.wait_stdout("ready\n")
        assert c.status == "running"
        c.kill("KILL")
        assert call.wait().rc == 137


def test_stopped_has_no_pid(container):
    c = container()
    c.up()
    c.kill("KILL")
    c.wait_status("stopped")
    assert c.state().get("pid", 0) == 0


def test_unreaped_init_counts_as_stopped(container):
    c = container()
    pid = c.up()
    host.kill_quietly(pid)
    host.wait_until(lambda: not host.alive(pid), "init to be a zombie")
    assert c.runtime.run("state", c.id, reap=False).json()["status"] == "stopped"
    assert host.proc_status(pid, "State").startswith("Z")


@lacks("runc", "state leaves owner empty; only list fills it in")
def test_owner_is_the_name_of_the_creator(container):
    c = container()
    c.create()
    assert c.state()["owner"] == "root"


def test_output_is_one_json_object_and_stderr_is_empty(container):
    c = container()
    c.create()
    result = c.runtime.run("state", c.id)
    assert isinstance(json.loads(result.out), dict)
    assert result.err == ""


@pytest.mark.parametrize("version", ["1.0.0", "1.0.2-dev", "1.1.0", "1.2.1", "1.3.0", "1.9.3"])
def test_any_1_x_document_is_accepted(container, version):
    c = container()
    c.bundle.set("ociVersion", version)
    c.create()
    assert c.status == "created"


def test_no_such_container(runtime):
    result = runtime.run("state", "nobody")
    assert (result.rc, result.out) == (1, "")
    assert "does not exist" in result.err


def test_no_such_state_directory(runtime, tmp_path):
    result = runtime.run("--root", str(tmp_path / "none"), "state", "nobody", root=False)
    assert result.rc == 1
    assert "does not exist" in result.err
    assert not (tmp_path / "none" / "nobody").exists()


def test_rootfs_may_be_an_absolute_path(container):
    c = container()
    c.bundle.set("root.path", c.bundle.rootfs)
    c.create()
    assert c.state()["rootfs"] == c.bundle.rootfs


@wherry_only("modes of the state directory")
def test_state_directory_is_private(container, runtime):
    c = container()
    c.create()
    for path, dirs, files in os.walk(runtime.root):
        for full in [path] + [os.path.join(path, name) for name in files]:
            st = os.lstat(full)
            if stat.S_ISDIR(st.st_mode) or stat.S_ISREG(st.st_mode):
                assert st.st_mode & 0o077 == 0, f"{full} has mode {st.st_mode:o}"


def test_big_annotations_come_back_whole(container):
    c = container()
    notes = {f"key.{i}": "é\"\\\n" * 300 for i in range(50)}
    c.bundle.set("annotations", notes)
    c.create()
    assert c.state()["annotations"] == notes
