# SPDX-License-Identifier: Apache-2.0
"""Three real Slurm clusters of unequal size, two people, 300 mixed jobs, and a broker that is killed ten times on the way."""

import collections
import json
import os
import pwd
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

from harness import (ROOT, Broker, COREUTILS, Payloads, SLURM, Switch, bed, broker_config, need_root, run_with_broker, sacct_rows, say,
                     sites_answer, slurm, slurm_conf, slurm_site, usage_differences, wait_for)

CLUSTERS = {"alpha": 16, "beta": 8, "gamma": 2}
COUNTRIES = {"alpha": "FI", "beta": "ES", "gamma": "SE"}

broker = switch = payloads = None
started_at = int(time.time()) - 1


def script(*lines):
    return payloads.script(*lines)


def mixed_jobs(count, seed):
    """(user, job, state that it must end in, exit code)."""
    odd = ["-leading", "quo\"te's", "$(touch /tmp/hansa-canary)", "a|b;c&d", "żółć ☃", "two words", "`id`", "*", "\\", "100%"]
    jobs = []
    for i in range(count):
        user = "alice" if i % 3 else "bob"
        project = "climate" if user == "bob" and i % 2 else "ai-lab"
        kind = i % 30
        job = {"name": f"job {i} {odd[i % len(odd)]}", "project": project, "time_limit_s": 300}
        if kind < 14:
            job["script"], state, code = script(f"sleep {i % 3}"), "succeeded", 0
        elif kind < 20:
            code = (i * 7) % 125 + 1
            job["script"], state = script(f"exit {code}"), "failed"
        elif kind < 24:
            arguments = [odd[i % len(odd)], "", "x\ny", "$HOME"]
            job.update(arguments=arguments, environment={"ODD": odd[(i + 1) % len(odd)] + "\nline two"})
            job["script"], state, code = script("printf '%s\\0' \"$@\" \"$ODD\""), "succeeded", 0
        elif kind < 26:
            job["resources"] = {"gpus_per_node": 1, "gpu_model": "a100", "cpus_per_task": 2}
            job["script"], state, code = script("sleep 1"), "succeeded", 0
        elif kind < 27:
            job.update(time_limit_s=20)
            job["script"], state, code = script("sleep 400"), "timed_out", None
        elif kind < 29:
            job["script"], state, code = script("sleep 300"), "cancelled", None
        else:
            job["resources"] = {"nodes": 2, "tasks": 2}
            job["script"], state, code = script("sleep 1"), "succeeded", 0
        jobs.append((user, job, state, code))
    random.Random(seed).shuffle(jobs)
    return jobs


