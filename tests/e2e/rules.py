# SPDX-License-Identifier: Apache-2.0
"""Rules in force at a real broker with two local sites: where labelled data may go, what is refused at the door, what a SIGHUP changes."""

import hashlib
import json
import shutil
import signal
import time

from harness import Broker, local_site, need_root, packs_in_effect, run_with_broker, say, wait_for

broker = None
packs = None
TODAY = time.strftime("%Y-%m-%d", time.gmtime())
SLEEP = "#!/bin/sh\nexec sleep 300\n"
SEALED = """
[meta]
id = "sealed"
version = "1.0.0"
title = "What is made of trade secrets stays where it was made"
approved_by = ["a", "b"]
default = "deny"
[[rule]]
id = "P-SEALED"
effect = "permit"
actions = ["place", "stage_in", "dispatch", "reroute"]
when = [{attr = "dataset.labels", op = "any_of", value = ["trade-secret"]}]
legal_basis = "a contract"
owner = "o"
[[test]]
name = "taken"
action = "place"
given = {dataset.labels = ["trade-secret"]}
expect = "permit"
[[test]]
name = "and not let out"
action = "log_export"
given = {dataset.labels = ["trade-secret"]}
expect = "deny"
code = "NO_PERMIT"
[[test]]
name = "nothing of others"
action = "place"
given = {dataset.labels = ["open"]}
expect = "deny"
code = "NO_PERMIT"
"""


def config(kajaani="member", geneva="member", chosen='"open-science", "gdpr-eea"', at_geneva=("lab", "clinic"), has_geneva=True):
    def site(id, country, cpus, status, more=""):
        return local_site(id, country, cpus, waiting_jobs=1, people=("alice", "bob"),
                          extra=f'facts = {{ as_of = {TODAY}, status = "{status}", operator_country = "{country}" }}\n{more}')
    allocations = ", ".join(f'{project} = "{project}"' for project in at_geneva)
    allocated = f'allocation = "required"\nprojects = {{ {allocations} }}\n'
    return f"""
[broker]
name = "rules"
country = "FI"
state_dir = "{{state}}"
facts = {{ as_of = {TODAY}, status = "member", operator_country = "FI" }}
[api]
listen = "{{listen}}"
[engine]
status_interval_ms = 300
snapshot_interval_ms = 500
usage_interval_ms = 1000
[rules]
packs = [{chosen}]
pack_dir = "{packs}"
{site("kajaani", "FI", 1, kajaani)}{site("geneva", "CH", 4, geneva, allocated) if has_geneva else ""}
[[project]]
id = "lab"
members = ["local:alice", "local:bob"]
facts = {{ labels = ["internal"], purpose = "civilian-research" }}
[[project]]
id = "clinic"
members = ["local:alice"]
facts = {{ labels = ["health"] }}
[[project]]
id = "newcomer"
members = ["local:alice"]
facts = {{ labels = ["internal"], purpose = "civilian-research" }}
[[person]]
id = "local:alice"
assurance = "medium"
"""


def rewrite(text):
    broker.configure(text)
    before = broker.log.read_text().count("rules are in force") + broker.log.read_text().count("stay as they were")
    broker.process.send_signal(signal.SIGHUP)
    wait_for("the rules to be read again", lambda: broker.log.read_text().count("rules are in force") + broker.log.read_text().count("stay as they were") > before, 10)


def script(text="#!/bin/sh\necho done\n"):
    file = broker.folder / "job.sh"
    file.write_text(text)
    return str(file)


def register(id, label, sites=("kajaani", "geneva")):
    sha = hashlib.sha256(id.encode()).hexdigest()
    assert broker.call("POST", "/v1/datasets", {"id": id, "project": "lab", "labels": [label], "size_bytes": 1, "files": 1, "sha256": sha}).status == 201
    for site in sites:
        assert broker.call("POST", f"/v1/datasets/{id}/replicas", {"site": site, "root": "scratch", "path": id}).status == 201
        expires = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 86_400))
        asked = broker.call("POST", f"/v1/datasets/{id}/replicas/{site}/verify", {"sha256": sha, "expires_at": expires})
        assert asked.status == 200, asked.body
        change = asked.json["changes"][0]["id"]
        assert broker.call("POST", f"/v1/changes/{change}/approve", user="operator").status == 200


def submitted(*options, project="lab", user="alice", text="#!/bin/sh\necho done\n"):
    return broker.hansa("submit", "--project", project, *options, script(text), user=user, check=0).stdout.decode().strip()


def explained(id, user="alice"):
    text = broker.hansa("explain", id, user=user, check=0).stdout.decode()
    say(text)
    return text


