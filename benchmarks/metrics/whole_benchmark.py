"""All 62,439 answers of the paper's 2D benchmark scored with default intervals, task by task, through `score`.

Records have the sizes of the published data sets (lamm.md 2.1 gives them; two are inferred) and are drawn from a seed;
answers are sentences in the styles of models, so that extraction does its whole work. Medians of five. No peer scores
all of these tasks; those that score one of them stand in the other scripts.
Run: OMP_NUM_THREADS=1 python benchmarks/metrics/whole_benchmark.py
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from measuring import peak_memory_mib, seconds, write_result

from lamm_metrics import score

Generator = np.random.Generator
Drawn = tuple[dict[str, Any], str | dict[str, str]]
CIFAR = [
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
]  # fmt: skip
WORDS = [
    "a", "the", "man", "woman", "dog", "red", "ball", "runs", "sits", "on", "grass", "water", "near", "two",
    "with", "holding", "playing", "street", "blue",
]  # fmt: skip
JOINTS = [
    "right ankle", "right knee", "right hip", "left hip", "left knee", "left ankle", "right wrist", "right elbow",
    "right shoulder", "left shoulder", "left elbow", "left wrist", "neck", "head top",
]  # fmt: skip


def _box(generator: Generator) -> list[float]:
    corner = generator.random(2) * 0.5
    return [round(float(v), 2) for v in (*corner, *(corner + 0.1 + generator.random(2) * 0.4))]


def _label(names: list[str]) -> Callable[[Generator], Drawn]:
    def draw(generator: Generator) -> Drawn:
        return {"label": str(generator.choice(names))}, f"The image shows a {generator.choice(names)} in the middle."

    return draw


def _hair(generator: Generator) -> Drawn:
    colours = ["black", "blond", "brown", "gray"]
    return {"attr": str(generator.choice(colours))}, f"The person has {generator.choice(colours)} hair."


def _smile(generator: Generator) -> Drawn:
    return {"attr": str(generator.choice(["1", "-1"]))}, str(generator.choice(["Yes, smiling.", "No, not smiling."]))


def _detection(generator: Generator) -> Drawn:
    names = ["person", "car", "dog", "cat", "chair", "bottle", "sofa", "train", "boat", "bird"]
    truth = [{"label": str(generator.choice(names)), "bbox": _box(generator)} for _ in range(3)]
    said = [f"There is a {generator.choice(names)} at {_box(generator)}." for _ in range(3)]
    return {"object": truth, "image_size": [500, 375]}, " ".join(said)


def _choice(generator: Generator) -> Drawn:
    options = [" ".join(generator.choice(WORDS, 3)) for _ in range(4)]
    reasoning = " ".join(generator.choice(WORDS, 30))
    answer = f"{reasoning}\nThe answer is ({'ABCD'[generator.integers(4)]})."
    return {"gt_choice": int(generator.integers(4)), "gt_choices": options}, answer


def _caption(generator: Generator) -> Drawn:
    sentences = [" ".join(generator.choice(WORDS, 11)) for _ in range(6)]
    return {"sentences": sentences[:5]}, sentences[5]


def _counting(generator: Generator) -> Drawn:
    return {"num": int(generator.integers(300))}, f"There are about {generator.integers(300)} objects in the image."


def _ocr(generator: Generator) -> Drawn:
    words = [str(word).upper() for word in generator.choice(WORDS, 3)]
    return {"word_list": words}, 'The words are "' + '", "'.join(generator.choice(WORDS, 3)) + '".'


def _keypoints(generator: Generator) -> Drawn:
    joints = [[float(x), float(y), 1] for x, y in generator.random((14, 2)) * 150]
    said = {name: f"[{x:.2f}, {y:.2f}]" for name, (x, y) in zip(JOINTS, generator.random((14, 2)), strict=True)}
    return {"gt_joints": joints, "image_size": [150, 150]}, said


SETS: dict[str, tuple[str, int, Callable[[Generator], Drawn]]] = {
    "CIFAR10": ("classification", 10_000, _label(CIFAR)),
    "VOC2012": ("detection", 5_823, _detection),
    "SQAimage": ("vqa", 2_017, _choice),
    "AI2D": ("vqa", 5_793, _choice),
    "flickr30k": ("caption", 1_000, _caption),
    "UCMerced": ("fine_grained_classification", 2_100, _label(["river", "beach", "forest", "harbor", "airplane"])),
    "FSC147": ("counting", 1_190, _counting),
    "SVT": ("ocr", 249, _ocr),
    "CelebA(Smile)": ("facial_classification", 19_962, _smile),
    "CelebA(Hair)": ("facial_classification", 13_305, _hair),
    "LSP": ("keypoint_detection", 1_000, _keypoints),
}


if __name__ == "__main__":
    measured: dict[str, Any] = {}
    total: dict[str, float] = {"median_s": 0.0, "median_processor_s": 0.0}
    for name, (task, size, draw) in SETS.items():
        generator = np.random.default_rng(0)
        drawn = [draw(generator) for _ in range(size)]
        references = [{"id": i, "image": f"{i}.jpg", **truth} for i, (truth, _) in enumerate(drawn)]
        answers = [{"id": i, "text": text} for i, (_, text) in enumerate(drawn)]
        took = seconds(lambda task=task, references=references, answers=answers: score(task, references, answers))
        measured[name] = {"answers": size, **took, "statuses": score(task, references, answers, draws=2).statuses}
        total = {key: round(value + took[key], 3) for key, value in total.items()}
    answers_in_all = sum(size for _, size, _ in SETS.values())
    measured |= {"answers": answers_in_all, **total, "peak_memory_mib": peak_memory_mib()}
    write_result("whole_benchmark", measured, ["nltk"])
