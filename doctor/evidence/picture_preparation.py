"""How pictures are prepared for a model: size, cut, scale and colours, as its files say."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from doctor.evidence.image_measures import eight_bits
from doctor.evidence.image_opening import load, opened
from doctor.subjects.images import ImageFile

Array = np.ndarray[Any, Any]
Size = tuple[int, int]

HALVES = (0.5, 0.5, 0.5)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
USUAL_SIDE = 224
MAX_SIDE = 2048
"""Of a prepared picture: more is in no model's files but by mistake."""
SPARE = 2
"""A JPEG is decoded to no less than so many times the size that is wanted."""
CONVNEXT_SHARE, CONVNEXT_WHOLE = 224 / 256, 384
"""Of a picture that is kept, and the side from which on all of it is: what ConvNeXT's files need not say."""
BY_NAME = {
    "nearest": Image.Resampling.NEAREST,
    "lanczos": Image.Resampling.LANCZOS,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "hamming": Image.Resampling.HAMMING,
    "box": Image.Resampling.BOX,
}


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """What is done with a picture before a model sees it.

    Attributes
    ----------
    resize : (int, int) or int or None
        Width and height, or the shorter side alone; None leaves it.
    cut : (int, int) or None
        Width and height of what is taken from the middle.
    factor : float
        By which the levels from 0 to 255 are multiplied.
    mean, std : tuple of float
        Taken off and divided by afterwards, one of each per channel.
    reversed : bool
        Whether blue comes first.
    """

    resize: Size | int | None = (USUAL_SIDE, USUAL_SIDE)
    cut: Size | None = None
    resample: Image.Resampling = Image.Resampling.BILINEAR
    factor: float = 1 / 255
    mean: tuple[float, ...] = HALVES
    std: tuple[float, ...] = HALVES
    reversed: bool = False

    def __post_init__(self) -> None:
        sides = [self.resize] if isinstance(self.resize, int) else [*(self.resize or ()), *(self.cut or ())]
        if any(not 0 < side <= MAX_SIDE for side in sides):
            raise ValueError(f"pictures of {max(sides, key=abs)} pixels")
        if self.resize is None and self.cut is None:
            raise ValueError("pictures of any size")
        if len(self.mean) != len(self.std) or len(self.mean) not in (1, 3) or not all(self.std):
            raise ValueError(f"{len(self.mean)} means and {len(self.std)} spreads of channels")

    def of(self, file: ImageFile) -> Array:
        """Decode and prepare an image.

        Returns
        -------
        float32[channels, height, width]

        Raises
        ------
        Fault, OSError
            Where it cannot be decoded.
        """
        image = opened(file.read())
        wanted = SPARE * (max(self.resize) if isinstance(self.resize, tuple) else self.resize or MAX_SIDE)
        image.draft("RGB", (wanted, wanted))
        load(image)
        upright = ImageOps.exif_transpose(eight_bits(image) if "I" in image.mode or image.mode == "F" else image)
        return self.prepared(upright.convert("L" if len(self.mean) == 1 else "RGB"))

    def prepared(self, picture: Image.Image) -> Array:
        """Prepare a decoded picture of mode L or RGB."""
        if isinstance(self.resize, int):
            shorter = min(picture.size)
            width, height = (max(1, int(self.resize * side / shorter)) for side in picture.size)
            picture = picture.resize((width, height), self.resample)
        elif self.resize is not None:
            picture = picture.resize(self.resize, self.resample)
        if self.cut is not None:
            width, height = self.cut
            left, top = (picture.width - width) // 2, (picture.height - height) // 2
            picture = picture.crop((left, top, left + width, top + height))  # what lies outside is black
        levels = np.asarray(picture, dtype=np.float32).reshape(picture.height, picture.width, -1)
        mean, std = (np.array(told, dtype=np.float32) for told in (self.mean, self.std))
        levels = (levels * np.float32(self.factor) - mean) / std
        return np.ascontiguousarray(levels[..., :: -1 if self.reversed else 1].transpose(2, 0, 1))


