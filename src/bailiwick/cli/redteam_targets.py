"""Options of `bailiwick redteam run` that say what is attacked: a Python agent, an MCP endpoint, or the folder alone;
and scenarios in place of packs."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from bailiwick.cli.importing import named
from bailiwick.cli.output import console, shown
from bailiwick.errors import UsageError
from bailiwick.redteam.agent import guarded
from bailiwick.redteam.deployment import Deployment
from bailiwick.redteam.owasp_world import OwaspWorld, owasp_world
from bailiwick.redteam.pack_world import pack_world
from bailiwick.redteam.real import Offer, consent, offer
from bailiwick.redteam.run import Drive
from bailiwick.redteam.world import World

__all__ = ["Aim", "Target", "aimed", "target_options"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """What was asked for."""

    agent: str
    mcp: str
    yes: bool
    really: bool
    owasp: tuple[Path, ...]
    owasp_tools: tuple[str, ...]
    partial: bool

    @property
    def real(self) -> bool:
        """Whether the target's tools are real."""
        return bool(self.agent or self.mcp)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is attacked: how a trial is run, the tools that it has (None: those of the catalog), and what to say."""

    drive: Drive = guarded
    only: frozenset[str] | None = None

    def worlds(
        self, aim: Aim, folder: Path, packs: Sequence[str], profile: str
    ) -> tuple[list[Callable[[], World]], str]:
        """(the worlds, why they are not all that was asked for)."""
        if not aim.owasp:
            return [functools.partial(pack_world, folder, tuple(packs), profile, self.only)], ""
        names = dict(_pair(each) for each in aim.owasp_tools)
        make = functools.partial(owasp_world, folder, aim.owasp, names, profile, self.only)
        return [make], _incomplete(make(), partial=aim.partial)


def target_options(command: Callable[..., None]) -> Callable[..., None]:
    """--agent, --mcp, --owasp and what goes with them, handed on as one `aim`."""

    @functools.wraps(command)
    def with_aim(
        *, agent: str, mcp: str, yes: bool, really: bool, owasp: tuple[Path, ...], owasp_tools: tuple[str, ...],
        partial: bool, **options: Any,
    ) -> None:  # fmt: skip
        if agent and mcp:
            raise UsageError("--agent and --mcp do not go together", hint="run it once for each")
        aim = Aim(
            agent=agent, mcp=mcp, yes=yes, really=really, owasp=owasp, owasp_tools=owasp_tools, partial=partial
        )  # fmt: skip
        command(aim=aim, **options)

    for option in (
        click.option("--partial", is_flag=True, help="Do without the parts of scenarios that cannot be run."),
        click.option(
            "--owasp-tool",
            "owasp_tools",
            multiple=True,
            metavar="NAME=TOOL",
            help="What the catalog calls a tool of the scenarios; - for none. May be repeated.",
        ),
        click.option(
            "--owasp",
            multiple=True,
            type=click.Path(exists=True, path_type=Path),
            metavar="PATH",
            help="Scenarios of OWASP's Agent Security Regression Harness, in place of packs: a YAML file or a folder.",
        ),
        click.option("--really", is_flag=True, help="Call real tools although bailiwick.toml says production."),
        click.option("--yes", is_flag=True, help="Call real tools although bailiwick.toml names no environment."),
        click.option(
            "--mcp",
            default="",
            metavar="SERVER",
            help="Call the tools of this MCP server: a command line in quotes, or a URL. They are real.",
        ),
        click.option(
            "--agent",
            default="",
            metavar="MODULE:ATTRIBUTE",
            help="A function (guard) -> agent of LangChain, whose model is replaced. Its tools are real.",
        ),
    ):
        with_aim = option(with_aim)
    return with_aim


@contextmanager
def aimed(aim: Aim, folder: Path, profile: str) -> Iterator[Target]:
    """The target, ready for as long as the block runs. Raises UsageError for one that cannot be attacked."""
    if not aim.real:
        yield Target()
        return
    _warn(consent(folder, yes=aim.yes, really=aim.really))
    if aim.agent:
        from bailiwick.redteam.target_agent import AgentTarget  # an optional dependency

        factory = named(aim.agent, "agent", "desk.agent:build")
        if hasattr(factory, "invoke") or not callable(factory):
            raise UsageError(
                f"{aim.agent} is no function that makes an agent",
                hint="give a function (guard) -> agent: each trial needs an agent behind a guard of its own",
            )
        agent = AgentTarget(factory)
        with Deployment.copied(folder, profile=profile) as deployment, deployment.fresh() as guard:
            agent.offer = offer(guard.project.planes.catalog, agent.tools(guard), "the agent")
        yield Target(drive=agent.drive, only=_told(agent.offer))
        return
    from bailiwick.redteam.target_mcp import connected

    with connected(aim.mcp) as server:
        with Deployment.copied(folder, profile=profile) as deployment:
            server.offer = offer(deployment.project.planes.catalog, server.tools, "the MCP server")
        yield Target(drive=server.drive, only=_told(server.offer))


def _told(found: Offer) -> frozenset[str]:
    if found.unknown:
        _warn(f"not in the catalog, so every call of them is denied: {', '.join(found.unknown)}")
    return frozenset(found.names)


def _incomplete(world: OwaspWorld, *, partial: bool) -> str:
    for note in world.notes:
        _warn(note)
    for gap in world.gaps:
        _warn(f"not run: {gap}")
    if not world.gaps or partial:
        return ""
    return f"{len(world.gaps)} parts of the scenarios were not run (--partial does without them)"


def _pair(given: str) -> tuple[str, str]:
    name, found, tool = given.partition("=")
    if not found or not name or not tool:
        raise UsageError(f"{given!r} maps no tool", hint="write NAME=TOOL, or NAME=- for no such tool")
    return name, tool


def _warn(text: str) -> None:
    console(stderr=True).print(shown(text), soft_wrap=True, style="yellow")
