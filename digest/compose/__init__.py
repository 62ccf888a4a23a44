"""ARTICLES -> ISSUE: tells stories apart, scores, groups, lays the editor's hand over it, renders, freezes."""
