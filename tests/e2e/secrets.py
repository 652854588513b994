# SPDX-License-Identifier: Apache-2.0
"""Secrets of people, on a real Slurm: they reach their job and nothing else. What was planted is searched for in every byte that is left,
told or logged, and in the command lines and environments of every process meanwhile."""

import base64
import os
import pwd
import signal
import subprocess
import threading
import time
from pathlib import Path

from harness import (BROKER_USER, COREUTILS, SLURM, Broker, SlurmTokens, Switch, broker_config, local_site, need_root, run_with_broker, say, sites_answer,
                     slurm, slurm_site, wait_for)

broker = switch = None
SECRET = "qzmarker-secret-" + os.urandom(9).hex()
ENVIRONMENT = "qzmarker-environment-" + os.urandom(9).hex()
SITES = {"alpha": "alice", "beta": "alice", "tiny": BROKER_USER}  # and the account that alice has there


def spellings(text):
    """As it is, and as base 64 and hex would have it, wherever it begins."""
    raw = text.encode()
    found = {raw, raw.hex().encode()}
    for shift in range(3):
        coded = base64.b64encode(b"x" * shift + raw)
        found.add(coded[4 if shift else 0:-4])
    return found


def seen_in(data, *texts):
    return [text for text in texts if any(spelling in data for spelling in spellings(text))]


class Processes(threading.Thread):
    """Looks at every process of this machine, all the time."""

    def __init__(self, inside, told):
        super().__init__(daemon=True)
        self.inside, self.told, self.found, self.looked, self.over = inside, told, set(), 0, threading.Event()

    def run(self):
        while not self.over.is_set():
            for pid in filter(str.isdigit, os.listdir("/proc")):
                for part in ("cmdline", "environ"):
                    try:
                        data = Path(f"/proc/{pid}/{part}").read_bytes()
                    except OSError:
                        continue
                    self.looked += 1
                    for text in seen_in(data, SECRET, broker.tokens["alice"], *([ENVIRONMENT] if part == "cmdline" else [])):
                        self.found.add((part, text[:20], data[:200]))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()


def home_of(account):
    return Path(pwd.getpwnam(account).pw_dir)


def work_dir(site):
    return Path(f"{broker.state}-tiny") if site == "tiny" else home_of(SITES[site]) / ".hansa"


def files_of_secrets(site, id, attempt=1):
    folder = work_dir(site) / "secrets" / f"hansa-{id}-{attempt}"
    return {path.name: path.read_bytes() for path in folder.glob("*")} if folder.exists() else {}


def job(site, *lines, **more):
    return {"project": "ai-lab", "script": "#!/bin/bash\n" + "\n".join(lines) + "\n", "time_limit_s": 120, "placement": {"sites": [site]},
            "environment": {"PLANTED": ENVIRONMENT}, "secrets": ["hf-token=token"]} | more


LOOK = ("stat -c '%a %U' \"$HANSA_SECRET_DIR\" \"$HANSA_SECRET_DIR/token\"", "sha256sum <\"$HANSA_SECRET_DIR/token\" | cut -c 1-64",
        "[[ $PLANTED ]] && echo told", "echo done >&2")


def a_secret_reaches_its_job_alone():
    """On Slurm by its commands, by slurmrestd, and on this machine: 0600, byte for byte, gone with the job. [T22]"""
    import hashlib
    broker.token("alice")
    put = broker.hansa("secret", "put", "hf-token", stdin=SECRET.encode(), check=0)
    assert SECRET.encode() not in put.stdout + put.stderr
    assert broker.get("/v1/secrets")["secrets"][0]["name"] == "hf-token"
    expected = hashlib.sha256(SECRET.encode()).hexdigest()
    with Processes(None, None) as processes:
        ids = {site: broker.submit(job(site, *LOOK, "sleep 3")) for site in SITES}
        script = broker.folder / "job.sh"
        script.write_text("#!/bin/bash\nsleep 1\n")
        by_command = broker.hansa("submit", "--project", "ai-lab", "--site", "tiny", "--secret", "hf-token=token", "--time", "2m", str(script), check=0).stdout.decode().strip()
        for site, id in ids.items():
            broker.wait_state(id, {"running", "finishing", "succeeded"})
        for site, id in ids.items():
            if broker.job(id)["state"] == "running":
                assert files_of_secrets(site, id) in ({"token": SECRET.encode()}, {}), (site, files_of_secrets(site, id))
        done = broker.wait_over([*ids.values(), by_command], 60)
    assert all(view["state"] == "succeeded" for view in done.values()), done
    for site, id in ids.items():
        account = SITES[site]
        lines = broker.output(id).decode().split("\n")
        assert lines == [f"700 {account}", f"600 {account}", expected, "told", ""], (site, lines)
        assert broker.output(id, "err") == b"done\n", (site, broker.output(id, "err"))
        assert broker.job(id)["secrets"] == ["hf-token=token"]
    wait_for("the secrets to be gone", lambda: not any(any(files_of_secrets(site, id).values()) for site, id in ids.items()), 20)
    assert not processes.found, processes.found
    say(f"{processes.looked} command lines and environments looked at")
    a_secret_reaches_its_job_alone.ids = ids


