# SPDX-License-Identifier: Apache-2.0
"""Everything at once on two real Slurm clusters: a broker killed at random moments, controllers restarted and killed, an accounting
that goes away, sbatch calls that fail or hang after acceptance, and a cluster that is silent for a minute and more.

Asserted: no payload ran twice, none was lost, usage is what `sacct` says, to the second. A killed slurmctld forgets the jobs of its last
seconds: those that had not started go again, sealed; of those that had, nobody but their fence knows, they stay unknown and end by an
operator's word. It also gives their numbers out again, and takes jobs for running or waiting that had ended: what it says of them is
shown, line by line."""

import argparse
import collections
import http.client
import os
import random
import sqlite3
import statistics
import sys
import threading
import time
import traceback
from pathlib import Path

from harness import (Broker, COREUTILS, Payloads, SLURM, Switch, TERMINAL, bed, broker_config, need_root, sacct_rows, say, shim_slurm,
                     slurm, slurm_site, usage_differences, wait_for)

CLUSTERS = ["alpha", "beta"]
SILENCE_S = 80                      # so long one controller does not answer, for each 20 kills of the broker
GONE = (OSError, http.client.HTTPException)  # the broker, in mid-request

SHIM = """#!/bin/bash
case $((RANDOM % 20)) in
  0) word=fails ;;
  1) word=hangs ;;
  *) word=passes ;;
esac
echo "$word" >>{log}
case $word in
  fails) /usr/bin/sbatch "$@" >/dev/null; echo "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation" >&2; exit 1 ;;
  hangs) /usr/bin/sbatch "$@" >/dev/null; exec sleep 120 ;;
esac
exec /usr/bin/sbatch "$@"
"""


class Jobs:
    """200 jobs of two people, submitted one after the other, each until the broker has taken it: the same key, the same job."""

    def __init__(self, broker, payloads, count, seconds, seed):
        self.broker, self.payloads, self.count, self.pause = broker, payloads, count, seconds / count
        self.random = random.Random(f"jobs {seed}")
        self.accepted = {}          # id -> (user, exit code)
        self.cancelled = set()
        self.repeats = 0
        self.failure = None
        self.given_up = threading.Event()

    def body(self, number):
        user = "bob" if number % 3 == 0 else "alice"
        code = self.random.choice([0, 0, 0, 0, self.random.randint(1, 125)])
        job = {"name": f"chaos {number}", "project": "climate" if user == "bob" and number % 2 else "ai-lab", "time_limit_s": 600,
               "script": self.payloads.script(f"sleep {self.random.randint(0, 4)}", f"exit {code}")}
        if number % 4 == 0:         # so that there is work at a cluster that falls silent
            job["placement"] = {"sites": [self.random.choice(CLUSTERS)]}
        if number % 10 == 0:
            job["resources"] = {"nodes": 2, "tasks": 2}
        return user, code, job

    def submit_all(self):
        try:
            for number in range(self.count):
                user, code, job = self.body(number)
                self.accepted[self.submit(user, job, f"chaos-{number}")] = (user, code)
                time.sleep(self.random.uniform(0, 2 * self.pause))
        except Exception as error:  # noqa: BLE001: shown by the main thread, which decides
            self.failure = error

    def submit(self, user, job, key):
        while True:
            try:
                answer = self.broker.call("POST", "/v1/jobs", job, user=user, headers={"Idempotency-Key": key})
            except GONE:
                answer = None
            if answer is not None and answer.status in (200, 201):
                return answer.json["id"]
            assert answer is None or answer.status in (429, 503), (answer.status, answer.body)
            assert not self.given_up.is_set(), "given up"
            self.repeats += 1
            time.sleep(0.1)

    def cancel_one(self):
        """An answered cancel is durable: the broker may be killed right after it."""
        id = self.random.choice(sorted(self.accepted))
        answer = self.broker.call("POST", f"/v1/jobs/{id}/cancel", {}, user=self.accepted[id][0])
        if answer.status == 200:
            self.cancelled.add(id)


