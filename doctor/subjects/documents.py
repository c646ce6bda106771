"""Folders of documents: one text per file, opened as a table with a column `text` and, of class folders, `label`."""

import os
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from doctor.model import Guess, Problem
from doctor.subjects import formats, sql
from doctor.subjects.batch import Batch
from doctor.subjects.file_names import NO_FILE, Named, is_channel, is_paper, pruned, read_name
from doctor.subjects.source import SUFFIXES as PROGRAMS
from doctor.subjects.split_words import split_rank
from doctor.subjects.table import Engine, TextForm

MIN_DOCUMENTS = 3
MIN_SHARE = 0.9
"""Of the files that could be data or code, those that are documents; else they lie beside something else."""
FILES_TRIED = 40
LINES_TRIED = 30
HEAD_BYTES = 20_000
MAX_TABLE_SHARE = 0.2
MIN_WORDS_PER_LINE = 3.0
MIN_LETTERS_SHARE = 0.5
MAX_DOCUMENT_BYTES = 64 << 20
BATCH_BYTES = 32 << 20
WHOLE = "all"
TEXT, LABEL = "text", "label"
BOMS_16 = (b"\xff\xfe", b"\xfe\xff")

Array = np.ndarray[Any, Any]

_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]")


@dataclass(frozen=True, kw_only=True)
class Documents:
    """The documents below one folder.

    Attributes
    ----------
    files : tuple of Named
        In order.
    labels : tuple of str
        The class folder of each; empty where the folders say nothing.
    because : str
        Why they were taken for documents.
    """

    root: Path
    files: tuple[Named, ...]
    labels: tuple[str, ...]
    because: str

    @property
    def absolute(self) -> set[str]:
        """The files, absolute."""
        home = str(self.root.absolute()).rstrip(os.sep)
        return {f"{home}{os.sep}{file.inner}" for file in self.files}

    def guess(self, shown: str) -> Guess:
        """Say what was taken for granted."""
        return Guess(
            subject=shown,
            what="documents",
            value=f"{len(self.files):,} texts, one per file",
            because=self.because,
            override="--delimiter CHARACTER",
        )


def find_documents(paths: Sequence[Path], taken: Collection[Path] = ()) -> list[Documents]:
    """Find the folders among paths that hold documents and hardly anything else.

    Parameters
    ----------
    paths : sequence of Path
        What is looked at; only folders are asked.
    taken : collection of Path
        Files, absolute, that are something else.
    """
    found = [_documents_of(path, taken) for path in paths if path.is_dir()]
    return [documents for documents in found if documents is not None]


def _documents_of(root: Path, taken: Collection[Path]) -> Documents | None:
    inner: list[str] = []
    others = 0
    something_else = {str(path) for path in taken}
    for folder, names in pruned(root):
        absolute = str(folder.absolute()).rstrip(os.sep)
        below = folder.relative_to(root)
        for name in names:
            if f"{absolute}{os.sep}{name}" in something_else or is_paper(formats.named_stem(name).lower()):
                continue
            suffix = formats.named_suffix(name)
            if suffix == ".txt":
                inner.append(str(below / name))
            elif suffix in formats.READERS or name.lower().endswith(PROGRAMS):
                others += 1
    if len(inner) < MIN_DOCUMENTS or len(inner) < MIN_SHARE * (len(inner) + others):
        return None
    texts = [root / name for name in sorted(inner)]
    named = [read_name(path, Path(name)) for path, name in zip(texts, sorted(inner), strict=True)]
    if any(one.certain for one in named) or _are_splits(named) or not _are_prose(texts):
        return None
    folders = [_folder(one) for one in named]
    labels = tuple(folders) if len(set(folders)) > 1 and all(folders) else ()
    files = sorted(zip(named, labels or folders, strict=True), key=lambda pair: split_rank(pair[0].split or WHOLE))
    return Documents(
        root=root,
        files=tuple(one for one, _ in files),
        labels=tuple(label for _, label in files) if labels else (),
        because="nearly all files here are .txt, and they hold sentences rather than lines of fields",
    )


def _are_splits(named: Sequence[Named]) -> bool:
    """Whether the files themselves are called train, test …: then each line is a text."""
    return any(one.split is not None and not one.by_folder for one in named) and len(named) <= 2 * MIN_DOCUMENTS


def _folder(one: Named) -> str:
    """Return the class folder of a document: what its folder says beside the split."""
    return one.folder.split("/")[-1]


