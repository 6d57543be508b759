"""METEOR 1.5 without Java equals the Java program; its rules on made-up tables."""

import json
import os
import pickle
import random
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from lamm_metrics.errors import UsageError
from lamm_metrics.metrics.captions import meteor_alignment, meteor_search
from lamm_metrics.metrics.captions.meteor import Meteor, meteor_of_statistics
from lamm_metrics.metrics.captions.meteor_search import Matches, search
from lamm_metrics.metrics.captions.meteor_stems import porter2
from lamm_metrics.metrics.captions.meteor_tables import open_index
from lamm_metrics.metrics.captions.meteor_words import meteor_words
from lamm_metrics.records.predictions import Prediction

GOLDEN = json.loads((Path(__file__).parents[2] / "golden/vision3d/meteor.json").read_text(encoding="utf-8"))
PAIRS = [(pair["hyp"], pair["refs"]) for pair in GOLDEN["pairs"]]
installed = pytest.mark.skipif(
    find_spec("pycocoevalcap") is None, reason="needs METEOR's tables: pip install pycocoevalcap"
)


def scored(pairs, *arguments, **options):
    metric = Meteor(*arguments, **options)
    for i, (answer, references) in enumerate(pairs):
        metric.update({"id": f"{i:05}", "sentences": references}, Prediction(f"{i:05}", answer))
    return metric


def segments(metric):
    return [sample.value for sample in metric.per_sample()]


def statistics(metric):
    return metric.statistics([entry.state for _, entry in metric.ordered()]).tolist()


def one(answer, *references, **options):
    return segments(scored([(answer, references)], tokenizer="whitespace", **options))[0]


@installed
@pytest.mark.timeout(300)
class TestWithTheTables:
    @pytest.mark.parametrize("mode", ["exact", "exact+stem", "exact+stem+synonym"])
    def test_reduced_modes_equal_the_java_program(self, mode):
        metric = scored(PAIRS, mode.replace("+", " "), tokenizer="whitespace")
        assert segments(metric) == pytest.approx(GOLDEN["modes"][mode]["scores"], abs=1e-9)
        assert metric.compute(draws=2)[0].value == pytest.approx(GOLDEN["modes"][mode]["corpus_score"], abs=1e-12)
        assert metric.compute(draws=2)[0].name == f"meteor_{mode.replace('+', '_')}"

    def test_all_stages_equal_the_java_program_to_each_statistic(self):
        metric = scored(PAIRS, tokenizer="whitespace")
        assert statistics(metric) == [pair["stats"] for pair in GOLDEN["pairs"]]
        assert segments(metric) == pytest.approx([pair["score"] for pair in GOLDEN["pairs"]], abs=1e-12)
        corpus = metric.compute(draws=2)[0]
        assert corpus.value == pytest.approx(GOLDEN["corpus_score"], abs=1e-12)
        assert corpus.name == "meteor"
        mean = scored(PAIRS, tokenizer="whitespace", average="sentence").compute(draws=2)[0].value
        assert mean == pytest.approx(GOLDEN["mean_of_segments"], abs=1e-12)

    def test_share_of_segments_that_the_paraphrase_table_changes(self):
        full, without = (
            segments(scored(PAIRS, stages, tokenizer="whitespace")) for stages in ("full", "exact stem synonym")
        )
        changed = sum(abs(a - b) > 1e-6 for a, b in zip(full, without, strict=True))
        # docs/metrics.md states it.
        assert (changed, len(full)) == (29, 105)

    @pytest.mark.skipif(shutil.which("java") is None, reason="needs Java: apt-get install default-jre-headless")
    def test_equals_the_java_program_on_disturbed_texts(self):
        from pycocoevalcap.meteor.meteor import Meteor as Jar

        draw = random.Random(0)
        marks = [
            *"\"'`’“”–—-.,;:!?()/$%&éñßжΩ中\u00a0",
            "...",
            "--",
            "U.S.",
            "Mr.",
            "No. 5",
            "1,000",
            "1990's",
            "a-b-c",
        ]
        words = sorted(
            {word for answer, references in PAIRS for text in (answer, *references) for word in text.split()}
        )

        def disturbed(text):
            parts = text.split() or ["chair"]
            for _ in range(draw.randrange(4)):
                place = draw.randrange(len(parts))
                mark = draw.choice(marks)
                parts[place] = draw.choice(
                    [parts[place] + mark, mark, draw.choice(words), f"{parts[place]} {parts[0]}"]
                )
            return " ".join(parts)

        texts = [(disturbed(answer), [disturbed(text) for text in references]) for answer, references in PAIRS * 2]
        texts = [(answer, [*references, disturbed(PAIRS[i][0])]) for i, (answer, references) in enumerate(texts[:105])]
        truth = {i: references for i, (_, references) in enumerate(texts)}
        corpus, expected = Jar().compute_score(truth, {i: [answer] for i, (answer, _) in enumerate(texts)})
        metric = scored(texts, tokenizer="whitespace")
        assert segments(metric) == pytest.approx(expected, abs=1e-9)
        assert metric.compute(draws=2)[0].value == pytest.approx(corpus, abs=1e-9)


