"""What calls do with data: which of them fit, transform, divide or join rows."""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import replace

from doctor.evidence import fitted_tools as known
from doctor.evidence.fitted_tools import Family, names_in
from doctor.evidence.lineage_functions import Following, fresh, related
from doctor.evidence.lineage_things import (
    Anonymous,
    Arguments,
    Bound,
    Counted,
    Definition,
    Folds,
    Frame,
    Grouped,
    Items,
    Known,
    Search,
    Splitter,
    Text,
    Tool,
)
from doctor.evidence.project import words
from doctor.evidence.row_lineage import (
    NOTHING,
    Origin,
    Role,
    Rows,
    Summary,
    Value,
    union,
)

_DATA_LIBRARIES = names_in("numpy pandas torch scipy polars tensorflow xgboost lightgbm datasets jax cupy cudf")
_SAME = names_in("list tuple sorted reversed iter copy.copy copy.deepcopy tqdm.tqdm tqdm.auto.tqdm tqdm")
_MADE_OF = names_in("zip dict set map filter")
_EMPTY = names_in(
    "len range print type isinstance str int float bool open min max sum abs round any all id hash repr input"
)
_STACKING = names_in("concat concatenate vstack row_stack append cat r_")
_TAKING = names_in("head tail take skip query limit")
_DIVIDING = names_in("train_test_split randomSplit random_split")
_JUDGING = names_in("predict predict_proba score evaluate decision_function")
_SELF = names_in("set_output set_params")
_POSITIONAL_AXIS = names_in("mean std var median min max nanmean nanstd nanmin nanmax nanmedian amin amax")


