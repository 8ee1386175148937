# SPDX-License-Identifier: Apache-2.0
"""The table of resources is in four places: cgroups/resource_files.c does it, docs/resources.md says it, and the lab's cases
(tests/lab/resource_rows.py) prove it by create, update and the kernel's file. They have to be about the same fields."""
import os
import re
import sys

import pytest

TOP = os.path.join(os.path.dirname(__file__), "..", "..")
sys.path.append(os.path.join(TOP, "tests", "lab"))
from resource_rows import ROWS, documented, documented_fields  # noqa: E402  pylint: disable=wrong-import-position


def source_rows():
    """Field, file ("" without one) and systemd's property ("" without one) of each row in C."""
    with open(os.path.join(TOP, "cgroups", "resource_files.c")) as file:
        table = file.read().split("static const struct resource_row rows[] = {")[1].split("\n};")[0]
    rows = re.findall(r'^\s*\{ "([\w.]+)", (?:NULL|"([^"]*)"), (\w+)(.*)\},', table, re.M)
    assert len(rows) == len([line for line in table.splitlines() if line.strip().startswith("{")])
    return [(field, file, (re.findall(r'SYSTEMD\("(\w+)"', rest) or [""])[0]) for field, file, _, rest in rows]


def version_1_fields():
    """The fields of the table "fields that only version 1 has"."""
    return set(documented_fields("### Fields that only version 1 has", "## Changing limits"))


def test_the_document_has_every_field_and_no_other():
    fields = {field for field, _, _ in source_rows()} | {"cpu.period"}  # in one file with the quota
    assert set(documented_fields()) | version_1_fields() - {"blockIO.weightDevice"} == fields


@pytest.mark.parametrize("field, file, unit_property", [row for row in source_rows() if row[1]], ids=lambda v: v or "none")
def test_the_document_names_file_and_property(field, file, unit_property):
    row = next(row for row in documented() if field in row.fields)
    assert file in row.files or row.fields == ["unified"]
    named = re.sub(r"{(\w+),(\w+)}", r"\1 \2", row.property)
    assert unit_property in row.property or unit_property.replace("Read", "") in named.replace("Read Write", "")


def test_every_documented_field_has_a_case():
    cases = {row.name.split()[0] for row in ROWS}
    assert cases == set(documented_fields())


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_a_case_reads_back_what_the_document_names(row):
    """By create and by update, each from a file of the field's; what update says is not what create said."""
    said = next(one for one in documented() if row.name.split()[0] in one.fields)
    names = [re.escape(name).replace("SIZE", r"\w+") for name in said.files]
    for files in (row.files, row.files_updated):
        assert said.fields == ["unified"] or any(re.fullmatch(name, file) for name in names for file in files), files
    assert row.files != row.files_updated
