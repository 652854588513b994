# SPDX-License-Identifier: Apache-2.0
"""A real broker for a test: hansad as its own account, hansa-switch as root, sites as configured; killed and started at will."""

import calendar
import collections
import hashlib
import json
import os
import pwd
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("HANSA_BIN", ROOT / "build/release/bin"))
BROKER_USER = os.environ.get("HANSA_DEV_USER", "hansa-dev")
TESTBED = ROOT / "tests/testbed/slurm_testbed"
TERMINAL = {"succeeded", "failed", "timed_out", "cancelled", "lost", "rejected"}
COREUTILS = ["mkdir", "ln", "readlink", "dd", "stat", "sha256sum", "mv"]
SLURM = ["sbatch", "scancel", "scontrol", "squeue", "sacct"]


def say(text):
    print(f"[{time.strftime('%H:%M:%S')}] {text}", flush=True)


def need_root():
    if os.geteuid() != 0:
        print("skipped: starts programs as other accounts, which needs root")
        sys.exit(77)
    try:
        pwd.getpwnam(BROKER_USER)
    except KeyError:
        subprocess.run(["useradd", "--create-home", BROKER_USER], check=True)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(what, condition, seconds=60, pause=0.1):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(pause)
    raise AssertionError(f"gave up after {seconds} s waiting for {what}")


def site_folders(*sites):
    """A folder with one for each site, which is the broker's."""
    data = Path(tempfile.mkdtemp(prefix="hansa-data-", dir="/var/tmp"))
    data.chmod(0o755)
    for site in sites:
        (data / site).mkdir()
        shutil.chown(data / site, BROKER_USER)
    return data


def sites_answer(broker):
    wait_for("the sites", lambda: all(s["cores"] > 0 for s in broker.get("/v1/sites", user="operator")["sites"]), 30)


def packs_in_effect():
    """The shipped packs in a folder of their own, in effect today, whatever the day."""
    packs = Path(tempfile.mkdtemp(prefix="hansa-packs-", dir="/tmp"))
    for file in (ROOT / "policies/packs").glob("*.toml"):
        (packs / file.name).write_text(file.read_text().replace("effective_from = 2026-12-01T00:00:00Z\n", ""))
    packs.chmod(0o755)
    return packs


def register_dataset(broker, id, project, site, root, folder):
    """Makes an open dataset of the files in `folder`, which is `id` beneath that root; its copy is verified by two people."""
    lines, size = [], 0
    for path in sorted(folder.iterdir()):
        with path.open("rb") as file:
            lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()} {path.stat().st_size} {path.name}\n")
        size += path.stat().st_size
    sha = hashlib.sha256(("hansa-manifest-1\n" + "".join(lines)).encode()).hexdigest()
    made = broker.call("POST", "/v1/datasets", {"id": id, "project": project, "labels": ["open"], "size_bytes": size, "files": len(lines), "sha256": sha})
    assert made.status == 201, made.body
    added = broker.call("POST", f"/v1/datasets/{id}/replicas", {"site": site, "root": root, "path": id})
    assert added.status == 201, added.body
    expires = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 86_400))
    asked = broker.call("POST", f"/v1/datasets/{id}/replicas/{site}/verify", {"sha256": sha, "expires_at": expires})
    assert asked.status == 200, asked.body
    approved = broker.call("POST", f"/v1/changes/{asked.json['changes'][0]['id']}/approve", user="operator")
    assert approved.status == 200, approved.body


class Answer:
    def __init__(self, status, body, headers):
        self.status, self.body, self.headers = status, body, headers

    @property
    def json(self):
        return json.loads(self.body)


