# SPDX-License-Identifier: Apache-2.0
"""A person is forgotten: what was planted of them is searched for in every byte that the broker has, tells or logs."""

import hashlib
import json
import shutil
import subprocess
import sys
import time

from harness import BROKER_USER, ROOT, Broker, need_root, run_with_broker, say, sites_answer, wait_for

broker = None
VERIFY = ROOT / "packaging/verify/hansa_verify.py"
PERSON = "qzmarkerperson"
MARKERS = ["qzmarkerperson", "qzmarkerscript", "qzmarkerenvironment", "qzmarkerargument", "qzmarkername", "qzmarkeroutput", "qzmarkercode"]


def config():
    return f"""
[broker]
name = "privacy"
country = "FI"
state_dir = "{{state}}"
log = {{ level = "debug" }}
[api]
listen = "{{listen}}"
[engine]
status_interval_ms = 300
snapshot_interval_ms = 500
usage_interval_ms = 1000
[privacy]
controller = "Example Centre | Espoo"
contact = "privacy@example.org"
[privacy.retention]
payloads_days = 40
[[site]]
id = "big"
name = "Big"
country = "FI"
connector = "local"
work_dir = "{{state}}-big"
local = {{ cpus = 4, memory_mib = 4096 }}
budget = {{ queries_per_minute = 6000, submits_per_minute = 6000, waiting_jobs = 50 }}
accounts = {{ "local:{PERSON}" = "{BROKER_USER}", "local:bob" = "{BROKER_USER}" }}
[[project]]
id = "ai-lab"
members = ["local:{PERSON}", "local:bob"]
"""


def second_operator():
    made = broker.call("POST", "/v1/tokens", {"user": "second", "role": "operator"}, user="operator")
    assert made.status == 201, made.body
    broker.tokens["second"] = made.json["token"]


def planted():
    return {"script": "#!/bin/sh\n# qzmarkerscript\necho qzmarkeroutput $1\necho $SECRET > left.txt\n", "project": "ai-lab", "name": "qzmarkername",
            "arguments": ["qzmarkerargument"], "environment": {"SECRET": "qzmarkerenvironment"}, "outputs": {"left": "left.txt"}}


def files_of(*folders):
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file() and not path.is_symlink():
                yield path


def found_in(text):
    return [marker for marker in MARKERS if (marker if isinstance(text, str) else marker.encode()) in text]


def get(target, user="operator"):
    answer = broker.call("GET", target, user=user)
    assert answer.status == 200, (target, answer.status, answer.body)
    return answer


def told(ids):
    """Everything that the broker tells, by what it is called."""
    targets = ["/v1/jobs?limit=1000", "/v1/tokens", "/v1/reports/usage?by=person,project", "/v1/ledger/records?personal=true", "/v1/ledger", "/v1/changes",
               "/v1/decisions?from=2020-01-01&to=2100-01-01", "/v1/sites", "/v1/sites/big", "/v1/facts?subject=project:ai-lab", "/v1/allocations", "/v1/datasets",
               "/v1/privacy/erasures", "/v1/privacy/retention", "/v1/privacy/record", "/v1/reports/access", "/v1/reports/retention", "/metrics"]
    for id in ids:
        targets += [f"/v1/jobs/{id}", f"/v1/jobs/{id}/events", f"/v1/jobs/{id}/explain", f"/v1/jobs/{id}/usage"]
    return {target: get(target).body for target in targets}


def export():
    path = broker.folder / "ledger.txt"
    path.unlink(missing_ok=True)
    broker.hansa("ledger", "export", "--personal", "--output", path, user="auditor")
    ours = broker.hansa("ledger", "verify", "--json", path, user="auditor")
    theirs = subprocess.run([sys.executable, "-B", VERIFY, "--json", path], capture_output=True)
    assert ours.returncode == theirs.returncode == 0, (ours.stderr, theirs.stderr)
    assert json.loads(ours.stdout) == json.loads(theirs.stdout)
    return path.read_bytes(), json.loads(ours.stdout)


def erasure(id):
    return next(e for e in get("/v1/privacy/erasures").json["erasures"] if e["id"] == id)


