"""Which part of a prompt is the user's own words. DESIGN §5 *Flow*: quoted, forwarded and attached spans are not the
user's.

INVARIANT: only the user's own words endorse, so in doubt a span is dropped. A span that is dropped by mistake costs a
question to a person; a span that is kept by mistake lets a third party choose where money and mail go. What is dropped:

- from here to the end: a line that begins with three or more of `- = _ * ~` (a rule, `-----Original Message-----`,
  `---------- Forwarded message ----------`, a diff); "Begin forwarded message", "Original message" and their like; a
  subject such as `Fwd:`; "On … wrote:"; a `From:` header line, or two mail header lines in a row; a line such as
  "Attachment:" or "Pasted text:" that announces somebody's text; all in English, German, French and Spanish;
- from the first mark to the last one: triple back-ticks, triple quotes, and elements (`<document> … </document>`,
  `[quote] … [/quote]`: any paired name, and a list of names even where one end is missing). First to *last*, because
  the text between may hold the closing mark itself;
- lines that begin with `>`, `|` or `»`, also with a number or initials before them, and the lines up to the next empty
  one (a quoted paragraph that wraps);
- what follows a line that announces a text ("here is the mail:", "see below:"), to the end;
- what follows a line `--` (a signature), to the end;
- JSON, from the first brace to the last one, and rows of a table (lines with tabs, or several with as many commas or
  semicolons without spaces);
- everything beyond MAX_OWN_WORDS characters: nobody types that much.

A person who types a quotation inline, in ordinary quotes, is taken by her word.
"""

from __future__ import annotations

import re
import unicodedata

__all__ = ["MAX_OWN_WORDS", "cleaned", "holds_others_words", "own_words"]

