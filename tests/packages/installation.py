# SPDX-License-Identifier: Apache-2.0
"""A fresh Debian 12: the packages, four questions, the first job, the demo, an upgrade with jobs in flight, a restore, removal, purge.

    installation.py [JOBS]          jobs in flight at the upgrade (10000)

HANSA_PREVIOUS: a folder with the packages of an earlier release to upgrade from; else these, under an earlier number.
"""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from debian_root import Root

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("HANSA_BUILD", ROOT / "build/release"))
PORT = int(os.environ.get("HANSA_TESTBED_PORT", 19460)) + 7
URL = f"http://127.0.0.1:{PORT}"
root = None
booted = False
daemon = None


def say(text):
    print(f"[{time.strftime('%H:%M:%S')}] {text}", flush=True)


def wait_for(what, condition, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.5)
    raise AssertionError(f"gave up after {seconds} s waiting for {what}")


def built(version, folder):
    subprocess.run([ROOT / "packaging/build_debs", BUILD, folder, version], check=True, stdout=subprocess.DEVNULL)
    return sorted(folder.glob("*.deb"))


def hansa(*arguments, check=True, user=None):
    token = "/home/alice/token" if user else "/var/lib/hansa/operator.token"
    return root.run("hansa", *arguments, user=user, check=check, environment={"HANSA_URL": URL, "HANSA_TOKEN_FILE": token})


def ready():
    hansa("sites", check=False)
    return root.status == 0


def start():
    global daemon
    if booted:
        root.run("systemctl", "restart", "hansad")
    else:
        daemon = root.background("/usr/sbin/hansad", "--config", "/etc/hansa/hansad.toml", user="hansa", log=root.folder / "var/log/hansad.log")
    wait_for("hansad", ready, 60)


def stop():
    if booted:
        root.run("systemctl", "stop", "hansad")
    elif daemon:
        daemon.terminate()
        assert daemon.wait(60) == 0


def journal():
    return root.run("journalctl", "-u", "hansad", "-n", "60", "--no-pager", check=False) if booted else (root.folder / "var/log/hansad.log").read_text()[-4000:]


def it_installs_and_waits_for_a_configuration(debs):
    root.run("apt-get", "update", "-q")
    root.install(debs)
    assert "hansa:" in root.run("getent", "passwd", "hansa")
    mode = root.run("stat", "-c", "%U %a", "/var/lib/hansa").strip()
    assert mode == "hansa 700", mode
    if booted:
        assert root.run("systemctl", "is-enabled", "hansad").strip() == "enabled"
        assert root.run("systemctl", "is-active", "hansad", check=False).strip() == "inactive"


def four_questions_and_a_first_job():
    root.run("useradd", "--create-home", "alice")
    said = root.talk(["hansa", "config", "init"], ["fresh", "fi", "FI", "local", "alice"])
    assert "two letters" in said and "written, and good" in said, said
    refused = root.run("hansa", "config", "init", "--country", "FI", "--person", "alice", check=False)
    assert root.status == 8 and "is not touched" in refused, refused
    config = root.folder / "etc/hansa/hansad.toml"
    quick = 'connector = "local"\nbudget = { queries_per_minute = 6000, submits_per_minute = 6000, waiting_jobs = 50 }'
    config.write_text(config.read_text().replace("127.0.0.1:7717", f"127.0.0.1:{PORT}").replace('connector = "local"', quick)
                      + "\n[engine]\nstatus_interval_ms = 500\nsnapshot_interval_ms = 1000\nusage_interval_ms = 1000\n")
    root.run("hansad", "--check")
    start()
    token = hansa("token", "create", "--user", "alice", "--expires", "1d").strip().splitlines()[0]
    made = root.folder / "home/alice/token"
    made.write_text(token + "\n")
    made.chmod(0o600)
    root.run("chown", "alice:", "/home/alice/token")
    (root.folder / "home/alice/job.sh").write_text("#!/bin/sh\necho here at $(hostname)\n")
    id = json.loads(hansa("submit", "--json", "--time", "1m", "/home/alice/job.sh", user="alice"))["id"]
    hansa("wait", "--timeout", "1m", id, user="alice")
    assert "here at" in hansa("logs", id, user="alice")
    say("  the first job ran: " + hansa("jobs", user="alice").splitlines()[-1].strip())


def the_switch_takes_what_was_written():
    root.run("hansa", "config", "init", "--country", "FI", "--connector", "slurm", "--person", "alice", "--name", "x", "/etc/hansa/other.toml")
    refused = root.run("hansa-switch", "--check", check=False)
    assert root.status == 78 and "/usr/bin/sbatch" in refused, refused  # no Slurm is here
    for program in ("sbatch", "scancel", "scontrol", "squeue", "sacct"):
        (root.folder / "usr/bin" / program).touch(0o755)
    root.run("hansa-switch", "--check")
    if booted:
        root.run("systemctl", "restart", "hansa-switch.socket")
        assert root.run("stat", "-c", "%U:%G %a", "/run/hansa/switch.sock").strip() == "root:hansa 660"
    (root.folder / "etc/hansa/other.toml").unlink()


