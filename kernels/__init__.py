"""Hot array operations. They know arrays, not meshes or jobs. One file an operation, read from top to bottom:

    the definition   `..._reference`: a few slow lines, in any precision; tests hold the others against it
    the CPU version  numba (`kernels.cpu`): no compiler on the user's machine, compiled once into a cache on disk
    the CUDA version Warp (`kernels.cuda`), where a GPU gains something; its kernels also run on Warp's CPU device
    the function     what the other rooms call: checks at the door, picks the version by where the arrays lie

What the built-in engine uses (corotate, crossings, gather, gray_scott, hinges, impacts, inside, piercings, rotations,
spread, strain, surface_gradients, thinshell, visible, winding) takes and gives numpy arrays and imports neither torch
nor Warp; rotations_cuda is its one CUDA version. What the learned engines use (rasterize, interpolate, antialias,
composite, hash_encode, march, morton, plane_sample, softmax_splat, total_variation, voxel_sample) takes and gives torch
tensors, contiguous or not, differentiable once where it says so. The rest is ground: `shapes` and `door` check
arguments, `vectors` and `lanes` are for inside numba kernels, `compiling` says when one is compiled.
"""
