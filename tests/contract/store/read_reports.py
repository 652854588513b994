#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads the golden reports (tests/data/reports) with Python's csv and json alone, and sums them up again: by any way to the same totals.

    read_reports.py FOLDER SCHEMAS
"""

import csv
import json
import sys
from fractions import Fraction
from pathlib import Path

FOLDER, SCHEMAS = Path(sys.argv[1]), Path(sys.argv[2])
BESIDE = (("_seconds", "_hours", 3600), ("_s", "_hours", 3600), ("_j", "_kwh", 3600000), ("_exact", "", 3600000))


def rows_of(path):
    with open(path, encoding="utf-8", newline="") as file:
        assert file.read().count("\r\n") and not file.seek(0)
        return list(csv.DictReader(file, strict=True))


def rounded(n, one):
    """Halves to even, three decimals."""
    thousandths = round(Fraction(int(n) * 1000, one))
    return f"{'-' if thousandths < 0 else ''}{abs(thousandths) // 1000}.{abs(thousandths) % 1000:03}"


def beside(name, row):
    for end, other, one in BESIDE:
        if name.endswith(end) and name[:-len(end)] + other in row:
            return name[:-len(end)] + other, one
    return None


def check(name):
    rows, document = rows_of(FOLDER / f"{name}.csv"), json.loads((FOLDER / f"{name}.json").read_text())
    assert document["report"] == name and len(rows) == len(document["rows"]) == document["count"], name
    for row, entry in zip(rows, document["rows"]):
        assert set(row) == set(entry), (name, row.keys() ^ entry.keys())
        for column, text in row.items():
            value = entry[column]
            assert text.lstrip("'") == ("" if value is None else str(value)), (name, column, text, value)
            assert text[:1] not in tuple("=+@\t\r") and (text[:1] != "-" or text[1:].replace(".", "").isdigit()), (name, column, text)
            if text and (other := beside(column, row)):
                assert row[other[0]] == rounded(text, other[1]), (name, column, row)
    for column, total in document.get("total", {}).items():
        if column.endswith("_residual") or (other := next((c for c in document["total"] if beside(c, document["total"]) and beside(c, document["total"])[0] == column), None)):
            continue
        if isinstance(total, int):
            assert sum(int(row[column] or 0) for row in rows) == total, (name, column)
            if other := beside(column, document["total"]):
                shown = Fraction(document["total"][other[0]])
                residual = shown - sum(Fraction(row[other[0]] or 0) for row in rows)
                assert document["total"][other[0]] == rounded(total, other[1]) and residual == Fraction(document["total"][other[0] + "_residual"]), (name, column)
    try:
        import jsonschema
    except ImportError:
        return rows
    jsonschema.validate(document, json.loads((SCHEMAS / f"report-{name}.schema.json").read_text()))
    return rows


def main():
    names = sorted(path.stem for path in FOLDER.glob("*.json"))
    assert len(names) >= 8, names
    reports = {name: check(name) for name in names}
    figures = ("runs", "elapsed_s", "core_seconds", "gpu_seconds", "node_seconds")

    def total(rows):
        return [sum(int(row[figure]) for row in rows) for figure in figures]
    usage = total(reports["usage"])
    assert usage == total(reports["countries"]) == total(rows_of(FOLDER / "usage-by-month.csv"))
    assert usage[2] == sum(int(row["given_core_seconds"]) for row in reports["clearing"])
    assert usage[2] == sum(int(row["given_core_seconds"]) for row in rows_of(FOLDER / "clearing-by-month.csv"))
    assert usage[2] == sum(int(row["core_seconds"]) for row in reports["funding"]) == sum(int(row["core_seconds"] or 0) for row in reports["grants"])
    for row in reports["energy"]:
        energy = [int(row[name]) for name in ("measured_j", "shared_j", "estimated_j", "with_carbon_j")]
        assert energy[3] <= sum(energy[:3]) and (row["measured_share"] == "") == (sum(energy[:3]) == 0), row
    print(f"{len(names)} reports read back; {usage[0]} runs, {usage[2]} core-seconds by each way")


if __name__ == "__main__":
    main()
