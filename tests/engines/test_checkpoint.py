"""Checkpoint and restore by the engines: Podman's and containerd's own commands, with the files that they make of it."""
import json
import os
import re
import shutil
import subprocess
import tarfile

import pytest

import podman as engine
from call import call, read, wait_until
from conftest import ROOT
from containerd_fixtures import containerd, ctr  # noqa: F401  pylint: disable=unused-import
from podman_fixtures import image_of_root, podman1_of_root, podman_of_root  # noqa: F401  pylint: disable=unused-import

COUNT = "i=0; while :; do i=$((i+1)); echo $i >/tmp/count; sleep 0.1; done"


@pytest.fixture(scope="module", autouse=True)
def criu():
    assert shutil.which("criu"), "criu is not installed"


def count(client, container):
    """How far the container, of Podman or of ctr, has counted."""
    return int(client.exec(container, "cat", "/tmp/count", rc=None).out.strip() or 0)


def start_counting(client, *flags):
    container = client.start("sh", "-c", COUNT, flags=flags)
    wait_until(lambda: count(client, container) > 3, "it to count")
    return container


def goes_on(podman, container, last):
    """The restored container counts on from where it was, and does not begin anew."""
    assert podman.get(container, "{{.State.Status}}") == "running"
    wait_until(lambda: count(podman, container) > last, "it to go on")


def checkpoint(podman, container, *flags):
    last = count(podman, container)
    podman.call("container", "checkpoint", *flags, container)
    return last


# --- Podman --------------------------------------------------------------------------------------------------------

@pytest.mark.core
def test_checkpoint_and_restore(podman):
    """Twice: what was restored can be saved again, and lies in a cgroup as before."""
    container = start_counting(podman)
    cgroup = podman.cgroup(container)
    for _ in range(2):
        last = checkpoint(podman, container)
        assert podman.get(container, "{{.State.Status}}") == "exited"
        assert podman.get(container, "{{.State.Checkpointed}}") == "true"
        podman.call("container", "restore", container)
        goes_on(podman, container, last)
        assert podman.cgroup(container) == cgroup
    podman.call("stop", "-t", "0", container)


def test_limits(podman):
    """The limits are those of the container, whose cgroup was gone in between."""
    container = start_counting(podman, "--memory", "64m", "--pids-limit", "50", "--cpus", "0.5")
    files = ("memory.max", "pids.max", "cpu.max")

    def limits():
        return [open(os.path.join(podman.cgroup(container), name), encoding="ascii").read() for name in files]
    before = limits()
    assert before[0] == f"{64 << 20}\n"
    last = checkpoint(podman, container)
    podman.call("container", "restore", container)
    goes_on(podman, container, last)
    assert limits() == before


def test_the_container_runs_on(podman1):
    container = start_counting(podman1)
    pid = podman1.pid(container)
    last = checkpoint(podman1, container, "--leave-running")
    assert podman1.pid(container) == pid
    goes_on(podman1, container, last)


def test_logs_and_exit_status_after_a_restore(podman1):
    """conmon has the streams of the restored processes, and their exit status."""
    container = podman1.start("sh", "-c", "echo before; while [ ! -e /tmp/go ]; do sleep 0.1; done; echo after; exit 9")
    wait_until(lambda: "before" in podman1.out("logs", container), "its output")
    podman1.call("container", "checkpoint", container)
    podman1.call("container", "restore", container)
    podman1.exec(container, "touch", "/tmp/go")
    wait_until(lambda: podman1.get(container, "{{.State.Status}}") == "exited", "the end")
    assert "after" in podman1.out("logs", container)
    assert podman1.get(container, "{{.State.ExitCode}}") == "9"


def test_volumes_secrets_and_shared_memory(podman1, here):
    """What Podman binds into a container: files of its own, a volume, /dev/shm."""
    (here / "kept").write_text("of the host\n")
    container = start_counting(podman1, "-v", f"{here}:/v:ro", "--tmpfs", "/scratch")
    podman1.sh_in(container, "echo one >/scratch/x; echo two >/dev/shm/y")
    last = checkpoint(podman1, container)
    podman1.call("container", "restore", container)
    goes_on(podman1, container, last)
    assert podman1.sh_in(container, "cat /v/kept /scratch/x /dev/shm/y") == "of the host\none\ntwo"


def test_a_read_only_root(podman1):
    """It is read-only afterwards, too."""
    container = start_counting(podman1, "--read-only", "--tmpfs", "/tmp")
    last = checkpoint(podman1, container)
    podman1.call("container", "restore", container)
    goes_on(podman1, container, last)
    assert "read-only" in podman1.exec(container, "touch", "/x", rc=1).err.lower()


