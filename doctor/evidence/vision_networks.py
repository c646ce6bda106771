"""Builds a model that sees images from the weights in a folder, with the installed libraries' own architectures.

Weights are read as numbers alone, no code and no pickled object of the folder is run, and nothing is fetched.
"""

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from doctor.errors import UsageError
from doctor.evidence import picture_preparation
from doctor.evidence.picture_preparation import Preparation
from doctor.subjects.vision_models import TIMM, TORCHVISION, VisionModel
from doctor.wording import printable

if TYPE_CHECKING:
    import torch

    Tensors = dict[str, torch.Tensor]

MAX_REASON = 200
LISTS = ("state_dict", "model", "model_state_dict")
"""Under which trainers save the weights among other things."""
MAX_GROWTH, SPARE_NUMBERS = 2, 50_000_000
"""What a model may have beside its weights: parts that were not saved, such as a pooler."""
TOWER = "vision_model."
"""What sees, in models of images and texts."""
_HARMLESS = ("mask_token", "position_ids", "num_batches_tracked")
"""Weights that no embedding depends on."""
_TIMM_OWN = ("pretrained", "checkpoint", "features_only", "scriptable", "exportable", "cache_dir", "num_classes")


@dataclass(frozen=True, kw_only=True)
class Network:
    """A model that is ready to see pictures.

    Attributes
    ----------
    see : callable
        Turns float32[n, channels, height, width] into float32[n, d], both of torch: what comes before the head.
    preparation : Preparation
        What is done with pictures before.
    """

    see: "Callable[[torch.Tensor], torch.Tensor]"
    preparation: Preparation


