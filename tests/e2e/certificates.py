# SPDX-License-Identifier: Apache-2.0
"""People who log in at a site as themselves: a real OpenSSH, a real CA, an account for each; the site's budget over all of them together.

certificates.py [--people N] [FUNCTION...]: 12 people unless told; the accounts (hansa-far, hansa-p000, ...) stay for the next run."""

import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness import BIN, BROKER_USER, Broker, free_port, need_root, run_with_broker, say, sites_answer, wait_for

PEOPLE = 12
if "--people" in sys.argv:
    at = sys.argv.index("--people")
    PEOPLE = int(sys.argv[at + 1])
    del sys.argv[at:at + 2]
JOBS_EACH = 2
OPEN, OPENED_A_MINUTE = (4, 240) if PEOPLE <= 20 else (12, 180)
QUERIES, SUBMITS, AT_ONCE = (240, 240, 4) if PEOPLE <= 20 else (120, 120, 8)

OWN = "hansa-far"  # the broker's own account there

site = broker = None


def person(number):
    return f"p{number:03}"


def account(number):
    return f"hansa-{person(number)}"


def need_accounts():
    known = {entry.pw_name for entry in pwd.getpwall()}
    for name in [OWN] + [account(number) for number in range(PEOPLE)]:
        if name not in known:  # with a password that is none: one that is locked ("!") is not let in by a root's sshd
            subprocess.run(["useradd", "--create-home", "--password", "*", "--shell", "/bin/sh", name], check=True)


# Between sshd and the agent: what was asked, and when, as the site sees it.
RECORDER = """#!/usr/bin/python3 -S
import json, os, subprocess, sys, time
folder, account = "{folder}", os.environ["USER"]
out = open(f"{folder}/calls/{account}", "a", buffering=1)
tell = lambda what: print(f"{time.clock_gettime(time.CLOCK_MONOTONIC):.3f} {what}", file=out)
tell("connection")
agent = subprocess.Popen([f"{folder}/hansa-agent", "--config", f"{folder}/agents/{account}.toml", "--stdio"], stdin=subprocess.PIPE)
for line in sys.stdin.buffer:
    message = json.loads(line)
    if "method" in message: tell(message["method"])
    agent.stdin.write(line)
    agent.stdin.flush()
agent.stdin.close()
agent.wait()
"""

# Signs for whoever is named, unless they have to log in first.
SIGN = """#!/bin/sh
cd {folder}/ca || exit 1
if [ -e "log-in-$1" ]; then echo "log in at https://login.example/$1" >&2; exit 77; fi
mine=$(mktemp -d) && cat >"$mine/key.pub" && ssh-keygen -q -s ca -I "$1" -n "$2" -V +30m "$mine/key.pub" && cat "$mine/key-cert.pub"
status=$?
rm -r "$mine"
exit $status
"""


class Site:
    """A root's sshd that lets in whom a CA vouches for, as the account that the certificate names, and starts that account's agent."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="hansa-site-", dir="/tmp"))
        self.folder.chmod(0o755)
        self.port = free_port()
        for program in ("hansa-agent", "hansa-local-run"):
            shutil.copy2(BIN / program, self.folder / program)
        for name in ("agents", "calls", "ca"):
            (self.folder / name).mkdir()
        self.accounts = [OWN] + [account(number) for number in range(PEOPLE)]
        for number, name in enumerate(self.accounts):
            (self.folder / "calls" / name).touch()
            shutil.chown(self.folder / "calls" / name, name)
            state = self.folder / f"state-{name}"
            state.mkdir(mode=0o700)
            shutil.chown(state, name, name)
            people = {} if number == 0 else {f"local:{person(number - 1)}": name}
            (self.folder / "agents" / f"{name}.toml").write_text(f"""
