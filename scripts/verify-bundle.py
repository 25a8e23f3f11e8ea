#!/usr/bin/env python3
"""Checks a Roofmark bundle without Roofmark: signatures, list and chain. Needs the PyPI package `cryptography`."""
import base64, hashlib, json, sys
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

def opened(line, kind):
    """The signed text of one line; raises InvalidSignature where the signature does not fit."""
    envelope = json.loads(line)
    payload, signature = base64.b64decode(envelope["payload"]), envelope["signatures"][0]
    assert envelope["payloadType"] == kind, envelope["payloadType"]
    signed = b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(signature["keyid"]))
    key.verify(base64.b64decode(signature["sig"]), signed)
    return payload

first, *lines = open(sys.argv[1], "rb").read().splitlines()
listed = json.loads(opened(first, "application/vnd.roofmark.bundle.v1"))["records"]
payloads = [opened(line, "application/vnd.roofmark.record.v1") for line in lines]
hashes = [hashlib.sha256(payload).hexdigest() for payload in payloads]
assert hashes == listed, "the records are not those of the list"
headers = [json.loads(payload.split(b"\n", 1)[0]) for payload in payloads]
for before, header, last in zip(headers, headers[1:], hashes):
    if (before["ledger"], before["sequence"] + 1) == (header["ledger"], header["sequence"]):
        assert header["previous"] == last, f"record {header['sequence']} does not follow the one before it"
print(f"{len(payloads)} records, all signatures fit")
