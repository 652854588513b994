# SPDX-License-Identifier: Apache-2.0
"""The broker's edges, by raw sockets: shapes that smuggle, clients that dawdle, ten thousand that say nothing, people and networks that ask too often,
certificates that change, end, or are for somebody else; and meanwhile a person whose command works."""

import os
import resource
import shutil
import signal
import socket
import ssl
import subprocess
import time

from harness import BROKER_USER, Broker, broker_config, local_site, need_root, run_with_broker, say, sites_answer, wait_for

IDLE = 10_000
FAILURES = 20     # a minute, of a network
REQUESTS = 40     # of a person
broker = None


def config(limits="", api=""):
    text = broker_config(None, [local_site("here", "FI", 2, 10)], engine=f"[api.limits]\n{limits}")
    return text.replace('listen = "{listen}"', 'listen = "{listen}"\n' + api)


def connect(source="127.0.0.1", to=None):
    made = socket.socket()
    made.bind((source, 0))
    made.settimeout(10)
    made.connect(("127.0.0.1", (to or broker).port))
    return made


def rest(connection):
    """All that comes until the other end closes."""
    got = b""
    try:
        while piece := connection.recv(65536):
            got += piece
    except ConnectionError:
        pass
    return got


def ask(bytes, source="127.0.0.1"):
    with connect(source) as connection:
        try:
            connection.sendall(bytes)
        except ConnectionError:
            pass
        return rest(connection)


def answers_in(got):
    """The status of each answer in it, bodies read by their length."""
    statuses = []
    while got:
        head, _, got = got.partition(b"\r\n\r\n")
        statuses.append(int(head.split()[1]))
        length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
        got = got[length:]
    return statuses


def metric(name, labels=""):
    page = broker.call("GET", "/metrics", user="operator").body.decode()
    return sum(float(line.rsplit(" ", 1)[1]) for line in page.splitlines() if line.startswith(name) and labels in line)


def a_person_works():
    """At a full house they may have to come again."""
    assert any(broker.hansa("sites").returncode == 0 for _ in range(10))


def what_two_parsers_read_in_two_ways_is_refused():
    """None of it is answered as if it had a second request in it, and the connection is closed."""
    host = b"Host: x\r\n"
    hidden = b"GET /v1/issuers HTTP/1.1\r\nHost: x\r\n\r\n"
    post = b"POST /v1/jobs HTTP/1.1\r\n" + host
    chunked = b"Transfer-Encoding: chunked\r\n"
    shapes = [
        post + b"Content-Length: 4\r\n" + chunked + b"\r\n0\r\n\r\n",
        post + chunked + b"Content-Length: 4\r\n\r\n0\r\n\r\n",
        post + b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n" % len(hidden),
        post + b"Content-Length: 0, %d\r\n\r\n" % len(hidden),
        post + b"Content-Length: +0\r\n\r\n",
        post + chunked + b"Transfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        post + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        post + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        post + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
        post + b"X: y\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        post + b"X: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        post + b"X: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        post + b"X: \0\r\n\r\n",
        post + chunked + b"\r\n5\nhello\r\n0\r\n\r\n",
        post + chunked + b"\r\n5;\nx\r\nhello\r\n0\r\n\r\n",
        post + chunked + b"\r\n0x0\r\n\r\n",
        post + chunked + b"\r\nffffffffffffffff1\r\n",
        b"POST /v1/jobs HTTP/1.0\r\n" + chunked + b"\r\n0\r\n\r\n",
        b"GET /v1/issuers HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /v1/issuers HTTP/1.1\r\n\r\n",
        b"GET /v1/x/../issuers HTTP/1.1\r\n" + host + b"\r\n",
        b"GET /v1%2fissuers HTTP/1.1\r\n" + host + b"\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n" + host + b"\r\n",
        b"GET / HTTP/1.1\r\n" + host + b"X: " + b"y" * 20_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + host + b"".join(b"X%d: y\r\n" % i for i in range(2_000)) + b"\r\n",
        b"CONNECT 169.254.169.254:80 HTTP/1.1\r\n" + host + b"\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ]
    for shape in shapes:
        statuses = answers_in(ask(shape + hidden))
        assert len(statuses) == 1 and 400 <= statuses[0] <= 505, (shape[:100], statuses)
    a_person_works()
    say(f"  {len(shapes)} shapes refused; nothing behind them was answered")


def requests_sent_ahead_are_answered_in_their_order():
    batch = b"".join(b"GET /%d HTTP/1.1\r\nHost: x\r\nX-Request-Id: n%d\r\n\r\n" % (i, i) for i in range(50))
    with connect() as connection:
        connection.sendall(batch + b"GET http://elsewhere.example/healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        got = rest(connection)
    ids = [line.split(b": ")[1] for line in got.split(b"\r\n") if line.startswith(b"X-Request-Id: n")]
    assert ids == [b"n%d" % i for i in range(50)], ids
    assert answers_in(got) == [404] * 50 + [200], answers_in(got)


def a_request_has_an_id_from_end_to_end():
    for given, taken in (("ticket-4711.a", True), ("two words", False), ("x" * 65, False), ('"quoted"', False)):
        answer = broker.call("GET", "/v1/jobs/01JDA0XJ2GQ4M8T6V9ZK3N5R7W", headers={"X-Request-Id": given})
        id = answer.headers["X-Request-Id"]
        assert answer.status == 404 and answer.json["request_id"] == id, answer.body
        assert (id == given) == taken, (given, id)
    broker.call("GET", "/v1/jobs", user=None, headers={"X-Request-Id": "look-for-me"})
    wait_for("the log to have it", lambda: "look-for-me" in broker.log.read_text(), 5)


def ten_thousand_that_say_nothing_keep_nobody_out():
    """From two hundred networks; some send half a request. [T24]"""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, IDLE + 1_000)), hard))
    before, idle, took, files = metric("hansa_http_no_answer_total", "GAVE_WAY"), [], [], 0
    for number in range(IDLE):
        idle.append(connect(f"127.1.{number % 200}.1"))
        if number % 3 == 0:
            idle[-1].sendall(b"GET /v1/jobs HTTP/1.1\r\nHost: x\r\nX: ")
        if number % 1_000 == 999:
            began = time.monotonic()
            a_person_works()
            took.append(time.monotonic() - began)
            files = max(files, len(os.listdir(f"/proc/{broker.process.pid}/fd")))
    gave_way = metric("hansa_http_no_answer_total", "GAVE_WAY") - before
    for connection in idle:
        connection.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert files < 1_024 + 200, files
    assert gave_way > IDLE / 2, gave_way  # some of the halves have run out of time instead
    say(f"  {IDLE} connections: {gave_way:.0f} gave way, {files} descriptors at most; ten commands meanwhile, the slowest {max(took) * 1000:.0f} ms")


