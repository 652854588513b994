# SPDX-License-Identifier: Apache-2.0
"""Bad input and bad days on local sites: what hansad refuses, how it starts and stops, a disk that fills up, a client that dawdles."""

import hashlib
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from harness import BROKER_USER, Broker, need_root, run_with_broker, say, sites_answer, wait_for

broker = None


def local_config(extra=""):
    return f"""
[broker]
name = "operations"
country = "FI"
state_dir = "{{state}}"
[api]
listen = "{{listen}}"
[engine]
status_interval_ms = 300
snapshot_interval_ms = 500
usage_interval_ms = 1000
[[site]]
id = "big"
name = "Big"
country = "FI"
connector = "local"
work_dir = "{{state}}-big"
local = {{ cpus = 4, memory_mib = 4096 }}
budget = {{ queries_per_minute = 6000, waiting_jobs = 50 }}
accounts = {{ "local:alice" = "{BROKER_USER}", "local:bob" = "{BROKER_USER}" }}
[[site]]
id = "small"
name = "Small"
country = "ES"
connector = "local"
work_dir = "{{state}}-small"
local = {{ cpus = 1, memory_mib = 1024 }}
budget = {{ queries_per_minute = 6000, waiting_jobs = 50 }}
accounts = {{ "local:alice" = "{BROKER_USER}" }}
[[project]]
id = "ai-lab"
members = ["local:alice", "local:bob"]
leads = ["local:lena"]
{extra}"""


def problem(answer, status, code):
    assert answer.status == status and answer.json["code"] == code, (answer.status, answer.body[:600])
    assert answer.headers["Content-Type"] == "application/problem+json"
    return answer.json


def every_fault_of_a_job_is_named():
    """400 lists all faults, each with its pointer; suggestions for misspelt names."""
    bad = {"script": "echo no shebang", "nodse": 2, "arguments": ["x", 3], "environment": {"1BAD": "x"}, "time_limit_s": -1,
           "resources": {"nodes": 0, "gpu_model": "a100"}, "placement": {"countries": ["Finland"]}}
    errors = {e["pointer"]: e["detail"] for e in problem(broker.call("POST", "/v1/jobs", bad), 400, "BAD_JOB")["errors"]}
    want = {"/script", "/nodse", "/arguments/1", "/environment/1BAD", "/time_limit_s", "/resources/nodes", "/resources/gpu_model", "/placement/countries"}
    assert want <= set(errors), (want - set(errors), errors)
    for body, code in [(b"{", "BAD_JSON"), (b"[]", "BAD_JOB"), (b'{"script":"#!/bin/sh","script":"#!/bin/sh"}', "BAD_JSON"),
                       (b'{"script":"#!/bin/sh\\u0000"}', "BAD_JOB"), (b"[" * 100, "BAD_JSON"), (b'{"script":"#!\xff"}', "BAD_JSON")]:
        problem(broker.call("POST", "/v1/jobs", body), 400, code)
    assert broker.call("POST", "/v1/jobs", b"x" * (5 << 20)).status == 413


