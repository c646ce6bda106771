"""Ranks labels by cleanlab; run by `label_noise.py` under the Python of an environment that has it.

Reads JSON from stdin: data, labels, fold, and probabilities of another model. Prints the quality of each label by
cleanlab's score on out-of-fold probabilities over the same folds.
"""

import json
import sys

import numpy as np
from cleanlab.rank import get_label_quality_scores
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

told = json.load(sys.stdin)
data, labels, fold = (np.array(told[name]) for name in ("data", "labels", "fold"))
chances = {"cleanlab on our probabilities": np.array(told["ours"])}
models = {
    "cleanlab, logistic regression": make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
    "cleanlab, gradient boosting": HistGradientBoostingClassifier(max_iter=30, random_state=0),
    "cleanlab, random forest": RandomForestClassifier(100, random_state=0),
}
for name, model in models.items():
    found = np.zeros((len(labels), labels.max() + 1))
    for number in np.unique(fold):
        test = fold == number
        found[test] = model.fit(data[~test], labels[~test]).predict_proba(data[test])
    chances[name] = found
scores = {
    name: get_label_quality_scores(labels, found / found.sum(1, keepdims=True)) for name, found in chances.items()
}
json.dump({name: score.tolist() for name, score in scores.items()}, sys.stdout)