def of_transformers(written: Mapping[str, Any], config: Any) -> Preparation:
    """Read what `preprocessor_config.json` says; where it says nothing, the size is that of the model's configuration.

    Parameters
    ----------
    config : object
        With `image_size` and `num_channels`, where the model has them.

    Raises
    ------
    ValueError, TypeError
        Where it makes no sense.
    """
    usual = _size(getattr(config, "image_size", None) or USUAL_SIDE)
    resize, cut = _sizes(written, usual)
    if isinstance(resize, int) and cut is None:
        cut = (resize, resize)  # all pictures of a batch are of one size
    channels = getattr(config, "num_channels", None) or 3
    # A file that names no mean is of a model that takes colours as they are, such as MobileViT.
    centred = written.get("do_normalize", True) and (not written or "image_mean" in written)
    return Preparation(
        resize=usual if resize is None and cut is None else resize,
        cut=cut,
        resample=Image.Resampling(int(written.get("resample", Image.Resampling.BILINEAR))),
        factor=float(written.get("rescale_factor", 1 / 255)) if written.get("do_rescale", True) else 1.0,
        mean=_channels((written.get("image_mean") or HALVES) if centred else 0.0, channels),
        std=_channels((written.get("image_std") or HALVES) if centred else 1.0, channels),
        reversed=bool(written.get("do_flip_channel_order", False)),
    )


def _sizes(written: Mapping[str, Any], usual: Size) -> tuple[Size | int | None, Size | None]:
    """Return to what a picture is resized, and what is cut from it then."""
    told = written.get("size", usual)
    cuts = bool(written.get("do_center_crop", False))
    share = written.get("crop_pct") or (
        CONVNEXT_SHARE if "ConvNext" in str(written.get("image_processor_type")) else None
    )
    resize: Size | int | None = None
    if written.get("do_resize", True):
        # In older files a single number is the shorter side where something is cut off afterwards, else both.
        shorter = (isinstance(told, int) and (cuts or share)) or (isinstance(told, Mapping) and "height" not in told)
        resize = _size(told)[0] if shorter else _size(told)
    if share and isinstance(resize, int):
        square = (resize, resize)
        return (int(resize / float(share)), square) if resize < CONVNEXT_WHOLE else (square, None)
    return resize, _size(written.get("crop_size") or usual) if cuts else None


def of_timm(written: Mapping[str, Any]) -> Preparation:
    """Read what timm keeps as `pretrained_cfg`.

    Raises
    ------
    ValueError, TypeError
        Where it makes no sense.
    """
    channels, height, width = (int(side) for side in written.get("input_size") or (3, USUAL_SIDE, USUAL_SIDE))
    share = float(written.get("crop_pct") or 0.875)
    larger = (math.floor(width / share), math.floor(height / share))
    squashed = written.get("crop_mode") == "squash" or width != height
    return Preparation(
        resize=larger if squashed else larger[0],
        cut=(width, height),
        resample=BY_NAME.get(str(written.get("interpolation")), Image.Resampling.BICUBIC),
        mean=_channels(written.get("mean") or IMAGENET_MEAN, channels),
        std=_channels(written.get("std") or IMAGENET_STD, channels),
    )


def of_torchvision(transforms: Any) -> Preparation:
    """Read the transforms that torchvision gives with weights of an architecture."""
    (cut,), (resize,) = transforms.crop_size, transforms.resize_size
    return Preparation(
        resize=int(resize),
        cut=(int(cut), int(cut)),
        resample=BY_NAME.get(transforms.interpolation.value, Image.Resampling.BILINEAR),
        mean=tuple(transforms.mean),
        std=tuple(transforms.std),
    )


def _size(told: Any) -> Size:
    """Return width and height of what may be one number, two (height first) or a mapping."""
    if isinstance(told, Mapping):
        edge = told.get("shortest_edge") or told.get("longest_edge")
        return (int(edge), int(edge)) if edge else (int(told["width"]), int(told["height"]))
    if isinstance(told, (list, tuple)):
        return int(told[1]), int(told[0])
    return int(told), int(told)


def _channels(told: Any, channels: int) -> tuple[float, ...]:
    """Return one number per channel; those of colours serve grey pictures by their mean."""
    numbers = tuple(float(one) for one in (told if isinstance(told, (list, tuple)) else [told] * channels))
    return numbers if len(numbers) == channels else (sum(numbers) / len(numbers),) * channels
