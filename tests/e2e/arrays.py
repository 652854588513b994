# SPDX-License-Identifier: Apache-2.0
"""Job arrays on two real Slurm clusters: 40 tasks with mixed ends past kills of the broker, each against the site's own records; half of one cancelled; tasks cancelled alone past a kill."""

import collections
import os
import time

from harness import (Broker, COREUTILS, Payloads, SLURM, Switch, broker_config, need_root, run_with_broker, sacct_rows, say, sites_answer,
                     slurm, slurm_site, usage_differences, wait_for)

CLUSTERS = ("alpha", "beta")

broker = switch = payloads = None
started_at = int(time.time()) - 1


def array(tasks, *lines, site=None, **more):
    script = payloads.script('echo "task $HANSA_ARRAY_INDEX of $HANSA_JOB_ID"', f'echo "$HANSA_JOB_ID $HANSA_ARRAY_INDEX" >>{payloads.file}.tasks', *lines)
    made = {"script": script, "project": "ai-lab", "time_limit_s": 300, "array": tasks, **more}
    return {**made, "placement": {"sites": [site]}} if site else made


def tasks_run(id):
    """How often each task's payload ran, by its own word."""
    try:
        with open(f"{payloads.file}.tasks") as file:
            return collections.Counter(int(line.split()[1]) for line in file if line.split()[0] == id)
    except FileNotFoundError:
        return collections.Counter()


def rows_of(id, cluster):
    return [row for row in sacct_rows(cluster, started_at) if row["JobName"].startswith(f"hansa-{id}-")]


def equal_to_sacct(id, job, booked):
    """Each usage record is its row of the accounting, to the second, and none is there twice."""
    records = wait_for(f"{booked} usage records", lambda: (found := [r for r in broker.get(f"/v1/jobs/{id}/usage")["records"] if r["started_at"]]) and len(found) >= booked and found, 90, 1)
    rows = {row["JobID"]: row for row in rows_of(id, job["site"]) if row["Start"].isdigit() and int(row["ElapsedRaw"]) >= 0 and row["NNodes"] != "0"}
    assert len(records) == booked and len({r["site_job_id"] for r in records}) == booked, records
    for record in records:
        row = rows[record["site_job_id"]]
        assert not usage_differences(record, row), (record, row)
    return sum(record["core_seconds"] for record in records)


def forty_tasks_past_kills():
    """40 tasks, 10 at a time, every seventh fails with its index: each ran once, each is told as it ended, and booked as sacct has it; the broker killed five times."""
    id = broker.submit(array("0-39%10", "sleep 2", "(( HANSA_ARRAY_INDEX % 7 )) || exit $(( HANSA_ARRAY_INDEX + 1 ))", site="alpha"))
    most = 0
    for _ in range(5):
        time.sleep(1.5)
        job = broker.job(id)
        most = max(most, (job["tasks"].get("running") or {"count": 0})["count"])
        broker.kill()
        broker.start()
    done = broker.wait_over([id])[id]
    failing = [i for i in range(40) if i % 7 == 0]
    assert done["state"] == "failed" and done["exit_code"] == 36, done
    assert done["reason"]["message"] == f"34 of 40 tasks succeeded; 6 failed ({','.join(map(str, failing))})", done["reason"]
    runs = {run["task_index"]: run for run in done["attempts"][-1]["runs"]}
    assert len(done["attempts"]) == 1 and len(runs) == 40, done
    for i, run in runs.items():
        assert run["exit_code"] == (i + 1 if i in failing else 0), run
        assert run["outcome"] == ("failed" if i in failing else "succeeded"), run
    assert tasks_run(id) == {i: 1 for i in range(40)}, tasks_run(id)
    assert most <= 10, most
    for i in (0, 17, 39):
        assert broker.hansa("logs", id, "--task", str(i), check=0).stdout.decode() == f"task {i} of {id}\n"
    assert broker.hansa("logs", id, check=2).stderr and broker.hansa("logs", id, "--task", "40", check=2).stderr
    shown = broker.hansa("show", id, check=0).stdout.decode()
    assert "34 succeeded (1-6,8-13,15-20,22-27,29-34,36-39)" in shown and "failed, exit code 15: 14" in shown, shown
    seconds = equal_to_sacct(id, done, 40)
    assert seconds == sum(int(row["CPUTimeRAW"]) for row in rows_of(id, "alpha"))
    say(f"  40 tasks, at most {most} seen at a time, 5 kills, {seconds} core-seconds, as sacct has them; site job {done['site_job_id']}")