class Switch:
    """hansa-switch as root, in a folder that only root can write."""

    def __init__(self, programs, callers=(BROKER_USER,)):
        self.folder = Path(tempfile.mkdtemp(prefix="hansa-e2e-", dir="/run"))
        self.folder.chmod(0o755)
        self.socket = self.folder / "switch.sock"
        self.log = self.folder / "switch.log"
        self.config = self.folder / "switch.toml"
        self.callers, self.programs = list(callers), []
        self.allow(programs)
        shutil.copy2(BIN / "hansa-switch", self.folder / "hansa-switch")
        self.process = None

    def allow(self, programs):
        """These too, from the next start on."""
        self.programs += [str(p) for p in programs]
        self.config.write_text(f"callers = {json.dumps(self.callers)}\nprograms = {json.dumps(self.programs)}\nminimum_uid = 1000\n"
                               'environment = ["SLURM_CONF", "SLURM_TIME_FORMAT", "TZ", "LC_ALL"]\n')

    def start(self):
        self.process = subprocess.Popen([self.folder / "hansa-switch", "--listen", self.socket, "--config", self.config, "--log", "stderr"],
                                        stderr=self.log.open("ab"), stdin=subprocess.DEVNULL)
        wait_for("hansa-switch", self.socket.exists, 10)

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)


class Broker:
    def __init__(self, name, config):
        """`config` is hansad.toml with {state} and {listen} to be filled in."""
        self.folder = Path(tempfile.mkdtemp(prefix=f"hansa-{name}-", dir="/tmp"))
        self.folder.chmod(0o755)
        account = pwd.getpwnam(BROKER_USER)
        self.home = account.pw_dir
        self.state = self.folder / "state"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.config = self.folder / "hansad.toml"
        self.configure(config)
        self.bin = self.folder / "bin"
        self.bin.mkdir()
        for program in ("hansad", "hansa", "hansa-local-run", "hansa-move-run"):
            if (BIN / program).exists():
                shutil.copy2(BIN / program, self.bin / program)
        os.chown(self.folder, account.pw_uid, account.pw_gid)
        self.log = self.folder / "hansad.log"
        self.process = None
        self.tokens = {}
        self.tls = None

    def use_tls(self, certificate):
        """The configuration has it, too; `hansa` is not told."""
        self.url = self.url.replace("http:", "https:")
        self.tls = ssl.create_default_context(cafile=certificate)

    def configure(self, config):
        self.config.write_text(config.replace("{state}", str(self.state)).replace("{listen}", f"127.0.0.1:{self.port}"))

    # life

    def spawn(self):
        return subprocess.Popen(["setpriv", f"--reuid={BROKER_USER}", f"--regid={BROKER_USER}", "--clear-groups", "env", "-i",
                                 f"HOME={self.home}", "PATH=/usr/bin:/bin", self.bin / "hansad", "--config", self.config],
                                stderr=self.log.open("ab"), stdin=subprocess.DEVNULL, start_new_session=True)

    def start(self, seconds=20):
        began = time.monotonic()
        self.process = self.spawn()
        def ready():
            if self.process.poll() is not None:
                raise AssertionError(f"hansad ended with {self.process.returncode}: {self.log.read_text()[-2000:]}")
            try:
                return self.call("GET", "/readyz", user=None).status == 200
            except OSError:
                return False
        wait_for("hansad", ready, seconds, pause=0.01)
        return time.monotonic() - began

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        """SIGTERM; its exit status."""
        if self.process is None or self.process.poll() is not None:
            return self.process and self.process.returncode
        self.process.terminate()
        return self.process.wait(30)

    def remove(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    # REST

    def token(self, user):
        if user == "operator":
            return (self.state / "operator.token").read_text().strip()
        if user not in self.tokens:
            answer = self.call("POST", "/v1/tokens", {"user": user, "role": "auditor" if user == "auditor" else "user"}, user="operator")
            assert answer.status == 201, answer.body
            self.tokens[user] = answer.json["token"]
        return self.tokens[user]

    def call(self, method, target, body=None, user="alice", headers=None, timeout=65):
        request = urllib.request.Request(self.url + target, method=method, headers=dict(headers or {}))
        if user:
            request.add_header("Authorization", "Bearer " + self.token(user))
        if body is not None:
            request.data = body if isinstance(body, bytes) else json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=timeout, context=self.tls) as answer:
                return Answer(answer.status, answer.read(), answer.headers)
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.read(), error.headers)

    def get(self, target, user="alice"):
        answer = self.call("GET", target, user=user)
        assert answer.status == 200, f"GET {target}: {answer.status} {answer.body[:500]}"
        return answer.json

    def submit(self, job, user="alice", **more):
        answer = self.call("POST", "/v1/jobs", job, user=user, **more)
        assert answer.status in (200, 201), f"{answer.status} {answer.body[:1000]}"
        return answer.json["id"]

    def job(self, id, user="alice"):
        return self.get(f"/v1/jobs/{id}", user=user)

    def wait_state(self, id, states, user="alice", seconds=60):
        states = {states} if isinstance(states, str) else set(states)
        def reached():
            job = self.job(id, user)
            if job["state"] in states:
                return job
            assert job["state"] not in TERMINAL, f"{job}"
        return wait_for(f"{id} to be {states}", reached, seconds, 0.2)

    def wait_over(self, ids, seconds=300, user="operator"):
        """All of them over; their views by id. Survives a broker that is being restarted."""
        left, done = set(ids), {}
        def all_over():
            for id in list(left):
                try:
                    job = self.job(id, user)
                except OSError:
                    return False
                if job["state"] not in TERMINAL:
                    continue
                done[id] = job
                left.discard(id)
            return not left
        try:
            wait_for(f"{len(left)} jobs to be over", all_over, seconds, 1)
        except AssertionError as gone:
            raise AssertionError(f"{gone}: {[(self.job(i, user)['state'], self.job(i, user)['site'], self.job(i, user)['reason']) for i in list(left)[:10]]}")
        return done

    def output(self, id, stream="out", user="alice"):
        answer = self.call("GET", f"/v1/jobs/{id}/output?stream={stream}", user=user)
        assert answer.status == 200, answer.body
        return answer.body

    # the command line

    def hansa(self, *arguments, user="alice", check=None, stdin=None):
        token = self.folder / f"{user}.token"
        if not token.exists():
            token.write_text(self.token(user) + "\n")
            token.chmod(0o600)
        done = subprocess.run([self.bin / "hansa", *arguments], env={"HANSA_URL": self.url, "HANSA_TOKEN_FILE": str(token), "PATH": "/usr/bin:/bin", "HOME": "/nonexistent"},
                              input=stdin, capture_output=True, timeout=330)
        if check is not None:
            assert done.returncode == check, f"hansa {' '.join(map(str, arguments))}: {done.returncode}, not {check}\n{done.stdout.decode()}\n{done.stderr.decode()}"
        return done


