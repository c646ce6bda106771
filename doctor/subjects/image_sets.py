"""Opens every collection of images at paths, and tells a data set from the few pictures of a project."""

import os
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from msgspec import structs

from doctor.errors import UsageError
from doctor.model import Guess, Problem
from doctor.subjects.file_names import IGNORED_STEMS
from doctor.subjects.formats import stem_of, suffix_of
from doctor.subjects.image_archives import open_archives
from doctor.subjects.image_layout import MAX_STRAY_SHARE, Found, settle, without_masks
from doctor.subjects.image_tellings import tell
from doctor.subjects.image_tree import Folder, is_image, made, walk
from doctor.subjects.images import WHOLE, ImageFile, Images
from doctor.subjects.split_words import split_named, split_rank

_PICTURES = """
    doc docs documentation asset assets static icon icons logo logos figure figures fig figs plot plots graph graphs
    chart charts screenshot screenshots badge badges media public www site html css theme themes templates ui
    resources res log logs output outputs out result results report reports visualization visualizations vis slides
    presentation paper papers wandb mlruns tensorboard tests examples example demo demos benchmark
"""
PICTURES = frozenset(_PICTURES.split())
"""Folders of a project whose pictures are for people to look at, or that a program drew."""
_PROJECT_FILES = """
    pyproject.toml setup.py setup.cfg package.json cargo.toml go.mod cmakelists.txt makefile index.html mkdocs.yml
    _config.yml composer.json pom.xml build.gradle
"""
PROJECT_FILES = frozenset(_PROJECT_FILES.split())
PROJECT_SUFFIXES = (".tex", ".ipynb", ".html", ".htm", ".js", ".ts", ".c", ".cpp", ".java", ".go", ".rs", ".rst")
MIN_BESIDE_OTHERS = 20
"""Images that make a data set where other data lies beside them: a table of results has a handful of plots."""
MIN_IN_PROJECT = 50
"""Images that make a data set among programs, where neither splits nor a table tell that they are one."""
ROWS = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".pq", ".arrow", ".feather")
MIN_TOLD = 10
"""The same, where other files tell."""
SHOWN_CLASSES = 5
NONE, FOLDERS = "none", "folders"


@dataclass(kw_only=True)
class Opened:
    """What was found of images.

    Attributes
    ----------
    taken : set of Path
        Files, absolute, that only say something of images, and so are no tables and no texts.
    guesses : list of Guess
        Of pictures that were left out.
    """

    images: list[Images] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    taken: set[Path] = field(default_factory=set)
    guesses: list[Guess] = field(default_factory=list)


def open_images(
    paths: Sequence[Path],
    taken: Collection[Path] = (),
    *,
    split_globs: Sequence[str] = (),
    labels: str | None = None,
    target: str | None = None,
    apart: Sequence[Path] = (),
) -> Opened:
    """Open every collection of images at paths.

    Parameters
    ----------
    paths : sequence of Path
        Files and folders; what they hold is looked at together.
    taken : collection of Path
        Files, absolute, that are something else.
    split_globs : sequence of str
        `NAME=GLOB`, over the names of the images.
    labels : str, optional
        What tells the classes: "folders", "none", or a column of the table that names the images.
    target : str, optional
        The column to be predicted, wherever it may be.
    apart : sequence of Path
        Folders below these that are something else.

    Raises
    ------
    UsageError
        When no table of the images has the column that is to tell their classes.
    """
    folders = [path for path in paths if path.is_dir()]
    named = [path for path in paths if not path.is_dir() and is_image(path.name)]
    files = [path for path in paths if not path.is_dir() and path not in named]
    opened = Opened()
    top, problems = walk(folders, apart) if folders else (None, [])
    drafts: list[Found] = []
    masks = 0
    if top is not None:
        top, masks = without_masks(top)
        drafts = [draft for part in _parts(top) for draft in settle(part)]
    if named:
        alone = [ImageFile(path=path, name=path.name) for path in sorted(named)]
        drafts.append(Found(folder=made(Path(), "", (), ()), files=_told_apart(alone)))
    wanted = (None if labels in (NONE, FOLDERS) else labels, target)
    opened.problems += tell(drafts, top, files, taken, wanted)
    archives = open_archives(top, files, taken)
    opened.problems += archives.problems
    opened.guesses += archives.guesses
    drafts += archives.found
    kept = drafts
    if top is not None:
        kept = _data_sets(top, drafts, taken)
        opened.problems += problems if kept or not (top.total or top.others or top.folders) else []
        left_out = top.total - sum(draft.folder.total for draft in kept)
        opened.guesses += _left_out(folders, left_out, masks if kept else 0)
    if kept and wanted[0] and not any(draft.column == wanted[0] for draft in kept):
        raise UsageError(f"--image-labels {labels}: no table that names these images has that column")
    for draft in kept:
        _declared(draft, split_globs, labels)
        opened.taken |= draft.taken
    opened.images = [_collection(paths, draft, len(kept) > 1) for draft in kept]
    return opened


