"""Runs in a process of its own: builds the user's data set and writes one fingerprint per item.

Standard library only, and read as text by `pipeline_runs`, so that nothing of ours is on the user's import path. The
answer goes to the file descriptor given, as JSON lines: `{"digest", "text"}` for each item, then one closing line.
"""

import datetime
import decimal
import enum
import fractions
import hashlib
import importlib
import itertools
import json
import os
import pathlib
import re
import struct
import sys
import traceback
import types
import uuid
from collections.abc import Iterable, Iterator
from typing import Any

MAX_DEPTH = 40
SHOWN = 160
ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
PLAIN = (
    datetime.date,
    datetime.time,
    datetime.timedelta,
    datetime.tzinfo,
    decimal.Decimal,
    fractions.Fraction,
    uuid.UUID,
    range,
    slice,
    complex,
)


class WrongUse(Exception):
    """What the user named is not there."""


class Fingerprint:
    """Encodes a value so that equal values give equal bytes in every process, whatever the hash seed."""

    def __init__(self) -> None:
        self.uncompared: set[str] = set()

    def digest(self, value: Any) -> str:
        """Return the fingerprint of a value as 32 hexadecimal digits."""
        state = hashlib.blake2b(digest_size=16)
        for part in self.parts(value, ()):
            state.update(struct.pack("<Q", len(part)))
            state.update(part)
        return state.hexdigest()

    def parts(self, value: Any, above: tuple[int, ...]) -> Iterator[bytes]:
        """Yield the bytes that stand for a value; `above` are the ids of the values that hold it."""
        if id(value) in above or len(above) > MAX_DEPTH:
            yield b"again"
            return
        for encode in (self.simple, self.tensor, self.frame, self.collection):
            found = encode(value, (*above, id(value)))
            if found is not None:
                yield from found
                return
        yield from self.thing(value, (*above, id(value)))

    def simple(self, value: Any, above: tuple[int, ...]) -> Iterable[bytes] | None:
        """Encode what has one spelling."""
        kind = type(value).__name__.encode()
        if value is None or value is True or value is False or value is Ellipsis:
            return [b"constant", str(value).encode()]
        if isinstance(value, enum.Enum):
            return [b"enum", kind, value.name.encode() if value.name else str(value).encode()]
        if type(value) is int:
            return [b"int", str(value).encode() if abs(value) < 1 << 64 else hex(value).encode()]
        if type(value) is float:
            return [b"float", struct.pack("<d", value)]
        if isinstance(value, str):
            return [b"str", value.encode("utf-8", "surrogatepass")]
        if isinstance(value, (bytes, bytearray, memoryview)):
            return [b"bytes", bytes(value)]
        if isinstance(value, pathlib.PurePath):
            return [b"path", os.fsencode(value)]
        if isinstance(value, PLAIN):
            return [kind, repr(value).encode()]
        if isinstance(value, (types.FunctionType, types.BuiltinFunctionType, type, types.ModuleType)):
            return [b"named", getattr(value, "__qualname__", value.__name__).encode()]
        return None

    def tensor(self, value: Any, above: tuple[int, ...]) -> Iterable[bytes] | None:
        """Encode arrays by their type, shape and bytes."""
        torch, numpy = sys.modules.get("torch"), sys.modules.get("numpy")
        if torch is not None and isinstance(value, torch.Tensor):
            if value.layout is not torch.strided:
                value = value.to_dense()
            flat = value.detach().cpu().contiguous().reshape(-1)
            raw = bytes(flat.view(torch.uint8).numpy()) if flat.numel() else b""
            return [b"tensor", str(value.dtype).encode(), str(tuple(value.shape)).encode(), raw]
        if numpy is not None and not isinstance(value, (list, tuple, dict)):
            if isinstance(value, (numpy.ndarray, numpy.generic)):
                return self.array(numpy.asarray(value), above)
            if module_of(value) in ("tensorflow", "jax", "jaxlib") and hasattr(value, "dtype"):
                return self.array(numpy.asarray(value), above)
        if module_of(value) == "PIL" and hasattr(value, "tobytes"):
            return [b"image", value.mode.encode(), str(value.size).encode(), value.tobytes()]
        return None

    def array(self, value: Any, above: tuple[int, ...]) -> Iterable[bytes]:
        """Encode a numpy array, objects in it one by one."""
        head = [b"array", value.dtype.str.encode(), str(value.shape).encode()]
        if value.dtype.hasobject:
            return itertools.chain(head, *(self.parts(item, above) for item in value.reshape(-1).tolist()))
        return [*head, value.tobytes()]

    def frame(self, value: Any, above: tuple[int, ...]) -> Iterable[bytes] | None:
        """Encode tables column by column, with their types."""
        owner, name = module_of(value), type(value).__name__
        if owner == "pandas" and name == "DataFrame":
            columns = [(str(key), str(kind)) for key, kind in value.dtypes.items()]
            return self.parts(["DataFrame", columns, list(value.itertuples(name=None))], above)
        if owner == "pandas" and name in ("Series", "Index", "RangeIndex"):
            return self.parts([name, str(value.dtype), value.tolist()], above)
        if owner == "pandas":
            return [name.encode(), repr(value).encode()]
        if owner == "polars" and name == "DataFrame":
            return self.parts([name, [(key, str(kind)) for key, kind in value.schema.items()], value.rows()], above)
        if owner == "polars" and name == "Series":
            return self.parts([name, str(value.dtype), value.to_list()], above)
        if owner == "pyarrow" and hasattr(value, "to_pylist"):
            return self.parts(
                [name, str(getattr(value, "schema", value.type if hasattr(value, "type") else "")), value.to_pylist()],
                above,
            )
        if owner == "pyarrow" and hasattr(value, "as_py"):
            return self.parts([str(value.type), value.as_py()], above)
        return None

    def collection(self, value: Any, above: tuple[int, ...]) -> Iterable[bytes] | None:
        """Encode what holds other values; sets and the keys of mappings have no order."""
        if isinstance(value, (list, tuple)):
            head = [b"list" if isinstance(value, list) else b"tuple", str(len(value)).encode()]
            return itertools.chain(head, *(self.parts(item, above) for item in value))
        if isinstance(value, (set, frozenset)):
            return [b"set", *sorted(self.digest(item).encode() for item in value)]
        if isinstance(value, dict) or (hasattr(type(value), "keys") and hasattr(type(value), "__getitem__")):
            keyed = sorted(((self.digest(key).encode(), key) for key in list(value.keys())), key=lambda pair: pair[0])
            return itertools.chain(
                [b"mapping"], *(itertools.chain([code], self.parts(value[key], above)) for code, key in keyed)
            )
        return None

    def thing(self, value: Any, above: tuple[int, ...]) -> Iterable[bytes]:
        """Encode an object by its attributes, never by its address."""
        kind = type(value)
        name = f"{kind.__module__}.{kind.__qualname__}" if kind.__module__ != "__main__" else kind.__qualname__
        slots = [slot for base in kind.__mro__ for slot in _slots(base)]
        held = dict(getattr(value, "__dict__", {})) | {
            slot: getattr(value, slot) for slot in slots if hasattr(value, slot)
        }
        if held:
            return itertools.chain([b"object", name.encode()], self.parts(held, above))
        text = repr(value) if any("__repr__" in base.__dict__ for base in kind.__mro__[:-1]) else ""
        hidden = not hasattr(value, "__dict__") and kind is not object and not slots
        if ADDRESS.search(text) or (hidden and not text):
            if hidden:
                self.uncompared.add(name)
            text = ""
        return [b"object", name.encode(), text.encode("utf-8", "backslashreplace")]


