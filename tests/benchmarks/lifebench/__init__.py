"""LifeBench: an open benchmark of growth and decay, its truth from procedural specimens."""