def nobody_gets_in_without_a_token():
    """No token, a wrong one, a revoked one: 401; another's job: 404; a user's role: 403."""
    problem(broker.call("GET", "/v1/jobs", user=None), 401, "NO_TOKEN")
    problem(broker.call("GET", "/v1/jobs", user=None, headers={"Authorization": "Bearer hansa_wrong"}), 401, "BAD_TOKEN")
    made = broker.call("POST", "/v1/tokens", {"user": "carol"}, user="operator").json
    assert broker.call("DELETE", f"/v1/tokens/{made['id']}", user="operator").status == 200
    problem(broker.call("GET", "/v1/jobs", user=None, headers={"Authorization": "Bearer " + made["token"]}), 401, "TOKEN_REVOKED")
    job = broker.submit({"script": "#!/bin/sh\ntrue\n"})
    for method, path in [("GET", ""), ("GET", "/explain"), ("GET", "/events"), ("GET", "/output"), ("POST", "/cancel"), ("POST", "/hold")]:
        problem(broker.call(method, f"/v1/jobs/{job}{path}", {} if method == "POST" else None, user="bob"), 404, "JOB_NOT_FOUND")
    problem(broker.call("POST", "/v1/sites/big/drain", {}, user="alice"), 403, "ROLE_LACKS_RIGHT")
    problem(broker.call("POST", "/v1/jobs", {"script": "#!/bin/sh\n", "project": "secret"}), 403, "NOT_A_MEMBER")
    problem(broker.call("POST", "/v1/jobs", {"script": "#!/bin/sh\n"}, user="mallory"), 403, "NO_PROJECT")
    problem(broker.call("POST", "/v1/jobs", {"script": "#!/bin/sh\n"}, user="auditor"), 403, "ROLE_LACKS_RIGHT")
    assert broker.call("GET", f"/v1/jobs/{job}", user="auditor").status == 200
    problem(broker.call("GET", f"/v1/jobs/{job}/output", user="auditor"), 403, "ROLE_LACKS_RIGHT")
    assert oct(os.stat(broker.state / "operator.token").st_mode & 0o777) == "0o600"
    stored = (broker.state / "hansa.db").read_bytes() + (broker.state / "hansa.db-wal").read_bytes()
    assert broker.token("alice").encode() not in stored, "a token lies readable in the database"


def each_role_reaches_what_is_theirs():
    """A lead her project's jobs, an operator of one site that site alone, over kill -9, a policy officer no jobs; a foreign site's answer is that of none."""
    for name, *role in [("sam", "operator", "--site", "small"), ("pat", "policy-officer")]:
        made = broker.hansa("token", "create", "--user", name, "--role", *role, "--json", user="operator", check=0)
        broker.tokens[name] = json.loads(made.stdout)["token"]
    assert broker.hansa("token", "create", "--user", "x", "--role", "auditor", "--site", "small", user="operator").returncode == 2
    job = broker.submit({"script": "#!/bin/sh\nsleep 600\n", "placement": {"sites": ["small"]}})
    wait_for("the job at small", lambda: broker.job(job)["state"] == "running", 30)
    broker.kill()
    broker.start()
    assert b"local:sam (operator of small)" in broker.hansa("whoami", user="sam", check=0).stdout
    assert b"leads: ai-lab" in broker.hansa("whoami", user="lena", check=0).stdout
    assert b"operator of small" in broker.hansa("token", "list", user="operator", check=0).stdout
    broker.hansa("site", "drain", "small", "--reason", "mine", user="sam", check=0)
    broker.hansa("site", "resume", "small", user="sam", check=0)
    there = problem(broker.call("POST", "/v1/sites/big/drain", {}, user="sam"), 404, "SITE_NOT_FOUND")
    none = problem(broker.call("POST", "/v1/sites/gib/drain", {}, user="sam"), 404, "SITE_NOT_FOUND")
    assert there["detail"].replace("big", "gib") == none["detail"], (there, none)
    broker.hansa("token", "create", "--user", "y", user="sam", check=4)
    broker.hansa("jobs", user="pat", check=4)
    for who, sees in [("lena", True), ("sam", True), ("bob", False)]:
        assert (job in [one["id"] for one in broker.get("/v1/jobs?limit=1000", user=who)["jobs"]]) == sees, who
    problem(broker.call("GET", f"/v1/jobs/{job}/output", user="lena"), 403, "NOT_YOUR_JOB")
    broker.hansa("cancel", job, user="lena", check=0)
    assert broker.wait_over([job])[job]["state"] == "cancelled"
    assert any(one["operation"] == "listJobs" and one["role"] == "operator (small)" for one in broker.get("/v1/reports/access", user="auditor")["rows"])


def same_key_same_job():
    """The same key and body give the same job, also after kill -9; another body gives 409."""
    body = {"script": "#!/bin/sh\necho once\n"}
    first = broker.submit(body, headers={"Idempotency-Key": "k1"})
    broker.kill()
    broker.start()
    again = broker.call("POST", "/v1/jobs", body, headers={"Idempotency-Key": "k1"})
    assert (again.status, again.json["id"]) == (200, first)
    problem(broker.call("POST", "/v1/jobs", {"script": "#!/bin/sh\necho other\n"}, headers={"Idempotency-Key": "k1"}), 409, "IDEMPOTENCY_KEY_REUSED")


