# SPDX-License-Identifier: Apache-2.0
"""A fresh Debian 12 in a folder, with systemd as its process 1 where this machine allows that."""

import os
import pty
import select
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

SOURCES = [Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list")]
INCLUDE = "systemd,systemd-sysv,dbus,procps,adduser,ca-certificates"
CLEAN = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/root", "DEBIAN_FRONTEND": "noninteractive", "TERM": "dumb"}


class Root:
    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="hansa-root-", dir="/var/tmp"))
        self.folder.chmod(0o755)
        self.machine = self.init = None
        source = next(file for file in SOURCES if file.exists())
        done = subprocess.run(["mmdebstrap", "--variant=minbase", f"--include={INCLUDE}", "bookworm", self.folder, source], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
        shutil.copy("/etc/resolv.conf", self.folder / "etc/resolv.conf")

    def boot(self):
        """True: systemd runs. What it needs beside root (cgroups, namespaces) is not to be had in every container."""
        self.machine = subprocess.Popen(["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--boot", "--resolv-conf=off", f"--machine={self.folder.name}", "-D", self.folder],
                                        stdin=subprocess.DEVNULL, stdout=(self.folder.parent / f"{self.folder.name}.console").open("w"), stderr=subprocess.STDOUT, start_new_session=True)
        end = time.monotonic() + 60
        while time.monotonic() < end and self.machine.poll() is None:
            if self.init is None:
                children = subprocess.run(["pgrep", "-P", str(self.machine.pid)], capture_output=True, text=True).stdout.split()
                inits = [pid for pid in children if Path(f"/proc/{pid}/exe").resolve().name == "systemd"]
                self.init = inits[0] if inits else None
            if self.init and self.run("systemctl", "is-system-running", check=False).strip() in ("running", "degraded"):
                return True
            time.sleep(0.5)
        self.stop_machine()
        return False

    def enter(self):
        if self.init:
            within = f"/proc/{self.init}/root"  # also to start in: nsenter opens it before it enters, so "/" were this machine's
            return ["nsenter", "-t", self.init, "-m", "-u", "-i", "-p", f"--root={within}", f"--wd={within}"]
        return ["chroot", self.folder]

    def run(self, *command, user=None, check=True, input=None, environment=None):
        """Its output and errors."""
        words = [*self.enter(), *(("runuser", "-u", user, "--", "env") if user else ("env",)), *(f"{k}={v}" for k, v in (environment or {}).items()), *command]
        done = subprocess.run([str(word) for word in words], env=CLEAN, input=input, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=1200)
        self.status = done.returncode
        assert not check or done.returncode == 0, f"{' '.join(map(str, command))}: {done.returncode}\n{done.stdout[-4000:]}"
        return done.stdout

    def talk(self, command, answers):
        """A command at a terminal, each question of which gets its answer; what was said."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.execvpe(self.enter()[0], [str(word) for word in (*self.enter(), *command)], CLEAN)
        said, rest = "", list(answers)
        while True:
            ready, _, _ = select.select([terminal], [], [], 30)
            try:
                text = os.read(terminal, 4096).decode() if ready else ""
            except OSError:
                text = ""
            if not text:
                break
            said += text
            if said.rstrip("\r\n").endswith(": ") and rest:
                os.write(terminal, (rest.pop(0) + "\n").encode())
        _, status = os.waitpid(pid, 0)
        assert os.waitstatus_to_exitcode(status) == 0, said
        return said

    def background(self, *command, user, log):
        """Where no systemd starts services: as the unit would, without what it keeps it from."""
        return subprocess.Popen([*map(str, self.enter()), "setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--no-new-privs", *command],
                                env={**CLEAN, "HOME": "/var/lib/hansa"}, stdin=subprocess.DEVNULL, stdout=log.open("ab"), stderr=subprocess.STDOUT, start_new_session=True)

    def install(self, debs, *more):
        for old in (self.folder / "srv").glob("*.deb"):
            old.unlink()
        for deb in debs:
            shutil.copy(deb, self.folder / "srv")
        return self.run("apt-get", "install", "-y", "-q", "--no-install-recommends", *more, *(f"/srv/{deb.name}" for deb in debs))

    def stop_machine(self):
        if self.machine and self.machine.poll() is None:
            self.machine.terminate()  # an orderly shutdown
            try:
                self.machine.wait(60)
            except subprocess.TimeoutExpired:
                self.machine.kill()
                self.machine.wait()
        self.machine = self.init = None

    def remove(self):
        self.stop_machine()
        for pid in Path("/proc").glob("[0-9]*"):  # jobs outlive their broker on purpose
            try:
                if os.readlink(pid / "root") == str(self.folder):
                    os.kill(int(pid.name), 9)
            except OSError:
                pass
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder.parent / f"{self.folder.name}.console").unlink(missing_ok=True)
