"""Our numbers beside those that the code of published projects gave for made-up inputs (`golden/vision3d`)."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from verification_rows import Row, named

from lamm_metrics import (
    Report,
    make_metric,
    nr3d_easy,
    nr3d_view_dependent,
    read_predictions,
    scanrefer_multiple,
    score,
)

EM = {
    "scanqa-official": ("ScanQA score.py Top1 (EM)", "ATR-DBI/ScanQA@0a9f1621"),
    "leo": ("LEO", "embodied-generalist@567f2d80"),
    "llava3d": ("LLaVA-3D", "ZCMax/LLaVA-3D@91d979dc"),
    "chatscene": ("Chat-Scene scanqa / GPT4Scene scanqa (refs not cleaned)", "ZzZZCHS/Chat-Scene@475e1069"),
    "chatscene-sqa3d": ("Chat-Scene sqa3d / GPT4Scene sqa3d (refs cleaned)", "ZzZZCHS/Chat-Scene@475e1069"),
    "chat3dv2": ("Chat-3D-v2 scanqa", "Chat-3D/Chat-3D-v2@32e93366"),
    "video3dllm": ("Video-3D-LLM scanqa (EM only)", "LaVi-Lab/Video-3D-LLM@3ff70e88"),
    "video3dllm-sqa3d": ("Video-3D-LLM sqa3d (EM only, first ref)", "LaVi-Lab/Video-3D-LLM@3ff70e88"),
    "msqa": ("MSR3D evaluate_msqa (first ref only): em1_strict, em1", "MSR3D/MSR3D@c6024005"),
    "beacon3d": ("Beacon3D", "beacon-3d/beacon-3d@9cd8f1f0"),
    "mmscan": ("MMScan", "OpenRobotLab/EmbodiedScan@cc3842aa"),
    "standard": ("LLaVA-3D", "ZCMax/LLaVA-3D@91d979dc"),
}
NGRAMS = {
    "scanqa-official": ("ScanQA score.py / torchmetrics_ext (raw -> PTB)", "ATR-DBI/ScanQA@0a9f1621"),
    "leo": ("LEO (clean_answer, no PTB)", "embodied-generalist@567f2d80"),
    "llava3d": ("LLaVA-3D (clean_answer -> PTB)", "ZCMax/LLaVA-3D@91d979dc"),
    "chatscene": ("Chat-Scene / GPT4Scene (pred cleaned, refs raw, PTB)", "ZzZZCHS/Chat-Scene@475e1069"),
    "video3dllm": ("Video-3D-LLM (no cleaning, rstrip '.', no PTB)", "LaVi-Lab/Video-3D-LLM@3ff70e88"),
    "ll3da": ("LL3DA (no cleaning, no PTB)", "Open3DA/LL3DA@ebbdd771"),
}
DENSE = {
    "scan2cap": ("Scan2Cap lib / LL3DA refs (tokens, 30 max, no PTB; pred as tokens)", "daveredrum/Scan2Cap@b9e9610f"),
    "ll3da": ("LL3DA (refs tokens 30 max; pred raw text, no PTB)", "Open3DA/LL3DA@ebbdd771"),
    "leo": ("LEO (refs tokens; pred '. '->' . ', case kept, no PTB)", "embodied-generalist@567f2d80"),
    "chatscene": ("Chat-Scene / GPT4Scene (full text, PTB, punctuation dropped)", "ZzZZCHS/Chat-Scene@475e1069"),
    "video3dllm": (
        "Video-3D-LLM (lower, '.' and ',' spaced, double blanks kept, missing = 'sos  eos')",
        "LaVi-Lab/Video-3D-LLM@3ff70e88",
    ),
}
VSI = {
    "vsi-official": ("official", "vision-x-nyu/thinking-in-space@51e089c3"),
    "vsi-lmms": ("lmms_eval", "lmms-eval@75571cfe"),
    "vsi-vlmevalkit": ("vlmevalkit", "VLMEvalKit@e8e78f05"),
    "torchmetrics-ext": ("torchmetrics_ext", "torchmetrics-ext 0.4.2"),
}
F1_FORM = (("cider_d", "cider"), ("bleu_4", "bleu"), ("rouge_l", "rouge"), ("meteor", "meteor"))
FLOAT32 = "the project averages in float32"


def rows(folder: Path) -> Iterator[Row]:
    """Yield every comparison with a golden file."""
    found = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.json"))}
    yield from _answers(found["qa_em"], found["ngram_qa"]["qa"])
    yield from _meteor(found["meteor"])
    yield from _dense(found["scan2cap"])
    yield from _boxes(found["boxes_multi3drefer"])
    yield from _spatial(found["vsi"])
    yield from _rest(found["pope3d"], found["splits_and_llm_match"])


def _numbered(items: Sequence[tuple[Any, Any]], **more: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return pairs of an answer and its references as records and predictions, in order of their ids."""
    references = [{"id": f"{i:03d}", "answers": truth, "query": "What?", **more} for i, (_, truth) in enumerate(items)]
    return references, [{"id": f"{i:03d}", "text": answer} for i, (answer, _) in enumerate(items)]


