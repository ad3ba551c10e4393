"""What noise is in the latents of a spectral volume: frequency-coordinated denoising.

"Generative Image Dynamics" (arXiv:2309.07906), section 4. A U-Net sees one slice at a time, with the picture beside
it, the noise level n and the bin k embedded in the same way and summed:

    v_theta(z^n; n, k, c),    v = alpha^n eps - sigma^n z^0,    L = E |v - v_theta|^2

Then the U-Net is frozen, and attention across the K bins of each pixel is put in between its blocks and trained. Its
last layer is 0 at first, so that at first nothing changes. For classifier-free guidance c is 0 in some of the training.

Departs from the paper: c is the picture folded to the latent's size, its pixels as channels, where the paper makes it
small. A stalk that is a pixel wide is lost in a mean of 4 x 4 of them, and where it stands is what sways. And the
network says v (Salimans, Ho, "Progressive Distillation", arXiv:2202.00512, section 4), not eps: where almost all is
noise the loss of eps asks next to nothing about what is clean, but there it is decided what sways, and how far. One
that has learnt eps is told by its schedule.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from diffusers import DDIMScheduler, ModelMixin, TransformerTemporalModel, UNet2DModel
from diffusers.configuration_utils import ConfigMixin, register_to_config
from torch import Tensor, nn

from backend.priors.dynamics.sizes import Sizes, Widths

WITHOUT_PICTURE = 0.1  # of the training
COLOURS = 3


def schedule(sizes: Sizes) -> DDIMScheduler:
    """How much noise each of the levels n has: latent diffusion's own, from almost none to almost nothing else."""
    return DDIMScheduler(
        num_train_timesteps=sizes.noise_levels,
        beta_start=0.0015,
        beta_end=0.0195,
        beta_schedule="scaled_linear",
        clip_sample=False,
        prediction_type="v_prediction",
        timestep_spacing="trailing",  # it starts where all is noise
    )


def fresh(sizes: Sizes) -> "Denoiser":
    """An untrained denoiser; its first weights come from torch's global generator."""
    widths, layers = sizes.denoiser, sizes.denoiser_layers
    return Denoiser(sizes.bins, sizes.latent, sizes.factor, widths, layers, sizes.head, sizes.groups)


class Denoiser(ModelMixin, ConfigMixin):
    """A U-Net over single slices, and attention across bins between its blocks."""

    @register_to_config
    def __init__(
        self, bins: int, latent: int, factor: int, widths: Widths, layers: int, head: int, groups: int
    ) -> None:
        super().__init__()
        deeper = len(widths) - 1
        self.unet = UNet2DModel(
            in_channels=latent + COLOURS * factor**2,
            out_channels=latent,
            down_block_types=("DownBlock2D", *("AttnDownBlock2D",) * deeper),
            up_block_types=(*("AttnUpBlock2D",) * deeper, "UpBlock2D"),
            block_out_channels=tuple(widths),
            layers_per_block=layers,
            attention_head_dim=head,
            norm_num_groups=groups,
            class_embed_type="timestep",
        )
        # One after each block of the U-Net: down, middle, up.
        channels = (*widths, widths[-1], *reversed(widths))
        self.coordination = nn.ModuleList(_across_bins(bins, width, head, groups) for width in channels)

    def one_slice(self, z: Tensor, level: Tensor, bin_: Tensor, picture: Tensor) -> Tensor:
        """v of single slices z (N, 4, h, w) at `level` (N,), of the bins (N,), given pictures (N, 3, H, W)."""
        return self.unet(self._beside(z, picture), level, bin_).sample

    def forward(self, z: Tensor, level: Tensor, picture: Tensor) -> Tensor:
        """v of all the slices z (B, K, 4, h, w), coordinated, at `level` (B,), given pictures (B, 3, H, W)."""
        bins = z.shape[1]
        bin_ = torch.arange(bins, device=z.device).repeat(len(z))
        level, picture = level.repeat_interleave(bins), picture.repeat_interleave(bins, dim=0)
        noise = self._between_blocks(
            self._beside(z.flatten(0, 1), picture),
            self._embedding(level, bin_),
            lambda coordination, h: coordination(h, num_frames=bins).sample,
        )
        return noise.view(z.shape)

    def _between_blocks(self, h: Tensor, embedding: Tensor, between: Callable) -> Tensor:
        """UNet2DModel.forward, with something in between."""
        unet, coordination = self.unet, iter(self.coordination)
        h = unet.conv_in(h)
        skips = [h]
        for block in unet.down_blocks:
            h, kept = block(h, embedding)
            skips.extend(kept)
            h = between(next(coordination), h)
        h = between(next(coordination), unet.mid_block(h, embedding))
        for block in unet.up_blocks:
            kept = [skips.pop() for _ in block.resnets]
            h = between(next(coordination), block(h, tuple(reversed(kept)), embedding))
        return unet.conv_out(unet.conv_act(unet.conv_norm_out(h)))

    def _embedding(self, level: Tensor, bin_: Tensor) -> Tensor:
        unet = self.unet
        waves = [unet.time_proj(number).to(unet.dtype) for number in (level, bin_)]
        return unet.time_embedding(waves[0]) + unet.class_embedding(waves[1])

    def _beside(self, z: Tensor, picture: Tensor) -> Tensor:
        return torch.cat([z, F.pixel_unshuffle(picture, self.config.factor)], dim=1)

    def freeze_slices(self) -> list[nn.Parameter]:
        """From now on the coordination alone learns: its parameters."""
        self.unet.requires_grad_(False)
        return list(self.coordination.parameters())