def who_dawdles_gives_way_to_who_asks():
    """One network holds all that it may have with halves of requests; another person of the same network gets through. [T24]"""
    lazy = [connect() for _ in range(400)]
    for connection in lazy:
        connection.sendall(b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
    a_person_works()
    assert rest(lazy[0]) == b"", "the oldest is still there"
    for connection in lazy:
        connection.close()


def refused_tokens_are_counted_by_network():
    source = "127.7.7.7"
    request = b"GET /v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer hansa_guess\r\nConnection: close\r\n\r\n"
    refused, before = ask(request, source), 0
    while answers_in(refused) == [401] and before < 2 * FAILURES:
        refused, before = ask(request, source), before + 1
    assert FAILURES <= before < 2 * FAILURES, before  # time passes meanwhile, and adds some
    assert answers_in(refused) == [429] and b"\r\nRetry-After: " in refused and b"TOO_MANY_REQUESTS" in refused and b"BAD_TOKEN" in refused, refused
    with connect(source) as connection:  # a good one of the same network is not kept waiting
        connection.sendall(b"GET /v1/me HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer " + broker.token("alice").encode() + b"\r\n\r\n")
        assert answers_in(rest(connection)) == [200]
    with connect(source) as connection:  # a flood on one connection is read once a second
        connection.sendall(request.replace(b"Connection: close\r\n", b"") * 50)
        connection.settimeout(1.5)
        got, end = b"", time.monotonic() + 3
        while time.monotonic() < end:
            try:
                got += connection.recv(65536)
            except TimeoutError:
                break
        assert 1 <= got.count(b"HTTP/1.1 ") <= 6, got.count(b"HTTP/1.1 ")
    assert metric("hansa_http_rate_limited_total", "failures") >= 1


def a_person_who_asks_too_often_waits():
    """The command line waits by itself; and whoever floods does not slow others. [T24]"""
    other = Broker("limited", config(f"person_requests_per_minute = {REQUESTS}"))
    try:
        other.start()
        refused, before = other.call("GET", "/v1/me"), 0
        while refused.status == 200 and before < 2 * REQUESTS:
            refused, before = other.call("GET", "/v1/me"), before + 1
        assert refused.status == 429 and REQUESTS <= before < 2 * REQUESTS, (refused.status, before)
        assert 1 <= int(refused.headers["Retry-After"]) <= 3 and refused.json["code"] == "TOO_MANY_REQUESTS", refused.body
        began = time.monotonic()
        done = other.hansa("jobs", check=0)
        assert time.monotonic() - began >= 1 and b"asked again in" in done.stderr, done.stderr
        assert other.call("GET", "/v1/me", user="bob").status == 200
        say(f"  `hansa jobs` waited {time.monotonic() - began:.1f} s and had its answer")
    finally:
        other.remove()


def what_everybody_can_read_is_refused():
    """At the start, before anything is opened, with the remedy. (The TLS key: certificates_change_while_it_serves.) [T22]"""
    other = Broker("exposed", config())
    try:
        secrets = other.folder / "rclone.conf"
        secrets.write_text("[store]\n")
        secrets.chmod(0o644)
        other.configure(config() + f'[mover]\nrclone_config = "{secrets}"\n')
        for file, mode, good in ((secrets, 0o644, 0o640), (other.config, 0o666, 0o644)):
            file.chmod(mode)
            assert other.spawn().wait(10) == 78 and str(file) in other.log.read_text() and "chmod" in other.log.read_text(), other.log.read_text()
            file.chmod(good)
            shutil.chown(file, BROKER_USER)
    finally:
        other.remove()


class Certificates:
    def __init__(self, folder):
        self.folder = folder / "tls"
        self.folder.mkdir()

    def make(self, name, names="IP:127.0.0.1", ended=False):
        key, certificate = self.folder / f"{name}.key", self.folder / f"{name}.crt"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", f"/CN={name}",
                        "-addext", f"subjectAltName={names}", "-keyout", key, "-out", certificate], check=True, capture_output=True)
        if ended:
            subprocess.run(["openssl", "x509", "-in", certificate, "-signkey", key, "-days", "-1", "-out", certificate], check=True, capture_output=True)

    def install(self, name):
        for kind in ("crt", "key"):
            shutil.copy(self.folder / f"{name}.{kind}", self.folder / f"live.{kind}")
            shutil.chown(self.folder / f"live.{kind}", BROKER_USER)
        (self.folder / "live.key").chmod(0o600)


