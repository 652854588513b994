# SPDX-License-Identifier: Apache-2.0
"""The submission protocol on a real Slurm behind a shim of sbatch that fails in ways the real one cannot be made to on demand."""

import shlex
import sys
import time
from pathlib import Path

from harness import (Broker, COREUTILS, Payloads, SLURM, Switch, bed, broker_config, need_root, run_tests, sacct_rows, say, shim_slurm, slurm,
                     slurm_conf, slurm_site, wait_for)

began_at = int(time.time()) - 1
broker = switch = payloads = None

# $MODE is a file that the test writes; one word says what the next sbatch does.
SHIM = """#!/bin/bash
mode=$(cat {mode} 2>/dev/null)
case $mode in
  accept-and-fail)   /usr/bin/sbatch "$@" >/dev/null; echo "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation" >&2; exit 1 ;;
  accept-and-hang)   /usr/bin/sbatch "$@" >/dev/null; exec sleep 120 ;;
  nothing)           exit 1 ;;
  refuse-then-late)  cat >{late}.script; printf '%q ' "$@" >{late}.arguments
                     echo "sbatch: error: Batch job submission failed: Invalid account or account/partition combination specified" >&2; exit 1 ;;
  garbage)           /usr/bin/sbatch "$@" >/dev/null; echo "Welcome to Alpha! Submitted? maybe."; exit 0 ;;
  *)                 exec /usr/bin/sbatch "$@" ;;
esac
"""


def mode(word):
    path = switch.folder / "mode"
    path.write_text(word)
    path.chmod(0o644)


def runs(id):
    return [site_job_id for _, site_job_id in payloads.runs()[id]]


def site_jobs(id):
    return [row for cluster in ("alpha", "gamma") for row in sacct_rows(cluster, began_at) if row["JobName"].startswith(f"hansa-{id}-")]


def job_on_alpha(name, **more):
    return broker.submit({"name": name, "script": payloads.script("sleep 1"), "project": "ai-lab", "placement": {"sites": ["alpha"]}, **more})


def adopted(name, word):
    mode(word)
    id = job_on_alpha(name)
    wait_for("unknown_since", lambda: broker.job(id)["unknown_since"] or broker.job(id)["state"] in ("queued", "running", "succeeded"), 40, 0.1)
    mode("")
    done = broker.wait_over([id], 120)[id]
    assert done["state"] == "succeeded", done
    attempts = broker.job(id)["attempts"]
    assert len(attempts) == 1 and attempts[0]["sends"] == 1, attempts
    events = [e["event"] for e in broker.get(f"/v1/jobs/{id}/events")["events"]]
    bound = [e for e in broker.get(f"/v1/jobs/{id}/events")["events"] if e["event"] == "attempt_bound"]
    assert "attempt_unknown" in events and bound[0]["details"]["adopted"], events
    assert len(runs(id)) == 1, runs(id)
    wait_for("accounting", lambda: len(site_jobs(id)) == 1, 20, 0.5)
    say(f"  {word}: unknown, then adopted {done['site_job_id']}; submissions 1, site jobs 1, payload ran once")


def accepted_and_failed_is_adopted():
    """Slurm accepts, sbatch fails: the job is adopted, not sent again."""
    adopted("fails", "accept-and-fail")


def accepted_and_hung_is_adopted():
    """Slurm accepts, sbatch hangs: killed at its limit, then adopted."""
    adopted("hangs", "accept-and-hang")


def accepted_with_garbage_is_adopted():
    """Slurm accepts, the answer is no job id: only a parsed id binds, so it is looked for and adopted."""
    adopted("garbage", "garbage")


def foreign_tag_is_quarantined():
    """Bob submits under alice's tag: quarantined and shown, never adopted; alice's own job is sent again and runs once. [T20]"""
    mode("nothing")
    id = job_on_alpha("foreign")
    wait_for("unknown_since", lambda: broker.job(id)["unknown_since"], 40, 0.1)
    tag = broker.job(id)["attempts"][0]["tag"]
    bobs = slurm("alpha", "sbatch", "--parsable", "--job-name", tag, "-o", "/dev/null", "--wrap", "sleep 1", user="bob").strip()
    wait_for("the quarantine", lambda: any(e["event"] == "sighting_quarantined" and e["details"]["site_job_id"] == bobs
                                           for e in broker.get(f"/v1/jobs/{id}/events")["events"]), 60, 0.5)
    assert not broker.job(id)["site_job_id"], broker.job(id)
    mode("")
    done = broker.wait_over([id], 180)[id]
    assert done["state"] == "succeeded" and done["site_job_id"] != bobs, done
    assert broker.job(id)["attempts"][0]["sends"] == 2, broker.job(id)["attempts"]
    assert len(runs(id)) == 1, runs(id)
    usage = wait_for("usage", lambda: broker.get(f"/v1/jobs/{id}/usage")["records"], 60, 1)
    assert [u["site_job_id"] for u in usage] == [done["site_job_id"]], usage
    say(f"  bob's {bobs} quarantined; alice's {done['site_job_id']} ran once after a second send under the same tag")


