"""Boxes inside their frames, and faults planted among them: how many of each are found, and how many are made up.

python bench/image_boxes.py [BOXES]
"""

import json
import random
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

from doctor.evidence.box_faults import BoxFaults
from doctor.subjects.image_sets import open_images

PER_IMAGE = 20
PLANTED = 50
WIDTH, HEIGHT = 640, 480


def boxes_of(draw: random.Random) -> list[list[float]]:
    """Draw boxes inside the frame, in pixels."""
    made = []
    for _ in range(PER_IMAGE):
        width, height = draw.uniform(2, WIDTH), draw.uniform(2, HEIGHT)
        made.append([draw.uniform(0, WIDTH - width), draw.uniform(0, HEIGHT - height), width, height])
    return made


def spoil(kind: str, box: list[float]) -> list[float]:
    """Return the box with a fault."""
    if kind == "outside":
        return [WIDTH - box[2] / 2 - 3, box[1], box[2] + 12, box[3]]
    return [box[0], box[1], 0.0, box[3]] if kind == "flat" else box


def write(root: Path, form: str, count: int, planted: dict[int, str]) -> None:
    """Write a data set in one form."""
    draw = random.Random(7)
    (root / "images").mkdir(parents=True)
    (root / "labels").mkdir()
    told: list[dict[str, object]] = []
    for number in range(count // PER_IMAGE):
        path = root / "images" / f"{number}.png"
        Image.new("1", (WIDTH, HEIGHT), number % 2).save(path)
        lines = []
        for box in boxes_of(draw):
            kind = planted.get(len(told), "")
            x, y, width, height = spoil(kind, box)
            of = 9 if kind == "class" else draw.randrange(3)
            told.append({"id": len(told) + 1, "image_id": number, "category_id": of, "bbox": [x, y, width, height]})
            shares = ((x + width / 2) / WIDTH, (y + height / 2) / HEIGHT, width / WIDTH, height / HEIGHT)
            words = [str(of), *(f"{share:.6f}" for share in shares)]
            lines.append(" ".join(words[:4] if kind == "unreadable" else words))
            if kind == "unreadable":
                told[-1]["bbox"] = [x, y, width]
        if form == "YOLO":
            (root / "labels" / f"{number}.txt").write_text("\n".join(lines) + "\n")
    if form == "YOLO":
        (root / "data.yaml").write_text("train: images\nnames: [a, b, c]\n")
        return
    images = [
        {"id": number, "file_name": f"{number}.png", "width": WIDTH, "height": HEIGHT}
        for number in range(count // PER_IMAGE)
    ]
    classes = [{"id": number, "name": name} for number, name in enumerate("abc")]
    content = {"images": images, "annotations": told, "categories": classes}
    (root / "instances.json").write_text(json.dumps(content))


def main(count: int) -> None:
    """Print what is found in each form, without faults and with them."""
    kinds = ("outside", "flat", "class", "unreadable")
    places = random.Random(8).sample(range(count), PLANTED * len(kinds))
    planted = {place: kinds[order % len(kinds)] for order, place in enumerate(places)}
    print(
        f"{count:,} boxes on {count // PER_IMAGE:,} images, {PLANTED} of each fault planted in the second of each form"
    )
    for form in ("YOLO", "COCO"):
        for spoilt in ({}, planted):
            with tempfile.TemporaryDirectory() as scratch:
                write(Path(scratch), form, count, spoilt)
                begin = time.perf_counter()
                (images,) = open_images([Path(scratch)]).images
                found = BoxFaults.measure(images)
                seconds = time.perf_counter() - begin
                said = {fault.kind: fault.boxes for fault in found.faults}
                print(f"{form}: {found.boxes:,} boxes read, {said or 'nothing'} in {seconds:.2f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
