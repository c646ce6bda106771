"""The papers about images: which go and why, which stay, which want a look, and how rare classes are to be drawn."""

import csv
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from doctor.case import Case
from doctor.model import DropFiles, ReviewFiles, Reweight
from doctor.repair.image_edits import left_out
from doctor.repair.plan import Edit, Plan
from doctor.subjects.images import Images
from doctor.version import VERSION

TEMPLATE = Path(__file__).with_name("balanced_classes.py.txt")
MODULE = "balanced_classes.py"
DRAWING = "balanced_classes.csv"
LEFT_OUT, KEPT = "left-out.csv", "kept.csv"


def write(folder: Path, plan: Plan, case: Case) -> dict[int, str]:
    """Write the lists of the edits that name images.

    Parameters
    ----------
    folder : Path
        Where the lists go; it is made where there is something to write.

    Returns
    -------
    dict of int to str
        The name of the list in the folder, by the number of the edit, from 1.
    """
    lists: dict[int, str] = {}
    for number, edit in enumerate(plan.edits, start=1):
        images = _images(case, edit)
        if images is None:
            continue
        if isinstance(edit.repair, DropFiles | ReviewFiles):
            lists[number] = f"{number:02d}-{edit.checks[0].replace('/', '-')}.csv"
            _write_files(folder / lists[number], images, edit, left_out(plan, images))
        elif isinstance(edit.repair, Reweight):
            home = folder / f"{number:02d}-balanced-classes"
            home.mkdir(parents=True, exist_ok=True)
            _write_drawing(home, images, edit.repair.ratio)
            lists[number] = f"{home.name}/{MODULE}"
    return lists


def write_whole(folder: Path, plan: Plan, case: Case) -> list[str]:
    """Write for each collection the images that stay and those that go, with split and class."""
    names: list[str] = []
    for number, images in enumerate(case.images, start=1):
        gone = left_out(plan, images)
        lead = f"{number:02d}-" if len(case.images) > 1 else ""
        stays = ((file.name, file.split, file.label or "") for file in images.files if file.name not in gone)
        goes = (
            (file.name, file.split, file.label or "", " and ".join(gone[file.name].checks))
            for file in images.files
            if file.name in gone
        )
        _write_rows(folder / f"{lead}{KEPT}", ("file", "split", "class"), stays)
        _write_rows(folder / f"{lead}{LEFT_OUT}", ("file", "split", "class", "because"), goes)
        names += [f"{lead}{KEPT}", f"{lead}{LEFT_OUT}"]
    return names


def _images(case: Case, edit: Edit) -> Images | None:
    return next((one for one in case.images if one.shown == edit.images), None)


def _write_files(path: Path, images: Images, edit: Edit, gone: Mapping[str, Edit]) -> None:
    """List the images of an edit, the worst first; where it is made, those that it leaves out."""
    repair = edit.repair
    if not isinstance(repair, DropFiles | ReviewFiles):
        return
    known = {file.name: file for file in images.files}
    drop = isinstance(repair, DropFiles)
    beside = {
        "kept instead" if drop else "suggested": repair.instead if isinstance(repair, DropFiles) else repair.suggested
    }
    if isinstance(repair, ReviewFiles) and repair.clusters:
        beside["cluster"] = tuple(map(str, repair.clusters))
    count = len(repair.files)
    more = [told if len(told) == count else ("",) * count for told in beside.values()]
    rows = (
        (rank, name, file.split if (file := known.get(name)) else "", (file.label or "") if file else "", *others)
        for rank, (name, *others) in enumerate(zip(repair.files, *more, strict=True), start=1)
        if not (drop and edit.applied) or gone.get(name) is edit
    )
    _write_rows(path, ("rank", "file", "split", "class", *beside), rows)


def _write_rows(path: Path, header: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(header)
        out.writerows(rows)


def _write_drawing(folder: Path, images: Images, ratio: float) -> None:
    """Write how often each class is to be drawn, and the module that does it."""
    counts = training_counts(images)
    classes, most = sorted(counts), max(counts.values())
    weights = {name: max(1.0, most / (ratio * counts[name])) if counts[name] else 0.0 for name in classes}
    total = sum(weights[name] * counts[name] for name in classes)
    every = sum(counts.values())
    rows = (
        (name, counts[name], f"{weights[name]:.4g}", round(every * weights[name] * counts[name] / total))
        for name in classes
    )
    _write_rows(folder / DRAWING, ("class", "images", "weight", "drawn in an epoch"), rows)
    told = {
        "version": VERSION,
        "path": repr(images.shown)[1:-1].replace('"""', ""),
        "classes": repr(classes),
        "counts": repr([counts[name] for name in classes]),
        "ratio": repr(float(ratio)),
    }
    text = TEMPLATE.read_text("utf-8")
    for name, value in told.items():
        text = text.replace("{{" + name + "}}", value)
    (folder / MODULE).write_text(text, "utf-8")


def training_counts(images: Images) -> Mapping[str, int]:
    """Count the images of each class that are trained on; a class that only other splits have counts 0."""
    split = "train" if "train" in images.splits else None
    counts = Counter(file.label for file in images.files if file.label is not None and split in (None, file.split))
    names = {file.label for file in images.files if file.label is not None}
    return {name: counts[name] for name in names}