@pytest.mark.usefixtures("made_up_meteor")
class TestOnMadeUpTables:
    def test_stages_weigh_as_published(self):
        exact, stem, synonym, phrase = (one("cat", word) for word in ("cat", "cats", "feline", "kitten"))
        # "cats" shares stem and synonyms with "cat": two matches of one pair, so none is definite and neither gains.
        assert (exact, stem, synonym, phrase) == (1.0, 0.0, pytest.approx(0.8), 0.0)
        assert one("jumping", "jumped") == pytest.approx(0.6)
        assert one("red", "dark orange") == pytest.approx(0.6)
        assert one("dark orange", "red") == pytest.approx(0.6)

    def test_irregular_forms_and_rules_lead_to_synonyms(self):
        assert one("mice", "rodents") == pytest.approx(0.8)
        assert one("ran", "jogs") == pytest.approx(0.8)

    def test_a_match_that_gains_nothing_is_taken_where_it_saves_a_chunk(self):
        assert one("red cats sat", "red cat sat") > one("red cats sat", "red dog sat")

    def test_function_words_count_a_third_of_content_words(self):
        metric = scored([("the cat", ["the dog"])], tokenizer="whitespace")
        # Both of precision and recall are 0.25 of 0.25 + 0.75.
        assert segments(metric)[0] == pytest.approx(0.25 * (1 - 0.6))

    def test_best_reference_counts_and_the_first_of_equals(self):
        metric = scored(
            [("a red cat", ["dog", "a red cat", "a red cat"]), ("", ["one two", "one"])], tokenizer="whitespace"
        )
        assert statistics(metric)[0][1] == 3
        assert statistics(metric)[1][:2] == [0, 2]
        assert [sample.status for sample in metric.per_sample()] == ["ok", "none"]

    def test_perfect_answers_add_no_chunk_to_the_corpus(self):
        pairs = [("red cat", ["red cat"]), ("red mouse", ["red dog"])]
        sums = scored(pairs, tokenizer="whitespace").rows(
            [e.state for _, e in scored(pairs, tokenizer="whitespace").ordered()]
        )
        assert sums[:, 20].tolist() == [0, 1]

    def test_signature_names_the_tables_and_a_pickled_metric_goes_on(self):
        metric = scored([("a cat", ["a cat"])])
        again = pickle.loads(pickle.dumps(metric))
        again.update({"id": "x", "sentences": ["a dog"]}, Prediction("x", "a dog"))
        assert again.settings() == metric.settings()
        assert again.compute(draws=2)[0].value == 1.0
        hashes = {stages: scored([], stages).settings()["tables"] for stages in ("exact", "exact stem", "full")}
        assert hashes["exact"] == hashes["exact stem"] != hashes["full"]

    def test_index_is_made_once_and_anew_for_other_tables(self, made_up_meteor, tmp_path):
        cache = Path(os.environ["XDG_CACHE_HOME"]) / "lamm" / "meteor"
        open_index(made_up_meteor)
        before = {place.name for place in cache.iterdir()}
        other = shutil.copytree(made_up_meteor, tmp_path / "meteor")
        assert one("mat", "carpet", tables=str(other)) == pytest.approx(0.6)
        after = {place.name for place in cache.iterdir()}
        assert len(after) == len(before) + 1
        assert not any(name.startswith("partial") for name in after)

    def test_damaged_tables_are_named(self, made_up_meteor, tmp_path):
        other = shutil.copytree(made_up_meteor, tmp_path / "meteor")
        (other / "data/paraphrase-en.gz").write_bytes(b"no archive")
        with pytest.raises(UsageError, match="XDG_CACHE_HOME"):
            one("mat", "carpet", tables=str(other))
        torn = shutil.copytree(made_up_meteor, tmp_path / "torn")
        (torn / "meteor-1.5.jar").write_bytes(b"no archive")
        with pytest.raises(UsageError, match="Install it anew"):
            Meteor(tables=str(torn))