[agent]
state_dir = "{state}"
[site]
id = "far"
country = "FI"
connector = "local"
run_as = "certificate"
local = {{ cpus = {400 if number == 0 else 4}, memory_mib = 400000 }}
accounts = {{ {", ".join(f'"{who}" = "{there}"' for who, there in people.items())} }}
""")
        for key in ("host_key", "ca/ca"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.folder / key], check=True)
        for path in (self.folder / "ca").iterdir():
            shutil.chown(path, BROKER_USER)
        shutil.chown(self.folder / "ca", BROKER_USER)
        for name, text in (("enter", RECORDER), ("sign", SIGN)):
            (self.folder / name).write_text(text.replace("{folder}", str(self.folder)))
            (self.folder / name).chmod(0o755)
        (self.folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} " + (self.folder / "host_key.pub").read_text())
        self.log = self.folder / "sshd.log"
        self.process = None

    def start(self):
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        config = self.folder / "sshd_config"
        config.write_text(f"ListenAddress 127.0.0.1\nPort {self.port}\nHostKey {self.folder}/host_key\nTrustedUserCAKeys {self.folder}/ca/ca.pub\n"
                          f"AuthorizedKeysFile none\nForceCommand {self.folder}/enter\nPidFile none\nUsePAM no\nStrictModes no\nPermitRootLogin no\n"
                          "PasswordAuthentication no\nKbdInteractiveAuthentication no\nMaxStartups 10:30:100\nDisableForwarding yes\n")
        self.process = subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", config], stderr=self.log.open("ab"), start_new_session=True)
        wait_for("sshd", lambda: b"Server listening" in self.log.read_bytes(), 10)

    def calls(self):
        """(when, what, account), in their order."""
        found = []
        for name in self.accounts:
            for line in (self.folder / "calls" / name).read_text().splitlines():
                at, what = line.split()
                found.append((float(at), what, name))
        return sorted(found)

    def remove(self):
        self.process.terminate()
        self.process.wait()
        for name in self.accounts:
            for pid in subprocess.run(["pgrep", "-u", name, "-f", str(self.folder)], capture_output=True, text=True).stdout.split():
                try:
                    os.kill(int(pid), 9)
                except ProcessLookupError:
                    pass
        shutil.rmtree(self.folder, ignore_errors=True)


def broker_config():
    accounts = ", ".join(f'"local:{person(number)}" = "{account(number)}"' for number in range(PEOPLE))
    return f"""
