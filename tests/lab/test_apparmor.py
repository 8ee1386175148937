"""AppArmor, which the lab's kernel enforces: a container has the profile that its document names, or is not made."""
import subprocess

import pytest

from checkpoints import CRIU, Saved

PROFILE = """
profile wherry-lab flags=(attach_disconnected, mediate_deleted) {
  file,
  signal,
  capability,
  deny /forbidden/** rwl,
}
profile wherry-lab-other flags=(attach_disconnected, mediate_deleted) {
  file,
  signal,
}
profile wherry-lab-saved flags=(attach_disconnected, mediate_deleted) {
  file,
  signal,
  capability,
  unix,
  network,
  ptrace,
}
profile wherry-lab-restored flags=(attach_disconnected, mediate_deleted) {
  file,
  signal,
}
"""


def _parser(option):
    subprocess.run(["apparmor_parser", option, "--skip-cache"], input=PROFILE, text=True, check=True, timeout=60)


@pytest.fixture(scope="module", autouse=True)
def profiles():
    with open("/sys/module/apparmor/parameters/enabled", encoding="ascii") as enabled:
        assert enabled.read() == "Y\n", "the lab's kernel enforces AppArmor"
    _parser("--replace")
    yield
    _parser("--remove")


@pytest.fixture
def confined(container):
    """A container under the profile, with a file in it that the profile denies."""
    c = container()
    c.bundle.set("process.apparmorProfile", "wherry-lab")
    c.bundle.file("forbidden/secret", "secret")
    return c


@pytest.mark.parametrize("no_new_privileges", [False, True])
def test_the_program_is_confined(confined, no_new_privileges):
    confined.bundle.set("process.noNewPrivileges", no_new_privileges).sh(
        "cat /proc/self/attr/current; cat /forbidden/secret || echo denied; touch /allowed && echo made")
    done = confined.run(check=True)
    assert done.out.splitlines() == ["wherry-lab (enforce)", "denied", "made"]


def test_a_process_of_exec_has_the_documents_profile(confined):
    confined.up()
    assert confined.exec("/bin/sh", "-c", "cat /proc/self/attr/current; cat /forbidden/secret || echo denied",
                         check=True).out.splitlines() == ["wherry-lab (enforce)", "denied"]


def test_exec_with_a_profile_of_its_own(confined):
    confined.up()
    done = confined.runtime.run("exec", "--apparmor", "wherry-lab-other", confined.id, "/bin/sh", "-c",
                                "cat /proc/self/attr/current; cat /forbidden/secret", check=True)
    assert done.out == "wherry-lab-other (enforce)\nsecret"


def test_a_user_namespace(confined):
    confined.bundle.map_ids()
    confined.bundle.sh("cat /proc/self/attr/current")
    assert confined.run(check=True).out == "wherry-lab (enforce)\n"


def test_a_profile_that_is_not_loaded(confined):
    confined.bundle.set("process.apparmorProfile", "wherry-lab-missing")
    done = confined.run()
    assert done.rc != 0
    assert "process.apparmorProfile" in done.err and "wherry-lab-missing" in done.err
    assert confined.runtime.run("state", confined.id).rc != 0


@pytest.mark.skipif(CRIU is None, reason="no CRIU 4 on this host: tools/criu fetches one")
def test_restore_with_another_profile(confined, tmp_path):
    """Without a word the restored process has the profile that the saved one had, which has to let CRIU work in it: it
    connects a socket there."""
    def profile():
        with open(f"/proc/{confined.pid}/attr/current", encoding="ascii") as current:
            return current.read()

    saved = Saved(confined, tmp_path)
    confined.bundle.set("process.apparmorProfile", "wherry-lab-saved").sh("while :; do usleep 50000; done")
    saved.up()
    saved.checkpoint(timeout=120)
    saved.restore(timeout=120)
    assert profile() == "wherry-lab-saved (enforce)\n"
    confined.delete("--force")
    saved.restore("--lsm-profile", "apparmor:wherry-lab-restored", timeout=120)
    assert profile() == "wherry-lab-restored (enforce)\n"


def test_features_says_that_it_is_there(runtime):
    assert runtime.run("features", check=True).json()["linux"]["apparmor"]["enabled"] is True
