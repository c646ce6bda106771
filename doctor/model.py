"""What a visit produces, as plain frozen data: findings, examinations, repairs and the report that holds them."""

import hashlib
import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Struct, field

from doctor.errors import NotHealthy
from doctor.rendering import load_renderer
from doctor.wording import Words, plain, printable

FORMAT = 1


class Severity(StrEnum):
    """How much a finding costs the user."""

    ERROR = "error"
    """The training result cannot be trusted, or the run dies."""
    WARNING = "warning"
    """Likely harmful; needs a look."""
    INFO = "info"
    """Good to know; never fails a build."""

    @property
    def rank(self) -> int:
        """0 for the gravest."""
        return list(Severity).index(self)


class Outcome(StrEnum):
    """How one examination ended. Not looking is not healthy, so there are six."""

    HEALTHY = "healthy"
    FOUND = "found"
    NOT_APPLICABLE = "not applicable"
    UNAVAILABLE = "unavailable"
    IGNORED = "ignored"
    CRASHED = "crashed"


class Safety(StrEnum):
    """What may go wrong when a repair is applied without a look."""

    SAFE = "safe"
    UNSAFE = "unsafe"
    MANUAL = "manual"


def _kebab(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()


class Location(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a finding is. `rows`, `line` and `step` count from 1, rows without the header, `rank` from 0.

    `module` is the dotted name of a part of the model, `operation` what it computed there. For findings on tables
    `file` is the file that holds the first of `rows`, else the first that has the columns, else the only one there is;
    `file_line` is its line at which that row begins, or that names the columns, and `row_group` the row group of a
    Parquet file, from 0. What cannot be told for certain is left out. `line` is a place that the check itself names, in
    `path`, and `character` the first one there, from 1.
    """

    path: str | None = None
    split: str | None = None
    columns: tuple[str, ...] = ()
    rows: tuple[int, ...] = ()
    line: int | None = None
    character: int | None = None
    cell: int | None = None
    step: int | None = None
    rank: int | None = None
    module: str | None = None
    operation: str | None = None
    file: str | None = None
    file_line: int | None = None
    row_group: int | None = None

    @property
    def column(self) -> str:
        """The columns as they stand in a sentence."""
        return ", ".join(self.columns)


class Repair(Struct, frozen=True, kw_only=True, tag_field="kind", tag=_kebab):
    """An edit that would cure the finding. Subclasses are the kinds of edit that `doctor fix` knows."""

    safety: Safety = Safety.UNSAFE
    summary: str = ""


class DropColumns(Repair, frozen=True, kw_only=True):
    """Remove columns from every split."""

    columns: tuple[str, ...]


class DropRows(Repair, frozen=True, kw_only=True):
    """Remove rows: all copies but the first of each, in `split` or everywhere.

    `duplicates_of` names the columns that must be equal, all where it is empty; text in those of `folded` is compared
    without case and the blanks around it. Where `also_in` names a split, the rows of `split` that have a copy there are
    removed instead; where `missing` names columns, the rows that have no value in one of them. `rows` names rows
    outright, counted from 0 in the table.
    """

    duplicates_of: tuple[str, ...] = ()
    folded: tuple[str, ...] = ()
    split: str | None = None
    also_in: str | None = None
    missing: tuple[str, ...] = ()
    rows: tuple[int, ...] = ()


class Resplit(Repair, frozen=True, kw_only=True):
    """Draw the splits anew: `by` is "group", "time", "stratified" or "random", along `column`.

    At random, rows of one value of `column` stay together, and equal rows where there is none. Where `pattern` is
    given, the first group of that regular expression is taken instead of the whole value.
    """

    by: str
    column: str | None = None
    pattern: str = ""


class Reweight(Repair, frozen=True, kw_only=True):
    """Give the rare classes more weight, by class weights or by drawing, towards one for `ratio` of the commonest."""

    column: str
    weights: dict[str, float] = {}
    ratio: float = 3.0


class ReviewRows(Repair, frozen=True, kw_only=True):
    """Have a person look at these rows, most suspicious first; `numbers` counts the same rows from 0 in the table.

    Where `suggested` is given, it proposes a label for each of them.
    """

    rows: tuple[int, ...] = ()
    numbers: tuple[int, ...] = ()
    suggested: tuple[str, ...] = ()


class Relabel(Repair, frozen=True, kw_only=True):
    """Give rows another label in `column`: each that of the row of `like` in the same place, which is `suggested`.

    `numbers` and `like` count rows from 0 in the table.
    """

    column: str
    numbers: tuple[int, ...]
    like: tuple[int, ...]
    suggested: tuple[str, ...]


class DropAnnotators(Repair, frozen=True, kw_only=True):
    """Remove all rows that these annotators wrote, named in `column`."""

    annotators: tuple[str, ...]
    column: str


class Consensus(Repair, frozen=True, kw_only=True):
    """Replace several annotators' labels by one, by `method`: "dawid-skene" or "majority"."""

    annotators: tuple[str, ...]
    method: str = "dawid-skene"
    item: str | None = None


class FillMissing(Repair, frozen=True, kw_only=True):
    """Impute, keeping a flag column that says where."""

    columns: tuple[str, ...]
    keep_flag: bool = True


class RewriteCells(Repair, frozen=True, kw_only=True):
    """Write cells of columns anew: `values` gives the new value by the old one, an empty one for "missing".

    Where `strip`, blanks around values go too. Where `number`, numbers lose what they are dressed in (%, a currency,
    thousands separators, a decimal comma), and files that keep types get a numeric column. `mend` names faults of
    `doctor.evidence.garbling` that are undone where a text has them, and kinds of `doctor.evidence.secrets` in whose
    place their names are written. `cut` marks lines and sentences that are taken out of texts, as
    `doctor.evidence.boilerplate.mark_of` does, for what they say may have to be masked.
    """

    columns: tuple[str, ...]
    values: dict[str, str] = {}
    strip: bool = False
    number: bool = False
    mend: tuple[str, ...] = ()
    cut: tuple[str, ...] = ()


class CodeChange(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One change of a program, at the first character of a statement or an expression.

    Attributes
    ----------
    action : str
        "before" and "after" put `code` beside the statement, "instead" in its place, "first" at the beginning of its
        body, "wrap" around it (`with …:`); "move" takes the statement away and puts it after the one that begins at
        `to_line` and `to_character`, "move-before" in front of that. "replace" puts `code` in place of the expression
        `old`, `{0}` in it standing for the first argument as it is written and `{receiver}` for what a method is
        called on; "keyword" gives a call the keyword argument `code`, "drop" takes an argument away. "import" puts
        `code` after the imports, unless it is there.
    line, character : int
        Counted from 1; in a notebook within the cell.
    old : str
        The expression that is replaced, as `ast.unparse` writes it.
    """

    action: str
    path: str
    line: int
    character: int = 1
    cell: int | None = None
    code: str = ""
    old: str = ""
    to_line: int = 0
    to_character: int = 0


class EditCode(Repair, frozen=True, kw_only=True):
    """Insert `code` before a line, or where not `inserted`, put it in place of an expression in that line.

    Where `changes` are given, these are all that is to be done, and `doctor fix` can do them.
    """

    line: int | None = None
    code: str = ""
    inserted: bool = True
    changes: tuple[CodeChange, ...] = ()


class KeyEdit(Struct, frozen=True, kw_only=True):
    """One change of a configuration: of the key at a path, `action` "set", "rename" or "remove".

    `value` is what is set, or the new name. A path may hold numbers, of the items of lists.
    """

    action: str
    key: tuple[str | int, ...]
    value: str | int | float | bool | None = None


class EditConfig(Repair, frozen=True, kw_only=True):
    """Change keys of the configuration at `path`; comments, order and layout stay."""

    path: str
    edits: tuple[KeyEdit, ...]


class ChangeTraining(Repair, frozen=True, kw_only=True):
    """Train in another way: what `doctor.repair.treatments` can do to a configuration or to a watched command.

    `changes` holds values by the names that `doctor.repair.treatments.KNOWN` lists, such as `{"max_grad_norm": 1.0}`;
    `otherwise` what else is worth trying, in this order, should that not help.
    """

    changes: dict[str, float | str | bool]
    otherwise: tuple[dict[str, float | str | bool], ...] = ()


class DropFiles(Repair, frozen=True, kw_only=True):
    """Leave files of a collection out, by the names under which they were told; `instead` are those kept for them."""

    files: tuple[str, ...]
    instead: tuple[str, ...] = ()


class ReviewFiles(Repair, frozen=True, kw_only=True):
    """Have a person look at these files, which stay; `suggested` are the labels they may deserve.

    Files of one number in `clusters` are looked at together, as the finding's `review` shows them.
    """

    files: tuple[str, ...]
    suggested: tuple[str, ...] = ()
    clusters: tuple[int, ...] = ()


class Advise(Repair, frozen=True, kw_only=True):
    """Something only a person can do; `summary` says what."""


AnyRepair = (
    DropColumns
    | DropRows
    | Resplit
    | Reweight
    | ReviewRows
    | Relabel
    | DropAnnotators
    | Consensus
    | FillMissing
    | RewriteCells
    | EditCode
    | EditConfig
    | ChangeTraining
    | DropFiles
    | ReviewFiles
    | Advise
)


class Thumbnail(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A small picture of a file that a finding is about.

    Attributes
    ----------
    file : str
        Its name as told.
    jpeg : str
        Base64 of a JPEG of at most 160 pixels on its longer side.
    group : int
        Those of one number belong side by side.
    caption : str
        What is to be seen in it.
    """

    file: str
    jpeg: str
    group: int = 0
    caption: str = ""


class Cluster(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Files that a person goes through together, since one thing is to be asked of them and they look alike.

    Attributes
    ----------
    number : int
        From 1, as in the list that `doctor fix` writes.
    title : str
        What they have in common.
    thumbnails : list of Thumbnail
        The most doubtful first; captions where the title does not say all.
    """

    number: int
    title: str
    thumbnails: list[Thumbnail] = []


class Excerpt(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A piece of a text that a finding is about, already masked where it must be.

    Attributes
    ----------
    place : str
        Where it stands, as a person would look for it.
    spans : list of (int, int)
        First character, counted from 0, and the one after the last, of what matters in it.
    group : int
        Those of one number belong side by side.
    """

    place: str
    text: str
    spans: list[tuple[int, int]] = []
    group: int = 0


class Finding(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that is wrong, with the numbers that show it."""

    check: str
    severity: Severity
    message: str
    at: Location = Location()
    evidence: dict[str, Any] = {}
    repair: AnyRepair | None = None
    confidence: float | None = None
    fingerprint: str = ""
    suppressed: str | None = None
    """The reason the user gave for living with it."""
    thumbnails: list[Thumbnail] = []
    excerpts: list[Excerpt] = []
    review: list[Cluster] = []
    """What a person should go through, as pictures."""

    def showing(
        self,
        *,
        thumbnails: Sequence[Thumbnail] = (),
        excerpts: Sequence[Excerpt] = (),
        review: Sequence[Cluster] = (),
    ) -> "Finding":
        """Return it with pictures and pieces of text beside its numbers."""
        shown = {"thumbnails": list(thumbnails), "excerpts": list(excerpts), "review": list(review)}
        return msgspec.structs.replace(self, **shown)


class Undecided(Struct, frozen=True, kw_only=True):
    """A check's word that it gives no verdict, and why."""

    outcome: Outcome
    reason: str


def facts_of(source: object, *names: str) -> dict[str, Any]:
    """Return what evidence says by its own names, for a finding: these attributes, or all fields of a structure."""
    fields: tuple[str, ...] = getattr(source, "__struct_fields__", ())
    return {name: getattr(source, name) for name in names or fields}


class Check(Struct, frozen=True):
    """The declaration of a check: its id `family/name`, its usual severity and its wording.

    Parameters
    ----------
    id : str
        `family/name`, the path of its file.
    severity : Severity
        Used unless a finding says otherwise.
    message : str or dict of str
        Template of the sentence; its fields are the evidence and the fields of `Location`. Where a check rests on
        evidence of several kinds, one template per kind.
    leads_to : tuple of str
        Ids of checks whose findings are consequences of this one's, where both are found and are about the same
        columns, if they are about columns.
    spreads_to : tuple of str
        The same, in whatever columns.
    """

    id: str
    severity: Severity
    message: str | dict[str, str]
    leads_to: tuple[str, ...] = ()
    spreads_to: tuple[str, ...] = ()

    def finding(
        self,
        kind: str | None = None,
        /,
        *,
        at: Location | None = None,
        severity: Severity | None = None,
        repair: AnyRepair | None = None,
        confidence: float | None = None,
        **evidence: Any,
    ) -> Finding:
        """State a finding; `kind` picks the wording where the check has several."""
        at = at or Location()
        template = self.message if isinstance(self.message, str) else self.message[kind or ""]
        facts = {name: plain(value) for name, value in evidence.items()}
        places = {name: getattr(at, name) for name in (*at.__struct_fields__, "column")}
        words = {name: Words(value) if isinstance(value, str) else value for name, value in {**places, **facts}.items()}
        return Finding(
            check=self.id,
            severity=severity or self.severity,
            message=template.format_map(words),
            at=at,
            evidence=({"kind": kind} if kind else {}) | facts,
            repair=repair,
            confidence=confidence,
            fingerprint=fingerprint(self.id, kind, at),
        )

    def unavailable(self, reason: str) -> Undecided:
        """Say that the question cannot be answered here."""
        return Undecided(outcome=Outcome.UNAVAILABLE, reason=reason)

    def not_applicable(self, reason: str) -> Undecided:
        """Say that the question does not arise here."""
        return Undecided(outcome=Outcome.NOT_APPLICABLE, reason=reason)


class Examination(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one check on one subject."""

    check: str
    outcome: Outcome
    subject: str = ""
    reason: str = ""
    seconds: float = 0.0


class Guess(Struct, frozen=True, kw_only=True):
    """Something inferred, and the option that overrides it."""

    subject: str
    what: str
    value: str
    because: str
    override: str


class Problem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file or a part of one that could not be read."""

    path: str
    reason: str
    line: int | None = None

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}" if self.line is not None else self.path
        return printable(f"{place}: {self.reason}")


class SubjectSummary(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was opened."""

    kind: str
    path: str
    rows: int | None = None
    columns: int | None = None
    files: int | None = None
    splits: dict[str, int] = {}
    roles: dict[str, Any] = {}
    facts: dict[str, Any] = {}
    """What else is worth saying of it, by name; of a run: see `doctor.subjects.run.Run.summary`."""


class CaseSummary(Struct, frozen=True, kw_only=True):
    """What was looked at, and what was taken for what; `in_memory` where `path` is no path but a kind of object."""

    path: str
    in_memory: bool = False
    subjects: list[SubjectSummary] = []
    guesses: list[Guess] = []
    problems: list[Problem] = []


class Coverage(Struct, frozen=True, kw_only=True):
    """How much was examined: each outcome counted, each skipped measure named."""

    outcomes: dict[str, int] = {}
    skipped: dict[str, str] = {}
    measured_seconds: dict[str, float] = {}
    seconds: float = 0.0


class Cost(Struct, frozen=True, kw_only=True):
    """What a cause makes of the score of a small model that learns from the data with it and without it.

    Attributes
    ----------
    metric : str
        "AUC", "accuracy" or "R²".
    before, after : float
        The score with and without the cause.
    low, high : float
        Bounds of the 95 % confidence interval of `after`.
    change : str
        What is different, such as "without boat".
    model : str
        What was fitted, and how it was scored.
    rows : int
        Rows that `after` is scored on.
    """

    metric: str
    before: float
    after: float
    low: float
    high: float
    change: str
    model: str
    rows: int


class Diagnosis(Struct, frozen=True, kw_only=True):
    """A root cause with the findings that rest on it, all named by their fingerprints.

    Attributes
    ----------
    cause : str
        The sentence of the first finding in `because`.
    because : list of str
        The findings that state the cause.
    consequences : list of str
        The findings that follow from it and need no repair of their own.
    cost : Cost or None
        What it makes of a score, where that could be measured.
    """

    cause: str
    because: list[str]
    consequences: list[str] = []
    prescription: str = ""
    cost: Cost | None = None


class Verdict(StrEnum):
    """What training with and without a repair said of it."""

    VERIFIED = "verified"
    """The symptom was there before and is gone, or smaller by more than chance, after."""
    REFUTED = "refuted"
    """The symptom was there before and the repair does not remove it."""
    NOT_TESTABLE = "not testable"
    """The symptom does not show in a run of this length, or the runs leave it open."""
    NOT_RUN = "not run"
    """No pair of runs was made, and `reason` says why."""


class Verification(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What pairs of runs, with and without a repair and else alike, said of it.

    Attributes
    ----------
    fingerprint : str
        The finding whose repair was tried.
    measure : str
        What was compared, in words, with its unit.
    before, after : tuple of float or None
        The measure without and with the repair, one per seed and in the same order; None or NaN where a run gave none.
    effect : float or None
        Median over seeds of the improvement, positive where the repair helps.
    interval : (float, float) or None
        95 % bootstrap interval of the improvement.
    seconds : float
        What all runs cost together.
    """

    fingerprint: str
    check: str
    repair: str
    verdict: Verdict
    reason: str = ""
    measure: str = ""
    before: tuple[float | None, ...] = ()
    after: tuple[float | None, ...] = ()
    effect: float | None = None
    interval: tuple[float, float] | None = None
    seeds: tuple[int, ...] = ()
    steps: int | None = None
    seconds: float = 0.0
    details: dict[str, Any] = {}


class Line(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of a chart.

    Attributes
    ----------
    points : list of (float, float)
        Finite, x rising.
    broken : list of float
        Some of the x at which the value was NaN or infinite, the first among them.
    """

    name: str
    points: list[tuple[float, float]]
    broken: list[float] = []


class Chart(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A quantity over the steps or the time of a run; `log` asks for a logarithmic scale."""

    title: str
    unit: str = ""
    x_label: str
    lines: list[Line]
    log: bool = False


class About(Struct, frozen=True, kw_only=True):
    """Which `doctor` said it, and with which seed."""

    version: str
    sample_seed: int
    sample_rows: int
    repeat: tuple[str, ...] = ()
    """Options, quoted for a shell, that make `doctor scan PATH` say it again."""
    fail_on: str = Severity.ERROR.value
    """The least severity that ends in exit status 1; "never" where none does."""
    versions: dict[str, str] = {}
    """Of Python and of the libraries that measured, by name."""


class Sampling(Struct, frozen=True, kw_only=True):
    """How rows are drawn where a measure fits a model: `rows` at most, the same ones for the same `seed`."""

    seed: int = 0
    rows: int = 50_000


class DeviceMemory(Struct, frozen=True, kw_only=True):
    """The memory of the device that is trained on, as the user gave it."""

    bytes: int


class TextLimits(Struct, frozen=True, kw_only=True):
    """How texts are read by the model, as the user gave it: the tokens after which they are cut, and the tokenizer."""

    max_length: int | None = None
    tokenizer: str | None = None


class Company(Struct, frozen=True, kw_only=True):
    """How many tables and collections of images a visit looks at: of several, nobody can say which a training reads."""

    tables: int = 0


class Declared(Struct, frozen=True, kw_only=True):
    """The roles of columns as the user gave them; what is empty is inferred.

    `ranges` are of the form `COLUMN=LOW..HIGH`, `patterns` of the form `COLUMN=REGEX`, `available` of the form
    `COLUMN=before` or `COLUMN=after`.
    """

    target: str | None = None
    time: str | None = None
    group: tuple[str, ...] = ()
    annotators: tuple[str, ...] = ()
    item: str | None = None
    scale: str | None = None
    predictions: str | None = None
    ranges: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    available: tuple[str, ...] = ()


class BaselineEntry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A finding that was accepted, as the baseline file has it; dates as YYYY-MM-DD."""

    check: str
    message: str
    path: str = ""
    fingerprint: str = ""
    accepted: str = ""
    reason: str = ""
    expires: str = ""


class Baseline(Struct, frozen=True, kw_only=True):
    """What a baseline file had to do with the findings of a visit.

    Attributes
    ----------
    file : str
        The file, as a path.
    accepted : list of str
        Fingerprints of the findings that it accepts; their `suppressed` says so too.
    expired : list of BaselineEntry
        Entries that have run out: their findings count again.
    graver : list of BaselineEntry
        Entries whose findings are graver than they were when they were accepted, and count again.
    gone : list of BaselineEntry
        Entries without a finding, although their check looked again at what they speak of.
    unseen : int
        Entries of which this visit cannot tell: of other paths, of checks that were not run or gave no verdict.
    """

    file: str
    accepted: list[str] = []
    expired: list[BaselineEntry] = []
    graver: list[BaselineEntry] = []
    gone: list[BaselineEntry] = []
    unseen: int = 0


class Report(Struct, frozen=True, kw_only=True):
    """All that one visit has to say. The JSON report is this, field for field."""

    format: int = FORMAT
    doctor: About
    case: CaseSummary
    findings: list[Finding] = []
    diagnoses: list[Diagnosis] = []
    examinations: list[Examination] = []
    coverage: Coverage = field(default_factory=Coverage)
    verifications: list[Verification] = []
    charts: list[Chart] = []
    manuals: dict[str, str] = {}
    """The manual page of each check with findings, by its id."""
    baseline: Baseline | None = None
    """None where no baseline was in use."""

    def count(self, severity: Severity) -> int:
        """How many open findings there are of a severity."""
        return sum(1 for finding in self.findings if finding.severity is severity and not finding.suppressed)

    def fails(self, finding: Finding) -> bool:
        """Whether a finding is open and at or above the severity of `--fail-on`."""
        if self.doctor.fail_on == "never" or finding.suppressed:
            return False
        return finding.severity.rank <= Severity(self.doctor.fail_on).rank

    @property
    def incomplete(self) -> bool:
        """Whether a check crashed or something could not be read."""
        crashed = any(examination.outcome is Outcome.CRASHED for examination in self.examinations)
        return crashed or bool(self.case.problems)

    def at_least(self, severity: Severity | str) -> list[Finding]:
        """Return the open findings of this severity or a graver one; none for "never"."""
        if severity == "never":
            return []
        bound = Severity(severity).rank
        return [finding for finding in self.findings if finding.severity.rank <= bound and not finding.suppressed]

    def to_json(self) -> str:
        """Write the report as `doctor scan --format json` does, secrets and personal data masked."""
        return load_renderer("json")(self, color=False)

    def masked(self) -> "Report":
        """Return a copy in which secrets and personal data are masked; charts and verifications are left out."""
        plainer = msgspec.structs.replace(self, charts=[], verifications=[])
        return msgspec.json.decode(plainer.to_json(), type=Report)

    def raise_for_errors(self, severity: Severity | str = Severity.ERROR) -> None:
        """Raise where something was found, or where not all could be looked at.

        Parameters
        ----------
        severity : Severity or str
            The least severity that counts: "error", "warning", "info", or "never".

        Raises
        ------
        NotHealthy
            Naming the findings.
        """
        __tracebackhide__ = True
        shown = self.masked()
        said = [f"{finding.message} ({finding.check})" for finding in shown.at_least(severity)]
        said += [f"cannot read {problem}" for problem in shown.case.problems]
        said += [f"{e.check} crashed: {e.reason}" for e in shown.examinations if e.outcome is Outcome.CRASHED]
        if said:
            raise NotHealthy(shown.case.path, [printable(line, limit=400) for line in said])

    def __str__(self) -> str:
        return load_renderer("text")(self, color=False)

    def __repr__(self) -> str:
        counts = ", ".join(f"{severity.value} {self.count(severity)}" for severity in Severity)
        return f"<Report of {printable(self.case.path, limit=200)}: {counts}; examinations {len(self.examinations)}>"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    def _repr_html_(self) -> str:
        """Show the HTML report inside a notebook."""
        return load_renderer("html", "render_frame")(self)


def fingerprint(check: str, kind: str | None, at: Location) -> str:
    """Name a finding so that it keeps its name when rows move or counts change."""
    parts = (check, kind or "", at.path or "", at.split or "", *at.columns, str(at.line or ""))
    parts += tuple(filter(None, (at.module, at.operation, f"rank {at.rank}" if at.rank else None)))
    return hashlib.blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
