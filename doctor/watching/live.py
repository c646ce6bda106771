"""The live view: a few lines at the bottom of the terminal, and keys by which the run can be held."""

import io
from collections.abc import Callable, Mapping, Sequence

from rich.console import Console
from rich.text import Text

from doctor.model import Finding
from doctor.watching.growth import MEMORY_FIELDS
from doctor.watching.tail import Tail
from doctor.watching.telling import tell
from doctor.watching.terminal import Terminal, waits_for_input
from doctor.wording import printable

LINES = 6
KEYS = {"p": "pause", "r": "resume", "c": "checkpoint", "s": "stop"}
RECORDS_SHOWN = 240
MAX_RANKS = 8
BARS = "▁▂▃▄▅▆▇█"
STYLES = {"error": "bold red", "warning": "yellow", "info": "cyan"}


class Live:
    """Draws the newest at the bottom of a terminal, once a second.

    Parameters
    ----------
    descriptor : int
        Of the terminal.
    pid : int
        Of the command; while it waits for its standard input, the terminal is its own.
    ask : callable
        Passes a request to the probe: one of `KEYS`.
    """

    def __init__(self, descriptor: int, pid: int, ask: Callable[[str], object]) -> None:
        self._terminal = Terminal(descriptor, LINES)
        self._pid = pid
        self._ask = ask
        self._hidden = False
        self._shown = False

    def inputs(self) -> Sequence[int]:
        """Return the terminal while it is ours."""
        return [self._terminal.handle] if self._shown else []

    def heard(self, number: int) -> None:
        """Do what a key stands for."""
        key = self._terminal.key()
        if key in KEYS:
            self._ask(KEYS[key])
            tell(f"asked the training to {KEYS[key]}")
        elif key == "q":
            self._hidden, self._shown = True, False
            self._terminal.release()

    def show(self, tails: Sequence[Tail], sample: Mapping[str, float], findings: Sequence[Finding]) -> None:
        """Draw the newest, unless hidden, in the background or while the command asks something."""
        asking = any(map(waits_for_input, [self._pid, *(int(tail.about.get("pid", 0)) for tail in tails)]))
        if self._hidden or asking or not self._terminal.take():
            self._terminal.release()
            self._shown = False
            return
        self._shown = True
        width = self._terminal.size.columns
        self._terminal.draw([_ansi(line, width) for line in panel(tails, sample, findings, width)])

    def close(self) -> None:
        """Give the terminal back."""
        self._shown = False
        self._terminal.close()


def panel(tails: Sequence[Tail], sample: Mapping[str, float], findings: Sequence[Finding], width: int) -> list[Text]:
    """Return the lines of the view.

    Parameters
    ----------
    tails : sequence of Tail
        The first is shown with its numbers, all with their phases.
    sample : mapping
        The machine's newest.
    findings : sequence of Finding
        Told so far, oldest first.
    """
    lines = [Text("─ doctor ".ljust(width - 1, "─"), style="dim")]
    lines.append(_numbers(tails[0]) if tails else Text("no training step yet", style="dim"))
    lines.append(_machine(sample))
    lines.append(_phases(tails))
    if findings:
        last = findings[-1]
        more = f" (+{len(findings) - 1} more)" if len(findings) > 1 else ""
        word = last.severity.value
        lines.append(Text.assemble((word, STYLES[word]), f" {printable(last.message, limit=300)}{more}"))
    else:
        lines.append(Text("nothing found so far", style="dim"))
    lines.append(Text("p pause  r resume  c checkpoint  s stop  q hide", style="dim"))
    return lines


def _numbers(tail: Tail) -> Text:
    records = tail.latest(RECORDS_SHOWN)
    last = records[-1] if records else {}
    parts = [f"step {int(tail.state().get('step', 0)):,}"]
    losses = [record["loss"] for record in records if "loss" in record]
    if losses:
        parts.append(f"loss {losses[-1]:.4g} {sparkline(losses)}")
    if "grad_norm" in last:
        parts.append(f"grad norm {last['grad_norm']:.3g}")
    if "learning_rate" in last:
        parts.append(f"lr {last['learning_rate']:.3g}")
    seconds = sum(record.get("step_seconds", 0.0) for record in records)
    if seconds > 0:
        parts.append(f"{len(records) / seconds:.3g} steps/s")
    return Text(" · ".join(parts))


def _machine(sample: Mapping[str, float]) -> Text:
    own = sum(sample.get(name, 0.0) for name in MEMORY_FIELDS)
    parts = [f"memory {own / 1e9:.2f} GB"] if own else []
    if "host_available_bytes" in sample:
        parts.append(f"{sample['host_available_bytes'] / 1e9:.1f} GB free")
    for number in range(MAX_RANKS):
        used, busy = sample.get(f"gpu{number}_used_bytes"), sample.get(f"gpu{number}_busy_share")
        if used is not None:
            shown = f" {busy:.0%}" if busy is not None else ""
            parts.append(f"GPU {number}{shown} {used / 1e9:.1f} GB")
    return Text(" · ".join(parts), style="dim")


def _phases(tails: Sequence[Tail]) -> Text:
    shown = [f"rank {tail.about.get('rank', 0)} {tail.phase}" for tail in tails[:MAX_RANKS]]
    more = f" +{len(tails) - MAX_RANKS} ranks" if len(tails) > MAX_RANKS else ""
    return Text(" · ".join(shown) + more, style="dim")


def sparkline(values: Sequence[float], width: int = 24) -> str:
    """Draw values as bars between their lowest and highest; what is not finite becomes a `!`."""
    size = max(1, -(-len(values) // width))
    parts = [values[begin : begin + size] for begin in range(0, len(values), size)]
    means = [sum(part) / len(part) for part in parts]
    finite = [mean for mean in means if abs(mean) < float("inf")]
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    reach = (high - low) or 1.0
    return "".join(
        BARS[round((mean - low) / reach * (len(BARS) - 1))] if abs(mean) < float("inf") else "!" for mean in means
    )


def _ansi(line: Text, width: int) -> str:
    """Return a line with its colours, cut to the width."""
    line.truncate(width - 1, overflow="ellipsis")
    out = io.StringIO()
    Console(file=out, force_terminal=True, width=width, legacy_windows=False).print(line, end="", no_wrap=True)
    return out.getvalue()
