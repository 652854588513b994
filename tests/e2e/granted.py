# SPDX-License-Identifier: Apache-2.0
"""What a real Slurm cluster gives is read back: nodes of a job's own, and a job_submit plug-in that cuts the time, moves jobs to another partition and charges
them to somebody else."""

import time
from pathlib import Path

from harness import (Broker, COREUTILS, Payloads, SLURM, Switch, bed, broker_config, need_root, run_with_broker, sacct_rows, say, sites_answer, slurm, slurm_conf,
                     slurm_site, usage_differences, wait_for)

# By their time limits, in minutes.
CUT, MOVED, CHARGED = 61, 62, 63
PLUGIN = f"""
function slurm_job_submit(job, partitions, uid)
  if job.time_limit == {CUT} then job.time_limit = 5 end
  if job.time_limit == {MOVED} then job.partition = "short"; job.time_limit = 10 end
  if job.time_limit == {CHARGED} then job.account = "proj2" end
  return slurm.SUCCESS
end
function slurm_job_modify(job, record, partitions, uid) return slurm.SUCCESS end
return slurm.SUCCESS
"""
broker = switch = payloads = None
started_at = int(time.time()) - 1
conf = Path(slurm_conf("alpha"))
conf_before = conf.read_text()


def with_plugin(on):
    """slurmctld reads its plug-ins when it starts."""
    conf.with_name("job_submit.lua").write_text(PLUGIN)
    conf.write_text(conf_before + ("JobSubmitPlugins=lua\n" if on else ""))
    bed("stop", "alpha", "slurmctld")
    bed("start", "alpha", "slurmctld")
    wait_for("the controller", lambda: "main" in slurm("alpha", "sinfo", "-h", check=False), 30)


def job(*lines, minutes=5, **more):
    return {"script": payloads.script(*lines), "project": "ai-lab", "time_limit_s": minutes * 60, "placement": {"sites": ["alpha"]}, **more}


def granted(id):
    return broker.job(id)["attempts"][-1]["granted"]


def fill():
    """Both nodes, for a job's own use, with a core of each asked for."""
    id = broker.submit(job("sleep 600", minutes=30, exclusive=True, resources={"nodes": 2}))
    broker.wait_state(id, ["running"])
    return id


def own_nodes_are_whole():
    """A job of one core on nodes of its own has all their cores, is charged for them, and keeps others off them; so does a script's #SBATCH --exclusive."""
    id = broker.submit({"script": "#!/bin/bash\n#SBATCH --exclusive -N 2 -t 5\nsleep 4\n", "project": "ai-lab", "placement": {"sites": ["alpha"]}})
    shown = broker.wait_state(id, ["running"])
    assert shown["exclusive"] is True and shown["resources"]["nodes"] == 2, shown
    other = broker.submit(job("true"))
    wait_for("its grant", lambda: (granted(id) or {}).get("cores") == 16)
    assert granted(id)["exclusive"] is True and granted(id)["nodes"] == 2 and granted(id)["scheduler_account"] == "proj1", granted(id)
    text = broker.hansa("show", id, check=0).stdout.decode()
    assert "its nodes for itself alone" in text and "16 cores" in text and "account proj1" in text, text
    done = broker.wait_over([id, other])
    assert done[other]["started_at"] >= done[id]["ended_at"], done
    record = wait_for("its usage", lambda: broker.get(f"/v1/jobs/{id}/usage")["records"], 90, 1)[0]
    row = next(row for row in sacct_rows("alpha", started_at) if row["JobID"] == record["site_job_id"])
    assert record["cores"] == 16 and not usage_differences(record, row), (record, row)
    say(f"  asked for 2 cores, given and charged for {record['cores']} over {record['elapsed_s']} s, as sacct has it; the next job waited for its end")


