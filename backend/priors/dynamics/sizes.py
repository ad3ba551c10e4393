"""How large the networks of image dynamics are, in one place."""

from dataclasses import asdict, dataclass

from backend.spectral import BINS

Widths = tuple[int, ...]  # channels, level by level; each level has half the height and width of the one before


@dataclass(frozen=True)
class Sizes:
    """Of the picture, of its spectral volume, and of the networks between them."""

    height: int  # pixels
    width: int
    bins: int  # K
    autoencoder: Widths  # from the picture's size down to the latent's
    autoencoder_layers: int  # residual blocks a level
    denoiser: Widths  # from the latent's size down; all but the first level attend across pixels
    denoiser_layers: int
    head: int  # channels of an attention head
    groups: int  # of group normalisation
    renderer: Widths  # from the picture's size down, as the next
    perception: Widths  # of the network whose features are the renderer's loss
    latent: int = 4  # channels
    noise_levels: int = 1000
    # The paper's ablations switch these two, and nothing else does.
    adaptive: bool = True  # normalisation bin by bin with a root; else all bins by one number, and without
    single_scale: bool = False  # the renderer splats features of one scale

    def __post_init__(self) -> None:
        step = self.factor * 2 ** (len(self.denoiser) - 1)
        if self.height % step or self.width % step:
            raise ValueError(f"Height and width must be multiples of {step}, not {self.height} and {self.width}")

    @property
    def factor(self) -> int:
        """Of how many pixels a latent's side is: f."""
        return 2 ** (len(self.autoencoder) - 1)

    @property
    def latents(self) -> tuple[int, int, int, int]:
        """(K, channels, height, width) of the latents of one picture."""
        return self.bins, self.latent, self.height // self.factor, self.width // self.factor

    @property
    def power(self) -> float:
        """Of a coefficient's share of its bin's size, as the networks see it."""
        return 0.5 if self.adaptive else 1.0

    def as_json(self) -> dict:
        """What `of_json` takes."""
        return asdict(self)

    @classmethod
    def of_json(cls, fields: dict) -> "Sizes":
        """JSON has no tuples."""
        return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()})


# Small enough that two cores train it in two hours.
SEEDLING = Sizes(
    height=64,
    width=64,
    bins=BINS,
    autoencoder=(32, 64, 64),
    autoencoder_layers=1,
    denoiser=(64, 128, 160),
    denoiser_layers=1,
    head=32,
    groups=8,
    renderer=(32, 64, 96),
    perception=(16, 32, 64),
)
# Smaller still, for what is trained many times over.
MINIATURE = Sizes(
    height=32,
    width=32,
    bins=BINS,
    autoencoder=(16, 32, 48),
    autoencoder_layers=1,
    denoiser=(32, 64, 96),
    denoiser_layers=1,
    head=32,
    groups=4,
    renderer=(16, 32, 48),
    perception=(8, 16, 32),
)
# The picture of "Generative Image Dynamics" (arXiv:2309.07906), and the U-Net of latent diffusion for 256 x 256 pixels.
PAPER = Sizes(
    height=160,
    width=256,
    bins=BINS,
    autoencoder=(128, 256, 512),
    autoencoder_layers=2,
    denoiser=(224, 448, 672, 896),
    denoiser_layers=2,
    head=32,
    groups=32,
    renderer=(64, 128, 256, 512),
    perception=(64, 128, 256, 512),
)