def _are_prose(texts: Sequence[Path]) -> bool:
    """Whether some of the files, spread over all, hold text and no table."""
    step = max(1, len(texts) // FILES_TRIED)
    judged = [verdict for path in texts[::step] if (verdict := _judged(path)) is not None]
    tables = judged.count("table")
    prose = judged.count("prose")
    return bool(judged) and tables <= MAX_TABLE_SHARE * len(judged) and prose >= len(judged) / 2


def _judged(path: Path) -> str | None:
    """Tell "prose" from "table" and "list"; None where a file says nothing."""
    try:
        if is_channel(path):
            return None
        with path.open("rb") as stream:
            head = stream.read(HEAD_BYTES)
    except OSError:
        return None
    if head.startswith(BOMS_16):
        text = head.decode("utf-16", "replace")
    elif b"\0" in head:
        return None  # no text at all, which is told when it is read
    else:
        text = head.decode("utf-8", "replace").lstrip("\ufeff")
    lines = [line for line in text.splitlines() if line.strip()][:LINES_TRIED]
    if not lines:
        return None
    letters = sum(sign.isalpha() for sign in text)
    if letters < MIN_LETTERS_SHARE * sum(not sign.isspace() for sign in text):
        return "table"
    for delimiter, least in (("\t", 1), ("|", 2), (";", 2), (",", 2)):
        counts = {line.count(delimiter) for line in lines}
        if len(lines) > 1 and len(counts) == 1 and min(counts) >= least:
            return "table"
    words = sum(len(line.split()) + len(_UNSPACED.findall(line)) / 2 for line in lines)
    return "prose" if words >= MIN_WORDS_PER_LINE * len(lines) else "list"


def read_documents(
    engine: Engine, documents: Documents, encoding: str | None = None
) -> tuple[list[Batch], list[Problem]]:
    """Bring documents into the engine, split by split.

    Parameters
    ----------
    engine : Engine
        Takes the texts.
    documents : Documents
        What was found.
    encoding : str, optional
        Of their bytes, as the user said; UTF-8 or, where that does not fit, Windows-1252.

    Returns
    -------
    list of Batch
        One for each split.
    list of Problem
        Files that cannot be read.
    """
    batches: list[Batch] = []
    problems: list[Problem] = []
    labels = documents.labels or ("",) * len(documents.files)
    splits = {one.split or WHOLE for one in documents.files}
    for split in sorted(splits, key=split_rank):
        members = [
            (one.path, label)
            for one, label in zip(documents.files, labels, strict=True)
            if (one.split or WHOLE) == split
        ]
        name = engine.fresh_name("documents")
        engine.rows(f'CREATE TEMP TABLE "{name}" (text VARCHAR, label VARCHAR)')
        read: list[tuple[Path, str]] = []
        for texts in _read(members, encoding, read, problems):
            with engine.lent("texts", texts) as lent:
                engine.rows(f'INSERT INTO "{name}" SELECT text, label FROM {sql.name(lent)}')
        if read:
            batches.append(_batch(name, split, read, labelled=bool(documents.labels)))
    return batches, problems


def _batch(name: str, split: str, read: Sequence[tuple[Path, str]], *, labelled: bool) -> Batch:
    columns = (TEXT, LABEL) if labelled else (TEXT,)
    form = (TEXT,)
    return Batch(
        split=split,
        relation=f'(SELECT {", ".join(columns)}, rowid AS {sql.ROW} FROM "{name}")',
        types=dict.fromkeys(columns, "VARCHAR"),
        files=tuple((path, 1) for path, _ in read),
        scratch=f'"{name}"',
        forms=tuple(TextForm(encoding=encoding, columns=form, fields=form, whole=True) for _, encoding in read),
    )


def _read(
    members: Sequence[tuple[Path, str]],
    encoding: str | None,
    read: list[tuple[Path, str]],
    problems: list[Problem],
) -> Iterator[dict[str, Array]]:
    """Read files and give their texts some megabytes at a time; what was read and what could not be is noted."""
    texts: list[str] = []
    labels: list[str] = []
    held = 0
    for path, label in members:
        try:
            if is_channel(path):
                problems.append(Problem(path=str(path), reason=NO_FILE))
                continue
            if path.stat().st_size > MAX_DOCUMENT_BYTES:
                problems.append(Problem(path=str(path), reason=f"larger than {MAX_DOCUMENT_BYTES >> 20} MiB"))
                continue
            content = path.read_bytes()
            text, found = decoded(content, encoding)
        except OSError as error:
            problems.append(Problem(path=str(path), reason=error.strerror or str(error)))
            continue
        except (UnicodeError, LookupError) as error:
            problems.append(Problem(path=str(path), reason=f"it cannot be decoded: {error}"))
            continue
        if b"\0" in content and not found.startswith("utf-16"):
            problems.append(Problem(path=str(path), reason="it holds binary data, not text"))
            continue
        read.append((path, found))
        texts.append(text)
        labels.append(label)
        held += len(content)
        if held >= BATCH_BYTES:
            yield _columns(texts, labels)
            texts, labels, held = [], [], 0
    if texts:
        yield _columns(texts, labels)


def _columns(texts: list[str], labels: list[str]) -> dict[str, Array]:
    return {TEXT: np.array(texts, dtype=object), LABEL: np.array(labels, dtype=object)}


def decoded(content: bytes, encoding: str | None) -> tuple[str, str]:
    """Return the text of a file and the encoding of its bytes.

    Raises
    ------
    UnicodeError
        When the bytes do not fit the encoding that was given.
    """
    if encoding:
        return content.decode(encoding), encoding
    if content.startswith(BOMS_16):
        return content.decode("utf-16"), "utf-16"
    if content.startswith(b"\xef\xbb\xbf"):
        return content.decode("utf-8-sig"), "utf-8-sig"
    try:
        return content.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        try:
            return content.decode("cp1252"), "cp1252"
        except UnicodeDecodeError:
            return content.decode("latin-1"), "latin-1"
