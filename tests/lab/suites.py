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
    kernel: str = ""  # more words for the kernel's command line
    package: bool = False  # with the Debian package as /lab/wherry.deb
    runtime: str = ""  # the program that tests/integration runs there in place of the tree's


ENGINES = {
    "docker": ("tests/engines/test_docker_run.py tests/engines/test_docker_options.py tests/engines/test_docker_errors.py "
               "tests/engines/test_docker_daemon.py", "Docker"),
    "podman": ("tests/engines/test_podman.py tests/engines/test_podman_rootless.py tests/engines/test_podman_things.py "
               "tests/engines/test_podman_errors.py tests/engines/test_buildah.py", "Podman of root and of a user, and buildah"),
    "containerd": ("tests/engines/test_containerd.py", "containerd by ctr"),
    "cri": ("tests/engines/test_cri.py", "Kubernetes' calls to containerd"),
}
CONTRACT = ("tests/integration/test_engines.py tests/integration/test_engine_contract.py "
            "tests/integration/test_engine_checkpoint.py tests/integration/test_log.py")


def engines(runtime, suffix=""):
    """The rows of the engines with one runtime."""
    return {name + suffix: Suite(f"{files} --oci {runtime}", 3600, f"{text}, with {runtime}", 2048, ci=False, package=True)
            for name, (files, text) in ENGINES.items()}


SUITES = {
    "host": Suite("tests/lab/test_host.py tests/lab/test_apparmor.py", 240,
                  "that the lab is the host it claims to be, and what its AppArmor enforces"),
    "bench": Suite("tests/lab/test_bench.py", 1200, "figures that only a whole host gives (docs/performance.md)", steady=True,
                   ci=False),
    "resources": Suite("tests/lab/test_resources.py tests/lab/test_limits.py tests/lab/test_device_rules.py", 600,
                       "every row of docs/resources.md, device rules and hard cases, by both managers",
                       kernel="numa=fake=2"),
    "checkpoint": Suite("tests/lab/test_checkpoint.py", 1500,
                        "saving and restoring: limits, systemd's units, cgroups below, pre-dump, page server, lazy pages",
                        ci=False),
    "rootless": Suite("tests/lab/test_rootless.py", 400, "an ordinary user's containers under the user's own systemd"),
    "migrate": Suite("tests/lab/test_migrate.py", 2400,
                     "moving containers: pre-copy, post-copy, changing memory, 20 times in a row, a store under load", 3072, ci=False),
    "migrate-two": Suite("tests/lab/test_migrate_two.py", 900, "moving containers between two machines, by ssh",
                         machines=2, ci=False),
    "selinux": Suite("tests/lab/test_selinux.py", 400, "labels of processes, mounts and keyrings, on a kernel with SELinux and a policy",
                     kernel="security=selinux"),
    "systemd": Suite("tests/lab/test_systemd.py tests/lab/test_systemd_limits.py tests/lab/test_systemd_trouble.py "
                     "tests/lab/test_systemd_rootless.py", 1200, "containers as units of systemd, root's and a user's", ci=False),
    "systemd-life": Suite("tests/lab/test_systemd.py", 400, "of the suite systemd what takes two minutes"),
    "system-container": Suite("tests/lab/test_system_container.py", 900,
                              "Debian's systemd as pid 1 of a container, as root and in a user namespace", ci=False),
    "pair": Suite("tests/lab/test_pair.py", 240, "two machines that reach each other", machines=2, ci=False),
    "verbs": Suite("tests/lab/test_update.py tests/lab/test_events.py tests/lab/test_usage.py", 600,
                   "update, events, stats and reclaim with every controller, by both managers"),
    "engines-core": Suite("tests/engines --core", 900, "a core of the engines' suites, with wherry alone", 2048, package=True),
    **engines("wherry"),
    "contract": Suite(CONTRACT, 900, "the calls and files of engines, replayed", ci=False),
    **engines("runc", "-runc"),
    "contract-runc": Suite(CONTRACT, 900, "the same with runc, the reference", ci=False, runtime="/usr/sbin/runc"),
    "engines-checkpoint": Suite("tests/engines/test_checkpoint.py", 2400,
                                "checkpoint and restore by Podman and by ctr, with wherry and with runc", 2048, ci=False, package=True),
    "setup": Suite("tests/engines/test_setup.py", 1500, "tools/engine-setup: apply, check by a container, undo", 2048, ci=False,
                   package=True),
    "integration": Suite("tests/integration", 3600, "all of tests/integration on that host", ci=False),
}
