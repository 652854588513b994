#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The threat model's tests by name. docs/security.md says which tests show that a threat is met; cases of test programs bear its tag, [T05].

    threats.py names DOCUMENT                          T05_an_issuer_names_anothers_groups, one a line
    threats.py check DOCUMENT BUILD SOURCE             the document against the tests that there are, both ways
    threats.py run T05 DOCUMENT BUILD                  all of a threat's tests, and nothing else
"""

import json
import re
import subprocess
import sys
from pathlib import Path

COUNT = 27
PARTS = ("Threat", "Defence", "Tests", "Left")
TAG = re.compile(r"\[T(\d\d)\]")
SKIPPED = 77


class Row:
    def __init__(self, number, title, text):
        self.number, self.title = number, title
        self.tag = f"T{number:02}"
        self.parts = dict(re.findall(r"^\*\*(\w+)\.\*\* (.*?)(?=\n\n|\Z)", text, flags=re.M | re.S))

    @property
    def name(self):
        return self.tag + "_" + re.sub(r"[^a-z0-9]+", "_", self.title.lower().replace("'", "")).strip("_")

    @property
    def tests(self):
        return re.findall(r"`([a-z0-9_]+)`", self.parts.get("Tests", ""))

    @property
    def paths(self):
        return re.findall(r"`([a-z]\w*/[\w./-]+)`", self.parts.get("Defence", ""))


def rows(document):
    parts = re.split(r"^### T(\d+): (.*)$", document, flags=re.M)
    return [Row(int(number), title, re.split(r"^## ", text, flags=re.M)[0]) for number, title, text in zip(parts[1::3], parts[2::3], parts[3::3])]


def tags_in(path):
    """Tags of the Catch cases of a file, or of the functions of a script of e2e."""
    text = path.read_text(errors="replace")
    if path.suffix == ".py":
        cases = [doc for _, doc in re.findall(r'^def (\w+)\(\):\n    """(.*?)"""', text, flags=re.M | re.S)]
    else:
        cases = re.findall(r"^TEST_CASE\((.*?)\) *{", text, flags=re.M | re.S)
    return {tag for case in cases for tag in TAG.findall(case)}


def known_tests(build, source):
    """{test: the files with its cases, or None if it has no cases of its own}. Fuzz targets are built by another preset."""
    known = {}
    shown = json.loads(subprocess.run(["ctest", "--test-dir", build, "--show-only=json-v1"], capture_output=True, check=True, text=True).stdout)
    for test in shown["tests"]:
        scripts = [Path(word) for word in test.get("command", []) if "/tests/e2e/" in word and word.endswith(".py")]
        known[test["name"]] = scripts or None
    for line in (Path(build) / "security/programs").read_text().splitlines():
        name, *files = line.split(";")
        known[name] = [Path(file) for file in files]
    for name in re.findall(r"^hansa_fuzz\((\w+)", (Path(source) / "tests/fuzz/CMakeLists.txt").read_text(), flags=re.M):
        known[name] = None
    return known


def faults(document, known, source):
    found, all_rows = [], rows(document)
    if [row.number for row in all_rows] != list(range(1, COUNT + 1)):
        found.append(f"the threats must be T1 to T{COUNT}, each once and in order: {[row.number for row in all_rows]}")
    tagged = {}  # file: tags
    for file in {file for files in known.values() if files for file in files}:
        tagged[file] = tags_in(file)
    for row in all_rows:
        found += [f"{row.tag} has no part \"{part}\"" for part in PARTS if not row.parts.get(part, "").strip()]
        found += [f"{row.tag}: there is no {path}" for path in row.paths if not (Path(source) / path).exists()]
        if not row.tests:
            found.append(f"{row.tag} has no test")
        named = set()
        for test in row.tests:
            if test not in known:
                found.append(f"{row.tag}: there is no test {test}")
            elif known[test] is not None:
                named.update(known[test])
                if not any(row.tag[1:] in tagged[file] for file in known[test]):
                    found.append(f"{row.tag}: no case of {test} has the tag [{row.tag}]")
        for file, tags in sorted(tagged.items()):
            if row.tag[1:] in tags and file not in named:
                found.append(f"{row.tag}: cases of {file} have its tag, and the row names no test of that file")
    numbers = {f"{number:02}" for number in range(1, COUNT + 1)}
    found += [f"{file}: there is no T{tag}" for file, tags in sorted(tagged.items()) for tag in sorted(tags - numbers)]
    return found


def check(document, build, source):
    told = faults(Path(document).read_text(), known_tests(build, source), source)
    print("\n".join(told) or f"{COUNT} threats, each with tests that there are")
    return 1 if told else 0


def run(tag, document, build):
    row = next(row for row in rows(Path(document).read_text()) if row.tag == tag)
    programs = dict(line.split(";", 1) for line in (Path(build) / "security/programs").read_text().splitlines())
    failed, ran = [], 0
    for test in row.tests:
        if test.endswith("_fuzz"):
            where = Path(build).parent / "asan"
            if not (where / "fuzz" / test).exists():
                print(f"{test}: not built here; ./dev fuzz {test}", flush=True)
                continue
            command = ["ctest", "--test-dir", where, "--output-on-failure", "-R", f"^{test}$"]
        elif test in programs:
            command = [Path(build) / "tests" / test, f"[{tag}]", "--warn", "NoTests"]
            if not command[0].exists():
                print(f"{test}: not built; ninja -C {build} {test}", flush=True)
                failed.append(test)
                continue
        else:
            command = ["ctest", "--test-dir", build, "--output-on-failure", "--no-tests=error", "-R", f"^{test}$"]
        print(f"{test}: {' '.join(map(str, command))}", flush=True)
        ran += 1
        if subprocess.run(command, stdin=subprocess.DEVNULL).returncode != 0:
            failed.append(test)
    print(f"{row.name}: {ran} tests, failed: {', '.join(failed) or 'none'}")
    return 1 if failed else 0 if ran else SKIPPED


def main(words):
    match words:
        case ["names", document]:
            print("\n".join(row.name for row in rows(Path(document).read_text())))
            return 0
        case ["check", document, build, source]:
            return check(document, build, source)
        case ["run", tag, document, build]:
            return run(tag, document, build)
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