def certificates_change_while_it_serves():
    other = Broker("tls", "")
    tls = Certificates(other.folder)
    other.configure(config(api=f'tls_certificate = "{tls.folder}/live.crt"\ntls_key = "{tls.folder}/live.key"'))
    tls.make("first")
    tls.make("second")
    tls.make("elsewhere", names="DNS:elsewhere.example")
    tls.make("ended", ended=True)

    def context(name, **more):
        made = ssl.create_default_context(cafile=tls.folder / f"{name}.crt")
        for key, value in more.items():
            setattr(made, key, value)
        return made

    def shakes(made):
        try:
            with socket.create_connection(("127.0.0.1", other.port), 5) as plain, made.wrap_socket(plain, server_hostname="127.0.0.1") as secure:
                return secure.cipher()[0]
        except OSError as error:  # of TLS, or the connection was reset
            return f"SSL: {error}"

    def reload(sentence):
        before = other.log.read_text().count(sentence)
        other.process.send_signal(signal.SIGHUP)
        wait_for(sentence, lambda: other.log.read_text().count(sentence) > before, 10)

    def command(name):
        done = other.hansa("whoami", "--ca-file", tls.folder / f"{name}.crt")
        return done.returncode, done.stderr.decode()

    try:
        tls.install("first")
        (tls.folder / "live.key").chmod(0o644)
        refused = other.spawn()
        assert refused.wait(10) == 69 and "chmod 0640" in other.log.read_text(), other.log.read_text()
        tls.install("first")
        other.use_tls(tls.folder / "first.crt")
        other.start()
        other.token("alice")
        answer = other.call("GET", "/healthz", user=None)
        assert answer.headers["Strict-Transport-Security"] == "max-age=63072000", answer.headers
        assert shakes(context("first")).startswith("TLS_"), shakes(context("first"))
        old = context("first", maximum_version=ssl.TLSVersion.TLSv1_2)
        assert shakes(old).startswith("ECDHE-ECDSA-"), shakes(old)
        old.set_ciphers("ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0")
        assert "SSL" in shakes(old).upper() and not shakes(old).startswith("ECDHE"), shakes(old)

        kept = context("first").wrap_socket(socket.create_connection(("127.0.0.1", other.port), 5), server_hostname="127.0.0.1")
        tls.install("second")
        reload("are read again")
        assert "certificate verify failed" in shakes(context("first"))
        assert shakes(context("second")).startswith("TLS_")
        kept.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b" 200 " in kept.recv(4096), "a connection from before does not go on"
        (tls.folder / "live.key").chmod(0o644)
        reload("the certificate stays as it was")
        assert shakes(context("second")).startswith("TLS_")
        (tls.folder / "live.crt").write_text("nonsense")
        reload("the certificate stays as it was")
        assert shakes(context("second")).startswith("TLS_")

        for name, words in (("elsewhere", "another name than 127.0.0.1"), ("ended", "renews it")):
            tls.install(name)
            reload("are read again")
            status, told = command(name)
            assert status == 4 and words in told, (name, status, told)
        status, told = command("first")
        assert status == 4 and "certificate is not to be trusted" in told, (status, told)
        say("  read again twice and refused twice, nobody cut off; another name and an ended one are told to people")
    finally:
        other.remove()


if __name__ == "__main__":
    need_root()
    broker = Broker("edges", config(f"network_failures_per_minute = {FAILURES}"))
    run_with_broker(broker, [what_two_parsers_read_in_two_ways_is_refused, requests_sent_ahead_are_answered_in_their_order, a_request_has_an_id_from_end_to_end,
                             ten_thousand_that_say_nothing_keep_nobody_out, who_dawdles_gives_way_to_who_asks, refused_tokens_are_counted_by_network,
                             a_person_who_asks_too_often_waits, what_everybody_can_read_is_refused, certificates_change_while_it_serves],
                    prepare=lambda: sites_answer(broker))
