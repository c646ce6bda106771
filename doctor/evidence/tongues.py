"""In which script a text is written, and in Latin script in which language, where this is beyond doubt.

A script is told by its letters. A language is told by its function words, the few dozen words without which hardly a
sentence can be made; a text with too few of them, or with those of two languages, is undecided.
"""

import re
from collections import Counter
from itertools import islice

LETTERS_READ = 2_000
MIN_LETTERS = 8
MIN_SCRIPT_SHARE = 0.7
LATIN = "Latin script"
SCRIPTS = {
    LATIN: "A-Za-z\u00aa\u00ba\u00c0-\u024f\u1e00-\u1eff",
    "Cyrillic script": "\u0400-\u052f",
    "Greek": "\u0370-\u03ff\u1f00-\u1fff",
    "Armenian": "\u0530-\u058f",
    "Hebrew script": "\u0590-\u05ff",
    "Arabic script": "\u0600-\u06ff\u0750-\u077f",
    "Devanagari": "\u0900-\u097f",
    "Bengali script": "\u0980-\u09ff",
    "Gurmukhi": "\u0a00-\u0a7f",
    "Gujarati": "\u0a80-\u0aff",
    "Tamil": "\u0b80-\u0bff",
    "Telugu": "\u0c00-\u0c7f",
    "Kannada": "\u0c80-\u0cff",
    "Malayalam": "\u0d00-\u0d7f",
    "Sinhala": "\u0d80-\u0dff",
    "Thai": "\u0e00-\u0e7f",
    "Lao": "\u0e80-\u0eff",
    "Burmese": "\u1000-\u109f",
    "Georgian": "\u10a0-\u10ff",
    "Ethiopic": "\u1200-\u137f",
    "Khmer": "\u1780-\u17ff",
    "Korean": "\u1100-\u11ff\u3131-\u318e\uac00-\ud7af",
    "Japanese": "\u3041-\u3096\u30a1-\u30fa",
    "Chinese": "\u3400-\u4dbf\u4e00-\u9fff",
}
DENSE = {"Korean": 2, "Japanese": 2, "Chinese": 3}
"""Letters of Latin script that one of theirs is worth, about."""
MIN_KANA_SHARE = 0.1
"""Of kana and Chinese characters, from which a text is Japanese; it has both."""

MIN_WORDS = 12
MIN_SHARE, MIN_DIFFERENT = 0.2, 4
"""Share of the words that are function words of the language, and how many different ones no rival has."""
MAX_RIVAL_SHARE = 0.25
"""Of another language's own function words, per one of this language's own."""

_FUNCTION = {
    "English": "the of and to in is that it was for you with he on are this be have not they but his from had we as "
    "she or which were will would there their been has what all when who if can my your do how an by so me about at "
    "i",
    "German": "der die und das ist nicht ich ein eine zu den mit auf für von dem sich des im es auch wir sie aber wie "
    "wird werden sind haben hat noch nach nur oder über einen einer wenn war aus bei mich mir kann durch uns er als "
    "so an um man dass",
    "Dutch": "de het een van en is dat niet ik te op die voor met zijn er maar om ook aan dit bij naar nog worden "
    "heeft hij wij ze wat uit dan als door over werd geen hebben je kan deze mijn was ons zo tot moet",
    "French": "le la les des et est un une du que qui dans pour pas sur ce il elle au avec nous vous je ne se plus par "
    "sont mais comme ont cette aux son ses leur été être fait tout même bien où ou si on d l c qu y",
    "Spanish": "el la los las y que en un una es no por con para se del al lo como más pero sus le su muy está esta "
    "este son también fue hay todo nos yo ya cuando porque ser era qué sin sobre hasta donde desde tiene me si o mi",
    "Portuguese": "o os as e que um uma não do da dos das em no na nos nas para com por mais mas ao foi ele ela seu "
    "sua isso está são muito você também já quando pelo pela ser tem como eu minha meu até nem só se à é lhe",
    "Italian": "il lo gli di che è un una non per con del della dei delle nel nella sono da al alla si ma anche come "
    "più questo questa ho ha mi ci io suo sua essere stato molto tutto loro dal perché se cosa era i le e",
    "Romanian": "și de la în cu nu este pe un o care pentru că din mai sunt fi se au ce dar sau ca lui prin după ei "
    "acest această fost foarte îmi avea între său când am ne cel",
    "Swedish": "och att det som en på är av för med till den inte om ett han hon men var jag sig från vi så kan när "
    "år de har skulle mot hade nu eller efter vid bara också blir mycket där alla ska",
    "Danish or Norwegian": "og at det er som en på av af for med til den ikke om et han hun men var jeg seg sig fra vi "
    "så kan når de har skulle mot mod hadde havde nå nu eller etter efter ved bare også blir bliver der alle vil",
    "Finnish": "ja on ei se että oli hän mutta ovat kun niin myös joka mitä tämä sen olen ole minä tai kuin jos hänen "
    "vain nyt siitä olla voi ovat sitä mukaan jo vielä ennen kanssa sekä",
    "Polish": "i w nie na się z do to że jest jak co ale po tak za od o jego dla czy być był przez ma już tym tylko "
    "są jej oraz może które który ich gdy jako bardzo ze mnie go ja",
    "Czech": "a v se na je že to s z do i o jako k ale po jsem by si jeho tak za pro už co byl od který jen jsou které "
    "nebo při být má jak také až když pouze není ještě bylo",
    "Hungarian": "a az és hogy nem is egy ez van volt meg de csak már még mint ha ki azt vagy mert lehet kell el ami "
    "majd úgy minden nagyon itt ezt ők én te volna amely pedig",
    "Turkish": "ve bir bu da de için çok ne ile o ama gibi daha var kadar olarak ben sen değil olan mi mı sonra her ya "
    "ki en diye bana beni oldu şey yok ise göre veya",
    "Indonesian or Malay": "yang dan di ini itu dengan untuk tidak dari dalam akan pada ke saya juga adalah ada karena "
    "kami bisa atau oleh anda sudah telah mereka kita lebih dia seperti saat hanya apa",
    "Vietnamese": "và của là có không được cho một những người này trong đã các với để tôi khi đó như cũng về từ đến "
    "nhiều ra rất vào làm nhưng thì lại bạn",
}
FUNCTION = {language: frozenset(words.split()) for language, words in _FUNCTION.items()}
_LANGUAGES = {
    word: tuple(language for language, words in FUNCTION.items() if word in words)
    for word in frozenset().union(*FUNCTION.values())
}
"""By function word, the languages that have it."""

