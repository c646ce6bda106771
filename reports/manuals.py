"""Cuts manual pages at their headings."""

import re
from dataclasses import dataclass

MAX_COST_CHARACTERS = 240


@dataclass(frozen=True, kw_only=True)
class Passage:
    """A part of a manual page: its heading, running text, and terms with their meaning."""

    heading: str
    text: str
    terms: tuple[tuple[str, str], ...] = ()


def passages(manual: str) -> list[Passage]:
    """Cut a manual page at its headings, which are the lines that are not indented and have indented text below."""
    parts = re.split(r"^(\S[^\n]*)\n(?=[ \t]+\S)", manual.strip(), flags=re.MULTILINE)
    lead = [Passage(heading="", text=" ".join(parts[0].split()))] if parts[0].strip() else []
    return lead + [_passage(heading, body) for heading, body in zip(parts[1::2], parts[2::2], strict=True)]


def _passage(heading: str, body: str) -> Passage:
    pieces = re.split(r"^[ \t]+([a-z][a-z0-9_]*): ", body, flags=re.MULTILINE)
    terms = tuple((name, " ".join(text.split())) for name, text in zip(pieces[1::2], pieces[2::2], strict=True))
    return Passage(heading=heading, text=" ".join(pieces[0].split()), terms=terms)


def why_it_matters(manual: str) -> str:
    """Return the first sentence of what a disease costs; nothing where the page does not say."""
    text = next((part.text for part in passages(manual) if part.heading == "Why it matters"), "")
    sentence = re.split(r"(?<=[.!?])\s+(?=[A-Z])", text, maxsplit=1)[0]
    return sentence if len(sentence) <= MAX_COST_CHARACTERS else ""
