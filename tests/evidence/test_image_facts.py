"""Facts of images: what is told of each, and that nothing is told of what is broken but why."""

import base64
import io
import os
import time
from collections.abc import Iterator
from pathlib import Path

import imagehash
import numpy as np
import pytest
from PIL import Image, ImageFilter
from sklearn.datasets import load_sample_images

from doctor.errors import BudgetSpent
from doctor.evidence.image_cache import ImageCache, places_of
from doctor.evidence.image_facts import ImageFacts
from doctor.evidence.image_rows import _decoded, batch_of, facts_of
from doctor.evidence.thumbnails import thumbnail_of
from doctor.subjects.images import ImageFile, Images
from doctor.subjects.workers import Workers


def scene(width: int = 320, height: int = 240, seed: int = 0) -> Image.Image:
    """A picture with edges of every direction and some colour."""
    drawn = np.random.default_rng(seed)
    coarse = Image.fromarray(drawn.integers(0, 256, (height // 20, width // 20, 3), dtype=np.uint8))
    return coarse.resize((width, height), Image.Resampling.BICUBIC)


def written(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def measured(folder: Path, **contents: bytes) -> ImageFacts:
    """Facts of files with these contents; an underscore in a name stands for a dot."""
    for name, content in contents.items():
        (folder / name.replace("_", ".")).write_bytes(content)
    files = tuple(ImageFile(path=path, name=path.name) for path in sorted(folder.iterdir()))
    return ImageFacts.measure(Images(shown=str(folder), files=files), Workers(threads=2))


def fact(facts: ImageFacts, name: str, of: str) -> object:
    place = [file.name for file in facts.files].index(of)
    return getattr(facts, name)[place]


def fault(facts: ImageFacts, of: str) -> tuple[str, str]:
    place = [file.name for file in facts.files].index(of)
    return facts.faults[place], facts.reasons[place]


def test_sizes_formats_and_modes_are_those_of_the_bytes_and_not_of_the_name(tmp_path: Path) -> None:
    facts = measured(
        tmp_path,
        a_png=written(scene(), "JPEG"),
        b_gif=written(scene().convert("P"), "GIF"),
        c_tif=written(scene().convert("CMYK"), "TIFF"),
        d_png=written(scene().convert("L"), "PNG"),
    )
    assert facts.format.tolist() == ["JPEG", "GIF", "TIFF", "PNG"]
    assert facts.mode.tolist() == ["RGB", "P", "CMYK", "L"]
    assert list(zip(facts.width.tolist(), facts.height.tolist(), strict=True)) == [(320, 240)] * 4
    assert facts.grey.tolist() == [False, False, False, True]
    assert facts.readable.all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_measured_as_it_is_shown(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "Maker"
    back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}.get(orientation)
    stored = scene() if back is None else scene().transpose(Image.Transpose(back))
    facts = measured(tmp_path, a_jpg=written(scene(), "JPEG"), b_jpg=written(stored, "JPEG", exif=exif))
    assert facts.width.tolist() == [320, 320]
    assert orientation == fact(facts, "orientation", "b.jpg")
    assert fact(facts, "camera", "b.jpg") == "Maker"
    assert np.abs(facts.small[0].astype(int) - facts.small[1].astype(int)).max() < 12


def test_the_perceptual_hash_is_that_of_imagehash_for_each_way_to_turn_it(tmp_path: Path) -> None:
    facts = measured(tmp_path, a_png=written(scene(), "PNG"))
    small = Image.fromarray(facts.small[0])
    ways = [None, *(Image.Transpose(one) for one in (0, 3, 1, 5, 4, 6, 2))]
    turned = [small if way is None else small.transpose(way) for way in ways]
    expected = [int(str(imagehash.phash(one)), 16) for one in turned]
    assert expected == facts.hashes[0].tolist()


def test_what_is_broken_has_a_kind_and_a_reason(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    whole = written(scene(), "JPEG")
    tiff = bytearray(written(scene(), "TIFF", compression="tiff_lzw"))
    tiff[1000:3000] = np.random.default_rng(0).bytes(2000)
    huge = bytearray(written(Image.new("L", (64, 64)), "BMP"))
    huge[18:26] = (60_000).to_bytes(4, "little") * 2
    facts = measured(
        tmp_path,
        empty_jpg=b"",
        cut_jpg=whole[: len(whole) // 2],
        cut_png=written(scene(), "PNG")[:2000],
        page_jpg=b"<!DOCTYPE html><html><title>404</title></html>",
        pointer_jpg=b"version https://git-lfs.github.com/spec/v1\noid sha256:abc\n",
        noise_jpg=np.random.default_rng(0).bytes(4000),
        heic_jpg=b"\x00\x00\x00\x18ftypheic" + bytes(40),
        broken_tif=bytes(tiff),
        bomb_bmp=bytes(huge),
        whole_jpg=whole,
    )
    assert fault(facts, "empty.jpg") == ("empty", "0 bytes")
    assert fault(facts, "cut.jpg")[0] == "truncated"
    assert fault(facts, "cut.png")[0] == "truncated"
    assert fault(facts, "page.jpg") == ("not an image", "a web page, perhaps what a server said instead of the image")
    assert "Git LFS" in fault(facts, "pointer.jpg")[1]
    assert fault(facts, "noise.jpg") == ("not an image", "of no format that is known")
    assert "HEIF" in fault(facts, "heic.jpg")[1]
    assert fault(facts, "broken.tif")[0] == "damaged"
    assert fault(facts, "bomb.bmp")[0] == "bomb"
    assert [file.name for file, good in zip(facts.files, facts.readable, strict=True) if good] == ["whole.jpg"]
    assert "".join(capfd.readouterr()) == ""


def test_a_file_that_is_not_there_any_more_and_a_loop_of_links_are_unopenable(tmp_path: Path) -> None:
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    names = ("gone.jpg", "loop.jpg")
    files = tuple(ImageFile(path=tmp_path / name, name=name) for name in names)
    facts = ImageFacts.measure(Images(shown="x", files=files), Workers())
    assert facts.faults == {0: "unopenable", 1: "unopenable"}
    assert facts.content[0] == ""


def test_an_image_inside_another_file_is_found_by_its_place(tmp_path: Path) -> None:
    content = written(scene(), "PNG")
    (tmp_path / "shard.tar").write_bytes(b"x" * 512 + content + b"y" * 100)
    file = ImageFile(path=tmp_path / "shard.tar", name="shard.tar/a.png", offset=512, length=len(content))
    facts = ImageFacts.measure(Images(shown="x", files=(file,)), Workers())
    assert (320, len(content)) == (facts.width[0], facts.bytes[0])


def test_tones_tell_dark_from_bright_and_flat_from_rich(tmp_path: Path) -> None:
    dark = scene().point(lambda value: value // 12)
    facts = measured(
        tmp_path,
        a_png=written(scene(), "PNG"),
        b_png=written(dark, "PNG"),
        c_png=written(Image.new("RGB", (90, 90), (250, 10, 20)), "PNG"),
    )
    assert facts.extent[0] > 0.8
    assert facts.highest[1] < 0.1
    assert [facts.extent[2], facts.contrast[2]] == [0.0, 0.0]
    assert facts.entropy[2] == 0
    assert np.isnan(facts.sharpness[2])


def test_a_blur_lowers_sharpness_whatever_the_size(tmp_path: Path) -> None:
    photo = load_sample_images().images[0]
    sharp = Image.fromarray(photo).resize((256, 170), Image.Resampling.BOX)
    soft = sharp.filter(ImageFilter.GaussianBlur(3))
    large = sharp.resize((1024, 680), Image.Resampling.NEAREST)
    facts = measured(tmp_path, a_png=written(sharp, "PNG"), b_png=written(soft, "PNG"), c_png=written(large, "PNG"))
    assert facts.sharpness[0] > 0.7
    assert facts.sharpness[1] < 0.45
    assert facts.sharpness[2] == pytest.approx(facts.sharpness[0], abs=0.1)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_what_is_fine_grained_in_full_size_is_not_blank_though_it_is_even_when_small(tmp_path: Path, kind: str) -> None:
    drawn = np.random.default_rng(0)
    sand = np.clip(drawn.normal(120, 25, (1500, 2000)), 0, 255).astype(np.uint8)
    lens_cap = np.clip(drawn.normal(8, 3, (1500, 2000)), 0, 255).astype(np.uint8)
    facts = measured(
        tmp_path, a_img=written(Image.fromarray(sand), kind), b_img=written(Image.fromarray(lens_cap), kind)
    )
    assert facts.blank.tolist() == [False, True]
    assert facts.contrast[0] < 0.03


def test_deep_grey_values_are_seen_at_their_own_depth(tmp_path: Path) -> None:
    ramp = np.linspace(0, 4095, 64 * 64).reshape(64, 64).astype(np.uint16)  # 12 bits of 16
    facts = measured(tmp_path, a_png=written(Image.fromarray(ramp), "PNG"))
    assert facts.mode[0] == "I;16"
    assert facts.brightness[0] == pytest.approx(0.5, abs=0.02)


def test_what_was_measured_is_not_decoded_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = ImageCache(tmp_path / "cache")
    photo = tmp_path / "a.png"
    photo.write_bytes(written(scene(), "PNG"))
    files = (ImageFile(path=photo, name="a.png"),)
    batch = batch_of(files, [0])
    first = facts_of(batch, cache.get)
    cache.put((place, row) for place, row in zip(("here",), first.to_pylist(), strict=True))

    def refuse(*_: object) -> Iterator[None]:
        raise AssertionError("it was decoded again")

    monkeypatch.setattr("doctor.evidence.image_rows._decoded", refuse)
    assert first == facts_of(batch, cache.get)
    assert first.to_pylist()[0]["content"] == (cache.untouched(["here"])[0] or {})["content"]
    assert cache.untouched(["elsewhere"]) == [None]
    cache.close()


def test_a_second_look_decodes_only_what_is_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("doctor.evidence.image_cache.MIN_FILES", 1)
    (tmp_path / "images").mkdir()
    for number in range(4):
        path = tmp_path / "images" / f"{number}.png"
        path.write_bytes(written(scene(seed=number), "PNG"))
        os.utime(path, (1e9, 1e9))
    monkeypatch.setattr("doctor.evidence.image_cache._AGE_SECONDS", -1)  # they were written just now
    first = measured(tmp_path / "images")
    decoded: list[str] = []

    def counted(content: bytes, row: dict[str, object]) -> Image.Image:
        decoded.append(str(row["content"]))
        return _decoded(content, row)

    monkeypatch.setattr("doctor.evidence.image_rows._decoded", counted)
    (tmp_path / "images" / "1.png").write_bytes(written(scene(seed=9), "PNG"))
    (tmp_path / "images" / "4.png").write_bytes((tmp_path / "images" / "0.png").read_bytes())
    second = measured(tmp_path / "images")
    assert len(decoded) == 1
    assert decoded == [second.content[1]]
    same = [0, 2, 3]
    assert (first.hashes[same] == second.hashes[same]).all()
    assert (first.descriptor[same] == second.descriptor[same]).all()
    assert second.content[4] == first.content[0]
    assert not list((tmp_path / "images").glob("*.sqlite"))


def test_a_torn_cache_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "facts.sqlite").write_bytes(b"no database, but something else altogether" * 100)
    cache = ImageCache.of(10_000, tmp_path)
    assert cache is not None
    cache.put([("here", {"content": "ab"})])
    assert cache.untouched(["here"]) == [{"content": "ab"}]
    cache.close()


def test_a_folder_that_cannot_be_written_leaves_no_cache(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert ImageCache.of(10_000, tmp_path / "file") is None


def test_work_ends_when_the_time_is_spent(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(written(scene(), "PNG"))
    workers = Workers(threads=1)
    workers.deadline = time.monotonic() - 1
    files = (ImageFile(path=tmp_path / "a.png", name="a.png"),)
    with pytest.raises(BudgetSpent):
        ImageFacts.measure(Images(shown="x", files=files), workers)


def test_a_file_changed_just_now_is_not_taken_for_untouched(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"x")
    assert places_of([ImageFile(path=tmp_path / "a.png", name="a.png")]) == [""]


def test_a_full_cache_forgets_what_was_used_longest_ago(tmp_path: Path) -> None:
    cache = ImageCache(tmp_path, max_bytes=1)
    cache.put((str(number), {"content": f"{number:032x}"}) for number in range(10))
    cache.close()
    again = ImageCache(tmp_path)
    assert not any(again.untouched([str(number) for number in range(10)]))
    again.close()


def test_a_thumbnail_is_small_upright_and_a_jpeg(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "a.jpg").write_bytes(written(scene(640, 320), "JPEG", exif=exif))
    made = thumbnail_of(ImageFile(path=tmp_path / "a.jpg", name="a.jpg"), "turned", 3)
    assert made is not None
    assert (made.file, made.caption, made.group) == ("a.jpg", "turned", 3)
    image = Image.open(io.BytesIO(base64.b64decode(made.jpeg)))
    assert (image.format, image.size) == ("JPEG", (80, 160))
    Image.new("RGB", (8, 6), "teal").save(tmp_path / "small.png")
    for side, size in ((160, (160, 120)), (100, (96, 72))):
        made = thumbnail_of(ImageFile(path=tmp_path / "small.png", name="small.png"), side=side)
        assert made is not None
        assert Image.open(io.BytesIO(base64.b64decode(made.jpeg))).size == size
    (tmp_path / "b.jpg").write_bytes(b"nothing")
    assert thumbnail_of(ImageFile(path=tmp_path / "b.jpg", name="b.jpg")) is None
