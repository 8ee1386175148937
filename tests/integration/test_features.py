"""features: what engines learn about the runtime before they use it."""
import os

import pytest

from rig import lacks, skip_if, wherry_only


@pytest.fixture
def features(runtime):
    return runtime.run("features", check=True).json()


def test_only_json_comes_out(runtime):
    result = runtime.run("features")
    assert (result.rc, result.err) == (0, "")
    assert result.json()


def test_versions(features):
    assert features["ociVersionMin"] and features["ociVersionMax"]


def test_hooks(features):
    assert set(features["hooks"]) == {"prestart", "createRuntime", "createContainer", "startContainer", "poststart",
                                      "poststop"}


def test_mount_options_engines_look_for(features):
    assert {"rro", "bind", "rbind", "ro", "nosuid", "rprivate", "tmpcopyup"} <= set(features["mountOptions"])


def test_namespaces(features):
    want = {"cgroup", "ipc", "mount", "network", "pid", "user", "uts"}
    assert want <= set(features["linux"]["namespaces"]) <= want | {"time"}


@lacks("runc", "the time namespace came with 1.2", below=(1, 2))
def test_time_namespace(features):
    assert "time" in features["linux"]["namespaces"]


def test_capabilities(features):
    names = features["linux"]["capabilities"]
    assert {"CAP_CHOWN", "CAP_SYS_ADMIN", "CAP_BPF", "CAP_CHECKPOINT_RESTORE"} <= set(names)
    assert len(set(names)) == len(names)


def test_cgroup(features):
    cgroup = features["linux"]["cgroup"]
    assert cgroup["v2"] is True
    assert {"v1", "systemd", "systemdUser"} <= set(cgroup)


def test_seccomp(features):
    seccomp = features["linux"]["seccomp"]
    assert seccomp["enabled"] is True
    assert {"SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_NOTIFY", "SCMP_ACT_LOG",
            "SCMP_ACT_TRACE", "SCMP_ACT_TRAP"} <= set(seccomp["actions"])
    assert set(seccomp["operators"]) == {f"SCMP_CMP_{o}" for o in ("NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ")}
    assert {"SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"} <= set(seccomp["archs"])


def test_labels(features):
    assert isinstance(features["linux"]["apparmor"]["enabled"], bool)
    assert isinstance(features["linux"]["selinux"]["enabled"], bool)


@wherry_only("the runtime-spec's later fields")
@pytest.mark.parametrize("path", [
    "linux.memoryPolicy.modes", "linux.memoryPolicy.flags", "linux.intelRdt.enabled", "linux.intelRdt.schemata",
    "linux.intelRdt.monitoring", "linux.mountExtensions.idmap.enabled", "linux.netDevices.enabled",
    "linux.seccomp.knownFlags", "linux.seccomp.supportedFlags", "linux.cgroup.rdma", "annotations",
    "potentiallyUnsafeConfigAnnotations"])
def test_later_fields(features, path):
    node = features
    for key in path.split("."):
        assert key in node, f"no {path}"
        node = node[key]
    assert node is not None


@wherry_only("what this build can do")
@pytest.mark.parametrize("path, value", [
    ("linux.cgroup", {"v1": False, "v2": True, "systemd": True, "systemdUser": True, "rdma": True}),
    ("linux.intelRdt", {"enabled": True, "schemata": True, "monitoring": True}),
    ("linux.mountExtensions", {"idmap": {"enabled": True}}), ("linux.netDevices", {"enabled": True}),
    ("linux.apparmor", {"enabled": True}), ("linux.selinux", {"enabled": True}),
    ("potentiallyUnsafeConfigAnnotations", ["bundle", "org.systemd.property.", "org.criu.config"])])
def test_what_is_done_is_said(features, path, value):
    node = features
    for key in path.split("."):
        node = node[key]
    assert node == value


@wherry_only("what this build can do")
def test_well_known_annotations(features):
    assert features["annotations"]["org.opencontainers.runc.checkpoint.enabled"] == "true"
    assert features["annotations"]["io.github.seccomp.libseccomp.version"].count(".") == 2


@wherry_only("runc asks the kernel")
def test_it_is_the_same_for_every_caller(runtime):
    plain = runtime.run("features", check=True).out
    assert runtime.run("features", env={"XDG_RUNTIME_DIR": None, "LISTEN_FDS": "3"}, check=True).out == plain
    assert runtime.run("features", preexec=lambda: os.setresuid(65534, 65534, 65534), check=True).out == plain


@pytest.mark.parametrize("option", "noiversion iversion lazytime nolazytime silent loud nosymfollow symfollow "
                         "rnosymfollow rsymfollow rnodev rdev rrelatime idmap ridmap".split())
def test_every_option_of_the_specs_table(features, option):
    if option in ("idmap", "ridmap"):
        skip_if("runc", "features leaves it out")
    assert option in features["mountOptions"]


def test_it_needs_no_state_directory(runtime, tmp_path):
    result = runtime.run("--root", str(tmp_path / "none"), "features", root=False)
    assert result.rc == 0 and not (tmp_path / "none").exists()
