"""Models that are named in place of vectors: what a folder is taken for, and what is wrong with others."""

import json
from pathlib import Path
from typing import Any

import pytest

import doctor
from doctor.errors import UsageError
from doctor.subjects import vision_models
from doctor.subjects.embeddings import carried, with_embeddings
from doctor.subjects.image_sets import open_images
from doctor.subjects.vision_models import VisionModel, open_vision_model
from tests.subjects.test_image_layouts import put

TIMM = {"architecture": "resnet18", "num_classes": 10, "pretrained_cfg": {"input_size": [3, 224, 224]}}


def folder(place: Path, config: Any, **contents: bytes) -> Path:
    """Write a folder with a configuration and files, `_` in whose names stands for the last point."""
    place.mkdir(exist_ok=True)
    if config is not None:
        (place / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
    for name, content in contents.items():
        (place / ".".join(name.rsplit("_", 1))).write_bytes(content)
    return place


@pytest.fixture(autouse=True)
def every_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have all libraries there: nothing is built here."""
    monkeypatch.setattr(vision_models, "find_spec", lambda name: name)


def told(path: Path) -> str:
    with pytest.raises(UsageError) as raised:
        open_vision_model(str(path))
    (line,) = str(raised.value).splitlines()
    assert line.startswith(f"--embeddings {path}: ")
    return line.removeprefix(f"--embeddings {path}: ")


def test_a_folder_is_of_the_library_that_its_configuration_is_of(tmp_path: Path) -> None:
    for config, kind, name in (
        ({"model_type": "vit"}, "transformers", "vit"),
        (TIMM, "timm", "resnet18"),
        ({"model_type": "timm_wrapper", **TIMM}, "timm", "resnet18"),
    ):
        model = open_vision_model(str(folder(tmp_path, config, model_safetensors=b"weights", pytorch_model_bin=b"1")))
        assert (model.kind, model.architecture) == (kind, name)
        assert [path.name for path in model.weights] == ["model.safetensors"]


def test_weights_alone_are_of_the_architecture_that_their_name_begins_with(tmp_path: Path) -> None:
    path = put(tmp_path, "resnet18-f37072fd.pth") / "resnet18-f37072fd.pth"
    for named in (path, tmp_path):
        model = open_vision_model(str(named))
        assert (model.kind, model.architecture, model.weights) == ("torchvision", "resnet18-f37072fd", (path,))


def test_weights_in_several_files_are_those_that_the_index_names(tmp_path: Path) -> None:
    index = tmp_path / "model.safetensors.index.json"
    folder(tmp_path, {"model_type": "vit"}, **{"1_safetensors": b"a", "2_safetensors": b"b"})
    index.write_text(json.dumps({"weight_map": {"a": "1.safetensors", "b": "2.safetensors", "c": "1.safetensors"}}))
    assert [path.name for path in open_vision_model(str(tmp_path)).weights] == ["1.safetensors", "2.safetensors"]
    index.write_text(json.dumps({"weight_map": {"a": "../1.safetensors"}}))
    assert told(tmp_path) == "model.safetensors.index.json does not say which files beside it hold the weights"
    index.write_text(json.dumps({"weight_map": {"a": "3.safetensors"}}))
    assert told(tmp_path) == "3.safetensors is missing, which model.safetensors.index.json names"


@pytest.mark.parametrize(
    ("config", "contents", "words"),
    [
        (None, {}, "no model: it has no config.json, and no weights"),
        (None, {"a_pth": b"1", "b_pth": b"1"}, "no model: it has no config.json, and several files with weights"),
        ("{", {"model_safetensors": b"1"}, "config.json cannot be read: Expecting property name"),
        ("[1]", {"model_safetensors": b"1"}, "config.json cannot be read: not an object"),
        ({"hidden_size": 8}, {"model_safetensors": b"1"}, "config.json names no model: neither model_type"),
        ({"model_type": "vit"}, {}, "no weights in it: neither model.safetensors nor pytorch_model.bin"),
        ({"model_type": "vit"}, {"model_safetensors": b""}, "model.safetensors is empty"),
        (
            {"model_type": "vit"},
            {"model_safetensors": b"version https://git-lfs.github.com/spec/v1\n"},
            "model.safetensors is a pointer of Git LFS, the weights themselves were never fetched",
        ),
    ],
)
def test_what_is_no_model_is_told_in_one_line(
    tmp_path: Path, config: Any, contents: dict[str, bytes], words: str
) -> None:
    assert told(folder(tmp_path / "m", config, **contents)).startswith(words)


def test_a_library_that_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vision_models, "find_spec", lambda name: None if name == "timm" else name)
    path = folder(tmp_path, TIMM, model_safetensors=b"1")
    assert told(path) == "a model of timm needs timm: pip install timm"


def test_every_collection_gets_the_model_and_copies_keep_it(tmp_path: Path) -> None:
    images = open_images([put(tmp_path / "pets", "cat/1.jpg", "cat/2.jpg", "dog/1.jpg", "dog/2.jpg")]).images
    path = folder(tmp_path / "m", {"model_type": "vit"}, model_safetensors=b"1")
    both = with_embeddings([*images, *images], str(path))
    assert [isinstance(one.embeddings, VisionModel) for one in both] == [True, True]
    (copy,) = carried(images, both)
    assert copy.embeddings is both[0].embeddings
    with pytest.raises(UsageError, match="a model sees images, and here are none"):
        with_embeddings([], str(path))


def test_what_lies_beside_a_model_is_no_data(tmp_path: Path) -> None:
    put(tmp_path, "cat/1.jpg", "cat/2.jpg", "dog/1.jpg", "dog/2.jpg")
    path = folder(tmp_path / "m", {"model_type": "vit"}, model_safetensors=b"1", classes_csv=b"number,name\n1,a\n2,b\n")
    put(path, "sample.jpg")
    (seen,) = doctor.scan(tmp_path, embeddings=path, select=["images/unreadable"]).case.subjects
    assert (seen.kind, seen.files) == ("images", 4)


def test_a_path_that_is_not_there_is_told(tmp_path: Path) -> None:
    images = open_images([put(tmp_path / "pets", "cat/1.jpg", "cat/2.jpg", "dog/1.jpg", "dog/2.jpg")]).images
    for name, words in (("nowhere", "there is no such file or folder"), ("a.pth", "there is no such file")):
        with pytest.raises(UsageError, match=words):
            with_embeddings(images, str(tmp_path / name))
