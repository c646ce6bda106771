"""Conversations that break the form in which a model learns them.

What it finds
    In columns of conversations (turns with a role and what is said): turns without words, speakers out of order or with
    unknown roles, conversations that end with the question, roles that are called by several names, and marks of a chat
    template inside what is said. In texts that are written in a template: those that are not closed. In preference
    pairs (columns such as chosen and rejected): those whose two answers are the same, white space aside.

Why it matters
    The template of a model puts its own marks around each turn and learns only what the assistant says. A mark inside
    the words becomes a second one; a turn out of order is refused or put under the wrong role; an empty answer teaches
    to say nothing; a text that is not closed teaches never to stop. Of two equal answers no
    preference can be learnt.

What to do
    Mend what makes the conversations. `doctor fix` leaves out those that are broken, where they are few.

Thresholds
    min_share: share of conversations with empty turns, a wrong order or no answer from which it is a warning and not a
    remark (0.01).
    max_dropped_share: share of conversations that are offered to be left out at most (0.2).

Calibration
    In made-up conversations each fault was found in every conversation in which it was planted, and none in healthy
    ones, tools, pictures and several speakers among them (`tests/checks/test_chat_format.py`).

Limits
    Where most conversations end with a question, they are taken for questions to be answered later. Where fewer than
    nine in ten turns are by known roles (user, human, assistant, gpt, model, system, tool …), order is not judged.
    Whether the tokenizer's own template fits is not tried. Of more than `--sample-rows` rows that many are looked at.

Source
    Hugging Face, Chat templates, in the documentation of transformers.
"""

from collections.abc import Iterator

from doctor.evidence.chats import EMPTY, MALFORMED, MARKERS, ORDER, SAME, UNANSWERED, UNCLOSED, ChatFault, Chats, mixed
from doctor.masking import without_secrets
from doctor.model import Advise, AnyRepair, Check, DropRows, Excerpt, Finding, Location, Safety, Severity

CHECK = Check(
    "text/chat-format",
    Severity.WARNING,
    {
        MALFORMED: "{column}: {chats:,} of {read:,} conversations cannot be read as turns of known roles ({detail})",
        EMPTY: "{column}: {chats:,} of {read:,} conversations have a turn without words ({detail})",
        ORDER: "{column}: in {chats:,} of {read:,} conversations the speakers are out of order ({detail})",
        UNANSWERED: "{column}: {chats:,} of {read:,} conversations end without an answer",
        MARKERS: "{column}: {chats:,} of {read:,} conversations hold marks of a chat template ({detail})",
        UNCLOSED: "{column}: {chats:,} of {read:,} texts in the template of {detail} are not closed",
        SAME: "{column}: in {chats:,} of {read:,} preference pairs the chosen and the rejected answer are the same",
        "names": "{column}: the {part} is called by several names ({spellings})",
    },
)
ALWAYS = (MALFORMED, MARKERS, UNCLOSED, SAME)
"""What is no matter of taste, however rare."""


def examine(chats: Chats, *, min_share: float = 0.01, max_dropped_share: float = 0.2) -> Iterator[Finding]:
    """Report each kind of fault, column by column."""
    for fault in chats.faults:
        grave = fault.kind in ALWAYS or fault.chats >= min_share * fault.read
        yield CHECK.finding(
            fault.kind,
            severity=Severity.WARNING if grave else Severity.INFO,
            at=Location(columns=(fault.column, fault.beside) if fault.beside else (fault.column,)),
            chats=fault.chats,
            read=fault.read,
            of=fault.of,
            share=fault.chats / fault.read,
            detail=fault.detail,
            repair=_repair(fault, max_dropped_share),
        ).showing(
            excerpts=[
                Excerpt(place=shown.place, text=shown.text, spans=list(shown.spans))
                for shown in fault.samples
                if without_secrets(shown.text) == shown.text
            ]
        )
    for column, names in chats.names.items():
        for part, counts in mixed(names).items():
            yield CHECK.finding(
                "names",
                at=Location(columns=(column,)),
                part=part,
                spellings=", ".join(f"{name} {count:,}" for name, count in counts.items()),
                turns=counts,
                repair=Advise(safety=Safety.MANUAL, summary="call each part by one name in all conversations"),
            )


def _repair(fault: ChatFault, max_dropped_share: float) -> AnyRepair:
    whole = fault.read >= len(fault.rows) and fault.of == fault.read
    if (
        fault.kind in (MALFORMED, EMPTY, ORDER, UNANSWERED, SAME)
        and whole
        and fault.chats <= max_dropped_share * fault.read
    ):
        what = "pair" if fault.kind == SAME else "conversation"
        dropped = f"the one {what}" if fault.chats == 1 else f"the {fault.chats:,} {what}s"
        return DropRows(rows=fault.rows, summary=f"leave out {dropped}")
    return Advise(safety=Safety.MANUAL, summary="mend what writes these conversations")
