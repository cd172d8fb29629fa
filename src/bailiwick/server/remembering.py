"""What a form says of the scope of a yes: once, or for calls like this one too."""

from __future__ import annotations

from collections.abc import Mapping

from bailiwick.action.remember import Remember, read_remember

__all__ = ["remember_of"]

OPEN = "open_"
"""What the name of a field begins with that leaves an argument open."""


def remember_of(form: Mapping[str, str]) -> tuple[Remember | None, bool]:
    """What is to be remembered (None: nothing), and whether the form can be read at all."""
    if form.get("scope", "once") == "once":
        return None, True
    names = sorted(name.removeprefix(OPEN) for name, value in form.items() if name.startswith(OPEN) and value == "on")
    opened = f",open={'+'.join(names)}" if names else ""
    read = read_remember(f"count={form.get('count', '')},ttl={form.get('ttl', '')},scope={form['scope']}{opened}")
    return read, read is not None
