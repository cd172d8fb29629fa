"""How a log seals the contents that it is given, and how those that lie in one are opened. See `audit.sealing`.

A reader finds the keys where a project keeps them: in `keys/` beside its folder of logs. Who has a copy of the logs
alone can check all of them but the contents."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

from bailiwick.audit.envelope import SecretsOf
from bailiwick.audit.ports import ContentKeys
from bailiwick.audit.report import StoredContent
from bailiwick.audit.sealing import Secrets, subjects_of
from bailiwick.model.event import Content, Draft
from bailiwick.stores.subject_keys import KEYS_FILE, SubjectKeys

__all__ = ["KEYS_FOLDER", "OPENED", "ContentOpener", "ContentSealer", "keys_path"]

KEYS_FOLDER = "keys"
MAX_SECRETS = 256

OPENED = """SELECT c.seq, c.role, c.salt, c.address, c.key, e.id, e.session, b.data FROM contents c
    LEFT JOIN events e ON e.seq = c.seq LEFT JOIN blobs b ON b.address = c.address"""

UNOPENED = """SELECT c.seq, c.role, c.salt, c.address, c.key, '', '',
    CASE WHEN c.key = '' THEN b.data WHEN b.address IS NOT NULL THEN x'' END
    FROM contents c LEFT JOIN blobs b ON b.address = c.address"""
"""The same where no key is known: what is sealed stays in the file."""


def keys_path(state: Path) -> Path:
    """Where a state folder keeps the keys of the people whom contents are about."""
    return state / KEYS_FOLDER / KEYS_FILE


class _Cached:
    """Secrets of the sessions that were used last. INVARIANT: they are of the key that `ContentKeys` gave just now."""

    def __init__(self, log: str) -> None:
        self._log = log
        self._made: OrderedDict[tuple[str, str], Secrets] = OrderedDict()
        self._lock = Lock()

    def of(self, name: str, key: bytes, session: str) -> Secrets:
        at = (name, session)
        with self._lock:
            found = self._made.get(at)
            if found is None:
                found = self._made[at] = Secrets.of(name, key, log=self._log, session=session)
                if len(self._made) > MAX_SECRETS:
                    self._made.popitem(last=False)
            return found

    def forget(self, name: str) -> None:
        """That key is there no more."""
        with self._lock:
            for at in [at for at in self._made if at[0] == name]:
                del self._made[at]


class ContentSealer:
    """By which secrets contents of this log are committed to and sealed."""

    def __init__(self, log: str, keys: ContentKeys) -> None:
        self._keys = keys
        self._secrets = _Cached(log)

    def for_append(self) -> SecretsOf:
        """Those of the drafts of one append. Whether the keys of some subjects are still there is asked once in it:
        asking costs more than sealing."""
        found: dict[tuple[frozenset[str], str], Secrets] = {}

        def secrets_of(draft: Draft, content: Content) -> Secrets:
            at = (subjects_of(draft, content.subjects), draft.session)
            secrets = found.get(at)
            if secrets is None:
                secrets = found[at] = self._secrets.of(*self._keys.sealing(at[0]), draft.session)
            return secrets

        return secrets_of


class ContentOpener:
    """Opens rows of `OPENED` of one log. `keys` None: those beside the folder that the log lies in, if there are any.
    Use it in one thread at a time."""

    def __init__(self, path: Path, keys: ContentKeys | None = None) -> None:
        self._path = path
        self._keys = keys
        self._own: SubjectKeys | None = None
        self._looked = keys is not None
        self._secrets = _Cached(path.stem)

    @property
    def rows(self) -> str:
        """The query of the rows that `opened` takes. Raises StoreError if there are keys and they cannot be read."""
        return UNOPENED if self._all_keys() is None else OPENED

    def close(self) -> None:
        if self._own is not None:
            self._own.close()
            self._own = None

    def opened(self, row: tuple[object, ...]) -> StoredContent:
        """The content of a row. A blob that does not open gives one that is not committed to. Raises StoreError if
        there are keys and they cannot be read."""
        return self.opened_all((row,))[0]

    def opened_all(self, rows: Sequence[tuple[Any, ...]]) -> list[StoredContent]:
        """As `opened`, of rows that are read together: each key is asked for once."""
        found: list[StoredContent] = []
        known: dict[tuple[object, object], Secrets | None] = {}
        for seq, role, salt, address, key, event, session, blob in rows:
            if type(seq) is not int or type(role) is not str:
                seq, role = (seq if isinstance(seq, int) else -1), str(role)
            if blob is None:
                found.append(StoredContent(seq, role, b"", None, str(key), gone=True))
                continue
            if not key:
                found.append(StoredContent(seq, role, _bytes(salt), _bytes(blob)))
                continue
            at = (key, session)
            if at not in known:
                known[at] = self._secrets_of(str(key), str(session))
            secrets = known[at]
            if secrets is None:
                found.append(StoredContent(seq, role, b"", None, key))
                continue
            data = secrets.open(_bytes(address), _bytes(blob))
            if data is None:
                found.append(StoredContent(seq, role, b"", b"", key))
            else:
                found.append(StoredContent(seq, role, secrets.salt(str(event), role), data, key))
        return found

    def _all_keys(self) -> ContentKeys | None:
        if not self._looked:
            self._keys = self._own = SubjectKeys.reading(keys_path(self._path.parent.parent))
            self._looked = True
        return self._keys

    def has_key(self, name: str, session: str) -> bool:
        """Whether what lies under the key `name` ("": none) could be opened here. Nothing is opened."""
        return not name or self._secrets_of(name, session) is not None

    def _secrets_of(self, name: str, session: str) -> Secrets | None:
        keys = self._all_keys()
        key = None if keys is None else keys.opening(name)
        if key is None:
            self._secrets.forget(name)
            return None
        return self._secrets.of(name, key, session)


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")
