#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes small.swf, the same each time."""

import random
from pathlib import Path

LIMITS = [60, 300, 900, 1800, 3600, 7200, 14400, 36000, 86400]
DAY = 86400


def main():
    chance = random.Random(1996)
    lines = ["; Version: 2.2", "; Computer: none: made by make_small.py", "; MaxJobs: 600", "; MaxProcs: 100"]
    at = 0.0
    for number in range(1, 601):
        hour = at % DAY / 3600
        rate = 2.2 if 8 <= hour < 19 else 0.4
        at += chance.expovariate(rate / 580)
        user = chance.choice([1, 1, 1, 2, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
        cores = min(100, 2 ** min(int(chance.expovariate(0.55)), 7)) if chance.random() < 0.8 else chance.randint(1, 60)
        run = min(80000, max(1, int(chance.lognormvariate(6.2, 2.1))))
        limit = next((x for x in LIMITS if x >= run * chance.uniform(1, 5)), LIMITS[-1])
        lines.append(f"{number} {int(at)} -1 {run} {cores} -1 -1 {cores} {max(limit, run)} -1 1 {user} 1 -1 1 -1 -1 -1")
    Path(__file__).with_name("small.swf").write_text("\n".join(lines) + "\n")


main()
