"""What other systems make of the exports: their own libraries read them here."""

from __future__ import annotations

import http.server
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import orjson
import prov.model
import pyarrow.parquet
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from bailiwick.audit.exports.cloudevents import cloud_event
from bailiwick.audit.exports.ocsf import activities
from bailiwick.audit.exports.prov import provenance
from bailiwick.audit.exports.rows import COLUMNS, row
from bailiwick.audit.exports.spans import spans
from bailiwick.errors import StoreError
from bailiwick.exporters import otlp, parquet
from tests.exports.story import CHILD, SESSION, story

ODD = 'Agent::"ünïcode bot/%22\u202e <x>"'


def test_prov_is_read_by_its_own_library_and_says_who_used_what() -> None:
    document = prov.model.ProvDocument.deserialize(content=orjson.dumps(provenance(story())).decode())
    kinds = Counter(type(record).__name__ for record in document.get_records())
    assert kinds["ProvActivity"] == 4
    assert kinds["ProvUsage"] == 3
    assert kinds["ProvGeneration"] == 1
    assert kinds["ProvDerivation"] == 1
    assert kinds["ProvDelegation"] == 2
    assert "ProvUnknown" not in kinds


def test_prov_takes_any_name() -> None:
    (event,) = (event for event in story() if event.id == "e-13")
    odd = replace(event, actor=(event.actor[0], ODD), id='e "13"/%\n')
    document = prov.model.ProvDocument.deserialize(content=orjson.dumps(provenance([odd])).decode())
    assert len(list(document.get_records(prov.model.ProvAgent))) == 2


def test_rows_are_read_back_from_parquet(tmp_path: Path) -> None:
    with (tmp_path / "x.parquet").open("xb") as file:
        assert parquet.write(map(row, story()), file) == len(story())
    table = pyarrow.parquet.read_table(tmp_path / "x.parquet")
    assert table.schema.names == list(COLUMNS)
    assert [orjson.loads(body) for body in table.column("body").to_pylist()] == [dict(event.body) for event in story()]
    assert table.column("policies").to_pylist()[7] == ["external-mail", "support-agents"]


def test_no_rows_are_a_table_without_rows(tmp_path: Path) -> None:
    with (tmp_path / "x.parquet").open("xb") as file:
        assert parquet.write([], file) == 0
    assert pyarrow.parquet.read_table(tmp_path / "x.parquet").num_rows == 0


def test_cloud_events_have_what_the_specification_requires() -> None:
    for event in map(cloud_event, story()):
        assert event["specversion"] == "1.0"
        assert all(event[name] for name in ("id", "source", "type"))
        assert all(name.isalnum() and name == name.lower() for name in event)
    assert len({(event["source"], event["id"]) for event in map(cloud_event, story())}) == len(story())


def test_ocsf_says_what_was_done_and_what_became_of_it() -> None:
    read, asked, sent, denied = activities(story(), {"mail.send": ["send"]}, version="0")
    assert (read["status"], read["disposition"]) == ("Success", "Allowed")
    assert (asked["action"], asked["disposition"]) == ("Denied", "Challenge")
    assert (sent["status"], sent["disposition"], sent["activity_name"]) == ("Failure", "Approved", "send")
    assert (denied["status"], denied["disposition"], denied["is_alert"]) == ("Failure", "Blocked", True)
    assert [rule["decision"] for rule in asked["authorizations"]] == ["deny", "allow"]
    for record in (read, asked, sent, denied):
        assert record["type_uid"] == record["class_uid"] * 100 + record["activity_id"]


def test_a_call_without_an_outcome_is_not_told_as_done() -> None:
    events = [event for event in story() if event.id != "e-5"]
    read, *_ = activities(events, version="0")
    assert read["status"] == "Unknown"
    assert "may have run" in read["status_detail"]


def test_spans_of_a_delegated_session_are_in_the_trace_of_the_one_that_delegated_it() -> None:
    made = {span.attributes.get("gen_ai.conversation.id"): span for span in spans(story()) if "invoke" in span.name}
    assert made[CHILD].trace == made[SESSION].trace
    assert made[CHILD].parent == made[SESSION].id


def test_spans_have_the_same_ids_whenever_they_are_made() -> None:
    assert [span.id for span in spans(story())] == [span.id for span in spans(story())]
    assert len({span.id for span in spans(story())}) == len(list(spans(story())))


class _Collector(http.server.BaseHTTPRequestHandler):
    """Takes OTLP over HTTP, as a collector does, and keeps what it was sent."""

    took: list[ExportTraceServiceRequest]
    answer = 200

    def do_POST(self) -> None:
        request = ExportTraceServiceRequest()
        request.ParseFromString(self.rfile.read(int(self.headers["content-length"])))
        self.took.append(request)
        self.send_response(self.answer)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def _collecting(answer: int = 200) -> Iterator[tuple[str, list[ExportTraceServiceRequest]]]:
    took: list[ExportTraceServiceRequest] = []
    handler = type("Handler", (_Collector,), {"took": took, "answer": answer})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1/traces", took
        finally:
            server.shutdown()
            thread.join()


def test_spans_reach_a_collector_over_http() -> None:
    with _collecting() as (address, took):
        sent = otlp.send(spans(story()), otlp.collector(address, timeout=5))
    received = [
        span
        for request in took
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    assert sent == len(received) == 7
    (mail,) = (
        span
        for span in received
        if span.name == "execute_tool mail.send"
        and span.status.code == 2
        and any(value.key == "bailiwick.outcome" for value in span.attributes)
    )
    assert mail.status.message == "SMTPException"
    assert mail.end_time_unix_nano - mail.start_time_unix_nano == 1_000_000_000


def test_a_collector_that_refuses_is_told() -> None:
    with _collecting(400) as (address, _), pytest.raises(StoreError, match="did not take"):
        otlp.send(spans(story()), otlp.collector(address, timeout=2))
