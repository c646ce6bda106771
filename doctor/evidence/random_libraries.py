"""Which calls draw random numbers, which ones seed them, and which ones train a model or build a data set."""

import ast
import re
from enum import StrEnum

from doctor.evidence.project import is_function, words
from doctor.evidence.walkthrough import Step

EVERY = frozenset({"random", "numpy", "torch", "tensorflow"})
"""The generators that a seed can be set for."""


class Use(StrEnum):
    """What a draw is for, since what matters depends on what the program does."""

    ORDER = "order"
    """Which rows, in which order."""
    VALUE = "value"
    MODEL = "model"
    """Initial weights, or an estimator's own randomness."""


_ORDERING = {"shuffle", "sample", "choice", "choices", "permutation", "permuted", "randperm", "multinomial"}
_PYTHON = _ORDERING | {
    "random",
    "randint",
    "randrange",
    "uniform",
    "gauss",
    "normalvariate",
    "triangular",
    "betavariate",
    "expovariate",
    "lognormvariate",
    "getrandbits",
}
_NUMPY_CALLS = """
    rand randn randint random random_sample uniform normal standard_normal beta binomial poisson exponential gamma
    dirichlet multivariate_normal laplace lognormal bytes negative_binomial
"""
_NUMPY = _ORDERING | set(_NUMPY_CALLS.split())
_TORCH = {
    "rand",
    "randn",
    "randint",
    "randperm",
    "rand_like",
    "randn_like",
    "randint_like",
    "bernoulli",
    "multinomial",
    "normal",
}
_TORCH_IN_PLACE = {"normal_", "uniform_", "random_", "bernoulli_", "exponential_"}
_LAYERS = re.compile(
    r"torch\.nn\.(modules\.\w+\.)?(Lazy)?(Linear|Bilinear|Conv(Transpose)?[123]d|Embedding(Bag)?|RNN|LSTM|GRU"
    r"|(RNN|LSTM|GRU)Cell|MultiheadAttention|Transformer(Encoder|Decoder)?(Layer)?)"
    r"|torch\.nn\.init\.(xavier|kaiming|trunc|normal|uniform|orthogonal|sparse)\w*"
)
_KERAS_LAYERS = re.compile(
    r"(tensorflow\.)?(python\.)?keras\.(src\.)?layers\.(\w+\.)?(Dense|(Separable|Depthwise)?Conv[123]D(Transpose)?|Embedding|LSTM|GRU"
    r"|SimpleRNN|MultiHeadAttention|Dropout|RandomFlip|RandomRotation|RandomZoom)"
)
_SAMPLERS = {"RandomSampler", "WeightedRandomSampler", "SubsetRandomSampler"}
_SPLITTERS = {"ShuffleSplit", "StratifiedShuffleSplit", "GroupShuffleSplit", "RepeatedKFold", "RepeatedStratifiedKFold"}
_SHUFFLED_IF_ASKED = {"KFold", "StratifiedKFold", "StratifiedGroupKFold", "GroupKFold"}
_ESTIMATORS = re.compile(
    r"(RandomForest|ExtraTrees?|Bagging|AdaBoost|MLP|SGD|PassiveAggressive|DecisionTree|GradientBoosting)"
    r"(Classifier|Regressor)|Perceptron|(MiniBatch|Bisecting)?KMeans|(Bayesian)?GaussianMixture|IsolationForest"
    r"|RandomizedSearchCV|HalvingRandomSearchCV|LatentDirichletAllocation|RandomTreesEmbedding|BernoulliRBM"
    r"|BalancedRandomForestClassifier|EasyEnsembleClassifier|RUSBoostClassifier"
)
_RESAMPLERS = re.compile(
    r"\w*SMOTE\w*|ADASYN|RandomOverSampler|RandomUnderSampler|shuffle|resample|make_(classification|regression|blobs"
    r"|moons|circles|friedman\d|sparse_\w+|multilabel_classification|gaussian_quantiles|hastie_10_2|swiss_roll|s_curve)"
)
_STRONG = re.compile(
    r"\w*::(fit|partial_fit|fit_generator|fit_predict|fit_transform|train_on_batch|backward|apply_gradients|minimize"
    r"|fit_resample|fit_one_cycle|fine_tune)"
    r"|sklearn\.model_selection\.(cross_val\w*|cross_validate|learning_curve|validation_curve)"
    r"|(xgboost|lightgbm)\.(train|cv)|jax\.(grad|value_and_grad)|tensorflow\.GradientTape|torch\.autograd\.(grad|backward)"
)
_WEAK = re.compile(
    r"(torch\.utils\.data\.(\w+\.)?)?(DataLoader|random_split)|torch_geometric\..*DataLoader"
    r"|sklearn\.model_selection\.\w+|tensorflow\.data\..*|(tensorflow|datasets)::\w+|datasets\.(load_dataset|Dataset\..*)"
)
_WRITES_ROWS = re.compile(
    r"\w*::(to_csv|to_parquet|to_feather|to_json|to_hdf|save_to_disk|push_to_hub|to_pickle|to_excel|write_parquet"
    r"|write_csv|savez)|numpy\.(save|savez|savez_compressed|savetxt)|pyarrow\.parquet\.write_table|torch\.save"
)
_WRITES_FILES = re.compile(
    r"(json|pickle|joblib)\.dump|shutil\.(copy\w*|move)|os\.(symlink|link|rename)|csv\.(Dict)?[wW]riter|open|\w*::write\w*"
)
_SPLIT_WORD = re.compile(r"(^|[^a-z])(train|training|val|valid|validation|test|dataset)([^a-z]|$)")
_SHOWING = {
    "show",
    "plot",
    "display",
    "visualize",
    "visualise",
    "preview",
    "demo",
    "backoff",
    "retry",
    "jitter",
    "temp",
    "tmp",
    "uuid",
    "token",
    "password",
    "port",
}
_NAMED_AWAY = re.compile(
    r"(^|_)(port|run|name|suffix|prefix|jitter|delay|wait|backoff|token|uid|uuid|colou?rs?|sleep|tmp|temp|password|secret"
    r"|example_input|dummy|user_agent|timeout)(_|s?$)"
)
_ASIDE = re.compile(
    r"(time|asyncio)\.sleep|print|display|logging\..*|(logger|log|st|plt|ax|axes|fig|sns|px|go)::.*|matplotlib.*"
    r"|seaborn.*|plotly.*|streamlit.*|pprint.*|rich.*|IPython.*|torch\.(onnx|jit)\..*|thop.*|torchinfo.*|torchsummary.*"
)
_SEED_NAME = re.compile(r"(^|_)(seed|seeds|determinism|deterministic|reproducib\w*)(_|$)|seed")
_NOT_SEEDING = re.compile(r"^(get|initial|print|log|parse|add|random_|generate|new|make_rng|spawn|default)|worker")
_CLOCK = re.compile(r"time|time_ns|now|utcnow|urandom|getpid|timestamp|perf_counter(_ns)?|monotonic|uuid4|token_bytes")

