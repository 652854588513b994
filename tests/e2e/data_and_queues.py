# SPDX-License-Identifier: Apache-2.0
"""A gigabyte at one of two real Slurm clusters: a large job waits beside its data while the queue is short, and takes them along when it is long."""

import hashlib
import os
import shutil
import time

from harness import (COREUTILS, SLURM, Broker, Switch, need_root, packs_in_effect, register_dataset, run_with_broker, say, site_folders, slurm,
                     slurm_site, wait_for)

broker = switch = packs = data = None
TODAY = time.strftime("%Y-%m-%d", time.gmtime())
GIGABYTE = 1_000_000_000
# A gigabyte takes 122 s by this link, as far as the broker knows: longer than a queue of a minute, shorter than one of ten. (The
# link has no limit: what is moved in the second test is not waited for.)
EXPECTED_KIB = 8_000
LARGE = {"nodes": 2, "tasks": 2, "cpus_per_task": 4}  # all of beta; half of alpha's two nodes
READ = '#!/bin/sh\nset -e\nsha256sum <"$HANSA_DATA_1/reads" | cut -d" " -f1\n'


def config():
    def site(id, country, root):
        return slurm_site(id, country, extra=f'facts = {{ as_of = {TODAY}, status = "member", operator_country = "{country}" }}\n[[site.root]]\n{root}\n')
    return f"""
[broker]
name = "data"
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
tool = "rclone"
expected_kib_per_second = {EXPECTED_KIB}
""" + site("alpha", "FI", f'id = "projects"\nfolder = "{data}/alpha"') \
        + site("beta", "ES", f'id = "scratch"\nfolder = "{data}/beta"\nstaging = true\nreaders = "everyone"')


def busy_until_limit(minutes):
    """Local people's work on all of alpha; the id of their job. Slurm, and so the broker, expects it to last as long as it may."""
    id = slurm("alpha", "sbatch", "--parsable", "--exclusive", "--nodes=2", f"--time={minutes}", "--output=/dev/null", "--wrap=sleep 600",
               user="bob").strip()
    wait_for("local work at alpha", lambda: "RUNNING" in slurm("alpha", "squeue", "-h", "-j", id, "-o", "%T"), 30)
    wait_for("the broker to see it", lambda: broker.get("/v1/sites/alpha", user="operator")["free_cores"] == 0, 30)
    return id


def large_job():
    return broker.submit({"name": "large", "project": "ai-lab", "datasets": ["genomes"], "resources": LARGE, "time_limit_s": 300, "script": READ})


def verdicts(id):
    say(broker.hansa("explain", id, check=0).stdout.decode())
    decision = broker.get(f"/v1/jobs/{id}/explain")
    return decision, {verdict["site"]: verdict for verdict in decision["verdicts"]}


def waits_beside_its_data():
    """A minute of queue against two of moving: it stays at alpha, and nothing is moved."""
    local = busy_until_limit(1)
    job = large_job()
    broker.wait_state(job, {"queued", "waiting", "submitting"})
    decision, by_site = verdicts(job)
    assert decision["site"] == "alpha", decision
    assert 0 < by_site["alpha"]["wait_s"] <= 60 and "stage_in" not in by_site["alpha"], by_site["alpha"]
    assert by_site["beta"]["wait_s"] == 0, by_site["beta"]
    moving = by_site["beta"]["stage_in"]
    assert moving["bytes"] == GIGABYTE and moving["from"] == [{"dataset": "genomes", "site": "alpha"}], moving
    assert moving["time_s"] == -(-GIGABYTE // (EXPECTED_KIB * 1024)) > by_site["alpha"]["wait_s"], moving
    slurm("alpha", "scancel", local)
    done = broker.wait_over([job])[job]
    assert done["state"] == "succeeded" and done["site"] == "alpha", done
    assert broker.output(job).decode().strip() == waits_beside_its_data.content
    assert not (data / "beta/genomes").exists()


def takes_its_data_along():
    """Ten minutes of queue: its data are moved, and it runs beside them before its turn at alpha would have come."""
    local = busy_until_limit(10)
    began = time.monotonic()
    job = large_job()
    broker.wait_state(job, "staging")
    decision, by_site = verdicts(job)
    assert decision["site"] == "beta", decision
    assert by_site["alpha"]["wait_s"] > by_site["beta"]["stage_in"]["time_s"] > 0, by_site
    say(broker.hansa("show", job, check=0).stdout.decode())
    done = broker.wait_over([job])[job]
    took = time.monotonic() - began
    assert done["state"] == "succeeded" and done["site"] == "beta", done
    assert broker.output(job).decode().strip() == takes_its_data_along.content
    say(f"from submission to its end, with a gigabyte moved, read back and read by the job: {took:.0f} s")
    copy = next(r for r in broker.get("/v1/datasets/genomes")["replicas"] if r["site"] == "beta")
    assert copy["state"] == "verified" and copy["verified_by"] == "broker:mover", copy

    job = large_job()  # the copy counts from now on
    done = broker.wait_over([job])[job]
    assert done["state"] == "succeeded" and done["site"] == "beta", done
    _, by_site = verdicts(job)
    assert "stage_in" not in by_site["beta"], by_site
    slurm("alpha", "scancel", local)


def make_a_gigabyte():
    folder = data / "alpha/genomes"
    folder.mkdir()
    block, whole = os.urandom(1_000_000), hashlib.sha256()
    with (folder / "reads").open("wb") as file:
        for number in range(GIGABYTE // len(block)):
            part = number.to_bytes(8, "big") + block[8:]  # no two alike
            whole.update(part)
            file.write(part)
    waits_beside_its_data.content = takes_its_data_along.content = whole.hexdigest()
    register_dataset(broker, "genomes", project="ai-lab", site="alpha", root="projects", folder=folder)


if __name__ == "__main__":
    need_root()
    packs = packs_in_effect()
    data = site_folders("alpha", "beta")
    switch = Switch([f"/usr/bin/{program}" for program in COREUTILS + SLURM])
    switch.start()
    broker = Broker("data", config())
    run_with_broker(broker, [waits_beside_its_data, takes_its_data_along], prepare=make_a_gigabyte,
                    clean=[switch.stop, lambda: shutil.rmtree(packs), lambda: shutil.rmtree(data)])