class Faults:
    """What happens to the sites, in threads of its own; one thing at a time to one cluster."""

    def __init__(self, scale, seed):
        self.random = random.Random(f"faults {seed}")
        self.busy = {cluster: threading.Lock() for cluster in CLUSTERS}
        self.silences = max(1, round(scale))
        self.planned = (["restart"] * round(3 * scale) + ["kill"] * round(2 * scale) + ["slurmdbd"] * round(2 * scale))
        self.random.shuffle(self.planned)
        self.counts = collections.Counter()
        self.killed_at = {cluster: [] for cluster in CLUSTERS}
        self.failure = None
        self.threads = [threading.Thread(target=self.run, args=(work,)) for work in (self.disturb, self.silence)]

    def run(self, work):
        try:
            work()
        except Exception as error:  # noqa: BLE001
            self.failure = error

    def start(self):
        for thread in self.threads:
            thread.start()

    def under_way(self):
        return any(thread.is_alive() for thread in self.threads)

    def free_cluster(self):
        """One that is not silent; its lock is held."""
        while True:
            for cluster in self.random.sample(CLUSTERS, len(CLUSTERS)):
                if self.busy[cluster].acquire(blocking=False):
                    return cluster
            time.sleep(0.2)

    def disturb(self):
        for what in self.planned:
            time.sleep(self.random.uniform(1, 5))
            if what == "slurmdbd":
                bed("stop", "-", "slurmdbd")
                time.sleep(self.random.uniform(4, 10))
                bed("start", "-", "slurmdbd")
            else:
                cluster = self.free_cluster()
                try:
                    if what == "kill":
                        self.killed_at[cluster].append(int(time.time()))
                    bed("kill" if what == "kill" else "stop", cluster, "slurmctld")
                    time.sleep(self.random.uniform(0, 5))
                    bed("start", cluster, "slurmctld")
                    look_after(cluster)
                finally:
                    self.busy[cluster].release()
            self.counts[what] += 1

    def silence(self):
        for _ in range(self.silences):
            time.sleep(self.random.uniform(8, 15))
            cluster = self.random.choice(CLUSTERS)
            with self.busy[cluster]:
                bed("pause", cluster, "slurmctld")
                time.sleep(SILENCE_S)
                bed("resume", cluster, "slurmctld")
            self.counts["silence"] += 1


def look_after(cluster):
    """What its people do after such a day. A slurmctld that was killed takes jobs for running that had ended, until their nodes register
    again (reconfigure: now), and a node on which a number was still in use is out until somebody resumes it."""
    slurm(cluster, "scontrol", "reconfigure", check=False)
    for line in slurm(cluster, "sinfo", "-h", "-N", "-p", "main", "-o", "%N %T", check=False).splitlines():
        node, state = line.split()
        if state.startswith(("drain", "down", "fail")):
            slurm(cluster, "scontrol", "update", f"nodename={node}", "state=RESUME", check=False)


def heal():
    """Whatever happened: every daemon runs, for the tests that come after."""
    for cluster in CLUSTERS:
        try:
            bed("resume", cluster, "slurmctld")
        except Exception:  # noqa: BLE001: it is not running
            pass
    bed("start", "-", "slurmdbd")
    for cluster in CLUSTERS:
        bed("start", cluster, "slurmctld")


# ---- what became of the jobs


def tag_of(job):
    return f"hansa-{job['id']}-{len(job['attempts'])}"


def fence_of(job, user):
    try:
        return os.readlink(f"/home/{user}/.hansa/fence/{tag_of(job)}.0")
    except FileNotFoundError:
        return None


def forgotten(job):
    """It has started, and no listing shows it: the broker has asked both, and the fence."""
    reason = job["attempts"][-1]["reason"] if job["attempts"] else None
    return job["unknown_since"] is not None and reason is not None and reason["code"] == "RAN_UNSEEN"


