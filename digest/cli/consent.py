"""digest consent: the proof of who agreed to what."""

from __future__ import annotations

from digest.cli import frame, persons

app = frame.noun("The proof of who agreed to what.")
app.command("export")(persons.consent_export)
