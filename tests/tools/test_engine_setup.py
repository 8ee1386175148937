"""tools/engine-setup on files below a prefix of the test's own: what it prints, changes, and takes back."""
import json
import os
import re
import subprocess
import sys
import tomllib

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SETUP = os.path.join(ROOT, "tools", "engine-setup")
FILES = {"docker": "etc/docker/daemon.json", "containerd": "etc/containerd/config.toml",
         "podman": "etc/containers/containers.conf.d/50-wherry.conf", "crio": "etc/crio/crio.conf.d/50-wherry.conf",
         "buildah": "etc/profile.d/wherry-buildah.sh",
         "docker-buildkit": "etc/systemd/system/docker.service.d/50-wherry.conf"}
DEBIAN_TOML = """version = 2

[plugins]
  [plugins."io.containerd.grpc.v1.cri"]
    [plugins."io.containerd.grpc.v1.cri".cni]
      bin_dir = "/usr/lib/cni"
"""
V3_TOML = "version = 3\n\n[plugins.'io.containerd.cri.v1.runtime']\n  device_ownership_from_security_context = true\n"


class Setup:
    """engine-setup for one engine, on the files below a directory."""

    def __init__(self, prefix, engine):
        self.prefix, self.engine = prefix, engine
        self.file = prefix / FILES[engine] if engine in FILES else None

    def call(self, *args, rc=0, env=None):
        done = subprocess.run([sys.executable, SETUP, self.engine, "--prefix", str(self.prefix), "--wherry", "/opt/wherry", *args],
                              capture_output=True, text=True, env=dict(os.environ, **(env or {})))
        assert done.returncode == rc, done
        assert (done.stderr == "") is (rc == 0), done
        return done.stdout + done.stderr

    def before(self, text, mode=0o644):
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(text)
        self.file.chmod(mode)

    @property
    def backup(self):
        return self.file.with_name(self.file.name + ".before-wherry")

    def json(self):
        return json.loads(self.file.read_text())

    def toml(self):
        return tomllib.loads(self.file.read_text())


@pytest.fixture
def setup(tmp_path):
    return lambda engine: Setup(tmp_path, engine)


@pytest.mark.parametrize("engine", [*FILES, "kubernetes"])
def test_it_prints_the_change_and_makes_none(setup, tmp_path, engine):
    said = setup(engine).call()
    assert "/opt/wherry" in said or engine == "kubernetes"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("engine", FILES)
def test_apply_makes_the_file_and_undo_removes_it(setup, engine):
    s = setup(engine)
    s.call("--apply")
    assert "/opt/wherry" in s.file.read_text() and "/usr/sbin/wherry" not in s.file.read_text()
    assert s.file.stat().st_mode & 0o777 == 0o644
    s.call("--undo")
    assert list(s.file.parent.iterdir()) == []


@pytest.mark.parametrize("engine", FILES)
def test_what_is_applied_is_what_is_printed(setup, engine):
    s = setup(engine)
    printed = [line[4:] for line in s.call().splitlines() if line.startswith("    ")]
    s.call("--apply")
    applied = s.file.read_text()
    assert [line for line in printed if line and line not in applied] == []


@pytest.mark.parametrize("engine", FILES)
def test_applied_twice_it_is_as_once_and_undone_twice_too(setup, engine):
    s = setup(engine)
    s.call("--apply")
    once = s.file.read_text()
    assert "already" in s.call("--apply")
    assert s.file.read_text() == once
    s.call("--undo")
    assert "nothing of ours" in s.call("--undo")


@pytest.mark.parametrize("engine", FILES)
def test_another_path_of_wherry_replaces_the_first(setup, engine):
    s = setup(engine)
    s.call("--apply")
    s.call("--apply", "--wherry", "/elsewhere/wherry")
    text = s.file.read_text()
    assert "/elsewhere/wherry" in text and "/opt/wherry" not in text
    s.call("--undo")
    assert not s.file.exists()


OLD_JSON = '{\n  "log-level": "info",\n  "runtimes": {"crun": {"path": "/usr/bin/crun"}},\n  "default-runtime": "crun"}'


def test_docker_keeps_what_is_there(setup):
    s = setup("docker")
    s.before(OLD_JSON, 0o600)
    s.call("--apply")
    assert s.json() == {"log-level": "info", "default-runtime": "crun",
                        "runtimes": {"crun": {"path": "/usr/bin/crun"}, "wherry": {"path": "/opt/wherry"}}}
    assert s.file.stat().st_mode & 0o777 == 0o600 and s.backup.stat().st_mode & 0o777 == 0o600
    assert s.backup.read_text() == OLD_JSON
    s.call("--undo")
    assert s.file.read_text() == OLD_JSON and not s.backup.exists()


def test_docker_default_and_back(setup):
    s = setup("docker")
    s.before(OLD_JSON)
    s.call("--apply", "--default")
    assert s.json()["default-runtime"] == "wherry"
    s.call("--undo")
    assert s.file.read_text() == OLD_JSON


def test_docker_undo_keeps_what_came_later(setup):
    s = setup("docker")
    s.before(OLD_JSON)
    s.call("--apply", "--default")
    s.file.write_text(json.dumps(dict(s.json(), debug=True)))
    assert "stays" in s.call("--undo")
    assert s.json() == dict(json.loads(OLD_JSON), debug=True)
    assert s.backup.read_text() == OLD_JSON


def test_docker_a_second_time_the_backup_is_of_then(setup):
    s = setup("docker")
    s.before(OLD_JSON)
    s.call("--apply")
    s.file.write_text(json.dumps(dict(s.json(), debug=True)))
    s.call("--undo")
    later = s.file.read_text()
    s.call("--apply")
    assert s.backup.read_text() == later
    s.call("--undo")
    assert s.file.read_text() == later


