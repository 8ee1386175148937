"""A program in the runtime's place, which writes down its words and then is the runtime: what an engine really called."""
import os
import shutil

LISTENS = """#!/bin/sh
echo "$*" >>'CALLS'
exec PROGRAM "$@"
"""


class Listener:
    """Its files are in a directory; owner: who calls it."""

    def __init__(self, directory, program, owner=None):
        self.path, self.file = os.path.join(directory, "runtime"), os.path.join(directory, "calls")
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(LISTENS.replace("CALLS", self.file).replace("PROGRAM", program))
        os.chmod(self.path, 0o755)
        with open(self.file, "w", encoding="utf-8"):
            pass
        shutil.chown(self.file, owner or "root")

    def calls(self, words):
        """How many calls had these words, one after the other; forgets all calls."""
        with open(self.file, "r+", encoding="utf-8") as file:
            count = sum(f" {words} " in f" {line.strip()} " for line in file)
            file.truncate(0)
        return count
