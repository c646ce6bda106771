"""Writes down which keys the configurations of DeepSpeed's releases know, read from their own source.

    python scaffold/deepspeed_keys.py FOLDER…            write doctor/evidence/deepspeed_keys.json
    python scaffold/deepspeed_keys.py --check            compare it with the installed release

Each FOLDER is a release's source, as `pip download --no-deps --no-binary :all: deepspeed==0.16.9` brings it; the
installed one is always read too. Nothing of it is imported or run: the functions and pydantic models that read the
configuration are followed in their syntax, from DeepSpeedConfig on.
"""

import ast
import json
import re
import sys
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

TARGET = Path(__file__).resolve().parent.parent / "doctor" / "evidence" / "deepspeed_keys.json"
GETTERS = ("get_scalar_param", "get_dict_param", "get_list_param")
SIMPLE = {"bool": "bool", "int": "int", "float": "float", "str": "str", "Path": "str"}
FORMER = {"stage3_gather_fp16_weights_on_model_save": "stage3_gather_16bit_weights_on_model_save"}
"""New names that DeepSpeed gives by a field's name, where files write its alias."""
Path_ = tuple[str, ...]
Paths = tuple[Path_, ...]


class Module:
    """One module: its constants, functions, classes and what it imports."""

    def __init__(self, package: "Package", name: str, tree: ast.Module) -> None:
        self.package, self.name = package, name
        self.own: dict[str, ast.AST] = {}
        self.imported: dict[str, tuple[str, str]] = {}
        self.stars: list[str] = []
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                source = self._absolute(node)
                for alias in node.names:
                    if alias.name == "*":
                        self.stars.append(source)
                    else:
                        self.imported[alias.asname or alias.name] = (source, alias.name)
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                self.own[node.name] = node
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                self.own[node.targets[0].id] = node.value

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        parts = self.name.split(".")
        keep = parts[: len(parts) - node.level + (self.name in self.package.packages)]
        return ".".join([*keep, *filter(None, [node.module])])

    def find(self, name: str, seen: frozenset[str] = frozenset()) -> tuple["Module", ast.AST] | None:
        """Find what a name stands for, through imports."""
        if name in self.own:
            return self, self.own[name]
        if self.name in seen:
            return None
        if name in self.imported:
            source, other = self.imported[name]
            module = self.package.module(source)
            return module.find(other, seen | {self.name}) if module else None
        for star in self.stars:
            module = self.package.module(star)
            if module and (found := module.find(name, seen | {self.name})):
                return found
        return None

    def constant(self, node: ast.AST | None) -> Any:
        """Return the value of a constant expression; Ellipsis where it is none."""
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.Name) and (found := self.find(node.id)):
            return found[0].constant(found[1])
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            found = self.find(node.value.id)
            if found and isinstance(found[1], ast.ClassDef):
                return dict(members(found[1])).get(node.attr, ...)
        return ...


