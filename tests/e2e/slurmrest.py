# SPDX-License-Identifier: Apache-2.0
"""A Slurm cluster through its slurmrestd: jobs and arrays of two people there and back, a look at it, a token that ends, and a slurmrestd that is killed."""

import json
import time

from harness import (Broker, BROKER_USER, COREUTILS, Payloads, SlurmTokens, Switch, bed, broker_config, need_root, run_with_broker, sacct_rows,
                     say, sites_answer, usage_differences, wait_for)

CLUSTER = "beta"
broker = switch = payloads = tokens = None
started_at = int(time.time()) - 1


def state_of_site():
    return broker.get(f"/v1/sites/{CLUSTER}", user="operator")


def job(*lines, **more):
    return {"project": "ai-lab", "script": payloads.script(*lines)} | more


def jobs_of_two_people_come_back():
    """On the right account, with their exit codes and output; one is cancelled while it runs, one while it waits."""
    over = {broker.submit(job("id -un", "sleep 1")): ("succeeded", 0, "alice"),
            broker.submit(job("id -un", "exit 3")): ("failed", 3, "alice"),
            broker.submit(job("id -un", "exit 113")): ("failed", 113, "alice"),
            broker.submit(job("id -un"), user="bob"): ("succeeded", 0, "bob"),
            broker.submit(job("id -un", resources={"nodes": 2, "tasks": 2}, project="climate"), user="bob"): ("succeeded", 0, "bob")}
    broker.wait_over(over, 120)  # one of those in the line would be enough of ours there
    runs = broker.submit(job("sleep 300", resources={"nodes": 2, "tasks": 8}))
    broker.wait_state(runs, "running")
    waits = broker.submit(job("sleep 300", resources={"nodes": 2, "tasks": 8}))
    broker.wait_state(waits, "queued")
    for id in (waits, runs):
        assert broker.call("POST", f"/v1/jobs/{id}/cancel", {}).status in (200, 202)
        broker.wait_state(id, "cancelled")
    for id, (state, code, user) in over.items():
        ended = broker.wait_state(id, state, user=user)
        assert ended["exit_code"] == code, ended
        assert broker.output(id, user=user).decode().strip() == user, broker.output(id, user=user)
    assert "slurm 22.05" in json.dumps(state_of_site()), state_of_site()
    jobs_of_two_people_come_back.ran = [*over, runs]


def usage_equals_sacct():
    """Every record of what ran, to the second."""
    ran = jobs_of_two_people_come_back.ran
    def booked(id):
        return broker.get(f"/v1/jobs/{id}/usage", user="operator")["records"]
    wait_for("usage of all jobs", lambda: all(booked(id) for id in ran), 60, 1)
    by_tag = {row["JobName"]: row for row in sacct_rows(CLUSTER, started_at)}
    for id in ran:
        record, = booked(id)
        differences = usage_differences(record, by_tag[f"hansa-{id}-1"])
        assert not differences, (record, differences)
    say(f"{len(ran)} usage records equal sacct's")


def arrays_run_and_tasks_are_cancelled():
    """Each task once and as it ended, also of a list that slurmrestd cuts short; tasks that are cancelled alone; usage as sacct has it."""
    far = broker.submit(job("true", array="0-5000:5000"))
    odd = sorted(i * i + i % 3 for i in range(30))  # no order in it: of those that wait 64 bytes are told
    long = broker.submit(job('echo "task $HANSA_ARRAY_INDEX"', "(( HANSA_ARRAY_INDEX == 6 )) && exit 7; true", array=",".join(map(str, odd)) + "%4"), user="bob")
    some = broker.submit(job("(( HANSA_ARRAY_INDEX < 2 )) || sleep 300", array="0-5%2"))
    wait_for("two that ended and two that run", lambda: (tasks := broker.job(some)["tasks"]).get("succeeded", {}).get("tasks") == "0-1" and tasks.get("running", {}).get("count") == 2, 120, 0.5)
    broker.hansa("cancel", some, "--task", "0,2,5", check=0)
    wait_for("the two to be told", lambda: broker.job(some)["tasks"].get("cancelled", {}).get("tasks") == "2,5", 60, 0.5)
    wait_for("the others to go on", lambda: broker.job(some)["tasks"].get("running", {}).get("tasks") == "3-4", 60, 0.5)
    broker.hansa("cancel", some, check=0)
    ended = broker.wait_over([some], 60)[some]
    assert ended["state"] == "cancelled" and ended["reason"]["message"] == "2 of 6 tasks succeeded; 4 were cancelled (2-5)", ended
    done = broker.wait_state(long, "failed", user="bob", seconds=180)
    assert done["exit_code"] == 7 and done["reason"]["message"] == "29 of 30 tasks succeeded; 1 failed (6)", done
    assert not any(e["event"] == "attempt_unknown" for e in broker.get(f"/v1/jobs/{long}/events", user="bob")["events"])
    assert broker.hansa("logs", long, "--task", str(odd[-1]), user="bob", check=0).stdout.decode() == f"task {odd[-1]}\n"
    records = wait_for("usage of all tasks", lambda: len(found := broker.get(f"/v1/jobs/{long}/usage", user="operator")["records"]) == 30 and found, 60, 1)
    rows = {row["JobID"]: row for row in sacct_rows(CLUSTER, started_at) if row["JobName"] == f"hansa-{long}-1"}
    for record in records:
        assert not usage_differences(record, rows[record["site_job_id"]]), (record, rows[record["site_job_id"]])
    assert broker.wait_over([far])[far]["state"] == "rejected"
    say(f"{done['reason']['message']}; {ended['reason']['message']}")