_ONE_SEED = {
    "random.seed": {"random"},
    "random.setstate": {"random"},
    "numpy.random.seed": {"numpy"},
    "numpy.random.set_state": {"numpy"},
    "torch.manual_seed": {"torch"},
    "torch.random.manual_seed": {"torch"},
    "torch.set_rng_state": {"torch"},
    "torch.random.set_rng_state": {"torch"},
    "torch.cuda.manual_seed": {"cuda"},
    "torch.cuda.manual_seed_all": {"cuda"},
    "torch.mps.manual_seed": {"cuda"},
    "tensorflow.random.set_seed": {"tensorflow"},
    "tensorflow.set_random_seed": {"tensorflow"},
    "tensorflow.random.set_random_seed": {"tensorflow"},
    "tensorflow.compat.v1.set_random_seed": {"tensorflow"},
    "tensorflow.compat.v1.random.set_random_seed": {"tensorflow"},
}
_DRAWN_SEEDS = {"torch.seed", "torch.random.seed"}


def seeded_by(name: str) -> frozenset[str]:
    """Return the generators that a call of this full name seeds; empty where it is no seeding.

    A function that is not in view and speaks of a seed in its name is taken at its word.
    """
    if name in _ONE_SEED:
        return frozenset(_ONE_SEED[name])
    if name in _DRAWN_SEEDS:
        return frozenset({"torch"})
    last = re.split(r"\.|::", name)[-1]
    if re.fullmatch(r"(\w*TrainingArguments|SFTConfig|DPOConfig|GRPOConfig)", last) or (
        last.endswith("Trainer") and name.startswith(("transformers.", "trl.", "sentence_transformers.", "setfit."))
    ):
        return EVERY
    if name.startswith(("numpy.", "torch.", "random.", "tensorflow.data", "jax.")) and "seed_" not in last:
        return frozenset()
    if name.startswith("keras.utils.set_random_seed") or name.endswith("keras.utils.set_random_seed"):
        return EVERY
    if "::" in name and last in ("seed", "manual_seed", "reset", "random_seed"):
        return frozenset()
    return EVERY if _SEED_NAME.search(last) and not _NOT_SEEDING.search(last) else frozenset()


