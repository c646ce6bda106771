"""The words by which people name the parts of a data set."""

SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "trn": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
    "tst": "test",
    "eval": "test",
    "evaluation": "test",
    "holdout": "test",
}
SPLIT_ORDER = ("train", "validation", "test")


def split_named(text: str) -> str:
    """Return the usual name of a split, or the text as it is."""
    return SPLIT_WORDS.get(text.strip().lower(), text.strip())


def split_rank(split: str) -> tuple[int, str]:
    """Sort train before validation before test before others."""
    return (SPLIT_ORDER.index(split) if split in SPLIT_ORDER else len(SPLIT_ORDER), split)
