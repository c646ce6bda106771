"""Decodes every image of a folder and does nothing with it; prints the seconds. The floor of scan_images.py."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image

begin = time.perf_counter()
files = sorted(Path(sys.argv[1]).iterdir())
with ThreadPoolExecutor(int(sys.argv[2])) as pool:
    list(pool.map(lambda file: Image.open(file).load(), files))
print(time.perf_counter() - begin)
