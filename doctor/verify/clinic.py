"""The end-to-end test of the product: every patient goes the whole way from the symptom to the verdict.

A patient is a `clinic.toml` beside sick data or a sick program. Nothing in it says what is to be found but the name of
the check: the symptom, the finding and the verdict come from real scans and real trainings.
"""

import importlib
import importlib.util
import sys
import tempfile
import threading
import time
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import msgspec

from doctor.errors import DoctorError, UsageError
from doctor.measurements import Observer, Silent
from doctor.model import AnyRepair, Finding, Location, Report, Severity, Verdict, Verification, fingerprint
from doctor.rounds import Round, Visit
from doctor.settings import Settings
from doctor.sizes import bytes_of
from doctor.verify.cache import Cache
from doctor.version import VERSION

FILES = "clinic*.toml"
DEFAULT_WORKERS = 2
SECONDS_BETWEEN_STOPS = 0.2
_IMPORTS = threading.Lock()
CONTRARY = {
    Verdict.VERIFIED: Verdict.REFUTED,
    Verdict.REFUTED: Verdict.VERIFIED,
    Verdict.NOT_TESTABLE: Verdict.VERIFIED,
}
"""Where a check has several findings, one verdict as expected is enough, unless another says the contrary."""
NOT_SETTINGS = ("thresholds", "suppressions", "origin", "select", "ignore", "fail_on", "format", "budget")


