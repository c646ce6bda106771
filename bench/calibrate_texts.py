"""Count false alarms and recall of the checks of texts.

python bench/calibrate_texts.py garbled              sentences of 16 languages, clean and read with wrong encodings
python bench/calibrate_texts.py garbled FOLDER…      lines beyond ASCII of all text files below, each hit printed
python bench/calibrate_texts.py vocabulary           growth of closed and of open vocabularies
python bench/calibrate_texts.py boilerplate          footers planted in letters, near copies, forms, docstrings
python bench/calibrate_texts.py languages            pieces of paragraphs in 17 languages; docstrings; planted letters
python bench/calibrate_texts.py shift                random splits of letters and of docstrings; splits by subject
"""

import ast
import importlib.util
import random
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import ftfy.bad_codecs
import numpy as np

from doctor.evidence.boilerplate import repeated_in
from doctor.evidence.garbling import MOJIBAKE, faults_of
from doctor.evidence.messages import Form
from doctor.evidence.text_columns import TextColumn
from doctor.evidence.text_shifts import _shift
from doctor.evidence.tongues import language_of, script_of
from doctor.evidence.vocabulary import _growth
from fixtures.languages import foreign_letters
from fixtures.text_tables import letters

MIN_AUC = 0.65

SENTENCES = {
    "German": "Die Bäume im Süden blühen schöner, sagte Frau Müller: „Größe ist nicht alles.“",
    "French": "L’été dernier, où étiez-vous ? « À Besançon, près de l’hôtel », répondit la garçonne.",
    "Spanish": "¿Mañana llegará el señor Núñez? ¡Qué ilusión! La niña cumplió años en marzo.",
    "Portuguese": "NÃO É POSSÍVEL! A informação não está disponível — São João, às três horas.",
    "Italian": "Perché non c’è più caffè? La città è già lì, così è la vita, cioè…",
    "Norwegian": "Grünerløkka på våren: «rød grøt med fløte», sa han og åt blåbær.",
    "Polish": "Zażółć gęślą jaźń; Łódź, Kraków i Gdańsk są piękne o świcie.",
    "Czech": "Příliš žluťoučký kůň úpěl ďábelské ódy v Plzni a Třebíči.",
    "Hungarian": "Árvíztűrő tükörfúrógép: a hűvös őszi szél fütyült.",
    "Turkish": "İstanbul’da çığlık atan şoför; güzel bir gün, değil mi?",
    "Vietnamese": "Tiếng Việt rất đẹp, và Hà Nội là thủ đô của nước này.",
    "Russian": "Вчера мы гуляли по Москве, и погода была прекрасная.",
    "Ukrainian": "Ми їхали до Києва; їжа була смачною, а місто — чудове.",
    "Greek": "Η Αθήνα είναι όμορφη την άνοιξη, και ο καφές πολύ καλός.",
    "Chinese": "我们昨天去了北京大学的图书馆，看了很多书。",
    "Japanese": "昨日は友達と東京へ行きました。とても楽しかったです。",
    "Korean": "어제 우리는 서울에 갔고 날씨가 아주 좋았습니다.",
    "Hebrew": "אתמול הלכנו לירושלים, ומזג האוויר היה נפלא.",
    "Arabic": "ذهبنا أمس إلى القاهرة وكان الطقس جميلا جدا.",
    "signs": "20 °C ± 2 °C, ½ l @ 3 €/kg — naïve “quotes” ‘too’ … © 2020 ™ · 5′ × 7″ 🙂👍🏽",
}
FOOTER = "All letters are the property of the Northern Travellers Club.\nDo not copy them without permission."
PARAGRAPHS = Path(__file__).with_name("paragraphs.txt").read_text("utf-8")
WRONG = (
    *("sloppy-windows-1252", "latin-1", "sloppy-windows-1250", "sloppy-windows-1251", "iso-8859-2", "macroman"),
    *("cp437", "cp850"),
)