def it_is_looked_over():
    """What slurmrestd tells of the cluster and of each account's token, and what the accounts can do with their files."""
    done = broker.hansa("site", "doctor", CLUSTER, user="operator", check=0)
    say(done.stdout.decode())
    report = json.loads(broker.hansa("site", "doctor", CLUSTER, "--json", user="operator", check=0).stdout)
    found = {(f["check"], f.get("account", "")): f for f in report["findings"]}
    for check in ("API_VERSION", "CONTROLLER", "VERSION", "CLOCK", "QUEUE_FORMAT", "NODES_FORMAT", "HISTORY", "HISTORY_FORMAT", "ARRAYS"):
        assert found[check, ""]["verdict"] == "ok", found[check, ""]
    for account in ("alice", "bob"):
        for check in ("TOKEN", "HOME", "RUN_AS", "WORK_DIR", "FENCE"):
            assert found[check, account]["verdict"] == "ok", found[check, account]
    assert found["API_VERSION", ""]["value"] == "v0.0.38", found["API_VERSION", ""]


def token_that_ends_takes_the_site_down_until_it_is_renewed():
    """With the reason; what runs there goes on and is seen again."""
    broker.stop()  # a token that is known to be good is kept for a minute
    tokens.renew(BROKER_USER, 10)
    broker.start()
    id = broker.submit(job("sleep 20", "echo whole"))
    broker.wait_state(id, "running", seconds=9)
    wait_for("the site to be down", lambda: state_of_site()["state"] == "down", 30)
    said = json.dumps(state_of_site())
    assert "token" in said and "ended" in said and "renewed" in said, said
    assert broker.job(id)["state"] == "running", broker.job(id)
    tokens.renew(BROKER_USER)
    wait_for("the site to be back", lambda: state_of_site()["state"] == "up", 30)
    broker.wait_state(id, "succeeded")
    assert broker.output(id) == b"whole\n"


def somebody_elses_token_is_not_used():
    """A job of bob's is not sent with a token of alice's: it waits, with the reason, and goes when the token is there. [T07]"""
    broker.stop()
    (tokens.folder / "bob.jwt").write_text((tokens.folder / "alice.jwt").read_text())
    broker.start()
    id = broker.submit(job("id -un"), user="bob")
    wait_for("the reason", lambda: "another account" in json.dumps(broker.job(id, "bob")), 30)
    assert broker.job(id, "bob")["site_job_id"] is None
    tokens.renew("bob")
    broker.wait_state(id, "succeeded", user="bob", seconds=120)
    assert broker.output(id, user="bob") == b"bob\n"


def slurmrestd_killed_and_back():
    """Unreachable is not over: the job that runs is seen again, the one that waits here is sent then."""
    id = broker.submit(job("sleep 8", "echo whole"))
    broker.wait_state(id, "running")
    bed("kill", CLUSTER, "slurmrestd")
    wait_for("the site to be down", lambda: state_of_site()["state"] == "down", 30)
    assert "cannot reach slurmrestd" in json.dumps(state_of_site()), state_of_site()
    assert broker.job(id)["state"] == "running"
    later = broker.submit(job("echo later"))
    bed("start", CLUSTER, "slurmrestd")
    broker.wait_state(id, "succeeded")
    broker.wait_state(later, "succeeded", seconds=120)


if __name__ == "__main__":
    need_root()
    payloads = Payloads()
    switch = Switch([f"/usr/bin/{program}" for program in COREUTILS])  # none of Slurm's
    switch.start()
    tokens = SlurmTokens(CLUSTER, switch.folder, ("alice", "bob", BROKER_USER))
    broker = Broker("slurmrest", broker_config(switch, [tokens.site("ES")]))
    run_with_broker(broker, [jobs_of_two_people_come_back, usage_equals_sacct, arrays_run_and_tasks_are_cancelled, it_is_looked_over, token_that_ends_takes_the_site_down_until_it_is_renewed,
                             somebody_elses_token_is_not_used, slurmrestd_killed_and_back],
                    prepare=lambda: sites_answer(broker), clean=[switch.stop, payloads.remove])
