"""The edits of a plan that leave images out: tried on what is known of them, and made in a copy."""

import json
import tarfile
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from doctor.case import Case
from doctor.model import DropFiles
from doctor.repair.state import MAX_EXAMPLES, Effect, Refused
from doctor.subjects.image_layout import Found
from doctor.subjects.image_lists import named_lines
from doctor.subjects.image_tellings import Places
from doctor.subjects.image_tree import made
from doctor.subjects.images import ImageFile, Images
from doctor.subjects.tar_shards import is_shard, sample_of
from doctor.subjects.yolo import YoloLabels

if TYPE_CHECKING:
    from doctor.repair.plan import Edit, Plan


def tried(edits: "Sequence[Edit]", case: Case, *, copied: bool = True) -> "list[Edit]":
    """Leave the images of each edit out in memory, one edit on top of the other, and note why one cannot be made.

    Parameters
    ----------
    edits : sequence of Edit
    case : Case
        What was opened.
    copied : bool
        Whether a copy is to be written, and not lists alone.
    """
    gone: dict[str, set[str]] = {}
    made_: list[Edit] = []
    for edit in edits:
        if edit.applied and isinstance(edit.repair, DropFiles):
            images = next(one for one in case.images if one.shown == edit.images)
            try:
                effect = _effect(edit.repair, images, gone.setdefault(images.shown, set()), case, copied)
                edit = msgspec.structs.replace(edit, effect=effect)
            except Refused as refused:
                edit = msgspec.structs.replace(edit, applied=False, why_not=str(refused))
        made_.append(edit)
    return made_


def _effect(repair: DropFiles, images: Images, gone: set[str], case: Case, copied: bool) -> Effect:
    wanted = set(_going(repair, gone))
    going = [file for file in images.files if file.name in wanted]
    if not going:
        raise Refused("other edits leave them out, or what would stay for them" if gone else "no such image is here")
    if copied:
        _refuse_what_cannot_be_written(going, case)
    names = {file.name for file in going}
    kept = [file for file in images.files if file.name not in gone | names]
    for what, of in (("split", _split), ("class", _label)):
        if lost := sorted({of(file) for file in going} - {of(file) for file in kept} - {""}):
            raise Refused(f"no image of {what} {lost[0]} would remain" if lost != ["all"] else "no image would remain")
    gone |= names
    counts = Counter(file.split for file in going)
    return Effect(
        files={split: counts[split] for split in images.splits if counts[split]},
        examples=tuple(file.name for file in going[:MAX_EXAMPLES]),
    )


def _going(repair: DropFiles, gone: Collection[str]) -> list[str]:
    """Return which images an edit leaves out after others: not those whose better copy is already gone."""
    instead = repair.instead if len(repair.instead) == len(repair.files) else ("",) * len(repair.files)
    pairs = zip(repair.files, instead, strict=True)
    return [name for name, other in pairs if name not in gone and other not in gone]


def _split(file: ImageFile) -> str:
    return file.split


def _label(file: ImageFile) -> str:
    return file.label or ""


def _refuse_what_cannot_be_written(files: Sequence[ImageFile], case: Case) -> None:
    """See that each image lies in a file of its own, or a tar archive, that the copy will have.

    Raises
    ------
    Refused
        Naming the first that does not.
    """
    roots = [path.absolute() for path in case.paths]
    broken = {problem.path for problem in case.problems}
    for file in files:
        if file.offset is not None and str(file.path) in broken:
            raise Refused(f"{file.path.name} is damaged and not written anew; --list-only lists what stays")
        inside = file.offset is not None or file.row is not None
        if inside and not is_shard(file.path):
            raise Refused(f"{file.path.name} is not written anew; --list-only lists what stays")
        path = file.path.absolute()
        root = next((root for root in roots if path.is_relative_to(root)), None)
        if root is None:
            raise Refused(f"{file.path} lies outside what is copied; --list-only lists what stays")
        linked = next(
            (one for one in path.parents if one != root and one.is_relative_to(root) and one.is_symlink()), None
        )
        if linked is not None:
            raise Refused(f"{linked} is a link, and what it leads to is not copied; --list-only lists what stays")