def _answers(em: Mapping[str, Any], ngrams: Mapping[str, Any]) -> Iterator[Row]:
    files = _numbered(em["items"], question_type="counting")
    for protocol, (project, source) in EM.items():
        report = score("open_vqa3d", *files, protocol=protocol, draws=2)
        if protocol == "standard":
            source = f"EM of {source}, EM-R of {EM['chatscene-sqa3d'][1]}"
        truth = em["per_project"][project]
        headline = 1 if report.headline.name == "em_r" else 0
        ours = [sample.value for sample in report.samples]
        theirs: list[float] = [pair[headline] for pair in truth]
        if protocol == "standard":  # an empty answer is wrong here, right there: EM-R is held against the other
            truth = em["per_project"][EM["chatscene-sqa3d"][0]]
        for column, name in enumerate(("em", "em_r")):
            if name in named(report) and not (protocol == "standard" and name == "em"):
                ours.append(named(report)[name])
                theirs.append(sum(pair[column] for pair in truth) / len(truth))
        both = "EM and EM-R" if "em_r" in named(report) else "EM"
        yield Row("open_vqa3d", protocol, f"{both}, answer by answer", source, ours, theirs)
        if protocol == "standard":
            values = [sample.value for sample in score("open_vqa", *files, draws=2).samples]
            yield Row("open_vqa", protocol, "EM, answer by answer", EM["llava3d"][1], values, theirs[:-1])
    files = _numbered(ngrams["items"])
    for protocol, (project, source) in NGRAMS.items():
        ours_by = named(score("open_vqa3d", *files, protocol=protocol, draws=2))
        corpus = ngrams["results"][project]["corpus"]
        theirs = [*corpus["BLEU"], corpus["ROUGE_L"], corpus["CIDEr"], corpus["METEOR"]]
        names = ("bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "cider_d", "meteor")
        ours = [ours_by[name] for name in names]
        yield Row("open_vqa3d", protocol, "BLEU-1 to 4, ROUGE-L, CIDEr-D, METEOR", source, ours, theirs)


def _meteor(golden: Mapping[str, Any]) -> Iterator[Row]:
    for stages, key in (("full", None), ("exact stem", "exact+stem")):
        metric = make_metric("meteor", "caption", stages=stages, tokenizer="whitespace")
        for i, pair in enumerate(golden["pairs"]):
            record = {"id": f"{i:03d}", "sentences": pair["refs"]}
            metric.update(record, read_predictions([{"id": f"{i:03d}", "text": pair["hyp"]}]).records[f"{i:03d}"])
        ours = [*(one.value for one in metric.per_sample()), metric.compute(draws=2)[0].value]
        if key is None:
            theirs = [*(pair["score"] for pair in golden["pairs"]), golden["corpus_score"]]
        else:
            theirs = [*golden["modes"][key]["scores"], golden["modes"][key]["corpus_score"]]
        what = "METEOR 1.5" + ("" if key is None else f", stages {stages} only")
        yield Row("caption", "standard", what, "METEOR's jar (cmu-mtlab/meteor@57a9ec5d)", ours, theirs)


def centred(box: Sequence[Sequence[float]]) -> list[float]:
    """Return a box of two corners as centre and size."""
    pairs = list(zip(*box, strict=True))
    return [(low + high) / 2 for low, high in pairs] + [high - low for low, high in pairs]


def _plain(caption: str) -> str:
    return caption.removeprefix("sos ").removesuffix(" eos")


def _scenes(golden: Mapping[str, Any], name: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return scenes with their objects, and one set of answers to them."""
    references, answers = [], []
    for scene, truth in golden["gt"].items():
        objects = zip(truth["object_ids"], truth["boxes"], truth["captions"], strict=True)
        described = [
            {"label": label, "bbox": centred(box), "sentences": [_plain(text) for text in texts]}
            for label, box, texts in objects
        ]
        references.append({"id": scene, "pcl": f"{scene}.ply", "object": described})
        boxes = [{"label": _plain(text), "box": centred(box)} for text, box in golden["predictions"][name][scene]]
        answers.append({"id": scene, "boxes": boxes})
    return references, answers


def _dense(golden: Mapping[str, Any]) -> Iterator[Row]:
    cube = [0, 0, 0, 1, 1, 1]
    items = golden["text_protocols"]["objects"].items()
    records = [{"id": key, "gt_bbox": cube, "sentences": item["refs"]} for key, item in items]
    answers = [{"id": key, "boxes": [{"label": item["pred"], "box": cube}]} for key, item in items if item["pred"]]
    scores = (("cider_d", "CIDEr"), ("bleu_4", "BLEU-4"), ("rouge_l", "ROUGE_L"), ("meteor", "METEOR"))
    for protocol, (project, source) in DENSE.items():
        found = named(score("dense_caption3d", records, answers, protocol, missing="failed", draws=2))
        published = golden["text_protocols"]["results"][project]
        ours = [found[f"dense_captions/{name}@0.5"] for name, _ in scores]
        yield Row("dense_caption3d", protocol, "captions", source, ours, [published[name] for _, name in scores])
    ways = (("leo", "oracle", "reach", "oracle_ge"), ("ll3da", "assigned", "exceed", "LL3DA_assign_gt_strict"),
            ("standard", "oracle", "reach", "oracle_ge"))  # fmt: skip
    for protocol, chosen, bound, key in ways:
        ours, theirs = [], []
        for name in golden["predictions"]:
            options = {"chosen": chosen, "bound": bound, "text": "scan2cap", "overlap": "scanrefer", "meteor": True}
            found = named(score("dense_caption3d", *_scenes(golden, name), draws=2, **options))
            for threshold in ("0.25", "0.5"):
                ours += [found[f"dense_captions/{one}@{threshold}"] for one, _ in scores]
                theirs += [golden["recall_form"][name][threshold][key][one] for _, one in scores]
        yield Row("dense_caption3d", protocol, "which box speaks for an object", "COCO's scorers", ours, theirs)
    ours, theirs = [], []
    for name in golden["predictions"]:
        found = named(score("dense_caption3d", *_scenes(golden, name), "scan2cap-benchmark", draws=2))
        for threshold in ("0.25", "0.5"):
            for part, suffix in (("f1-score", ""), ("precision", "/precision"), ("recall", "/recall")):
                for one, other in F1_FORM:
                    ours.append(found[f"dense_caption_f1/{one}{suffix}@{threshold}"])
                    theirs.append(golden["benchmark_F1"][name]["results"][threshold][part][other])
    reason = "the benchmark adds up in float32 and prints eight digits"
    source = "daveredrum/Scan2Cap@b9e9610f benchmark/eval.py"
    yield Row("dense_caption3d", "scan2cap-benchmark", "F1 form", source, ours, theirs, 1e-6, reason)


def _boxes(golden: Mapping[str, Any]) -> Iterator[Row]:
    pairs = golden["iou"]["items"]
    records = [{"id": f"{i:02d}", "gt_bbox": centred(pair[1])} for i, pair in enumerate(pairs)]
    answers = [{"id": f"{i:02d}", "boxes": [{"box": centred(pair[0])}]} for i, pair in enumerate(pairs)]
    for protocol, column, source in (
        ("scanrefer", 2, "daveredrum/ScanRefer@9d748305"), ("chatscene", 2, "ZzZZCHS/Chat-Scene@475e1069"),
        ("multi3drefer", 3, "3dlg-hcvc/M3DRef-CLIP@babfcc4b"), ("nr3d", 3, "3dlg-hcvc/M3DRef-CLIP@babfcc4b"),
        ("sr3d", 3, "3dlg-hcvc/M3DRef-CLIP@babfcc4b"), ("torchmetrics-ext", 3, "torchmetrics-ext 0.4.2"),
    ):  # fmt: skip
        report = score("visual_grounding3d", records, answers, protocol, draws=2)
        ours = [sample.value for sample in report.samples]
        yield Row("visual_grounding3d", protocol, "overlaps of boxes", source, ours, [pair[column] for pair in pairs])
    queries = golden["multi3drefer"]
    for protocol, key, answered, source in (
        ("multi3drefer", "M3DRef_CLIP_overall", 26, "3dlg-hcvc/M3DRef-CLIP@babfcc4b"),
        ("multi3drefer", "M3DRef_CLIP_overall", 20, "3dlg-hcvc/M3DRef-CLIP@babfcc4b"),
        ("torchmetrics-ext", "torchmetrics_ext_all", 20, "torchmetrics-ext 0.4.2"),
    ):
        found = named(score("multi_grounding3d", *queries_of(queries["items"], answered), protocol, missing="failed"))
        ours, theirs = [], []
        if answered == 26:
            for threshold in ("0.25", "0.5"):
                for part, value in queries[key][f"F1@{threshold}"].items():
                    ours.append(found[f"grounding_f1{'' if part == 'overall' else '/' + part}@{threshold}"])
                    theirs.append(value)
        else:
            for name, value in queries["last_6_predictions_missing"][key].items():
                ours.append(found[f"grounding_f1@{name.strip('F1@al_')}"])
                theirs.append(value)
        what = "F1, whole and parts" if answered == 26 else "F1 where six answers are missing"
        yield Row("multi_grounding3d", protocol, what, source, ours, theirs, 1e-7, FLOAT32)


def queries_of(items: Sequence[Any], answered: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return descriptions of several objects as records, and the answers to the first of them."""
    references, answers = [], []
    for i, (kind, truth, boxes, *_) in enumerate(items):
        objects = [{"label": "", "bbox": centred(box)} for box in truth]
        references.append({"id": f"{i:02d}", "eval_type": kind, "object": objects})
        answers.append({"id": f"{i:02d}", "boxes": [{"box": centred(box)} for box in boxes]})
    return references, answers[:answered]


def spatial_record(key: str, kind: str, truth: str) -> dict[str, Any]:
    """Return a question of VSI-Bench: a number, or one of four options."""
    if kind.endswith(("counting", "distance", "estimation")) and "rel" not in kind:
        return {"id": key, "question_type": kind, "num": float(truth)}
    options = ["bed", "desk", "sofa", "lamp"]
    return {"id": key, "question_type": kind, "gt_choice": "ABCD".index(truth.upper()), "gt_choices": options}


def _spatial(golden: Mapping[str, Any]) -> Iterator[Row]:
    whole = golden["aggregate"]
    kinds = zip(whole["question_types"], whole["predictions"], whole["ground_truth"], strict=True)
    for protocol, (code, source) in VSI.items():
        lines = [(f"{i:03d}", *row) for i, row in enumerate(golden["items"])]
        report = _spatial_report(protocol, [(key, kind, text, truth) for key, kind, text, truth, *_ in lines])
        ours = [sample.value for sample in report.samples]
        theirs = [row[3 + golden["columns"][3:].index(code)] for row in golden["items"]]
        yield Row("spatial_questions3d", protocol, "answer by answer", source, ours, theirs)
    listed = [(f"{i:03d}", *row) for i, row in enumerate(kinds)]
    overall = [whole["official_percent"]["overall"] / 100]
    for protocol, (_, source) in VSI.items():
        value = _spatial_report(protocol, listed).headline.value
        yield Row("spatial_questions3d", protocol, "mean over tasks", source, [value], overall)


def _spatial_report(protocol: str, lines: Sequence[tuple[str, str, str, str]]) -> Report:
    records = [spatial_record(key, kind, truth) for key, kind, _, truth in lines]
    answers = [{"id": key, "text": text} for key, _, text, _ in lines]
    return score("spatial_questions3d", records, answers, protocol, draws=2)


def _rest(pope: Mapping[str, Any], golden: Mapping[str, Any]) -> Iterator[Row]:
    records = [{"id": f"{i:02d}", "label": truth} for i, (truth, _) in enumerate(pope["items"])]
    answers = [{"id": f"{i:02d}", "text": text} for i, (_, text) in enumerate(pope["items"])]
    ours, theirs = [], []
    for key, count in (("all", 16), ("last_4_missing", 12)):
        found = named(score("yes_no3d", records, answers[:count], "3d-pope", missing="failed", draws=2))
        ours += [found[name] for name in ("accuracy", "precision", "recall", "f1", "yes_rate")]
        theirs += [pope[key][name] for name in ("Accuracy", "Precision", "Recall", "F1 Score")]
        theirs.append(pope[key]["Yes (%)"] / 100)
    source = "torrid-fish/3D-POPE@f2e67aa6"
    yield Row("yes_no3d", "3d-pope", "accuracy, precision, recall, F1, share of yes", source, ours, theirs)
    places = golden["sqa3d_localization"]
    records = [{"id": f"{i:02d}", "position": one[0], "rotation": one[1]} for i, one in enumerate(places["items"])]
    answers = [
        {"id": f"{i:02d}", "text": json.dumps({"position": one[2], "rotation": one[3]})}
        for i, one in enumerate(places["items"])
    ]
    for protocol in ("sqa3d-localisation", "standard"):
        found = named(score("localisation3d", records, answers, protocol, draws=2))
        by_bound = {name.partition("@")[2]: value for name, value in found.items()}
        ours = [by_bound[name] for name in ("0.5m", "1m", "15deg", "30deg")]
        theirs = [places["all"][name] for name in ("acc@0.5m", "acc@1.0m", "acc@15°", "acc@30°")]
        source = "SilongYong/SQA3D@a98da8fd"
        yield Row("localisation3d", protocol, "position and rotation within bounds", source, ours, theirs)
    ours, theirs = [], []
    for marks, percent in golden["openeqa"]["aggregate"]:
        records = [{"id": i, "answers": ["red"]} for i in range(len(marks))]
        answers = [{"id": i, "text": "red", "meta": {"mark": mark}} for i, mark in enumerate(marks)]
        for task in ("open_vqa3d", "open_vqa"):
            ours.append(score(task, records, answers, "openeqa", draws=2).headline.value)
            theirs.append(percent / 100)
    for task, half in (("open_vqa3d", slice(0, None, 2)), ("open_vqa", slice(1, None, 2))):
        source = "facebookresearch/open-eqa@cfa3fce4"
        yield Row(task, "openeqa", "means of a judge's marks", source, ours[half], theirs[half])
    split = golden["unique_multiple"]
    table = {raw: name for raw, (_, name) in split["label_table_raw_to_nyu40"].items()}
    listed = [
        dict(zip(("scene_id", "object_id", "object_name", "ann_id"), one, strict=False)) for one in split["items"]
    ]
    for protocol, classes, column in (("scanrefer", "scanrefer", 4), ("multi3drefer", "m3dref", 5)):
        ours = [float(one) for one in scanrefer_multiple(listed, table, classes)]
        theirs = [float(bool(one[column])) for one in split["items"]]
        yield Row("visual_grounding3d", protocol, "unique or multiple", f"the code of {protocol}", ours, theirs)
    ours, theirs = [], []
    for stimulus, tokens, easy, dependent in golden["nr3d"]["items"]:
        ours += [float(nr3d_easy(stimulus)), float(nr3d_view_dependent(tokens))]
        theirs += [float(easy), float(dependent)]
    yield Row(
        "visual_grounding3d", "nr3d", "easy or hard, view-dependent", "referit3d/referit3d@725a5d31", ours, theirs
    )