class Match(NamedTuple):
    """Words of the reference that stand for words of the answer."""

    start: int
    length: int
    answer_start: int
    answer_length: int
    stage: int


def plain_search(free, definite):
    """The published search with every path on its own: rank, last end, used words of both texts, reach, matches."""
    paths = [((0, 0, 0), -1, frozenset(), frozenset(), 0, ())]
    for j, matches in enumerate(free):
        after = []
        for (gain, chunks, apart), last, used, covered, reached, found in paths:
            if j < reached:
                after.append(((gain, chunks, apart), last, used, covered, reached, found))
                continue
            for match in [definite[j]] if definite[j] else matches:
                here, there = (frozenset(range(a, a + n)) for a, n in (match[2:4], match[:2]))
                if used & here or covered & there:
                    continue
                worth = 2 if match.stage == 0 else match.length // 2 + match.answer_length // 2
                distance = abs(match.start - match.answer_start)
                rank = (
                    gain - worth,
                    chunks + (last not in (-1, match.answer_start)),
                    apart + distance * bool(definite[j]),
                )
                ends = match.answer_start + match.answer_length, match.start + match.length
                after.append((rank, ends[0], used | here, covered | there, ends[1], (*found, match)))
                apart += distance
            if not definite[j]:
                after.append(((gain, chunks + (last >= 0), apart), -1, used, covered, reached, found))
        paths = sorted(after, key=lambda path: path[0])[: meteor_search.BEAM]
    ended = [(gain, chunks + (last >= 0), apart) for (gain, chunks, apart), last, *_ in paths]
    return paths[ended.index(min(ended))][-1]


def plain_definite(free, answer_words):
    """Take the matches out of the lists that nothing overlaps, one word after the other."""
    matches = [match for tried in free for match in tried]

    def alone(match):
        spans = [(0, 1), (2, 3)]
        return all(
            other is match or other[a] + other[n] <= match[a] or match[a] + match[n] <= other[a]
            for other in matches
            for a, n in spans
        )

    definite = [tried[0] if len(tried) == 1 and alone(tried[0]) else None for tried in free]
    return [[] if match else tried for tried, match in zip(free, definite, strict=True)], definite


def as_arrays(tables, answer_words):
    """Matches of several pairs, which of them are definite, and which words of the answers are contested."""
    rows, certain = [], []
    contested = np.zeros((len(tables), answer_words), np.int64)
    for pair, (free, definite) in enumerate(tables):
        for tried, match in zip(free, definite, strict=True):
            for each in [match] if match else tried:
                rows.append((pair, *each))
                certain.append(match is not None)
                contested[pair, each.answer_start : each.answer_start + each.answer_length] += 1
    matches = Matches(*np.array(rows, np.int64).reshape(-1, 6).T)
    return matches, np.array(certain, bool), contested > 1