def left_out(plan: "Plan", images: Images) -> "dict[str, Edit]":
    """Return the names of the images that a plan leaves out, with the edit that does."""
    found: dict[str, Edit] = {}
    for edit in plan.edits:
        if edit.applied and edit.images == images.shown and isinstance(edit.repair, DropFiles):
            found |= dict.fromkeys(_going(edit.repair, found), edit)
    return found


@dataclass
class Changes:
    """What leaving images out does to files.

    Attributes
    ----------
    gone : set of Path
        Files, absolute, that the copy lacks.
    written : dict of Path to callable
        Files, absolute, that are written anew: from the file as it is, or as other edits made it, to another.
    """

    gone: set[Path] = field(default_factory=set)
    written: dict[Path, Callable[[Path, Path], None]] = field(default_factory=dict)


def changes(plan: "Plan", case: Case) -> Changes:
    """Work out what a plan does to the files of a case."""
    found = Changes()
    for images in case.images:
        names = left_out(plan, images)
        if not names:
            continue
        labels = images.annotations.labels if isinstance(images.annotations, YoloLabels) else ()
        inside: dict[Path, set[int]] = {}
        for number, file in enumerate(images.files):
            if file.name not in names:
                continue
            if file.offset is not None:
                inside.setdefault(file.path.absolute(), set()).add(file.offset)
            else:
                found.gone.add(file.path.absolute())
            if number < len(labels) and (label := labels[number]) is not None:
                found.gone.add(label.absolute())
        for path, offsets in inside.items():
            found.written[path] = _tar_writer(offsets)
        for path, home in images.tables.items():
            found.written[path.absolute()] = _list_writer(images, set(names), home)
        if images.annotations is not None and images.annotations.form == "COCO":
            for path in images.annotations.files:
                found.written[path.absolute()] = _coco_writer(images, set(names))
    return found


def _tar_writer(offsets: Collection[int]) -> Callable[[Path, Path], None]:
    def write(source: Path, target: Path) -> None:
        """Write the archive without the samples of these images, member by member."""
        with tarfile.open(source, "r:") as archive:
            dropped = {sample_of(member.name) for member in archive if member.offset_data in offsets}
        with tarfile.open(source, "r:") as archive, tarfile.open(target, "w", format=archive.format) as anew:
            for member in archive:
                if sample_of(member.name) not in dropped:
                    anew.addfile(member, archive.extractfile(member) if member.isreg() else None)

    return write


def _list_writer(images: Images, names: Collection[str], home: str) -> Callable[[Path, Path], None]:
    places = Places([Found(folder=made(Path(), "", (), ()), files=list(images.files))])

    def write(source: Path, target: Path) -> None:
        """Write the table without the rows that name these images; the others stay to the letter."""
        lines = list(_kept(source))
        target.write_bytes(b"".join(lines))

    def _kept(source: Path) -> Iterator[bytes]:
        for line, name in named_lines(source, places.stems):
            place = places.find(name, home) if name is not None else None
            exact = name in names
            if not (exact or (place is not None and images.files[place[1]].name in names)):
                yield line

    return write


def _coco_writer(images: Images, names: Collection[str]) -> Callable[[Path, Path], None]:
    places = Places([Found(folder=made(Path(), "", (), ()), files=list(images.files))])

    def write(source: Path, target: Path) -> None:
        """Write the annotations without these images and their boxes."""
        text = source.read_text("utf-8-sig")
        content: dict[str, Any] = json.loads(text)

        def goes(name: str) -> bool:
            place = places.find(name, "")
            return place is not None and images.files[place[1]].name in names

        dropped = {image["id"] for image in content["images"] if goes(str(image["file_name"]))}
        content["images"] = [image for image in content["images"] if image["id"] not in dropped]
        told = content.get("annotations", [])
        content["annotations"] = [entry for entry in told if entry.get("image_id") not in dropped]
        with target.open("w", encoding="utf-8") as file:
            json.dump(content, file, ensure_ascii=False, indent=_indent(text))
            file.write("\n" * text.endswith("\n"))

    return write


def _indent(text: str) -> int | None:
    """Return by how much a document is indented; None where it stands on one line."""
    first, _, rest = text.partition("\n")
    return len(rest) - len(rest.lstrip(" ")) if first.strip() in ("{", "[") and rest.strip() else None
