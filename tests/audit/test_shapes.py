"""The compiled check of an event says what the field-by-field one says: every field of every kind, made wrong."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from bailiwick.audit.schema import BODIES
from bailiwick.model.canonical import canonical
from bailiwick.model.event import EventKind
from tests.audit.samples import Ticking, story

WRONG: tuple[object, ...] = (None, True, 0, -1, 2**53 + 1, 1.0, "text", "", [], ["text"], [1], [None], {}, {"a": 1})
SAMPLES = [(draft.kind, json.loads(canonical(draft.body))) for draft in story(Ticking())]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*path, key))


def variants(body: Any) -> Iterator[Any]:
    for *way, last in (path for path in places(body) if path):
        for wrong in (*WRONG, KeyError):
            made = copy.deepcopy(body)
            at = made
            for key in way:
                at = at[key]
            if wrong is KeyError:
                del at[last]
            else:
                at[last] = wrong
            yield made
    for path in places(body):
        made = at = copy.deepcopy(body)
        for key in path:
            at = at[key]
        if isinstance(at, dict):
            at["field"] = "text"
            yield made


@pytest.mark.parametrize("number", range(len(SAMPLES)), ids=[kind.value for kind, _ in SAMPLES])
def test_what_is_compiled_says_what_the_fields_say(number: int) -> None:
    kind, body = SAMPLES[number]
    shape = BODIES[EventKind(kind)]
    fits = shape._compiled()
    assert fits(body)
    for value in variants(body):
        by_field = shape._why(value) is None
        try:
            assert fits(value) is by_field, value
        except KeyError:
            assert not by_field, value


@pytest.mark.parametrize("value", WRONG)
def test_what_is_no_object_fits_nothing(value: object) -> None:
    if value != {}:
        assert all(shape.fault(value) is not None for shape in BODIES.values())