def half_is_cancelled():
    """20 tasks, 4 at a time; cancelled once 8 have ended: what ran is stopped, what waited never starts, and the records say which is which."""
    id = broker.submit(array("0-38:2%4", "(( HANSA_ARRAY_INDEX < 16 )) && exit 0", "sleep 300", site="alpha"))
    wait_for("eight that ended and four that run", lambda: (tasks := broker.job(id)["tasks"]).get("succeeded", {}).get("count") == 8 and tasks.get("running", {}).get("count") == 4, 90, 0.5)
    wait_for("their payloads", lambda: len(tasks_run(id)) == 12)  # a scheduler calls a task running before its script is
    shown = broker.hansa("show", id, check=0).stdout.decode()
    assert "8 succeeded (0,2,4,6,8,10,12,14)" in shown and "4 running (16,18,20,22)" in shown and "8 waiting" in shown, shown
    broker.hansa("cancel", id, check=0)
    done = broker.wait_over([id])[id]
    assert done["state"] == "cancelled" and done["cancel"]["outcome"] == "stopped", done
    assert done["reason"]["message"].startswith("8 of 20 tasks succeeded; 12 were cancelled"), done["reason"]
    ran = tasks_run(id)
    assert ran == {i: 1 for i in range(0, 24, 2)}, ran
    equal_to_sacct(id, done, 12)
    say(f"  {done['reason']['message']}")


def tasks_are_cancelled_alone():
    """One that is over, one that runs and two that wait; the broker is killed in between, and asked twice. The others go on."""
    id = broker.submit(array("0-15%4", "(( HANSA_ARRAY_INDEX < 4 )) && exit 0", "(( HANSA_ARRAY_INDEX < 8 )) && sleep 12", "exit 0", site="alpha"))
    def seen():
        runs = {run["task_index"]: run for attempt in broker.job(id)["attempts"] for run in attempt["runs"]}
        return all(runs.get(i, {}).get("outcome") == "succeeded" for i in range(4)) and all(runs.get(i, {}).get("started_at") for i in range(4, 8))
    wait_for("four that ended and four that run", seen, 90, 0.3)
    wait_for("their payloads", lambda: len(tasks_run(id)) >= 8)
    said = broker.hansa("cancel", id, "--task", "1,5,12-13", check=0).stdout.decode()
    broker.kill()
    assert "5,12-13" in said, said
    broker.start()
    broker.hansa("cancel", id, "--task", "5,12", check=0)
    done = broker.wait_over([id])[id]
    assert done["state"] == "cancelled" and done["cancel"] is None and done["cancelled_tasks"] == "5,12-13", done
    assert done["reason"]["message"] == "13 of 16 tasks succeeded; 3 were cancelled (5,12-13)", done["reason"]
    runs = {run["task_index"]: run for run in done["attempts"][-1]["runs"]}
    assert runs[5]["started_at"] and not runs[12]["started_at"] and runs[1]["outcome"] == "succeeded", runs
    assert tasks_run(id) == {i: 1 for i in range(16) if i not in (12, 13)}, tasks_run(id)
    equal_to_sacct(id, done, 14)
    for arguments in (["--task", "3-1"], ["--task", "x"], ["--task", "1%2"], ["--task", ""], ["--task", "3", id]):
        broker.hansa("cancel", id, *arguments, check=2)
    say(f"  {done['reason']['message']}")


def many_tasks_find_their_site():
    """Arrays without a site go where they may run: beyond MaxArraySize nowhere, and a chain waits for a whole array."""
    far = broker.submit(array("0-5000:5000"))
    rejected = broker.wait_over([far])[far]
    assert rejected["state"] == "rejected", rejected
    explained = broker.hansa("explain", far, check=0).stdout.decode()
    assert "NO_SUCH_ARRAY" in explained and "largest index of a task there is 1000" in explained, explained
    first = broker.submit(array("1-12", "sleep 1"))
    then = broker.submit(array("5,9", after=[first]))
    done = broker.wait_over([first, then])
    assert [done[id]["state"] for id in (first, then)] == ["succeeded", "succeeded"], done
    assert done[then]["started_at"] >= done[first]["ended_at"], done
    assert tasks_run(then) == {5: 1, 9: 1}
    plain = broker.hansa("submit", "--project", "ai-lab", "--array", "3-1", "-", stdin=b"#!/bin/sh\n", check=2)
    assert b"runs backwards" in plain.stderr, plain.stderr
    submits = sum("started" in line and "/usr/bin/sbatch" in line for line in switch.log.read_text().splitlines())
    say(f"  arrays at {[done[id]['site'] for id in (first, then)]}; {submits} sbatch in all")


if __name__ == "__main__":
    need_root()
    payloads = Payloads()
    open(f"{payloads.file}.tasks", "w").close()
    os.chmod(f"{payloads.file}.tasks", 0o666)
    switch = Switch([f"/usr/bin/{p}" for p in SLURM + COREUTILS])
    switch.start()
    broker = Broker("arrays", broker_config(switch, [slurm_site("alpha", "FI"), slurm_site("beta", "ES")]))
    run_with_broker(broker, [forty_tasks_past_kills, half_is_cancelled, tasks_are_cancelled_alone, many_tasks_find_their_site],
                    prepare=lambda: sites_answer(broker), clean=[switch.stop, payloads.remove])
