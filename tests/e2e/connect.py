# SPDX-License-Identifier: Apache-2.0
"""A site that its people serve themselves: each runs `hansa connect` over a real OpenSSH to a login node of a real Slurm cluster, and its
agent ends with that login. Two people, cut logins, a killed broker, used tokens."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from harness import BIN, Broker, Payloads, free_port, need_root, run_with_broker, say, slurm_conf, wait_for
from outward_site import broker_certificate
from ssh_site import as_account, children, kill

PEOPLE = ("alice", "bob")
payloads = site = broker = keys = None
AGENTS_PORT = free_port()


class LoginNode:
    """An sshd for each person, who logs in with a key of their own; the agent lies where they have put it."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="hansa-login-", dir="/tmp"))
        self.folder.chmod(0o755)
        self.agent = self.folder / "hansa-agent"
        shutil.copy2(BIN / "hansa-agent", self.agent)
        self.daemons, self.logins = {}, {}
        for person in PEOPLE:
            own = self.folder / person
            own.mkdir(mode=0o700)
            for key in ("host_key", "key"):
                subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", own / key], check=True)
            shutil.copy(own / "key.pub", own / "authorized_keys")
            port = free_port()
            (own / "known_hosts").write_text(f"[127.0.0.1]:{port} " + (own / "host_key.pub").read_text())
            (own / "sshd_config").write_text(f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {own}/host_key\nAuthorizedKeysFile {own}/authorized_keys\nPidFile none\n"
                                             f"UsePAM no\nStrictModes no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nSetEnv SLURM_CONF={slurm_conf('alpha')}\n")
            (own / "ssh_config").write_text(f"Host login\n  HostName 127.0.0.1\n  Port {port}\n  User {person}\n  IdentityFile {own}/key\n  UserKnownHostsFile {own}/known_hosts\n  BatchMode yes\n")
            (own / "bin").mkdir()
            (own / "bin/ssh").write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F {own}/ssh_config "$@"\n')  # what is in people's own ~/.ssh/config
            (own / "bin/ssh").chmod(0o755)
            (own / "out").touch()
            subprocess.run(["chown", "-R", f"{person}:{person}", own], check=True)
            self.daemons[person] = subprocess.Popen(as_account(person, "/usr/sbin/sshd", "-D", "-e", "-f", own / "sshd_config"),
                                                    stderr=(self.folder / f"{person}.sshd").open("ab"), start_new_session=True)
            wait_for("sshd", lambda: b"Server listening" in (self.folder / f"{person}.sshd").read_bytes(), 10)

    def run(self, person, *arguments, **more):
        """hansa, on that person's own machine."""
        own = self.folder / person
        (own / "token").write_text(broker.token(person) + "\n")
        shutil.chown(own / "token", person)
        (own / "token").chmod(0o600)
        environment = ["env", "-i", f"HANSA_URL={broker.url}", f"HANSA_TOKEN_FILE={own}/token", f"PATH={own}/bin:/usr/bin:/bin", f"HOME={own}"]
        return subprocess.Popen(as_account(person, *environment, broker.bin / "hansa", *arguments), stdin=subprocess.DEVNULL, start_new_session=True, **more)

    def connect(self, person, *more):
        out = (self.folder / person / "out").open("wb")
        self.logins[person] = self.run(person, "connect", "alpha", "--login", "login", "--agent", str(self.agent), *more, stdout=out, stderr=out)
        wait_for(f"{person} to be connected", lambda: connected(person) or self.ended(person), 30)
        assert connected(person), self.said(person)

    def ended(self, person):
        return self.logins[person].poll() is not None

    def said(self, person):
        return (self.folder / person / "out").read_text(errors="replace")

    def agents(self, person):
        found = subprocess.run(["pgrep", "-u", person, "-f", f"^{self.agent} "], capture_output=True, text=True).stdout
        return [int(pid) for pid in found.split()]

    def cut(self, person):
        """The cable between that person's machine and the login node, with no goodbye."""
        for pid in children(self.logins[person].pid):
            kill(pid)
        self.gone(person)

    def gone(self, person):
        wait_for("the login to be over", lambda: self.ended(person) and not self.agents(person), 20)

    def remove(self):
        for person in PEOPLE:
            if person in self.logins:
                for pid in children(self.logins[person].pid) + self.agents(person):
                    kill(pid)
                kill(self.logins[person].pid)
            for pid in children(self.daemons[person].pid):
                kill(pid)
            self.daemons[person].kill()
            self.daemons[person].wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def connected(person):
    try:
        return broker.get("/v1/sites/alpha", user=person)["people"]["you"]["connected"]
    except OSError:
        return False


