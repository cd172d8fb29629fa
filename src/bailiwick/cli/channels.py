"""`bailiwick channels`: where people are told of requests, how that goes, and a message to try it."""

from __future__ import annotations

import json
from pathlib import Path

import click

from bailiwick.action.approval_card import visible
from bailiwick.action.notices import ChannelState, Claim, Told
from bailiwick.cli.output import DIR_OPTION, JSON_OPTION, console, print_json, shown, table, when
from bailiwick.errors import UsageError
from bailiwick.model.nearest import did_you_mean
from bailiwick.project import Guard, find_project
from bailiwick.project.notifying import dispatcher_of

__all__ = ["channels", "print_sent", "print_start"]


@click.group()
def channels() -> None:
    """List the channels of bailiwick.toml, and try one out.

    Channels tell people that they are asked. Nobody answers through one. They are served by `bailiwick serve` and
    `bailiwick approvals notify`.
    """


@channels.command("list")
@DIR_OPTION
@JSON_OPTION
def list_(folder: Path | None, as_json: bool) -> None:
    """List each channel: what waits, what was sent and given up (in the last 30 days), since when it fails, and why."""
    with Guard.open(find_project(folder)) as guard:
        settings = guard.project.settings
        at = (settings.decisions.tenant, settings.decisions.env)
        found = [(each, guard.outbox.state(*at, each.name)) for each in settings.sections["channels"]]
    if as_json:
        print_json({"channels": [{"name": each.name, "kind": each.kind.value, **_json(how)} for each, how in found]})
        return
    if not found:
        console().print("no channel is declared in bailiwick.toml")
        return
    rows = [
        (each.name, each.kind.value, str(how.queued), str(how.sent), str(how.given_up), _how(how), how.last_error)
        for each, how in found
    ]
    console().print(table(("channel", "kind", "waits", "sent", "given up", "state", "last error"), rows))


@channels.command()
@click.argument("name")
@DIR_OPTION
@JSON_OPTION
def test(name: str, folder: Path | None, as_json: bool) -> None:
    """Send a message that is about nothing. A mail goes to everybody whom the channel names, or to `from` of [smtp]
    where it names approvers alone. Exit code: 0 all arrived, 1 something did not.

    A receiver that wanted nothing more (410) is told again once this arrives."""
    with Guard.open(find_project(folder)) as guard:
        dispatcher = dispatcher_of(guard)
        channel = next((each for each in dispatcher.channels if each.name == name), None)
        if channel is None:
            names = [each.name for each in dispatcher.channels]
            raise UsageError(f"there is no channel {name!r}", hint=_declare(name, names))
        told = dispatcher.test(channel)
    if as_json:
        print_json({"sent": [{"to": to, "error": each.error} for to, each in told.items()]})
    else:
        for to, each in told.items():
            console().print(f"{shown(to)}: {shown(each.error) or 'arrived'}", soft_wrap=True)
    raise click.exceptions.Exit(1 if any(each.error for each in told.values()) else 0)


def print_start(guard: Guard, *, as_json: bool) -> None:
    """What is served from here on."""
    names = [each.name for each in guard.project.settings.sections["channels"]]
    if as_json:
        click.echo(json.dumps({"serving": names}))
    elif names:
        click.echo(f"serving {', '.join(map(visible, names))}; ends with Ctrl-C")
    else:
        click.echo("no channel is declared in bailiwick.toml: nothing will be sent; ends with Ctrl-C")


def print_sent(claim: Claim, told: Told, *, as_json: bool) -> None:
    """One line, written at once: channels are served side by side."""
    notice = claim.notice
    if as_json:
        about = {"channel": notice.channel, "to": notice.recipient or None, "news": notice.news.value}
        click.echo(json.dumps({**about, "approval": notice.approval, "error": told.error}))
        return
    to = f" to {visible(notice.recipient)}" if notice.recipient else ""
    how = visible(told.error) or "arrived"
    click.echo(f"{visible(notice.channel)}{to}: {notice.news.value} {notice.approval}: {how}")


def _declare(name: str, names: list[str]) -> str:
    declared = f"; declared: {', '.join(names)}" if names else ""
    return did_you_mean(name, names, f"declare [channels.{name}] in bailiwick.toml, see docs/channels.md{declared}")


def _how(state: ChannelState) -> str:
    if state.gone_ms is not None:
        return f"its receiver is gone since {when(state.gone_ms)}"
    return "well" if state.failing_ms is None else f"fails since {when(state.failing_ms)}"


def _json(state: ChannelState) -> dict[str, object]:
    return {
        "queued": state.queued,
        "sent": state.sent,
        "given_up": state.given_up,
        "failing_ms": state.failing_ms,
        "gone_ms": state.gone_ms,
        "last_error": state.last_error,
    }
