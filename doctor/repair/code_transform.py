"""Changes of one text of Python, made on its concrete syntax tree, so that all else stays as it was written."""

import ast
from collections.abc import Sequence
from typing import Any

import libcst as cst
from libcst.metadata import MetadataWrapper, ParentNodeProvider, PositionProvider

from doctor.model import CodeChange

Statement = cst.SimpleStatementLine | cst.BaseCompoundStatement
_ON_STATEMENTS = ("before", "after", "instead", "first", "wrap", "move", "move-before")
_ON_EXPRESSIONS = ("replace", "keyword", "drop")


class Impossible(Exception):
    """A change for which there is no place; its text says why."""


def transformed(text: str, changes: Sequence[CodeChange]) -> str:
    """Return the text with all changes made.

    Raises
    ------
    Impossible
        When the text is no Python that LibCST knows, or a place is not found.
    """
    try:
        wrapper = MetadataWrapper(cst.parse_module(text))
    except cst.ParserSyntaxError as error:
        raise Impossible(f"cannot be parsed for editing: {error.message}") from error
    edits = _Edits(wrapper, text, tuple(dict.fromkeys(changes)))
    result = wrapper.module.visit(edits)
    return edits.with_imports(result).code


class _Edits(cst.CSTTransformer):
    """Makes changes at the nodes that begin where they say."""

    def __init__(self, wrapper: MetadataWrapper, text: str, changes: Sequence[CodeChange]) -> None:
        super().__init__()
        self.module = wrapper.module
        self.positions = wrapper.resolve(PositionProvider)
        self.parents = wrapper.resolve(ParentNodeProvider)
        self.lines = text.splitlines()
        self.statements: dict[cst.CSTNode, list[CodeChange]] = {}
        self.expressions: dict[cst.CSTNode, list[CodeChange]] = {}
        self.carried: dict[cst.CSTNode, list[cst.CSTNode]] = {}
        self.carried_before: dict[cst.CSTNode, list[cst.CSTNode]] = {}
        self.imports = [change.code for change in changes if change.action == "import"]
        by_place: dict[tuple[int, int], list[cst.CSTNode]] = {}
        for node, span in self.positions.items():
            by_place.setdefault((span.start.line, span.start.column), []).append(node)
        for change in changes:
            if change.action != "import":
                self._place(change, by_place)

    def _column(self, line: int, character: int) -> int:
        """Turn the byte in a line that `ast` counts into a character."""
        text = self.lines[line - 1] if 0 < line <= len(self.lines) else ""
        return len(text.encode("utf-8", "surrogatepass")[: character - 1].decode("utf-8", "replace"))

    def _place(self, change: CodeChange, by_place: dict[tuple[int, int], list[cst.CSTNode]]) -> None:
        here = by_place.get((change.line, self._column(change.line, change.character)), [])
        if change.action in _ON_STATEMENTS:
            node = self._statement(here, change.line)
            self.statements.setdefault(node, []).append(change)
            if change.action.startswith("move"):
                there = by_place.get((change.to_line, self._column(change.to_line, change.to_character)), [])
                carried = self.carried if change.action == "move" else self.carried_before
                carried.setdefault(self._statement(there, change.to_line), []).append(node)
        elif change.action in _ON_EXPRESSIONS:
            self.expressions.setdefault(self._expression(here, change), []).append(change)
        else:
            raise Impossible(f"no such change: {change.action}")

    def _statement(self, nodes: Sequence[cst.CSTNode], line: int) -> cst.CSTNode:
        """Return the line or compound statement that holds what begins at a place."""
        for node in nodes:
            one: cst.CSTNode | None = node
            while one is not None and not isinstance(one, cst.SimpleStatementLine | cst.BaseCompoundStatement):
                if isinstance(one, cst.SimpleStatementSuite):
                    raise Impossible(f"line {line} holds its block on the line of its head")
                one = self.parents.get(one)
            if one is not None:
                return one
        raise Impossible(f"no statement begins in line {line} where it did")

    def _expression(self, nodes: Sequence[cst.CSTNode], change: CodeChange) -> cst.CSTNode:
        for node in nodes:
            if not isinstance(node, cst.BaseExpression):
                continue
            if change.action == "replace" and not _is_same(self.module.code_for_node(node), change.old):
                continue
            if change.action == "keyword" and not isinstance(node, cst.Call):
                continue
            if change.action == "drop" and not isinstance(self.parents.get(node), cst.Arg):
                continue
            return node
        raise Impossible(f"line {change.line} does not hold the expression that it did")

    def on_leave(self, original_node: Any, updated_node: Any) -> Any:
        """Make the changes of a node, those inside it having been made."""
        node = super().on_leave(original_node, updated_node)
        if original_node in self.expressions and isinstance(node, cst.CSTNode):
            for change in self.expressions[original_node]:
                node = _changed(original_node, node, change, self.module)
        if isinstance(node, cst.Call) and isinstance(original_node, cst.Call):
            node = self._without_dropped(original_node, node)
        if any(original_node in kept for kept in (self.statements, self.carried, self.carried_before)):
            return self._around(original_node, node)
        return node

    def _without_dropped(self, original: cst.Call, updated: cst.Call) -> cst.Call:
        gone = [
            number
            for number, arg in enumerate(original.args)
            if any(change.action == "drop" for change in self.expressions.get(arg.value, ()))
        ]
        if not gone:
            return updated
        args = [arg for number, arg in enumerate(updated.args) if number not in gone]
        last = updated.args[-1]
        if args and len(updated.args) - 1 in gone:
            args[-1] = args[-1].with_changes(comma=last.comma, whitespace_after_arg=last.whitespace_after_arg)
        return updated.with_changes(args=args)

    def _around(self, original: cst.CSTNode, node: object) -> cst.FlattenSentinel[cst.CSTNode]:
        changes = self.statements.get(original, [])
        if not isinstance(node, cst.SimpleStatementLine | cst.BaseCompoundStatement):
            raise Impossible("a statement that changes is gone")
        statement: cst.CSTNode | None = node
        before: list[cst.CSTNode] = []
        after: list[cst.CSTNode] = []
        for change in sorted(changes, key=lambda change: _ON_STATEMENTS.index(change.action) % 4):
            if change.action == "instead":
                statement = _parsed(change.code, self.module, _leading(node))
            elif change.action.startswith("move"):
                statement = None
            elif change.action == "first" and isinstance(statement, cst.BaseCompoundStatement):
                statement = _with_first(statement, _parsed(change.code, self.module))
            elif change.action == "before":
                before.append(_parsed(change.code, self.module))
            elif change.action == "after":
                after.append(_parsed(change.code, self.module))
        for change in changes:
            if change.action == "wrap" and isinstance(statement, cst.SimpleStatementLine | cst.BaseCompoundStatement):
                statement = _wrapped(statement, change.code, self.module)
        ahead = [
            cst.ensure_type(one.deep_clone(), cst.SimpleStatementLine) for one in self.carried_before.get(original, [])
        ]
        moved = [cst.ensure_type(one.deep_clone(), cst.SimpleStatementLine) for one in self.carried.get(original, [])]
        if before and isinstance(statement, cst.SimpleStatementLine | cst.BaseCompoundStatement):
            # What was written above the statement stays above what is put before it.
            lines = _leading(statement)
            before[0] = before[0].with_changes(leading_lines=lines)
            statement = statement.with_changes(leading_lines=())
        kept = [statement] if statement is not None else []
        if statement is None and not (before or after or moved or ahead):
            return cst.FlattenSentinel([])
        return cst.FlattenSentinel([*ahead, *before, *kept, *after, *moved])

    def with_imports(self, module: cst.Module) -> cst.Module:
        """Put imports after those that there are."""
        wanted = [code for code in dict.fromkeys(self.imports) if code not in module.code.splitlines()]
        if not wanted:
            return module
        place = 0
        for number, node in enumerate(module.body):
            is_manual = number == 0 and isinstance(node, cst.SimpleStatementLine) and isinstance(node.body[0], cst.Expr)
            is_import = isinstance(node, cst.SimpleStatementLine) and isinstance(
                node.body[0], cst.Import | cst.ImportFrom
            )
            if is_import or (is_manual and not place):
                place = number + 1
            elif not is_import and place:
                break
        new = [cst.parse_statement(code, config=module.config_for_parsing) for code in wanted]
        return module.with_changes(body=[*module.body[:place], *new, *module.body[place:]])


