"""Which tools of the known libraries learn something from the rows that they are fitted on, and what divides rows."""

import re
from enum import StrEnum


class Family(StrEnum):
    """What a tool takes from the rows that it is fitted on, gravest first."""

    COPIES = "copies"
    """Rows are copied or mixed, so that a row's likeness lands on the other side of a split."""
    LABELS = "labels"
    """The labels of all rows decide what the features are."""
    RESAMPLED = "resampled"
    """Rows are taken away by their label."""
    STATISTICS = "statistics"
    """Means, spreads, components, weights of words."""
    FILLED = "filled"
    """A mean or median stands where a value was missing."""
    VOCABULARY = "vocabulary"
    """Which categories or words there are."""

    @property
    def rank(self) -> int:
        """0 for the gravest."""
        return list(Family).index(self)


def names_in(text: str) -> frozenset[str]:
    """Return the words of a text."""
    return frozenset(text.split())


LIBRARIES = names_in(
    "sklearn imblearn category_encoders feature_engine cuml dask_ml sklearnex boruta umap skrub pyspark"
)
"""Where the names below mean what they say."""

_TOOLS = {
    Family.COPIES: """
        SMOTE SMOTENC SMOTEN SVMSMOTE BorderlineSMOTE KMeansSMOTE ADASYN RandomOverSampler SMOTEENN SMOTETomek
    """,
    Family.LABELS: """
        SelectKBest SelectPercentile SelectFpr SelectFdr SelectFwe GenericUnivariateSelect SelectFromModel RFE RFECV
        SequentialFeatureSelector BorutaPy TargetEncoder LeaveOneOutEncoder CatBoostEncoder JamesSteinEncoder
        MEstimateEncoder WOEEncoder GLMMEncoder QuantileEncoder MeanEncoder LinearDiscriminantAnalysis PLSRegression
        NeighborhoodComponentsAnalysis
    """,
    Family.RESAMPLED: """
        RandomUnderSampler NearMiss TomekLinks ClusterCentroids CondensedNearestNeighbour EditedNearestNeighbours
        RepeatedEditedNearestNeighbours AllKNN InstanceHardnessThreshold NeighbourhoodCleaningRule OneSidedSelection
    """,
    Family.STATISTICS: """
        StandardScaler MinMaxScaler MaxAbsScaler RobustScaler PowerTransformer QuantileTransformer KBinsDiscretizer PCA
        IncrementalPCA KernelPCA SparsePCA MiniBatchSparsePCA TruncatedSVD FastICA NMF FactorAnalysis DictionaryLearning
        LatentDirichletAllocation TfidfVectorizer TfidfTransformer IterativeImputer KNNImputer UMAP SplineTransformer
        YeoJohnsonTransformer BoxCoxTransformer Winsorizer DecisionTreeDiscretiser EqualFrequencyDiscretiser IDF
    """,
    Family.FILLED: "SimpleImputer Imputer MeanMedianImputer",
    Family.VOCABULARY: """
        OneHotEncoder OrdinalEncoder CountVectorizer DictVectorizer VarianceThreshold CountEncoder RareLabelEncoder
        BinaryEncoder BaseNEncoder
    """,
}
_FAMILY = {name: family for family, names in _TOOLS.items() for name in names.split()}
_COMBINING = {"Pipeline", "ColumnTransformer", "FeatureUnion", "make_pipeline", "make_column_transformer", "make_union"}
_ENDING_IN_MODEL = {"Pipeline", "make_pipeline"}
_FUNCTIONS = {
    "scale",
    "minmax_scale",
    "maxabs_scale",
    "robust_scale",
    "quantile_transform",
    "power_transform",
    "zscore",
}
_SPLITTERS = re.compile(
    r"((Repeated)?(Stratified)?(Group)?(K|Shuffle)(Fold|Split))|Leave(One|P)(Group(s)?)?Out|TimeSeriesSplit"
    r"|PredefinedSplit|(Repeated)?(Stratified)?KFold|StratifiedShuffleSplit|StratifiedGroupKFold|GroupShuffleSplit"
)
_CROSS_VALIDATION = re.compile(
    r"cross_val(idate|_score|_predict)|learning_curve|validation_curve|permutation_test_score"
)
_SEARCHES = re.compile(r"(Halving)?(Grid|Random(ized)?)SearchCV|BayesSearchCV|OptunaSearchCV")

SUMMARIES = names_in(
    "mean std var median min max nanmean nanstd nanmin nanmax nanmedian quantile percentile amin amax mode"
)
"""Methods and functions that make one number of a column."""
CENTRING = names_in("mean std var median nanmean nanstd nanmedian quantile percentile mode")
GROUPING = names_in("groupby rolling expanding ewm resample group_by")
"""After these a summary is one of a group or a window, not of all rows."""


def library_of(dotted: str) -> str:
    """Return the library that a full name begins with."""
    return dotted.partition(".")[0]


def _known(dotted: str) -> str:
    return dotted.rpartition(".")[2] if library_of(dotted) in LIBRARIES else ""


def family_of(dotted: str) -> Family | None:
    """Return what a class learns from rows, None where it is not known to learn anything."""
    if dotted.endswith(("keras.layers.Normalization", "preprocessing.Normalization")):
        return Family.STATISTICS
    return _FAMILY.get(_known(dotted))


def combines(dotted: str) -> bool:
    """Whether it makes one tool of several."""
    return _known(dotted) in _COMBINING


def may_end_in_model(dotted: str) -> bool:
    """Whether its last step may be a model rather than a transformation."""
    return _known(dotted) in _ENDING_IN_MODEL


def scales_at_once(dotted: str) -> bool:
    """Whether a function scales by what it is given."""
    return dotted.rpartition(".")[2] in _FUNCTIONS and library_of(dotted) in LIBRARIES | {"scipy"}


def divides(dotted: str) -> bool:
    """Whether a function divides rows at random."""
    last = dotted.rpartition(".")[2]
    return (last == "train_test_split" and library_of(dotted) in LIBRARIES) or (
        last == "random_split" and library_of(dotted) == "torch"
    )


def is_splitter(dotted: str) -> bool:
    """Whether it makes an object whose `split` gives folds."""
    return _SPLITTERS.fullmatch(_known(dotted)) is not None


def cross_validates(dotted: str) -> bool:
    """Whether a function divides rows into folds and scores on them."""
    return _CROSS_VALIDATION.fullmatch(_known(dotted)) is not None


def searches(dotted: str) -> bool:
    """Whether it makes an object whose `fit` divides rows into folds."""
    last = dotted.rpartition(".")[2]
    return _SEARCHES.fullmatch(last) is not None and library_of(dotted) in LIBRARIES | {"skopt", "optuna"}
