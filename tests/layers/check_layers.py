#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The layer check: one folder is one room, and a room includes only what its row allows.

    check_layers.py [ROOT]      prints one "file:line: what is wrong" per fault; exit 0 without faults, else 1

It reports forbidden includes, includes that are not written from the repository's root, circles, folders that are no room,
rooms without a README, and calls that belong to one place only (time, sleeping, randomness) or to none (shells, `detached`).
A row of the table for a room that is not built yet is fine.
"""

import re
import sys
from pathlib import Path

ALL = "*"

# room: the rooms it may include. The relation is transitive: who may use ports may use domain, async and core.
MAY_USE = {
    "broker/core": [],
    "broker/metrics": ["broker/core"],
    "broker/async": ["broker/core"],
    "broker/domain": ["broker/core"],
    "broker/ports": ["broker/domain", "broker/async"],
    "policies/rules": ["broker/domain"],
    "policies/routing": ["policies/rules"],
    "policies/packs": [],
    "broker/ledger": ["broker/ports"],
    "broker/engine": ["broker/ports", "policies/routing", "broker/ledger", "broker/metrics"],
    "broker/store": ["broker/ports", "broker/ledger", "broker/metrics"],
    "broker/http": ["broker/async"],
    "broker/identity": ["broker/ports", "broker/http", "broker/metrics"],
    "broker/directives": ["broker/core"],
    "broker/wire": ["broker/domain", "broker/directives"],
    "broker/api": ["broker/wire", "broker/engine", "broker/identity"],
    "broker/app": [ALL],
    "broker/cli": ["broker/wire", "broker/http", "config", "policies/rules", "broker/ledger", "simulation"],
    "simulation": ["broker/engine", "connectors/model"],
    "connectors/transport": ["broker/async"],
    "connectors/batch": ["broker/ports", "connectors/transport"],
    "connectors/mover": ["broker/ports", "connectors/transport"],
    "connectors/switch": ["broker/core"],
    "connectors/protocol": ["broker/ports"],
    "connectors/remote": ["connectors/protocol", "connectors/transport"],
    "connectors/websocket": ["connectors/remote", "broker/http"],
    "connectors/assembly": [f"connectors/{kind}" for kind in ("local", "slurm", "slurmrest", "pbs", "model", "remote", "websocket")] + ["config", "policies/rules"],
    "connectors/agent": ["connectors/assembly", "connectors/protocol", "connectors/websocket", "policies/routing", "broker/identity", "broker/http"],
    "config": ["broker/core"],
} | {
    "connectors/model": ["broker/ports", "connectors/transport", "broker/http", "config"]
} | {
    f"connectors/{kind}": ["connectors/batch"] for kind in ("local", "slurm", "pbs")
} | {
    "connectors/slurmrest": ["connectors/slurm", "broker/http", "broker/wire"]
}

PRODUCT = ("broker", "policies", "connectors", "config", "simulation")
SOURCES = {".hpp", ".cpp", ".h", ".c", ".ipp"}
OTHER_FOLDERS_WITH_README = ("tests", "tests/testbed", "tests/layers", "docs/adr", "scripts", "packaging")

# Time and randomness enter through one door. hansa-switch and hansa-local-run are programs of their own that use neither engine nor
# scheduler; the time-outs of HTTP connections belong to the sockets and never reach the engine.
DOOR = ("broker/async/real_scheduler.", "broker/http/", "connectors/switch/", "connectors/local/supervise.")
# (what, pattern, prefixes of the paths where it is allowed, what to do instead)
BANNED = [
    ("the system's clock", r"\b\w+_clock::now\b|\b(?:clock_gettime|gettimeofday)\s*\(|\btime\s*\(\s*(?:nullptr|NULL|0)\s*\)",
     DOOR, "ask the Scheduler or Clock you were given"),
    ("a sleeping thread", r"\bthis_thread::sleep_\w+|\b(?:sleep|usleep|nanosleep)\s*\(", DOOR, "co_await Scheduler::sleep_until"),
    ("std::random_device", r"\brandom_device\b", DOOR, "ask the Random you were given"),
    ("a detached coroutine or thread", r"\bdetached\b|\.detach\s*\(\s*\)", ("broker/async/lookups.",),  # of which nothing can end one that hangs
     "run it in a TaskGroup"),
    ("a regular expression of the standard library", r"\bstd::w?regex\w*", (), "read it by hand: one that backtracks takes as long as whoever wrote the text likes"),
    ("a shell", r"(?<![\w.>:])(?:std::|::)?(?:system|popen)\s*\(", (), "run an argument vector through the child-process runner"),
]

TOKEN = re.compile(
    r'(?P<comment>//[^\n]*|/\*.*?\*/)|(?P<raw>R"(?P<mark>[^()\\ \n]{0,16})\(.*?\)(?P=mark)")'
    r"""|(?P<string>"(?:\\.|[^"\\\n])*"|(?<![0-9A-Fa-f])'(?:\\.|[^'\\\n])+')""", re.S)
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"\n]*)"', re.M)


