"""What stands between this newsroom and its readers: relays, signing keys, DNS, database, clock, settings.

It looks and changes nothing: no mail is sent, nothing is written. Every finding says what, where, and how it is mended.
"""
