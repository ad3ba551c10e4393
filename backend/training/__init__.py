"""Training of what the backend's priors learn: corpora, videos, loops. In an artist's session
a subject is learnt, and nothing else of it runs."""
