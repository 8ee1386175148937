"""docker run and what acts on one container: exec, attach, logs, stop, kill, pause, restart policies, health."""
import json
import os
import time

import pytest

import gaps
from call import wait_until
from check import monitor_calls


@pytest.mark.core
def test_run(docker, oci):
    assert docker.run("echo", "hello").out == "hello\n"
    result = docker.run("sh", "-c", "cat; echo $GREETING >&2; exit 42", flags=["-i", "-e", "GREETING=hi"], rc=42, text="typed")
    assert (result.out, result.err) == ("typed", "hi\n")
    assert docker.sh("hostname; pwd; id -u", flags=["--hostname", "vessel", "-w", "/tmp"]) == "vessel\n/tmp\n0"


def test_the_runtime_is_the_one_that_was_asked_for(docker, oci):
    container = docker.start()
    assert docker.get(container, "{{.HostConfig.Runtime}}") == oci
    assert os.path.basename(monitor_calls(docker.pid(container))) == oci
    with open(f"{docker.daemon.states()}/{container}/" + ("record.json" if oci == "wherry" else "state.json"), encoding="utf-8") as f:
        json.load(f)


def shows_the_size(terminal):
    """Whether the program on the terminal, which shows its size for each line, has the new one. The client hears of sizes only from
    when its call to start the program has returned."""
    terminal.resize(40, 100)
    terminal.write("\r")
    return terminal.has("40 100")


def test_run_on_a_terminal(docker):
    terminal = docker.terminal("run", "--rm", "-it", *docker.flags([]), "bb", "sh", "-c",
                               "tty; stty size; read x; echo got $x; while read y; do stty size; done; exit 5")
    assert "/dev/pts/0" in terminal.wait_for("24 80")
    terminal.write("something\r")
    terminal.wait_for("got something")

    wait_until(lambda: shows_the_size(terminal), "the terminal's new size")
    terminal.write("\x04")
    assert terminal.end() == 5


@pytest.mark.core
def test_exec(docker):
    container = docker.start(flags=["-e", "A=1", "-w", "/tmp"])
    assert docker.exec(container, "sh", "-c", "echo $A$B; pwd; id -u; exit 3", flags=["-e", "B=2", "-u", "1000"],
                       rc=3).out == "12\n/tmp\n1000\n"
    assert docker.exec(container, "cat", flags=["-i", "-w", "/"], text="through").out == "through"
    old = int(docker.out("version", "--format", "{{.Server.Version}}").split(".")[0]) < 28
    missing = docker.exec(container, "no-such-program", rc=126 if old else 127)  # before moby#48552, 126 for all that cannot start
    assert "executable file not found in $PATH" in missing.all
    assert "permission denied" in docker.exec(container, "/etc/noexec", rc=126).all
    assert "/etc/passwd" in docker.exec(container, "true", flags=["-w", "/etc/passwd"], rc=126 if old else 128).all
    docker.exec(container, "sleep", "1000", flags=["-d"])
    assert docker.sh_in(container, "ps").count("sleep") == 2


def test_exec_on_a_terminal(docker):
    container = docker.start()
    terminal = docker.terminal("exec", "-it", container, "sh", "-c", "tty; read x; echo got $x; exit 6")
    terminal.wait_for("/dev/pts/")
    terminal.write("that\r")
    terminal.wait_for("got that")
    assert terminal.end() == 6


def test_exec_on_a_terminal_whose_size_changes(docker):
    container = docker.start()
    terminal = docker.terminal("exec", "-it", container, "sh", "-c", "echo up; while read y; do stty size; done; exit 3")
    terminal.wait_for("up")
    wait_until(lambda: shows_the_size(terminal), "the terminal's new size")
    terminal.write("\x04")
    assert terminal.end() == 3


def test_exec_privileged_and_unprivileged(docker):
    container = docker.start()
    docker.exec(container, "mount", "-t", "tmpfs", "tmpfs", "/tmp", rc=1)
    docker.exec(container, "sh", "-c", "grep CapEff /proc/self/status", flags=["--privileged"])
    plain, all_of_them = [int(docker.exec(container, "grep", "CapEff", "/proc/self/status", flags=f).out.split()[1], 16)
                          for f in ([], ["--privileged"])]
    assert plain < all_of_them


