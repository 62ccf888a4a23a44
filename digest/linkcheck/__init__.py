"""Whether the links of an issue lead somewhere, asked before it goes out.

judging  what an answer says of a link: fine, dead, or not to be told
run      asks them all, and keeps the answers with the issue
"""
