"""Hides secrets and personal data in a text.

Masked are e-mail addresses, numbers of phones, cards, bank accounts and identity cards, keys and tokens of known
services, values that stand after a word such as `password=`, credentials in URLs, and long random-looking strings.
Enough is left of each to recognise it by, and what was masked stays as it is when it is masked again.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

MIN_LETTERS = 6
MAX_RANDOM_PIECE = 2.8
"""Mean length of the pieces (a word, capitals, digits) of which a random string is made; it is 2 for random base64 and
about 4 for paths and names in camel case."""

_PIECE = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_SERVICE_KEY = re.compile(
    r"\b(?:sk-|sk_live_|rk_live_|gh[opsur]_|github_pat_|glpat-|hf_|xox[abprs]-|AKIA|ASIA|AIza|npm_|pypi-)"
    r"[A-Za-z0-9_\-]{10,}"
)
_JSON_WEB_TOKEN = re.compile(r"\beyJ[A-Za-z0-9_\-]{6,}\.[A-Za-z0-9_\-]{6,}\.[A-Za-z0-9_\-]*")
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?! •••).*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
)
_NAMED_SECRET = re.compile(
    r"(?i)\b((?:password|passwd|secret|token|api[_-]?key|access[_-]?key|auth[_-]?token)[\"']?\s*[=:]\s*[\"']?)"
    r"([^\s\"'&,;]{6,})"
)
_BEARER = re.compile(r"(?i)\b(bearer\s+)([A-Za-z0-9._~+/\-]{10,}=*)")
_URL_CREDENTIALS = re.compile(r"(?<=://)([^\s/:@]{1,200}):([^\s/@]{1,200})@")
_RANDOM = re.compile(r"(?<![A-Za-z0-9+/_\-])[A-Za-z0-9+/_\-]{32,}={0,2}")
_EMAIL = re.compile(
    r"(?<!://)(?<![A-Za-z0-9._%+\-])"  # the user of a database's address is no mailbox
    r"([A-Za-z0-9_])[A-Za-z0-9._%+\-]{0,63}@((?:[A-Za-z0-9\-]{1,63}\.)+[A-Za-z]{2,24})\b"
)
# Beside letters stand the digits of hashes, of which some have a right sum.
_CARD = re.compile(r"(?<![A-Za-z\d.])(?:\d[ -]?){12,18}\d(?![A-Za-z\d]|\.\d)")
_ISSUED = re.compile(r"4\d{12}(?:\d{3})?|(?:5[1-5]|2[2-7]|35)\d{14}|3[47]\d{13}|6(?:011|5\d\d)\d{12}|62\d{14,17}")
"""Lengths and first digits that the card networks use (ISO/IEC 7812)."""
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
_CHINESE_ID = re.compile(
    r"(?<![A-Za-z\d])[1-9]\d{5}(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dXx](?![A-Za-z\d])"
)
_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_PHONE = re.compile(
    r"(?<![\w.+])(?:"
    r"\+\d{1,3}[ .\-]?(?:\(\d{1,4}\)[ .\-]?)?\d(?:[ .\-]?\d){5,12}"  # international
    r"|\(\d{2,5}\)[ .\-]?\d{2,4}(?:[ .\-]?\d){3,7}"  # area code in brackets
    r"|\d{3}-\d{3}-\d{4}|\d{3}\.\d{3}\.\d{4}"  # North America
    r"|1[3-9]\d{9}"  # Chinese mobile
    r")(?![\w]|\.\d)"
)


def without_secrets(text: str) -> str:
    """Return a text in which secrets and personal data are masked."""
    if len(text) >= MIN_LETTERS:
        for rule in RULES:
            text = rule.pattern.sub(rule.replacement, text)
    return text


def _ends(match: re.Match[str]) -> str:
    return f"{match.group()[:4]}•••"


def _random(match: re.Match[str]) -> str:
    word = match.group()
    pieces = _PIECE.findall(word)
    mixed = all(re.search(letters, word) for letters in ("[a-z]", "[A-Z]", "[0-9]"))
    random = mixed and sum(map(len, pieces)) <= MAX_RANDOM_PIECE * len(pieces)
    return f"{word[:4]}•••" if random else word


def _card(match: re.Match[str]) -> str:
    number = re.sub(r"[ -]", "", match.group())
    digits = [int(digit) for digit in number]
    doubled = [sum(divmod(2 * digit, 10)) if place % 2 else digit for place, digit in enumerate(reversed(digits))]
    valid = _ISSUED.fullmatch(number) and sum(doubled) % 10 == 0  # the Luhn sum, ISO/IEC 7812-1
    return f"•••• {number[-4:]}" if valid else match.group()


def _phone(match: re.Match[str]) -> str:
    return f"{match.group()[:3]}•••{match.group()[-2:]}"


def _iban(match: re.Match[str]) -> str:
    number = match.group().replace(" ", "")
    digits = "".join(str(int(sign, 36)) for sign in number[4:] + number[:4])
    return f"{number[:4]}•••" if int(digits) % 97 == 1 else match.group()  # ISO 13616


def _chinese_id(match: re.Match[str]) -> str:
    number = match.group().upper()
    total = sum(int(digit) * weight for digit, weight in zip(number, _ID_WEIGHTS, strict=False))
    return f"{number[:3]}•••" if "10X98765432"[total % 11] == number[-1] else match.group()  # GB 11643-1999


class Rule(NamedTuple):
    """What is masked, what it is called, and what stands in its place; some matches turn out to be nothing."""

    kind: str
    pattern: re.Pattern[str]
    replacement: str | Callable[[re.Match[str]], str]


RULES = (
    Rule("private key", _PRIVATE_KEY, "-----BEGIN PRIVATE KEY----- •••"),
    Rule("password in a URL", _URL_CREDENTIALS, "•••:•••@"),
    Rule("web token", _JSON_WEB_TOKEN, _ends),
    Rule("key of a service", _SERVICE_KEY, _ends),
    Rule("bearer token", _BEARER, r"\1•••"),
    Rule("password", _NAMED_SECRET, r"\1•••"),
    Rule("random string", _RANDOM, _random),
    Rule("e-mail address", _EMAIL, r"\1•••@\2"),
    Rule("identity number", _CHINESE_ID, _chinese_id),
    Rule("card number", _CARD, _card),
    Rule("bank account", _IBAN, _iban),
    Rule("phone number", _PHONE, _phone),
)
"""In the order in which they are applied."""
