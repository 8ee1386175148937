# SPDX-License-Identifier: Apache-2.0
"""A machine of the lab that stands still while it boots is started once more; a shell stands for it."""
import os
import subprocess
import sys

import pytest

sys.path.append(os.path.join(os.path.dirname(__file__), "..", "..", "tools", "labhost"))
import machine  # noqa: E402  pylint: disable=wrong-import-position
import runs  # noqa: E402  pylint: disable=wrong-import-position
from errors import LabError  # noqa: E402  pylint: disable=wrong-import-position


class Suite:
    seconds = 20


class Machine(machine.Machine):
    """Its boots do these scripts, the last one from then on."""

    def __init__(self, folder, *scripts):
        super().__init__(None, str(folder), 1, None, None)
        self.scripts, self.boots = scripts, 0

    def start(self, interactive=False):
        open(self.console, "w").close()
        script = self.scripts[min(self.boots, len(self.scripts) - 1)]
        self.boots += 1
        self.process = subprocess.Popen(["sh", "-c", script], env=dict(os.environ, CONSOLE=self.console))


BOOTS = f"echo 'noise {machine.UP}' > $CONSOLE; sleep 1"


@pytest.mark.parametrize("scripts, boots", [(["sleep 60", BOOTS], 2), ([BOOTS], 1)])
def test_one_that_stands_still_is_started_again(tmp_path, scripts, boots):
    one = Machine(tmp_path, *scripts)
    runs.power_on("x", [one], Suite, False, True, boot_seconds=0.3)
    assert one.boots == boots and not one.running()


def test_it_is_an_error_the_second_time(tmp_path):
    one = Machine(tmp_path, "echo rcu > $CONSOLE; sleep 60")
    with pytest.raises(LabError, match="has not booted after 0.3 s.*\n    rcu"):
        runs.power_on("x", [one], Suite, False, True, boot_seconds=0.3)
    assert one.boots == 2 and not one.running()


def test_the_guest_says_what_is_waited_for():
    with open(os.path.join(os.path.dirname(__file__), "..", "lab", "guest", "main.py")) as guest:
        assert f'"{machine.UP}\\n"' in guest.read()