def slurm(cluster, *command, user=None, check=True):
    """A Slurm command on a cluster of the bed; its output."""
    conf = f"/var/tmp/hansa-testbed/{cluster}/slurm.conf"
    if "HANSA_TESTBED_DIR" in os.environ:
        conf = f"{os.environ['HANSA_TESTBED_DIR']}/{cluster}/slurm.conf"
    run_as = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"] if user else []
    home = pwd.getpwnam(user).pw_dir if user else "/root"
    done = subprocess.run([*run_as, *command], env={"SLURM_CONF": conf, "TZ": "UTC", "SLURM_TIME_FORMAT": "%s", "PATH": "/usr/bin:/bin", "HOME": home},
                          cwd=home if user else "/", capture_output=True, text=True)
    assert not check or done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


def slurm_conf(cluster):
    return f"{os.environ.get('HANSA_TESTBED_DIR', '/var/tmp/hansa-testbed')}/{cluster}/slurm.conf"


def bed(*arguments):
    return subprocess.run([TESTBED, *arguments], check=True, capture_output=True, text=True).stdout


def slurm_site(id, country, bin_dir="/usr/bin", budget="queries_per_minute = 600, submits_per_minute = 6000, waiting_jobs = 50", extra=""):
    return f"""
[[site]]
id = "{id}"
name = "{id}"
country = "{country}"
connector = "slurm"
run_as = "switch"
slurm.conf = "{slurm_conf(id)}"
slurm.bin_dir = "{bin_dir}"
work_dir = "~/.hansa"
budget = {{ {budget} }}
accounts = {{ "local:alice" = "alice", "local:bob" = "bob" }}
projects = {{ "ai-lab" = "proj1", "climate" = "proj2" }}
{extra}"""


