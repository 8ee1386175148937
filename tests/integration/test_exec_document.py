"""exec --process FILE: the only form that engines use."""
import copy
import json
import os

import pytest

import bundles
import host
from rig import lacks, skip_if, wherry_only

PROCESS = {"terminal": False, "user": {"uid": 0, "gid": 0}, "args": ["/bin/true"], "cwd": "/",
           "env": ["PATH=/bin"], "capabilities": bundles.DEFAULT["process"]["capabilities"]}


@pytest.fixture
def vessel(container):
    c = container()
    c.up()
    return c


@pytest.fixture
def run_document(vessel, tmp_path):
    """run_document({...}, flags) runs exec --process on the default process changed so."""
    def run(change=None, flags=(), raw=None, **kw):
        document = dict(copy.deepcopy(PROCESS), **(change or {}))
        (tmp_path / "process.json").write_text(raw if raw is not None else json.dumps(document))
        return vessel.runtime.run("exec", "--process", tmp_path / "process.json", *flags, vessel.id, **kw)

    return run


def test_status_and_output(run_document):
    result = run_document({"args": ["/bin/sh", "-c", "echo ran; exit 5"]})
    assert (result.rc, result.out, result.err) == (5, "ran\n", "")


def test_every_setting_is_the_documents(run_document):
    result = run_document({
        "args": ["/bin/sh", "-c", "id -u; id -g; id -G; pwd; echo $WHO; grep msgqueue /proc/self/limits;"
                 "cat /proc/self/oom_score_adj; grep -E 'CapBnd|CapAmb|NoNewPrivs' /proc/self/status"],
        "user": {"uid": 1000, "gid": 1001, "additionalGids": [7]}, "cwd": "/home/user", "noNewPrivileges": True,
        "env": ["PATH=/bin", "WHO=document"], "rlimits": [{"type": "RLIMIT_MSGQUEUE", "soft": 5, "hard": 6}],
        "oomScoreAdj": 77,
        "capabilities": {k: ["CAP_KILL"] for k in ("bounding", "permitted", "inheritable", "ambient", "effective")}})
    lines = [" ".join(line.split()) for line in result.out.splitlines()]
    oom = lines.pop(6)
    assert lines == ["1000", "1001", "1001 7", "/home/user", "document", "Max msgqueue size 5 6 bytes",
                     "CapBnd: 0000000000000020", "CapAmb: 0000000000000020", "NoNewPrivs: 1"], result
    if oom != "77":
        skip_if("runc", "exec takes oomScoreAdj from config.json")
    assert oom == "77"


def test_umask(run_document):
    skip_if("runc", "exec leaves the document's umask out")
    result = run_document({"args": ["/bin/sh", "-c", "umask"], "user": {"uid": 0, "gid": 0, "umask": 0o77}})
    assert result.out == "0077\n"


def test_nothing_is_taken_from_config_json(container, tmp_path):
    c = container()
    c.bundle.set("process.env", ["PATH=/bin", "FROM_CONFIG=1"]).set("process.cwd", "/home")
    c.bundle.set("process.noNewPrivileges", True)
    c.up()
    document = dict(copy.deepcopy(PROCESS), args=["/bin/sh", "-c", "env; pwd; grep NoNewPrivs /proc/self/status"])
    (tmp_path / "p.json").write_text(json.dumps(document))
    result = c.runtime.run("exec", "--process", tmp_path / "p.json", c.id, check=True)
    assert "FROM_CONFIG" not in result.out
    assert "\n/\n" in result.out
    assert result.out.split()[-1] == "0"


def test_no_capabilities_in_the_document_means_none(run_document):
    result = run_document({"args": ["/bin/grep", "-E", "Cap(Eff|Prm|Inh|Amb)", "/proc/self/status"],
                           "capabilities": {}})
    assert {int(line.split()[1], 16) for line in result.out.splitlines()} == {0}