def test_attach(docker):
    container = docker.start("sh", "-c", "read x; echo got $x; exit 7", flags=["-i"])
    terminal = docker.terminal("attach", container)
    terminal.write("words\n")
    terminal.wait_for("got words")
    assert terminal.end() == 7


def test_attach_to_a_terminal_and_leave_it(docker):
    """What is typed arrives, what is written is seen; ctrl-p ctrl-q ends the client, and not the program."""
    container = docker.start("sh", "-c", "tty; while read x; do echo got $x; done; exit 8", flags=["-it"])
    for word in ("one", "two"):
        terminal = docker.terminal("attach", container)
        terminal.write(f"{word}\r")
        terminal.wait_for(f"got {word}")
        terminal.write("\x10\x11")
        terminal.end()
        assert docker.get(container, "{{.State.Status}}") == "running"
    assert "/dev/pts/0" in docker.out("logs", container)
    terminal = docker.terminal("attach", container)
    terminal.write("three\r")
    terminal.wait_for("got three")
    terminal.write("\x04")
    assert terminal.end() == 8


def test_logs_are_followed_to_the_end(docker):
    container = docker.start("sh", "-c", "echo first; while [ ! -e /tmp/go ]; do sleep 0.1; done; echo last")
    terminal = docker.terminal("logs", "-f", container)
    terminal.wait_for("first")
    docker.exec(container, "touch", "/tmp/go")
    terminal.wait_for("last")
    assert terminal.end() == 0


def test_logs(docker):
    container = docker.start("sh", "-c", "echo out; echo err >&2; exit 9")
    assert docker.out("wait", container) == "9"
    result = docker.call("logs", container)
    assert (result.out, result.err) == ("out\n", "err\n")


def test_stop(docker):
    polite = docker.start("sh", "-c", "trap 'echo bye; exit 0' TERM; while :; do sleep 0.1; done")
    deaf = docker.start("sh", "-c", "trap '' TERM; while :; do sleep 0.1; done")
    other = docker.start("sh", "-c", "trap 'exit 11' INT; while :; do sleep 0.1; done", flags=["--stop-signal", "SIGINT"])
    docker.call("stop", polite)
    docker.call("stop", "-t", "1", deaf)
    docker.call("stop", other)
    assert docker.out("logs", polite) == "bye"
    assert [docker.get(c, "{{.State.Status}} {{.State.ExitCode}}") for c in (polite, deaf, other)] == [
        "exited 0", "exited 137", "exited 11"]
    docker.call("start", polite)
    docker.wait_status(polite, "running")


def test_kill(docker):
    container = docker.start("sh", "-c", "trap 'echo usr1' USR1; while :; do sleep 0.1; done")
    for signal in ("USR1", "SIGUSR1", "10"):
        before = docker.out("logs", container).count("usr1")
        docker.call("kill", "-s", signal, container)
        wait_until(lambda seen=before: docker.out("logs", container).count("usr1") > seen, signal)
    docker.call("kill", container)
    docker.wait_status(container, "exited")
    assert docker.get(container, "{{.State.ExitCode}}") == "137"
    assert "not running" in docker.call("kill", container, rc=1).err


@pytest.mark.core
def test_pause(docker):
    container = docker.start("sh", "-c", "while :; do echo tick; sleep 0.1; done")
    docker.call("pause", container)
    assert docker.get(container, "{{.State.Status}}") == "paused"
    seen = docker.out("logs", container)
    assert "paused" in docker.exec(container, "true", rc=1).err
    time.sleep(1)
    assert docker.out("logs", container) == seen
    docker.call("unpause", container)
    wait_until(lambda: docker.out("logs", container) != seen, "it to go on")
    docker.call("pause", container)
    docker.rm(container)


