# SPDX-License-Identifier: Apache-2.0
"""hansa site doctor on real clusters: a healthy one, and four on which one thing each is wrong. On a bed of its own."""

import json
import os
import subprocess
from pathlib import Path

os.environ.setdefault("HANSA_TESTBED_DIR", "/var/tmp/hansa-testbed-doctor")
os.environ.setdefault("HANSA_TESTBED_PORT", "18600")
os.environ["HANSA_TESTBED_CONF"] = (
    "plain:AccountingStoreFlags=;"
    "forgetful:AccountingStorageType=accounting_storage/none;forgetful:AccountingStorageEnforce=;forgetful:AccountingStorageTRES=")
os.environ["HANSA_TESTBED_CLOCK"] = "ahead=+120s"

from harness import COREUTILS, SLURM, Broker, Switch, bed, broker_config, need_root, run_with_broker, say, slurm_conf, wait_for  # noqa: E402

CLUSTERS = ["healthy:4:1:2", "plain:1", "forgetful:1", "ahead:1"]
ASKED = [*SLURM, "sdiag", "sacctmgr"]
broker = switch = None


def site(id, cluster=None, bin_dir="/usr/bin"):
    return f"""
[[site]]
id = "{id}"
country = "FI"
connector = "slurm"
run_as = "switch"
slurm.conf = "{slurm_conf(cluster or id)}"
slurm.bin_dir = "{bin_dir}"
work_dir = "~/.hansa"
budget = {{ queries_per_minute = 600, waiting_jobs = 50 }}
accounts = {{ "local:alice" = "alice", "local:bob" = "bob" }}
"""


def in_another_zone():
    """The site's commands behind wrappers that know better which zone people want, as some sites have them."""
    folder = switch.folder / "zoned"
    folder.mkdir()
    for program in ASKED:
        (folder / program).write_text(f'#!/bin/bash\nexport TZ=America/New_York\nunset SLURM_TIME_FORMAT\nexec /usr/bin/{program} "$@"\n')
        (folder / program).chmod(0o755)
    switch.allow(folder / program for program in ASKED)
    return folder


def doctor(id, status):
    """Its findings by check and account; what it prints is shown."""
    done = broker.hansa("site", "doctor", id, user="operator", check=status)
    say(f"hansa site doctor {id}\n{done.stdout.decode()}")
    report = json.loads(broker.hansa("site", "doctor", id, "--json", user="operator", check=status).stdout)
    for finding in report["findings"]:
        assert finding["source"] and finding["at"].endswith("Z"), finding
        assert (finding["verdict"] == "ok") == ("remedy" not in finding), finding
    return {(f["check"], f.get("account", "")): f for f in report["findings"]}, done.stdout.decode()


def faults(found):
    return sorted({check for (check, _), f in found.items() if f["verdict"] == "fault"})


def warnings(found):
    return sorted({check for (check, _), f in found.items() if f["verdict"] == "warning"})


def healthy_cluster():
    found, printed = doctor("healthy", 0)
    assert faults(found) == [] and warnings(found) in ([], ["ROOM"]), (faults(found), warnings(found))
    for check in ("REACHABLE", "VERSION", "HISTORY", "HISTORY_FORMAT", "QUEUE_FORMAT", "NODES_FORMAT", "COMMENTS", "CLOCK", "TIME_ZONE", "JOB_IDS", "ARRAYS",
                  "MIN_JOB_AGE", "PRIVATE_DATA", "GPUS", "BUDGET"):
        assert found[check, ""]["verdict"] == "ok", found[check, ""]
    for account in ("alice", "bob"):
        for check in ("RUN_AS", "WORK_DIR", "FENCE", "CPU_LIMIT", "ASSOCIATION"):
            assert found[check, account]["verdict"] == "ok", found[check, account]
    assert found["GPUS", ""]["value"] == "2 a100 (NVIDIA)", found["GPUS", ""]
    assert "22.05" in found["VERSION", ""]["value"]
    assert found["NETWORK", ""]["verdict"] == "not_checked"
    link = Path("/home/alice/.hansa/fence/hansa-doctor")
    assert link.is_symlink() and str(link.readlink()).startswith("doctor:") and not link.with_name("hansa-doctor.new").is_symlink()
    assert "ok" in printed.splitlines()[2], printed


def comments_off():
    found, printed = doctor("plain", 0)
    assert faults(found) == [] and "COMMENTS" in warnings(found), warnings(found)
    assert "not kept (AccountingStoreFlags=none)" in printed and "AccountingStoreFlags=job_comment" in printed, printed