class SlurmTokens:
    """Tokens for a cluster's slurmrestd, one file an account, as somebody at the site would renew them."""

    def __init__(self, cluster, folder, accounts):
        self.cluster, self.folder = cluster, folder / "tokens"
        self.folder.mkdir()
        self.folder.chmod(0o711)
        for account in accounts:
            self.renew(account)

    def renew(self, account, seconds=3600):
        """Written beside, then put in its place."""
        owner = pwd.getpwnam(BROKER_USER)
        made = self.folder / f"{account}.new"
        made.touch(mode=0o600)
        made.write_text(slurm(self.cluster, "scontrol", "token", f"username={account}", f"lifespan={seconds}"))
        os.chown(made, owner.pw_uid, owner.pw_gid)
        made.rename(self.folder / f"{account}.jwt")

    def site(self, country):
        url = next(line.split()[2] for line in bed("env").splitlines() if line.split()[0] == self.cluster)
        return f"""
[[site]]
id = "{self.cluster}"
country = "{country}"
connector = "slurmrest"
run_as = "token"
slurmrest.url = "{url}"
slurmrest.token_file = "{self.folder}/{{account}}.jwt"
slurmrest.cluster = "{self.cluster}"
work_dir = "~/.hansa"
budget = {{ queries_per_minute = 600, submits_per_minute = 6000, waiting_jobs = 50 }}
accounts = {{ "local:alice" = "alice", "local:bob" = "bob" }}
projects = {{ "ai-lab" = "proj1", "climate" = "proj2" }}
"""


def install_pbs(folder):
    """The stand-in's commands and server, as the broker's account, in a folder that is its own."""
    standin = ROOT / "tests/testbed/pbs_standin/pbs"
    subprocess.run(["setpriv", f"--reuid={BROKER_USER}", f"--regid={BROKER_USER}", "--clear-groups", standin, "install", folder], check=True)


def pbs_site(id, country, folder):
    """A site of the stand-in, whose jobs run as the broker's own account."""
    return f"""
[[site]]
id = "{id}"
country = "{country}"
connector = "pbs"
run_as = "self"
work_dir = "{folder}/work"
pbs = {{ conf = "{folder}/pbs.conf", bin_dir = "{folder}/bin" }}
budget = {{ queries_per_minute = 6000, submits_per_minute = 6000, waiting_jobs = 50 }}
accounts = {{ "local:alice" = "{BROKER_USER}" }}
"""


def local_site(id, country, cpus, waiting_jobs, people=("alice",), extra=""):
    """A site of processes of this machine, which all run as the broker's own account."""
    accounts = ", ".join(f'"local:{person}" = "{BROKER_USER}"' for person in people)
    return f"""
[[site]]
id = "{id}"
country = "{country}"
connector = "local"
work_dir = "{{state}}-{id}"
local = {{ cpus = {cpus}, memory_mib = 4096 }}
budget = {{ queries_per_minute = 6000, waiting_jobs = {waiting_jobs} }}
accounts = {{ {accounts} }}
{extra}"""


def broker_config(switch, sites, engine=""):
    return f"""
[broker]
name = "e2e"
country = "FI"
state_dir = "{{state}}"
switch_socket = "{switch.socket if switch else '/nonexistent'}"
[api]
listen = "{{listen}}"
[engine]
status_interval_ms = 2000
snapshot_interval_ms = 3000
usage_interval_ms = 5000
{engine}
[[project]]
id = "ai-lab"
members = ["local:alice", "local:bob"]
[[project]]
id = "climate"
members = ["local:bob"]
""" + "".join(sites)


