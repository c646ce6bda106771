"""Joins images with the files beside them that tell their classes, splits and boxes."""

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path, PurePosixPath

from msgspec import structs

from doctor.errors import CannotOpen
from doctor.model import Problem
from doctor.subjects.coco import Coco, annotations_of, read_coco
from doctor.subjects.file_names import read_name
from doctor.subjects.image_layout import Found
from doctor.subjects.image_lists import ImageList, Row, distinct_rows, first_names, may_list, read_list
from doctor.subjects.image_tree import Folder, made
from doctor.subjects.images import WHOLE, ImageFile
from doctor.subjects.yolo import CLASS_FILES, YoloLabels, find_labels

JSON = ".json"
LEVELS_ABOVE = 3
"""Folders above a table in which the images that it names are looked for."""
PROBED = 20
FOLDERS_PROBED = 200
MIN_FOUND_SHARE = 0.5
"""Of the images that a table names, in the first rows: else it is about others."""


class Places:
    """Finds images by the names under which others tell of them."""

    def __init__(self, drafts: list[Found]) -> None:
        self.drafts = drafts
        self._by_name: dict[str, list[tuple[int, int]]] = {}
        self.stems: dict[str, str] = {}
        for which, draft in enumerate(drafts):
            self._note(which, draft)

    def _note(self, which: int, draft: Found) -> None:
        for number, file in enumerate(draft.files):
            own = file.name.rpartition("/")[2]
            self._by_name.setdefault(own, []).append((which, number))
            self.stems.setdefault(own[: own.rfind(".")], own)

    def add(self, draft: Found) -> int:
        """Take in one more collection, and return its number."""
        self.drafts.append(draft)
        self._note(len(self.drafts) - 1, draft)
        return len(self.drafts) - 1

    def find(self, name: str, home: str, split: str | None = None) -> tuple[int, int] | None:
        """Return the number of the collection and of the image in it; None where it is not there or not told apart.

        Parameters
        ----------
        name : str
            As the file says it.
        home : str
            The folder of that file, below what was scanned.
        split : str, optional
            Of which the file tells.
        """
        parts = [part for part in PurePosixPath(name.replace("\\", "/")).parts if part not in (".", "..", "/")]
        if not parts:
            return None
        found = self._by_name.get(parts[-1]) or self._by_name.get(self.stems.get(parts[-1], ""), [])
        if len(found) > 1:
            found = self._nearest(found, "/".join(parts), home, split)
        return found[0] if len(found) == 1 else None

    def _nearest(self, found: list[tuple[int, int]], name: str, home: str, split: str | None) -> list[tuple[int, int]]:
        files = {place: self.drafts[place[0]].files[place[1]] for place in found}
        whole = f"{home}/{name}" if home else name
        if exact := [place for place, file in files.items() if file.name == whole]:
            return exact
        ended = [place for place, file in files.items() if f"/{file.name}".endswith(f"/{name}")] or found
        if len(ended) > 1 and split:
            ended = [place for place in ended if files[place].split == split] or ended
        if len(ended) > 1 and home:
            ended = [place for place in ended if files[place].name.startswith(f"{home}/")] or ended
        return ended


def tell(
    drafts: list[Found],
    top: Folder | None,
    named: Iterable[Path],
    taken: Collection[Path],
    wanted: Sequence[str | None],
) -> list[Problem]:
    """Read what tells of images, and add it to their collections.

    Parameters
    ----------
    drafts : list of Found
        Changed in place; what a table names outside what was scanned is added.
    top : Folder or None
        What was walked over.
    named : iterable of Path
        Files that the user named.
    taken : collection of Path
        Files, absolute, that are something else.
    wanted : sequence of str
        Columns that hold the classes, as the user says.

    Returns
    -------
    list of Problem
        Annotations that cannot be read.
    """
    files = [*((path, "") for path in named), *_files(top, any(draft.files for draft in drafts))]
    files = [(path, home) for path, home in files if path.absolute() not in taken]
    lists = [(path, home) for path, home in files if path.suffix.lower() != JSON and may_list(path)]
    objects = [(path, home) for path, home in files if path.suffix.lower() == JSON]
    places = Places(drafts if files else [])
    for path, home in lists:
        # Only the first rows are read where the images are not here, or the table names none.
        names = first_names(path, places.stems)
        here = sum(places.find(name, home, _split_of(path)) is not None for name in names)
        base = None if here >= MIN_FOUND_SHARE * len(names) else _base_of(path, names)
        if names and (here or base) and (listed := read_list(path, places.stems, wanted)):
            _tell_list(listed, home, places, base)
    for draft in drafts if lists else ():
        draft.files.sort(key=lambda file: file.name)
    problems = _tell_coco(objects, Places(drafts) if lists else places) if objects else []
    if top is not None:
        for draft in drafts:
            if draft.annotations is None and (labels := find_labels(top, draft.files)) is not None:
                draft.annotations = labels
                draft.taken |= {path.absolute() for path in _label_files(labels, top)}
    return problems


def _files(top: Folder | None, any_images: bool) -> list[tuple[Path, str]]:
    """Return the files that may tell of images; where there are none, tables are left to others."""
    if top is None or not any_images:
        return []
    return [
        (folder.path / name, folder.inner)
        for folder in top.below()
        for name in folder.others
        if name.lower().endswith(JSON) or may_list(Path(name))
    ]