MAX_OWN_WORDS = 32_768
"""Characters of one prompt that can endorse."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f](?<!\r(?=\n))")
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_ATTACHED = frozenset(
    """
    attachment attachments attached document documents doc file files context quote quoted blockquote email tool_result
    search_results webpage article untrusted transcript forwarded content
    """.split()
)
_HEADERS = (
    "from|to|cc|bcc|subject|date|sent|reply-to|"
    "von|an|gesendet|betreff|datum|de|para|asunto|fecha|enviado|à|objet|envoyé"
)

_TO_THE_END = re.compile(
    rf"""^[ \t]*(?:
        [-=_*~]{{3,}}
      | \W{{0,8}}(?:begin\ )?(?:forwarded|original|weitergeleitete|ursprüngliche)\ (?:message|mail|e-mail|nachricht)\b
      | \W{{0,8}}(?:mensaje\ (?:original|reenviado)|message\ (?:d'origine|transféré))\b
      | (?:fwd?|wg|tr|rv)\ ?:
      | (?:on|am|le|el)\b[^\n]{{0,200}}(?:\n[^\n]{{0,100}})?\b(?:wrote|schrieb|écrit|escribió)\b[^\n]{{0,80}}:[ \t]*$
      | \**(?:from|von|de)\**[ ]?:
      | \**(?:{_HEADERS})\**[ ]?:[^\n]*\n[ \t]*\**(?:{_HEADERS})\**[ ]?:
      | (?:attachments?|attached|document|file|quoted?|pasted|forwarded|anhang|dokument|zitat)\b[^\n:]{{0,60}}:[ \t]*$
    )""",
    re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)
_ONE_TEXT = (
    r"(?:e-?mail|mail|message|letter|invoice|text|document|content|note|ticket|thread|conversation|chat|transcript|article|"
    r"report|log|output|error|reply|answer|response|request|complaint|review|post|page|excerpt|snippet|contract|memo|"
    r"statement|receipt|nachricht|brief|rechnung|dokument|inhalt|notiz|verlauf|artikel|bericht|antwort|anfrage|vertrag|"
    r"beleg|courriel|courrier|lettre|facture|contenu|rapport|réponse|demande|contrat|reçu|correo|mensaje|carta|factura|"
    r"texte|texto|contenido|informe|respuesta|solicitud|contrato|recibo)"
)
_THIS_IS = (
    r"(?:here(?:['’]s|\ is|\ are|\ comes)?|below(?:\ is|\ are)?|pasted?|copied|hier(?:\ ist|\ sind|\ kommt)?|unten|"  # noqa: RUF001
    r"eingefügt|kopiert|voici|ci-dessous|collé|copié|aquí\ está|aquí\ tienes|abajo|pegado|copiado)"
)
_CAME = (
    r"(?:this\ is|forwarded|received|got|following|anbei|bekommen|erhalten|folgende[nrs]?|ci-joint|reçu|suivante?|"
    r"adjunto|recibido|siguiente)"
)
_BETWEEN = r"(?:[ ][^\s:]{1,20}){0,4}[ ]"
_ANNOUNCED = re.compile(
    rf"""^[^\n]{{0,200}}?(?<!\w)(?:
        {_THIS_IS}{_BETWEEN}{_ONE_TEXT}(?:s|en|n|e)?\b[^\n]{{0,80}}
      | {_ONE_TEXT}(?:s|en|n|e)?\ (?:below|attached|unten|anbei|ci-dessous|abajo)\b[^\n]{{0,40}}
      | {_CAME}{_BETWEEN}{_ONE_TEXT}\b[^\n]{{0,80}}:
      | {_ONE_TEXT}\ {_CAME}\b[^\n]{{0,80}}:
      | (?:see|read|look)\ below | (?:siehe|s\.)\ unten | voir\ ci-dessous | ve[ar]\ (?:más\ )?abajo
    )[:.]?[ \t]*$""",
    re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)
_SIGNATURE = re.compile(r"^--[ \t]*$", re.MULTILINE)
_JSON = re.compile(r"[{\[]\s*(?:\"[^\"\n]{0,120}\"\s*[:,\]]|'[^'\n]{0,120}'\s*:|\{\s*[\"'])")
_TAG = re.compile(r"[<\[](/?)([A-Za-z][\w:-]{0,40})(?:[\s=][^<>\[\]]{0,400})?/?[>\]]")
_QUOTED_LINE = re.compile(r"[ \t]*(?:\d{1,3}|[A-Z]{1,3})?[>|»]")
_BLOCK_MARKS = ("```", '"""', "'''")


def cleaned(text: str) -> str:
    """`text` in the form in which it is compared: NFKC, line breaks as `\\n`, invisible characters removed.

    Direction controls and lone surrogates become U+FFFD, which no value may hold: what is displayed is not what is
    there. Control characters other than line breaks and tabs become U+FFFD too.
    """
    if text.isascii() and not _CONTROL.search(text):
        return text.replace("\r\n", "\n")
    out: list[str] = []
    for char in unicodedata.normalize("NFKC", text.replace("\r\n", "\n")):
        kind = unicodedata.category(char)
        if char in "\n\t":
            out.append(char)
        elif char in "\r\v\f\x1c\x1d\x1e\x85\u2028\u2029":
            out.append("\n")
        elif char in _BIDI or kind in ("Cc", "Cs"):
            out.append("\ufffd")
        elif kind != "Cf":
            out.append(char)
    return "".join(out)


def own_words(text: str) -> str:
    """What the user herself wrote of `text`, in `cleaned` form; dropped spans leave a line break behind."""
    own = cleaned(text[:MAX_OWN_WORDS])
    cut = _TO_THE_END.search(own)
    if cut is not None:
        own = own[: cut.start()]
    announced = _ANNOUNCED.search(own)
    if announced is not None:
        own = own[: announced.end()]
    signature = _SIGNATURE.search(own)
    if signature is not None:
        own = own[: signature.start()]
    own = _without_elements(own)
    for mark in _BLOCK_MARKS:
        own = _without_block(own, mark)
    return _without_quoted_lines(_without_rows(_without_json(own)))


def holds_others_words(text: str, own: str) -> bool:
    """True if `text` says anything beyond `own = own_words(text)`: then a third party could have written that part."""
    return len(text) > MAX_OWN_WORDS or _weight(cleaned(text)) > _weight(own)


def _weight(text: str) -> int:
    return sum(map(str.isalnum, text))


def _without_elements(text: str) -> str:
    opened: dict[str, int] = {}
    closed: set[str] = set()
    start, end = len(text), 0
    for tag in _TAG.finditer(text):
        name = tag.group(2).lower()
        known = name in _ATTACHED and (tag.group().startswith("<") or name == "quote")
        if not tag.group(1):
            opened.setdefault(name, tag.start())
            if known:
                start = min(start, tag.start())
                closed.discard(name)
        elif name in opened or known:
            # A known name that was never opened: all before it may be the attachment.
            start, end = min(start, opened.get(name, 0)), tag.end()
            closed.add(name)
    if any(name in _ATTACHED and name not in closed for name in opened):
        return text[:start]
    return f"{text[:start]}\n{text[end:]}" if end > start else text


def _without_block(text: str, mark: str) -> str:
    first, last = text.find(mark), text.rfind(mark)
    if first < 0:
        return text
    return f"{text[:first]}\n{text[last + len(mark) :]}" if last > first else text[:first]


def _without_json(text: str) -> str:
    found = _JSON.search(text)
    if found is None:
        return text
    end = max(text.rfind("}"), text.rfind("]"))
    return f"{text[: found.start()]}\n{text[end + 1 :]}" if end > found.start() else text[: found.start()]


def _without_rows(text: str) -> str:
    """Without the rows of a table: a line of a list has a space after its comma."""
    lines = text.split("\n")
    kinds = [_row(line) for line in lines]
    for at, kind in enumerate(kinds):
        beside = kinds[max(at - 1, 0) : at] + kinds[at + 1 : at + 2]
        if kind and (kind[0] == "\t" or kind in beside):
            lines[at] = ""
    return "\n".join(lines)


def _row(line: str) -> tuple[str, int] | None:
    """(separator, how many of it) where a line looks like a row."""
    cells = line.strip()
    for mark, least in (("\t", 1), (",", 2), (";", 2)):
        count = cells.count(mark)
        if count >= least and (mark == "\t" or f"{mark} " not in cells):
            return mark, count
    return None


def _without_quoted_lines(text: str) -> str:
    kept: list[str] = []
    quoted = False
    for line in text.split("\n"):
        quoted = bool(_QUOTED_LINE.match(line)) or (quoted and bool(line.strip()))
        kept.append("" if quoted else line)
    return "\n".join(kept)
