"""What is a secret or personal, what only looks like it, and that nothing of it is shown."""

import json
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doctor.evidence import suspects
from doctor.evidence.secrets import redacted, secrets_in
from doctor.masking import without_secrets
from doctor.model import Severity
from doctor.testing import judge
from doctor_checks.text import secrets_and_pii

LETTERS = "q7Zk2VwX9rTb4LmN8cPd6HsJ"

REAL = {
    "key of a service": ["hf_" + LETTERS, "AKIA" + "Q7ZK2VWX9RTB4LMN", "ghp_" + LETTERS + "3fGh5KqW"],
    "private key": ["-----BEGIN RSA PRIVATE KEY-----\n" + (LETTERS + "\n") * 6 + "-----END RSA PRIVATE KEY-----"],
    "web token": ["eyJ" + LETTERS + "." + "eyJ" + LETTERS + "." + LETTERS],
    "bearer token": ["Authorization: Bearer " + LETTERS],
    "password": ["the password: Tulip47!boat", "API_KEY=" + LETTERS],
    "password in a URL": ["postgresql://anna:Tulip47boat@db.internal/sales"],
    "e-mail address": ["write to anna.berg@posteo.de, please"],
    "phone number": ["call +49 30 901820 tonight", "or (030) 9018 2033"],
    "card number": ["paid with 4539 1488 0343 6467"],
    "bank account": ["to DE89 3704 0044 0532 0130 00 by Friday", "GB29NWBK60161331926819"],
    "identity number": ["her number is 11010519491231002X"],
}
ONLY_LOOKS_SO = [
    "hf_xxxxxxxxxxxxxxxxxxxxxxxx",
    "sk-your-key-goes-here-please",
    "AKIAIOSFODNN7EXAMPLE",
    "hf_000000000000000000000000",
    "password: changeme123",
    "the secret: never give up on what you love",
    "token = tokenizer.encode(text)[0]",
    "password=os.environ['DB_PASSWORD_2']",
    "password: ********",
    "mysql://user:password@host/db",
    "postgresql://${USER}:${PASS1}@host/db",
    "mail user@example.com or test@mail.example.org",
    "call 555-0134 now",
    "212-555-0134",
    "4539 1488 0343 6468",
    "4111 1111 1111 1111",
    "DE89 3704 0044 0532 0130 01",
    "110105194912310021",
    "@anna said 1998 was 25.4 % better than 1997.2345",
    "see DFARS 252.227-7014(a)(1)",
    "pi is 3.14159265358979323846",
    "order 2023-11-05-000123456",
]


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in REAL.items() for text in texts])
def test_what_is_real_is_found_by_its_kind_and_taken_out(kind: str, text: str) -> None:
    said = f"Dear all, {text} and so on."
    assert [found for found, _ in secrets_in(said)] == [kind]
    clean = redacted(said, [kind])
    assert f"<{kind}>" in clean
    assert secrets_in(clean) == []


@pytest.mark.parametrize("text", ONLY_LOOKS_SO)
def test_what_only_looks_like_it_is_not(text: str) -> None:
    assert secrets_in(f"Dear all, {text} and so on.") == []


@given(st.lists(st.sampled_from([text for texts in REAL.values() for text in texts] + ONLY_LOOKS_SO), max_size=4))
def test_what_is_masked_stays_as_it_is(pieces: list[str]) -> None:
    once = without_secrets(", ".join(pieces))
    assert without_secrets(once) == once


def rows(tmp_path: Path, texts: list[str]) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"text": text, "n": i}) + "\n" for i, text in enumerate(texts)))
    return path


def test_findings_show_the_place_and_nothing_of_the_secret(tmp_path: Path) -> None:
    said = [f"We met {word} people and talked about the weather." for word in string.ascii_lowercase * 4]
    path = rows(tmp_path, [*said, *(f"Here you are: {texts[0]} — keep it." for texts in REAL.values())])
    judged = judge(secrets_and_pii, path)
    assert {finding.evidence["kind"] for finding in judged.findings} == {"secrets", "numbers"}
    shown = " ".join(excerpt.text for finding in judged.findings for excerpt in finding.excerpts)
    assert judged.findings[0].excerpts[0].place.startswith("row 1")
    for texts in REAL.values():
        ((_, (start, end)),) = secrets_in(texts[0])
        assert texts[0][start + 3 : end] not in shown
    for finding in judged.findings:
        for excerpt in finding.excerpts:
            ((start, end),) = excerpt.spans
            assert excerpt.text[start:end].endswith("•••")


def test_a_column_of_addresses_is_a_remark_and_addresses_in_texts_a_warning(tmp_path: Path) -> None:
    mails = [f"person{i}@posteo.de" for i in range(60)]
    table = tmp_path / "customers.csv"
    table.write_text("mail,age\n" + "".join(f"{mail},{30 + i % 9}\n" for i, mail in enumerate(mails)))
    (finding,) = judge(secrets_and_pii, table).findings
    assert (finding.severity, finding.at.columns) == (Severity.INFO, ("mail",))
    (finding,) = judge(
        secrets_and_pii, rows(tmp_path, [f"you can write to {mail} if you like" for mail in mails])
    ).findings
    assert finding.severity is Severity.WARNING


def test_what_stands_behind_many_that_only_look_like_one_is_found() -> None:
    text = " ".join(f"mail{number}@example.com" for number in range(60)) + " anna.koller@gmail.com"
    assert [kind for kind, _ in secrets_in(text)] == ["e-mail address"]


def test_all_of_many_are_redacted() -> None:
    text = " and ".join(f"anna{number}@gmail.com" for number in range(60))
    assert redacted(text, ["e-mail address"]) == " and ".join(["<e-mail address>"] * 60)


def test_a_key_is_found_where_so_many_texts_hold_addresses_that_these_are_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suspects, "MAX_CELLS", 5)
    texts = [f"Please write to anna{number}@gmail.com about the boat we saw." for number in range(200)]
    texts[77] += f" api_key = {LETTERS}"
    path = tmp_path / "texts.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    told = {finding.evidence["kind"]: finding.evidence for finding in judge(secrets_and_pii, path).findings}
    assert (told["secrets"]["cells"], told["secrets"]["estimated"]) == (1, False)
    assert told["contacts"]["estimated"]