class Supposed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A finding that nobody made, so that its repair is tried on healthy data."""

    repair: AnyRepair
    columns: tuple[str, ...] = ()
    split: str | None = None
    evidence: dict[str, Any] = {}


class Patient(msgspec.Struct, frozen=True, kw_only=True):
    """What `clinic.toml` says.

    Attributes
    ----------
    check : str
        Whose finding must be there, and is verified.
    expect : Verdict
    data, config, dataset : str or None
        Files or folders beside it.
    generate : str or None
        `module function` that writes the data into the folder given to it; the module stands beside it.
    suppose : Supposed or None
    instead : mapping or None
        Tried in place of what the finding prescribes: a repair, or for other kinds changes of training.
    twin : str
        Of a program: "sick" or "healthy".
    options : dict
        Settings of the visit, and arguments of what verifies.
    """

    kind: Literal["data", "config", "command"]
    disease: str
    check: str
    symptom: str
    expect: Verdict = Verdict.VERIFIED
    data: str | None = None
    config: str | None = None
    dataset: str | None = None
    generate: str | None = None
    suppose: Supposed | None = None
    instead: dict[str, Any] | None = None
    twin: str = "sick"
    steps: int | None = None
    seeds: tuple[int, ...] | None = None
    recipe: dict[str, Any] | None = None
    device_memory: str | None = None
    options: dict[str, Any] = {}


@dataclass(frozen=True, kw_only=True)
class Case:
    """A patient and where their file lies."""

    file: Path
    name: str
    patient: Patient


def find_patients(folder: Path, only: Sequence[str] = ()) -> list[Case]:
    """Read the file of every patient below a folder.

    Parameters
    ----------
    folder : Path
    only : sequence of str
        Checks (id, family or name) or parts of patients' names; all where it is empty.

    Raises
    ------
    UsageError
        When there is no patient, or a file is wrong, naming it.
    """
    files = sorted(folder.rglob(FILES)) if folder.is_dir() else []
    if not files:
        raise UsageError(
            f"{folder}: no patients here (files called clinic.toml); they come with a checkout, or --patients DIR"
        )
    cases = [Case(file=file, name=_name(file, folder), patient=_read(file)) for file in files]
    chosen = [case for case in cases if not only or any(_fits(case, word) for word in only)]
    if not chosen:
        known = ", ".join(sorted({case.patient.check for case in cases}))
        raise UsageError(f"clinic: no patient for {', '.join(only)}; there are patients for: {known}")
    return chosen


def make_round(
    cases: Sequence[Case],
    *,
    workers: int = DEFAULT_WORKERS,
    deadline: float | None = None,
    cache: Cache | None = None,
    observer: Observer | None = None,
) -> Round:
    """Visit the patients, several at a time.

    Parameters
    ----------
    cases : sequence of Case
    workers : int
        Patients at a time.
    deadline : float, optional
        Reading of `time.monotonic`; who is not seen by then has failed.
    cache : Cache, optional
        Where results are kept. [default: nowhere, so that every symptom is seen now]
    observer : Observer, optional
        Told of each patient.

    Returns
    -------
    Round
        In the order of the cases.
    """
    begin = time.monotonic()
    watcher = observer or Silent()
    watcher.planned(len(cases))
    _load_libraries({case.patient.kind for case in cases})
    store = cache or Cache(None)
    visits: dict[int, Visit] = {}
    pool = ThreadPoolExecutor(max_workers=workers)
    waiting: dict[Future[Visit], int] = {}
    try:
        waiting = {pool.submit(visit, case, deadline, store): place for place, case in enumerate(cases)}
        watcher.measuring("visit", cases[0].name)
        for done in as_completed(waiting):
            visits[waiting[done]] = done.result()
            watcher.measuring("visit", cases[waiting[done]].name)
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        _stop_trainings(waiting)
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    watcher.finished()
    seconds = round(time.monotonic() - begin, 1)
    return Round(version=VERSION, visits=[visits[place] for place in sorted(visits)], workers=workers, seconds=seconds)


def _load_libraries(kinds: Collection[str]) -> None:
    """Load in this thread what is written in C: two threads that load the same library at once may crash it."""
    import duckdb

    from doctor.registry import load_checks

    load_checks()
    for name in (*LIBRARIES, *(MODULES[kind] for kind in kinds)):
        importlib.import_module(name)
    with duckdb.connect() as connection:
        connection.execute("SELECT 1 AS one").fetchnumpy()


def _stop_trainings(waiting: Collection[Future[Visit]]) -> None:
    """End what was started for the patients, until nobody waits for it; their threads then clear up."""
    import psutil

    while any(future.running() for future in waiting):
        time.sleep(SECONDS_BETWEEN_STOPS)
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                process.kill()


def visit(case: Case, deadline: float | None = None, cache: Cache | None = None) -> Visit:
    """Take one patient the whole way; whatever goes wrong becomes the reason why it failed."""
    begin = time.monotonic()
    patient = case.patient
    plain = Visit(
        name=case.name,
        disease=patient.disease,
        check=patient.check,
        kind=patient.kind,
        symptom=patient.symptom,
        expected=patient.expect,
    )

    def ended(**facts: Any) -> Visit:
        return msgspec.structs.replace(plain, seconds=round(time.monotonic() - begin, 1), **facts)

    if deadline is not None and time.monotonic() >= deadline:
        return ended(trouble="the time budget was spent before")
    try:
        with tempfile.TemporaryDirectory(prefix="doctor-clinic-") as scratch:
            report = RUNNERS[patient.kind](case, Path(scratch), deadline, cache or Cache(None))
    except DoctorError as error:
        return ended(trouble=str(error).replace(f"{scratch}/", ""))
    except Exception as error:
        return ended(trouble=f"a fault of doctor itself: {type(error).__name__}: {error}")
    found = [
        msgspec.structs.replace(finding, message=finding.message.replace(f"{scratch}/", ""))
        for finding in report.findings
        if finding.check == patient.check
    ]
    told = [item for item in report.verifications if item.check == patient.check]
    facts = {"finding": found[0].message if found and patient.suppose is None else "", "trouble": ""}
    if not found:
        return ended(**facts | {"trouble": f"{patient.check} found nothing"})
    if not told:
        return ended(**facts | {"trouble": "nothing was verified"})
    contrary = [item for item in told if item.verdict is CONTRARY.get(patient.expect)]
    expected = [item for item in told if item.verdict is patient.expect]
    best = (contrary or expected or told)[0]
    finding = next((one.message for one in found if one.fingerprint == best.fingerprint), found[0].message)
    facts["finding"] = finding if patient.suppose is None else ""
    return ended(**facts | {"verification": best, "trouble": _trouble(best, patient)})


def _trouble(verification: Verification, patient: Patient) -> str:
    if verification.verdict is patient.expect:
        return ""
    return f"{verification.verdict.value} where {patient.expect.value} was expected: {verification.reason}"


def _data(case: Case, scratch: Path, deadline: float | None, cache: Cache) -> Report:
    from doctor.verify.data import DEFAULT_SEEDS, DEFAULT_STEPS, verify_data

    patient = case.patient
    folder = _folder(case, scratch, patient.data)
    settings, rest = _settings(case, folder)
    repair = msgspec.convert(patient.instead, AnyRepair) if patient.instead else None
    return verify_data(
        [folder],
        settings,
        checks=(patient.check,),
        seeds=patient.seeds or DEFAULT_SEEDS,
        steps=patient.steps or DEFAULT_STEPS,
        deadline=deadline,
        cache=cache,
        recipe=patient.recipe,
        instead=repair,
        suppose=_supposed(patient, folder),
        workers=1,
        **rest,
    )


def _config(case: Case, scratch: Path, deadline: float | None, cache: Cache) -> Report:
    from doctor.verify.config import verify_config

    patient = case.patient
    folder = _folder(case, scratch, patient.dataset) if patient.dataset or patient.generate else None
    settings, rest = _settings(case, folder or case.file.parent)
    given: dict[str, Any] = {
        "steps": patient.steps,
        "seeds": patient.seeds,
        "recipe": patient.recipe,
        "instead": patient.instead,
        "workers": 1,
        "device_memory": bytes_of(patient.device_memory) if patient.device_memory else None,
    }
    return verify_config(
        case.file.parent / (patient.config or "ds.json"),
        folder,
        settings,
        checks=(patient.check,),
        deadline=deadline,
        cache=cache,
        **{name: value for name, value in given.items() if value is not None},
        **rest,
    )


def _command(case: Case, scratch: Path, deadline: float | None, cache: Cache) -> Report:
    from doctor.verify.program import verify_program

    patient = case.patient
    return verify_program(
        case.file.parent,
        Settings(select=(patient.check,)),
        twin=patient.twin,
        repair=patient.instead,
        seeds=patient.seeds,
        deadline=deadline,
        cache=cache,
    )


MODULES = {"data": "doctor.verify.data", "config": "doctor.verify.config", "command": "doctor.verify.program"}
LIBRARIES = ("pyarrow.parquet", "scipy.sparse.csgraph", "scipy.stats", "sklearn.ensemble", "sklearn.datasets")
RUNNERS: Mapping[str, Callable[[Case, Path, float | None, Cache], Report]] = {
    "data": _data,
    "config": _config,
    "command": _command,
}


def _supposed(patient: Patient, folder: Path) -> tuple[Finding, ...]:
    if patient.suppose is None:
        return ()
    at = Location(columns=patient.suppose.columns, split=patient.suppose.split)
    return (
        Finding(
            check=patient.check,
            severity=Severity.INFO,
            message="supposed, to try the repair on healthy data",
            at=at,
            evidence=patient.suppose.evidence,
            repair=patient.suppose.repair,
            fingerprint=fingerprint(patient.check, "supposed", at),
        ),
    )


def _settings(case: Case, folder: Path) -> tuple[Settings, dict[str, Any]]:
    """Divide the options into settings of the visit and arguments of what verifies."""
    from doctor.settings import settings_for

    known = {item.name for item in fields(Settings)} - set(NOT_SETTINGS)
    options = {name.replace("-", "_"): value for name, value in case.patient.options.items()}
    given: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in options.items() if name in known
    }
    if "pipeline" in given:
        given["pipeline"] = str(folder / given["pipeline"])
    rest = {name: value for name, value in options.items() if name not in known}
    return settings_for(folder, given), rest


def _folder(case: Case, scratch: Path, named: str | None) -> Path:
    """Return the patient's data, generated where its file says so."""
    if case.patient.generate is None:
        return case.file.parent / (named or "sick")
    module, _, function = case.patient.generate.replace(":", " ").partition(" ")
    folder = scratch / (named or "patient")
    with _importing(case.file):
        made = getattr(_module(case.file, module), function.strip() or "generate", None)
        if made is None:
            raise UsageError(f"{case.file}: generate: {module} has no function {function!r}")
        made(folder)
    return folder


