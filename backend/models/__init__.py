"""The public checkpoints of the diffusion engine: which there are, whether they are here, and how they get here.

Works without torch, and but for `get` without huggingface_hub. Nothing but `get` goes to the network.
"""

from .catalogue import MODELS, Licence, Model, named
from .download import get
from .errors import (
    ArrivedDamaged,
    Busy,
    Foreign,
    Gated,
    LicenceNotAccepted,
    ModelError,
    NoNetwork,
    NoSpace,
    NotHere,
    NotPublished,
    NotReadable,
    NotWritable,
    Offline,
    Unknown,
)
from .settings import Settings, load, offline, remember, use
from .state import Found, State, found, lacking, look, size

__all__ = [
    "MODELS",
    "ArrivedDamaged",
    "Busy",
    "Foreign",
    "Found",
    "Gated",
    "Licence",
    "LicenceNotAccepted",
    "Model",
    "ModelError",
    "NoNetwork",
    "NoSpace",
    "NotHere",
    "NotPublished",
    "NotReadable",
    "NotWritable",
    "Offline",
    "Settings",
    "State",
    "Unknown",
    "found",
    "get",
    "lacking",
    "load",
    "look",
    "named",
    "offline",
    "remember",
    "size",
    "use",
]