def _is_same(written: str, old: str) -> bool:
    """Whether two texts are the same expression, however they are laid out."""
    try:
        return ast.dump(ast.parse(f"({written})", mode="eval")) == ast.dump(ast.parse(f"({old})", mode="eval"))
    except SyntaxError:
        return False


def _changed(original: cst.CSTNode, node: cst.CSTNode, change: CodeChange, module: cst.Module) -> cst.CSTNode:
    if change.action == "replace":
        code = change.code
        if isinstance(node, cst.Call):
            if "{0}" in code and node.args:
                code = code.replace("{0}", module.code_for_node(node.args[0].value))
            if "{receiver}" in code and isinstance(node.func, cst.Attribute):
                code = code.replace("{receiver}", module.code_for_node(node.func.value))
        return cst.parse_expression(code, config=module.config_for_parsing)
    if change.action == "keyword" and isinstance(node, cst.Call):
        made = cst.ensure_type(cst.parse_expression(f"f({change.code})", config=module.config_for_parsing), cst.Call)
        return _with_keyword(node, made.args[0])
    return node


def _with_keyword(call: cst.Call, keyword: cst.Arg) -> cst.Call:
    name = keyword.keyword.value if keyword.keyword else ""
    for number, arg in enumerate(call.args):
        if arg.keyword and arg.keyword.value == name:
            args = list(call.args)
            args[number] = arg.with_changes(value=keyword.value)
            return call.with_changes(args=args)
    if not call.args:
        return call.with_changes(args=[keyword])
    last = call.args[-1]
    if isinstance(last.comma, cst.Comma):  # a comma after the last one: so there is after the new one
        between = call.args[-2].comma if len(call.args) > 1 else cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
        return call.with_changes(
            args=[*call.args[:-1], last.with_changes(comma=between), keyword.with_changes(comma=last.comma)]
        )
    spaced = cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
    ended = keyword.with_changes(whitespace_after_arg=last.whitespace_after_arg)
    plain = last.with_changes(comma=spaced, whitespace_after_arg=cst.SimpleWhitespace(""))
    return call.with_changes(args=[*call.args[:-1], plain, ended])


def _leading(node: cst.CSTNode) -> Sequence[cst.EmptyLine]:
    return tuple(getattr(node, "leading_lines", ()))


def _parsed(code: str, module: cst.Module, leading: Sequence[cst.EmptyLine] = ()) -> cst.CSTNode:
    return cst.parse_statement(code, config=module.config_for_parsing).with_changes(leading_lines=tuple(leading))


def _with_first(node: cst.BaseCompoundStatement, statement: cst.CSTNode) -> cst.BaseCompoundStatement:
    if not isinstance(node.body, cst.IndentedBlock):
        raise Impossible("the block stands on the line of its head")
    return node.with_changes(body=node.body.with_changes(body=[statement, *node.body.body]))


def _wrapped(node: Statement, head: str, module: cst.Module) -> cst.CSTNode:
    outer = cst.ensure_type(cst.parse_statement(f"{head}\n    pass\n", config=module.config_for_parsing), cst.With)
    inner = node.with_changes(leading_lines=())
    return outer.with_changes(leading_lines=_leading(node), body=cst.IndentedBlock(body=[inner]))
