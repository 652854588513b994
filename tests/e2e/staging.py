# SPDX-License-Identifier: Apache-2.0
"""Data are brought to where a job waits for them, between two local sites with real folders, by a real rclone: kept over kill -9 of everything."""

import hashlib
import os
import shutil
import signal
import time
from pathlib import Path

from harness import Broker, local_site, need_root, packs_in_effect, register_dataset, run_with_broker, say, site_folders, wait_for

broker = None
packs = None
data = None
TODAY = time.strftime("%Y-%m-%d", time.gmtime())
LIFETIME = 20  # seconds that a staged copy counts
APPTAINER = """#!/bin/bash
while [[ $1 != *.sif ]]; do shift; done
IN_IMAGE=$1 exec "${@:2}"
"""  # Debian has none: a stand-in that says which file it was given
READ = '#!/bin/sh\nset -e\ncd "$HANSA_DATA_1"\nsha256sum * | sha256sum | cut -d" " -f1\n'


def config():
    def site(id, country, root):
        facts = f'facts = {{ as_of = {TODAY}, status = "member", operator_country = "{country}" }}\nprofile.container_runtime = "{data}/apptainer"\n'
        return local_site(id, country, cpus=2, waiting_jobs=4, extra=facts + "[[site.root]]\n" + root)
    return f"""
[broker]
name = "staging"
country = "FI"
state_dir = "{{state}}"
facts = {{ as_of = {TODAY}, status = "member", operator_country = "FI" }}
[api]
listen = "{{listen}}"
[engine]
status_interval_ms = 300
snapshot_interval_ms = 500
usage_interval_ms = 1000
transfer_interval_ms = 200
[rules]
packs = ["open-science"]
pack_dir = "{packs}"
""" + site("kajaani", "FI", f'id = "projects"\nfolder = "{data}/kajaani"\n') \
        + site("tallinn", "EE", f'id = "scratch"\nfolder = "{data}/tallinn"\nstaging = true\nlifetime_s = {LIFETIME}\n') + f"""
[[link]]
from = "kajaani"
to = "tallinn"
tool = "rclone"
expected_kib_per_second = 256
most_kib_per_second = 256
[[project]]
id = "lab"
members = ["local:alice"]
facts = {{ labels = ["internal"], purpose = "civilian-research" }}
[[person]]
id = "local:alice"
assurance = "medium"
"""