def from_clock(step: Step) -> bool:
    """Whether a seed is another one on each run: no seed at all, None, or one read off a clock or the system."""
    if step.name in _DRAWN_SEEDS:
        return True
    if step.has_unknown_arguments or any(isinstance(argument, ast.Starred) for argument in step.call.args):
        return False
    value = step.call.args[0] if step.call.args else next((key.value for key in step.call.keywords), None)
    if value is None:
        return step.name in ("random.seed", "numpy.random.seed")
    return _is_moving(value, step)


def _is_moving(value: ast.expr, step: Step) -> bool:
    if isinstance(value, ast.Constant):
        return value.value is None
    if isinstance(value, ast.Name):
        given = list(_assigned(value.id, step.frame.scope))
        return bool(given) and all(_reads_clock(source) for source in given)
    return _reads_clock(value)


def _reads_clock(value: ast.expr) -> bool:
    called = [part.func for part in ast.walk(value) if isinstance(part, ast.Call)]
    last = [func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "") for func in called]
    return any(_CLOCK.fullmatch(word) for word in last)


def _assigned(name: str, scope: ast.AST) -> list[ast.expr]:
    if is_function(scope) and any(
        argument.arg == name for argument in ast.walk(scope.args) if isinstance(argument, ast.arg)
    ):
        return []
    return [
        node.value
        for node in ast.walk(scope)
        if isinstance(node, ast.Assign)
        and any(isinstance(target, ast.Name) and target.id == name for target in node.targets)
    ]


class DrawKind:
    """What a drawing call is: its library, the generators any of which makes it repeatable, its use, its cure."""

    def __init__(self, library: str, seeds: set[str], use: Use, argument: str = "") -> None:
        self.library = library
        self.generators = frozenset(seeds)
        self.use = use
        self.argument = argument


