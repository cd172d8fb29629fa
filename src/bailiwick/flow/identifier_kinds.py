"""The kinds of identifiers that `bailiwick.flow.identifiers` knows.

`needs`: one of these stands in every text (in lower case) that holds one, so that most texts cost one look each.
Sources: ISO/IEC 7812 (card numbers), ISO 13616 (IBAN), SSA (number ranges of SSNs), ICAO 9303 (machine-readable zones
of passports), CMS (Medicare beneficiary identifiers), RFC 7519 (JWT), RFC 7468 (PEM), and the vendors' own
documentation of what their keys look like.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from bailiwick.flow import identifier_checks as checks

__all__ = ["KINDS", "Kind"]

_DIGITS = tuple("0123456789")
_ALWAYS = ("",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind. Where the pattern has a group `value`, that is the identifier and the rest announces it."""

    name: str
    category: str
    pattern: re.Pattern[str]
    needs: tuple[str, ...] = _ALWAYS
    check: Callable[[str], bool] | None = None


def _kind(
    name: str,
    category: str,
    pattern: str,
    *needs: str,
    check: Callable[[str], bool] | None = None,
    flags: int = 0,
) -> Kind:
    return Kind(name=name, category=category, pattern=re.compile(pattern, flags), needs=needs or _ALWAYS, check=check)


_I = re.IGNORECASE
_NO = r"(?:\s{1,2}(?:number|no\.?|nr\.?|id|#))?"
_WORDS = (
    r"(?:pass(?:word|wd|phrase|code)s?|pwd|passwort|kennwort|mot\sde\spasse|contrase(?:ñ|n)a|senha|wachtwoord|"
    r"pin(?:\scode)?|api[\s_-]?key|secret(?:[\s_-]?(?:key|token))?|(?:access|auth|bearer|refresh|private)[\s_-]?"
    r"(?:token|key)|client[\s_-]?secret|account[\s_-]?key|credentials?)"
)
_WORD_NEEDS = (
    *("pass", "pwd", "kennwort", "contrase", "senha", "wachtwoord", "pin", "key", "secret", "token", "credential"),
)
_VALUE = r"(?P<value>\"[^\"\n]{2,100}\"|'[^'\n]{2,100}'|[^\s,;]{3,200})"
_CODE_FOR = (
    r"(?:verification|security|log-?\s?in|sign-?\s?in|one-?\s?time|2fa|two-factor|mfa|auth(?:entication|orization|"
    r"enticator)?|access|confirmation|reset|recovery|backup|activation|unlock|door|gate|entry|alarm|sms|otp)"
)
_CODE = r"(?P<value>\d{3}[ -]\d{3,4}|[A-Z]{1,3}-\d{4,8}|\d{4,8})(?![\w-]|\.\d)"

