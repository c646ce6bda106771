"""Keys, passwords and personal data in texts, found by their form and, where there is one, by their check sum."""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterator
from typing import ClassVar

from msgspec import Struct

from doctor.evidence.messages import form_of, text_of
from doctor.evidence.profile import Profile
from doctor.evidence.suspects import Suspects, matching, place_of, suspected
from doctor.evidence.text_columns import TextColumns
from doctor.masking import RULES, Rule, without_secrets
from doctor.model import Excerpt
from doctor.subjects.table import Kind, Table

SECRETS = ("private key", "password in a URL", "web token", "key of a service", "bearer token", "password")
NUMBERS = ("card number", "bank account", "identity number")
CONTACTS = ("e-mail address", "phone number")
NAMED = ("bearer token", "password")
"""Only what stands behind the name is the secret."""
GROUPS = {"secrets": SECRETS, "numbers": NUMBERS, "contacts": CONTACTS}
EXAMPLES = 6
MAX_HITS = 20
"""Of one kind in a cell, from which the rest is not looked for: it is told once for the cell."""
AROUND = 100
MIN_DIFFERENT_SIGNS = 6
"""A key has more; "xxxxxxxxxxxx" and "000000" stand for one."""

# Loose: what they find is looked at by the rules of masking. They hold in JSON too, where quotes are escaped.
RARE = (
    r"PRIVATE KEY|eyJ[A-Za-z0-9_\-]{6}|://[^\s/:@]+:[^\s/@]+@"
    r"|(?:sk-|sk_live_|rk_live_|gh[opsur]_|github_pat_|glpat-|hf_|xox[abprs]-|AKIA|ASIA|AIza|npm_|pypi-)[A-Za-z0-9_\-]{10}"
    r"|(?i:bearer\s)|(?i:password|passwd|secret|token|api[_\-]?key|access[_\-]?key)[\\\"']*\s*[=:]"
    r"|(?:[0-9][ \-]?){13}|[A-Z]{2}[0-9]{2} ?[A-Z0-9]{4}"
)
"""What keys and numbers have, which are looked for again where so many texts hold addresses that they are drawn."""
SUSPICIOUS = rf"{RARE}|[A-Za-z0-9_%+.\-]@[A-Za-z0-9\-]+\.[A-Za-z]|(?:[0-9][ .()\-]?){{7}}"
_PLACEHOLDER = re.compile(r"(?i)example|sample|dummy|your|changeme|placeholder|redacted|xxxx|1234567|abcdef|\*\*\*|•••")
_RESERVED = re.compile(r"(?i)@(?:[\w\-]+\.)*(?:example|test|invalid|localhost)(?:\.(?:com|org|net|edu))?$")
"""Domains that belong to nobody: RFC 2606."""
_TRIAL_CARDS = frozenset(
    {
        *("4111111111111111", "4242424242424242", "4012888888881881", "4000056655665556", "5555555555554444"),
        *("5105105105105100", "378282246310005", "371449635398431", "6011111111111117", "6011000990139424"),
        *("3530111333300000", "3566002020360505"),
    }
)
"""What payment services give for trying out."""
_WORDS_FOR_ONE = frozenset({"password", "passwd", "pass", "pwd", "pw", "secret", "token", "postgres", "root", "admin"})
_FICTIONAL = re.compile(r"\D555\D?01\d\d$|^555\D?01\d\d$")
_CODE = re.compile(r"[()\[\]{}<>$\\]|\.\w+\.|::|^(?:none|null|true|false|self|os|env)\b", re.I)

Span = tuple[int, int]


class Holding(Struct, frozen=True, kw_only=True):
    """What one column holds of a group of kinds.

    Attributes
    ----------
    group : str
        "secrets", "numbers" or "contacts".
    cells, of : int
        Rows with such a cell, scaled where `drawn`, and rows with a value.
    kinds : dict of str to int
        Cells by kind, among those that were looked at.
    free : bool
        Whether the column is free text; else it may be there to hold just this.
    plain : bool
        Whether its cells are the texts themselves.
    """

    column: str
    group: str
    cells: int
    of: int
    drawn: bool
    kinds: dict[str, int]
    free: bool
    plain: bool
    samples: tuple[Excerpt, ...]


class Secrets(Struct, frozen=True, kw_only=True):
    """All columns that hold some, by group."""

    COST: ClassVar[int] = 12

    holdings: tuple[Holding, ...]

    @classmethod
    def measure(cls, table: Table, profile: Profile, texts: TextColumns | None) -> "Secrets":
        """Match all rows in the engine and look closely at what matches.

        Raises
        ------
        NotApplicable
            Where there is no text.
        """
        free = frozenset(texts.names) if texts else frozenset()
        found: list[Holding] = []
        for column, suspects in suspected(table, profile, texts, SUSPICIOUS, SUSPICIOUS, secrets_in):
            known = {"free": column.name in free, "plain": column.kind is Kind.TEXT}
            groups = list(GROUPS)
            if suspects.every > 1:
                rare = matching(table, column, RARE)
                found += _held(table, rare, column.present, ["secrets", "numbers"], **known)
                groups = ["contacts"]
            found += _held(table, suspects, column.present, groups, **known)
        return cls(holdings=tuple(sorted(found, key=lambda one: (list(GROUPS).index(one.group), -one.cells))))


