"""WHAT IS KEPT OF PEOPLE: told to them, erased, and let go when its time is over.

telling     all that is kept about one person, and the same in the order of time
erasing     people taken out of the ledger of mail and out of the tables of people
retention   who and what is past its time
run         the transactions of all this, and the database's file rewritten after it
"""
