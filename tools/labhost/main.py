# SPDX-License-Identifier: Apache-2.0
"""The body of tools/lab: verbs and options."""
import argparse
import functools
import os
import sys
import termios

import accel
import image
import recipe
import trees
from errors import CannotRun, LabError
from progress import say
from runs import SUITES, Session, Suite, run_suite, status_of

sys.path.append(os.path.join(trees.TREE, "tools", "suites"))
import pool  # noqa: E402  pylint: disable=wrong-import-position
from report import Report  # noqa: E402  pylint: disable=wrong-import-position


def chosen(names, seconds):
    """The rows for names; a path of a test file is a suite of its own."""
    found = {}
    for name in names:
        if name in SUITES:
            found[name] = SUITES[name]
        elif os.path.exists(name.split("::")[0]):
            path = os.path.relpath(os.path.abspath(name), trees.TREE)
            found[os.path.basename(path).split(".py")[0]] = Suite(path, 900, "files named by hand")
        else:
            raise LabError(f"no suite and no file '{name}'; there are {', '.join(SUITES)}")
    return {name: row._replace(seconds=seconds or row.seconds) for name, row in found.items()}


def verb_build(options):
    lab = image.build(options.debian)
    say(f"ready: {lab.guest} ({accel.choose(lab)})")
    return 0


def verb_list(options):
    for name, suite in SUITES.items():
        print(f"{name:18}{suite.text}{'' if suite.ci else ' (not in tools/test)'}")
    return 0


def verb_run(options):
    rows = chosen(options.suite, options.seconds)
    report = Report()

    def suite(name, found):
        if options.stop and any(one.report.failed for one in of_rows):
            found.skips(f"lab {name}", "--stop, and another suite has failed")
        else:
            run_suite(session, found, name, rows[name], options.arguments, quiet=options.jobs > 1)
    with Session(options.debian) as session:
        of_rows = [pool.Run(name, functools.partial(suite, name)) for name in rows]
        pool.side_by_side([one.begin for one in of_rows], options.jobs)
    for one in of_rows:
        report.absorb(one.report)
    report.print_closing()
    return 1 if report.failed else 0


def verb_exec(options):
    if not options.arguments:
        raise LabError("exec wants a command: tools/lab exec -- COMMAND...")
    suite = Suite("", options.seconds or 600, "", options.memory, options.machines, options.steady)
    with Session(options.debian) as session:
        return status_of(session.run("exec", {"kind": "exec", "command": options.arguments}, suite))


def verb_shell(options):
    if not sys.stdin.isatty():
        raise LabError("shell wants a terminal; for one command there is tools/lab exec -- COMMAND...")
    suite = Suite("", 7 * 86400, "", options.memory, options.machines)
    say("`exit` powers off; ctrl-a x kills the machine")
    modes = termios.tcgetattr(sys.stdin)
    try:
        with Session(options.debian) as session:
            session.run("shell", {"kind": "shell", "term": os.environ.get("TERM", "linux")}, suite, interactive=True)
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, modes)  # QEMU's are raw, and it may have been killed
    return 0


def parse(argv):
    """What follows -- is the verb's: pytest's arguments, or the command."""
    cut = argv.index("--") if "--" in argv else len(argv)
    parser = argparse.ArgumentParser(prog="tools/lab", description="A Debian host in a virtual machine, to test in.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    build = verbs.add_parser("build", help="make what is cached of the lab")
    build.set_defaults(run=verb_build)
    listing = verbs.add_parser("list", help="print the suites")
    listing.set_defaults(run=verb_list)
    run = verbs.add_parser("run", help="run suites: tools/lab run SUITE... [-- PYTEST...]")
    run.add_argument("suite", nargs="+", help="a suite (tools/lab list), or the path of a test file")
    run.add_argument("--jobs", type=int, choices=(1, 2), default=1,
                     help="2: two machines at once, each suite's output in build-lab/SUITE/output-1 alone")
    run.add_argument("--stop", action="store_true", help="stop after the first suite that fails")
    run.set_defaults(run=verb_run)
    execute = verbs.add_parser("exec", help="run one command as root: tools/lab exec -- COMMAND...")
    execute.set_defaults(run=verb_exec)
    shell = verbs.add_parser("shell", help="a root shell on this terminal")
    shell.set_defaults(run=verb_shell)
    for verb in (execute, shell):
        verb.add_argument("--memory", type=int, default=1536, metavar="MIB", help="default: %(default)s")
        verb.add_argument("--machines", type=int, choices=(1, 2), default=1, help="2: another one answers ssh as lab2")
    execute.add_argument("--steady", action="store_true", help="a clock that counts instructions, to measure by")
    for verb in (build, listing, run, execute, shell):
        verb.add_argument("--suite", dest="debian", choices=recipe.RELEASES, default=recipe.DEFAULT,
                          help="Debian's suite that the machine is made of (default: %(default)s)")
    for verb in (execute, run):
        verb.add_argument("--seconds", type=int, metavar="N", help="another time limit")
    options = parser.parse_args(argv[:cut])
    options.arguments = argv[cut + 1:]
    return options


def main():
    options = parse(sys.argv[1:])
    try:
        return options.run(options)
    except CannotRun as cause:
        print(f"tools/lab: this machine cannot: {cause}", file=sys.stderr)
    except LabError as error:
        print(f"tools/lab: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("tools/lab: interrupted", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
