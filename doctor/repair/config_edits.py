"""Edits of configuration files by position: comments, order and layout stay, and what was not meant stays too."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from doctor.case import Case
from doctor.errors import CannotOpen, DoctorError
from doctor.model import EditConfig, KeyEdit
from doctor.repair.plan import Edit, Plan
from doctor.repair.state import Effect, Refused
from doctor.subjects.config import JSON_SUFFIXES, ConfigFile, Configs
from doctor.subjects.config_nodes import Entry, KeyPath, Node
from doctor.subjects.json_nodes import read_json_nodes
from doctor.subjects.yaml_nodes import read_yaml_nodes

INDENT = 2
_PLAIN = re.compile(r"[A-Za-z_./][\w./ -]*")
_WORDS_OF_YAML = ("true", "false", "yes", "no", "on", "off", "null", "~", "")


def edited(path: Path, text: str, edits: Sequence[KeyEdit]) -> str:
    """Return the text of a configuration with edits made.

    Parameters
    ----------
    path : Path
        By which JSON is told from YAML.
    text : str
        All of the file.
    edits : sequence of KeyEdit
        In the order in which they are made.

    Raises
    ------
    Refused
        Where one cannot be made so that nothing else changes.
    """
    for edit in edits:
        text = _one(path, text, edit)
    return text


def _one(path: Path, text: str, edit: KeyEdit) -> str:
    root = _read(path, text)
    wanted = _changed(root.plain(), edit)
    editor = _Editor(text, root, json_=path.suffix.lower() in JSON_SUFFIXES)
    match edit.action:
        case "set":
            result = editor.set(edit.key, edit.value)
        case "rename":
            result = editor.rename(edit.key, str(edit.value))
        case "remove":
            result = editor.remove(edit.key)
        case action:
            raise Refused(f"there is no edit called {action}")
    try:
        sound = _read(path, result).plain() == wanted
    except CannotOpen:
        sound = False
    if not sound:
        raise Refused(f"{_shown(edit.key)} cannot be changed without changing more than that")
    return result


def _read(path: Path, text: str) -> Node:
    try:
        root = read_json_nodes(path, text) if path.suffix.lower() in JSON_SUFFIXES else read_yaml_nodes(path, text)
    except CannotOpen as error:
        raise Refused(error.reason) from error
    if root is None or root.entries is None:
        raise Refused("it holds no keys")
    return root


def _changed(plain: Any, edit: KeyEdit) -> Any:
    """Say what the file must hold afterwards."""
    parent = plain
    for step in edit.key[:-1]:
        if isinstance(parent, dict) and edit.action == "set":
            parent = parent.setdefault(step, {})
        else:
            try:
                parent = parent[step]
            except (KeyError, IndexError, TypeError) as error:
                raise Refused(f"{_shown(edit.key)} is not there any more") from error
    last = edit.key[-1]
    if not isinstance(parent, dict) or (edit.action != "set" and last not in parent):
        raise Refused(f"{_shown(edit.key)} is not there any more")
    if edit.action == "set":
        parent[last] = edit.value
    elif edit.action == "remove":
        del parent[last]
    elif edit.value in parent:
        raise Refused(f"{edit.value} is there already")
    else:
        parent[edit.value] = parent.pop(last)
    return plain


def _shown(key: KeyPath) -> str:
    return ".".join(map(str, key))


class _Editor:
    """Makes one edit of one text."""

    def __init__(self, text: str, root: Node, *, json_: bool) -> None:
        self.text, self.root, self.json = text, root, json_

    def set(self, key: KeyPath, value: Any) -> str:
        parent, missing = self._nearest(key)
        if missing:
            for step in reversed(missing[1:]):
                value = {step: value}
            return self._added(parent, str(missing[0]), value)
        entry = self._entry(key)
        node = entry.node
        if node.start < entry.end or node.entries is not None or node.items is not None:
            raise Refused(f"{_shown(key)} is no single value there")
        written = self._value(value, flow=self.json)
        lead = " " if not self.json and self.text[node.start - 1 : node.start] == ":" else ""
        return self.text[: node.start] + lead + written + self.text[node.end :]

    def rename(self, key: KeyPath, name: str) -> str:
        entry = self._entry(key)
        quoted = self.text[entry.start] in "\"'"
        written = f"{self.text[entry.start]}{name}{self.text[entry.start]}" if quoted else name
        return self.text[: entry.start] + written + self.text[entry.end :]

    def remove(self, key: KeyPath) -> str:
        entry = self._entry(key)
        parent = self.root.at(key[:-1])
        assert parent is not None and parent.entries is not None  # noqa: S101, PT018  # `_entry` found it there
        if entry.node.start < entry.end:
            raise Refused(f"{_shown(key)} is an alias")
        return self._cut(parent, entry) if parent.flow else self._cut_lines(parent, entry)

    def _entry(self, key: KeyPath) -> Entry:
        parent = self.root.at(key[:-1])
        entry = parent.entry(str(key[-1])) if parent is not None else None
        if entry is None or entry.merged:
            raise Refused(f"{_shown(key)} is not written in its own place")
        return entry

    def _nearest(self, key: KeyPath) -> tuple[Node, tuple[str | int, ...]]:
        """Return the deepest mapping on the way to a key, and what is missing from there on."""
        node = self.root
        for depth, step in enumerate(key):
            child = node.items[step] if isinstance(step, int) and node.items else node.child(str(step))
            if child is None:
                if node.entries is None:
                    raise Refused(f"{_shown(key[:depth])} holds no keys")
                return node, key[depth:]
            node = child
        return node, ()

    def _added(self, parent: Node, name: str, value: Any) -> str:
        entries = [entry for entry in parent.entries or () if not entry.merged]
        if parent.flow:
            return self._added_in_brackets(parent, entries, name, value)
        if not entries:
            raise Refused("there is no key beside which it could stand")
        last = max(entries, key=lambda entry: entry.start)
        indent = " " * (last.column - 1)
        end = self._line_end(self._last_letter(last))
        written = _block(name, value, indent, self._value)
        newline = self._newline()
        return self.text[:end] + newline + newline.join(written) + self.text[end:]

    def _added_in_brackets(self, parent: Node, entries: Sequence[Entry], name: str, value: Any) -> str:
        key = json.dumps(name, ensure_ascii=False)
        if not entries:
            inner = f"{key}: {self._value(value, flow=True)}"
            return self.text[: parent.start] + "{" + inner + "}" + self.text[parent.end :]
        last = entries[-1]
        begin = self.text.rfind("\n", 0, last.start) + 1
        lead = self.text[begin : last.start]
        newline = self._newline()
        if begin > parent.start and not lead.strip():
            joint, written = f",{newline}{lead}", self._value(value, flow=True, indent=lead)
        else:
            joint, written = ", ", self._value(value, flow=True)
        return self.text[: last.node.end] + f"{joint}{key}: {written}" + self.text[last.node.end :]

    def _cut(self, parent: Node, entry: Entry) -> str:
        """Take a key out of brackets with its comma, and its line where nothing else stands there."""
        start, end = entry.start, entry.node.end
        after = re.compile(r"\s*,").match(self.text, end)
        if after:
            end = after.end()
        else:
            before = [other for other in parent.entries or () if other.start < entry.start]
            if before:
                comma = self.text.find(",", max(other.node.end for other in before), start)
                start = comma if comma >= 0 and not self.text[comma + 1 : start].strip() else start
        begin, line_end = self.text.rfind("\n", 0, start) + 1, self._line_end(end)
        rest = self.text[end:line_end].strip()
        if after and not self.text[begin:start].strip() and (not rest or rest.startswith(("//", "#"))):
            return self.text[:begin] + self.text[line_end:].removeprefix("\r").removeprefix("\n")
        blank = re.compile(r"[ \t]*").match(self.text, end) if after else None
        return self.text[:start] + self.text[blank.end() if blank else end :]

    def _cut_lines(self, parent: Node, entry: Entry) -> str:
        """Take a key out of a block of YAML: all its lines; an only key takes its block with it."""
        if len([other for other in parent.entries or () if not other.merged]) == 1:
            raise Refused("it is the only key of its block")
        begin = self.text.rfind("\n", 0, entry.start) + 1
        if self.text[begin : entry.start].strip():
            raise Refused("something else stands before it on its line")
        end = self._line_end(self._last_letter(entry))
        return self.text[:begin] + self.text[end:].removeprefix("\r").removeprefix("\n")

    def _last_letter(self, entry: Entry) -> int:
        """Return where an entry truly ends: the mark of a block of YAML lies before what comes next."""
        node = entry.node
        if node.start < entry.end:  # an alias: its value stands elsewhere
            return entry.end
        while node.entries or node.items:
            inner = [each.node for each in node.entries or () if not each.merged] or list(node.items or ())
            if node.flow or not inner:
                break
            node = max(inner, key=lambda one: one.start)
        return max(entry.end, len(self.text[: node.end].rstrip()))

    def _line_end(self, at: int) -> int:
        found = self.text.find("\n", at)
        end = found if found >= 0 else len(self.text)
        return end - 1 if self.text[end - 1 : end] == "\r" else end

    def _newline(self) -> str:
        return "\r\n" if "\r\n" in self.text else "\n"

    def _value(self, value: Any, *, flow: bool, indent: str = "") -> str:
        """Write a value: as JSON, which brackets of YAML understand too, or as a plain word of YAML."""
        if isinstance(value, float) and not self.json:
            return _dotted(value)
        if isinstance(value, dict) or flow:
            width = max(INDENT, len(indent) or INDENT)
            text = json.dumps(value, ensure_ascii=False, indent=min(width, 4) if indent else None)
            return text.replace("\n", self._newline() + indent)
        if isinstance(value, str):
            plain = _PLAIN.fullmatch(value) and value.lower() not in _WORDS_OF_YAML and not value.endswith(" ")
            return value if plain else json.dumps(value, ensure_ascii=False)
        return json.dumps(value)


def _dotted(value: float) -> str:
    """Write a number with a dot, without which YAML 1.1 takes 2e-05 for a text."""
    mantissa, e, exponent = repr(value).partition("e")
    return f"{mantissa}{'' if '.' in mantissa else '.0'}{e}{exponent}"


def _block(name: str, value: Any, indent: str, write: Any) -> list[str]:
    """Write a key of a YAML block in lines."""
    if not isinstance(value, dict):
        return [f"{indent}{name}: {write(value, flow=False)}"]
    lines = [f"{indent}{name}:"]
    for key, inner in value.items():
        lines += _block(str(key), inner, indent + " " * INDENT, write)
    return lines


def file_of(repair: EditConfig, case: Case) -> ConfigFile | None:
    """Return the configuration that a repair is about."""
    configs = next((subject for subject in case.others if isinstance(subject, Configs)), None)
    return next((file for file in configs.files if file.shown == repair.path), None) if configs else None


def tried(edits: Sequence[Edit], case: Case) -> list[Edit]:
    """Make the edits of configurations on their texts, and note what each changes or why it cannot be made."""
    texts: dict[Path, str] = {}
    touched: dict[tuple[Path, KeyPath], KeyEdit] = {}
    judged = []
    for edit in edits:
        repair = edit.repair
        file = file_of(repair, case) if isinstance(repair, EditConfig) else None
        if not isinstance(repair, EditConfig) or file is None or not edit.applied:
            judged.append(edit)
            continue
        fresh = [one for one in repair.edits if touched.get((file.path, one.key)) != one]
        rival = next((one for one in fresh if (file.path, one.key) in touched), None)
        why = f"another edit changes {_shown(rival.key)}" if rival else ""
        if not why:
            try:
                texts[file.path] = edited(file.path, texts.get(file.path, file.text), fresh)
            except Refused as refusal:
                why = str(refusal)
        if why:
            judged.append(msgspec.structs.replace(edit, applied=False, why_not=why))
            continue
        touched |= {(file.path, one.key): one for one in fresh}
        note = "; ".join(_told(file, one) for one in repair.edits)
        judged.append(msgspec.structs.replace(edit, effect=Effect(note=note)))
    return judged


def _told(file: ConfigFile, edit: KeyEdit) -> str:
    entry_parent = file.root.at(edit.key[:-1])
    entry = entry_parent.entry(str(edit.key[-1])) if entry_parent is not None else None
    where = f"{file.path.name}:{entry.line}" if entry else file.path.name
    word = {"set": f"set to {json.dumps(edit.value)}", "rename": f"renamed to {edit.value}", "remove": "removed"}
    return f"{where}: {_shown(edit.key)} {word[edit.action]}"


def new_texts(plan: Plan, case: Case) -> dict[Path, bytes]:
    """Return the new contents of the configurations that a plan changes, by absolute path.

    Raises
    ------
    DoctorError
        Where a file is no longer what was read.
    """
    wanted: dict[Path, tuple[ConfigFile, list[KeyEdit]]] = {}
    for edit in plan.edits:
        if isinstance(edit.repair, EditConfig) and edit.applied and (file := file_of(edit.repair, case)):
            known = wanted.setdefault(file.path, (file, []))[1]
            known += [one for one in edit.repair.edits if one not in known]
    found: dict[Path, bytes] = {}
    for path, (file, changes) in wanted.items():
        try:
            now = path.read_bytes()
        except OSError as error:
            raise DoctorError(f"{path}: {error.strerror}; nothing was written") from error
        mark = b"\xef\xbb\xbf" if now.startswith(b"\xef\xbb\xbf") else b""
        if now.removeprefix(mark) != file.text.encode("utf-8"):
            raise DoctorError(f"{path} changed while it was read; nothing was written")
        found[path.absolute()] = mark + edited(path, file.text, changes).encode("utf-8")
    return found
