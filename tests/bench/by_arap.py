"""libigl's as-rigid-as-possible deformation: `python -m tests.bench.by_arap mesh.npz out.npz`.

mesh.npz holds vertices (V, 3), faces (F, 3), handles (H,) and where they go in each frame, targets (T, H, 3);
out.npz gets positions (T, V, 3) and seconds.
"""

import sys
import time
from pathlib import Path

import igl
import numpy as np

ITERATIONS = 10  # a frame, from the frame before


def main() -> None:
    stored = np.load(Path(sys.argv[1]))
    positions = stored["vertices"].astype(np.float64)
    began = time.perf_counter()
    data = igl.ARAPData()
    data.energy, data.max_iter = igl.ARAP_ENERGY_TYPE_SPOKES_AND_RIMS, ITERATIONS
    handles = stored["handles"].astype(np.int32)
    igl.arap_precomputation(positions.copy(), stored["faces"].astype(np.int64), 3, handles, data)
    frames = []
    for targets in stored["targets"].astype(np.float64):
        positions = igl.arap_solve(targets, data, positions)
        frames.append(positions)
    np.savez(Path(sys.argv[2]), positions=np.stack(frames), seconds=time.perf_counter() - began)


if __name__ == "__main__":
    main()
