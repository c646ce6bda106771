"""Decodes every image of a folder and does nothing with it; prints the seconds. The floor of scan_images.py."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image


def decode(file: Path) -> None:
    """Decode an image and forget it."""
    with Image.open(file) as image:
        image.load()


begin = time.perf_counter()
files = sorted(Path(sys.argv[1]).iterdir())
with ThreadPoolExecutor(int(sys.argv[2])) as pool:
    list(pool.map(decode, files))
print(time.perf_counter() - begin)
