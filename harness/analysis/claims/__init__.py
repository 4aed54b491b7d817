"""Claims of a study as tests on records.

Start reading at judging.py.
"""
