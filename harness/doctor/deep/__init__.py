"""Proves in at most five minutes that numbers measured on a chip can count: operators, clocks, networks, power.

`run.py` asks a child for each framework and execution (`child.py`) and looks at the machine itself (`machine.py`).
Every check gives a verdict and, where something is wrong, one line of what to do (harness.results.deep_report).
"""
