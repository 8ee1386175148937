# SPDX-License-Identifier: Apache-2.0
"""tools/package: that the Debian package holds what it should and nothing that it should not, and is reproducible."""
import filecmp
import glob
import os
import re
import shutil
import subprocess
import tempfile

from command import ROOT, run

PLACES = ["usr/sbin/wherry", "usr/libexec/wherry/wherry-dynamic", "usr/share/man/man8/wherry.8.gz",
          "usr/share/bash-completion/completions/wherry", "usr/share/zsh/vendor-completions/_wherry",
          "usr/share/fish/vendor_completions.d/wherry.fish", "usr/share/doc/wherry/copyright",
          "usr/share/doc/wherry/changelog.gz", "usr/sbin/wherry-engine-setup", "usr/share/man/man8/wherry-engine-setup.8.gz"]
PROGRAMS = PLACES[:2]


def package(report):
    with tempfile.TemporaryDirectory(prefix="wherry-package-", dir="/var/tmp") as top:
        first = _build(report, os.path.join(top, "one"), "022")
        second = first and _build(report, os.path.join(top, "another", "place"), "077")
        if not second:
            return
        same = os.path.basename(first) == os.path.basename(second) and filecmp.cmp(first, second, shallow=False)
        report.check("package: the same commit gives the same bytes", [] if same else [f"{first} and {second} differ"])
        root = os.path.join(top, "root")
        unpacked = run(["dpkg-deb", "-x", first, root], 60)
        report.check("package: unpacks", unpacked.problems())
        report.check("package: holds what it should", _missing(root))
        report.check("package: the links of its documents lead to something", _links(root))
        report.check("package: engine-setup prints what the tree's does", _engine_setup(root))
        report.check("package: nothing is setuid, setgid, or has file capabilities", _privileged(root, first))
        report.check("package: depends on what its programs load", _depends(root, first))
        linted = run(["lintian", "--allow-root", "--fail-on", "error,warning,info", "-I", first], 300)
        report.check("package: lintian", linted.problems() or linted.output.splitlines())


def _build(report, copy, umask):
    """Builds the last commit in a clone of its own; returns the path of the package, or None."""
    os.makedirs(os.path.dirname(copy), exist_ok=True)
    cloned = run(["git", "-c", f"safe.directory={ROOT}/.git", "clone", "-q", "--no-hardlinks", ROOT, copy], 120)
    if not cloned.ok:
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns("build*", ".git"))
    output = copy + ".output"
    done = run(["sh", "-c", f"umask {umask}; exec tools/package --output {output}"], 600, cwd=copy)
    report.check(f"package: builds with umask {umask}", done.problems())
    return done.output.splitlines()[-1] if done.ok else None


def _missing(root):
    verbs = {os.path.basename(page)[:-len(".8")] for page in glob.glob(f"{ROOT}/man/*.8")}
    wanted = PLACES + [f"usr/share/man/man8/{verb}.8.gz" for verb in verbs]
    problems = [f"{place} is not there" for place in wanted if not os.path.isfile(os.path.join(root, place))]
    problems += [f"{place} is not executable" for place in PROGRAMS if not os.access(os.path.join(root, place), os.X_OK)]
    answer = run([os.path.join(root, PROGRAMS[0]), "--version"], 20)
    return problems + ([] if answer.output.startswith("wherry version ") else [answer.output])


def _links(root):
    """Each document of the tree is there; its links lead to another, or to a place in the package."""
    folder = os.path.join(root, "usr/share/doc/wherry")
    wanted = {os.path.basename(path) for path in [*glob.glob(f"{ROOT}/docs/*.md"), f"{ROOT}/README.md"]}
    problems = [f"{name} is not there" for name in sorted(wanted - set(os.listdir(folder)))]
    for path in sorted(glob.glob(f"{folder}/*.md")):
        with open(path, encoding="utf-8") as document:
            targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", document.read())
        for target in targets:
            place = root + target if target.startswith("/") else os.path.join(folder, target)
            if "://" not in target and not os.path.exists(place):
                problems.append(f"{os.path.basename(path)}: leads to '{target}', which is not in the package")
    return problems


def _engine_setup(root):
    """It finds its snippets from where it is installed; what it calls itself differs."""
    problems = []
    for engine in ("docker", "docker-buildkit", "containerd", "podman", "crio", "kubernetes", "buildah"):
        words = [engine, "--wherry", "/usr/sbin/wherry"]
        here, there = run([f"{ROOT}/tools/engine-setup", *words], 60), run([f"{root}/usr/sbin/wherry-engine-setup", *words], 60)
        problems += here.problems() + there.problems()
        if there.output != here.output.replace("`engine-setup ", "`wherry-engine-setup "):
            problems.append(f"{engine}: the two differ: {there.output}")
    return problems


def _privileged(root, package_file):
    """The archive's own list of modes and owners, and the attributes of what it unpacks to."""
    rows = run(["dpkg-deb", "-c", package_file], 60).output.splitlines()
    problems = [row for row in rows if not re.match(r"([d-]rw[x-]r-[x-]r-[x-]|lrwxrwxrwx) root/root ", row)]
    for folder, _, files in os.walk(root):
        problems += [f"{folder}/{name}: {attribute}" for name in files
                     for attribute in os.listxattr(os.path.join(folder, name)) if attribute == "security.capability"]
    return problems if rows else ["it is empty"]


def _depends(root, package_file):
    """Each shared library of the twin is of a package in Depends; the static program has none."""
    field = subprocess.run(["dpkg-deb", "-f", package_file, "Depends"], capture_output=True, text=True).stdout
    named = set(re.findall(r"([a-z0-9.+-]+)(?: \([^)]*\))?(?:,|$)", field.strip()))
    problems = []
    for program in PROGRAMS:
        loaded = re.findall(r"\(NEEDED\)\s+Shared library: \[(.*)\]", run(["readelf", "-d", f"{root}/{program}"], 20).output)
        if loaded and program == PROGRAMS[0]:
            problems.append(f"{program} loads {loaded}: it should be static")
        for library in loaded:
            owners = run(["dpkg-query", "-S", f"*/{library}"], 60).output
            if not named & set(re.findall(r"^([a-z0-9.+-]+)(?::[a-z0-9]+)?: ", owners, re.M)):
                problems.append(f"{program} loads {library}, and Depends is '{field.strip()}'")
    return problems
