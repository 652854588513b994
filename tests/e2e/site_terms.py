# SPDX-License-Identifier: Apache-2.0
"""What a site sets for itself in its agent's file, behind a real OpenSSH: its load budget and its rules hold whatever the broker asks, and a SIGHUP changes them."""

import os
import signal
import time

from harness import Broker, Payloads, local_site, need_root, run_with_broker, say, wait_for
from ssh_site import AGENT_USER, SshSite, need_agents_account

TODAY = time.strftime("%Y-%m-%d", time.gmtime())
MANY, FEW, JOBS = 6000, 12, 18
payloads = site = broker = None

OWN_RULES = """
[meta]
id = "alphas-own"
version = "1.0.0"
approved_by = ["a@alpha.example", "b@alpha.example"]
default = "deny"
[[set]]
id = "EEA@1"
basis = "a list"
countries = ["EE", "FI", "SE"]
[[rule]]
id = "P-EEA"
effect = "permit"
actions = ["place", "dispatch"]
when = [{attr = "user.country", op = "in_set", value = "EEA@1"}, {attr = "site.status", op = "eq", value = "member"}]
legal_basis = "terms of use of alpha"
owner = "o@alpha.example"
[given]
user.country = "FI"
site.status = "member"
[[test]]
name = "people of the EEA"
action = "dispatch"
expect = "permit"
because = ["P-EEA"]
[[test]]
name = "and nobody else"
action = "place"
given = {user.country = "CH"}
expect = "deny"
code = "NO_PERMIT"
"""


def agents_config(submits, rules="own.toml", more=""):
    return f"""
[agent]
state_dir = "{{folder}}/state"
[rules]
packs = ["{{folder}}/{rules}"]
[site]
id = "alpha"
country = "FI"
connector = "local"
work_dir = "{{folder}}/work"
local = {{ cpus = 32, memory_mib = 8192 }}
budget = {{ queries_per_minute = {MANY}, submits_per_minute = {submits} }}
facts = {{ as_of = {TODAY}, status = "member" }}
accounts = {{ "local:alice" = "{AGENT_USER}", "local:bob" = "{AGENT_USER}" }}
{more}"""


def broker_config():
    return f"""
[broker]
name = "terms"
country = "DE"
state_dir = "{{state}}"
[api]
listen = "{{listen}}"
[engine]
status_interval_ms = 500
snapshot_interval_ms = 500
usage_interval_ms = 1000
visibility_window_ms = 6000
second_look_after_ms = 2000
submit_timeout_ms = 6000
call_timeout_ms = 6000
[[site]]
id = "alpha"
country = "FI"
connector = "remote"
remote.ssh = {site.way()}
budget = {{ queries_per_minute = {MANY}, submits_per_minute = {MANY}, waiting_jobs = 50 }}
accounts = {{ "local:alice" = "any", "local:bob" = "any" }}
{local_site("beta", "CH", 2, 4, people=("alice", "bob"))}
[[project]]
id = "lab"
members = ["local:alice", "local:bob"]
[[person]]
id = "local:alice"
country = "FI"
[[person]]
id = "local:bob"
country = "CH"
"""


def job(*lines, sites=()):
    return {"project": "lab", "script": payloads.script(*lines), "time_limit_s": 300, "placement": {"sites": list(sites)}}


def rewrite(text):
    """And what the agent, whose log the broker's shows, makes of it."""
    def said():
        log = broker.log.read_text()
        return log.count("own terms are in force") + log.count("stay as they were")
    before = said()
    site.configure(text)
    for pid in site.agents():
        os.kill(pid, signal.SIGHUP)
    wait_for("the agent to read its file again", lambda: said() > before, 10)
    return broker.log.read_text().splitlines()


def shown(id, user):
    return broker.hansa("show", id, user=user, check=0).stdout.decode() + broker.hansa("explain", id, user=user, check=0).stdout.decode()


