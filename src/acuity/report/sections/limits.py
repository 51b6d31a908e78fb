"""How results are graded."""

from acuity.report.page import Section

LIMITS = Section("limits", "{{ parts.limits() }}", when=lambda page: page.graded)
