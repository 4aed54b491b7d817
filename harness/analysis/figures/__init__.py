"""Figures from records: one module a figure, one style, PDF and PNG with the data as CSV.

Start reading at writing.py.
"""

from harness.analysis.figures.style import OKABE_ITO, PNG_DPI, STYLE
from harness.analysis.figures.writing import illustrations, rendered, write, write_figures, write_loss_curves

__all__ = ["OKABE_ITO", "PNG_DPI", "STYLE", "illustrations", "rendered", "write", "write_figures", "write_loss_curves"]
