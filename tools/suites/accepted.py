# SPDX-License-Identifier: Apache-2.0
"""Findings of the analysers that were looked at and are none: file, check, why. A row that no longer matches is a failure."""

UNWRITTEN = "a result that is not negative is 0, and then the output is written"

ACCEPTED = {
    "clang-tidy": [
        ("base/twin.c", "clang-analyzer-security.insecureAPI.strcpy", "readlink was given that much less room"),
        ("base/str.h", "clang-analyzer-core.NullDereference", "callers pass names that exist"),
        ("base/number_list.c", "clang-analyzer-core.uninitialized.Assign", UNWRITTEN),
        ("libcontainer/seccomp/cache.c", "clang-analyzer-core.NullDereference", "no values means a count of 0"),
    ],
    "cppcheck": [
        ("namespaces/net_devices.c", "memleak", "auto_free releases it"),
        ("libcontainer/init/image.c", "comparePointers", "both symbols mark one object, in an assembler section"),
    ],
}


def sift(tool, findings):
    """findings: (file, check, text). Returns the problems: what is not accepted, and rows that nothing matches."""
    rows = {(file, check): why for file, check, why in ACCEPTED[tool]}
    met = {(file, check) for file, check, _ in findings}
    return sorted({text for file, check, text in findings if (file, check) not in rows}
                  | {f"accepted.py: {tool}: {file}: {check} is found no more: drop the row" for file, check in
                     set(rows) - met})
