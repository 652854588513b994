#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Alters a ledger of a thousand records in every way, and tells which verifier finds what.

    flips.py SAMPLE_LEDGER STEP     every STEP-th byte is flipped, one at a time
"""

import copy
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, os.environ.get("HANSA_SOURCE", str(Path(__file__).parents[3])) + "/packaging/verify")
import hansa_verify as verify  # noqa: E402


def is_found(lines):
    try:
        verify.check(lines)
        return False
    except verify.Altered:
        return True


def flips(lines, step):
    """(tried, found). What comes before the flipped line has been checked once; a line that is taken all the same is another leaf: the
    records that follow it are hashed up to another root, which is worked out from the hashes of the whole tree."""
    leaves = [i for i, line in enumerate(lines) if i > 0 and line.startswith(b"{")]  # what lies behind a record begins otherwise
    tried = found = at = 0
    state, behind = None, None  # what the line behind a record is for
    for i, line in enumerate(lines):
        wanted = [k for k in range(len(line)) if (at + k) % step == 0]
        for k in wanted:
            flipped = bytearray(line)
            flipped[k] ^= 1 << ((at + k) % 8)
            flipped = bytes(flipped)
            tried += 1
            if i == 0 or flipped.count(b"\n") != 1 or not flipped.endswith(b"\n") or i + 1 == len(lines):
                found += is_found((b"".join(lines[:i]) + flipped + b"".join(lines[i + 1:])).splitlines(keepends=True))
                continue
            trial = copy.copy(state)  # what a record's check adds to is copied by it below, where it is taken
            try:
                text = flipped[:-1].decode()
                if behind is not None:
                    getattr(trial, behind[0])(text, *behind[1:])
                    print(f"not found: byte {at + k}")
                    continue
                trial.tree, trial.runs, trial.reversed = copy.deepcopy(state.tree), Overlay(state.runs), set(state.reversed)
                trial.booked, trial.keys, trial.kinds = list(state.booked), list(state.keys), dict(state.kinds)
                trial.sums, trial.periods, trial.months = copy.deepcopy(state.sums), copy.deepcopy(state.periods), dict(state.months)
                trial.closes_are_kept, trial.places = state.closes_are_kept, copy.deepcopy(state.places)
                trial.record(text)
            except (verify.Altered, ValueError, TypeError):
                found += 1
                continue
            for later in (lines[j] for j in leaves if j > i):
                trial.tree.add(later[:-1])
            found += trial.tree.root() != trial.expected_root
        at += len(line)
        text = line[:-1].decode()
        if i == 0:
            state = verify.Check()
            state.header(text)
        elif behind is not None:
            getattr(state, behind[0])(text, *behind[1:])
            behind = None
        else:
            behind = state.record(text)
    return tried, found


class Overlay(dict):
    """Writes of a trial stay in it."""

    def __init__(self, below):
        super().__init__()
        self.below = below

    def get(self, key, default=None):
        return super().get(key, self.below.get(key, default))


def main():
    program, step = sys.argv[1], int(sys.argv[2])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.txt"
        subprocess.run([program, "write", path], check=True)
        whole = path.read_bytes()
        lines = whole.splitlines(keepends=True)
        assert verify.check(lines).size == 1000
        swept = subprocess.run([program, "sweep", path, str(step)], capture_output=True, text=True, check=False)
        print(swept.stdout, end="")
        words = swept.stdout.split()
        ours = int(words[words.index("flips") + 1]), int(words[words.index("found", words.index("flips")) + 1])
        theirs = flips(lines, step)

        def found_by_ours(text):
            path.write_bytes(text)
            out = subprocess.run([program, "sweep", path, str(len(text) + 1)], capture_output=True, check=False)
            return out.returncode != 0

        rows = [(f"one byte flipped, of {len(whole)} every {step}.", f"{ours[1]} of {ours[0]}", f"{theirs[1]} of {theirs[0]}")]
        altered = {
            "last record cut off": b"".join(lines[:-1]),
            "tail cut off in the middle": whole[:len(whole) // 2],
            "two records change places": b"".join(lines[:10] + lines[12:14] + lines[10:12] + lines[14:]),
            "a record twice": b"".join(lines[:12] + lines[10:12] + lines[12:]),
            "nothing left": b"",
        }
        for what, text in altered.items():
            rows.append((what, "found" if found_by_ours(text) else "NOT FOUND",
                         "found" if is_found(text.splitlines(keepends=True)) else "NOT FOUND"))
        head = lines[0].decode()
        for keys in ("[5]", "5", "[null]", "{}"):
            assert is_found([head[:head.index('"witnesses":')].encode() + f'"witnesses":{keys}}}\n'.encode(), *lines[1:]]), keys
        forged = Path(folder) / "forged"
        forged.mkdir()
        subprocess.run([program, "forge", forged], check=True)
        assert len(list(forged.iterdir())) > 10
        for false in sorted(forged.iterdir()):
            text = false.read_bytes()
            rows.append((false.name, "found" if found_by_ours(text) else "NOT FOUND",
                         "found" if is_found(text.splitlines(keepends=True)) else "NOT FOUND"))
        print(f"{'what was done':44} {'hansa ledger verify':20} hansa_verify.py")
        for row in rows:
            print(f"{row[0]:44} {row[1]:20} {row[2]}")
        assert ours[0] == ours[1] == theirs[0] == theirs[1], (ours, theirs)
        assert not any("NOT" in cell for row in rows for cell in row)


if __name__ == "__main__":
    main()
