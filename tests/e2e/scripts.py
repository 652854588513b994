# SPDX-License-Identifier: Apache-2.0
"""One script with #SBATCH lines and one with #PBS lines, each on a real Slurm cluster and on a PBS site (tests/testbed/pbs_standin): what they
ask for, the environment that they find on two nodes, hansa-launch, and a rendezvous of its processes."""

import json
import shutil
import subprocess
from pathlib import Path

from harness import BROKER_USER, Broker, COREUTILS, SLURM, Switch, broker_config, local_site, need_root, run_with_broker, say, site_folders, sites_answer, slurm_site

STANDIN = Path(__file__).resolve().parents[1] / "testbed/pbs_standin/pbs"
SITES = ("alpha", "ostrava")
broker = switch = None

SBATCH = """#!/bin/bash
#SBATCH --nodes=2 --ntasks=4      # on two nodes
#SBATCH --time=5 -J rendezvous
#SBATCH --mail-type=END
"""
PBS = """#!/bin/bash
#PBS -l select=2:ncpus=2:mpiprocs=2,place=scatter
#PBS -l walltime=0:05:00 -N rendezvous
#PBS -j oe
"""
# All of a bed's nodes are this machine, under names that nobody resolves.
BODY = """
env | grep -E '^HANSA_(NODES|NODELIST|TASKS|CPUS_PER_TASK|GPUS_PER_NODE|MASTER_ADDR|SITE|SCRATCH)=' | sort
echo "FABRIC=$FABRIC"
cat > meet.py <<'END'
import os, socket, time
rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
try:
    address = socket.gethostbyname(os.environ["MASTER_ADDR"])
except OSError:
    address = "127.0.0.1"
address = (address, int(os.environ["MASTER_PORT"]))
if rank == 0:
    server = socket.create_server(address)
    met = {0: os.environ["NODE_RANK"]}
    peers = []
    while len(met) < world:
        peer, _ = server.accept()
        peers.append(peer)
        other, node = peer.makefile().readline().split()
        met[int(other)] = node
    for peer in peers:
        peer.sendall(b"all\\n")
    print("met", " ".join(f"{r}@{met[r]}" for r in sorted(met)), flush=True)
else:
    for _ in range(300):
        try:
            peer = socket.create_connection(address, 5)
            break
        except OSError:
            time.sleep(0.1)
    peer.sendall(f"{rank} {os.environ['NODE_RANK']}\\n".encode())
    assert peer.makefile().readline() == "all\\n"
END
hansa-launch python3 meet.py; echo "tasks ended $?"
hansa-launch --per-node bash -c 'echo "node $NODE_RANK of $WORLD_SIZE, torchrun would start $PET_NPROC_PER_NODE"'; echo "nodes ended $?"
hansa-launch bash -c '[[ $RANK != 2 ]] || exit 7; sleep 100'; echo "failed with $?"
"""


def config():
    fabric = 'environment = { FABRIC = "hsn0" }\nscratch = "/var/tmp"'
    pbs = broker.sites / "ostrava"
    return broker_config(switch, [slurm_site("alpha", "FI", extra=fabric), f"""
[[site]]
id = "ostrava"
country = "CZ"
connector = "pbs"
run_as = "self"
work_dir = "{pbs}/work"
pbs = {{ conf = "{pbs}/pbs.conf", bin_dir = "{pbs}/bin" }}
budget = {{ queries_per_minute = 6000, submits_per_minute = 6000, waiting_jobs = 50 }}
accounts = {{ "local:alice" = "{BROKER_USER}" }}
{fabric}
""", local_site("here", "SE", 2, 10, extra=fabric)])


def runs_at(site, script, resources={"nodes": 2, "tasks": 4, "cpus_per_task": 1, "gpus_per_node": 0}):
    done = broker.hansa("submit", "--project", "ai-lab", "--site", site, "--wait", "--json", "-", stdin=script.encode())
    job = json.loads(done.stdout)
    lines = broker.output(job["id"]).decode().splitlines()
    assert done.returncode == 0, (job, lines, done.stderr.decode(), broker.hansa("logs", "--stderr", job["id"]).stdout.decode())
    details = broker.job(job["id"])
    assert details["resources"] == resources, details
    assert details["time_limit_s"] == 300 and details["name"] == "rendezvous" and details["site"] == site, details
    return lines, done.stderr.decode()


