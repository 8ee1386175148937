# SPDX-License-Identifier: Apache-2.0
"""The suites of the lab (tools/lab run NAME): one row each."""
from typing import NamedTuple


class Suite(NamedTuple):
    files: str  # pytest's, relative to the tree, parted by blanks
    seconds: int  # after that many the machine is taken for wedged; on two cores, emulated, doing nothing else
    text: str
    memory: int = 1536  # MiB
    machines: int = 1  # 2: the tests run in the first; the second answers ssh as lab2 (tests/lab/guest/main.py)
    steady: bool = False  # the clock counts instructions: for what measures (docs/testing.md)
    ci: bool = True  # part of tools/test


SUITES = {
    "host": Suite("tests/lab/test_host.py", 180, "that the lab is the host it claims to be"),
    "resources": Suite("tests/lab/test_resources.py tests/lab/test_limits.py tests/lab/test_device_rules.py", 600,
                       "every row of docs/resources.md, device rules and hard cases, by both managers"),
    "checkpoint": Suite("tests/lab/test_checkpoint.py", 600,
                        "saving and restoring: limits, systemd's units, cgroups below, pre-dump, page server, lazy pages"),
    "rootless": Suite("tests/lab/test_rootless.py", 400, "an ordinary user's containers under the user's own systemd"),
    "pair": Suite("tests/lab/test_pair.py", 240, "two machines that reach each other", machines=2, ci=False),
    "verbs": Suite("tests/lab/test_update.py tests/lab/test_events.py tests/lab/test_usage.py", 600,
                   "update, events, stats and reclaim with every controller, by both managers"),
    "integration": Suite("tests/integration", 3600, "all of tests/integration on that host", ci=False),
}