def states_end_as_they_should():
    """Exit codes, signals, time limit, cancel, hold and release, nothing that can hold it, nobody's account there."""
    fine = broker.submit({"script": "#!/bin/sh\nexit 0\n"})
    bad = broker.submit({"script": "#!/bin/sh\nexit 42\n"})
    slow = broker.submit({"script": "#!/bin/sh\nsleep 60\n", "time_limit_s": 1})
    unwanted = broker.submit({"script": "#!/bin/sh\nsleep 60\n"})
    huge = broker.submit({"script": "#!/bin/sh\n", "resources": {"nodes": 9}})
    only_small = broker.submit({"script": "#!/bin/sh\n", "placement": {"sites": ["small"]}}, user="bob")
    broker.wait_state(unwanted, "running")
    assert broker.call("POST", f"/v1/jobs/{unwanted}/cancel", {}).status == 200
    over = broker.wait_over([fine, bad, slow, unwanted, huge, only_small], 60)
    assert [over[i]["state"] for i in (fine, bad, slow, unwanted, huge, only_small)] == ["succeeded", "failed", "timed_out", "cancelled", "rejected", "rejected"], over
    assert over[bad]["exit_code"] == 42
    rejected = broker.hansa("submit", "--cpus-per-task", "64", "-", stdin=b"#!/bin/sh\n", check=6)
    assert b"is rejected" in rejected.stderr and broker.job(rejected.stdout.decode().strip())["state"] == "rejected", rejected
    wait_for("the cancel's outcome", lambda: broker.job(unwanted)["cancel"]["outcome"] == "stopped", 10)
    assert "NO_ACCOUNT" in json.dumps(broker.get(f"/v1/jobs/{only_small}/explain", user="bob"))
    for site in ("big", "small"):
        broker.call("POST", f"/v1/sites/{site}/drain", {"reason": "test"}, user="operator")
    held = broker.submit({"script": "#!/bin/sh\n"})
    broker.wait_state(held, "held")
    assert broker.call("POST", f"/v1/jobs/{held}/hold", {}).status == 200
    for site in ("big", "small"):
        broker.call("POST", f"/v1/sites/{site}/resume", {}, user="operator")
    time.sleep(1.5)
    assert broker.job(held)["state"] == "held"
    assert broker.call("POST", f"/v1/jobs/{held}/release", {}).status == 200
    assert broker.wait_over([held])[held]["state"] == "succeeded"
    problem(broker.call("POST", f"/v1/jobs/{held}/cancel", {}), 409, "JOB_OVER")


