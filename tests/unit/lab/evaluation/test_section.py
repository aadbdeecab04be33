"""What a part hands over: cells and tables, by hand."""

import pytest

from agents.lab.evaluation.section import cell, paired, paired_cell, table


@pytest.mark.parametrize(
    ("values", "sign", "expected"),
    [
        ([0.8], "", "80.0"),
        ([0.7, 0.9], "", "80.0 ± 14.1"),  # sqrt(0.02) = 0.1414
        ([0.5, 0.5, 0.5], "", "50.0 ± 0.0"),
        ([0.01, 0.02, 0.03], "+", "+2.0 ± 1.0"),
        ([-0.05], "+", "-5.0"),
        ([0.12345], "", "12.3"),
    ],
)
def test_a_cell_is_mean_and_deviation_in_per_cent(
    values: list[float], sign: str, expected: str
) -> None:
    assert cell(values, sign) == expected


def test_pairs_differ_by_their_own_gaps() -> None:
    """Gaps 0.1, 0.2 and 0.3: their deviation is 0.1, whatever the values' own is."""
    found = paired([0.9, 0.5, 0.7], [0.8, 0.3, 0.4])
    assert found["difference"] == pytest.approx(0.2)
    assert found["standard_error"] == pytest.approx(0.1 / 3**0.5)
    assert paired_cell([0.9, 0.5, 0.7], [0.8, 0.3, 0.4]) == "+20.0 ± 5.8"
    assert paired_cell([0.8, 0.3, 0.4], [0.9, 0.5, 0.7]) == "-20.0 ± 5.8"


def test_a_single_pair_has_no_error() -> None:
    found = paired([0.6], [0.5])
    assert found["difference"] == pytest.approx(0.1)
    assert found["standard_error"] == 0


def test_what_has_no_partner_is_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        paired([0.6, 0.7], [0.5])


def test_a_table() -> None:
    assert table(["way", "right"], [["a", "1.0"], ["b", ""]]) == (
        "| way | right |\n| --- | --- |\n| a | 1.0 |\n| b |  |"
    )
