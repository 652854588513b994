#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks an export of a Hansa ledger off line (docs/ledger.md), with Python's standard library and nothing of Hansa.

    hansa_verify.py [--key KEY] [--witness KEY]... [--json] FILE
    hansa_verify.py [--key KEY] [--witness KEY]... [--json] --report REPORT [FILE]

Every record's hash, the Merkle tree over them (RFC 6962), the signatures of its head (C2SP signed-note, tlog-checkpoint,
tlog-cosignature) and the chain of keys behind them; that no run is counted twice, that corrections are of what was booked; the sums;
that each month that was closed could be, by what its close rests on.
Of a report: that it is what REPORT.manifest.json is of, which a key of the ledger signed; with an export also that it is of this ledger, and a
usage report's sums.
Exit 0: all of it holds. 1: the file was altered, or is not whole, or nobody vouches for a report and its figures could not be counted from the
export. 2: usage.
"""

import argparse
import base64
import csv
import datetime
import hashlib
import io
import json
import re
import sys

FORMAT = "hansa-ledger-export/1"
AMOUNTS = ("runs", "elapsed_s", "core_seconds", "gpu_seconds", "node_seconds")
USAGE = {"cluster": str, "country": str, "job": str, "project": str, "queue": str, "scheduler_account": str, "site": str,
         "site_job_id": str, "site_state": str, "attempt": int, "cores": int, "ended_s": int, "gpus": int, "nodes": int,
         "revision": int, "submitted_s": int} | {name: int for name in AMOUNTS}
RUN = ("job", "attempt", "site", "cluster", "site_job_id", "submitted_s", "started_s")
OPTIONAL = {"allocation": str, "call": str, "carbon_source": str, "centre": str, "energy_method": str, "energy_scope": str, "funding_body": str,
            "home": str, "home_country": str, "label": str, "resource": str, "carbon_mg_per_kwh": int, "energy_j": int, "exit_code": int,
            "pue_milli": int, "started_s": int}  # what was not told is left out; records of before 0.2 have but the last of them
CLAIM = ("project", "country", "home", "home_country", "funding_body", "call", "centre")  # no revision changes that
PLACE = ("project", "site")
WHOLE = tuple(sorted(USAGE.keys() - set(AMOUNTS) | OPTIONAL.keys() - {"energy_j"}))  # what reports group by: a reversal repeats it
CORRECTION = USAGE | {"refers_to": int, "reason": str}
KINDS = {  # what a record of each kind must have, beside at, kind, seq, v
    "usage": USAGE | {"personal": str}, "reversal": CORRECTION, "adjustment": CORRECTION,
    "summary": {"period": str} | {name: int for name in AMOUNTS}, "decision": {"decisions": int, "first": int, "last": int, "sha256": str},
    "policy": {"sha256": str}, "key": {"key": str}, "period_open": {"period": str},
    "period_close": {"period": str, "sites": str, "reconciliations": str, "apart_s": int}, "tombstone": {"records": int, "reason": str},
    "breakglass": {"id": str, "event": str, "personal": str},
}
NOTE_KEY, WITNESS_KEY = 1, 4
LAST_SECOND, MOST_SIGNATURES = 253402300799, 64
DASH = "\u2014 "
INT64 = 1 << 63


class Altered(Exception):
    pass


def require(holds, what):
    if not holds:
        raise Altered(what)


# --- Ed25519 (RFC 8032): by `cryptography` if it is there, else here. Verification only, of public things: it need not be constant in time.
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
SQRT_M1 = pow(2, (P - 1) // 4, P)


def _add(a, b):
    (x1, y1, z1, t1), (x2, y2, z2, t2) = a, b
    e, f = (y1 - x1) * (y2 - x2) % P, (y1 + x1) * (y2 + x2) % P
    c, d = 2 * t1 * t2 * D % P, 2 * z1 * z2 % P
    h, g, i, j = f - e, d - c, d + c, f + e
    return h * g % P, i * j % P, g * i % P, h * j % P


def _times(n, point):
    total = (0, 1, 1, 0)
    while n:
        if n & 1:
            total = _add(total, point)
        point = _add(point, point)
        n >>= 1
    return total


def _point(data):
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * SQRT_M1 % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


_BASE = _point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def _is_signed_here(key, message, signature):
    a, r, s = _point(key), _point(signature[:32]), int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= L:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % L
    (x1, y1, z1, _), (x2, y2, z2, _) = _times(s, _BASE), _add(r, _times(k, a))
    return (x1 * z2 - x2 * z1) % P == 0 and (y1 * z2 - y2 * z1) % P == 0


def is_signed(key, message, signature):
    if len(signature) != 64:
        return False
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError:
        return _is_signed_here(key, message, signature)
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
        return True
    except (InvalidSignature, ValueError):
        return False


# --- the forms ---
def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def fits(number):
    return -INT64 <= number < INT64


def flat(line, what):
    """A record or a personal part: one flat object of text and integers, in its canonical form."""
    fields = json.loads(line)
    require(isinstance(fields, dict) and canonical(fields) == line, f"{what} that is not in its canonical form")
    require(all(re.fullmatch("[a-z0-9_]*", name) for name in fields), f"{what} with a name that none has")
    require(all(type(value) is str or type(value) is int and fits(value) for value in fields.values()), f"{what} holds text and integers")
    return fields


def digest(record, names):
    """Of some of its fields: short, so that a million of them fit into memory."""
    return hashlib.sha256(canonical([record.get(name) for name in names]).encode()).digest()[:16]


def decoded(text):
    """Base 64 in its one spelling."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        data = None
    require(data is not None and base64.b64encode(data).decode() == text, "not base 64")
    return data


