"""The child process that reads a share of many records; see `reading`."""

from harness.analysis.reading import answer

if __name__ == "__main__":
    answer()
