"""spec: a default config.json, valid and ready to run."""
import json
import os

import pytest


@pytest.fixture
def made(runtime, bundle):
    """A bundle whose config.json came from spec, with the terminal switched off and a cgroup of our own."""
    def make(*flags):
        b = bundle()
        runtime.run("spec", "--bundle", b.path, *flags, check=True)
        with open(b.config_file) as f:
            b.config = json.load(f)
        return b

    return make


def test_writes_config_json_in_the_working_directory(runtime, tmp_path):
    result = runtime.run("spec", cwd=tmp_path)
    assert (result.rc, result.out) == (0, "")
    document = json.loads((tmp_path / "config.json").read_text())
    assert document["ociVersion"].startswith("1.")
    assert document["process"]["args"] == ["sh"]
    assert document["root"] == {"path": "rootfs", "readonly": True}


@pytest.mark.parametrize("form", [["--bundle", "{}"], ["-b", "{}"], ["--bundle={}"]], ids=" ".join)
def test_bundle_option(runtime, tmp_path, form):
    runtime.run("spec", *[part.format(tmp_path) for part in form], check=True)
    assert (tmp_path / "config.json").exists()


def test_an_existing_file_is_left_alone(runtime, tmp_path):
    (tmp_path / "config.json").write_text("mine")
    result = runtime.run("spec", cwd=tmp_path)
    assert result.rc == 1
    assert "exist" in result.err
    assert (tmp_path / "config.json").read_text() == "mine"


def test_missing_directory(runtime, tmp_path):
    assert runtime.run("spec", "--bundle", tmp_path / "none").rc == 1


def test_the_default_is_hardened(made):
    document = made().config
    assert document["process"]["noNewPrivileges"] is True
    assert document["process"]["user"] == {"uid": 0, "gid": 0}
    assert not document["process"]["capabilities"].get("inheritable")
    assert {n["type"] for n in document["linux"]["namespaces"]} >= {"pid", "network", "ipc", "uts", "mount"}
    assert {"/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/acpi", "/sys/firmware",
            "/proc/scsi"} <= set(document["linux"]["maskedPaths"])
    assert {"/proc/bus", "/proc/sys", "/proc/irq", "/proc/sysrq-trigger"} <= set(document["linux"]["readonlyPaths"])
    assert {"destination": "/proc", "type": "proc", "source": "proc"} in document["mounts"]
    assert document["linux"]["resources"]["devices"] == [{"allow": False, "access": "rwm"}]


def test_the_default_runs(made, container):
    b = made().set("process.terminal", False).sh("echo it runs; id -u; touch /x 2>&1; ls /dev/null").set(
        "linux.cgroupsPath", "")
    b.set("linux.cgroupsPath", "/" + b.id)
    result = container(b).run()
    assert result.out.splitlines()[:2] == ["it runs", "0"], result
    assert "Read-only file system" in result.out
    assert result.rc == 0


def test_its_shell_is_a_shell(made, container):
    b = made().set("process.terminal", False)
    b.set("linux.cgroupsPath", "/" + b.id)
    assert container(b).run(input="echo typed; exit 3\n").rc == 3


def test_rootless_has_a_user_namespace(made):
    document = made("--rootless").config
    assert "user" in {n["type"] for n in document["linux"]["namespaces"]}
    for side in ("uidMappings", "gidMappings"):
        assert document["linux"][side] == [{"containerID": 0, "hostID": os.geteuid(), "size": 1}]


def test_two_calls_agree(runtime, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    for name in ("a", "b"):
        runtime.run("spec", "-b", tmp_path / name, check=True)
    assert (tmp_path / "a/config.json").read_text() == (tmp_path / "b/config.json").read_text()