class Key:
    def __init__(self, text):
        name, mark, rest = text.partition("+")
        id, mark2, data = rest.partition("+")
        require(mark and mark2 and re.fullmatch(r"[!-*,-~]{1,128}", name), "no key")
        data = decoded(data)
        require(len(data) == 33 and data[0] in (NOTE_KEY, WITNESS_KEY), "no Ed25519 key")
        self.text, self.name, self.type, self.public = text, name, data[0], data[1:]
        self.id = hashlib.sha256(name.encode() + b"\n" + data).digest()[:4]
        require(self.id.hex() == id, "a key whose id is another's")

    def made(self, name, signature):
        return name == self.name and signature[:4] == self.id

    def is_valid(self, name, signature, text):
        if not self.made(name, signature):
            return False
        if self.type == NOTE_KEY:
            return is_signed(self.public, text.encode(), signature[4:])
        time = int.from_bytes(signature[4:12], "big")
        return is_signed(self.public, f"cosignature/v1\ntime {time}\n{text}".encode(), signature[12:])


def parse_note(note):
    text, mark, rest = note.rpartition("\n\n")
    require(mark and rest.endswith("\n") and not re.search(r"[\x00-\x09\x0b-\x1f]", note), "no signed note")
    signatures = []
    for line in rest[:-1].split("\n"):
        require(line.startswith(DASH), "a signature begins with a dash")
        name, mark, data = line[len(DASH):].partition(" ")
        require(mark, "a signature has a name and its bytes")
        signatures.append((name, decoded(data)))
    require(len(signatures) <= MOST_SIGNATURES, f"a note with more than {MOST_SIGNATURES} signatures")
    return text + "\n", signatures


def parse_checkpoint(text):
    lines = text.split("\n")
    require(len(lines) == 4 and lines[0] and lines[3] == "" and re.fullmatch(r"0|[1-9][0-9]{0,18}", lines[1]), "no checkpoint")
    root = decoded(lines[2])
    require(len(root) == 32, "no root")
    return lines[0], int(lines[1]), root


def period_of(seconds):
    return (datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds)).strftime("%Y-%m")


def month_span(period):
    year, month = int(period[:4]), int(period[5:])
    epoch = datetime.datetime(1970, 1, 1)
    first = datetime.datetime(year, month, 1)
    last = first + datetime.timedelta(days=31) if (year, month) != (9999, 12) else None
    return int((first - epoch).total_seconds()), LAST_SECOND + 1 if last is None else int((last.replace(day=1) - epoch).total_seconds())


SEEN = {"at", "differences", "from", "id", "matched", "to", "unexplained"}
MOST_SEEN = 1000


