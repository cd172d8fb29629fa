"""A session as W3C PROV, in PROV-JSON: who acted for whom, what each call used, and what came out of it.

| PROV | here |
|---|---|
| agent | each link of a chain; `actedOnBehalfOf` the link before it |
| entity | a content (`content.ingested`), with its label |
| activity | a decided call, from its decision to its outcome; `wasAssociatedWith` the acting agent |
| used | a content that an argument's value was seen in |
| wasGeneratedBy | the content that a call's result is |
| wasDerivedFrom | that content, from what the call used |
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bailiwick.audit.exports.fields import items, moment
from bailiwick.audit.relations import ENDS
from bailiwick.model.event import Event, EventKind

__all__ = ["NAMESPACE", "provenance"]

NAMESPACE = "urn:bailiwick:"


def provenance(events: Iterable[Event]) -> dict[str, Any]:
    """The PROV-JSON document of these events, which come by time."""
    made = _Document()
    for event in events:
        made.add(event)
    return made.document()


class _Document:
    def __init__(self) -> None:
        self._agents: dict[str, dict[str, Any]] = {}
        self._entities: dict[str, dict[str, Any]] = {}
        self._activities: dict[str, dict[str, Any]] = {}
        self._relations: dict[str, dict[tuple[str, str], dict[str, Any]]] = {}
        self._used: dict[str, list[str]] = {}

    def add(self, event: Event) -> None:
        self._chain(event)
        if event.kind is EventKind.CONTENT_INGESTED:
            self._content(event)
        elif event.kind is EventKind.DECISION:
            self._decision(event)
        elif event.kind in ENDS:
            activity = self._activities.get(_name("call", str(event.body["decision"])))
            if activity is not None:
                activity["prov:endTime"] = moment(event.ts_us)
                activity["bw:ended"] = event.kind.value

    def _chain(self, event: Event) -> None:
        before = ""
        for link in event.actor:
            agent = _name("agent", link)
            person = link.startswith("User::")
            kind = {"$": "prov:Person" if person else "prov:SoftwareAgent", "type": "prov:QUALIFIED_NAME"}
            self._agents.setdefault(agent, {"prov:type": kind, "prov:label": link})
            if before:
                self._relate("actedOnBehalfOf", "prov:delegate", agent, "prov:responsible", before)
            before = agent

    def _content(self, event: Event) -> None:
        label = event.body["label"]
        assert isinstance(label, dict)
        entity = _name("content", event.id)
        self._entities[entity] = {
            "prov:label": str(event.body["source"]),
            "bw:origin": str(event.body["origin"]),
            "bw:sensitivity": label["sensitivity"],
            "bw:categories": ", ".join(label["categories"]),
            "bw:integrity": label["integrity"],
            "bw:ingested": moment(event.ts_us),
        }
        call = str(event.body.get("decision", ""))
        if call:
            self._relate("wasGeneratedBy", "prov:entity", entity, "prov:activity", _name("call", call))
            for used in self._used.get(call, ()):
                self._relate("wasDerivedFrom", "prov:generatedEntity", entity, "prov:usedEntity", used)

    def _decision(self, event: Event) -> None:
        body, activity = event.body, _name("call", event.id)
        self._activities[activity] = {
            "prov:startTime": moment(event.ts_us),
            "prov:label": str(body["tool"]),
            "bw:outcome": str(body["outcome"]),
            "bw:policies": str(body["policy_digest"]),
        }
        if event.actor:
            actor = _name("agent", event.actor[-1])
            self._relate("wasAssociatedWith", "prov:activity", activity, "prov:agent", actor)
        for argument in items(body["arguments"]):
            for origin in items(argument["origins"]):
                content = _name("content", str(origin["event"]))
                if origin["event"] and content not in self._used.setdefault(event.id, []):
                    self._used[event.id].append(content)
                    self._relate(
                        "used",
                        "prov:activity",
                        activity,
                        "prov:entity",
                        content,
                        {"bw:argument": str(argument["name"])},
                    )

    def _relate(
        self, relation: str, role: str, one: str, other_role: str, other: str, more: dict[str, Any] | None = None
    ) -> None:
        self._relations.setdefault(relation, {}).setdefault(
            (one, other), {role: one, other_role: other, **(more or {})}
        )

    def document(self) -> dict[str, Any]:
        # What was seen in another session, or before this export begins, is an entity of which no more is known.
        for pair in self._relations.get("used", {}):
            self._entities.setdefault(pair[1], {"prov:label": "not in this export"})
        for pair in self._relations.get("wasGeneratedBy", {}):
            self._activities.setdefault(pair[1], {"prov:label": "not in this export"})
        return {
            "prefix": {"bw": NAMESPACE},
            "agent": self._agents,
            "entity": self._entities,
            "activity": self._activities,
            **{
                name: {f"_:{name}{number}": record for number, record in enumerate(found.values())}
                for name, found in self._relations.items()
            },
        }


def _name(kind: str, text: str) -> str:
    """A qualified name: what a local part cannot hold is written as %XX of its UTF-8."""
    safe = "".join(
        letter if letter.isascii() and (letter.isalnum() or letter in "-_.") else _escaped(letter) for letter in text
    )
    return f"bw:{kind}/{safe}"


def _escaped(letter: str) -> str:
    return "".join(f"%{byte:02X}" for byte in letter.encode("utf-8", "surrogatepass"))