def _module(file: Path, name: str) -> ModuleType:
    beside = file.parent / f"{name}.py"
    if not beside.is_file():
        try:
            return importlib.import_module(name)
        except ImportError as error:
            raise UsageError(f"{file}: generate: {error}") from error
    spec = importlib.util.spec_from_file_location(f"clinic_patient_{abs(hash(file))}", beside)
    if spec is None or spec.loader is None:
        raise UsageError(f"{beside} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def _importing(file: Path) -> Iterator[None]:
    """Let a generator import what stands in its own checkout."""
    # Patients are visited in threads, and the path is everybody's.
    with _IMPORTS:
        yield from _from_checkout(file)


def _from_checkout(file: Path) -> Iterator[None]:
    roots = [str(parent.parent) for parent in file.resolve().parents if parent.name == "fixtures"][:1]
    fresh = [root for root in roots if root not in sys.path]
    sys.path[:0] = fresh
    try:
        yield
    finally:
        for root in fresh:
            sys.path.remove(root)


def _read(file: Path) -> Patient:
    try:
        table = tomllib.loads(file.read_text("utf-8"))
        known = {name for name in Patient.__struct_fields__ if name != "options"}
        options = table.pop("options", {}) | {name: value for name, value in table.items() if name not in known}
        # Steps and seeds may stand in either place.
        own = {name: options.pop(name) for name in ("steps", "seeds", "recipe") if name in options}
        return msgspec.convert({**table, **own, "options": options}, Patient)
    except (OSError, ValueError, AttributeError, TypeError, msgspec.ValidationError) as error:
        raise UsageError(f"{file}: {error}") from error


def _name(file: Path, folder: Path) -> str:
    place = file.parent.relative_to(folder).as_posix()
    twin = file.stem.removeprefix("clinic").strip("_")
    return f"{place} ({twin})" if twin else place


def _fits(case: Case, word: str) -> bool:
    check, place = case.patient.check, case.name.partition(" ")[0]
    return word in (check, *check.split("/"), case.name, place) or place.startswith(f"{word}/")
