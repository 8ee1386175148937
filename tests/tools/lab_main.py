# SPDX-License-Identifier: Apache-2.0
"""The body of tools/lab, as a module: loaded by its path, since tools/suites has a main, too."""
import importlib.util
import os
import sys

LABHOST = os.path.join(os.path.dirname(__file__), "..", "..", "tools", "labhost")
sys.path.append(LABHOST)
_spec = importlib.util.spec_from_file_location("labhost_main", os.path.join(LABHOST, "main.py"))
main = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(main)
