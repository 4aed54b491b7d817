"""Draw the figures of one kind of a folder of results."""

from harness.analysis.cells import load_results
from harness.analysis.figures.subject import subjects


def draw(results, module):
    """What a module draws of a folder of results with one subject."""
    (subject,) = subjects(load_results(results.path).groups())
    return list(module.illustrate(subject))


def one(results, module):
    (item,) = draw(results, module)
    return item
