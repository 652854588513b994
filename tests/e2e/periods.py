# SPDX-License-Identifier: Apache-2.0
"""A month of the ledger on three real Slurm clusters: mixed jobs over a requeue, an slurmdbd outage and a broker that is killed, reconciled,
closed, signed by broker and site, and held against sacct by both verifiers. `--jobs N`: so many (30)."""

import collections
import json
import subprocess
import sys
import time

from harness import (ROOT, Broker, COREUTILS, Payloads, SLURM, Switch, bed, broker_config, need_root, run_with_broker, sacct_rows, say,
                     sites_answer, slurm, slurm_site, wait_for)

CLUSTERS = {"alpha": "FI", "beta": "ES", "gamma": "SE"}
VERIFY = ROOT / "packaging/verify/hansa_verify.py"
JOBS = int(sys.argv[sys.argv.index("--jobs") + 1]) if "--jobs" in sys.argv else 30
APART_S = 2

broker = switch = payloads = None
started_at = int(time.time()) - 1
month = time.strftime("%Y-%m", time.gmtime(started_at))


def ledger(*arguments, check=0, user="operator"):
    return broker.hansa("ledger", *arguments, user=user, check=check)


def mixed_jobs():
    """Sleeps, failures, several cores, arrays: (job, submitted by)."""
    for i in range(JOBS):
        job = {"name": f"job {i}", "project": "climate" if i % 4 == 3 else "ai-lab", "time_limit_s": 300}
        kind = i % 6
        if kind == 5:
            job.update(array="0-2", script=payloads.script("true"))
        else:
            job["script"] = payloads.script(("true", "sleep 1", "exit 3", "sleep 2", "true")[kind])
        if kind == 3:
            job["resources"] = {"tasks": 2}
        yield job, "bob" if i % 4 == 3 else "alice"


def requeued(id):
    """The site starts it again: two runs under one id of the site's."""
    job = broker.wait_state(id, "running", user="operator", seconds=120)
    slurm(job["site"], "scontrol", "requeue", job["site_job_id"])
    def states():
        return slurm(job["site"], "squeue", "-h", "-j", job["site_job_id"], "-o", "%T", check=False).split()
    wait_for("the requeue", lambda: "PENDING" in states(), 60, 0.5)

    def runs_again():  # Slurm would let it wait for two minutes, counted from when its first run has been cleaned up
        slurm(job["site"], "scontrol", "update", f"JobId={job['site_job_id']}", "StartTime=now", check=False)
        return "PENDING" not in states()
    wait_for("the second run", runs_again, 60, 2)