def is_statement(sites):
    """What a month's close rests on: of each site the reconciliations that saw any of it."""
    def is_seen(seen):
        return (isinstance(seen, dict) and set(seen) - {"others"} == SEEN and type(seen["id"]) is str
                and all(type(value) is int and fits(value) for name, value in seen.items() if name != "id")
                and all(0 <= seen[name] <= LAST_SECOND for name in ("at", "from", "to")))

    def is_site(site):
        return (isinstance(site, dict) and set(site) - {"explained_at"} == {"reconciliations", "site"} and type(site["site"]) is str
                and (type(site.get("explained_at", 0)) is int and fits(site.get("explained_at", 0))) and isinstance(site["reconciliations"], list)
                and len(site["reconciliations"]) <= MOST_SEEN and all(map(is_seen, site["reconciliations"])))
    return isinstance(sites, list) and all(map(is_site, sites))


def settled(period, looks, apart, closed_at):
    """Whether a second of the month was not found clean twice, so far apart, by the newest looks at it; and the site's grade."""
    begin, end = month_span(period)
    if closed_at < end:  # as far as it was looked at so long before the newest look
        seen = max([begin] + [look["to"] for look in looks if look["at"] + apart <= looks[0]["at"]])
        end = min(seen, end) if seen > begin else end
    newest = sorted(looks, key=lambda look: (look["at"], look["from"], look["to"], look["unexplained"] > 0, "others" not in look), reverse=True)
    unsettled = hidden = False
    for second in {begin} | {at for look in looks for at in (look["from"], look["to"]) if begin < at < end}:
        there = [look for look in newest if look["from"] <= second < look["to"]]
        clean = next((i for i, look in enumerate(there) if look["unexplained"]), len(there))
        unsettled |= clean < 2 or there[0]["at"] - there[clean - 1]["at"] < apart
        hidden |= not there or "others" not in there[0]
    return unsettled, "C" if unsettled or hidden else "B"


class Tree:
    """The roots of the complete subtrees, from large to small."""

    def __init__(self):
        self.size, self.peaks = 0, []

    def add(self, record):
        sha256, peaks = hashlib.sha256, self.peaks
        peaks.append(sha256(b"\0" + record).digest())
        ones = self.size
        while ones & 1:
            right = peaks.pop()
            peaks[-1] = sha256(b"\1" + peaks[-1] + right).digest()
            ones >>= 1
        self.size += 1

    def root(self):
        if not self.peaks:
            return hashlib.sha256(b"").digest()
        root = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            root = hashlib.sha256(b"\1" + peak + root).digest()
        return root


