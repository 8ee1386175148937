"""create: the environment is made, the program waits."""
import os

import host


def test_created_container_waits_for_start(container, host_unchanged):
    c = container()
    c.bundle.sh("echo ran")
    c.create()
    state = c.state()
    assert state["status"] == "created"
    assert host.alive(state["pid"])
    assert c.stdout() == ""
    c.delete("--force")
    host_unchanged()
    assert not os.path.exists(host.cgroup_path(c.id))
