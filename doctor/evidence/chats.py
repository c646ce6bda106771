"""Conversations that a model is to learn from: who speaks in which order, and what is left of a template in them."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from msgspec import Struct

from doctor.errors import NotApplicable
from doctor.evidence.messages import Form, Turn, parsed, turns_of
from doctor.evidence.suspects import place_of
from doctor.evidence.text_columns import TextColumn
from doctor.evidence.text_sample import Drawn, TextSample
from doctor.subjects.table import Table

MALFORMED, EMPTY, ORDER, UNANSWERED, MARKERS, UNCLOSED, SAME = (
    "malformed",
    "empty",
    "order",
    "unanswered",
    "markers",
    "unclosed",
    "same",
)
KINDS = (MALFORMED, EMPTY, ORDER, UNANSWERED, MARKERS, UNCLOSED)
USERS = frozenset({"user", "human", "prompter", "customer"})
ASSISTANTS = frozenset({"assistant", "gpt", "chatgpt", "bot", "model", "ai", "bard", "bing"})
OTHERS = frozenset(
    {"system", "developer", "tool", "function", "observation", "ipython", "function_call", "tool_response"}
)
KNOWN = USERS | ASSISTANTS | OTHERS
MIN_KNOWN_SHARE = 0.9
"""Turns by known roles; with fewer they are the words of persons, who speak as they like."""
MAX_PROMPTS_SHARE = 0.5
"""Conversations that end with a question; where there are more, they are questions to be answered later."""
MIN_TEMPLATE_SHARE = 0.5
"""Texts of a column that are written in a template, from which the others are held against it."""
EXAMPLES = 4
LETTERS_SHOWN = 70
UNREAD_LETTERS_SHOWN = 200
CHOSEN, REJECTED = "chosen", "rejected"
"""What the columns of a preference pair are called, beside words that both have."""

MARKER = re.compile(
    r"<\|(?:im_start|im_end|endoftext|eot_id|begin_of_text|end_of_text|start_header_id|end_header_id|end|user|assistant)\|>"
    r"|<(?:start|end)_of_turn>|\[/?INST\]|<</?SYS>>|^### (?:Instruction|Response|Input):|</s>",
    re.MULTILINE,
)
TEMPLATES = {
    "ChatML": (re.compile(r"<\|im_start\|>"), re.compile(r"<\|im_end\|>\s*\Z")),
    "Llama 3": (re.compile(r"<\|start_header_id\|>"), re.compile(r"<\|(?:eot_id|end_of_text)\|>\s*\Z")),
    "Llama 2": (re.compile(r"\[INST\]"), re.compile(r"</s>\s*\Z")),
    "Gemma": (re.compile(r"<start_of_turn>"), re.compile(r"<end_of_turn>\s*\Z")),
}
"""What a text in a template holds, and what it ends with."""

Span = tuple[int, int]


class Shown(Struct, frozen=True, kw_only=True):
    """The beginning of a conversation, and the turn in it that is at fault."""

    place: str
    text: str
    spans: tuple[Span, ...]


class ChatFault(Struct, frozen=True, kw_only=True):
    """Conversations of one column with one kind of fault.

    Attributes
    ----------
    beside : str
        Of preference pairs the column of the rejected answers.
    chats, read, of : int
        Those with the fault, those looked at, and the rows of the column.
    rows : tuple of int
        The faulty ones, counted from 0 in the table.
    detail : str
        Which faults of the kind there are, with their counts; of a text in a template, the template.
    """

    column: str
    beside: str = ""
    kind: str
    chats: int
    read: int
    of: int
    rows: tuple[int, ...]
    detail: str = ""
    samples: tuple[Shown, ...]


class Chats(Struct, frozen=True, kw_only=True):
    """All columns of conversations.

    Attributes
    ----------
    names : dict of str to dict of str to dict
        By column and by part ("user", "assistant"), what it is called and in how many turns.
    """

    COST: ClassVar[int] = 8

    faults: tuple[ChatFault, ...]
    names: dict[str, dict[str, dict[str, int]]]

    @classmethod
    def measure(cls, table: Table, sample: TextSample) -> "Chats":
        """Read the turns of the drawn rows.

        Raises
        ------
        NotApplicable
            Where there are no conversations.
        """
        faults: list[ChatFault] = []
        names: dict[str, dict[str, dict[str, int]]] = {}
        seen = False
        for column in sample.columns:
            if column.form is Form.CHAT:
                seen = True
                known = _Conversations(table, column, sample.splits)
                names[column.name] = known.names()
                faults += known.faults()
            elif column.form is Form.PLAIN:
                found = _in_template(table, column, sample.splits)
                seen |= found is not None
                faults += found or []
        for chosen, rejected in _pairs(sample.columns):
            seen = True
            faults += _same(table, chosen, rejected, sample.splits)
        if not seen:
            raise NotApplicable("no column holds conversations or preference pairs")
        return cls(faults=tuple(faults), names=names)


class _Conversations:
    """The conversations of one column."""

    def __init__(self, table: Table, column: TextColumn, splits: Sequence[Drawn]) -> None:
        self._table, self._column = table, column
        self._chats: list[tuple[int, list[Turn] | None]] = []
        self._unread: dict[int, str] = {}
        self._rows = sum(drawn.rows for drawn in splits if column.name in drawn.cells)
        for drawn in splits:
            for number, cell in zip(drawn.numbers.tolist(), drawn.cells.get(column.name, []), strict=False):
                if cell is not None:
                    turns = turns_of(parsed(cell))
                    self._chats.append((number, turns))
                    if not turns and len(self._unread) < EXAMPLES:
                        self._unread[number] = cell
        self.roles = Counter(turn.role or "" for _, turns in self._chats for turn in turns or ())

    def names(self) -> dict[str, dict[str, int]]:
        """Return what users and assistants are called, in the spelling of the data."""
        return {
            part: {role: count for role, count in self.roles.most_common() if role.lower() in words}
            for part, words in (("user", USERS), ("assistant", ASSISTANTS))
        }

    def faults(self) -> Iterator[ChatFault]:
        """Tell what is wrong, kind by kind."""
        roles = sum(self.roles.values())
        known = sum(count for role, count in self.roles.items() if role.lower() in KNOWN)
        by_role = known >= MIN_KNOWN_SHARE * roles
        asking = sum(1 for _, turns in self._chats if turns and _part(turns[-1]) == "user")
        prompts = asking > MAX_PROMPTS_SHARE * len(self._chats)
        found: dict[str, list[tuple[int, list[Turn], int, str]]] = {kind: [] for kind in KINDS}
        for number, turns in self._chats:
            for kind, place, what in _faults(turns, by_role=by_role, prompts=prompts):
                found[kind].append((number, turns or [], place, what))
        for kind, hits in found.items():
            if hits:
                counts = Counter(what for _, _, _, what in hits)
                yield ChatFault(
                    column=self._column.name,
                    kind=kind,
                    chats=len(hits),
                    read=len(self._chats),
                    of=self._rows,
                    rows=tuple(number for number, _, _, _ in hits),
                    detail=", ".join(f"{what} {count:,}" for what, count in counts.most_common(3) if what),
                    samples=tuple(
                        _shown(place_of(self._table, self._column.name, number), turns, place)
                        if turns
                        else _beginning(place_of(self._table, self._column.name, number), self._unread.get(number, ""))
                        for number, turns, place, _ in hits[:EXAMPLES]
                    ),
                )


def _part(turn: Turn) -> str:
    role = (turn.role or "").lower()
    return "user" if role in USERS else "assistant" if role in ASSISTANTS else role


def _faults(turns: list[Turn] | None, *, by_role: bool, prompts: bool) -> Iterator[tuple[str, int, str]]:
    """Give each kind of fault once, with the first turn at fault and what it is."""
    if not turns:
        yield MALFORMED, 0, "no turns"
        return
    parts = [_part(turn) for turn in turns]
    if (
        by_role
        and (unknown := next((i for i, part in enumerate(parts) if part.lower() not in KNOWN), None)) is not None
    ):
        yield MALFORMED, unknown, f"role {turns[unknown].role or 'missing'}"
        return
    empty = next((i for i, turn in enumerate(turns) if not (turn.content or "").strip() and not turn.calls), None)
    # A system turn without words is a template's habit.
    if empty is not None and parts[empty] not in ("system", "developer"):
        yield EMPTY, empty, parts[empty]
    if by_role and (wrong := _wrong_order(turns, parts)) is not None:
        yield ORDER, *wrong
    if by_role and not prompts and (parts[-1] == "user" or "assistant" not in parts):
        yield UNANSWERED, len(turns) - 1, ""
    marked = next((i for i, turn in enumerate(turns) if MARKER.search(turn.content or "")), None)
    if marked is not None:
        hit = MARKER.search(turns[marked].content or "")
        yield MARKERS, marked, hit.group() if hit else ""


def _wrong_order(turns: Sequence[Turn], parts: Sequence[str]) -> tuple[int, str] | None:
    spoken = [i for i, part in enumerate(parts) if part not in ("system", "developer")]
    late = next((i for i, part in enumerate(parts) if part == "system" and spoken and i > spoken[0]), None)
    if late is not None:
        return late, "system in between"
    if spoken and parts[spoken[0]] == "assistant":
        return spoken[0], "assistant first"
    for i in spoken[1:]:
        if parts[i] == parts[i - 1] and parts[i] in ("user", "assistant") and not turns[i - 1].calls:
            return i, f"{parts[i]} twice"
    return None


def _shown(place: str, turns: Sequence[Turn], at: int) -> Shown:
    text, spans = "", []
    for number, turn in enumerate(turns[max(0, at - 2) : at + 2], start=max(0, at - 2)):
        start = len(text)
        said = " ".join((turn.content or "").split())
        text += f"{turn.role or '?'}: {said[:LETTERS_SHOWN]}{'…' if len(said) > LETTERS_SHOWN else ''}"
        if number == at:
            spans.append((start, len(text)))
        text += "\n"
    return Shown(place=place, text=text.rstrip("\n"), spans=tuple(spans))


def _beginning(place: str, cell: str) -> Shown:
    """Show what stands in a cell that cannot be read as turns."""
    text = cell if len(cell) <= UNREAD_LETTERS_SHOWN else f"{cell[:UNREAD_LETTERS_SHOWN]}…"
    return Shown(place=place, text=text, spans=((0, len(text)),))


def _pairs(columns: Sequence[TextColumn]) -> Iterator[tuple[TextColumn, TextColumn]]:
    """Return the columns that hold the chosen and the rejected answers to the same prompts."""
    named = {column.name.lower(): column for column in columns}
    for name, column in named.items():
        other = named.get(name.replace(CHOSEN, REJECTED))
        if CHOSEN in name and other is not None:
            yield column, other


def _same(table: Table, chosen: TextColumn, rejected: TextColumn, splits: Sequence[Drawn]) -> list[ChatFault]:
    """Find pairs whose answers are the same, white space aside: a model can learn no preference from these."""
    held = [drawn for drawn in splits if {chosen.name, rejected.name} <= set(drawn.cells)]
    read, equal = 0, []
    for drawn in held:
        for number, one, other in zip(drawn.numbers.tolist(), drawn.texts(chosen), drawn.texts(rejected), strict=True):
            if one.strip() and other.strip():
                read += 1
                if one.split() == other.split():
                    equal.append((number, one))
    if not equal:
        return []
    samples = (_beginning(place_of(table, chosen.name, number), text) for number, text in equal[:EXAMPLES])
    fault = ChatFault(
        column=chosen.name,
        beside=rejected.name,
        kind=SAME,
        chats=len(equal),
        read=read,
        of=sum(drawn.rows for drawn in held),
        rows=tuple(number for number, _ in equal),
        samples=tuple(samples),
    )
    return [fault]


def _in_template(table: Table, column: TextColumn, splits: Sequence[Drawn]) -> list[ChatFault] | None:
    """Find texts that begin in a chat template as most others do and are not closed as these are."""
    texts = [
        (number, cell)
        for drawn in splits
        for number, cell in zip(drawn.numbers.tolist(), drawn.cells.get(column.name, []), strict=False)
        if cell
    ]
    for name, (begin, end) in TEMPLATES.items():
        written = [(number, text) for number, text in texts if begin.search(text)]
        if not written or len(written) < MIN_TEMPLATE_SHARE * len(texts):
            continue
        left_open = [(number, text) for number, text in written if not end.search(text)]
        if not left_open:
            return []
        samples = tuple(
            Shown(
                place=place_of(table, column.name, number),
                text="…" + text[-200:],
                spans=((max(0, len(text[-200:]) - 19), len(text[-200:]) + 1),),
            )
            for number, text in left_open[:EXAMPLES]
        )
        fault = ChatFault(
            column=column.name,
            kind=UNCLOSED,
            chats=len(left_open),
            read=len(written),
            of=sum(drawn.rows for drawn in splits),
            rows=tuple(number for number, _ in left_open),
            detail=name,
            samples=samples,
        )
        return [fault]
    return None


def mixed(names: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, int]]:
    """Return the parts that are called by several names."""
    return {part: dict(counts) for part, counts in names.items() if len(counts) > 1}
