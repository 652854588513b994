# SPDX-License-Identifier: Apache-2.0
"""The ledger of a real broker: taken away and checked by both verifiers, watched by a witness, altered in every way."""

import hashlib
import json
import os
import sqlite3
import subprocess
import sys
import time

from harness import BROKER_USER, ROOT, Broker, need_root, run_with_broker, sites_answer, wait_for

broker = None
VERIFY = ROOT / "packaging/verify/hansa_verify.py"
found = []  # what was done, and who found it


def config(witnesses=()):
    return f"""
[broker]
name = "ledger"
country = "FI"
state_dir = "{{state}}"
witnesses = {json.dumps(list(witnesses))}
[api]
listen = "{{listen}}"
[engine]
status_interval_ms = 300
snapshot_interval_ms = 500
usage_interval_ms = 1000
[[site]]
id = "big"
name = "Big"
country = "FI"
connector = "local"
work_dir = "{{state}}-big"
local = {{ cpus = 4, memory_mib = 4096 }}
budget = {{ queries_per_minute = 6000, waiting_jobs = 50 }}
accounts = {{ "local:alice" = "{BROKER_USER}" }}
[[project]]
id = "ai-lab"
members = ["local:alice"]
home = "csc"
home_country = "FI"
funding_body = "EuroHPC JU"
call = "EHPC-2026R01"
"""


def run_jobs(count):
    ids = [broker.submit({"script": "#!/bin/sh\ntrue\n", "project": "ai-lab"}) for _ in range(count)]
    broker.wait_over(ids, 60)
    wait_for("usage", lambda: all(broker.get(f"/v1/jobs/{id}/usage", user="operator")["records"] for id in ids), 60)
    return ids


def ledger(*arguments, check=0, user="auditor"):
    return broker.hansa("ledger", *arguments, user=user, check=check)


def witness(check=0, key=None):
    return ledger("witness", "--dir", broker.folder / "witness", *(("--key", key) if key else ()), check=check)


def export(name, *more):
    path = broker.folder / name
    path.unlink(missing_ok=True)
    ledger("export", "--output", path, *more)
    return path


def verdicts(path, key=None):
    """Of `hansa ledger verify` and of the Python verifier: the exit status of both, and what they tell."""
    ours = broker.hansa("ledger", "verify", "--json", *(("--key", key) if key else ()), path)
    theirs = subprocess.run([sys.executable, "-B", VERIFY, "--json", *(("--key", key) if key else ()), path], capture_output=True)
    return ours, theirs


def own_key():
    return broker.get("/v1/ledger", user="auditor")["keys"][0]["key"]


def an_export_is_whole():
    """Both verifiers agree to the last number, with and without personal parts; a proof holds; a witness vouches."""
    ids = run_jobs(6)
    witness(key=own_key())
    for more in ((), ("--personal",)):
        path = export("ledger.txt", *more)
        assert more == () or path.stat().st_mode & 0o77 == 0
        ours, theirs = verdicts(path, own_key())
        assert ours.returncode == theirs.returncode == 0, (ours.stderr, theirs.stderr)
        told = json.loads(ours.stdout)
        assert told == json.loads(theirs.stdout), (told, theirs.stdout)
        assert told["sums"][0]["runs"] == 6 and told["personal_parts"] == (6 if more else 0), told
        assert (b"local:alice" in path.read_bytes()) == bool(more)
    rows = broker.get("/v1/reports/usage?by=project,site", user="auditor")["rows"]
    for name in ("runs", "elapsed_s", "core_seconds", "node_seconds"):
        assert rows[0][name] == told["sums"][0][name], (rows, told)
    assert [by["witness"] for by in told["cosignatures"]] == ["auditor.example"], told
    proof = ledger("prove", ids[0]).stdout.decode()
    assert ids[0] in proof and "is record " in proof, proof
    assert b'"kind":"key"' in ledger("prove", "0").stdout
    assert ledger("verify").returncode == 0
    print(ledger("show").stdout.decode())
    ledger("show", user="alice", check=4)
    ledger("prove", "01JDA0XJ2GQ4M8T6V9ZK3N5R7W", check=3)


