"""What a list of events shows of one, and what it is found by: taken from its body, without any content."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bailiwick.model.decision import Outcome, Plane
from bailiwick.model.event import EventKind

__all__ = ["Facts", "facts_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Fields of `Entry` that come from the body. `source` is where a content came from, less the number of a chunk."""

    tool: str = ""
    about: str = ""
    outcome: str = ""
    source: str = ""
    origin: str = ""
    label: Mapping[str, object] | None = None
    policies: tuple[str, ...] = ()
    observed: str = ""


Body = Mapping[str, Any]


def facts_of(kind: str, body: Body) -> Facts:
    """`body` fits the schema of `kind`."""
    match kind:
        case EventKind.DECISION:
            return _decision(body)
        case EventKind.CONTENT_INGESTED:
            source = str(body["source"])
            return Facts(about=source, source=source.partition("#")[0], origin=str(body["origin"]), label=body["label"])
        case EventKind.CONTENT_WITHHELD:
            return Facts(about=str(body["source"]), source=str(body["source"]), outcome="withheld")
        case _:
            label = body.get("label")
            outcome = kind.rpartition(".")[2] if kind.startswith("action.") else ""
            return Facts(
                tool=str(body.get("tool", "")),
                about=_about(body),
                outcome=str(body.get("outcome") or body.get("as") or body.get("code") or outcome),
                label=label if isinstance(label, dict) else None,
            )


def _decision(body: Body) -> Facts:
    observed = body.get("observed")
    would = "" if observed is None else "would_deny" if observed["outcome"] == Outcome.DENY else "would_ask"
    flow = body.get("flow")
    return Facts(
        tool=body["tool"],
        about=body["tool"],
        outcome=body["outcome"],
        label=flow["label"] if flow else None,
        policies=tuple(dict.fromkeys(_policies(body))),
        observed=would,
    )


def _policies(body: Body) -> Iterator[str]:
    """What made the decision: of a refusal its reasons and gates, of an allow the rules that permitted it; and what
    would have made it, where rules are observed."""
    yield from body["gates"]
    yield from (lifted["gate"] for lifted in body["approved"])
    yield from (reason["code"] for reason in body["reasons"])
    refused = body["outcome"] != Outcome.ALLOW
    for link in body["links"]:
        if refused != link["allowed"]:
            yield from link["policies"]
    observed = body.get("observed")
    if observed is not None:
        yield from observed["rules"]
        yield from (reason["code"] for reason in observed["reasons"] if reason["plane"] == Plane.POLICY)


def _about(body: Body) -> str:
    for name in ("tool", "source", "approval", "to", "agent", "user", "budget", "target", "action", "log"):
        if value := body.get(name):
            return str(value)
    return ""
