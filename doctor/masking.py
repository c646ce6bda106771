"""Hides secrets and personal data in a text.

Masked are e-mail addresses, phone-like and card-like numbers, keys and tokens of known services, values that stand
after a word such as `password=`, credentials in URLs, and long random-looking strings. Enough is left of each to
recognise it by, and what was masked stays as it is when it is masked again.
"""

import re
from collections.abc import Callable

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
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
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
_CARD = re.compile(r"(?<![\d.])(?:\d[ -]?){12,18}\d(?![\d.])")
_ISSUED = re.compile(r"4\d{12}(?:\d{3})?|(?:5[1-5]|2[2-7]|35)\d{14}|3[47]\d{13}|6(?:011|5\d\d)\d{12}|62\d{14,17}")
"""Lengths and first digits that the card networks use (ISO/IEC 7812)."""
_PHONE = re.compile(
    r"(?<![\w.+])(?:"
    r"\+\d{1,3}[ .\-]?(?:\(\d{1,4}\)[ .\-]?)?\d(?:[ .\-]?\d){5,12}"  # international
    r"|\(\d{2,5}\)[ .\-]?\d{2,4}(?:[ .\-]?\d){3,7}"  # area code in brackets
    r"|\d{3}[.\-]\d{3}[.\-]\d{4}"  # North America
    r"|1[3-9]\d{9}"  # Chinese mobile
    r")(?![\w]|\.\d)"
)


def without_secrets(text: str) -> str:
    """Return a text in which secrets and personal data are masked."""
    if len(text) >= MIN_LETTERS:
        for pattern, replacement in _RULES:
            text = pattern.sub(replacement, text)
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


_RULES: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (_PRIVATE_KEY, "-----BEGIN PRIVATE KEY----- •••"),
    (_URL_CREDENTIALS, "•••:•••@"),
    (_JSON_WEB_TOKEN, _ends),
    (_SERVICE_KEY, _ends),
    (_BEARER, r"\1•••"),
    (_NAMED_SECRET, r"\1•••"),
    (_RANDOM, _random),
    (_EMAIL, r"\1•••@\2"),
    (_CARD, _card),
    (_PHONE, _phone),
)
