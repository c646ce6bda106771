"""Opens a tokenizer that lies on this machine; nothing is fetched and no code of a model is run."""

from pathlib import Path
from typing import Any

from doctor.errors import UsageError

FILE = "tokenizer.json"


def load_tokenizer(path: str) -> Any:
    """Load a `tokenizer.json`, or the one in a model's folder.

    Raises
    ------
    UsageError
        When there is none, or it cannot be read.
    """
    place = Path(path)
    file = place / FILE if place.is_dir() else place
    if not file.is_file():
        raise UsageError(f"{path}: there is no such file; a tokenizer is a {FILE}")
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise UsageError("--tokenizer needs: pip install 'training-doctor[trainer]'") from error
    try:
        return Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises this very type
        raise UsageError(f"{path}: no tokenizer: {' '.join(str(error).split())}") from error
