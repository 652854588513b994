# SPDX-License-Identifier: Apache-2.0
"""A month of a real broker as APEL and Waldur take it: read back by a reader that has nothing of Hansa, summed to what its own report says, and every run in it found
in an export of the ledger."""

import hashlib
import json
import sys
import time

from harness import BROKER_USER, ROOT, Broker, need_root, run_with_broker, sites_answer, wait_for

sys.path.insert(0, str(ROOT / "tests/unit/ledger"))
import read_exchange  # noqa: E402

broker = started = None
RESOURCE = "6f1e8a52-0c5d-4c4a-9d4e-2f7b1f0c9a11"
CONFIG = f"""
[broker]
name = "exchange"
country = "FI"
state_dir = "{{state}}"
[api]
listen = "{{listen}}"
[engine]
status_interval_ms = 300
snapshot_interval_ms = 500
usage_interval_ms = 1000
[[site]]
id = "big"
country = "FI"
connector = "local"
work_dir = "{{state}}-big"
local = {{ cpus = 2, memory_mib = 4096 }}
budget = {{ queries_per_minute = 6000, submits_per_minute = 6000, waiting_jobs = 50 }}
accounts = {{ "local:alice" = "{BROKER_USER}", "local:bob" = "{BROKER_USER}" }}
apel = {{ site = "BIG", submit_host = "big.example.org", cpu_duration = "allocated", service_level = {{ hepscore23 = "12.5" }} }}
waldur.components = {{ cpu = "1 core-seconds", node = "60 node-seconds" }}
waldur.resources = {{ ai-lab = "{RESOURCE}" }}
[[site]]
id = "unnamed"
country = "FI"
connector = "local"
work_dir = "{{state}}-unnamed"
local = {{ cpus = 1, memory_mib = 1024 }}
budget = {{ queries_per_minute = 6000, submits_per_minute = 6000, waiting_jobs = 50 }}
accounts = {{ "local:alice" = "{BROKER_USER}" }}
[[project]]
id = "ai-lab"
members = ["local:alice", "local:bob"]
"""


def months():
    """Those that the jobs of this test can have ended in."""
    return sorted({time.strftime("%Y-%m", time.gmtime(t)) for t in (started, time.time())})


def bounds(month):
    year, number = map(int, month.split("-"))
    return f"{month}-01", f"{year + number // 12}-{number % 12 + 1:02}-01"


def report(*arguments, user="auditor", check=0):
    return broker.hansa("report", *arguments, user=user, check=check)


def messages(folder):
    """Names and texts of a queue's messages, as dirq goes through it."""
    return [(str(path.relative_to(folder)), path.read_bytes()) for path in sorted((folder / "outgoing").glob("[0-9a-f]" * 8 + "/" + "[0-9a-f]" * 14))]


def apel(kind, month, *more):
    folder = broker.folder / f"{kind}-{month}{''.join(more)}"
    told = report("apel", "--kind", kind, "--month", month, "--site", "big", *more, "--output", folder).stderr.decode()
    read = [record for _, data in messages(folder) for record in read_exchange.read_message(data)[1]]
    return folder, read, told


def jobs_have_run():
    """Runs of two persons at two sites, and one that was cancelled while it waited."""
    global started
    started = time.time()
    script = "#!/bin/sh\nsleep 1\n"
    ids = [broker.submit({"script": script, "project": "ai-lab", "placement": {"sites": ["big"]}}, user=user) for user in ("alice", "bob") * 3]
    ids.append(broker.submit({"script": script, "project": "ai-lab", "placement": {"sites": ["unnamed"]}}))
    broker.wait_over(ids, 60)
    wait_for("usage", lambda: all(broker.get(f"/v1/jobs/{id}/usage", user="operator")["records"] for id in ids), 60)


