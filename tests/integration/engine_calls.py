"""The command lines that engines sent, as recorded (tests/data/engines/calls.txt)."""
import os
import shlex

from rig import SOURCE_ROOT

DATA = os.path.join(SOURCE_ROOT, "tests", "data", "engines")


def read_calls():
    """The calls of each section; those before the first one are in ""."""
    sections, name = {}, ""
    with open(DATA + "/calls.txt") as f:
        for line in filter(str.strip, f):
            if line.startswith("# "):
                name = line[2:].strip()
            else:
                sections.setdefault(name, []).append(shlex.split(line))
    return sections


CALLS = read_calls()


def saves_or_restores(words):
    """Whether it is a call of CRIU's verbs, and more than a question for their help."""
    return "--help" not in words and bool({"checkpoint", "restore"} & set(words))
