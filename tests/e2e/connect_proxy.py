# SPDX-License-Identifier: Apache-2.0
"""A fake of a centre's HTTP proxy: CONNECT with a login (Basic), to one port alone; what tinyproxy or squid does of it in some forty lines."""

import base64
import socket
import threading

from outward_site import MiddleBox


class ConnectProxy:
    def __init__(self, address, port, allowed, login=None):
        """`allowed`: "HOST:PORT", all that it lets out to."""
        self.allowed, self.login, self.heads = allowed, login, []
        self.listener = socket.create_server((address, port))
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def answer(self, head):
        """A refusal, or None."""
        wanted = f"Proxy-Authorization: Basic {base64.b64encode((self.login or '').encode()).decode()}\r\n"
        if self.login and wanted not in head:
            return 'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="centre"\r\nContent-Length: 0\r\n\r\n'
        if not head.startswith(f"CONNECT {self.allowed} HTTP/1.1\r\n"):
            return "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
        return None

    def serve(self, client):
        head = ""
        while "\r\n\r\n" not in head:
            more = client.recv(4096)
            if not more:
                return client.close()
            head += more.decode("latin-1")
        self.heads.append(head)
        refusal = self.answer(head)
        if refusal:
            client.sendall(refusal.encode())
            return client.close()
        host, port = self.allowed.rsplit(":", 1)
        server = socket.create_connection((host, int(port)), timeout=5)
        server.settimeout(None)
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        threading.Thread(target=MiddleBox.pump, args=(server, client), daemon=True).start()
        MiddleBox.pump(client, server)

    def close(self):
        self.listener.close()
