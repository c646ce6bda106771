"""Something that should say nothing of the label tells it.

What it finds
    What comes from the way in which the data were gathered, and tells the label on rows that the predictor was not
    fitted on: who labelled a row (a column named annotator, rater, labelled by) and the file in which it lies, as
    warnings; the place of a row in the file or in a short cycle, the length of a text, how many values a row lacks, and
    where it came from (a column named source, scanner, site, or the folder and the letters in a file's name), as
    remarks with a question. An order that time, a number of rows, an entity or sorted classes explain is left to the
    checks of these. Of images it is what is not in the picture: the quality at which JPEGs were coded, the way they
    are stored, and the camera or program in EXIF, as warnings; how many pixels an image has, by how much its file is
    larger than its picture explains, how bright it is, and a word in the file's name that several classes share, as
    remarks.

Why it matters
    A model takes the easiest way: the ruler beside the tumour, the hospital's tag, the crawler that fetched the spam.
    It scores well on the same gathering and fails on any other.

What to do
    Code images alike before training: one size, one quality, one mode. Else ask whether it will say the same of new
    rows, or images. If not, drop the column, or balance: as many of each class from each
    source, of each length, in each file. Then train once without it and compare.

Thresholds
    min_strength: lower 95 % bound of how well a cue tells the target: 2 AUC - 1 between classes, the correlation of
        ranks for a quantity (0.3). Between classes that is an AUC of 0.65.
    min_content_strength: the same bound for how bright an image is and how large its file: these follow from what the
        images show as well (0.6).
    min_gain: what the number of holes must tell beyond the column whose holes tell most, the place in the file beyond
        which file it is, and the size of an image's file beyond what else is told of it (0.1).
    max_q: Benjamini-Hochberg q over the cues that were held against permuted targets, and the share of 99 permutations
        that a cue may be matched by (0.01).
    min_rows: rows with a label below which there is no verdict (100).

Calibration
    `python bench/calibrate_shortcuts.py` prints the tables. Shuffled targets (168 tables of 100 to 50,000 rows
    in four files, with 30 features of which ten are cues): no finding in any of them. scikit-learn's bundled data:
    nothing said. Cues planted in 1,000 rows, 10 seeds each: an annotator, a source or a folder that is known by the
    class of half of the rows is always named, of 30 % never; a length of which the classes differ by three words in ten
    always, by one never; holes in 20 % of one class and 5 % of the other always; a share of ones that rises along the
    file from 15 to 85 % always, from 25 to 75 % in half, in files in 7 of 10, from 35 to 65 % never. No other cue was
    named. Of images, `python bench/calibrate_images.py shortcut`: shuffled classes of 150 to 1,200 pictures, coded
    at three qualities, 2 or 5 classes: no finding in 150 collections; a quality that is known by the class of 40 % of
    the images is named in 2 of 10, of 60 and 80 % always.

Limits
    Columns are known by their names. That a length or a source tells the label may be honest: spam is longer than a
    greeting, and the ill are sent to the specialist. A file for each class is a layout, not a shortcut, as is a word in
    the names of images that goes with one class. Night is darker than day: the user knows whether light is a shortcut.

Source
    Geirhos et al., Shortcut learning in deep neural networks, Nature Machine Intelligence 2 (2020); Gururangan et al.,
    Annotation artifacts in natural language inference data, NAACL 2018; Geva et al., Are we modeling the task or the
    annotator?, EMNLP 2019.
"""

from collections.abc import Iterator

from doctor.evidence.image_shortcuts import ImageShortcuts
from doctor.evidence.shortcuts import Cue, Shortcuts
from doctor.evidence.significance import false_discovery
from doctor.model import Advise, AnyRepair, Check, DropColumns, Finding, Location, Safety, Severity, Undecided