def register(id, files):
    """Makes the files at kajaani and a dataset of them; what the job that reads them prints."""
    folder = data / "kajaani" / id
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    register_dataset(broker, id, project="lab", site="kajaani", root="projects", folder=folder)
    lines = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(files.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def submitted(dataset):
    script = broker.folder / "job.sh"
    script.write_text(READ)
    return broker.hansa("submit", "--site", "tallinn", "--data", dataset, str(script), check=0).stdout.decode().strip()


def replica(dataset):
    found = [r for r in broker.get(f"/v1/datasets/{dataset}")["replicas"] if r["site"] == "tallinn"]
    return found[0] if found else None


def movers():
    """The processes of this broker's mover."""
    spool = str(broker.state / "mover").encode()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if spool in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            pass
    return found


def data_come_first_and_the_job_reads_them():
    """Two jobs, one transfer; the broker and the mover are killed half-way; what both read is what was registered."""
    files = {f"part-{i}": os.urandom(32 * 1024) for i in range(8)}
    files["rest"] = os.urandom(6 * 1024 * 1024)  # 24 s at the link's limit: it cannot end before it is killed
    expected = register("cohort", files)
    jobs = [submitted("cohort"), submitted("cohort")]
    for id in jobs:
        broker.wait_state(id, "staging")
    def half_way():
        transfers = broker.get("/v1/datasets/cohort/transfers")["transfers"]
        assert len(transfers) <= 1, transfers
        return transfers and transfers[0]["files_done"] >= 4 and transfers
    transfer = wait_for("some of it to be there", half_way, 60)[0]
    shown = broker.hansa("show", jobs[0], check=0).stdout.decode()
    say(shown)
    assert "ON ITS WAY" in shown and "kajaani" in shown, shown
    shown = broker.hansa("data", "show", "cohort", check=0).stdout.decode()
    assert "ON ITS WAY" in shown, shown
    shown = broker.hansa("explain", jobs[0], check=0).stdout.decode()
    say(shown)
    assert "cohort from kajaani" in shown, shown

    broker.kill()
    for pid in movers():
        os.kill(pid, signal.SIGKILL)
    wait_for("the mover to be gone", lambda: not movers(), 20)
    assert not (data / "tallinn" / "cohort").exists()
    broker.start()
    done = broker.wait_over(jobs, 120)
    for id in jobs:
        assert done[id]["state"] == "succeeded" and done[id]["site"] == "tallinn", done[id]
        assert broker.output(id).decode().strip() == expected
    log = broker.log.read_text()
    assert log.count("a dataset sets out") == 1 and log.count(transfer["id"]) >= 2, "one transfer for both, the same after the kill"
    assert broker.get("/v1/datasets/cohort/transfers")["transfers"] == []
    assert replica("cohort")["verified_by"] == "broker:mover"


def a_staged_copy_expires():
    """What the site may have purged does not count, and is looked at anew; nothing is sent, as it is still there."""
    register("small", {"a": b"1"})
    first = submitted("small")
    assert broker.wait_over([first])[first]["state"] == "succeeded"
    verified = replica("small")["verified_at"]
    wait_for("its end", lambda: replica("small")["state"] == "expired", LIFETIME + 10, 0.5)
    again = submitted("small")
    assert broker.wait_over([again])[again]["state"] == "succeeded"
    assert replica("small")["verified_at"] > verified


def an_image_of_a_dataset_comes_first():
    """It is a dataset that the job reads, though it names it as its image only: brought to where the job goes, and run from there."""
    register("torch", {"torch.sif": b"an image\n"})
    for image in ("data:torch/torch.sif", "data:torch"):
        id = broker.submit({"script": '#!/bin/sh\necho "in $IN_IMAGE"; cat "$IN_IMAGE"\n', "container": {"image": image}, "placement": {"sites": ["tallinn"]}})
        job = broker.job(id)
        assert job["datasets"] == ["torch"] and job["container"]["image"] == image, job
        done = broker.wait_over([id], 60)[id]
        printed = broker.output(id).decode()
        say(f"  {image}: {printed.strip()!r}")
        assert done["state"] == "succeeded" and done["site"] == "tallinn", (done, broker.output(id, "err"))
        assert printed == f"in {data}/tallinn/torch/torch.sif\nan image\n", printed
    assert replica("torch")["verified_by"] == "broker:mover"


def what_is_not_the_dataset_holds_the_job():
    """Other bytes than the register's: nothing becomes visible, and the reason is told."""
    register("rotten", {"a": b"1" * 100})
    (data / "kajaani/rotten/a").write_bytes(b"2" * 100)
    id = submitted("rotten")
    wait_for("the reason", lambda: "CHECKSUM_MISMATCH" in (broker.job(id)["reason"] or {}).get("message", ""), 60)
    assert broker.job(id)["state"] == "held"
    assert not (data / "tallinn/rotten").exists()
    assert broker.call("POST", f"/v1/jobs/{id}/cancel").status == 200


if __name__ == "__main__":
    need_root()
    packs = packs_in_effect()
    data = site_folders("kajaani", "tallinn")
    (data / "apptainer").write_text(APPTAINER)
    (data / "apptainer").chmod(0o755)
    broker = Broker("staging", config())
    run_with_broker(broker, [data_come_first_and_the_job_reads_them, a_staged_copy_expires, an_image_of_a_dataset_comes_first, what_is_not_the_dataset_holds_the_job],
                    clean=[lambda: shutil.rmtree(packs), lambda: shutil.rmtree(data)])
