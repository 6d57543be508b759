"""BLEU-4 and CIDEr-D of 5,000 captions with 5 references each, tokenising included, beside the usual implementations.

The captions are drawn from a seed with word frequencies after Zipf, 8 to 13 words long, as COCO's are. The scorers
of coco-caption (package pycocoevalcap) get texts that are tokenised already, because its tokeniser needs Java.
Run: OMP_NUM_THREADS=1 python benchmarks/metrics/captions.py
"""

from importlib.util import find_spec
from typing import Any

import nltk.translate.bleu_score as nltk_bleu
import numpy as np
import sacrebleu
from measuring import peak_memory_mib, seconds, write_result

from lamm_metrics import Prediction, make_metric, ptb

RECORDS, REFERENCES, VOCABULARY = 5_000, 5, 8_000


def captions(seed: int = 0) -> tuple[list[dict[str, Any]], list[Prediction]]:
    generator = np.random.default_rng(seed)
    words = np.array([f"w{i}" for i in range(VOCABULARY)])
    share = 1 / np.arange(1, VOCABULARY + 1)
    share /= share.sum()

    def sentence() -> str:
        return " ".join(generator.choice(words, int(generator.integers(8, 14)), p=share)).capitalize() + "."

    references = [{"id": str(i), "sentences": [sentence() for _ in range(REFERENCES)]} for i in range(RECORDS)]
    return references, [Prediction(str(i), sentence()) for i in range(RECORDS)]


def scored(names: list[str], references: list[dict[str, Any]], answers: list[Prediction], draws: int) -> list[Any]:
    metrics = [make_metric(name, "caption") for name in names]
    for reference, answer in zip(references, answers, strict=True):
        for metric in metrics:
            metric.update(reference, answer)
    return [score for metric in metrics for score in metric.compute(draws=draws)]


def with_coco_caption(references: list[dict[str, Any]], answers: list[Prediction]) -> dict[str, Any]:
    """coco-caption's BLEU and CIDEr on tokenised texts, and how far ours are from them."""
    from pycocoevalcap.bleu.bleu_scorer import BleuScorer
    from pycocoevalcap.cider.cider import Cider

    truth = {record["id"]: [" ".join(ptb(text)) for text in record["sentences"]] for record in references}
    said = {answer.id: [" ".join(ptb(answer.plain_text))] for answer in answers}
    found: dict[str, float] = {}

    def run() -> None:
        scorer = BleuScorer(n=4)
        for key, texts in truth.items():
            scorer += (said[key][0], texts)
        found["bleu_4"] = scorer.compute_score(option="closest", verbose=0)[0][3]
        found["cider_d"] = float(Cider().compute_score(truth, said)[0])

    took = seconds(run)
    ours = {score.name: score.value for score in scored(["bleu", "cider_d"], references, answers, 2)}
    return {
        "coco-caption BLEU-1..4 + CIDEr, tokens given": took,
        "largest difference from coco-caption": max(abs(ours[name] - value) for name, value in found.items()),
    }


if __name__ == "__main__":
    references, answers = captions()
    hypotheses = [answer.plain_text for answer in answers]
    columns = [[record["sentences"][i] for record in references] for i in range(REFERENCES)]

    def with_nltk() -> object:
        split = [[list(ptb(text)) for text in record["sentences"]] for record in references]
        return nltk_bleu.corpus_bleu(split, [list(ptb(text)) for text in hypotheses])

    measured: dict[str, Any] = {
        "lamm_metrics BLEU-1..4 + CIDEr-D": seconds(lambda: scored(["bleu", "cider_d"], references, answers, 2)),
        "the same with ROUGE-L and intervals of 1,000 draws": seconds(
            lambda: scored(["bleu", "rouge_l", "cider_d"], references, answers, 1000)
        ),
        "sacrebleu BLEU alone (13a)": seconds(lambda: sacrebleu.BLEU(lowercase=True).corpus_score(hypotheses, columns)),
        "nltk BLEU-4 alone, our tokens": seconds(with_nltk),
        "peak_memory_mib": peak_memory_mib(),
    }
    if find_spec("pycocoevalcap") is not None:
        measured |= with_coco_caption(references, answers)
    write_result("captions", measured, ["nltk", "sacrebleu", "pycocoevalcap"])
