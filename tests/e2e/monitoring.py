# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus scrapes a real broker with jobs: every metric is in docs/metrics.md and the other way round, every query of the
dashboard has data, every alert fires in an incident that is staged for it, and none without. Times of the rules are shortened for
that; promtool proves the real ones."""

import contextlib
import fcntl
import json
import re
import shutil
import sqlite3
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from harness import (BIN, BROKER_USER, ROOT, Broker, free_port, install_pbs, local_site, need_root, pbs_site, run_with_broker, say,
                     site_folders, wait_for)
from ssh_site import AGENT_USER, as_account, need_agents_account

RULES = ROOT / "packaging/prometheus/hansa-alerts.yml"
DASHBOARD = ROOT / "packaging/grafana/hansa.json"
AGENTS_PORT = free_port()
BEGAN = time.time()

# What is shorter here than in the rules as shipped, beside their `for`.
SHORTER = {
    "HansaDown": [],
    "HansaRestarts": [("[30m]) > 2", "[15s]) > 0")],
    "HansaSiteDown": [],
    "HansaSiteFlaky": [("[10m]", "[5s]")],
    "HansaSnapshotStale": [("> 900", "> 4")],
    "HansaUnknownJobs": [("> 3600", "> 1")],
    "HansaQueueStuck": [("> 7200", "> 2"), ("[1h]", "[4s]")],
    "HansaRequestsFail": [("[5m]", "[4s]")],
    "HansaCommitsSlow": [("[5m]", "[4s]")],
    "HansaDiskNearlyFull": [],
    "HansaCertificateEnds": [],
    "HansaLedgerUnsigned": [],
    "HansaCheckpointOld": [("> 86400", "> 3")],
    "HansaUsageNotBooked": [("[6h]", "[20s]")],
    "HansaAllocationsSpent": [],
    "HansaImpersonation": [("[1h]", "[20s]")],
    "HansaBreakGlass": [("[15m]", "[5s]")],
}

broker = prometheus = folders = pbs = None


class Prometheus:
    """Debian's, on loopback, with the rules as shipped but for their times."""

    def __init__(self, target, ca_file, token):
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="hansa-prometheus-", dir="/tmp"))
        (self.folder / "token").write_text(token)
        (self.folder / "rules.yml").write_text(shortened(RULES.read_text()))
        (self.folder / "prometheus.yml").write_text(f"""
global: {{ scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 500ms }}
rule_files: [rules.yml]
scrape_configs:
  - job_name: hansa
    scheme: https
    tls_config: {{ ca_file: {ca_file} }}
    authorization: {{ credentials_file: {self.folder}/token }}
    static_configs: [{{ targets: ["{target}"] }}]
""")
        for path in (self.folder, *self.folder.iterdir()):
            shutil.chown(path, BROKER_USER)
        self.log = self.folder / "log"
        self.process = subprocess.Popen(
            ["setpriv", f"--reuid={BROKER_USER}", f"--regid={BROKER_USER}", "--clear-groups", "prometheus", f"--config.file={self.folder}/prometheus.yml",
             f"--storage.tsdb.path={self.folder}/data", f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn"],
            stderr=self.log.open("ab"), stdin=subprocess.DEVNULL)
        wait_for("Prometheus", self.is_ready, 15)

    def is_ready(self):
        assert self.process.poll() is None, self.log.read_text()[-2000:]
        with contextlib.suppress(OSError):
            return urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=2).status == 200

    def ask(self, path, **query):
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?" + urllib.parse.urlencode(query)
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{query}: {error.read().decode()}") from error

    def firing(self):
        """{alert: [labels]}"""
        found = {}
        for alert in self.ask("alerts")["alerts"]:
            if alert["state"] == "firing":
                found.setdefault(alert["labels"]["alertname"], []).append(alert["labels"])
        return found

    def fires(self, alert, seconds=12, **labels):
        def seen():
            return any(labels.items() <= has.items() for has in self.firing().get(alert, []))
        began = time.monotonic()
        wait_for(f"{alert} {labels} to fire", seen, seconds, 0.2)
        say(f"  {alert} after {time.monotonic() - began:.1f} s")

    def ends(self, *alerts, seconds=15):
        wait_for(f"{alerts} to end", lambda: not set(alerts) & self.firing().keys(), seconds, 0.2)

    def remove(self):
        self.process.terminate()
        self.process.wait(20)
        shutil.rmtree(self.folder, ignore_errors=True)


