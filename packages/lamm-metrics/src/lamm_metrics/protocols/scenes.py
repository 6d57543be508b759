"""Rules for boxes, captions, positions, numbers and yes or no in point clouds: a row a project."""

from lamm_metrics.protocols.rule import Protocol, dense, f1, grounding, use

ROWS = (
    Protocol(
        "scan2cap",
        "daveredrum/Scan2Cap@b9e9610f lib/eval_helper.py",
        "recall form: a box is the object's with the nearest centre, its last one speaks, overlaps exceed the "
        "threshold; 30 words of a reference",
        dense("last", "scan2cap", bound="exceed"),
    ),
    Protocol(
        "scan2cap-benchmark",
        "daveredrum/Scan2Cap@b9e9610f benchmark/eval.py",
        "F1 form: boxes and objects are paired by what the code takes for generalised IoU; precision and recall",
        {"dense_caption3d": (use("dense_caption_f1", meteor=True),)},
    ),
    Protocol(
        "scanrefer",
        "daveredrum/ScanRefer@9d748305 utils/box_util.py, lib/eval_helper.py",
        "1e-8 is added to the union, so that an overlap of exactly a half misses Acc@0.5",
        {"visual_grounding3d": (grounding("scanrefer"),)},
    ),
    Protocol(
        "multi3drefer",
        "3dlg-hcvc/M3DRef-CLIP@babfcc4b m3drefclip/evaluation",
        "overlaps in float32; boxes are paired once by the largest sum of overlaps; missing answers are wrong",
        {"visual_grounding3d": (grounding("m3dref"),), "multi_grounding3d": (f1("m3dref"),)},
    ),
    Protocol(
        "torchmetrics-ext",
        "torchmetrics-ext@0.4.2 (PyPI) metrics/visual_grounding",
        "as multi3drefer, but records without an answer are left out",
        {
            "visual_grounding3d": (grounding("m3dref", missing="skip"),),
            "multi_grounding3d": (f1("m3dref", missing="skip"),),
            "spatial_questions3d": (use("mra", reading="torchmetrics"),),
        },
    ),
    Protocol(
        "vigil3d",
        "3dlg-hcvc/vigil3d@9ca027a0; torchmetrics-ext@0.4.2 vigil3d.py",
        "as torchmetrics-ext; leave `eval_type` out of the records, and parts are none, one and several targets",
        {"multi_grounding3d": (f1("m3dref", missing="skip"),)},
    ),
    Protocol(
        "gpt4scene",
        "Qi-Zhangyang/GPT4Scene@ac34d5f0",
        "as chatscene for several targets, but whole numbers without <OBJ…> are ids, each once",
        {"multi_grounding3d": (f1("scanrefer", ids="gpt4scene"),)},
    ),
    *(
        Protocol(
            name,
            "referit3d/referit3d@725a5d31; 3dlg-hcvc/M3DRef-CLIP@babfcc4b",
            "the object is chosen: its box must overlap the target's by 0.9; easy, hard and view-dependent parts",
            {"visual_grounding3d": (use("grounding_accuracy", thresholds=(0.9,), overlap="m3dref"),)},
        )
        for name in ("nr3d", "sr3d")
    ),
    Protocol(
        "3d-pope",
        "torrid-fish/3D-POPE@f2e67aa6 validate_results.py",
        "only the word yes alone is a yes, all else a no, silence too; records without an answer are left out",
        {"yes_no3d": (use("yes_no", parser="pope3d", missing="skip", pooled="templates"),)},
    ),
    Protocol(
        "sqa3d-localisation",
        "SilongYong/SQA3D@a98da8fd utils/localization_metric.py",
        "the best of up to three positions and rotations each; below the bounds; axes by name, unlike the script",
        {"localisation3d": (use("localisation"),)},
    ),
    Protocol(
        "vsi-official",
        "vision-x-nyu/thinking-in-space@51e089c3 lmms_eval/tasks/vsibench/utils.py",
        "the first word of the answer, with nothing before it, is the number or the letter; the mean is over tasks",
        {"spatial_questions3d": (use("mra", reading="official"),)},
    ),
    Protocol(
        "vsi-lmms",
        "EvolvingLMMs-Lab/lmms-eval@75571cfe lmms_eval/tasks/vsibench/utils.py",
        "letters as vsi-official; of numbers the first anywhere, in digits or in words",
        {"spatial_questions3d": (use("mra", reading="lmms"),)},
    ),
    Protocol(
        "vsi-vlmevalkit",
        "open-compass/VLMEvalKit@e8e78f05 vlmeval/dataset/utils/spatial_bench (rules, no judge)",
        "letters are searched for in tags, last lines and conclusions; of numbers the last, words to twenty",
        {"spatial_questions3d": (use("mra", reading="vlmevalkit"),)},
    ),
)  # fmt: skip