def fetches_that_are_cut_go_on():
    """Outputs of a local site by name: whole, after a fetch that dies at its third MiB, past a killed broker; never over what is there."""
    script = b"#!/bin/sh\nmkdir out\nseq 1 900000 >out/big\nprintf 'text\\n' >'a \xc3\xb6'\n: >empty\nln -s /etc/passwd link\n"
    named = ["--output", "big=out/big", "--output", "a \u00f6", "--output", "empty", "--output", "link", "--output", "folder=out", "--output", "none"]
    job = broker.hansa("submit", "--site", "big", *named, "-", stdin=script, check=0).stdout.decode().strip()
    broker.wait_over([job])
    want = "".join(f"{i}\n" for i in range(1, 900_001)).encode()
    listed = {o["name"]: o for o in broker.get(f"/v1/jobs/{job}/outputs")["outputs"]}
    assert {n: o["state"] for n, o in listed.items()} == {"big": "file", "a \u00f6": "file", "empty": "file", "link": "link", "folder": "folder", "none": "missing"}, listed
    assert listed["big"]["size_bytes"] == len(want)
    target = broker.folder / "fetched"
    environment = {"HANSA_URL": broker.url, "HANSA_TOKEN_FILE": str(broker.folder / "alice.token"), "PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}

    def die_at_three_mib():
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (3 << 20, 3 << 20))

    cut = subprocess.run([broker.bin / "hansa", "fetch", job, "big", "-o", target], env=environment, capture_output=True, preexec_fn=die_at_three_mib)
    assert cut.returncode == -signal.SIGXFSZ, cut
    parts = list(target.iterdir())
    assert len(parts) == 1 and parts[0].stat().st_size == 3 << 20 and parts[0].name.endswith(".part"), parts
    broker.kill()
    broker.start()
    on = broker.hansa("fetch", job, "big", "-o", str(target), check=0)
    assert b"going on after 3145728 of" in on.stderr, on.stderr
    assert (target / "big").read_bytes() == want and [p.name for p in target.iterdir()] == ["big"]
    rest = broker.hansa("fetch", job, "-o", str(target), check=4)  # a link, a folder, nothing, one that is there: each told
    for words in (b"is there already", b"symbolic link", b"is a folder", b"is not there"):
        assert words in rest.stderr, rest.stderr
    assert (target / "a \u00f6").read_bytes() == b"text\n" and (target / "empty").read_bytes() == b""
    part = broker.call("GET", f"/v1/jobs/{job}/outputs/big", headers={"Range": "bytes=1000000-1000009"})
    assert (part.status, part.body) == (206, want[1_000_000:1_000_010]) and part.headers["Content-Range"] == f"bytes 1000000-1000009/{len(want)}"
    whole = broker.call("GET", f"/v1/jobs/{job}/outputs/big")
    assert whole.status == 200 and whole.body == want and whole.headers["ETag"] == part.headers["ETag"]
    problem(broker.call("GET", f"/v1/jobs/{job}/outputs/link"), 403, "OUTPUT_IS_LINK")
    problem(broker.call("GET", f"/v1/jobs/{job}/outputs/big", headers={"If-Match": '"1-1-1"'}), 412, "OUTPUT_CHANGED")
    problem(broker.call("GET", f"/v1/jobs/{job}/outputs/big", user="bob"), 404, "JOB_NOT_FOUND")


def code_goes_along():
    """hansa submit --code at a local site: working tree, symbolic links, past kill -9 of the broker between an upload and the next submission; a stranger's is not there."""
    tree = broker.folder / "tree"
    (tree / "src").mkdir(parents=True)
    (tree / "src/main.sh").write_text("#!/bin/sh\necho committed\n")
    (tree / "src/main.sh").chmod(0o755)
    (tree / "run").symlink_to("src/main.sh")
    (tree / "data").write_bytes(os.urandom(3 << 20))
    (tree / "script").write_text("a file of ours\n")
    (tree / "ignored").write_text("not tracked\n")
    for words in ("init -q", "add src run data script", "-c user.name=x -c user.email=x@y commit -q -m x"):
        subprocess.run(["git", "-C", tree, *words.split()], check=True)
    (tree / "src/main.sh").write_text("#!/bin/sh\necho changed since\n")
    job_script = b"#!/bin/sh\n./run; cat script; sha256sum <data | cut -c 1-64; ls ignored 2>/dev/null; echo mine >>script\n"
    want = f"changed since\na file of ours\n{hashlib.sha256((tree / 'data').read_bytes()).hexdigest()}\n".encode()

    small = broker.hansa("submit", "--code", str(tree), "--site", "small", "-", stdin=job_script, check=0).stdout.decode().strip()
    digest = broker.job(small)["code"]
    archive = next((broker.state / "code").glob("*/*.tar"))
    assert digest == "sha256:" + hashlib.sha256(archive.read_bytes()).hexdigest() == f"sha256:{archive.stem}", (digest, archive)
    brought = archive.stat().st_ino
    broker.wait_over([small])
    broker.kill()
    broker.start()
    jobs = [small] + [broker.hansa("submit", "--code", str(tree), "--site", site, "-", stdin=job_script, check=0).stdout.decode().strip() for site in ("big", "big", "small")]
    over = broker.wait_over(jobs)
    for job in jobs:
        assert over[job]["state"] == "succeeded" and broker.output(job) == want, (over[job], broker.output(job), broker.output(job, "err"))
    assert archive.stat().st_ino == brought and len(list((broker.state / "code").glob("*/*"))) == 1, "it came once"
    for site in ("big", "small"):
        assert len(list(Path(f"{broker.state}-{site}/code").iterdir())) == 1, site
    assert digest.encode() in broker.hansa("show", jobs[0], check=0).stdout
    problem(broker.call("GET", f"/v1/code/{digest}", user="bob"), 404, "CODE_NOT_HERE")
    problem(broker.call("POST", "/v1/jobs", {"script": "#!/bin/sh\n", "code": digest}, user="bob"), 400, "CODE_NOT_HERE")
    key = ["--idempotency-key", "code-1", "--code", str(tree), "-"]
    again = {broker.hansa("submit", *key, stdin=job_script, check=0).stdout for _ in range(2)}
    assert len(again) == 1
    (tree / "src/main.sh").write_text("#!/bin/sh\necho other\n")
    broker.hansa("submit", *key, stdin=job_script, check=8)
    (tree / "out").symlink_to("/etc/passwd")
    subprocess.run(["git", "-C", tree, "add", "out"], check=True)
    refused = broker.hansa("submit", "--code", str(tree), "-", stdin=job_script, check=2)
    assert b"absolute path" in refused.stderr, refused.stderr


