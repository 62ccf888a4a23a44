"""The whole path on a sample magazine, on this machine alone.

magazine   an invented magazine: its articles, its two feeds and its pages, served on loopback
pictures   its illustrations, drawn by code
mailbox    an SMTP server on loopback that keeps what it is given
run        a newsroom in a folder: gathers from the magazine, mails to the mailbox, lays the result out to look at
"""
