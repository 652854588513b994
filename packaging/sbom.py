#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What is in the packages, as SPDX 2.3 (JSON): one document for each package, from what was really linked and compiled in.

    sbom.py --build DIR --version V --date SECONDS --out DIR PACKAGE=PROGRAM[,PROGRAM]...

Shared libraries are those that the programs name (ELF, NEEDED) and those that they open by themselves; libraries that are linked in, and
headers whose code is compiled in, are those of Ninja's own record of the build. Debian's package database says of which package and
version each is. The same build gives the same bytes.
"""

import argparse
import collections
import json
import re
import subprocess
import time
import uuid
from pathlib import Path

OPENED = {"hansa": ["libssl.so.3", "libcrypto.so.3", "libdate-tz.so.3"]}  # broker/cli/*_on_demand.cpp


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


class Debian:
    """Which package a file is of, and its version, by the files of dpkg's database."""

    def __init__(self):
        self.of_file, self.of_library = {}, {}
        for listing in Path("/var/lib/dpkg/info").glob("*.list"):
            package = listing.stem.split(":")[0]
            for line in listing.read_text(errors="replace").splitlines():
                if line.startswith(("/usr/include/", "/usr/lib/", "/lib/")):
                    self.of_file[line.removeprefix("/usr")] = package
                    if ".so" in line:
                        self.of_library.setdefault(line.rsplit("/", 1)[1], package)
        self.versions = {}
        for line in run("dpkg-query", "--show", "--showformat=${Package}\t${Version}\t${Architecture}\t${db:Status-Status}\n").splitlines():
            name, version, architecture, status = line.split("\t")
            if status == "installed":
                self.versions[name] = (version, architecture)

    def package(self, path):
        return self.of_file.get(str(Path(path).resolve()).removeprefix("/usr")) or self.of_file.get(path.removeprefix("/usr"))


def needed(program):
    return re.findall(r"^\s+NEEDED\s+(\S+)", run("objdump", "-p", str(program)), re.M)


def compiled_from(build):
    """Of each object that Ninja made: the files that it was made from."""
    deps, object = {}, None
    for line in run("ninja", "-C", str(build), "-t", "deps").splitlines():
        if line.startswith("    "):
            deps[object].append(line.strip())
        elif ": #deps" in line:
            object = line.split(": #deps")[0]
            deps[object] = []
    return deps


def parts_of(programs, build, deps, debian):
    """{package: how it is in it}"""
    parts = {}
    for program in programs:
        for library in needed(build / "bin" / program) + OPENED.get(program, []):
            if library in debian.of_library:
                parts[debian.of_library[library]] = "DYNAMIC_LINK"
        headers = set()
        for file in run("ninja", "-C", str(build), "-t", "inputs", program).splitlines():
            headers.update(deps.get(file, []))
            if file.endswith(".a") and file.startswith("/") and debian.package(file):
                parts[debian.package(file)] = "STATIC_LINK"
        for header in headers:
            package = header.startswith("/usr/") and debian.package(header)
            if package:
                parts.setdefault(package, "STATIC_LINK")
    return parts


def document(package, version, date, parts, debian):
    def spdx_id(name):
        return "SPDXRef-" + re.sub(r"[^A-Za-z0-9.-]", "-", name)

    def entry(name, version, supplier, license, purl):
        return {"SPDXID": spdx_id(name), "name": name, "versionInfo": version, "supplier": supplier, "downloadLocation": "NOASSERTION",
                "filesAnalyzed": False, "licenseConcluded": license, "licenseDeclared": license, "copyrightText": "NOASSERTION",
                "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}]}

    packages = [entry(package, version, "NOASSERTION", "Apache-2.0", f"pkg:deb/hansa/{package}@{version}")]
    relations = [{"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": spdx_id(package)}]
    for name in sorted(parts):
        its_version, architecture = debian.versions[name]
        purl = f"pkg:deb/debian/{name.replace('+', '%2B')}@{its_version.replace('+', '%2B').replace(':', '%3A').replace('~', '~')}?arch={architecture}&distro=debian-12"
        packages.append(entry(name, its_version, "Organization: Debian", "NOASSERTION", purl))
        relations.append({"spdxElementId": spdx_id(package), "relationshipType": parts[name], "relatedSpdxElement": spdx_id(name)})
    content = json.dumps([packages, relations], sort_keys=True)
    return {"spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": f"{package}-{version}",
            "documentNamespace": f"https://spdx.org/spdxdocs/{package}-{uuid.uuid5(uuid.NAMESPACE_URL, content)}",
            "creationInfo": {"created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(date)), "creators": ["Tool: hansa-sbom"]},
            "packages": packages, "relationships": relations}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=Path, required=True)
    parser.add_argument("--version", required=True)
    parser.add_argument("--date", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("packages", nargs="+", metavar="PACKAGE=PROGRAM[,PROGRAM]")
    options = parser.parse_args()
    debian, deps = Debian(), collections.defaultdict(list, compiled_from(options.build))
    for package, programs in (p.split("=") for p in options.packages):
        parts = parts_of(programs.split(","), options.build, deps, debian)
        text = json.dumps(document(package, options.version, options.date, parts, debian), indent=1, sort_keys=True)
        (options.out / f"{package}.spdx.json").write_text(text + "\n")


main()
