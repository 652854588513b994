# SPDX-License-Identifier: Apache-2.0
"""Data brought by jobs in the destination's queue, between two real Slurm clusters: as an account of their own, found again and gone on with."""

import hashlib
import os
import shutil
import time

from harness import (COREUTILS, SLURM, Broker, Switch, need_root, packs_in_effect, register_dataset, run_with_broker, sacct_rows, say,
                     shim_slurm, site_folders, sites_answer, slurm, slurm_site, wait_for)

broker = switch = packs = data = None
began_at = int(time.time()) - 1
TODAY = time.strftime("%Y-%m-%d", time.gmtime())
MOVER = "bob"
READ = '#!/bin/sh\nset -e\ncd "$HANSA_DATA_1"\nsha256sum * | sha256sum | cut -d" " -f1\n'
SHIM = """#!/bin/bash
case $(cat {mode} 2>/dev/null) in
  accept-and-hang) /usr/bin/sbatch "$@" >/dev/null; exec sleep 120 ;;
  *)               exec /usr/bin/sbatch "$@" ;;
esac
"""


def config():
    def site(id, country, root, bin_dir="/usr/bin"):
        facts = f'facts = {{ as_of = {TODAY}, status = "member", operator_country = "{country}" }}\n'
        return slurm_site(id, country, bin_dir=bin_dir, extra=facts + "[[site.root]]\n" + root)
    return f"""
[broker]
name = "transfer-jobs"
country = "FI"
state_dir = "{{state}}"
switch_socket = "{switch.socket}"
facts = {{ as_of = {TODAY}, status = "member", operator_country = "FI" }}
[api]
listen = "{{listen}}"
[engine]
status_interval_ms = 1000
snapshot_interval_ms = 1500
usage_interval_ms = 5000
transfer_interval_ms = 500
[rules]
packs = ["open-science"]
pack_dir = "{packs}"
[[project]]
id = "ai-lab"
members = ["local:alice"]
facts = {{ labels = ["internal"], purpose = "civilian-research" }}
[[project]]
id = "climate"
members = []
[[person]]
id = "local:alice"
assurance = "medium"
[[link]]
from = "alpha"
to = "beta"
tool = "rsync"
expected_kib_per_second = 256
most_kib_per_second = 256
job = {{ queue = "short", account = "{MOVER}", scheduler_account = "proj2", time_limit_s = 600 }}
""" + site("alpha", "FI", f'id = "projects"\nfolder = "{data}/alpha"\n') \
        + site("beta", "ES", f'id = "staged"\nfolder = "{data}/beta"\nstaging = true\nreaders = "everyone"\n', switch.folder / "bin")


def mode(word):
    path = switch.folder / "mode"
    path.write_text(word)
    path.chmod(0o644)


def register(id, size):
    """Makes a file of random bytes at alpha and a dataset of it; what the job that reads it prints."""
    folder = data / "alpha" / id
    folder.mkdir()
    content = os.urandom(size)
    (folder / "part").write_bytes(content)
    register_dataset(broker, id, project="ai-lab", site="alpha", root="projects", folder=folder)
    return hashlib.sha256(f"{hashlib.sha256(content).hexdigest()}  part\n".encode()).hexdigest()


def submitted(dataset):
    return broker.submit({"name": dataset, "project": "ai-lab", "datasets": [dataset], "script": READ, "placement": {"sites": ["beta"]}})


def transfer_of(dataset):
    transfers = broker.get(f"/v1/datasets/{dataset}/transfers")["transfers"]
    assert len(transfers) <= 1, transfers
    return transfers[0] if transfers else None


def site_jobs(transfer):
    """The accounting's rows of the transfer's jobs at beta, by their tags, in order."""
    rows = [row for row in sacct_rows("beta", began_at) if row["JobName"].startswith(f"hansa-{transfer['id']}-")]
    return sorted(rows, key=lambda row: (row["JobName"], int(row["JobIDRaw"])))


def in_queue(transfer):
    return [line for line in slurm("beta", "squeue", "-h", "-o", "%j %i").splitlines() if line.startswith(f"hansa-{transfer['id']}-")]


