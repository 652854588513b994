# SPDX-License-Identifier: Apache-2.0
"""The Debian packages, made of what is compiled anyway: what is in them, what Debian's own checks say, how its units are kept."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("HANSA_BUILD", ROOT / "build/release"))
NEEDED = ["dh", "lintian", "dpkg-buildpackage", "systemd-analyze", "man", "objdump"]
# What must be where; everything else a package has lies beneath SHARED.
CONTENTS = {
    "hansa-broker": ["usr/sbin/hansad", "lib/systemd/system/hansad.service", "usr/lib/tmpfiles.d/hansa-broker.conf", "usr/share/man/man8/hansad.8.gz",
                     "usr/share/man/man5/hansad.toml.5.gz"],
    "hansa-agent": ["usr/bin/hansa-agent", "usr/sbin/hansa-switch", "lib/systemd/system/hansa-agent.service", "lib/systemd/system/hansa-switch.service",
                    "lib/systemd/system/hansa-switch.socket", "usr/share/man/man8/hansa-agent.8.gz", "usr/share/man/man8/hansa-switch.8.gz"],
    "hansa-client": ["usr/bin/hansa", "usr/share/man/man1/hansa.1.gz", "usr/share/bash-completion/completions/hansa", "usr/share/zsh/vendor-completions/_hansa",
                     "usr/share/fish/vendor_completions.d/hansa.fish", "usr/share/hansa/verify/hansa_verify.py"],
    "hansa-common": ["usr/libexec/hansa/hansa-local-run", "usr/libexec/hansa/hansa-move-run", "usr/lib/sysusers.d/hansa-common.conf", "usr/share/hansa/packs/gdpr-eea.toml",
                     "etc/hansa"],
}
SHARED = ("usr/share/doc/", "usr/share/lintian/", "usr/share/hansa/packs/")
EXPOSURE = {"hansad": 2.0, "hansa-agent": 2.0, "hansa-switch": 3.0}  # hansa-switch becomes people, whose programs need what they need
LINKED = {"hansa-broker": {"libsqlite3-0", "libmimalloc2.0", "libboost1.81-dev", "nlohmann-json3-dev", "libtomlplusplus-dev"},
          "hansa-client": {"libssl3", "zlib1g-dev", "nlohmann-json3-dev", "libstdc++-12-dev"}, "hansa-agent": {"libboost1.81-dev"}, "hansa-common": {"libc6"}}


def run(*command, **more):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, **more)
    assert done.returncode == 0, f"{' '.join(map(str, command))}: {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout + done.stderr


def packages_are_built(work):
    run(ROOT / "packaging/build_debs", BUILD, work)
    debs = {deb.name.split("_")[0]: deb for deb in work.glob("*.deb")}
    assert set(debs) == set(CONTENTS), debs
    for name, deb in debs.items():
        run("dpkg-deb", "-x", deb, work / "root")
        run("dpkg-deb", "-e", deb, work / name)
    return debs


def lintian_is_content(debs):
    run("lintian", "--allow-root", "--fail-on", "error,warning", *debs.values())


def everything_is_where_it_belongs(debs):
    for name, deb in debs.items():
        files = {}
        for line in run("dpkg-deb", "-c", deb).splitlines():
            mode, owner, *_, path = line.split(" -> ")[0].split()
            files[path.removeprefix("./").rstrip("/")] = (mode, owner)
        assert set(CONTENTS[name]) <= set(files), set(CONTENTS[name]) - set(files)
        for path, (mode, owner) in files.items():
            assert owner == "root/root" and "s" not in mode[1:] and mode[8] != "w", (path, mode, owner)
            known = mode[0] == "d" or path in CONTENTS[name] or path.startswith(SHARED)
            assert known, f"{name} has {path}, which this test knows nothing of"


def units_are_kept(root):
    (root / "bin").mkdir(exist_ok=True)
    (root / "bin/kill").touch(0o755)  # not of ours, but named
    units = sorted((root / "lib/systemd/system").iterdir())
    for unit in units:  # as installed: the programs that it names are there
        said = subprocess.run(["systemd-analyze", "verify", "--man=no", f"--root={root}", unit.name], capture_output=True, text=True)
        ours = [line for line in said.stderr.splitlines() if "hansa" in line and "not found" not in line.lower()]
        assert not ours, ours
    for name, most in EXPOSURE.items():
        told = run("systemd-analyze", "security", "--offline=true", "--no-pager", root / f"lib/systemd/system/{name}.service")
        level = float(re.search(r"exposure level for \S+ ([0-9.]+)", told)[1])
        print(f"  {name}.service: exposure {level}")
        assert level <= most, told


def man_pages_are_rendered(root):
    for page in sorted((root / "usr/share/man").rglob("*.gz")):
        said = subprocess.run(["man", "--warnings=w", "-E", "UTF-8", "-l", "-Tutf8", "-Z", page], capture_output=True, text=True, env={**os.environ, "MANWIDTH": "100", "LC_ALL": "C.UTF-8"})
        assert said.returncode == 0 and not said.stderr.strip(), (page.name, said.stderr[-2000:])


def maintainers_scripts_are_sound(work):
    for name in CONTENTS:
        for script in ("preinst", "postinst", "prerm", "postrm"):
            if (work / name / script).exists():
                run("sh", "-n", work / name / script)
    purge = (work / "hansa-broker/postrm").read_text()
    assert '"$1" = purge' in purge and purge.index("purge") < purge.index("rm -rf /var/lib/hansa")


def every_part_is_told(work):
    for name, parts in LINKED.items():
        told = json.loads((work / f"{name}.spdx.json").read_text())
        assert told["spdxVersion"] == "SPDX-2.3" and told["dataLicense"] == "CC0-1.0"
        ids = [package["SPDXID"] for package in told["packages"]]
        assert len(ids) == len(set(ids)) and all(re.fullmatch(r"SPDXRef-[A-Za-z0-9.-]+", id) for id in ids)
        for relation in told["relationships"]:
            assert {relation["spdxElementId"], relation["relatedSpdxElement"]} <= {*ids, "SPDXRef-DOCUMENT"}
        names = {package["name"]: package["versionInfo"] for package in told["packages"]}
        assert parts <= set(names) and all(names.values()), (name, parts - set(names))
        print(f"  {name}: {len(names) - 1} parts, {', '.join(sorted(names)[:60])}")


def main():
    missing = [program for program in NEEDED if not shutil.which(program)]
    if missing:
        print(f"skipped: {', '.join(missing)} not installed (./dev package installs them)")
        sys.exit(77)
    with tempfile.TemporaryDirectory(prefix="hansa-packages-", dir="/var/tmp") as folder:
        work = Path(folder)
        began = time.monotonic()
        debs = packages_are_built(work)
        for test, given in ((lintian_is_content, debs), (everything_is_where_it_belongs, debs), (units_are_kept, work / "root"), (man_pages_are_rendered, work / "root"),
                            (maintainers_scripts_are_sound, work), (every_part_is_told, work)):
            print(f"{time.monotonic() - began:5.1f} s {test.__name__}", flush=True)
            test(given)
        print(f"{time.monotonic() - began:5.1f} s all of it")


if __name__ == "__main__":
    main()
