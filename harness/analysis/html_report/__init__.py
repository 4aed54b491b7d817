"""One HTML file with all tables and figures, for people who have neither this program nor a network.

Start reading at page.py.
"""

from harness.analysis.html_report.page import FILE_NAME, write_report

__all__ = ["FILE_NAME", "write_report"]
