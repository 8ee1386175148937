"""The command line: global flags, help, versions, the forms of options, usage errors."""
import json
import os
import re

import pytest

import host
from rig import KIND, skip_if, wherry_only

VERBS = ["create", "start", "run", "state", "kill", "delete", "exec", "list", "ps", "pause", "resume", "spec",
         "features"]


@pytest.mark.parametrize("flag", ["--version", "-v", "-version"])
def test_version_layout(runtime, flag):
    result = runtime.run(flag, root=False)
    assert (result.rc, result.err) == (0, "")
    first, *rest = result.out.splitlines()
    assert re.fullmatch(re.escape(KIND) + r" version \S+", first)
    keys = dict(line.split(": ", 1) for line in rest)
    assert re.fullmatch(r"1\.\d+\.\d+(-dev)?(\+dev)?", keys["spec"])
    assert keys["commit"]


@wherry_only("which libraries")
def test_version_names_libseccomp(runtime):
    assert re.search(r"^libseccomp: \d+\.\d+\.\d+$", runtime.run("--version", root=False).out, re.M)


@pytest.mark.parametrize("flag", ["--help", "-h", "-help"])
def test_help_lists_every_verb(runtime, flag):
    result = runtime.run(flag, root=False)
    assert result.rc == 0
    assert [v for v in VERBS if not re.search(rf"^\s+{v}\b", result.out, re.M)] == []


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_each_verb_has_help(runtime, verb, flag):
    result = runtime.run(verb, flag)
    assert result.rc == 0
    assert verb in result.out


@wherry_only("plan and trace are its own")
@pytest.mark.parametrize("verb", ["plan", "trace"])
def test_own_verbs_have_help(runtime, verb):
    assert verb in runtime.run("--help", root=False).out
    assert runtime.run(verb, "--help").rc == 0


OPTIONS = {
    "create": "bundle console-socket pid-file pidfd-socket no-pivot no-new-keyring preserve-fds",
    "run": "bundle console-socket pid-file pidfd-socket no-pivot no-new-keyring preserve-fds detach keep no-subreaper",
    "kill": "all", "delete": "force", "list": "format quiet", "ps": "format", "spec": "bundle rootless",
    "exec": "process detach pid-file console-socket tty cwd env user additional-gids cap no-new-privs process-label "
            "apparmor cgroup ignore-paused preserve-fds"}


@pytest.mark.parametrize("verb", OPTIONS)
def test_help_lists_every_option(runtime, verb):
    text = runtime.run(verb, "--help").out
    missing = [o for o in OPTIONS[verb].split() if not re.search(rf"--{o}\b", text)]
    if "pidfd-socket" in missing:
        skip_if("runc", "--pidfd-socket came with 1.2", below=(1, 2))
    if missing == ["all"]:
        skip_if("runc", "hides kill --all", below=None)
    assert missing == []


def test_no_arguments_shows_help(runtime):
    result = runtime.run(root=False)
    assert "create" in result.out + result.err


@pytest.mark.parametrize("args", [["frobnicate"], ["--frobnicate", "list"], ["list", "--frobnicate"],
                                  ["create", "--bundle"], ["kill"], ["state"], ["delete"], ["exec"], ["pause"]],
                         ids=" ".join)
def test_usage_errors(runtime, args):
    result = runtime.run(*args)
    assert result.rc != 0
    assert (result.err + result.out).strip()


@wherry_only("wording")
@pytest.mark.parametrize("args, word", [(["frobnicate"], "frobnicate"), (["list", "--frobnicate"], "frobnicate"),
                                        (["create", "--bundle"], "bundle"), (["state"], "argument: ID"),
                                        (["list", "--format", "xml"], "xml")], ids=lambda a: " ".join(a))
def test_usage_errors_name_what_is_wrong(runtime, args, word):
    result = runtime.run(*args)
    assert word.lower() in result.err.lower()
    assert result.err.count("\n") <= 3


@pytest.mark.parametrize("form", [["--root", "{}"], ["--root={}"], ["-root", "{}"], ["-root={}"]], ids=" ".join)
def test_forms_of_the_root_option(runtime, container, tmp_path, form):
    c = container()
    c.bundle.write()
    options = [part.format(runtime.root) for part in form]
    runtime.run(*options, "create", "--bundle", c.bundle.path, c.id, root=False, check=True)
    assert c.status == "created"


def test_roots_are_apart(runtime, container, tmp_path):
    c = container()
    c.create()
    other = runtime.run("--root", str(tmp_path / "other"), "state", c.id, root=False)
    assert other.rc == 1 and "does not exist" in other.err