def mixed_run_with_kills():
    """300 jobs of alice and bob end in the right state on the right account while the broker is killed ten times; none lost, none run twice."""
    expected, restarts = {}, []
    jobs = mixed_jobs(300, seed=7)
    kills = 10
    for batch in range(kills):
        for user, job, state, code in jobs[batch * 30:(batch + 1) * 30]:
            expected[broker.submit(job, user=user, headers={"Idempotency-Key": f"mixed-{len(expected)}"})] = (user, job, state, code)
        time.sleep(random.Random(batch).uniform(0.2, 2.5))
        broker.kill()
        restarts.append(broker.start())
    say(f"submitted {len(expected)}, killed {kills} times; kill to serving {min(restarts):.2f} to {max(restarts):.2f} s")

    to_cancel = {id: user for id, (user, _, state, _) in expected.items() if state == "cancelled"}
    def cancel_what_runs():
        for id, user in list(to_cancel.items()):
            job = broker.job(id, user)
            if job["state"] in ("running", "queued", "waiting", "accepted", "held") and (job["state"] == "running" or len(to_cancel) % 2):
                answer = broker.call("POST", f"/v1/jobs/{id}/cancel", {}, user=user)
                assert answer.status == 200, answer.body
                del to_cancel[id]
        return not to_cancel
    wait_for("jobs to cancel", cancel_what_runs, 300, 1)
    done = broker.wait_over(expected, 420)

    wrong = [(id, done[id]["state"], done[id]["exit_code"], done[id]["reason"], expected[id][2:]) for id in expected
             if done[id]["state"] != expected[id][2] or (expected[id][3] is not None and done[id]["exit_code"] != expected[id][3])]
    assert not wrong, f"{len(wrong)} ended wrong: {wrong[:5]}"
    for id, (user, job, state, _) in expected.items():
        assert done[id]["owner"] == f"local:{user}"
        assert done[id]["account"] in (user, None), done[id]
        assert done[id]["account"] == user or state == "cancelled", done[id]
        if "gpus_per_node" in job.get("resources", {}):
            assert done[id]["site"] == "beta", done[id]

    ran = payloads.runs()
    twice = {id: runs for id, runs in ran.items() if len(runs) > 1}
    assert not twice, f"run twice: {twice}"
    lost = [id for id, (_, _, state, _) in expected.items() if state in ("succeeded", "failed", "timed_out") and len(ran[id]) != 1]
    assert not lost, f"never ran: {lost[:5]}"

    shares = collections.Counter(done[id]["site"] for id in expected if done[id]["site"])
    say(f"states {dict(collections.Counter(j['state'] for j in done.values()))}; shares {dict(shares)} of cores {CLUSTERS}; run twice 0, lost 0")
    assert all(shares[cluster] > 0 for cluster in CLUSTERS), shares  # of unequal jobs; equal ones are counted below
    mixed_run_with_kills.expected = expected
    mixed_run_with_kills.done = done


def shares_follow_the_capacity():
    """Equal jobs, many more than there is room for: each cluster gets its part of the cores, to a quarter."""
    rounds, cores = 6, sum(CLUSTERS.values())
    jobs = [{"name": f"share {i}", "script": script("sleep 4"), "project": "ai-lab", "time_limit_s": 60} for i in range(rounds * cores)]
    answer = broker.call("POST", "/v1/jobs/bulk", {"jobs": jobs})
    assert answer.status == 201, answer.body
    began = time.monotonic()
    done = broker.wait_over([job["id"] for job in answer.json["jobs"]], 300)
    shares = collections.Counter(job["site"] for job in done.values())
    say(f"  {len(jobs)} jobs of 4 s in {time.monotonic() - began:.0f} s: {dict(shares)}; by cores {({site: rounds * n for site, n in CLUSTERS.items()})}")
    for site, n in CLUSTERS.items():
        assert abs(shares[site] - rounds * n) <= rounds * n / 4, shares


def odd_arguments_arrive_whole():
    """Arguments and environment arrive byte for byte, and nothing of them was run by a shell."""
    checked = 0
    for id, (user, job, _, _) in mixed_run_with_kills.expected.items():
        if "arguments" not in job:
            continue
        want = b"".join(text.encode() + b"\0" for text in job["arguments"] + [job["environment"]["ODD"]])
        assert broker.output(id, user=user) == want, (id, broker.output(id, user=user), want)
        checked += 1
    assert checked == 40, checked
    assert not os.path.exists("/tmp/hansa-canary")


