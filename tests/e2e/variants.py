# SPDX-License-Identifier: Apache-2.0
"""One job for two kinds of machine, on real Slurm clusters with pretended GPUs: an "NVIDIA x86" one (beta) and an "AMD Arm" one (gamma, whose
scheduler counts modules of two dies; what it is its configuration says, what beta is its Slurm does). Debian has no Apptainer: a stand-in notes what it was asked
and runs the command, as `apptainer exec` would in the image; `module` is a stand-in, too."""

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

from harness import COREUTILS, SLURM, Broker, Switch, broker_config, local_site, need_root, run_with_broker, say, sites_answer, slurm, slurm_site

broker = switch = software = None
IMAGES = {"beta": "oras://registry.example.org/torch-cuda@sha256:" + "a" * 64, "gamma": "oras://registry.example.org/torch-rocm@sha256:" + "b" * 64}
APPTAINER = """#!/bin/bash
{ printf '%s\\n' "$@"; echo end; } >>"$HOME/.hansa/apptainer.asked"
while [[ $1 != *@sha256:* && $1 != *.sif ]]; do shift; done
IN_IMAGE=$1 exec "${@:2}"
"""
MODULES = 'module() { [[ $1 == load ]] || return 2; export LOADED="${*:2}"; }\n'
SCRIPT = """#!/bin/bash
echo "variant=$HANSA_VARIANT site=$HANSA_SITE tasks=$HANSA_TASKS gpus=$HANSA_GPUS_PER_NODE kernels=$KERNELS common=$COMMON"
echo "image=$IN_IMAGE modules=$LOADED"
"""


def profile(**keys):
    return "[site.profile]\n" + "".join(f"{name} = {json.dumps(value) if not isinstance(value, dict) else '{ ' + ', '.join(f'{k} = {json.dumps(v)}' for k, v in value.items()) + ' }'}\n"
                                        for name, value in keys.items())


def config():
    common = {"container_runtime": f"{software}/apptainer", "container_images": ["oras://registry.example.org/", "code:"], "container_binds": ["/usr/share"], "module_init": f"{software}/modules.sh"}
    beta = profile(modules={"torch": "CUDA/12.1 PyTorch/2.3"}, outbound=["*"], **common) + '[[site.qos]]\nname = "brief"\nmax_time_s = 600\n'
    gamma = profile(modules={"torch": "rocm/6.0 PyTorch/2.3-rocm"}, gpu_vendor="amd", architecture="aarch64", devices_per_gpu=2, **common)
    return broker_config(switch, [slurm_site("beta", "ES", extra=beta), slurm_site("gamma", "SE", extra=gamma), slurm_site("alpha", "FI"), local_site("here", "FI", 2, 10)])


def job(**more):
    return {"project": "ai-lab", "script": SCRIPT, "environment": {"COMMON": "yes", "KERNELS": "none"}, "modules": ["torch"], "time_limit_s": 300,
            "variants": [{"name": "nv", "when": {"gpu_model": "a100", "gpu_vendor": "nvidia", "architecture": "x86_64"}, "container": {"image": IMAGES["beta"], "binds": ["/usr/share:/data:ro"]},
                          "environment": {"KERNELS": "cuda"}, "resources": {"tasks": 2, "gpus_per_node": 2}},
                         {"name": "am", "when": {"gpu_vendor": "amd", "architecture": "aarch64"}, "container": {"image": IMAGES["gamma"]},
                          "environment": {"KERNELS": "rocm"}, "resources": {"tasks": 1, "gpus_per_node": 4}}]} | more


def as_that_variant(id, site, variant, tasks, devices, kernels, modules, option):
    done = broker.wait_over([id])[id]
    printed = broker.output(id).decode()
    assert done["state"] == "succeeded" and done["site"] == site, (done, printed, broker.output(id, "err"))
    assert printed == (f"variant={variant} site={site} tasks={tasks} gpus={devices} kernels={kernels} common=yes\n"
                       f"image={IMAGES[site]} modules={modules}\n"), (printed, broker.output(id, "err"))
    attempt = broker.job(id)["attempts"][-1]
    assert attempt["variant"] == variant, attempt
    explained = broker.get(f"/v1/jobs/{id}/explain")
    verdict = next(v for v in explained["verdicts"] if v["site"] == site)
    assert verdict["variant"] == variant, verdict
    shown = slurm(site, "scontrol", "-o", "show", "job", attempt["site_job_id"])
    asked = " ".join(word for word in shown.split() if word.partition("=")[0] in ("NumTasks", "TRES", "TresPerNode", "QOS"))
    say(f"  {site}: {printed.strip()!r}; Slurm: {asked}; apptainer {option}")
    words = Path("/home/alice/.hansa/apptainer.asked").read_text().split("end\n")[-2].splitlines()
    assert option in words and words.index(IMAGES[site]) > words.index(option), words
    return asked


