# SPDX-License-Identifier: Apache-2.0
"""Two compilations, in two folders, without what a compiler's cache remembers, and the packages of both: the same bytes."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ["hansad", "hansa", "hansa-agent", "hansa-switch", "hansa-local-run", "hansa-move-run"]


def packages_of(source, umask, programs):
    """Of a copy of the tree's last commit, with another umask and time zone each."""
    environment = {**os.environ, "CCACHE_DISABLE": "1", "TZ": "Asia/Tokyo" if umask else "UTC", "LC_ALL": "C.UTF-8"}
    source.mkdir(parents=True)
    subprocess.run(f"git -C {ROOT} archive HEAD | tar -x -C {source}", shell=True, check=True)
    date = subprocess.run(["git", "-C", ROOT, "log", "-1", "--format=%ct"], capture_output=True, text=True, check=True).stdout.strip()
    environment["SOURCE_DATE_EPOCH"] = date
    subprocess.run(["cmake", "--preset", "package"], cwd=source, check=True, env=environment, capture_output=True)
    subprocess.run(["ninja", "-C", source / "build/package", *programs], check=True, env=environment, stdout=subprocess.DEVNULL)
    if set(programs) == set(PROGRAMS):
        subprocess.run([source / "packaging/build_debs", source / "build/package", source / "out"], check=True, env=environment, umask=umask, stdout=subprocess.DEVNULL)
        return sorted((source / "out").iterdir())
    return [source / "build/package/bin" / program for program in programs]


def main():
    if not shutil.which("dh"):
        print("skipped: debhelper is not installed (./dev package installs it)")
        sys.exit(77)
    programs = sys.argv[1:] or PROGRAMS  # some of them: only the programs are compared
    with tempfile.TemporaryDirectory(prefix="hansa-twice-", dir="/var/tmp") as folder:
        one = packages_of(Path(folder) / "one", 0o022, programs)
        two = packages_of(Path(folder) / "another/and/longer", 0o077, programs)
        assert [file.name for file in one] == [file.name for file in two], (one, two)
        different = [a.name for a, b in zip(one, two) if a.read_bytes() != b.read_bytes()]
        for file in one:
            print(f"  {file.name}: {file.stat().st_size} bytes, {'DIFFERENT' if file.name in different else 'the same'}")
        assert not different, different


if __name__ == "__main__":
    main()
