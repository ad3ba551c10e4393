"""How a glTF file moves: the state of its nodes at a time (glTF 2.0, section 3.11 and appendix C)."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from tests.benchmarks.lifebench.nouns import Reals
from tests.benchmarks.lifebench.readers.gltf_document import Document

_STILL = {"translation": (0.0, 0.0, 0.0), "rotation": (0.0, 0.0, 0.0, 1.0), "scale": (1.0, 1.0, 1.0)}


@dataclass(frozen=True, eq=False)
class Curve:
    """Values at key times: (K, width), or (K, 3, width) of in-tangent, value and out-tangent for CUBICSPLINE."""

    times: Reals  # (K,) seconds
    values: Reals
    way: str  # STEP, LINEAR or CUBICSPLINE
    turns: bool  # its values are unit quaternions

    def at(self, time: float) -> Reals:
        """(width,); before the first key and after the last, the value there."""
        end = len(self.times) - 1
        low = int(np.clip(np.searchsorted(self.times, time, side="right") - 1, 0, max(end - 1, 0)))
        high = min(low + 1, end)
        span = self.times[high] - self.times[low]
        share = float(np.clip((time - self.times[low]) / span, 0.0, 1.0)) if span > 0 else 0.0
        if self.way == "CUBICSPLINE":
            value = _hermite(self.values[low], self.values[high], span, share)
            return value / np.linalg.norm(value) if self.turns else value
        if self.way == "STEP":
            return self.values[high if share >= 1.0 else low]
        if self.turns:
            return _slerp(self.values[low], self.values[high], share)
        return (1 - share) * self.values[low] + share * self.values[high]


def _hermite(low: Reals, high: Reals, span: float, s: float) -> Reals:
    (_, start, leaving), (arriving, end, _) = low, high
    return (
        (2 * s**3 - 3 * s**2 + 1) * start
        + (s**3 - 2 * s**2 + s) * span * leaving
        + (3 * s**2 - 2 * s**3) * end
        + (s**3 - s**2) * span * arriving
    )


def _slerp(low: Reals, high: Reals, share: float) -> Reals:
    cosine = float(low @ high)
    high, angle = (-high, np.arccos(min(-cosine, 1.0))) if cosine < 0 else (high, np.arccos(min(cosine, 1.0)))
    if angle < 1e-6:
        return low
    return (np.sin((1 - share) * angle) * low + np.sin(share * angle) * high) / np.sin(angle)


class Motion:
    """Every curve of a file by (node, path). Of two animations that move the same thing the first one is played."""

    def __init__(self, document: Document):
        self.nodes = document.json.get("nodes", [])
        self.curves: dict[tuple[int, str], Curve] = {}
        for animation in document.json.get("animations", ()):
            for channel in animation["channels"]:
                target = channel["target"]
                if "node" in target and target["path"] in (*_STILL, "weights"):
                    key = target["node"], target["path"]
                    self.curves.setdefault(key, _curve(document, animation["samplers"][channel["sampler"]], key[1]))
        own = [curve.times for curve in self.curves.values()]
        self.times = np.unique(np.concatenate(own)) if own else np.zeros(1)

    def weights(self, node: int, mesh: dict, count: int, time: float) -> Reals:
        """(count,) of a mesh's morph targets."""
        if (node, "weights") in self.curves:
            return self.curves[node, "weights"].at(time)
        return np.asarray(self.nodes[node].get("weights", mesh.get("weights", np.zeros(count))), np.float64)

    def worlds(self, roots: list[int], time: float) -> dict[int, Reals]:
        """The (4, 4) matrix of each node below `roots`."""
        found: dict[int, Reals] = {}
        waiting = [(root, np.eye(4)) for root in roots]
        while waiting:
            node, above = waiting.pop()
            found[node] = above @ self._local(node, time)
            waiting += [(child, found[node]) for child in self.nodes[node].get("children", ())]
        return found

    def _local(self, node: int, time: float) -> Reals:
        said = self.nodes[node]
        if "matrix" in said:  # the specification keeps such a node from being animated
            return np.array(said["matrix"], np.float64).reshape(4, 4).T
        shift, turn, size = (
            self.curves[node, path].at(time) if (node, path) in self.curves else np.array(said.get(path, still))
            for path, still in _STILL.items()
        )
        matrix = np.eye(4)
        matrix[:3, :3] = Rotation.from_quat(turn).as_matrix() * size
        matrix[:3, 3] = shift
        return matrix


def _curve(document: Document, sampler: dict, path: str) -> Curve:
    times = document.array(sampler["input"])[:, 0].astype(np.float64)
    way = sampler.get("interpolation", "LINEAR")
    values = document.array(sampler["output"]).astype(np.float64)
    # weights are one scalar after another, all targets of a key together
    shape = (len(times), 3, -1) if way == "CUBICSPLINE" else (len(times), -1)
    return Curve(times, values.reshape(shape), way, path == "rotation")