@pytest.mark.parametrize("flags", [["-d"], ["--detach"]], ids=lambda f: f[0])
def test_as_containerd_calls_it(run_document, vessel, tmp_path, flags):
    result = run_document({"args": ["/bin/sleep", "1000"]}, flags=[*flags, "--pid-file", tmp_path / "e.pid"])
    assert (result.rc, result.out, result.err) == (0, "", "")
    pid = int((tmp_path / "e.pid").read_text())
    assert host.alive(pid) and host.cgroup_of(pid).endswith(vessel.id)
    host.kill_quietly(pid)
    host.wait_gone(pid)
    assert os.WTERMSIG(host.reaped[pid]) == 9


def test_short_option_and_equals_form(vessel, tmp_path):
    (tmp_path / "p.json").write_text(json.dumps(dict(PROCESS, args=["/bin/echo", "ok"])))
    for form in (["-p", tmp_path / "p.json"], [f"--process={tmp_path}/p.json"], [f"-process={tmp_path}/p.json"]):
        assert vessel.runtime.run("exec", *form, vessel.id).out == "ok\n"


def test_file_is_relative_to_the_caller(vessel, tmp_path):
    (tmp_path / "p.json").write_text(json.dumps(dict(PROCESS, args=["/bin/echo", "ok"])))
    assert vessel.runtime.run("exec", "--process", "p.json", vessel.id, cwd=tmp_path).out == "ok\n"


def test_unknown_properties_are_ignored(run_document):
    assert run_document({"newInSomeLaterVersion": {"a": [1, 2]}}).rc == 0


def test_missing_file(vessel, tmp_path):
    result = vessel.runtime.run("exec", "--process", tmp_path / "none.json", vessel.id)
    assert result.rc == 255
    assert "none.json" in result.err


@pytest.mark.parametrize("raw", ["", "{", "[]", "null", "not json", '{"args": "sh"}', "\0\0\0", "{}"],
                         ids=["empty", "cut", "array", "null", "text", "wrong-type", "binary", "no-args"])
def test_bad_documents_run_nothing(run_document, vessel, raw):
    result = run_document(raw=raw)
    assert result.rc == 255, result
    assert result.err.strip()
    assert len(host.processes_in_cgroups(vessel.id)) == 1


@pytest.mark.parametrize("change", [
    {"args": []}, {"cwd": "relative"}, {"cwd": ""}, {"user": {"uid": -1, "gid": 0}},
    {"user": {"uid": 4294967296, "gid": 0}}, {"user": {"uid": "0", "gid": 0}}, {"env": "A=1"},
    {"rlimits": [{"type": "RLIMIT_NONSENSE", "soft": 1, "hard": 1}]}], ids=str)
def test_bad_values_run_nothing(run_document, change):
    result = run_document(dict(change))
    assert result.rc == 255, result


@wherry_only("where in the document")
def test_the_place_of_an_error_is_named(run_document):
    result = run_document(raw='{"cwd": "/", "user": {"uid": 0, "gid": 0},\n "args": ["/bin/true", 7]}')
    assert result.rc == 255
    assert "process.json:2:" in result.err and "args[1]" in result.err


def test_missing_program(run_document):
    result = run_document({"args": ["no-such-program"]})
    assert result.rc == 255
    assert "executable file not found in $PATH" in result.err


def test_failure_writes_no_pid_file(run_document, tmp_path):
    run_document({"args": ["no-such-program"]}, flags=["-d", "--pid-file", tmp_path / "e.pid"])
    assert not (tmp_path / "e.pid").exists()


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one processor is the caller's: no affinity differs from another")
@lacks("runc", "1.1 ignores execCPUAffinity", below=(1, 3))
@pytest.mark.parametrize("affinity, shown", [({"initial": 1, "final": 1}, 1), ({"initial": 0, "final": 1}, 1), ({"initial": 1, "final": 0}, 0),
                                             ({"final": 1}, 1), ({"initial": 1}, 1)], ids=str)
def test_cpu_affinity(run_document, affinity, shown):
    """final is the program's; without it, it keeps what it was brought in with."""
    cpus = sorted(os.sched_getaffinity(0))
    result = run_document({"args": ["/bin/grep", "Cpus_allowed_list", "/proc/self/status"],
                           "execCPUAffinity": {when: str(cpus[index]) for when, index in affinity.items()}})
    assert result.out.split()[1] == str(cpus[shown])
