#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A plug-in for Hansa's connector protocol: a site that runs processes on a number of slots, in order. `task_spooler.py FOLDER SLOTS`.

FOLDER/jobs/N is one job: `job` (what was asked), then `started`, `cancel`, `ended` as they come; FOLDER/lock orders the changes. A job is waited for and
run by a process of its own (`FOLDER SLOTS N`), so that it outlives the plug-in and the broker. Requests are served one after the other.
"""
import base64, collections, fcntl, hashlib, json, os, signal, stat, subprocess, sys, tarfile, time
from pathlib import Path

FOLDER, SLOTS = Path(sys.argv[1]).absolute(), int(sys.argv[2])
JOBS, WORK, CODE, USAGE = FOLDER / "jobs", FOLDER / "work", FOLDER / "code", FOLDER / "usage"
TERM_GRACE, PIECE = 2, 4 << 20
now = lambda: int(time.time()) * 1000
inbox, asked = collections.deque(), 0


class Refusal(Exception):
    def __init__(self, kind, code, message):
        self.error = {"code": {"invalid_argument": -32602, "permission_denied": -32002, "unknown_outcome": -32010}[kind],
                      "message": message, "data": {"kind": kind, "code": code}}


class Lock:
    def __enter__(self): self.file = open(FOLDER / "lock", "w"); fcntl.flock(self.file, fcntl.LOCK_EX)
    def __exit__(self, *_): self.file.close()


def read(path): return json.loads(path.read_text()) if path.exists() else None
def write(path, value): path.with_suffix(".new").write_text(json.dumps(value)); path.with_suffix(".new").rename(path)
def all_jobs(): return [(n, JOBS / str(n)) for n in sorted(int(p.name) for p in JOBS.iterdir()) if (JOBS / str(n) / "job").exists()]
def cores(job): return max(job["spec"]["tasks"] * job["spec"]["cpus_per_task"], SLOTS if job["spec"].get("exclusive") else 0)

# ---- one job, in a process of its own


def may_start(number):
    """In order: the first that waits, once it has room."""
    used = 0
    for n, at in all_jobs():
        if (at / "ended").exists(): continue
        if (at / "started").exists(): used += cores(read(at / "job"))
        elif n < number: return False
        elif n == number: return used + cores(read(at / "job")) <= SLOTS


def run_payload(at, job, folder):
    folder.mkdir(parents=True, exist_ok=True)
    if "code" in job: tarfile.open(CODE / job["code"]["id"][7:]).extractall(folder)
    environment = {"HOME": os.environ.get("HOME", "/"), "PATH": "/usr/local/bin:/usr/bin:/bin", "HANSA_JOB_ID": job["job"], "HANSA_SITE_JOB_ID": at.name}
    environment.update((v["name"], v["value"]) for v in job.get("environment", []))
    if "variant" in job: environment["HANSA_VARIANT"] = job["variant"]
    with open(WORK / (job["tag"] + ".out"), "wb") as out, open(WORK / (job["tag"] + ".err"), "wb") as err:
        child = subprocess.Popen([at / "script", *job.get("arguments", [])], cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True)
    end, outcome = time.monotonic() + job["spec"]["time_limit_s"], None
    while child.poll() is None:
        if outcome is None and ((at / "cancel").exists() or time.monotonic() > end):
            outcome = "cancelled" if (at / "cancel").exists() else "timed_out"
            os.killpg(child.pid, signal.SIGTERM)
            kill_at = time.monotonic() + TERM_GRACE
        if outcome and time.monotonic() > kill_at: os.killpg(child.pid, signal.SIGKILL)
        time.sleep(0.05)
    if outcome: return {"outcome": outcome, "reason": {"code": outcome.upper(), "message": f"{outcome} by the spooler"}}
    code = child.returncode
    return {"outcome": "succeeded" if code == 0 else "failed", **({"exit_code": code} if code >= 0 else {"signal": -code})}


def supervise(number):
    at, job = JOBS / str(number), read(JOBS / str(number) / "job")
    while True:
        with Lock():
            if (at / "cancel").exists(): ended = {"outcome": "cancelled"}; break
            if may_start(number): write(at / "started", now()); ended = None; break
        time.sleep(0.1)
    if ended is None:
        try:
            os.symlink(f"job:{number}:0", WORK / "fence" / (job["tag"] + ".0"))  # whoever has it is the job; one atomic step
            ended = run_payload(at, job, WORK / "jobs" / job["tag"])
        except FileExistsError: ended = {"outcome": "failed", "exit_code": 113, "reason": {"code": "DUPLICATE", "message": "another job has this one's fence"}}
        except OSError as why: ended = {"outcome": "failed", "reason": {"code": "LAUNCH_FAILED", "message": str(why)}}
    with Lock():
        ended["ended_at_ms"] = now()
        write(at / "ended", ended)
        started, seconds = read(at / "started"), 0
        if started: seconds = (ended["ended_at_ms"] - started) // 1000
        record = {"site_job_id": str(number), "tag": job["tag"], "cluster": "spool", "account": job.get("account", ""), "queue": "spool", "submitted_at_ms": job["submitted_at_ms"],
                  "ended_at_ms": ended["ended_at_ms"], "site_state": ended["outcome"].upper(), "elapsed_s": seconds, "nodes": 1, "cores": cores(job), "core_seconds": seconds * cores(job), "node_seconds": seconds}
        record |= {k: v for k, v in {"started_at_ms": started, "exit_code": ended.get("exit_code")}.items() if v is not None}
        with open(USAGE, "a") as file: file.write(json.dumps(record) + "\n")

# ---- the protocol's methods


def say(message): sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n"); sys.stdout.flush()


def ask(method, params):
    """A request of ours to the broker; what it asks meanwhile waits."""
    global asked
    asked += 1
    say({"id": asked, "method": method, "params": params})
    while (line := sys.stdin.readline()).endswith("\n"):
        message = json.loads(line)
        if "method" in message: inbox.append(message)
        elif message["id"] == asked:
            if "error" in message: raise OSError(message["error"]["message"])
            return message["result"]
    sys.exit(0)


def status_of(id, tag):
    at = JOBS / id
    job = read(at / "job") if id.isdigit() else None
    if job is None or job["tag"] != tag: return {"id": id, "phase": "not_seen"}
    started, ended = read(at / "started"), read(at / "ended")
    phase = "ended" if ended else "running" if started else "queued"
    return {"id": id, "phase": phase, "site_state": phase.upper()} | ({"started_at_ms": started} if started else {}) | (ended or {})


def initialize(p):
    if 1 not in p["versions"]: raise Refusal("invalid_argument", "PROTOCOL_VERSION", "task_spooler speaks version 1")
    return {"version": 1, "name": "task_spooler", "capabilities": {"code": True}}


def snapshot(p):
    answer = {"cluster": "spool", "scheduler": "task_spooler", "nodes": [{"name": os.uname().nodename, "cores": SLOTS, "memory_mib": 4096}],
              "queues": [{"name": "spool", "is_default": True, "max_nodes": 1, "nodes": [0]}], "running": [], "waiting": []}
    for n, at in all_jobs():
        job, started = read(at / "job"), read(at / "started")
        if (at / "ended").exists(): continue
        if started: answer["running"].append({"id": str(n), "queue": "spool", "shares": [[0, cores(job), 0, 0]], "expected_end_ms": started + job["spec"]["time_limit_s"] * 1000})
        else: answer["waiting"].append({"id": str(n), "queue": "spool", "time_limit_s": job["spec"]["time_limit_s"], "tasks": job["spec"]["tasks"], "cpus_per_task": job["spec"]["cpus_per_task"]})
    return answer


def submit(p):
    if p.get("account"): raise Refusal("permission_denied", "OTHER_ACCOUNT", "the spooler runs everything as its own account")
    if p.get("queue") not in ("", "spool") or p["spec"]["nodes"] != 1 or cores(p) > SLOTS:
        raise Refusal("unknown_outcome", "SITE_REFUSED", f"the spooler has one queue, \"spool\", and one node of {SLOTS} slots")
    if p["spec"].get("image") or p["spec"].get("modules"):
        raise Refusal("invalid_argument", "NO_SUCH_SOFTWARE", f"the spooler has no containers and no modules: {p['spec'].get('modules', [])}")
    if "code" in p and not (CODE / p["code"]["id"][7:]).exists():
        part = CODE / (p["code"]["id"][7:] + ".part")
        with open(part, "wb") as file:
            while file.tell() < p["code"]["size"]:
                file.write(base64.b64decode(ask("read_code", {"code": p["code"]["id"], "offset": file.tell(), "limit": PIECE})["bytes_base64"]))
        if hashlib.sha256(part.read_bytes()).hexdigest() != p["code"]["id"][7:]: raise OSError("what came is not that code")
        part.rename(part.with_suffix(""))
    with Lock():
        number = max((int(path.name) for path in JOBS.iterdir()), default=0) + 1
        at = JOBS / str(number)
        at.mkdir()
        with open(os.open(at / "script", os.O_WRONLY | os.O_CREAT, 0o700), "wb") as file: file.write(base64.b64decode(p.pop("script_base64")))
        write(at / "job", p | {"submitted_at_ms": now()})
    subprocess.Popen([sys.executable, __file__, FOLDER, str(SLOTS), str(number)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    return {"site_job_id": str(number)}


def status(p): return {"statuses": [status_of(job["id"], job["tag"]) for job in p["jobs"]]}


def find(p):
    tags, seen = {job["tag"] for job in p["jobs"]}, []
    for n, at in all_jobs():
        job = read(at / "job")
        if job["tag"] in tags: seen.append({"tag": job["tag"], "cluster": "spool", "account": "", "submitted_at_ms": job["submitted_at_ms"], "status": status_of(str(n), job["tag"])})
    return {"sightings": seen, "queue_seen": True, "history_seen": True}


def cancel(p):
    id, tag = p["job"]["id"], p["job"]["tag"]
    with Lock():
        before = status_of(id, tag)
        if before["phase"] == "not_seen" or (before["phase"] == "running" and p["when"] == "only_while_pending"): return {"outcome": "unknown"}
        if before["phase"] != "ended": (JOBS / id / "cancel").touch()
    end = time.monotonic() + min(10, p["remaining_ms"] / 1000)
    while status_of(id, tag)["phase"] != "ended":
        if time.monotonic() > end: return {"outcome": "unknown"}
        time.sleep(0.05)
    now_is = status_of(id, tag)
    if now_is["outcome"] != "cancelled": return {"outcome": "already_ended"}
    return {"outcome": "stopped" if "started_at_ms" in now_is else "never_started"}


def seal(p):
    fence = WORK / "fence" / f"{p['tag']}.{p['task_index']}"
    try: os.symlink("sealed", fence)
    except FileExistsError: pass
    holder = os.readlink(fence)
    return {"sealed": holder == "sealed", "holder": "" if holder == "sealed" else holder.split(":")[1]}


def usage(p):
    with open(USAGE, "a+b") as file:
        file.seek(int(p["cursor"] or 0))
        lines = [line for line in file.read(PIECE).splitlines(keepends=True) if line.endswith(b"\n")]
        offset = int(p["cursor"] or 0) + sum(map(len, lines))
        return {"records": [json.loads(line) for line in lines], "next": str(offset), "complete": offset == file.seek(0, os.SEEK_END)}


def read_output(p):
    path = WORK / f"{p['job']['tag']}.{p['stream']}"
    if not path.exists(): return {"bytes_base64": "", "next_offset": p["offset"], "exists": False}
    with open(path, "rb") as file:
        file.seek(p["offset"])
        data = file.read(min(p["limit"], PIECE))
    return {"bytes_base64": base64.b64encode(data).decode(), "next_offset": p["offset"] + len(data), "exists": True}


def file_at(tag, path, offset=0, limit=0):
    """The facts of a file beneath the job's folder, and a piece of it; no link is followed on the way."""
    folder = None
    try:
        folder = os.open(WORK / "jobs" / tag, os.O_RDONLY | os.O_DIRECTORY)
        *above, name = path.split("/")
        if ".." in above or name in ("", ".."): return {"state": "missing"}, b""
        for part in above:
            kind = os.stat(part, dir_fd=folder, follow_symlinks=False).st_mode
            if stat.S_ISLNK(kind): return {"state": "link"}, b""
            deeper = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = deeper
        kind = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
        if not stat.S_ISREG(kind): return {"state": "link" if stat.S_ISLNK(kind) else "folder" if stat.S_ISDIR(kind) else "special"}, b""
        with open(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder), "rb") as file:
            data = os.pread(file.fileno(), min(limit, PIECE), offset)
            facts = os.fstat(file.fileno())
            return {"state": "file", "size": facts.st_size, "version": f"{facts.st_mtime_ns}-{facts.st_size}-{facts.st_ino}"}, data
    except PermissionError: return {"state": "unreadable"}, b""
    except OSError: return {"state": "missing"}, b""
    finally:
        if folder is not None: os.close(folder)


