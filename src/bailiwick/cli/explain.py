"""`bailiwick explain`: why a call would be decided as it is, and what would make it permitted."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from bailiwick.cli.explain_input import enforced_of, environment_of, evidence_of, facts_of, hosts_of, usage_of
from bailiwick.cli.output import FOLDER, JSON_OPTION, console, decision_json, outcome_style, print_json, shown
from bailiwick.cli.policy_bundle import not_deciding
from bailiwick.guard.explaining.preview import Preview
from bailiwick.guard.explaining.whatif import Explanation, explain_call
from bailiwick.guard.opening import OpenRequest
from bailiwick.guard.planes import Planes
from bailiwick.model.call import Call
from bailiwick.model.nearest import did_you_mean
from bailiwick.model.principal import EntityRef
from bailiwick.model.tool import DELEGATE_TOOL, MODEL_TOOL, Catalog
from bailiwick.policy.alternatives import Change
from bailiwick.policy.facts import Condition, LinkFacts, RuleFacts
from bailiwick.project.load import find_project, load_project

__all__ = ["explain"]


@click.command()
@FOLDER
@click.option("--user", help="On whose behalf the agent acts.")
@click.option("--service", help="The service that the agent acts for, instead of a user.")
@click.option("--agent", required=True, help="The acting agent.")
@click.option("--via", multiple=True, help="An agent that hands the work on to it (repeatable, the first one first).")
@click.option("--task", required=True, help="A task of directory.toml, or a purpose in plain words.")
@click.option("--tool", required=True, help="The tool, by its catalog name or an alias.")
@click.option("--args", "args_json", default="{}", show_default=True, help="The arguments, a JSON object.")
@click.option("--prompt", multiple=True, help="What the user said before (repeatable): endorses the values in it.")
@click.option("--unknown", multiple=True, help="A text of unknown origin that the agent has read: taints the session.")
@click.option("--now", "now", help="When: a time such as 2026-11-20T17:30+01:00. Default: the present.")
@click.option("--evidence", help='How the user is known: "claimed", "oidc@5m" (age of the sign-in), "oidc+strong@5m".')
@click.option("--environment", multiple=True, metavar="NAME=VALUE", help="An attribute of [environment] (repeatable).")
@click.option("--usage", multiple=True, metavar="NAME=N", help="How much of a budget was used before (repeatable).")
@click.option("--fact", multiple=True, metavar="NAME=JSON", help="What a provider would say of a fact (repeatable).")
@click.option("--enforced", multiple=True, metavar="ARG", help="An argument that an effector keeps to (repeatable).")
@click.option("--host", multiple=True, metavar="NAME=ADDRESS", help="What a host resolves to (default: a public one).")
@JSON_OPTION
def explain(
    folder: Path | None,
    user: str | None,
    service: str | None,
    agent: str,
    via: tuple[str, ...],
    task: str,
    tool: str,
    args_json: str,
    prompt: tuple[str, ...],
    unknown: tuple[str, ...],
    now: str | None,
    evidence: str | None,
    environment: tuple[str, ...],
    usage: tuple[str, ...],
    fact: tuple[str, ...],
    enforced: tuple[str, ...],
    host: tuple[str, ...],
    as_json: bool,
) -> None:
    """Say how a call would be decided as the first one of a new session: which policies decide at which link, which
    facts they read, and the smallest changes that would make it permitted.

    Each change was tried: the changed call was decided, too. Nothing is recorded and nobody is asked. Exit code: 0
    whatever the answer, 2 if there is none.
    """
    if (user is None) == (service is None):
        raise click.UsageError("name --user or --service, one of them")
    path = find_project(folder)
    project = load_project(path)
    planes = project.planes
    now_us = time.time_ns() // 1000 if now is None else _time(now)
    request = OpenRequest(
        user=user,
        service=service,
        agent=agent,
        task=task,
        conversation="explain",
        evidence=evidence_of(evidence, now_us // 1000),
        environment=environment_of(environment, planes.settings.environment),
    )
    what = Preview(
        request=request,
        call=Call(tool=tool, args=_arguments(args_json)),
        via=via,
        prompts=prompt,
        unknown=unknown,
        usage=usage_of(usage, planes.settings.budgets),
        facts=facts_of(fact, planes.settings.facts, now_us // 1000),
        enforced=enforced_of(enforced, planes.catalog.find(tool)),
        hosts=hosts_of(host),
    )
    if tool == MODEL_TOOL and not planes.catalog.models:
        raise click.UsageError("tools/*.toml declares no models, so model calls are recorded and not decided")
    _all_facts(planes, what)
    explained = explain_call(planes, what, now_us)
    meant = _meant(tool, planes.catalog)
    warning = not_deciding(path, project)
    if as_json:
        print_json({**_as_json(explained, meant), "not_what_decides": warning})
    else:
        if warning:
            console().print(f"[bold yellow]NOT WHAT DECIDES[/]: {shown(warning)}", soft_wrap=True)
        _print(explained, meant)


def _all_facts(planes: Planes, what: Preview) -> None:
    """Nobody is asked here, so whoever asks has to say what the providers would."""
    spec = planes.catalog.find(what.call.tool)
    tool = spec.name if spec else what.call.tool
    missing = sorted(planes.policy.names_read("facts", tool) - what.facts.keys())
    if missing:
        raise click.UsageError(
            f"the rules of {what.call.tool} read the fact '{missing[0]}': say what it would be, as in "
            f"--fact '{missing[0]}=true'"
        )


def _print(explained: Explanation, meant: str) -> None:
    decision = explained.decision
    beneath = {(link.link, link.resource): tuple(_rule_lines(link)) for link in explained.links}
    head, *rest = decision.explain(beneath).splitlines()
    console().print(f"[bold {outcome_style(decision.outcome)}]{shown(head)}[/]")
    for line in (*rest, *_change_lines(explained, meant), f"the model reads: {decision.sentence()}"):
        console().print(shown(line), soft_wrap=True)


def _rule_lines(link: LinkFacts) -> Iterator[str]:
    for rule in link.rules:
        verb = f"{rule.effect.value}s" if rule.fired else "would permit it, but"
        yield f"    {rule.id} ({rule.where}) {verb}:"
        for condition in rule.conditions:
            if rule.fired or condition.decisive:
                yield f"      {'*' if condition.decisive else ' '} {_condition(condition)}"


def _condition(condition: Condition) -> str:
    """`context.flow.tainted && …` is followed by what it read, unless its own truth says that already."""
    holds = {True: "is true", False: "is false", None: "was not evaluated"}[condition.holds]
    facts = [f"{fact.name} = {_value(fact.value)}" for fact in condition.facts if fact.name != condition.text]
    return f"{condition.text} {holds}" + (f": {', '.join(facts)}" if facts else "")


def _value(value: object) -> str:
    return str(value) if isinstance(value, EntityRef) else json.dumps(value, ensure_ascii=False, default=str)


def _change_lines(explained: Explanation, meant: str) -> Iterator[str]:
    found = explained.found
    if explained.decision.allowed:
        return
    if meant:
        yield f"what to do: {meant}"
    elif found.alternatives:
        yield "it would be permitted (each of these was tried):"
        yield from (f"  - {_joined(changes)}" for changes in found.alternatives)
    elif explained.links:
        yield f"no one or two changes that were tried would permit it ({found.asked} questions to the rules)"
    else:
        yield f"what to do: {explained.decision.reasons[0].hint}"
    if found.others:
        yield "or if somebody else did it:"
        yield from (f"  - {_joined(changes)}" for changes in found.others)
    if not found.complete:
        yield f"the search stopped after {found.asked} questions: there may be more"


def _joined(changes: tuple[Change, ...]) -> str:
    makers = ", ".join(dict.fromkeys(each.by.value for each in changes))
    return f"{', and '.join(each.text for each in changes)} [{makers}]"


def _meant(tool: str, catalog: Catalog) -> str:
    """What to write instead of a tool that there is none of."""
    if catalog.find(tool) is not None or tool in (DELEGATE_TOOL, MODEL_TOOL):
        return ""
    return f'there is no tool "{tool}": {did_you_mean(tool, {*catalog.tools, *catalog.aliases})}'


# ── for scripts ────────────────────────────────────────────────────────────────────────────────────────────────────


def _as_json(explained: Explanation, meant: str) -> dict[str, Any]:
    told = decision_json(explained.decision)
    rules = {(str(link.link), str(link.resource)): link.rules for link in explained.links}
    for link in told["links"]:
        link["rules"] = [_rule_json(rule) for rule in rules.get((link["link"], link["resource"]), ())]
    found = explained.found
    return {
        **told,
        "changes": [[_change_json(each) for each in changes] for changes in found.alternatives],
        "by_others": [[_change_json(each) for each in changes] for changes in found.others],
        "searched": {"questions": found.asked, "complete": found.complete},
        "did_you_mean": meant,
        "sentence": explained.decision.sentence(),
    }


def _rule_json(rule: RuleFacts) -> dict[str, Any]:
    return {
        "id": rule.id,
        "effect": rule.effect.value,
        "file": rule.where.file,
        "line": rule.where.line,
        "fired": rule.fired,
        "conditions": [
            {
                "text": condition.text,
                "holds": condition.holds,
                "decisive": condition.decisive,
                "facts": {
                    fact.name: str(fact.value) if isinstance(fact.value, EntityRef) else fact.value
                    for fact in condition.facts
                },
            }
            for condition in rule.conditions
        ],
    }


def _change_json(change: Change) -> dict[str, str]:
    return {
        "kind": change.kind.value,
        "what": change.what,
        "from": change.before,
        "to": change.after,
        "by": change.by.value,
        "text": change.text,
    }


# ── what is typed ──────────────────────────────────────────────────────────────────────────────────────────────────


def _time(text: str) -> int:
    """Microseconds since the epoch."""
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter("not a time such as 2026-11-20T17:30+01:00", param_hint="--now") from None
    return round((given if given.tzinfo else given.replace(tzinfo=UTC)).timestamp() * 1_000_000)


def _arguments(text: str) -> Mapping[str, object]:
    try:
        given = json.loads(text, object_pairs_hook=_no_duplicates)
    except (ValueError, RecursionError) as error:
        raise click.BadParameter(f"not a JSON object: {error}", param_hint="--args") from None
    if not isinstance(given, dict):
        raise click.BadParameter("must be a JSON object", param_hint="--args")
    return given


def _no_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key stands twice in the same object")
    return made
