# SPDX-License-Identifier: Apache-2.0
"""A site behind a firewall, whose agent connects outwards: jobs on a real Slurm while the cable is cut, both ways of it, and the agent's
bad days: killed, revoked, impersonated, doubled, a broker with another key."""

import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from connect_proxy import ConnectProxy
from harness import COREUTILS, SLURM, Broker, Payloads, Switch, free_port, need_root, run_with_broker, say, slurm_conf, wait_for
from outward_site import OutwardSite, broker_certificate
from ssh_site import AGENT_USER, need_agents_account

payloads = switch = site = other = broker = keys = None
AGENTS_PORT = free_port()


def agents_config(id):
    return f"""
[agent]
state_dir = "{{folder}}/state"
switch_socket = "{switch.socket}"
ping_after_ms = 1000
dead_after_ms = 3000
longest_pause_ms = 2000
[site]
id = "{id}"
country = "FI"
connector = "slurm"
run_as = "switch"
slurm.conf = "{slurm_conf('alpha')}"
accounts = {{ "local:alice" = "alice", "local:bob" = "bob" }}
projects = {{ "ai-lab" = "proj1" }}
"""


def broker_config():
    sites = "".join(f"""
[[site]]
id = "{id}"
country = "FI"
connector = "remote"
remote.agent = true
budget = {{ queries_per_minute = 6000, submits_per_minute = 6000, waiting_jobs = 100 }}
accounts = {{ "local:alice" = "whoever", "local:bob" = "whoever" }}
""" for id in ("alpha", "beta"))
    return f"""
[broker]
name = "outward"
country = "DE"
state_dir = "{{state}}"
[api]
listen = "{{listen}}"
[agents]
listen = "127.0.0.1:{AGENTS_PORT}"
tls_certificate = "{keys}/agents.crt"
tls_key = "{keys}/agents.key"
ping_after_ms = 1000
dead_after_ms = 3000
[engine]
status_interval_ms = 1000
snapshot_interval_ms = 1000
usage_interval_ms = 2000
visibility_window_ms = 6000
second_look_after_ms = 2000
submit_timeout_ms = 10000
call_timeout_ms = 10000
first_probe_after_ms = 1000
longest_probe_after_ms = 2000
[[project]]
id = "ai-lab"
members = ["local:alice", "local:bob"]
{sites}"""


def job(*lines, **more):
    return {"project": "ai-lab", "script": payloads.script(*lines), "time_limit_s": 300, "placement": {"sites": ["alpha"]}} | more


def state_of_site(id="alpha"):
    return broker.get(f"/v1/sites/{id}", user="operator")


def is_connected(id="alpha"):
    return state_of_site(id)["agent"]["connection"]


def site_is_up():
    wait_for("the site to be up", lambda: state_of_site()["state"] == "up" and is_connected(), 60, 0.2)


def invite(id="alpha"):
    made = broker.call("POST", f"/v1/sites/{id}/agent/enrolment", user="operator")
    assert made.status == 201, made.body
    return made.json


def an_agent_enrols_and_is_shown():
    """With one token, once; nothing of the site listens."""
    assert "not enrolled" in broker.hansa("site", "show", "alpha", user="operator", check=0).stdout.decode()
    made = broker.hansa("site", "enroll", "alpha", user="operator", check=0)
    token, pin = made.stdout.decode(), invite("beta")["pin"]
    assert f"--pin {pin}" in made.stderr.decode(), made.stderr
    wrong = site.enroll(token, "sha256:" + "0" * 64)
    assert wrong.returncode == 69 and "BROKER_KEY" in wrong.stderr, wrong
    early = site.command("--connect")
    unenrolled = subprocess.run(early, capture_output=True, text=True, timeout=30)
    assert unenrolled.returncode == 78 and "hansa site enroll alpha" in unenrolled.stderr, unenrolled
    done = site.enroll(token, pin)
    assert done.returncode == 0, done
    again = site.enroll(token, pin, "--new-key")
    assert again.returncode == 69 and "ENROLMENT_USED" in again.stderr, again
    (site.state / "agent.key.new").unlink()
    site.start()
    site_is_up()
    assert site.listens() == [], site.listens()
    shown = broker.hansa("site", "show", "alpha", user="operator", check=0).stdout.decode()
    assert "connected since" in shown and "hansa-agent" in shown, shown
    history = broker.hansa("site", "agent", "alpha", user="auditor", check=0).stdout.decode()
    assert "invited" in history and "enrolled" in history and "sha256:" in history, history


