"""A document that a retriever found, as retrieval hands it to the guard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Document"]


@dataclass(frozen=True, slots=True)
class Document:
    """`metadata` may hold its label and its readers, as the store keeps them beside each chunk; `data_subject` in it
    says whom the text is about. `id` is the store's own name for it. `texts` are further forms in which a model may be
    shown it."""

    text: str
    metadata: Mapping[str, object] = field(default_factory=dict)
    id: str = ""
    texts: tuple[str, ...] = field(default=(), kw_only=True)