def test_relative_root(runtime, container, tmp_path):
    c = container()
    c.bundle.write()
    runtime.run("--root", "state", "create", "--bundle", c.bundle.path, c.id, root=False, cwd=tmp_path, check=True)
    assert c.status == "created"


def test_root_is_made_private(runtime, container, tmp_path):
    c = container()
    c.create()
    assert os.stat(runtime.root).st_mode & 0o7777 == 0o700


@pytest.fixture
def own_run(host_unchanged):
    """An empty /run that only this session sees."""
    host.mount("tmpfs", "/run", "tmpfs", 0, "mode=755")
    yield "/run"
    host.umount("/run")


def test_default_root(runtime, container, own_run):
    c = container()
    c.bundle.write()
    runtime.run("create", "--bundle", c.bundle.path, c.id, root=False, check=True)
    try:
        assert os.path.isdir(f"/run/{KIND}/{c.id}")
        assert runtime.run("list", "-q", root=False).out.split() == [c.id]
        assert runtime.run("list", "-q").out.split() == []
    finally:
        runtime.run("delete", "--force", c.id, root=False, check=True)


@wherry_only("an ordinary user's is in XDG_RUNTIME_DIR")
def test_default_root_of_root_does_not_depend_on_the_environment(runtime, container, own_run, tmp_path):
    c = container()
    c.bundle.write()
    runtime.run("create", "--bundle", c.bundle.path, c.id, root=False, env={"XDG_RUNTIME_DIR": str(tmp_path)},
                check=True)
    try:
        assert os.stat("/run/wherry").st_mode & 0o7777 == 0o700
        assert os.path.isdir(f"/run/wherry/{c.id}")
    finally:
        runtime.run("delete", "--force", c.id, root=False, check=True)


@pytest.mark.parametrize("where", ["file", "dev"])
def test_unusable_root(runtime, bundle, tmp_path, host_unchanged, where):
    root = tmp_path / "afile" if where == "file" else "/proc/self/nothing"
    if where == "file":
        root.write_text("")
    b = bundle().write()
    result = runtime.run("--root", str(root), "create", "--bundle", b.path, b.id, root=False)
    assert result.rc == 1
    assert str(root) in result.err
    host_unchanged()


def test_double_dash_ends_the_options(runtime, container):
    c = container()
    c.create()
    assert runtime.run("state", "--", c.id).json()["id"] == c.id


@pytest.mark.parametrize("args", [["/bin/echo", "--help"], ["/bin/echo", "-t", "--cwd"], ["/bin/echo", "--", "-d"]],
                         ids=" ".join)
def test_options_after_the_program_are_the_programs(container, args):
    c = container()
    c.up()
    assert c.exec(*args).out == " ".join(args[1:]) + "\n"


@pytest.mark.parametrize("value", ["true", "false"])
def test_boolean_options_take_a_value(container, value):
    c = container()
    c.up()
    result = c.delete(f"--force={value}", check=False)
    assert (result.rc == 0) == (value == "true")


def test_systemd_cgroup_flag_is_known(runtime):
    assert runtime.run("list", options=["--systemd-cgroup"]).rc == 0


def test_rootless_flag_is_known(runtime):
    for value in ("true", "false", "auto"):
        assert runtime.run("list", options=["--rootless", value]).rc == 0


def test_the_spec_version_is_that_of_features(runtime):
    text = runtime.run("--version", root=False).out
    spec = re.search(r"^spec: (\S+)$", text, re.M).group(1)
    assert json.loads(runtime.run("features").out)["ociVersionMax"] == spec


@wherry_only("help is a verb as well")
@pytest.mark.parametrize("verb", VERBS + ["plan", "trace", "help"])
def test_help_of_a_verb(runtime, verb):
    assert runtime.run("help", verb, root=False).out == runtime.run(verb, "--help").out


@wherry_only("help is a verb as well")
def test_help_of_no_verb(runtime):
    assert runtime.run("help", root=False).out == runtime.run("--help", root=False).out
    assert runtime.run("help", "frobnicate", root=False).rc == 1


@wherry_only("a near miss is named")
@pytest.mark.parametrize("args, meant", [(["crate"], "create"), (["delet"], "delete"), (["list", "--qiet"], "quiet")],
                         ids=" ".join)
def test_suggestions(runtime, args, meant):
    result = runtime.run(*args)
    assert result.rc == 1 and meant in result.err


@wherry_only("global options go before the verb")
def test_a_global_option_after_the_verb_is_explained(runtime):
    result = runtime.run("list", "--log-format", "json")
    assert result.rc == 1 and "before the verb" in result.err