def nothing_is_lost_and_nothing_doubled():
    """A hundred jobs of two people; the cable is cut three times and both programs are killed."""
    ids = []
    def submit(count):
        for _ in range(count):
            ids.append(broker.submit(job("sleep 1"), user=("alice", "bob")[len(ids) % 2]))
    submit(20)
    site.box.forget()
    submit(20)
    site.pull()
    submit(20)
    time.sleep(4.5)  # both ends give it up
    site.plug()
    submit(20)
    site.kill()
    time.sleep(0.5)
    site.start()
    submit(10)
    broker.kill()
    broker.start()
    site.box.forget()
    submit(10)
    done = broker.wait_over(ids, 240)
    ran, states = payloads.runs(), {}
    for id in ids:
        states[done[id]["state"]] = states.get(done[id]["state"], 0) + 1
        assert len(ran.get(id, [])) == 1, f"{id} ran {len(ran.get(id, []))} times: {done[id]}"
    say(f"{len(ids)} jobs, the cable cut 3 times (2 resets, 1 silence), agent and broker killed: {states}")
    assert states == {"succeeded": len(ids)}, states


def a_long_cut_is_told_and_ends():
    """What runs goes on; the site says why it is not seen, and takes jobs again."""
    site_is_up()
    id = broker.submit(job("sleep 12", "echo whole"))
    broker.wait_state(id, "running", seconds=60)
    site.pull()
    wait_for("the connection to be given up", lambda: not is_connected(), 30, 0.2)
    failure = state_of_site()["agent"]["last_failure"]
    assert failure["code"] == "CONNECTION_SILENT", failure
    wait_for("the site to say so", lambda: "AGENT_ABSENT" in str(state_of_site()["last_error"]), 30, 0.2)
    assert broker.job(id)["state"] == "running"
    time.sleep(8)
    site.plug()
    site_is_up()
    broker.wait_state(id, "succeeded", seconds=90)
    assert broker.output(id) == b"whole\n"


def the_agent_goes_out_through_the_centres_proxy():
    """A fake one, the only way out there is: with a login, to the broker's door alone. A wrong password is told, and never shown."""
    assert site.stop() == 0
    port = free_port()
    proxy = ConnectProxy(site.outside, port, f"{site.outside}:{site.port}", login="centre:open sesame")
    kept, login = site.config.read_text(), site.folder / "proxy-login"
    try:
        def with_login(text):
            login.write_text(text)
            shutil.chown(login, AGENT_USER)
            login.chmod(0o600)
        site.config.write_text(kept.replace("[agent]", f'[agent]\nproxy = "http://{site.outside}:{port}"\nproxy_login_file = "{login}"', 1))
        with_login("centre:wrong sesame\n")
        site.start()
        site.says("PROXY_LOGIN")
        assert site.stop() == 0
        with_login("centre:open sesame\n")
        site.start()
        site_is_up()
        id = broker.submit(job("echo through"))
        broker.wait_state(id, "succeeded", seconds=60)
        assert all(head.startswith(f"CONNECT {site.outside}:{site.port} ") for head in proxy.heads), proxy.heads
        assert "sesame" not in site.log.read_text()
        assert site.stop() == 0
    finally:
        proxy.close()
        site.config.write_text(kept)
        site.start()
    site_is_up()


def a_second_agent_does_not_drive_the_first_away():
    since = wait_for("the agent to be connected without its proxy", is_connected, 30)["since"]
    copy = OutwardSite("copy", 33, agents_config("alpha"), AGENTS_PORT, slurm_conf("alpha"))
    try:
        for name in ("agent.key", "enrolment.json"):
            shutil.copy2(site.state / name, copy.state / name)
            shutil.chown(copy.state / name, AGENT_USER)
        enrolment = copy.state / "enrolment.json"
        enrolment.write_text(enrolment.read_text().replace(site.address(), copy.address()))
        copy.start()
        copy.says("AGENT_CONNECTED")
        time.sleep(3)
        assert is_connected()["since"] == since
        assert copy.stop() == 0
    finally:
        copy.remove()


