"""Which training a command of a shell script starts, on how many processes, and with which options."""

from msgspec import Struct

from doctor.evidence.setting_names import LAUNCHER_OPTIONS, MODEL_PARALLEL, PROGRAM_OPTIONS, Quantity
from doctor.subjects.shell import Command, Word

FLAGS = ("deepspeed", "fp16", "bf16", "gradient_checkpointing", "torch_compile", "use_peft", "do_train")
"""Options that may stand without a value, which means yes."""
SINGLE = (
    "m",
    "module",
    "no_python",
    "standalone",
    "use_deepspeed",
    "use_fsdp",
    "multi_gpu",
    "cpu",
    "tpu",
    "no_local_rank",
    "enable_each_rank_log",
    "bind_cores_to_rank",
    "elastic_training",
    "no_ssh",
    "use_env",
    "quiet",
    "debug",
)
"""Options of launchers that take no value."""


class Launch(Struct, frozen=True, kw_only=True):
    """A command that starts a training.

    Attributes
    ----------
    options : tuple of (Quantity, str, Word)
        What it sets, by which option, with the word that holds the value; the program's own stand first.
    given : dict of str to Word or None
        The program's options by their names.
    open : bool
        Whether it holds words that are not known, and so perhaps further options.
    included : (Word, int) or None
        Where the devices are listed, and how many they are.
    configurations : tuple of Word
        Files among the words.
    """

    trainer: str | None
    program: Word | None
    options: tuple[tuple[Quantity, str, Word], ...]
    environment: dict[str, Word]
    given: dict[str, Word | None] = {}
    configurations: tuple[Word, ...] = ()
    mixed_precision: Word | None = None
    included: tuple[Word, int] | None = None
    parallel: bool = False
    open: bool = False
    words: tuple[str, ...] = ()


def launch_of(command: Command) -> Launch | None:
    """Read a command; None where it starts nothing that is known."""
    words = list(command.words[1:])
    name = command.name
    if name.startswith("python"):
        if len(words) > 1 and words[0].text == "-m" and words[1].text.startswith("torch.distributed"):
            name, words = "torchrun", words[2:]
        else:
            name = "python"
    elif name in ("accelerate", "axolotl", "llamafactory-cli", "trl"):
        words = words[1:]
    own, program, rest = _divided(name, words)
    options, given = _options(own), _options(rest)
    known = LAUNCHER_OPTIONS.get(name, {})
    launcher = [(known[option], f"--{option}", word) for option, word in options if word and option in known]
    told = [
        (PROGRAM_OPTIONS[option], f"--{option}", word)
        for option, word in given
        if word is not None and option in PROGRAM_OPTIONS and not (option == "deepspeed" and word.text == "true")
    ]
    listed = next((word for option, word in options if word and option == "include"), None)
    return Launch(
        trainer={"axolotl": "axolotl", "llamafactory-cli": "transformers", "trl": "transformers"}.get(name),
        program=program,
        options=(*told, *launcher),
        environment=command.environment,
        given=dict(given),
        configurations=tuple(word for word in (*rest, *own) if word.text.endswith((".yaml", ".yml", ".json"))),
        mixed_precision=next((word for option, word in options if option == "mixed_precision"), None),
        included=(listed, count) if listed and (count := _devices(listed.text)) else None,
        open=any(not word.known for word in rest),
        words=tuple(word.text for word in command.words[1:] if not word.text.startswith("-")),
        parallel=any(option in MODEL_PARALLEL for option, _ in (*given, *options)),
    )


def _divided(name: str, words: list[Word]) -> tuple[list[Word], Word | None, list[Word]]:
    """Tell the launcher's own words from the program and its words."""
    if name in ("axolotl", "llamafactory-cli", "trl"):
        return [], None, words
    at = 0
    while at < len(words):
        text = words[at].text
        if not text.startswith("-"):
            return words[:at], words[at], words[at + 1 :]
        option = text.lstrip("-").replace("-", "_")
        alone = "=" in option or option in SINGLE or name == "python"
        at += 1 if alone else 2
    return words, None, []


def _options(words: list[Word]) -> list[tuple[str, Word | None]]:
    """Return the options with the words that hold their values; flags have a word that says true."""
    found: list[tuple[str, Word | None]] = []
    for at, word in enumerate(words):
        if not word.text.startswith("--"):
            continue
        option, equals, value = word.text[2:].partition("=")
        option = option.replace("-", "_")
        if equals:
            found.append((option, _with(word, value)))
        elif at + 1 < len(words) and not words[at + 1].text.startswith("--") and words[at + 1].text not in "<>|&;":
            found.append((option, words[at + 1]))
        else:
            found.append((option, _with(word, "true") if option in FLAGS else None))
    return found


def _with(word: Word, text: str) -> Word:
    return Word(text=text, known=word.known, line=word.line, column=word.column, start=word.start, end=word.end)


def _devices(text: str) -> int:
    """Count what `--include localhost:0,1@other:2` lists; 0 where a node is named without its devices."""
    count = 0
    for node in text.split("@"):
        slots = node.partition(":")[2]
        if not slots:
            return 0
        for part in slots.split(","):
            first, dash, last = part.partition("-")
            if not first.isdigit() or (dash and not last.isdigit()):
                return 0
            count += int(last) - int(first) + 1 if dash else 1
    return count