def wait_until_settled(broker, jobs, seconds):
    """Until every job is over or known to be forgotten by its site; the latter."""
    left, lost_sight_of, looked_after = set(jobs.accepted), {}, [0.0]
    def settled():
        if time.monotonic() - looked_after[0] > 15:
            looked_after[0] = time.monotonic()
            for cluster in CLUSTERS:
                look_after(cluster)
        for id in list(left):
            job = broker.job(id, "operator")
            if job["state"] in TERMINAL:
                left.discard(id)
                lost_sight_of.pop(id, None)
            elif forgotten(job):
                lost_sight_of.setdefault(id, time.monotonic())
            else:
                lost_sight_of.pop(id, None)
        # For longer than the broker needs to look at both listings again.
        return all(id in lost_sight_of and time.monotonic() - lost_sight_of[id] > 10 for id in left)
    try:
        wait_for("the jobs to settle", settled, seconds, 2)
    except AssertionError:
        for id in left:
            job = broker.job(id, "operator")
            say(f"  {id} {job['state']} at {job['site']} as {job['site_job_id']}, unknown since {job['unknown_since']}: {job['reason']}")
        raise
    return left


def end_by_operators_word(broker, jobs, ids, faults, began_at):
    """Those that were ended so: only what a killed slurmctld can have forgotten, and neither of its listings shows; the fence, which it
    cannot touch, says whether it ran."""
    queued = {cluster: slurm(cluster, "squeue", "-h", "-a", "-o", "%j %A").splitlines() for cluster in CLUSTERS}
    ended = {cluster: {f"{row['JobName']} {row['JobIDRaw']}" for row in sacct_rows(cluster, began_at) if row["End"].isdigit()}
             for cluster in CLUSTERS}
    resolved = set()
    for id in sorted(ids):
        job = broker.job(id, "operator")
        fence = fence_of(job, jobs.accepted[id][0])
        say(f"  {id}: {job['site']} has forgotten site job {job['site_job_id']}; its fence: {fence or 'not taken'}")
        assert faults.killed_at[job["site"]], f"{job['site']} was never killed: {job}"
        line = f"{tag_of(job)} {job['site_job_id']}"
        assert line not in queued[job["site"]], f"its site has it in its queue: {job}"
        if line in ended[job["site"]]:  # as of late: the broker still asks
            wait_for("the end that the accounting has", lambda: broker.job(id, "operator")["state"] in TERMINAL, 60, 1)
            continue
        resolved.add(id)
        broker.hansa("resolve", id, "--as", "lost", "--reason", "forgotten by a killed slurmctld", user="operator", check=0)
        assert broker.job(id, "operator")["state"] == "lost"
    return resolved


def nothing_ran_twice_nothing_is_lost(broker, jobs, payloads, resolved, faults):
    """Each payload ran once, or the broker says that it did not, and why."""
    runs = payloads.runs()
    views = {id: broker.job(id, "operator") for id in jobs.accepted}
    assert set(runs) <= set(views), f"ran and never accepted: {set(runs) - set(views)}"
    twice = {id: where for id, where in runs.items() if len(where) > 1}
    assert not twice, f"run twice: {twice}"
    ends = collections.Counter()
    for id, (user, code) in jobs.accepted.items():
        job, ran, fence = views[id], len(runs[id]), fence_of(views[id], user)
        held = ran == 1 and fence not in (None, "sealed")
        if id in resolved:
            ends["ran, and was forgotten by its site"] += 1
            assert held, f"LOST: its site had forgotten it before it started: {job}, its fence: {fence}"
        elif job["state"] == "cancelled" and id in jobs.cancelled:
            ends["cancelled by its user"] += 1
        elif job["state"] == ("failed" if code else "succeeded") and job["exit_code"] == code:
            ends["ran to its end"] += 1
            assert held, f"LOST: said to be {job['state']}, and never ran: {job}, its fence: {fence}"
        else:                       # the site's word, which the broker passes on
            ends["given up by its site, ran" if ran else "given up by its site before it ran"] += 1
            reason = job["reason"] or {}
            say(f"  {id}: {job['site']} gave up {job['site_job_id']}, {'which ran once' if ran else 'which never ran'}: {job['state']}, "
                f"{reason.get('code')}: {reason.get('message')}")
            assert job["state"] in ("failed", "cancelled") and reason.get("code"), job
            assert faults.killed_at[job["site"]], f"LOST, and no slurmctld was killed: {job}"
            assert held or not ran, (job, fence)
    say(f"run twice 0, lost 0; payloads run {sum(map(len, runs.values()))}; {dict(ends)}")
    return runs