def an_agent_of_another_site_is_refused():
    """Enrolled for beta, it says that it is alpha's."""
    made = invite("beta")
    assert other.enroll(made["token"], made["pin"]).returncode == 0
    since = is_connected()["since"]
    for file in (other.config, other.state / "enrolment.json"):
        file.write_text(file.read_text().replace('"beta"', '"alpha"'))
    other.start()
    other.says("AGENT_OF_ANOTHER_SITE")
    assert is_connected()["since"] == since
    metrics = broker.call("GET", "/metrics", user="operator").body.decode()
    assert 'hansa_agent_refused_total{code="AGENT_OF_ANOTHER_SITE"}' in metrics, metrics
    assert 'hansa_agent_connected{site="alpha"} 1' in metrics and 'hansa_agent_connected{site="beta"} 0' in metrics, metrics
    assert "AGENT_OF_ANOTHER_SITE" in broker.log.read_text()
    assert other.stop() == 0


def a_revoked_agent_is_cut_off_at_once():
    """In the middle of jobs; enrolled anew it goes on, and nothing is lost."""
    ids = [broker.submit(job("sleep 2")) for _ in range(6)]
    broker.wait_state(ids[0], {"running", "finishing", "succeeded"}, seconds=60)
    broker.hansa("site", "revoke", "alpha", "--reason", "a drill", user="operator", check=0)
    wait_for("the connection to end", lambda: not is_connected(), 3, 0.05)
    site.says("AGENT_REVOKED", 10)
    time.sleep(2)
    assert not is_connected()
    made = invite()
    assert site.enroll(made["token"], made["pin"]).returncode == 0  # the same key again; a service that runs goes on with it
    site_is_up()
    done = broker.wait_over(ids, 120)
    ran = payloads.runs()
    assert all(done[id]["state"] == "succeeded" and len(ran.get(id, [])) == 1 for id in ids), done
    history = broker.get("/v1/sites/alpha/agent", user="auditor")["events"]
    assert [e["what"] for e in history][-3:] == ["revoked", "invited", "enrolled"] and history[-3]["reason"] == "a drill", history


def a_broker_with_another_key_is_not_served():
    """Until it has the pinned one again; the agent says which it saw. [T23]"""
    kept = {name: (keys / name).read_bytes() for name in ("agents.key", "agents.crt")}
    broker_certificate(keys)
    broker.process.send_signal(1)
    time.sleep(0.5)
    site.box.forget()
    site.says("BROKER_KEY")
    for name, content in kept.items():
        (keys / name).write_bytes(content)
    broker.process.send_signal(1)
    site_is_up()
    assert site.stop() == 0


if __name__ == "__main__":
    need_root()
    need_agents_account()
    payloads = Payloads()
    keys = Path(tempfile.mkdtemp(prefix="hansa-keys-", dir="/tmp"))
    keys.chmod(0o755)
    broker_certificate(keys)
    switch = Switch([f"/usr/bin/{name}" for name in SLURM + COREUTILS], callers=(AGENT_USER,))
    switch.start()
    site = OutwardSite("alpha", 31, agents_config("alpha"), AGENTS_PORT, slurm_conf("alpha"))
    other = OutwardSite("beta", 32, agents_config("beta"), AGENTS_PORT, slurm_conf("alpha"))
    broker = Broker("outward", broker_config())
    run_with_broker(broker, [an_agent_enrols_and_is_shown, nothing_is_lost_and_nothing_doubled, a_long_cut_is_told_and_ends, the_agent_goes_out_through_the_centres_proxy,
                             a_second_agent_does_not_drive_the_first_away, an_agent_of_another_site_is_refused, a_revoked_agent_is_cut_off_at_once,
                             a_broker_with_another_key_is_not_served],
                    clean=[site.remove, other.remove, switch.stop, payloads.remove, lambda: shutil.rmtree(keys, ignore_errors=True)])
