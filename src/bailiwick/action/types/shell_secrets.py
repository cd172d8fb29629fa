"""Which words of a command may name secrets, and which variables do."""

from __future__ import annotations

import functools
import re
from fnmatch import fnmatchcase

from bailiwick.action.types.shell_words import ANYTHING, Word

__all__ = ["HARMLESS_VARIABLES", "names_secret"]

_SECRET = tuple(
    """
    .ssh .env .env.* *.env .envrc *.pem *.key *.p12 *.pfx *.jks *.keystore *.kdbx *.kdb *.ppk *.asc id_rsa* id_dsa*
    id_ecdsa* id_ed25519* identity *shadow shadow- sudoers* .aws .azure .gnupg .kube .docker .netrc _netrc .npmrc
    .pypirc .git-credentials .pgpass .my.cnf .htpasswd *credential* *secret* *passwd* *password* *token*
    .password-store .*_history .vault-token environ mem kcore keychain* login.keychain* gcloud gh hosts.yml
    kubeconfig* .terraform.d wallet* cookies* logins.json key?.db service-account*.json
    application_default_credentials.json .boto .s3cfg .config fd
    """.split()
)
"""Parts of a path, in lower case, that hold secrets, or folders of them."""

_SAMPLES = tuple(
    """
    .ssh .env .env.local .aws .gnupg .kube .docker .netrc .npmrc .pypirc .git-credentials .pgpass .bash_history id_rsa
    id_ed25519 id_ecdsa server.key cert.pem key.pem shadow gshadow sudoers credentials credentials.json secrets
    secrets.yaml secret.txt environ passwd password.txt token token.txt kubeconfig wallet.dat vault.kdbx
    """.split()
)
"""Names that a glob is tried on."""

HARMLESS_VARIABLES = frozenset(
    """
    HOME PWD OLDPWD USER LOGNAME UID EUID PPID PATH SHELL TMPDIR LANG LANGUAGE LC_ALL TERM HOSTNAME HOSTTYPE OSTYPE
    MACHTYPE RANDOM SECONDS LINENO COLUMNS LINES TZ EDITOR PAGER SHLVL BASH_VERSION CI ? # $ @ * - 0 1 2 3 4 5 6 7 8 9
    """.split()
)
"""Variables from outside that hold no secret."""


def names_secret(word: Word) -> bool:
    """Whether the word may name a file with secrets: one of its parts does, or could once a glob, braces or a variable
    are expanded. A glob that is all wildcard is tried on samples; of any other, half of a secret's name must stand in
    it."""
    text = word.pattern.lower()
    if word.literal is None:
        text = _BRACES.sub("*", text)
    texts = [text, text[2:]] if text.startswith("-") else [text]  # `-f.netrc`
    parts = [part for each in texts for part in each.split("/")]
    if word.literal is None:
        parts = [_BRACKETS.sub("*", part) for part in parts]
    globs = word.literal is None  # in quotes nothing is expanded
    return any(_secret_part(part, globs=globs) for each in parts for part in _SIGNS.split(each) if part)


_SIGNS = re.compile(r"[=:@,]")
_BRACES = re.compile(r"\{.*\}", re.DOTALL)
_BRACKETS = re.compile(r"\[.*\]", re.DOTALL)
"""Sets within a glob, however they are written, and what stands between the first and the last."""


def _secret_part(part: str, *, globs: bool) -> bool:
    if ANYTHING in part:
        return True
    if any(fnmatchcase(part, pattern) for pattern in _SECRET):
        return True
    if not globs or not any(sign in part for sign in "*?"):
        return False
    if any(fnmatchcase(sample, part) for sample in _SAMPLES):
        return True
    return any(2 * _in_common(part, pattern) >= _letters(pattern) for pattern in _SECRET)


def _letters(glob: str) -> int:
    return sum(char not in "*?" for char in glob)


def _in_common(one: str, other: str) -> int:
    """The most letters that both globs ask for in one place of a name that fits both; -1000 or less if none does."""

    @functools.cache
    def most(left: int, right: int) -> int:
        if left == len(one) and right == len(other):
            return 0
        found = [-1000]
        first, second = one[left : left + 1], other[right : right + 1]
        if first == "*":
            found.append(most(left + 1, right))
        if second == "*":
            found.append(most(left, right + 1))
        if first == "*" and second not in ("", "*"):
            found.append(most(left, right + 1))
        elif second == "*" and first not in ("", "*"):
            found.append(most(left + 1, right))
        elif first and second and "*" not in (first, second) and (first == second or "?" in (first, second)):
            found.append(most(left + 1, right + 1) + (first == second != "?"))
        return max(found)

    return most(0, 0) if len(one) <= MAX_GLOB else len(other)


MAX_GLOB = 100
"""Characters of a part with wildcards that is looked at; a longer one may be anything."""