KINDS: tuple[Kind, ...] = (
    # ── cards and accounts
    _kind(
        "payment-card",
        "pci",
        r"(?<![\w.-])(?:\d{13,19}|\d{4}([ -])\d{4}\1\d{4}\1\d{1,7}|\d{4}([ -])\d{6}\2\d{5})(?![\w-]|\.\d)",
        *_DIGITS,
        check=checks.card,
    ),
    _kind(
        "card-verification",
        "pci",
        r"\b(?:cvv2?|cvc2?|csc|card\s(?:verification|security)\s(?:code|number|value))\b\W{0,3}(?:(?:is|was)\s)?\W{0,2}"
        r"(?P<value>\d{3,4})(?!\d)",
        *("cvv", "cvc", "csc", "card"),
        flags=_I,
    ),
    _kind(
        "iban",
        "pii",
        r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?:[A-Za-z0-9]{11,30}|(?: [A-Za-z0-9]{4}){2,7}(?: [A-Za-z0-9]{1,3})?)"
        r"(?![A-Za-z0-9])",
        *_DIGITS,
        check=checks.iban_number,
    ),
    _kind(
        "bank-account",
        "pii",
        r"\b(?:bank\s)?(?:account|acct\.?|a/c)\s?(?:number|no\.?|nr\.?|#)\W{0,3}(?:(?:is|was)\s)?\W{0,2}"
        r"(?P<value>\d[\d -]{4,20}\d)(?!\d)",
        *("account", "acct", "a/c"),
        flags=_I,
    ),
    _kind(
        "bank-routing",
        "pii",
        r"\b(?:routing|aba)\b(?:\s(?:transit\s)?(?:number|no\.?|#))?\W{0,3}(?:(?:is|was)\s)?\W{0,2}(?P<value>\d{9})(?!\d)",
        *("routing", "aba"),
        check=checks.routing_number,
        flags=_I,
    ),
    # ── people
    _kind(
        "us-ssn",
        "pii",
        r"(?<![\w-])(?!000|666|9\d\d)\d{3}([- ])(?!00)\d{2}\1(?!0000)\d{4}(?![\w-])",
        *_DIGITS,
    ),
    _kind(
        "us-ssn",
        "pii",
        r"\b(?:ssn|social\ssecurity)\b(?:\s(?:number|no\.?|#))?\W{0,3}(?:(?:is|was)\s)?\W{0,2}"
        r"(?P<value>(?!000|666|9)\d{9})(?!\d)",
        *("ssn", "social"),
        flags=_I,
    ),
    _kind(
        "uk-nino",
        "pii",
        r"(?<!\w)(?!BG|GB|NK|KN|TN|NT|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]( ?)\d{2}\1\d{2}\1\d{2}\1[A-D](?!\w)",
        *_DIGITS,
    ),
    _kind(
        "passport",
        "pii",
        r"\bpassport\b" + _NO + r"\W{0,3}(?:(?:is|was)\s)?\W{0,2}(?P<value>[A-Z0-9]{6,9})(?![\w-])",
        "passport",
        check=checks.has_digit,
        flags=_I,
    ),
    _kind(
        "passport-zone",
        "pii",
        r"(?<![A-Z0-9<])[A-Z0-9<]{9}\d[A-Z<]{3}\d{7}[MFX<]\d{7}[A-Z0-9<]{14}[\d<]\d(?![A-Z0-9<])",
        "<",
        *_DIGITS,
        check=checks.passport_zone,
    ),
    _kind(
        "driving-licence",
        "pii",
        r"\bdriv(?:er|ing)(?:'?s)?[\s-]licen[cs]e\b" + _NO + r"\W{0,3}(?:(?:is|was)\s)?\W{0,2}"
        r"(?P<value>[A-Z0-9][A-Z0-9-]{4,18}[A-Z0-9])(?!\w)",
        "driv",
        check=checks.has_digit,
        flags=_I,
    ),
    _kind(
        "birth-date",
        "pii",
        r"\b(?:d\.?o\.?b\.?|date\sof\sbirth|birth\s?date|born(?:\son)?|geburtsdatum)\W{0,4}(?:(?:is|was)\s)?"
        r"(?P<value>\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}|\d{1,2}\.?\s[A-Z]\w{2,8}\.?,?\s\d{4}|[A-Z]\w{2,8}\.?\s\d{1,2},?\s\d{4})",
        *("dob", "d.o.b", "birth", "born", "geburtsdatum"),
        flags=_I,
    ),
    _kind(
        "phone",
        "pii",
        r"(?<![\w+.])\+\d{1,3}(?:[ .()/-]{0,2}\d{1,4}){2,6}(?![\w]|[.-]\d)",
        "+",
        check=checks.phone,
    ),
    _kind(
        "phone",
        "pii",
        r"(?<![\w.-])(?:1[-. ])?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}[-. ])[2-9]\d{2}[-. ]\d{4}(?![\w-]|\.\d)",
        *_DIGITS,
    ),
    _kind(
        "phone",
        "pii",
        r"\b(?:tel|phone|mobile|cell|telefon|fax|whatsapp)\b\.?" + _NO + r"\W{0,3}(?:(?:is|was)\s)?"
        r"(?P<value>\(?\d[\d ()./-]{5,18}\d)(?!\w)",
        *("tel", "phone", "mobile", "cell", "fax", "whatsapp"),
        check=checks.phone,
        flags=_I,
    ),
    _kind(
        "mail-address",
        "pii",
        r"(?<![\w.%+-])[\w.%+-]{1,64}@(?:[\w-]{1,63}\.){1,8}[^\W\d_][\w-]{1,62}(?!\w)",
        "@",
        check=checks.mail,
    ),
    # ── health
    _kind(
        "medical-record",
        "phi",
        r"\b(?:mrn|medical\srecord|patient|health\s(?:insurance|plan|card)|member)(?:\s(?:number|no\.?|nr\.?|id|#)){0,2}"
        r"\s?[:#=]\s{0,2}(?P<value>[A-Z]{0,4}-?\d[\d-]{3,14}\d)(?!\w)",
        *("mrn", "medical", "patient", "health", "member"),
        flags=_I,
    ),
    _kind(
        "nhs-number",
        "phi",
        r"\bnhs\b" + _NO + r"\W{0,3}(?:(?:is|was)\s)?(?P<value>\d{3}[ -]?\d{3}[ -]?\d{4})(?!\d)",
        "nhs",
        check=checks.nhs_number,
        flags=_I,
    ),
    _kind(
        "medicare-id",
        "phi",
        r"(?<![\w-])[1-9][AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9]\d(-?)[AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9]\d\1"
        r"[AC-HJKMNP-RT-Y]{2}\d{2}(?![\w-])",
        *_DIGITS,
    ),
    _kind(
        "diagnosis",
        "phi",
        r"\b(?:icd(?:-?10)?(?:-?cm)?|dx|diagnos[ei]s)(?:\scodes?)?\s{0,2}[:=]?\s{0,2}\(?"
        r"(?P<value>[A-TV-Z]\d[0-9A-Z](?:\.[0-9A-Z]{1,4})?)(?!\w)",
        *("icd", "dx", "diagnos"),
        flags=_I,
    ),
    _kind(
        "diagnosis",
        "phi",
        r"\b(?:diagnosed\swith|diagnosis\s?:|prescribed(?:\sfor)?\s?:?|prescription\s?:|tested\spositive\sfor)\s"
        r"(?P<value>[^\W\d_][^\n.;,]{2,60})",
        *("diagnos", "prescri", "tested positive"),
        flags=_I,
    ),
    # ── credentials of vendors
    _kind(
        "aws-key",
        "secret",
        r"(?<![A-Za-z0-9])(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}(?![A-Za-z0-9])",
        "akia",
        "asia",
        "abia",
        "acca",
    ),
    _kind(
        "github-token", "secret", r"(?<!\w)(?:gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_\w{22,255})", "gh", "github_pat_"
    ),
    _kind("gitlab-token", "secret", r"(?<!\w)gl(?:pat|ptt|dt|rt|cbt|ft|soat|oas)-[\w-]{20,100}", "gl"),
    _kind("slack-token", "secret", r"(?<!\w)(?:xox[abeoprs](?:\.xox[bp])?|xapp)-[A-Za-z0-9-]{10,255}", "xox", "xapp-"),
    _kind(
        "slack-webhook",
        "secret",
        r"hooks\.slack\.com/(?:services|workflows|triggers)/[\w/+-]{20,255}",
        "hooks.slack.com",
    ),
    _kind("model-api-key", "secret", r"(?<![\w-])sk-[A-Za-z0-9_-]{20,255}", "sk-", check=checks.odd_key),
    _kind(
        "stripe-key",
        "secret",
        r"(?<!\w)(?:[sr]k_(?:live|test)_|whsec_)[A-Za-z0-9]{16,255}",
        "k_live_",
        "k_test_",
        "whsec_",
    ),
    _kind(
        "google-key",
        "secret",
        r"(?<!\w)(?:AIza[\w-]{35}|GOCSPX-[\w-]{28}|ya29\.[\w-]{20,1000})",
        "aiza",
        "gocspx-",
        "ya29.",
    ),
    _kind(
        "vendor-token",
        "secret",
        r"(?<![\w-])(?:npm_[A-Za-z0-9]{36}|pypi-AgE[\w-]{50,255}|hf_[A-Za-z0-9]{30,40}|SG\.[\w-]{16,32}\.[\w-]{32,64}|"
        r"do[opr]_v1_[0-9a-f]{64}|shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}|glsa_[A-Za-z0-9]{32}_[0-9a-f]{8}|hv[sbr]\.[\w-]{24,300}|"
        r"dapi[0-9a-f]{32}|lin_api_[A-Za-z0-9]{40}|xkeysib-[0-9a-f]{64}-\w{16}|key-[0-9a-f]{32}|SK[0-9a-f]{32}|"
        r"AGE-SECRET-KEY-1[A-Z0-9]{58}|ATATT3[\w=-]{50,255}|secret_[A-Za-z0-9]{43}|ntn_[A-Za-z0-9]{40,50}|"
        r"\d{8,10}:AA[\w-]{33})(?![\w-])",
        *("npm_", "pypi-", "hf_", "sg.", "_v1_", "shp", "glsa_", "hv", "dapi", "lin_api_", "xkeysib-", "key-", "sk"),
        *("age-secret", "atatt3", "secret_", "ntn_", ":aa"),
    ),
    _kind("jwt", "secret", r"(?<![\w-])eyJ[\w-]{8,4000}\.[\w-]{8,8000}\.[\w-]{0,2000}", "eyj"),
    _kind(
        "private-key",
        "secret",
        r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----[^-]{0,20000}"
        r"(?:-----END [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----)?",
        "private key",
    ),
    _kind(
        "auth-header",
        "secret",
        r"\b(?:bearer|basic)\s{1,2}(?P<value>[A-Za-z0-9+/._~-]{16,4000}={0,2})",
        "bearer",
        "basic",
        check=checks.odd_key,
        flags=_I,
    ),
    _kind(
        "connection-string",
        "secret",
        r"(?<![\w+.-])[a-z][a-z0-9+.-]{1,20}://[^\s:/@?#\"'<>]{0,64}:[^\s@/?#\"'<>]{1,128}@[^\s/?#\"'<>]{1,255}",
        "://",
        flags=_I,
    ),
    _kind(
        "signed-link",
        "secret",
        r"https?://[^\s\"'<>]{1,600}[?&](?:x-amz-signature|x-goog-signature|sig|signature)=[^\s&\"'<>]{8,512}",
        "sig",
        flags=_I,
    ),
    # ── credentials in prose
    _kind(
        "credential",
        "secret",
        r"(?<![A-Za-z])" + _WORDS + r"['\"]?\s{0,3}(?:[:=]|=>|->|→)\s{0,3}" + _VALUE,
        *_WORD_NEEDS,
        check=checks.secret_value,
        flags=_I,
    ),
    _kind(
        "credential",
        "secret",
        r"(?<![A-Za-z])"
        + _WORDS
        + r"(?:\s[^\s.:;]{1,30}){0,4}?\s(?:is|are|will\sbe|lautet|ist|est|es)\s{0,2}:?\s{1,3}"
        + _VALUE,
        *_WORD_NEEDS,
        check=checks.told_value,
        flags=_I,
    ),
    _kind(
        "recovery-phrase",
        "secret",
        r"\b(?:seed|recovery|mnemonic|backup)\s(?:phrase|words)\b\W{0,3}(?:(?:is|are|was)\W{1,3})?"
        r"(?P<value>[a-z]{3,8}(?:[ ,]{1,2}[a-z]{3,8}){11,23})",
        "phrase",
        "words",
        flags=_I,
    ),
    _kind(
        "one-time-code",
        "secret",
        r"\b(?:"
        + _CODE_FOR
        + r"[\s-](?:pass)?code|(?:your|the)\s(?:code|otp|pin|passcode|token)|otp|passcode)\b(?:[^\d\n.]{0,60}?)\b"
        + _CODE,
        "code",
        "otp",
        "pin",
        "token",
        flags=_I,
    ),
    _kind(
        "one-time-code",
        "secret",
        r"(?<![\w.-])" + _CODE + r"\s{1,2}(?:is|as)\s(?:your|the)\s(?:[^\s.]{1,30}\s){0,4}(?:code|otp|pin|passcode)\b",
        "code",
        "otp",
        "pin",
        flags=_I,
    ),
    _kind("reset-link", "secret", r"https?://[^\s\"'<>]{8,1000}", "://", check=checks.reset_link, flags=_I),
)
