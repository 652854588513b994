# SPDX-License-Identifier: Apache-2.0
"""A Slurm cluster that wants an allocation: a project runs until its own is spent, then its jobs are held and say so; a grant lets them go, over a kill of the
broker; and what the site says is left bounds it all, told by hand or read there."""

import json
from pathlib import Path

from harness import (Broker, COREUTILS, Payloads, SLURM, Switch, bed, broker_config, need_root, run_with_broker, say, sites_answer, slurm, slurm_conf, slurm_site,
                     wait_for)

PER_UNIT = 3_600_000
CHARGED = """allocation = "budget"
[[site.charge]]
unit = "credits"
per_core = 1000
minimum = 1000
source = "a test: at least a credit for every run"
"""
LIMITED = """allocation = "budget"
[[site.charge]]
unit = "core-hours"
limit = "cpu"
per_core = 1000
"""
CORE_MINUTE = PER_UNIT // 60
broker = switch = payloads = None
spent = held = ()
conf = Path(slurm_conf("alpha"))
conf_before = conf.read_text()


def job(user_project="ai-lab"):
    return {"script": payloads.script("sleep 1"), "project": user_project, "time_limit_s": 60}


def allocations(user="alice"):
    return broker.get("/v1/allocations", user=user)["allocations"]


def one(id, user="operator"):
    return broker.get(f"/v1/allocations/{id}", user=user)["allocation"]


def units(amount):
    assert amount % PER_UNIT == 0, amount
    return amount // PER_UNIT


def grant(amount, project="ai-lab", **options):
    more = [word for name, value in options.items() for word in (f"--{name}", value)]
    return broker.hansa("allocation", "grant", project, str(amount), "--unit", "credits", *more, user="operator", check=0).stdout.decode().strip()


def without_any_it_is_held():
    """Nobody granted anything: held, with the reason and whom to ask."""
    id = broker.submit(job())
    reason = broker.wait_state(id, ["held"])["reason"]
    assert reason["code"] == "NOT_GRANTED" and "hansa allocation grant ai-lab" in reason["message"], reason
    assert "NOT_GRANTED" in broker.hansa("explain", id, check=0).stdout.decode()
    refused = broker.hansa("allocation", "grant", "ai-lab", "1", "--unit", "credits")
    assert refused.returncode == 4, refused
    wrong = broker.hansa("allocation", "grant", "ai-lba", "1", "--unit", "credit", "--site", "alhpa", user="operator")
    assert wrong.returncode == 2 and all(meant in wrong.stderr.decode() for meant in ("ai-lab", "alpha")), wrong
    global spent
    spent = grant(3, site="alpha", reason="call 7")
    broker.wait_over([id])
    say(f"  {reason['message'][:110]}")


def it_runs_until_it_is_spent():
    """Three credits, one of them used: of four more jobs two run, two are held."""
    wait_for("what the first one cost", lambda: units(one(spent)["used"]) == 1, 90, 0.5)
    ids = [broker.submit(job()) for _ in range(4)]
    wait_for("three runs charged", lambda: units(one(spent)["used"]) == 3, 120, 0.5)
    states = wait_for("the others held", lambda: (s := [broker.job(id)["state"] for id in ids]).count("held") == 2 and s, 30)
    assert states.count("succeeded") == 2, states
    shown = one(spent)
    assert shown["left"] == shown["reserved"] == 0, shown
    global held
    held = [id for id, state in zip(ids, states) if state == "held"]
    reason = broker.job(held[0])["reason"]
    assert reason["code"] == "ALLOCATION_SPENT" and "0.000 credits left at alpha" in reason["message"], reason
    table = broker.hansa("allocation", "list", check=0).stdout.decode()
    assert "ai-lab" in table and "3.000" in table, table
    assert [a["project"] for a in allocations("alice")] == ["ai-lab"] and not allocations("carol"), allocations("carol")
    say(f"  {reason['message'][:140]}")


def a_grant_lets_them_go():
    """Over a kill of the broker: what was reserved and charged is as it was, each ran once."""
    broker.kill()
    broker.start()
    assert units(one(spent)["used"]) == 3
    more = grant(2, until="30d")
    broker.wait_over(held)
    wait_for("their charges", lambda: units(one(more)["used"]) == 2, 120, 0.5)
    runs = payloads.runs()
    assert all(len(runs[id]) == 1 for id in held), runs
    assert one(more)["left"] == 0 and one(more)["forecast"]["spent_at"], one(more)


