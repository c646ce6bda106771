"""Which columns of means target-encoding finds, and which it leaves alone."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.model_selection import KFold
from sklearn.preprocessing import TargetEncoder

from doctor.model import Outcome
from doctor.testing import Judgement, judge
from doctor_checks.leakage import target_encoding

ROWS = 1500


@pytest.fixture
def shops() -> pd.DataFrame:
    random = np.random.default_rng(8)
    shop = random.zipf(1.3, ROWS).clip(max=400)
    drive = random.normal(size=401)[shop]
    return pd.DataFrame(
        {
            "shop": [f"s{number:03d}" for number in shop],
            "amount": np.round(random.gamma(2.0, 20.0, ROWS), 2),
            "y": (random.random(ROWS) < 1 / (1 + np.exp(-0.7 * drive))).astype(int),
        }
    )


def of(frame: pd.DataFrame, **options: Any) -> Judgement:
    return judge(target_encoding, pa.Table.from_pandas(frame, preserve_index=False), target="y", **options)


@pytest.mark.parametrize("decimals", [3, 12])
def test_the_mean_of_the_rows_own_labels(shops: pd.DataFrame, decimals: int) -> None:
    shops["code"] = shops.groupby("shop")["y"].transform("mean").round(decimals)
    (finding,) = of(shops).findings
    assert (finding.evidence["kind"], finding.at.columns, finding.severity) == ("mean", ("code",), "error")
    assert finding.evidence["key"] in ("shop", None)


def test_means_of_words_and_of_quantities(shops: pd.DataFrame) -> None:
    shops["y"] = np.where(shops["y"] == 1, "won", "lost")
    shops["code"] = (shops["y"] == "lost").groupby(shops["shop"]).transform("mean")
    (finding,) = of(shops).findings
    assert finding.evidence["meant"] == "share of y = lost"
    shops["y"] = shops["amount"]
    shops["code"] = shops.groupby("shop")["y"].transform("mean")
    (finding,) = of(shops).findings
    assert finding.evidence["meant"] == "mean of y"


def test_a_smoothed_mean_is_found_with_its_weight(shops: pd.DataFrame) -> None:
    by = shops.groupby("shop")["y"]
    shops["code"] = (by.transform("sum") + 10 * shops["y"].mean()) / (by.transform("count") + 10)
    (finding,) = of(shops).findings
    assert finding.evidence["kind"] == "smoothed"
    assert finding.evidence["prior_rows"] == pytest.approx(10, rel=1e-3)


def test_leaving_the_row_out_is_found_too(shops: pd.DataFrame) -> None:
    by = shops.groupby("shop")["y"]
    count = by.transform("count")
    shops["code"] = ((by.transform("sum") - shops["y"]) / (count - 1)).where(count > 1, shops["y"].mean())
    (finding,) = of(shops).findings
    assert (finding.evidence["kind"], finding.evidence["key"]) == ("leave-one-out", "shop")


def test_encodings_made_fold_by_fold_are_right(shops: pd.DataFrame) -> None:
    encoder = TargetEncoder(target_type="binary", cv=KFold(5, shuffle=True, random_state=0))
    shops["code"] = encoder.fit_transform(shops[["shop"]], shops["y"])[:, 0]
    assert of(shops).outcome is Outcome.HEALTHY


def test_means_of_other_rows_are_right(shops: pd.DataFrame) -> None:
    past, now = shops.iloc[: ROWS // 2], shops.iloc[ROWS // 2 :].copy()
    now["code"] = now["shop"].map(past.groupby("shop")["y"].mean())
    assert of(now).outcome is Outcome.HEALTHY


def test_only_the_training_rows_were_averaged(shops: pd.DataFrame) -> None:
    means = shops.iloc[:1000].groupby("shop")["y"].mean()
    shops["code"] = shops["shop"].map(means).fillna(0.5)
    halves = {"train": shops.iloc[:1000], "test": shops.iloc[1000:]}
    (finding,) = judge(target_encoding, halves, target="y").findings
    assert finding.evidence["scope"] == "of train"
    shops["code"] = shops.groupby("shop")["y"].transform("mean")
    (finding,) = judge(target_encoding, {"train": shops.iloc[:1000], "test": shops.iloc[1000:]}, target="y").findings
    assert finding.evidence["scope"] == "all rows"


def test_a_calibrated_guess_is_no_encoding() -> None:
    random = np.random.default_rng(9)
    guess = np.round(random.random(20_000), 1)
    frame = pd.DataFrame({"guess": guess, "y": (random.random(20_000) < guess).astype(int)})
    assert of(frame).outcome is Outcome.HEALTHY


def test_the_target_itself_is_another_check_s_concern(shops: pd.DataFrame) -> None:
    shops["code"] = shops["amount"]
    shops["y"] = shops["amount"]
    assert of(shops).outcome is Outcome.HEALTHY


def test_large_categories_leak_less() -> None:
    random = np.random.default_rng(10)
    frame = pd.DataFrame({"city": random.choice(list("abcdefgh"), 4000), "y": random.integers(0, 2, 4000)})
    frame["code"] = frame.groupby("city")["y"].transform("mean")
    (finding,) = of(frame).findings
    assert finding.severity == "warning"


def test_all_rows_are_asked_where_only_some_are_drawn(shops: pd.DataFrame) -> None:
    many = pd.concat([shops] * 4, ignore_index=True)
    many["amount"] += np.arange(len(many)) * 1000.0
    many["code"] = many.groupby("shop")["y"].transform("mean")
    (finding,) = of(many, sample_rows=2000).findings
    assert finding.evidence["rows"] == len(many)
