# SPDX-License-Identifier: Apache-2.0
"""A Slurm cluster through its slurmrestd: jobs of two people there and back, a token that ends, and a slurmrestd that is killed."""

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
    """A job of bob's is not sent with a token of alice's: it waits, with the reason, and goes when the token is there."""
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
    run_with_broker(broker, [jobs_of_two_people_come_back, usage_equals_sacct, token_that_ends_takes_the_site_down_until_it_is_renewed,
                             somebody_elses_token_is_not_used, slurmrestd_killed_and_back],
                    prepare=lambda: sites_answer(broker), clean=[switch.stop, payloads.remove])