def test_top(docker):
    container = docker.start("sh", "-c", "sleep 1000 & exec sleep 2000")
    wait_until(lambda: docker.out("top", container).count("sleep") == 2, "both processes")
    assert "sleep 1000" in docker.out("top", container, "-o", "pid,args")


def test_stats(docker):
    container = docker.start()
    row = json.loads(docker.out("stats", "--no-stream", "--format", "{{json .}}", container))
    assert row["ID"] and container.startswith(row["ID"])
    if "pids" in gaps.controllers():
        assert row["PIDs"] == "1", row


def test_restart_policy(docker):
    container = docker.start("sh", "-c", "echo run; exit 1", flags=["--restart", "on-failure:2"])
    wait_until(lambda: docker.get(container, "{{.RestartCount}} {{.State.Status}}") == "2 exited", "two restarts", 90)
    assert docker.out("logs", container) == "run\nrun\nrun"


@pytest.mark.parametrize("policy", ["always", "unless-stopped"])
def test_restart_until_it_is_stopped(docker, policy):
    container = docker.start("sh", "-c", "echo run; sleep 1", flags=["--restart", policy])
    wait_until(lambda: docker.out("logs", container).count("run") >= 2, "a restart", 90)
    docker.call("stop", "-t", "0", container)
    assert docker.get(container, "{{.State.Status}}") == "exited"


def test_restart(docker):
    container = docker.start("sh", "-c", "echo run; exec sleep 1000")
    wait_until(lambda: docker.out("logs", container) == "run", "the first run")
    docker.call("restart", "-t", "0", container)
    wait_until(lambda: docker.out("logs", container) == "run\nrun", "the second run")


def test_healthcheck(docker):
    container = docker.start(flags=["--health-cmd", "test -e /tmp/well", "--health-interval", "1s", "--health-retries", "2",
                                    "--health-timeout", "30s"])
    wait_until(lambda: docker.get(container, "{{.State.Health.Status}}") == "unhealthy", "it to be unhealthy", 120)
    docker.exec(container, "touch", "/tmp/well")
    wait_until(lambda: docker.get(container, "{{.State.Health.Status}}") == "healthy", "it to be healthy", 120)


def test_init(docker):
    container = docker.start(flags=["--init"])
    assert "docker-init" in docker.out("top", container) or "/sbin/docker-init" in docker.sh_in(container, "cat /proc/1/cmdline")
    docker.exec(container, "sh", "-c", "sleep 0.1 &")
    wait_until(lambda: docker.sh_in(container, "ps | grep -c '[s]leep 0.1' || true") == "0", "the orphan to be reaped")
    docker.call("stop", container)
    assert docker.get(container, "{{.State.ExitCode}}") == "143"


def test_commit_and_copy(docker, here):
    container = docker.start("sh", "-c", "echo made >/made; exec sleep 1000")
    wait_until(lambda: docker.exec(container, "cat", "/made", rc=None).rc == 0, "the file")
    (here / "given").write_text("given\n")
    docker.call("cp", here / "given", f"{container}:/tmp/given")
    assert docker.sh_in(container, "cat /made /tmp/given") == "made\ngiven"
    docker.call("cp", f"{container}:/made", here / "taken")
    assert (here / "taken").read_text() == "made\n"


def test_a_group_of_containers(docker):
    """As compose makes one: a network, names on it, a volume that two share."""
    net = docker.out("network", "create", "group")
    try:
        server = docker.start("sh", "-c", "echo page >/data/page; while :; do nc -l -p 80 <</data/page >/dev/null; done".replace(
            "<</", "</"), flags=["--network", "group", "--name", "server", "-v", "shared:/data"])
        flags = ["--network", "group", "-v", "shared:/data:ro"]
        wait_until(lambda: docker.run("sh", "-c", "cat /data/page", flags=flags, rc=None).out == "page\n", "the volume")
        assert docker.sh("for i in 1 2 3 4 5; do nc -w 5 server 80 </dev/null && break; sleep 1; done", flags=flags) == "page"
        docker.rm(server)
    finally:
        docker.rm_all()
        docker.call("network", "rm", net)
        docker.call("volume", "rm", "-f", "shared")
