"""What models out of local folders see in images: small ones with weights drawn by chance, built and saved here."""

import json
import os
import socket
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_image

import doctor
from doctor.errors import UsageError
from doctor.evidence.picture_preparation import Preparation, of_timm, of_transformers
from doctor.evidence.vision_networks import Network, network_of
from doctor.subjects.images import ImageFile
from doctor.subjects.vision_models import open_vision_model
from tests.evidence.test_image_labels import digits, noise

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import transformers

LAYERS = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
SEEING = {**LAYERS, "image_size": 32, "patch_size": 8}
WORDS = {**LAYERS, "vocab_size": 50}
Prepared = Callable[[Any], Any]
T: Any = transformers

MODELS: dict[str, tuple[Callable[[], Any], Callable[[Any, Any], Any]]] = {
    # What is saved, and what of it is seen by its own code.
    "vit with a head": (
        lambda: T.ViTForImageClassification(T.ViTConfig(**SEEING)),
        lambda model, batch: model.vit(pixel_values=batch).last_hidden_state[:, 0],
    ),
    "vit": (
        lambda: T.ViTModel(T.ViTConfig(**SEEING)),
        lambda model, batch: model(pixel_values=batch).pooler_output,
    ),
    "dinov2": (
        lambda: T.Dinov2Model(T.Dinov2Config(**SEEING)),
        lambda model, batch: model(pixel_values=batch).pooler_output,
    ),
    "resnet with a head": (
        lambda: T.ResNetForImageClassification(
            T.ResNetConfig(embedding_size=8, hidden_sizes=[8, 24], depths=[1, 1], layer_type="basic")
        ),
        lambda model, batch: model.resnet(pixel_values=batch).pooler_output.flatten(1),
    ),
    "convnext with a head": (
        lambda: T.ConvNextForImageClassification(
            T.ConvNextConfig(hidden_sizes=[8, 16, 16, 24], depths=[1, 1, 1, 1], image_size=32)
        ),
        lambda model, batch: model.convnext(pixel_values=batch).pooler_output,
    ),
    "clip": (
        lambda: T.CLIPModel(T.CLIPConfig(vision_config=SEEING, text_config=WORDS, projection_dim=16)),
        lambda model, batch: model.vision_model(pixel_values=batch).pooler_output,
    ),
    "siglip": (
        lambda: T.SiglipModel(T.SiglipConfig(vision_config=SEEING, text_config=WORDS)),
        lambda model, batch: model.vision_model(pixel_values=batch).pooler_output,
    ),
}


def saved(folder: Path, model: Any) -> Path:
    """Save a model as its users do, without what its library prints of it."""
    bars = T.utils.logging
    bars.disable_progress_bar()
    try:
        model.save_pretrained(folder)
    finally:
        bars.enable_progress_bar()
    return folder


def made(kind: str) -> Any:
    torch.manual_seed(1)
    return MODELS[kind][0]().eval()


def told(path: Path) -> str:
    with pytest.raises(UsageError) as raised:
        network_of(open_vision_model(str(path)))
    (line,) = str(raised.value).splitlines()
    assert line.startswith(f"--embeddings {path}: ")
    return line.removeprefix(f"--embeddings {path}: ")


