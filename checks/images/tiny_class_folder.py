"""Classes with so few images that nothing can be learnt of them, and folders of classes that are empty.

What it finds
    Classes with fewer than 10 images to train on, by folders or by the table that tells them, and folders among those
    of the classes in which there is no image at all.

Why it matters
    Of 10 images a fifth is two to test with: the recall of the class is then 0, .5 or 1. What a model knows of such a
    class it has mostly by heart. An empty folder stops `torchvision.datasets.ImageFolder` with an error, and with other
    loaders it moves the numbers of all classes behind it, so that a model's answers are read as other classes.

What to do
    Collect more images of these classes, join them to a related class, or leave them out. Remove folders that are
    empty, or find out where their images went.

Thresholds
    min_images: images of a class to train on, below which it is reported (10).
    max_tiny_share: share of the classes that are so small, above which it is a remark: then the data is one of many
        names with few pictures each, by design (0.5).

Calibration
    Counts are exact. The digits of scikit-learn as class folders (10 classes, 11 to 19 images each to train on) give no
    finding.

Limits
    How many images a class needs depends on how far it is from the others and on what the model saw before; few-shot
    methods do with less. Files that cannot be read are counted: see images/unreadable.

Source
    ImageFolder's refusal: torchvision, `DatasetFolder.make_dataset`, unless `allow_empty`.
"""

from collections.abc import Iterator

from doctor.evidence.class_folders import ClassFolders
from doctor.model import Advise, Check, Finding, Location, Safety, Severity

CHECK = Check(
    "images/tiny-class-folder",
    Severity.WARNING,
    {
        "tiny": "fewer than {min_images} images to train on in {tiny:,} of {classes:,} classes, such as {example} with "
        "{fewest:,}",
        "empty": "no image in {count:,} folders of classes, such as {example}",
    },
    leads_to=("labels/class-imbalance",),
)
MAX_SHOWN = 100


def examine(classes: ClassFolders, *, min_images: int = 10, max_tiny_share: float = 0.5) -> Iterator[Finding]:
    """Count the images of each class."""
    tiny = {label: count for label, count in classes.trained.items() if count < min_images}
    if tiny:
        example = next(iter(tiny))
        design = len(tiny) > max_tiny_share * len(classes.trained)
        yield CHECK.finding(
            "tiny",
            at=Location(file=classes.first[example]),
            severity=Severity.INFO if design else Severity.WARNING,
            tiny=len(tiny),
            classes=len(classes.trained),
            example=example,
            fewest=tiny[example],
            min_images=min_images,
            counts=dict(list(tiny.items())[:MAX_SHOWN]),
            repair=Advise(
                safety=Safety.MANUAL,
                summary="collect more images of these classes, join them to others or leave them out",
            ),
        )
    if classes.empty:
        yield CHECK.finding(
            "empty",
            count=len(classes.empty),
            example=classes.empty[0],
            folders=list(classes.empty[:MAX_SHOWN]),
            repair=Advise(
                safety=Safety.MANUAL, summary="remove the empty folders, or find out where their images went"
            ),
        )
