"""Sees the news of requests in the store, queues them, and sends what is due: at least once each.

It runs beside the console or on its own, never in an agent's process. What is sent is made anew from the request at
every attempt, and is the same every time; the outbox holds none of it. INVARIANT: an attempt is shorter than the lease
on its notice, so that nobody else sends it meanwhile; a process that dies between sending and noting it leaves a notice
that is sent once more under the same id.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from email.errors import MessageError
from pathlib import Path

from bailiwick.action.approval_card import card_text
from bailiwick.action.approvals import Approval
from bailiwick.action.channel_settings import Channel, ChannelKind, Detail, Smtp, allowed_address
from bailiwick.action.notices import (
    Claim,
    News,
    Notice,
    Outbox,
    Told,
    happened,
    is_over,
    is_waiting,
    retry_at,
)
from bailiwick.channels import words
from bailiwick.channels.deadline import SECONDS
from bailiwick.channels.mail import mail, send
from bailiwick.channels.secrets import read_secret
from bailiwick.errors import BailiwickError, UsageError
from bailiwick.guard.approvals.notifying import card_for, mailbox, people, recipients, undelivered
from bailiwick.guard.engine import Engine
from bailiwick.webhooks import headers_of

__all__ = ["Dispatcher", "Sent", "unheard"]

EVERY_S = 2.0
"""So often it looks for news."""
_LOOK_AGAIN_MS = 60_000
_LOG = logging.getLogger("bailiwick")
_TO_PEOPLE = (ChannelKind.SLACK, ChannelKind.EMAIL)
_ASKS = (News.REQUESTED, News.ESCALATED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What one look did."""

    arrived: int = 0
    failed: int = 0

    def __add__(self, other: Sent) -> Sent:
        return Sent(arrived=self.arrived + other.arrived, failed=self.failed + other.failed)