def sight(network: Network, batch: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return network.see(batch)


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail where anything is fetched."""

    def refuse(*_: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.mark.parametrize("kind", MODELS)
def test_a_model_is_seen_through_to_what_comes_before_its_head(tmp_path: Path, kind: str, offline: None) -> None:
    model = made(kind)
    network = network_of(open_vision_model(str(saved(tmp_path, model))))
    batch = torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        expected = MODELS[kind][1](model, batch)
    assert torch.allclose(sight(network, batch), expected, atol=1e-5)


def test_weights_as_torch_saves_them_are_the_same_weights(tmp_path: Path) -> None:
    model = made("vit")
    saved(tmp_path, model)
    batch = torch.randn(2, 3, 32, 32)
    expected = sight(network_of(open_vision_model(str(tmp_path))), batch)
    (tmp_path / "model.safetensors").unlink()
    torch.save(
        {"state_dict": {f"module.{name}": one for name, one in model.state_dict().items()}},
        tmp_path / "pytorch_model.bin",
    )
    assert torch.equal(sight(network_of(open_vision_model(str(tmp_path))), batch), expected)


class _Program:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("the-doctor-ran-it",)


def test_a_pickle_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    saved(tmp_path, made("vit"))
    (tmp_path / "model.safetensors").unlink()
    torch.save({"weight": _Program()}, tmp_path / "pytorch_model.bin")
    assert "holds more than weights" in told(tmp_path)
    assert not (tmp_path / "the-doctor-ran-it").exists()


def test_code_in_the_folder_is_not_run(tmp_path: Path) -> None:
    saved(tmp_path, made("vit"))
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "own.py").write_text("raise SystemExit('the doctor ran it')\n")
    both = {"AutoConfig": "own.Config", "AutoModel": "own.Model"}
    (tmp_path / "config.json").write_text(json.dumps(config | {"auto_map": both}))
    network_of(open_vision_model(str(tmp_path)))
    (tmp_path / "config.json").write_text(json.dumps(config | {"model_type": "own", "auto_map": both}))
    assert "knows no model of type 'own'" in told(tmp_path)


def test_what_cannot_see_is_told(tmp_path: Path) -> None:
    text = T.BertModel(T.BertConfig(**WORDS))
    assert told(saved(tmp_path / "bert", text)) == "bert is no model of images alone: it takes text"
    broken = saved(tmp_path / "broken", made("vit"))
    content = (broken / "model.safetensors").read_bytes()
    (broken / "model.safetensors").write_bytes(content[: len(content) // 2])
    assert told(broken).startswith("model.safetensors cannot be read: ")
    other = saved(tmp_path / "other", made("dinov2"))
    (other / "config.json").write_text((broken / "config.json").read_text())
    assert " weights of vit are not in model.safetensors, such as " in told(other)
    (broken / "model.safetensors").write_bytes(content)
    config = json.loads((broken / "config.json").read_text())
    (broken / "config.json").write_text(json.dumps(config | {"hidden_size": 48}))
    assert " weights in model.safetensors are of another size than config.json says, such as " in told(broken)
    (broken / "config.json").write_text(json.dumps(config | {"hidden_size": 2_000_000}))
    assert told(broken).startswith("config.json asks for a model of ")
    (broken / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 10**9}))
    assert told(broken).startswith("config.json asks for 1,000,000,000 layers")
    (broken / "config.json").write_text(json.dumps(config))
    (broken / "preprocessor_config.json").write_text(json.dumps({"size": {"width": "wide"}}))
    assert told(broken).startswith("how pictures are to be prepared makes no sense: ")


PROCESSORS = [
    ("ViTImageProcessorPil", {}),
    ("ViTImageProcessorPil", {"size": {"height": 30, "width": 50}, "do_normalize": False}),
    ("CLIPImageProcessorPil", {}),
    ("SiglipImageProcessorPil", {}),
    ("DeiTImageProcessorPil", {}),
    ("ConvNextImageProcessorPil", {"size": {"shortest_edge": 224}}),
    ("ConvNextImageProcessorPil", {}),
    ("BitImageProcessorPil", {"size": {"shortest_edge": 256}}),
]


@pytest.mark.parametrize(("name", "settings"), PROCESSORS)
def test_pictures_are_prepared_as_the_librarys_own_processor_prepares_them(name: str, settings: dict[str, Any]) -> None:
    picture = Image.fromarray(load_sample_image("china.jpg")).crop((0, 0, 333, 251))
    processor = getattr(T, name)(**settings)
    expected = processor(images=picture, return_tensors="np")["pixel_values"][0]
    written = json.loads(processor.to_json_string())
    found = of_transformers(written, SimpleNamespace(image_size=224)).prepared(picture)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-5


def test_files_of_older_libraries_give_one_number_for_the_size() -> None:
    config = SimpleNamespace(image_size=224)
    assert of_transformers({"size": 384}, config).resize == (384, 384)
    clip = of_transformers({"size": 224, "do_center_crop": True, "crop_size": 224}, config)
    assert (clip.resize, clip.cut) == (224, (224, 224))
    assert of_transformers({}, SimpleNamespace(image_size=96, num_channels=1)) == Preparation(
        resize=(96, 96), mean=(0.5,), std=(0.5,)
    )


def test_timm_says_which_part_of_a_picture_is_kept() -> None:
    found = of_timm({"input_size": [3, 224, 224], "crop_pct": 0.9, "interpolation": "bicubic", "mean": [0.5] * 3})
    assert (found.resize, found.cut, found.resample) == (248, (224, 224), Image.Resampling.BICUBIC)
    assert of_timm({"input_size": [3, 64, 64], "crop_pct": 1.0, "crop_mode": "squash"}).resize == (64, 64)


def test_pictures_of_every_mode_are_seen_upright(tmp_path: Path) -> None:
    prepare = Preparation(resize=(8, 8), mean=(0.0,) * 3, std=(1.0,) * 3)
    halves = np.zeros((64, 64, 3), dtype=np.uint8)
    halves[:32] = 255
    picture = Image.fromarray(halves)
    turned = picture.rotate(-90)
    exif = turned.getexif()
    exif[0x0112] = 8  # to be turned by 90° to the left
    turned.save(tmp_path / "turned.jpg", exif=exif)
    for mode in ("RGB", "L", "P", "1", "RGBA"):
        picture.convert(mode).save(tmp_path / f"{mode}.png")
    for path in tmp_path.iterdir():
        seen = prepare.of(ImageFile(path=path, name=path.name))
        assert seen.shape == (3, 8, 8)
        assert seen[:, :3].min() > 0.9, path.name
        assert seen[:, 5:].max() < 0.1, path.name


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of random weights: pictures of one digit are alike even to it."""
    torch.manual_seed(0)
    config = T.ResNetConfig(num_channels=1, embedding_size=32, hidden_sizes=[64], depths=[1], layer_type="basic")
    folder = saved(tmp_path_factory.mktemp("small"), T.ResNetModel(config))
    size = {"size": {"height": 24, "width": 24}, "image_mean": [0.5], "image_std": [0.5]}
    (folder / "preprocessor_config.json").write_text(json.dumps(size))
    return folder


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the user's cache alone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


def test_classes_are_judged_by_what_a_model_sees_and_thrice_the_same(
    tmp_path: Path, small: Path, offline: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sklearn.datasets import load_digits

    truth = np.array(load_digits().target[:300])
    labels = truth.copy()
    wrong = np.random.default_rng(0).random(300) < 0.1
    labels[wrong] = (truth[wrong] + 3) % 10
    data = digits(tmp_path / "data", labels)
    threads = torch.get_num_threads()
    reports = []
    for cache in ("a", "b"):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / cache))
        reports.append(doctor.scan(data, select=["label-noise"], embeddings=small, threads=1))
    # What was seen before is not looked at again.
    monkeypatch.setattr("doctor.evidence.vision_vectors.network_of", None)
    reports.append(doctor.scan(data, select=["label-noise"], embeddings=small, threads=1))
    assert torch.get_num_threads() == threads
    (found,) = noise(reports[0])
    assert noise(reports[1]) == noise(reports[2]) == [found]
    assert found.evidence["judged_by"] == f"{small} (resnet, transformers)"
    listed = {int(Path(name).stem) for name in found.evidence["files"]}
    assert np.mean([number in listed for number in np.flatnonzero(wrong)]) > 0.6


