"""How far figures swing from one training to the next."""

from acuity.report.page import Section
from acuity.report.trainings import training_table

TRAININGS = Section(
    "trainings",
    """
<section aria-label="Trainings">
<h2>From one training to the next</h2>
<p>Mean over the trainings of each method, which differ in their seed alone; in brackets the least and the greatest. {{ "All judged samples together" if seen else "Test samples, pooled" }}.</p>
{{ parts.plain_table(rows, "Mean and range over trainings") }}
</section>
""",
    lambda page: {"rows": training_table(page.training_table, page.words.level_format)},
    when=lambda page: page.training_table is not None,
)
