# SPDX-License-Identifier: Apache-2.0
"""What the benchmark scripts share: the machine they ran on, brokers and beds, the load generator, and how figures are told.

Rules: both sides in one run, by turns; median and range; the budget said; the load generator on one core for whatever it loads.
HANSA_BENCH_QUICK=1 makes everything small: it shows that a benchmark works, its figures mean nothing.
"""

import json
import os
import platform
import pwd
import shutil
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
# A bed of our own: others may be testing on theirs. Slurm's best case: room for all jobs of a run, finished ones forgotten soon.
os.environ.setdefault("HANSA_TESTBED_DIR", "/var/tmp/hansa-bench-bed")
os.environ.setdefault("HANSA_TESTBED_PORT", "18800")
os.environ.setdefault("HANSA_TESTBED_CONF", "MaxJobCount=200000;MinJobAge=2")

from harness import (BIN, BROKER_USER, COREUTILS, ROOT, SLURM, Broker, Switch, TESTBED, bed, broker_config, free_port, need_root,  # noqa: E402,F401
                     say, slurm, slurm_site, wait_for)

QUICK = os.environ.get("HANSA_BENCH_QUICK") == "1"
TOOLS = BIN.parent / "bench"
BED = ["bench:8:1"]
CLUSTER = "bench"
LOAD_CORE = os.cpu_count() - 1

# `#model` is for our simulated site: a job that gets there stays, so that the others go on waiting.
SCRIPT = "#!/bin/bash\n#model run=3600s\n# " + "x" * 200 + "\ntrue\n"


# --- what it ran on --------------------------------------------------------------------------------------------------------

def fdatasync_rate(folder="/tmp", seconds=0.5):
    """Appends of 4 KiB made durable one by one, a second."""
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        block, count, began = b"x" * 4096, 0, time.monotonic()
        while time.monotonic() - began < seconds:
            os.write(file.fileno(), block)
            os.fdatasync(file.fileno())
            count += 1
        return count / (time.monotonic() - began)


