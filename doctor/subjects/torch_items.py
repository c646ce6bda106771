"""Rows from what torch trains on: tensors, arrays, and data sets whose items are examples.

An example is a mapping, or an input with its target. An input that is a vector becomes a column per number.
"""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from doctor.errors import UsageError

MAX_ENDLESS = 100_000
"""Items read of a data set that does not say how many it has."""
MAX_NUMBERS = 5_000
"""Numbers in one example; what has more is an image or a sequence, and no row of a table."""


def is_items(data: Any) -> bool:
    """Whether it gives examples one by one."""
    if type(data).__module__ == "builtins" or (hasattr(data, "dataset") and hasattr(data, "batch_size")):
        return False  # lists say too little of what they hold, and a loader gives batches
    return (hasattr(data, "__getitem__") and hasattr(data, "__len__")) or hasattr(data, "__iter__")


def arrow_of_array(data: Any) -> Any:
    """Return a tensor or an array of rows as an Arrow table.

    Raises
    ------
    UsageError
        When it has not one or two dimensions.
    """
    import pyarrow as pa

    array = _array(data)
    if array.ndim not in (1, 2):
        raise UsageError(f"an array of shape {tuple(array.shape)} is no table: it needs rows and columns")
    if array.ndim == 1:
        array = array.reshape(-1, 1)
    if array.shape[1] > MAX_NUMBERS:
        raise UsageError(f"an array of shape {tuple(array.shape)} is no table: more than {MAX_NUMBERS:,} columns")
    # Called as the columns of a text file without a header are.
    return pa.table({f"column{number}": pa.array(array[:, number]) for number in range(array.shape[1])})


def arrow_of_items(data: Any, shown: str) -> tuple[Any, bool]:
    """Return the items of a data set as an Arrow table, and whether these are all.

    Raises
    ------
    UsageError
        When an item is no row of a table.
    """
    import pyarrow as pa

    tensors = getattr(data, "tensors", None)
    if isinstance(tensors, tuple) and 0 < len(tensors) <= 2 and all(len(part.shape) in (1, 2) for part in tensors):
        return _of_tensors(tensors), True
    whole = True
    rows: list[dict[str, Any]] = []
    for item in _items(data):
        if len(rows) == MAX_ENDLESS and not hasattr(data, "__len__"):
            whole = False
            break
        row: dict[str, Any] = {}
        _flatten(item, "", row)
        if not row or len(row) > MAX_NUMBERS:
            raise UsageError(f"{shown}: an item of {len(row):,} numbers is no row of a table: {type(item).__name__}")
        rows.append(row)
    names = list(dict.fromkeys(name for row in rows for name in row))
    if not names:
        raise UsageError(f"{shown}: it has no items")
    return pa.table({name: _column([row.get(name) for row in rows]) for name in names}), whole


def _of_tensors(tensors: tuple[Any, ...]) -> Any:
    """Take whole columns, which is a thousand times faster than item by item."""
    table = arrow_of_array(tensors[0])
    if len(tensors) == 2:
        target = arrow_of_array(tensors[1])
        single = target.num_columns == 1
        for number in range(target.num_columns):
            table = table.append_column("target" if single else f"target{number}", target.column(number))
    return table


def _items(data: Any) -> Iterator[Any]:
    if hasattr(data, "__getitem__") and hasattr(data, "__len__"):
        return (data[number] for number in range(len(data)))
    return iter(itertools.islice(data, MAX_ENDLESS + 1))


def _array(data: Any) -> Any:
    import numpy as np

    if hasattr(data, "detach"):  # a tensor, of whose types numpy lacks some
        data = data.detach().cpu()
        data = data.float() if str(data.dtype) in ("torch.bfloat16", "torch.float16") else data
        data = data.to_dense() if str(data.layout) != "torch.strided" else data
        data = data.numpy()
    return np.asarray(data)


def _flatten(item: Any, prefix: str, row: dict[str, Any]) -> None:
    """Write an example's numbers and words into a row, under names that say where in it they stood."""
    if isinstance(item, Mapping):
        for key, value in item.items():
            _flatten(value, f"{prefix}{key}", row)
    elif isinstance(item, tuple | list) and not prefix and len(item) == 2:
        _flatten(item[0], "", row)
        _flatten(item[1], "target", row)
    elif isinstance(item, tuple | list):
        for number, value in enumerate(item):
            _flatten(value, f"{prefix or 'column'}{number}", row)
    elif hasattr(item, "shape") and tuple(item.shape):
        flat = _array(item).reshape(-1)
        if len(flat) > MAX_NUMBERS:
            raise UsageError(f"an item of shape {tuple(item.shape)} is no row of a table: {MAX_NUMBERS:,} at most")
        row.update({f"{prefix or 'column'}{number}": value for number, value in enumerate(flat.tolist())})
    else:
        row[prefix or "column0"] = item.item() if hasattr(item, "item") else item


def _column(values: list[Any]) -> Any:
    """Return a column; what has several types becomes text, as it would in a file."""
    import pyarrow as pa

    try:
        return pa.array(values)
    except (pa.ArrowException, TypeError, ValueError):
        return pa.array([None if value is None else str(value) for value in values], pa.string())
