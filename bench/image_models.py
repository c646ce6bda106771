"""Measures what a model's eyes add to labels/label-noise: `--embeddings FOLDER` beside the descriptor of pictures.

    python bench/image_models.py

draws digits of scikit-learn anywhere in larger pictures, trains a small ResNet of transformers on half of them, saves
it as its users do, and looks for wrong labels in the other half, by the descriptor and by the saved model. Per kind of
wrong labels: competence, wrong labels among as many of the most doubted, and what the check says. 40 seconds.
"""

import json
import tempfile
import warnings
from pathlib import Path

import numpy as np
from calibrate_images import chosen, flaws, measured
from PIL import Image
from sklearn.datasets import load_digits

from doctor.evidence.image_label_noise import ImageLabelNoise
from doctor.model import Finding
from doctor.subjects.images import Images
from doctor.subjects.vision_models import VisionModel, open_vision_model
from doctor.subjects.workers import Workers
from doctor_checks.labels import label_noise

SIDE = 32
LEARNT = 800
EPOCHS = 20
BATCH = 64
HIGHEST_RATE = 1e-2


def placed(digit: np.ndarray, random: np.random.Generator) -> Image.Image:
    """Put a digit, at twice its size, anywhere on a grey ground."""
    drawn = np.kron(digit, np.ones((2, 2))) * 15.9 * random.uniform(0.5, 1)
    ground = random.normal(40, 12, (SIDE, SIDE))
    top, left = random.integers(0, SIDE - len(drawn) + 1, 2)
    ground[top : top + len(drawn), left : left + len(drawn)] += drawn
    return Image.fromarray(np.clip(ground, 0, 255).astype(np.uint8))


def learnt(folder: Path, pictures: np.ndarray, truth: np.ndarray) -> VisionModel:
    """Train a network on digits that are placed anew in every epoch, and save it."""
    import torch
    from transformers import ResNetConfig, ResNetForImageClassification

    torch.manual_seed(0)
    torch.set_num_threads(1)
    random = np.random.default_rng(1)
    config = ResNetConfig(
        num_channels=1, embedding_size=16, hidden_sizes=[16, 32], depths=[1, 1], layer_type="basic", num_labels=10
    )
    network = ResNetForImageClassification(config)
    labels = torch.from_numpy(truth)
    optimizer = torch.optim.AdamW(network.parameters(), lr=HIGHEST_RATE)
    steps = EPOCHS * -(-len(labels) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, HIGHEST_RATE, total_steps=steps)
    for _ in range(EPOCHS):
        levels = np.stack([np.asarray(placed(digit, random), dtype=np.float32) for digit in pictures])
        batch = torch.from_numpy(levels[:, None] / 127.5 - 1)
        for part in torch.randperm(len(labels)).split(BATCH):
            optimizer.zero_grad()
            network(pixel_values=batch[part], labels=labels[part]).loss.backward()
            optimizer.step()
            schedule.step()
    network.save_pretrained(folder)
    size = {"size": {"height": SIDE, "width": SIDE}, "image_mean": [0.5], "image_std": [0.5]}
    (folder / "preprocessor_config.json").write_text(json.dumps(size))
    return open_vision_model(str(folder))


def main() -> None:
    """Print one line per kind of wrong labels and pair of eyes."""
    warnings.simplefilter("ignore")
    known = load_digits()
    random = np.random.default_rng(2)
    order = np.random.default_rng(0).permutation(len(known.target))
    seen, others = order[:LEARNT], order[LEARNT:]
    with tempfile.TemporaryDirectory() as place:
        facts = measured(Path(place) / "digits", [placed(digit, random) for digit in known.images])
        model = learnt(Path(place) / "model", known.images[seen], known.target[seen])
        print(f"{'wrong labels':<14}{'judged by':<14}{'competence':>12}{'found':>8}  said")
        for name, labels in [("none", known.target[others]), *flaws(known.target[others], 0)]:
            wrong = set(np.flatnonzero(labels != known.target[others]).tolist())
            for given, eyes in ((None, "pictures"), (model, "the model")):
                now = chosen(facts, others, labels=labels)
                collection = Images(shown="", files=now.files, embeddings=given)
                noise = ImageLabelNoise.measure(now, collection, Workers(1))
                first = {row.number for row in noise.listed[: len(wrong)]}
                share = f"{len(first & wrong) / len(wrong):.2f}" if wrong else "–"
                words = [
                    str(one.evidence["kind"]) if isinstance(one, Finding) else one.reason
                    for one in label_noise.examine(noise, None)
                ]
                told = "; ".join(words) or "nothing"
                print(f"{name:<14}{eyes:<14}{noise.competence:>12.3f}{share:>8}  {told}", flush=True)


if __name__ == "__main__":
    main()
