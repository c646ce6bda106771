"""Boxes on images that cannot be what was meant.

What it finds
    In annotations of COCO and label files of YOLO: boxes that reach beyond the frame by more than rounding, boxes
    without area, numbers of classes that are not declared, entries that cannot be read as a box, annotations of images
    that are not there, and sizes of images that are told otherwise than the files have them.

Why it matters
    A number of a class beyond the last stops a training with an index out of range, on a GPU as a device-side assert
    far from its cause. A box without area has no overlap with any answer, so its loss is NaN or it is silently left
    out; torchvision's detectors refuse it. Boxes beyond the frame mostly mean that the images were resized or turned
    after they were drawn, and then the others are wrong as well.

What to do
    Look at the first images named. Where all boxes of an image are off, take the image at the size at which the boxes
    were drawn; else clip them to the frame and drop those that have no area. Declare the class, or correct its number:
    files of YOLO count from 0, those of COCO mostly from 1.

Thresholds
    max_outside_share: share of the boxes that may reach beyond the frame; below it is a remark, for a few are slips of
        the hand that training survives (0.001).

Calibration
    Nothing is estimated: each box is held against its frame, with 1 pixel, or .5 % of the frame in files that write
    shares, left for rounding. 20,000 boxes drawn inside their frames and written with six decimals give no finding, and
    each of the faults planted among them is found: `python bench/image_boxes.py`.

Limits
    Whether a box lies on what it names is not looked at. Points of poses and outlines are looked at through the box
    around them. Sizes are compared on 500 images at most, spread over all.

Source
    torchvision's detectors: "All bounding boxes should have positive height and width". Ultralytics leaves out images
    with labels beyond the frame or the last class.
"""

from collections.abc import Iterator

from doctor.evidence.box_faults import BoxFault, BoxFaults
from doctor.model import Check, Finding, Location, ReviewFiles, Safety, Severity

_LINE = ", such as {example}"
CHECK = Check(
    "images/annotation-boxes",
    Severity.WARNING,
    {
        "outside": "{boxes:,} of {of:,} boxes on {images:,} images reach beyond the frame" + _LINE,
        "flat": "{boxes:,} of {of:,} boxes on {images:,} images have no area" + _LINE,
        "class": "{boxes:,} of {of:,} boxes on {images:,} images are of a class that is not declared" + _LINE,
        "unreadable": "{boxes:,} of {of:,} annotations cannot be read as a box" + _LINE,
        "missing": "annotations of {boxes:,} images that are not there" + _LINE,
        "resized": "the annotations tell another size than the file has for {boxes:,} of {of:,} images" + _LINE,
    },
)
WAYS = {
    "outside": "look whether these images were resized or turned; else clip the boxes to the frame",
    "flat": "drop the boxes without area, or draw them again",
    "class": "declare the class, or correct its number",
    "unreadable": "correct these entries",
    "missing": "find these images, or take their annotations out",
    "resized": "take the images at the size at which the boxes were drawn",
}


def examine(boxes: BoxFaults, *, max_outside_share: float = 0.001) -> Iterator[Finding]:
    """Report each kind of fault once."""
    for fault in boxes.faults:
        finding = CHECK.finding(
            fault.kind,
            at=Location(file=fault.files[0]),
            severity=_severity(fault, max_outside_share),
            boxes=fault.boxes,
            of=fault.of,
            images=fault.images,
            example=fault.examples[0],
            form=boxes.form,
            files=fault.files,
            examples=fault.examples,
            repair=ReviewFiles(files=fault.files, safety=Safety.MANUAL, summary=WAYS[fault.kind]),
        )
        yield finding.showing(thumbnails=fault.pictures)


def _severity(fault: BoxFault, max_outside_share: float) -> Severity:
    if fault.kind == "class":
        return Severity.ERROR
    few = fault.kind == "outside" and fault.boxes <= max_outside_share * fault.of
    return Severity.INFO if few else Severity.WARNING
