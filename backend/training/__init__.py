"""Training of what the backend's priors learn: corpora, videos, loops. Nothing here runs in an artist's session."""
