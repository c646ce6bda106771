"""Reads images from folders named for their classes, with a folder per split above them or none. Loads no torch."""

import warnings
from pathlib import Path

import numpy as np

from doctor.errors import UsageError
from doctor.subjects.split_words import SPLIT_WORDS, split_named
from doctor.trainer.data import Array, Data, Rows, Sizes, divided
from doctor.trainer.recipe import Recipe

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
MAX_PIXELS = 50_000_000
"""A larger image is not opened: a small file can claim any size."""
MAX_BYTES = 4_000_000_000
"""All images are kept in memory, one byte per pixel and colour."""

Folders = dict[str, dict[str, list[Path]]]


def class_folders(path: Path) -> Folders:
    """Return the images by split and class; empty where there are no folders of images."""
    inner = sorted(folder for folder in path.iterdir() if folder.is_dir() and not folder.name.startswith("."))
    splits = {split_named(folder.name): folder for folder in inner if folder.name.lower() in SPLIT_WORDS}
    found = {name: _classes(folder) for name, folder in splits.items()} if splits else {"all": _classes(path)}
    return {name: classes for name, classes in found.items() if classes}


def _classes(folder: Path) -> dict[str, list[Path]]:
    inner = sorted(inner for inner in folder.iterdir() if inner.is_dir() and not inner.name.startswith("."))
    files = {
        one.name: sorted(file for file in one.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
        for one in inner
    }
    return {name: found for name, found in files.items() if found}


def read(path: Path, folders: Folders, recipe: Recipe) -> Data:
    """Read all images, brought to one size.

    Raises
    ------
    UsageError
        When there is one class alone, or no image can be read.
    """
    first = next((name for name in ("train", "all") if name in folders), next(iter(folders)))
    classes = sorted(folders[first])
    if len(classes) == 1:
        raise UsageError(f"{path}: a single class, {classes[0]!r}, in train; nothing to learn")
    files = [
        (file, split, classes.index(name))
        for split, named in folders.items()
        for name, found in named.items()
        if name in classes
        for file in found
    ]
    if len(files) * 3 * recipe.image_size**2 > MAX_BYTES:
        raise UsageError(f"{path}: {len(files)} images of {recipe.image_size} pixels do not fit in memory")
    pixels, unread = _pixels([file for file, _, _ in files], recipe.image_size)
    kept = [entry for entry, bad in zip(files, unread, strict=True) if not bad]
    if not kept:
        raise UsageError(f"{path}: none of {len(files)} images can be read; the first: {unread[0]}")
    targets = np.array([label for _, _, label in kept], dtype=np.int64)
    parts, said = divided(np.array([split for _, split, _ in kept], dtype=object), recipe.held_out)
    odd = [reason for reason in unread if reason]
    foreign = sorted({name for named in folders.values() for name in named} - set(classes))

    def rows(which: Array) -> Rows:
        return Rows(inputs={"images": pixels[which]}, targets=targets[which], numbers=which)

    return Data(
        kind="image",
        task="classification",
        train=rows(parts["train"]),
        evaluated={name: rows(part) for name, part in parts.items() if name != "train"},
        sizes=Sizes(outputs=len(classes), pixels=recipe.image_size),
        classes=tuple(classes),
        notes=[
            *said,
            *([f"{len(odd)} images left out; the first: {odd[0]}"] if odd else []),
            *([f"folders left out, their class is not in train: {', '.join(foreign)}"] if foreign else []),
        ],
    )


def _pixels(files: list[Path], size: int) -> tuple[Array, list[str]]:
    """Return the images that can be read, shape (images, 3, size, size), and for every file what is wrong with it."""
    try:
        from PIL import Image
    except ImportError as error:
        raise UsageError("images need Pillow: pip install 'training-doctor[trainer]'") from error
    pixels: list[Array] = []
    unread: list[str] = []
    for file in files:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # odd metadata, and sizes that are judged here
                with Image.open(file) as image:
                    if image.width * image.height > MAX_PIXELS:
                        raise ValueError(f"{image.width} × {image.height} pixels")
                    small = image.convert("RGB").resize((size, size))
            pixels.append(np.asarray(small, dtype=np.uint8).transpose(2, 0, 1))
            unread.append("")
        except Exception as error:  # decoders raise anything for damaged files
            unread.append(f"{file}: {' '.join(str(error).split()) or type(error).__name__}")
    return np.stack(pixels) if pixels else np.zeros((0, 3, size, size), np.uint8), unread
