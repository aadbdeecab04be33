"""The baselines: they are what they say they are, and they learn."""

import numpy as np
from sklearn.cross_decomposition import PLSRegression

from agents.lab.evaluation.real.baselines import COMPONENTS, _pls, pls_da, tf_idf


def spectra(seed: int, each: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Three kinds with a band at different places, under gain, offset and noise."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(3), each)
    at = np.linspace(0, 1, 120)
    bands = np.exp(-(((at - np.array([[0.3], [0.5], [0.7]])) / 0.1) ** 2))[labels]
    gain, offset = random.uniform(0.5, 2, (2, len(labels), 1))
    return gain * (bands + 0.05 * random.normal(size=bands.shape)) + offset, labels


def test_the_first_latent_variables_of_many_are_those_of_few() -> None:
    train, labels = spectra(1)
    test, _ = spectra(2)
    said = _pls(train, labels, test)
    assert said.shape == (COMPONENTS, len(test))
    for components in (1, 2, 5):
        model = PLSRegression(components, scale=False).fit(train, np.eye(3)[labels])
        assert (said[components - 1] == model.predict(test).argmax(axis=1)).all()


def test_pls_da_finds_the_band_whatever_the_gain() -> None:
    train, labels = spectra(1)
    test, truth = spectra(2)
    assert (pls_da(train, labels, test) == truth).mean() > 0.95


def test_pls_da_of_very_few_spectra() -> None:
    train, labels = spectra(1, each=3)
    test, truth = spectra(2)
    assert (pls_da(train, labels, test) == truth).mean() > 0.6


def test_tf_idf_reads_words_and_letter_groups_survive_typos() -> None:
    about = ["pump leaks oil", "window is broken", "radio has no sound"]
    texts = np.array([f"{text} {number}" for number in range(8) for text in about])
    labels = np.tile(np.arange(3), 8)
    assert tf_idf(texts, labels, np.array(["oil pump", "broken window"])).tolist() == [0, 1]
    misspelt = np.array(["pumpp leakss", "windoww brokenn", "radioo soundd"])
    assert tf_idf(texts, labels, misspelt, letters=True).tolist() == [0, 1, 2]
