"""Facts about free text: how long it is, whether it can be read, and which addresses stand in it.

The text itself never reaches policies. Both answers are hints, drawn generously: `opaque` says that part of the text
looks encoded (a run of 200 or more letters and digits, or of 64 or more that mixes cases and digits as base64 does,
or of 64 or more hexadecimal digits); `addresses` are the mail addresses and the hosts of links, in normal form. Text
written to deceive ("bob at example dot com") can hide from both: confidentiality does not rest on them (DESIGN §5
*Flow*).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping
from typing import cast

from bailiwick.action.types.mail import MailProblem, normal_address, normal_domain
from bailiwick.model.call import Fact, Facts
from bailiwick.model.shape import BOOL, LONG, STRING_SET, Field, Record

__all__ = ["CONTENT_SHAPE", "MAX_ADDRESSES", "content_facts", "joined_content"]

CONTENT_SHAPE = Record((Field("length", LONG), Field("opaque", BOOL), Field("addresses", STRING_SET)))

MAX_ADDRESSES = 200
"""A text with more is `opaque`: what is not listed was not looked at."""

_ENCODED_RUN = 64
_LONG_RUN = 200

_AROUND = ".!?*_~"
"""What prose and markup put around an address."""
# Each pattern matches maximal runs, so that no text takes more than linear time.
_RUN = re.compile(r"[\w+/=%-]+")
_DENSE_RUN = re.compile(r"[A-Za-z0-9+/=_-]+")
_HEX = re.compile(r"[0-9A-Fa-f]+")
_MAIL_PART = re.compile(r"[^<>()\[\]{},;:\"'`|\\/?#]+")
_AFTER_SLASHES = re.compile(r"//([^<>(){},;\"'`|\\/?#]+)")
_WWW = re.compile(r"www\.[^<>(){},;\"'`|\\/?#@:]+", re.IGNORECASE)


def content_facts(text: str) -> Facts:
    """The record `{length, opaque, addresses}`; length in characters."""
    words = text.split()
    addresses = _addresses(words)
    opaque = _opaque(words) or len(addresses) > MAX_ADDRESSES
    return {"length": len(text), "opaque": opaque, "addresses": addresses[:MAX_ADDRESSES]}


def joined_content(parts: Iterable[Fact]) -> Facts:
    """The record of several contents as one: opaque where one of them is, whatever their types say besides."""
    records = [each for each in parts if isinstance(each, Mapping)]
    addresses = dict.fromkeys(address for each in records for address in cast(tuple[str, ...], each["addresses"]))
    return {
        "length": sum(cast(int, each["length"]) for each in records),
        "opaque": len(addresses) > MAX_ADDRESSES or any(each["opaque"] for each in records),
        "addresses": tuple(addresses)[:MAX_ADDRESSES],
    }


def _opaque(words: list[str]) -> bool:
    """Whether part of the text looks encoded or enciphered rather than written."""
    for word in words:
        if len(word) < _ENCODED_RUN:
            continue
        if any(len(run.group()) >= _LONG_RUN for run in _RUN.finditer(word)):
            return True
        if any(_looks_encoded(run.group()) for run in _DENSE_RUN.finditer(word)):
            return True
    return False


def _looks_encoded(run: str) -> bool:
    if len(run) < _ENCODED_RUN:
        return False
    if _HEX.fullmatch(run):
        return True
    return any(map(str.islower, run)) and any(map(str.isupper, run)) and any(map(str.isdigit, run))


def _addresses(words: list[str]) -> tuple[str, ...]:
    """Mail addresses and the hosts of links, each once, in normal form where they have one; no more than
    MAX_ADDRESSES + 1."""
    found: dict[str, None] = {}
    for word in words:
        if "@" in word:
            _add_mails(found, word)
        # Browsers take a backslash for a slash, and where there is no scheme it names a share of another machine.
        slashed = word.replace("\\", "/")
        if "//" in slashed:
            for link in _AFTER_SLASHES.finditer(slashed):
                _add_host(found, link.group(1))
        if "." in word and "www." in word.lower():
            for link in _WWW.finditer(word):
                _add_host(found, link.group())
        if len(found) > MAX_ADDRESSES:
            break
    return tuple(found)[: MAX_ADDRESSES + 1]


def _add_mails(found: dict[str, None], word: str) -> None:
    for part in _MAIL_PART.finditer(word):
        pieces = part.group().split("@")
        for local, domain in itertools.pairwise(pieces):
            local, domain = local[-64:].lstrip(_AROUND), domain[:255].rstrip(_AROUND)
            if local and domain:
                address = normal_address(f"{local}@{domain}")
                found[f"{local}@{domain}".lower() if isinstance(address, MailProblem) else address.text] = None
            if len(found) > MAX_ADDRESSES:
                return


def _add_host(found: dict[str, None], candidate: str) -> None:
    host = candidate.rpartition("@")[2]
    if not host.startswith("["):
        host = host.partition(":")[0]
    host = host[:255].strip(_AROUND)
    # `a // b` in prose is no link; a name without a dot is one only if it says so itself.
    if len(found) <= MAX_ADDRESSES and ("." in host or host.startswith("[") or host.lower() == "localhost"):
        found[normal_domain(host) or host.lower()] = None
