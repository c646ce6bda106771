"""Where NaN and infinity came from, as far as steps could be run again."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doctor.errors import NotApplicable
from doctor.subjects.run import Run

WORDS = {
    "addmm": "matmul",
    "mm": "matmul",
    "bmm": "matmul",
    "baddbmm": "matmul",
    "native_layer_norm": "layer_norm",
    "native_batch_norm": "batch_norm",
    "true_divide": "div",
    "linalg_vector_norm": "norm",
}
"""What torch calls inside is not always what the user wrote."""


@dataclass(frozen=True, kw_only=True)
class Values:
    """A tensor in numbers.

    Attributes
    ----------
    least, greatest, nearest_zero : float or None
        Of the finite values; None where there are none.
    nan, infinite : int
        How many values are.
    """

    shape: tuple[int, ...] = ()
    dtype: str = ""
    least: float | None = None
    greatest: float | None = None
    nearest_zero: float | None = None
    nan: int = 0
    infinite: int = 0


@dataclass(frozen=True, kw_only=True)
class Origin:
    """One explained, or unexplained, NaN.

    Attributes
    ----------
    where : str
        "forward", "backward", "input" or "weights".
    fault : str
        "overflow", "rounding", "domain", "mask", "input", "early", "weights", "differs" or "unknown".
    operation : str
        In the user's words: "log", "div"; empty where there is none.
    module, path, line, code, function : str or int or None
        Where it stands; `path` is as the run saw it.
    name : str
        Of the parameter or the variable that was bad before the step.
    float64 : bool or None
        Whether the result would have been finite in float64; None where that could not be told.
    sample : int or None
        Which of the batch, from 0.
    step : int
        Which batch of the run, from 1.
    since : int or None
        The first step whose gradients were not finite, for weights.
    way : tuple of dict
        Ranges of the results before it, in order.
    """

    rank: int
    step: int
    where: str
    fault: str
    operation: str = ""
    module: str = ""
    path: str | None = None
    line: int | None = None
    code: str = ""
    function: str = ""
    name: str = ""
    inputs: tuple[Values, ...] = ()
    output: Values = Values()
    float64: bool | None = None
    sample: int | None = None
    since: int | None = None
    reason: str = ""
    way: tuple[dict[str, Any], ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class NanOrigins:
    """All of a run, in the order of their steps."""

    origins: tuple[Origin, ...]

    @classmethod
    def measure(cls, run: Run) -> "NanOrigins":
        """Read the events.

        Raises
        ------
        NotApplicable
            When the run was not watched from inside.
        """
        if run.origin != "recorder":
            raise NotApplicable("only a watched run is explained: a log holds no operations")
        origins = [
            _origin(process.rank, event.step or 0, event.facts)
            for process in run.processes
            for event in process.events
            if event.kind == "nan_origin"
        ]
        return cls(origins=tuple(sorted(origins, key=lambda origin: (origin.step, origin.rank))))


def _origin(rank: int, step: int, facts: dict[str, Any]) -> Origin:
    path = str(facts.get("path") or "")
    return Origin(
        rank=rank,
        step=step,
        where=str(facts.get("where", "")),
        fault=str(facts.get("fault", "unknown")),
        operation=operation_name(str(facts.get("operation", "")), str(facts.get("backward_of", ""))),
        module=str(facts.get("module", "")),
        path=path or None,
        line=facts.get("line") if isinstance(facts.get("line"), int) else None,
        code=str(facts.get("code", "")),
        function=str(facts.get("function", "")),
        name=str(facts.get("parameter") or facts.get("variable") or ""),
        inputs=tuple(_values(one) for one in facts.get("inputs") or ()),
        output=_values(facts.get("output") or {}),
        float64=facts.get("float64"),
        sample=facts.get("sample"),
        since=facts.get("since"),
        reason=str(facts.get("reason", "")),
        way=tuple(facts.get("path_ranges") or ()),
        seconds=float(facts.get("seconds") or 0.0),
    )


def _values(facts: dict[str, Any]) -> Values:
    return Values(
        shape=tuple(facts.get("shape") or ()),
        dtype=str(facts.get("dtype", "")),
        least=facts.get("min"),
        greatest=facts.get("max"),
        nearest_zero=facts.get("absmin"),
        nan=int(facts.get("nan") or 0),
        infinite=int(facts.get("inf") or 0) + int(facts.get("-inf") or 0),
    )


def operation_name(torch_name: str, backward_of: str = "") -> str:
    """Return an operation in the words of the user's code.

    Examples
    --------
    >>> operation_name("addmm")
    'matmul'
    >>> operation_name("mul", "SqrtBackward0")
    'sqrt'
    >>> operation_name("mul", "MyLossBackward")
    'MyLoss'
    """
    made_by = re.fullmatch(r"(\w+?)Backward(\d*)", backward_of.split("::")[-1])
    if made_by:
        name, number = made_by.groups()
        torch_name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower() if number else name
    bare = torch_name if torch_name in WORDS else torch_name.strip("_")
    return WORDS.get(bare, bare)


def short(path: str | None) -> str:
    """Return the name of a file without its folders."""
    return Path(path).name if path else ""
