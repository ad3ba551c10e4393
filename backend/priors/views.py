"""A U-Net that sees several views of one thing at once: diffusers' own, with MVDream's two changes.

Shi et al., "MVDream" (arXiv:2308.16512), and their code (github.com/bytedance/MVDream):

- 3-D attention. What attends across the pixels of one picture attends across those of all F views of a set, with the
  weights that it had: (b f) l c -> b (f l) c. Attention to the text, and all else, sees one view at a time.
- The camera. Its 4 x 4 matrix camera -> world, the place scaled to length 1, goes row by row through a perceptron of
  two layers and is added to the embedding of the noise level. Their axes are Blender's: z up, and a camera that looks
  along its -z, with x to its right and y up, as those of backend/render/cameras.py.
- In two-dimensional mode there is one view, and nothing is added: that is not what a camera of zeros would add.

Weights have the names that diffusers' UNet2DConditionModel with class_embed_type="projection" gives them.
"""

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention, AttnProcessor2_0
from torch import Tensor

from backend.priors.prior import Given

CAMERA = 16  # numbers
# The settings by which diffusers' U-Net has a perceptron for cameras.
EMBEDDED = {"class_embed_type": "projection", "projection_class_embeddings_input_dim": CAMERA}


class AcrossViews(AttnProcessor2_0):
    """Attention across all pixels of `views` that lie next to each other; to a text, as ever."""

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
        views: int = 1,
    ) -> Tensor:
        """Of (B, l, c); the names are diffusers'."""
        if encoder_hidden_states is not None:
            return super().__call__(attn, hidden_states, encoder_hidden_states, attention_mask, temb)
        items, length, width = hidden_states.shape
        together = hidden_states.reshape(items // views, views * length, width)
        return super().__call__(attn, together).reshape(items, length, width)


class MultiViewUNet(UNet2DConditionModel):
    """To be had of `built`; one without a perceptron for cameras sees none."""

    def get_class_embed(self, sample: Tensor, class_labels: Tensor | None) -> Tensor | None:
        """What is added to the embedding of the noise level: nothing where there are no cameras."""
        return None if class_labels is None else super().get_class_embed(sample, class_labels)


def built(config: Mapping) -> MultiViewUNet:
    """Of diffusers' settings; its first weights come from torch's global generator."""
    unet = MultiViewUNet.from_config(dict(config))
    unet.set_attn_processor(AcrossViews())
    return unet


def predicted(unet: MultiViewUNet, x_t: Tensor, t: Tensor, given: Given) -> Tensor:
    """What the network says of latents (B, C, h, w) at levels (B,), in its own type of numbers.

    Raises:
        ValueError: cameras, and the network has learnt none.
    """
    like = {"device": x_t.device, "dtype": unet.dtype}
    vectors = None
    if given.cameras is not None:
        if unet.class_embedding is None:
            raise ValueError("This model knows single pictures alone; views from cameras want a model of several views")
        vectors = camera_vectors(given.cameras).to(**like)
    text, views = given.text.to(**like), {"views": given.views}
    return unet(x_t.to(**like), t, text, class_labels=vectors, cross_attention_kwargs=views).sample


def camera_vectors(to_world: Tensor) -> Tensor:
    """(B, 16) of cameras (B, 4, 4), camera -> world: how far a camera is from the middle of the world is not told."""
    place = F.normalize(to_world[:, :3, 3:], dim=1)
    return torch.cat([torch.cat([to_world[:, :3, :3], place], dim=2), to_world[:, 3:]], dim=1).flatten(1)


def turned(to_world: Tensor, angle: float) -> Tensor:
    """Cameras (B, 4, 4) that have gone around the world's z axis by an angle, towards +X from -Y."""
    turn = torch.eye(4, dtype=to_world.dtype, device=to_world.device)
    turn[0, 0] = turn[1, 1] = math.cos(angle)
    turn[1, 0], turn[0, 1] = math.sin(angle), -math.sin(angle)
    return turn @ to_world