class Package:
    """A release."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.modules: dict[str, Module | None] = {}
        self.packages: set[str] = set()

    @cached_property
    def version(self) -> str:
        """Its number."""
        for name, pattern in (("git_version_info_installed.py", r"version='([\d.]+)"), ("../version.txt", r"([\d.]+)")):
            file = self.root / name
            if file.exists() and (match := re.search(pattern, file.read_text("utf-8"))):
                return match[1]
        raise SystemExit(f"{self.root}: no version found")

    def module(self, name: str) -> Module | None:
        """Parse a module, once."""
        if name not in self.modules:
            parts = name.split(".")[1:]
            file = self.root.joinpath(*parts).with_suffix(".py") if parts else self.root / "__init__.py"
            if not file.exists():
                file = self.root.joinpath(*parts) / "__init__.py"
                self.packages.add(name)
            tree = ast.parse(file.read_text("utf-8")) if file.exists() and name.startswith("deepspeed") else None
            self.modules[name] = Module(self, name, tree) if tree else None
        return self.modules[name]


def members(node: ast.ClassDef) -> Iterator[tuple[str, Any]]:
    """Yield the constants of a class."""
    for item in node.body:
        if isinstance(item, ast.Assign) and isinstance(item.value, ast.Constant):
            target = item.targets[0]
            if isinstance(target, ast.Name):
                yield target.id, item.value.value


class Reader:
    """Follows what is read of the configuration."""

    def __init__(self, package: Package) -> None:
        self.package = package
        self.keys: dict[Path_, dict[str, Any]] = {}
        self.closed: set[Path_] = set()
        self.open: set[Path_] = set()
        self.running: set[str] = set()
        utils = (package.root / "runtime" / "config_utils.py").read_text("utf-8")
        self.forbids = bool(re.search(r"extra\s*=\s*[\"']forbid[\"']", utils))

    def note(self, path: Path_, **facts: Any) -> Path_:
        """Keep a key."""
        self.keys.setdefault(path, {}).update({name: value for name, value in facts.items() if value is not None})
        return path

    def function(
        self,
        module: Module,
        node: ast.FunctionDef,
        given: Mapping[str, Paths],
        owner: ast.ClassDef | None,
        constants: Mapping[str, tuple[Any, ...]],
    ) -> Paths:
        """Follow a function with what its parameters are; return what it returns of the configuration."""
        mark = repr(
            (module.name, owner.name if owner else "", node.name, sorted(given.items()), sorted(constants.items()))
        )
        if mark in self.running:
            return ()
        self.running.add(mark)
        return Body(self, module, owner, given).run(node, constants)

    def model(self, module: Module, node: ast.ClassDef, path: Path_) -> None:
        """Note the fields of a pydantic model."""
        bases = [found for base in node.bases if isinstance(base, ast.Name) and (found := module.find(base.id))]
        for other, base in bases:
            if isinstance(base, ast.ClassDef) and base.name != "DeepSpeedConfigModel":
                self.model(other, base, path)
        if self.forbids and path:  # the monitors' model is made of parts picked by name
            self.closed.add(path)
        for item in node.body:
            if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
                self.field(module, item, path)

    def field(self, module: Module, item: ast.AnnAssign, path: Path_) -> None:
        """Note a field by its name and its alias, with its type and what replaces it."""
        assert isinstance(item.target, ast.Name)
        names, new = [item.target.id], None
        if isinstance(item.value, ast.Call):
            told = {word.arg: word.value for word in item.value.keywords}
            if isinstance(told.get("alias"), ast.Constant):
                names.insert(0, told["alias"].value)
            extra = told.get("json_schema_extra")
            told |= (
                {key.value: value for key, value in zip(extra.keys, extra.values, strict=True)}
                if isinstance(extra, ast.Dict)
                else {}
            )
            if module.constant(told.get("deprecated")) is True:
                new = FORMER.get(item.target.id, module.constant(told.get("new_param"))) or ""
        words = [part.id for part in ast.walk(item.annotation) if isinstance(part, ast.Name)]
        kind, values = None, None
        for word in words:
            found = module.find(word)
            if found and isinstance(found[1], ast.ClassDef):
                kind, values = self.typed(found, names, path)
        simple = [SIMPLE[word] for word in words if word in SIMPLE]
        if kind is None and len(words) - ("Optional" in words) == len(simple) == 1:
            kind = simple[0]
        optional = "Optional" in words or any(
            isinstance(p, ast.Constant) and p.value is None for p in ast.walk(item.annotation)
        )
        for name in names:
            self.note(
                (*path, name), type=kind, values=values, new=new if new is not ... else None, optional=optional or None
            )

    def typed(
        self, found: tuple[Module, ast.ClassDef], names: list[str], path: Path_
    ) -> tuple[str | None, list[Any] | None]:
        """Follow a field's own class: a model of its own, or an enumeration."""
        module, node = found
        bases = {base.id for base in node.bases if isinstance(base, ast.Name)}
        if "Enum" in bases or "IntEnum" in bases:
            return "enum", [value for name, value in members(node) if not name.startswith(("max_", "_"))]
        if "DeepSpeedConfigModel" in bases or any(
            base and isinstance(base[1], ast.ClassDef) and base[1].name.endswith("ConfigModel")
            for base in map(module.find, bases)
        ):
            for name in names:
                self.model(module, node, (*path, name))
            return "dict", None
        return None, None


