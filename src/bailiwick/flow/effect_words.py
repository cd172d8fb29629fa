"""What a clause asks for, against a tool: words for its effects, a telling verb in its name, its own `asks`, or a list
of the values that it is to set. DESIGN §5 *Flow*, intent. Only the clause's form and words are looked at here; who said
it, and of what it speaks, is told in `bailiwick.flow.intent`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise

from bailiwick.flow.asking import Asked, asked_in
from bailiwick.flow.clauses import masked
from bailiwick.flow.words import ASKING, CUES, LOOKING, NAMED, plain_word, stem
from bailiwick.model.call import Action
from bailiwick.model.tool import CONSEQUENTIAL, Effect, Role, ToolSpec

__all__ = ["ALL_ASKING", "asks_for", "lists_values"]

_PRIMARY = frozenset({Effect.DELETE, Effect.PAY, Effect.EXECUTE})
_NAMED_THERE = frozenset({Role.TARGET, Role.SELECTOR, Role.VALUE})

_EFFECT_WORDS = {effect: frozenset(plain_word(word) for word in words) for effect, words in ASKING.items()}
_LOOKING = frozenset(plain_word(word) for word in LOOKING)
ALL_ASKING = frozenset().union(*_EFFECT_WORDS.values()) - _LOOKING
_CUES = {key: re.compile(pattern) for key, pattern in CUES.items()}
_AS_DRAFT = re.compile(r"\b(?:a|an|as|einen|als|un|une|comme|como)(?: \w+)? (?:draft|entwurf|brouillon|borrador)\b")
_COMPOSING = frozenset(
    "write reply respond answer compose prepare save create make email mail message schreibe".split()
)
_NAME_PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


def asks_for(text: str, verbs_of: str, tool: ToolSpec, value: str) -> bool:
    """Whether a clause asks for what `tool` does (to `value`, where it is a command or a link); `verbs_of` is the text
    of the one whose verb it shares, if it does."""
    asked = asked_in(verbs_of or text)
    if tool.asks is not None:
        return any(_phrase(phrase, asked) for phrase in tool.asks)
    plain = plain_word(masked(verbs_of or text))
    effects = tool.effects & _PRIMARY or tool.effects & CONSEQUENTIAL
    if Effect.EXECUTE in effects and value and not verbs_of and text.strip("`'\" ") in value:
        return True
    if Effect.FETCH in effects and value in text and not asked.verbs & ALL_ASKING:
        return True
    verbs = asked.verbs
    if "draft" in verbs or _AS_DRAFT.search(plain):
        verbs = verbs - _COMPOSING if effects.isdisjoint({Effect.WRITE}) else verbs
    narrower, own = _by_name(tool.name)
    if own in verbs or own in asked.nouns:
        return True
    if narrower is not None:
        return not verbs.isdisjoint(narrower)
    return any(
        (cue := _CUES.get((effect, verb))) is None or cue.search(plain)
        for effect in effects
        for verb in verbs & _EFFECT_WORDS[effect]
    )


@lru_cache(maxsize=1024)
def _by_name(name: str) -> tuple[frozenset[str] | None, str]:
    """(the words that ask for a tool whose name says more than its effect, the verb that it is called by)."""
    parts = [part.lower() for part in _NAME_PARTS.findall(name.rpartition(".")[2])]
    if not parts:
        return None, ""
    own = "" if stem(parts[0]) in _LOOKING else stem(parts[0])
    if parts[0] in NAMED:
        return NAMED[parts[0]], own
    if parts[0] in ALL_ASKING:
        return None, own
    return next((NAMED[part] for part in parts if part in NAMED), None), own


def _phrase(phrase: str, asked: Asked) -> bool:
    words = tuple(stem(word) for word in phrase.split())
    if not words:
        return False
    if words[0] in asked.verbs or words[0] in asked.nouns:
        at = asked.words.index(words[0]) if words[0] in asked.words else 0
        rest = iter(asked.words[at + 1 :])
        return all(word in rest for word in words[1:])
    if words[0] in ALL_ASKING or asked.verbs.isdisjoint(ALL_ASKING):
        return False
    # "the way you remember" is somebody's doing, and asks for nothing.
    rest = iter(word for before, word in pairwise(("", *asked.words)) if before not in _DOERS)
    return all(word in rest for word in words)


_DOERS = frozenset("i you he she it we they who".split())


def lists_values(text: str, action: Action) -> bool:
    """ "R-1905: routine, orthopaedics": whether a clause without a verb says which object and what it is to be set to,
    and the call changes that object by exactly these values."""
    before, _, after = text.rpartition(":")
    words, values = before.split(), after.strip()
    bare = values[:-1] if len(values) > 1 and values.endswith((".", "!")) else values
    if words[:-1] not in ([], ["the"]) or not words or not values or "\n" in values:
        return False
    if not action.tool.effects <= {Effect.READ, Effect.WRITE, Effect.DRAFT}:
        return False
    if not asked_in(text).verbs.isdisjoint(ALL_ASKING):
        return False
    given = [value.casefold() for each in action.judged if each.role in _NAMED_THERE for value in each.values]
    listed = [item.strip().casefold() for item in re.split(r"[,;]|\s(?:and|und|et|y)\s", bare)]
    return len(given) > 1 and sorted(given) == sorted([words[-1].casefold(), *filter(None, listed)])