def the_broker_says_what_is_in_force():
    shown = broker.hansa("policy", "show", check=0).stdout.decode()
    assert "gdpr-eea 1.0.0" in shown and "F-PERSONAL-OUTSIDE" in shown, shown
    sites = broker.get("/v1/sites")
    assert sites["rules_in_force"] is True
    facts = {f["attribute"]: f for f in sites["sites"][0]["facts"]}
    assert facts["site.status"]["state"] == "known", facts


def personal_data_stay_in_the_eea():
    register("cohort", "personal")
    id = submitted("--data", "cohort")
    text = explained(id)
    assert "F-PERSONAL-OUTSIDE" in text and "geneva" in text, text
    assert broker.wait_over([id])[id]["site"] == "kajaani"
    decision = broker.get(f"/v1/jobs/{id}/explain")
    verdicts = {v["site"]: v for v in decision["verdicts"]}
    assert decision["policy_hash"] and verdicts["kajaani"]["rules"]["rules"] == ["P-PERSONAL-EEA"], decision
    assert verdicts["geneva"]["code"] == "RULES_DENY" and "(now: CH, from the site descriptor" in verdicts["geneva"]["message"], decision
    for _ in range(3):
        again = submitted("--data", "cohort")
        assert broker.wait_over([again])[again]["site"] == "kajaani"


def missing_evidence_is_named():
    done = broker.hansa("submit", "--project", "lab", "--data", "cohort", script(), user="bob", check=0)
    id = done.stdout.decode().strip()
    assert broker.wait_state(id, "held", user="bob")["reason"]["code"] in ("RULES_DENY", "NO_SITE_NOW")
    text = explained(id, user="bob")
    assert "EVIDENCE_MISSING" in text and "user.assurance (missing)" in text, text
    unknown = submitted("--data", "nobody-has-registered-this")
    broker.wait_state(unknown, "held")
    assert "DATASET_UNKNOWN" in explained(unknown)


def the_door_is_shut_before_anything_is_stored():
    before = broker.get("/v1/jobs")["jobs"]
    done = broker.hansa("submit", "--project", "clinic", script(), check=4)
    say(done.stderr.decode())
    assert b"no rule permits it" in done.stderr and b"project.labels is health" in done.stderr, done.stderr
    bulk = broker.call("POST", "/v1/jobs/bulk", {"jobs": [{"script": "#!/bin/sh\n", "project": "lab"}, {"script": "#!/bin/sh\n", "project": "clinic"}]})
    assert bulk.status == 403 and bulk.json["code"] == "RULES_DENY", bulk.body
    dry = broker.call("POST", "/v1/jobs?dry_run=true", {"script": "#!/bin/sh\n", "project": "clinic"})
    assert dry.status == 403 and dry.json["code"] == "RULES_DENY", dry.body
    assert broker.get("/v1/jobs")["jobs"] == before


def what_a_restricted_job_writes_is_nowhere_else():
    """Printed, left as an output, and made at the site alone: in no answer, log, ledger or file of the broker's; only where the job ran. [T16]"""
    (packs / "sealed.toml").write_text(SEALED)
    rewrite(config(chosen='"open-science", "gdpr-eea", "sealed"'))
    assert b"P-SEALED" in broker.hansa("policy", "show", check=0).stdout
    register("recipe", "trade-secret", sites=("kajaani",))
    text = "#!/bin/sh\nsecret=$(printf 'qz%s%s' taint marker)\necho $secret; echo $secret >&2; echo $secret > model.txt\n"  # the script does not have it
    job = {"project": "lab", "script": text, "datasets": ["recipe"], "outputs": {"model": "model.txt"}, "placement": {"sites": ["kajaani"]}}
    ids = [broker.submit(job), broker.submit(job | {"script": text + "exit 3\n"})]
    done = broker.wait_over(ids, 60)
    assert [done[id]["state"] for id in ids] == ["succeeded", "failed"], done
    wait_for("usage", lambda: all(broker.get(f"/v1/jobs/{id}/usage")["records"] for id in ids), 30, 1)
    marker = b"qztaintmarker"
    there = [path for path in (broker.folder / "state-kajaani").rglob("*") if path.is_file() and marker in path.read_bytes()]
    assert len(there) >= 2 * 3, there  # or nothing was planted
    targets = ["/v1/jobs?limit=100", "/v1/reports/usage?by=project,site", "/v1/ledger/records?personal=true", "/v1/decisions?from=2020-01-01&to=2100-01-01",
               "/v1/datasets/recipe", "/v1/sites/kajaani", "/v1/changes", "/v1/reports/access", "/v1/reports/retention", "/metrics"]
    for id in ids:
        targets += [f"/v1/jobs/{id}{part}" for part in ("", "/events", "/explain", "/usage", "/output?stream=out", "/output?stream=err", "/outputs", "/outputs/model")]
    asked, refused = 0, 0
    for user in ("alice", "bob", "operator", "auditor"):
        for target in targets:
            answer = broker.call("GET", target, user=user)
            assert marker not in answer.body, (user, target)
            assert answer.status < 500, (user, target, answer.status, answer.body)
            # whoever may read everybody's does: a refusal would prove nothing
            assert answer.status == 200 or "/output" in target or user in ("alice", "bob"), (user, target, answer.status, answer.body)
            refused += answer.status == 403 and "/output" in target
            asked += 1
    assert refused >= 2 * 4, refused  # their owner is told why, for each way out
    for words in (["logs"], ["fetch"], ["show"], ["explain"]):
        told = broker.hansa(*words, ids[0])
        assert marker not in told.stdout + told.stderr, words
    files = [path for path in broker.state.rglob("*") if path.is_file()]
    assert not [path for path in files if marker in path.read_bytes()]
    assert marker not in broker.log.read_bytes()
    say(f"in {len(there)} files of the site; in none of {asked} answers ({refused} refused), {len(files)} files of the broker and its log")
    (packs / "sealed.toml").unlink()
    rewrite(config())


