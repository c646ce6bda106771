"""What the training code imports, and what is recorded of the versions that it ran with."""

import ast
import re
from collections.abc import Iterator

from msgspec import Struct

from doctor.errors import NotApplicable
from doctor.evidence.fitted_tools import names_in
from doctor.evidence.project import Module, Project
from doctor.evidence.randomness import Randomness
from doctor.evidence.requirements import Requirement, declares, is_library, plain_name, requirements_of
from doctor.subjects.records import Record, Records, Sort
from doctor.subjects.source import Place

DISTRIBUTIONS: dict[str, tuple[str, ...]] = {
    "torch": ("torch", "pytorch"),
    "sklearn": ("scikit-learn",),
    "cv2": ("opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv"),
    "PIL": ("pillow", "pillow-simd"),
    "skimage": ("scikit-image",),
    "tensorflow": ("tensorflow", "tensorflow-cpu", "tensorflow-gpu", "tf-nightly"),
    "imblearn": ("imbalanced-learn",),
    "pytorch_lightning": ("pytorch-lightning",),
    "sentence_transformers": ("sentence-transformers",),
    "torch_geometric": ("torch-geometric", "pyg"),
    "flash_attn": ("flash-attn",),
    "category_encoders": ("category-encoders",),
    "umap": ("umap-learn",),
} | {
    name: (name,)
    for name in names_in(
        "numpy scipy pandas polars torchvision torchaudio keras jax jaxlib flax optax xgboost lightgbm catboost"
        " datasets transformers tokenizers accelerate deepspeed peft trl bitsandbytes lightning timm diffusers"
        " albumentations kornia spacy gensim nltk fastai xformers statsmodels evaluate safetensors sentencepiece"
    )
}
"""Libraries whose version decides what a training gives, by the name they are imported under."""
TRAINERS = frozenset(
    {"torch", "sklearn", "tensorflow", "keras", "jax", "xgboost", "lightgbm", "catboost", "transformers", "fastai"}
    | {"lightning", "pytorch_lightning", "deepspeed", "trl", "sentence_transformers", "spacy", "flax"}
)
"""Those that train."""


class TrainingProgram(Struct, frozen=True, kw_only=True):
    """A started program that trains.

    Attributes
    ----------
    at : Place
        Where it first imports a library that trains.
    imports : dict of str to Place
        The libraries above that it imports, itself or through other scanned files, with the first place of each.
    folder : str
        Where it lies.
    recorded : bool
        Whether anything beside it or above it records its environment.
    library : str
        The file that makes a package of it for others to install; empty where there is none.
    requirements : tuple of Requirement
        All that the records near it ask for.
    locked : frozenset of str
        Distributions that a lock beside it or above it names.
    """

    at: Place
    imports: dict[str, Place]
    folder: str
    recorded: bool
    library: str
    requirements: tuple[Requirement, ...]
    locked: frozenset[str]


class Dependencies(Struct, frozen=True, kw_only=True):
    """All programs that train, with the number of scanned ones.

    Attributes
    ----------
    troubles : tuple of str
        Records that could not be read, and files that one includes and that are not there, with their places.
    """

    programs: tuple[TrainingProgram, ...]
    scanned: int
    troubles: tuple[str, ...] = ()

    @classmethod
    def measure(cls, project: Project, records: Records, randomness: Randomness) -> "Dependencies":
        """Join the imports of each program that trains with the records around it.

        Raises
        ------
        NotApplicable
            When no scanned program trains.
        """
        training = {program.path for program in randomness.programs if "trains" in program.purposes}
        troubles: dict[str, None] = {}
        found = []
        for module in project.entries():
            imports = dict(_imports(project, module)) if module.program.shown in training else {}
            if imports.keys() & TRAINERS:
                found.append(_program(module, imports, records, troubles))
        if not found:
            raise NotApplicable("no program here trains with a known library")
        return cls(programs=tuple(found), scanned=len(project.modules), troubles=tuple(troubles))


def _imports(project: Project, entry: Module) -> Iterator[tuple[str, Place]]:
    """Yield the known libraries that a program imports, through other scanned files too."""
    seen = {entry}
    waiting = [entry]
    told: set[str] = set()
    for module in waiting:
        for node in module.program.nodes:
            if isinstance(node, ast.Import):
                whole = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                whole = [node.module or ""]
            else:
                continue
            for name in (dotted.partition(".")[0] for dotted in whole):
                if name in DISTRIBUTIONS and name not in told:
                    told.add(name)
                    yield name, module.program.place(node.lineno)
        for dotted in (*module.imports.values(), *module.stars):
            for candidate in (dotted, dotted.rpartition(".")[0]):
                found = project.module(candidate, module) if candidate else None
                if found is not None and found not in seen:
                    seen.add(found)
                    waiting.append(found)


def _program(module: Module, imports: dict[str, Place], records: Records, troubles: dict[str, None]) -> TrainingProgram:
    chain = [record for record in records.chain(module.program.path) if declares(record)]
    nearest = [record for record in chain if record.folder == chain[0].folder]
    library = next((record.shown for record in nearest if is_library(record)), "")
    requirements: list[Requirement] = []
    for record in chain:
        troubles |= {f"{record.shown}:{line}: {name} is not there": None for line, name in record.missing}
        try:
            requirements += requirements_of(record)
        except ValueError as error:
            troubles[f"{record.shown}: not valid TOML: {error}"] = None
    locks = [record for record in chain if record.sort is Sort.LOCK]
    return TrainingProgram(
        at=next(place for name, place in imports.items() if name in TRAINERS),
        imports=imports,
        folder=str(module.program.path.parent),
        recorded=bool(chain) or module.program.path in records.inline,
        library=library,
        requirements=tuple(requirements),
        locked=frozenset(
            name for one in imports for name in DISTRIBUTIONS[one] if any(_locks(lock, name) for lock in locks)
        ),
    )


def _locks(lock: Record, name: str) -> bool:
    """Whether a lock names a distribution."""
    return re.search(rf"(?<![\w-]){re.escape(plain_name(name))}(?![\w-])", plain_name(lock.text)) is not None
