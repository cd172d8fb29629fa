"""Makes what a log has committed durable: fdatasync of its write-ahead log, shared by all who wait for it.

**Why our own fdatasync is sound.** The file is in WAL mode with synchronous=NORMAL: a commit appends frames to
`<log>.db-wal` and does not sync them. The WAL is never removed or replaced while our connection is open, so an
fdatasync of it, through a descriptor of our own (SQLite holds no lock on it that closing could drop), makes every frame
written before durable; after a crash SQLite replays the frames up to the last commit whose checksums hold. Frames leave
the WAL through a checkpoint alone, and in NORMAL mode SQLite syncs the WAL before it copies them and the database
after, before frames are overwritten. Checkpoints are SQLite's automatic ones (every 1,000 pages, by the caller that
reaches it, about 1 ms): a WAL that is overwritten in place syncs faster than one that grows. Toggling synchronous=FULL
instead measures the same; this way syncing does not hold up committing, and a failed sync is seen here.

INVARIANT: a sync that failed is never tried again: the system may report success the next time without having written.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from bailiwick.stores.log_file import sync_folder

__all__ = ["WalSync", "sync_wal"]

FLUSH_AFTER = 0.02
"""Seconds that a buffered event waits for others before it is synced: leaves 30 of the promised 50 ms to the disk."""

_datasync = getattr(os, "fdatasync", os.fsync)


def sync_wal(path: Path) -> None:
    """Make durable what is committed in the log at `path`, whoever wrote it: its events and what lies beside them.
    Before it is told to anybody who keeps it elsewhere: a loss of power must not take it back. Raises OSError."""
    try:
        wal = os.open(f"{path}-wal", os.O_RDONLY)
    except FileNotFoundError:  # all of it is in the database, which SQLite has synced
        return
    try:
        _datasync(wal)
        sync_folder(path.parent)
    finally:
        os.close(wal)


class WalSync:
    """Syncs the WAL of one log. `committed` says how many events are committed, `failed` is told why a sync failed,
    `size` is how many events are durable to begin with."""

    def __init__(self, path: Path, *, committed: Callable[[], int], failed: Callable[[str], None], size: int) -> None:
        self.flushed = size
        self._path = path
        self._wal_path = Path(f"{path}-wal")
        self._committed = committed
        self._failed = failed
        self._inode = path.stat().st_ino
        self._wal = -1
        self._error: OSError | None = None
        self._sync_lock = threading.Lock()
        self._flushed_more = threading.Condition()
        self._wake = threading.Condition()
        self._due = False
        self._stopped = False
        self._thread: threading.Thread | None = None

    def flush(self, size: int) -> None:
        """Return once the first `size` events are durable; one sync serves everybody who was committed before it began.

        Raises OSError if this sync or an earlier one failed.
        """
        if self.flushed >= size:  # most of those who are committed together
            return
        with self._sync_lock:
            if self.flushed >= size:
                return
            if self._error is not None:
                raise self._error
            committed = self._committed()
            try:
                self._sync()
            except OSError as error:
                self._error = error
                self._failed(f"it could not be fsynced: {error}")
                raise
            with self._flushed_more:
                self.flushed = committed
                self._flushed_more.notify_all()

    def _sync(self) -> None:
        if self._wal < 0:
            self._wal = os.open(self._wal_path, os.O_RDONLY)
            sync_folder(self._path.parent)
        # SQLite goes on writing into a file that has lost its name; what is written there is lost with the process.
        if self._wal_path.stat().st_ino != os.fstat(self._wal).st_ino or self._path.stat().st_ino != self._inode:
            raise FileNotFoundError(f"{self._path.name} or its WAL was removed or replaced")
        _datasync(self._wal)

    def flush_soon(self) -> None:
        """Have all that is committed by now synced within 50 ms, by a thread."""
        with self._wake:
            if self._due:
                return
            self._due = True
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=f"{self._path.stem} flush", daemon=True)
                self._thread.start()
            self._wake.notify_all()

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._due or self._stopped)
                if self._stopped:
                    return
                self._wake.wait_for(lambda: self._stopped, FLUSH_AFTER)
                self._due = False
            with suppress(OSError):  # the log was told, and says so to the next append
                self.flush(self._committed())

    def wait(self, size: int, timeout: float) -> bool:
        """Wait until the first `size` events are durable, at most `timeout` seconds. Whether they are."""
        with self._flushed_more:
            return self._flushed_more.wait_for(lambda: self.flushed >= size, timeout)

    def stop(self) -> None:
        """End the thread. What is not synced by now is for `flush`."""
        with self._wake:
            self._stopped = True
            self._wake.notify_all()
        if self._thread is not None:
            self._thread.join()

    def close(self) -> None:
        """Let go of the WAL. Nothing is synced any more."""
        self.stop()
        with self._sync_lock:
            if self._wal >= 0:
                os.close(self._wal)
                self._wal = -1