def what_changes_before_the_sending_holds():
    """A decision counts no longer than its rules. [T15]"""
    running = [submitted("--site", "kajaani", text=SLEEP) for _ in range(2)]  # one runs, one waits there
    broker.wait_state(running[0], "running")
    waiting = submitted("--site", "kajaani", "--data", "cohort")
    assert broker.wait_state(waiting, {"waiting", "held"})["site"] is None
    rewrite(config(kajaani="suspended"))
    for id in running:
        broker.call("POST", f"/v1/jobs/{id}/cancel")
    broker.wait_over(running)
    time.sleep(2)
    assert broker.job(waiting)["state"] == "held" and not broker.job(waiting)["attempts"], broker.job(waiting)
    assert "now: suspended" in explained(waiting)
    rewrite(config())
    assert broker.wait_over([waiting])[waiting]["state"] == "succeeded"


def a_change_of_rules_is_tried_on_the_past():
    same = broker.hansa("policy", "diff", "--last", "1d", str(packs / "open-science.toml"), str(packs / "open-science.toml"), user="operator")
    assert b"0 would change, of jobs: 0" in same.stdout, same.stdout
    draft = broker.folder / "draft"
    draft.mkdir()
    for name in ("open-science", "gdpr-eea"):
        (draft / f"{name}.toml").write_text((packs / f"{name}.toml").read_text())
    (draft / "closed.toml").write_text("""
[meta]
id = "closed"
version = "1.0.0"
approved_by = ["a", "b"]
default = "deny"
[[rule]]
id = "F-KAJAANI"
effect = "forbid"
actions = ["place"]
when = [{attr = "site.id", op = "eq", value = "kajaani"}, {attr = "dataset.labels", op = "any_of", value = ["personal"]}]
legal_basis = "l"
owner = "o"
""")
    done = broker.hansa("policy", "diff", "--json", str(draft), user="operator", check=1)
    told = json.loads(done.stdout)
    assert told["changes"] and told["summary"]["denied_to_permitted"] == 0, told["summary"]
    for change in told["changes"]:
        assert change["site"] == "kajaani" and change["action"] == "place" and change["new"]["rules"] == ["F-KAJAANI"], change
        assert "cohort" in broker.get(f"/v1/jobs/{change['job']}", user="operator")["datasets"], change
    say(broker.hansa("policy", "diff", str(draft), user="operator", check=1).stdout.decode()[-1500:])
    broker.hansa("policy", "diff", str(draft), user="alice", check=4)


def a_bad_set_of_rules_changes_nothing():
    hash = broker.get("/v1/rules")["policy_hash"]
    rewrite(config(chosen='"open-science", "no-such-pack"'))
    assert "no-such-pack.toml" in broker.log.read_text()
    (packs / "broken.toml").write_text("[meta]\nid = 1\n")
    rewrite(config(chosen='"open-science", "broken"'))
    assert broker.get("/v1/rules")["policy_hash"] == hash
    id = submitted()
    assert broker.wait_over([id])[id]["state"] == "succeeded"
    rewrite(config())


