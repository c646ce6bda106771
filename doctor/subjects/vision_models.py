"""Opens models that see images, out of local folders: what they are and where their weights lie; nothing is loaded yet.

Nothing out of such a folder is run, and nothing is fetched: architectures are those of the installed libraries, the
folder gives names, numbers and weights.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from doctor.errors import UsageError

Array = np.ndarray[Any, Any]

TRANSFORMERS, TIMM, TORCHVISION = "transformers", "timm", "torchvision"
NEEDS = {TRANSFORMERS: ("torch", "transformers"), TIMM: ("torch", "timm"), TORCHVISION: ("torch", "torchvision")}
"""Libraries that a model of each kind is built with."""
SUFFIXES = (".pth", ".pt", ".pt2", ".bin", ".safetensors")
"""Of files that hold weights or models."""
CONFIG, PREPROCESSOR = "config.json", "preprocessor_config.json"
WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin")
"""Where a folder holds several, the first is read."""
MAX_JSON_BYTES = 10_000_000
_POINTER = b"version https://git-lfs"


@dataclass(frozen=True, kw_only=True, eq=False)
class VisionModel:
    """A model that turns images into vectors.

    Attributes
    ----------
    shown : str
        Its folder or file, as the user named it.
    kind : str
        Which library builds it.
    architecture : str
        As that library calls it; of torchvision what the name of the file begins with.
    config, preprocessor : mapping
        What stands in `config.json` and `preprocessor_config.json`; empty where there is none.
    weights : tuple of Path
        Files with its weights, in safetensors or as torch saves them.
    seen : dict of str to float32[d]
        Vectors that it has made, by the hash of what is in the image.
    """

    shown: str
    kind: str
    architecture: str
    weights: tuple[Path, ...]
    config: Mapping[str, Any] = field(default_factory=dict)
    preprocessor: Mapping[str, Any] = field(default_factory=dict)
    seen: dict[str, Array] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.shown} ({self.architecture}, {self.kind})"

    def refused(self, why: str) -> UsageError:
        """Return the error that says why it cannot be used."""
        return _refused(self.shown, why)


def is_model(file: str) -> bool:
    """Whether a path names a model: a folder, or a file with weights."""
    return Path(file).is_dir() or Path(file).suffix.lower() in SUFFIXES


def open_vision_model(file: str) -> VisionModel:
    """Find out what model lies at a path.

    Parameters
    ----------
    file : str
        A folder as transformers or timm save it, or weights of torchvision, or a folder with these alone.

    Raises
    ------
    UsageError
        Naming the path and what is wrong with it.
    """
    path = Path(file)
    if not path.is_dir():
        model = _of_torchvision(file, path)
    elif (path / CONFIG).is_file():
        model = _of_folder(file, path)
    else:
        found = sorted(one for one in path.iterdir() if one.suffix.lower() in SUFFIXES and one.is_file())
        if len(found) != 1:
            held = "several files with weights" if found else "no weights"
            raise _refused(file, f"no model: it has no {CONFIG}, and {held}")
        model = _of_torchvision(file, found[0])
    for weights in model.weights:
        _look_at(file, weights)
    missing = [name for name in NEEDS[model.kind] if find_spec(name) is None]
    if missing:
        raise _refused(file, f"a model of {model.kind} needs {' and '.join(missing)}: pip install {' '.join(missing)}")
    return model


def _refused(file: str, why: str) -> UsageError:
    return UsageError(f"--embeddings {file}: {why}")


def _of_torchvision(file: str, path: Path) -> VisionModel:
    if not path.is_file():
        raise _refused(file, "there is no such file")
    return VisionModel(shown=file, kind=TORCHVISION, architecture=path.stem, weights=(path,))


def _of_folder(file: str, path: Path) -> VisionModel:
    config = _json(file, path / CONFIG)
    preprocessor = _json(file, path / PREPROCESSOR) if (path / PREPROCESSOR).is_file() else {}
    kind, name = TRANSFORMERS, config.get("model_type")
    if name in (None, "timm_wrapper"):
        kind, name = TIMM, config.get("architecture")
    if not isinstance(name, str) or not name:
        raise _refused(
            file, f"{CONFIG} names no model: neither model_type, as of transformers, nor architecture, of timm"
        )
    return VisionModel(
        shown=file,
        kind=kind,
        architecture=name,
        weights=_weights(file, path),
        config=config,
        preprocessor=preprocessor,
    )


def _weights(file: str, path: Path) -> tuple[Path, ...]:
    found = next((path / name for name in WEIGHTS if (path / name).is_file()), None)
    if found is None:
        raise _refused(file, "no weights in it: neither model.safetensors nor pytorch_model.bin")
    if found.suffix != ".json":
        return (found,)
    places = _json(file, found).get("weight_map")
    names = sorted(set(map(str, places.values()))) if isinstance(places, dict) else []
    if not names or any(Path(name).name != name for name in names):
        raise _refused(file, f"{found.name} does not say which files beside it hold the weights")
    lost = next((name for name in names if not (path / name).is_file()), None)
    if lost:
        raise _refused(file, f"{lost} is missing, which {found.name} names")
    return tuple(path / name for name in names)


def _json(file: str, path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise ValueError("too large")
        found = json.loads(path.read_text("utf-8"))
        if not isinstance(found, dict):
            raise ValueError("not an object")
    except (OSError, ValueError, RecursionError) as error:
        raise _refused(file, f"{path.name} cannot be read: {error}") from None
    return found


def _look_at(file: str, weights: Path) -> None:
    """See that weights are there at all, as they are not where Git LFS did not fetch them."""
    try:
        with weights.open("rb") as content:
            head = content.read(len(_POINTER))
    except OSError as error:
        raise _refused(file, f"{weights.name} cannot be read: {error.strerror or error}") from None
    if not head:
        raise _refused(file, f"{weights.name} is empty")
    if head == _POINTER:
        raise _refused(file, f"{weights.name} is a pointer of Git LFS, the weights themselves were never fetched")
