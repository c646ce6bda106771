"""Keys, passwords and personal data in texts.

What it finds
    Three groups, one finding each, with all columns that hold some: keys, tokens and passwords; numbers of cards, bank
    accounts and identity cards; e-mail addresses and phone numbers.

Why it matters
    A model of language repeats what it has read, word for word where it was read often: keys and card numbers that were
    trained on can be asked for. Personal data that people did not give for this must be taken out when they ask for it,
    which is no longer possible after the training.

What to do
    Take keys back where they were issued; they are known by now. `doctor fix` writes the name of the kind in place of
    each, such as <e-mail address>. Where the data is to be published, look for names and addresses too.

Thresholds
    min_secrets: cells with keys, tokens or passwords from which they are told (1).
    min_numbers: the same for numbers whose check sum is right (1).
    min_contacts: the same for e-mail addresses and phone numbers, which also stand under letters and on web pages (5).
    min_contact_share: share of a column of free text from which these are a warning and not a remark (0.01).

Calibration
    On 49 public tables, 2 of them messages of real people, nothing was told but 10 of 5,574 short messages with an
    address or a number. Of 14 forms planted in letters all were found, and of 22 that only look like one (placeholders,
    wrong check sums, reserved domains, code) none (`tests/evidence/test_secrets.py`).

Limits
    Names, streets and dates of birth have no form and are not seen; nor are passwords without the word before them, and
    phone numbers without a country's or an area's code. Tables are looked at as well as texts: a column of e-mail
    addresses in a table of customers is a remark. Where more than 20,000 cells hold addresses, these
    are drawn and the others estimated; keys and numbers are looked for in all, up to as many. In tables of 500,000 rows
    and more, columns that are no free text are read whole only where drawn rows hold some. What is shown is masked,
    here and in every report.

Source
    N. Carlini et al., Extracting training data from large language models, 2021. Check sums: ISO/IEC 7812-1 for cards,
    ISO 13616 for bank accounts, GB 11643-1999 for identity numbers.
"""

from collections.abc import Iterator, Sequence

from doctor.evidence.secrets import GROUPS, Holding, Secrets
from doctor.model import Advise, AnyRepair, Check, Finding, Location, RewriteCells, Safety, Severity

CHECK = Check(
    "text/secrets-and-pii",
    Severity.WARNING,
    {
        "secrets": "{column}: {cells:,} of {of:,} cells hold keys or passwords ({kinds})",
        "numbers": "{column}: {cells:,} of {of:,} cells hold numbers of cards, accounts or identity cards ({kinds})",
        "contacts": "{column}: {cells:,} of {of:,} cells hold e-mail addresses or phone numbers ({kinds})",
    },
)
MAX_EXCERPTS = 4


def examine(
    secrets: Secrets,
    *,
    min_secrets: int = 1,
    min_numbers: int = 1,
    min_contacts: int = 5,
    min_contact_share: float = 0.01,
) -> Iterator[Finding]:
    """Report each group once."""
    least = {"secrets": min_secrets, "numbers": min_numbers, "contacts": min_contacts}
    for group, floor in least.items():
        held = [holding for holding in secrets.holdings if holding.group == group and holding.cells >= floor]
        if not held:
            continue
        grave = group != "contacts" or any(one.free and one.cells >= min_contact_share * one.of for one in held)
        yield _finding(group, held, Severity.WARNING if grave else Severity.INFO)


def _finding(group: str, held: Sequence[Holding], severity: Severity) -> Finding:
    counts = {kind: sum(one.kinds.get(kind, 0) for one in held) for kind in GROUPS[group]}
    samples = [sample for one in held for sample in one.samples][:MAX_EXCERPTS]
    return CHECK.finding(
        group,
        severity=severity,
        at=Location(columns=tuple(one.column for one in held)),
        cells=sum(one.cells for one in held),
        of=sum(one.of for one in held),
        kinds=", ".join(f"{kind} {count:,}" for kind, count in counts.items() if count),
        cells_by_column={one.column: one.cells for one in held},
        largest_share=max(one.cells / one.of for one in held),
        estimated=any(one.drawn for one in held),
        repair=_repair(group, held),
    ).showing(excerpts=samples)


def _repair(group: str, held: Sequence[Holding]) -> AnyRepair:
    texts = tuple(one.column for one in held if one.plain and one.free)
    if not texts:
        return Advise(safety=Safety.MANUAL, summary="ask whether the model needs these, and leave them out otherwise")
    return RewriteCells(columns=texts, mend=GROUPS[group], summary="write the name of the kind in place of each")
