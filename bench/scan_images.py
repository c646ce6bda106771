"""Prints what a scan of photographs costs: against bare decoding, against CleanVision, and scanned again.

2,000 JPEGs of 1600 × 1200 are made of bundled photos by `image_photos.py`. All commands run in fresh processes, in
turn, after one uncounted round; figures are medians. `--planted` prints instead what the checks of single images find
of planted faults, by kind and strength, and what they say of photographs with nothing wrong.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from image_photos import bundled, make
from measuring import interleaved, machine, median, median_cpu, python, run
from PIL import Image, ImageFilter
from scanning import executable

import doctor

HERE = Path(__file__).resolve().parent
SHARED = (
    "blurry",
    "blank",
    "over-under-exposed",
    "odd-aspect-ratio",
    "low-resolution",
    "colour-mode-mix",
    "unreadable",
)
"""Checks of which CleanVision has the like, with duplicates and low information beside them."""
FINISHED = (0, 1)


def scan(folder: Path, threads: int, *options: str) -> list[str]:
    """Return the command as a user gives it, with the checks of images."""
    chosen = [word for name in ("images", "duplicates") for word in ("--select", name)]
    limits = ["--threads", str(threads), "--fail-on", "never"]
    return [str(executable("doctor")), "scan", str(folder), *chosen, *limits, *options]


def single(folder: Path, threads: int) -> list[str]:
    """Return the command with those checks alone that judge one image by itself."""
    chosen = [word for name in SHARED for word in ("--select", f"images/{name}")]
    return [str(executable("doctor")), "scan", str(folder), *chosen, "--threads", str(threads), "--fail-on", "never"]


def fresh(command: list[str]) -> list[str]:
    """Return a command that runs another with an empty cache."""
    code = (
        "import os,subprocess,sys,tempfile\n"
        "with tempfile.TemporaryDirectory() as home:\n"
        "    sys.exit(subprocess.run(sys.argv[1:], env={**os.environ, 'XDG_CACHE_HOME': home}).returncode)"
    )
    return python("-c", code, *command)


def measure(folder: Path, *, rounds: int, threads: int, peer: Path | None) -> Iterator[str]:
    """Measure a scan beside the floor, and again with a filled cache."""
    count = sum(1 for _ in folder.iterdir())
    commands = {
        "decoding alone": python(str(HERE / "decode_floor.py"), str(folder), str(threads)),
        "scan, single images": fresh(single(folder, threads)),
        "scan, with duplicates": fresh(scan(folder, threads)),
    }
    runs = interleaved(commands, rounds, allowed=FINISHED)
    floor, floor_cpu = median(runs["decoding alone"]), median_cpu(runs["decoding alone"])
    yield f"{count:,} images, {threads} threads, {rounds} rounds"
    for name, done in runs.items():
        ratio, computed = median(done) / floor, median_cpu(done) / floor_cpu
        yield (
            f"{name:24} {median(done):7.1f} s {1000 * median(done) / count:6.1f} ms each {ratio:5.2f} × the floor "
            f"(computing time {computed:.2f} ×), {max(one.process_mib for one in done):,.0f} MiB"
        )
    yield again(folder, threads, median(runs["scan, with duplicates"]))
    if peer is not None:
        done = run([str(peer), str(HERE / "peer_cleanvision.py"), str(folder)])
        told = json.loads(done.output.splitlines()[-1])
        ours = median(runs["scan, with duplicates"])
        yield f"CleanVision              {done.seconds:7.1f} s, {done.seconds / ours:.1f} × the scan; {told}"


def again(folder: Path, threads: int, first: float) -> str:
    """Scan twice with one cache, and say what the second scan costs."""
    with tempfile.TemporaryDirectory() as home:
        before = os.environ.get("XDG_CACHE_HOME")
        os.environ["XDG_CACHE_HOME"] = home
        try:
            seconds = [run(scan(folder, threads), allowed=FINISHED).seconds for _ in range(2)]
        finally:
            os.environ.pop("XDG_CACHE_HOME") if before is None else os.environ.update(XDG_CACHE_HOME=before)
    return f"scanned again            {seconds[1]:7.1f} s, {first / seconds[1]:.1f} × faster"


def planted(photos: Path | None) -> Iterator[str]:
    """Plant faults into photographs, and count what is found; then scan the photographs as they are."""
    sources = [photo for photo in bundled(photos) if min(photo.size) >= 256]
    faults = {
        "images/blurry, Gaussian of 2 at 256": [blurred(photo, 2) for photo in sources],
        "images/blurry, Gaussian of 3": [blurred(photo, 3) for photo in sources],
        "images/blurry, Gaussian of 5": [blurred(photo, 5) for photo in sources],
        "images/over-under-exposed, a fifth as bright": [darker(photo, 5) for photo in sources],
        "images/over-under-exposed, an eighth": [darker(photo, 8) for photo in sources],
        "images/over-under-exposed, a twelfth": [darker(photo, 12) for photo in sources],
        "images/over-under-exposed, in the upper fifth": [photo.point(lambda v: 204 + v // 5) for photo in sources],
        "images/blank, noise of 3 tones": [even(seed, 3) for seed in range(20)],
        "images/blank, noise of 1 tone": [even(seed, 1) for seed in range(20)],
        "images/blank, none": [even(seed, 0) for seed in range(20)],
    }
    for name, images in faults.items():
        for quality in (95, 60):
            found = told(name.partition(",")[0], images, quality)
            yield f"{name:48} JPEG {quality}: {found:3} of {len(images)}"
    for check in ("images/blurry", "images/over-under-exposed", "images/blank"):
        yield f"{check:48} accuses {told(check, sources, 90):3} of {len(sources)} photographs as they are"


def told(check: str, images: list[Image.Image], quality: int) -> int:
    """Scan images one collection, and count those that a check names."""
    with tempfile.TemporaryDirectory() as name:
        for number, image in enumerate(images):
            image.convert("RGB").save(Path(name) / f"{number:03}.jpg", quality=quality)
        report = doctor.scan(name, select=(check,), set={check: {"max_share": 1.0}})
    return sum(finding.evidence["images"] for finding in report.findings)


def blurred(photo: Image.Image, radius: float) -> Image.Image:
    """Blur a photograph as strongly as a Gaussian of some pixels would at a longer side of 256."""
    return photo.filter(ImageFilter.GaussianBlur(radius * max(photo.size) / 256))


def darker(photo: Image.Image, factor: int) -> Image.Image:
    """Return a photograph with a part of its light."""
    return photo.point(lambda value: value // factor)


def even(seed: int, noise: int) -> Image.Image:
    """Return one colour with noise."""
    drawn = np.random.default_rng(seed)
    colour = drawn.integers(0, 256, 3)
    levels = colour + drawn.integers(-noise, noise + 1, (300, 400, 3))
    return Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8))


def main() -> int:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "doctor-bench-images")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--photos", type=Path, help="scikit-image's folder of data, for more photographs")
    parser.add_argument("--peer-python", type=Path, help="the Python of an environment with cleanvision==0.3.7")
    parser.add_argument("--planted", action="store_true", help="count planted faults instead")
    parser.add_argument("--anew", action="store_true", help="make the photographs anew")
    chosen = parser.parse_args()
    if chosen.planted:
        for line in planted(chosen.photos):
            print(line, flush=True)
        return 0
    folder = chosen.work / f"jpegs-{chosen.count}"
    if chosen.anew:
        shutil.rmtree(folder, ignore_errors=True)
    make(folder, chosen.count, chosen.photos)
    sizes = [file.stat().st_size for file in folder.iterdir()]
    print(f"{machine()}; {statistics.mean(sizes) / 1000:.0f} kB per image", flush=True)
    for line in measure(folder, rounds=chosen.rounds, threads=chosen.threads, peer=chosen.peer_python):
        print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