def fdatasync_latencies(rate, seconds, folder="/tmp"):
    """Milliseconds of `rate` writes a second, each of a commit's ten pages over old ones and made durable: the least that any
    durable answer takes on this disk. What http_load tells, by the same names."""
    block, pages = b"x" * 40960, 1024
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        for _ in range(pages):
            os.write(file.fileno(), block)
        os.fsync(file.fileno())
        took, began = [], time.monotonic()
        for turn in range(int(rate * seconds)):
            time.sleep(max(0.0, began + turn / rate - time.monotonic()))
            start = time.monotonic()
            os.pwrite(file.fileno(), block, turn % pages * len(block))
            os.fdatasync(file.fileno())
            took.append((time.monotonic() - start) * 1000)
    took.sort()
    return {"per_second": rate, "p50_ms": took[len(took) // 2], "p99_ms": took[len(took) * 99 // 100]}


def first_line(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip().splitlines()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        return f"{command[0]}: not there"


def preamble(what, budget, with_slurm=True):
    need_root()
    for tool in ("http_load", "bare_intake", "fill_store", "book_ledger", "abuse"):
        assert (TOOLS / tool).exists(), f"{TOOLS / tool} is not built: ./dev build benchmarks"
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    print(f"{what}{'  [QUICK: these figures mean nothing]' if QUICK else ''}")
    print(f"  versions  {first_line(BIN / 'hansad', '--version')}; {first_line(TOOLS / 'bare_intake', '--version')}"
          + (f"; {first_line('slurmctld', '-V')}" if with_slurm else ""))
    print(f"  machine   Linux {platform.release()}, {os.cpu_count()} cores, {cpu}; load average {' '.join(f'{x:.1f}' for x in os.getloadavg())}; "
          f"fdatasync {fdatasync_rate():.0f}/s in /tmp")
    print(f"  budget    {budget}", flush=True)


def quiet_down(seconds=5, busy=0.15):
    """Waits until what the last round left behind (accounting, purging) has passed, or for so long."""
    def jiffies():
        fields = [int(x) for x in open("/proc/stat").readline().split()[1:]]
        return sum(fields[:8]), fields[3] + fields[4]
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        total, idle = jiffies()
        time.sleep(0.25)
        total2, idle2 = jiffies()
        if 1 - (idle2 - idle) / max(1, total2 - total) < busy:
            return


# --- figures ---------------------------------------------------------------------------------------------------------------

def spread(values, form="{:.0f}"):
    """Median and range."""
    return f"{form.format(statistics.median(values))} [{form.format(min(values))}-{form.format(max(values))}]"


def ratio_of(ours, theirs):
    return statistics.median(ours) / statistics.median(theirs)


def result(name, value, unit, target, at_least):
    """The last word on a figure, one line, to be found with grep."""
    met = value >= target if at_least else value <= target
    print(f"RESULT {name}: {value:.2f} {unit} (target: {'>=' if at_least else '<='} {target:g}) {'met' if met else 'MISSED'}", flush=True)


def note(name, text):
    print(f"  {name:<28}{text}", flush=True)


# --- brokers ---------------------------------------------------------------------------------------------------------------

def submit_many(broker, count, job):
    """In bulk; their ids."""
    ids = []
    for first in range(0, count, 1_000):
        answer = broker.call("POST", "/v1/jobs/bulk", {"jobs": [job] * min(1_000, count - first)})
        assert answer.status == 201, answer.body[:500]
        ids += [job["id"] for job in answer.json["jobs"]]
    return ids


def full_model_site(id="model", nodes=1, cpus=1, waiting_jobs=1, budget="queries_per_minute = 10, submits_per_minute = 60000"):
    """A simulated site. With one core it is full at once and every later job waits in the broker."""
    return f"""
[[site]]
id = "{id}"
name = "{id}"
country = "FI"
connector = "model"
model = {{ nodes = {nodes}, cpus_per_node = {cpus} }}
budget = {{ {budget}, waiting_jobs = {waiting_jobs} }}
accounts = {{ "local:alice" = "alice" }}
"""


def default_config(*sites, switch=None, people=("alice",), projects=("ai-lab",), limits="person_requests_per_minute = 0"):
    """Engine and API as they are by default: no cadence is tuned. But one person, the load, asks as often as they can."""
    return f"""
[broker]
name = "bench"
country = "FI"
state_dir = "{{state}}"
{f'switch_socket = "{switch.socket}"' if switch else ''}
[broker.log]
level = "warning"
[api]
listen = "{{listen}}"
[api.limits]
{limits}
""" + "".join(f'[[project]]\nid = "{p}"\nmembers = {json.dumps([f"local:{who}" for who in people])}\n' for p in projects) + "".join(sites)


HELD_LONG = {"script": SCRIPT, "time_limit_s": 7200}


def start_full_broker(name, folder_ready=None, seconds=60, **config):
    """A broker whose only site is full, with two long jobs there: what comes now is accepted and waits."""
    broker = Broker(name, default_config(full_model_site(), **config))
    if folder_ready:
        folder_ready(broker)
    broker.start(seconds)
    if not folder_ready:
        first = broker.submit(HELD_LONG)
        broker.wait_state(first, {"running"}, seconds=30)
        broker.submit(HELD_LONG)
    return broker


def give_to_broker(folder):
    account = pwd.getpwnam(BROKER_USER)
    for path in (folder, *folder.iterdir()):
        os.chown(path, account.pw_uid, account.pw_gid)


def rss_mb(broker):
    for line in open(f"/proc/{broker.process.pid}/status"):
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no VmRSS")


def job_of(broker_job=True):
    """The same job for both: a script of 200-odd bytes, one core, ten minutes."""
    if broker_job:
        return {"name": "bench", "script": SCRIPT, "environment": {"OMP_NUM_THREADS": "1"}, "time_limit_s": 600}
    return {"script": SCRIPT, "job": {"name": "bench", "account": "proj1", "hold": True, "tasks": 1, "time_limit": 10, "current_working_directory": "/tmp",
                                      "environment": {"OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"}}}


# --- load ------------------------------------------------------------------------------------------------------------------

class Scratch:
    """A folder for bodies, targets and ids."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="hansa-bench-", dir="/tmp"))

    def file(self, name, text):
        path = self.folder / name
        path.write_text(text if isinstance(text, str) else json.dumps(text))
        return path

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)


def load(port, *, connections=1, seconds=1.0, headers=(), **options):
    """http_load against a port; its JSON. A bad answer ends the benchmark."""
    command = [TOOLS / "http_load", "--port", str(port), "--connections", str(connections), "--seconds", str(seconds), "--cpu", str(LOAD_CORE)]
    for header in headers:
        command += ["--header", header]
    for name, value in options.items():
        command += ["--" + name.replace("_", "-"), *(map(str, value) if isinstance(value, (list, tuple)) else [str(value)])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60)
    assert done.returncode == 0, f"{' '.join(map(str, command))}: {done.returncode}\n{done.stdout}{done.stderr}"
    return json.loads(done.stdout)


def load_broker(broker, scratch, **options):
    body = scratch.file("hansa.json", job_of())
    return load(broker.port, target="/v1/jobs", body=body, key_header="Idempotency-Key", headers=[f"Authorization: Bearer {broker.token('alice')}"],
                status=201, **options)


# --- Slurm -----------------------------------------------------------------------------------------------------------------

class Slurm:
    """One cluster with slurmdbd and slurmrestd."""

    def __init__(self):
        bed("up", *BED)
        for line in bed("env").splitlines():
            name, self.conf, url = line.split()
        self.port = int(url.rsplit(":", 1)[1])
        self.headers = ["X-SLURM-USER-NAME: alice", f"X-SLURM-USER-TOKEN: {bed('token', CLUSTER, 'alice').strip()}"]

    def load(self, scratch, **options):
        body = scratch.file("slurm.json", job_of(False))
        return load(self.port, target="/slurm/v0.0.38/job/submit", body=body, headers=self.headers, id_field="job_id", status=200, **options)

    def cancel_all(self):
        """slurmctld takes only so many active jobs, and slows down with them: each round begins with none."""
        slurm(CLUSTER, "scancel", "--user=alice", check=False)
        wait_for("Slurm's queue to empty", lambda: not slurm(CLUSTER, "squeue", "-h", "-o", "%A").strip(), 60, 0.2)

    def down(self):
        bed("down")


class BareIntake:
    def __init__(self, threads=2):
        self.folder = Path(tempfile.mkdtemp(prefix="hansa-bare-", dir="/tmp"))
        self.port = free_port()
        self.process = subprocess.Popen([TOOLS / "bare_intake", "--dir", self.folder, "--port", str(self.port), "--threads", str(threads)])
        def serves():
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.port)) == 0
        wait_for("bare_intake", serves, 10, 0.01)

    def load(self, scratch, **options):
        body = scratch.file("hansa.json", job_of())
        return load(self.port, target="/v1/jobs", body=body, key_header="Idempotency-Key", status=201, **options)

    def remove(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


# --- durability ------------------------------------------------------------------------------------------------------------

CROCKFORD = {c: i for i, c in enumerate("0123456789ABCDEFGHJKMNPQRSTVWXYZ")}


def ulid_bytes(text):
    number = 0
    for c in text:
        number = number * 32 + CROCKFORD[c]
    return number.to_bytes(16, "big")


def all_there_after_kill(broker, ids_files):
    """kill -9, then: is every acknowledged id in the database? How many were acknowledged."""
    broker.kill()
    acknowledged = [line for file in ids_files for line in file.read_text().split()]
    assert len(set(acknowledged)) == len(acknowledged), "an id was given twice"
    db = sqlite3.connect(broker.state / "hansa.db")
    stored = {row[0] for row in db.execute("SELECT id FROM jobs")}
    db.close()
    lost = [id for id in acknowledged if ulid_bytes(id) not in stored]
    assert not lost, f"{len(lost)} acknowledged jobs are not in the database: {lost[:3]}"
    return len(acknowledged)


def run(main):
    """A benchmark as a program. SIGTERM unwinds like Ctrl-C, so that beds and brokers are taken down."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began = time.monotonic()
    main()
    note("took", f"{time.monotonic() - began:.0f} s")
