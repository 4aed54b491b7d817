"""From records to tables and figures.

Everything here reads records alone, so a results folder can be analysed on another machine, later, without a framework.
Start reading at cells.py, then tables/writing.py.
"""
