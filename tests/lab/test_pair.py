"""Two machines on one wire: what tests of migration rest on."""
import subprocess


def _there(*argv):
    return subprocess.run(["ssh", "-o", "ConnectTimeout=20", "-o", "ConnectionAttempts=6", "lab2", *argv], check=True,
                          capture_output=True, text=True, timeout=150).stdout


def test_the_peer_answers_and_has_the_same_program():
    assert _there("hostname").strip() == "lab2"
    here = subprocess.run(["wherry", "--version"], check=True, capture_output=True, text=True).stdout
    assert _there("/usr/local/sbin/wherry", "--version") == here
