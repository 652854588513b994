# SPDX-License-Identifier: Apache-2.0
"""Jobs that come after others, on two real Slurm clusters: in order over both, past kills of the broker, and cancelled where they can never start."""

import time

from harness import (Broker, COREUTILS, Payloads, SLURM, Switch, broker_config, need_root, run_with_broker, sacct_rows, say, sites_answer,
                     slurm, slurm_site, wait_for)

CLUSTERS = ("alpha", "beta")

broker = switch = payloads = None
started_at = int(time.time()) - 1


def job(*lines, site=None, **more):
    made = {"script": payloads.script(*lines), "project": "ai-lab", "time_limit_s": 300, **more}
    return {**made, "placement": {"sites": [site]}} if site else made


def submitted(id):
    """Of the job's tags the clusters have seen, by their own word."""
    return [row for cluster in CLUSTERS for row in sacct_rows(cluster, started_at) if row["JobName"].startswith(f"hansa-{id}-")]


def chain_over_two_clusters():
    """Six jobs, each after the one before, at one cluster and the other in turn, and the broker killed at every end: each starts after the end of the one before."""
    ids = []
    for i in range(6):
        ids.append(broker.submit(job("sleep 3", site=CLUSTERS[i % 2], after=ids[-1:])))
    last = wait_for("what the last one waits for", lambda: (job := broker.job(ids[-1]))["reason"] and job)
    assert (last["state"], last["reason"]["code"]) == ("held", "DEPENDENCY"), last
    assert ids[-2] in last["reason"]["message"], last
    shown = broker.hansa("show", ids[1], check=0).stdout.decode()
    assert "starts after" in shown and ids[0] in shown, shown
    explained = broker.hansa("explain", ids[1], check=0).stdout.decode()
    assert "no site was chosen" in explained and f"waits for job {ids[0]}" in explained, explained
    assert not submitted(ids[1]) and not slurm("beta", "squeue", "-h"), "sent before its time"
    kills = 0
    for id in ids[:-1]:
        wait_for(f"the end of {id}", lambda: any(row["State"] == "COMPLETED" for row in submitted(id)), 90, 0.2)
        broker.kill()
        broker.start()
        kills += 1
    done = broker.wait_over(ids)
    assert all(done[id]["state"] == "succeeded" for id in ids), done
    rows = [submitted(id) for id in ids]
    assert all(len(of_job) == 1 for of_job in rows), rows
    for before, after in zip(rows, rows[1:]):
        assert int(after[0]["Submit"]) >= int(before[0]["End"]), (before, after)
    runs = payloads.runs()
    assert all(len(runs[id]) == 1 for id in ids), runs
    say(f"  6 in order at {[done[id]['site'] for id in ids]}, past {kills} kills; first start to last end {int(rows[-1][0]['End']) - int(rows[0][0]['Start'])} s")


def what_fails_takes_its_dependents_along():
    """A diamond whose left side fails: its bottom and what comes after that are cancelled, no cluster ever hears of them; its right side succeeds."""
    bulk = {"jobs": [job("true"), job("exit 3", after=["#0"]), job("sleep 2", after=["#0"]), job("true", after=["#1", "#2"]), job("true", after=["#3"])]}
    answer = broker.call("POST", "/v1/jobs/bulk", bulk)
    assert answer.status == 201, answer.body
    top, left, right, bottom, last = [made["id"] for made in answer.json["jobs"]]
    done = broker.wait_over([top, left, right, bottom, last])
    states = [done[id]["state"] for id in (top, left, right, bottom, last)]
    assert states == ["succeeded", "failed", "succeeded", "cancelled", "cancelled"], states
    for id, before in ((bottom, left), (last, bottom)):
        assert done[id]["reason"]["code"] == "DEPENDENCY_NEVER_SATISFIED" and before in done[id]["reason"]["message"], done[id]
        assert not submitted(id) and id not in payloads.runs()
    refused = broker.hansa("submit", "--project", "ai-lab", "--after", f"{top},{'0' * 26}", "-", stdin=b"#!/bin/sh\n", check=2)
    assert b"--after: you have no job " + b"0" * 26 in refused.stderr, refused.stderr
    foreign = broker.submit(job("true"), user="bob")
    assert broker.call("POST", "/v1/jobs", job("true", after=[foreign])).json["code"] == "NO_SUCH_JOB"
    say(f"  {states}")


if __name__ == "__main__":
    need_root()
    payloads = Payloads()
    switch = Switch([f"/usr/bin/{p}" for p in SLURM + COREUTILS])
    switch.start()
    broker = Broker("chains", broker_config(switch, [slurm_site("alpha", "FI"), slurm_site("beta", "ES")]))
    run_with_broker(broker, [chain_over_two_clusters, what_fails_takes_its_dependents_along],
                    prepare=lambda: sites_answer(broker), clean=[switch.stop, payloads.remove])
