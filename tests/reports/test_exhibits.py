"""Thumbnails and pieces of text beside findings, in the formats that can show them."""

import base64
import io
import re

import pytest
from PIL import Image
from report_examples import healthy_examinations, make_report, missing

from doctor.model import Cluster, Excerpt, Report, Thumbnail
from doctor_reports import html, markdown, text
from doctor_reports.exhibits import galleries, marked, parts, reviewed
from doctor_reports.masking import masked


def jpeg(width: int = 40, height: int = 30, color: str = "teal") -> str:
    written = io.BytesIO()
    Image.new("RGB", (width, height), color).save(written, "JPEG")
    return base64.b64encode(written.getvalue()).decode("ascii")


def showing(*thumbnails: Thumbnail, excerpts: tuple[Excerpt, ...] = ()) -> Report:
    finding = missing("a", 0.5).showing(thumbnails=thumbnails, excerpts=excerpts)
    return make_report([finding], healthy_examinations())


def test_a_thumbnail_is_in_the_page_itself_and_the_policy_allows_no_other_picture() -> None:
    page = html.render(showing(Thumbnail(file="a&b.jpg", jpeg=jpeg(), caption="left <half>")))
    assert f'<img src="data:image/jpeg;base64,{jpeg()}" alt="Thumbnail 1"><span>a&amp;b.jpg</span>' in page
    assert "left &lt;half&gt;" in page
    assert re.search(r"Content-Security-Policy\" content=\"[^\"]*; img-src data:; base-uri", page)
    assert "img-src" not in html.render(showing())


def test_a_large_thumbnail_is_not_cut_as_long_words_are() -> None:
    noise = Image.effect_noise((160, 160), 90)
    written = io.BytesIO()
    noise.save(written, "JPEG", quality=95)
    content = base64.b64encode(written.getvalue()).decode("ascii")
    assert len(content) > 10_000
    assert content in html.render(showing(Thumbnail(file="a.jpg", jpeg=content)))


@pytest.mark.parametrize(
    "content",
    [
        "",
        "no base64",
        '"><script>alert(1)</script>',
        base64.b64encode(b"<svg onload=alert(1)>").decode(),
        "/9j/" * 30_000,
    ],
)
def test_what_is_no_small_jpeg_is_not_shown(content: str) -> None:
    page = html.render(showing(Thumbnail(file="a.jpg", jpeg=content)))
    assert "<img" not in page
    assert "<script" not in page


def test_pictures_of_one_number_stand_side_by_side_and_single_ones_in_a_row() -> None:
    numbers = (("a", 2), ("b", 1), ("c", 2), ("d", 3))
    pictures = [Thumbnail(file=name, jpeg=jpeg(), group=group) for name, group in numbers]
    finding = missing("a", 0.5).showing(thumbnails=pictures)
    assert [[one.file for one in group.thumbnails] for group in galleries(finding)] == [["a", "c"], ["b", "d"]]
    assert [group.together for group in galleries(finding)] == [True, False]
    alone = missing("a", 0.5).showing(thumbnails=[Thumbnail(file=str(n), jpeg=jpeg(), group=n) for n in range(3)])
    assert [(len(group.thumbnails), group.together) for group in galleries(alone)] == [(3, False)]


def test_clusters_of_a_review_are_folded_and_say_what_they_have_in_common() -> None:
    pictures = [Thumbnail(file=f"<{n}>.jpg", jpeg=jpeg(), caption="cat & dog") for n in range(2)]
    clusters = [Cluster(number=4, title="cat, looks like <b>", thumbnails=pictures), Cluster(number=5, title="none")]
    report = make_report([missing("a", 0.5).showing(review=clusters)], healthy_examinations())
    page = html.render(report)
    assert "Review 2 images in 1 cluster, most doubtful first" in page
    assert 'cat, looks like &lt;b&gt; <span class="told">cluster 4, 2 images</span>' in page
    assert '<span>&lt;1&gt;.jpg</span> <span class="told">cat &amp; dog</span>' in page
    assert "; img-src data:; base-uri" in page
    assert masked(report).findings[0].review[0].thumbnails[0].jpeg == jpeg()


def test_a_review_is_bounded_and_shows_small_jpegs_alone() -> None:
    pictures = [Thumbnail(file="a", jpeg="no picture"), *[Thumbnail(file="b", jpeg=jpeg())] * 250]
    clusters = [Cluster(number=number, title="cats", thumbnails=pictures) for number in (1, 2, 3)]
    shown = reviewed(missing("a", 0.5).showing(review=clusters))
    assert [(cluster.number, len(cluster.thumbnails)) for cluster in shown] == [(1, 250), (2, 150)]
    assert {one.file for cluster in shown for one in cluster.thumbnails} == {"b"}


def test_marks_are_where_the_spans_are_whatever_order_they_come_in() -> None:
    excerpt = Excerpt(place="a.txt", text="one two three", spans=[(8, 99), (4, 7), (5, 6)])
    assert list(parts(excerpt)) == [("one ", False), ("two", True), (" ", False), ("three", True), ("", False)]
    assert marked(excerpt) == "one «two» «three»"


def test_pieces_of_text_are_words_in_every_format() -> None:
    hostile = Excerpt(place="a<b>.txt, line 3", text="<b>x</b>\n@here Ã¼ber", spans=[(15, 17)])
    report = showing(excerpts=(hostile,))
    page = html.render(report)
    assert "&lt;b&gt;x&lt;/b&gt;<br>" in page
    assert "<mark>Ã¼</mark>" in page
    assert "«Ã¼»ber" in text.render(report)
    written = markdown.render(report)
    assert "<b>x" not in written
    assert "@here" not in written


def test_a_secret_in_a_piece_of_text_is_masked_and_the_marks_stay_in_place() -> None:
    words = "write to ada.lovelace@example.org about Ã¼ber"
    begin = words.index("Ã¼")
    shown = masked(showing(excerpts=(Excerpt(place="a", text=words, spans=[(begin, begin + 2)]),)))
    [excerpt] = shown.findings[0].excerpts
    assert "lovelace" not in excerpt.text
    [(first, last)] = excerpt.spans
    assert excerpt.text[first:last] == "Ã¼"
    assert shown == masked(shown)


def test_a_secret_across_the_border_of_a_mark_is_masked_without_the_mark() -> None:
    words = "key hunter: ada.lovelace@example.org"
    shown = masked(showing(excerpts=(Excerpt(place="a", text=words, spans=[(12, 15)]),)))
    assert "lovelace" not in shown.findings[0].excerpts[0].text


def test_a_thumbnail_goes_through_masking_whole() -> None:
    content = jpeg(160, 120, "orange")
    assert content == masked(showing(Thumbnail(file="a.jpg", jpeg=content))).findings[0].thumbnails[0].jpeg
