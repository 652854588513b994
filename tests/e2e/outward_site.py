# SPDX-License-Identifier: Apache-2.0
"""A site that nobody can connect to: its agent lives in a network namespace of its own, from which one cable leads out to a middle box
that lets connections through to the broker's door for agents. The cable can be pulled (silence), the middle box can forget (reset).
Slurm's daemons are the host's: the namespace's own loopback leads to them, and hansa-switch is behind a Unix socket."""

import ctypes
import os
import re
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
from pathlib import Path

from harness import BIN, BROKER_USER, free_port, wait_for
from ssh_site import AGENT_USER, as_account, kill, need_agents_account


def run(*command, check=True):
    return subprocess.run(list(map(str, command)), check=check, capture_output=True, text=True)


class MiddleBox:
    """Passes bytes between two networks; as a firewall does, it may forget a connection and answer with a reset."""

    def __init__(self, address, port, to, inside=None):
        """`inside`: the namespace that it listens in; it passes everything on to a port of the host's own loopback."""
        self.to, self.pairs = to, []
        self.listener = None
        listening = threading.Thread(target=self.listen, args=(address, port, inside))
        listening.start()
        listening.join()
        assert self.listener, f"cannot listen on {address}:{port}"
        threading.Thread(target=self.accept, daemon=True).start()

    def listen(self, address, port, inside):
        """On a thread of its own: to be in a namespace is a thread's property, and a socket stays in that it was made in."""
        if inside:
            with open(f"/run/netns/{inside}") as namespace:
                if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), 0x40000000) != 0:  # CLONE_NEWNET
                    raise OSError(ctypes.get_errno(), "setns")
        self.listener = socket.create_server((address, port))

    def accept(self):
        while True:
            try:
                inner, _ = self.listener.accept()
            except OSError:
                return
            try:
                outer = socket.create_connection(("127.0.0.1", self.to), timeout=5)
            except OSError:
                inner.close()
                continue
            outer.settimeout(None)
            self.pairs.append((inner, outer))
            for one, other in ((inner, outer), (outer, inner)):
                threading.Thread(target=self.pump, args=(one, other), daemon=True).start()

    @staticmethod
    def pump(one, other):
        try:
            while data := one.recv(65536):
                other.sendall(data)
        except OSError:
            pass
        for end in (one, other):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def forget(self):
        """Both ends of every connection are reset."""
        for pair in self.pairs:
            for end in pair:
                try:
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    fd = end.detach()
                    os.close(fd)
                except OSError:
                    pass
        self.pairs.clear()

    def close(self):
        self.listener.close()
        self.forget()


class OutwardSite:
    def __init__(self, name, number, agents_config, agents_port, slurm_conf):
        """`agents_config` is agent.toml with {folder}; `agents_port` is where the broker listens for agents; Slurm is that of a bed."""
        ports = {int(port) for port in re.findall(r"^(?:SlurmctldPort|AccountingStoragePort)=(\d+)", Path(slurm_conf).read_text(), re.M)}
        need_agents_account()
        self.name, self.cable = f"hansa-{name}-{os.getpid()}", f"hansa-c{number}"
        self.outside, self.inside = f"10.231.{number}.1", f"10.231.{number}.2"
        self.folder = Path(tempfile.mkdtemp(prefix="hansa-outward-", dir="/tmp"))
        self.folder.chmod(0o755)
        for program in ("hansa-agent", "hansa-local-run"):
            shutil.copy2(BIN / program, self.folder / program)
        self.state = self.folder / "state"
        self.state.mkdir(mode=0o700)
        (self.folder / "work").mkdir()
        for folder in (self.state, self.folder / "work"):
            shutil.chown(folder, AGENT_USER)
        self.config = self.folder / "agent.toml"
        self.config.write_text(agents_config.replace("{folder}", str(self.folder)))
        self.log = self.folder / "agent.log"
        self.process = None
        run("ip", "link", "del", self.cable, check=False)
        run("ip", "netns", "add", self.name)
        run("ip", "link", "add", self.cable, "type", "veth", "peer", "name", "out", "netns", self.name)
        run("ip", "addr", "add", f"{self.outside}/30", "dev", self.cable)
        run("ip", "link", "set", self.cable, "up")
        run("ip", "netns", "exec", self.name, "ip", "addr", "add", f"{self.inside}/30", "dev", "out")
        run("ip", "netns", "exec", self.name, "ip", "link", "set", "out", "up")
        self.port = free_port()
        self.box = MiddleBox(self.outside, self.port, agents_port)
        run("ip", "netns", "exec", self.name, "ip", "link", "set", "lo", "up")
        self.to_slurm = [MiddleBox("127.0.0.1", port, port, inside=self.name) for port in ports]

    def address(self):
        return f"wss://{self.outside}:{self.port}"

    def command(self, *arguments):
        return ["ip", "netns", "exec", self.name, *as_account(AGENT_USER, self.folder / "hansa-agent", "--config", self.config, *arguments)]

    def enroll(self, token, pin, *more):
        return subprocess.run(self.command("enroll", "--broker", self.address(), "--pin", pin, *more), input=token, capture_output=True, text=True, timeout=90)

    def start(self):
        self.process = subprocess.Popen(self.command("--connect"), stderr=self.log.open("ab"), stdin=subprocess.DEVNULL, start_new_session=True)

    def pids(self):
        found = run("pgrep", "-u", AGENT_USER, "-f", f"^{self.folder}/hansa-agent ", check=False).stdout
        return [int(pid) for pid in found.split()]

    def kill(self):
        for pid in self.pids():
            kill(pid)
        self.process.wait()

    def stop(self):
        """SIGTERM; its exit status."""
        self.process.terminate()
        return self.process.wait(20)

    def pull(self):
        run("ip", "link", "set", self.cable, "down")

    def plug(self):
        run("ip", "link", "set", self.cable, "up")

    def says(self, word, seconds=60):
        wait_for(f"the agent to say {word}", lambda: word in self.log.read_text(), seconds, 0.2)

    def listens(self):
        """What somebody outside could connect to."""
        sockets = run("ip", "netns", "exec", self.name, "ss", "-Htln").stdout.splitlines()
        return [line for line in sockets if " 127.0.0.1:" not in line]

    def remove(self):
        if self.process and self.process.poll() is None:
            self.kill()
        for box in [self.box, *self.to_slurm]:
            box.close()
        run("ip", "link", "del", self.cable, check=False)
        run("ip", "netns", "del", self.name, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)


def broker_certificate(folder):
    """For the agents' door: what it is called does not matter to agents that know its key."""
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=broker",
        "-keyout", folder / "agents.key", "-out", folder / "agents.crt")
    for name in ("agents.key", "agents.crt"):
        shutil.chown(folder / name, BROKER_USER)