def garbled() -> None:
    """Print, by wrong encoding, how many of the sentences that it changes are found; and clean ones accused."""
    ftfy.bad_codecs.ok()
    clean = [language for language, text in SENTENCES.items() if MOJIBAKE in faults_of(text)]
    print(f"clean sentences: {len(SENTENCES)}, accused: {len(clean)} {clean}")
    found, of = 0, 0
    for wrong in WRONG:
        hits, missed = 0, []
        for language, text in SENTENCES.items():
            try:
                read = text.encode("utf-8").decode(wrong)
            except UnicodeDecodeError:
                read = text.encode("utf-8").decode(wrong, "replace").replace("\ufffd", "")
            if MOJIBAKE in faults_of(read):
                hits += 1
            else:
                missed.append(language)
        found, of = found + hits, of + len(SENTENCES)
        print(f"read as {wrong:<20} found {hits} of {len(SENTENCES)}, missed: {', '.join(missed) or '–'}")
    print(f"together {found} of {of}")


def _lines(folder: Path) -> Iterator[tuple[Path, str]]:
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".py", ".md", ".txt", ".rst", ".json", ".csv", ".html", ".pyi", ".js") and path.is_file():
            try:
                text = path.read_text("utf-8")
            except (UnicodeDecodeError, OSError):
                continue
            yield from ((path, line) for line in text.splitlines() if not line.isascii())


def garbled_in(folders: list[Path]) -> None:
    """Print each line that is accused of mojibake."""
    counts: Counter[str] = Counter()
    for folder in folders:
        for path, line in _lines(folder):
            counts["lines"] += 1
            if spans := faults_of(line[:5000]).get(MOJIBAKE):
                counts["accused"] += 1
                start = max(0, spans[0][0] - 30)
                print(f"{path.relative_to(folder)}: {line[start : spans[0][1] + 30]!r}")
    print(f"lines beyond ASCII: {counts['lines']}, accused: {counts['accused']}")


def vocabulary() -> None:
    """Print the exponent of Heaps' law at the end of texts whose words are drawn by Zipf's law."""
    draw = np.random.default_rng(0)
    column = TextColumn(name="text", form=Form.PLAIN, splits=("all",), words=40.0, letters=240.0)
    for size in (300, 1_000, 3_000, 10_000, None):
        told = []
        for words in (10_000, 30_000, 100_000, 300_000, 1_000_000):
            # The ranks of Zipf's law with the exponent 1.1, cut where the vocabulary ends or as long as they come.
            ranks = draw.zipf(1.1, words * 4)
            ranks = ranks[ranks <= size][:words] if size else ranks[:words]
            texts = [[str(rank) for rank in ranks[i : i + 40]] for i in range(0, len(ranks), 40)]
            told.append(f"{words:,}: {_growth(column, 'all', texts).exponent:.2f}")
        print(f"vocabulary of {f'{size:,}' if size else 'any number of'} words, by words read: {', '.join(told)}")


