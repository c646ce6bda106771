"""Follows data through a program, statement by statement, without running it; what is not known stays unknown."""

import ast
import re
from collections.abc import Sequence
from dataclasses import replace

from doctor.evidence.fitted_tools import GROUPING, LIBRARIES, library_of, names_in
from doctor.evidence.lineage_calls import Calls
from doctor.evidence.lineage_things import (
    Anonymous,
    Arguments,
    Bound,
    Counted,
    Definition,
    Fold,
    Folds,
    Frame,
    Grouped,
    Instance,
    Items,
    Known,
    Text,
    Tool,
)
from doctor.evidence.project import Function, Module, is_main_block, words
from doctor.evidence.row_lineage import NOTHING, Fit, Origin, Piece, Role, Rows, Value, role_of, union

MAX_VALUES = 100_000
"""Expressions looked at in one flow; a program that needs more is not judged."""
MAX_VALUES_APART = 5_000
"""The same for a function that nothing in view calls."""
_ABOUT = names_in("shape index dtype dtypes size ndim classes_")
_NAMES = names_in("columns name names feature_names_in_ feature_names")
_OF_COLUMNS = re.compile(r"(^|_)(cols?|columns?|feats?|features?|vars?|variables|names?|fields?|keys?)($|_)|_cols$")
_CHOOSING = (ast.Compare, ast.BoolOp, ast.UnaryOp, ast.BinOp, ast.Call)


class TooLong(Exception):
    """The program has more branches of calls than are followed."""