class Calls(Following):
    """What calls do; what is not a call is followed by the subclass."""

    def call(self, node: ast.Call, function: Value, given: Arguments, frame: Frame) -> Value:
        """Say what a call gives."""
        match function.thing:
            case Known(dotted):
                return self._of_library(node, dotted, given, frame)
            case Definition() as definition:
                return self._defined(definition, given, frame)
            case Bound() as bound:
                return self._method(node, bound, given, frame)
            case Anonymous() as anonymous:
                return self.applied(anonymous, given.values)
            case Grouped():
                return fresh()
        return fresh()

    # libraries

    def _of_library(self, node: ast.Call, dotted: str, given: Arguments, frame: Frame) -> Value:
        last = dotted.rpartition(".")[2]
        if known.combines(dotted):
            inner = list(_tools(given.all()))
            ends = known.may_end_in_model(dotted) and not _ends_in_tool(dotted, given)
            gravest = min((tool.family for tool in inner), key=lambda family: family.rank, default=Family.VOCABULARY)
            return Value(thing=Tool(last, gravest, ends_in_model=ends or not inner))
        if (family := known.family_of(dotted)) is not None:
            constant = any(keyword.arg == "strategy" and _is(keyword.value, "constant") for keyword in node.keywords)
            return NOTHING if constant else Value(thing=Tool(last, family))
        if known.is_splitter(dotted):
            return Value(thing=Splitter())
        if known.searches(dotted):
            return Value(thing=Search(last))
        if known.divides(dotted):
            data = given.values if last != "random_split" else given.values[:1] or [given.first("dataset")]
            split = self.divided(node, last, data, frame)
            return Value(thing=Items(tuple(part for value in data for part in self.parts(split, value))))
        if known.cross_validates(dotted):
            self.divided(node, last, [value for value in given.all() if _is_data(value)], frame)
            return NOTHING
        if known.scales_at_once(dotted) and given.values:
            scaled = given.values[0]
            if not _across_rows(node, 1):
                return scaled.plain()
            return self.used({self.fitted(node, last, Family.STATISTICS, scaled, frame)}, scaled)
        if dotted == "sklearn.utils.resample":
            return self._redrawn(node, union(value.plain() for value in given.values), frame)
        return self._of_data_library(node, dotted, given, frame)

    def _redrawn(self, node: ast.Call, data: Value, frame: Frame) -> Value:
        """Draw rows with replacement: the same row comes several times."""
        fit = self.fitted(node, ast.unparse(node.func)[-40:], Family.COPIES, data, frame)
        kept = any(keyword.arg == "replace" and _is(keyword.value, False) for keyword in node.keywords)
        return data if kept else Value(rows=data.rows, fits=data.fits | {fit})

    def _of_data_library(self, node: ast.Call, dotted: str, given: Arguments, frame: Frame) -> Value:
        last, library = dotted.rpartition(".")[2], known.library_of(dotted)
        if dotted in _EMPTY:
            return NOTHING
        if dotted in _SAME and given.values:
            return given.values[0]
        if dotted == "enumerate" and given.values:
            return Value(thing=Counted(given.values[0]))
        if dotted == "next" and given.values:
            return self.element(given.values[0])
        if dotted in _MADE_OF:
            if given.values and isinstance(given.values[0].thing, Text):
                return given.values[0]
            return union(value.plain() for value in given.all())
        if library in _DATA_LIBRARIES:
            return self._computed(node, last, given, frame)
        if library in known.LIBRARIES and (last[:1].isupper() or not given.values):
            return NOTHING if last[:1].isupper() else fresh()
        for value in given.values:  # functions that get data see all that it holds, but what they give is not known
            if isinstance(value.thing, (Anonymous, Definition)) and library == "functools":
                return value
        return fresh()

    def _computed(self, node: ast.Call, last: str, given: Arguments, frame: Frame) -> Value:
        data = union(self.whole(value) for value in given.all())
        if last in known.SUMMARIES and given.values:
            subject = given.values[0].plain()
            place = 1 if last in _POSITIONAL_AXIS else None
            return _summary(last, subject) if _across_rows(node, place) else subject
        if last in _STACKING and _across_rows(node, None):
            if data.rows:
                joined = Rows(parents=data.rows, origin=Origin.JOINED)
                return Value(rows=frozenset({joined}), fits=data.fits)
        elif last == "Subset" and given.values:
            selector = ast.unparse(node.args[1])[:60] if len(node.args) > 1 else "Subset"
            return self.piece(node, self.whole(given.values[0]), selector, frame)
        return data if data.rows or data.summaries else replace(fresh(), fits=data.fits)

    # methods

    def _method(self, node: ast.Call, bound: Bound, given: Arguments, frame: Frame) -> Value:
        receiver, name = bound.receiver, bound.name
        match receiver.thing:
            case Tool() as tool:
                return self._of_tool(node, tool, name, receiver, given, frame)
            case Splitter() if name == "split" and given.values:
                # The rows are divided where the numbers of a fold are used.
                return Value(thing=Folds())
            case Search(called) if name == "fit":
                self.divided(node, called, [value for value in given.values if _is_data(value)], frame)
                return receiver
            case Splitter() | Search():
                return fresh()
            case Text():
                return replace(receiver, fits=receiver.fits | union(given.all()).fits)
        return self._of_data(node, bound, given, frame)

    def _of_tool(self, node: ast.Call, tool: Tool, name: str, receiver: Value, given: Arguments, frame: Frame) -> Value:
        data = self.whole(given.first("X", "raw_documents", "data", "y"))
        key = (tool, "fits")
        if tool.ends_in_model:
            return self._of_model(node, name, receiver, given, frame)
        if name in _SELF:
            return receiver
        if name in ("fit", "adapt", "partial_fit", "fit_transform", "fit_resample", "fit_sample"):
            fit = self.fitted(node, tool.name, tool.family, data, frame)
            old = self.fits_of(tool) if name == "partial_fit" else frozenset()
            self.state[key] = Value(fits=old | {fit})
            if name in ("fit", "adapt", "partial_fit"):
                return receiver
            if name == "fit_transform":
                return self.used({fit}, data)
            return Value(thing=Items(tuple(self.used({fit}, value.plain()) for value in given.values)))
        if name in ("transform", "__call__"):
            return self.used(self.fits_of(tool), data)
        return Value(fits=self.fits_of(tool))

    def _of_model(self, node: ast.Call, name: str, receiver: Value, given: Arguments, frame: Frame) -> Value:
        """Follow what is done with an object that may be a model."""
        if name == "fit":
            _play(given.values, Role.TRAIN)
            share = next((key.value for key in node.keywords if key.arg == "validation_split"), None)
            if share is not None and not _is(share, 0, 0.0, None):
                self.divided(node, "validation_split", given.values, frame)
            return receiver
        if name in _JUDGING:
            _play(given.values, Role.TEST)
            return fresh()
        return union(value.plain() for value in (receiver, *given.values))

    def _of_data(self, node: ast.Call, bound: Bound, given: Arguments, frame: Frame) -> Value:
        receiver, name = bound.receiver.plain(), bound.name
        data = self.whole(bound.receiver)
        if name in known.SUMMARIES:
            place = 0 if name in _POSITIONAL_AXIS else None
            return _summary(name, data) if _across_rows(node, place) else receiver
        if name in _DIVIDING:
            train, test = self.parts(self.divided(node, name, [bound.receiver], frame), receiver)
            return Value(rows=train.rows | test.rows, fits=receiver.fits, thing=Items((train, test), ("train", "test")))
        if name == "sample":
            return self._sampled(node, receiver, frame)
        if name in _TAKING or (name == "drop" and _drops_rows(node)):
            return self.piece(node, receiver, ast.unparse(node)[-60:], frame)
        if name in ("apply", "transform", "agg", "pipe") and given.values and _across_rows(node, 1):
            if isinstance(given.values[0].thing, (Anonymous, Definition)):
                return self.applied(given.values[0].thing, [receiver]).joined(receiver).plain()
        elif name == "fillna":
            return self._filled(node, bound, given, frame)
        elif name in ("append", "extend", "add", "insert", "update"):
            self.add(bound.expression, union(self.whole(value) for value in given.values), frame)
        elif name in ("fit", *_JUDGING):
            return self._of_model(node, name, bound.receiver, given, frame)
        result = union(value.plain() for value in (receiver, *given.all()))
        if any(key.arg == "inplace" and _is(key.value, True) for key in node.keywords):
            self.add(bound.expression, result, frame)
        return result

    def _sampled(self, node: ast.Call, data: Value, frame: Frame) -> Value:
        if any(key.arg == "replace" and _is(key.value, True) for key in node.keywords):
            return self._redrawn(node, data, frame)
        if any(key.arg == "frac" and _is(key.value, 1, 1.0) for key in node.keywords):
            return data
        return self.piece(node, data, ast.unparse(node)[-60:], frame)

    def _filled(self, node: ast.Call, bound: Bound, given: Arguments, frame: Frame) -> Value:
        data, by = bound.receiver.plain(), union(value.plain() for value in given.values)
        result = data
        about = [summary for summary in by.summaries if related(summary.rows, data.rows)]
        if about:
            rows = frozenset().union(*(summary.rows for summary in about))
            text = ast.unparse(node)
            fit = self.fitted(node, text if len(text) <= 60 else "fillna", Family.FILLED, Value(rows=rows), frame)
            result = self.used({fit}, data)
        if any(key.arg == "inplace" and _is(key.value, True) for key in node.keywords):
            self.add(bound.expression, result, frame)
        return result


