"""Functions, classes and objects in a followed program, and what fits and splits leave behind."""

import ast
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from doctor.evidence.fitted_tools import CENTRING, Family
from doctor.evidence.lineage_things import Anonymous, Arguments, Definition, Frame, Instance, Items, State, Text, Tool
from doctor.evidence.project import Function, Module, Project, is_function
from doctor.evidence.row_lineage import NOTHING, Fit, Ledger, Origin, Role, Rows, Split, Spot, Value, role_of, union

MAX_DEPTH = 12
MAX_TIMES = 12
"""How often a function is followed in one flow; what it gives after that is not known."""


class Following:
    """The state of a flow, and what the calls in it do; what is not a call is followed by the subclass."""

    def __init__(self, project: Project, entry: Module | None) -> None:
        self.project = project
        self.entry = entry
        self.ledger = Ledger()
        self.state = State()
        self.frames: dict[Module, Frame] = {}
        self.entered: set[ast.AST] = set()
        self.times: Counter[Function] = Counter()
        self.looked_at = 0
        self._formulas: dict[frozenset[Rows], Fit] = {}

    def begin_anew(self, state: State) -> None:
        """Begin another flow from a state."""
        self.state, self.ledger, self.looked_at = state, Ledger(), 0
        self.times.clear()
        self._formulas = {}

    def block(self, body: Sequence[ast.stmt], frame: Frame, returned: list[Value]) -> bool:
        """Follow statements."""
        raise NotImplementedError

    def assign(self, target: ast.expr, value: Value, frame: Frame) -> None:
        """Give a name to a value."""
        raise NotImplementedError

    def add(self, target: ast.expr, value: Value, frame: Frame) -> None:
        """Let something become a part of what a name stands for."""
        raise NotImplementedError

    def value(self, node: ast.expr, frame: Frame) -> Value:
        """Say what is known of an expression's value."""
        raise NotImplementedError

    def element(self, value: Value) -> Value:
        """Say what a loop over a value gives in each turn."""
        raise NotImplementedError

    def piece(self, node: ast.expr, whole: Value, selector: str, frame: Frame, role: Role | None = None) -> Value:
        """Take some of the rows."""
        raise NotImplementedError

    def spot(self, node: ast.expr | ast.stmt, frame: Frame) -> Spot:
        """Say where a node stands."""
        return Spot(at=frame.module.program.place(node.lineno), character=node.col_offset + 1)

    # functions and classes in view

    def _defined(self, definition: Definition, given: Arguments, frame: Frame) -> Value:
        if isinstance(definition.node, ast.ClassDef):
            return self.instance(definition.module, definition.node, given, frame.stack)
        return self.enter(definition.module, definition.node, given, definition.instance, frame.stack, definition.outer)

    def enter(
        self,
        module: Module,
        function: Function,
        given: Arguments | None,
        instance: Instance | None = None,
        stack: tuple[Function, ...] = (),
        outer: Frame | None = None,
    ) -> Value:
        """Follow a function; its arguments are known by their names alone where none are given."""
        self.times[function] += 1
        if function in stack or len(stack) > MAX_DEPTH or self.times[function] > MAX_TIMES:
            return fresh()
        self.entered.add(function)
        frame = Frame(module=module, outer=outer or self._globals(module), stack=(*stack, function))
        self._bind(function, given, instance, frame)
        returned: list[Value] = []
        self.block(function.body, frame, returned)
        return union(returned)

    def _bind(self, function: Function, given: Arguments | None, instance: Instance | None, frame: Frame) -> None:
        parameters = [*function.args.posonlyargs, *function.args.args]
        names = [parameter.arg for parameter in parameters]
        if instance is not None and names:
            self.state[frame, names.pop(0)] = Value(thing=instance)
        defaults = dict(zip(names[::-1], function.args.defaults[::-1], strict=False))
        defaults |= {
            one.arg: default
            for one, default in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)
            if default is not None
        }
        names += [one.arg for one in function.args.kwonlyargs]
        for place, name in enumerate(names):
            if given is None:
                value = Value(rows=frozenset({Rows(role=role_of(name))}))
            elif place < len(given.values):
                value = given.values[place]
            elif name in given.named:
                value = given.named[name]
            else:
                value = self.value(defaults[name], frame) if name in defaults else fresh()
            self.state[frame, name] = value
        if function.args.vararg:
            rest = tuple(given.values[len(names) :]) if given else ()
            self.state[frame, function.args.vararg.arg] = Value(thing=Items(rest))

    def _globals(self, module: Module) -> Frame:
        if module not in self.frames:
            self.frames[module] = Frame(module=module)
            self.block(module.program.tree.body, self.frames[module], [])
        return self.frames[module]

    def instance(
        self, module: Module, cls: ast.ClassDef, given: Arguments | None, stack: tuple[Function, ...] = ()
    ) -> Value:
        """Make an object of a class in view."""
        made = Instance(module, cls)
        if found := self.method(made, "__init__"):
            self.enter(found[0], found[1], given, made, stack)
        else:
            named = [part.target for part in cls.body if isinstance(part, ast.AnnAssign)]
            fields = [target.id for target in named if isinstance(target, ast.Name)]
            for name, value in zip(fields, given.values if given else (), strict=False):
                self.state[made, name] = value
            for name, value in (given.named if given else {}).items():
                self.state[made, name] = value
        return Value(thing=made)

    def method(self, instance: Instance, name: str) -> tuple[Module, Function] | None:
        """Find a method of an object, in its class or in the bases in view."""
        waiting: list[tuple[Module, ast.ClassDef]] = [(instance.module, instance.cls)]
        for module, cls in waiting:
            for part in cls.body:
                if is_function(part) and part.name == name:
                    return module, part
            for base in cls.bases if len(waiting) < MAX_DEPTH else ():
                if isinstance(base, ast.Name):
                    found = self.project.definition(module.imports.get(base.id, base.id), module)
                    if found and isinstance(found[1], ast.ClassDef):
                        waiting.append((found[0], found[1]))
        return None

    def applied(self, function: object, values: list[Value]) -> Value:
        """Call a function that was handed to another."""
        match function:
            case Anonymous(node, frame):
                inner = Frame(module=frame.module, outer=frame, stack=frame.stack)
                for parameter, value in zip(node.args.args, values, strict=False):
                    self.state[inner, parameter.arg] = value
                return self.value(node.body, inner)
            case Definition(module, node, outer, instance) if is_function(node):
                return self.enter(module, node, Arguments(values=values), instance, (), outer)
        return NOTHING

    def whole(self, value: Value) -> Value:
        """Return the data in a value: in an object, all that its attributes hold."""
        parts = [value.plain()]
        if isinstance(value.thing, Instance):
            parts += [held.plain() for held in self.state.of(value.thing)]
        elif isinstance(value.thing, Items):
            parts += [self.whole(item) for item in value.thing.values]
        return union(parts)

    # fits

    def fits_of(self, tool: Tool) -> frozenset[Fit]:
        """Return the fits that a tool has behind it."""
        return self.state.get((tool, "fits"), NOTHING).fits

    def fitted(self, node: ast.expr | ast.stmt, tool: str, family: Family, data: Value, frame: Frame) -> Fit:
        """Note that something was fitted on data."""
        return Fit(tool=tool, family=family, rows=data.rows, spot=self.spot(node, frame))

    def used(self, fits: Iterable[Fit], data: Value) -> Value:
        """Note that fits shape data, and return what they make of it."""
        fits = frozenset(fits)
        self.ledger.uses += [(fit, data.rows) for fit in fits]
        return Value(rows=data.rows, fits=data.fits | fits)

    def divided(self, node: ast.expr, called: str, values: Iterable[Value], frame: Frame) -> Split:
        """Note that data was divided."""
        data = union(self.whole(value) for value in values)
        split = Split(rows=data.rows, fits=data.fits, call=called, spot=self.spot(node, frame))
        self.ledger.splits.append(split)
        return split

    def parts(self, split: Split, value: Value) -> tuple[Value, Value]:
        """Return the training and the other part of divided data."""
        whole = self.whole(value)
        train, test = (
            Rows(parents=whole.rows, origin=Origin.PART, role=role, named=True, split=split) for role in Role
        )
        return (
            Value(rows=frozenset({train}), fits=whole.fits, thing=value.thing if _is_object(value) else None),
            Value(rows=frozenset({test}), fits=whole.fits, thing=value.thing if _is_object(value) else None),
        )

    def combined(self, node: ast.expr | ast.stmt, parts: list[Value], frame: Frame) -> Value:
        """Say what arithmetic gives: rows shaped by a mean of rows were fitted on these."""
        if all(isinstance(part.thing, Text) for part in parts):
            return parts[0]
        result = union(part.plain() for part in parts)
        about = {summary for summary in result.summaries if related(summary.rows, result.rows)}
        said = {summary.word for summary in about}
        both = bool(said & {"min", "nanmin", "amin"}) and bool(said & {"max", "nanmax", "amax"})
        if not about or not (said & CENTRING or both):
            return result
        rows = frozenset().union(*(summary.rows for summary in about))
        formula = node.value if isinstance(node, ast.AugAssign) else node
        fit = self._formulas.get(rows)
        if fit is None:
            fit = self.fitted(node, ast.unparse(formula)[:60], Family.STATISTICS, Value(rows=rows), frame)
            self._formulas[rows] = fit
        return self.used({fit}, replace(result, summaries=frozenset()))


def fresh() -> Value:
    """Return data of which nothing is known, not even where it comes from."""
    return Value(rows=frozenset({Rows()}))


def related(some: Iterable[Rows], others: Iterable[Rows]) -> bool:
    """Whether two sets of rows come from one another or from the same."""
    mine = {older for rows in some for member in rows.members() for older in member.lineage()} | set(some)
    return any(older in mine for rows in others for older in rows.lineage())


def _is_object(value: Value) -> bool:
    return isinstance(value.thing, Instance)
