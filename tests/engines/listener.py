"""A program in the runtime's place, which writes down its words and then is the runtime: what an engine really called, and what the
runtime wrote into the log that the engine removes."""
import json
import os
import shutil

LONG = "of-many-letters-" * 12
"""A name that makes the message with its path a long one."""
LISTENS = """#!/bin/sh
echo "$*" >>'TOP/calls'
case " $* " in *" run "*) exec PROGRAM "$@" ;; esac # it lives as long as the container, and signals are sent to it
log= before=
for word in "$@"; do
	case $before in --log) log=$word ;; esac
	case $word in --log=*) log=${word#--log=} ;; esac
	before=$word
done
seen=$(cat "$log" 2>/dev/null | wc -c)
PROGRAM "$@"
status=$?
if [ $status != 0 ]; then
	{ echo "call: $*" && tail -c +$((seen + 1)) "$log"; } >>'TOP/logs' 2>/dev/null
fi
exit $status
"""


class Listener:
    """Its files are in a directory; owner: who calls it."""

    def __init__(self, directory, program, owner=None):
        self.path, self.file = os.path.join(directory, "runtime"), os.path.join(directory, "calls")
        self.logs = os.path.join(directory, "logs")
        os.makedirs(directory, exist_ok=True)
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(LISTENS.replace("TOP", str(directory)).replace("PROGRAM", program))
        os.chmod(self.path, 0o755)
        for path in (self.file, self.logs):
            with open(path, "w", encoding="utf-8"):
                pass
            shutil.chown(path, owner or "root")

    def calls(self, words):
        """How many calls had these words, one after the other; forgets all calls."""
        with open(self.file, "r+", encoding="utf-8") as file:
            count = sum(f" {words} " in f" {line.strip()} " for line in file)
            file.truncate(0)
        return count

    def error(self, words):
        """The runtime's cause in its log for the engine: the last error of the last call with these words that failed."""
        found, of_call = [], False
        with open(self.logs, encoding="utf-8") as file:
            for line in file:
                if line.startswith("call: "):
                    of_call = f" {words} " in f"{line.strip()} "
                elif of_call and line.startswith("{") and json.loads(line)["level"] == "error":
                    found.append(json.loads(line)["msg"].strip())
        assert found, f"no error of a call with the words {words}"
        return found[-1]
