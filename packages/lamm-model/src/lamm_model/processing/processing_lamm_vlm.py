"""The processor of a model that sees already: its own, with point clouds beside."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoProcessor

from lamm_llm import write_whole
from lamm_model.errors import LammModelError
from lamm_model.model.configuration_lamm import HINT, write_hint
from lamm_model.model.saving import pretrained
from lamm_model.processing.image_processing_lamm import read_image
from lamm_model.processing.point_cloud_processing import LammPointCloudProcessor
from lamm_model.processing.processing_lamm import LammProcessor
from lamm_model.processing.processor_calls import LammBatch, flat_media
from lamm_model.processing.prompt_formats import bounded
from lamm_model.processing.segments import POINT_CLOUD, find_markers
from lamm_model.processing.vlm_dialogues import VlmDialogues

BASE_FOLDER = "base_processor"
CONFIG = "processor_config.json"
Messages = list[dict[str, Any]]


class LammVlmProcessor(VlmDialogues):
    """Prepares clouds, images and text for `LammVlmForConditionalGeneration`.

    What has no cloud in it goes to the base model's processor as it is. A cloud is text to it: as many placeholders as
    it has features.

    Args:
        base: The base model's processor, whose tokenizer gets the placeholder.
        feature_extractor: `LammPointCloudProcessor`.
        point_cloud_tokens: Placeholders per point cloud.
        point_cloud_token: The placeholder, a new special token.
        use_system: Open dialogues with the task type's system message.
        routes_images: Whether an adapter set of images serves the tokens after an image.

    Attributes:
        lays_out_images: True: each picture makes as many tokens as the base model's processor says.
        image_tokens: 0, as there is no one number.
        stop_strings: None: answers end with a token.
    """

    lays_out_images = True
    image_tokens = 0

    def __init__(
        self,
        base: Any,
        feature_extractor: LammPointCloudProcessor,
        point_cloud_tokens: int,
        point_cloud_token: str = "<|lamm_point_cloud|>",
        use_system: bool = True,
        routes_images: bool = False,
    ) -> None:
        self.base = base
        self.feature_extractor = feature_extractor
        self.point_cloud_tokens = point_cloud_tokens
        self.point_cloud_token = point_cloud_token
        self.use_system = use_system
        self.routes_images = routes_images
        base.tokenizer.add_tokens([point_cloud_token], special_tokens=True)
        self._around = ("", "")

    def __getattr__(self, name: str) -> Any:
        """Let the base model's processor do what is its own: `tokenizer`, `image_processor`, `decode`, ..."""
        if name == "base" or name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.base, name)

    pad_token_id = LammProcessor.pad_token_id
    media_end = LammProcessor.media_end
    decode_answer = LammProcessor.decode_answer
    answer_text = LammProcessor.answer_text
    answer_texts = LammProcessor.answer_texts
    stop_strings: Sequence[str] = ()

    def answer_stopped(self, new_ids: list[int]) -> bool:
        """Tell whether the last tokens hold a stop string: never, answers end with a token."""
        return False

    def __call__(self, text: Any = None, images: Any = None, point_clouds: Any = None, **kwargs: Any) -> Any:
        """Prepare texts and their media.

        Args:
            text: A text or a list of texts; the base model's image placeholder and this processor's for clouds (or
                `<pcl>`) say where media go.
            images: As for the base model's processor.
            point_clouds: A cloud or a list of them, in order over all texts: paths, arrays or tensors `[N, 3 or 6]`.
            **kwargs: The base model's processor's; with clouds `padding` is True and `return_tensors` `pt` by default.

        Returns:
            What the base model's processor returns, and `point_clouds`.

        Raises:
            LammModelError: Clouds and placeholders differ in number.
        """
        if images is not None:
            kwargs["images"] = images
        clouds = flat_media(point_clouds, POINT_CLOUD)
        texts = [text] if isinstance(text, str) else list(text or [])
        marked = sum(map(self._count, texts))
        if marked != len(clouds):
            raise LammModelError(f"Expected a cloud for each of {marked} placeholders, got {len(clouds)} clouds.")
        if not clouds:
            return self.base(text=text, **kwargs)
        kwargs = {"padding": True, "return_tensors": "pt", **kwargs}
        batch = self.base(text=[self._widened(one) for one in texts], **kwargs)
        return self._with_clouds(batch, clouds)

    def apply_chat_template(self, conversation: Any, *args: Any, **kwargs: Any) -> Any:
        """Render chat messages as the base model's processor does, blocks `{"type": "point_cloud"}` among them.

        Args:
            conversation: One conversation or a list; such a block holds a `point_cloud` (array or path), `path` or
                `url` of a file here.
            *args: The base model's processor's.
            **kwargs: The same, and `point_clouds` for blocks that name none.

        Returns:
            What the base model's processor returns; with `tokenize` and `return_dict` `point_clouds` too.

        Raises:
            LammModelError: There are more clouds than blocks, or the template does not end.
        """
        waiting = flat_media(kwargs.pop("point_clouds", None), POINT_CLOUD)
        batched = not isinstance(conversation[0], Mapping)
        clouds: list[Any] = []
        # A text is to be given to a call, which widens placeholders.
        shown = self.point_cloud_token * (self.point_cloud_tokens if kwargs.get("tokenize") else 1)
        written = [self._written(one, clouds, waiting, shown) for one in (conversation if batched else [conversation])]
        if waiting:
            raise LammModelError(f"Expected a block for every cloud, got {len(waiting)} clouds more.")
        messages = written if batched else written[0]
        with bounded(self.base):  # of the text alone: media take their own time
            text = self.base.apply_chat_template(messages, *args, **{**kwargs, "tokenize": False, "return_dict": False})
        if not kwargs.get("tokenize"):
            return text
        out = self.base.apply_chat_template(messages, *args, **kwargs)
        if clouds and isinstance(out, Mapping):
            return self._with_clouds(out, clouds)
        return out

    def load_images(self, pictures: Sequence[Any]) -> dict[str, Tensor]:
        """Return the base model's inputs of pictures, read one by one and joined in order."""
        return join_images([self._image_inputs(picture) for picture in pictures])

    def _image_inputs(self, picture: Any) -> dict[str, Tensor]:
        """Return the base model's inputs of one picture, a path or its bytes: `pixel_values` and what belongs to it."""
        batch = self._base_call(self.image_text, [read_image(picture)], False)
        text = batch["input_ids"].shape
        return {key: value for key, value in batch.items() if isinstance(value, Tensor) and value.shape != text}

    def _count(self, text: str) -> int:
        return text.count(self.point_cloud_token) + find_markers(text).count(POINT_CLOUD)

    def _widened(self, text: str) -> str:
        token = self.point_cloud_token
        for marker in ("<pcl>", "<point_cloud>"):
            text = text.replace(marker, token)
        return text.replace(token, token * self.point_cloud_tokens)

    def _written(self, messages: Any, clouds: list[Any], waiting: list[Any], shown: str) -> Messages:
        """Turn blocks of clouds into text, and collect what they name."""
        written: Messages = []
        for message in messages:
            content = message.get("content")
            blocks = content if isinstance(content, list) else None
            if blocks is None:
                written.append({**message, "content": str(content or "").replace(self.point_cloud_token, "")})
                continue
            turned = []
            for block in blocks:
                if block.get("type") == "point_cloud":
                    clouds.append(self._source(block, waiting))
                    turned.append({"type": "text", "text": shown})
                elif block.get("type") == "text":
                    turned.append({**block, "text": str(block.get("text") or "").replace(self.point_cloud_token, "")})
                else:
                    turned.append(block)
            written.append({**message, "content": turned})
        return written

    def _source(self, block: Mapping[str, Any], waiting: list[Any]) -> Any:
        source = next((block[key] for key in ("point_cloud", "path", "url") if block.get(key) is not None), None)
        if source is None and waiting:
            return waiting.pop(0)
        if source is None or (isinstance(source, str) and "://" in source[:64]):
            raise LammModelError(
                f"Expected a point_cloud block with a local file or the cloud itself, got {str(source)[:60]!r}."
            )
        return source

    def _with_clouds(self, batch: Any, clouds: list[Any]) -> LammBatch:
        return LammBatch({**batch, "point_clouds": self.feature_extractor(clouds)["point_clouds"]})

    def save_pretrained(self, folder: str | Path, **kwargs: Any) -> None:
        """Write the base model's processor into a folder of its own, and beside it what clouds need."""
        home = Path(folder)
        self.base.save_pretrained(home / BASE_FOLDER)
        fields = ("point_cloud_tokens", "point_cloud_token", "use_system", "routes_images")
        auto_map = {"AutoProcessor": f"{HINT.stem}.{type(self).__name__}"}
        about = {
            "processor_class": type(self).__name__,
            "auto_map": auto_map,
            "feature_extractor": self.feature_extractor.to_dict(),
        }
        about |= {name: getattr(self, name) for name in fields}
        write_whole(home / CONFIG, json.dumps(about, indent=2) + "\n")
        write_hint(home)

    @classmethod
    def from_pretrained(cls, folder: str | Path, **kwargs: Any) -> LammVlmProcessor:
        """Read what `save_pretrained` wrote, from a folder or a repository of the hub.

        Raises:
            LammModelError: It is missing or torn.
        """
        from transformers.utils import cached_file

        path = cached_file(str(folder), CONFIG)
        try:
            about = json.loads(Path(path).read_text(encoding="utf-8"))
            clouds = LammPointCloudProcessor.from_dict(about.pop("feature_extractor"))
            del about["processor_class"], about["auto_map"]
        except (ValueError, KeyError) as fault:
            raise LammModelError(
                f"Expected a processor of clouds, got {fault} ({path}). Use an intact folder."
            ) from fault
        home = Path(folder)
        base = (
            pretrained(AutoProcessor, home / BASE_FOLDER)
            if home.is_dir()
            else pretrained(AutoProcessor, folder, subfolder=BASE_FOLDER)
        )
        return cls(base, clouds, **about)


def join_images(images: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Join the inputs of pictures along their first axis; what differs in another (parts of a picture) is filled."""
    joined: dict[str, Tensor] = {}
    for name in images[0] if images else ():
        parts = [image[name] for image in images]
        shape = [max(part.shape[axis] for part in parts) for axis in range(1, parts[0].ndim)]
        padded = [part.new_zeros(len(part), *shape) for part in parts]
        for full, part in zip(padded, parts, strict=True):
            full[tuple(slice(size) for size in part.shape)] = part
        joined[name] = torch.cat(padded)
    return joined
