# SPDX-License-Identifier: Apache-2.0
"""What a person sees while the lab works: one line a step, with its time. It goes to stderr; results go to stdout."""
import contextlib
import sys
import time


def say(text):
    sys.stderr.write(f"lab: {text}\n")  # in one piece: tools/test prints lines at the same time
    sys.stderr.flush()


@contextlib.contextmanager
def step(what):
    began = time.monotonic()
    say(f"{what} ...")
    yield
    say(f"{what}: {time.monotonic() - began:.0f} s")