def messages_sum_to_the_report():
    """Individual records, summaries and sync records say the same as `hansa report usage`, month by month."""
    exported = broker.folder / "ledger.txt"
    broker.hansa("ledger", "export", "--output", exported, user="auditor", check=0)
    records = exported.read_text().splitlines()[1:]
    for month in months():
        first, after = bounds(month)
        rows = [row for row in broker.get(f"/v1/reports/usage?by=site&from={first}&to={after}", user="auditor")["rows"] if row["site"] == "big"]
        expected = {name: sum(int(row[name]) for row in rows) for name in ("runs", "elapsed_s", "core_seconds")}
        folder, individual, told = apel("individual", month, "--personal")
        assert read_exchange.sums(individual) == expected, (expected, told)
        if individual:
            read_exchange.server_keys(individual)
            assert {record["GlobalUserName"] for record in individual} <= {"local:alice", "local:bob"}, individual
            assert all("LocalUserId" not in record for record in individual), "jobs of a local site run as the broker's own account, which is nobody's"
        assert folder.stat().st_mode & 0o77 == 0, "persons are for whoever asked alone"
        for name, data in messages(folder):
            assert b"SITE_NOT_IN_APEL" not in data and b"unnamed" not in data, name
        _, summaries, _ = apel("summary", month)
        assert read_exchange.sums(summaries) == expected and b"local:" not in json.dumps(summaries).encode(), summaries
        _, pseudonyms, _ = apel("summary", month, "--pseudonyms")
        assert read_exchange.sums(pseudonyms) == expected, pseudonyms
        _, sync, _ = apel("sync", month)
        assert [(record["Site"], record["NumberOfJobs"]) for record in sync] == [("BIG", expected["runs"])], sync
        print(f"{month}: {len(individual)} individual records, {len(summaries)} summaries, {len(pseudonyms)} by pseudonym: {expected}")

        lines = [json.loads(line) for line in (folder / "evidence.jsonl").read_text().splitlines()]
        assert lines[-1]["taken"] == expected and lines[-1]["left_out"] == {}, lines[-1]
        by_name, runs = dict(messages(folder)), []
        for line in lines[:-1]:
            assert hashlib.sha256(by_name[line["file"]]).hexdigest() == line["sha256"], line
            runs += line["runs"]
        assert len(runs) == len(individual) and len(by_name) == len(lines) - 1
        for (place, leaf), record in zip(runs, individual):
            assert hashlib.sha256(b"\0" + records[place].encode()).hexdigest() == leaf, place
            of = json.loads(records[place])
            assert (of["site_job_id"], of["ended_s"], of["core_seconds"]) == (record["LocalJobId"], record["EndTime"], record["CpuDuration"]), (of, record)
        manifest = json.loads((folder / "evidence.jsonl.manifest.json").read_text())
        assert manifest["sha256"] == hashlib.sha256((folder / "evidence.jsonl").read_bytes()).hexdigest(), manifest
        assert manifest["checkpoint"].startswith("hansa/exchange\n") and manifest["report"] == "apel-individual", manifest


def waldur_is_told_each_persons_part():
    month = months()[-1]
    first, after = bounds(month)
    for more in ((), ("--personal",)):
        path = broker.folder / f"waldur{''.join(more)}.json"
        report("waldur", "--month", month, *more, "--output", path)
        components = {"big": {"cpu": ("core_seconds", 1), "node": ("node_seconds", 60)}}
        _, found = read_exchange.read_waldur(path.read_bytes(), components)
        rows = [row for row in broker.get(f"/v1/reports/usage?by=site,project&from={first}&to={after}", user="auditor")["rows"] if row["site"] == "big"]
        assert [found[RESOURCE]["core_seconds"]] == [int(row["core_seconds"]) for row in rows], (found, rows)
        assert BROKER_USER not in path.read_text(), "jobs of a local site run as the broker's own account, which is nobody's"
        manifest = json.loads((broker.folder / f"{path.name}.manifest.json").read_text())
        assert manifest["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest(), manifest


def users_and_wrong_calls_are_refused():
    month = months()[-1]
    output = broker.folder / "refused"
    report("apel", "--kind", "sync", "--month", month, "--output", output, user="alice", check=4)
    report("apel", "--kind", "sync", "--month", month, "--site", "unnamed", "--output", output, check=8)
    report("apel", "--kind", "sync", "--month", month, "--site", "nowhere", "--output", output, check=3)
    report("apel", "--kind", "sync", "--month", "2999-01", "--output", output, check=2)
    report("waldur", "--month", month, "--output", output, user="bob", check=4)
    assert not list(broker.folder.glob("refused*"))
    empty = broker.folder / "empty"
    report("apel", "--kind", "sync", "--month", "2020-02", "--output", empty)
    (_, data), = messages(empty)
    assert read_exchange.read_message(data)[1] == [{"Site": "BIG", "SubmitHost": "big.example.org", "NumberOfJobs": 0, "Month": 2, "Year": 2020}], data


if __name__ == "__main__":
    need_root()
    broker = Broker("exchange", CONFIG)
    run_with_broker(broker, [jobs_have_run, messages_sum_to_the_report, waldur_is_told_each_persons_part, users_and_wrong_calls_are_refused],
                    prepare=lambda: sites_answer(broker))
