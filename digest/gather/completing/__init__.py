"""THIN ARTICLES -> WHOLE ONES: reads the pages of those that lack something, within robots.txt and limits."""
