# SPDX-License-Identifier: Apache-2.0
"""A site behind its own hansa-agent, over a real OpenSSH: jobs of two people on a real Slurm, and the connection's bad days."""

import json
import subprocess
import time
from pathlib import Path

from harness import BROKER_USER, COREUTILS, SLURM, Broker, Payloads, Switch, need_root, run_with_broker, say, sites_answer, slurm_conf, wait_for
from ssh_site import AGENT_USER, SshSite, as_account, kill, need_agents_account

payloads = switch = site = broker = None


def ssh_of_broker():
    found = subprocess.run(["pgrep", "-P", str(broker.process.pid), "-x", "ssh"], capture_output=True, text=True).stdout
    return [int(pid) for pid in found.split()]


def agents_config():
    return f"""
[agent]
switch_socket = "{switch.socket}"
[site]
id = "alpha"
country = "FI"
connector = "slurm"
run_as = "switch"
slurm.conf = "{slurm_conf('alpha')}"
accounts = {{ "local:alice" = "alice", "local:bob" = "bob" }}
projects = {{ "ai-lab" = "proj1", "climate" = "proj2" }}
"""


def broker_config():
    # carol has an entry here, and none at the site.
    return f"""
[broker]
name = "agent"
country = "DE"
state_dir = "{{state}}"
[api]
listen = "{{listen}}"
[engine]
status_interval_ms = 1000
snapshot_interval_ms = 1000
usage_interval_ms = 2000
visibility_window_ms = 6000
second_look_after_ms = 2000
submit_timeout_ms = 20000
call_timeout_ms = 20000
first_probe_after_ms = 2000
longest_probe_after_ms = 8000
[[site]]
id = "alpha"
country = "FI"
connector = "remote"
remote.ssh = {site.way()}
budget = {{ queries_per_minute = 6000, submits_per_minute = 6000, waiting_jobs = 50 }}
accounts = {{ "local:alice" = "whoever", "local:bob" = "whoever", "local:carol" = "root" }}
[[project]]
id = "ai-lab"
members = ["local:alice", "local:bob", "local:carol"]
[[project]]
id = "climate"
members = ["local:bob"]
"""


def job(*lines, **more):
    return {"project": "ai-lab", "script": payloads.script(*lines), "time_limit_s": 300} | more


def state_of_site():
    return broker.get("/v1/sites/alpha", user="operator")


def site_error(code):
    def told():
        text = str(state_of_site())
        return text if code in text else None
    return wait_for(f"the site to say {code}", told, 150, 0.5)


def site_is_back():
    wait_for("the site to be back", lambda: state_of_site()["state"] == "up", 150, 0.5)


def a_job_goes_there_and_comes_back():
    """As the account of the site's map, whatever the broker calls it; output while it runs, exit code, usage."""
    ids = {user: broker.submit(job("id -un", "sleep 15", "exit 5"), user=user) for user in ("alice", "bob")}
    for user, id in ids.items():
        broker.wait_state(id, "running", user=user, seconds=90)
        wait_for("its output", lambda: broker.output(id, user=user) == user.encode() + b"\n", 20)
    for user, id in ids.items():
        ended = broker.wait_state(id, "failed", user=user, seconds=90)
        assert ended["exit_code"] == 5, ended
    for user, id in ids.items():
        record = wait_for("its usage", lambda: broker.get(f"/v1/jobs/{id}/usage", user="operator")["records"], 60, 0.5)[0]
        assert record["account"] == user and record["scheduler_account"] == "proj1", record
    assert len(ssh_of_broker()) == 1 and len(site.agents()) == 1


def an_array_goes_there_and_tasks_are_cancelled():
    """One receipt over one connection; each task as it ended, two cancelled alone while the agent is killed."""
    id = broker.submit(job('echo "task $HANSA_ARRAY_INDEX"', "(( HANSA_ARRAY_INDEX == 1 )) && exit 4", "(( HANSA_ARRAY_INDEX < 3 )) || sleep 20", array="0-7%3"))
    wait_for("three that ended and three that run", lambda: (tasks := broker.job(id)["tasks"]).get("running", {}).get("tasks") == "3-5" and tasks["succeeded"]["tasks"] == "0,2", 90, 0.3)
    broker.hansa("cancel", id, "--task", "4,7", check=0)
    for pid in site.agents():
        kill(pid)
    done = broker.wait_over([id], 120)[id]
    assert done["state"] == "failed" and done["exit_code"] == 4, done
    assert done["reason"]["message"] == "5 of 8 tasks succeeded; 1 failed (1); 2 were cancelled (4,7)", done["reason"]
    assert broker.hansa("logs", id, "--task", "6", check=0).stdout == b"task 6\n"
    records = wait_for("its usage", lambda: len(found := [r for r in broker.get(f"/v1/jobs/{id}/usage", user="operator")["records"] if r["started_at"]]) == 7 and found, 60, 0.5)
    assert {r["account"] for r in records} == {"alice"}, records
    say(done["reason"]["message"])