def look_at(p): return {"files": [file_at(p["job"]["tag"], path)[0] for path in p["paths"]]}


def read_file(p):
    facts, data = file_at(p["job"]["tag"], p["path"], p["offset"], p["limit"])
    return {"bytes_base64": base64.b64encode(data).decode(), "file": facts}


METHODS = {f.__name__: f for f in (initialize, snapshot, submit, status, find, cancel, seal, usage, read_output, look_at, read_file)} | {"ping": lambda p: {}}


def serve(message):
    if "id" not in message or "method" not in message: return  # a notification, or a late answer
    try:
        method = METHODS.get(message["method"])
        if method is None: raise Refusal("invalid_argument", "METHOD_NOT_FOUND", f"there is no method {message['method']}")
        say({"id": message["id"], "result": method(message.get("params", {}))})
    except Refusal as refusal: say({"id": message["id"], "error": refusal.error})
    except (OSError, KeyError, ValueError, TypeError) as why:  # of a submit nobody can be sure
        say({"id": message["id"], "error": {"code": -32010, "message": f"{type(why).__name__}: {why}", "data": {"kind": "unknown_outcome", "code": "SPOOLER_FAILED"}}})


if __name__ == "__main__":
    for folder in (JOBS, CODE, WORK / "jobs", WORK / "fence"): folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if len(sys.argv) > 3: supervise(int(sys.argv[3]))
    else:
        while True:
            while inbox: serve(inbox.popleft())
            line = sys.stdin.readline()
            if not line.endswith("\n"): break  # the end, perhaps within a line: what has no newline was never sent
            serve(json.loads(line))