def what_is_not_there_yet_or_any_more_holds():
    """A project without an allocation at the site that it asks for, and a site that has left the federation: held, and each says why."""
    newcomer = submitted("--site", "geneva", project="newcomer")
    broker.wait_state(newcomer, "held")
    text = explained(newcomer)
    assert "NO_ALLOCATION" in text and "newcomer has no allocation at geneva" in text, text
    broker.hansa("site", "drain", "geneva", user="operator", check=0)
    left = submitted("--site", "geneva")
    broker.wait_state(left, "held")
    restarted(config(has_geneva=False))
    wait_for("the word on geneva", lambda: "SITE_UNKNOWN" in json.dumps(broker.get(f"/v1/jobs/{left}/explain")), 20)
    assert "SITE_UNKNOWN" in explained(left) and broker.job(left)["state"] == "held"
    restarted(config(at_geneva=("lab", "clinic", "newcomer")))
    broker.hansa("site", "resume", "geneva", user="operator", check=0)
    done = broker.wait_over([newcomer, left])
    assert all(job["state"] == "succeeded" and job["site"] == "geneva" for job in done.values()), done


def operator(name):
    """A token of an operator's own: two people are needed."""
    made = broker.hansa("token", "create", "--user", name, "--role", "operator", "--json", user="operator", check=0)
    broker.tokens[name] = json.loads(made.stdout)["token"]
    return name


def change_of(done):
    return json.loads(done.stdout)["changes"][0]["id"]


def the_register_takes_the_files_place():
    """What the file does not say, two operators do: a job that was held runs; what is withdrawn holds the next, over a kill, too."""
    first, second = operator("op-1"), operator("op-2")
    held = submitted("--data", "cohort", user="bob")  # of whom the file tells nothing
    broker.wait_state(held, "held", user="bob")
    assert "user.assurance (missing)" in explained(held, user="bob")
    set_by = lambda user, *more: broker.hansa("facts", "set", "person:bob", "user.assurance=medium", "--evidence", "seen his passport", "--json", *more, user=user, check=0)
    change = change_of(set_by(first))
    broker.hansa("facts", "approve", change, user=first, check=4)
    broker.kill()
    broker.start()
    assert broker.job(held, user="bob")["state"] == "held"
    done = broker.hansa("facts", "approve", change, user=second, check=0)
    say(done.stdout.decode())
    assert broker.wait_over([held])[held]["state"] == "succeeded"
    broker.kill()
    broker.start()
    again = submitted("--data", "cohort", user="bob")
    assert broker.wait_over([again])[again]["state"] == "succeeded"
    shown = broker.hansa("facts", "show", "person:bob", user="bob", check=0).stdout.decode()
    assert change in shown and "seen his passport" in shown, shown

    running = [submitted("--site", "kajaani", text=SLEEP) for _ in range(2)]  # one runs, one waits there
    broker.wait_state(running[0], "running")
    waiting = submitted("--data", "cohort", user="bob")
    broker.hansa("facts", "withdraw", "person:bob", "user.assurance", "--reason", "passport has expired", user=first, check=0)
    broker.kill()
    broker.start()
    for id in running:
        broker.call("POST", f"/v1/jobs/{id}/cancel")
    broker.wait_over(running)
    late = submitted("--data", "cohort", user="bob")
    for id in (waiting, late):
        broker.wait_state(id, "held", user="bob")
        assert not broker.job(id, user="bob")["attempts"], broker.job(id, user="bob")
        assert "user.assurance (missing)" in explained(id, user="bob")
    # A file that says so by now does not bring it back: the register has spoken.
    rewrite(config() + '[[person]]\nid = "local:bob"\nassurance = "high"\n')
    time.sleep(2)
    assert broker.job(late, user="bob")["state"] == "held"
    broker.hansa("facts", "approve", change_of(set_by(second)), user=first, check=0)
    assert all(job["state"] == "succeeded" for job in broker.wait_over([waiting, late]).values())
    log = json.loads(broker.hansa("facts", "changes", "person:bob", "--json", user=first, check=0).stdout)["changes"]
    assert [(c["change"], c["state"], c["by"]) for c in log] == [
        ("fact_stated", "approved", "local:op-2"), ("fact_withdrawn", "applied", "local:op-1"), ("fact_stated", "approved", "local:op-1")], log
    rewrite(config())


def restarted(text):
    broker.stop()
    broker.configure(text)
    broker.start()


if __name__ == "__main__":
    need_root()
    packs = packs_in_effect()
    broker = Broker("rules", config())
    run_with_broker(broker, [the_broker_says_what_is_in_force, personal_data_stay_in_the_eea, missing_evidence_is_named,
                             the_door_is_shut_before_anything_is_stored, what_a_restricted_job_writes_is_nowhere_else, what_changes_before_the_sending_holds,
                             a_change_of_rules_is_tried_on_the_past, a_bad_set_of_rules_changes_nothing, the_register_takes_the_files_place, what_is_not_there_yet_or_any_more_holds],
                    clean=[lambda: shutil.rmtree(packs)])
