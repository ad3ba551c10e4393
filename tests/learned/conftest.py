"""Shared by every test that needs torch."""

import torch

# The first call of MKL's vector functions in a process may be a thousandth of a hundredth off, where several threads
# make it at once on a busy machine (pytorch/pytorch#188792). That is nothing to a picture, and too much for a test.
for function in (torch.exp, torch.log, torch.sin, torch.sqrt):
    for dtype in (torch.float32, torch.float64):
        function(torch.ones(1, dtype=dtype))