def a_lost_node_and_a_killed_broker():
    """Half-way the node of the copying job is lost and the broker killed: the next job goes on, and the job reads what was registered."""
    expected = register("cohort", 6 * 1024 * 1024)  # 24 s at the link's limit
    jobs = [submitted("cohort"), submitted("cohort")]
    for id in jobs:
        broker.wait_state(id, "staging")
    half_way = wait_for("some of it to be there", lambda: (t := transfer_of("cohort")) and t["phase"] == "copying" and t["bytes"] > 1_500_000 and t, 60)
    say(broker.hansa("show", jobs[0], check=0).stdout.decode())
    broker.kill()
    node = slurm("beta", "squeue", "-h", "-t", "R", "-n", in_queue(half_way)[0].split()[0], "-o", "%N").strip()
    slurm("beta", "scontrol", "update", f"nodename={node}", "state=down", "reason=lost")
    wait_for("its job to be gone", lambda: not in_queue(half_way), 60, 0.5)
    assert not (data / "beta/cohort").exists()
    broker.start()
    done = broker.wait_over(jobs, 150)
    for id in jobs:
        assert done[id]["state"] == "succeeded" and done[id]["site"] == "beta", done[id]
        assert broker.output(id).decode().strip() == expected, (broker.output(id), expected)
    rows = wait_for("the accounting", lambda: (rows := site_jobs(half_way)) and rows[-1]["State"] == "COMPLETED" and rows, 30, 1)
    say(f"  jobs of the transfer: {[(row['JobName'][-1], row['State'], row['Account'], row['User']) for row in rows]}")
    slurm("beta", "scontrol", "update", f"nodename={node}", "state=resume", check=False)  # refused while it completes; there is another
    assert len(rows) == 2 and rows[0]["State"].startswith(("NODE_FAIL", "FAILED", "CANCELLED")), rows
    assert all(row["User"] == MOVER and row["Account"] == "proj2" for row in rows), rows
    queues = slurm("beta", "sacct", "-X", "-D", "-n", "-P", "-j", ",".join(row["JobIDRaw"] for row in rows), "-o", "Partition").split()
    assert set(queues) == {"short"}, queues
    assert int(rows[1]["ElapsedRaw"]) < 20, rows  # it did not begin anew
    assert (data / "beta/cohort").owner() == MOVER and not any((data / "beta/.hansa").iterdir())
    copy = next(r for r in broker.get("/v1/datasets/cohort")["replicas"] if r["site"] == "beta")
    assert copy["verified_by"] == "broker:mover", copy
    log = broker.log.read_text()
    assert log.count("a dataset sets out") == 1, "one transfer for both jobs, the same after the kill"


def a_job_without_a_receipt_is_adopted():
    """The broker is killed while sbatch, which the site has obeyed, has not answered: the job is found under its tag, and is the only one."""
    expected = register("adopted", 1024 * 1024)
    mode("accept-and-hang")
    job = submitted("adopted")
    transfer = wait_for("the transfer", lambda: transfer_of("adopted"), 30)
    wait_for("its job at the site", lambda: in_queue(transfer) or site_jobs(transfer), 30)
    broker.kill()
    mode("")
    broker.start()
    done = broker.wait_over([job], 150)[job]
    assert done["state"] == "succeeded", done
    assert broker.output(job).decode().strip() == expected
    rows = site_jobs(transfer)
    assert len(rows) == 1 and rows[0]["JobName"].endswith("-1"), rows
    assert '"how":"found"' in broker.log.read_text() or "how=found" in broker.log.read_text(), "adopted"


def cancelled_it_leaves_nothing():
    """Its only job is cancelled while the data come: the copying job is stopped, and another one takes away what it had copied."""
    register("unwanted", 8 * 1024 * 1024)
    job = submitted("unwanted")
    copying = wait_for("some of it to be there", lambda: (t := transfer_of("unwanted")) and t["phase"] == "copying" and t["bytes"] > 500_000 and t, 60)
    assert any((data / "beta/.hansa").iterdir())
    assert broker.call("POST", f"/v1/jobs/{job}/cancel").status == 200
    wait_for("the transfer's end", lambda: transfer_of("unwanted") is None, 90, 0.5)
    assert not any((data / "beta/.hansa").iterdir()) and not (data / "beta/unwanted").exists()
    rows = wait_for("the accounting", lambda: len(rows := site_jobs(copying)) == 2 and rows[1]["State"] == "COMPLETED" and rows, 30, 1)
    assert rows[0]["State"].startswith("CANCELLED"), rows


if __name__ == "__main__":
    need_root()
    packs = packs_in_effect()
    data = site_folders("alpha", "beta")
    shutil.chown(data / "beta", MOVER)
    switch = Switch([f"/usr/bin/{p}" for p in SLURM + COREUTILS])
    shim_slurm(switch, SHIM.format(mode=switch.folder / "mode"))
    switch.start()
    broker = Broker("transfer-jobs", config())
    run_with_broker(broker, [a_lost_node_and_a_killed_broker, a_job_without_a_receipt_is_adopted, cancelled_it_leaves_nothing],
                    prepare=lambda: sites_answer(broker), clean=[switch.stop, lambda: shutil.rmtree(packs), lambda: shutil.rmtree(data)])
