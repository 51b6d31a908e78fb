"""What became of the gaps and of the spectrum over the whole image."""

from acuity.report.page import Section

SEM_GRAPHS = Section(
    "graphs",
    """
<section aria-label="Graphs">
<h2>Over the whole image</h2>
{{ parts.figures(drawings) }}
</section>
""",
    lambda page: {"drawings": page.drawn("sem_gaps", "sem_spectra")},
    when=lambda page: bool(page.drawn("sem_gaps", "sem_spectra")),
)