def the_sites_word_bounds_it():
    """A balance of nothing left holds what a grant would let go; a younger one frees it, an older one changes nothing."""
    csv = "account,site,unit,left\nproj1,alpha,credits,0\n"
    assert "1 balances taken" in broker.hansa("allocation", "import", "-", user="operator", check=0, stdin=csv.encode()).stdout.decode()
    grant(10)
    id = broker.submit(job())
    reason = broker.wait_state(id, ["held"])["reason"]
    assert reason["code"] == "ALLOCATION_SPENT" and "by the site's own word" in reason["message"], reason
    old = json.dumps([{"project": "ai-lab", "site": "alpha", "unit": "credits", "left": "99", "as_of": "2020-01-01"}])
    assert "0 balances taken, 1 left out" in broker.hansa("allocation", "import", "-", user="operator", check=0, stdin=old.encode()).stdout.decode()
    waldur = [{"backend_id": "proj1", "limits": {"gpu": 7, "cpu": 20}, "current_usages": {"cpu": 15.5}}]
    broker.hansa("allocation", "import", "-", "--site", "alpha", "--component", "cpu=credits", user="operator", check=0, stdin=json.dumps(waldur).encode())
    broker.wait_over([id])
    balance = next(a for a in allocations() if a["kind"] == "balance")
    assert balance["granted"] == 4.5 * PER_UNIT and balance["age_s"] < 120, balance
    printed = slurm("alpha", "sshare", "-a", "-P", "-o", "Account,User,GrpTRESMins,GrpTRESRaw")
    taken = broker.hansa("allocation", "import", "-", "--site", "alpha", "--component", "cpu=credits", user="operator", stdin=printed.encode())
    assert taken.returncode == 0, (printed, taken.stderr)
    shown = broker.hansa("allocation", "show", balance["id"], check=0).stdout.decode()
    assert "what the site says is left" in shown and "told" in shown, shown


def with_conf(text):
    conf.write_text(text)
    bed("stop", "alpha", "slurmctld")
    bed("start", "alpha", "slurmctld")
    wait_for("the controller", lambda: "main" in slurm("alpha", "sinfo", "-h", check=False), 30)


def limit_account(minutes):
    """-1: none."""
    slurm("alpha", "sacctmgr", "-i", "modify", "account", "where", "account=proj1", "cluster=alpha", "set", f"GrpTRESMins=cpu={minutes}", check=minutes >= 0)


def read_balance():
    return next((a for a in allocations() if a["kind"] == "balance" and a["unit"] == "core-hours"), None)


def balances_of_the_site():
    return broker.get("/v1/sites/alpha", user="operator")["balances"]


def the_sites_own_limit_is_read():
    """GrpTRESMins of an account, less what somebody else's job may use, is read at the site: of three jobs two are sent, and never more is kept than is left."""
    broker.stop()
    broker.configure(broker_config(switch, [slurm_site("alpha", "FI", extra=LIMITED)], engine="balance_interval_ms = 1000"))
    broker.start()
    refused = wait_for("the site's word", lambda: (balances_of_the_site() or {}).get("failing"), 30)
    assert refused["code"] == "USAGE_NOT_COUNTED" and "priority/multifactor" in refused["message"], refused
    assert read_balance() is None
    broker.stop()
    with_conf(conf_before.replace("PriorityType=priority/basic", "PriorityType=priority/multifactor\nPriorityDecayHalfLife=0\nPriorityUsageResetPeriod=YEARLY")
              .replace("AccountingStorageEnforce=associations\n", "AccountingStorageEnforce=associations,limits\n"))
    limit_account(33)
    slurm("alpha", "sacctmgr", "-i", "modify", "account", "where", "account=proj1", "cluster=alpha", "set", "RawUsage=0")  # of earlier runs
    others = slurm("alpha", "sbatch", "--parsable", "--account=proj1", "--ntasks=1", "--time=10", "--output=/dev/null", "--wrap=sleep 300", user="bob").strip()
    wait_for("somebody else's job", lambda: "RUNNING" in slurm("alpha", "squeue", "-h", "-o", "%T", f"--jobs={others}"), 20)
    broker.start()
    balance = wait_for("the balance", read_balance, 30)
    assert balance["granted"] == 23 * CORE_MINUTE and balance["age_s"] < 120 and balance["by"] == "broker:balances", balance
    go = payloads.folder / "go"
    script = payloads.script(f"while [ ! -e {go} ]; do sleep 0.2; done")
    ids = [broker.submit({"script": script, "project": "ai-lab", "time_limit_s": 600}) for _ in range(3)]
    def two_of_them():
        assert read_balance()["reserved"] <= 23 * CORE_MINUTE, read_balance()
        states = [broker.job(id)["state"] for id in ids]
        return states.count("running") == 2 and states.count("held") == 1 and states
    states = wait_for("two of three at the site", two_of_them, 30)
    reason = broker.job(ids[states.index("held")])["reason"]
    assert reason["code"] == "ALLOCATION_SPENT" and "by the site's own word" in reason["message"], reason
    shown = broker.hansa("site", "show", "alpha", user="operator", check=0).stdout.decode()
    assert "1 read at" in shown, shown
    go.touch()
    slurm("alpha", "scancel", others)
    done = broker.wait_over(ids)
    assert all(job["state"] == "succeeded" for job in done.values()), done
    say(f"  {reason['message'][:140]}")


def put_back():
    limit_account(-1)
    slurm("alpha", "scancel", "--account=proj1", check=False)
    with_conf(conf_before)


if __name__ == "__main__":
    need_root()
    payloads = Payloads()
    switch = Switch([f"/usr/bin/{p}" for p in SLURM + COREUTILS])
    switch.start()
    broker = Broker("allocations", broker_config(switch, [slurm_site("alpha", "FI", extra=CHARGED)]))
    run_with_broker(broker, [without_any_it_is_held, it_runs_until_it_is_spent, a_grant_lets_them_go, the_sites_word_bounds_it,
                             the_sites_own_limit_is_read],
                    prepare=lambda: sites_answer(broker), clean=[switch.stop, payloads.remove, put_back])