def booked_lines(broker):
    """The site's line behind each record, as it was when it was booked."""
    with sqlite3.connect(f"file:{broker.state}/hansa.db?mode=ro", uri=True) as db:
        return {(site, id, submitted): line
                for site, id, submitted, line in db.execute("SELECT l.site, l.site_job_id, l.submitted_s, p.source_line FROM ledger l JOIN ledger_persons p ON p.seq = l.seq ORDER BY l.seq")}


def usage_is_what_sacct_says(broker, jobs, runs, faults, began_at):
    """Both ways: each record is its site's line, and each line of a job whose payload ran has its record."""
    ran = {(*where, id) for id, places in runs.items() for where in places}
    def site_lines():
        return {(cluster, row["JobIDRaw"], row["JobName"].split("-")[1]): row
                for cluster in CLUSTERS for row in sacct_rows(cluster, began_at) if row["Start"].isdigit() and row["End"].isdigit()}
    def records_of_all():
        return {(record["site"], record["site_job_id"], id): record
                for id in jobs.accepted for record in broker.get(f"/v1/jobs/{id}/usage", user="operator")["records"]}
    def all_booked():
        return not (ran & set(site_lines())) - set(records_of_all())
    try:
        wait_for("usage of every run", all_booked, 60, 2)
    except AssertionError:
        for key in (ran & set(site_lines())) - set(records_of_all()):
            say(f"  ran, in sacct, and not booked: {site_lines()[key]}: {broker.job(key[2], 'operator')}")
        raise
    rows, records, booked = site_lines(), records_of_all(), booked_lines(broker)
    equal, changed = 0, []
    for key, record in records.items():
        if not record["started_at"]:
            continue
        assert key in rows, f"booked, and sacct does not know it: {record}"
        differences = usage_differences(record, rows[key])
        if not differences:
            equal += 1
            continue
        site, number, id = key
        changed.append(key)
        say(f"  {site} {number} of {id}: sacct's line changed after it was booked: "
            + ", ".join(f"{field} was {was}, is {now}" for field, (was, now) in differences.items()))
        line = next(line for (s, n, _), line in booked.items() if (s, n) == (site, number) and id in line)
        assert all(str(value) in line for value in (record["elapsed_s"], record["core_seconds"], record["site_state"])), (record, line)
        # A killed slurmctld recovers an older state of the job, and ends it again, later.
        assert any(int(rows[key]["Start"]) - 10 <= at <= int(rows[key]["End"]) + 1 for at in faults.killed_at[site]), (record, rows[key])
    compared = [key for key in records if key in rows and key not in changed]
    ours = sum(records[key]["core_seconds"] for key in compared)
    theirs = sum(int(rows[key]["CPUTimeRAW"]) for key in compared)
    say(f"usage: {equal} records equal to sacct to the second, {ours} and {theirs} core-seconds; {len(changed)} whose line the site changed "
        f"later; {len(ran - set(rows))} runs that its accounting has no end of; {len(set(rows) - set(records))} lines more, of jobs that ran no payload")
    assert ours == theirs and equal >= len(jobs.accepted) / 2


# ---- the run


