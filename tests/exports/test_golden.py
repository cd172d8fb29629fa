"""Every export of the same small session is, byte for byte, the file in `golden/`.

After a change that is meant: BAILIWICK_GOLDEN=write pytest tests/exports/test_golden.py, and read the difference.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import orjson
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from bailiwick.audit.exports.cloudevents import cloud_event
from bailiwick.audit.exports.ocsf import activities
from bailiwick.audit.exports.prov import provenance
from bailiwick.audit.exports.rows import row
from bailiwick.audit.exports.spans import spans
from bailiwick.audit.schema import body_fault
from bailiwick.exporters.otlp import send
from tests.exports.story import story

GOLDEN = Path(__file__).parent / "golden"
EFFECTS = {"crm.get_customer": ["read"], "mail.send": ["send"], "web.search": ["fetch"]}


def _sent() -> Iterable[object]:
    """The spans as the SDK of OpenTelemetry holds them after they were exported."""
    memory = InMemorySpanExporter()
    send(spans(story()), memory)
    for span in memory.get_finished_spans():
        told = orjson.loads(span.to_json())
        told["resource"]["attributes"] = {"service.name": told["resource"]["attributes"]["service.name"]}
        yield told


EXPORTS: dict[str, Callable[[], Iterable[object]]] = {
    "cloudevents.jsonl": lambda: map(cloud_event, story()),
    "ocsf.jsonl": lambda: activities(story(), EFFECTS, version="0"),
    "ocsf-without-catalog.jsonl": lambda: activities(story(), version="0"),
    "prov.json": lambda: [provenance(event for event in story() if event.session)],
    "otel.jsonl": _sent,
    "rows.jsonl": lambda: map(row, story()),
}


@pytest.mark.parametrize("name", EXPORTS)
def test_an_export_is_what_it_was(name: str) -> None:
    made = b"".join(
        orjson.dumps(record, option=orjson.OPT_INDENT_2 if name.endswith(".json") else 0) + b"\n"
        for record in EXPORTS[name]()
    )
    if os.environ.get("BAILIWICK_GOLDEN") == "write":
        (GOLDEN / name).write_bytes(made)
    assert made == (GOLDEN / name).read_bytes()


def test_the_story_is_made_of_events_that_could_be_in_a_log() -> None:
    assert [body_fault(event.kind, dict(event.body)) for event in story()] == [None] * len(story())
