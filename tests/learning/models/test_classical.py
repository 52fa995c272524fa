"""Classical models answer, as networks, what the libraries that taught them answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from isocenter.core import registry
from isocenter.core.errors import UsageError
from isocenter.learning import models
from isocenter.learning.answers import Tree, Trees
from isocenter.learning.estimator import RowEstimator
from isocenter.learning.models._shared import Combine, InputForm, Model

RANDOM = np.random.default_rng(5)
FORM = InputForm(channels=1, shape=(4, 3), mean=(0.0,), deviation=(1.0,))
PIXELS = RANDOM.normal(size=(90, 1, 4, 3)).astype(np.float32)
MEANT = (PIXELS.reshape(90, -1) @ RANDOM.normal(size=(12, 3)) + RANDOM.normal(size=(90, 3))).astype(np.float32)
CLASSES = MEANT.argmax(1)
NUMBERS = (PIXELS.reshape(90, -1) - PIXELS.reshape(90, -1).mean(0)) / PIXELS.reshape(90, -1).std(0)
WEIGHTS = RANDOM.uniform(0.5, 2.0, 90).astype(np.float32)
LABELS = {2: (MEANT[:, 0] > 0).astype(int), 3: CLASSES}
FAMILIES = ("boosting", "decision_tree", "forest", "logistic", "naive_bayes", "neighbours", "svm")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def taught(
    name: str, targets: NDArray[Any], outputs: int, combine: Combine, form: InputForm = FORM, **settings: Any
) -> RowEstimator:
    family: Model = registry.get(models, name)
    estimator: RowEstimator = family.build(family.settings(**settings), form, outputs)
    estimator.fit(PIXELS, targets.astype(np.float32), WEIGHTS, seed=3, combine=combine)
    return estimator


def classed(name: str, count: int, **settings: Any) -> NDArray[np.float32]:
    """Shares of the classes."""
    logits = taught(name, np.eye(count)[LABELS[count]], count, "softmax", **settings).logits(PIXELS)
    shares: NDArray[np.float32] = torch.from_numpy(logits).softmax(1).numpy()
    return shares


def measured(name: str, **settings: Any) -> NDArray[np.float32]:
    return taught(name, MEANT[:, :1], 1, "mean", **settings).logits(PIXELS)[:, 0]


def as_if_once_more(shares: NDArray[Any], cases: int) -> NDArray[Any]:
    smoothed: NDArray[Any] = (shares * cases + 1) / (cases + shares.shape[1])
    return smoothed


@pytest.mark.parametrize("count", [2, 3])
def test_a_tree_says_what_scikit_learn_says(count: int) -> None:
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    how = {"max_depth": 4, "min_samples_leaf": 3, "random_state": 3}
    theirs = DecisionTreeClassifier(**how).fit(NUMBERS, LABELS[count], sample_weight=WEIGHTS).predict_proba(NUMBERS)
    ours = classed("decision_tree", count, depth=4, smallest_leaf=3)
    np.testing.assert_allclose(ours, as_if_once_more(theirs, 3), atol=1e-5)
    numbers = DecisionTreeRegressor(**how).fit(NUMBERS, MEANT[:, 0], sample_weight=WEIGHTS).predict(NUMBERS)
    np.testing.assert_allclose(measured("decision_tree", depth=4, smallest_leaf=3), numbers, rtol=1e-5)


@pytest.mark.parametrize("count", [2, 3])
def test_a_forest_says_what_scikit_learn_says(count: int) -> None:
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    how = {"n_estimators": 20, "max_depth": 16, "min_samples_leaf": 2, "max_features": "sqrt", "random_state": 3}
    theirs = RandomForestClassifier(**how).fit(NUMBERS, LABELS[count], sample_weight=WEIGHTS).predict_proba(NUMBERS)
    np.testing.assert_allclose(classed("forest", count, trees=20), as_if_once_more(theirs, 90), atol=1e-5)
    numbers = RandomForestRegressor(**how).fit(NUMBERS, MEANT[:, 0], sample_weight=WEIGHTS).predict(NUMBERS)
    np.testing.assert_allclose(measured("forest", trees=20), numbers, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("count", [2, 3])
def test_boosted_trees_say_what_lightgbm_says(count: int) -> None:
    import lightgbm

    how: dict[str, Any] = {"num_leaves": 7, "min_data_in_leaf": 5, "learning_rate": 0.1, "lambda_l2": 1.0, "seed": 3}
    how |= {"verbosity": -1, "deterministic": True, "force_row_wise": True, "min_sum_hessian_in_leaf": 1e-6}
    how |= {"num_threads": 1, "use_missing": False, "min_data_in_bin": 1}
    kind = {"objective": "binary"} if count == 2 else {"objective": "multiclass", "num_class": 3}
    data = lightgbm.Dataset(
        NUMBERS, label=LABELS[count], weight=WEIGHTS, params={"verbosity": -1, "min_data_in_bin": 1}
    )
    theirs = lightgbm.train(how | kind, data, num_boost_round=30).predict(NUMBERS)
    theirs = np.stack([1 - theirs, theirs], axis=1) if count == 2 else theirs
    settings = {"trees": 30, "leaves": 7, "smallest_leaf": 5, "learning_rate": 0.1}
    np.testing.assert_allclose(classed("boosting", count, **settings), theirs, atol=1e-5)
    data = lightgbm.Dataset(
        NUMBERS, label=MEANT[:, 0].copy(), weight=WEIGHTS, params={"verbosity": -1, "min_data_in_bin": 1}
    )
    numbers = lightgbm.train(how, data, num_boost_round=30).predict(NUMBERS)
    np.testing.assert_allclose(measured("boosting", **settings), numbers, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("count", [2, 3])
def test_naive_bayes_says_what_scikit_learn_says(count: int) -> None:
    from sklearn.naive_bayes import GaussianNB

    theirs = GaussianNB(var_smoothing=1e-2).fit(NUMBERS, LABELS[count], sample_weight=WEIGHTS).predict_proba(NUMBERS)
    np.testing.assert_allclose(classed("naive_bayes", count), theirs, atol=1e-4)
    with pytest.raises(UsageError, match="estimates no numbers"):
        measured("naive_bayes")


def test_neighbours_are_asked_by_their_weight() -> None:
    far = ((NUMBERS[:, None] - NUMBERS[None]) ** 2).sum(-1)
    near = np.argsort(far, axis=1)[:, :5]
    told = np.eye(3)[CLASSES]
    shares = (told[near] * WEIGHTS[near][..., None]).sum(1) / WEIGHTS[near].sum(1, keepdims=True)
    np.testing.assert_allclose(classed("neighbours", 3, neighbours=5), as_if_once_more(shares, 5), atol=1e-5)
    numbers = (MEANT[:, 0][near] * WEIGHTS[near]).sum(1) / WEIGHTS[near].sum(1)
    np.testing.assert_allclose(measured("neighbours", neighbours=5), numbers, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kernel", ["rbf", "linear"])
def test_a_support_vector_machine_parts_as_scikit_learn_does(kernel: str) -> None:
    from sklearn.svm import SVC, SVR

    how: dict[str, Any] = {"kernel": kernel, "gamma": 1 / 12}
    far = SVC(**how).fit(NUMBERS, LABELS[2], sample_weight=WEIGHTS).decision_function(NUMBERS)
    shares = classed("svm", 2, kernel=kernel)
    logits = np.log(shares[:, 1] / shares[:, 0])
    # A logit is the distance from the gap on a line that rises.
    slope, shift = np.polyfit(far, logits, 1)
    assert slope > 0
    np.testing.assert_allclose(logits, slope * far + shift, atol=1e-3)
    each = [
        SVC(**how).fit(NUMBERS, one == CLASSES, sample_weight=WEIGHTS).decision_function(NUMBERS) for one in (0, 1, 2)
    ]
    agreed = (np.stack(each).argmax(0) == classed("svm", 3, kernel=kernel).argmax(1)).mean()
    assert agreed > 0.85
    centre, spread = MEANT[:, 0].mean(), MEANT[:, 0].std()
    numbers = SVR(**how).fit(NUMBERS, (MEANT[:, 0] - centre) / spread, sample_weight=WEIGHTS).predict(NUMBERS)
    np.testing.assert_allclose(measured("svm", kernel=kernel), numbers * spread + centre, rtol=1e-3, atol=1e-3)


def test_a_gap_that_does_not_hold_elsewhere_says_nothing() -> None:
    noise = np.eye(2)[np.arange(90) % 2]
    logits = taught("svm", noise, 2, "softmax").logits(RANDOM.normal(size=(50, 1, 4, 3)).astype(np.float32))
    assert torch.from_numpy(logits).softmax(1).numpy().max() < 0.8


@pytest.mark.parametrize("name", FAMILIES)
def test_statements_that_are_not_all_known_are_learned_each_by_itself(name: str) -> None:
    targets = (MEANT[:, :2] > 0).astype(np.float32)
    given = targets.copy()
    given[::4, 1] = np.nan
    given[1::4, 0] = np.nan
    logits = taught(name, given, 2, "sigmoid").logits(PIXELS)
    assert ((logits > 0) == targets).mean() > 0.75


@pytest.mark.parametrize("name", FAMILIES)
def test_a_statement_of_which_nothing_is_known_is_left_open(name: str) -> None:
    targets = np.stack([MEANT[:, 0] > 0, np.full(90, np.nan)], axis=1)
    logits = taught(name, targets, 2, "sigmoid", best=6).logits(PIXELS)
    assert (logits[:, 1] == 0).all()
    assert len(set(logits[:, 0])) > 1


@pytest.mark.parametrize("name", FAMILIES)
def test_classes_that_no_case_shows_are_unlikely_and_one_alone_is_certain_enough(name: str) -> None:
    unseen = np.eye(5)[CLASSES + 1]
    shares = torch.from_numpy(taught(name, unseen, 5, "softmax").logits(PIXELS)).softmax(1).numpy()
    assert 0.0 < shares[:, [0, 4]].max() < 0.05
    assert (shares[:, 1:4].argmax(1) == CLASSES).mean() > 0.6
    only = np.eye(2)[np.ones(90, int)]
    assert (taught(name, only, 2, "softmax").logits(PIXELS).argmax(1) == 1).all()


@pytest.mark.parametrize("name", FAMILIES)
def test_grades_become_statements_of_being_worse(name: str) -> None:
    grades = np.digitize(MEANT[:, 0], [-2.0, 2.0])
    family: Model = registry.get(models, name)
    estimator = family.build(family.settings(), FORM, 2)
    estimator.fit(PIXELS, np.eye(3, dtype=np.float32)[grades], WEIGHTS, seed=0)
    said = (estimator.logits(PIXELS) > 0).sum(1)
    assert np.corrcoef(said, grades)[0, 1] > 0.6


def test_the_numbers_that_go_most_closely_with_the_answer_are_kept() -> None:
    from sklearn.feature_selection import f_regression

    estimator = taught("logistic", MEANT[:, :1], 1, "mean", best=4)
    network = estimator.network()
    embedding = network(torch.from_numpy(PIXELS))[2].numpy()
    assert embedding.shape == (90, 4)
    # The weights of the cases count: the same ranking as of cases that are there as often as they weigh.
    often = np.round(WEIGHTS * 50).astype(int)
    closest = np.argsort(-f_regression(np.repeat(NUMBERS, often, 0), np.repeat(MEANT[:, 0], often))[0])[:4]
    np.testing.assert_allclose(embedding, NUMBERS[:, np.sort(closest)], atol=1e-4)


def test_numbers_are_brought_down_to_principal_components() -> None:
    from sklearn.decomposition import PCA

    network = taught("logistic", MEANT[:, :1], 1, "mean", components=3).network()
    ours, theirs = network(torch.from_numpy(PIXELS))[2].numpy(), PCA(3, svd_solver="full").fit_transform(NUMBERS)
    np.testing.assert_allclose(np.abs(ours), np.abs(theirs), atol=1e-4)
    both = taught("svm", MEANT[:, :1], 1, "mean", best=5, components=200).network()
    assert both(torch.from_numpy(PIXELS))[2].shape == (90, 5)


def test_a_lasso_leaves_most_weights_at_nought() -> None:
    from sklearn.linear_model import Lasso

    estimator = taught("logistic", MEANT[:, :1], 1, "mean", shrinkage="lasso", penalty=0.5)
    weight = dict(estimator.network().named_parameters())["answer.parts.0.weight"].numpy()
    theirs = Lasso(alpha=0.5).fit(NUMBERS, MEANT[:, 0], sample_weight=WEIGHTS)
    np.testing.assert_allclose(weight[0], theirs.coef_, atol=1e-3)
    sparse = taught("logistic", np.eye(2)[LABELS[2]], 2, "softmax", shrinkage="lasso", penalty=0.1)
    named = dict(sparse.network().named_parameters())["answer.weight"]
    assert int((named[1] == 0).sum()) >= 4
    assert (sparse.logits(PIXELS).argmax(1) == LABELS[2]).mean() > 0.8


def test_a_row_of_features_is_left_whole() -> None:
    form = InputForm(channels=1, shape=(1, 40), mean=(0.0,), deviation=(1.0,))
    rows = RANDOM.normal(size=(90, 1, 1, 40)).astype(np.float32)
    family: Model = registry.get(models, "logistic")
    estimator = family.build(family.settings(pixels=10), form, 2)
    estimator.fit(rows, np.eye(2, dtype=np.float32)[LABELS[2]], WEIGHTS, seed=0)
    assert estimator.network()(torch.from_numpy(rows))[2].shape == (90, 40)


def test_thresholds_are_met_as_in_double_precision() -> None:
    """A number of single precision is not above a threshold between it and the next."""
    value = np.float32(0.1)
    between = np.float64(value) + 1e-12
    tree = Tree(
        column=np.array([0, 0, 0]),
        threshold=np.array([between, 0.0, 0.0]),
        left=np.array([1, 1, 2]),
        right=np.array([2, 1, 2]),
        value=np.array([[0.0], [1.0], [2.0]]),
    )
    assert tree.depth == 1
    given = torch.tensor([[value], [np.nextafter(value, np.float32(1))], [np.nextafter(value, np.float32(0))]])
    assert Trees([tree], mean=True)(given)[:, 0].tolist() == [1.0, 2.0, 1.0]
    below = Tree(
        column=tree.column, threshold=tree.threshold - 2e-12, left=tree.left, right=tree.right, value=tree.value
    )
    assert Trees([below, below], mean=False)(given)[:, 0].tolist() == [4.0, 4.0, 2.0]


@pytest.mark.parametrize("name", ["logistic", "svm"])
def test_breast_cancer_is_told_from_its_table(name: str) -> None:
    """Ten folds of scikit-learn's table of 569 tumours; malignant is the positive class."""
    from sklearn.datasets import load_breast_cancer
    from sklearn.model_selection import StratifiedKFold

    numbers, benign = load_breast_cancer(return_X_y=True)
    malignant = 1 - benign
    rows = numbers.astype(np.float32)[:, None, None, :]
    form = InputForm(channels=1, shape=(1, 30), mean=(0.0,), deviation=(1.0,))
    family: Model = registry.get(models, name)
    called = np.zeros(569, int)
    for learned, judged in StratifiedKFold(10, shuffle=True, random_state=0).split(rows, malignant):
        estimator = family.build(family.settings(), form, 2)
        weights = np.ones(len(learned), np.float32)
        estimator.fit(rows[learned], np.eye(2, dtype=np.float32)[malignant[learned]], weights, seed=0)
        called[judged] = estimator.logits(rows[judged]).argmax(1)
    hits = (called * malignant).sum()
    precision, recall = hits / called.sum(), hits / malignant.sum()
    assert (called == malignant).mean() >= 0.97
    assert 2 * precision * recall / (precision + recall) >= 0.96
