"""What a model sees in images, as one vector per image; kept in the user's cache as other facts of images are."""

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, nullcontext
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np

from doctor.errors import BudgetSpent, Unavailable, UsageError
from doctor.evidence.image_cache import MIN_FILES, ImageCache
from doctor.evidence.image_facts import ImageFacts
from doctor.evidence.image_opening import Fault, quiet
from doctor.evidence.vision_networks import Network, network_of
from doctor.subjects.images import ImageFile
from doctor.subjects.vision_models import NEEDS, VisionModel
from doctor.subjects.workers import Workers
from doctor.wording import printable

Array = np.ndarray[Any, Any]

BATCH = 16
"""Pictures that a model sees at once: some 100 MB between the layers of a base model at 224 pixels."""
VECTOR = "vector"
_PIECE_BYTES = 1 << 20
LARGE_PIXELS = 384 * 384
"""Of a prepared picture, from which on one is seen at a time."""


def vectors_of(model: VisionModel, facts: ImageFacts, places: Array, workers: Workers) -> Array:
    """Let a model see images; what it saw before, by what is in the file, it need not see again.

    Parameters
    ----------
    places : ndarray of int64
        Into `facts.files`; they are readable.
    workers : Workers
        Says how many threads there are, and until when.

    Returns
    -------
    float32[n, d]

    Raises
    ------
    UsageError
        Naming the model and what is wrong with it.
    BudgetSpent
        Where the time is over.
    Unavailable
        Where an image cannot be read any more.
    """
    content = [str(facts.content[place]) for place in places.tolist()]
    first = {mark: facts.files[place] for mark, place in zip(reversed(content), reversed(places.tolist()), strict=True)}
    new = [mark for mark in dict.fromkeys(content) if mark not in model.seen]
    cache = ImageCache.of(len(new), kind=f"-{_mark(model)}") if len(new) >= MIN_FILES else None
    with nullcontext() if cache is None else closing(cache):
        if cache is not None:
            model.seen.update(_kept(cache, new))
            new = [mark for mark in new if mark not in model.seen]
        for some, vectors in _looked_at(model, first, new, workers):
            model.seen.update(zip(some, vectors, strict=True))
            if cache is not None:
                cache.put(("", {"content": mark, VECTOR: model.seen[mark].tobytes()}) for mark in some)
    vectors = np.stack([model.seen[mark] for mark in content])
    if len(set(content)) > 1 and (vectors == vectors[0]).all():
        raise model.refused("it sees the same in every image; its weights may be damaged")
    return vectors


def _looked_at(
    model: VisionModel, first: Mapping[str, ImageFile], new: Sequence[str], workers: Workers
) -> Iterator[tuple[Sequence[str], Array]]:
    """Load the model, where there is something new, and yield what it sees, a batch at a time."""
    if not new:
        return
    network = network_of(model)
    size = BATCH if _pixels(network) < LARGE_PIXELS else 1
    with quiet(), _threads(workers.threads), ThreadPoolExecutor(workers.threads, "doctor-eyes") as pool:
        for begin in range(0, len(new), size):
            if workers.spent:
                raise BudgetSpent
            some = new[begin : begin + size]
            pictures = list(pool.map(partial(_picture, network), [first[mark] for mark in some]))
            yield some, _seen(model, network, pictures)


def _mark(model: VisionModel) -> str:
    """Return what tells a model from all others, and from itself in other versions of its libraries."""
    import xxhash

    versions = [f"{name} {version(name)}" for name in NEEDS[model.kind]]
    told = [model.kind, model.architecture, versions, model.config, model.preprocessor]
    hashed = xxhash.xxh3_128(json.dumps(told, sort_keys=True).encode())
    for path in model.weights:
        with path.open("rb") as file:
            while piece := file.read(_PIECE_BYTES):
                hashed.update(piece)
    return hashed.hexdigest()


def _kept(cache: ImageCache, contents: Sequence[str]) -> dict[str, Array]:
    """Return the vectors that were kept from an earlier visit."""
    rows = cache.known(contents)
    return {mark: np.frombuffer(row[VECTOR], dtype=np.float32) for mark, row in rows.items() if VECTOR in row}


def _pixels(network: Network) -> int:
    width, height = network.preparation.cut or network.preparation.resize  # type: ignore[misc] # one of them is a size
    return int(width * height)


def _picture(network: Network, file: ImageFile) -> Array:
    try:
        return network.preparation.of(file)
    except (Fault, OSError) as error:
        raise Unavailable(f"{printable(file.name)} could be read before, and cannot now: {error}") from error


def _seen(model: VisionModel, network: Network, pictures: Sequence[Array]) -> Array:
    import torch

    try:
        with torch.inference_mode(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            seen = network.see(torch.from_numpy(np.stack(pictures))).float().numpy()
    except Exception as error:  # a model may want other pictures than its files say
        words = " ".join(str(error).split()) or type(error).__name__
        raise model.refused(
            f"it cannot see pictures as its files have them prepared: {printable(words, limit=200)}"
        ) from error
    if seen.ndim != 2 or len(seen) != len(pictures):
        raise model.refused(f"it makes no vector of each picture, but {' × '.join(map(str, seen.shape))}")
    if not np.isfinite(seen).all():
        raise UsageError(f"--embeddings {model.shown}: it makes values that are no numbers; its weights may be damaged")
    return np.ascontiguousarray(seen, dtype=np.float32)


@contextmanager
def _threads(number: int) -> Iterator[None]:
    """Let torch use as many threads as are allowed here."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
