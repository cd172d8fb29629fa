"""The closed schema: every kind has a body, what is not in it is refused, and old versions are lifted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from bailiwick.audit.envelope import MAX_EVENT_BYTES, place, read, seal
from bailiwick.audit.events import decision_body, new_id
from bailiwick.audit.schema import BODIES, ENVELOPE, body_fault
from bailiwick.audit.upcast import upcast
from bailiwick.errors import CanonicalError
from bailiwick.model.canonical import Json, canonical, encode
from bailiwick.model.decision import ArgFlow, Decision, FlowFacts, Origin, Outcome, Plane, Reason
from bailiwick.model.event import Content, EventKind
from bailiwick.model.label import NOBODY, Label
from tests.audit.samples import LABEL, START_US, Ticking, decision, story, told

STORY = story(Ticking())
BY_KIND = {draft.kind: draft for draft in STORY}


def test_every_kind_has_a_schema_and_occurs_in_the_story() -> None:
    assert set(BODIES) == set(EventKind) == set(BY_KIND)


def test_the_docstring_lists_every_field() -> None:
    import bailiwick.audit.schema as schema

    assert schema.__doc__ is not None
    for kind, body in BODIES.items():
        after = schema.__doc__.split(f"    {kind.value} ", 1)[1]
        missing = [name for name in (*body.required, *body.optional) if name not in after.split("\n\n", 1)[0]]
        assert not missing, f"{kind.value}: {missing}"


def test_every_optional_field_occurs_in_the_story() -> None:
    for kind, body in BODIES.items():
        seen = {name for draft in STORY if draft.kind is kind for name in draft.body}
        left = set(body.optional) - seen
        assert left <= {"previous", "omitted"}, kind


def _fields() -> Iterator[Any]:
    for kind, draft in BY_KIND.items():
        for name in draft.body:
            yield pytest.param(kind, name, id=f"{kind.value}.{name}")


@pytest.mark.parametrize(("kind", "name"), tuple(_fields()))
def test_a_field_missing_or_of_another_type_is_refused(kind: EventKind, name: str) -> None:
    body = dict(BY_KIND[kind].body)
    assert body_fault(kind, body) is None
    for wrong in (1.5, b"bytes", {"a": 1.5}, [[1]], object()):
        assert body_fault(kind, {**body, name: wrong}) is not None
    if name in BODIES[kind].required:
        del body[name]
        assert body_fault(kind, body) == f"{kind.value}.{name} is missing"


@pytest.mark.parametrize("kind", EventKind)
def test_an_unknown_field_is_refused_wherever_it_stands(kind: EventKind) -> None:
    body = json.loads(canonical(BY_KIND[kind].body))
    assert body_fault(kind, {**body, "note2": "x"}) == f"{kind.value}.note2 is not a field"
    for path in _objects(body, ()):
        changed = json.loads(json.dumps(body))
        inner = changed
        for step in path:
            inner = inner[step]
        inner["zz"] = 1
        fault = body_fault(kind, changed)
        assert str(fault).endswith(".zz is not a field"), path


def _objects(value: Any, at: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, item in items:
        if isinstance(item, dict):
            yield (*at, step)
        yield from _objects(item, (*at, step))


@pytest.mark.parametrize(
    ("value", "wrong"),
    [(-1, "within"), (2**53 + 1, "within"), (True, "integer"), ("1", "integer"), (None, "integer")],
)
def test_integers_are_bounded(value: object, wrong: str) -> None:
    fault = body_fault(EventKind.SESSION_CLOSED, {"decisions": value})
    assert fault is not None
    assert wrong in fault


def test_what_fits_the_schema_has_its_canonical_form_already() -> None:
    """`encode` without `canonical_json` is the canonical encoding of anything that fits."""
    for event in told().events:
        stored = json.loads(event.data)
        assert ENVELOPE.fault(stored) is None
        assert encode(stored) == canonical(stored) == event.data


# --- what builds bodies


def test_no_argument_value_and_no_content_is_in_an_event() -> None:
    rows = told()
    contents = [content.data for content in rows.contents if content.data is not None]
    assert b"eve@example.com" in b"".join(contents)
    for event in rows.events:
        assert b"eve@example.com" not in event.data
        assert not any(content in event.data for content in contents)


def test_a_hostile_call_cannot_keep_its_denial_from_being_recorded() -> None:
    """Lone surrogates, endless names and ten thousand origins: the event is recorded, and says how much it left out."""
    long = 'ab"\\\x00\ud800' * 400
    origins = tuple(Origin(content="c", event="e", source=long, path=long) for _ in range(10_000))
    hostile = Decision(
        outcome=Outcome.DENY,
        reasons=tuple(Reason(plane=Plane.ACTION, code="unknown-tool", message=long, hint=long) for _ in range(50)),
        tool=long,
        flow=FlowFacts(
            label=Label(),
            session_label=Label(),
            tainted=True,
            arguments=(ArgFlow(name=long, endorsed=False, endorsed_by=("",) * 10_000, origins=origins),) * 20,
        ),
    )
    ticking = Ticking()
    body = _body(hostile)
    sealed = seal(ticking.draft(EventKind.DECISION, body), ticking.entropy)
    data = place(sealed, log="log-" + "x" * 36, seq=2**53, ord_=2**53)
    assert len(data) <= MAX_EVENT_BYTES
    assert isinstance(body["omitted"], int)
    assert body["omitted"] > 50


def test_an_ordinary_decision_omits_nothing() -> None:
    assert "omitted" not in _body(decision())


def test_a_decision_taken_before_flow_and_policy_is_recordable() -> None:
    early = Decision(
        outcome=Outcome.DENY, reasons=(Reason(plane=Plane.IDENTITY, code="x", message="No."),), tool="nope"
    )
    assert body_fault(EventKind.DECISION, _body(early)) is None


def _body(made: Decision) -> dict[str, object]:
    return decision_body(
        made,
        permit_id=None,
        permit_expires_ms=None,
        catalog_digest="",
        latency_us=None,
        idempotency=None,
        effect_key=None,
    )


def test_ids_are_uuids_of_version_7_that_sort_by_time() -> None:
    ids = [new_id(START_US + step * 1000, b"\xff" * 10) for step in range(3)]
    assert ids == sorted(ids)
    assert len(set(ids)) == 3
    assert ids[0] == "018bcfe5-6800-7fff-bfff-ffffffffffff"
    with pytest.raises(ValueError, match="10 random bytes"):
        new_id(START_US, b"short")


# --- drafts that are refused


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"body": {"decisions": 1, "more": 1}}, "not a field"),
        ({"body": {}}, "missing"),
        ({"body": {"decisions": 1.0}}, "integer"),
        ({"ts_us": -1}, "ts_us"),
        ({"task": "\ud800"}, "encoded"),
        ({"task": "x" * 70_000}, "larger"),
        ({"actor": (1,)}, "actor"),
        ({"contents": (Content(role="a", data=b""), Content(role="a", data=b""))}, "two contents"),
        ({"contents": (Content(role="ä", data=b""),)}, "role"),
    ],
)
def test_a_draft_that_cannot_be_an_event_is_refused(change: dict[str, Any], says: str) -> None:
    from dataclasses import replace

    ticking = Ticking()
    draft = ticking.draft(EventKind.SESSION_CLOSED, {"decisions": 1})
    with pytest.raises(CanonicalError, match=says):
        seal(replace(draft, **change), ticking.entropy)


# --- versions


def _lift(stored: dict[str, Json]) -> dict[str, Json]:
    """A version 0 that never was: it had `what` for `kind` and no `env`."""
    lifted = {**stored, "v": 1, "kind": stored["what"], "env": "prod"}
    del lifted["what"]
    return lifted


def _version_0() -> bytes:
    stored = json.loads(told().events[-1].data)
    stored["what"] = stored.pop("kind")
    del stored["env"]
    return canonical({**stored, "v": 0})


def test_an_old_version_is_lifted_and_says_which_it_was() -> None:
    event = read(_version_0(), {0: _lift})
    assert (event.v, event.kind, event.env) == (0, EventKind.SESSION_CLOSED, "prod")
    assert read(told().events[-1].data, {0: _lift}).v == 1


@pytest.mark.parametrize("version", [0, 2, -1, "1", None, [1]])
def test_an_unknown_version_is_said_to_be_one(version: Json) -> None:
    with pytest.raises(ValueError, match="unknown here"):
        upcast({"v": version})


def test_an_upcaster_that_does_not_lift_is_refused() -> None:
    with pytest.raises(ValueError, match="did not raise"):
        upcast({"v": 0}, {0: lambda stored: stored})


def test_labels_keep_nobody_apart_from_everybody() -> None:
    from bailiwick.audit.events import label_body

    assert label_body(Label())["readers"] is None
    assert label_body(Label(readers=NOBODY))["readers"] == [[]]
    assert label_body(LABEL)["integrity"] == "untrusted"
