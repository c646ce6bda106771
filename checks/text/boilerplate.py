"""Sentences and lines that stand word for word in many texts that are otherwise different.

What it finds
    Headers, footers, cookie notices, licences, disclaimers, signatures and prompt templates: lines and sentences that
    are the same in at least 1 % of the different texts of a column (and in 10), while the texts say something else
    too. Told are the share of the texts that have some, the share of all letters that these pieces take, and the
    longest and commonest passages, where they stand. Texts that are copies of each other are left to
    duplicates/duplicate-texts and duplicates/near-duplicate-texts: equal texts count once, and a text of which less
    than a fifth is its own counts only where a fifth of all texts is like that.

Why it matters
    A model of language learns best what it reads most often: it will recite the cookie notice and sign with a
    stranger's name. Steps and memory are spent on what carries nothing, texts with the same footer look alike to every
    measure of similarity, and a classifier takes the footer of a source for the label that this source happens to have.

What to do
    Strip these pieces where texts are taken from their source; `doctor fix --unsafe` cuts them out of a copy. Keep
    what the texts are meant to have, such as the form of a report or the prompt that is also used later, and leave it
    out of the loss.

Thresholds
    min_letters_share: share of all letters of a column's different texts that such pieces take, from which they are
    mentioned (0.02).
    min_warning_share: share from which they are a warning and not a remark (0.20).
    max_prompt_share: share of the texts up to which the same is a warning in a column of prompts; a piece in more of
    them is how the model is meant to be asked (0.5).

Calibration
    Of 2,000 letters nothing is repeated; a footer of two lines under .5 % of them is not told, under 2, 10, 50 and
    100 % it takes .4, 1.9, 8.5 and 15.8 % of the letters. 20 to 1,000 letters with 2 to 100 near copies each, 2,000
    texts put together from a pool of 30 sentences, and lines of a log give nothing. In docstrings it is 3.8 % of the
    letters for scikit-learn ("Not used, present for API consistency by convention.") and 1.2 % for pandas (`python
    bench/calibrate_texts.py boilerplate`); in the programs of transformers, with a licence at the top of each, 7 %.

Limits
    Pieces are compared word for word: a footer with another date or name in each text is missed, and so are passages
    that run on without a line break or the end of a sentence. Lines of code, the system turns of conversations and the
    marks of chat templates do not count. Whether a form is wanted cannot be told from the texts. Of very many texts a
    part is read, drawn by their content.

Source
    C. Raffel et al., Exploring the limits of transfer learning, JMLR 21, 2020, section 2.2: repeated lines and notices
    are taken out of web pages; K. Lee et al., Deduplicating training data makes language models better, ACL 2022.
"""

from collections.abc import Iterator

from doctor.evidence.boilerplate import MIN_TEXTS, Boilerplate, Repeated
from doctor.model import Advise, AnyRepair, Check, Excerpt, Finding, Location, RewriteCells, Safety, Severity, Undecided

CHECK = Check(
    "text/boilerplate",
    Severity.WARNING,
    "{column}: {holding:,} of {texts:,} different texts ({text_share:.0%}) repeat lines or sentences of others word "
    "for word, {letters_share:.0%} of all letters, such as {example}",
)
MAX_EXAMPLE = 60


def examine(
    boilerplate: Boilerplate,
    *,
    min_letters_share: float = 0.02,
    min_warning_share: float = 0.20,
    max_prompt_share: float = 0.5,
) -> Iterator[Finding | Undecided]:
    """Report each column by how much of it is repeated."""
    if boilerplate.most_texts < MIN_TEXTS:
        few = f"{boilerplate.most_texts:,} different texts are too few to tell what is repeated (needed: {MIN_TEXTS})"
        yield CHECK.unavailable(few)
    for column in boilerplate.columns:
        if column.letters_share >= min_letters_share:
            wanted = column.part == "prompt" and column.widest_share > max_prompt_share
            grave = column.letters_share >= min_warning_share and not wanted
            yield _finding(column, Severity.WARNING if grave else Severity.INFO)


def _finding(column: Repeated, severity: Severity) -> Finding:
    first = column.passages[0].said
    finding = CHECK.finding(
        severity=severity,
        at=Location(columns=(column.column,)),
        texts=column.texts,
        holding=column.holding,
        text_share=column.holding / column.texts,
        letters_share=column.letters_share,
        widest_share=column.widest_share,
        pieces=column.pieces,
        example=f"“{first if len(first) <= MAX_EXAMPLE else first[:MAX_EXAMPLE].rstrip() + '…'}”",
        passages=[{"said": one.said, "texts": one.texts, "letters": one.letters} for one in column.passages],
        estimated=column.drawn,
        repair=_repair(column),
    )
    shown = [one for one in column.passages if one.text]
    return finding.showing(excerpts=[Excerpt(place=one.place, text=one.text, spans=list(one.spans)) for one in shown])


def _repair(column: Repeated) -> AnyRepair:
    if not column.plain or column.pieces > len(column.marks):
        return Advise(safety=Safety.MANUAL, summary="strip these lines and sentences where the texts are read")
    return RewriteCells(columns=(column.column,), cut=column.marks, summary="cut these lines and sentences out")
