"""Texts that a cell holds: as they stand, or in the turns of a conversation or a list of strings, written as JSON."""

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from msgspec import Struct

SPEAKER_KEYS = ("role", "from", "speaker")
SAID_KEYS = ("content", "value", "text")
CALL_KEYS = ("tool_calls", "function_call", "images", "image", "audio", "reasoning_content", "thinking")
WRAPPED_IN = ("messages", "conversations", "conversation", "turns")
"""What an object calls the list of its turns."""


class Form(StrEnum):
    """How the cells of a column hold text."""

    PLAIN = "plain"
    """The cell is the text."""
    CHAT = "chat"
    """A list of turns, each an object that says who speaks and what."""
    LIST = "list"
    """A list of strings."""


class Turn(Struct, frozen=True):
    """Who says what; None where that is not given as text. `calls` says that a tool is called or a picture shown."""

    role: str | None
    content: str | None
    calls: bool = False


def parsed(cell: str) -> Any:
    """Return what a cell holds as JSON; None where it is none."""
    if cell.lstrip()[:1] not in ("[", "{"):
        return None
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):
        return None


def turns_of(value: Any) -> list[Turn] | None:
    """Return the turns of a conversation that was parsed; None where it is no list of objects that say something."""
    if isinstance(value, Mapping):
        value = next((value[key] for key in WRAPPED_IN if key in value), None)
    if not isinstance(value, list) or not all(isinstance(turn, Mapping) for turn in value):
        return None
    if not any(_key(turn, SPEAKER_KEYS) for turn in value) or not any(_key(turn, SAID_KEYS) for turn in value):
        return None
    return [Turn(_told(turn, SPEAKER_KEYS), _told(turn, SAID_KEYS), _calls(turn)) for turn in value]


def form_of(cell: str) -> Form:
    """Tell how one cell holds text; what is no conversation and no list of strings is plain."""
    value = parsed(cell)
    if value is None:
        return Form.PLAIN
    if turns_of(value) is not None:
        return Form.CHAT
    return Form.LIST if isinstance(value, list) and value and all(isinstance(x, str) for x in value) else Form.PLAIN


def text_of(cell: str | None, form: Form) -> str:
    """Return the text of a cell; of a conversation and of a list the parts, each a paragraph."""
    if cell is None or form is Form.PLAIN:
        return cell or ""
    value = parsed(cell)
    if form is Form.LIST:
        return "\n\n".join(item for item in value if isinstance(item, str)) if isinstance(value, list) else cell
    turns = turns_of(value)
    return cell if turns is None else "\n\n".join(turn.content for turn in turns if turn.content)


def _calls(turn: Mapping[str, Any]) -> bool:
    key = _key(turn, SAID_KEYS)
    pieces = turn[key] if key else None
    return any(turn.get(name) for name in CALL_KEYS) or (isinstance(pieces, list) and bool(pieces))


def _key(turn: Mapping[str, Any], keys: tuple[str, ...]) -> str | None:
    return next((key for key in keys if key in turn), None)


def _told(turn: Mapping[str, Any], keys: tuple[str, ...]) -> str | None:
    """Return what stands under the first known key; of content in pieces, some of them pictures, the texts."""
    key = _key(turn, keys)
    value = turn[key] if key else None
    if isinstance(value, list):
        pieces = [piece.get("text") for piece in value if isinstance(piece, Mapping)]
        texts = [piece for piece in pieces if isinstance(piece, str)]
        return "\n".join(texts) if texts else None
    return value if isinstance(value, str) else None
