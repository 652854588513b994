# SPDX-License-Identifier: Apache-2.0
"""Hostile words in every field of a submission, at every kind of site: each is refused, or delivered byte for byte; none is interpreted.

A word that somebody interprets makes a file in the folder of canaries, named after the word: at the end the folder is empty."""

import functools
import os
import shutil
import tempfile
import urllib.parse
from pathlib import Path

from harness import (BROKER_USER, COREUTILS, SLURM, Broker, SlurmTokens, Switch, broker_config, install_pbs, local_site, need_root, pbs_site, run_with_broker, say,
                     site_folders, sites_answer, slurm_site)
from ssh_site import AGENT_USER, SshSite

folders = canaries = broker = None

# What somebody might run, expand, or take for an option. {c} is a canary's path.
BAITS = [
    "$(touch {c})", "`touch {c}`", "; touch {c} ;", "| touch {c}", "|| touch {c}", "&& touch {c}", "& touch {c} &", "> {c}", ">>{c}", "<(touch {c})",
    "$(<{c})>{c}", "${{X:=$(touch {c})}}", "$[$(touch {c})]", "$((x[$(touch {c})]))", "!touch {c}", "{{touch,{c}}}", "${{IFS}}touch${{IFS}}{c}",
    "--wrap=touch {c}", "--output={c}", "--error={c}", "-o {c}", "-e{c}", "--export=ALL,BASH_ENV={c}", "--chdir=/;touch {c}", "-S /bin/touch", "-W umask=0;touch {c}",
    "-v X=$(touch {c})", "-oProxyCommand=touch {c}", "-o LocalCommand=touch {c}", "--rsh=touch {c}", "--checkpoint-action=exec=touch {c}", "-exec touch {c} ;",
    "%x%n%j`touch {c}`", "%(touch {c})s", "#SBATCH --wrap='touch {c}'", "#PBS -o {c}", "() {{ :; }}; touch {c}", "x=1 touch {c}", "exec touch {c}",
    "{c}",
]
# How it is brought.
WRAPPINGS = [
    "{}", "-{}", "--{}", "'{}'", '"{}"', "'; {} ; '", '"; {} ; "', "\n{}\n", "\r\n{}", "\\{}", "{}\\", "a b\t{} ", "\u00e5\u202e{}\u2028", "\x1b]0;{}\x07", "$'{}'", "EOF\n{}\nEOF",
]


class Word:
    def __init__(self, number, bait, wrapping):
        self.canary = f"{canaries}/{number}"
        self.text = wrapping.format(bait.format(c=self.canary))


def words():
    return [Word(n, bait, wrapping) for n, (bait, wrapping) in enumerate((b, w) for b in BAITS for w in WRAPPINGS)]


# What a job prints of what it was given: every argument and variable, each with its end marked.
SCRIPT = '#!/bin/bash\nprintf \'%s\\0\' "$@" "$#" "${!WORD_@}"\nfor name in "${!WORD_@}"; do printf \'%s\\0\' "${!name}"; done\n'
AT_ONCE = 16  # words of one job

# Fields of a request that hold words, by what a request looks like that has this one in it.
FIELDS = {
    "name": lambda w: {"name": w},
    "arguments": lambda w: {"arguments": [w]},
    "environment": lambda w: {"environment": {"WORD": w}},
    "variable": lambda w: {"environment": {w: "1"}},
    "comment in the script": lambda w: {"script": "#!/bin/bash\ncat >/dev/null <<'END OF WORD'\n" + w + "\nEND OF WORD\n"},
    "interpreter": lambda w: {"script": "#!" + w + "\n"},
    "project": lambda w: {"project": w},
    "gpu_model": lambda w: {"resources": {"gpus_per_node": 1, "gpu_model": w}},
    "sites": lambda w: {"placement": {"sites": [w]}},
    "countries": lambda w: {"placement": {"countries": [w]}},
    "datasets": lambda w: {"datasets": [w]},
    "labels": lambda w: {"labels": [w]},
    "output": lambda w: {"outputs": {"out": w}},
    "output name": lambda w: {"outputs": {w: "out"}},
    "code": lambda w: {"code": w},
    "image": lambda w: {"container": {"image": w}},
    "image's name": lambda w: {"container": {"image": f"oras://r.example.org/{w}@sha256:{'a' * 64}"}},
    "image of code": lambda w: {"code": "sha256:" + "a" * 64, "container": {"image": f"code:{w}"}},
    "image of data": lambda w: {"container": {"image": f"data:d/{w}"}},
    "network": lambda w: {"network": w},
    "bind": lambda w: {"container": {"image": f"oras://r.example.org/x@sha256:{'a' * 64}", "binds": [w]}},
    "module": lambda w: {"modules": [w]},
    "variant": lambda w: {"variants": [{"name": w, "when": {}}]},
    "variant's condition": lambda w: {"variants": [{"when": {"gpu_vendor": w}}, {"when": {"architecture": w}}, {"when": {"site": w}}, {"when": {"country": w}}]},
    "variant's environment": lambda w: {"variants": [{"when": {}, "environment": {"WORD": w}}]},
    "variant's software": lambda w: {"variants": [{"when": {}, "modules": [w], "container": {"image": w}}]},
    "field": lambda w: {w: "1"},
}