def datasets_need_two_people():
    """hansa data against the real broker: what restricts counts at once, what loosens waits for another operator; all of it outlives kill -9. [T14]"""
    digest = "a" * 64
    second = broker.call("POST", "/v1/tokens", {"user": "second", "role": "operator"}, user="operator").json
    broker.tokens["second"] = second["token"]
    broker.hansa("data", "add", "cohort-7", "--project", "ai-lab", "--label", "personal", "--size", "4096", "--files", "2", "--sha256", digest, check=0)
    broker.hansa("data", "label", "cohort-7", "personal", "health", "--reason", "diagnoses", check=0)
    broker.hansa("data", "replica", "add", "cohort-7", "big", "--root", "projects", "--path", "ai/cohort-7", check=0)
    changes = []
    for call in (("label", "cohort-7", "personal"), ("replica", "verify", "cohort-7", "big", "--sha256", digest, "--expires", "90d")):
        waits = broker.hansa("data", *call, "--json", user="operator", check=0)
        assert b"waits for a second person" in waits.stderr, waits
        changes.append(json.loads(waits.stdout)["changes"][-1]["id"])
        broker.hansa("data", "approve", changes[-1], check=4)                   # a user
        broker.hansa("data", "approve", changes[-1], user="operator", check=4)  # the one who asked
    before = broker.get("/v1/datasets/cohort-7")
    assert before["labels"] == ["health", "personal"] and before["replicas"][0]["state"] == "unverified", before
    broker.kill()
    broker.start()
    assert broker.get("/v1/datasets/cohort-7") == before
    for change in changes:
        broker.hansa("data", "approve", change, user="second", check=0)
        broker.hansa("data", "approve", change, user="second", check=8)
    after = broker.get("/v1/datasets/cohort-7")
    assert after["labels"] == ["personal"] and after["replicas"][0]["state"] == "verified", after
    broker.kill()
    broker.start()
    assert broker.get("/v1/datasets/cohort-7") == after
    log = broker.get("/v1/changes?dataset=cohort-7")["changes"]
    assert [c["state"] for c in log] == ["approved", "approved", "applied", "applied", "applied"], log
    assert all(c["by"] == "local:operator" and c["ruling"]["by"] == "local:second" for c in log[:2]), log
    broker.hansa("data", "show", "cohort-7", user="mallory", check=3)
    assert "change of a dataset ruled on" in broker.log.read_text()


def jobs_outlive_the_broker():
    """A job that runs while the broker is killed ends right, and its usage is booked."""
    job = broker.submit({"script": "#!/bin/sh\nsleep 3\necho done\nexit 7\n"})
    broker.wait_state(job, "running")
    broker.kill()
    time.sleep(4)
    took = broker.start()
    over = broker.wait_over([job])[job]
    assert (over["state"], over["exit_code"]) == ("failed", 7), over
    assert broker.output(job) == b"done\n"
    usage = wait_for("usage", lambda: broker.get(f"/v1/jobs/{job}/usage")["records"], 20)
    assert len(usage) == 1 and usage[0]["elapsed_s"] in (3, 4), usage
    say(f"  restart to serving {took:.2f} s")