def a_person_is_forgotten():
    second_operator()
    code = broker.folder / "code"
    code.mkdir()
    (code / "model.txt").write_text("qzmarkercode\n")
    for command in (["git", "init", "-q"], ["git", "add", "."]):
        subprocess.run(command, cwd=code, check=True)
    hers = [broker.submit(planted(), user=PERSON) for _ in range(25)]
    script = broker.folder / "job.sh"
    script.write_text("#!/bin/sh\n# qzmarkerscript\ncat model.txt\n")
    hers.append(json.loads(broker.hansa("submit", "--json", "--project", "ai-lab", "--code", code, script, user=PERSON, check=0).stdout)["id"])
    his = [broker.submit({"script": "#!/bin/sh\necho his\n", "project": "ai-lab"}, user="bob") for _ in range(5)]
    broker.wait_over(hers + his, 90)
    wait_for("usage", lambda: all(get(f"/v1/jobs/{id}/usage").json["records"] for id in hers + his), 60)
    before, facts = export()
    assert facts["sums"][0]["runs"] == 31 and facts["personal_parts"] == 31, facts
    assert "qzmarkerperson" in found_in(before)
    places = {marker: [str(p) for p in files_of(broker.state, broker.folder / "state-big") if marker.encode() in p.read_bytes()][:3] for marker in MARKERS}
    say(f"planted: { {marker: len(where) for marker, where in places.items()} }")
    assert all(places[m] for m in MARKERS), places

    own = get("/v1/privacy/person", user=PERSON).json
    assert len(own["jobs"]) == 26 and len(own["usage"]) == 26 and own["jobs"][0]["script"].count("qzmarkerscript") == 1, own.keys()
    assert broker.call("GET", f"/v1/privacy/person?person={PERSON}", user="bob").status == 404
    assert broker.call("GET", f"/v1/privacy/person?person={PERSON}", user="operator").status == 400
    theirs = get(f"/v1/privacy/person?person={PERSON}&reason=a%20request")
    assert len(theirs.json["jobs"]) == 26 and "qzmarkerscript" not in found_in(theirs.body), theirs.json.keys()
    read = [a for a in get("/v1/reports/access").json["rows"] if a["operation"] == "exportPerson"]
    assert read[0]["person"] == f"local:{PERSON}" and read[0]["reason"] == "a request" and read[0]["reader"] == "local:operator", read

    running = broker.submit({"script": "#!/bin/sh\nsleep 600\n", "project": "ai-lab"}, user=PERSON)
    refused = broker.call("POST", "/v1/privacy/erasures", {"person": PERSON, "reason": "request"}, user="operator")
    assert refused.status == 409 and refused.json["code"] == "PERSON_ACTIVE" and running in refused.body.decode(), refused.body
    broker.call("POST", f"/v1/jobs/{running}/cancel", {}, user=PERSON)
    broker.wait_over([running], 30)
    wait_for("its usage", lambda: get(f"/v1/jobs/{running}").json["started_at"] is None or get(f"/v1/jobs/{running}/usage").json["records"], 30)
    sums = export()[1]["sums"]
    broker.hansa("privacy", "erase", PERSON, "--reason", f"as {PERSON} asked", user="bob", check=4)
    id = broker.hansa("privacy", "erase", PERSON, "--reason", f"as local:{PERSON} asked", user="operator").stdout.decode().split()[0]
    broker.hansa("privacy", "approve", id, user="operator", check=4)
    broker.hansa("privacy", "approve", id, user="second")
    broker.kill()
    copy = broker.state / "backups/before-schema-2.db"
    copy.parent.mkdir(exist_ok=True)
    shutil.copy(broker.state / "hansa.db", copy)
    broker.start()
    wait_for("the erasure", lambda: erasure(id)["state"] == "done", 60)
    print(broker.hansa("privacy", "erasures", user="operator").stdout.decode())
    assert erasure(id)["jobs"] == 27 and erasure(id)["records"] >= 26, erasure(id)
    assert broker.call("GET", "/v1/jobs", user=PERSON).status == 401

    assert b"a copy of the database is older than an erasure" in broker.log.read_bytes() and str(copy).encode() in broker.log.read_bytes()
    copy.unlink()  # as its period would

    answers = told(hers[:3] + his[:2])
    time.sleep(1.2)  # what was read of others is written
    exported, facts = export()
    assert facts["sums"] == sums and facts["erased"] == erasure(id)["records"] and facts["personal_parts"] == 5, facts
    left = {str(path): found_in(path.read_bytes()) for path in files_of(broker.state, broker.folder / "state-big")}
    left |= {target: found_in(body) for target, body in answers.items()} | {"the export": found_in(exported)}
    left |= {"the log": found_in(broker.log.read_bytes())}
    left = {where: what for where, what in left.items() if what}
    assert not left, left
    say(f"searched {len(list(files_of(broker.state)))} files, {len(answers)} answers, an export of {facts['size']} records and the log: nothing")
    assert get(f"/v1/jobs/{his[0]}").json["owner"] == "local:bob"
    print(broker.hansa("ledger", "verify", user="auditor").stderr.decode())