def _slots(base: type) -> list[str]:
    slots = base.__dict__.get("__slots__", ())
    return [slots] if isinstance(slots, str) else [slot for slot in slots if slot not in ("__dict__", "__weakref__")]


def module_of(value: Any) -> str:
    """Return the package in which a value's type is defined."""
    return type(value).__module__.partition(".")[0]


def shorten(value: Any, depth: int = 0) -> str:
    """Write a value in a few words."""
    if hasattr(value, "dtype") and hasattr(value, "shape") and module_of(value) != "pandas":
        try:
            first = value.reshape(-1)[:4].tolist()
        except Exception:
            first = ""
        kind = str(value.dtype).removeprefix("torch.")
        return f"{kind}{list(value.shape)} {first}" if len(value.shape) else f"{kind} {value}"
    if isinstance(value, dict) and depth < 3:
        inside = ", ".join(
            f"{shorten(key, depth + 1)}: {shorten(item, depth + 1)}" for key, item in itertools.islice(value.items(), 6)
        )
        return "{" + inside + "}"
    if isinstance(value, (list, tuple, set, frozenset)) and depth < 3:
        inside = ", ".join(shorten(item, depth + 1) for item in itertools.islice(value, 6))
        return f"[{inside}]" if isinstance(value, list) else f"({inside})"
    if isinstance(value, (str, bytes)):
        value = value[:SHOWN]
    try:
        text = repr(value)
    except Exception as error:
        text = f"<{type(value).__name__}, which has no text: {type(error).__name__}>"
    return ADDRESS.sub("", text)[:SHOWN]