def _told_apart(files: Sequence[ImageFile]) -> list[ImageFile]:
    """Call files by their paths where two have one name."""
    if len({file.name for file in files}) == len(files):
        return list(files)
    return [structs.replace(file, name=file.path.as_posix()) for file in files]


def _parts(top: Folder) -> list[Folder]:
    """Return what may hold data sets."""
    return list(_places(top)) if _is_project(top) else [top]


def _data_sets(top: Folder, drafts: Sequence[Found], taken: Collection[Path]) -> list[Found]:
    """Return the collections that are data sets; what the user named outright always is."""
    if _is_project(top):
        least, least_told = float(MIN_IN_PROJECT), MIN_TOLD
    else:
        tables = {path.absolute() for draft in drafts for path in draft.tables} | {*taken}
        beside = any(
            _holds_rows(name) and (folder.path / name).absolute() not in tables
            for folder in top.below()
            for name in folder.others
        )
        strays = MAX_STRAY_SHARE * max((len(draft.files) for draft in drafts), default=0)
        least, least_told = MIN_BESIDE_OTHERS if beside else min(MIN_BESIDE_OTHERS, strays), 1

    def enough(draft: Found) -> float:
        if draft.folder.path == Path():
            return 0
        return least_told if draft.told else least if len(draft.splits) < 2 else least / 2

    return [draft for draft in drafts if len(draft.files) >= enough(draft)]


def _holds_rows(name: str) -> bool:
    return suffix_of(Path(name)) in ROWS and stem_of(Path(name)).lower() not in IGNORED_STEMS


def _is_project(top: Folder) -> bool:
    if (top.path / ".git").exists() and top.path != Path():
        return True
    return any(
        folder.has_code
        or any(name.lower() in PROJECT_FILES or name.lower().endswith(PROJECT_SUFFIXES) for name in folder.others)
        for folder in top.below()
    )


def _places(folder: Folder) -> Iterator[Folder]:
    """Yield the parts of a project that may be data: no program lies in them, and their names are not of pictures."""
    inside = [one for one in folder.filled if not (set(re.split(r"[-_. ]", one.name.lower())) & PICTURES)]
    clean = [one for one in inside if not any(below.has_code for below in one.below())]
    if folder.images or clean:
        yield made(folder.path, folder.inner, folder.images, folder.others, clean)
    for one in inside:
        if one not in clean:
            yield from _places(one)


def _left_out(paths: Sequence[Path], pictures: int, masks: int) -> list[Guess]:
    shown = str(paths[0]) if len(paths) == 1 else os.path.commonpath(paths)
    override = "doctor scan FOLDER, of the images alone"
    said = []
    if pictures:
        because = (
            f"beside programs or other data, fewer than {MIN_IN_PROJECT} in one place, or in folders such as docs and "
            "results, are pictures and no data set"
        )
        said.append(
            Guess(subject=shown, what="pictures left out", value=f"{pictures:,}", because=because, override=override)
        )
    if masks:
        because = "the names of their folders, or their own, say that they are answers to other images"
        said.append(Guess(subject=shown, what="masks left out", value=f"{masks:,}", because=because, override=override))
    return said


