"""On whose authority a call is made: opening a chain, handing work on, and checking the chain again at every call.

Pure: the directory and the time come from the caller, a refusal is a `Reason`. Promise 3 (DESIGN §3): authority only
narrows along user → agent → agent. So a grant is only ever made by `Grant.narrowed`, delegation asks for nothing that
its own authority lacks (it is refused by name, not dropped in silence), and everything that can end (a link's `active`,
an owner's, a task's time, an agent's trust in the next one and its depth) is checked at every call, not only when the
session was opened. DESIGN §5 *Identity*.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from bailiwick.identity.links import check_chain, check_effects, some
from bailiwick.identity.scope import task_grant
from bailiwick.model.budget import BudgetShares
from bailiwick.model.call import Action, Authority, Grant
from bailiwick.model.canonical import encode, parse
from bailiwick.model.decision import Plane, Reason
from bailiwick.model.directory import Directory
from bailiwick.model.nearest import nearest
from bailiwick.model.principal import Chain, EntityKind, EntityRef, SessionKey
from bailiwick.model.tool import DELEGATE_TOOL, MODEL_TOOL, Effect

__all__ = ["check_authority", "check_planned", "delegate", "names_call", "open_authority"]

_LONGEST_TEXT = 4000
_LONGEST_ID = 512


def open_authority(
    directory: Directory,
    *,
    tenant: str,
    env: str,
    user: str | None,
    service: str | None,
    agent: str,
    task: str,
    conversation: str,
    now_ms: int,
    started_ms: int | None = None,
) -> Authority | Reason:
    """The authority of `agent` acting for a user or a service, or why there is none.

    A `task` that names an entry of the directory narrows tools, zones and time; any other text is a purpose and narrows
    nothing. A single word that nearly names a task is refused, because a slip of the pen would otherwise widen.
    `started_ms` is when a restored session began this task (`StoredSession.task_started_ms`): its time runs from there.
    """
    if (user is None) == (service is None):
        return _reason("no-root", "A session has one root: a user or a service.", "Name one of them, not both.")
    for what, text, longest in (
        ("task", task, _LONGEST_TEXT),
        ("conversation id", conversation, _LONGEST_ID),
        ("tenant", tenant, _LONGEST_ID),
        ("environment", env, _LONGEST_ID),
    ):
        refused = _unusable(what, text, longest)
        if refused is not None:
            return refused
    if user is not None:
        root = EntityRef(kind=EntityKind.USER, id=user)
    else:
        root = EntityRef(kind=EntityKind.SERVICE, id=str(service))
    chain = Chain(links=(root, EntityRef(kind=EntityKind.AGENT, id=agent)))
    refused = check_chain(directory, chain) or _check_task_name(directory, task)
    if refused is not None:
        return refused
    entry = directory.tasks.get(task)
    if entry is None:
        grant, purpose = Grant(), task
    else:
        began = now_ms if started_ms is None else started_ms
        if began > now_ms:
            return _reason("clock", "The clock is behind the start of this task.", "Set the machine's clock right.")
        grant = task_grant(entry, began)
        purpose = entry.purpose
    key = SessionKey(tenant=tenant, env=env, root=root, agent=agent, conversation=conversation)
    return Authority(key=key, chain=chain, task=task, purpose=purpose, grant=grant, steps=(grant,))


def check_authority(
    directory: Directory,
    authority: Authority,
    *,
    tool: str,
    effects: Collection[Effect],
    zones: Iterable[Collection[str]],
    now_ms: int,
) -> Reason | None:
    """Why this authority does not reach a call of `tool` on resources that lie in `zones`; None if it does.

    `effects` are the tool's: each edge of the chain must hand them on (`agent.delegate` aside, which the depth of the
    edges bounds). Which arguments a plan allows is looked at once they are understood: `check_planned`.

    `zones` holds one collection per resource: the zones that the resource lies in. Where zones are narrowed, every
    resource must lie in at least one of them (as Cedar's `in` has it), and one that lies in no zone is outside. For
    `agent.delegate`, whose resource is an agent, pass no resource. `model.call` need not be among the tools that were
    granted: an agent that was given any work thinks with its model, and rules say with which.
    """
    refused = check_chain(directory, authority.chain)
    if refused is None and tool != DELEGATE_TOOL:
        refused = check_effects(directory, authority.chain, tool, frozenset(effects))
    if refused is not None:
        return refused
    steps = _steps(authority)
    places = [frozenset(place) for place in zones]
    for index, grant in enumerate(steps):
        if grant.expires_ms is not None and now_ms >= grant.expires_ms:
            return _expired(authority, index)
        granted = grant.reachable
        if granted is not None and tool not in granted and tool != MODEL_TOOL:
            return _tool_missing(authority, index, tool, granted)
        if grant.zones and any(place.isdisjoint(grant.zones) for place in places):
            return _zone_missing(authority, index, tool, grant.zones)
    return None


def check_planned(authority: Authority, *, tool: str, args: bytes) -> Reason | None:
    """Why no plan that bounds this authority holds a call of `tool` with the arguments `args` (their canonical bytes,
    as parsing left them); None if each does. Where there is no plan there is nothing to refuse."""
    steps = [(index, grant.calls) for index, grant in enumerate(_steps(authority)) if grant.calls is not None]
    if not steps:
        return None
    given = parse(args)
    if not isinstance(given, dict):
        return _reason("call-not-planned", f"The arguments of {tool} are no object.", "Pass them by name.")
    values = {name: encode(value) for name, value in given.items()}
    for index, calls in steps:
        if not any(call.tool == tool and call.permits(values) for call in calls):
            return _reason(
                "call-not-planned",
                f"{_who_gave(authority, index, f'{tool} with these arguments')}.",
                "Make the call just as it was planned, or have a new plan signed.",
            )
    return None


def names_call(authority: Authority, action: Action) -> bool:
    """Whether the task's own plan names this very call: all that it does it to is fixed there. What an agent planned
    for the one that it hands work to says nothing, since that agent may have been talked into it."""
    calls = _steps(authority)[0].calls
    given = parse(action.args)
    if calls is None or not isinstance(given, dict):
        return False
    chosen = {part.name.partition(".")[0] for part in action.judged if part.role.needs_endorsement and part.values}
    values = {name: encode(value) for name, value in given.items()}
    return any(
        call.tool == action.tool.name and chosen <= {name for name, _ in call.fixed} and call.permits(values)
        for call in calls
    )


def delegate(
    directory: Directory,
    authority: Authority,
    *,
    to: str,
    tools: Collection[str] | None,
    zones: Collection[str] | None,
    ttl_ms: int | None,
    now_ms: int,
    conversation: str,
    budgets: BudgetShares = (),
) -> Authority | Reason:
    """The narrower authority of agent `to`, or why it cannot be given.

    None for `tools`, `zones` or `ttl_ms` hands on one's own, and so does a budget that `budgets` does not name. What is
    asked for must lie in one's own grant; handing work on is itself the tool `agent.delegate`, which the grant must
    hold (and the other's too, to go further).
    """
    refused = (
        check_authority(directory, authority, tool=DELEGATE_TOOL, effects=(), zones=(), now_ms=now_ms)
        or _unusable("conversation id", conversation, _LONGEST_ID)
        or _check_request(authority, tools=tools, zones=zones, ttl_ms=ttl_ms, budgets=budgets)
    )
    if refused is not None:
        return refused
    if any(link.id == to for link in authority.chain.links if link.kind is EntityKind.AGENT):
        return _reason(
            "delegation-cycle",
            f"{authority.chain.actor.id} cannot hand work on to {to}: it is in the chain already ({authority.chain}).",
            "Hand the work on to another agent, or finish it here.",
        )
    chain = authority.chain.extended(to)
    refused = check_chain(directory, chain)
    if refused is not None:
        return refused
    asked = Grant(
        tools=None if tools is None else frozenset(tools),
        zones=frozenset() if zones is None else frozenset(zones),
        expires_ms=None if ttl_ms is None else now_ms + ttl_ms,
        budgets=budgets,
    )
    grant = authority.grant.narrowed(asked)
    key = SessionKey(
        tenant=authority.key.tenant,
        env=authority.key.env,
        root=authority.key.root,
        agent=f"{authority.key.agent}/{to}",
        conversation=conversation,
    )
    return Authority(
        key=key,
        chain=chain,
        task=authority.task,
        purpose=authority.purpose,
        grant=grant,
        steps=(*_steps(authority), grant),
        began_in=authority.began_in,
    )


def _steps(authority: Authority) -> tuple[Grant, ...]:
    """Every grant that must hold. INVARIANT: the authority's own grant is among them, whoever built the value."""
    if authority.steps and authority.steps[-1] == authority.grant:
        return authority.steps
    return (*authority.steps, authority.grant)


def _check_task_name(directory: Directory, task: str) -> Reason | None:
    if task in directory.tasks or any(char.isspace() for char in task.strip()):
        return None
    by_folded = {name.casefold(): name for name in directory.tasks}
    near = nearest(task.strip().casefold(), by_folded, likeness=0.8)
    if near is None:
        return None
    return _reason(
        "unknown-task",
        f"There is no task '{task}' in the directory.",
        f"Did you mean '{by_folded[near]}'? A purpose in your own words has more than one word.",
    )


def _check_request(
    authority: Authority,
    *,
    tools: Collection[str] | None,
    zones: Collection[str] | None,
    ttl_ms: int | None,
    budgets: BudgetShares,
) -> Reason | None:
    """Nothing is asked for that the delegator does not hold itself."""
    for what, asked in (("tools", tools), ("zones", zones)):
        if isinstance(asked, (str, bytes)):
            return _reason("bad-delegation", f"{what} is one text, not a list.", f"Pass a list: {what}=[...].")
    if zones is not None and not zones:
        return _reason("bad-delegation", "zones names no zone.", "Name zones, or leave zones out to hand on your own.")
    if ttl_ms is not None and ttl_ms <= 0:
        return _reason("bad-delegation", "The time given is over before it begins.", "Give at least one millisecond.")
    steps = _steps(authority)
    for tool in sorted(tools or ()):
        for index, grant in enumerate(steps):
            granted = grant.reachable
            if granted is not None and tool not in granted:
                return _tool_missing(authority, index, tool, granted)
    outside = sorted(frozenset(zones or ()) - authority.grant.zones) if authority.grant.zones else []
    if outside:
        return _reason(
            "zone-not-granted",
            f"{authority.chain.actor.id} was not given zone {outside[0]}, so it cannot hand it on.",
            f"It may hand on: {some(authority.grant.zones)}.",
        )
    return _check_shares(authority, budgets)


def _check_shares(authority: Authority, budgets: BudgetShares) -> Reason | None:
    held = dict(authority.grant.budgets)
    for name, share in budgets:
        if type(share) is not int or share < 0:
            return _reason("bad-delegation", f"The share of {name} is no whole number.", "Give what it may use of it.")
        if share > held.get(name, share):
            return _reason(
                "budget-not-granted",
                f"{authority.chain.actor.id} was given {held[name]} of {name}, so it cannot hand on {share}.",
                f"It may hand on {held[name]} of it at most.",
            )
    return None


def _tool_missing(authority: Authority, index: int, tool: str, granted: frozenset[str]) -> Reason:
    return _reason(
        "tool-not-granted",
        f"{_who_gave(authority, index, tool)}.",
        f"Granted there: {some(granted)}." if granted else "No tool is granted there.",
    )


def _zone_missing(authority: Authority, index: int, tool: str, granted: frozenset[str]) -> Reason:
    return _reason(
        "zone-not-granted",
        f"{_who_gave(authority, index, f'every zone that {tool} reaches here')}.",
        f"Granted there: {some(granted)}.",
    )


def _who_gave(authority: Authority, index: int, what: str) -> str:
    """Which link does not hold `what`: step 0 is the task, step n what agent n was given by agent n-1."""
    agents = authority.chain.links[1:]
    if index == 0 or index >= len(agents):
        return f"Task '{authority.task}' does not include {what}"
    return f"{agents[index].id} was not given {what} by {agents[index - 1].id}"


def _expired(authority: Authority, index: int) -> Reason:
    agents = authority.chain.links[1:]
    if index == 0 or index >= len(agents):
        return _reason("task-expired", f"The time of task '{authority.task}' is over.", "Start the task anew.")
    giver, holder = agents[index - 1].id, agents[index].id
    return _reason(
        "delegation-expired", f"What {giver} gave to {holder} has expired.", f"Let {giver} hand the work on again."
    )


def _unusable(what: str, text: str, longest: int) -> Reason | None:
    """A text that a session cannot be keyed or described by."""
    if not text or not text.strip():
        return _reason("no-" + what.split()[0], f"The {what} is empty.", f"Give the {what}.")
    if len(text) > longest:
        return _reason("too-long", f"The {what} is longer than {longest} characters.", "Shorten it.")
    if any("\ud800" <= char <= "\udfff" for char in text):
        return _reason("bad-text", f"The {what} is not valid text.", "Remove lone surrogates.")
    return None


def _reason(code: str, message: str, hint: str) -> Reason:
    return Reason(plane=Plane.IDENTITY, code=code, message=message, hint=hint)