def code_goes_through_the_switch():
    """Code of two people, 20 jobs at two clusters: as their accounts, once for each account and cluster, also past a broker that is killed between."""
    tree = broker.folder / "tree"
    (tree / "src").mkdir(parents=True)
    (tree / "src/tool").write_text("#!/bin/bash\nwc -c <../payload\n")
    (tree / "src/tool").chmod(0o755)
    (tree / "payload").write_bytes(os.urandom(9 << 20))  # three pieces
    for words in ("init -q", "add ."):
        subprocess.run(["git", "-C", tree, *words.split()], check=True)
    job_script = script("cd src && ./tool && id -un").encode()
    ids = {}
    for i in range(20):
        user = "alice" if i % 2 else "bob"
        done = broker.hansa("submit", "--project", "ai-lab", "--site", ("alpha", "beta")[i // 2 % 2], "--code", str(tree), "-", user=user, stdin=job_script, check=0)
        ids[done.stdout.decode().strip()] = user
        if i == 9:
            broker.kill()
            broker.start()
    done = broker.wait_over(ids)
    for id, user in ids.items():
        assert done[id]["state"] == "succeeded", done[id]
        assert broker.output(id, user=user) == f"{9 << 20}\n{user}\n".encode(), broker.output(id, user=user)
    digest = broker.job(next(iter(ids)), user=next(iter(ids.values())))["code"].removeprefix("sha256:")
    staged = sum("started" in line and "/usr/bin/sha256sum" in line for line in switch.log.read_text().splitlines())
    assert 2 <= staged <= 6, staged  # two accounts; clusters that share their homes may bring it at the same time, and a kill may cut one
    for user in ("alice", "bob"):
        # Half of one may be left where the kill cut a cluster off and the other, with the same homes, had brought it all by then.
        files = [f for f in (Path(pwd.getpwnam(user).pw_dir) / ".hansa/code").glob(f"{digest}*") if f.suffix != ".part"]
        assert [f.name for f in files] == [f"{digest}.tar"] and files[0].owner() == user and files[0].stat().st_mode & 0o77 == 0, files
    say(f"  20 jobs, brought {staged} times")


def usage_equals_sacct():
    """Every job's usage equals its site's accounting to the second, and so do the sums."""
    def tagged():
        return {cluster: sacct_rows(cluster, started_at) for cluster in CLUSTERS}
    by_tag = collections.defaultdict(list)
    for cluster, rows in tagged().items():
        for row in rows:
            by_tag[row["JobName"]].append((cluster, row))
    doubled = {tag: rows for tag, rows in by_tag.items() if sum(int(row["ElapsedRaw"]) > 0 and row["Start"] not in ("Unknown", "None") for _, row in rows) > 1}
    say(f"accounting has {sum(map(len, by_tag.values()))} jobs under {len(by_tag)} of our tags; tags with more than one started job: {len(doubled)}")

    ids = list(mixed_run_with_kills.expected)
    ran = [id for id in ids if mixed_run_with_kills.done[id]["started_at"]]
    def all_booked():
        return all(broker.get(f"/v1/jobs/{id}/usage", user="operator")["records"] for id in ran)
    wait_for("usage of all jobs", all_booked, 60, 2)
    compared = 0
    for id in ran:
        records = broker.get(f"/v1/jobs/{id}/usage", user="operator")["records"]
        there = broker.job(id, "operator")
        record = next(r for r in records if (r["site"], r["site_job_id"]) == (there["site"], there["site_job_id"]))
        assert all(r["elapsed_s"] == 0 for r in records if r is not record), records  # of a site that it was moved away from
        row = next(row for cluster, row in by_tag[f"hansa-{id}-{len(broker.job(id, 'operator')['attempts'])}"]
                   if cluster == record["site"] and row["JobIDRaw"] == record["site_job_id"])
        assert not usage_differences(record, row), (record, row)
        compared += 1
    report = broker.get("/v1/reports/usage?by=site", user="operator")["rows"]
    for line in report:
        ours = sum(int(row["CPUTimeRAW"]) for rows in by_tag.values() for cluster, row in rows
                   if cluster == line["site"] and any(row["JobIDRaw"] == broker_id for broker_id in site_ids(line["site"])))
        assert line["core_seconds"] == ours, (line, ours)
    say(f"{compared} records equal; core-seconds by site {[(line['site'], line['core_seconds']) for line in report]}")
    for cluster in CLUSTERS:
        print(slurm(cluster, "sreport", "-n", "-P", "-t", "seconds", "cluster", "AccountUtilizationByUser", check=False), end="")
    print(broker.hansa("report", "usage", "--by", "project,site", user="operator", check=0).stdout.decode())


def the_ledger_is_sacct():
    """The ledger, taken away by an auditor after ten kills: both verifiers find it whole, and it is sacct to the second, run by run."""
    path = broker.folder / "ledger.txt"
    broker.hansa("ledger", "export", "--output", path, "--personal", user="auditor", check=0)
    ours = broker.hansa("ledger", "verify", "--json", path, user="auditor", check=0)
    theirs = subprocess.run([sys.executable, "-B", ROOT / "packaging/verify/hansa_verify.py", "--json", path], capture_output=True, check=True)
    told = json.loads(ours.stdout)
    assert told == json.loads(theirs.stdout), (told, theirs.stdout)
    records = [json.loads(line) for line in path.read_bytes().splitlines() if line.startswith(b'{"at"')]
    taken_back = {record["refers_to"] for record in records if record["kind"] == "reversal"}
    runs = [record for record in records if record["kind"] == "usage" and record["seq"] not in taken_back]
    rows = collections.defaultdict(list)
    for cluster in CLUSTERS:
        for row in sacct_rows(cluster, started_at):
            rows[cluster, row["JobIDRaw"]].append(row)
    def is_of(run, row):  # 22.05 may write a start for what was cancelled before it had any node
        return row["Start"] == str(run["started_s"]) if "started_s" in run else row["ElapsedRaw"] == "0"
    for run in runs:
        row = next(row for row in rows[run["site"], run["site_job_id"]] if is_of(run, row))
        assert (run["elapsed_s"], run["core_seconds"], run["ended_s"]) == (int(row["ElapsedRaw"]), int(row["CPUTimeRAW"]), int(row["End"])), (run, row)
    say(f"ledger of {told['size']} records, {len(runs)} runs as sacct has them, {len(taken_back)} corrected; both verifiers agree")


def estimates_are_published():
    """What was predicted for each start, against what became of it: every job that ran is in it, at the site where it ran."""
    rows = {row["site"]: row for row in broker.get("/v1/reports/estimates?by=site", user="operator")["rows"]}
    ran = collections.Counter(job["site"] for job in mixed_run_with_kills.done.values() if job["started_at"])
    print(broker.hansa("report", "estimates", "--by", "site", user="operator", check=0).stdout.decode())
    for site in CLUSTERS:
        assert rows[site]["starts"] >= ran[site] > 0, (site, rows[site], ran)


def site_ids(site):
    if not hasattr(site_ids, "known"):
        site_ids.known = collections.defaultdict(set)
        for id in mixed_run_with_kills.expected:
            for record in broker.get(f"/v1/jobs/{id}/usage", user="operator")["records"]:
                site_ids.known[record["site"]].add(record["site_job_id"])
    return site_ids.known[site]


def explain_placed_and_held():
    """explain says where and why, for a job that has a site and for one that no site can take now."""
    placed = broker.submit({"script": script("true"), "project": "ai-lab"})
    broker.wait_over([placed])
    text = broker.hansa("explain", placed, check=0).stdout.decode()
    print(text)
    assert all(site in text for site in CLUSTERS), text
    for site in CLUSTERS:
        broker.hansa("site", "drain", site, user="operator", check=0)
    held = broker.submit({"script": script("true"), "project": "ai-lab"})
    broker.wait_state(held, "held")
    text = broker.hansa("explain", held, check=0).stdout.decode()
    print(text)
    assert "SITE_DRAINED" in text, text
    for site in CLUSTERS:
        broker.hansa("site", "resume", site, user="operator", check=0)
    assert broker.wait_over([held])[held]["state"] == "succeeded"
    never = broker.submit({"script": script("true"), "project": "ai-lab", "resources": {"nodes": 50}})
    assert broker.wait_over([never])[never]["state"] == "rejected"
    print(broker.hansa("explain", never, check=0).stdout.decode())


def dead_controller_leaves_the_others_alone():
    """A site whose controller dies: its state and error are shown, the others go on, its jobs are unknown and come back."""
    job = broker.submit({"script": script("sleep 8"), "project": "ai-lab", "placement": {"sites": ["beta"]}})
    broker.wait_state(job, "running")
    bed("stop", "beta", "slurmctld")
    try:
        def down():
            site = broker.get("/v1/sites/beta", user="operator")
            return site["state"] == "down" and site["last_error"] and site
        site = wait_for("beta to be down", down, 60, 0.5)
        say(f"beta: {site['state']}, {site['last_error']['code']}: {site['last_error']['message'][:100]}")
        other = broker.submit({"script": script("true"), "project": "ai-lab"})
        assert broker.wait_over([other])[other]["site"] in ("alpha", "gamma")
        began = time.monotonic()
        broker.job(other)
        say(f"  the API answers in {(time.monotonic() - began) * 1000:.0f} ms meanwhile")
        wait_for("unknown_since", lambda: broker.job(job)["unknown_since"], 60, 0.5)
        assert broker.job(job)["state"] == "running"
    finally:
        bed("start", "beta", "slurmctld")
    over = broker.wait_over([job], 90)[job]
    assert over["state"] == "succeeded" and over["unknown_since"] is None, over


def given_up_site_returns():
    """A silent site's job is ended by an operator's word. When the site is back that stands, what the job used is booked, new work runs."""
    job = broker.submit({"script": script("sleep 5"), "project": "ai-lab", "placement": {"sites": ["gamma"]}})
    broker.wait_state(job, "running")
    bed("pause", "gamma", "slurmctld")
    try:
        wait_for("unknown_since", lambda: broker.job(job)["unknown_since"], 90, 0.5)
        broker.hansa("resolve", job, "--as", "lost", "--reason", "gamma is given up", user="operator", check=0)
        assert broker.job(job)["state"] == "lost"
    finally:
        bed("resume", "gamma", "slurmctld")
    fresh = broker.submit({"script": script("true"), "project": "ai-lab", "placement": {"sites": ["gamma"]}})
    assert broker.wait_over([fresh], 180)[fresh]["state"] == "succeeded"
    records = wait_for("usage of the given up job", lambda: broker.get(f"/v1/jobs/{job}/usage", user="operator")["records"], 90, 1)
    row = next(row for row in sacct_rows("gamma", started_at) if row["JobName"] == f"hansa-{job}-1")
    assert len(records) == 1 and not usage_differences(records[0], row), (records, row)
    after = broker.job(job)
    assert after["state"] == "lost" and len(payloads.runs()[job]) == 1, after
    say(f"  {after['state']}, {after['reason']['message']}; booked {records[0]['core_seconds']} core-seconds, as sacct")


def controller_that_forgot_a_start():
    """A slurmctld is killed before it has saved that a job started, and starts it again under the same run number: the payload runs once."""
    # Slurm saves what changed at most every 5 s. Not to hit that gap by luck, its state of before the start is put back.
    blocker = slurm("gamma", "sbatch", "--parsable", "-n", "2", "-o", "/dev/null", "--wrap", "sleep 300", user="alice").strip()
    wait_for("the blocker", lambda: slurm("gamma", "squeue", "-h", "-j", blocker, "-o", "%T").strip() == "RUNNING", 60)
    job = broker.submit({"script": script("sleep 120"), "project": "ai-lab", "placement": {"sites": ["gamma"]}})
    site_job = broker.wait_state(job, "queued")["site_job_id"]
    slurm("gamma", "scontrol", "hold", site_job)
    slurm("gamma", "scancel", blocker)
    wait_for("an idle cluster", lambda: slurm("gamma", "squeue", "-h", "-o", "%i %T").split() == [site_job, "PENDING"], 60)
    state, before = Path(slurm_conf("gamma")).parent / "state", Path(slurm_conf("gamma")).parent / "state.before"
    changed_at = time.time()
    slurm("gamma", "scontrol", "update", f"jobid={site_job}", "comment=to be saved")
    wait_for("the state to be saved", lambda: (state / "job_state").exists() and (state / "job_state").stat().st_mtime > changed_at, 30, 0.5)
    shutil.rmtree(before, ignore_errors=True)
    shutil.copytree(state, before)
    slurm("gamma", "scontrol", "release", site_job)
    wait_for("the start", lambda: job in payloads.runs(), 60, 0.2)
    bed("kill", "gamma", "slurmctld")
    shutil.rmtree(state)
    before.rename(state)
    subprocess.run(["chown", "-R", "slurm:", state], check=True)
    bed("start", "gamma", "slurmctld")
    slurm("gamma", "scontrol", "release", site_job)
    done = broker.wait_over([job], 240)[job]
    ran = len(payloads.runs()[job])
    say(f"  site job {site_job}: {done['state']} {done['reason']}; payload ran {ran} times")
    assert ran == 1, ran
    # Slurm may also find the node still busy with the first start, and fail the second before our wrapper runs.
    assert done["state"] == "failed" and done["reason"]["code"] in {"SITE_REQUEUED", "EXIT_CODE", "SITE_FAILED", "NODE_FAIL"}, done


def room_is_seen_where_jobs_are_hidden():
    """beta shows nobody's jobs but ours (PrivateData=jobs): what bob has there is seen as room taken, and alice's job goes where there is some."""
    conf = Path(slurm_conf("beta"))
    before = conf.read_text()
    conf.write_text(before + "\nPrivateData=jobs\n")
    bobs = []

    def free_cores(many):
        wait_for(f"{many} cores free at beta", lambda: broker.get("/v1/sites/beta", user="operator")["free_cores"] == many, 60)

    def take_a_node():
        bobs.append(slurm("beta", "sbatch", "--parsable", "--exclusive", "--nodes=1", "--time=30", "-o", "/dev/null", "--wrap=sleep 600", user="bob").strip())
        wait_for("bob's job", lambda: "RUNNING" in slurm("beta", "squeue", "-h", "-j", bobs[-1], "-o", "%T"), 30)

    def beta_says(id):
        print(broker.hansa("explain", id, check=0).stdout.decode())
        return next(verdict for verdict in broker.get(f"/v1/jobs/{id}/explain")["verdicts"] if verdict["site"] == "beta")
    try:
        slurm("beta", "scontrol", "reconfigure")
        assert broker.stop() == 0
        broker.start()  # asks anew what the site is like
        take_a_node()
        free_cores(4)
        site = broker.get("/v1/sites/beta", user="operator")
        assert site["running_jobs"] == 0, site  # bob's is not shown
        for other in ("alpha", "gamma"):
            broker.hansa("site", "drain", other, user="operator", check=0)
        fits = broker.submit({"script": script("sleep 5"), "project": "ai-lab", "time_limit_s": 300, "resources": {"cpus_per_task": 4}})
        broker.wait_state(fits, "running")
        verdict = beta_says(fits)
        assert (verdict["basis"], verdict["predicted_s"]) == ("room", 0), verdict
        assert broker.wait_over([fits])[fits]["state"] == "succeeded"
        take_a_node()
        free_cores(0)
        mobile = broker.submit({"script": script("true"), "project": "ai-lab", "time_limit_s": 300})
        broker.wait_state(mobile, "waiting")
        assert beta_says(mobile)["code"] == "PLACE_LATER"
        broker.hansa("site", "resume", "alpha", user="operator", check=0)
        over = broker.wait_over([mobile])[mobile]
        assert (over["site"], over["state"]) == ("alpha", "succeeded"), over
    finally:
        for id in bobs:
            slurm("beta", "scancel", id)
        for other in ("alpha", "gamma"):
            broker.hansa("site", "resume", other, user="operator")
        conf.write_text(before)
        slurm("beta", "scontrol", "reconfigure")


if __name__ == "__main__":
    need_root()
    payloads = Payloads()
    switch = Switch([f"/usr/bin/{p}" for p in SLURM + COREUTILS])
    switch.start()
    broker = Broker("slurm", broker_config(switch, [slurm_site(c, COUNTRIES[c]) for c in CLUSTERS],
                                           engine="visibility_window_ms = 20000\nsecond_look_after_ms = 5000\n"))
    run_with_broker(broker, [mixed_run_with_kills, odd_arguments_arrive_whole, usage_equals_sacct, the_ledger_is_sacct, estimates_are_published,
                             shares_follow_the_capacity, explain_placed_and_held, dead_controller_leaves_the_others_alone,
                             given_up_site_returns, controller_that_forgot_a_start, code_goes_through_the_switch,
                             room_is_seen_where_jobs_are_hidden],
                    prepare=lambda: sites_answer(broker), clean=[switch.stop, payloads.remove])
