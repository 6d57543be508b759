"""Features of frozen towers, computed once and read in training.

    cache.json                    format, what made the features (its signature), variants
    files.json                    path -> size, modification time, key
    image-00000.safetensors       key-variant -> [T, C], without tokens that say nothing

A frozen tower gives the same features every epoch. A key is the SHA-256 of a file's content (and of a cloud's name,
which seeds its sampling); the signature is one of the tower's weights, of its preprocessing and of the layer that is
read. What was made by anything else is refused, never used.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from lamm_llm import atomic_path, write_whole
from lamm_model.errors import LammModelError, UsageError
from lamm_model.model.projector import joined
from lamm_model.model.silence import spoken

if TYPE_CHECKING:
    from lamm_model.model.modeling_lamm import LammForConditionalGeneration
    from lamm_model.processing.processing_lamm import LammProcessor

FORMAT = {"format": "lamm-features", "version": 1}
MANIFEST, FILES = "cache.json", "files.json"
SHARD_BYTES = 1 << 28  # of one file: 256 MiB
_READ = ("image_feature_layer", "image_feature_select")


def signature(
    model: LammForConditionalGeneration, processor: LammProcessor, kind: str, half: bool = False
) -> dict[str, str]:
    """Return hashes of everything that a modality's features depend on, by what it is.

    Args:
        model: With the tower.
        processor: What prepares its input.
        kind: ``image`` or ``point_cloud``.
        half: Whether the tower computes in bfloat16 (autocast).

    Raises:
        UsageError: The model has no such tower.
    """
    tower = tower_of(model, kind)
    if tower is None:
        raise UsageError(f"Expected a model with a tower for {kind} media, got one without. Choose other records.")
    prepares = processor.image_processor if kind == "image" else processor.feature_extractor
    config = model.config.image_config if kind == "image" else model.config.point_cloud_config
    read = {name: getattr(model.config, name) for name in _READ} if kind == "image" else {}
    return {
        "tower": _hash_weights(tower),
        "tower configuration": _hash_json({"read": read, **config.to_diff_dict()}),
        "precision": "bf16" if half else "fp32",
        "preprocessing": _hash_json(prepares.to_dict()),
        **({"tokens": "spoken"} if kind in model.config.silent_media else {}),
    }


def tower_of(model: LammForConditionalGeneration, kind: str) -> Any:
    """Return the tower of a kind of media; None where the model has none."""
    return model.model.image_tower if kind == "image" else model.model.point_cloud_tower


def _hash_weights(module: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        digest.update(f"{name}{list(value.shape)}{value.dtype}".encode())
        digest.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _hash_json(value: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def key_of(kind: str, path: str) -> str:
    """Return the key of a file: the hash of its content, and of a cloud's name."""
    with Path(path).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    if kind == "point_cloud":
        digest.update(b"\0" + Path(path).name.encode())
    return digest.hexdigest()[:40]


