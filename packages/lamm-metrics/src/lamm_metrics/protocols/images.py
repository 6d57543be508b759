"""Rules for answers about images: a row a benchmark."""

from lamm_metrics.protocols.rule import Protocol, ngrams, use

ROWS = (
    Protocol(
        "coco-captions",
        "salaniz/pycocoevalcap@ad63453c (PyPI pycocoevalcap 1.2) without SPICE",
        "words of the Penn Treebank tokeniser; BLEU with the smallest smoothing, METEOR 1.5, ROUGE-L and CIDEr-D",
        dict.fromkeys(("caption", "object_caption3d"), ngrams("plain", split=False)),
    ),
    Protocol(
        "refcoco",
        "arXiv:1608.00272@v3",
        "Acc@0.5: the first or best-scored box reaches an overlap of a half",
        {"referring": (use("referring_accuracy"),)},
    ),
    Protocol(
        "vqav2",
        "GT-Vision-Lab/VQA PythonEvaluationTools vqaEval.py",
        "min(1, annotators who agree / 3), each left out in turn; texts are normalised only where annotators differ",
        {"open_vqa": (use("vqa_accuracy", normalise="differing"),)},
    ),
    Protocol(
        "textvqa",
        "facebookresearch/mmf EvalAIAnswerProcessor",
        "as vqav2, but texts are always normalised, and commas, question marks and possessives split off first",
        {"open_vqa": (use("vqa_accuracy", normalise="evalai"),)},
    ),
    Protocol(
        "gqa",
        "GQA eval.py",
        "an answer counts if it is the reference letter by letter",
        {"open_vqa": (use("exact_match", text="plain", refined="none"),)},
    ),
    Protocol(
        "docvqa",
        "the evaluation of the DocVQA challenge (arXiv 2007.00398)",
        "1 minus the edit distance over the longer length, the best over references, from 0.5 on; case does not count",
        {"open_vqa": (use("anls"),)},
    ),
    Protocol(
        "chartqa",
        "vis-nlp/ChartQA (arXiv 2203.10244)",
        "a number within 5 % of the true one, or the text without case",
        {"open_vqa": (use("relaxed_accuracy"),)},
    ),
)  # fmt: skip