def stops_and_second_start():
    """A second hansad on the same state: 75. The port in use: 69. SIGTERM: 0. A state folder that others can enter: refused."""
    second = broker.spawn()
    assert second.wait(20) == 75, second.returncode
    other = Broker("port", local_config())
    other.config.write_text(other.config.read_text().replace(f":{other.port}", f":{broker.port}"))
    assert other.spawn().wait(20) == 69
    assert str(broker.port) in other.log.read_text()
    other.state.chmod(0o755)
    assert other.spawn().wait(20) == 74
    assert "chmod 0700" in other.log.read_text()
    other.config.write_text("[broker]\nnmae = 1\n[[site]]\nid = \"A\"\n")
    assert other.spawn().wait(20) == 78
    assert "did you mean" in other.log.read_text()
    as_root = subprocess.run([other.bin / "hansad", "--config", broker.config], capture_output=True, text=True)
    assert as_root.returncode == 77 and "root" in as_root.stderr, as_root
    other.remove()
    assert broker.stop() == 0
    broker.start()
    # The second signal ends it at once, even while a request is being served.
    long_wait = broker.submit({"script": "#!/bin/sh\nsleep 5\n"})
    broker.wait_state(long_wait, "running")
    client = socket.create_connection(("127.0.0.1", broker.port))
    client.sendall(f"GET /v1/jobs/{long_wait}?wait_s=50&version=999 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {broker.token('alice')}\r\n\r\n".encode())
    time.sleep(0.3)
    broker.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    if broker.process.poll() is None:
        broker.process.send_signal(signal.SIGTERM)
    assert broker.process.wait(8) in (0, -signal.SIGTERM)  # the grace alone would be 10 s
    client.close()
    broker.start()


def what_keeps_it_from_starting():
    """Each fault of configuration, state folder, address and certificate: its exit status, its place, and what to do."""
    other = Broker("start", local_config())
    good, folder = other.config.read_text(), other.folder

    def ends(status, *words):
        other.log.write_text("")
        assert (code := other.spawn().wait(20)) == status, (code, status, other.log.read_text())
        assert all(word in other.log.read_text() for word in words), (words, other.log.read_text())

    def configured(old, new):
        assert old in good, old
        other.config.write_text(good.replace(old, new))

    try:
        for name, what in (("cert", "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1"), ("other", "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=other")):
            subprocess.run(["openssl", *what.split(), "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem"], check=True, capture_output=True)
            shutil.chown(folder / f"{name}.key", group=BROKER_USER)
            (folder / f"{name}.key").chmod(0o640)
        other.config.chmod(0)
        ends(78, "Permission denied")
        other.config.chmod(0o646)
        ends(78, "everybody on this machine can write", "chmod o-w it")
        other.config.chmod(0o644)
        configured("127.0.0.1", "0.0.0.0")
        ends(78, "api.listen", "set tls_certificate and tls_key")
        configured("[engine]", 'tls_certificate = "cert.pem"\n[engine]')
        ends(78, "api.tls_certificate needs api.tls_key")
        configured("[engine]", 'tls_certificate = "cert.pem"\ntls_key = "other.key"\n[engine]')
        ends(69, "key values mismatch", "api.tls_key")
        (folder / "other.key").chmod(0o644)
        ends(69, "everybody on this machine can read the TLS key", "other.key", "chmod 0640 it")
        (folder / "other.key").chmod(0o600)
        ends(69, "other.key", "Permission denied", "which the broker's account must be able to read")
        configured('work_dir = "{state}-big"'.replace("{state}", str(other.state)), 'work_dir = "/root/nothing"')
        ends(78, "site big", "/root/nothing", "Permission denied")
        other.config.write_text(good)
        shutil.rmtree(other.state)
        other.state.mkdir(0o700)
        ends(74, "belongs to another account; chown it")
        shutil.chown(other.state, BROKER_USER, BROKER_USER)
        (other.state / "hansa.db").write_bytes(b"no database" * 1000)
        ends(74, "hansa.db", "damaged")
        (other.state / "hansa.db").unlink()
        other.start()  # nothing that was wrong has left a trace

        lost = other.token("operator")
        other.stop()
        (other.state / "operator.token").unlink()
        other.start()
        assert other.call("GET", "/v1/tokens", user="operator").status == 200
        problem(other.call("GET", "/v1/tokens", user=None, headers={"Authorization": f"Bearer {lost}"}), 401, "TOKEN_REVOKED")

        # TLS, for real: with the certificate's own authority, and not without it.
        other.stop()
        configured("[engine]", 'tls_certificate = "cert.pem"\ntls_key = "cert.key"\n[engine]')
        other.process = other.spawn()
        other.tokens["alice"] = lost
        token = folder / "operator.token"
        token.write_text(other.token("operator"))
        token.chmod(0o600)
        https = ["--url", f"https://127.0.0.1:{other.port}", "--token-file", token]
        wait_for("TLS", lambda: other.hansa("sites", *https, "--ca-file", folder / "cert.pem").returncode == 0, 20)
        serial = lambda: subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{other.port}"], stdin=subprocess.DEVNULL, capture_output=True, text=True).stdout.split("-----END")[0]
        before, pair = serial(), {name: (folder / name).read_bytes() for name in ("cert.pem", "cert.key")}
        for name, other_name in (("cert.pem", "other.pem"), ("cert.key", "other.key")):
            (folder / name).write_bytes((folder / other_name).read_bytes())
        other.process.send_signal(signal.SIGHUP)
        wait_for("the renewed certificate", lambda: serial() != before, 10)
        (folder / "cert.pem").write_bytes(b"junk")
        other.process.send_signal(signal.SIGHUP)
        wait_for("the junk's refusal", lambda: "the certificate stays as it was" in other.log.read_text(), 10)
        for name, bytes_ in pair.items():
            (folder / name).write_bytes(bytes_)
        other.process.send_signal(signal.SIGHUP)
        wait_for("the first certificate", lambda: serial() == before, 10)
        wait_for("the refusal of an unknown authority", lambda: (done := other.hansa("sites", *https)).returncode == 4 and b"certificate is not to be trusted" in done.stderr, 30)
        assert other.hansa("sites", "--url", other.url, "--token-file", token).returncode == 5  # plain HTTP to a TLS port
    finally:
        other.remove()