def draw(step: Step) -> DrawKind | None:
    """Say what a call draws from; None where it draws nothing, or from a generator that is seeded by itself."""
    name = step.name
    library, _, last = name.rpartition(".") if "::" not in name else name.rpartition("::")
    use = Use.ORDER if last in _ORDERING else Use.VALUE
    kind: DrawKind | None = None
    if name == f"random.{last}" and last in _PYTHON:
        kind = DrawKind("random", {"random"}, use)
    elif library == "numpy.random" and last in _NUMPY:
        kind = DrawKind("numpy", {"numpy"}, use)
    elif name in ("numpy.random.default_rng", "numpy.random.RandomState", "numpy.random.SeedSequence", "random.Random"):
        if not step.has_unknown_arguments and (not (step.call.args or step.call.keywords) or from_clock(step)):
            kind = DrawKind(library.partition(".")[0], set(), Use.VALUE, "0")
    elif name in ("jax.random.PRNGKey", "jax.random.key"):
        kind = DrawKind("jax", set(), Use.VALUE, "0") if from_clock(step) else None
    elif name.startswith(("sklearn.", "imblearn.")):
        kind = _draw_of_sklearn(step, last)
    elif "torch" in step.frame.module.roots or name.startswith("torch"):
        kind = _draw_of_torch(step, name, library, last)
    if kind is None and (name.startswith(("tensorflow", "keras")) or step.frame.module.roots & {"tensorflow", "keras"}):
        kind = _draw_of_tensorflow(step, name, last)
    return kind or _draw_of_frames(step, library, last)


def _given(step: Step, *names: str) -> bool:
    value = step.argument(*names)
    if value is None:
        return step.has_unknown_arguments
    return not (isinstance(value, ast.Constant) and value.value is None)


def _is_true(value: ast.expr | None) -> bool:
    return isinstance(value, ast.Constant) and value.value is True


def _is_false(value: ast.expr | None) -> bool:
    return isinstance(value, ast.Constant) and value.value is False


def _draw_of_sklearn(step: Step, last: str) -> DrawKind | None:
    use = Use.MODEL
    if last == "train_test_split":
        if _is_false(step.argument("shuffle")):
            return None
        use = Use.ORDER
    elif last in _SPLITTERS or (last in _SHUFFLED_IF_ASKED and _is_true(step.argument("shuffle"))):
        use = Use.ORDER
    elif _RESAMPLERS.fullmatch(last):
        use = Use.ORDER if last in ("shuffle", "resample") else Use.VALUE
    elif not (
        _ESTIMATORS.fullmatch(last)
        or (last == "SVC" and _is_true(step.argument("probability")))
        or (last == "LogisticRegression" and {"sag", "saga", "liblinear"} & set(words(step.call)))
    ):
        return None
    return None if _given(step, "random_state") else DrawKind("scikit-learn", {"numpy"}, use, "random_state=0")


def _draw_of_torch(step: Step, name: str, library: str, last: str) -> DrawKind | None:
    if _given(step, "generator"):
        return None
    if library == "torch" and last in _TORCH:
        return DrawKind("torch", {"torch"}, Use.ORDER if last in ("randperm", "multinomial") else Use.VALUE)
    if _LAYERS.fullmatch(name):
        return DrawKind("torch", {"torch"}, Use.MODEL)
    if last == "DataLoader" and library != "tensorflow":
        return DrawKind("torch", {"torch"}, Use.ORDER) if _is_true(step.argument("shuffle", position=2)) else None
    if (last == "random_split" or last in _SAMPLERS) and library.startswith("torch"):
        return DrawKind("torch", {"torch"}, Use.ORDER)
    if "::" in name and last in _TORCH_IN_PLACE:
        return DrawKind("torch", {"torch"}, Use.MODEL)
    return None


def _draw_of_tensorflow(step: Step, name: str, last: str) -> DrawKind | None:
    if _given(step, "seed"):
        return None
    if name.startswith("tensorflow.random.") and last in (
        "normal",
        "uniform",
        "shuffle",
        "truncated_normal",
        "categorical",
    ):
        return DrawKind("tensorflow", {"tensorflow"}, Use.ORDER if last == "shuffle" else Use.VALUE)
    if _KERAS_LAYERS.fullmatch(name):
        return DrawKind("tensorflow", {"tensorflow"}, Use.MODEL)
    if "::" in name and last == "shuffle" and not name.startswith(("datasets", "random", "numpy")):
        size = step.argument("buffer_size", position=0)
        counts = isinstance(size, ast.Constant) and isinstance(size.value, int)
        named = size is not None and any(
            re.search(r"buf|size|len|num|count|^n_|card", word.lower()) for word in words(size)
        )
        if counts or named:
            return DrawKind("tensorflow", {"tensorflow"}, Use.ORDER, "seed=0")
    return None