def alert_blocks(text):
    """{alert: its part of the file}"""
    parts = re.split(r"^(?=      - alert: )", text, flags=re.M)
    return {re.match(r"      - alert: (\w+)", part).group(1): part for part in parts[1:]}


def shortened(text):
    blocks = alert_blocks(text)
    assert blocks.keys() == SHORTER.keys(), blocks.keys() ^ SHORTER.keys()
    for name, block in blocks.items():
        patience = "        for: 2s\n" if name == "HansaDown" else ""  # one scrape may be late
        quick = re.sub(r"^        for: \S+\n", patience, block, flags=re.M)
        for old, new in SHORTER[name]:
            assert old in quick, (name, old)
            quick = quick.replace(old, new)
        text = text.replace(block, quick)
    return text


def config():
    charged = local_site("paid", "FI", 1, 5, extra='allocation = "budget"\n[[site.charge]]\nunit = "core-hours"\nper_core = 1000\n')
    outside = "".join(f'[[site]]\nid = "{id}"\ncountry = "FI"\nconnector = "remote"\nremote.agent = true\naccounts = {{ "local:alice" = "whoever" }}\n'
                      for id in ("epsilon", "eta"))
    return f"""
[broker]
name = "monitoring"
country = "FI"
state_dir = "{{state}}"
[api]
listen = "{{listen}}"
tls_certificate = "{folders}/tls/broker.crt"
tls_key = "{folders}/tls/broker.key"
[agents]
listen = "127.0.0.1:{AGENTS_PORT}"
[engine]
status_interval_ms = 500
snapshot_interval_ms = 1000
usage_interval_ms = 300
call_timeout_ms = 10000
first_probe_after_ms = 1000
longest_probe_after_ms = 1000
[[project]]
id = "ai-lab"
members = ["local:alice"]
{local_site("big", "FI", 2, 1)}{charged}{pbs_site("ostrava", "CZ", pbs)}{outside}
[[site]]
id = "theta"
country = "FI"
connector = "remote"
run_as = "person"
accounts = {{ "local:alice" = "whoever" }}
remote.people = {{ terms = "allowed" }}
"""


def make_certificate(folder):
    """It ends in five days."""
    folder.mkdir()
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "5", "-subj", "/CN=broker",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "broker.key", "-out", folder / "broker.crt"],
                   check=True, capture_output=True)
    for path in folder.iterdir():
        shutil.chown(path, BROKER_USER)
    folder.chmod(0o755)


def settings(**values):
    (pbs / "settings.json.new").write_text(json.dumps(values))
    (pbs / "settings.json.new").rename(pbs / "settings.json")


def make_qselect_breakable():
    """While there is a file `broken`, what asks for ended jobs gets no answer."""
    (pbs / "real").mkdir()
    (pbs / "bin/qselect").rename(pbs / "real/qselect")
    (pbs / "bin/qselect").write_text(f"""#!/bin/sh
[ -e {pbs}/broken ] && {{ echo "qselect: cannot connect to server standin (errno=15010)" >&2; exit 162; }}
exec {pbs}/real/qselect "$@"
""")
    (pbs / "bin/qselect").chmod(0o755)


def job(seconds, site, **more):
    return {"project": "ai-lab", "script": f"#!/bin/sh\nsleep {seconds}\n", "placement": {"sites": [site]}} | more


def prepare():
    global prometheus
    for site in ("epsilon", "eta", "theta"):  # nobody is there: planned
        assert broker.call("POST", f"/v1/sites/{site}/drain", {"reason": "not yet"}, user="operator").status == 200
    wait_for("the sites", lambda: all(s["state"] == "up" for s in broker.get("/v1/sites", user="operator")["sites"] if s["id"] in ("big", "paid", "ostrava")), 20)
    prometheus = Prometheus(f"127.0.0.1:{broker.port}", folders / "tls/broker.crt", broker.token("alice"))


