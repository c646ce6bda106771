"""The run folder as the monitor writes it.

The first monitor writes `run.json`, `machine.samples.ring`, `machine.events.jsonl` and `end.json`; a monitor of another
machine that shares the folder puts its host's name in each: `run@HOST.json` and so on.
"""

import contextlib
import json
import os
import platform
import re
import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from doctor.errors import UsageError
from doctor.version import VERSION
from doctor.watching.probe.events import Events
from doctor.watching.probe.ring import Ring
from doctor.watching.telling import tell

MAX_NAMES = 1000


def host_name() -> str:
    """Return this machine's name; `DOCTOR_HOST` overrides it."""
    return os.environ.get("DOCTOR_HOST") or socket.gethostname()


def write_whole(path: Path, text: str) -> None:
    """Replace a file, so that readers see the old or the new one, never a part.

    Raises
    ------
    OSError
        When it cannot be written; the old one is left as it is.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(text, "utf-8")
        beside.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise


class RunFolder:
    """Where one monitor keeps what it saw; a folder that cannot be written costs the record, never the run.

    Parameters
    ----------
    wanted : Path or None
        Else `.doctor/runs/<time>`, with a number where that is taken.
    about : mapping
        What `run.json` shall say beside the place and the time.

    Raises
    ------
    UsageError
        When `wanted` holds a run of this machine already.
    OSError
        When it cannot be made.
    """

    def __init__(self, wanted: Path | None, about: Mapping[str, Any]) -> None:
        self.host = host_name()
        self.path = (_made(wanted) if wanted else _new_default()).resolve()
        self._mark = ""
        self._samples: Ring | None = None
        self._taken = 0
        self._complained: set[str] = set()
        self._begin(about)
        self._events = Events(str(self.file("machine", "events.jsonl")))

    @classmethod
    def taken_over(cls, folder: Path, about: Mapping[str, Any]) -> "RunFolder":
        """Go on with the folder of a run whose monitor is gone.

        Raises
        ------
        OSError
            When it cannot be written.
        """
        self = cls.__new__(cls)
        self.host, self.path = host_name(), folder.resolve()
        self._samples, self._taken, self._complained = None, 0, set()
        for number in range(2, MAX_NAMES):
            self._mark = f"@{_plain(self.host)}@{number}"
            with contextlib.suppress(FileExistsError):
                self._write_start(self.file("run", "json"), about)
                break
        self._events = Events(str(self.file("machine", "events.jsonl")))
        return self

    def file(self, stem: str, ending: str) -> Path:
        """Return the path of one of this monitor's own files."""
        return self.path / f"{stem}{self._mark}.{ending}"

    def _begin(self, about: Mapping[str, Any]) -> None:
        try:
            self._write_start(self.path / "run.json", about)
            return
        except FileExistsError:
            self._join()
        self._mark = f"@{_plain(self.host)}"
        try:
            self._write_start(self.file("run", "json"), about)
        except FileExistsError:
            raise _taken(self.path) from None

    def _write_start(self, path: Path, about: Mapping[str, Any]) -> None:
        known = {
            "format": 1,
            "doctor": VERSION,
            "folder": str(Path.cwd()),
            "host": self.host,
            "platform": platform.platform(),
            "started": time.time(),
            "monotonic": time.monotonic(),
            "monitor": os.getpid(),
        }
        with path.open("x", encoding="utf-8") as file:
            file.write(json.dumps(known | dict(about), indent=1) + "\n")

    def _join(self) -> None:
        """Refuse to mix two runs: another machine's that has not ended is ours as well."""
        first: dict[str, Any] = {}
        for _ in range(20):  # its writer may not have come further than making the file
            with contextlib.suppress(ValueError):
                first = json.loads((self.path / "run.json").read_text("utf-8"))
                break
            time.sleep(0.05)
        if first.get("host") == self.host or (self.path / "end.json").exists():
            raise _taken(self.path)

    def sample(self, fields: Sequence[str], values: Mapping[str, float]) -> None:
        """Record one look at the machine; `fields` are all that may ever come."""
        try:
            if self._samples is None:
                names = tuple(dict.fromkeys(("time", "monotonic", *fields)))
                about = {"host": self.host, "pid": os.getpid()}
                self._samples = Ring(str(self.file("machine", "samples.ring")), names, about=about)
            self._taken += 1
            known = {name: value for name, value in values.items() if name in self._samples.fields}
            self._samples.write(self._taken, {"time": time.time(), "monotonic": time.monotonic()} | known)
        except OSError as error:
            self._samples_lost(error)

    def _samples_lost(self, error: OSError) -> None:
        self.complain("machine.samples.ring", error)
        self.sample = lambda fields, values: None  # type: ignore[method-assign]  # asked every second, in vain

    def event(self, kind: str, **facts: Any) -> None:
        """Write down something that the monitor saw once."""
        try:
            self._events.write(kind, None, **facts)
        except OSError as error:
            self.complain("machine.events.jsonl", error)

    def end(self, facts: Mapping[str, Any]) -> None:
        """Write how the command ended; where the folder was taken over, for the monitor that is gone as well."""
        text = json.dumps(dict(facts), indent=1, default=str) + "\n"
        self.write(self.file("end", "json"), text)
        if self._mark.count("@") > 1 and not (self.path / "end.json").exists():
            self.write(self.path / "end.json", text)

    def write(self, path: Path, text: str) -> bool:
        """Replace a file of the folder; whether that worked."""
        try:
            write_whole(path, text)
        except OSError as error:
            self.complain(path.name, error)
            return False
        return True

    def complain(self, name: str, error: OSError) -> None:
        """Say once per reason that something is not kept."""
        reason = error.strerror or str(error)
        if reason not in self._complained:
            self._complained.add(reason)
            tell(f"{self.path}/{name}: {reason}; the command goes on, its record has gaps")


def note_inner_watch(outer: Path, inner: Path) -> None:
    """Tell the watch in which this one was started that the probe writes elsewhere now."""
    with contextlib.suppress(OSError):
        why = f"an inner doctor watch took the probe, into {inner}"
        Events(str(outer / "machine.events.jsonl")).write("inner_watch", None, folder=str(inner), why=why)


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _new_default() -> Path:
    parent = _made(Path(".doctor") / "runs")
    name = time.strftime("%Y-%m-%dT%H-%M-%S")
    for number in range(1, MAX_NAMES):
        folder = parent / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        return folder
    raise OSError(None, f"no free name for a run at {name}")


def _taken(folder: Path) -> UsageError:
    return UsageError(f"{folder}: holds a run already; name another folder")
