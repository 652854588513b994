# SPDX-License-Identifier: Apache-2.0
"""The guides for people and auditors: every command line of their blocks is run by a shell as it stands there, against a real broker with
two sites: processes of this machine, and simulated nodes with GPUs. Blocks in another language than sh are no commands."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from harness import BROKER_USER, ROOT, Broker, local_site, need_root, run_with_broker, say, site_folders, sites_answer, wait_for

HEX = "ab" * 32
broker = folders = home = None

# What needs a login, a scheduler or a job around it, and the test that runs it there.
ELSEWHERE = {"hansa connect": "connect.py", "hansa disconnect": "connect.py", "hansa-launch": "scripts.py"}

# Commands that do not end with 0 as they stand here: (beginning, exit status, why).
OTHER_ENDS = [
    ('cancel "$ARRAY" --task', 8, "the line before has cancelled all of it"),
]

# What a person would fill in, or do before the next line. `hansa` is the program; words of operators are theirs.
PRELUDE = """
hansa() {
  case "$1 ${2:-}" in
    "fetch "*) command hansa wait --timeout 60s "$id" ;;
    "hold "*|"release "*|"cancel $ID") set -- "$1" "$WAITS" ;;
    "logs $ARRAY") until command hansa logs "$ARRAY" --task 17 | grep -q .; do sleep 0.2; done ;;
    "data approve"|"data reject")
      local word=$2 change
      change=$(command hansa data changes --state pending --json | jq -r '[.changes[].id] | last')
      shift 3
      HANSA_TOKEN_FILE=$OPERATOR command hansa data "$word" "$change" "$@"
      return ;;
  esac
  command hansa "$@"
}
"""


def config():
    return f"""
[broker]
name = "guides"
country = "FI"
state_dir = "{{state}}"
[api]
listen = "{{listen}}"
[engine]
status_interval_ms = 200
snapshot_interval_ms = 500
usage_interval_ms = 500
[[project]]
id = "ai-lab"
members = ["local:alice"]
{local_site("alpha", "FI", 8, 50)}
[[site]]
id = "gpu"
country = "FI"
connector = "model"
model = {{ nodes = 8, cpus_per_node = 64, memory_per_node_mib = 524288, gpus_per_node = 4, gpu_model = "a100" }}
budget = {{ queries_per_minute = 6000, waiting_jobs = 50 }}
accounts = {{ "local:alice" = "alice" }}
[site.profile]
container_runtime = "/usr/bin/apptainer"
container_binds = ["/scratch"]
outbound = ["*"]
modules = {{ pytorch = "PyTorch/2.3.1" }}
"""


def blocks(guide):
    """Its blocks of commands: those without a language, and those in sh."""
    text = (ROOT / "docs" / guide).read_text()
    fenced = re.findall(r"^```([^\n]*)\n(.*?)^```$", text, re.M | re.S)
    return [block for language, block in fenced if language in ("", "sh")]


def run(block, **variables):
    """Every command that ended with another status than 0: [(command, status)]. The first word of a list may be anybody's."""
    failed = home / "failed"
    failed.write_text("")
    script = home / "block.sh"
    trap = f"""trap 'printf "%s\\t%s\\n" "$?" "$BASH_COMMAND" >>{failed}' ERR\nset -E\n"""
    script.write_text(PRELUDE + trap + block)
    for path in (script, failed):
        shutil.chown(path, BROKER_USER)
    environment = {"HOME": str(home), "PATH": f"{broker.bin}:{home}/bin:/usr/bin:/bin"} | {name: str(value) for name, value in variables.items()}
    done = subprocess.run(["setpriv", f"--reuid={BROKER_USER}", f"--regid={BROKER_USER}", "--clear-groups", "bash", script], env=environment,
                          cwd=home / "work", input=variables.get("STDIN", ""), capture_output=True, text=True, timeout=120)
    bad = [tuple(line.split("\t", 1)) for line in failed.read_text().splitlines()]
    if done.returncode != 0 and not bad:
        bad.append((str(done.returncode), "the block"))
    return bad, done


def must_go_through(block, **variables):
    bad, done = run(block, **variables)
    for status, command in bad:
        known = [end for end in OTHER_ENDS if end[0] in command]
        assert known and str(known[0][1]) == status, f"exit {status}: {command}\n{block}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done


def cleaned(block):
    """Without what another test runs, which has to be there."""
    lines = []
    for line in block.splitlines():
        other = next((test for begin, test in ELSEWHERE.items() if line.startswith(begin)), None)
        if other is None:
            lines.append(line)
        else:
            words = line.split()[:2] if line.startswith("hansa ") else line.split()[:1]
            assert words[-1] in (ROOT / "tests/e2e" / other).read_text(), f"{other} does not run {line}"
    return "\n".join(lines) + "\n"