def network_of(model: VisionModel) -> Network:
    """Load a model.

    Raises
    ------
    UsageError
        Naming its folder or file and what is wrong with it.
    """
    with _quiet():
        weights = _weights(model)
        build = {TIMM: _of_timm, TORCHVISION: _of_torchvision}.get(model.kind, _of_transformers)
        try:
            return build(model, weights)
        except UsageError:
            raise
        except Exception as error:  # libraries fail in many ways on what does not fit
            raise model.refused(
                f"{model.kind} cannot build {printable(model.architecture)}: {_words(error)}"
            ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep to ourselves what libraries say while they load; random numbers are those of before afterwards."""
    import torch

    disabled = logging.root.manager.disable
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        torch.manual_seed(0)
        try:
            yield
        finally:
            logging.disable(disabled)


def _words(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return printable(lines[0] if lines else type(error).__name__, limit=MAX_REASON)


def _weights(model: VisionModel) -> "Tensors":
    found: Tensors = {}
    for path in model.weights:
        try:
            found |= _read(path)
        except Exception as error:  # damaged files fail in the zip, the pickle and the safetensors reader in many ways
            text = str(error)
            why = _words(error)
            if "weights_only" in text or "Weights only" in text:
                why = "it holds more than weights (a program, or objects of Python), and that is not run"
            raise model.refused(f"{path.name} cannot be read: {why}") from error
    return found


def _read(path: Any) -> "Tensors":
    import torch

    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return dict(load_file(path))
    held = torch.load(path, map_location="cpu", weights_only=True)
    for name in LISTS:
        if isinstance(held, Mapping) and isinstance(held.get(name), Mapping):
            held = held[name]
    if not isinstance(held, Mapping) or not held or not all(isinstance(one, torch.Tensor) for one in held.values()):
        raise ValueError("it is no list of weights by name")
    return {str(name).removeprefix("module."): one for name, one in held.items()}


def _complete(model: VisionModel, missing: "list[str]") -> None:
    lost = [name for name in missing if not any(word in name for word in _HARMLESS)]
    if lost:
        raise model.refused(
            f"{len(lost):,} weights of {printable(model.architecture)} are not in {model.weights[0].name}, such as "
            f"{lost[0]}"
        )


def _in_proportion(model: VisionModel, weights: "Tensors", layers: Any, build: Callable[[], Any]) -> None:
    """See that a configuration asks for no model that is far larger than its weights, before memory is taken for it."""
    import torch

    held = sum(one.numel() for one in weights.values())
    asked = held
    if isinstance(layers, int) and layers > len(weights):
        raise model.refused(f"config.json asks for {layers:,} layers, but there are {len(weights):,} weights")
    with suppress(NotImplementedError, RuntimeError), torch.device("meta"):  # where a model cannot be drafted so
        asked = sum(one.numel() for one in build().parameters())
    if asked > MAX_GROWTH * held + SPARE_NUMBERS:
        raise model.refused(f"config.json asks for a model of {asked:,} numbers, but the weights have {held:,}")


def _of_transformers(model: VisionModel, weights: "Tensors") -> Network:
    config = _config(model)
    kind = _class_of(model, config)
    tower = "" if kind.main_input_name == "pixel_values" else TOWER
    takes: Any = getattr(kind, "input_modalities", None) or kind.main_input_name
    if takes == "video" or (tower and not any(tower in name for name in weights)):
        told = takes if isinstance(takes, str) else " and ".join(takes)
        raise model.refused(f"{printable(model.architecture)} is no model of images alone: it takes {told}")
    sight = config.vision_config if tower else config
    _in_proportion(model, weights, getattr(sight, "num_hidden_layers", 0), lambda: kind(config))
    network, missing, other = _loaded(kind, config, weights)
    missing = sorted(name for name in missing if name.startswith(tower))
    _complete(model, [name for name in missing if "pooler" not in name])
    if strange := sorted(name for name in other if name.startswith(tower)):
        where = model.weights[0].name
        raise model.refused(
            f"{len(strange):,} weights in {where} are of another size than config.json says, such as {strange[0]}"
        )
    # Where only a head for classes was trained, nothing was pooled by the model itself.
    pooled = not any("pooler" in name for name in missing)
    eye = (network.vision_model if tower else network).eval()
    marked = any(name.endswith(("cls_token", "class_embedding")) for name, _ in eye.named_parameters())
    return Network(
        see=lambda batch: _pooled(eye(pixel_values=batch), pooled=pooled, marked=marked),
        preparation=_prepared(model, lambda: picture_preparation.of_transformers(model.preprocessor, sight)),
    )


def _config(model: VisionModel) -> Any:
    """Return the configuration of a model of transformers, without what would fetch, run or hide something."""
    import transformers

    if model.architecture not in transformers.CONFIG_MAPPING:
        known = f"transformers {transformers.__version__} knows no model of type {printable(model.architecture)!r}"
        raise model.refused(known)
    said = {name: value for name, value in model.config.items() if name not in ("auto_map", "quantization_config")}
    config: Any = transformers.CONFIG_MAPPING[model.architecture].from_dict(said)
    if getattr(config, "use_pretrained_backbone", False):
        config.use_pretrained_backbone = False  # else it were fetched
    if hasattr(config, "mask_ratio"):
        config.mask_ratio = 0.0  # else chance hides most of each picture
    return config


def _class_of(model: VisionModel, config: Any) -> Any:
    import transformers

    if type(config) not in transformers.MODEL_MAPPING:
        raise model.refused(f"{printable(model.architecture)} is no model of images")
    return transformers.MODEL_MAPPING[type(config)]


def _loaded(kind: Any, config: Any, weights: "Tensors") -> tuple[Any, list[str], list[str]]:
    """Build a model of transformers; return it with the names of weights that are not there, and that do not fit."""
    import torch
    from transformers.utils import logging as bars

    shown = bars.is_progress_bar_enabled()
    bars.disable_progress_bar()  # type: ignore[no-untyped-call] # it carries no types
    try:
        network, told = kind.from_pretrained(
            None,
            config=config,
            state_dict=weights,
            dtype=torch.float32,
            attn_implementation="eager",  # which every architecture has
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are told by name
        )
    finally:
        if shown:
            bars.enable_progress_bar()  # type: ignore[no-untyped-call] # the same
    other = [one if isinstance(one, str) else one[0] for one in told["mismatched_keys"]]
    return network, [name for name in told["missing_keys"] if name not in other], other


def _pooled(seen: Any, *, pooled: bool, marked: bool) -> "torch.Tensor":
    """Return one vector per picture: what the model pools itself, else its class token, else the mean."""
    vectors: Any = getattr(seen, "pooler_output", None) if pooled else None
    if vectors is None:
        last = seen.last_hidden_state
        vectors = last.mean(dim=(2, 3)) if last.ndim == 4 else last[:, 0] if marked else last.mean(dim=1)
    flat: torch.Tensor = vectors.flatten(1)
    return flat


def _of_timm(model: VisionModel, weights: "Tensors") -> Network:
    timm = _imported(model, "timm")
    if not timm.is_model(model.architecture):
        raise model.refused(f"timm {timm.__version__} knows no architecture {printable(model.architecture)!r}")
    given = model.config.get("model_args") or {}
    own = {name: value for name, value in given.items() if not name.startswith(_TIMM_OWN)}
    if model.config.get("global_pool"):
        own.setdefault("global_pool", model.config["global_pool"])
    build = partial(timm.create_model, model.architecture, pretrained=False, num_classes=0, **own)
    _in_proportion(model, weights, own.get("depth", 0), build)
    network = build().eval()
    told = network.load_state_dict(weights, strict=False)
    _complete(model, told.missing_keys)
    usual = {name: value for name, value in network.pretrained_cfg.items() if value is not None}
    written = usual | (model.config.get("pretrained_cfg") or {})
    return Network(see=network, preparation=_prepared(model, lambda: picture_preparation.of_timm(written)))


def _of_torchvision(model: VisionModel, weights: "Tensors") -> Network:
    import torch

    models = _imported(model, "torchvision.models")
    known = models.list_models(module=models)
    names = [
        name
        for name in known
        if model.architecture == name or model.architecture.startswith((f"{name}-", f"{name}_", f"{name}."))
    ]
    if not names:
        raise model.refused(
            f"the name {printable(model.weights[0].name)} begins with no architecture of torchvision's, as "
            "resnet18-f37072fd.pth does; a model of transformers or timm is named by its folder"
        )
    name = max(names, key=len)
    network = models.get_model(name, weights=None).eval()
    heads = [place for place, part in network.named_modules() if isinstance(part, torch.nn.Linear)]
    if not heads:
        raise model.refused(f"{name} has no last layer that could be left out")
    head = heads[-1]
    network.set_submodule(head, torch.nn.Identity())
    kept = {place: value for place, value in weights.items() if not place.startswith(f"{head}.")}
    _complete(model, network.load_state_dict(kept, strict=False).missing_keys)
    listed = models.get_model_weights(name)
    own = next((one for one in listed if model.weights[0].name in one.url), listed.DEFAULT)
    return Network(
        see=network, preparation=_prepared(model, lambda: picture_preparation.of_torchvision(own.transforms()))
    )


def _imported(model: VisionModel, name: str) -> Any:
    try:
        return import_module(name)
    except Exception as error:  # builds for another torch fail in many ways
        raise model.refused(f"{name.partition('.')[0]} cannot be imported: {_words(error)}") from error


def _prepared(model: VisionModel, read: Callable[[], Preparation]) -> Preparation:
    try:
        return read()
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise model.refused(f"how pictures are to be prepared makes no sense: {_words(error)}") from error