def _summary(word: str, data: Value) -> Value:
    return Value(summaries=frozenset({Summary(word, data.rows)})) if data.rows else NOTHING


def _across_rows(node: ast.Call, place: int | None) -> bool:
    """Whether a call computes down the rows, as it does unless an axis other than the first is named."""
    axis = next((key.value for key in node.keywords if key.arg in ("axis", "dim")), None)
    if axis is None and place is not None and len(node.args) > place:
        axis = node.args[place]
    if axis is None or _is(axis, 0, None, "index"):
        return True
    return isinstance(axis, (ast.Tuple, ast.List)) and any(_is(part, 0) for part in axis.elts)


def _is(node: ast.expr, *values: object) -> bool:
    return isinstance(node, ast.Constant) and any(node.value is value or node.value == value for value in values)


def _is_data(value: Value) -> bool:
    return bool(value.rows) or isinstance(value.thing, Items)


def _drops_rows(node: ast.Call) -> bool:
    """Whether `drop` is told the index of other rows."""
    return bool(node.args) and "index" in set(words(node.args[0]))


def _play(values: Iterable[Value], role: Role) -> None:
    """Tell the side of rows that were just taken from what is done with them."""
    for value in values:
        for rows in value.rows:
            if rows.origin is Origin.PIECE and not rows.named:
                rows.role = rows.role or role


def _tools(values: Iterable[Value]) -> Iterator[Tool]:
    for value in values:
        if isinstance(value.thing, Tool):
            yield value.thing
        elif isinstance(value.thing, Items):
            yield from _tools(value.thing.values)


def _ends_in_tool(dotted: str, given: Arguments) -> bool:
    """Whether the last step of a pipeline is known to transform."""
    steps = given.values
    if dotted.endswith("Pipeline"):
        first = given.first("steps").thing
        steps = list(first.values) if isinstance(first, Items) else []
    last = steps[-1].thing if steps else None
    if isinstance(last, Items):
        last = last.values[-1].thing if last.values else None
    return isinstance(last, Tool) and not last.ends_in_model
