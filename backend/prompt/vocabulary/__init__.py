"""The closed vocabulary of prompts, as data, in English ("en"), German ("de") and French ("fr")."""