def submit(*arguments):
    return broker.hansa("submit", *arguments, check=0).stdout.decode().split()[0]


def make_home():
    """A person's home and a folder of work, with what the guides speak of."""
    global home
    home = folders / "home"
    work = home / "work"
    (work / "images").mkdir(parents=True)
    (home / "bin").mkdir()
    shutil.copy2(ROOT / "packaging/verify/hansa_verify.py", home / "bin")
    train = "#!/bin/sh\nmkdir -p out\necho weights >out/model.pt\necho '{}' >metrics.json\necho trained\n"
    for name, text in {"train.sh": train, "step1.sh": train, "step2.sh": train, "images/pytorch.sif": "image\n",
                       "existing-slurm-script.sh": "#!/bin/sh\n#SBATCH --ntasks=2 --time=10\necho slurm\n",
                       "hf.token": "hf_abc\n", "variants.toml": '[[variants]]\nname = "any"\nwhen = {}\n'}.items():
        (work / name).write_text(text)
    for command in (["git", "init", "-q"], ["git", "add", "."]):
        subprocess.run(command, cwd=work, check=True)
    subprocess.run(["chown", "-R", f"{BROKER_USER}:{BROKER_USER}", home], check=True)


def every_command_of_using_hansa():
    """From the first login to the last line of the section on scripts."""
    shown = blocks("using-hansa.md")
    first = [block for block in shown if "~/.config/hansa" in block and "mkdir" in block]
    assert len(first) == 1
    must_go_through(first[0].replace("https://hansa.example.org", broker.url), STDIN=broker.token("alice") + "\n")
    assert (home / ".config/hansa/token").stat().st_mode & 0o777 == 0o600
    long = submit("--site", "alpha", "--time", "5m", home / "work/train.sh")
    broker.wait_state(long, "succeeded")
    busy = home / "work/busy.sh"
    busy.write_text("#!/bin/sh\nsleep 60\n")
    runs = submit("--site", "alpha", "--time", "5m", busy)
    rest = [block for block in shown if block not in first]
    rest.sort(key=lambda block: "hansa data add" not in block)  # what is registered there is named before
    count = 0
    for block in rest:
        waits = submit("--after", runs, home / "work/train.sh")
        array = "hansa submit --array" in block
        text = cleaned(block).replace("DIGEST", HEX).replace("HEX", HEX).replace("https://hansa.example.org", broker.url)
        text = re.sub(r"\bID\b(\.\.\.)?", "$ID", text)
        if array:
            text = text.replace("hansa submit --array 0-99%10 train.sh", "ARRAY=$(hansa submit --array 0-99%10 train.sh); echo $ARRAY").replace("JOB", '"$ARRAY"')
        text = re.sub(r"\bJOB\b", "$ID", text).replace(" CHANGE", " $CHANGE").replace("TEXT", "text")
        must_go_through(text, ID=long, WAITS=waits, ARRAY="none", CHANGE="none", OPERATOR=broker.state / "operator.token")
        count += sum(bool(line.strip()) for line in text.splitlines())
    say(f"  {len(shown)} blocks, {count} lines")
    broker.hansa("cancel", runs)


def every_command_of_auditing():
    """By an auditor, who is a witness as well."""
    (home / ".config/hansa/token").write_text(broker.token("auditor") + "\n")
    id = submit("--site", "alpha", "--time", "5m", home / "work/train.sh")
    broker.wait_state(id, "succeeded")
    wait_for("its usage", lambda: broker.get(f"/v1/jobs/{id}/usage")["records"], 20, 0.2)
    key = broker.get("/v1/ledger", user="auditor")["keys"][-1]["key"]
    for block in blocks("auditing.md"):
        if "--key-only" in block:
            named, _, witness = block.partition("\n")
            public = must_go_through(named).stdout.strip()
            broker.configure(broker.config.read_text().replace('country = "FI"\nstate_dir', f'witnesses = ["{public}"]\ncountry = "FI"\nstate_dir', 1))
            assert broker.stop() == 0
            broker.start()
            block = witness
        must_go_through(block, JOB=id, KEY=key)
    for written in ("usage.csv", "jobs.json", "checkpoint.txt", "ledger.txt", "decision.json"):
        assert (home / "work" / written).stat().st_size > 0, written


if __name__ == "__main__":
    need_root()
    if not shutil.which("jq"):
        print("skipped: there is no jq")
        sys.exit(77)
    folders = site_folders()
    make_home()
    broker = Broker("guides", config())
    run_with_broker(broker, [every_command_of_using_hansa, every_command_of_auditing], prepare=lambda: sites_answer(broker),
                    clean=[lambda: shutil.rmtree(folders, ignore_errors=True)])
