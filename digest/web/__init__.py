"""The web: one file per audience; no rules."""
