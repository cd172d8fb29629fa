"""Which versions of each framework the adapters were tested with. Others are refused: hooks move between them."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from bailiwick.errors import MissingExtra, UsageError

__all__ = ["TESTED", "Tested", "require"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """One framework: its name for people, the extra that brings it, its distribution, and the tested versions
    (`at_least` ≤ version < `below`), as the extra pins them."""

    title: str
    extra: str
    distribution: str
    at_least: str
    below: str


TESTED = {
    "langchain": Tested(title="LangChain", extra="langchain", distribution="langchain", at_least="1.4", below="2"),
    "openai-agents": Tested(
        title="the OpenAI Agents SDK",
        extra="openai-agents",
        distribution="openai-agents",
        at_least="0.24",
        below="0.25",
    ),
    "crewai": Tested(title="CrewAI", extra="crewai", distribution="crewai", at_least="1.15", below="2"),
    "autogen": Tested(
        title="AutoGen", extra="autogen", distribution="autogen-agentchat", at_least="0.7.5", below="0.8"
    ),
    "agent-framework": Tested(
        title="Microsoft Agent Framework",
        extra="agent-framework",
        distribution="agent-framework-core",
        at_least="1.23",
        below="2",
    ),
    "pydantic-ai": Tested(
        title="Pydantic AI", extra="pydantic-ai", distribution="pydantic-ai-slim", at_least="2.60", below="3"
    ),
    "google-adk": Tested(title="Google ADK", extra="google-adk", distribution="google-adk", at_least="2.13", below="3"),
    "claude-agent-sdk": Tested(
        title="the Claude Agent SDK",
        extra="claude-agent-sdk",
        distribution="claude-agent-sdk",
        at_least="0.2.180",
        below="0.3",
    ),
    "llama-index": Tested(
        title="LlamaIndex", extra="llama-index", distribution="llama-index-core", at_least="0.14", below="0.15"
    ),
    "smolagents": Tested(title="smolagents", extra="smolagents", distribution="smolagents", at_least="1.26", below="2"),
    "strands": Tested(
        title="Strands Agents", extra="strands", distribution="strands-agents", at_least="1.60", below="2"
    ),
}


def require(framework: str) -> None:
    """Raises UsageError if the installed version was never tested, MissingExtra if there is none."""
    tested = TESTED[framework]
    try:
        installed = version(tested.distribution)
    except PackageNotFoundError as error:
        raise MissingExtra(feature=f"the adapter for {tested.title}", extra=tested.extra) from error
    if not _parts(tested.at_least) <= _parts(installed) < _parts(tested.below):
        raise UsageError(
            f"{tested.distribution} {installed} is installed, and the guard was tested with {tested.at_least} up to, "
            f"not including, {tested.below}: another version may run tools past it",
            hint=f'install a tested one, in the checkout of bailiwick: pip install ".[{tested.extra}]"',
        )


def _parts(written: str) -> tuple[int, ...]:
    """The numbers of a version's release; whatever follows them (rc1, .dev2) makes it one that nobody tested."""
    parts = written.split(".")
    if not all(part.isdecimal() for part in parts):
        return (0,)
    return tuple(map(int, parts))
