"""Pictures that we serve ourselves ([mail] images = "hosted"): fetched once, made small, kept for ever.

making   bytes of strangers -> a JPEG or PNG that every mail reader shows
storing  the tables               hosting  an issue's content with our addresses in it
run      fetches what an issue shows
"""