def a_job_that_is_killed_leaves_none():
    """SIGKILL to all of its processes: nothing of it can clean up, and the broker does. The same for one that is cancelled while it waits. [T22]"""
    id = broker.submit(job("alpha", "sleep 100"))
    at_site = broker.wait_state(id, "running")["site_job_id"]
    wait_for("its secret", lambda: files_of_secrets("alpha", id) == {"token": SECRET.encode()}, 10)
    slurm("alpha", "scancel", "--full", "--signal=KILL", at_site)
    broker.wait_over([id])
    wait_for("nothing to be left in it", lambda: not any(files_of_secrets("alpha", id).values()), 30)
    blocker = broker.submit(job("beta", "sleep 100", secrets=[], resources={"nodes": 2, "tasks": 4}))
    broker.wait_state(blocker, "running")
    id = broker.submit(job("beta", "sleep 100", resources={"nodes": 2, "tasks": 4}))
    broker.wait_state(id, "queued")
    wait_for("its secret", lambda: files_of_secrets("beta", id) == {"token": SECRET.encode()}, 10)
    for one in (id, blocker):
        broker.hansa("cancel", one, check=0)
    broker.wait_over([id, blocker])
    wait_for("nothing to be left in it", lambda: not any(files_of_secrets("beta", id).values()), 30)


def cancelled_jobs_end_as_such():
    """What ends a job reaches its payload once, with secrets as without."""
    id = broker.submit(job("alpha", "trap 'echo got; exit 3' TERM", "echo ready", "while :; do sleep 0.2; done"))
    wait_for("the payload", lambda: broker.job(id)["state"] == "running" and b"ready" in broker.output(id), 30)
    broker.hansa("cancel", id, check=0)
    assert broker.wait_over([id])[id]["state"] == "cancelled"
    assert broker.output(id) == b"ready\ngot\n", broker.output(id)


def everything_kept_and_told():
    """Every byte of it, by what it is called."""
    ids = a_secret_reaches_its_job_alone.ids
    def told(target, user="alice"):
        answer = broker.call("GET", target, user=user)
        assert answer.status == 200, (target, answer.status, answer.body)  # a refusal would prove nothing
        return target, answer.body
    for target in ["/v1/jobs?limit=1000", "/v1/secrets", "/v1/privacy/person", "/v1/me", "/v1/rules"]:
        yield told(target)
    for target in ["/v1/tokens", "/v1/reports/usage?by=person,project", "/v1/ledger/records?personal=true", "/v1/decisions?from=2020-01-01&to=2100-01-01",
                   "/v1/sites", "/v1/privacy/record", "/v1/reports/access?limit=1000", "/v1/reports/retention", "/metrics", "/openapi.json"]:
        yield told(target, "operator")
    for id in ids.values():
        for part in ("", "/events", "/explain", "/usage"):
            yield told(f"/v1/jobs/{id}{part}")
        yield "show", broker.hansa("show", id).stdout + broker.hansa("explain", id).stdout
    export = broker.folder / "ledger.txt"
    broker.hansa("ledger", "export", "--personal", "--output", export, user="auditor", check=0)
    yield "the ledger's export", export.read_bytes()
    # Errors, with a secret where it does not belong.
    alice = broker.tokens["alice"]
    for method, target, body, headers in [("PUT", "/v1/secrets/.x", SECRET.encode(), {}), ("PUT", "/v1/secrets/x", SECRET.encode() * 2_000, {}),
                                          ("POST", "/v1/secrets/x", SECRET.encode(), {}), ("POST", "/v1/jobs", job("alpha", secrets=[SECRET + "/"]), {}),
                                          ("POST", "/v1/jobs", {"script": 1, "environment": {"A": [ENVIRONMENT]}}, {}),
                                          ("GET", "/v1/jobs", None, {"Authorization": f"Bearer {alice}x"})]:
        answer = broker.call(method, target, body, headers=headers, user=None if headers else "alice")
        assert answer.status >= 400, (target, answer.status)
        yield f"the error of {method} {target}", answer.body


