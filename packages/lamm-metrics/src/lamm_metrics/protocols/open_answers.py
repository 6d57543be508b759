"""Rules for open answers about point clouds, and for captions of the same projects: a row a project."""

from lamm_metrics.protocols.rule import Protocol, dense, f1, grounding, ngrams, use

ROWS = (
    Protocol(
        "scanqa-official",
        "ATR-DBI/ScanQA@0a9f1621 scripts/score.py",
        "an answer counts if it is one of the references letter by letter; EM@10 if any of ten is; n-grams of raw text",
        {
            "open_vqa3d": (
                use("exact_match", text="plain", refined="none", top=10, types="scanqa"),
                *ngrams("plain", split=False),
            )
        },
    ),
    Protocol(
        "leo",
        "embodied-generalist/embodied-generalist@567f2d80 evaluator/scanqa_eval.py, data/data_utils.py",
        "both sides are cleaned; references are tried in order, and the first that matches or overlaps decides; "
        "EM-R counts parts of words and empty answers",
        {
            "open_vqa3d": (
                use("exact_match", text="leo", match="in-order", empty="contained", types="sqa3d"),
                *ngrams("leo", split=True),
            ),
            **dense("oracle", "leo"),
        },
    ),
    Protocol(
        "llava3d",
        "ZCMax/LLaVA-3D@91d979dc llava/eval/scanqa_evaluator.py",
        "as leo, but an exact match with any reference comes first; n-grams of cleaned text in Treebank words",
        {
            "open_vqa3d": (
                use("exact_match", text="leo", empty="contained", types="sqa3d"),
                *ngrams("leo", split=False),
            )
        },
    ),
    Protocol(
        "chatscene",
        "ZzZZCHS/Chat-Scene@475e1069 utils/eval.py on ScanQA; GPT4Scene@ac34d5f0 the same",
        "the answer is cleaned, the references are not: a reference such as '2' or 'TV on the wall' cannot be matched; "
        "an answer without a usable <OBJ…> names object 0, where one box is asked for",
        {
            "open_vqa3d": (use("exact_match", text="chatscene"), *ngrams("chatscene", split=False)),
            "visual_grounding3d": (grounding("scanrefer", ids="chatscene"),),
            "multi_grounding3d": (f1("scanrefer", ids="chatscene"),),
            **dense("assigned", "chatscene"),
        },
    ),
    Protocol(
        "chatscene-sqa3d",
        "ZzZZCHS/Chat-Scene@475e1069 utils/eval.py on SQA3D; GPT4Scene@ac34d5f0 the same",
        "both sides are cleaned, any reference may match, empty answers are wrong",
        {"open_vqa3d": (use("exact_match", text="chatscene-sqa3d", types="sqa3d"),)},
    ),
    Protocol(
        "chat3dv2",
        "Chat-3D/Chat-3D-v2@32e93366 utils/eval.py",
        "as chatscene-sqa3d, but an empty answer counts in EM-R, since every text contains it",
        {"open_vqa3d": (use("exact_match", text="chatscene-sqa3d", empty="contained"),)},
    ),
    Protocol(
        "video3dllm",
        "LaVi-Lab/Video-3D-LLM@3ff70e88 llava/eval/eval_scanqa.py",
        "an answer counts if it is one of the references letter by letter, its final dot included; n-grams without it",
        {
            "open_vqa3d": (
                use("exact_match", text="plain", refined="none"),
                *ngrams("video3dllm", split=True),
            ),
            **dense("oracle", "video3dllm"),
        },
    ),
    Protocol(
        "video3dllm-sqa3d",
        "LaVi-Lab/Video-3D-LLM@3ff70e88 llava/eval/eval_sqa3d.py",
        "both sides are cleaned, the first reference alone counts, no EM-R",
        {"open_vqa3d": (use("exact_match", text="leo", match="first", refined="none", types="sqa3d"),)},
    ),
    Protocol(
        "ll3da",
        "Open3DA/LL3DA@ebbdd771",
        "no exact match; n-grams of raw text, split at blanks: case and punctuation count",
        {
            "open_vqa3d": (ngrams("ll3da", split=True)[-1], *ngrams("ll3da", split=True)[:-1]),
            **dense("assigned", "ll3da", bound="exceed"),
        },
    ),
    Protocol(
        "mmscan",
        "OpenRobotLab/EmbodiedScan@cc3842aa (branch mmscan) mmscan/evaluator/metrics/lang_metric.py",
        "special tokens are removed and both sides cleaned; any reference may match; empty answers are wrong",
        {
            "open_vqa3d": (
                use("exact_match", text="mmscan", types="record"),
                *ngrams("mmscan", split=False),
            )
        },
    ),
    Protocol(
        "msqa",
        "MSR3D/MSR3D@c6024005 evaluator/utils.py, evaluate_msqa.py",
        "the first reference alone counts; the headline is EM-R, the mean over types weighted by their questions",
        {
            "open_vqa3d": (
                use("exact_match", text="msqa", match="first", refined="first", empty="contained", types="msqa"),
                *ngrams("leo", split=True),
            )
        },
    ),
    Protocol(
        "beacon3d",
        "beacon-3d/beacon-3d@9cd8f1f0 utils.py",
        "the exact match and EM-R of leo; the project's own headline needs a judge's marks",
        {
            "open_vqa3d": (
                use("exact_match", text="leo", match="in-order", empty="contained", types="record"),
            )
        },
    ),
)  # fmt: skip