def rules_hold_what_they_promise():
    """promtool takes the rules, and they fire when their own times have passed, and not before."""
    checked = subprocess.run(["promtool", "check", "rules", RULES], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    with tempfile.TemporaryDirectory() as folder:
        tests = sorted((ROOT / "tests/e2e/monitoring").glob("*_test.yml"))
        for file in (RULES, *tests):
            shutil.copy2(file, folder)
        tested = subprocess.run(["promtool", "test", "rules", *[test.name for test in tests]], cwd=folder, capture_output=True, text=True)
        assert tested.returncode == 0, tested.stdout + tested.stderr
        cases = "".join(test.read_text() for test in tests)
    missing = [name for name in alert_blocks(RULES.read_text()) if f"alertname: {name}\n        exp_alerts" not in cases]
    assert not missing, f"no test has these fire: {missing}"


def alerts_have_a_page_each():
    """docs/operations.md says of each alert what to do; each names its page."""
    pages = (ROOT / "docs/operations.md").read_text()
    for name, block in alert_blocks(RULES.read_text()).items():
        assert f"\n### {name}\n" in pages, f"{name} has no page in docs/operations.md"
        assert f"runbook: docs/operations.md#{name.lower()}\n" in block, block


def a_quiet_day_raises_nothing():
    """A job runs to its end, the doctor looks, a client errs; all that fires is what nobody has cared for yet."""
    broker.wait_state(broker.submit(job(0, "big")), "succeeded")
    assert broker.call("POST", "/v1/sites/big/doctor", {}, user="operator").status == 200
    assert broker.call("GET", "/v1/nothing").status == 404
    assert broker.call("GET", "/v1/jobs", headers={"X-Long": "x" * 20_000}).status == 431
    prometheus.fires("HansaCertificateEnds")
    prometheus.fires("HansaCheckpointOld")
    time.sleep(1.5)
    assert prometheus.firing().keys() == {"HansaCertificateEnds", "HansaCheckpointOld"}, prometheus.firing()
    assert broker.call("GET", "/v1/ledger/checkpoint", user="auditor").status == 200
    prometheus.ends("HansaCheckpointOld")


def families(page):
    """{family: (type, label names)} of a page."""
    found, labels = {}, {}
    for line in page.splitlines():
        if line.startswith("# TYPE "):
            name, kind = line.split()[2:]
            assert name not in found, line
            found[name] = kind
        elif not line.startswith("#"):
            series = re.match(r"(\w+)(?:{(.*)})? \S+$", line)
            name = series.group(1) if series.group(1) in found else re.sub(r"_(bucket|sum|count)$", "", series.group(1))
            assert name in found, line
            labels.setdefault(name, set()).update(re.findall(r'(\w+)="', series.group(2) or ""))
    return {name: (kind, labels.get(name, set()) - {"le"}) for name, kind in found.items()}


def every_metric_is_documented():
    """The table of docs/metrics.md has the families that are served, their types and labels, and no other."""
    table = {}
    for line in (ROOT / "docs/metrics.md").read_text().splitlines():
        if row := re.match(r"\| `(\w+)` \| (\w+) \| (.*?) ?\| ", line):
            table[row.group(1)] = (row.group(2), set(re.findall(r"`(\w+)`", row.group(3))))
    page = broker.call("GET", "/metrics").body.decode()
    served = families(page)
    assert served.keys() == table.keys(), f"only served: {served.keys() - table.keys()}; only in the table: {table.keys() - served.keys()}"
    for name, (kind, labels) in served.items():
        assert kind == table[name][0] and labels <= table[name][1], (name, kind, labels, table[name])
        assert kind == "histogram" or (kind == "counter") == name.endswith("_total"), name
    assert subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, text=True).stdout == ""
    say(f"  {len(served)} families, {len(page.splitlines())} lines, {len(page)} bytes")


def stuck_queue_and_spent_allocation():
    """Nothing moves while jobs wait; a project has nothing left."""
    told = broker.call("POST", "/v1/allocations/balances",
                       {"balances": [{"project": "ai-lab", "site": "paid", "unit": "core-hours", "left": "0", "as_of": "2026-01-01T00:00:00Z"}]}, user="operator")
    assert told.status == 200, told.body
    ids = [broker.submit(job(60, "big", resources={"tasks": 2})) for _ in range(4)]
    prometheus.fires("HansaAllocationsSpent", site="paid")
    prometheus.fires("HansaQueueStuck")
    for id in ids:
        broker.call("POST", f"/v1/jobs/{id}/cancel", {})
    prometheus.ends("HansaQueueStuck")