def broker_config():
    return f"""
[broker]
name = "connect"
country = "DE"
state_dir = "{{state}}"
[api]
listen = "{{listen}}"
[agents]
listen = "127.0.0.1:{AGENTS_PORT}"
tls_certificate = "{keys}/agents.crt"
tls_key = "{keys}/agents.key"
ping_after_ms = 1000
dead_after_ms = 5000
[engine]
status_interval_ms = 1000
snapshot_interval_ms = 1000
usage_interval_ms = 2000
visibility_window_ms = 6000
second_look_after_ms = 2000
submit_timeout_ms = 10000
call_timeout_ms = 10000
[[site]]
id = "alpha"
country = "FI"
connector = "remote"
run_as = "person"
remote.people = {{ longest_session_s = 3600 }}
budget = {{ queries_per_minute = 6000, submits_per_minute = 6000, waiting_jobs = 100 }}
accounts = {{ "local:alice" = "whoever", "local:bob" = "whoever" }}
projects = {{ "ai-lab" = "proj1" }}
[[project]]
id = "ai-lab"
members = ["local:alice", "local:bob"]
"""


def job(*lines, **more):
    return {"project": "ai-lab", "script": payloads.script(*lines), "time_limit_s": 300} | more


def who_is_not_connected_is_told_so():
    """The job is held with what to do; the site is not called down for it, and its doctor asks about its terms."""
    id = broker.submit(job("id -un"))
    view = broker.wait_state(id, "held", seconds=30)
    assert "CREDENTIAL_NOT_CONNECTED" in json.dumps(view) and "run hansa connect alpha" in json.dumps(view), view
    told = broker.hansa("explain", id, check=0).stdout.decode()
    assert "run hansa connect alpha" in told, told
    assert broker.get("/v1/sites/alpha", user="operator")["breaker"]["failures_in_a_row"] == 0
    report = json.loads(broker.hansa("site", "doctor", "alpha", "--json", user="operator", check=0).stdout)
    terms = next(f for f in report["findings"] if f["check"] == "TERMS")
    assert terms["verdict"] == "warning" and "remote.people.terms" in terms["remedy"], terms
    site.connect("alice")
    assert broker.wait_state(id, "succeeded", seconds=60)["site"] == "alpha"
    assert broker.output(id) == b"alice\n"
    assert "serves local:alice at site alpha until" in site.said("alice"), site.said("alice")
    assert "terms of use" in site.said("alice")
    record = wait_for("its usage", lambda: broker.get(f"/v1/jobs/{id}/usage", user="operator")["records"], 60, 0.5)[0]
    assert record["account"] == "alice", record
    his = broker.submit(job("id -un"), user="bob")
    broker.wait_state(his, "held", user="bob", seconds=30)
    site.connect("bob", "--for", "30m")
    broker.wait_state(his, "succeeded", user="bob", seconds=60)
    assert broker.output(his, user="bob") == b"bob\n"
    shown = broker.hansa("site", "agent", "alpha", user="operator", check=0).stdout.decode()
    assert "local:alice" in shown and "local:bob" in shown, shown
    own = broker.hansa("site", "agent", "alpha", check=0).stdout.decode()
    assert "local:alice" in own and "local:bob" not in own, own
    words = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
    assert "hansa_berth_" not in words
    report = json.loads(broker.hansa("site", "doctor", "alpha", "--json", user="operator", check=0).stdout)
    found = {f["check"]: f for f in report["findings"]}
    assert found["VERSION"]["verdict"] == "ok" and not any(f.get("bars") for f in report["findings"]), report