def one_job_goes_to_either():
    """Each kind of machine runs its own variant: image, modules, variables, tasks and GPUs in its own units, as Slurm says it too."""
    asked = as_that_variant(broker.submit(job(placement={"sites": ["beta"]})), "beta", "nv", 2, 2, "cuda", "CUDA/12.1 PyTorch/2.3", "--nv")
    assert "gres/gpu=2" in asked and "QOS=brief" in asked and "NumTasks=2" in asked, asked
    asked = as_that_variant(broker.submit(job(placement={"sites": ["gamma"]})), "gamma", "am", 1, 4, "rocm", "rocm/6.0 PyTorch/2.3-rocm", "--rocm")
    assert "gres/gpu=2" in asked and "NumTasks=1" in asked and "QOS=brief" not in asked, asked  # two modules, four dies


def wherever_there_is_room():
    """Without a place: both clusters get some of a handful, and each runs what is its."""
    ids = [broker.submit(job(script=SCRIPT + "sleep 5\n")) for _ in range(6)]
    done = broker.wait_over(ids)
    went = {}
    for id in ids:
        assert done[id]["state"] == "succeeded", (done[id], broker.output(id, "err"))
        went.setdefault(done[id]["site"], []).append(broker.job(id)["attempts"][-1]["variant"])
    say(f"  {went}")
    assert set(went) == {"beta", "gamma"} and set(went["beta"]) == {"nv"} and set(went["gamma"]) == {"am"}, went


def a_site_that_is_neither_says_why():
    told = broker.call("POST", "/v1/jobs?dry_run=true", job(modules=[])).json
    codes = {v["site"]: v["code"] for v in told["verdicts"]}
    assert codes == {"alpha": "NO_VARIANT_MATCHES", "here": "NO_VARIANT_MATCHES", "beta": "OK", "gamma": "OK"}, told
    alpha = next(v for v in told["verdicts"] if v["site"] == "alpha")
    say(f"  alpha: {alpha['message']}")
    assert "x86_64 processors and no GPUs" in alpha["message"], alpha
    for fields, code in (({"modules": ["torhc"]}, "NO_SUCH_MODULE"), ({"container": {"image": "docker://x@sha256:" + "c" * 64}}, "IMAGE_NOT_ALLOWED"),
                         ({"container": {"image": IMAGES["beta"], "binds": ["/etc"]}}, "BIND_NOT_ALLOWED")):
        told = broker.call("POST", "/v1/jobs?dry_run=true", {"project": "ai-lab", "script": SCRIPT} | fields).json
        codes = {v["site"]: (v["code"], v["message"]) for v in told["verdicts"]}
        say(f"  {codes['beta']}; alpha: {codes['alpha'][0]}")
        assert codes["beta"][0] == code and codes["alpha"][0] == ("NO_SUCH_MODULE" if code == "NO_SUCH_MODULE" else "NO_CONTAINER_RUNTIME"), told


def the_command_line_says_it_too():
    folder = Path(tempfile.mkdtemp(dir=broker.folder))
    folder.chmod(0o755)
    (folder / "variants.toml").write_text('[[variants]]\nname = "nv"\nwhen = { gpu_vendor = "nvidia" }\nmodules = ["torch"]\nresources = { gpus_per_node = 1 }\n'
                                          '[[variants]]\nname = "rest"\nwhen = {}\nenvironment = { KERNELS = "none" }\n')
    (folder / "job").write_text(SCRIPT)
    done = broker.hansa("submit", "--project", "ai-lab", "--site", "beta", "--variants", folder / "variants.toml", "--image", IMAGES["beta"], "--bind", "/usr/share", "--wait", folder / "job",
                        check=0)
    id = done.stdout.decode().split()[0]
    assert f"image={IMAGES['beta']} modules=CUDA/12.1" in broker.output(id).decode(), broker.output(id)
    shown = broker.hansa("show", id).stdout.decode()
    assert "variant" in shown and "gpu_vendor nvidia" in shown and IMAGES["beta"] in shown, shown
    assert "variant nv" in broker.hansa("explain", id).stdout.decode()
    (folder / "variants.toml").write_text('[[variants]]\nwhen = { gpu_vendor = "nvdia" }\n')
    refused = broker.hansa("submit", "--project", "ai-lab", "--variants", folder / "variants.toml", "--image", "docker://x:1", "--", folder / "job", check=2).stderr.decode()
    say(f"  {refused.strip()}")
    assert "--variants 0/when/gpu_vendor" in refused and 'did you mean "nvidia"' in refused and "--image" in refused and "not pinned" in refused, refused


