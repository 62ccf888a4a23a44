"""WHAT COMES BACK: mail to the address that unsubscribes.

    inbox    a message -> the tokens in it, and whether a person wrote it    pure
    run      what it asks for is done

Nothing here ever answers a mail (H-20).
"""