def _split_of(path: Path) -> str | None:
    return read_name(path, Path(path.name)).split


def _tell_list(listed: ImageList, home: str, places: Places, base: Path | None) -> None:
    """Give images what a table says of them; where they do not lie in what was scanned, they do below `base`."""
    rows = distinct_rows(listed.rows)
    split = _split_of(listed.path)
    found = {name: places.find(name, home, row.split or split) for name, row in rows.items()}
    if base is None:
        touched = _join(listed, rows, split, found, places)
    else:
        files = [_image(base, row, split) for row in rows.values()]
        touched = [Found(folder=made(base, base.name, (), ()), files=files)]
        places.add(touched[0])
    for draft in touched:
        draft.tables[listed.path] = home
        if listed.alone:
            draft.taken.add(listed.path.absolute())
        if listed.label:
            draft.classes_in, draft.column = "table", listed.label
            draft.table = "" if listed.alone else str(listed.path)


def _image(base: Path, row: Row, split: str | None) -> ImageFile:
    return ImageFile(path=base / row.name, name=row.name, split=row.split or split or WHOLE, label=row.label)


def _join(
    listed: ImageList, rows: dict[str, Row], split: str | None, found: dict[str, tuple[int, int] | None], places: Places
) -> list[Found]:
    """Tell images what their rows say; those that a table names and that are not there stay in, to be told of."""
    touched: set[int] = set()
    for name, place in found.items():
        if place is not None:
            touched.add(place[0])
            files, row = places.drafts[place[0]].files, rows[name]
            file = files[place[1]]
            files[place[1]] = structs.replace(
                file, label=row.label if listed.label else file.label, split=row.split or split or file.split
            )
    drafts = [places.drafts[which] for which in touched]
    if len(drafts) == 1:
        lost = [rows[name] for name, place in found.items() if place is None]
        drafts[0].files += [_image(listed.path.parent, row, split) for row in lost]
    return drafts


def _base_of(path: Path, names: Sequence[str]) -> Path | None:
    """Look beside a file and above it for the folder from which it names images."""
    names = names[:PROBED]
    folder = path.absolute().parent
    for _ in range(LEVELS_ABOVE + 1):
        for base in (folder, *_folders_in(folder)):
            if sum(_is_file(base / name) for name in names) >= max(1, MIN_FOUND_SHARE * len(names)):
                return base
        folder = folder.parent
    return None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # what is no name of a file
        return False


def _folders_in(folder: Path) -> list[Path]:
    try:
        inside = [one for one in folder.iterdir() if one.is_dir() and not one.name.startswith(".")]
    except OSError:
        return []
    return sorted(inside)[:FOLDERS_PROBED]


def _tell_coco(files: Sequence[tuple[Path, str]], places: Places) -> list[Problem]:
    """Read annotations in the form of COCO, and give each collection its own."""
    problems: list[Problem] = []
    by_draft: dict[int, list[tuple[Coco, str]]] = {}
    for path, home in files:
        try:
            coco = read_coco(path)
        except CannotOpen as error:
            problems.append(Problem(path=str(path), reason=error.reason))
            continue
        if coco is None:
            continue
        names = [image.file_name for image in coco.content.images]
        place = next((one for name in names if (one := places.find(name, home, _split_of(path)))), None)
        if place is not None:
            by_draft.setdefault(place[0], []).append((coco, home))
        elif (base := _base_of(path, names)) is not None:
            files_of = [ImageFile(path=base / name, name=name) for name in sorted(set(names))]
            by_draft[places.add(Found(folder=made(base, base.name, (), ()), files=files_of))] = [(coco, "")]
        else:
            reason = f"none of the {len(names):,} images that it names is here"
            problems.append(Problem(path=str(path), reason=reason))
    for which, cocos in by_draft.items():
        _join_coco(places, which, cocos)
    return problems


def _join_coco(places: Places, which: int, cocos: Sequence[tuple[Coco, str]]) -> None:
    draft = places.drafts[which]
    homes = {coco.path: (home, _split_of(coco.path)) for coco, home in cocos}

    def place_of(coco: Coco, name: str) -> int | None:
        place = places.find(name, *homes[coco.path])
        return place[1] if place is not None and place[0] == which else None

    draft.annotations, labels = annotations_of([coco for coco, _ in cocos], place_of, len(draft.files))
    draft.taken |= {coco.path.absolute() for coco, _ in cocos}
    if set(draft.splits) == {WHOLE}:
        for coco, _ in cocos:
            for image in coco.content.images:
                if (number := place_of(coco, image.file_name)) is not None and homes[coco.path][1]:
                    draft.files[number] = structs.replace(draft.files[number], split=homes[coco.path][1])
    if labels:
        draft.classes_in = "annotations"
        draft.files = [
            structs.replace(file, label=labels.get(number, file.label)) for number, file in enumerate(draft.files)
        ]


def _label_files(labels: YoloLabels, top: Folder) -> list[Path]:
    """Return the label files, those without an image, and the lists of classes."""
    folders = {path.parent for path in labels.files}
    return [
        folder.path / name
        for folder in top.below()
        for name in folder.others
        if name.lower() in CLASS_FILES or (folder.path in folders and name.endswith(".txt"))
    ]