_LETTERS = re.compile(f"[{''.join(SCRIPTS.values())}]+")
_OF_SCRIPT = {name: re.compile(f"[{letters}]") for name, letters in SCRIPTS.items() if name != LATIN}
_BEYOND_LATIN = re.compile("[\u0370-\ud7ff]")
_LATIN_LETTER = re.compile(f"[{SCRIPTS[LATIN]}]")
_WORD = re.compile(r"[^\W\d_]+")
_ADDRESS = re.compile(r"\w+://\S+|www\.\S+|\S+@\S+|<[^<>]{1,200}>")


def _without_addresses(text: str) -> str:
    """Blank out addresses; where none of their signs is there, to look for them is dear and in vain."""
    return _ADDRESS.sub(" ", text) if any(sign in text for sign in ("@", "<", "www.", "://")) else text


def script_of(text: str) -> str:
    """Name the script in which most of a text is written; empty where it is too short or mixed."""
    text = _without_addresses(text[:LETTERS_READ])
    if not _BEYOND_LATIN.search(text):
        return LATIN if sum(1 for _ in islice(_LATIN_LETTER.finditer(text), MIN_LETTERS)) == MIN_LETTERS else ""
    latin = len(_LATIN_LETTER.findall(text))
    counts = {name: len(letters.findall(text)) * DENSE.get(name, 1) for name, letters in _OF_SCRIPT.items()}
    kana, han = counts["Japanese"] / DENSE["Japanese"], counts["Chinese"] / DENSE["Chinese"]
    if kana >= MIN_KANA_SHARE * (kana + han) and kana:
        counts["Japanese"] += counts.pop("Chinese")
    elif han:
        counts["Chinese"] += counts.pop("Japanese")
    counts[LATIN] = latin
    name = max(counts, key=lambda one: (counts[one], one))
    letters = sum(counts.values())
    return name if letters >= MIN_LETTERS and counts[name] >= MIN_SCRIPT_SHARE * letters else ""


def language_of(text: str) -> str:
    """Name the language of a text in Latin script; empty where it cannot be told for certain."""
    words = Counter(_WORD.findall(_without_addresses(text[:LETTERS_READ]).lower()))
    total = words.total()
    if total < MIN_WORDS:
        return ""
    found: dict[str, set[str]] = {}
    hits: Counter[str] = Counter()
    for word in words.keys() & _LANGUAGES.keys():
        for language in _LANGUAGES[word]:
            found.setdefault(language, set()).add(word)
            hits[language] += words[word]
    best = max(hits, key=lambda language: (hits[language], language), default="")
    if not best or hits[best] < MIN_SHARE * total:
        return ""
    for rival in (rival for rival in found if rival != best):
        own = found[best] - FUNCTION[rival]
        others = found[rival] - FUNCTION[best]
        times, against = (sum(words[word] for word in side) for side in (own, others))
        if len(own) < MIN_DIFFERENT or against > MAX_RIVAL_SHARE * times:
            return ""
    return best