def late_submission_does_not_run():
    """The site refuses, the fence is sealed and the job goes to another site; the refused sbatch lands late: its payload does not run."""
    mode("refuse-then-late")
    id = broker.submit({"name": "late", "script": payloads.script("sleep 1"), "project": "ai-lab", "placement": {"sites": ["alpha", "gamma"]}})
    wait_for("the seal", lambda: any(a["sealed"] for a in broker.job(id)["attempts"]), 60, 0.2)
    mode("")
    done = broker.wait_over([id], 120)[id]
    assert done["state"] == "succeeded" and done["site"] == "gamma", done
    arguments = shlex.split((switch.folder / "late" / "x.arguments").read_text())
    late = slurm("alpha", "bash", "-c", f"exec /usr/bin/sbatch \"$@\" < {switch.folder}/late/x.script", "-", *arguments, user="alice").strip()
    wait_for("the late job's end", lambda: any(r["JobIDRaw"] == late and r["End"] not in ("Unknown", "None") for r in sacct_rows("alpha", began_at)), 60, 0.5)
    time.sleep(1)
    assert runs(id) == [done["site_job_id"]], runs(id)
    row = next(r for r in sacct_rows("alpha", began_at) if r["JobIDRaw"] == late)
    say(f"  sealed at alpha, ran at gamma as {done['site_job_id']}; the late {late} at alpha ended {row['State']} ({row['ExitCode']}) without its payload")


def broker_killed_while_submitting():
    """kill -9 while sbatch hangs after acceptance: the restarted broker adopts what the site has."""
    mode("accept-and-hang")
    id = job_on_alpha("killed")
    wait_for("the submission", lambda: runs(id) or any(r["JobName"].startswith(f"hansa-{id}-") for r in queue("alpha")), 30, 0.1)
    broker.kill()
    mode("")
    broker.start()
    done = broker.wait_over([id], 120)[id]
    assert done["state"] == "succeeded", done
    assert len(runs(id)) == 1 and broker.job(id)["attempts"][0]["sends"] == 1


def full_controller_lets_nothing_in():
    """slurmctld is full (MaxJobCount), sbatch sleeps and retries: killed at its limit; the other site and the API go on, and with room it runs once."""
    conf = Path(slurm_conf("gamma"))
    before = conf.read_text()
    with_limit(conf, before, MaxJobCount=6, MinJobAge=3600)  # what has finished keeps its place, too
    fillers = []
    try:
        while filler := patient_sbatch("gamma"):
            fillers.append(filler)
        id = broker.submit({"script": payloads.script("sleep 1"), "project": "ai-lab", "placement": {"sites": ["gamma"]}})
        wait_for("unknown_since", lambda: broker.job(id)["unknown_since"], 60, 0.2)
        other = job_on_alpha("meanwhile")
        slowest = 0.0
        def over():
            nonlocal slowest
            began = time.monotonic()
            state = broker.job(other)["state"]
            slowest = max(slowest, time.monotonic() - began)
            return state == "succeeded"
        wait_for("the job at the other site", over, 60, 0.02)
        assert not runs(id), runs(id)
        events = [e["event"] for e in broker.get(f"/v1/jobs/{id}/events")["events"]]
        assert "attempt_unknown" in events, events
    finally:
        with_limit(conf, before)
        for filler in fillers:
            slurm("gamma", "scancel", filler)
    done = broker.wait_over([id], 180)[id]
    assert done["state"] == "succeeded" and len(runs(id)) == 1, (done, runs(id))
    say(f"  full with {len(fillers)} of ours and what had finished; meanwhile alpha went on and the API took {slowest * 1000:.0f} ms at most; "
        f"then sent {sum(a['sends'] for a in broker.job(id)['attempts'])} times in all and run once")


def with_limit(conf, before, **settings):
    """Restarts gamma's controller with these settings in place of the bed's."""
    bed("stop", "gamma", "slurmctld")
    kept = [line for line in before.splitlines() if line.split("=")[0] not in settings]
    conf.write_text("\n".join(kept + [f"{key}={value}" for key, value in settings.items()]) + "\n")
    bed("start", "gamma", "slurmctld")


def patient_sbatch(cluster):
    """The id of a held job, or nothing if sbatch waits for room."""
    try:
        return slurm(cluster, "timeout", "4", "sbatch", "--parsable", "--hold", "-o", "/dev/null", "--wrap", "true", user="alice").strip()
    except AssertionError as refused:
        assert "sleeping and retrying" in str(refused), refused
        return ""


def queue(cluster):
    return [{"JobName": name} for name in slurm(cluster, "squeue", "-h", "-o", "%j").split()]


if __name__ == "__main__":
    need_root()
    payloads = Payloads()
    switch = Switch([f"/usr/bin/{p}" for p in COREUTILS + SLURM])
    late = switch.folder / "late"
    late.mkdir()
    late.chmod(0o777)
    shims = shim_slurm(switch, SHIM.format(mode=switch.folder / "mode", late=late / "x"))
    switch.start()
    mode("")
    broker = Broker("faults", broker_config(switch, [slurm_site("alpha", "FI", bin_dir=str(shims)), slurm_site("gamma", "SE")],
                                            engine="submit_timeout_ms = 5000\nvisibility_window_ms = 12000\nsecond_look_after_ms = 4000\n"))
    status = 1
    try:
        broker.start()
        wait_for("the sites", lambda: all(s["cores"] > 0 for s in broker.get("/v1/sites", user="operator")["sites"]), 30)
        status = run_tests([accepted_and_failed_is_adopted, accepted_and_hung_is_adopted, accepted_with_garbage_is_adopted,
                            foreign_tag_is_quarantined, late_submission_does_not_run, broker_killed_while_submitting,
                            full_controller_lets_nothing_in])
    finally:
        if status != 0:
            print(broker.log.read_text()[-6000:])
            print(switch.log.read_text()[-2000:])
        broker.remove()
        switch.stop()
        payloads.remove()
    sys.exit(status)