def items(data: Any) -> Iterator[Any]:
    """Yield the items of a data set: rows of a table or an array, and of each part where it has several."""
    owner, name = module_of(data), type(data).__name__
    if owner == "pandas" and name == "DataFrame":
        yield ("columns", [(str(key), str(kind)) for key, kind in data.dtypes.items()])
        yield from data.itertuples(name=None)
    elif owner == "polars" and name in ("DataFrame", "LazyFrame"):
        data = data.collect() if name == "LazyFrame" else data
        yield ("columns", [(key, str(kind)) for key, kind in data.schema.items()])
        yield from data.iter_rows()
    elif owner == "pyarrow" and hasattr(data, "to_batches"):
        yield ("columns", str(data.schema.remove_metadata()))
        for batch in data.to_batches():
            yield from batch.to_pylist()
    elif isinstance(data, (str, bytes, bytearray, int, float, complex, pathlib.PurePath)):
        yield data
    elif hasattr(data, "keys") and hasattr(data, "__getitem__"):
        for key in data.keys():  # noqa: SIM118 - iterating may give rows
            yield from named(key, data[key])
    elif type(data) is tuple and data and all(is_part(part) for part in data):
        for number, part in enumerate(data):
            yield from named(number, part)
    elif getattr(data, "shape", None) == ():
        yield data
    elif hasattr(data, "__iter__"):
        yield from data
    elif hasattr(data, "__getitem__"):
        length = len(data) if hasattr(data, "__len__") else None
        for index in range(length) if length is not None else itertools.count():
            try:
                item = data[index]
            except IndexError:
                return
            yield item
    else:
        yield data


def is_part(value: Any) -> bool:
    """Whether a value is itself a data set: sized, and not a text."""
    return hasattr(value, "__len__") and hasattr(value, "__getitem__") and not isinstance(value, (str, bytes, dict))


def named(name: Any, part: Any) -> Iterator[Any]:
    """Yield the items of one part with its name."""
    if is_part(part) or hasattr(part, "__next__"):
        for item in items(part):
            yield (name, item)
    else:
        yield (name, part)


def build(place: str, function: str) -> Any:
    """Run the user's code and return the data set, or None where a script left none."""
    sys.argv = [place]
    if not function:
        sys.path[0] = str(pathlib.Path(place).resolve().parent)
        script = types.ModuleType("__main__")
        script.__file__ = place
        sys.modules["__main__"] = script
        try:
            exec(compile(pathlib.Path(place).read_bytes(), place, "exec"), script.__dict__)  # noqa: S102 - asked for by the user
        except SystemExit as error:
            if error.code not in (None, 0):
                raise
        return script.__dict__.get("dataset")
    if place.endswith(".py"):
        path = pathlib.Path(place).resolve()
        sys.path.insert(0, str(path.parent))
        module = types.ModuleType(path.stem)
        module.__file__ = str(path)
        sys.modules[path.stem] = module
        exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)  # noqa: S102 - asked for by the user
    else:
        try:
            module = importlib.import_module(place)
        except ModuleNotFoundError as error:
            if error.name and (place == error.name or place.startswith(error.name + ".")):
                raise WrongUse(f"there is no module {error.name!r} to import from {pathlib.Path.cwd()}") from None
            raise
    found: Any = module
    for part in function.split("."):
        if not hasattr(found, part):
            known = sorted(name for name, held in vars(module).items() if callable(held) and not name.startswith("_"))
            raise WrongUse(f"{place} has no function {part!r}; it has: {', '.join(known[:20]) or 'none'}")
        found = getattr(found, part)
    if not callable(found):
        raise WrongUse(f"{function} of {place} is no function but a {type(found).__name__}")
    data = found()
    if data is None:
        raise ValueError(f"{function}() returned None, not a data set")
    return data


def main(place: str, function: str, limit: int, channel: int) -> None:
    """Build, fingerprint at most `limit` items, and report."""
    with os.fdopen(channel, "w", encoding="utf-8", errors="backslashreplace") as answer:

        def say(**words: object) -> None:
            answer.write(json.dumps(words) + "\n")

        try:
            data = build(place, function)
            fingerprint = Fingerprint()
            count = 0
            if data is not None:
                for item in itertools.islice(items(data), limit + 1):
                    count += 1
                    if count <= limit:
                        say(digest=fingerprint.digest(item), text=shorten(item)[:SHOWN])
            say(
                closed=True,
                printed=data is None,
                truncated=count > limit,
                uncompared=sorted(fingerprint.uncompared),
            )
        except WrongUse as error:
            say(wrong_use=str(error))
        except BaseException as error:
            traceback.print_exc()
            last = traceback.extract_tb(error.__traceback__)[-1]
            text = " ".join(str(error).split())[:300]
            where = f" ({last.filename}:{last.lineno})" if last.filename != "<string>" else ""
            say(failed=f"{type(error).__name__}: {text}{where}")
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads and workers that the pipeline left behind must not keep us.
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