@pytest.mark.parametrize("text", ["{", "[]", '{"runtimes": []}', '{"a": 1,}'])
def test_docker_a_broken_file_is_refused_and_kept(setup, text):
    s = setup("docker")
    s.before(text)
    assert str(s.file) in s.call("--apply", rc=1)
    assert s.file.read_text() == text and not s.backup.exists()


def test_docker_a_symbolic_link_stays_one(setup, tmp_path):
    s = setup("docker")
    s.before("")
    real = tmp_path / "real.json"
    real.write_text(OLD_JSON)
    s.file.unlink()
    s.file.symlink_to(real)
    s.call("--apply")
    assert s.file.is_symlink() and "wherry" in real.read_text()
    s.call("--undo")
    assert s.file.is_symlink() and real.read_text() == OLD_JSON


@pytest.mark.parametrize("text, plugin", [(DEBIAN_TOML, "io.containerd.grpc.v1.cri"), (V3_TOML, "io.containerd.cri.v1.runtime"),
                                          (DEBIAN_TOML.rstrip("\n"), "io.containerd.grpc.v1.cri")],
                         ids=["2", "3", "no newline at the end"])
def test_containerd_gets_a_block_of_its_version(setup, text, plugin):
    s = setup("containerd")
    s.before(text)
    s.call("--apply")
    got = s.toml()
    row = got["plugins"][plugin]["containerd"].pop("runtimes")["wherry"]
    assert row == {"runtime_type": "io.containerd.runc.v2",
                   "options": {"BinaryName": "/opt/wherry", "SystemdCgroup": True}}
    assert got["plugins"][plugin].pop("containerd") == {}
    had = tomllib.loads(text)
    had["plugins"].setdefault(plugin, {})
    assert got == had, "the rest is as it was"
    assert s.file.read_text().startswith(text), "to the letter"
    s.call("--undo")
    assert s.file.read_text() == text and not s.backup.exists()


def test_containerd_undo_keeps_what_came_later(setup):
    s = setup("containerd")
    s.before(DEBIAN_TOML)
    s.call("--apply")
    s.file.write_text(s.file.read_text() + "\n[debug]\nlevel = \"debug\"\n")
    s.call("--undo")
    assert s.toml() == dict(tomllib.loads(DEBIAN_TOML), debug={"level": "debug"})


@pytest.mark.parametrize("version, plugin", [("2", "io.containerd.grpc.v1.cri"), ("3", "io.containerd.cri.v1.runtime")])
def test_containerd_file_made_anew(setup, version, plugin):
    s = setup("containerd")
    s.call("--apply", "--config-version", version)
    assert s.toml()["version"] == int(version) and "wherry" in s.toml()["plugins"][plugin]["containerd"]["runtimes"]


def test_containerd_cgroup_driver(setup):
    s = setup("containerd")
    s.before(DEBIAN_TOML)
    s.call("--apply")
    s.call("--apply", "--cgroup-driver", "cgroupfs")
    text = s.file.read_text()
    assert "SystemdCgroup = false" in text and "SystemdCgroup = true" not in text
    assert s.backup.read_text() == DEBIAN_TOML


@pytest.mark.parametrize("text, word", [
    ("version = 1\n", "migrate"), ("[debug]\n", "migrate"), ("version = \n", "TOML"),
    ('version = 2\n[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.wherry]\n', "a runtime wherry"),
    ('version = 2\nplugins = {}\n', "inline")])
def test_containerd_a_file_that_it_cannot_extend_is_refused_and_kept(setup, text, word):
    s = setup("containerd")
    s.before(text)
    assert word in s.call("--apply", rc=1)
    assert s.file.read_text() == text and not s.backup.exists()


@pytest.mark.parametrize("engine", ["podman", "crio", "buildah", "docker-buildkit"])
def test_a_file_of_another_is_kept(setup, engine):
    s = setup(engine)
    s.before("# mine\n")
    assert "not ours" in s.call("--apply", rc=1)
    assert "not ours" in s.call("--undo", rc=1)
    assert s.file.read_text() == "# mine\n"


@pytest.mark.parametrize("engine, place", [("podman", ("engine", "runtime")), ("crio", ("crio", "runtime", "default_runtime"))])
def test_default_of_engines_with_a_file_of_ours(setup, engine, place):
    s = setup(engine)
    s.call("--apply", "--default")
    node = s.toml()
    for key in place:
        node = node[key]
    assert node == "wherry"
    s.call("--apply")
    assert "default_runtime" not in s.file.read_text() and "runtime = \"wherry\"" not in s.file.read_text()


def test_podman_reports_errors_as_json(setup):
    s = setup("podman")
    s.call("--apply")
    engine = s.toml()["engine"]
    assert engine["runtimes"] == {"wherry": ["/opt/wherry"]}
    assert {"crun", "runc", "wherry"} <= set(engine["runtime_supports_json"])
    assert {"crun", "wherry"} <= set(engine["runtime_supports_nocgroup"])


@pytest.mark.parametrize("engine", ["containerd", "kubernetes", "buildah", "docker-buildkit"])
def test_where_there_is_no_default_it_says_what_to_do(setup, engine):
    assert "default" in setup(engine).call("--default", "--apply", rc=1)


@pytest.mark.parametrize("flags", [[], ["--apply"]], ids=["printed", "applied"])
def test_docker_default_says_that_buildkit_is_apart(setup, flags):
    assert "docker-buildkit" in setup("docker").call("--default", *flags)
    assert "docker-buildkit" not in setup("docker").call(*flags)


def test_buildkit_s_row_says_how_the_daemon_reads_it(setup):
    assert "systemctl daemon-reload && systemctl restart docker" in setup("docker-buildkit").call()