def silent_accounting_then_a_hanging_site_then_none():
    """Its accounting fails, then its commands hang, then it is gone with a job; a client asks for that job's output in vain."""
    id = broker.submit(job(60, "ostrava"))
    broker.wait_state(id, "running")
    (pbs / "broken").touch()
    prometheus.fires("HansaSiteFlaky", site="ostrava")
    (pbs / "broken").unlink()
    with (pbs / "home/lock").open("w") as lock:  # every command waits for it
        fcntl.flock(lock, fcntl.LOCK_EX)
        prometheus.fires("HansaSnapshotStale", site="ostrava")
        assert "HansaSiteDown" not in prometheus.firing()
        settings(down=True)
    prometheus.fires("HansaSiteDown", site="ostrava", seconds=20)
    assert {alert["site"] for alert in prometheus.firing()["HansaSiteDown"]} == {"ostrava"}, "a site that is drained raises nothing"
    prometheus.fires("HansaUnknownJobs", site="ostrava")
    statuses, end = set(), time.monotonic() + 15
    while "HansaRequestsFail" not in prometheus.firing() and time.monotonic() < end:
        statuses.add(broker.call("GET", f"/v1/jobs/{id}/output").status)
        time.sleep(0.05)
    prometheus.fires("HansaRequestsFail", seconds=1)
    assert statuses <= {200, 503}, statuses
    settings()
    prometheus.ends("HansaSiteDown", "HansaUnknownJobs")
    broker.call("POST", f"/v1/jobs/{id}/cancel", {})
    broker.wait_state(id, "cancelled")


def foreign_record_under_our_name():
    """The site's history has a job that bears the name of ours, and is not."""
    id = broker.submit(job(0, "ostrava"))
    ended = broker.wait_state(id, "succeeded")
    record = pbs / f"home/jobs/{ended['site_job_id'].split('.')[0]}.json"
    other = json.loads(record.read_text()) | {"number": 4711}
    now = int(time.time())
    other.update(history_timestamp=now, mtime=now, obittime=now)
    (pbs / "home/jobs/4711.json").write_text(json.dumps(other))
    prometheus.fires("HansaUsageNotBooked", site="ostrava")


