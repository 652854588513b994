# SPDX-License-Identifier: Apache-2.0
"""A broker is backed up while it works, killed in the middle of that, and comes back from the copy: the restore drill."""

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from harness import BROKER_USER, Broker, local_site, need_root, run_with_broker, say, sites_answer, wait_for

broker = None
copies = None


def config():
    return f"""
[broker]
name = "backup"
country = "FI"
state_dir = "{{state}}"
[api]
listen = "{{listen}}"
[engine]
status_interval_ms = 300
snapshot_interval_ms = 500
usage_interval_ms = 1000
[[project]]
id = "ai-lab"
members = ["local:alice"]
""" + local_site("here", "FI", 4, 50)


def started(*arguments, of=None):
    """hansad with these arguments, as the broker's account."""
    of = of or broker
    return subprocess.Popen(["setpriv", f"--reuid={BROKER_USER}", f"--regid={BROKER_USER}", "--clear-groups", "env", "-i", f"HOME={of.home}", "PATH=/usr/bin:/bin",
                             of.bin / "hansad", *arguments, "--config", of.config], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def hansad(*arguments, status=0, of=None):
    process = started(*arguments, of=of)
    out, err = process.communicate(timeout=60)
    assert process.returncode == status, (arguments, process.returncode, out, err)
    return out + err


def jobs_in(file):
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return db.execute("SELECT count(*) FROM jobs").fetchone()[0]


def run_jobs(count):
    ids = [broker.submit({"script": "#!/bin/sh\ntrue\n", "project": "ai-lab"}) for _ in range(count)]
    broker.wait_over(ids, 180)  # after a restore what the backup had under way is sent once more, and found to have run
    wait_for("usage", lambda: all(broker.get(f"/v1/jobs/{id}/usage", user="operator")["records"] for id in ids), 30)
    return ids


def a_working_broker_is_backed_up():
    """Jobs are taken all the while; what was acknowledged before is in it, and its statement says what is not."""
    run_jobs(6)
    stop, taken = threading.Event(), []

    def submit():
        script = "#!/bin/sh\n# " + "x" * 50_000 + "\n"
        while not stop.is_set():
            taken.append(broker.submit({"script": script, "project": "ai-lab"}))

    broker.call("POST", "/v1/sites/here/drain", {}, user="operator")
    thread = threading.Thread(target=submit)
    thread.start()
    try:
        wait_for("jobs", lambda: len(taken) > 100, 20)
        before = len(taken)
        said = hansad("backup", "--to", copies / "first.db")
    finally:
        stop.set()
        thread.join()
    kept = jobs_in(copies / "first.db")
    assert before + 6 <= kept <= len(taken) + 6, (before, kept, len(taken))
    statement = json.loads((copies / "first.db.json").read_text())
    assert statement["jobs"] == kept and statement["ledger_size"] >= 6 and str(broker.state / "ledger.key") in statement["not_in_it"], statement
    assert "verified" in said and "ledger.key" in said
    assert (copies / "first.db").stat().st_mode & 0o777 == 0o600
    assert "first.db is there already" in hansad("backup", "--to", copies / "first.db", status=65)
    assert "is no folder" in hansad("backup", "--to", copies / "none/first.db", status=74)
    say(f"  {kept} jobs in {statement['bytes'] >> 20} MiB, {len(taken) - before} more were taken meanwhile")


def a_killed_backup_leaves_none():
    """kill -9 at any moment: what has the backup's name is whole, and the broker does not notice."""
    luck, whole, killed = random.Random(7), 0, 0
    began = time.monotonic()
    hansad("backup", "--to", copies / "timed.db")
    took = time.monotonic() - began
    for i in range(12):
        file = copies / f"killed-{i}.db"
        process = started("backup", "--to", file)
        time.sleep(luck.uniform(0, took))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        killed += process.returncode == -signal.SIGKILL
        if file.exists():
            jobs_in(file)
            assert (copies / f"{file.name}.json").exists()
            whole += 1
    assert killed > 3, killed
    hansad("backup", "--to", copies / "killed-0-again.db")
    assert broker.call("GET", "/readyz", user=None).status == 200
    say(f"  {killed} killed within {took:.2f} s, {whole} were whole by then")


def a_full_disk_is_told_before():
    small = Path(tempfile.mkdtemp(prefix="hansa-small-", dir="/tmp"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size=1m,mode=0700,uid={BROKER_USER}", "tmpfs", small], check=True)
    try:
        said = hansad("backup", "--to", small / "b.db", status=74)
        assert "has room for" in said and "MiB" in said, said
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", small], check=True)
        small.rmdir()


def what_must_not_be_restored_is_not():
    """A running broker, root, another's file, a damaged one, an older one."""
    assert "stop that broker first" in hansad("restore", copies / "first.db", status=75)
    root = subprocess.run([broker.bin / "hansad", "backup", "--config", broker.config], capture_output=True, text=True)
    assert root.returncode == 77 and "runuser -u hansa" in root.stderr, root
    damaged = copies / "damaged.db"
    shutil.copy2(copies / "first.db", damaged)
    with damaged.open("r+b") as file:
        file.seek(20 * 4096)
        file.write(os.urandom(4096))
    shutil.chown(damaged, BROKER_USER)
    broker.stop()
    assert "is damaged" in hansad("restore", damaged, status=65)
    shutil.copy2(copies / "first.db.json", copies / "damaged.db.json")
    shutil.chown(copies / "damaged.db.json", BROKER_USER)
    assert "is not the file that" in hansad("restore", damaged, status=65)
    before = jobs_in(broker.state / "hansa.db")
    assert "--over-newer" in hansad("restore", copies / "first.db", status=65)
    assert jobs_in(broker.state / "hansa.db") == before
    broker.start()


def the_drill():
    """Lose the disk, restore, go on: jobs and ledger as they were, and what was signed since is not signed over."""
    broker.call("POST", "/v1/sites/here/resume", {}, user="operator")
    broker.hansa("ledger", "checkpoint", user="auditor", check=0)
    hansad("backup", "--to", copies / "drill.db")
    size = json.loads((copies / "drill.db.json").read_text())["ledger_size"]
    done = run_jobs(2)
    later = json.loads(broker.hansa("ledger", "show", "--json", user="auditor", check=0).stdout)
    broker.hansa("ledger", "checkpoint", user="auditor", check=0)
    broker.kill()
    (broker.state / "hansa.db").write_bytes(b"a disk that was lost" * 1000)

    said = hansad("restore", copies / "drill.db", status=65)
    assert "ledger.signed" in said and "--over-newer" in said, said
    said = hansad("restore", "--over-newer", copies / "drill.db")
    assert "LEDGER_WENT_BACK" in said and "second history" in said, said
    assert len(list(broker.state.glob("hansa.db.before-restore-*"))) >= 1
    broker.start()
    assert broker.call("GET", f"/v1/jobs/{done[0]}", user="operator").status == 404
    assert b"does not go on from the" in broker.hansa("ledger", "checkpoint", user="auditor").stderr
    assert len(run_jobs(1)) == 1  # jobs go on all the same
    broker.stop()
    (broker.state / "ledger.signed").unlink()
    broker.start()
    broker.hansa("ledger", "checkpoint", user="auditor", check=0)
    say(f"  {size} records restored, {later['size'] - size} given up by a person's word")


def main():
    need_root()
    global broker, copies
    copies = Path(tempfile.mkdtemp(prefix="hansa-copies-", dir="/var/tmp"))
    shutil.chown(copies, BROKER_USER, BROKER_USER)
    broker = Broker("backup", config())
    run_with_broker(broker, [a_working_broker_is_backed_up, a_killed_backup_leaves_none, a_full_disk_is_told_before, what_must_not_be_restored_is_not, the_drill],
                    prepare=lambda: sites_answer(broker), clean=[lambda: shutil.rmtree(copies, ignore_errors=True)])


if __name__ == "__main__":
    main()
