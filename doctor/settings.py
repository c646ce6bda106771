"""What the user asked for: the command line over `doctor.toml` or `[tool.doctor]`, over the defaults."""

import datetime
import re
import shlex
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import msgspec

from doctor.errors import UsageError
from doctor.model import Finding, Severity
from doctor.sizes import is_size
from doctor.wording import masked_address

FAIL_ON = ("error", "warning", "info", "never")
DUCKDB = "duckdb"
ENGINE = re.compile(r"duckdb|spark|spark://[^\s/:,]+:[0-9]{1,5}(,[^\s/:,]+:[0-9]{1,5})*")
MIN_SAMPLE_ROWS = 100
BY_HAND = {
    "pipeline": "runs code",
    "uri": "opens a connection",
    "query": "is run by a database",
    "table": "goes with one database",
}
"""What a file that lies beside strangers' data may not ask for."""


class Suppression(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A finding that the user lives with; the reason is not optional."""

    check: str
    reason: str
    column: str | None = None
    path: str | None = None
    fingerprint: str | None = None
    until: datetime.date | None = None

    def covers(self, finding: Finding) -> bool:
        """Whether it speaks of this finding and has not run out."""
        return (
            self.check == finding.check
            and self.column in (None, *finding.at.columns)
            and self.path in (None, finding.at.path)
            and self.fingerprint in (None, finding.fingerprint)
            and not self.ran_out
        )

    @property
    def ran_out(self) -> bool:
        """Whether its last day is over."""
        return self.until is not None and datetime.date.today() > self.until


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that can be set, with its default.

    Attributes
    ----------
    budget : float or None
        Seconds after which no further evidence is measured.
    engine : str
        Which measures tables: "duckdb", "spark" (on this machine) or "spark://HOST:PORT" (a cluster).
    memory_limit : str or None
        Passed to the engine, such as "1GB".
    uri, query, table : str, str or None, tuple of str
        A database, and which of its rows or tables are looked at.
    against : str or None
        Path of an older version of the data, with which it is compared.
    baseline : str, bool or None
        Path of the file with accepted findings; None looks for one, False does without.
    benchmark : tuple of str
        Paths of benchmarks that must not be trained on.
    device_memory : str or None
        Memory of the device that is trained on, such as "24GB".
    image_labels : str or None
        What tells the classes of images: "folders", "none", or a column of the table that names them.
    embeddings : str or None
        Path of vectors of the images, one row per image, or of a model that makes them, by which their classes are
        judged.
    max_length : int or None
        Tokens after which a training cuts texts.
    tokenizer : str or None
        Path of a tokenizer.json, or of a model's folder, that counts them.
    sample_rows : int
        Rows drawn for measures that fit a model; counts, hashes and joins use all rows.
    """

    target: str | None = None
    time: str | None = None
    group: tuple[str, ...] = ()
    annotators: tuple[str, ...] = ()
    item: str | None = None
    split_column: str | None = None
    split: tuple[str, ...] = ()
    image_labels: str | None = None
    header: str | None = None
    delimiter: str | None = None
    encoding: str | None = None
    scale: str | None = None
    predictions: str | None = None
    range: tuple[str, ...] = ()
    pattern: tuple[str, ...] = ()
    available_at: tuple[str, ...] = ()
    pipeline: str | None = None
    uri: str | None = None
    query: str | None = None
    table: tuple[str, ...] = ()
    against: str | None = None
    baseline: str | bool | None = None
    benchmark: tuple[str, ...] = ()
    device_memory: str | None = None
    embeddings: str | None = None
    max_length: int | None = None
    tokenizer: str | None = None
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    fail_on: str = Severity.ERROR.value
    format: str = "text"
    engine: str = DUCKDB
    budget: float | None = None
    memory_limit: str | None = None
    threads: int | None = None
    sample_seed: int = 0
    sample_rows: int = 50_000
    thresholds: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    suppressions: tuple[Suppression, ...] = ()
    origin: Path | None = None


def as_options(settings: Settings) -> tuple[str, ...]:
    """Return the options, quoted for a shell, that bring about what decides the findings of these settings."""
    told = {"fail_on", "format", "baseline", "uri", "thresholds", "suppressions", "origin"}
    options = ["--uri", masked_address(settings.uri, options=True)] if settings.uri else []
    for item in fields(Settings):
        value = getattr(settings, item.name)
        if item.name in told or (value == item.default and item.name != "sample_seed"):
            continue
        name = "--" + item.name.replace("_", "-")
        joined = [",".join(value)] if item.name == "annotators" else value if isinstance(value, tuple) else [value]
        options += [word for single in joined for word in (name, str(single))]
    for check, thresholds in settings.thresholds.items():
        options += [word for name, value in thresholds.items() for word in ("--set", f"{check}.{name}={value}")]
    if isinstance(settings.baseline, str):
        options += ["--baseline", settings.baseline]
    elif settings.baseline is False:
        options.append("--no-baseline")  # last, since all others come in pairs
    return tuple(map(shlex.quote, options))


def settings_for(path: Path, given: Mapping[str, Any]) -> Settings:
    """Join the settings file that governs `path` with what was given on the command line.

    Parameters
    ----------
    path : Path
        What is scanned. The nearest `doctor.toml`, or `pyproject.toml` with a table `[tool.doctor]`, in it or above
        it is read; failing that, the nearest one at or above the working directory.
    given : mapping
        Options by field name; None and empty ones do not count. `set` holds `CHECK.THRESHOLD=VALUE` strings.

    Raises
    ------
    UsageError
        Naming the file and the key.
    """
    origin, table = _settings_file(path)
    values = _from_table(table, origin) if origin else {}
    asked = {name: value for name, value in given.items() if value not in (None, (), "") and name != "set"}
    thresholds = {id: dict(names) for id, names in values.pop("thresholds", {}).items()}
    for id, name, value in map(parse_threshold, given.get("set") or ()):
        thresholds.setdefault(id, {})[name] = value
    settings = Settings(**{**values, **asked}, thresholds=thresholds, origin=origin)
    if settings.fail_on not in FAIL_ON:
        wrong, said = "fail_on", f"fail-on: {settings.fail_on!r} is none of {', '.join(FAIL_ON)}"
    elif not ENGINE.fullmatch(settings.engine):
        wrong, said = "engine", f"engine: {settings.engine!r} is none of duckdb, spark, spark://HOST:PORT"
    elif settings.sample_rows < MIN_SAMPLE_ROWS:
        wrong = "sample_rows"
        said = f"sample-rows: {settings.sample_rows} is less than {MIN_SAMPLE_ROWS}, too few for any model"
    elif settings.max_length is not None and settings.max_length < 1:
        wrong, said = "max_length", f"max-length: {settings.max_length} is no number of tokens"
    elif settings.device_memory and not is_size(settings.device_memory):
        wrong, said = "device_memory", f"device-memory: {settings.device_memory!r} is no size, such as 24GB"
    else:
        return settings
    raise UsageError(said if wrong in asked else f"{origin}: {said}")


def parse_threshold(text: str) -> tuple[str, str, str]:
    """Split `CHECK.THRESHOLD=VALUE`.

    Raises
    ------
    UsageError
        When a part is missing.
    """
    name, equals, value = text.partition("=")
    id, dot, threshold = name.rpartition(".")
    if not (equals and dot and id and threshold and value):
        raise UsageError(f"--set {text!r} is not of the form CHECK.THRESHOLD=VALUE")
    return id.strip(), threshold.strip().replace("-", "_"), value.strip()


def _settings_file(path: Path) -> tuple[Path | None, dict[str, Any]]:
    start = path.resolve()
    for folder in _upwards([start if start.is_dir() else start.parent, Path.cwd()]):
        own = folder / "doctor.toml"
        if own.is_file():
            return own, _read_toml(own)
        shared = folder / "pyproject.toml"
        if shared.is_file():
            table = _read_toml(shared).get("tool", {}).get("doctor")
            if table is not None:
                return shared, table
    return None, {}


def _upwards(starts: Iterable[Path]) -> Iterable[Path]:
    for start in starts:
        yield start
        yield from start.parents


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: {error}") from error


def _from_table(table: Mapping[str, Any], origin: Path) -> dict[str, Any]:
    known = {item.name: item for item in fields(Settings)} | {"set": None, "suppress": None}
    del known["origin"], known["thresholds"], known["suppressions"]
    for name, why in BY_HAND.items():
        if name in table:
            raise UsageError(f"{origin}: {name} {why}, so it is given on the command line only (--{name})")
        del known[name]
    values: dict[str, Any] = {}
    for key, value in table.items():
        name = key.replace("-", "_")
        if name not in known:
            listed = ", ".join(sorted(word.replace("_", "-") for word in known))
            raise UsageError(f"{origin}: unknown key {key!r}; known: {listed}")
        if name == "set":
            values["thresholds"] = _thresholds(value, origin)
        elif name == "suppress":
            values["suppressions"] = suppressions_of(value, f"{origin}: suppress")
        else:
            values[name] = _typed(name, value, origin)
    for name in ("against", "baseline", "embeddings"):
        if isinstance(values.get(name), str) and values[name]:
            values[name] = str(origin.parent / values[name])  # stays what it is where it is absolute
    if values.get("benchmark"):
        values["benchmark"] = tuple(str(origin.parent / path) for path in values["benchmark"])
    return values


def _typed(name: str, value: Any, origin: Path) -> Any:
    wanted = Settings.__annotations__[name]
    if wanted == tuple[str, ...] and isinstance(value, str):
        return (value,)
    try:
        return msgspec.convert(value, wanted)
    except msgspec.ValidationError as error:
        raise UsageError(f"{origin}: {name.replace('_', '-')}: {error}") from error


def _thresholds(value: Any, origin: Path) -> dict[str, dict[str, Any]]:
    if not isinstance(value, dict) or not all(isinstance(names, dict) for names in value.values()):
        raise UsageError(f'{origin}: write thresholds as [set."family/check"] with lines threshold = value')
    return {id: {name.replace("-", "_"): given for name, given in names.items()} for id, names in value.items()}


def suppressions_of(value: Any, place: str) -> tuple[Suppression, ...]:
    """Read suppressions, and see that each gives its reason.

    Raises
    ------
    UsageError
        Beginning with `place`.
    """
    try:
        suppressions = msgspec.convert(value, tuple[Suppression, ...])
    except msgspec.ValidationError as error:
        raise UsageError(f"{place}: {error}") from error
    for suppression in suppressions:
        if not suppression.reason.strip():
            raise UsageError(f"{place}: the suppression of {suppression.check} gives no reason")
    return suppressions
