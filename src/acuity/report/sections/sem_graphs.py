"""What became of the gaps and of the spectrum over the whole image."""

from acuity.report.further import graphs

SEM_GRAPHS = graphs("Over the whole image", "sem_gaps", "sem_spectra")