def test_a_model_that_cannot_see_the_pictures_is_told(tmp_path: Path, small: Path) -> None:
    data = digits(tmp_path / "data", np.arange(200) % 4)
    broken = tmp_path / "model"
    broken.mkdir()
    for path in small.iterdir():
        (broken / path.name).write_bytes(path.read_bytes())
    config = json.loads((broken / "config.json").read_text())
    from safetensors.torch import load_file, save_file

    weights = load_file(small / "model.safetensors")
    for value, words in ((float("nan"), "values that are no numbers"), (0.0, "the same in every image")):
        changed = {name: one if one.dtype is torch.int64 else one * value for name, one in weights.items()}
        save_file(changed, broken / "model.safetensors")
        with pytest.raises(UsageError, match=words):
            doctor.scan(data, select=["label-noise"], embeddings=broken)
    size = {"size": {"height": 24, "width": 24}, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    (broken / "config.json").write_text(json.dumps(config | {"num_channels": 3}))
    (broken / "preprocessor_config.json").write_text(json.dumps(size))
    with pytest.raises(UsageError, match=r"of another size than config\.json says"):
        doctor.scan(data, select=["label-noise"], embeddings=broken)


def test_the_command_ends_with_2_and_one_line(tmp_path: Path) -> None:
    data = digits(tmp_path / "data", np.arange(20) % 2)
    command = [sys.executable, "-m", "doctor", "scan", str(data), "--embeddings", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"doctor: --embeddings {tmp_path}: no model: it has no config.json, and no weights\n"


def _or_skip(name: str) -> Any:
    """Import a library that need not be installed, nor fit this torch."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return __import__(name, fromlist=["models"])
    except Exception as error:
        pytest.skip(f"{name} cannot be imported: {error}")


def test_a_folder_of_timm_is_seen_through_to_what_comes_before_its_head(tmp_path: Path, offline: None) -> None:
    timm = _or_skip("timm")
    torch.manual_seed(0)
    model = timm.create_model("test_vit", num_classes=7).eval()
    timm.models.save_for_hf(model, tmp_path, safe_serialization=True)
    network = network_of(open_vision_model(str(tmp_path)))
    batch = torch.randn(2, 3, 160, 160)
    with torch.inference_mode():
        expected = model.forward_head(model.forward_features(batch), pre_logits=True)
    assert torch.allclose(sight(network, batch), expected, atol=1e-5)
    assert (network.preparation.resize, network.preparation.cut) == (168, (160, 160))
    config = json.loads((tmp_path / "config.json").read_text())
    larger = {"model_args": config["model_args"] | {"embed_dim": 200_000}}
    (tmp_path / "config.json").write_text(json.dumps(config | larger))
    assert told(tmp_path).startswith("config.json asks for a model of ")
    (tmp_path / "config.json").write_text(json.dumps(config | {"architecture": "hf-hub:some/one"}))
    assert "knows no architecture 'hf-hub:some/one'" in told(tmp_path)


def test_weights_of_torchvision_are_seen_through_to_what_comes_before_the_head(tmp_path: Path, offline: None) -> None:
    models = _or_skip("torchvision.models")
    torch.manual_seed(0)
    model = models.resnet18(weights=None, num_classes=5).eval()
    path = tmp_path / "resnet18-f37072fd.pth"
    torch.save(model.state_dict(), path)
    network = network_of(open_vision_model(str(path)))
    batch = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        assert torch.allclose(model.fc(sight(network, batch)), model(batch), atol=1e-5)
    assert (network.preparation.resize, network.preparation.cut) == (256, (224, 224))
    path.rename(tmp_path / "mine.pth")
    assert "begins with no architecture of torchvision's" in told(tmp_path / "mine.pth")
