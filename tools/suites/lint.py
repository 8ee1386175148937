# SPDX-License-Identifier: Apache-2.0
"""What can be said of the sources without running wherry. One result a check, its failure lists every place."""
import concurrent.futures
import json
import os
import re
import shutil

import build
from accepted import sift
from command import ROOT, run, tracked_files

# What decides: the layout of .clang-format and the findings of accepted.py are these versions' (Debian 12's); others differ.
CLANG = "14"
CPPCHECK = "2.10"


def lint(report):
    _format(report)
    for tool in ("check-layers", "check-paths"):
        report.check(f"lint: {tool}", run([f"tools/{tool}"], 60).problems())
        report.check(f"lint: {tool} finds what it must", run([f"tools/{tool}", "--self-test"], 60).problems())
    _shell(report)
    _python(report)
    _man(report)
    _links(report)
    _tests(report)
    _snippets(report)
    _words(report)
    report.check("lint: spec-coverage is current", run(["tools/spec-coverage", "--check"], 60).problems())


def analysis(report):
    problems = build.configure("analysis")
    if problems:
        report.fails("analysis: meson", "\n".join(problems))
        return
    _clang_tidy(report)
    _cppcheck(report)


def _format(report):
    program = _program(report, "lint: format", "clang-format", CLANG)
    if not program:
        return
    done = run([program, "--dry-run", "--ferror-limit=1", "-Werror"] + tracked_files(".c", ".h"), 300)
    report.check("lint: format", [] if done.ok else
                 [line for line in done.output.splitlines() if "error:" in line] or done.problems())


def _program(report, test, name, version):
    """The program of the version that decides, or None after a skip of the test."""
    program = shutil.which(f"{name}-{version}") or shutil.which(name)
    answer = run([program, "--version"], 60).output if program else "none"
    found = re.search(r"\b(\d+\.\d+)", answer)
    if found and (found.group(1) + ".").startswith(version + "."):
        return program
    report.skips(test, f"{name} {version} decides, here is {found.group(1) if found else answer.strip()}")
    return None


def _scripts(pattern):
    """The tree's programs whose first line matches."""
    found = []
    for name in tracked_files():
        with open(os.path.join(ROOT, name), "rb") as script:
            if re.match(pattern, script.readline(80)):
                found.append(name)
    return found


def _shell(report):
    scripts = _scripts(rb"#!.*\b(ba)?sh\b")
    report.check("lint: shell syntax", [p for s in scripts for p in run(["bash", "-n", s], 60).problems()])
    # Not for: names of other files (1090, 1091), unquoted lists of words (2046, 2086), text for another shell (2016),
    # A && B || C (2015), functions that another file calls (2317).
    report.check("lint: shellcheck", run(["shellcheck", "-e", "1090,1091,2015,2016,2046,2086,2317"] + scripts, 120).problems())


def _python(report):
    problems = []
    for name in sorted(set(_scripts(rb"#!.*python") + tracked_files(".py"))):
        with open(os.path.join(ROOT, name), encoding="utf-8") as source:
            try:
                compile(source.read(), name, "exec")
            except SyntaxError as error:
                problems.append(f"{name}:{error.lineno}: {error.msg}")
    report.check("lint: Python syntax", problems)


def _man(report):
    pages = [n for n in tracked_files() if re.match(r"(man|tools)/.*\.[1-9]$", n)]
    if not pages:
        report.fails("lint: man pages", "there is none in man/")
        return
    report.check("lint: man pages", run(["mandoc", "-T", "lint", "-W", "warning"] + pages, 60).problems())


# What in a document's `...` is a file or folder of the tree; capitals stand for a name to be filled in.
NAMED = re.compile(r"`((?:base|oci-spec|namespaces|cgroups|libcontainer|cmd|tests|tools|docs|man)/[a-z0-9_./-]*)`")


def _links(report):
    """A relative link of a document leads to something, and so does a path that it names."""
    problems = []
    for name in tracked_files(".md"):
        with open(os.path.join(ROOT, name), encoding="utf-8") as document:
            for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", document.read()):
                path = os.path.join(ROOT, os.path.dirname(name), target)
                if "://" not in target and not os.path.exists(path):
                    problems.append(f"{name}: leads to '{target}', which is not there")
            document.seek(0)
            problems += [f"{name}: names '{path}', which is not there" for path in NAMED.findall(document.read())
                         if not os.path.exists(os.path.join(ROOT, path))]
    report.check("lint: links", problems)


# A test that a document names: `integration/test_x.py::test_y`, or a file of tests alone.
TEST = re.compile(r"`((?:unit|integration|lab|engines|tools)/[a-z0-9_/.-]*test_\w+\.(?:py|c))(?:::(\w+))?`")


