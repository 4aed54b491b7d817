"""Tables from records: speed, skill and energy, on the terminal and as files.

Start reading at writing.py.
"""
