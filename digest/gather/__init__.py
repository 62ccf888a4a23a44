"""SOURCES -> ARTICLES: fetches what is due, parses it, cleans it, decides what is new."""
