# SPDX-License-Identifier: Apache-2.0
"""A site behind its own hansa-agent and a real sshd."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from harness import BIN, BROKER_USER, free_port, wait_for

AGENT_USER = "hansa-agent"  # of the site; it has nothing in common with the broker's


def need_agents_account():
    try:
        pwd.getpwnam(AGENT_USER)
    except KeyError:
        subprocess.run(["useradd", "--create-home", AGENT_USER], check=True)


def as_account(account, *command):
    return ["setpriv", f"--reuid={account}", f"--regid={account}", "--init-groups", "--", *map(str, command)]


class SshSite:
    """An sshd, whose one key may start the agent and nothing else."""

    def __init__(self, agents_config):
        """`agents_config` is agent.toml with {folder}, a folder of the agent's account, to be filled in."""
        need_agents_account()
        self.folder = Path(tempfile.mkdtemp(prefix="hansa-site-", dir="/tmp"))
        self.folder.chmod(0o755)
        self.port = free_port()
        self.agent = self.folder / "hansa-agent"
        for program in ("hansa-agent", "hansa-local-run"):
            shutil.copy2(BIN / program, self.folder / program)
        (self.folder / "own").mkdir()
        shutil.chown(self.folder / "own", AGENT_USER)
        self.config = self.folder / "agent.toml"
        self.configure(agents_config)
        for key in ("host_key", "other_host_key", "broker_key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.folder / key], check=True)
        (self.folder / "authorized_keys").write_text(
            f'restrict,command="{self.agent} --config {self.config} --stdio" ' + (self.folder / "broker_key.pub").read_text())
        (self.folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} " + (self.folder / "host_key.pub").read_text())
        for name in ("host_key", "other_host_key"):
            shutil.chown(self.folder / name, AGENT_USER)
        shutil.chown(self.folder / "broker_key", BROKER_USER)
        self.log = self.folder / "sshd.log"
        self.process = None

    def configure(self, agents_config):
        self.config.write_text(agents_config.replace("{folder}", str(self.folder / "own")))

    def way(self):
        """To it, as remote.ssh has it."""
        return (f'{{ host = "127.0.0.1", port = {self.port}, user = "{AGENT_USER}", known_hosts = "{self.folder}/known_hosts", '
                f'identity = "{self.folder}/broker_key" }}')

    def start(self, host_key="host_key"):
        config = self.folder / "sshd_config"
        config.write_text(f"ListenAddress 127.0.0.1\nPort {self.port}\nHostKey {self.folder / host_key}\nAuthorizedKeysFile {self.folder}/authorized_keys\n"
                          "PidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n")
        self.process = subprocess.Popen(as_account(AGENT_USER, "/usr/sbin/sshd", "-D", "-e", "-f", config), stderr=self.log.open("ab"), start_new_session=True)
        wait_for("sshd", lambda: b"Server listening" in self.log.read_bytes(), 10)

    def stop(self):
        """With all its sessions, as when a machine goes."""
        for pid in children(self.process.pid) + self.pids(str(self.agent)):
            kill(pid)
        self.process.kill()
        self.process.wait()
        self.log.write_bytes(b"")

    def pids(self, pattern):
        found = subprocess.run(["pgrep", "-u", AGENT_USER, "-f", pattern], capture_output=True, text=True).stdout
        return [int(pid) for pid in found.split()]

    def agents(self):
        return self.pids(f"^{self.agent} ")

    def remove(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def children(pid):
    """And theirs: another test has an sshd of the same account."""
    found = [int(child) for child in subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout.split()]
    return found + [grandchild for child in found for grandchild in children(child)]


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
