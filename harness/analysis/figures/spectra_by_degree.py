"""Power spectra of forecast and truth by the degree of spherical harmonics, and their ratio."""

from harness.analysis.figures.spectra import Abscissa, illustrate_against
from harness.analysis.figures.subject import Drawn, FigureSubject
from harness.analysis.quantities.spectra import DEGREES

TOTAL_WAVENUMBERS = Abscissa(
    by=DEGREES,
    kind="spectra_by_degree",
    column="degree",
    label="Total wavenumber",
    title="Power spectra by total wavenumber",
    definition="mean square over the globe by degree of spherical harmonics, of variables without masked points",
)


def illustrate(subject: FigureSubject) -> Drawn:
    """The spectra by degree of a subject's first cells that kept some."""
    return illustrate_against(TOTAL_WAVENUMBERS, subject)
