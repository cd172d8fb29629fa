"""What `Guard.claude_agent_sdk` does with options, and which tools the guard reaches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from bailiwick.adapters.claude_agent_sdk import tools
from bailiwick.adapters.claude_agent_sdk.hooks import DELEGATING, Hooks
from bailiwick.adapters.coverage import CoveredTool, Reach
from bailiwick.adapters.sealing import Method
from bailiwick.adapters.wiring import Wiring
from bailiwick.errors import MissingExtra, UsageError
from bailiwick.model.tool import DELEGATE_TOOL

try:
    from claude_agent_sdk import ClaudeAgentOptions, HookMatcher, SdkMcpTool
except ImportError as error:
    raise MissingExtra(feature="the adapter for the Claude Agent SDK", extra="claude-agent-sdk") from error

__all__ = ["covered", "protect", "sealed_methods"]

_OURS = ("PreToolUse", "PostToolUse", "PostToolUseFailure", "PostToolBatch", "UserPromptSubmit")
"""The hooks that are the guard's alone: others of the same kind run beside it, and could change what it decided."""

_LOADS_MORE = ("setting_sources", "settings", "plugins", "extra_args")
"""Options by which files or flags could bring hooks and tools that the guard does not know of."""


def sealed_methods() -> tuple[Method, ...]:
    """Every way into a tool that runs in this process."""
    return (Method(owner=SdkMcpTool, name="__getattribute__", make=tools.looked_up),)


def protect(options: ClaudeAgentOptions, wiring: Wiring) -> ClaudeAgentOptions:
    """Options that ask the guard about every tool. Raises UsageError for options that could get round it."""
    for event in _OURS:
        if (options.hooks or {}).get(event):  # type: ignore[call-overload]
            raise UsageError(
                f"a {event} hook beside the guard's could change what it decided, or see what it takes out",
                hint="leave it to the guard; watch tools in its log",
            )
    for name in _LOADS_MORE:
        if getattr(options, name):
            raise UsageError(
                f"{name}= may load hooks and tools that the guard does not know of",
                hint=f"leave {name}= out: the guard sets setting_sources=[] and strict_mcp_config=True",
            )
    if options.cli_path is not None:
        raise UsageError(
            "cli_path= names a Claude Code that nobody tested: an older one does not ask before the model reads",
            hint="leave cli_path= out: the SDK brings the one that was tested",
        )
    if not isinstance(options.mcp_servers, dict):
        raise UsageError("mcp_servers= is a file", hint="give the servers themselves, as a dict")
    if wiring.engine.core.planes.catalog.models:
        _must_name_its_models(options)
    guard = Hooks(
        wiring,
        servers=frozenset(_in_process(options)),
        model=options.model or "",
        restored=bool(options.resume or options.continue_conversation or options.fork_session),
    )
    ours: dict[Any, list[HookMatcher]] = {
        "PreToolUse": [_blocking(guard.before_tool)],
        "PostToolUse": [_blocking(guard.after_tool)],
        "PostToolUseFailure": [_blocking(guard.failed_tool)],
        "PostToolBatch": [_blocking(guard.before_reading)],
        "UserPromptSubmit": [_blocking(guard.prompted)],
    }
    return replace(options, hooks={**(options.hooks or {}), **ours}, setting_sources=[], strict_mcp_config=True)


def _must_name_its_models(options: ClaudeAgentOptions) -> None:
    """INVARIANT: where model calls are decided, no agent of these options reads through another model than the one that
    is asked about."""
    others = {each.model for each in (options.agents or {}).values()} - {None, "inherit", options.model}
    if options.model and not others and options.fallback_model in (None, options.model):
        return
    raise UsageError(
        "the catalog declares models, and these options may have Claude Code call another one than they name",
        hint='say model=, leave fallback_model= out, and give agents model="inherit" or none',
    )


def covered(options: object, *, catalog: Callable[[str], str]) -> tuple[CoveredTool, ...]:
    """Every tool that these options name. `catalog` gives a name's entry, or nothing."""
    return tuple(_rows(options, catalog)) if isinstance(options, ClaudeAgentOptions) else ()


def _rows(options: ClaudeAgentOptions, catalog: Callable[[str], str]) -> Iterator[CoveredTool]:
    asks = any(getattr(hook, "__self__", None).__class__ is Hooks for hook in _hooks_of(options))
    why = "" if asks else "these options are not what guard.claude_agent_sdk gave back"
    reach = Reach.ENFORCED if asks else Reach.UNREACHABLE
    servers = _in_process(options)
    named = [*(options.tools if isinstance(options.tools, list) else ()), *options.allowed_tools]
    for name in dict.fromkeys(named):
        bare = name.partition("(")[0]
        parts = bare.split("__", 2)
        known = parts[2] if len(parts) == 3 and parts[1] in servers else bare
        entry = catalog(known) or (DELEGATE_TOOL if bare in DELEGATING else "")
        yield CoveredTool(agent="claude", tool=known, reach=reach, catalog=entry, why=why)
    if not isinstance(options.tools, list):
        yield CoveredTool(
            agent="claude",
            tool="(every other tool of Claude Code)",
            reach=reach,
            why=why or "tools= does not say which it has: each call is decided, and denied without an entry",
        )


def _hooks_of(options: ClaudeAgentOptions) -> Iterator[object]:
    for matcher in (options.hooks or {}).get("PreToolUse", ()):
        yield from matcher.hooks


def _in_process(options: ClaudeAgentOptions) -> tuple[str, ...]:
    servers = options.mcp_servers if isinstance(options.mcp_servers, dict) else {}
    return tuple(name for name, server in servers.items() if server.get("type") == "sdk")


def _blocking(hook: Any) -> HookMatcher:
    return HookMatcher(hooks=[hook], on_failure="block")