[broker]
name = "certificates"
country = "DE"
state_dir = "{{state}}"
[api]
listen = "{{listen}}"
[engine]
status_interval_ms = 5000
snapshot_interval_ms = 5000
usage_interval_ms = 10000
visibility_window_ms = 6000
second_look_after_ms = 2000
[[site]]
id = "far"
country = "FI"
connector = "remote"
run_as = "certificate"
budget = {{ queries_per_minute = {QUERIES}, submits_per_minute = {SUBMITS}, concurrent_calls = {AT_ONCE}, waiting_jobs = 1000 }}
accounts = {{ {accounts} }}
[site.remote.ssh]
host = "127.0.0.1"
port = {site.port}
user = "{OWN}"
known_hosts = "{site.folder}/known_hosts"
certificates = {{ command = ["{site.folder}/sign", "{{person}}", "{{principal}}"], connections = {OPEN}, connections_per_minute = {OPENED_A_MINUTE}, idle_s = 30 }}
[[project]]
id = "lab"
members = [{", ".join(f'"local:{person(number)}"' for number in range(PEOPLE))}]
"""


def most_in_a_minute(times):
    most = first = 0
    for last, at in enumerate(times):
        while at - times[first] >= 59.5:  # as they come in, which may be a little sooner or later after they left
            first += 1
        most = max(most, last - first + 1)
    return most


def everybodys_jobs_run_as_everybody():
    """Jobs of all, each as its own account; the budget holds over all of them in every minute."""
    began = time.monotonic()
    job = {"project": "lab", "script": "#!/bin/sh\nid -un\n", "time_limit_s": 300}
    ids = {}
    for _ in range(JOBS_EACH):
        for number in range(PEOPLE):
            ids[broker.submit(job, user=person(number))] = number
    done = broker.wait_over(ids, 1500)
    took = time.monotonic() - began
    states = {}
    for view in done.values():
        states[view["state"]] = states.get(view["state"], 0) + 1
    assert states == {"succeeded": len(ids)}, states
    for id, number in list(ids.items())[:: max(1, len(ids) // 8)]:
        assert broker.output(id, user=person(number)).decode() == account(number) + "\n"
    some = list(ids)[:24]
    def booked():
        return {id for id in some if broker.get(f"/v1/jobs/{id}/usage", user="operator")["records"]}
    wait_for("their usage", lambda: len(booked()) == len(some), 90, 2)
    for id in some:
        records = broker.get(f"/v1/jobs/{id}/usage", user="operator")["records"]
        assert len(records) == 1 and records[0]["account"] == account(ids[id]), records  # each account's agent counts its jobs from 1
    calls = site.calls()
    kinds = {"queries": {"snapshot", "status", "find", "usage"}, "submits": {"submit"}, "cancels": {"cancel"}, "connections": {"connection"}}
    figures = {kind: most_in_a_minute([at for at, what, _ in calls if what in names]) for kind, names in kinds.items()}
    opened = sum(what == "connection" for _, what, _ in calls)
    own = sum(what == "connection" and name == OWN for _, what, name in calls)
    say(f"{PEOPLE} people, {len(ids)} jobs, all over in {took:.0f} s; {opened} connections ({own} of the broker's own), "
        f"at most {figures['connections']} in any minute (limit {OPENED_A_MINUTE}); calls in the fullest minute: "
        f"{figures['queries']} queries (limit {QUERIES}), {figures['submits']} submits (limit {SUBMITS}); {len(calls) - opened} calls in all")
    assert figures["queries"] <= QUERIES and figures["submits"] <= SUBMITS and figures["cancels"] == 0, figures
    assert figures["connections"] <= OPENED_A_MINUTE + own, figures
    assert own == 1, own  # one, and not one for each question
    for _, what, name in calls:
        assert name == OWN or what != "snapshot", "a person is asked for what the site is like"
        assert name != OWN or what in ("connection", "initialize", "snapshot", "ping"), what


def no_private_key_is_kept():
    """Neither in the state folder, nor in memory once they are in. [T07]"""
    state = subprocess.run(["grep", "-rl", "PRIVATE KEY", broker.state], capture_output=True, text=True).stdout
    assert not state.strip(), state
    folders = list(Path("/dev/shm").glob("hansa-*"))
    ours = [folder for folder in folders if folder.is_dir() and folder.stat().st_uid == pwd.getpwnam(BROKER_USER).pw_uid]
    assert ours, folders
    wait_for("no key in memory", lambda: not [file for folder in ours for file in folder.iterdir()], 10)


def who_must_log_in_again_is_told_so():
    """The job is held with that reason, and everybody else's goes on."""
    (site.folder / "ca" / "log-in-local:p000").touch()
    broker.stop()
    broker.start()  # which forgets the certificate that was there
    sites_answer(broker)
    job = {"project": "lab", "script": "#!/bin/sh\nexit 0\n", "time_limit_s": 300}
    hers, his = broker.submit(job, user=person(0)), broker.submit(job, user=person(1))
    view = broker.wait_state(hers, "held", user=person(0), seconds=30)
    assert "CREDENTIAL_MISSING" in json.dumps(view) and "log in at https://login.example/local:p000" in json.dumps(view), view
    broker.wait_state(his, "succeeded", user=person(1), seconds=60)
    assert broker.get("/v1/sites/far", user="operator")["state"] == "up"
    broker.call("POST", f"/v1/jobs/{hers}/cancel", {}, user=person(0))


if __name__ == "__main__":
    need_root()
    need_accounts()
    site = Site()
    site.start()
    broker = Broker("certificates", broker_config())
    run_with_broker(broker, [everybodys_jobs_run_as_everybody, no_private_key_is_kept, who_must_log_in_again_is_told_so],
                    prepare=lambda: sites_answer(broker), clean=[site.remove])
