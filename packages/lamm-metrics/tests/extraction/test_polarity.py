"""Negations of something else, hedges and opposites: what a statement says of what was asked."""

import pytest

from lamm_metrics.extraction import extract_yes_no
from lamm_metrics.extraction.polarity import plain_statement


@pytest.mark.parametrize(
    ("hedge", "status"), [("probably", "ok"), ("most likely", "ok"), ("maybe", "none"), ("possibly", "none")]
)
def test_hedges_are_read_alike_in_both_directions(hedge, status):
    agrees, denies = extract_yes_no(f"{hedge}."), extract_yes_no(f"{hedge} not.")
    assert (agrees.status, denies.status) == (status, status)
    assert (agrees.value, denies.value) == ((True, False) if status == "ok" else (None, None))
    assert (extract_yes_no(f"{hedge} yes").value, extract_yes_no(f"{hedge} no").value) == (True, False)


@pytest.mark.parametrize("verb", ["appears to be", "seems to be", "is"])
def test_appearances_affirm_and_deny_alike(verb):
    base = {"appears to be": "does not appear to be", "seems to be": "does not seem to be", "is": "is not"}[verb]
    assert extract_yes_no(f"There {verb} a dog.").value is True
    assert extract_yes_no(f"There {base} a dog.").value is False


@pytest.mark.parametrize("sign", ["No Entry", "no-parking", "no smoking", "No U-Turn", "No Left Turn"])
def test_a_sign_that_forbids_is_no_denial(sign):
    assert extract_yes_no(f"There is a {sign} sign.").value is True
    assert extract_yes_no(f'I can see a sign that says "{sign}".').value is True


@pytest.mark.parametrize(
    "other", ["with no collar", "without a leash", "that is not barking", "but no cat", "who is not smiling"]
)
def test_a_negation_of_something_else_never_denies(other):
    assert extract_yes_no(f"There is a dog {other}.").value is not False
    assert extract_yes_no(f"Yes, there is a dog {other}.").value is True


@pytest.mark.parametrize("twice", ["not absent", "not missing", "not without a dog", "never absent"])
def test_two_negations_affirm(twice):
    assert "not" not in plain_statement(f"It is {twice}.")
    assert extract_yes_no(f"The dog is {twice}.").value is True


def test_the_opposite_of_a_smile_denies_where_it_is_said_of_a_face():
    assert extract_yes_no("The woman has a sad expression.").value is False
    assert extract_yes_no("There is an angry dog.").value is True
    assert extract_yes_no("The image shows a serious man.").status == "ambiguous"
