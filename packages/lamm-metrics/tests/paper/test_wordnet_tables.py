"""The shipped accepted-word tables against WordNet 3.0, where it is installed."""

import json
import os
import shutil
import warnings
from importlib.resources import files
from pathlib import Path

import pytest

from lamm_metrics.paper.words import derive_accepted_words

# Debian's package `wordnet-base` puts the dictionary here; WNSEARCHDIR is WordNet's own variable for another place.
FOLDERS = [os.environ.get("WNSEARCHDIR", ""), "/usr/share/wordnet"]


@pytest.fixture(scope="module")
def wordnet(tmp_path_factory):
    found = next((Path(folder) for folder in FOLDERS if folder and (Path(folder) / "data.noun").is_file()), None)
    if found is None:
        pytest.skip("WordNet 3.0 is not installed (Debian package wordnet-base, or WNSEARCHDIR)")
    import nltk.data
    from nltk.corpus.reader.wordnet import WordNetCorpusReader

    class Reader(WordNetCorpusReader):
        def map_wn(self, version="wordnet"):
            return None  # needs index.sense, which Debian does not pack; it serves other versions' numbering only

    # nltk reads only below its own data path, and wants a list of file names that Debian does not pack either.
    folder = tmp_path_factory.mktemp("wordnet")
    for path in found.iterdir():
        if path.suffix == ".exc" or path.name.startswith(("data.", "index.")):
            shutil.copy(path, folder / path.name)
    (folder / "lexnames").write_text("".join(f"{number:02d}\tname{number}\t1\n" for number in range(45)))
    nltk.data.path.append(str(folder))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield Reader(str(folder), None)
    nltk.data.path.remove(str(folder))


def test_tables_are_what_wordnet_says(wordnet):
    table = json.loads((files("lamm_metrics.paper") / "data" / "accepted_words.json").read_text(encoding="utf-8"))
    assert {label for labels in table["sets"].values() for label in labels} == set(table["labels"])
    derived = {label: sorted(derive_accepted_words(label, wordnet)) for label in table["labels"]}
    assert derived == table["labels"]


def test_no_other_word_passes(wordnet):
    """Every word of WordNet reduces to a lemma of a label exactly if the table lists it."""
    table = json.loads((files("lamm_metrics.paper") / "data" / "accepted_words.json").read_text(encoding="utf-8"))[
        "labels"
    ]
    stop_words = set(json.loads((files("lamm_metrics.paper") / "data" / "stop_words.json").read_text(encoding="utf-8")))
    lemmas = {
        label: {lemma for synset in wordnet.synsets(label)[:1] for lemma in synset.lemma_names()} for label in table
    }
    words = [
        word + ending for word in list(wordnet._lemma_pos_offset_map)[::40] for ending in ("", "s", "ed", "ing", "er")
    ]
    for word in (word for word in words if word not in stop_words):
        base = wordnet.morphy(word)
        for label, accepted in table.items():
            assert (word in accepted) == (base in lemmas[label])