def reports_are_held_against_the_ledger():
    """Each report in each format; files with their manifests, which both verifiers hold against an export, to the last sum."""
    names = ("usage", "countries", "energy", "funding", "grants", "clearing", "corrections", "sovereignty", "period", "reconciliation", "completeness", "access", "retention")
    for name in names:
        for format in ("table", "csv", "json"):
            broker.hansa("report", name, "--format", format, user="auditor", check=0)
    row = json.loads(broker.hansa("report", "usage", "--by", "home,home_country,funding_body,call,resource,label", "--json", user="auditor", check=0).stdout)["rows"][0]
    assert [row[name] for name in ("home", "home_country", "funding_body", "call", "resource", "label")] == ["csc", "FI", "EuroHPC JU", "EHPC-2026R01", "cpu", ""], row
    assert row["runs"] == 6, row
    own = json.loads(broker.hansa("report", "usage", "--by", "person", "--json", check=0).stdout)
    assert own["whose"] == "own" and own["rows"][0]["person"] == "local:alice", own
    people = json.loads(broker.hansa("report", "usage", "--by", "person", "--json", user="auditor", check=0).stdout)["rows"]
    assert len(people) == 1 and len(people[0]["person"]) == 32, people
    broker.hansa("report", "clearing", check=4)
    month = ("--from", "2026-01-01", "--to", "2027-12-31")
    files = {}
    for i, arguments in enumerate((("--by", "project,site,day", "--format", "csv"), ("--by", "site,month", "--format", "json", "--time-sliced", *month),
                                   ("--by", "state", "--format", "csv", *month), ("--for", "third-party", "--format", "csv"),
                                   ("--project", "ai-lab", "--site", "big", "--by", "queue,site", "--format", "csv"))):
        files[i] = broker.folder / f"usage-{i}"
        broker.hansa("report", "usage", *arguments, "--output", files[i], user="auditor", check=0)
    run_jobs(1)  # what is booked later changes nothing of them
    path = export("later.txt")
    for report in files.values():
        ours = broker.hansa("ledger", "verify", "--json", "--report", report, "--key", own_key(), path)
        theirs = subprocess.run([sys.executable, "-B", VERIFY, "--json", "--report", report, "--key", own_key(), path], capture_output=True)
        assert ours.returncode == theirs.returncode == 0, (ours.stderr, theirs.stderr)
        assert json.loads(ours.stdout) == json.loads(theirs.stdout) and json.loads(ours.stdout)["recounted"], (ours.stdout, theirs.stdout)
        whole = report.read_bytes()
        report.write_bytes(whole[:-3] + bytes([whole[-3] ^ 1]) + whole[-2:])
        ours = broker.hansa("ledger", "verify", "--report", report, path)
        theirs = subprocess.run([sys.executable, "-B", VERIFY, "--report", report, path], capture_output=True)
        assert ours.returncode == theirs.returncode == 1, (ours.stdout, theirs.stdout)


def verified(report, *more):
    """What both verifiers say of a report's file, the same; None: both found it altered."""
    ours = broker.hansa("ledger", "verify", "--json", "--report", report, *more)
    theirs = subprocess.run([sys.executable, "-B", VERIFY, "--json", "--report", report, *more], capture_output=True)
    assert ours.returncode == theirs.returncode, (ours.stdout, ours.stderr, theirs.stdout, theirs.stderr)
    if ours.returncode:
        return None
    told = json.loads(ours.stdout)
    assert told == json.loads(theirs.stdout), (told, theirs.stdout)
    return told