def blank(text, keep_strings):
    """`text` with comments (and strings) turned to blanks; lines keep their numbers."""
    def replace(match):
        if match["string"] and keep_strings:
            return match[0]
        return re.sub(r"[^\n]", " ", match[0])
    return TOKEN.sub(replace, text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def room_of(path):
    """The room a path relative to the root lies in, or None."""
    parts = path.split("/")
    for length in (2, 1):
        if "/".join(parts[:length]) in MAY_USE and len(parts) > length:
            return "/".join(parts[:length])
    return None


def reachable(room, table):
    """All that `room` may include, itself too."""
    if ALL in table.get(room, []):
        return set(table)
    seen, todo = set(), [room]
    while todo:
        at = todo.pop()
        if at not in seen:
            seen.add(at)
            todo += table.get(at, [])
    return seen


def find_circle(edges):
    """A list of nodes a, b, ..., a along `edges`, or None. Iterative: include chains are long."""
    done = set()
    for start in sorted(edges):
        path, on_path, stack = [], set(), [(start, None)]
        while stack:
            node, rest = stack.pop()
            if rest is None:
                if node in on_path:
                    return path[path.index(node):] + [node]
                if node in done:
                    continue
                path.append(node)
                on_path.add(node)
                rest = iter(sorted(edges.get(node, ())))
            following = next(rest, None)
            if following is None:
                path.pop()
                on_path.discard(node)
                done.add(node)
            else:
                stack += [(node, rest), (following, None)]
    return None


def check(root):
    """The faults of the tree at `root`, as text, sorted."""
    root = Path(root)
    faults, edges = [], {}
    files = sorted(p for top in PRODUCT if (root / top).is_dir() for p in (root / top).rglob("*") if p.suffix in SOURCES and p.is_file())
    rooms = set()

    for file in files:
        path = file.relative_to(root).as_posix()
        room = room_of(path)
        if room is None:
            faults.append(f"{path}:1: lies in no room: give its folder a row in tests/layers/check_layers.py and in docs/architecture.md")
            continue
        rooms.add(room)
        raw = file.read_text(encoding="utf-8", errors="replace")

        with_strings = blank(raw, keep_strings=True)
        allowed = reachable(room, MAY_USE)
        for match in INCLUDE.finditer(with_strings):
            target, where = match[1], f"{path}:{line_of(with_strings, match.start())}"
            target_room = room_of(target)
            if target.startswith("tests/"):
                faults.append(f"{where}: {room} includes a test (\"{target}\")")
            elif target_room is None:
                faults.append(f"{where}: \"{target}\" is not written from the repository's root, or belongs in <...>")
            elif target_room not in allowed:
                faults.append(f"{where}: {room} must not include {target_room} (\"{target}\")")
            if (root / target).is_file():
                edges.setdefault(path, set()).add(target)

        code = blank(raw, keep_strings=False)
        for what, pattern, places, instead in BANNED:
            if path.startswith(places or ("\0",)):
                continue
            faults += [f"{path}:{line_of(code, m.start())}: uses {what} ({m[0].strip()}): {instead}" for m in re.finditer(pattern, code)]

    for folder in sorted(rooms) + [f for f in OTHER_FOLDERS_WITH_README if (root / f).is_dir()]:
        if not (root / folder / "README.md").is_file():
            faults.append(f"{folder}:1: has no README.md (what it is, where to start reading, what it may use, how it is tested)")

    circle = find_circle(edges)
    if circle:
        faults.append(f"{circle[0]}:1: includes itself in a circle: {' -> '.join(circle)}")
    return sorted(faults)


def main():
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[2]
    if not (root / "broker").is_dir():
        sys.exit(f"{root} is not the root of Hansa: it has no folder broker/")
    faults = check(root)
    print("\n".join(faults) if faults else "the layers hold")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