def the_agent_is_asked_for_a_look():
    """At the accounts of the site's own map, whatever the broker calls them."""
    report = json.loads(broker.hansa("site", "doctor", "alpha", "--json", user="operator", check=0).stdout)
    found = {(f["check"], f.get("account", "")): f for f in report["findings"]}
    for check in ("REACHABLE", "CONNECTOR", "VERSION", "HISTORY", "QUEUE_FORMAT", "CLOCK", "ARRAYS", "PROTOCOL_ARRAYS"):
        assert found[check, ""]["verdict"] == "ok", found[check, ""]
    assert {account for _, account in found if account} == {"alice", "bob"}, found
    for account in ("alice", "bob"):
        for check in ("RUN_AS", "WORK_DIR", "FENCE"):
            assert found[check, account]["verdict"] == "ok", found[check, account]


def the_sites_own_map_is_final():
    """carol has an entry at the broker, and is refused at the site. [T07]"""
    id = broker.submit(job("true"), user="carol")
    def refused():
        return "no account at site alpha" in "".join(str(broker.get(f"/v1/jobs/{id}{part}", user="carol")) for part in ("", "/explain", "/events"))
    wait_for("the refusal", refused, 60, 0.5)
    assert id not in payloads.runs()
    broker.call("POST", f"/v1/jobs/{id}/cancel", {}, user="carol")


def nothing_is_lost_and_nothing_doubled():
    """Jobs of two people, while ssh and the agent are killed by turns, and the broker too."""
    ids, kills = [], 0
    for round in range(6):
        for n in range(4):
            user = ("alice", "bob")[n % 2]
            ids.append(broker.submit(job("sleep 1"), user=user))
        time.sleep(0.3 + 0.13 * round)
        find = [site.agents, ssh_of_broker][round % 2]
        for pid in wait_for("somebody to kill", find, 150):  # a pause before the next connection may be two minutes long
            kill(pid)
            kills += 1
        if round == 3:
            broker.kill()
            broker.start()
    done = broker.wait_over(ids, 400)
    ran = payloads.runs()
    states = {}
    for id in ids:
        states[done[id]["state"]] = states.get(done[id]["state"], 0) + 1
        assert len(ran.get(id, [])) == 1, f"{id} ran {len(ran.get(id, []))} times: {done[id]}"
    say(f"{len(ids)} jobs, {kills} kills of ssh and agent, one of the broker: {states}")
    assert states == {"succeeded": len(ids)}, states


def a_changed_host_key_is_refused():
    """Until it is the pinned one again; the state says what to do, and what runs meanwhile is seen again. [T23]"""
    id = broker.submit(job("sleep 15", "echo whole"))
    broker.wait_state(id, "running", seconds=90)
    site.stop()
    site.start(host_key="other_host_key")
    text = site_error("SSH_HOST_KEY")
    assert "remote.ssh.known_hosts" in text, text
    assert broker.job(id)["state"] == "running"
    site.stop()
    site_error("SSH_REFUSED")
    site.start()
    site_is_back()
    broker.wait_state(id, "succeeded", seconds=120)
    assert broker.output(id) == b"whole\n"


def connections_are_few():
    """One, unless it broke."""
    before = site.log.read_text().count("Accepted publickey")
    ids = [broker.submit(job("true")) for _ in range(20)]
    broker.wait_over(ids, 120)
    assert site.log.read_text().count("Accepted publickey") == before
    wrong = subprocess.run(as_account(BROKER_USER, "ssh", "-F", "/dev/null", "-o", f"UserKnownHostsFile={site.folder}/known_hosts", "-i", site.folder / "broker_key", "-p", site.port,
                                      "-l", AGENT_USER, "127.0.0.1", "touch /tmp/hansa-must-not-be; id"), stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert "uid=" not in wrong.stdout and not Path("/tmp/hansa-must-not-be").exists(), wrong.stdout  # whatever is asked for, the agent is what answers


def the_agent_says_what_is_wrong():
    """Exit status and words for whoever sets it up."""
    def run(*arguments, account=AGENT_USER, said=b""):
        command = [site.agent, *arguments]
        return subprocess.run(as_account(account, *command) if account else command, input=said, capture_output=True, timeout=30)
    assert run("--config", site.config, "--check").returncode == 0
    root = run("--config", site.config, "--stdio", account=None)
    assert root.returncode == 77 and b"root" in root.stderr, root
    missing = run("--config", "/no/such/file", "--stdio")
    assert missing.returncode == 78 and b"/no/such/file" in missing.stderr, missing
    assert run("--config", site.config).returncode == 2
    for said in (b"GET / HTTP/1.1\r\n\r\n", b"\xff\n", b"x" * 9_000_000, b'{"jsonrpc": "2.0", "id": 1'):
        ended = run("--config", site.config, "--stdio", said=said)
        assert ended.returncode == 76 and ended.stdout == b"" and ended.stderr, ended
    assert run("--config", site.config, "--stdio").returncode == 0  # the input's end


if __name__ == "__main__":
    need_root()
    need_agents_account()
    payloads = Payloads()
    switch = Switch([f"/usr/bin/{name}" for name in [*SLURM, *COREUTILS, "sdiag", "sacctmgr"]], callers=(AGENT_USER,))
    switch.start()
    site = SshSite(agents_config())
    site.start()
    broker = Broker("agent", broker_config())
    run_with_broker(broker, [a_job_goes_there_and_comes_back, an_array_goes_there_and_tasks_are_cancelled, the_agent_is_asked_for_a_look, the_sites_own_map_is_final, nothing_is_lost_and_nothing_doubled, a_changed_host_key_is_refused,
                             connections_are_few, the_agent_says_what_is_wrong],
                    prepare=lambda: sites_answer(broker), clean=[site.remove, switch.stop, payloads.remove])