def unheard(_claim: Claim, _told: Told) -> None:
    """Nobody wants to know of each attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatcher:
    """Several may run at once, in threads and processes. `console` is where links lead; `chance` gives numbers from 0
    to 1; secrets in files are relative to `folder`."""

    engine: Engine
    outbox: Outbox
    channels: tuple[Channel, ...]
    smtp: Smtp | None
    folder: Path
    console: str
    chance: Callable[[], float]
    seconds: float = SECONDS
    """For one attempt."""
    heard: Callable[[Claim, Told], None] = unheard
    """Is told of each attempt, when what came of it is noted, in the thread of its channel."""
    _filling: threading.Lock = field(default_factory=threading.Lock)
    _looked: dict[str, tuple[frozenset[News], int]] = field(default_factory=dict)
    """Of requests that are open: which news there were when they were looked at, and when that was."""

    @property
    def _at(self) -> tuple[str, str]:
        settings = self.engine.ports.holding.latest.settings
        return settings.tenant, settings.env

    @property
    def _now_ms(self) -> int:
        return self.engine.ports.clock() // 1000

    def once(self) -> Sent:
        """Look for news, and send all that is due now."""
        self.fill()
        done = Sent()
        for channel in self.channels:
            while (sent := self.send_next(channel)) is not None:
                done += sent
        return done

    def run(self, stop: threading.Event) -> None:
        """Look again and again until `stop`; each channel by itself, so that none waits for another."""
        threads = [
            threading.Thread(target=self._run, args=(channel, stop), name=f"bailiwick-channel-{channel.name}")
            for channel in self.channels
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def fill(self) -> None:
        """Queue what is new."""
        tenant, env = self._at
        with self._filling:
            for approval_id in self.outbox.watched(tenant, env):
                approval = self.engine.ports.approvals.get(tenant, env, approval_id)
                now_ms = self._now_ms
                if approval is None:
                    _LOG.warning("request %s is gone: find out who wrote to the state store", approval_id)
                    self.outbox.queue(tenant, env, (), over=approval_id, now_ms=now_ms)
                    continue
                over = is_over(approval, now_ms)
                if not over and not self._worth_a_look(approval, now_ms):
                    continue
                notices = self._notices(approval, now_ms)
                self.outbox.queue(tenant, env, notices, over=approval_id if over else None, now_ms=now_ms)
                if over:
                    self._looked.pop(approval_id, None)

    def send_next(self, channel: Channel) -> Sent | None:
        """Try the next notice that is due; None if there is none."""
        claim = self.outbox.claim(*self._at, channel.name, lease=self.engine.ports.new_id(), now_ms=self._now_ms)
        if claim is None:
            return None
        if claim.attempt > channel.attempts:
            # Whoever tried last died of it.
            told = Told(error="no attempt came to its end", final=True)
        else:
            told = self._try(channel, claim)
        self._note(channel, claim, told)
        self.heard(claim, told)
        return Sent(failed=1) if told.error else Sent(arrived=1)

    def test(self, channel: Channel) -> dict[str, Told]:
        """Send a message that is about nothing → what became of it, by recipient. A receiver that was gone and takes it
        is told again from now on."""
        tenant, env = self._at
        message_id = f"msg_test_{self.engine.ports.new_id()}"
        found: dict[str, Told] = {}
        text = f"A test of the channel {channel.name} of {tenant}/{env}. Nothing is asked."
        match channel.kind:
            case ChannelKind.EMAIL:
                planes = self.engine.ports.holding.now()
                named = [person for each in channel.to for person in people(planes, each)]
                for to in dict.fromkeys(named or [self._smtp.sender]):
                    found[to] = self._guarded(lambda to=to: self._mail(to, text, [text], message_id))  # type: ignore[misc]
            case ChannelKind.SLACK | ChannelKind.WEBHOOK:
                body = words.test_body(channel.kind, text, tenant=tenant, env=env, now_ms=self._now_ms)
                found[channel.name] = self._guarded(lambda: self._post(channel, body, message_id))
        if any(not told.error for told in found.values()):
            self.outbox.open_again(tenant, env, channel.name)
            self._looked.clear()
        return found

    # ── inside ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _run(self, channel: Channel, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                self.fill()
                while not stop.is_set() and self.send_next(channel) is not None:
                    pass
            except (BailiwickError, OSError) as error:
                # Nothing is lost: what is not noted as sent is tried again.
                _LOG.warning("channel %s: %s", channel.name, error)
            stop.wait(EVERY_S)

    def _worth_a_look(self, approval: Approval, now_ms: int) -> bool:
        """Who may answer is asked of the rules for everybody in the directory: when there is news, and now and then,
        for those who have come since."""
        news = frozenset(dict(happened(approval, now_ms)))
        before, at_ms = self._looked.get(approval.id, (frozenset[News](), 0))
        if news == before and 0 <= now_ms - at_ms < _LOOK_AGAIN_MS:
            return False
        self._looked[approval.id] = (news, now_ms)
        return True

    def _notices(self, approval: Approval, now_ms: int) -> list[Notice]:
        planes = self.engine.ports.holding.now()
        tenant, env = self._at
        return [
            Notice(
                tenant=tenant,
                env=env,
                approval=approval.id,
                news=news,
                channel=channel.name,
                recipient=recipient,
                at_ms=at_ms,
            )
            for channel in self.channels
            for news, at_ms in happened(approval, now_ms)
            if channel.wants(approval, news) and not self._overtaken(channel, approval, news, now_ms)
            for recipient in (
                recipients(planes, channel.to, approval, now_ms) if channel.kind is ChannelKind.EMAIL else ("",)
            )
        ]

    def _overtaken(self, channel: Channel, approval: Approval, news: News, now_ms: int) -> bool:
        """People are not asked for what waits no more, nor twice at once; programs are told of all that was."""
        if channel.kind not in _TO_PEOPLE or news not in _ASKS:
            return False
        again = news is News.REQUESTED and channel.wants(approval, News.ESCALATED)
        return not is_waiting(approval, now_ms) or (again and News.ESCALATED in dict(happened(approval, now_ms)))

    def _try(self, channel: Channel, claim: Claim) -> Told:
        notice = claim.notice
        approval = self.engine.ports.approvals.get(notice.tenant, notice.env, notice.approval)
        if approval is None:
            return Told(error="the request is gone", final=True)
        if self._overtaken(channel, approval, notice.news, self._now_ms):
            return Told()  # what came of it is news of its own
        match channel.kind:
            case ChannelKind.EMAIL:
                return self._guarded(lambda: self._mail_of(channel, notice, approval))
            case ChannelKind.SLACK:
                body = words.slack_body(notice, approval, console=self.console)
            case ChannelKind.WEBHOOK:
                body = words.webhook_body(notice, approval, console=self.console)
        return self._guarded(lambda: self._post(channel, body, notice.id))

    def _guarded(self, attempt: Callable[[], Told]) -> Told:
        """What is wrong here (a secret that is not there) is no reason to lose the notice."""
        try:
            return attempt()
        except UsageError as error:
            return Told(error=f"{error}: {error.hint}" if error.hint else str(error))
        except (ValueError, MessageError) as error:
            return Told(error=f"the message could not be made ({type(error).__name__})")

    def _post(self, channel: Channel, body: bytes, message_id: str) -> Told:
        from bailiwick.channels.web import post  # an optional dependency

        url = read_secret(channel.hidden_url, self.folder) if channel.hidden_url else channel.url
        if not allowed_address(url):
            raise UsageError("the secret address is no https address", hint="begin it with https://")
        now_ms = self._now_ms
        headers: dict[str, str] = {}
        if channel.secret:
            secrets = [read_secret(each, self.folder) for each in (channel.secret, channel.previous) if each]
            headers = headers_of(body, message_id=message_id, at_s=now_ms // 1000, secrets=secrets)
        return post(channel, url, body, headers=headers, folder=self.folder, now_ms=now_ms, seconds=self.seconds)

    def _mail_of(self, channel: Channel, notice: Notice, approval: Approval) -> Told:
        lines = words.mail_lines(notice, approval, console=self.console)
        to = notice.recipient
        if channel.detail is Detail.CARD and self.engine.administer(
            lambda core: card_for(core, approval, to, channel.name)
        ):
            lines += ["", "What would run:", "", *card_text(approval.card).splitlines()]
        subject = f"[{notice.tenant}/{notice.env}] {words.headline(notice, approval)}"
        return self._mail(to, subject, lines, notice.id, at_ms=notice.at_ms)

    def _mail(self, to: str, subject: str, lines: list[str], message_id: str, *, at_ms: int | None = None) -> Told:
        address = mailbox(self.engine.ports.holding.now(), to)
        if not address:
            return Told(error="the recipient is switched off, or has no address", final=True)
        at = self._now_ms if at_ms is None else at_ms
        made = mail(self._smtp, address, subject=subject, lines=lines, message_id=message_id, at_ms=at)
        return send(self._smtp, made, folder=self.folder, seconds=self.seconds)

    @property
    def _smtp(self) -> Smtp:
        if self.smtp is None:
            raise UsageError("there is no [smtp] in bailiwick.toml", hint="add [smtp] host and from")
        return self.smtp

    def _note(self, channel: Channel, claim: Claim, told: Told) -> None:
        now_ms = self._now_ms
        if not told.error:
            self.outbox.sent(claim, now_ms=now_ms)
        elif told.gone or told.final or claim.attempt >= channel.attempts:
            # The record comes before the state: what was given up can always be found in the log.
            self.engine.administer(lambda core: undelivered(core, claim, error=told.error, gone=told.gone))
            self.outbox.give_up(claim, error=told.error, now_ms=now_ms)
            if told.gone:
                self.outbox.gone(*self._at, channel.name, now_ms=now_ms)
        else:
            due_ms = retry_at(claim.attempt, told, now_ms=now_ms, chance=self.chance())
            self.outbox.later(claim, due_ms=due_ms, error=told.error, now_ms=now_ms)