def interrupted_commands_leave_the_job():
    """Ctrl-C while waiting or following: 130, a word on how to go on, and the job goes on."""
    job = broker.submit({"script": "#!/bin/sh\necho one\nsleep 600\n"})
    broker.wait_state(job, "running")
    token = broker.folder / "alice.token"
    token.write_text(broker.token("alice"))
    token.chmod(0o600)
    environment = {"HANSA_URL": broker.url, "HANSA_TOKEN_FILE": str(token), "PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}
    script = broker.folder / "long.sh"
    script.write_text("#!/bin/sh\nsleep 600\n")
    for arguments, told in ((["wait", job], "Wait for it again with: hansa wait " + job), (["logs", "-f", job], "hansa logs -f " + job),
                            (["submit", "--wait", str(script)], "Wait for it with: hansa wait ")):
        client = subprocess.Popen([broker.bin / "hansa", *arguments], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if arguments[0] == "wait":
            time.sleep(0.5)  # it says nothing that could be waited for
        else:
            client.stdout.readline()  # the id, or what the job said: it is following now
            time.sleep(0.2)
        client.send_signal(signal.SIGINT)
        _, err = client.communicate(timeout=10)
        assert client.returncode == 130 and told in err, (arguments, client.returncode, err)
    running = [j["id"] for j in broker.get("/v1/jobs?state=running,queued,submitting,waiting,held")["jobs"]]
    submitted = next(id for id in running if broker.job(id)["name"] == script.name)
    assert job in running, running
    for left in (job, submitted):
        broker.call("POST", f"/v1/jobs/{left}/cancel", {})
    broker.wait_over([job, submitted])


def slow_clients_are_cut():
    """Half-open and dawdling clients are refused in bounded time, and others do not notice. [T24]"""
    lazy = [socket.create_connection(("127.0.0.1", broker.port)) for _ in range(50)]
    for client in lazy:
        client.sendall(b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 1000")
    began = time.monotonic()
    assert broker.call("GET", "/readyz", user=None).status == 200
    say(f"  another client is answered in {(time.monotonic() - began) * 1000:.0f} ms meanwhile")
    for client in lazy:
        client.settimeout(30)  # three times the server's limit: a client that is not cut fails here
        try:
            while client.recv(4096):
                pass
        except ConnectionError:
            pass
    say(f"  50 dawdling clients cut after {time.monotonic() - began:.1f} s")


def disk_full_loses_nothing():
    """The disk fills up: submissions get 507 or 503, what was acknowledged stays, service resumes when there is space."""
    full = Broker("full", local_config())
    try:
        full.state.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size=6m,mode=0700,uid={BROKER_USER}", "tmpfs", full.state], check=True)
        full.start()
        for site in ("big", "small"):
            full.call("POST", f"/v1/sites/{site}/drain", {}, user="operator")
        script = "#!/bin/sh\n# " + "x" * 100_000 + "\n"
        acknowledged, refusal = [], None
        for _ in range(200):
            answer = full.call("POST", "/v1/jobs", {"script": script})
            if answer.status == 201:
                acknowledged.append(answer.json["id"])
            else:
                refusal = answer
                break
        assert refusal is not None and refusal.status in (503, 507), refusal and refusal.body
        assert refusal.json["code"], refusal.body
        for id in acknowledged:
            assert full.job(id)["id"] == id
        subprocess.run(["mount", "-o", "remount,size=64m", full.state], check=True)
        wait_for("service to resume", lambda: full.call("POST", "/v1/jobs", {"script": "#!/bin/sh\n"}).status == 201, 30, 0.5)
        full.kill()
        full.start()
        for id in acknowledged:
            assert full.job(id)["id"] == id
        say(f"  {len(acknowledged)} acknowledged, then {refusal.status} {refusal.json['code']}; all there after space came back and a kill -9")
    finally:
        full.stop()
        subprocess.run(["umount", full.state], check=False)
        full.remove()


def bulk_is_all_or_none():
    """1,000 jobs in one request, answers in order; one bad job refuses all, each fault with its place."""
    jobs = [{"name": f"n{i}", "script": "#!/bin/sh\n", "placement": {"sites": ["small"]}} for i in range(1000)]
    before = len(broker.get("/v1/jobs?limit=1000")["jobs"])
    bad = problem(broker.call("POST", "/v1/jobs/bulk", {"jobs": jobs[:3] + [{"script": "x"}]}), 400, "BAD_JOB")
    assert bad["errors"][0]["pointer"] == "/jobs/3/script"
    assert len(broker.get("/v1/jobs?limit=1000")["jobs"]) == before
    began = time.monotonic()
    answer = broker.call("POST", "/v1/jobs/bulk", {"jobs": jobs})
    assert answer.status == 201 and [j["name"] for j in answer.json["jobs"]] == [j["name"] for j in jobs]
    say(f"  1,000 jobs in {time.monotonic() - began:.2f} s")
    for job in answer.json["jobs"]:
        assert broker.call("POST", f"/v1/jobs/{job['id']}/cancel", {}).status in (200, 409)


def local_site_is_looked_over():
    report = json.loads(broker.hansa("site", "doctor", "big", "--json", user="operator", check=0).stdout)
    found = {f["check"]: f["verdict"] for f in report["findings"]}
    for check in ("REACHABLE", "HISTORY", "CLOCK", "RUN_AS", "WORK_DIR", "FENCE", "CPU_LIMIT", "GPUS", "BUDGET"):
        assert found[check] == "ok", report
    assert "ROOM" in found and "CONTAINERS" in found, report


if __name__ == "__main__":
    need_root()
    broker = Broker("operations", local_config())
    run_with_broker(broker, [every_fault_of_a_job_is_named, nobody_gets_in_without_a_token, each_role_reaches_what_is_theirs, same_key_same_job, states_end_as_they_should,
                             fetches_that_are_cut_go_on, code_goes_along, local_site_is_looked_over, datasets_need_two_people,
                             jobs_outlive_the_broker, bulk_is_all_or_none, interrupted_commands_leave_the_job, stops_and_second_start,
                             what_keeps_it_from_starting, slow_clients_are_cut, disk_full_loses_nothing],
                    prepare=lambda: sites_answer(broker))