class Body(ast.NodeVisitor):
    """Follows the statements of one function; a name may stand for several parts, or for several constants."""

    def __init__(self, reader: Reader, module: Module, owner: ast.ClassDef | None, given: Mapping[str, Paths]) -> None:
        self.reader, self.module, self.owner = reader, module, owner
        self.known: dict[str, Paths] = dict(given)
        self.constants: dict[str, tuple[Any, ...]] = {}
        self.returned: Paths = ()

    def run(self, node: ast.FunctionDef, constants: Mapping[str, tuple[Any, ...]]) -> Paths:
        """Follow all of it."""
        last = node.args.args[len(node.args.args) - len(node.args.defaults) :]
        defaults = {word.arg: self.values(value) for word, value in zip(last, node.args.defaults, strict=True)}
        self.constants = {name: values for name, values in (defaults | dict(constants)).items() if values}
        for statement in node.body:
            self.visit(statement)
        return self.returned

    def values(self, node: ast.AST | None) -> tuple[Any, ...]:
        """Return the constants that an expression may be; none where it is no constant."""
        if isinstance(node, ast.Name) and node.id in self.constants:
            return self.constants[node.id]
        if isinstance(node, ast.List | ast.Tuple):
            return tuple(value for part in node.elts for value in self.values(part))
        if (
            isinstance(node, ast.Name)
            and (found := self.module.find(node.id))
            and isinstance(found[1], ast.List | ast.Tuple)
        ):
            return tuple(value for part in found[1].elts if (value := found[0].constant(part)) is not ...)
        value = self.module.constant(node)
        return () if value is ... else (value,)

    def visit_Assign(self, node: ast.Assign) -> None:
        """Remember what a name holds, beside what it held before: a branch may not be taken."""
        paths = self.paths(node.value)
        if not paths:
            self.generic_visit(node)
        for target in node.targets:
            if isinstance(target, ast.Name) and paths:
                self.known[target.id] = tuple(dict.fromkeys((*self.known.get(target.id, ()), *paths)))

    def visit_Return(self, node: ast.Return) -> None:
        """Remember what is given back."""
        if node.value is not None:
            self.returned = (*self.returned, *self.paths(node.value))
            self.generic_visit(node)

    def visit_For(self, node: ast.For) -> None:
        """A loop over a part's keys takes any of them, one over constants takes those."""
        self._loop(node.target, node.iter)
        self.generic_visit(node)

    def visit_DictComp(self, node: ast.DictComp) -> None:
        """The same in a comprehension."""
        for part in node.generators:
            self._loop(part.target, part.iter)
        self.generic_visit(node)

    def _loop(self, target: ast.AST, over: ast.AST) -> None:
        if isinstance(over, ast.Call) and isinstance(over.func, ast.Attribute) and over.func.attr in ("items", "keys"):
            self.reader.open.update(self.paths(over.func.value))
        elif isinstance(target, ast.Name) and (values := self.values(over)):
            self.constants[target.id] = values

    def visit_Compare(self, node: ast.Compare) -> None:
        """`KEY in part` reads the key."""
        if isinstance(node.ops[0], ast.In | ast.NotIn) and len(node.comparators) == 1:
            self._members(self.paths(node.comparators[0]), node.left, None)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        """Follow a call."""
        if not self.paths(node):
            self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        """Follow `part[KEY]`."""
        if not self.paths(node):
            self.generic_visit(node)

    def paths(self, node: ast.AST) -> Paths:
        """Return which parts of the configuration an expression may be."""
        match node:
            case ast.Name():
                return self.known.get(node.id, ())
            case ast.Attribute(value=ast.Name(id="self"), attr="_param_dict"):
                return ((),)
            case ast.Subscript():
                return self._members(self.paths(node.value), node.slice, None)
            case ast.BoolOp() | ast.IfExp():
                parts = [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]
                return tuple(path for part in parts for path in self.paths(part))
            case ast.Call():
                return self._call(node)
            case ast.DictComp():
                return self._wrapped(node)
        return ()

    def _wrapped(self, node: ast.DictComp) -> Paths:
        """A mapping made of parts by their own names is as good as the whole."""
        for part in node.generators:
            self._loop(part.target, part.iter)
        found = self.paths(node.value)
        return ((),) if found and all(len(path) == 1 for path in found) else ()

    def _members(self, paths: Paths, key: ast.AST, default: ast.AST | None) -> Paths:
        values = self.values(default) if default is not None else ()
        kinds = {type(value).__name__ for value in values if isinstance(value, bool | int | float | str)}
        kind = kinds.pop() if len(kinds) == 1 else None
        names = [name for name in self.values(key) if isinstance(name, str)]
        return tuple(self.reader.note((*path, name), type=kind) for path in paths for name in names)

    def _call(self, node: ast.Call) -> Paths:
        function = node.func
        if isinstance(function, ast.Name) and function.id in GETTERS and len(node.args) > 1:
            return self._members(self.paths(node.args[0]), node.args[1], (*node.args, None)[2])
        if isinstance(function, ast.Attribute):
            if function.attr == "get" and node.args:
                return self._members(self.paths(function.value), node.args[0], (*node.args, None)[1])
            if function.attr in ("copy", "deepcopy"):
                return self.paths(node.args[0]) if node.args else self.paths(function.value)
            if function.attr == "keys":
                return self.paths(function.value)
        return self._follow(node)

    def _follow(self, node: ast.Call) -> Paths:
        """Follow a call to which a part is given, into a function, a constructor or a model."""
        given = [self.paths(argument) for argument in node.args if not isinstance(argument, ast.Starred)]
        spread = tuple(path for word in node.keywords if word.arg is None for path in self.paths(word.value))
        named = {word.arg: paths for word in node.keywords if word.arg and (paths := self.paths(word.value))}
        if not spread and not named and not any(given):
            return ()
        module, target, owner = self._target(node.func)
        if isinstance(target, ast.ClassDef):
            owner, start = target, _method(target, "__init__")
            if spread and start is None:
                for path in spread:
                    self.reader.model(module, target, path)
                return ()
            target = start
        if not isinstance(target, ast.FunctionDef):
            return ()
        names = [argument.arg for argument in target.args.args]
        names = names[1:] if names[:1] == ["self"] else names
        bound = {name: paths for name, paths in zip(names, given, strict=False) if paths} | named
        words = dict(zip(names, node.args, strict=False)) | {word.arg: word.value for word in node.keywords if word.arg}
        constants = {
            name: values for name, value in words.items() if name not in bound and (values := self.values(value))
        }
        return self.reader.function(module, target, bound, owner, constants)

    def _target(self, function: ast.AST) -> tuple[Module, ast.AST | None, ast.ClassDef | None]:
        if isinstance(function, ast.Name) and (found := self.module.find(function.id)):
            return (*found, None)
        match function:
            case ast.Attribute(value=ast.Name(id="self"), attr=name) if self.owner:
                return self.module, _method(self.owner, name), self.owner
        return self.module, None, None


