# SPDX-License-Identifier: Apache-2.0
"""People come by OpenID Connect: two real providers on loopback (npm's oidc-provider), `hansa login` by device and by browser, and jobs on a real Slurm cluster
as whom each of them is. "alice" at one provider is not "alice" at the other."""

import html.parser
import http.cookiejar
import json
import shutil
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

from harness import (BIN, Broker, COREUTILS, ROOT, SLURM, Switch, broker_config, free_port, need_root, run_with_broker, say, sites_answer, slurm, slurm_site,
                     wait_for)

AUDIENCE = "https://hansa.example.org"
NODE = BIN.parent / "oidc"
LIFE = 68  # of an access token, seconds: the command line renews one that is good for less than 60
broker = switch = None
providers = {}


class Provider:
    def __init__(self, id):
        self.id, self.port = id, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = subprocess.Popen(["node", "provider.mjs", str(self.port), AUDIENCE, str(LIFE)], cwd=NODE, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL)
        assert self.process.stdout.readline() == b"listening\n"

    def stop(self):
        self.process.stdin.close()
        self.process.wait(10)

    def config(self):
        return f"""
[[issuer]]
id = "{self.id}"
url = "{self.url}"
audience = "{AUDIENCE}"
login_client = "hansa-cli"
scopes = ["openid", "offline_access", "jobs"]
resource = "{AUDIENCE}"
clients = ["hansa-cli"]
typed_tokens = true
private_addresses = true
projects = {{ "urn:geant:example.org:group:lab:role=member#idp.example.org" = "ai-lab" }}
"""


class Form(html.parser.HTMLParser):
    """The first form of a page: where it goes, and what is in it already."""

    def __init__(self, page):
        super().__init__()
        self.action, self.fields = None, {}
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "form" and self.action is None:
            self.action = attributes.get("action")
        if tag == "input" and attributes.get("name"):
            self.fields.setdefault(attributes["name"], attributes.get("value") or "")