class LineageWalk(Calls):
    """One flow: a started program, or a function that nobody in view calls."""

    limit = MAX_VALUES

    def run(self, module: Module) -> Frame:
        """Follow a module from its first line to its last."""
        frame = Frame(module=module)
        self.frames[module] = frame
        self.block(module.program.tree.body, frame, [])
        return frame

    def run_function(self, module: Module, function: Function, cls: ast.ClassDef | None) -> None:
        """Follow a function that nobody calls; of its arguments only the names are known."""
        self.limit = MAX_VALUES_APART
        made = self.instance(module, cls, None).thing if cls else None
        if function.name != "__init__":
            self.enter(module, function, None, made if isinstance(made, Instance) else None)

    # statements

    def block(self, body: Sequence[ast.stmt], frame: Frame, returned: list[Value]) -> bool:
        """Follow statements; return whether they leave the function or the turn of the loop."""
        return any(self._statement(node, frame, returned) for node in body)

    def _statement(self, node: ast.stmt, frame: Frame, returned: list[Value]) -> bool:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                definition = Definition(frame.module, node, frame)
                self.state[frame, node.name] = Value(thing=definition)
            case ast.Return():
                returned.append(self.value(node.value, frame) if node.value else NOTHING)
                return True
            case ast.Raise() | ast.Continue() | ast.Break():
                return True
            case ast.If():
                if is_main_block(node) and frame.module is not self.entry:
                    return self.block(node.orelse, frame, returned)
                self.value(node.test, frame)
                return self._branches([node.body, node.orelse], frame, returned)
            case ast.Match():
                self.value(node.subject, frame)
                return self._branches([*(case.body for case in node.cases), []], frame, returned)
            case ast.Try() | ast.TryStar():
                bodies = [[*node.body, *node.orelse], *(handler.body for handler in node.handlers)]
                ended = self._branches(bodies, frame, returned)
                return self.block(node.finalbody, frame, returned) or ended
            case ast.For() | ast.AsyncFor():
                self.assign(node.target, self.element(self.value(node.iter, frame)), frame)
                self.block(node.body, frame, returned)
                self.block(node.orelse, frame, returned)
            case ast.While():
                self.value(node.test, frame)
                self.block(node.body, frame, returned)
            case ast.With() | ast.AsyncWith():
                for item in node.items:
                    entered = self.value(item.context_expr, frame)
                    if item.optional_vars is not None:
                        self.assign(item.optional_vars, entered, frame)
                return self.block(node.body, frame, returned)
            case _:
                self._simple(node, frame)
        return False

    def _simple(self, node: ast.stmt, frame: Frame) -> None:
        match node:
            case ast.Assign():
                value = self.value(node.value, frame)
                for target in node.targets:
                    self.assign(target, value, frame)
            case ast.AnnAssign() if node.value is not None:
                self.assign(node.target, self.value(node.value, frame), frame)
            case ast.AugAssign():
                old, new = self.value(node.target, frame), self.value(node.value, frame)
                self.assign(node.target, self.combined(node, [old, new], frame), frame)
            case ast.Expr():
                self.value(node.value, frame)
            case _:
                pass

    def _branches(self, bodies: Sequence[Sequence[ast.stmt]], frame: Frame, returned: list[Value]) -> bool:
        """Follow each body from the same state, and go on with what any of them may have left behind."""
        ends = []
        for body in bodies:
            self.state.begin()
            left = self.block(body, frame, returned)
            changed = self.state.end()
            if not left:
                ends.append(changed)
        self.state.merge(ends)
        return not ends

    # storing

    def assign(self, target: ast.expr, value: Value, frame: Frame) -> None:
        """Give a name to a value."""
        match target:
            case ast.Name():
                self.state[frame, target.id] = value
                _name(value, target.id)
            case ast.Tuple() | ast.List():
                items = value.thing.values if isinstance(value.thing, Items) else ()
                if len(items) != len(target.elts):
                    items = (union([value.plain(), *(item.plain() for item in items)]),) * len(target.elts)
                for part, item in zip(target.elts, items, strict=True):
                    self.assign(part.value if isinstance(part, ast.Starred) else part, item, frame)
            case ast.Attribute():
                owner = self.value(target.value, frame)
                if isinstance(owner.thing, Instance):
                    self.state[owner.thing, target.attr] = value
                    _name(value, target.attr)
                else:
                    self.add(target.value, value, frame)
            case ast.Subscript():
                self.value(target.slice, frame)
                self.add(target.value, value, frame)

    def add(self, target: ast.expr, value: Value, frame: Frame) -> None:
        """Let something become a part of what a name stands for, as a column of a table does."""
        while isinstance(target, (ast.Subscript, ast.Attribute)):
            if isinstance(target, ast.Attribute):
                owner = self.value(target.value, frame)
                if isinstance(owner.thing, Instance):
                    held = self.state.get((owner.thing, target.attr), NOTHING)
                    self.state[owner.thing, target.attr] = held.joined(replace(value.plain(), rows=frozenset()))
                    return
            target = target.value
        if isinstance(target, ast.Name):
            home: Frame | None = frame
            while home is not None and (home, target.id) not in self.state:
                home = home.outer
            key = (home or frame, target.id)
            old = self.state.get(key, NOTHING)
            kept = value.plain() if not old.rows else replace(value.plain(), rows=frozenset())
            self.state[key] = old.joined(kept)

    # expressions

    def value(self, node: ast.expr, frame: Frame) -> Value:
        """Say what is known of an expression's value."""
        self.looked_at += 1
        if self.looked_at > self.limit:
            raise TooLong
        match node:
            case ast.Name():
                return self._named(node.id, frame)
            case ast.Attribute():
                return self._attribute(node, frame)
            case ast.Call():
                return self._called(node, frame)
            case ast.Subscript():
                return self._subscript(node, frame)
            case ast.Tuple() | ast.List() | ast.Set():
                return self._items(node.elts, (), frame)
            case ast.Dict():
                keys = tuple(key.value if isinstance(key, ast.Constant) else None for key in node.keys)
                return self._items(node.values, keys, frame)
            case ast.BinOp():
                return self.combined(node, [self.value(node.left, frame), self.value(node.right, frame)], frame)
            case ast.Constant() | ast.JoinedStr():
                return Value(thing=Text())
            case ast.Lambda():
                return Value(thing=Anonymous(node, frame))
            case _:
                return self._compound(node, frame)

    def _compound(self, node: ast.expr, frame: Frame) -> Value:
        match node:
            case ast.IfExp():
                self.value(node.test, frame)
                return self.value(node.body, frame).joined(self.value(node.orelse, frame))
            case ast.BoolOp():
                return union([self.value(part, frame) for part in node.values])
            case ast.NamedExpr():
                value = self.value(node.value, frame)
                self.assign(node.target, value, frame)
                return value
            case ast.Starred() | ast.Await() | ast.YieldFrom():
                return self.value(node.value, frame)
            case ast.UnaryOp() if isinstance(node.op, (ast.USub, ast.UAdd)):
                return self.value(node.operand, frame)
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                for part in node.generators:
                    self.assign(part.target, self.element(self.value(part.iter, frame)), frame)
                value = self.value(node.value if isinstance(node, ast.DictComp) else node.elt, frame)
                return value if isinstance(value.thing, Text) else value.plain()
            case _:
                for child in ast.iter_child_nodes(node):
                    if isinstance(child, ast.expr):
                        self.value(child, frame)
                return NOTHING

    def _items(self, parts: Sequence[ast.expr], keys: tuple[object, ...], frame: Frame) -> Value:
        values = tuple(self.value(part, frame) for part in parts)
        if parts and all(isinstance(value.thing, Text) for value in values):
            return Value(thing=Text())
        return replace(union(value.plain() for value in values), thing=Items(values, keys))

    def _named(self, name: str, frame: Frame) -> Value:
        home: Frame | None = frame
        while home is not None:
            if (home, name) in self.state:
                return self.state[home, name]
            home = home.outer
        module = frame.module
        dotted = module.imports.get(name, name)
        found = self.project.definition(dotted, module) if dotted != name or name in module.definitions else None
        if found is None and dotted == name:
            star = next((star for star in module.stars if library_of(star) in LIBRARIES), "")
            dotted = f"{star}.{name}" if star and name[:1].isupper() else name
        return Value(thing=Definition(*found) if found else Known(dotted))

    def _attribute(self, node: ast.Attribute, frame: Frame) -> Value:
        owner, name = self.value(node.value, frame), node.attr
        match owner.thing:
            case Known(dotted):
                whole = f"{dotted}.{name}"
                found = self.project.definition(whole, frame.module) if library_of(dotted) not in LIBRARIES else None
                return Value(thing=Definition(*found) if found else Known(whole))
            case Instance():
                return self._member(owner.thing, name)
            case Tool():
                fits = self.fits_of(owner.thing)
                return Value(fits=fits, thing=Bound(owner, name, node.value))
            case Grouped():
                return owner
            case Text():
                return (
                    owner if name in ("values", "str") else Value(fits=owner.fits, thing=Bound(owner, name, node.value))
                )
        if name in GROUPING:
            return Value(thing=Grouped())
        if name in _NAMES:
            return Value(thing=Text())
        if name in _ABOUT:
            return NOTHING
        return replace(owner, thing=Bound(owner, name, node.value))

    def _member(self, instance: Instance, name: str) -> Value:
        if (instance, name) in self.state:
            return self.state[instance, name]
        if found := self.method(instance, name):
            module, function = found
            properties = {word for decorator in function.decorator_list for word in words(decorator)}
            if properties & {"property", "cached_property"}:
                return self.enter(module, function, Arguments(), instance)
            held = None if "staticmethod" in properties else instance
            return Value(thing=Definition(module, function, None, held))
        unknown = Value(rows=frozenset({Rows(role=role_of(name))}))
        self.state[instance, name] = unknown
        return unknown

    def _called(self, node: ast.Call, frame: Frame) -> Value:
        function = self.value(node.func, frame)
        given = Arguments()
        for part in node.args:
            value = self.value(part, frame)
            if isinstance(part, ast.Starred) and isinstance(value.thing, Items):
                given.values += value.thing.values
            else:
                given.values.append(value)
        for keyword in node.keywords:
            given.named[keyword.arg or "**"] = self.value(keyword.value, frame)
        return self.call(node, function, given, frame)

    def _subscript(self, node: ast.Subscript, frame: Frame) -> Value:
        whole = self.value(node.value, frame)
        key = node.slice
        chosen = self.value(key, frame) if not isinstance(key, ast.Slice) else NOTHING
        if isinstance(whole.thing, Items) and isinstance(key, ast.Constant):
            return self._item(whole, whole.thing, key.value)
        if isinstance(whole.thing, Grouped):
            return whole
        if isinstance(whole.thing, Folds):
            return self.element(whole)
        if isinstance(whole.thing, Text) or whole == NOTHING:
            return Value(fits=chosen.fits, thing=whole.thing)
        row, fits = key, frozenset[Fit]()
        if isinstance(key, ast.Tuple) and key.elts:
            row, *columns = key.elts
            fits = union(self.value(part, frame) for part in columns if not isinstance(part, ast.Slice)).fits
            chosen = self.value(row, frame) if not isinstance(row, ast.Slice) else NOTHING
        elif isinstance(chosen.thing, Text):
            fits = chosen.fits
        found = self._chosen(node, whole.plain(), row, chosen, frame)
        return self.used(fits, found) if fits else found

    def _item(self, whole: Value, items: Items, key: object) -> Value:
        if items.keys:
            return next((value for name, value in zip(items.keys, items.values, strict=True) if name == key), NOTHING)
        if isinstance(key, int) and -len(items.values) <= key < len(items.values):
            return items.values[key]
        return whole.plain()

    def _chosen(self, node: ast.Subscript, whole: Value, row: ast.expr, chosen: Value, frame: Frame) -> Value:
        """Tell rows from columns: a slice, a condition and numbers choose rows, a name or a list of them columns."""
        role = None
        if isinstance(row, ast.Slice):
            if row.lower is None and row.upper is None:
                return whole
        elif isinstance(chosen.thing, Fold):
            role = chosen.thing.role
        elif isinstance(chosen.thing, (Text, Items)) or "columns" in set(words(row)):
            return whole
        elif isinstance(row, (ast.Name, ast.Attribute)):
            if _OF_COLUMNS.search(row.id.lower() if isinstance(row, ast.Name) else row.attr.lower()):
                return whole
        elif not isinstance(row, (*_CHOOSING, ast.Subscript)):
            return whole
        return self.piece(node, whole, ast.unparse(row)[:60], frame, role)

    def piece(self, node: ast.expr, whole: Value, selector: str, frame: Frame, role: Role | None = None) -> Value:
        """Take some of the rows."""
        if not whole.rows:
            return whole
        rows = Rows(parents=whole.rows, origin=Origin.PIECE, selector=selector, role=role)
        self.ledger.pieces.append(Piece(rows=rows, fits=whole.fits, spot=self.spot(node, frame)))
        return Value(rows=frozenset({rows}), fits=whole.fits)

    def element(self, value: Value) -> Value:
        """Say what a loop over a value gives in each turn."""
        match value.thing:
            case Folds():
                sides = tuple(Value(thing=Fold(role)) for role in (Role.TRAIN, Role.TEST))
                return Value(thing=Items(sides))
            case Counted(inner):
                return Value(thing=Items((NOTHING, self.element(inner))))
            case Items():
                return union(value.thing.values)
            case Text():
                return value
            case _:
                return value.plain()


def _name(value: Value, name: str) -> None:
    """Tell the side of rows that were just taken from the first name that they are given."""
    for rows in value.rows:
        if rows.origin in (Origin.PIECE, Origin.PART) and not rows.named:
            rows.named = True
            rows.role = rows.role or role_of(name)
