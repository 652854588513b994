# SPDX-License-Identifier: Apache-2.0
"""Reads what is written for APEL and Waldur, with nothing of Hansa: by EGI's record and message formats (docs.egi.eu, internal/accounting, grid
accounting) and the checks that apel 2.5 makes of a record, and by the fields of Waldur's marketplace API. `read_exchange.py FOLDER` reads the golden files there and
holds their sums against expected.json."""

import calendar
import json
import re
import sys
import time
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from urllib.parse import unquote

INTEGERS = {"WallDuration", "CpuDuration", "Processors", "NodeCount", "StartTime", "EndTime", "EarliestEndTime", "LatestEndTime", "NumberOfJobs", "Month", "Year",
            "MemoryReal", "MemoryVirtual"}
KINDS = {  # header -> mandatory fields, all fields
    "APEL-individual-job-message: v0.3": (
        {"Site", "SubmitHost", "LocalJobId", "WallDuration", "CpuDuration", "StartTime", "EndTime", "ServiceLevelType", "ServiceLevel"},
        {"Site", "SubmitHost", "SubmitHostType", "MachineName", "Queue", "LocalJobId", "LocalUserId", "GlobalUserName", "FQAN", "VO", "VOGroup", "VORole", "WallDuration",
         "CpuDuration", "Processors", "NodeCount", "StartTime", "EndTime", "InfrastructureDescription", "InfrastructureType", "MemoryReal", "MemoryVirtual",
         "ServiceLevelType", "ServiceLevel"}),
    "APEL-summary-job-message: v0.2": (
        {"Site", "Month", "Year", "WallDuration", "CpuDuration", "NumberOfJobs", "NodeCount", "Processors", "InfrastructureType", "ServiceLevelType", "ServiceLevel"},
        {"Site", "Month", "Year", "GlobalUserName", "VO", "VOGroup", "VORole", "SubmitHost", "InfrastructureType", "ServiceLevelType", "ServiceLevel", "NodeCount",
         "Processors", "EarliestEndTime", "LatestEndTime", "WallDuration", "CpuDuration", "NumberOfJobs"}),
    "APEL-sync-message: v0.1": ({"Site", "SubmitHost", "NumberOfJobs", "Month", "Year"},) * 2,
}