@dataclass(slots=True)
class FeatureCache:
    """A folder of features, open for reading; small enough to travel to the loader's workers."""

    folder: Path
    signatures: dict[str, dict[str, str]]  # what made the features, by modality
    variants: int  # samplings of each cloud
    files: dict[str, tuple[int, int, str]]  # path -> size, modification time in nanoseconds, key
    places: dict[str, tuple[str, int]] = field(default_factory=dict)  # feature name -> shard, tokens

    def key(self, kind: str, path: str) -> str:
        """Return a file's key, read again where its size or time differ from what was noted."""
        about = os.stat(path)
        noted = self.files.get(path)
        if noted is None or noted[:2] != (about.st_size, about.st_mtime_ns):
            noted = (about.st_size, about.st_mtime_ns, key_of(kind, path))
            self.files[path] = noted
        return noted[2]

    def name(self, kind: str, path: str, variant: int = 0) -> str:
        """Return the name of a file's features."""
        return f"{kind}-{self.key(kind, path)}-{variant % self.variants if kind == 'point_cloud' else 0}"

    @property
    def silent(self) -> set[str]:
        """Return the kinds of media whose features are held without tokens that say nothing."""
        return {kind for kind, parts in self.signatures.items() if "tokens" in parts}

    def tokens(self, kind: str, path: str) -> int:
        """Return how many tokens a file's features have, in the sampling that has most."""
        return max(self.places[self.name(kind, path, variant)][1] for variant in range(self.variants))

    def missing(self, media: Iterable[tuple[str, str]]) -> list[str]:
        """Return the paths of media that the cache holds no features of."""
        return sorted(
            path
            for kind, path in set(media)
            if any(self.name(kind, path, variant) not in self.places for variant in range(self.variants))
        )

    def write(self, kind: str, features: dict[str, Tensor]) -> None:
        """Add a shard of features, ``[T, C]`` by name, and note what the cache is; each file is written whole."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if features:
            number = next(n for n in range(1 << 30) if not (self.folder / f"{kind}-{n:05}.safetensors").exists())
            shard = f"{kind}-{number:05}.safetensors"
            with atomic_path(self.folder / shard) as beside:
                save_file(features, beside)
            self.places.update({name: (shard, len(tokens)) for name, tokens in features.items()})
        about = {**FORMAT, "variants": self.variants, "signatures": self.signatures}
        for name, value in ((FILES, self.files), (MANIFEST, about)):
            write_whole(self.folder / name, json.dumps(value, indent=1) + "\n")

    def read(self, kind: str, paths: Sequence[str], variants: Sequence[int]) -> Tensor:
        """Return the features of files, in order: ``[n, T, C]``, or ``[1, T, C]`` where some have fewer tokens.

        Raises:
            LammModelError: A file has no features here, or a shard is damaged.
        """
        features = []
        for path, variant in zip(paths, variants, strict=True):
            name = self.name(kind, path, variant)
            if name not in self.places:
                raise LammModelError(
                    f"Expected features of {path} in {self.folder}, found none (the file changed). "
                    "Run lamm model cache-features again."
                )
            try:
                with safe_open(self.folder / self.places[name][0], framework="pt") as shard:
                    found = shard.get_tensor(name)
            except (OSError, SafetensorError) as fault:
                raise LammModelError(
                    f"Expected features in {self.places[name][0]}, got {fault}. Make it anew."
                ) from fault
            features.append(functional.pad(found, (0, 0, 0, self.tokens(kind, path) - len(found))))
        return joined(features)


def open_cache(folder: Path) -> FeatureCache:
    """Open a folder of features; an empty or absent one is a cache without any.

    Raises:
        UsageError: It holds something else, or is damaged.
    """
    if not (folder / MANIFEST).is_file():
        return FeatureCache(folder, {}, 0, {})
    try:
        about = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        files = json.loads((folder / FILES).read_text(encoding="utf-8"))
        if {name: about.get(name) for name in FORMAT} != FORMAT:
            raise UsageError(f"Expected a cache of features of version 1 in {folder}. Choose another folder.")
        places = {}
        for shard in sorted(folder.glob("*.safetensors")):
            with safe_open(shard, framework="pt") as opened:
                shapes = {name: opened.get_slice(name).get_shape() for name in opened.keys()}  # noqa: SIM118
            places.update({name: (shard.name, int(shape[0])) for name, shape in shapes.items()})
        noted = {path: (int(size), int(time), str(key)) for path, (size, time, key) in files.items()}
        made_by = {kind: dict(parts) for kind, parts in about["signatures"].items()}
        return FeatureCache(folder, made_by, int(about["variants"]), noted, places)
    except (
        OSError, ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError, SafetensorError
    ) as fault:  # fmt: skip
        raise UsageError(
            f"Expected a cache of features in {folder}, got {fault}. Delete it and make it anew."
        ) from fault


def check_made_by(cache: FeatureCache, kind: str, made_by: dict[str, str]) -> None:
    """Refuse features of another tower, preprocessing or seed.

    Raises:
        UsageError: With what differs.
    """
    theirs = cache.signatures.get(kind)
    if theirs is None:
        raise UsageError(f"Expected {kind} features in {cache.folder}, found none. Run lamm model cache-features.")
    differing = [name for name, value in made_by.items() if theirs.get(name) != value]
    if differing:
        raise UsageError(
            f"Expected {kind} features of this model in {cache.folder}, found some with another "
            f"{', another '.join(differing)}. Run lamm model cache-features into another folder."
        )


def fill(
    cache: FeatureCache,
    model: LammForConditionalGeneration,
    processor: LammProcessor,
    media: Collection[tuple[str, str]],
    half: bool = False,
    batch: int = 16,
    readable: bool = True,
) -> Iterator[int]:
    """Compute what the cache lacks; stopped and begun again, it goes on with the next shard.

    Args:
        cache: Open; its ``variants`` set.
        model: With frozen towers, each on the device that computes it.
        processor: Its processor.
        media: Kind and path of every medium.
        half: Compute in bfloat16 (autocast), as a run with ``training.precision = "bf16"`` does.
        batch: Media encoded at once.
        readable: Raise where a medium cannot be read, else leave it out.

    Yields:
        How many were computed, or left out, in each batch.
    """
    for kind in ("image", "point_cloud"):
        paths = sorted({path for medium, path in media if medium == kind})
        draws = [(path, v) for path in paths for v in range(cache.variants if kind == "point_cloud" else 1)]
        held: dict[str, Tensor] = {}
        lacking = [draw for draw in draws if cache.name(kind, *draw) not in cache.places]
        for start in range(0, len(lacking), batch):
            part = lacking[start : start + batch]
            device = next(tower_of(model, kind).parameters()).device
            with torch.autocast(device.type, torch.bfloat16, enabled=half):
                encoded = _encode(model, processor, kind, part, device, readable)
            for draw, features in encoded:
                told = features[spoken(features)] if kind in model.config.silent_media else features.clone()
                held[cache.name(kind, *draw)] = told
            if sum(features.nbytes for features in held.values()) >= SHARD_BYTES:
                cache.write(kind, held)
                held = {}
            yield len(part)
        cache.write(kind, held)


@torch.no_grad()
def _encode(
    model: LammForConditionalGeneration,
    processor: LammProcessor,
    kind: str,
    draws: Sequence[tuple[str, int]],
    device: torch.device,
    readable: bool,
) -> list[tuple[tuple[str, int], Tensor]]:
    """Return draws with their features; where they need not be readable, without those that are not."""
    try:
        if kind == "image":
            pixels = processor.image_processor([path for path, _ in draws])["pixel_values"]
            encoded = model.encode_images(pixels.to(device))
        else:
            clouds = [processor.feature_extractor([path], variant=variant)["point_clouds"] for path, variant in draws]
            encoded = model.encode_point_clouds(torch.cat(clouds).to(device))
    except LammModelError:
        if readable:
            raise
        alone = [[draw] for draw in draws] if len(draws) > 1 else []
        each = [_encode(model, processor, kind, draw, device, readable) for draw in alone]
        return [found for one in each for found in one]
    return list(zip(draws, encoded.cpu().contiguous(), strict=True))
