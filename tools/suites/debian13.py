# SPDX-License-Identifier: Apache-2.0
"""The first of the two commands on a fresh Debian 13: from a clone, with nothing installed, and then once more. Of the second
what fits into a few minutes, the unit tests (docs/testing.md says how to run all of it in there). Then the Debian package,
built and installed there."""
import os
import shutil
import tempfile

from command import ROOT, run

SUITE = "trixie"


def debian13(report):
    obstacle = _obstacle()
    if obstacle:
        report.skips("debian13: quickstart", obstacle)
        return
    with tempfile.TemporaryDirectory(prefix="wherry-debian13-", dir="/var/tmp") as top:
        root = os.path.join(top, "root")
        made = run(["tools/debian-root", SUITE, root], 600)
        report.check("debian13: root", made.problems())
        if made.ok:
            _quickstart(report, root)
            _unit(report, root)
            _package(report, root)


def _obstacle():
    if os.geteuid() != 0:
        return "needs root"
    with open("/etc/os-release") as release:
        if f"VERSION_CODENAME={SUITE}\n" in release.read():
            return "this is Debian 13 itself"
    bench = run(["tools/deps", "bench"], 600)  # debootstrap is in there
    if not bench.ok:
        return "debootstrap cannot be installed: " + bench.output.strip()
    return None


def _quickstart(report, root):
    copy = os.path.join(root, "root", "wherry")
    cloned = run(["git", "-c", f"safe.directory={ROOT}/.git", "clone", "-q", "--no-hardlinks", ROOT, copy], 120)
    if not cloned.ok:
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns("build*", ".git"))
    for name in ("quickstart", "quickstart again"):
        done = run(["tools/debian-root", "enter", root, "--", "/root/wherry/tools/quickstart"], 900)
        report.check(f"debian13: {name}", done.problems()[-40:])
        if not done.ok:
            return
    answer = run(["tools/debian-root", "enter", root, "--", "wherry", "--version"], 60)
    report.check("debian13: the installed program answers",
                 [] if answer.ok and answer.output.startswith("wherry version") else [answer.output])


UNIT_RUN = "cd /root/wherry && tools/deps unit && exec tools/test --no-deps unit"


def _unit(report, root):
    """With that release's compiler and libraries: one result, since the same tests are counted in another suite."""
    done = run(["tools/debian-root", "enter", root, "--", "sh", "-c", UNIT_RUN], 900)
    report.check("debian13: the unit tests", done.problems()[-40:])


PACKAGE_RUN = """
set -eu
cd /root/wherry
tools/deps package
rm -f /usr/local/sbin/wherry
package=$(tools/package --output /root | tail -n 1)
apt-get -qq install --no-install-recommends "$package" </dev/null
test "$(command -v wherry)" = /usr/sbin/wherry
mkdir -p /root/first
cp -r /var/lib/wherry/first/rootfs /root/first/rootfs
wherry run --rootfs /root/first/rootfs packaged -- echo "from the package" | grep -qx "from the package"
apt-get -qq purge wherry </dev/null
test ! -e /usr/sbin/wherry -a ! -e /usr/libexec/wherry
"""


def _package(report, root):
    done = run(["tools/debian-root", "enter", root, "--", "sh", "-c", PACKAGE_RUN], 600)
    report.check("debian13: the package is built, installed by apt, runs a container, and is removed",
                 done.problems()[-40:])