def _docstrings(package: str) -> list[str]:
    found = set()
    for path in sorted(Path(importlib.util.find_spec(package).origin).parent.rglob("*.py")):
        nodes = ast.walk(ast.parse(path.read_text("utf-8")))
        found |= {ast.get_docstring(node) for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    return sorted(text for text in found - {None} if len(text) > 60)


def shift() -> None:
    """Print how many random splits are told, and splits of which a share of the later side is of another subject."""
    draw = random.Random(0)
    sources = {"letters": letters(3_000, 1), "docstrings": _docstrings("sklearn")}
    other = _docstrings("pandas")
    for name, texts in sources.items():
        for size in (50, 100, 250, 500):
            lowers = []
            for _ in range(15):
                some = draw.sample(texts, 2 * size)
                lowers.append(_shift("text", "train", "test", (some[:size], some[size:])).lower)
            told = sum(lower >= MIN_AUC for lower in lowers)
            print(f"{name}, {size} texts a side: {told} of {len(lowers)} told, highest bound {max(lowers):.2f}")
    for share in (0.1, 0.2, 0.3, 0.5, 1.0):
        told = 0
        for _ in range(10):
            some = draw.sample(sources["docstrings"], 1_000)
            strange = int(500 * share)
            later = [*some[: 500 - strange], *draw.sample(other, strange)]
            draw.shuffle(later)
            told += _shift("text", "train", "test", (some[500:], later)).lower >= MIN_AUC
        print(f"of 500 later docstrings {share:.0%} of another library: {told} of 10 told")


def boilerplate() -> None:
    """Print the share of letters that repeated pieces take in letters with footers, in near copies, in docstrings."""
    column = TextColumn(name="text", form=Form.PLAIN, splits=("all",), words=40.0, letters=240.0)

    def told(name: str, texts: list[str]) -> None:
        found = repeated_in({text: row for row, text in enumerate(texts)}, column, str)
        share = f"{found.letters_share:.1%} of the letters, {found.holding:,} texts" if found else "nothing"
        print(f"{name}: {share}")

    draw = random.Random(0)
    base = letters(2_000, 1, 6)
    told("2,000 letters", base)
    for part in (0.005, 0.02, 0.1, 0.5, 1.0):
        told(
            f"a footer under {part:.1%} of them",
            [f"{text}\n{FOOTER}" if draw.random() < part else text for text in base],
        )
    for copies in (2, 15, 100):
        some = base[: 2_000 // copies]
        near = [
            f"{text} Signed as number {k * copies + i} of the year."
            for k, text in enumerate(some)
            for i in range(copies)
        ]
        told(f"{len(some)} letters, {copies} near copies of each", near)
    pool = letters(30, 3, 1)
    told("texts put together from 30 sentences", [" ".join(draw.sample(pool, 4)) for _ in range(2_000)])
    told(
        "logs",
        [f"2024-05-{i % 28 + 1:02} 12:00:{i % 60:02} ERROR worker {i} lost its connection" for i in range(2_000)],
    )
    for package in ("sklearn", "pandas"):
        told(f"docstrings of {package}", _docstrings(package))


def languages() -> None:
    """Print how many pieces of paragraphs are told to be in their language by their length, and what is wrong."""
    paragraphs = {line.partition(": ")[0]: line.partition(": ")[2] for line in PARAGRAPHS.strip().splitlines()}
    for length in (8, 12, 16, 24, 40):
        right, wrong, pieces = 0, Counter[str](), 0
        for language, paragraph in paragraphs.items():
            words = paragraph.split()
            for begin in range(0, max(1, len(words) - length + 1), 2):
                found = language_of(" ".join(words[begin : begin + length]))
                pieces += 1
                right += found == language
                wrong.update([f"{language} as {found}"] if found not in (language, "") else [])
        print(f"{length} words: {right} of {pieces} pieces told, wrong: {dict(wrong) or 'none'}")
    for name, texts in (
        ("docstrings of scikit-learn", _docstrings("sklearn")),
        ("docstrings of pandas", _docstrings("pandas")),
        ("letters", letters(3_000, 1)),
    ):
        found = Counter(filter(None, map(language_of, texts)))
        scripts = Counter(filter(None, map(script_of, texts)))
        print(f"{name}: {len(texts):,} texts, {dict(found)}, {dict(scripts)}")
    for part in (0.005, 0.01, 0.03, 0.1, 0.3):
        english = letters(2_000, 2)
        mixed = [*english[: round(2_000 * (1 - part))], *foreign_letters("Spanish", round(2_000 * part), 1)]
        found = Counter(map(language_of, mixed))
        print(f"{part:.1%} Spanish letters of 2,000: {found['Spanish']} of {round(2_000 * part)} told")


def main(arguments: list[str]) -> None:
    """Print what is asked for."""
    match arguments:
        case ["garbled"]:
            garbled()
        case ["vocabulary"]:
            vocabulary()
        case ["boilerplate"]:
            boilerplate()
        case ["languages"]:
            languages()
        case ["shift"]:
            shift()
        case ["garbled", *folders]:
            garbled_in(list(map(Path, folders)))
        case _:
            print(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