def the_budget_holds_whatever_the_broker_asks():
    """Eighteen jobs, twelve submissions a minute; the broker's own entry would let all of them go. Then the site allows more. [T25]"""
    ids = [broker.submit(job("true", sites=["alpha"])) for _ in range(JOBS)]
    wait_for("the first of them to run", lambda: len(payloads.runs()) >= FEW, 20)
    time.sleep(6)
    ran = payloads.runs()
    assert len(ran) == FEW, f"{len(ran)} ran"
    state = broker.get("/v1/sites/alpha", user="operator")
    assert state["state"] == "up" and state["breaker"]["state"] == "closed", state
    waiting = [broker.job(id) for id in ids if id not in ran]
    assert {j["state"] for j in waiting} <= {"waiting", "submitting", "accepted", "held"}, waiting
    rewrite(agents_config(MANY))
    done = broker.wait_over(ids, 60)
    assert {j["state"] for j in done.values()} == {"succeeded"}, done
    ran = payloads.runs()
    assert all(len(ran[id]) == 1 for id in ids), ran
    say(f"{FEW} of {JOBS} jobs went in the first minute, {JOBS} in the end, each once")


def the_budget_outlives_a_connection():
    """A broker that connects anew finds what is used already."""
    rewrite(agents_config(FEW))
    for pid in site.agents():
        os.kill(pid, signal.SIGKILL)
    wait_for("another agent", lambda: site.agents(), 30)
    id = broker.submit(job("true", sites=["alpha"]))
    time.sleep(5)
    assert id not in payloads.runs()  # eighteen went in the last minute
    rewrite(agents_config(MANY))
    broker.wait_over([id], 60)


def the_sites_own_rules_have_the_last_word():
    """bob's job goes elsewhere, or is held with the site's words; alice's goes there."""
    elsewhere = broker.submit(job("true"), user="bob")
    assert broker.wait_over([elsewhere], 60)[elsewhere]["site"] == "beta"
    text = shown(elsewhere, "bob")
    assert "SITE_RULES_DENY" in text, text
    held = broker.submit(job("true", sites=["alpha"]), user="bob")
    reason = broker.wait_state(held, "held", user="bob", seconds=30)["reason"]
    assert reason["code"] == "SITE_RULES_DENY", reason
    text = shown(held, "bob")
    say(text)
    for part in ("the site's own rules refused this job", "the person's country is in EEA@1", "now: CH"):
        assert part in text, (part, text)
    attempts = broker.log.read_text().count("the site's own rules refused")
    time.sleep(3)
    assert broker.log.read_text().count("the site's own rules refused") == attempts, "the site is asked again and again"
    assert held not in payloads.runs()
    broker.wait_over([broker.submit(job("true", sites=["alpha"]))], 60)

    lines = rewrite(agents_config(MANY, rules="missing.toml"))
    assert [line for line in lines if "stay as they were" in line and "missing.toml" in line], lines[-20:]
    time.sleep(2)
    assert broker.job(held, user="bob")["state"] == "held"
    rewrite(agents_config(MANY, more='[[person]]\nid = "local:bob"\ncountry = "EE"\n'))
    assert broker.wait_over([held], 60)[held]["state"] == "succeeded"
    assert payloads.runs()[held][0][0] == "alpha"


if __name__ == "__main__":
    need_root()
    need_agents_account()
    payloads = Payloads()
    site = SshSite(agents_config(FEW))
    (site.folder / "own" / "own.toml").write_text(OWN_RULES)
    site.start()
    broker = Broker("terms", broker_config())
    run_with_broker(broker, [the_budget_holds_whatever_the_broker_asks, the_budget_outlives_a_connection, the_sites_own_rules_have_the_last_word],
                    prepare=lambda: wait_for("alpha", lambda: broker.get("/v1/sites/alpha", user="operator")["state"] == "up", 30),
                    clean=[site.remove, payloads.remove])