def test_an_archive_of_wherrys_own(podman1, here, rootfs):
    """`wherry checkpoint --export --podman-image`: a container that no engine has made goes on under Podman."""
    if os.path.basename(podman1.runtime) != "wherry":
        pytest.skip("the archives of a runtime are wherry's own")
    bundle, archive = here / "bundle", str(here / "saved.tar.gz")
    (bundle / "rootfs").mkdir(parents=True)
    call("tar", "-C", bundle / "rootfs", "-xf", rootfs)
    (bundle / "rootfs" / "tmp").mkdir(exist_ok=True)
    call("wherry", "spec", "--bundle", bundle)
    config = json.loads((bundle / "config.json").read_text())
    config["process"].update(terminal=False, args=["sh", "-c", COUNT])
    config["root"]["readonly"] = False
    (bundle / "config.json").write_text(json.dumps(config))
    os.chmod(bundle / "rootfs", 0o555)
    (here / "empty").mkdir()
    call("sh", "-c", f"tar -C {here}/empty -cf {here}/empty.tar .")
    image = podman1.out("import", "-q", here / "empty.tar", "localhost/empty").split(":")[-1]
    with open(here / "log", "w", encoding="ascii") as log:
        subprocess.run(["wherry", "run", "--detach", "--bundle", bundle, "own"], check=True, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        counted = bundle / "rootfs" / "tmp" / "count"
        wait_until(lambda: counted.exists() and int(counted.read_text() or 0) > 3, "it to count")
        call("wherry", "checkpoint", "--export", archive, "--podman-image", image, "own")
    finally:
        call("wherry", "delete", "--force", "own", rc=None)
    podman1.call("container", "restore", "--import", archive, "--name", "copy1")
    goes_on(podman1, "copy1", int(counted.read_text()))
    podman1.call("rm", "-f", "-t", "0", "copy1")
    podman1.call("rmi", image)


@pytest.mark.parametrize("compress", ["zstd", "gzip", "none"])
def test_export_and_import(podman1, here, compress):
    """In one file, under another name, while the container that was saved is gone."""
    archive = str(here / "saved.tar")
    container = start_counting(podman1)
    podman1.sh_in(container, "echo changed >/etc/changed")
    last = checkpoint(podman1, container, "--compress", compress, "--export", archive)
    podman1.call("rm", "-f", "-t", "0", container)
    podman1.call("container", "restore", "--import", archive, "--name", "copy1")
    goes_on(podman1, "copy1", last)
    assert podman1.sh_in("copy1", "cat /etc/changed") == "changed"
    podman1.call("container", "restore", "--import", archive, "--name", "copy2")
    goes_on(podman1, "copy2", last)
    assert podman1.pid("copy1") != podman1.pid("copy2")


def test_a_copy_s_cgroup(podman1, here):
    """A container that comes back under another name lies in a cgroup of its own, and not in that of what was saved."""
    archive = str(here / "saved.tar")
    container = start_counting(podman1)
    podman1.call("container", "checkpoint", "--export", archive, container)
    podman1.call("rm", "-f", "-t", "0", container)
    podman1.call("container", "restore", "--import", archive, "--name", "copy")
    assert podman1.get("copy", "{{.Id}}") in podman1.cgroup("copy")


def test_the_same_layout(podman1, oci, here):
    """The members of Podman's archive that are not Podman's own are in ours, in the same places."""
    if oci != "wherry":
        pytest.skip("of wherry's archive")
    archive, ours = str(here / "podman.tar"), str(here / "wherry.tar")
    container = start_counting(podman1)
    podman1.call("container", "checkpoint", "--compress", "none", "--leave-running", "--export", archive, container)
    call("wherry", "checkpoint", "--leave-running", "--export", ours, container)
    with tarfile.open(archive) as theirs, tarfile.open(ours) as mine:
        names = [{name.removeprefix("./").rstrip("/") for name in tar.getnames()} for tar in (theirs, mine)]
        specs = [json.load(tar.extractfile("spec.dump")) for tar in (theirs, mine)]
        config, our_config = (json.load(tar.extractfile("config.dump")) for tar in (theirs, mine))
    own = {"ctr.log", "network.status", "devshm-checkpoint.tar", "deleted.files", "artifacts", "volumes", "stats-dump"}
    # one process came and went: its files have its number in their names
    assert {n for n in names[0] if n.split("/")[0] not in own and not re.search(r"-[0-9]+\.img$", n)} <= names[1]
    assert specs[0]["process"]["args"] == specs[1]["process"]["args"] == ["sh", "-c", COUNT]
    assert our_config["id"] == config["id"] and our_config["createdTime"]


def tracks_memory():
    """Whether the kernel tells which memory has changed (soft-dirty)."""
    return subprocess.run(["criu", "check", "--feature", "mem_dirty_track"], capture_output=True, check=False).returncode == 0


@pytest.fixture
def tracked():
    if not tracks_memory():
        pytest.skip("this kernel does not track changes of memory")


def test_pre_checkpoint(podman1, tracked):
    """Memory first, while the container runs; the checkpoint then builds on that."""
    container = start_counting(podman1)
    podman1.call("container", "checkpoint", "--pre-checkpoint", container)
    assert podman1.get(container, "{{.State.Status}}") == "running"
    last = checkpoint(podman1, container, "--with-previous")
    podman1.call("container", "restore", container)
    goes_on(podman1, container, last)


def test_pre_checkpoint_in_files(podman1, here, tracked):
    pre, archive = str(here / "pre.tar.gz"), str(here / "saved.tar.gz")
    container = start_counting(podman1)
    podman1.call("container", "checkpoint", "--pre-checkpoint", "--export", pre, container)
    last = checkpoint(podman1, container, "--with-previous", "--export", archive)
    podman1.call("rm", "-f", "-t", "0", container)
    podman1.call("container", "restore", "--import-previous", pre, "--import", archive, "--name", "copy")
    goes_on(podman1, "copy", last)


@pytest.fixture(scope="session")
def keeper(tmp_path_factory):
    """A directory with tests/integration/helpers/keeper.c, which keeps something and tells whether it still has it."""
    made = tmp_path_factory.mktemp("keeper")
    for directory in (made, made.parent):
        os.chmod(directory, 0o755)
    ready = os.path.join(os.environ.get("WHERRY_TEST_HELPERS", "/nonexistent"), "keeper")
    if os.path.exists(ready):
        shutil.copy(ready, made / "keeper")
    else:
        call("cc", "-static", "-O1", "-o", made / "keeper", os.path.join(ROOT, "tests/integration/helpers/keeper.c"))
    return made


def start_keeper(podman, keeper, thing):
    container = podman.start("/k/keeper", thing, flags=["-v", f"{keeper}:/k:ro"])
    wait_until(lambda: podman.exec(container, "test", "-e", "/tmp/ready", rc=None).rc == 0, "it to be ready")
    return container


def ask(podman, container):
    podman.exec(container, "sh", "-c", "rm -f /tmp/answer; touch /tmp/ask")
    return wait_until(lambda: podman.exec(container, "cat", "/tmp/answer", rc=None).out, "an answer")


@pytest.mark.parametrize("thing", ["tcp", "lock"])
def test_the_cause_of_a_refusal(podman1, keeper, thing):
    """What cannot be saved without a flag: the error says so, and the container runs on."""
    container = start_keeper(podman1, keeper, thing)
    result = podman1.call("container", "checkpoint", container, rc=125)
    assert thing in result.err.lower()
    assert podman1.get(container, "{{.State.Status}}") == "running"


def test_tcp_established(podman1, keeper):
    """A connection goes on."""
    container = start_keeper(podman1, keeper, "tcp")
    podman1.call("container", "checkpoint", "--tcp-established", container)
    podman1.call("container", "restore", "--tcp-established", container)
    assert ask(podman1, container) == "ok", "what was on its way, and what goes through now"


def test_tcp_close(podman1, keeper):
    container = start_keeper(podman1, keeper, "tcp")
    podman1.call("container", "checkpoint", "--tcp-established", container)
    podman1.call("container", "restore", "--tcp-close", container)
    assert ask(podman1, container) != "ok"


def test_terminal(podman1):
    container = podman1.out("run", "-d", "-t", "--network", "none", engine.IMAGE, "sh", "-c", COUNT)
    wait_until(lambda: count(podman1, container) > 3, "it to count")
    last = checkpoint(podman1, container)
    podman1.call("container", "restore", container)
    goes_on(podman1, container, last)
    assert podman1.sh_in(container, "readlink /proc/1/fd/0").startswith("/dev/pts/")


def test_file_locks(podman1, keeper):
    """Who holds a lock holds it afterwards."""
    container = start_keeper(podman1, keeper, "lock")
    podman1.call("container", "checkpoint", "--file-locks", container)
    podman1.call("container", "restore", "--file-locks", container)
    assert ask(podman1, container) == "ok"


def test_a_damaged_checkpoint(podman1):
    """The cause is told, nothing is left, and the sound image still restores."""
    container = start_counting(podman1)
    last = checkpoint(podman1, container, "--keep")
    image = os.path.join(podman1.get(container, "{{.StaticDir}}"), "checkpoint")
    path = os.path.join(image, "core-1.img")
    with open(path, "r+b") as file:
        data = file.read()
        file.truncate(len(data) // 2)
    result = podman1.call("container", "restore", "--keep", container, rc=125)
    assert result.err.strip()
    with open(path, "wb") as file:
        file.write(data)
    podman1.call("container", "restore", container)
    goes_on(podman1, container, last)


def test_a_pod(podman1):
    """A container that shares the namespaces of a pod is saved, and comes back into another one."""
    podman1.call("pod", "create", "--name", "one", "--network", "none")
    podman1.out("run", "-d", "--pod", "one", "--name", "member", engine.IMAGE, "sh", "-c", COUNT)
    wait_until(lambda: count(podman1, "member") > 3, "it to count")
    last = checkpoint(podman1, "member")
    podman1.call("container", "restore", "member")
    goes_on(podman1, "member", last)


# --- containerd ----------------------------------------------------------------------------------------------------

@pytest.mark.core
def test_ctr_container_checkpoint(ctr):
    """ctr c checkpoint makes an image of the container, its root's changes and its processes."""
    container = start_counting(ctr)
    ctr.exec(container, "sh", "-c", "echo changed >/etc/changed")
    last = count(ctr, container)
    ctr.call("containers", "checkpoint", "--task", "--rw", "--image", container, "localhost/checkpoint:1")
    ctr.remove(container)
    ctr.names.append("back")
    ctr.call("containers", "restore", "--live", "--rw", "back", "localhost/checkpoint:1")
    assert ctr.status("back") == "RUNNING"
    wait_until(lambda: count(ctr, "back") > last, "it to go on")
    assert ctr.exec("back", "cat", "/etc/changed").out == "changed\n"
    ctr.call("images", "rm", "localhost/checkpoint:1")


def test_ctr_task_checkpoint(ctr, program, here):
    """ctr tasks checkpoint into a directory; ctr has no way back from one, but the runtime has."""
    container = start_counting(ctr)
    last = count(ctr, container)
    image, work = str(here / "image"), str(here / "work")
    os.mkdir(work)
    ctr.call("tasks", "checkpoint", "--exit", "--image-path", image, "--work-path", work, container)
    wait_until(lambda: ctr.status(container) in (None, "STOPPED"), "its end")
    assert os.path.exists(os.path.join(image, "inventory.img")) and os.path.exists(os.path.join(work, "dump.log"))
    bundle, log = os.path.join(ctr.daemon.top, "state/io.containerd.runtime.v2.task/default", container), here / "log"
    file = os.path.join(bundle, "rootfs/tmp/count")
    saved = int(read(file))
    assert saved >= last

    def later():
        now = int(read(file) or saved)
        assert now >= saved, "it began anew"
        return now > saved
    runtime = [program, "--root", str(here / "states")]
    try:
        done = subprocess.run([*runtime, "--log", str(log), "restore", "--detach", "--image-path", image, "--work-path", work,
                               "--bundle", bundle, "back"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, check=False, timeout=120)  # its output would be the container's, too
        assert done.returncode == 0, read(log)
        wait_until(later, "it to go on")
    finally:
        call(*runtime, "delete", "--force", "back")


def test_ctr_checkpoint_leaves_it_running(ctr):
    container = start_counting(ctr)
    pid = ctr.pid(container)
    ctr.call("containers", "checkpoint", "--task", container, "localhost/checkpoint:2")
    assert ctr.status(container) == "RUNNING" and ctr.pid(container) == pid
    last = count(ctr, container)
    wait_until(lambda: count(ctr, container) > last, "it to go on")
    ctr.call("images", "rm", "localhost/checkpoint:2")


def test_ctr_reports_the_cause(ctr, keeper):
    """A connection, for which ctr has no flag: the error is the runtime's, and the container runs on."""
    container = ctr.start("/k/keeper", "tcp", flags=["--mount", f"type=bind,src={keeper},dst=/k,options=rbind:ro", "--net-host"])
    wait_until(lambda: ctr.exec(container, "test", "-e", "/tmp/ready", rc=None).rc == 0, "it to be connected")
    result = ctr.call("containers", "checkpoint", "--task", container, "localhost/checkpoint:3", rc=1)
    assert "tcp" in result.err.lower(), result
    assert ctr.status(container) == "RUNNING"
