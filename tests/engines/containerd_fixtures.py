"""The fixtures of the tests of containerd by its own client, which a module imports."""
import os

import pytest

from conftest import ROOT
from containerd import Containerd, Ctr


@pytest.fixture(scope="module")
def containerd(installed, tmp_path_factory, oci_image):
    made = Containerd(tmp_path_factory.mktemp("containerd"), os.path.join(ROOT, "tools", "engine-setup")).start()
    made.ctr("image", "import", oci_image)
    yield made
    made.remove()


@pytest.fixture
def ctr(containerd, program, nothing_left):
    made = Ctr(containerd, program)
    yield made
    made.end()
