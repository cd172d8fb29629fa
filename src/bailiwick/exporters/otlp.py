"""Sends spans to an OpenTelemetry collector, or to any span exporter of its SDK. Extra `otel`."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import version
from itertools import islice

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event as SdkEvent
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from bailiwick.audit.exports.spans import Span
from bailiwick.errors import StoreError

__all__ = ["collector", "send"]

BATCH = 512


def collector(endpoint: str, *, timeout: float) -> SpanExporter:
    """The exporter to a collector of OTLP over HTTP. `endpoint` is its whole address (`http://…:4318/v1/traces`);
    `OTEL_EXPORTER_OTLP_HEADERS` and the other variables of the SDK hold. `timeout` in seconds, for each batch."""
    return OTLPSpanExporter(endpoint=endpoint, timeout=timeout)


def send(spans: Iterable[Span], exporter: SpanExporter, *, service: str = "bailiwick") -> int:
    """Send them in batches. → how many were taken. Raises StoreError if the collector does not take a batch."""
    resource = Resource.create({"service.name": service})
    scope = InstrumentationScope("bailiwick", version("bailiwick"))
    waiting, sent = iter(spans), 0
    while batch := list(islice(waiting, BATCH)):
        if exporter.export([_readable(span, resource, scope) for span in batch]) is not SpanExportResult.SUCCESS:
            raise StoreError(
                f"the collector did not take the spans from number {sent + 1} on",
                hint="Is its address right, with /v1/traces at the end, and does it speak OTLP over HTTP? Spans have"
                " the same ids when they are sent again.",
            )
        sent += len(batch)
    return sent


def _readable(span: Span, resource: Resource, scope: InstrumentationScope) -> ReadableSpan:
    return ReadableSpan(
        name=span.name,
        context=_context(span.trace, span.id),
        parent=_context(span.trace, span.parent) if span.parent else None,
        resource=resource,
        attributes={**span.attributes, **({"error.type": span.error} if span.error else {})},
        events=[
            SdkEvent(event.name, attributes=dict(event.attributes), timestamp=event.time_us * 1000)
            for event in span.events
        ],
        kind=SpanKind.INTERNAL,
        instrumentation_scope=scope,
        status=Status(StatusCode.ERROR, span.error) if span.error else Status(StatusCode.OK),
        start_time=span.start_us * 1000,
        end_time=span.end_us * 1000,
    )


def _context(trace: bytes, span: bytes) -> SpanContext:
    return SpanContext(
        trace_id=int.from_bytes(trace),
        span_id=int.from_bytes(span),
        is_remote=False,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
    )
