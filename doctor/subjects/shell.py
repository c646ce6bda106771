"""Reads the commands of shell scripts, as far as they can be told without running anything."""

import re
from collections.abc import Iterator

from msgspec import Struct

_TOKEN = re.compile(
    r"""(?P<comment>(?<![^\s;&|()])\#[^\n]*)
    |(?P<join>\\\r?\n)
    |(?P<end>\r?\n|;;?|&&|\|\|?|&(?!\d|>)|\(\(?|\)\)?)
    |(?P<blank>[ \t\r]+)
    |(?P<word>(?:\\[^\n]|'[^']*'|"(?:[^"\\]|\\.)*"|\$\(\([^\n]*?\)\)|\$\([^()\n]*\)|\$\{[^}\n]*\}|`[^`\n]*`|[<>]&?\d?|[^\s;&|()'"`\\])+)
    |(?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_HEREDOC = re.compile(r"^<<-?\s*['\"]?(?P<word>\w+)['\"]?$")
_ASSIGNED = re.compile(r"^(?P<name>[A-Za-z_]\w*)=(?P<value>.*)$", re.DOTALL)
_VARIABLE = re.compile(r"\$(?:(?P<plain>\w+)|\{(?P<name>\w+)(?::?-(?P<default>[^}]*))?\})")
_LEADS = ("time", "exec", "nohup", "srun", "sudo", "env", "then", "do", "else", "{", "!", "command")
_STARTERS = re.compile(r"^(deepspeed|torchrun|accelerate|axolotl|llamafactory-cli|trl)$")
_PYTHON = re.compile(r"^(?:.*/)?python[\d.]*$")
_TRAINING = re.compile(r"^--(deepspeed|deepspeed_config|per_device_train_batch_size|num_train_epochs|learning_rate)\b")
MAX_WORD = 20_000


class Word(Struct, frozen=True, kw_only=True):
    """A word of a command.

    Attributes
    ----------
    text : str
        Without quotes, its variables put in where the script says what they hold.
    known : bool
        Whether all of them could be.
    line, column : int
        From 1.
    start, end : int
        The letters of the script that it takes, quotes included, from 0.
    """

    text: str
    known: bool
    line: int
    column: int
    start: int
    end: int


class Command(Struct, frozen=True, kw_only=True):
    """A command with its words; `environment` is what stands before it or was exported above it."""

    words: tuple[Word, ...]
    environment: dict[str, Word]

    @property
    def name(self) -> str:
        """What is started."""
        return self.words[0].text.rpartition("/")[2] if self.words else ""


def read_shell(text: str) -> list[Command]:
    """Return the commands of a script in their order, assignments put in where they are plain."""
    raw = list(_raw_commands(text))
    variables = _variables(raw)
    exported: dict[str, Word] = {}
    commands = []
    for words in raw:
        words = [_resolved(word, variables) for word in words]
        while words and (words[0].text in _LEADS or words[0].text.startswith("-")):
            words = words[1:]
        if words and words[0].text in ("export", "declare"):
            exported |= {match["name"]: _valued(word, match["value"]) for word, match in _assignments(words[1:])}
            continue
        before = dict(_named(words))
        rest = words[len(before) :]
        if rest:
            commands.append(Command(words=tuple(rest), environment={**exported, **before}))
        else:
            exported |= {name: word for name, word in before.items() if name in exported}
    return commands


def _raw_commands(text: str) -> Iterator[list[Word]]:
    words: list[Word] = []
    here, line, begin = 0, 1, 0
    awaited: list[str] = []
    while here < len(text):
        match = _TOKEN.match(text, here)
        assert match  # noqa: S101  # `other` takes any letter
        kind, found = match.lastgroup, match[0]
        if kind == "word" and len(found) <= MAX_WORD:
            if heredoc := _HEREDOC.match(found):
                awaited.append(heredoc["word"])
            words.append(Word(text=found, known=True, line=line, column=here - begin + 1, start=here, end=match.end()))
        elif kind == "end" and words:
            yield words
            words = []
        here = match.end()
        if "\n" in found:
            line += found.count("\n")
            begin = match.start() + found.rindex("\n") + 1
        if kind == "end" and "\n" in found and awaited:
            here, line = _after_heredocs(text, here, line, awaited)
            begin, awaited = here, []
    if words:
        yield words


def _after_heredocs(text: str, here: int, line: int, awaited: list[str]) -> tuple[int, int]:
    """Leave out texts that a script writes elsewhere."""
    for word in awaited:
        close = re.compile(rf"^\s*{word}\s*$", re.MULTILINE).search(text, here)
        end = close.end() + 1 if close else len(text)
        line += text.count("\n", here, end)
        here = min(end, len(text))
    return here, line


def _assignments(words: list[Word]) -> Iterator[tuple[Word, re.Match[str]]]:
    for word in words:
        if match := _ASSIGNED.match(word.text):
            yield word, match


def _named(words: list[Word]) -> Iterator[tuple[str, Word]]:
    """Yield the assignments before a command."""
    for word in words:
        match = _ASSIGNED.match(word.text)
        if not match:
            return
        yield match["name"], _valued(word, match["value"])


def _valued(word: Word, value: str) -> Word:
    return Word(
        text=_unquoted(value), known=word.known, line=word.line, column=word.column, start=word.start, end=word.end
    )


def _variables(raw: list[list[Word]]) -> dict[str, str]:
    """Return what variables hold that are assigned one thing in all of the script."""
    found: dict[str, set[str]] = {}
    for words in raw:
        for word in words:
            match = _ASSIGNED.match(word.text)
            if not match:
                if word.text not in ("export", "declare", "local", "then", "do", "else", "readonly"):
                    break
                continue
            found.setdefault(match["name"], set()).add(match["value"])
    single = {name: values.pop() for name, values in found.items() if len(values) == 1}
    known: dict[str, str] = {}
    for name, value in single.items():  # in the order of the script, so that one may rest on another
        text, sure = _expanded(value, known)
        if sure:
            known[name] = text
    return known


def _resolved(word: Word, variables: dict[str, str]) -> Word:
    text, known = _expanded(word.text, variables)
    return Word(text=text, known=known, line=word.line, column=word.column, start=word.start, end=word.end)


def _expanded(text: str, variables: dict[str, str]) -> tuple[str, bool]:
    """Put variables in and take quotes off; say whether all is known."""
    known = True

    def put(match: re.Match[str]) -> str:
        nonlocal known
        name = match["plain"] or match["name"]
        if name in variables:
            return variables[name]
        if match["default"] is not None and "$" not in match["default"]:
            return _unquoted(match["default"])
        known = False
        return match[0]

    if text.startswith("'") and text.endswith("'"):
        return text[1:-1], True
    text = _VARIABLE.sub(put, text)
    if re.search(r"\$[\w({@*#?]|`", text):
        known = False
    return _unquoted(text), known


def _unquoted(text: str) -> str:
    return re.sub(r"'([^']*)'|\"((?:[^\"\\]|\\.)*)\"|\\(.)", lambda match: match[1] or match[2] or match[3] or "", text)


def is_launch(command: Command) -> bool:
    """Whether a command starts a training."""
    texts = [word.text for word in command.words]
    if _STARTERS.match(command.name):
        rest = texts[1:]
        if command.name == "accelerate":
            return bool(rest) and rest[0] == "launch"
        if command.name in ("axolotl", "llamafactory-cli"):
            return bool(rest) and rest[0] == "train"
        if command.name == "trl":
            return bool(rest) and rest[0] in ("sft", "dpo", "grpo", "kto", "reward", "rloo")
        return any(text.endswith(".py") or text == "-m" for text in rest) or any(map(_TRAINING.match, rest))
    if _PYTHON.match(texts[0]):
        launched = any(text in ("torch.distributed.run", "torch.distributed.launch") for text in texts[1:4])
        return launched or any(map(_TRAINING.match, texts))
    return False