class Check:
    def __init__(self, also_of=-1, on_run=None):
        self.also_of, self.also_root, self.on_run = also_of, None, on_run
        self.tree, self.keys, self.kinds, self.sums, self.periods = Tree(), [], {}, {}, {}
        self.runs, self.booked, self.reversed = {}, [], set()
        self.glasses = {}  # by id: asked for (None), approved until then, "over"
        self.months, self.summarised = {}, None  # whether each that was opened is closed; the month of the summary just before
        self.closes_are_kept, self.closes_not_kept = False, 0  # whether the newest keeps what it rests on; how many do not
        self.places = {}  # sites that have used anything, by month
        self.personal_parts = self.erased = self.buried = 0

    def header(self, line):
        header = json.loads(line)
        require(isinstance(header, dict) and canonical(header) == line and set(header) == {"checkpoint", "format", "personal", "witnesses"}
                and header["format"] == FORMAT and isinstance(header["personal"], bool) and isinstance(header["checkpoint"], str),
                f"not the head of a ledger's export of this format ({FORMAT})")
        self.with_personal = header["personal"]
        require(isinstance(header["witnesses"], list) and all(isinstance(text, str) for text in header["witnesses"]), "a witness's key is none")
        self.witnesses = [Key(text) for text in header["witnesses"]]
        require(all(key.type == WITNESS_KEY for key in self.witnesses), "a witness's key is none")
        self.note, self.signatures = parse_note(header["checkpoint"])
        self.origin, self.size, self.expected_root = parse_checkpoint(self.note)

    def record(self, line):
        """What checks the line that belongs to it, and with what; None: the next line is another record."""
        require(self.tree.size < self.size, "more records than the checkpoint signs")
        record = flat(line, "a record")
        kind = record.get("kind")
        require(isinstance(kind, str) and kind in KINDS, "a record of no known kind")
        for name, type_ in KINDS[kind].items():
            require(type(record.get(name)) is type_, f"a record of kind {kind} without \"{name}\"")
        require(type(record.get("at")) is int and record.get("v") == 1, "a record of another form")
        require(record.get("seq") == self.tree.size, f"record {record.get('seq')} stands where {self.tree.size} belongs")
        booked = None
        if kind in ("usage", "reversal", "adjustment"):
            booked = self.amounts(kind, record)
        elif kind == "key":
            self.key(record)
        elif kind == "summary":
            require(tuple(record[name] for name in AMOUNTS) == tuple(self.periods.get(record["period"], (0,) * 5)),
                    "the summary is not the sum of the records before it")
        elif kind in ("period_open", "period_close"):
            self.period(kind, record)
        elif kind == "tombstone":
            require(1 <= record["records"] <= self.kinds.get("usage", 0) - self.buried, "a tombstone of records that are not there")
            self.buried += record["records"]
        elif kind == "breakglass":
            self.break_glass(record)
        self.summarised = record["period"] if kind == "summary" else None
        self.booked.append(booked)
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        if booked is not None or kind in ("reversal", "adjustment"):
            if self.on_run:
                self.on_run(record)
        self.tree.add(line.encode())
        if self.tree.size == self.also_of:
            self.also_root = self.tree.root()
        if kind == "period_close":
            return "close", record
        return ("personal", record["personal"]) if kind == "usage" and self.with_personal else None

    def amounts(self, kind, record):
        """Of a usage record what its corrections are held against."""
        amounts, energy = tuple(record[name] for name in AMOUNTS), record.get("energy_j")
        for name, type_ in OPTIONAL.items():
            require(name not in record or type(record[name]) is type_, f"a record whose \"{name}\" is of another type")
        require(0 <= record["ended_s"] <= LAST_SECOND, "a run that ended at no time from 1970 to 9999")
        month = period_of(record["ended_s"])
        require(record.get("original_period") == (month if self.months.get(month) else None),
                f"what is booked into a closed month ({month}) names it as its original_period, and nothing else does")
        if kind == "usage":
            require(amounts[0] == 1 and min(amounts) >= 0 and (energy or 0) >= 0, "a run that used less than nothing")
            run, claim = digest(record, RUN), digest(record, CLAIM)
            before = self.runs.get(run)
            require((before is None) == (record["revision"] == 0), "a run's first record is its only one of revision 0")
            if before:
                seq, revision, claim_before = before
                require(seq in self.reversed, "a run that is booked twice")
                require(record["revision"] == revision + 1, "a run's revisions are counted one by one")
                require(claim == claim_before, "a revision that makes a run another project's or country's")
            self.runs[run] = self.tree.size, record["revision"], claim
            booked = amounts, digest(record, WHOLE), digest(record, PLACE), energy
        else:
            at = record["refers_to"]
            require(0 <= at < self.tree.size and self.booked[at], "it corrects what is no usage record")
            amounts_before, whole, place, energy_before = self.booked[at]
            if kind == "reversal":
                require(at not in self.reversed and amounts == tuple(-n for n in amounts_before) and
                        energy == (None if energy_before is None else -energy_before), "a reversal takes back what was booked, once")
                require(whole == digest(record, WHOLE), "a reversal says of the run what the record said that it takes back")
                self.reversed.add(at)
            else:
                require(amounts[0] == 0, "an adjustment counts no run")
                require(place == digest(record, PLACE), "an adjustment is of the project and the site of what it corrects")
            booked = None
        sums = self.sums.setdefault((record["project"], record["site"]), [0] * 6)
        period = self.periods.setdefault(month, [0] * 5)
        self.places.setdefault(month, set()).add(record["site"])
        for i, amount in enumerate(amounts):
            sums[i] += amount
            period[i] += amount
            require(fits(sums[i]) and fits(period[i]), "a sum too large for any number")
        sums[5] += kind != "usage"
        return booked

    def break_glass(self, record):
        """Asked for, approved, used in its time, ended: in this order, each but a use once."""
        id, event = record["id"], record["event"]
        if event == "requested":
            require(id not in self.glasses, "break-glass is asked for once")
            self.glasses[id] = None
            return
        require(self.glasses.get(id, "over") != "over", "break-glass that nobody asked for, or that is over")
        until = self.glasses[id]
        if event == "approved":
            require(until is None and type(record.get("until")) is int and 0 <= record["until"] <= LAST_SECOND,
                    "break-glass is approved once, until some time from 1970 to 9999")
            self.glasses[id] = record["until"]
        elif event == "used":
            require(until is not None and record["at"] <= until, "break-glass is used after its approval and before its end")
        else:
            require(event == "ended" or event == "rejected" and until is None, "no step of a break-glass is called so")
            self.glasses[id] = "over"

    def period(self, kind, record):
        period = record["period"]
        require(re.fullmatch(r"(19[7-9]|[2-9][0-9]{2})[0-9]-(0[1-9]|1[0-2])", period), "a period is a month, as 2026-11")
        if kind == "period_open":
            require(period not in self.months, "a period is opened once")
            self.months[period] = False
            return
        require(self.months.get(period) is False, "a period is closed once, after it was opened")
        require(self.summarised == period, "a period's close stands behind its summary")
        self.months[period] = True
        kept = record.get("kept") == 1
        require(kept or not self.closes_are_kept, "a close that does not keep what it rests on, after one that does")
        self.closes_are_kept = kept

    def close(self, line, record):
        """What a month's close rests on: it is what the record has the hash of, and the month could be closed on it."""
        if line == "-" and record.get("kept") != 1:
            self.closes_not_kept += 1
            return
        require(hashlib.sha256(line.encode()).hexdigest() == record["reconciliations"], "what the close rests on is not what the record has the hash of")
        sites = json.loads(line)
        require(canonical(sites) == line and is_statement(sites) and 0 <= record["at"] <= LAST_SECOND and 0 <= record["apart_s"] <= LAST_SECOND,
                "what a close rests on is not in its form")
        grades = []
        for site in sites:
            unsettled, grade = settled(record["period"], site["reconciliations"], record["apart_s"], record["at"])
            require(not unsettled or "explained_at" in site, f"a month was closed although {site['site']} was not settled, and nobody explained it")
            grades.append(f"{site['site']}={grade}")
        told = {site["site"] for site in sites}
        require(len(told) == len(sites), "a close rests on a site twice")
        require(self.places.get(record["period"], set()) <= told, "a month was closed without a site that has used something in it")
        require(" ".join(grades) == record["sites"], "a close has other grades than what it rests on")

    def key(self, record):
        key = Key(record["key"])
        require(key.type == NOTE_KEY, "no key that signs notes")
        if self.keys:
            change = f"hansa-ledger-key/1\n{self.origin}\n{key.text}\n".encode()
            require(is_signed(self.keys[-1].public, change, decoded(record.get("signature", ""))), "the key before did not sign this one")
        self.keys.append(key)

    def personal(self, line, commitment):
        if line == "-":
            self.erased += 1
            return
        salt, mark, rest = line.partition(" ")
        source, mark2, text = rest.partition(" ")
        require(mark and mark2 and re.fullmatch(r"[0-9a-f]{32}", salt), "no personal part, or no salt of 16 bytes")
        part = flat(text, "a personal part")
        require(part.get("source") == hashlib.sha256(decoded(source)).hexdigest(),
                "the source line is not the one that was booked")
        require(hashlib.sha256(bytes.fromhex(salt) + text.encode()).hexdigest() == commitment,
                "the personal part is not the one that was booked")
        self.personal_parts += 1

    def end(self, key, witnesses):
        require(self.tree.size == self.size, f"the checkpoint signs {self.size} records, the file has {self.tree.size}")
        require(self.tree.root() == self.expected_root, "the records are not those that the checkpoint signs: another root")
        require(self.keys, "no record names the ledger's key")
        require(not self.with_personal or self.erased == self.buried,
                f"{self.erased} personal parts are not there, and tombstones tell of {self.buried}; if somebody was erased while this was exported, export it again")
        seen, own = set(), False
        self.cosigned = []
        for name, signature in self.signatures:
            by = next((key for key in [self.keys[-1], *self.witnesses] if key.made(name, signature)), None)
            require(by, f"the checkpoint is signed by {name}, whose key nobody names")
            require(by.is_valid(name, signature, self.note), f"the signature of {name} is not of this checkpoint")
            require((name, signature) not in seen, "the same signature twice")
            seen.add((name, signature))
            own = own or by is self.keys[-1]
            if by is not self.keys[-1]:
                self.cosigned.append((by, signature))
        require(own, "the ledger's key did not sign the checkpoint")
        for witness in self.witnesses:
            require(any(by is witness for by, _ in self.cosigned), "a witness is named that signed nothing")
        if key:
            require(any(known.text == key.text for known in self.keys), f"this is not the ledger of the key {key.text}")
        for witness in witnesses:
            require(any(by.text == witness.text for by, _ in self.cosigned), f"the witness {witness.name} has not signed this checkpoint")