@pytest.mark.parametrize(("words", "beam"), [(6, 3), (6, 40), (14, 3), (14, 40), (150, 40)])
def test_pairs_searched_together_are_as_if_each_path_went_alone(words, beam, monkeypatch):
    monkeypatch.setattr(meteor_search, "BEAM", beam)
    if words == 6:
        # The ways of long texts: contested words in several numbers, ranks beyond the machine's.
        monkeypatch.setattr(meteor_search, "_WORD", 2)
        monkeypatch.setattr(meteor_search, "_RANK", 10)
    draw = random.Random(words)
    tables = []
    for _ in range(60 if words < 100 else 2):
        free = [[] for _ in range(words)]
        for _ in range(draw.randrange(1, words * 2)):
            start, other = draw.randrange(words), draw.randrange(words)
            sizes = [min(draw.choice([1, 1, 2]), words - place) for place in (start, other)]
            stage = draw.randrange(4) if sizes == [1, 1] else 3
            free[start].append(Match(start, sizes[0], other, sizes[1], stage))
        tables.append(plain_definite(free, words))
    arrays = as_arrays(tables, words)
    found = search(*arrays, np.full(len(tables), words))
    chosen = [[] for _ in tables]
    for pair, *match in zip(*arrays[0].take(found), strict=True):
        chosen[pair].append(tuple(map(int, match)))
    for (free, definite), match in zip(tables, chosen, strict=True):
        assert match == sorted(map(tuple, plain_search(free, definite)))


def plain_statistics(answer, reference):
    """METEOR's statistics of equal words and stems, by the plain search."""
    free = [[] for _ in reference]
    for j, word in enumerate(reference):
        free[j] += [Match(j, 1, i, 1, 0) for i, other in enumerate(answer) if other == word]
        free[j] += [
            Match(j, 1, i, 1, 1)
            for i, other in enumerate(answer)
            if answer != reference and other != word and porter2(other) == porter2(word)
        ]
    found = sorted(plain_search(*plain_definite(free, len(answer))))
    stages = [sum(match.stage == stage for match in found) for stage in range(4)]
    chunks = sum(
        not i or (match.start, match.answer_start) != (found[i - 1].start + 1, found[i - 1].answer_start + 1)
        for i, match in enumerate(found)
    )
    by_stage = [number for stage in stages for number in (stage, stage, 0, 0)]
    return [len(answer), len(reference), 0, 0, *by_stage, chunks, len(found), len(found)]


@pytest.mark.parametrize("pairs", [3, 4096])
def test_texts_full_of_repeated_words_are_aligned_as_one_by_one(pairs, monkeypatch):
    monkeypatch.setattr(meteor_alignment, "_PAIRS", pairs)
    draw = random.Random(pairs)
    texts = []
    for _ in range(60):
        words = draw.sample(["chair", "chairs", "sit", "sits", "sitting", "the", "a", "red"], draw.choice([1, 2, 4, 8]))
        texts.append([" ".join(draw.choices(words, k=draw.choice([1, 3, 8, 16, 24]))) for _ in range(2)])
    # Repeats beyond what 62 bits hold.
    texts.append(["a b " * 40 + "c", "b a " * 35])
    metric = scored([(answer, [reference]) for answer, reference in texts], "exact stem", tables="none")
    assert statistics(metric) == [plain_statistics(*map(str.split, pair)) for pair in texts]


def test_words_as_the_normaliser_splits_them():
    expected = {
        "The chair, next to 1,000 tables.": "the chair , next to 1,000 tables .",
        "Mr. Fox and No. 5 of the U.S. army": "mr. fox and no. 5 of the us army",
        "Wait... what?! (Yes.)": "wait ... what ? ! ( yes . )",
        "the dogs' and man's 1990's": "the dogs ' and man 's 1990 's",
        "T-shirts -- “red” ones": 't shirts - " red " ones',
        "café Ωm": "café ω m",
        "": "",
    }
    abbreviations = {"Mr": True, "No": False}
    assert {text: " ".join(meteor_words(text, abbreviations)) for text in expected} == expected


def test_without_tables_words_count_alike_and_the_name_says_it():
    metric = scored([("the cat", ["the dog"])], "exact stem", tables="none")
    assert segments(metric)[0] == pytest.approx(0.5 * (1 - 0.6))
    assert metric.compute()[0].name == "meteor_exact_stem"
    assert "tables:none" in metric.compute()[0].signature


@pytest.mark.parametrize("options", [{}, {"stages": "exact stem synonym"}])
def test_stages_without_their_tables_are_refused(options, tmp_path):
    with pytest.raises(UsageError, match="exact stem"):
        Meteor(tables="none", **options)
    with pytest.raises(UsageError, match="pip install pycocoevalcap"):
        Meteor(tables=str(tmp_path), **options)


def test_nothing_matched_scores_zero():
    assert meteor_of_statistics(np.zeros((2, 23))).tolist() == [0, 0]