def _method(owner: ast.ClassDef, name: str) -> ast.FunctionDef | None:
    return next((item for item in owner.body if isinstance(item, ast.FunctionDef) and item.name == name), None)


def read(package: Package) -> Reader:
    """Read what a release knows."""
    reader = Reader(package)
    module = package.module("deepspeed.runtime.config")
    assert module
    owner = module.own["DeepSpeedConfig"]
    assert isinstance(owner, ast.ClassDef)
    for item in owner.body:
        if isinstance(item, ast.FunctionDef):
            reader.function(module, item, {"param_dict": ((),), "config": ((),)}, owner, {})
    _schedulers(package, reader)
    return reader


def _schedulers(package: Package, reader: Reader) -> None:
    """Take the parameters of the learning-rate schedules from their constructors."""
    module = package.module("deepspeed.runtime.lr_schedules")
    assert module
    for name, node in module.own.items():
        start = _method(node, "__init__") if isinstance(node, ast.ClassDef) else None
        if start and any(argument.arg == "optimizer" for argument in start.args.args):
            for argument in start.args.args[2:]:
                reader.note(("scheduler", "params", argument.arg), scheduler=name)
    for key in ("type", "params"):
        reader.note(("scheduler", key))
        reader.note(("optimizer", key))


def removed(package: Package) -> dict[str, str]:
    """Return the keys that a release refuses because it has dropped them, with its own word on each."""
    module = package.module("deepspeed.runtime.config")
    assert module
    found = {}
    for name, prefix in (("_REMOVED_TOP_LEVEL_CONFIG_KEYS", ""), ("_REMOVED_ZERO_CONFIG_KEYS", "zero_optimization.")):
        node = module.own.get(name)
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                parts = [
                    part.value
                    for part in ast.walk(value)
                    if isinstance(part, ast.Constant) and isinstance(part.value, str)
                ]
                words = re.sub(r"\s+", " ", parts[0]).strip()
                found[prefix + str(module.constant(key))] = words.partition(". ")[0].rstrip(".")
    return found