def check(lines, key=None, witnesses=(), also_of=-1, on_run=None):
    """`lines` are bytes, each with its newline. Raises Altered."""
    state, behind, number = Check(also_of, on_run), None, 0
    try:
        for number, raw in enumerate(lines, 1):
            require(raw.endswith(b"\n"), "the file ends in the middle of a line")
            line = raw[:-1].decode()
            if number == 1:
                state.header(line)
            elif behind is not None:
                getattr(state, behind[0])(line, *behind[1:])
                behind = None
            else:
                behind = state.record(line)
        require(number > 0 and behind is None, "the file ends in the middle of a record")
        state.end(key, witnesses)
    except Altered as altered:
        raise Altered(f"line {number}: {altered}") from None
    except (ValueError, TypeError, RecursionError) as broken:  # no UTF-8, no JSON
        raise Altered(f"line {number}: {broken}") from None
    return state


def facts(state):
    return {
        "verified": True, "origin": state.origin, "size": state.size, "root": base64.b64encode(state.expected_root).decode(),
        "kinds": state.kinds, "personal_parts": state.personal_parts, "erased": state.erased,
        "closes_not_kept": state.closes_not_kept, "keys": [key.text for key in state.keys],
        "cosignatures": [{"witness": by.name, "signed_at": datetime.datetime.fromtimestamp(
            min(int.from_bytes(signature[4:12], "big"), 253402300799), datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")} for by, signature in state.cosigned],
        "sums": [dict(zip(("project", "site", *AMOUNTS, "corrections"), (*of, *sums))) for of, sums in sorted(state.sums.items())],
    }


# --- reports ---
MANIFEST_FORMAT = "hansa-report-manifest/1"
MANIFEST = {"at": int, "by": list, "bytes": int, "checkpoint": str, "everybody": bool, "file_format": str, "format": str, "query": str,
            "report": str, "rows": int, "sha256": str, "sliced": bool}
MANIFEST_OPTIONAL = {"from": int, "to": int, "grade": str, "projects": list, "sites": list, "signature": str}
NOT_THE_BROKERS = "apel-.*|waldur"  # made by whoever asks, from the ledger's records: signed by nobody
DIMENSIONS = {"project", "site", "country", "centre", "home", "home_country", "funding_body", "call", "allocation", "queue", "resource", "label",
              "state", "day", "month"}
DAY, EVER = 86400, 1 << 61


def part_of(amount, start, end, begin, stop):
    """What a run used between two moments, had it used it evenly; toward 0, so that the parts of any division add up."""
    if start >= end:
        return amount if begin <= end < stop else 0
    if stop <= begin:
        return 0

    def used_by(moment):
        passed = min(max(moment, start), end) - start
        return amount * passed // (end - start) if amount >= 0 else -(-amount * passed // (end - start))
    return used_by(stop) - used_by(begin)


def formula_safe(text):
    return "'" + text if text[:1] in tuple("=+-@\t\r") else text


def parse_report_manifest(text):
    require(text.endswith("\n"), "a manifest ends in a newline")
    manifest = json.loads(text)
    require(isinstance(manifest, dict) and canonical(manifest) + "\n" == text and manifest.get("format") == MANIFEST_FORMAT,
            f"not a report's manifest of this format ({MANIFEST_FORMAT})")
    for name, type_ in MANIFEST.items():
        require(type(manifest.get(name)) is type_, f"a manifest without \"{name}\"")
    for name, type_ in MANIFEST_OPTIONAL.items():
        require(name not in manifest or type(manifest[name]) is type_, f"a manifest whose \"{name}\" is of another type")
    require(set(manifest) <= MANIFEST.keys() | MANIFEST_OPTIONAL.keys() and all(type(name) is str for name in manifest["by"]), "a manifest with more in it")
    for limit in ("projects", "sites"):
        names = manifest.get(limit)
        require(names is None or (names and all(type(name) is str for name in names)), f"a manifest whose \"{limit}\" names none")
    return manifest


def is_vouched_for(manifest, key):
    """Whether that key signed it: a line of a signed note, of the manifest without it."""
    line = manifest.get("signature", "")
    name, mark, data = line[len(DASH):].partition(" ")
    if not line.startswith(DASH) or not mark or key.type != NOTE_KEY:
        return False
    return key.is_valid(name, decoded(data), canonical({name: value for name, value in manifest.items() if name != "signature"}) + "\n")


WITHHELD = "<5 people"


class Recount:
    """The sums of a usage report, from the records."""

    def __init__(self, manifest, size):
        self.manifest, self.size, self.sums = manifest, size, {}
        self.begin, self.stop = manifest.get("from", -EVER), manifest.get("to", EVER)
        self.by_time = bool({"day", "month"} & set(manifest["by"]))
        self.limits = [(member, set(manifest[limit])) for limit, member in (("projects", "project"), ("sites", "site")) if limit in manifest]
        self.can = (manifest["report"] in ("usage", "countries") and manifest["everybody"] and manifest["file_format"] in ("csv", "json")
                    and set(manifest["by"]) <= DIMENSIONS and not (manifest["sliced"] and self.by_time and not {"from", "to"} <= set(manifest)))

    def take(self, record):
        if not self.can or record["seq"] >= self.size or any(record.get(member, "") not in names for member, names in self.limits):
            return
        ended = record["ended_s"]
        started = min(record.get("started_s", ended), ended)
        if not self.manifest["sliced"]:
            if self.begin <= ended < self.stop:
                self.add(record, ended, [record[name] for name in AMOUNTS], record.get("energy_j", 0))
            return
        if ended < self.begin or started >= self.stop:
            return
        begin = max(self.begin, started // DAY * DAY) if self.by_time else self.begin
        while begin < self.stop and begin <= ended:
            stop = min((begin // DAY + 1) * DAY, self.stop) if self.by_time else self.stop
            amounts = [record["runs"] if begin <= ended < stop else 0] + [part_of(record[name], started, ended, begin, stop) for name in AMOUNTS[1:]]
            self.add(record, begin, amounts, part_of(record.get("energy_j", 0), started, ended, begin, stop))
            begin = stop

    def add(self, record, moment, amounts, energy):
        key = []
        for name in self.manifest["by"]:
            if name in ("day", "month"):
                day = (datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=moment)).strftime("%Y-%m-%d")
                key.append(day if name == "day" else day[:7])
            else:
                key.append(formula_safe(record.get("site_state" if name == "state" else name, "")))
        sums = self.sums.setdefault(tuple(key), [0] * 6)
        for i, amount in enumerate((*amounts, energy)):
            sums[i] += amount

    def rows(self):
        rows = {key: tuple(sums[:5]) for key, sums in self.sums.items() if not self.manifest["by"] or any(sums)}
        return rows or ({} if self.manifest["by"] else {(): (0,) * 5})

    def told(self, data):
        """The rows of the report's file; of one for a third party, None for those that are withheld."""
        if self.manifest["file_format"] == "csv":
            entries = list(csv.DictReader(io.StringIO(data.decode(), newline=""), strict=True))
            safe = str
        else:
            entries, safe = json.loads(data)["rows"], formula_safe
        may_withhold = "for=third_party" in self.manifest["query"].split("&")

        def figures(entry):
            if may_withhold and entry["withheld"] == WITHHELD:
                require(all(entry[name] in ("", None) for name in AMOUNTS), "a withheld row has figures")
                return None
            return tuple(int(entry[name]) for name in AMOUNTS)
        rows = {tuple(safe(entry[name]) for name in self.manifest["by"]): figures(entry) for entry in entries}
        require(len(rows) == len(entries), "the same group twice in the report")
        return rows


def check_report(path, export, key, witnesses):
    """Raises Altered; what holds."""
    with open(path + ".manifest.json", "rb") as file:
        text = file.read()
    with open(path, "rb") as file:
        data = file.read()
    try:
        manifest = parse_report_manifest(text.decode())
        note, signatures = parse_note(manifest["checkpoint"])
        origin, size, root = parse_checkpoint(note)
        require(hashlib.sha256(data).hexdigest() == manifest["sha256"] and len(data) == manifest["bytes"],
                "the report's file is not the one that its manifest is of")

        def has_signed(by):
            return any(by.is_valid(name, signature, note) for name, signature in signatures)
        for witness in witnesses:
            require(has_signed(witness), f"the witness {witness.name} has not signed the report's checkpoint")
        told = {"verified": False, "report": manifest["report"], "rows": manifest["rows"], "origin": origin, "size": size,
                "signed": bool(key), "vouched": False, "recounted": False, "withheld": 0}
        unsigned = "" if manifest.get("signature") else "; it has no signature at all: if it was made before manifests had one, make the report anew"
        brokers = not re.fullmatch(NOT_THE_BROKERS, manifest["report"])
        if export is None:
            require(not key or has_signed(key), "the report's checkpoint is not signed by that key")
            require(not key or not brokers or is_vouched_for(manifest, key), f"the manifest is not signed by that key{unsigned}")
            told["vouched"] = bool(key) and brokers
            return told
        recount = Recount(manifest, size)
        with open(export, "rb") as lines:
            state = check(lines, key, witnesses, size, recount.take)
        require(state.size >= size, f"the report is of {size} records, the export has {state.size}: export the ledger again")
        require(state.also_root == root, "the report is of another ledger than the export: another root")
        require(any(has_signed(by) for by in state.keys), "no key of the ledger signed the checkpoint in the manifest")
        told["signed"], told["vouched"] = True, any(is_vouched_for(manifest, by) for by in state.keys)
        require(told["vouched"] or not brokers, f"no key of the ledger signed the manifest{unsigned}")
        if recount.can:
            rows, counted = recount.told(data), recount.rows()
            require(rows.keys() == counted.keys() and all(row is None or row == counted[key] for key, row in rows.items()),
                    "the report's sums are not those of the export's records")
            told["withheld"] = sum(row is None for row in rows.values())
            told["verified"] = told["recounted"] = True
        return told
    except (ValueError, TypeError, KeyError, RecursionError, csv.Error) as broken:
        raise Altered(str(broken)) from None


def main():
    parser = argparse.ArgumentParser(description="Checks an export of a Hansa ledger off line.")
    parser.add_argument("--key", help="the ledger's public key, as its operator gave it to you")
    parser.add_argument("--witness", action="append", default=[], help="this witness must have signed it too")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--report", help="check this report's file; FILE, if it is given, is an export to hold it against")
    parser.add_argument("file", nargs="?")
    arguments = parser.parse_args()
    if not arguments.file and not arguments.report:
        parser.error("give an export, or a report")
    try:
        key, witnesses = arguments.key and Key(arguments.key), [Key(text) for text in arguments.witness]
    except Altered as bad:
        parser.error(str(bad))
    if arguments.report:
        try:
            told = check_report(arguments.report, arguments.file, key, witnesses)
        except OSError as error:
            parser.error(str(error))
        except Altered as altered:
            print(f"hansa_verify: {arguments.report}: {altered}", file=sys.stderr)
            return 1
        figures = ("its sums are those of the records" if told["recounted"] else "the figures were not counted again: "
                   + ("no export has what they are of" if arguments.file else "give the export, too"))
        figures += f", but for {told['withheld']} rows that are withheld" if told["withheld"] else ""
        print(canonical(told) if arguments.json else f"report {told['report']}, {told['rows']} rows, of the first {told['size']} records of {told['origin']}: "
              "the file is the one that its manifest is of" + (", which the ledger's key signed" if told["vouched"] else ", and the ledger's head in that is signed" if told["signed"] else "") + "; " + figures)
        return 1 if arguments.file and not (told["recounted"] or told["vouched"]) else 0
    try:
        with open(arguments.file, "rb") as lines:
            state = check(lines, key, witnesses)
    except OSError as error:
        parser.error(str(error))
    except Altered as altered:
        print(f"hansa_verify: {arguments.file}: {altered}", file=sys.stderr)
        return 1
    told = facts(state)
    if arguments.json:
        print(canonical(told))
        return 0
    print(f"{told['origin']}: {told['size']} records, whole and signed; root {told['root']}")
    print(f"key {told['keys'][-1]}" + (f", after {len(told['keys']) - 1} others, each of which named the next" if len(told["keys"]) > 1 else ""))
    for by in told["cosignatures"]:
        print(f"witnessed by {by['witness']} at {by['signed_at']}")
    if told["closes_not_kept"]:
        print(f"{told['closes_not_kept']} closes of months rest on what was not kept then: that those months could be closed is not verifiable")
    for sums in told["sums"]:
        print(" ".join(f"{name}={value}" for name, value in sums.items()))
    if not key:
        print("whose ledger it is, the key tells: compare it with the one you were given, or give that with --key", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