def _declared(draft: Found, split_globs: Sequence[str], labels: str | None) -> None:
    """Do what the user said about splits and classes."""
    if split_globs:
        splits = [(item.partition("=")[0], item.partition("=")[2]) for item in split_globs]
        draft.files = [structs.replace(file, split=_declared_split(file, splits)) for file in draft.files]
    if labels == NONE:
        draft.files = [structs.replace(file, label=None) for file in draft.files]
        draft.classes_in = ""
    if labels == FOLDERS:
        parts = [file.name.rpartition("/")[0].rpartition("/")[2] or None for file in draft.files]
        draft.files = [structs.replace(file, label=part) for file, part in zip(draft.files, parts, strict=True)]
        draft.classes_in = "folders"


def _declared_split(file: ImageFile, splits: Sequence[tuple[str, str]]) -> str:
    hits = [split_named(name) for name, glob in splits if _matches(file, glob)]
    return hits[-1] if hits else file.split


def _matches(file: ImageFile, glob: str) -> bool:
    return any(fnmatch(name, glob) for name in (file.name, str(file.path), file.path.name))


def matched(opened: Sequence[Images], split_globs: Sequence[str]) -> set[str]:
    """Return the wishes about splits that images fit, so that no table need.

    Raises
    ------
    UsageError
        For a wish that is not of the form NAME=GLOB.
    """
    for item in split_globs:
        name, equals, pattern = item.partition("=")
        if not (equals and name.strip() and pattern):
            raise UsageError(f"--split {item!r} is not of the form NAME=GLOB")
    return {
        item
        for item in split_globs
        if any(_matches(file, item.partition("=")[2]) for one in opened for file in one.files)
    }


def _collection(paths: Sequence[Path], draft: Found, several: bool) -> Images:
    shown = _shown(paths, draft)
    return Images(
        shown=shown,
        label=(draft.folder.inner or "images") if several else "",
        files=tuple(draft.files),
        splits=draft.splits,
        by_place=draft.classes_in,
        table=draft.table,
        tables=dict(draft.tables),
        annotations=draft.annotations,
        empty=draft.empty,
        guesses=tuple(_guesses(shown, draft)),
    )


def _shown(paths: Sequence[Path], draft: Found) -> str:
    if draft.shown:
        return draft.shown
    if draft.folder.path != Path() or not draft.files:
        return str(draft.folder.path)
    if len(draft.files) == 1:
        return str(draft.files[0].path)
    return os.path.commonpath([file.path.parent for file in draft.files]) or str(paths[0])


def _guesses(shown: str, draft: Found) -> Iterator[Guess]:
    if set(draft.splits) != {WHOLE}:
        yield Guess(
            subject=shown,
            what="splits",
            value=", ".join(sorted(draft.splits, key=split_rank)),
            because="the names of the folders" if draft.classes_in != "table" else "what tells of the images",
            override="--split NAME=GLOB",
        )
    classes = sorted({file.label for file in draft.files if file.label is not None})
    if classes and draft.classes_in in (FOLDERS, "table"):
        named = ", ".join(classes[:SHOWN_CLASSES]) + (", …" if len(classes) > SHOWN_CLASSES else "")
        folders = "the folders side by side, with hardly an image beside them"
        tables = " and ".join(path.name for path in list(draft.tables)[:SHOWN_CLASSES])
        yield Guess(
            subject=shown,
            what="classes",
            value=f"{len(classes):,} ({named})",
            because=folders if draft.classes_in == FOLDERS else f"column {draft.column} of {tables}",
            override=f"--image-labels {NONE}" if draft.classes_in == FOLDERS else "--image-labels COLUMN",
        )
