"""--log, --log-format, --log-level, --debug: what engines read when something fails."""
import datetime
import json
import re

import pytest

from rig import wherry_only


@pytest.fixture
def log(tmp_path):
    return tmp_path / "log"


def fail(runtime, log, *options, verb=("state", "nobody")):
    result = runtime.run(*verb, options=["--log", str(log), *options])
    assert result.rc != 0
    return result


def test_error_is_in_the_log_and_on_stderr(runtime, log):
    result = fail(runtime, log)
    assert "does not exist" in log.read_text()
    assert "does not exist" in result.err


def test_text_line(runtime, log):
    fail(runtime, log, "--log-format", "text")
    line = log.read_text()
    assert line.count("\n") == 1
    assert "error" in line


def test_json_is_exactly_one_object(runtime, log):
    fail(runtime, log, "--log-format", "json")
    text = log.read_text()
    assert text.endswith("\n") and text.count("\n") == 1
    entry = json.loads(text)
    assert entry["level"] == "error"
    assert "does not exist" in entry["msg"]
    assert datetime.datetime.fromisoformat(re.sub(r"(\.\d{6})\d*", r"\1", entry["time"]).replace("Z", "+00:00"))


@wherry_only("no other keys, in this order")
def test_json_line_to_the_letter(runtime, log):
    fail(runtime, log, "--log-format=json")
    assert re.fullmatch(r'\{"level":"error","msg":"[^"]*does not exist[^"]*","time":"[0-9T:.Z+-]+"\}\n',
                        log.read_text())


def test_json_of_a_failed_create(container, log):
    c = container()
    c.bundle.args("no-such-program")
    assert c.create(check=False, options=["--log", str(log), "--log-format", "json"]).rc == 1
    errors = [json.loads(line) for line in log.read_text().splitlines()]
    assert errors[-1]["level"] == "error"
    assert "executable file not found in $PATH" in errors[-1]["msg"]


@wherry_only("Podman decodes the whole log as one document")
@pytest.mark.parametrize("break_it", [
    lambda b: b.args("no-such-program"), lambda b: b.set("process.cwd", "relative"),
    lambda b: b.set("root.path", "nowhere"), lambda b: b.drop("ociVersion"),
    lambda b: b.mount("/x", "/no/such/source", options=["bind"]),
    lambda b: b.capabilities(bounding=["CAP_NONSENSE"]).args("no-such-program")],
    ids=["program", "cwd", "rootfs", "version", "mount", "warning-and-error"])
def test_one_json_object_per_failure(container, log, break_it):
    c = container()
    break_it(c.bundle)
    assert c.create(check=False, options=["--log", str(log), "--log-format", "json"]).rc == 1
    assert json.loads(log.read_text())["level"] == "error"


def test_success_writes_nothing(container, log):
    c = container()
    c.create(options=["--log", str(log), "--log-format", "json"])
    c.runtime.run("start", c.id, options=["--log", str(log), "--log-format", "json"], check=True)
    assert not log.exists() or log.read_text() == ""


def test_log_is_appended_to(runtime, log):
    log.write_text("earlier\n")
    fail(runtime, log)
    fail(runtime, log)
    lines = log.read_text().splitlines()
    assert lines[0] == "earlier" and len(lines) == 3


def test_relative_log_is_relative_to_the_caller(runtime, tmp_path):
    runtime.run("state", "nobody", options=["--log", "here.log"], cwd=tmp_path)
    assert "does not exist" in (tmp_path / "here.log").read_text()


def test_message_with_special_characters_stays_json(runtime, log):
    fail(runtime, log, "--log-format", "json", verb=("run", "--bundle", '/no"such\\dir\x01', "x"))
    assert json.loads(log.read_text())["level"] == "error"


@pytest.mark.parametrize("value", ["xml", "JSON"])
def test_unknown_format_is_refused(runtime, value):
    assert runtime.run("list", options=[f"--log-format={value}"]).rc != 0


def test_unwritable_log_is_an_error(runtime, tmp_path):
    result = runtime.run("list", options=["--log", str(tmp_path / "none" / "log")])
    assert result.rc != 0
    assert "log" in result.err


def test_debug_says_more(container, log):
    c = container()
    c.create(options=["--debug", "--log", str(log)])
    assert "debug" in log.read_text().lower()


@wherry_only("--log-level is not runc's")
@pytest.mark.parametrize("level, lines", [("error", 0), ("warning", 1), ("debug", 2)])
def test_levels(container, log, level, lines):
    c = container()
    c.bundle.capabilities(bounding=["CAP_KILL", "CAP_NONSENSE"])
    c.create(options=["--log", str(log), "--log-level", level])
    written = log.read_text().splitlines() if log.exists() else []
    assert len(written) >= lines if level == "debug" else len(written) == lines, written


@wherry_only("--log-level is not runc's")
def test_unknown_level(runtime):
    assert "loud" in runtime.run("list", options=["--log-level", "loud"]).err


@wherry_only("a warning is one line as well")
def test_warning_as_json(container, log):
    c = container()
    c.bundle.capabilities(bounding=["CAP_KILL", "CAP_NONSENSE"])
    c.create(options=["--log", str(log), "--log-format", "json", "--log-level", "warning"])
    entry = json.loads(log.read_text())
    assert entry["level"] == "warning" and "CAP_NONSENSE" in entry["msg"]


def test_an_error_is_written_once(runtime):
    result = runtime.run("state", "nobody")
    assert result.err.count("does not exist") == 1
    assert result.err.count("\n") == 1
