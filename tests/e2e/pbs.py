# SPDX-License-Identifier: Apache-2.0
"""A PBS site, played by tests/testbed/pbs_standin: a job's way there and back, a broker that is killed meanwhile, and a server's bad days."""

import json
import shutil
import subprocess

from harness import Broker, install_pbs, need_root, pbs_site, run_with_broker, say, site_folders, sites_answer, wait_for

site = None
broker = None


def config():
    return f"""
[broker]
name = "pbs"
country = "CZ"
state_dir = "{{state}}"
[api]
listen = "{{listen}}"
[engine]
status_interval_ms = 500
snapshot_interval_ms = 1000
usage_interval_ms = 1000
submit_timeout_ms = 8000
visibility_window_ms = 15000
second_look_after_ms = 4000
[[project]]
id = "ai-lab"
members = ["local:alice"]
""" + pbs_site("ostrava", "CZ", site)


def settings(**values):
    (site / "settings.json.new").write_text(json.dumps({"neighbours": True} | values))
    (site / "settings.json.new").rename(site / "settings.json")


def pbs(*command):
    return subprocess.run([site / "bin" / command[0], *command[1:]], env={"PBS_CONF_FILE": str(site / "pbs.conf"), "PATH": "/usr/bin:/bin"},
                          capture_output=True).stdout.decode(errors="replace")


def job(*lines, **more):
    return {"project": "ai-lab", "script": "\n".join(["#!/bin/bash", *lines, ""])} | more


def state_of_site():
    return broker.get("/v1/sites/ostrava", user="operator")


def a_job_goes_there_and_comes_back():
    """Its output is read while it runs, its exit code and usage are the site's."""
    id = broker.submit(job('echo "ran as $HANSA_SITE_JOB_ID in $(basename "$PWD")"', "sleep 3", "exit 5"))
    broker.wait_state(id, "running")
    wait_for("its output", lambda: broker.output(id).startswith(b"ran as "), 10)
    ended = broker.wait_state(id, "failed")
    assert ended["exit_code"] == 5, ended
    assert broker.output(id).split()[2].endswith(b".standin"), broker.output(id)
    def booked():
        return broker.get(f"/v1/jobs/{id}/usage", user="operator")["records"]
    record = wait_for("its usage", booked, 20, 0.5)[0]
    assert record["exit_code"] == 5 and record["cores"] == 1 and 2 <= record["elapsed_s"] <= 30, record


def many_at_once_and_none_twice():
    """More than fit; a killed broker adopts what it had sent."""
    ids = [broker.submit(job(f"echo {n} >>{site}/ran", "sleep 0.5", f"exit {n % 3}")) for n in range(12)]
    broker.kill()
    broker.start()
    done = broker.wait_over(ids, 120)
    assert [done[id]["exit_code"] for id in ids] == [n % 3 for n in range(12)]
    ran = sorted(int(line) for line in (site / "ran").read_text().split())
    assert ran == list(range(12)), ran


def cancelled_while_it_waits_and_while_it_runs():
    """qdel's outcome is read back."""
    runs = [broker.submit(job("sleep 100", resources={"tasks": 2})) for _ in range(2)]
    for id in runs:
        broker.wait_state(id, "running")
    waits = broker.submit(job(f"touch {site}/must-not-be"))
    broker.wait_state(waits, "queued")
    for id in [waits, *runs]:  # one after the other: it must not start in the room of those
        assert broker.call("POST", f"/v1/jobs/{id}/cancel", {}).status in (200, 202)
        broker.wait_state(id, "cancelled")
    assert not (site / "must-not-be").exists()


def silent_server_ends_no_job():
    """Unreachable is not over: the job goes on, and is seen again."""
    id = broker.submit(job("sleep 6", "echo whole"))
    broker.wait_state(id, "running")
    settings(down=True)
    wait_for("the site to be down", lambda: state_of_site()["state"] == "down", 20)
    assert "cannot connect to server" in json.dumps(state_of_site()), state_of_site()
    assert broker.job(id)["state"] == "running"
    settings()
    broker.wait_state(id, "succeeded")
    assert broker.output(id) == b"whole\n"


def server_without_history_gets_no_jobs():
    """The end of a job would never be told: the site counts as down and says what to do."""
    settings(history=False)
    broker.stop()  # the server's settings are kept for five minutes
    broker.start()
    wait_for("the site to be down", lambda: state_of_site()["state"] == "down", 20)
    assert "job_history_enable" in json.dumps(state_of_site()), state_of_site()
    settings()
    broker.stop()
    broker.start()
    wait_for("the site to be back", lambda: state_of_site()["state"] == "up", 20)


def looked_over():
    """What PBS tells of itself, and what the account can do there; it does not tell its clock."""
    report = json.loads(broker.hansa("site", "doctor", "ostrava", "--json", user="operator", check=0).stdout)
    found = {f["check"]: f["verdict"] for f in report["findings"]}
    for check in ("REACHABLE", "VERSION", "HISTORY", "JOB_IDS", "ARRAYS", "NODES_FORMAT", "RUN_AS", "WORK_DIR", "FENCE", "BUDGET"):
        assert found[check] == "ok", report
    assert found["CLOCK"] == found["NETWORK"] == "not_checked", report
    assert "23.06.06" in report["scheduler"], report
    say(broker.hansa("site", "doctor", "ostrava", user="operator", check=0).stdout.decode())


def odd_neighbours_are_told_in_the_log():
    """One bad record takes no other with it."""
    assert "not all that the site told is understood" in broker.log.read_text()
    assert "9000005.standin" in pbs("qstat", "-f", "-F", "dsv", "-D", "|")


if __name__ == "__main__":
    need_root()
    folders = site_folders("ostrava")
    site = folders / "ostrava"
    install_pbs(site)
    settings()
    broker = Broker("pbs", config())
    run_with_broker(broker, [a_job_goes_there_and_comes_back, many_at_once_and_none_twice, cancelled_while_it_waits_and_while_it_runs,
                             silent_server_ends_no_job, looked_over, server_without_history_gets_no_jobs, odd_neighbours_are_told_in_the_log],
                    prepare=lambda: sites_answer(broker), clean=[lambda: shutil.rmtree(folders, ignore_errors=True)])