def nothing_is_lost_and_nothing_doubled():
    """Jobs of two people; one's login is cut while they run and comes back, and the broker is killed in between."""
    ids = {}
    for n in range(10):
        for person in PEOPLE:
            ids[broker.submit(job(f"sleep {n % 3}"), user=person)] = person
    long_one = broker.submit(job("sleep 8", "echo whole"))
    ids[long_one] = "alice"
    broker.wait_state(long_one, "running", seconds=60)
    site.cut("alice")
    more = [broker.submit(job("true")) for _ in range(3)]
    wait_for("hers to be not heard of", lambda: broker.job(long_one)["unknown_since"], 30)
    for id in more:
        assert broker.wait_state(id, "held", seconds=20)["reason"]["code"] == "CREDENTIAL_NOT_CONNECTED"
    broker.kill()
    broker.start()
    wait_for("bob to be back by himself", lambda: connected("bob"), 30)
    assert not site.ended("bob")
    his = [id for id, person in ids.items() if person == "bob"]
    broker.wait_over(his, 90)
    assert broker.get("/v1/sites/alpha", user="operator")["breaker"]["state"] == "closed"
    assert broker.job(long_one)["state"] == "running" and broker.job(long_one)["unknown_since"]
    site.connect("alice")
    done = broker.wait_over([*ids, *more], 120)
    ran = payloads.runs()
    states = {}
    for id, view in done.items():
        states[view["state"]] = states.get(view["state"], 0) + 1
        assert len(ran.get(id, [])) == 1, f"{id} ran {len(ran.get(id, []))} times: {view}"
        assert len(view["attempts"]) == 1, view
    say(f"{len(done)} jobs of two people, one login cut, one kill of the broker: {states}")
    assert states == {"succeeded": len(done)}, states
    assert broker.output(long_one) == b"whole\n"
    wait_for("the usage of all", lambda: all(broker.get(f"/v1/jobs/{id}/usage", user="operator")["records"] for id in done), 60, 1)


def used_tokens_and_second_agents_are_refused():
    """With words for whoever tries; the first one goes on."""
    def agent(person, ticket, *arguments):
        """With its input open for as long as it lives, if a line has come."""
        process = subprocess.Popen(as_account(person, "env", "-i", "PATH=/usr/bin:/bin", f"SLURM_CONF={slurm_conf('alpha')}", site.agent, "--person", *arguments),
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        process.stdin.write(ticket)
        process.stdin.flush()
        if not ticket:
            process.stdin.close()
        process.wait(30)
        return subprocess.CompletedProcess(arguments, process.returncode, process.stdout.read(), process.stderr.read())
    printed = broker.hansa("connect", "alpha", "--print", check=0)
    ticket = printed.stdout.decode()
    assert "hansa-agent --person" in printed.stderr.decode()
    second = agent("alice", ticket)
    assert second.returncode == 69 and "hansa disconnect alpha" in second.stderr, second
    stolen = agent("bob", ticket)  # its token is bound to the first one's key by now
    assert stolen.returncode == 69 and "has been used" in stolen.stderr, stolen
    moved = agent("alice", json.dumps(json.loads(ticket) | {"site": "beta"}) + "\n")
    assert moved.returncode == 69 and "beta" in moved.stderr, moved
    for nonsense in ("", "hello\n", json.dumps(json.loads(ticket) | {"pin": "x"}) + "\n"):
        assert agent("alice", nonsense).returncode == 2
    root = subprocess.run([site.agent, "--person"], input=ticket, capture_output=True, text=True, timeout=30)
    assert root.returncode == 77, root
    assert connected("alice") and connected("bob")


def it_ends_with_the_login_and_by_a_word():
    """Ctrl-C, an operator's word, one's own; jobs go on."""
    id = broker.submit(job("sleep 6", "echo whole"))
    broker.wait_state(id, "running", seconds=60)
    os.killpg(site.logins["alice"].pid, signal.SIGINT)
    site.gone("alice")
    wait_for("her to be gone", lambda: not connected("alice"), 10)
    broker.hansa("disconnect", "alpha", "--person", "bob", "--reason", "left the project", user="operator", check=0)
    site.gone("bob")
    assert "left the project" in site.said("bob"), site.said("bob")
    assert not connected("bob")
    assert broker.call("POST", "/v1/sites/alpha/connections/end", {"person": "local:alice"}, user="bob").status == 404
    site.connect("alice")
    broker.wait_state(id, "succeeded", seconds=60)
    assert broker.output(id) == b"whole\n"
    broker.hansa("disconnect", "alpha", check=0)
    site.gone("alice")


if __name__ == "__main__":
    need_root()
    payloads = Payloads()
    keys = Path(tempfile.mkdtemp(prefix="hansa-keys-", dir="/tmp"))
    keys.chmod(0o755)
    broker_certificate(keys)
    site = LoginNode()
    broker = Broker("connect", broker_config())
    run_with_broker(broker, [who_is_not_connected_is_told_so, nothing_is_lost_and_nothing_doubled, used_tokens_and_second_agents_are_refused, it_ends_with_the_login_and_by_a_word],
                    clean=[site.remove, payloads.remove, lambda: shutil.rmtree(keys, ignore_errors=True)])