def the_demo_runs():
    there = root.folder / "opt/demo"
    (there / "bin").mkdir(parents=True)
    shutil.copytree(ROOT / "scripts", there / "scripts")
    for program in ("/usr/sbin/hansad", "/usr/bin/hansa", "/usr/libexec/hansa/hansa-local-run"):
        (there / "bin" / Path(program).name).symlink_to(program)
    said = root.run("/opt/demo/scripts/demo.sh", "/opt/demo/bin")
    assert "what was used?" in said, said[-3000:]
    say("  the demo ran: " + [line for line in said.splitlines() if line.strip()][-1].strip())


def nothing_is_lost_by_an_upgrade(debs, jobs):
    token = (root.folder / "home/alice/token").read_text().strip()
    ids = []
    while len(ids) < jobs:
        body = {"jobs": [{"name": f"n{len(ids) + i}", "script": "#!/bin/sh\nsleep 0.2\n", "time_limit_s": 60} for i in range(min(500, jobs - len(ids)))]}
        request = urllib.request.Request(URL + "/v1/jobs/bulk", method="POST", data=json.dumps(body).encode(),
                                         headers={"Authorization": "Bearer " + token, "Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            ids += [job["id"] for job in json.load(answer)["jobs"]]
    before = states(ids)
    flying = sum(count for state, count in before.items() if state not in ("succeeded", "failed"))
    began = time.monotonic()
    if not booted:
        stop()
    root.install(debs)
    if not booted:
        start()
    wait_for("hansad", ready, 60)
    took = time.monotonic() - began
    after = states(ids)
    assert sum(after.values()) == jobs and set(after) <= {"accepted", "waiting", "submitting", "queued", "running", "finishing", "succeeded"}, after
    wait_for("all jobs", lambda: states(ids).get("succeeded", 0) == jobs, 60 + jobs)
    say(f"  {flying} of {jobs} were in flight, the upgrade took {took:.1f} s, none was lost: {states(ids)}")


def states(ids):
    """How many of these are in which state, as the database has them."""
    found = {}
    with sqlite3.connect(f"file:{root.folder}/var/lib/hansa/hansa.db?mode=ro", uri=True) as db:
        for id, state in db.execute("SELECT hex(id), state FROM jobs"):
            found[id] = state
    crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    counts = {}
    for id in ids:
        number = 0
        for letter in id:
            number = number * 32 + crockford.index(letter)
        state = found.get(f"{number:032X}", "LOST")
        counts[state] = counts.get(state, 0) + 1
    return counts


def it_is_backed_up_and_restored():
    said = root.run("hansad", "backup", "--to", "/var/lib/hansa/drill.db", user="hansa")
    assert "verified" in said, said
    stop()
    root.run("hansad", "restore", "/var/lib/hansa/drill.db", user="hansa", check=False)
    assert root.status in (0, 65)  # usage may have been booked since
    start()


def removal_keeps_and_purge_does_not(debs):
    if not booted:
        stop()
    root.run("apt-get", "remove", "-y", "-q", "hansa-broker", "hansa-agent", "hansa-client", "hansa-common")
    for kept in ("var/lib/hansa/hansa.db", "var/lib/hansa/ledger.key", "etc/hansa/hansad.toml"):
        assert (root.folder / kept).exists(), kept
    root.install(debs)
    start()
    assert len(json.loads(hansa("jobs", "--json", "--limit", "5"))["jobs"]) == 5
    if not booted:
        stop()
    root.run("apt-get", "purge", "-y", "-q", "hansa-broker", "hansa-agent", "hansa-client", "hansa-common")
    left = [path for path in ("var/lib/hansa", "var/lib/hansa-agent", "etc/hansa") if (root.folder / path).exists()]
    assert not left, left
    assert root.run("dpkg-query", "-W", "-f", "${Package}\n").count("hansa-") == 0


def main():
    global root, booted
    if os.geteuid() != 0 or not shutil.which("mmdebstrap") or not shutil.which("dh"):
        print("skipped: needs root, mmdebstrap and debhelper (apt-get install mmdebstrap systemd-container debhelper)")
        sys.exit(77)
    jobs = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    work = Path(tempfile.mkdtemp(prefix="hansa-debs-", dir="/var/tmp"))
    try:
        before = sorted(Path(os.environ["HANSA_PREVIOUS"]).glob("hansa-*.deb")) if "HANSA_PREVIOUS" in os.environ else built("0.1.0~1", work / "1")
        now = built("0.1.0~9", work / "2")
        say("a fresh Debian 12")
        root = Root()
        booted = bool(shutil.which("systemd-nspawn")) and root.boot()
        say("with systemd as process 1" if booted else "without systemd: services are started by hand, and not kept from anything")
        for test, given in ((it_installs_and_waits_for_a_configuration, [before]), (four_questions_and_a_first_job, []), (the_switch_takes_what_was_written, []), (the_demo_runs, []),
                            (nothing_is_lost_by_an_upgrade, [now, jobs]), (it_is_backed_up_and_restored, []), (removal_keeps_and_purge_does_not, [now])):
            say(test.__name__)
            try:
                test(*given)
            except BaseException:
                print(journal())
                raise
    finally:
        if root:
            root.remove()
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
