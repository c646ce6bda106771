"""Small pictures of files for reports."""

import base64
import io
from typing import TYPE_CHECKING

from doctor.model import Thumbnail
from doctor.subjects.images import ImageFile

if TYPE_CHECKING:
    from PIL import Image

SIDE = 160
QUALITY = 80


def thumbnail_of(file: ImageFile, caption: str = "", group: int = 0, side: int = SIDE) -> Thumbnail | None:
    """Make a thumbnail of an image, upright and at most `side` pixels wide and high; a small one is magnified.

    Parameters
    ----------
    file : ImageFile
    caption : str
        What is to be seen in it.
    group : int
        Those of one number belong side by side.
    side : int
        At most 160, which reports show.

    Returns
    -------
    Thumbnail or None
        None where it cannot be decoded.
    """
    from PIL import Image, ImageOps

    from doctor.evidence.image_measures import eight_bits
    from doctor.evidence.image_opening import MAX_BYTES, Fault, length_of, load, opened, quiet

    try:
        with quiet():
            if length_of(file) > MAX_BYTES:
                return None
            image = opened(file.read())
            image.draft("RGB", (side, side))
            load(image)
            upright = ImageOps.exif_transpose(eight_bits(image) if "I" in image.mode or image.mode == "F" else image)
            picture = _on_white(upright)
            picture.thumbnail((side, side), Image.Resampling.LANCZOS)
            if (times := side // max(picture.size)) > 1:  # pixels of small ones are seen as they are
                picture = picture.resize((picture.width * times, picture.height * times), Image.Resampling.NEAREST)
            written = io.BytesIO()
            picture.save(written, "JPEG", quality=QUALITY)
    except (Fault, OSError, ValueError):
        return None
    jpeg = base64.b64encode(written.getvalue()).decode("ascii")
    return Thumbnail(file=file.name, jpeg=jpeg, group=group, caption=caption)


def _on_white(image: "Image.Image") -> "Image.Image":
    """Return it in mode L or RGB, with what is transparent in white."""
    from PIL import Image

    if "A" in image.getbands() or "transparency" in image.info:
        above = image.convert("RGBA")
        page = Image.new("RGBA", above.size, "white")
        page.alpha_composite(above)
        return page.convert("RGB")
    return image if image.mode in ("L", "RGB") else image.convert("RGB")