def both_scripts_run_at_both_sites():
    """Nodes, tasks and time as the directives say, the same environment, four processes that find each other, and the first failure's status."""
    for dialect, script in (("#SBATCH", SBATCH + BODY), ("#PBS", PBS + BODY)):
        for site in SITES:
            lines, told = runs_at(site, script)
            facts = dict(line.split("=", 1) for line in lines if "=" in line)
            nodes = facts["HANSA_NODELIST"].split(",")
            say(f"  {dialect} at {site}: nodes {facts['HANSA_NODELIST']}; {lines[-5:]}")
            assert len(set(nodes)) == 2 and facts["HANSA_MASTER_ADDR"] == nodes[0], facts
            assert (facts["HANSA_NODES"], facts["HANSA_TASKS"], facts["HANSA_CPUS_PER_TASK"], facts["HANSA_GPUS_PER_NODE"]) == ("2", "4", "1", "0"), facts
            assert (facts["HANSA_SITE"], facts["HANSA_SCRATCH"], facts["FABRIC"]) == (site, "/var/tmp", "hsn0"), facts
            assert "met 0@0 1@0 2@1 3@1" in lines, lines
            assert sorted(line for line in lines if line.startswith("node ")) == [
                f"node {n} of 2, torchrun would start 2" for n in range(2)], lines
            assert [line for line in lines if "ended" in line or "failed" in line] == ["tasks ended 0", "nodes ended 0", "failed with 7"], lines
            assert "not used" in told, told


def a_machine_alone_is_one_node():
    """The same at a local site, with two tasks."""
    lines, _ = runs_at("here", SBATCH.replace("--nodes=2 --ntasks=4", "--ntasks=2") + BODY.replace("RANK != 2", "RANK != 1"),
                       {"nodes": 1, "tasks": 2, "cpus_per_task": 1, "gpus_per_node": 0})
    say(f"  here: {lines[-5:]}")
    assert "met 0@0 1@0" in lines and "HANSA_NODES=1" in lines and "FABRIC=hsn0" in lines, lines
    assert [line for line in lines if "ended" in line or "failed" in line] == ["tasks ended 0", "nodes ended 0", "failed with 7"], lines


def dry_run_shows_what_is_asked_for():
    told = broker.hansa("submit", "--project", "ai-lab", "--dry-run", "--ntasks", "6", "-", stdin=(SBATCH + BODY).encode(), check=0)
    print(told.stdout.decode(), told.stderr.decode())
    assert b"2 nodes, 6 tasks, 1 core a task" in told.stdout and b"rendezvous" in told.stdout, told.stdout
    assert b"line 4" in told.stderr and b"--mail-type=END" in told.stderr, told.stderr


def what_cannot_be_asked_for_is_refused_with_its_line():
    for line, words in (("#SBATCH --uid=0", b"privilege"), ("#SBATCH --exclusive=user", b"nodes of its own are --exclusive"), ("#PBS -W depend=afterok:1", b"--after ID")):
        script = f"#!/bin/bash\n\n{line}\nhostname\n".encode()
        refused = broker.hansa("submit", "--project", "ai-lab", "-", stdin=script, check=2).stderr
        assert b"line 3" in refused and words in refused, refused
        broker.hansa("submit", "--project", "ai-lab", "--ignore-directives", "--site", "ostrava", "--wait", "-", stdin=script, check=0)


if __name__ == "__main__":
    need_root()
    folders = site_folders("ostrava")
    subprocess.run(["setpriv", f"--reuid={BROKER_USER}", f"--regid={BROKER_USER}", "--clear-groups", STANDIN, "install", folders / "ostrava"], check=True)
    switch = Switch([f"/usr/bin/{p}" for p in SLURM + COREUTILS])
    switch.start()
    broker = Broker("scripts", "")
    broker.sites = folders
    broker.configure(config())
    run_with_broker(broker, [both_scripts_run_at_both_sites, a_machine_alone_is_one_node, dry_run_shows_what_is_asked_for, what_cannot_be_asked_for_is_refused_with_its_line],
                    prepare=lambda: sites_answer(broker), clean=[switch.stop, lambda: shutil.rmtree(folders, ignore_errors=True)])
