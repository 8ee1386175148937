# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the lab's tests: those of tests/integration. These tests run inside of the lab (tools/lab), nowhere else."""
import importlib.util
import os
import sys

import pytest

INTEGRATION = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "integration")
sys.path.insert(0, INTEGRATION)

import rdma_device  # noqa: E402

_spec = importlib.util.spec_from_file_location("integration_conftest", os.path.join(INTEGRATION, "conftest.py"))
_shared = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_shared)

runtime, host_unchanged, bundle, container = (_shared.runtime, _shared.host_unchanged, _shared.bundle, _shared.container)
canary, helper = _shared.canary, _shared.helper
pytest_report_header = _shared.pytest_report_header


def pytest_configure(config):
    if not os.path.exists("/lab/job.json"):
        pytest.exit("the tests of tests/lab change the host that they run on: run them by tools/lab run SUITE", 2)
    _shared.prepare(config)  # and the network is the machine's: another machine is reached by it


@pytest.fixture(scope="session")
def rdma():
    """The name of an RDMA device."""
    with rdma_device.made() as name:
        yield name
