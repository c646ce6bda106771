"""How many images each class has, and the folders of classes that have none."""

from collections import Counter

from msgspec import Struct

from doctor.errors import NotApplicable
from doctor.subjects.images import Images


class ClassFolders(Struct, frozen=True, kw_only=True):
    """Images per class.

    Attributes
    ----------
    trained : dict of str to int
        Images of each class that are trained on: those of train, or all where there is no such split; the rarest first.
    first : dict of str to str
        The first image of each class.
    empty : tuple of str
        Folders of classes without an image.
    """

    trained: dict[str, int]
    first: dict[str, str]
    empty: tuple[str, ...]

    @classmethod
    def measure(cls, images: Images) -> "ClassFolders":
        """Count what was read off the layout.

        Raises
        ------
        NotApplicable
            Where nothing tells the classes.
        """
        known = [file for file in images.files if file.label is not None]
        if not known:
            raise NotApplicable("nothing tells the classes of the images")
        split = "train" if "train" in images.splits else None
        counts = Counter(file.label or "" for file in known if split in (None, file.split))
        first: dict[str, str] = {}
        for file in known:
            if split in (None, file.split):
                first.setdefault(file.label or "", file.name)
        ordered = sorted(counts, key=lambda label: (counts[label], label))
        return cls(trained={label: counts[label] for label in ordered}, first=first, empty=images.empty)