def sacct_rows(cluster, since):
    """What the cluster's accounting has of jobs with our tags, since a time in epoch seconds."""
    fields = "JobID,JobIDRaw,JobName,User,Account,State,ExitCode,Submit,Start,End,ElapsedRaw,NCPUS,CPUTimeRAW,NNodes"
    text = slurm(cluster, "sacct", "-a", "-D", "-X", "-P", "-n", "-S", time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(since)), "-o", fields)
    rows = [dict(zip(fields.split(","), line.split("|"))) for line in text.splitlines()]
    return [row for row in rows if row["JobName"].startswith("hansa-")]


def usage_differences(record, row):
    """Where a booked record is not what the site's accounting says of that job: {field: (ours, the site's)}."""
    def seconds(text):
        return text and calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))
    pairs = {"account": (record["account"], row["User"]),
             "scheduler_account": (record["scheduler_account"], row["Account"]),
             "site_state": (record["site_state"].split()[0], row["State"].split()[0]),
             "submitted_at": (seconds(record["submitted_at"]), int(row["Submit"])),
             "started_at": (seconds(record["started_at"]), int(row["Start"]) if row["Start"].isdigit() else None),
             "ended_at": (seconds(record["ended_at"]), int(row["End"])),
             "elapsed_s": (record["elapsed_s"], int(row["ElapsedRaw"])),
             "core_seconds": (record["core_seconds"], int(row["CPUTimeRAW"]))}
    return {field: pair for field, pair in pairs.items() if pair[0] != pair[1]}


def shim_slurm(switch, sbatch):
    """A folder of the site's commands with `sbatch`, a bash script, in the place of the real one; before the switch starts."""
    folder = switch.folder / "bin"
    folder.mkdir()
    for program in SLURM:
        (folder / program).write_text(sbatch if program == "sbatch" else f'#!/bin/bash\nexec /usr/bin/{program} "$@"\n')
        (folder / program).chmod(0o755)
    switch.allow(folder / program for program in SLURM)
    return folder


class Payloads:
    """What ran. Every payload appends a line, so that neither a scheduler's nor the broker's word has to be taken for it."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="hansa-e2e-", dir="/var/tmp"))
        self.folder.chmod(0o755)
        self.file = self.folder / "ran"
        self.file.touch()
        self.file.chmod(0o666)

    def script(self, *lines):
        return f'#!/bin/bash\necho "$HANSA_JOB_ID $HANSA_SITE $HANSA_SITE_JOB_ID" >>{self.file}\n' + "\n".join(lines) + "\n"

    def runs(self):
        """By job, once for each time that its payload ran: (site, site job id)."""
        found = collections.defaultdict(list)
        for line in self.file.read_text().splitlines():
            job, *where = line.split()
            found[job].append(tuple(where))
        return found

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)


def run_tests(tests):
    """Runs test functions in order; the exit status for CTest."""
    failed = 0
    wanted = sys.argv[1:]
    for test in tests:
        if wanted and test.__name__ not in wanted:
            continue
        began = time.monotonic()
        say(f"{test.__name__}: {(test.__doc__ or '').strip().splitlines()[0] if test.__doc__ else ''}")
        try:
            test()
            say(f"{test.__name__}: passed in {time.monotonic() - began:.1f} s")
        except AssertionError as error:
            failed += 1
            import traceback
            traceback.print_exc()
            say(f"{test.__name__}: FAILED: {error}")
    return 1 if failed else 0


def run_with_broker(broker, tests, prepare=lambda: None, clean=()):
    """Starts it, runs the tests, stops it, and ends this program; whatever happens, what was made is removed."""
    status = 1
    try:
        broker.start()
        prepare()
        status = run_tests(tests)
        assert broker.stop() == 0, "hansad did not stop cleanly"
    finally:
        if status != 0:
            print(broker.log.read_text()[-6000:])
        broker.remove()
        for remove in clean:
            remove()
    sys.exit(status)