def _across_bins(bins: int, width: int, head: int, groups: int) -> TransformerTemporalModel:
    """Of (B K, C, h, w), attention of each pixel across its K; it adds nothing until it is trained."""
    attention = TransformerTemporalModel(
        num_attention_heads=max(width // head, 1),
        attention_head_dim=head,
        in_channels=width,
        norm_num_groups=groups,
        double_self_attention=False,
        positional_embeddings="sinusoidal",
        num_positional_embeddings=bins,
    )
    nn.init.zeros_(attention.proj_out.weight)
    nn.init.zeros_(attention.proj_out.bias)
    return attention


def slice_loss(denoiser: Denoiser, latents: Tensor, bin_: Tensor, picture: Tensor, noise: "Noise") -> Tensor:
    """The first training: single slices (N, 4, h, w) of the bins (N,), with their pictures (N, 3, H, W)."""
    level, said, z = noise.put_into(latents)
    return F.mse_loss(denoiser.one_slice(z, level, bin_, noise.sometimes_without(picture)), said)


def coordination_loss(denoiser: Denoiser, latents: Tensor, picture: Tensor, noise: "Noise") -> Tensor:
    """The second training: all slices (B, K, 4, h, w) of pictures (B, 3, H, W)."""
    level, said, z = noise.put_into(latents)
    return F.mse_loss(denoiser(z, level, noise.sometimes_without(picture)), said)


class Noise:
    """What chance decides in training, on the CPU whatever the device: the same there and on a GPU."""

    def __init__(self, scheduler: DDIMScheduler, generator: torch.Generator) -> None:
        self.scheduler, self.generator = scheduler, generator

    def put_into(self, latents: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """A level for each item (N,), what a network should say (N, ...), and the latents (N, ...) with noise in them.

        It should say v, or eps where it has learnt that.
        """
        level = torch.randint(len(self.scheduler.alphas_cumprod), latents.shape[:1], generator=self.generator)
        eps = torch.randn(latents.shape, generator=self.generator)
        level, eps = level.to(latents.device), eps.to(latents)
        said = eps
        if self.scheduler.config.prediction_type == "v_prediction":
            said = self.scheduler.get_velocity(latents, eps, level)
        return level, said, self.scheduler.add_noise(latents, eps, level)

    def sometimes_without(self, picture: Tensor) -> Tensor:
        """The pictures (N, 3, H, W), some of them 0."""
        kept = torch.rand(len(picture), generator=self.generator) >= WITHOUT_PICTURE
        return picture * kept.to(picture).view(-1, 1, 1, 1)