def chaos(options):
    scale = options.kills / 20
    seconds = 5.5 * options.kills
    generator = random.Random(f"kills {options.seed}")
    began, began_at = time.monotonic(), int(time.time()) - 1
    bed("reset")
    payloads = Payloads()
    switch = Switch([f"/usr/bin/{p}" for p in COREUTILS + SLURM])
    log = payloads.folder / "sbatch"
    log.touch()
    log.chmod(0o666)
    shims = shim_slurm(switch, SHIM.format(log=log))
    switch.start()
    broker = Broker("chaos", broker_config(switch, [slurm_site("alpha", "FI", bin_dir=str(shims)), slurm_site("beta", "ES", bin_dir=str(shims))],
                                           engine="submit_timeout_ms = 8000\ncall_timeout_ms = 15000\nvisibility_window_ms = 15000\n"
                                                  "second_look_after_ms = 4000\nsnapshot_max_age_ms = 15000\n"))
    jobs = Jobs(broker, payloads, options.jobs, 0.8 * seconds, options.seed)
    faults = Faults(scale, options.seed)
    submitter = threading.Thread(target=jobs.submit_all)
    passed = False
    try:
        serving = [broker.start(60)]
        for user in ("alice", "bob"):
            broker.token(user)
        wait_for("the sites", lambda: all(s["cores"] > 0 for s in broker.get("/v1/sites", user="operator")["sites"]), 30)
        submitter.start()
        faults.start()
        for _ in range(options.kills):
            time.sleep(generator.uniform(0.2, 2 * seconds / options.kills - 0.2))
            if jobs.accepted and generator.random() < 0.5:
                jobs.cancel_one()
            broker.kill()
            serving.append(broker.start(60))
        submitter.join()
        while faults.under_way():
            time.sleep(0.5)
        assert not jobs.failure and not faults.failure, (jobs.failure, faults.failure)
        say(f"{len(jobs.accepted)} jobs accepted ({jobs.repeats} submissions repeated under their key, {len(jobs.cancelled)} cancelled); "
            f"{options.kills} kills of the broker, slurmctld {faults.counts['restart'] + faults.counts['kill']} restarts "
            f"({faults.counts['kill']} by SIGKILL), slurmdbd {faults.counts['slurmdbd']} outages, {faults.counts['silence']} silence of {SILENCE_S} s")
        say(f"kill to serving: {min(serving[1:]):.2f} to {max(serving[1:]):.2f} s, median {statistics.median(serving[1:]):.2f}")
        healed = time.monotonic()
        resolved = wait_until_settled(broker, jobs, 180)
        say(f"all settled {time.monotonic() - healed:.0f} s after the last fault; forgotten by a killed slurmctld: {len(resolved)}")
        words = collections.Counter(log.read_text().split())
        say(f"sbatch: {sum(words.values())} calls, after acceptance {words['fails']} failed and {words['hangs']} hung")
        resolved = end_by_operators_word(broker, jobs, resolved, faults, began_at)
        runs = nothing_ran_twice_nothing_is_lost(broker, jobs, payloads, resolved, faults)
        usage_is_what_sacct_says(broker, jobs, runs, faults, began_at)
        passed = broker.stop() == 0
        say(f"{'passed' if passed else 'hansad did not stop cleanly'} in {time.monotonic() - began:.0f} s, seed {options.seed}")
    finally:
        jobs.given_up.set()
        for thread in (submitter, *faults.threads):
            if thread.is_alive():
                thread.join()
        heal()
        if not passed:
            print(broker.log.read_text()[-8000:])
            kept = Path(f"/var/tmp/hansa-chaos-{options.seed}.db")
            kept.write_bytes((broker.state / "hansa.db").read_bytes())
        broker.remove()
        switch.stop()
        payloads.remove()
        bed("reset")
    return 0 if passed else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--kills", type=int, default=20, help="of the broker; the other faults come in proportion")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tries", type=int, default=1, help="runs, each with the next seed, until one passes; all that failed is told")
    need_root()
    given = parser.parse_args()
    for last in reversed(range(given.tries)):
        try:
            if chaos(given) == 0:
                sys.exit(0)
        except Exception:
            if last == 0:
                raise
            traceback.print_exc()
        given.seed += 1
    sys.exit(1)