def job(site, **more):
    return {"project": "ai-lab", "script": SCRIPT, "placement": {"sites": [site]}} | more


def touched():
    return sorted(os.listdir(canaries), key=int)


def nothing_was_interpreted(where):
    assert not touched(), f"{where}: interpreted {[w.text for w in words() if Path(w.canary).name in touched()][:5]}"


def taken(word):
    """The fields that take this word: a refusal is the request's fault, and says so."""
    fields = []
    for name, field in FIELDS.items():
        answer = broker.call("POST", "/v1/jobs?dry_run=true", job("here") | field(word.text))
        assert answer.status in (200, 400, 403, 404), f"{name}: {word.text!r}: {answer.status} {answer.body[:500]}"
        if answer.status == 200:
            fields.append(name)
        else:
            assert answer.json["detail"], answer.body
    return fields


def every_field_refuses_or_takes_it():
    """Asked without a job: what a field does with a word is the same for every word of its shape. [T08][T09]"""
    tried, refused = 0, 0
    for word in words():
        fields = taken(word)
        assert {"arguments", "environment", "comment in the script", "variant's environment"} <= set(fields), (word.text, fields)
        assert not {"project", "sites", "countries", "code", "field", "variable", "image", "image of code", "image of data", "network", "variant's condition", "variant's software", "variant"} & set(fields), (word.text, fields)
        tried, refused = tried + len(FIELDS), refused + len(FIELDS) - len(fields)
    say(f"{len(words())} words x {len(FIELDS)} fields: {refused} refused, {tried - refused} taken")
    nothing_was_interpreted("the broker")


def delivered_byte_for_byte(site):
    """Jobs with the words wherever they are taken; what a job says it got is compared."""
    jobs, everything = {}, words()
    for few in (everything[n:n + AT_ONCE] for n in range(0, len(everything), AT_ONCE)):
        texts = [word.text for word in few]
        variables = {f"WORD_{n:02}": text for n, text in enumerate(texts)}
        named = next((text for text in texts if takes("name", text)), "")
        outputs = {f"out_{n}": text for n, text in enumerate(texts) if takes("output", text)}
        by_variant = dict(list(variables.items())[::2])  # half of them come so
        own = {name: text for name, text in variables.items() if name not in by_variant}
        id = broker.submit(job(site, name=named, arguments=[*texts, ""], environment=own, outputs=outputs, variants=[{"when": {}, "environment": by_variant}]))
        jobs[id] = (texts, list(variables))
    done = broker.wait_over(jobs, 600)
    for id, (texts, variables) in jobs.items():
        assert done[id]["state"] == "succeeded", done[id]
        expected = [*texts, "", str(len(texts) + 1), *variables, *texts]
        assert broker.output(id) == b"".join(part.encode() + b"\0" for part in expected), (texts, broker.output(id))
    say(f"{site}: {len(everything)} words in {len(jobs)} jobs, byte for byte")
    nothing_was_interpreted(site)


@functools.cache
def takes(field, text):
    return broker.call("POST", "/v1/jobs?dry_run=true", job("here") | FIELDS[field](text)).status == 200


def at_a_local_site():
    """Processes of the broker's host. [T08][T09]"""
    delivered_byte_for_byte("here")


def at_a_slurm_site():
    """Through hansa-switch and sbatch, as alice. [T08][T09]"""
    delivered_byte_for_byte("alpha")