TELLS = "tells {target} (strength {strength:.2f}, at least {lower:.2f})"
TELLS_CLASS = "tells {label} from other classes (strength {strength:.2f}, at least {lower:.2f})"
CHECK = Check(
    "leakage/shortcut",
    Severity.INFO,
    {
        "order": f"where a row stands in the file {TELLS}: by what are the rows ordered?",
        "turn": f"the rows stand by turns: a row's place in the cycle {TELLS}",
        "file": f"the file in which a row lies, of {{levels}}, {TELLS}",
        "length": f"{{column}}: the length of the text {TELLS}; will it in new texts?",
        "holes": f"how many values a row lacks {TELLS}, more than the holes of any one column ({{best_column:.2f}})",
        "annotator": f"{{column}}: who labelled a row {TELLS}",
        "source": f"{{column}}: where a row comes from {TELLS}; will it of new rows?",
        "name": f"{{column}}: what a file's name says besides its number {TELLS}; will it of new files?",
        "quality": f"the quality at which JPEGs were coded {TELLS_CLASS}",
        "coding": f"the way in which images are stored {TELLS_CLASS}",
        "camera": f"the camera or program in the images' EXIF {TELLS_CLASS}",
        "pixels": f"how many pixels an image has {TELLS_CLASS}",
        "file size": f"by how much a file is larger than its picture explains {TELLS_CLASS}",
        "light": f"how bright an image is {TELLS_CLASS}; will it of new ones?",
        "word": f"a word in the files' names {TELLS_CLASS}; where do the files come from?",
    },
)
GRAVE = ("annotator", "file", "quality", "coding", "camera")
OF_CONTENT = ("light", "file size")
OF_IMAGES = ("quality", "coding", "pixels", "light")


def examine(
    shortcuts: Shortcuts | ImageShortcuts,
    *,
    min_strength: float = 0.3,
    min_content_strength: float = 0.6,
    min_gain: float = 0.1,
    max_q: float = 0.01,
    min_rows: int = 100,
) -> Iterator[Finding | Undecided]:
    """Judge each cue that tells something."""
    if shortcuts.rows < min_rows:
        yield CHECK.unavailable(f"{shortcuts.rows} labels are too few to tell (needed: {min_rows})")
        return
    q_values = false_discovery([cue.strength.p for cue in shortcuts.cues]) if shortcuts.cues else []
    said: set[tuple[str, str | None]] = set()
    for cue, q in sorted(zip(shortcuts.cues, q_values, strict=True), key=lambda pair: -pair[0].strength.lower):
        least = min_content_strength if cue.kind in OF_CONTENT else min_strength
        if cue.strength.lower < least or q > max_q or cue.chance > max_q or (cue.kind, cue.column) in said:
            continue
        if cue.strength.strength < _explained(cue, shortcuts) + min_gain:
            continue
        said.add((cue.kind, cue.column))
        yield _finding(shortcuts, cue, q)


def _explained(cue: Cue, shortcuts: Shortcuts) -> float:
    """Return what other cues tell already of that which one tells."""
    if cue.kind == "holes":
        return cue.best_column
    others = {"order": ("file",), "file size": OF_IMAGES}.get(cue.kind, ())
    return max((other.strength.strength for other in shortcuts.cues if other.kind in others), default=-1.0)


def _finding(shortcuts: Shortcuts, cue: Cue, q: float) -> Finding:
    return CHECK.finding(
        cue.kind,
        at=Location(columns=(cue.column,) if cue.column else ()),
        severity=Severity.WARNING if cue.kind in GRAVE else Severity.INFO,
        repair=_repair(cue),
        target=shortcuts.target,
        label=cue.strength.view,
        strength=cue.strength.strength,
        lower=cue.strength.lower,
        p=cue.strength.p,
        q=q,
        chance=cue.chance,
        rows=shortcuts.rows,
        levels=cue.levels,
        best_column=cue.best_column,
    ).showing(thumbnails=shortcuts.pictures(cue))


def _repair(cue: Cue) -> AnyRepair:
    if cue.kind in ("annotator", "source", "name") and cue.column:
        return DropColumns(columns=(cue.column,), safety=Safety.UNSAFE, summary=f"drop {cue.column}, or balance by it")
    words = {
        "order": "find out by what the rows are ordered, and divide by that; shuffle before batches are cut",
        "turn": "shuffle the rows before batches are cut",
        "file": "mix the rows of all files, and find out how they were gathered",
        "length": f"compare with a model that sees the length of {cue.column} alone, and balance the lengths",
        "holes": "impute without a flag, and find out why some rows lack more",
    }
    alike = "bring all images to one size, mode and coding before training, and find out why the classes differ"
    return Advise(safety=Safety.MANUAL, summary=words.get(cue.kind, alike))