def what_was_planted_stands_nowhere():
    """Answers, errors, exports, reports, logs at level debug, the database, its backup, Slurm's own copies. [T22]"""
    def nothing(what, data, *texts):
        assert not seen_in(data, *texts), (what, seen_in(data, *texts))
    token = broker.tokens["alice"]
    for what, data in everything_kept_and_told():
        nothing(what, data, SECRET, token)
        if not what.startswith("/v1/privacy/person"):  # where the person is told their own
            nothing(what, data, ENVIRONMENT)
    broker_log, switch_log = broker.log.read_bytes(), switch.log.read_bytes()
    assert b" debug " in broker_log or b"debug" in broker_log
    nothing("hansad's log", broker_log, SECRET, token, ENVIRONMENT)
    nothing("hansa-switch's log", switch_log, SECRET, token, ENVIRONMENT)
    backup = broker.folder / "backup.db"
    subprocess.run(["setpriv", f"--reuid={BROKER_USER}", f"--regid={BROKER_USER}", "--clear-groups", broker.bin / "hansad", "--config", broker.config, "backup", "--to", backup],
                   check=True, capture_output=True)
    files = [path for root in (broker.state, Path(f"{broker.state}-tiny")) for path in root.rglob("*") if path.is_file() and not path.is_symlink()]
    key = (broker.state / "secrets.key").read_text().split("\n")[0]
    for path in [*files, backup, Path(f"{backup}.json")]:
        data = path.read_bytes()
        nothing(path, data, SECRET, token)
        assert path.name == "secrets.key" or key.encode() not in data and base64.b64decode(key) not in data, path
    for cluster in ("alpha", "beta"):
        id = broker.submit(job(cluster, "sleep 100"))
        at_site = broker.wait_state(id, "running")["site_job_id"]
        nothing("Slurm's script", slurm(cluster, "scontrol", "write", "batch_script", at_site, "-").encode(), SECRET, token)
        nothing("Slurm's job", slurm(cluster, "scontrol", "show", "job", "-dd", at_site).encode(), SECRET, token, ENVIRONMENT)
        broker.hansa("cancel", id, check=0)
        broker.wait_over([id])
    say(f"{len(files)} files of the broker searched")


def nothing_of_the_broker_is_dumped():
    """Its memory belongs to nobody: no core, of itself and what it starts, and no reading by its own account. [T22]"""
    pid = broker.process.pid
    assert "Max core file size        0                    0" in Path(f"/proc/{pid}/limits").read_text()
    as_broker = ["setpriv", f"--reuid={BROKER_USER}", f"--regid={BROKER_USER}", "--clear-groups"]
    for part in ("environ", "mem", "maps"):
        assert subprocess.run([*as_broker, "head", "-c", "1", f"/proc/{pid}/{part}"], capture_output=True).returncode != 0, part
    assert os.stat(f"/proc/{pid}/environ").st_uid == 0  # not dumpable
    assert os.stat(broker.state / "secrets.key").st_mode & 0o777 == 0o600
    broker.process.send_signal(signal.SIGABRT)
    assert broker.process.wait(10) == -signal.SIGABRT
    assert not [path for folder in (broker.folder, Path("/"), Path.cwd()) for path in folder.glob("core*") if path.is_file()]
    broker.start()
    sites_answer(broker)


def a_key_is_changed_and_lost():
    """All is sealed anew by the next start; without its key nothing is opened, and jobs say so."""
    as_broker = ["setpriv", f"--reuid={BROKER_USER}", f"--regid={BROKER_USER}", "--clear-groups"]
    rekey = subprocess.run([*as_broker, broker.bin / "hansad", "--config", broker.config, "secrets", "rekey"], check=True, capture_output=True, text=True)
    assert "Start hansad again" in rekey.stdout
    key = broker.state / "secrets.key"
    lines = key.read_text().splitlines()
    assert len(lines) == 2
    broker.stop()
    broker.start()
    assert "sealed with the newest key" in broker.log.read_text()
    key.write_text(lines[0] + "\n")
    broker.stop()
    broker.start()
    sites_answer(broker)
    id = broker.submit(job("tiny", *LOOK))
    assert broker.wait_over([id])[id]["state"] == "succeeded"
    broker.stop()
    away = key.rename(broker.folder / "secrets.key")
    broker.start()
    sites_answer(broker)
    assert broker.call("PUT", "/v1/secrets/other", b"x").json["code"] == "SECRETS_KEY_GONE"
    id = broker.submit(job("tiny", *LOOK))
    held = broker.wait_state(id, "held")
    assert held["reason"]["code"] == "SECRET_MISSING" and "hansa secret put hf-token" in held["reason"]["message"], held
    assert not key.exists()
    broker.stop()
    away.rename(key)
    broker.start()
    sites_answer(broker)
    broker.hansa("release", id, check=0)
    assert broker.wait_over([id])[id]["state"] == "succeeded"
    broker.hansa("secret", "delete", "hf-token", check=0)
    refused = broker.call("POST", "/v1/jobs", job("tiny", *LOOK))
    assert refused.status == 400 and refused.json["code"] == "SECRET_NOT_FOUND", refused.body


if __name__ == "__main__":
    need_root()
    switch = Switch([f"/usr/bin/{name}" for name in SLURM + COREUTILS])
    broker = Broker("secrets", "")
    tokens = SlurmTokens("beta", broker.folder, ("alice", BROKER_USER))
    broker.configure(broker_config(switch, [slurm_site("alpha", "FI"), tokens.site("DE"), local_site("tiny", "FI", 2, 10)])
                     .replace('state_dir = "{state}"', 'state_dir = "{state}"\nlog = { level = "debug" }'))
    switch.start()
    run_with_broker(broker, [a_secret_reaches_its_job_alone, a_job_that_is_killed_leaves_none, cancelled_jobs_end_as_such, what_was_planted_stands_nowhere,
                             nothing_of_the_broker_is_dumped, a_key_is_changed_and_lost],
                    prepare=lambda: sites_answer(broker), clean=[switch.stop])