def table(packages: list[Package]) -> dict[str, Any]:
    """Put the releases together: by key the numbers of the releases that know it."""
    releases = sorted(packages, key=lambda package: tuple(map(int, package.version.split("."))))
    keys: dict[str, dict[str, Any]] = {}
    closed: dict[str, list[int]] = {}
    opened: set[str] = set()
    for number, package in enumerate(releases):
        reader = read(package)
        for path, facts in reader.keys.items():
            entry = keys.setdefault(".".join(path), {"in": []})
            entry["in"].append(number)
            entry |= facts
        for path in reader.closed:
            closed.setdefault(".".join(path), []).append(number)
        opened |= {".".join(path) for path in reader.open}
    last = removed(releases[-1])
    for name in last:
        if name in keys and len(releases) - 1 in keys[name]["in"]:
            keys[name]["in"].remove(len(releases) - 1)
    return {
        "releases": [package.version for package in releases],
        "keys": {name: keys[name] for name in sorted(keys)},
        "closed": {name: closed[name] for name in sorted(closed)},
        "open": sorted(opened),
        "removed": last,
    }


def installed() -> Package:
    """Return the release that is installed."""
    spec = find_spec("deepspeed")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("deepspeed is not installed")
    return Package(Path(next(iter(spec.submodule_search_locations))))


def check(stored: dict[str, Any], package: Package) -> list[str]:
    """Say in what the stored table differs from the installed release, where it holds that release."""
    if package.version not in stored["releases"]:
        return []
    number = stored["releases"].index(package.version)
    fresh = table([package])
    known = {name for name, facts in stored["keys"].items() if number in facts["in"]}
    closed = {name for name, numbers in stored["closed"].items() if number in numbers}
    return sorted((known ^ set(fresh["keys"])) | (closed ^ set(fresh["closed"])))


def main(arguments: list[str]) -> int:
    """Write the table, or check it."""
    if arguments == ["--check"]:
        different = check(json.loads(TARGET.read_text("utf-8")), installed())
        print("\n".join(different) or "the table is that of the installed release")
        return 1 if different else 0
    packages = {package.version: package for package in [*map(_release, arguments), installed()]}
    lines = json.dumps(table(list(packages.values())), indent=1, ensure_ascii=False, separators=(",", ":"))
    TARGET.write_text(re.sub(r"\n {3,}|\n  (?=[}\]])", " ", lines) + "\n", "utf-8")
    return 0


def _release(folder: str) -> Package:
    return Package(Path(folder) / "deepspeed")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