def directives_decide_nothing():
    """What a script says to Slurm of account, partition, person and node is refused, or is not Slurm's to read: what was granted is what was decided. [T10]"""
    for line in ("--uid=0", "--gid=0", "--clusters=beta", "-w alpha1", "--reservation=x", "--begin=now+1hour", "--wrap=id", "--priority=9", "--dependency=afterok:1"):
        refused = broker.call("POST", "/v1/jobs", job("true") | {"script": f"#!/bin/bash\n#SBATCH {line}\nid\n"})
        assert refused.status == 400 and line in refused.body.decode(), (line, refused.status, refused.body)
    hidden = ["#SBATCH -A proj2 -p short", "#SBATCH --account=proj2", "true\n#SBATCH -A proj2\n#SBATCH --uid=0\n#SBATCH -p short --begin=now+1hour",
              "cat <<X\n#SBATCH --account=proj2\n#SBATCH --partition=short\nX", ":\n#!/bin/bash\n#SBATCH --account=proj2\n#SBATCH -p short", "#PBS -A proj2 -q short"]
    ids = {}
    for text in hidden:
        asked = broker.call("POST", "/v1/jobs", job("true") | {"script": f"#!/bin/bash\n{text}\nid -un\n"})
        assert asked.status in (200, 201, 400), (text, asked.status, asked.body)
        if asked.status != 400:
            ids[asked.json["id"]] = text
    assert len(ids) >= 3, ids
    done = broker.wait_over(ids)
    for id, text in ids.items():
        attempt = done[id]["attempts"][-1]
        assert done[id]["state"] == "succeeded" and broker.output(id).splitlines()[-1] == b"alice", (text, done[id])
        def row():  # a job's partition comes late
            told = slurm("alpha", "sacct", "-n", "-X", "-P", "-j", done[id]["site_job_id"], "-o", "User,Account,Partition").strip()
            return told if told and not told.endswith("|") else None
        given = attempt["granted"]
        assert wait_for("its row", row, 60, 1) == "alice|proj1|main" and (given["scheduler_account"], given["queue"]) == ("proj1", "main"), (text, row(), attempt)
    say(f"  {len(ids)} scripts taken, {len(hidden) - len(ids)} refused; all ran as alice, for proj1, in main")


def less_is_told():
    """A cut time limit and another partition are events with their numbers; the jobs run on."""
    with_plugin(True)
    blocker = fill()
    cut, moved = broker.submit(job("true", minutes=CUT)), broker.submit(job("true", minutes=MOVED))
    for id, code, words in ((cut, "GRANTED_LESS", "a time limit of 5m, not 1h1m"), (moved, "GRANTED_LESS", "queue short, not main")):
        told = wait_for("what was granted", lambda: broker.job(id) if granted(id) else None)
        assert told["state"] == "queued" and told["reason"]["code"] == code and words in told["reason"]["message"], told
        assert told["attempts"][-1]["granted_otherwise"]["code"] == code, told
        events = [event for event in broker.get(f"/v1/jobs/{id}/events")["events"] if event["event"] == "attempt_granted"]
        assert len(events) == 1, events
        say(f"  {told['reason']['message']}")
    assert "not as asked" in broker.hansa("show", cut, check=0).stdout.decode()
    broker.hansa("cancel", blocker, check=0)
    done = broker.wait_over([cut, moved, blocker])
    assert done[cut]["state"] == done[moved]["state"] == "succeeded", done


def another_account_is_taken_back():
    """A job that the site would charge to another project never starts: cancelled while it waits, held with the reason, and released by a person. [T10]"""
    blocker = fill()
    id = broker.submit(job("true", minutes=CHARGED))
    held = broker.wait_state(id, ["held"], seconds=90)
    assert held["reason"]["code"] == "OTHER_ACCOUNT" and "account proj2, not proj1" in held["reason"]["message"], held
    attempt = held["attempts"][-1]
    assert attempt["outcome"] == "never_started" and attempt["sealed"] and attempt["granted"]["scheduler_account"] == "proj2", attempt
    there = slurm("alpha", "squeue", "--noheader", "--states=all", f"--jobs={attempt['site_job_id']}", "--format=%T|%M").strip()
    assert there == "CANCELLED|0:00" and id not in payloads.runs(), there
    broker.kill()
    broker.start()
    assert broker.job(id)["state"] == "held"
    broker.hansa("cancel", blocker, check=0)
    with_plugin(False)
    sites_answer(broker)
    broker.hansa("release", id, check=0)
    done = broker.wait_over([id])[id]
    assert done["state"] == "succeeded" and done["attempts"][-1]["granted"]["scheduler_account"] == "proj1", done
    assert len(payloads.runs()[id]) == 1
    say(f"  {held['reason']['message']}")


def put_back():
    conf.write_text(conf_before)
    conf.with_name("job_submit.lua").unlink(missing_ok=True)
    bed("stop", "alpha", "slurmctld")
    bed("start", "alpha", "slurmctld")


if __name__ == "__main__":
    need_root()
    payloads = Payloads()
    switch = Switch([f"/usr/bin/{p}" for p in SLURM + COREUTILS])
    switch.start()
    broker = Broker("granted", broker_config(switch, [slurm_site("alpha", "FI")]))
    run_with_broker(broker, [own_nodes_are_whole, directives_decide_nothing, less_is_told, another_account_is_taken_back],
                    prepare=lambda: sites_answer(broker), clean=[put_back, switch.stop, payloads.remove])
