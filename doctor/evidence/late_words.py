"""Words in a column's name that say when its value becomes known: with the outcome, or by plan.

English first; a few German, French, Spanish, Italian, Portuguese and Dutch words, without their accents.
"""

import unicodedata
from itertools import pairwise

from msgspec import Struct

from doctor.evidence.keys import words_of

_SETTLED = """
    paid repaid unpaid recovered recovery recoveries collected refund refunded refunds reimbursed settled settlement
    pymnt chargeoff chargedoff writeoff writtenoff
    bezahlt gezahlt zuruckgezahlt erstattet paye payee rembourse pagado pagato pago reembolsado rimborsato betaald
"""
_ENDED = """
    outcome outcomes verdict disposition resolution resolved closed closing finished completed completion ended
    terminated termination cancelled canceled cancellation discharged discharge returned delivered shipped
    churned exited deceased died death autopsy convicted sentenced rejected accepted awarded reoccurrence relapse
    ergebnis ausgang abgeschlossen geschlossen erledigt gekundigt kundigung beendet entlassen entlassung verstorben
    resultat cloture annule annulee resilie resiliee resiliation deces
    resultado cerrado cancelado fallecido cierre esito chiuso annullato deceduto decesso encerrado uitkomst afgesloten
    opgezegd overleden
"""
_AFTER = "after followup afterwards actual final"
_LASTING = "duration elapsed dauer durata duree duracion duracao"
_STATES = "status statut"
_LEFT = "balance outstanding remaining"
_SPANS = "time futime survtime survivaltime stime eventtime"
_EVENTS = "status fustat event death dead died censored censor cens survival relapse"
_PLANNED = """
    due expected planned scheduled schedule deadline expiry expires expiration valid renewal next estimated promised
    maturity until target plan forecast budget contractual requested desired preferred faellig fallig geplant prevu
"""
_STANDING = """
    marital civil personal family familial relationship employment employee job work working occupation
    smoking smoker drinking alcohol housing home residence residency immigration citizenship veteran insurance student
    education economic socio ses socioeconomic membership member gender vaccination health nutritional menopausal
    performance hormone receptor mutation disability verification verified previous prior initial existing checking
    account savings
"""
_AGREED = "loan credit term contract plan warranty course film movie track song video lease subscription months trip"
_BEFORE = """
    prior previous past history last earlier former parental father mother num number count total12 bureau
    external since delinq historical
"""

SETTLED, ENDED, AFTER, LASTING, STATES, LEFT, PLANNED, STANDING, AGREED, BEFORE, SPANS, EVENTS = (
    frozenset(words.split())
    for words in (
        *(_SETTLED, _ENDED, _AFTER, _LASTING, _STATES, _LEFT, _PLANNED, _STANDING, _AGREED, _BEFORE),
        *(_SPANS, _EVENTS),
    )
)
PAIRS = {
    ("charge", "off"),
    ("charged", "off"),
    ("write", "off"),
    ("written", "off"),
    ("follow", "up"),
    ("total", "payment"),
    ("final", "payment"),
    ("last", "payment"),
    ("talk", "time"),
    ("handle", "time"),
    ("handling", "time"),
    ("time", "to"),
    ("time", "until"),
    ("days", "to"),
    ("days", "until"),
    ("length", "stay"),
    ("case", "result"),
    ("final", "result"),
    ("end", "date"),
    ("close", "date"),
    ("date", "close"),
    ("exit", "date"),
}
"""Two words that say so together, side by side or with one word between them."""


class LateWord(Struct, frozen=True, kw_only=True):
    """What in a name says that the value comes late.

    Attributes
    ----------
    word : str
        As it stands in the name.
    certain : bool
        Whether the word means little else; its neighbours in meaning are then suspected with it.
    company : bool
        Whether it means this only beside columns of money that was paid or recovered.
    """

    word: str
    certain: bool
    company: bool = False


def words_in(name: str) -> list[str]:
    """Split a name into lower-case words without accents."""
    plain = unicodedata.normalize("NFKD", name)
    return words_of("".join(letter for letter in plain if not unicodedata.combining(letter)))


def late_word(name: str) -> LateWord | None:
    """Return what in a column's name says that it is known only after the outcome; None where nothing does."""
    words = words_in(name)
    known = set(words)
    if known & (PLANNED - {"until"}) or known & (BEFORE - {"last"}):
        return None
    near = {*pairwise(words), *zip(words, words[2:], strict=False)}
    pair = next((pair for pair in sorted(near) if pair in PAIRS), None)
    if pair:
        return LateWord(word=" ".join(pair), certain=True)
    if known & {"last", "until"}:
        return None
    for word in words:
        if word in SETTLED:
            return LateWord(word=word, certain=True)
        if word in ENDED or (word in AFTER and len(words) > 1):
            return LateWord(word=word, certain=False)
        if word in LASTING and not known & AGREED:
            return LateWord(word=word, certain=False)
        if word in STATES and not known & STANDING:
            return LateWord(word=word, certain=False)
        if word in LEFT and not known & STANDING:
            return LateWord(word=word, certain=False, company=True)
    return None


def follow_up(name: str, target: str) -> LateWord | None:
    """Return the name of a column of spans that end with the event, beside a target that says whether it came."""
    said = "".join(words_in(name))
    if said in SPANS and set(words_in(target)) & EVENTS:
        return LateWord(word=name, certain=False)
    return None


def planned(name: str) -> bool:
    """Whether a name speaks of something foreseen, such as a due date."""
    return bool(set(words_in(name)) & PLANNED)
