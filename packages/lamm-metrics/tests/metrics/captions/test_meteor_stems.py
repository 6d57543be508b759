"""Stems are those of the Snowball stemmer within METEOR's Java program."""

import subprocess
import sys

from lamm_metrics.metrics.captions.meteor_stems import porter2

# As the program gives them; a word or more for each rule.
STEMS = """
    skis:ski skies:sky dying:die idly:idl news:news cosmos:cosmos generously:generous communication:communic
    arsenal:arsenal youth:youth sayings:say 'tis:tis dog's:dog dogs':dog caresses:caress ties:tie cried:cri gas:gas
    kiwis:kiwi us:us pass:pass inning:inning succeed:succeed agreed:agre feed:feed agreedly:agre bled:bled
    conflated:conflat troubled:troubl hopping:hop hoped:hope hoping:hope fizzed:fizz falling:fall sitting:sit
    seeing:see cry:cri by:by say:say enjoy:enjoy conditional:condit valency:valenc hesitancy:hesit
    conformably:conform differently:differ digitizer:digit vacationer:vacation realization:realiz relational:relat
    predication:predic operator:oper feudalism:feudal formality:formal radically:radic hopefulness:hope
    callously:callous decisiveness:decis sensitivity:sensit sensibility:sensibl possibly:possibl analogy:analog
    apology:apolog hopefully:hope restlessly:restless quickly:quick happily:happili triplicate:triplic
    electricity:electr electrical:electr hopeful:hope goodness:good formative:format alternative:altern
    revival:reviv allowance:allow inference:infer airliner:airlin gyroscopic:gyroscop adjustable:adjust
    defensible:defens irritant:irrit replacement:replac adjustment:adjust dependent:depend adoption:adopt
    homologous:homolog communism:communism activate:activ angularity:angular bowdlerize:bowdler effective:effect
    rate:rate cease:ceas controll:control roll:roll rotationally:rotat committee:committe scratedly:scrate
    schized:schize payization:payiz
    hanging:hang
"""


def test_stems_are_those_of_the_snowball_program():
    expected = dict(pair.split(":") for pair in STEMS.split())
    assert {word: porter2(word) for word in expected} == expected


def test_what_is_no_word_stays():
    assert [porter2(text) for text in ("", "a", "1,000.5", "...", "中文", "s", "'s")] == [
        *("", "a", "1,000.5", "...", "中文", "s", "'s")
    ]


RUN = """
import sys
from lamm_metrics import Prediction, make_metric
metric = make_metric("meteor", "caption", stages="exact stem", tables="none")
metric.update({"id": 1, "sentences": ["running"]}, Prediction("1", "runs"))
assert metric.compute(draws=0)[0].value > 0
sys.exit("nltk" in sys.modules)
"""


def test_nltk_is_not_loaded_for_them():
    subprocess.run([sys.executable, "-c", RUN], check=True)
