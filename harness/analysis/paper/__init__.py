"""A folder that LaTeX compiles: tables, figures with captions, a methods paragraph and a citation, from records alone.

Start reading at writing.py, which `crosscast paper` calls.
"""

from harness.analysis.paper.writing import write_paper

__all__ = ["write_paper"]