def operators(*names):
    for name in names:
        made = broker.call("POST", "/v1/tokens", {"user": name, "role": "operator"}, user="operator")
        assert made.status == 201, made.body
        broker.tokens[name] = made.json["token"]


def refused(code, *arguments, user):
    done = broker.hansa(*arguments, user=user, check=4)
    assert code in done.stderr, done.stderr
    return done


def glass_is_broken_by_two():
    """An operator alone gets nowhere; with a second one for a time, over a kill; each step is in the ledger, and whose job it was reads of it."""
    operators("first", "other")
    id = broker.submit({"script": "#!/bin/sh\necho bobs output\n", "project": "ai-lab", "environment": {"PASSWORD": "bobs secret"}}, user="bob")
    broker.wait_over([id])
    refused(b"owner's alone", "logs", id, user="first")
    asked = json.loads(broker.hansa("break-glass", "request", "--scope", f"job:{id}", "--for", "1h", "--reason", "incident 4711", "--json", user="first", check=0).stdout)
    glass = asked["id"]
    refused(b"waits for a second operator", "script", id, user="first")
    refused(b"is your own", "break-glass", "approve", glass, user="first")
    operators("third")
    made = broker.call("POST", "/v1/tokens", {"user": "third", "role": "operator"}, user="first")  # another name for the first
    broker.tokens["puppet"] = made.json["token"]
    refused(b"made the token", "break-glass", "approve", glass, user="puppet")
    broker.hansa("break-glass", "approve", glass, user="other", check=0)
    broker.kill()
    broker.start()
    assert broker.hansa("logs", id, user="first", check=0).stdout == b"bobs output\n"
    script = broker.hansa("script", "--json", id, user="first", check=0).stdout
    assert b"echo bobs output" in script and b"bobs secret" not in script, script
    refused(b"owner's alone", "logs", id, user="other")
    wait_for("what was read to be on record", lambda: b"readJobOutput" in broker.hansa("report", "access", "--person", "bob", user="auditor").stdout, 10)
    broker.kill()
    broker.start()
    print(broker.hansa("break-glass", "end", glass, user="other", check=0).stdout.decode())
    refused(b"is over", "logs", id, user="first")
    details = json.loads(broker.hansa("break-glass", "show", "--json", glass, user="auditor", check=0).stdout)
    assert [step["event"] for step in details["steps"]] == ["requested", "approved", "used", "used", "ended"], details
    records = {record["seq"]: record for record in (json.loads(line) for line in export()[0].splitlines() if line.startswith(b'{"at"'))}
    for step in details["steps"]:
        record = records[step["record"]]
        hashed = hashlib.sha256(bytes.fromhex(step["salt"]) + step["personal"].encode()).hexdigest()
        assert record["kind"] == "breakglass" and record["event"] == step["event"] and record["personal"] == hashed, record
    assert records[details["steps"][-1]["record"]]["uses"] == details["uses"] >= 2, details
    own = broker.call("GET", "/v1/privacy/person", user="bob").json
    assert own["break_glass"][0]["reason"] == "incident 4711" and own["break_glass"][0]["why"] == "ENDED", own["break_glass"]
    assert sum(access["times"] for access in own["accesses"] if glass in access["reason"]) >= details["uses"], own["accesses"]
    assert b"readJobOutput" in broker.hansa("report", "access", "--person", "bob", user="auditor").stdout
    print(broker.hansa("break-glass", "show", glass, user="auditor").stdout.decode())


def reports_and_documents():
    """For people: the table, the record of processing with what is missing, who has read what."""
    text = broker.hansa("privacy", "retention", user="auditor").stdout.decode()
    assert "payloads" in text and "40d" in text and "548d" in text, text
    record = broker.hansa("privacy", "record", user="auditor")
    markdown = record.stdout.decode()
    assert "Example Centre \\| Espoo" in markdown and "privacy@example.org" in markdown and "missing: nobody has said" in markdown, markdown
    assert b"privacy.legal_basis" in record.stderr and b"site big: controller" in record.stderr, record.stderr
    print(markdown[:1500])
    assert b"exportPerson" in broker.hansa("report", "access", "--limit", "1000", user="auditor").stdout
    broker.hansa("report", "access", user="bob", check=4)
    for form in ("table", "csv", "json"):
        broker.hansa("report", "retention", "--format", form, user="auditor", check=0)
    ended = json.loads(broker.hansa("report", "retention", "--json", user="auditor", check=0).stdout)["rows"]
    assert {row["kind"] for row in ended} >= {"erasure", "tombstone"}, ended


if __name__ == "__main__":
    need_root()
    broker = Broker("privacy", config())
    run_with_broker(broker, [a_person_is_forgotten, glass_is_broken_by_two, reports_and_documents], lambda: sites_answer(broker))