def _draw_of_frames(step: Step, library: str, last: str) -> DrawKind | None:
    if "::" not in step.name or last not in ("sample", "shuffle", "train_test_split"):
        return None
    fraction = step.argument("frac") is not None
    if last == "sample" and (library in ("pandas", "geopandas") or fraction) and not _given(step, "random_state"):
        return DrawKind("pandas", {"numpy"}, Use.ORDER, "random_state=0")
    in_datasets = library == "datasets" or (not library and "datasets" in step.frame.module.roots)
    if not in_datasets or _given(step, "seed", "generator", "seeds") or _is_false(step.argument("shuffle")):
        return None
    if last == "train_test_split" or (last == "shuffle" and library == "datasets" and not step.call.args):
        return DrawKind("datasets", {"numpy"}, Use.ORDER, "seed=0")
    return None


def is_aside(step: Step, kind: DrawKind | None) -> bool:
    """Whether a draw does not reach the training: a name, a pause, a colour, a picture, an example on the screen."""
    module = step.frame.module
    if any(_SHOWING & set(function.lower().split("_")) for function in step.frame.functions):
        return True
    if kind is not None and (kind.use is Use.MODEL or kind.library == "scikit-learn"):
        return False
    node: ast.AST = step.call
    for outer in module.enclosing(step.call):
        if isinstance(outer, ast.Call) and outer is not step.call:
            func = outer.func
            base = func.value.id if isinstance(func, ast.Attribute) and isinstance(func.value, ast.Name) else ""
            name = f"{base}::{func.attr}" if isinstance(func, ast.Attribute) else getattr(func, "id", "")
            full = (
                f"{module.imports.get(base, base)}.{func.attr}"
                if isinstance(func, ast.Attribute)
                else module.imports.get(name, name)
            )
            if _ASIDE.fullmatch(name) or _ASIDE.fullmatch(full):
                return True
        if isinstance(outer, ast.JoinedStr):
            return True
        if isinstance(outer, ast.Expr) and node is step.call:
            return step.name.endswith("::sample")
        if isinstance(outer, (ast.Assign, ast.AnnAssign)):
            targets = outer.targets if isinstance(outer, ast.Assign) else [outer.target]
            return any(_NAMED_AWAY.search(word.lower()) for target in targets for word in words(target))
        if isinstance(outer, ast.stmt):
            return False
        node = outer
    return False


class Purpose(StrEnum):
    """What a call says of what a program is for."""

    TRAINS = "trains"
    LOADS = "loads"
    WRITES = "writes"


def purpose(step: Step) -> Purpose | None:
    """Say whether a call trains a model, loads rows for one, or writes a data set."""
    name = step.name
    if _STRONG.fullmatch(name):
        return None if name.startswith(("re::", "plt::")) else Purpose.TRAINS
    last = re.split(r"\.|::", name)[-1]
    receiver = step.call.func.value if isinstance(step.call.func, ast.Attribute) else None
    held = " ".join(words(receiver)).lower() if receiver is not None else ""
    if last in ("step", "update") and re.search(r"opt|scaler|engine|optim", held):
        return Purpose.TRAINS
    if last == "train" and "trainer" in held:
        return Purpose.TRAINS
    if last in ("training_step", "manual_backward"):
        return Purpose.TRAINS
    if _WEAK.fullmatch(name):
        return Purpose.LOADS
    if _WRITES_ROWS.fullmatch(name):
        return Purpose.WRITES
    if _WRITES_FILES.fullmatch(name):
        said = " ".join(words(step.frame.module.program.tree)).lower()
        return Purpose.WRITES if _SPLIT_WORD.search(said) else None
    return None