def month_of(year, month):
    first = calendar.timegm((year, month, 1, 0, 0, 0))
    return first, calendar.timegm((year + month // 12, month % 12 + 1, 1, 0, 0, 0))


def read_record(kind, text):
    mandatory, known = KINDS[kind]
    record = {}
    for line in text.splitlines():  # at every separator that Python knows: values must hold none
        key, colon, value = line.partition(":")
        assert colon and key in known and key not in record, line
        value = value.strip()
        assert value and value.lower() not in ("none", "null"), line
        record[key] = int(value) if key in INTEGERS else unquote(value, errors="strict")
    assert mandatory <= record.keys(), (mandatory - record.keys(), text)
    if "ServiceLevel" in record:
        assert record["ServiceLevelType"].lower() in ("si2k", "hepspec", "hepscore23") and 0 < float(record["ServiceLevel"]) < 10**7, text
    assert record.get("InfrastructureType", "grid") in ("grid", "local"), text
    assert all(record[key] >= 0 for key in record.keys() & INTEGERS), text
    if "StartTime" in record:
        assert 0 < record["StartTime"] <= record["EndTime"] < time.time() + 40 * 86_400, text
    if "Month" in record:
        first, next_first = month_of(record["Year"], record["Month"])
        for key in ("EarliestEndTime", "LatestEndTime"):
            assert first <= record.get(key, first) < next_first, text
        assert record.get("EarliestEndTime", 0) <= record.get("LatestEndTime", 0), text
    return record


def read_message(data):
    """A message's bytes -> its header and records."""
    text = data.decode("ascii")
    assert re.fullmatch(r"[\n -~]*", text), "something that is not printable"
    header, _, body = text.partition("\n")
    assert header in KINDS and body.endswith("%%\n"), header
    records = [read_record(header, part) for part in body.split("%%\n")[:-1]]
    assert "%%" not in "".join(body.split("%%\n")) and 1 <= len(records) <= 1_000, len(records)
    return header, records


def sums(records):
    """Of individual records, or of summaries: they must be the same."""
    return {"runs": sum(record.get("NumberOfJobs", 1) for record in records), "elapsed_s": sum(record["WallDuration"] for record in records),
            "core_seconds": sum(record["CpuDuration"] for record in records)}


def server_keys(records):
    """What APEL's server replaces by: no two records may meet there."""
    if "LocalJobId" in records[0]:
        keys = [(r["Site"], r["LocalJobId"], r["EndTime"]) for r in records]
    else:
        names = ("Site", "Month", "Year", "GlobalUserName", "VO", "SubmitHost", "InfrastructureType", "ServiceLevelType", "ServiceLevel", "NodeCount", "Processors")
        keys = [tuple(r.get(name) for name in names) for r in records]
    assert len(set(keys)) == len(keys), "two records with one key"
    return keys


def read_waldur(data, components):
    """The document's bytes -> sums of each resource by component; `components` has the seconds of a unit, by site and type."""
    document = json.loads(data, parse_float=None)
    assert document["format"] == "hansa-waldur-usage/1" and re.fullmatch(r"\d{4}-\d\d", document["month"]), document
    date, found = document["month"] + "-01T00:00:00Z", {}
    for entry in document["resources"]:
        body = entry["set_usage"]
        assert set(body) == {"resource", "date", "usages"} and body["date"] == date, body
        assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", body["resource"]) and body["resource"] not in found, body
        totals = {usage["type"]: usage["amount"] for usage in body["usages"]}
        for kind, amount in totals.items():
            measure, seconds = components[entry["site"]][kind]
            exact = Decimal(entry["exact"][measure]) / seconds
            assert amount == str(exact.quantize(Decimal("0.01"), ROUND_HALF_EVEN)), (kind, amount, exact)
            persons = entry["set_user_usages"].get(kind, {"usages": []})["usages"]
            assert all(set(usage) == {"username", "usage", "date"} and usage["date"] == date for usage in persons), persons
            assert sum(Decimal(usage["usage"]) for usage in persons) - exact <= Decimal("0.005") * len(persons), (kind, persons)  # less: erased
        found[body["resource"]] = entry["exact"]
    return document, found


def main(folder):
    expected = json.loads((folder / "expected.json").read_text())
    for name, months_sums in expected["apel"].items():
        header, records = read_message((folder / name).read_bytes())
        assert sums(records) == months_sums, (name, sums(records))
        server_keys(records)
    named = read_message((folder / "individual.msg").read_bytes())[1]
    assert next(r for r in named if r["LocalJobId"].startswith("1%%"))["Queue"] == "gpu\r\nSite: EVIL\n%%"
    _, synced = read_message((folder / "sync.msg").read_bytes())
    for site in synced:
        assert site["NumberOfJobs"] == sum(r["Site"] == site["Site"] for r in named), site
    components = {site: {kind: tuple(of) for kind, of in kinds.items()} for site, kinds in expected["components"].items()}
    for name in ("waldur.json", "waldur-hidden.json"):
        document, found = read_waldur((folder / name).read_bytes(), components)
        total = {measure: sum(of[measure] for of in list(found.values()) + [entry["exact"] for entry in document["without_resource"]])
                 for measure in ("runs", "core_seconds", "gpu_seconds", "node_seconds")}
        assert total == expected["waldur"], total
    assert b"username" not in (folder / "waldur-hidden.json").read_bytes()
    print(f"{len(named)} individual records, {expected['apel']['individual.msg']}; Waldur {expected['waldur']}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