def registers_are_vouched_for():
    """A manifest is signed: nobody writes another beside another file."""
    path = export("registers.txt")
    for name in ("period", "reconciliation", "completeness", "access", "retention"):
        report = broker.folder / f"{name}.csv"
        broker.hansa("report", name, "--format", "csv", "--output", report, user="auditor", check=0)
        beside = report.with_name(report.name + ".manifest.json")
        for more in (("--key", own_key()), ("--key", own_key(), path), (path,)):
            told = verified(report, *more)
            assert told["vouched"] and not told["verified"], told
        assert not verified(report)["vouched"]
        manifest = json.loads(beside.read_text())
        whole = report.read_bytes()
        report.write_bytes(whole + b"more")  # with a manifest of its own
        manifest["sha256"], manifest["bytes"] = hashlib.sha256(report.read_bytes()).hexdigest(), len(whole) + 4
        for signature in (manifest["signature"], None):
            if signature is None:
                del manifest["signature"]
            beside.write_text(json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n")
            assert verified(report, "--key", own_key()) is None and verified(report, path) is None
    rows = json.loads(broker.hansa("report", "completeness", "--json", user="auditor", check=0).stdout)["rows"]
    assert rows[0]["site"] == "" and rows[0]["gaps"] == 0 and rows[0]["records"] == broker.get("/v1/ledger", user="auditor")["size"], rows
    assert rows[1]["site"] == "big" and rows[1]["records"] >= 6 and rows[1]["silent_s"] is not None, rows


def what_a_close_rests_on_is_counted_again():
    """A month that is closed on an operator's word; that word in exports; another in its place is found, in a file and in the database."""
    month = time.strftime("%Y-%m", time.gmtime())
    ledger("period", "open", month, user="operator")
    ledger("explain-difference", "big", month, "--reason", "its accounting is this machine's", user="operator")
    closed = json.loads(ledger("period", "close", month, "--early", "--json", user="operator").stdout)
    path = export("closed.txt")
    ours, theirs = verdicts(path, own_key())
    assert ours.returncode == theirs.returncode == 0, (ours.stderr, theirs.stderr)
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    at = next(i for i, line in enumerate(lines) if b'"kind":"period_close"' in line) + 1
    statement = json.loads(lines[at])
    assert [site["site"] for site in statement] == ["big"] and statement[0]["explained_at"], statement
    assert json.loads(lines[at - 1])["reconciliations"] == hashlib.sha256(lines[at][:-1]).hexdigest()
    assert b"operator" not in lines[at] and b"this machine" not in lines[at]
    statement[0]["explained_at"] += 1
    other = json.dumps(statement, sort_keys=True, separators=(",", ":")).encode() + b"\n"
    for what, behind in {"what a month's close rests on": [other], "what it rests on left out": [b"-\n"], "no line of it": []}.items():
        path.write_bytes(b"".join(lines[:at] + behind + lines[at + 1:]))
        ours, theirs = verdicts(path)
        assert ours.returncode == theirs.returncode == 1, (what, ours.stdout, theirs.stdout)
        found.append((what, "found", "found", "-"))
    row = json.loads(broker.hansa("report", "period", "--json", user="auditor", check=0).stdout)["rows"][0]
    assert row["period"] == month and row["state"] == "closed" and row["close_record"] == closed["close_record"] and row["sites"] == "big=C", row
    assert row["published_runs"] == row["corrected_runs"] > 0 and row["closing_size"] > row["close_record"], row
    run_jobs(1)
    row = json.loads(broker.hansa("report", "period", "--json", user="auditor", check=0).stdout)["rows"][0]
    if row["published_runs"] < row["corrected_runs"]:  # else the next month has begun
        rows = json.loads(broker.hansa("report", "completeness", "--json", user="auditor", check=0).stdout)["rows"]
        assert rows[1]["after_close"] == 1, rows

    assert broker.stop() == 0
    kept = {name: (broker.state / name).read_bytes() for name in ("hansa.db", "ledger.signed")}  # a broker that starts may sign more
    with sqlite3.connect(broker.state / "hansa.db") as db:
        db.execute("DROP TRIGGER period_closes_no_update")
        db.execute("UPDATE period_closes SET rests_on = replace(rests_on, 'big', 'bag')")
    db.close()
    broker.start()
    told = ledger("verify", check=1)
    assert b"what the close rests on" in told.stderr, told.stderr
    found.append(("the same in the database", "found", "found", "-"))
    assert broker.stop() == 0
    for name, content in kept.items():
        (broker.state / name).write_bytes(content)
    broker.start()


def a_changed_key_is_followed():
    """The old key names the new one: witness and verifiers follow, whichever of both they know."""
    old = own_key()
    new = ledger("change-key", user="operator").stdout.decode().strip()
    assert new != old and (broker.state / "ledger.key").stat().st_mode & 0o77 == 0
    run_jobs(1)
    witness()
    path = export("changed.txt")
    for key in (old, new):
        ours, theirs = verdicts(path, key)
        assert ours.returncode == theirs.returncode == 0, (ours.stderr, theirs.stderr)
    assert broker.stop() == 0
    broker.start()
    assert ledger("verify", "--key", new).returncode == 0


def altered_files_and_databases_are_found():
    """By both verifiers, whatever was altered. [T17]"""
    path = export("whole.txt", "--personal")
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    number = whole.index(b'"core_seconds":') + 15
    for what, text in {"a number in a record": whole[:number] + b"9" + whole[number:], "the last record cut off": b"".join(lines[:-2]),
                       "two records change places": b"".join(lines[:2] + lines[4:6] + lines[2:4] + lines[6:])}.items():
        path.write_bytes(text)
        ours, theirs = verdicts(path)
        assert ours.returncode == theirs.returncode == 1, (what, ours.stdout, theirs.stdout)
        found.append((what, "found", "found", "-"))

    assert broker.stop() == 0
    kept = (broker.state / "hansa.db").read_bytes()
    with sqlite3.connect(broker.state / "hansa.db") as db:
        db.execute("DROP TRIGGER ledger_no_update")
        db.execute("UPDATE ledger SET core_seconds = core_seconds + 1 WHERE seq = 2")
    db.close()
    broker.start()
    assert ledger("verify", check=1).returncode == 1
    found.append(("an amount in the database", "found", "found", "-"))
    assert broker.stop() == 0
    (broker.state / "hansa.db").write_bytes(kept)
    broker.start()
    assert ledger("verify").returncode == 0

    assert broker.stop() == 0
    with sqlite3.connect(broker.state / "hansa.db") as db:
        db.execute("DROP TRIGGER ledger_no_delete")
        db.execute("DELETE FROM ledger WHERE seq = 3")
    db.close()
    broker.start()
    row = json.loads(broker.hansa("report", "completeness", "--json", user="auditor", check=0).stdout)["rows"][0]
    assert (row["gaps"], row["first_gap"]) == (1, 3), row
    assert broker.stop() == 0
    (broker.state / "hansa.db").write_bytes(kept)
    broker.start()


def a_key_of_no_use_stops_no_job():
    """Missing, for others to read, damaged, in a leftover of a change: jobs go on and are booked; only what needs the key is refused."""
    key = broker.state / "ledger.key"
    right = key.read_bytes()

    def begun(code):
        broker.start()
        run_jobs(1)
        answer = broker.call("GET", "/v1/ledger/checkpoint", user="auditor")
        assert (answer.status, answer.json.get("code")) == ((503, code) if code else (200, None)), (answer.status, answer.body)
        if code:
            assert code in broker.log.read_text()
            answer = broker.call("POST", "/v1/ledger/key", user="operator")
            assert (answer.status, answer.json["code"]) == (503, code), answer.body
        assert broker.stop() == 0

    assert broker.stop() == 0
    owner = key.stat()
    key.unlink()
    begun("LEDGER_KEY_MISSING")
    assert not key.exists(), "another key took its place"
    for text, mode in ((right, 0o640), (b"garbled\n", 0o600)):
        key.write_bytes(text)
        os.chown(key, owner.st_uid, owner.st_gid)
        key.chmod(mode)
        begun("LEDGER_KEY_UNUSABLE")
    key.write_bytes(right)
    key.chmod(0o600)
    (broker.state / "ledger.key.next").write_bytes(b"garbled\n")
    begun(None)  # the ledger never heard of that one
    (broker.state / "ledger.key.next").unlink()
    broker.start()
    witness()


def an_old_database_and_a_second_history_are_found():
    """By the broker itself while it has ledger.signed; by the witness in any case. [T18]"""
    run_jobs(1)
    assert broker.stop() == 0
    backup = {name: (broker.state / name).read_bytes() for name in ("hansa.db",)}
    broker.start()
    run_jobs(3)
    witness()
    first = export("first.txt")
    assert broker.stop() == 0
    for name, text in backup.items():
        (broker.state / name).write_bytes(text)
    broker.start()
    answer = broker.call("GET", "/v1/ledger/checkpoint", user="auditor")
    assert (answer.status, answer.json["code"]) == (409, "LEDGER_WENT_BACK"), answer.body
    assert "LEDGER_WENT_BACK" in broker.log.read_text()
    assert broker.call("POST", "/v1/ledger/key", user="operator").json["code"] == "LEDGER_WENT_BACK"
    assert broker.stop() == 0
    (broker.state / "ledger.signed").unlink()  # as ledger.md says
    broker.start()
    told = witness(check=1).stderr.decode()
    assert "an older database was put back" in told, told
    ours, theirs = verdicts(export("older.txt"))
    assert ours.returncode == theirs.returncode == 0  # a whole ledger, of last week
    found.append(("last week's database put back", "not found", "not found", "found"))
    run_jobs(5)
    told = witness(check=1).stderr.decode()
    assert "do not begin with" in told, told
    second = export("second.txt")
    for path in (first, second):
        ours, theirs = verdicts(path)
        assert ours.returncode == theirs.returncode == 0
    found.append(("two histories, each signed", "not found", "not found", "found"))
    print(f"{'what was done':36} {'hansa ledger verify':20} {'hansa_verify.py':16} witness")
    for row in found:
        print(f"{row[0]:36} {row[1]:20} {row[2]:16} {row[3]}")


if __name__ == "__main__":
    need_root()
    broker = Broker("ledger", config())
    made = subprocess.run([broker.bin / "hansa", "ledger", "witness", "--dir", broker.folder / "witness", "--name", "auditor.example", "--key-only"],
                          capture_output=True, check=True, env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"})
    broker.configure(config([made.stdout.decode().strip()]))
    run_with_broker(broker, [an_export_is_whole, reports_are_held_against_the_ledger, registers_are_vouched_for,
                             what_a_close_rests_on_is_counted_again, a_changed_key_is_followed, altered_files_and_databases_are_found,
                             a_key_of_no_use_stops_no_job, an_old_database_and_a_second_history_are_found],
                    prepare=lambda: sites_answer(broker))