class Person:
    """With a browser and a home of their own."""

    def __init__(self, name):
        self.name = name
        self.home = broker.folder / f"home-{name}-{len(list(broker.folder.glob('home-*')))}"
        self.home.mkdir()
        self.browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))

    def hansa(self, *arguments, check=0, **environment):
        done = subprocess.run([broker.bin / "hansa", *arguments], env=self.environment(**environment), capture_output=True, text=True, timeout=120)
        assert check is None or done.returncode == check, f"hansa {' '.join(arguments)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def environment(self, **more):
        return {"HANSA_URL": broker.url, "PATH": "/usr/bin:/bin", "HOME": str(self.home), **more}

    def follow(self, url):
        """Through the provider's pages, as somebody who agrees to everything; the last page."""
        with self.browser.open(url) as answer:
            page, where = answer.read().decode(), answer.url
        for _ in range(8):
            form = Form(page)
            if form.action is None:
                return page
            fields = dict(form.fields)
            if "login" in fields:
                fields.update(login=self.name, password="x")
            action = urllib.parse.urljoin(where, form.action)
            with self.browser.open(action, urllib.parse.urlencode(fields).encode()) as answer:
                page, where = answer.read().decode(), answer.url
        raise AssertionError(page)

    def login(self, provider, way):
        process = subprocess.Popen([broker.bin / "hansa", "login", "--issuer", provider.id, f"--{way}"], env=self.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        told = ""
        while True:
            line = process.stderr.readline()
            assert line, told
            told += line
            if way == "browser" and "open in a browser" in line:
                page = self.follow(line.split(": ", 2)[2].strip())
                assert "go back to your terminal" in page, page
                break
            if way == "device" and "and type the code" in line:
                where, code = line.split()[2], line.split()[-1]
                page = self.follow(where + "?" + urllib.parse.urlencode({"user_code": code}))
                assert "Sign-in Success" in page or "success" in page.lower(), page
                break
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, told + err
        return out

    def login_file(self):
        return json.loads((self.home / ".config/hansa/login.json").read_text())["logins"][0]


def prepare():
    done = subprocess.run([ROOT / "tests/integration/oidc/install.sh", NODE])
    if done.returncode != 0:
        raise SystemExit(done.returncode)
    for id in ("one", "two"):
        providers[id] = Provider(id)


def everybody_is_told_which_issuers_there_are():
    someone = Person("nobody")
    table = someone.hansa("login", "--list").stdout
    assert providers["one"].url in table and providers["two"].url in table, table
    assert broker.call("GET", "/v1/issuers", user=None).json["issuers"][0]["client_id"] == "hansa-cli"
    refused = someone.hansa("jobs", check=4).stderr
    assert "hansa login" in refused, refused
    several = someone.hansa("login", check=2).stderr
    assert "one, two" in several, several


def one_name_at_two_issuers_is_two_people_with_their_own_accounts():
    """Each runs as their own account on a real cluster, and sees their own jobs alone. [T06]"""
    first, second = Person("alice.lab"), Person("alice.lab")
    assert "one:alice.lab (user), of the projects: ai-lab" in first.login(providers["one"], "device")
    assert "two:alice.lab" in second.login(providers["two"], "browser")
    for person in (first, second):
        mode = (person.home / ".config/hansa/login.json").stat().st_mode
        assert mode & 0o777 == 0o600, oct(mode)
    script = broker.folder / "who.sh"
    script.write_text("#!/bin/sh\nid -un\n")
    ids = [person.hansa("submit", "--time", "2m", str(script)).stdout.strip() for person in (first, second)]
    names = []
    for person, id in zip((first, second), ids):
        person.hansa("wait", "--timeout", "60s", id)
        names.append(person.hansa("logs", id).stdout.strip())
    assert names == ["alice", "bob"], names
    for person, id, other in ((first, *ids), (second, *reversed(ids))):
        assert id in person.hansa("jobs").stdout and other not in person.hansa("jobs").stdout
        person.hansa("show", other, check=3)
        person.hansa("logs", other, check=3)
        person.hansa("cancel", other, check=3)
    say(f"  one:alice.lab ran as {names[0]}, two:alice.lab as {names[1]}; neither sees the other's job")


def a_third_without_an_entry_gets_nowhere_and_is_told_what_to_ask_for():
    carol = Person("carol.lab")
    carol.login(providers["one"], "browser")
    script = broker.folder / "who.sh"
    told = carol.hansa("submit", "--time", "2m", str(script), check=None)
    text = told.stdout + told.stderr + (carol.hansa("explain", told.stdout.strip(), check=None).stdout if told.stdout.strip() else "")
    assert '"one:carol.lab" = "<account>"' in text, text
    dave = Person("dave")  # of no group
    assert "a member of no project" in dave.login(providers["one"], "browser")
    refused = dave.hansa("submit", str(script), check=4).stderr
    assert "one:dave is a member of no project" in refused, refused
    say(f"  {[line for line in text.splitlines() if 'carol' in line][0].strip()}")


def a_token_is_renewed_by_the_client_and_counts_in_other_places():
    person = Person("erin.lab")
    person.login(providers["two"], "browser")
    before = person.login_file()
    time.sleep(LIFE - 60 + 1)
    assert "two:erin.lab" in person.hansa("whoami").stdout
    after = person.login_file()
    assert after["access_token"] != before["access_token"] and after["refresh_token"], after
    elsewhere = Person("elsewhere")
    token = after["access_token"]
    assert "two:erin.lab" in elsewhere.hansa("whoami", BEARER_TOKEN=token).stdout
    file = elsewhere.home / "token"
    file.write_text(token + "\n")
    file.chmod(0o600)
    assert "two:erin.lab" in elsewhere.hansa("whoami", BEARER_TOKEN_FILE=str(file)).stdout
    refused = elsewhere.hansa("whoami", check=4, BEARER_TOKEN=token[:-3] + "abc")
    assert token[:40] not in refused.stderr, refused.stderr
    assert "logged out" in person.hansa("logout").stdout
    assert "hansa login" in person.hansa("whoami", check=4).stderr
    # The issuer took the refresh token back.
    body = urllib.parse.urlencode({"grant_type": "refresh_token", "refresh_token": after["refresh_token"], "client_id": "hansa-cli"}).encode()
    try:
        urllib.request.urlopen(providers["two"].url + "/token", body)
        raise AssertionError("a refresh token that was handed back is still good")
    except urllib.error.HTTPError as error:
        assert error.code == 400, error


def whom_an_operator_shuts_out_is_out_at_once():
    person = Person("frank.lab")
    person.login(providers["one"], "browser")
    began = time.monotonic()
    broker.hansa("token", "revoke", "--person", "one:frank.lab", "--reason", "laptop stolen", user="operator", check=0)
    assert "shut out" in person.hansa("whoami", check=4).stderr
    took = time.monotonic() - began
    assert took < 5, took
    broker.kill()
    broker.start()
    assert "shut out" in person.hansa("whoami", check=4).stderr  # over a restart, with the keys that were kept
    number = broker.get("/v1/revocations", user="operator")["revocations"][0]["number"]
    broker.hansa("token", "restore", str(number), user="operator", check=0)
    assert "one:frank.lab" in person.hansa("whoami").stdout
    say(f"  shut out {took * 1000:.0f} ms after the operator's call began, a restart later still")


def no_token_is_in_a_log():
    """Neither one that opens something nor one that renews it. [T22]"""
    log = broker.log.read_text()
    for file in broker.folder.glob("home-*/.config/hansa/login.json"):
        for login in json.loads(file.read_text())["logins"]:
            for token in (login["access_token"], login["refresh_token"]):
                assert token and token not in log and token.split(".")[-1] not in log


class Thief(Broker):
    """hansad of somebody who has the files, on this machine, by an account of their own."""

    def spawn(self):
        subprocess.run(["chown", "-R", "nobody:", self.folder], check=True)
        return subprocess.Popen(["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "env", "-i", "HOME=/nonexistent", "PATH=/usr/bin:/bin", self.bin / "hansad",
                                 "--config", self.config], stderr=self.log.open("ab"), stdin=subprocess.DEVNULL, start_new_session=True)


def stolen_files_are_nobodys_login():
    """Of database and configuration nobody's token can be had, and a broker that somebody starts from them runs nothing as anybody. [T07]"""
    own = [broker.token(user) for user in ("alice", "bob", "operator")]
    thief = Thief("thief", broker_config(switch, [slurm_site("alpha", "FI")]))  # a map that suits the thief
    try:
        shutil.copytree(broker.state, thief.state)
        stolen = {path: path.read_bytes() for path in [*thief.state.rglob("*"), broker.config] if path.is_file()}
        theirs = [login for file in broker.folder.glob("home-*/.config/hansa/login.json") for login in json.loads(file.read_text())["logins"]]
        secrets = [token for login in theirs for token in (login["access_token"], login["access_token"].split(".")[-1], login["refresh_token"])] + own[:2]
        assert len(secrets) >= 8
        found = [path for path, text in stolen.items() if any(secret.encode() in text for secret in secrets)]
        assert not found, found
        operators = [path.name for path, text in stolen.items() if own[2].encode() in text]
        assert operators == ["operator.token"], operators  # the one that is there: revoke it when files were stolen
        with sqlite3.connect(thief.state / "hansa.db") as database:
            hashes = [row[0] for row in database.execute("SELECT hash FROM tokens")]
        database.close()
        assert len(hashes) >= len(own), hashes
        reached = [hash for hash in hashes if broker.call("GET", "/v1/me", user=None, headers={"Authorization": f"Bearer {hash}"}).status == 200]
        thief.start()
        for user in ("alice", "bob"):
            id = thief.submit({"script": "#!/bin/sh\nid -un\n", "project": "ai-lab" if user == "alice" else "climate", "placement": {"sites": ["alpha"]}}, user=user)
            wait_for("the site's refusal", lambda: thief.get("/v1/sites", user="operator")["sites"][0]["state"] == "down", 30)
            if thief.job(id, user)["site_job_id"] or f"hansa-{id}" in slurm("alpha", "sacct", "-a", "-n", "-X", "-P", "-o", "JobName"):
                reached.append(user)
        assert not reached, reached
        say(f"  {len(stolen)} files: 0 of {len(secrets)} secrets of people in them, 0 of {len(hashes)} hashes open anything, 0 accounts of 2 reached")
    finally:
        thief.remove()


def keys_are_rotated():
    """A new key of the issuer's is known a minute after the last was read, at the latest."""
    Person("grace.lab").login(providers["one"], "device")
    urllib.request.urlopen(providers["one"].url + "/test/rotate", b"").read()
    time.sleep(61)
    assert "one:heidi.lab" in Person("heidi.lab").login(providers["one"], "device")
    say("  tokens of the new key are taken")


USUAL = [everybody_is_told_which_issuers_there_are, one_name_at_two_issuers_is_two_people_with_their_own_accounts,
         a_third_without_an_entry_gets_nowhere_and_is_told_what_to_ask_for, whom_an_operator_shuts_out_is_out_at_once,
         a_token_is_renewed_by_the_client_and_counts_in_other_places, no_token_is_in_a_log, stolen_files_are_nobodys_login]


def people(site):
    return site.replace('accounts = { "local:alice" = "alice", "local:bob" = "bob" }', 'accounts = { "one:alice.lab" = "alice", "two:alice.lab" = "bob" }')


if __name__ == "__main__":
    need_root()
    chosen = [globals()[name] for name in sys.argv[1:]] or USUAL
    prepare()
    switch = Switch([f"/usr/bin/{p}" for p in SLURM + COREUTILS])
    switch.start()
    broker = Broker("login", broker_config(switch, [people(slurm_site("alpha", "FI"))]) + "".join(p.config() for p in providers.values()))
    run_with_broker(broker, chosen, prepare=lambda: sites_answer(broker), clean=[switch.stop, *(p.stop for p in providers.values())])