def impersonating_agent():
    """Enrolled for one site it says that it is another's."""
    need_agents_account()
    folder = folders / "agent"
    folder.mkdir()
    for part in ("state", "work"):
        (folder / part).mkdir(mode=0o700)
        shutil.chown(folder / part, AGENT_USER)
    shutil.chown(folder, AGENT_USER)
    for program in ("hansa-agent", "hansa-local-run"):
        shutil.copy2(BIN / program, folder / program)
    agents_file = folder / "agent.toml"
    agents_file.write_text(f"""
[agent]
state_dir = "{folder}/state"
[site]
id = "eta"
country = "FI"
connector = "local"
work_dir = "{folder}/work"
local = {{ cpus = 1, memory_mib = 512 }}
accounts = {{ "local:alice" = "{AGENT_USER}" }}
""")
    made = broker.call("POST", "/v1/sites/eta/agent/enrolment", user="operator").json
    agent = as_account(AGENT_USER, folder / "hansa-agent", "--config", agents_file)
    enrolled = subprocess.run([*agent, "enroll", "--broker", f"wss://127.0.0.1:{AGENTS_PORT}", "--pin", made["pin"]],
                              input=made["token"], capture_output=True, text=True, timeout=30)
    assert enrolled.returncode == 0, enrolled.stderr
    for file in (agents_file, folder / "state/enrolment.json"):
        file.write_text(file.read_text().replace('"eta"', '"epsilon"'))
    impostor = subprocess.Popen([*agent, "--connect"], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        prometheus.fires("HansaImpersonation")
    finally:
        impostor.terminate()
        impostor.wait(20)


def glass_is_broken():
    """An operator asks to see what is somebody's own, a second one agrees; then it is ended. [T27]"""
    for name in ("first", "second"):
        made = broker.call("POST", "/v1/tokens", {"user": name, "role": "operator"}, user="operator")
        assert made.status == 201, made.body
        broker.tokens[name] = made.json["token"]
    asked = broker.call("POST", "/v1/break-glass", {"scope": "person:alice", "reason": "incident 4711", "lasts_s": 600}, user="first")
    assert asked.status == 201, asked.body
    wait_for("the request to be seen", lambda: [one["value"][1] for one in prometheus.ask("query", query="hansa_break_glass_pending")["result"]] == ["1"], 12, 0.2)
    assert "HansaBreakGlass" not in prometheus.firing()
    steps = f"/v1/break-glass/{asked.json['id']}"
    assert broker.call("POST", f"{steps}/approve", user="second").status == 200
    prometheus.fires("HansaBreakGlass")
    time.sleep(6)  # past its beginning: because it is open, not because it was opened
    assert "HansaBreakGlass" in prometheus.firing()
    assert broker.call("POST", f"{steps}/end", user="second").status == 200
    prometheus.ends("HansaBreakGlass")


def disk_fills_up_and_is_slow():
    """Something else fills the disk; something else holds the database's lock."""
    filler, disk = broker.state / "filler", shutil.disk_usage(broker.state)
    subprocess.run(["fallocate", "-l", str(int(disk.free - 0.05 * disk.total)), filler], check=True)
    database = sqlite3.connect(broker.state / "hansa.db", isolation_level=None, timeout=5)
    end = time.monotonic() + 10
    while "HansaCommitsSlow" not in prometheus.firing() and time.monotonic() < end:
        database.execute("BEGIN IMMEDIATE")
        time.sleep(0.9)
        database.execute("ROLLBACK")
        time.sleep(0.02)
    database.close()
    prometheus.fires("HansaCommitsSlow", seconds=3)
    prometheus.fires("HansaDiskNearlyFull")
    filler.unlink()
    prometheus.ends("HansaDiskNearlyFull")


def broker_goes_and_comes_without_its_key():
    """It is stopped, loses the ledger's key, and starts: down, started anew, and nothing is signed."""
    assert broker.stop() == 0
    prometheus.fires("HansaDown")
    key = broker.state / "ledger.key"
    key.rename(broker.state / "ledger.key.away")
    broker.start()
    prometheus.fires("HansaRestarts")
    prometheus.fires("HansaLedgerUnsigned", code="LEDGER_KEY_MISSING")
    (broker.state / "ledger.key.away").rename(key)


def expressions():
    """(panel, query) of the dashboard, its variables' and annotations' among them."""
    board = json.loads(DASHBOARD.read_text())
    for panel in board["panels"]:
        assert panel["title"], panel
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]
    for annotation in board["annotations"]["list"]:
        yield annotation["name"], annotation["target"]["expr"]
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], re.fullmatch(r"label_values\((.*), \w+\)", variable["query"]["query"]).group(1)


def every_query_of_the_dashboard_has_data():
    """Over this whole day."""
    board = json.loads(DASHBOARD.read_text())
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids)), ids
    empty, count = [], 0
    for title, expression in expressions():
        query = expression.replace("$__rate_interval", "4s").replace("$instance", ".*").replace("$site", ".*")
        assert "$" not in query, query
        series = prometheus.ask("query_range", query=query, start=BEGAN, end=time.time(), step="1s")["result"]
        values = [value for one in series for _, value in one["values"] if value != "NaN"]
        if not values:
            empty.append((title, query))
        count += 1
    assert not empty, empty
    used = set(re.findall(r"\b(?:hansa|process)_\w+", " ".join(expression for _, expression in expressions())))
    say(f"  {count} queries of {len(ids)} panels, on {len(used)} series")


if __name__ == "__main__":
    need_root()
    folders = site_folders("ostrava")
    pbs = folders / "ostrava"
    install_pbs(pbs)
    settings()
    make_qselect_breakable()
    make_certificate(folders / "tls")
    broker = Broker("monitoring", config())
    broker.use_tls(folders / "tls/broker.crt")
    broker.state.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size=256m,mode=0700,uid={BROKER_USER}", "tmpfs", broker.state], check=True)
    run_with_broker(broker, [rules_hold_what_they_promise, alerts_have_a_page_each, a_quiet_day_raises_nothing, every_metric_is_documented,
                             stuck_queue_and_spent_allocation, silent_accounting_then_a_hanging_site_then_none, foreign_record_under_our_name,
                             impersonating_agent, glass_is_broken, disk_fills_up_and_is_slow, broker_goes_and_comes_without_its_key,
                             every_query_of_the_dashboard_has_data],
                    prepare=prepare,
                    clean=[lambda: prometheus and prometheus.remove(), lambda: subprocess.run(["umount", broker.state], check=False),
                           lambda: [shutil.rmtree(folder, ignore_errors=True) for folder in (folders, broker.folder)]])
