"""Where mail may be sent from: a copy of the database, restored or cloned, sends nothing before a person adopts it.

The database keeps seats, each a machine together with the place where this very database lies (for SQLite its path and
its file, for PostgreSQL its server and its tables). A copy is somewhere else, or is another file, and finds no seat of
its own. Beside it lies a small file that counts on whenever a sender starts or stops here, after the database did: an
older copy put back in the same place knows a smaller number than the file.

No seat is asked for where none was ever taken and nothing was ever handed over: the first sender takes one.
"""