def _tests(report):
    """A test that a document names is there."""
    problems = []
    for name in tracked_files(".md"):
        with open(os.path.join(ROOT, name), encoding="utf-8") as document:
            named = set(TEST.findall(document.read()))
        for file, test in sorted(named):
            path = os.path.join(ROOT, "tests", file)
            if not os.path.isfile(path):
                problems.append(f"{name}: names tests/{file}, which is not there")
            elif test and not re.search(rf"\b{test}\(", open(path, encoding="utf-8").read()):
                problems.append(f"{name}: names {test} of tests/{file}, which is not there")
    report.check("lint: tests that documents name", problems)


def _snippets(report):
    """A block of a document under the comment of a file's name is that file, and each snippet of tools/engines is shown."""
    problems, shown = [], set()
    for name in tracked_files(".md"):
        with open(os.path.join(ROOT, name), encoding="utf-8") as document:
            blocks = re.findall(r"^<!-- (\S+) -->\n```\w*\n(.*?)^```$", document.read(), re.M | re.S)
        for file, text in blocks:
            shown.add(file)
            path = os.path.join(ROOT, file)
            if not os.path.isfile(path):
                problems.append(f"{name}: shows '{file}', which is not there")
            elif open(path, encoding="utf-8").read() != text:
                problems.append(f"{name}: shows {file} with other words than that file has")
    snippets = {n for n in tracked_files() if n.startswith("tools/engines/") and not n.endswith(".py")}
    problems += [f"{name}: no document shows it" for name in sorted(snippets - shown)]
    report.check("lint: snippets", problems)


def _words(report):
    """Work left for later is written down where work is listed, not in the sources."""
    problems = []
    for name in tracked_files(".c", ".h", ".py", ".build"):
        with open(os.path.join(ROOT, name), encoding="utf-8") as source:
            problems += [f"{name}:{number}: {line.strip()}" for number, line in enumerate(source, 1)
                         if re.search(r"\b(TO" + r"DO|FIX" + r"ME|X" + r"XX)\b", line)]
    report.check("lint: nothing left to do", problems)


def _compiled_sources():
    """The sources of the programs and libraries, as the build compiles them (the unit tests are not analysed)."""
    with open(os.path.join(build.directory("analysis"), "compile_commands.json")) as commands:
        paths = {os.path.normpath(os.path.join(c["directory"], c["file"])) for c in json.load(commands)}
    names = sorted(os.path.relpath(path, ROOT) for path in paths)
    return [n for n in names if not n.startswith(("tests/", "build", ".."))]


def _clang_tidy(report):
    program = _program(report, "analysis: clang-tidy", "clang-tidy", CLANG)
    if not program:
        return

    def tidy(name):
        contract = ["--extra-arg=-include", f"--extra-arg={ROOT}/tools/suites/analysis.h"]
        done = run([program, "-quiet", "-p", build.directory("analysis")]
                   + (contract if name != "base/error.c" else []) + [name], 300)
        found = re.findall(r"^(\S+?):(\d+):\d+: (?:error|warning): (.*) \[([\w.-]+)[],]", done.output, re.M)
        if not done.ok and not found:
            return [(name, "", line) for line in done.problems()]
        return [(_in_tree(file), check, f"{_in_tree(file)}:{line}: {text} [{check}]") for file, line, text, check in found]

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        findings = sum(pool.map(tidy, _compiled_sources()), [])
    report.check("analysis: clang-tidy", sift("clang-tidy", findings))


def _in_tree(path):
    """A file as clang-tidy names it (from the build directory, or ./x), relative to the tree."""
    whole = os.path.normpath(os.path.join(build.directory("analysis"), path))
    return os.path.relpath(whole, ROOT) if whole.startswith(ROOT + "/") and not whole.startswith(
        build.directory("analysis")) else os.path.normpath(path)


def _cppcheck(report):
    program = _program(report, "analysis: cppcheck", "cppcheck", CPPCHECK)
    if not program:
        return
    done = run([program, "--quiet", "--inline-suppr", "--std=c11", "-D_GNU_SOURCE", "-D__x86_64__", "-DCAP_LAST_CAP=40",
                "--enable=warning,performance,portability", "--suppress=missingIncludeSystem",
                "--template={file}\t{line}\t{id}\t{message}", "-j", str(os.cpu_count()), "-I", ".", "-I",
                build.directory("analysis")] + _compiled_sources(), 900)
    rows = [line.split("\t") for line in done.output.splitlines()]
    findings = [(os.path.normpath(r[0]), r[2], f"{r[0]}:{r[1]}: {r[3]} [{r[2]}]") for r in rows if len(r) == 4]
    if not done.ok and not findings:
        report.fails("analysis: cppcheck", "\n".join(done.problems()))
        return
    report.check("analysis: cppcheck", sift("cppcheck", findings))