def history_off():
    found, printed = doctor("forgetful", 1)
    assert faults(found) == ["HISTORY"], faults(found)
    assert "off (accounting_storage/none)" in printed and "set AccountingStorageType=accounting_storage/slurmdbd" in printed, printed


def clock_two_minutes_ahead():
    found, printed = doctor("ahead", 1)
    assert faults(found) == ["CLOCK"], faults(found)
    ahead = found["CLOCK", ""]["value"]
    assert ahead in ("1m59s ahead of ours", "2m ahead of ours", "2m1s ahead of ours"), ahead
    assert "NTP" in printed and "no job goes there meanwhile" in printed, printed
    id = broker.submit({"script": "#!/bin/sh\n", "project": "ai-lab", "placement": {"sites": ["ahead"]}})
    broker.wait_state(id, "held", seconds=30)
    explained = broker.hansa("explain", id, check=0).stdout.decode()
    assert "SITE_UNFIT" in explained and "CLOCK: " + ahead in explained, explained
    say(explained)
    broker.hansa("cancel", id, check=0)


def wrong_time_zone():
    found, printed = doctor("zoned", 1)
    # sacct takes the hours that it is asked for in its own zone: from 12:00 till now is from the future there.
    assert faults(found) == ["HISTORY", "TIME_ZONE"], faults(found)
    assert found["TIME_ZONE", ""]["value"] in ("the commands write times 5h behind UTC, though asked for UTC",
                                               "the commands write times 4h behind UTC, though asked for UTC"), found["TIME_ZONE", ""]


def slurmdbd_away_is_drift():
    """What was well and is not any more is an alarm: in the log, in a metric, in the site's sheet; and so is its return."""
    bed("stop", "-", "slurmdbd")
    try:
        found, printed = doctor("healthy", 1)
        assert "HISTORY" in faults(found), faults(found)
        assert "HISTORY changed: ok: on; jobs are kept for ever -> fault:" in printed, printed
    finally:
        bed("start", "-", "slurmdbd")
    shown = broker.hansa("site", "show", "healthy", user="operator", check=0).stdout.decode()
    say(f"hansa site show healthy\n{shown}")
    assert "HISTORY changed" in shown and "looked over" in shown and "used of it" in shown, shown
    log = broker.log.read_text()
    assert "a site has changed" in log and "HISTORY" in log
    metrics = broker.call("GET", "/metrics", user="operator").body.decode()
    assert 'hansa_site_doctor_drift_total{site="healthy"} 0' not in metrics, metrics
    assert 'hansa_site_doctor_findings{site="healthy",verdict="fault"} ' in metrics, metrics
    assert 'hansa_site_budget_limit{site="healthy",kind="queries"} 600' in metrics, metrics
    wait_for("slurmdbd to be back", lambda: broker.hansa("site", "doctor", "healthy", user="operator").returncode == 0, 90, 2)


def report_outlives_the_broker_and_is_for_operators():
    before = broker.get("/v1/sites/healthy", user="operator")["doctor"]
    assert before["drift"] and before["findings"], before
    broker.stop()
    broker.start()
    assert broker.get("/v1/sites/healthy", user="operator")["doctor"] == before
    assert broker.get("/v1/sites/healthy", user="alice")["doctor"] is None  # it names accounts
    refused = broker.hansa("site", "doctor", "healthy", user="alice")
    assert refused.returncode == 4, (refused.returncode, refused.stderr)
    assert broker.hansa("site", "doctor", "nowhere", user="operator").returncode == 3


if __name__ == "__main__":
    need_root()
    subprocess.run(["bash", "-c", "ls /usr/lib/*/faketime/libfaketimeMT.so.1 || apt-get install -y libfaketime"], check=True, capture_output=True)
    bed("up", "--reset", *CLUSTERS)
    try:
        switch = Switch([f"/usr/bin/{program}" for program in [*SLURM, *COREUTILS, "prlimit"]])
        sites = [site(cluster.split(":")[0]) for cluster in CLUSTERS] + [site("zoned", "healthy", in_another_zone())]
        switch.start()
        broker = Broker("doctor", broker_config(switch, sites))
        run_with_broker(broker, [healthy_cluster, comments_off, history_off, clock_two_minutes_ahead, wrong_time_zone, slurmdbd_away_is_drift,
                                 report_outlives_the_broker_and_is_for_operators], clean=[switch.stop])
    finally:
        bed("down")
