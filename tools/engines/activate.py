# SPDX-License-Identifier: Apache-2.0
"""Has a running engine read its changed configuration."""
import os
import shlex
import subprocess

from change import Refused


def now(engine):
    if not engine.activation:
        return
    if not engine.unit or not _is_active(engine.unit):
        print(f"then: {engine.activation}")
        return
    print(engine.activation)
    for command in engine.activation.split(" && "):
        try:
            done = subprocess.run(shlex.split(command), capture_output=True, text=True, timeout=300)
        except subprocess.TimeoutExpired as expired:
            raise Refused(f"{command}: not done after {expired.timeout:g} s; the file is changed") from expired
        if done.returncode != 0:
            raise Refused(f"{command}: {done.stderr.strip()}; the file is changed")


def _is_active(unit):
    return os.path.isdir("/run/systemd/system") and subprocess.run(["systemctl", "-q", "is-active", unit],
                                                                   timeout=60).returncode == 0
