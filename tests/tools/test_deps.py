# SPDX-License-Identifier: Apache-2.0
"""tools/deps, with stand-ins for dpkg-query and apt-get."""
import os
import subprocess

import pytest

DEPS = os.path.join(os.path.dirname(__file__), "..", "..", "tools", "deps")

APT = """#!/bin/sh
echo begins >>{top}/apt
sleep 0.5
echo ends >>{top}/apt
touch {top}/installed
"""
QUERY = """#!/bin/sh
! [ -e {top}/installed ] || echo "install ok installed;"
"""


@pytest.fixture
def path(tmp_path):
    """PATH with the two before the host's own."""
    for name, text in (("apt-get", APT), ("dpkg-query", QUERY)):
        (tmp_path / name).write_text(text.format(top=tmp_path))
        (tmp_path / name).chmod(0o755)
    return f"{tmp_path}:/usr/sbin:/usr/bin:/sbin:/bin"


@pytest.mark.skipif(os.geteuid() != 0 or not os.path.isdir("/var/lib/dpkg"), reason="installs nothing without root and dpkg")
def test_of_two_at_once_one_installs_and_the_other_finds_it_done(path, tmp_path):
    calls = [subprocess.Popen([DEPS, "package"], env={"PATH": path}, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [call.communicate(timeout=30)[0] for call in calls]
    assert [call.returncode for call in calls] == [0, 0]
    assert sorted(outputs) == ["", "deps: installing dpkg-dev git\n"], outputs
    assert (tmp_path / "apt").read_text() == "begins\nends\n"


def test_what_is_there_is_not_installed(path, tmp_path):
    (tmp_path / "installed").touch()
    done = subprocess.run([DEPS, "package"], env={"PATH": path}, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "") and not (tmp_path / "apt").exists()