def _held(
    table: Table, suspects: Suspects, present: int, groups: Collection[str], *, free: bool, plain: bool
) -> Iterator[Holding]:
    cells: Counter[str] = Counter()
    kinds: dict[str, Counter[str]] = {group: Counter() for group in GROUPS}
    samples: dict[str, list[Excerpt]] = {group: [] for group in GROUPS}
    for cell in suspects.cells:
        text = text_of(cell.text, form_of(cell.text))
        hits = secrets_in(text)
        for group in groups:
            own = [(kind, span) for kind, span in hits if kind in GROUPS[group]]
            if not own:
                continue
            cells[group] += cell.rows
            kinds[group].update({kind: cell.rows for kind, _ in own})
            if len(samples[group]) < EXAMPLES and (shown := _shown(text, own[0][1])):
                place = place_of(table, suspects.column, cell.first)
                samples[group].append(Excerpt(place=place, text=shown[0], spans=[shown[1]]))
    for group, count in cells.items():
        yield Holding(
            column=suspects.column,
            group=group,
            cells=min(present, count * suspects.every),
            of=present,
            drawn=suspects.every > 1,
            kinds=dict(kinds[group].most_common()),
            free=free,
            plain=plain,
            samples=tuple(samples[group]),
        )


def secrets_in(text: str, most: int | None = MAX_HITS) -> list[tuple[str, Span]]:
    """Return the kinds of what a text should not hold, and where it stands; what only stands for it is left out.

    Parameters
    ----------
    most : int or None
        Of each kind that are looked for; None for all.
    """
    found: list[tuple[Span, str]] = []
    for rule in RULES:
        if rule.kind not in (*SECRETS, *NUMBERS, *CONTACTS):
            continue
        known = 0
        for match in rule.pattern.finditer(text):
            span = match.span(match.lastindex or 0) if rule.kind in NAMED else match.span()
            # What was found overlaps nothing else that was, so only its neighbours can overlap this.
            place = bisect_left(found, (span, ""))
            beside = (beside for beside, _ in found[max(0, place - 1) : place + 1])
            if not any(first < span[1] and span[0] < last for first, last in beside) and _is_real(rule, match):
                found.insert(place, (span, rule.kind))
                known += 1
                if known == most:
                    break
    return [(kind, span) for span, kind in found]


def _is_real(rule: Rule, match: re.Match[str]) -> bool:
    kind, whole = rule.kind, match.group()
    if callable(rule.replacement) and rule.replacement(match) == whole:
        return False  # its check sum is wrong
    if kind == "e-mail address":
        return not _RESERVED.search(whole)
    if kind == "phone number":
        return not _FICTIONAL.search(whole)
    if kind in NUMBERS:
        return re.sub(r"[ -]", "", whole) not in _TRIAL_CARDS
    value = match.group(match.lastindex) if match.lastindex else whole
    if kind == "password in a URL":
        return value.lower() not in _WORDS_FOR_ONE and not _PLACEHOLDER.search(value) and not _CODE.search(value)
    if _PLACEHOLDER.search(whole) or len(set(value)) < MIN_DIFFERENT_SIGNS:
        return False
    if kind in NAMED:
        mixed = any(sign.isdigit() for sign in value) and any(sign.isalpha() for sign in value)
        return mixed and not _CODE.search(value)
    return kind != "private key" or len(whole) > AROUND


def redacted(text: str, kinds: Collection[str]) -> str:
    """Write the name of the kind in place of all that is of these kinds."""
    kept, last = [], 0
    for kind, (start, end) in secrets_in(text, most=None):
        if kind in kinds:
            kept += [text[last:start], f"<{kind}>"]
            last = end
    return "".join([*kept, text[last:]])


def _shown(text: str, span: Span) -> tuple[str, Span] | None:
    """Return the masked words around a secret and where it stands among them; None where masking would change them."""
    start, end = span
    before, after = text[max(0, start - AROUND) : start], text[end : end + AROUND]
    before = "…" + before.partition(" ")[2] if start > AROUND else before
    after = after.rpartition(" ")[0] + "…" if end + AROUND < len(text) else after
    before, after = without_secrets(before), without_secrets(after)
    kept = text[start : start + 2] if end - start > AROUND // 10 else ""
    piece = f"{before}{kept}•••{after}"
    return (piece, (len(before), len(before) + len(kept) + 3)) if without_secrets(piece) == piece else None
