"""BLEU equals nltk's and sacrebleu's, on their documented examples and on 1,000 random corpora each."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamm_metrics.errors import UsageError
from lamm_metrics.metrics.captions.bleu import Bleu, bleu_counts, bleu_of_counts
from lamm_metrics.metrics.captions.tokenizers import mteval13a
from lamm_metrics.records.predictions import Prediction

# The examples of nltk's documentation of bleu_score.
HYPOTHESIS_1 = "It is a guide to action which ensures that the military always obeys the commands of the party"
REFERENCES_1 = [
    "It is a guide to action that ensures that the military will forever heed Party commands",
    "It is the guiding principle which guarantees the military forces always being under the command of the Party",
    "It is the practical guide for the army always to heed the directions of the party",
]
HYPOTHESIS_2 = "he read the book because he was interested in world history"
REFERENCES_2 = ["he was interested in world history because he read the book"]
WORDS = ["a", "the", "cat", "dog", "runs", "sits", "red", "on", "mat", "field", "two", "birds", "fly", ","]


def bleu(pairs, **options):
    metric = Bleu(**options)
    for i, (answer, references) in enumerate(pairs):
        metric.update({"id": i, "sentences": references}, Prediction(str(i), answer))
    return {score.name: score.value for score in metric.compute(draws=2)}


def corpus(generator, sentences=4, shortest=1):
    def draw(low):
        return " ".join(generator.choice(WORDS, generator.integers(low, 14)))

    return [(draw(shortest), [draw(1) for _ in range(3)]) for _ in range(sentences)]


def test_documented_values_of_nltk():
    plain = {"tokenizer": "whitespace", "lowercase": False}
    both = [(HYPOTHESIS_1, REFERENCES_1), (HYPOTHESIS_2, REFERENCES_2)]
    assert bleu(both[:1], **plain)["bleu_4"] == pytest.approx(0.5045666840058485, abs=1e-12)
    assert bleu(both, **plain)["bleu_4"] == pytest.approx(0.5920778868801042, abs=1e-12)
    assert bleu(both, **plain, average="sentence")["bleu_4"] == pytest.approx(0.6223247442490669, abs=1e-12)


def test_documented_value_of_sacrebleu():
    """The example of sacrebleu's README: BLEU = 48.53 82.4/50.0/45.5/37.5 (BP = 0.943 ratio = 0.944)."""
    answers = ["The dog bit the man.", "It wasn't surprising.", "The man had just bitten him."]
    first = ["The dog bit the man.", "It was not unexpected.", "The man bit him first."]
    second = ["The dog had bit the man.", "No one was surprised.", "The man had bitten the dog."]
    pairs = [(answer, list(references)) for answer, *references in zip(answers, first, second, strict=True)]
    found = bleu(pairs, tokenizer="13a", lowercase=False, smoothing="exp")
    assert 100 * found["bleu_4"] == pytest.approx(48.530827009929865, abs=1e-9)


def test_failures_bound_the_score():
    def scored(second):
        metric = Bleu(tokenizer="whitespace")
        for i, answer in enumerate(["a cat sits on the mat", second, "a dog runs on the field"]):
            metric.update({"id": i, "sentences": ["a cat sits on the mat", "one more"]}, Prediction(str(i), answer))
        return metric.compute(draws=2)[0]

    # The empty answer is as right as can be where it repeats "one more", the shortest reference.
    failed, right = scored(""), scored("one more")
    assert failed.extra["failures_wrong"] == pytest.approx(failed.value)
    assert failed.extra["failures_right"] == pytest.approx(right.value)
    assert right.value > failed.value


def test_equals_nltk_on_random_corpora():
    reference = pytest.importorskip("nltk.translate.bleu_score")
    generator = np.random.default_rng(0)
    for _ in range(1000):
        # nltk counts one n-gram for an answer that is too short to hold any; answers here are long enough.
        pairs = corpus(generator, 3, shortest=4)
        split = [[text.split() for text in texts] for _, texts in pairs], [answer.split() for answer, _ in pairs]
        ours = bleu(pairs, tokenizer="whitespace", lowercase=False)
        for order in (1, 2, 3, 4):
            smooth = reference.SmoothingFunction().method0
            with pytest.warns() if ours[f"bleu_{order}"] == 0 else np.errstate():
                theirs = reference.corpus_bleu(*split, weights=[1 / order] * order, smoothing_function=smooth)
            assert ours[f"bleu_{order}"] == pytest.approx(theirs, abs=1e-9)


@pytest.mark.parametrize("smoothing", ["none", "exp", "floor", "add-k"])
@pytest.mark.parametrize("effective", [False, True])
def test_equals_sacrebleu_on_random_corpora(smoothing, effective):
    sacrebleu = pytest.importorskip("sacrebleu")
    theirs = sacrebleu.BLEU(smooth_method=smoothing, effective_order=effective)
    generator = np.random.default_rng(1)
    for _ in range(130):
        pairs = corpus(generator)
        references = [[texts[i] for _, texts in pairs] for i in range(3)]
        expected = theirs.corpus_score([answer for answer, _ in pairs], references).score / 100
        ours = bleu(pairs, tokenizer="13a", lowercase=False, smoothing=smoothing, effective_order=effective)
        assert ours["bleu_4"] == pytest.approx(expected, abs=1e-9)


def test_13a_tokens_equal_sacrebleu():
    tokenizer = pytest.importorskip("sacrebleu.tokenizers.tokenizer_13a").Tokenizer13a()
    generator = np.random.default_rng(2)
    alphabet = [*list("ab.,-0123 \"'&<>[]{}()@/\n:;!?_~é"), "&quot;", "&amp;", "<skipped>"]
    for _ in range(1000):
        text = "".join(generator.choice(alphabet, 40))
        assert list(mteval13a(text)) == tokenizer(text).split()


def test_empty_answer_scores_zero_and_is_counted():
    metric = Bleu()
    metric.update({"id": 1, "sentences": ["a cat"]}, Prediction("1", " . "))
    score = metric.compute()[0]
    assert (score.value, score.n_failed) == (0.0, 1)


def test_smoothing_does_not_reward_an_answer_that_shares_no_word():
    assert bleu([("x y z w", ["a b c d"])], smoothing="exp")["bleu_4"] == 0.0


def test_unknown_choices_are_refused():
    with pytest.raises(UsageError, match="smoothing"):
        Bleu(smoothing="magic")
    with pytest.raises(UsageError, match="tokeniser"):
        Bleu("java")


TOKENS = st.lists(st.sampled_from(WORDS), max_size=12)


@settings(max_examples=200, deadline=None)
@given(TOKENS, st.lists(TOKENS, min_size=1, max_size=4))
def test_adding_a_reference_never_lowers_matches_and_scores_stay_in_range(answer, references):
    fewer, more = bleu_counts(answer, references[:1]), bleu_counts(answer, references)
    assert all(a <= b for a, b in zip(fewer[2:6], more[2:6], strict=True))
    assert ((bleu_of_counts(np.array(more)) >= 0) & (bleu_of_counts(np.array(more)) <= 1 + 1e-12)).all()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(WORDS[:-1]), min_size=4, max_size=12))
def test_repeating_the_reference_is_perfect(answer):
    assert bleu([(" ".join(answer), [" ".join(answer)])])["bleu_4"] == pytest.approx(1)
