"""Whom a content is about, as the catalog or its metadata says. It is erased with each of them (docs/erasure.md)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from bailiwick.flow.atoms import decoded
from bailiwick.flow.record_fields import records_of, values_at
from bailiwick.model.tool import OutputSpec

__all__ = ["METADATA_KEY", "subjects_of_document", "subjects_of_result"]

METADATA_KEY = "data_subject"
_FIELD = re.compile(r"\{([^{}]+)\}")


def subjects_of_result(output: OutputSpec, value: object) -> tuple[str, ...]:
    """The people whom the records of a result are about, where `output.subject` names them: `crm/customers/{id}` with
    the field `id` of each record. A field that holds several values names several."""
    found: dict[str, None] = {}
    if output.subjects:
        before, field, after = _FIELD.split(output.subjects)
        for record in records_of(decoded(value), output.records)[0]:
            found.update((f"{before}{each}{after}", None) for each in values_at(record, field) if each)
    return tuple(found)


def subjects_of_document(metadata: Mapping[str, object]) -> tuple[str, ...]:
    """The people whom a retrieved document is about: a text, or a list of them. Anything else names nobody."""
    said = metadata.get(METADATA_KEY)
    each = said if isinstance(said, list | tuple) else (said,)
    return tuple(dict.fromkeys(one for one in each if isinstance(one, str) and one))
