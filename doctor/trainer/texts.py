"""Reads texts: bytes or the tokens of a given tokenizer, cut to one length. Loads no torch."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from doctor.errors import UsageError
from doctor.subjects.table import Column, Kind
from doctor.subjects.tokenizer import load_tokenizer
from doctor.trainer.data import Array, Data, Rows, Sizes, divided
from doctor.trainer.recipe import Recipe
from doctor.trainer.tables import Loaded, features
from doctor.trainer.targets import read_targets
from doctor.wording import printable

PADDING = 0
END = 1
"""The token after each text."""
FIRST = 2
BYTES = 256
NOT_JUDGED = -100
"""Where there is no next token; the value that torch leaves out of a loss by default."""
MIN_WORDS = 3.0
MIN_DIFFERENT_SHARE = 0.5


def is_text(table: Loaded, recipe: Recipe) -> bool:
    """Whether to read texts rather than columns: asked for, or there is nothing to learn from but one text."""
    if recipe.text or recipe.tokenizer or recipe.task == "language-model" or recipe.model == "transformer":
        return True
    columns = features(table, recipe)
    if len(columns) != 1 or columns[0].kind not in (Kind.TEXT, Kind.OTHER):
        return False
    return table.target is None or _reads_as_text(table.values[columns[0].name])


def _reads_as_text(values: Array) -> bool:
    present = [value for value in values if value is not None]
    words = sum(value.count(" ") + 1 for value in present)
    return len(set(present)) > MIN_DIFFERENT_SHARE * len(present) and words >= MIN_WORDS * max(1, len(present))


def read(table: Loaded, recipe: Recipe) -> Data:
    """Turn a table with a column of texts into tokens: with a target to classify them, else to predict the next one.

    Raises
    ------
    UsageError
        When there is no column of texts, or nothing to learn from them.
    """
    column = _column(table, recipe)
    tokenizer = Tokens(recipe.tokenizer)
    notes = [*table.notes, f"read {column.name}, the first {recipe.length} {tokenizer.unit} of each text"]
    if recipe.task == "language-model" or table.target is None:
        return _continued(table, column, tokenizer, recipe, table.notes)
    target = next(known for known in table.columns if known.name == table.target)
    if target.name == column.name:
        raise UsageError(f"{table.shown}: {printable(column.name)} cannot be both the text and the target")
    usable = np.isin(table.splits, target.splits)
    first = next((name for name in ("train", "all") if name in target.splits), target.splits[0])
    train = usable & (table.splits == first)
    targets = read_targets(target.name, table.values[target.name], target.kind, train, recipe.task)
    kept = np.flatnonzero(targets.known & usable)
    parts, said = divided(table.splits[kept], recipe.held_out)
    texts = table.values[column.name]

    def rows(which: Array) -> Rows:
        tokens = _padded(tokenizer.encode([texts[row] or "" for row in which]), recipe.length)
        return Rows(inputs={"tokens": tokens}, targets=targets.values[which], numbers=which)

    return Data(
        kind="text",
        task=targets.task,
        train=rows(kept[parts["train"]]),
        evaluated={name: rows(kept[part]) for name, part in parts.items() if name != "train"},
        sizes=Sizes(outputs=len(targets.classes) or 1, vocabulary=tokenizer.size, length=recipe.length),
        classes=targets.classes,
        centre=targets.centre,
        spread=targets.spread,
        notes=[*notes, *said, *targets.notes],
    )


def _continued(table: Loaded, column: Column, tokenizer: "Tokens", recipe: Recipe, notes: list[str]) -> Data:
    texts = table.values[column.name]
    kept = np.flatnonzero(np.array([bool(text) for text in texts]))
    if not len(kept):
        raise UsageError(f"{table.shown}: {printable(column.name)} holds no text")
    parts, said = divided(table.splits[kept], recipe.held_out)
    windows = {
        name: _windows(tokenizer.encode([texts[row] for row in kept[part]]), recipe.length)
        for name, part in parts.items()
    }
    train = windows.pop("train")
    sizes = Sizes(outputs=tokenizer.size, vocabulary=tokenizer.size, length=recipe.length)
    told = f"no label: learns to continue {column.name}, {recipe.length} {tokenizer.unit} at a time"
    return Data(
        kind="text", task="language-model", train=train, evaluated=windows, sizes=sizes, notes=[*notes, told, *said]
    )


def _column(table: Loaded, recipe: Recipe) -> Column:
    columns = features(table, recipe)
    if recipe.text is not None:
        found = [column for column in columns if column.name == recipe.text]
        if not found:
            raise UsageError(f"{table.shown}: there is no column {printable(recipe.text)!r} of texts to read")
        return found[0]
    texts = [column for column in columns if column.kind in (Kind.TEXT, Kind.OTHER)]
    if len(texts) > 1:
        wordy = [column for column in texts if _reads_as_text(table.values[column.name])]
        texts = wordy if len(wordy) == 1 else texts
    if len(texts) != 1:
        shown = ", ".join(printable(column.name) for column in texts) or "none"
        raise UsageError(
            f"{table.shown}: which column holds the texts? Name it with --text COLUMN; of text are: {shown}"
        )
    return texts[0]


class Tokens:
    """Texts as numbers: 0 pads, 1 ends a text.

    Parameters
    ----------
    path : str or None
        A `tokenizer.json`; None reads bytes.
    """

    def __init__(self, path: str | None) -> None:
        self._tokenizer: Any = None
        self.unit, self.size = "bytes", FIRST + BYTES
        if path is None:
            return
        self._tokenizer = load_tokenizer(path)
        self.unit, self.size = "tokens", FIRST + int(self._tokenizer.get_vocab_size())

    def encode(self, texts: Sequence[str]) -> list[Array]:
        """Return the tokens of each text, its end included."""
        if self._tokenizer is None:
            coded = [np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8) for text in texts]
        else:
            coded = [np.array(found.ids) for found in self._tokenizer.encode_batch(list(texts))]
        return [np.append(tokens.astype(np.int64) + FIRST, END) for tokens in coded]


def _padded(coded: Sequence[Array], length: int) -> Array:
    padded = np.full((len(coded), length), PADDING, dtype=np.int64)
    for row, tokens in enumerate(coded):
        padded[row, : min(length, len(tokens))] = tokens[:length]
    return padded


def _windows(coded: Sequence[Array], length: int) -> Rows:
    """Cut the texts, one after the other, into pieces; each token's target is the one after it."""
    stream = np.concatenate(coded)
    count = -(-(len(stream) - 1) // length)
    padded = np.full(count * length + 1, PADDING, dtype=np.int64)
    padded[: len(stream)] = stream
    following = padded[1:].copy()
    following[len(stream) - 1 :] = NOT_JUDGED
    tokens, targets = padded[:-1].reshape(count, length), following.reshape(count, length)
    return Rows(inputs={"tokens": tokens}, targets=targets, numbers=np.arange(count))
