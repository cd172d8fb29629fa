"""What an authenticated colleague wrote herself, in a record that a service keeps under her name. DESIGN §5 *Flow*.

The catalog names the field in which the service itself puts the author (`OutputSpec.author`), and the fields that are
set where a program posted in that name. Nothing else says who wrote something: not a display name, not a `From:` line
in a text. An author counts if the directory knows her as an active member for whom no program posts, and if she is not
the person for whom this agent acts: what is in her name may be the agent's own writing.

Of what she wrote her own spans alone count (`bailiwick.flow.spans`), of text fields of the record itself: nothing below
them (attachments, the message that is answered, reactions of others), and no subject of an answer, which somebody else
wrote. What an agent may have written into the store is nobody's own (`bailiwick.flow.written`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from bailiwick.flow.said import said_keys
from bailiwick.flow.spans import own_words
from bailiwick.model.tool import Authorship

__all__ = ["Colleagues", "said_by_author", "speaker", "text_fields"]

_ANSWERS = re.compile(
    r"\s*(?:\[[^\]]*\]\s*)?(?:re|aw|antw|antwort|sv|ref|fwd?|wg|tr|rv|rif|odp|vs)\s*(?:\[\d+\])?\s*:", re.IGNORECASE
)
_OTHERS = re.compile(
    r"quot|forward|attach|original|parent|repl|thread|history|snippet|previous|source|raw|html_url|link|preview|footer|signature",
    re.IGNORECASE,
)


Colleagues = Callable[[str], bool]
"""`colleagues(author)`: True iff a mail address or user's id is that of an active member of the organisation who posts
herself, and not of the person for whom the session acts."""


def said_by_author(
    record: Mapping[str, object], authorship: Authorship, colleagues: Colleagues, *, by: str
) -> tuple[tuple[tuple[str, ...], ...], str, str] | None:
    """(keys of what the author of `record` wrote herself, whose words they are, the words); None if nobody is known to
    have."""
    author = speaker(record, authorship)
    if not author or not colleagues(author):
        return None
    texts = [str(record[name]) for name in text_fields(record, authorship.field)]
    own = "\n".join(own_words(text) for text in texts if not _ANSWERS.match(text))
    lines = said_keys(own)
    return (lines, f"{author}'s own words, {by}", own) if lines else None


def speaker(record: Mapping[str, object], authorship: Authorship) -> str:
    """The author of a record; empty if it names none or several, or if a program posted it."""
    node: object = record
    for step in authorship.field.split("."):
        node = node.get(step) if isinstance(node, Mapping) else None
    if not isinstance(node, str):
        return ""
    if any(_set(record, name) for name in authorship.unless):
        return ""
    return node


def text_fields(record: Mapping[str, object], author: str) -> Iterator[str]:
    """Names of the text fields of the record itself that its author may have written."""
    for name, item in record.items():
        if isinstance(item, str) and name != author.partition(".")[0] and not _OTHERS.search(name):
            yield name


def _set(record: Mapping[str, object], path: str) -> bool:
    node: object = record
    for step in path.split("."):
        if not isinstance(node, Mapping) or step not in node:
            return False
        node = node[step]
    if isinstance(node, str | list | tuple | Mapping):
        return bool(node)
    return node is not None and node is not False