def jobs_end_over_a_requeue_an_outage_and_a_kill():
    """Nothing of what they used is lost to the ledger, whatever ended when."""
    again = broker.submit({"script": payloads.script("sleep 3"), "project": "ai-lab", "requeue": True, "time_limit_s": 300})
    requeued(again)
    ids = [again]
    jobs = list(mixed_jobs())
    for job, user in jobs[:len(jobs) // 2]:
        ids.append(broker.submit(job, user=user))
    bed("stop", "-", "slurmdbd")
    for job, user in jobs[len(jobs) // 2:]:
        ids.append(broker.submit(job, user=user))
    broker.kill()
    broker.start()
    sites_answer(broker)
    began = time.monotonic()
    wait_for("most jobs", lambda: sum(broker.job(id, "operator")["state"] in ("succeeded", "failed") for id in ids) > len(ids) // 3, 300, 0.5)
    bed("start", "-", "slurmdbd")
    done = broker.wait_over(ids, 600)
    say(f"  {len(ids)} jobs: {dict(collections.Counter(job['state'] for job in done.values()))}, {time.monotonic() - began:.0f} s after the outage began")
    assert {job["state"] for job in done.values()} <= {"succeeded", "failed"}, done
    wait_for("usage", lambda: all(broker.get(f"/v1/jobs/{id}/usage", user="operator")["records"] for id in ids), 120, 1)
    assert len(broker.get(f"/v1/jobs/{again}/usage", user="operator")["records"]) == 2
    jobs_end_over_a_requeue_an_outage_and_a_kill.ids = ids


def reconciled():
    """Each site, from the month's beginning on: what was seen of each."""
    seen = {}
    for site in CLUSTERS:
        done = ledger("reconcile", site, "--from", f"{month}-01", "--json", check=None)
        assert done.returncode in (0, 1), done.stderr
        seen[site] = json.loads(done.stdout)
    return seen


def every_difference_is_found_and_nothing_is_left():
    """sacct asked anew: what came late is booked, and then all of it agrees, twice; others' jobs are counted, and nothing more. [T19]"""
    slurm("alpha", "sbatch", "--wrap", "true", "-J", "somebody-elses", user="bob")
    wait_for("somebody else's job", lambda: "somebody-elses|COMPLETED" in slurm("alpha", "sacct", "-a", "-n", "-X", "-P", "-S", time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(started_at)), "-o", "JobName,State"), 60, 1)
    time.sleep(4)  # what ended just now is left to the next time
    seen = reconciled()
    found = {site: {kind: n for kind, n in made["counts"].items() if n} for site, made in seen.items()}
    say(f"  first: matched {({site: made['matched'] for site, made in seen.items()})}, differences {found}")
    for _ in range(2 if any(found.values()) else 1):  # that was clean, or two that are
        time.sleep(APART_S)
        seen = reconciled()
        for site, made in seen.items():
            assert made["unexplained"] == 0 and not any(made["counts"].values()), made
    assert seen["alpha"]["others"] >= 1, seen["alpha"]
    say(f"  then: matched {({site: made['matched'] for site, made in seen.items()})}, unexplained 0, others' runs {({site: made['others'] for site, made in seen.items()})}")
    every_difference_is_found_and_nothing_is_left.matched = sum(made["matched"] for made in seen.values())


def the_month_is_closed_and_signed():
    """By the broker, over a kill in the middle; by a site with its own key. Again: nothing more."""
    early = ledger("period", "close", month, check=None)
    if time.strftime("%Y-%m", time.gmtime()) == month:
        assert b"NOT_OVER" in early.stderr or early.returncode == 8, (early.returncode, early.stderr)
    answer = subprocess.Popen([broker.bin / "hansa", "ledger", "period", "close", month, "--early"], env=broker_environment(), stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    broker.kill()
    answer.communicate()
    broker.start()
    sites_answer(broker)
    closed = json.loads(ledger("period", "close", month, "--early", "--json").stdout)
    again = json.loads(ledger("period", "close", month, "--early", "--json").stdout)
    assert closed["state"] == "closed" and closed["close_record"] == again["close_record"], (closed, again)
    assert closed["closing"]["size"] > closed["close_record"] and closed["summary_record"] == closed["close_record"] - 1, closed
    assert {site["site"]: site["grade"] for site in closed["sites"]} == dict.fromkeys(CLUSTERS, "B"), closed["sites"]
    key = broker.get("/v1/ledger", user="auditor")["keys"][0]["key"]
    ledger("witness", "--dir", broker.folder / "alpha-witness", "--key", key, user="auditor")
    shown = json.loads(ledger("period", "show", month, "--json", user="auditor").stdout)
    assert {site["site"]: site["grade"] for site in shown["sites"]} == {"alpha": "A", "beta": "B", "gamma": "B"}, shown["sites"]
    print(ledger("period", "show", month).stdout.decode())


def broker_environment():
    return {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "HANSA_URL": broker.url, "HANSA_TOKEN_FILE": str(broker.state / "operator.token")}


def the_closed_month_is_sacct():
    """To the second, run by run; both verifiers agree, and the summary is the sum; what changes later says so."""
    ours = {job["id"] for job in broker.get("/v1/jobs?limit=1000", user="operator")["jobs"]}  # others have run jobs on these clusters, too
    rows = {(cluster, row["JobID"], row["Start"] if row["Start"].isdigit() else None): row
            for cluster in CLUSTERS for row in sacct_rows(cluster, started_at) if row["JobName"].split("-")[1] in ours}
    told, records = exported("closed.txt")
    taken_back = {record["refers_to"] for record in records if record["kind"] == "reversal"}
    runs = [record for record in records if record["kind"] == "usage" and record["seq"] not in taken_back]
    for run in runs:
        row = rows[run["site"], run["site_job_id"], str(run["started_s"]) if "started_s" in run else None]
        assert (run["elapsed_s"], run["core_seconds"], run["ended_s"]) == (int(row["ElapsedRaw"]), int(row["CPUTimeRAW"]), int(row["End"])), (run, row)
    assert len(runs) == len(rows) == every_difference_is_found_and_nothing_is_left.matched, (len(runs), len(rows))
    summary = next(record for record in records if record["kind"] == "summary")
    assert summary["core_seconds"] == sum(int(row["CPUTimeRAW"]) for row in rows.values()), summary
    late = broker.submit({"script": payloads.script("true"), "project": "ai-lab"})
    broker.wait_over([late], 60)
    wait_for("usage", lambda: broker.get(f"/v1/jobs/{late}/usage", user="operator")["records"], 60, 0.5)
    after, records = exported("later.txt")
    assert records[-1]["kind"] == "usage" and (records[-1].get("original_period") == month) == (time.strftime("%Y-%m", time.gmtime(records[-1]["ended_s"])) == month), records[-1]
    assert ledger("verify").returncode == 0
    say(f"  {len(runs)} runs of {len(jobs_end_over_a_requeue_an_outage_and_a_kill.ids)} jobs are sacct's to the second, {summary['core_seconds']} core-seconds; "
        f"{after['kinds']}; both verifiers agree")


def exported(name):
    """What both verifiers tell of it, the same; the records."""
    path = broker.folder / name
    ledger("export", "--output", path, user="auditor")
    ours = broker.hansa("ledger", "verify", "--json", path, user="auditor", check=0)
    theirs = subprocess.run([sys.executable, "-B", VERIFY, "--json", path], capture_output=True, check=True)
    told = json.loads(ours.stdout)
    assert told == json.loads(theirs.stdout), (told, theirs.stdout)
    lines = [json.loads(line) for line in path.read_bytes().splitlines()[1:]]
    return told, [line for line in lines if "kind" in line]  # the others say what a close rests on


if __name__ == "__main__":
    need_root()
    if "--jobs" in sys.argv:
        del sys.argv[sys.argv.index("--jobs"):sys.argv.index("--jobs") + 2]
    payloads = Payloads()
    switch = Switch([f"/usr/bin/{p}" for p in SLURM + COREUTILS])
    switch.start()

    def config(ledger_key=None):
        sites = [slurm_site(c, CLUSTERS[c], extra=f'ledger_key = "{ledger_key}"\n' if ledger_key and c == "alpha" else "") for c in CLUSTERS]
        ledger_keys = f"[ledger]\nreconcile_interval_s = 0\nreconciled_apart_s = {APART_S}\n"
        return broker_config(switch, sites, engine=ledger_keys).replace("usage_interval_ms = 5000", "usage_interval_ms = 1000")
    broker = Broker("periods", config())
    made = subprocess.run([broker.bin / "hansa", "ledger", "witness", "--dir", broker.folder / "alpha-witness", "--name", "alpha.example", "--key-only"],
                          capture_output=True, check=True, env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"})
    broker.configure(config(made.stdout.decode().strip()))
    run_with_broker(broker, [jobs_end_over_a_requeue_an_outage_and_a_kill, every_difference_is_found_and_nothing_is_left,
                             the_month_is_closed_and_signed, the_closed_month_is_sacct],
                    prepare=lambda: sites_answer(broker), clean=[switch.stop, payloads.remove])