def images_from_code_and_a_way_out():
    """An image beside the code runs from the job's folder; who needs a way out goes only where somebody says that there is one, and is told who could say it elsewhere."""
    folder = Path(tempfile.mkdtemp(dir=broker.folder))
    (folder / "code/images").mkdir(parents=True)
    (folder / "code/images/x.sif").write_text("an image\n")
    (folder / "job").write_text('#!/bin/bash\necho "in $IN_IMAGE at $HANSA_SITE: $(cat images/x.sif)"\n')
    for command in (["git", "init", "-q"], ["git", "add", "-A"]):
        subprocess.run(command, cwd=folder / "code", check=True)
    subprocess.run(["chmod", "-R", "a+rX", folder], check=True)
    done = broker.hansa("submit", "--project", "ai-lab", "--code", folder / "code", "--image", "code:images/x.sif", "--network", "outbound", "--wait", folder / "job", check=0)
    id = done.stdout.decode().split()[0]
    printed = broker.output(id).decode()
    say(f"  {printed.strip()}")
    tag = broker.job(id)["attempts"][-1]["tag"]
    assert printed == f"in /home/alice/.hansa/jobs/{tag}/images/x.sif at beta: an image\n", (printed, broker.output(id, "err"))
    told = broker.call("POST", "/v1/jobs?dry_run=true", {"project": "ai-lab", "script": SCRIPT, "network": "outbound"}).json
    codes = {v["site"]: (v["code"], v["message"]) for v in told["verdicts"]}
    say(f"  alpha: {codes['alpha'][1]}")
    assert codes["beta"][0] == "OK" and {codes[s][0] for s in ("alpha", "gamma", "here")} == {"NO_OUTBOUND_NETWORK"}, codes
    assert "profile.outbound" in codes["alpha"][1] and "hansa site doctor alpha" in codes["alpha"][1], codes
    held = broker.submit({"project": "ai-lab", "script": "#!/bin/sh\necho out\n", "network": "outbound", "placement": {"sites": ["here"]}})
    broker.wait_state(held, "held")
    report = broker.call("POST", "/v1/sites/here/doctor", user="operator").json
    found = next(f for f in report["findings"] if f["check"] == "NETWORK")
    say(f"  here: {found['value']}")
    if found.get("lacks"):  # this machine has no way out, and says so
        verdict = next(v for v in broker.get(f"/v1/jobs/{held}/explain")["verdicts"] if v["site"] == "here")
        assert verdict["source"] == "doctor" and "no default route" in verdict["message"], verdict
        broker.call("POST", f"/v1/jobs/{held}/cancel")
    else:
        assert broker.wait_over([held], 60)[held]["state"] == "succeeded"
    refused = broker.hansa("submit", "--project", "ai-lab", "--image", "code:../x.sif", "--", folder / "job", check=2).stderr.decode()
    assert "--image" in refused and "no file of the job's code" in refused, refused


if __name__ == "__main__":
    need_root()
    software = Path(tempfile.mkdtemp(prefix="hansa-software-", dir="/var/tmp"))
    software.chmod(0o755)
    (software / "apptainer").write_text(APPTAINER)
    (software / "apptainer").chmod(0o755)
    (software / "modules.sh").write_text(MODULES)
    switch = Switch([f"/usr/bin/{p}" for p in SLURM + COREUTILS])
    switch.start()
    slurm("beta", "sacctmgr", "-i", "add", "qos", "brief")
    slurm("beta", "sacctmgr", "-i", "modify", "account", "proj1", "set", "qos+=brief", check=False)
    broker = Broker("variants", config())
    run_with_broker(broker, [one_job_goes_to_either, wherever_there_is_room, a_site_that_is_neither_says_why, the_command_line_says_it_too, images_from_code_and_a_way_out],
                    prepare=lambda: sites_answer(broker), clean=[switch.stop, lambda: slurm("beta", "sacctmgr", "-i", "delete", "qos", "brief", check=False), lambda: shutil.rmtree(software)])
