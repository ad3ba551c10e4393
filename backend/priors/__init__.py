"""Diffusion models behind small interfaces: the only door to diffusers and transformers."""