def at_a_slurmrest_site():
    """Through slurmrestd, as alice. [T08][T09]"""
    delivered_byte_for_byte("beta")


def at_a_pbs_site():
    """Through qsub (the stand-in). [T08][T09]"""
    delivered_byte_for_byte("ostrava")


def at_a_site_behind_ssh():
    """Through OpenSSH and hansa-agent. [T08][T09]"""
    delivered_byte_for_byte("far")


def in_addresses_and_headers():
    """Where a request has words beside its body. [T08][T09]"""
    places = ["/v1/jobs/{}", "/v1/jobs/{}/output?stream=out", "/v1/jobs?project={}", "/v1/jobs?state={}", "/v1/sites/{}", "/v1/datasets/{}", "/v1/usage?from={}"]
    for word in words():
        for place in places:
            answer = broker.call("GET", place.format(urllib.parse.quote(word.text, safe="")))
            assert answer.status in (200, 400, 403, 404), f"{place}: {word.text!r}: {answer.status} {answer.body[:300]}"
        if word.text.isprintable() and word.text.isascii():
            answer = broker.call("POST", "/v1/jobs?dry_run=true", job("here"), headers={"Idempotency-Key": word.text})
            assert answer.status in (200, 400), f"Idempotency-Key {word.text!r}: {answer.status} {answer.body[:300]}"
    say(f"{len(words())} words x {len(places)} addresses and a header")
    nothing_was_interpreted("addresses and headers")


def on_the_command_line():
    """`hansa submit`: a script of that name, and the word as argument, name, path of an output and variable of the caller's. [T08][T09]"""
    folder = broker.folder / "scripts"
    folder.mkdir()
    shutil.chown(folder, BROKER_USER)
    for number, word in enumerate(words()):
        script = folder / (word.text.replace("/", "_").encode()[:120].decode(errors="ignore") + str(number))
        script.write_text(SCRIPT)
        done = broker.hansa("submit", "--dry-run", "--json", f"--name={word.text}", "--", script, word.text)
        told = done.stdout if done.returncode == 0 else done.stderr
        assert done.returncode in (0, 2, 6) and told, (word.text, done)
        assert b"\x1b" not in done.stdout + done.stderr, (word.text, done)
    say(f"{len(words())} words as name, script's file name and argument")
    nothing_was_interpreted("the command line")


if __name__ == "__main__":
    need_root()
    canaries = tempfile.mkdtemp(prefix="hansa-canaries-", dir="/var/tmp")
    os.chmod(canaries, 0o1777)
    folders = site_folders("ostrava")
    pbs = folders / "ostrava"
    install_pbs(pbs)
    (pbs / "settings.json").write_text("{}")
    switch = Switch([f"/usr/bin/{p}" for p in SLURM + COREUTILS])
    switch.start()
    far = SshSite(f"""
[agent]
state_dir = "{{folder}}/state"
[site]
id = "far"
country = "EE"
connector = "local"
work_dir = "{{folder}}/work"
local = {{ cpus = 8, memory_mib = 4096 }}
accounts = {{ "local:alice" = "{AGENT_USER}" }}
""")
    far.start()
    behind_ssh = f"""
[[site]]
id = "far"
country = "EE"
connector = "remote"
remote.ssh = {far.way()}
budget = {{ queries_per_minute = 6000, submits_per_minute = 6000, waiting_jobs = 50 }}
accounts = {{ "local:alice" = "{AGENT_USER}" }}
"""
    tokens = SlurmTokens("beta", switch.folder, ("alice", BROKER_USER))
    sites = [local_site("here", "FI", 8, 50), slurm_site("alpha", "FI"), tokens.site("ES"), pbs_site("ostrava", "CZ", pbs), behind_ssh]
    broker = Broker("injection", broker_config(switch, sites, engine="[api.limits]\nnetwork_requests_per_minute = 0"))
    run_with_broker(broker, [every_field_refuses_or_takes_it, in_addresses_and_headers, on_the_command_line, at_a_local_site, at_a_slurm_site,
                             at_a_slurmrest_site, at_a_pbs_site, at_a_site_behind_ssh],
                    prepare=lambda: sites_answer(broker), clean=[switch.stop, far.remove, lambda: shutil.rmtree(folders), lambda: shutil.rmtree(canaries)])
