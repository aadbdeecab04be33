"""The standard baselines of chemometrics and of text classification, tuned by cross-validation.

scikit-learn takes a second to import, so functions import it.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.signal import savgol_filter

COMPONENTS = 8
"""Latent variables that PLS-DA may choose, at most."""
REGULARISATION = (1.0, 10.0, 100.0)
"""C that logistic regression may choose."""
FOLDS = 3
"""Of the cross-validation within the training rows."""

Labels = NDArray[np.int64]
Spectra = NDArray[np.float64]


def pls_da(train: Spectra, labels: Labels, test: Spectra) -> Labels:
    """Partial least squares discriminant analysis: regression on indicators, the largest wins.

    Spectra are pre-treated by standard normal variate, or by that and a first derivative (Savitzky
    and Golay, 15 points, second order); which of the two, and the number of latent variables, is
    chosen by stratified cross-validation within the training rows. Source: Barker and Rayens,
    "Partial least squares for discrimination", 2003.

    Args:
        train: (N, points).
        labels: (N,), 0 .. C - 1.
        test: (K, points).

    Returns:
        The class of each test spectrum, (K,).
    """
    from sklearn.model_selection import StratifiedKFold

    treated = [(_snv(train), _snv(test)), (_slope(_snv(train)), _slope(_snv(test)))]
    splits = list(StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(train, labels))
    scores = [
        np.mean(
            [(_pls(x[a], labels[a], x[b]) == labels[b]).mean(axis=1) for a, b in splits], axis=0
        )
        for x, _ in treated
    ]
    # The first best: raw before derivative, fewer latent variables before more.
    which, components = np.unravel_index(np.argmax(scores), np.shape(scores))
    x, y = treated[which]
    said: Labels = _pls(x, labels, y)[components]
    return said


def _pls(train: Spectra, labels: Labels, test: Spectra) -> Labels:
    """What 1, 2, ... `COMPONENTS` latent variables say of the test spectra, (components, K)."""
    import warnings

    from sklearn.cross_decomposition import PLSRegression

    indicators = np.eye(int(labels.max()) + 1)[labels]
    mean_x, mean_y = train.mean(axis=0), indicators.mean(axis=0)
    model = PLSRegression(min(COMPONENTS, len(train) - 2), scale=False)
    with warnings.catch_warnings():
        # Once everything is explained there is nothing left; further components do no harm.
        warnings.filterwarnings("ignore", "y residual is constant")
        model.fit(train - mean_x, indicators - mean_y)
    # Latent variables are found one after the other: the first few of many are those of few.
    parts = (test - mean_x) @ model.x_rotations_, model.y_loadings_
    said = [(parts[0][:, :k] @ parts[1][:, :k].T + mean_y).argmax(axis=1) for k in _upto(parts[0])]
    # Where there are fewer than COMPONENTS, the last stands for those that are not there.
    said += [said[-1]] * (COMPONENTS - len(said))
    return np.array(said, dtype=np.int64)


def _upto(scores: Spectra) -> range:
    return range(1, scores.shape[1] + 1)


def _snv(spectra: Spectra) -> Spectra:
    centred: Spectra = spectra - spectra.mean(axis=1, keepdims=True)
    scaled: Spectra = centred / centred.std(axis=1, keepdims=True)
    return scaled


def _slope(spectra: Spectra) -> Spectra:
    slope: Spectra = savgol_filter(spectra, 15, 2, deriv=1, axis=1)
    return slope


def tf_idf(
    train: NDArray[np.str_], labels: Labels, test: NDArray[np.str_], letters: bool = False
) -> Labels:
    """TF-IDF and logistic regression, C chosen by stratified cross-validation.

    Args:
        train: (N,) texts.
        labels: (N,).
        test: (K,) texts.
        letters: count groups of 3 and 4 letters within words instead of words.

    Returns:
        The class of each test text, (K,).
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import Pipeline

    groups = {"analyzer": "char_wb", "ngram_range": (3, 4)} if letters else {}
    decide = LogisticRegression(max_iter=2_000)
    model = Pipeline([("count", TfidfVectorizer(**groups)), ("decide", decide)])
    search = GridSearchCV(model, {"decide__C": REGULARISATION}, cv=FOLDS)
    said: Labels = search.fit(train, labels).predict(test)
    return said
