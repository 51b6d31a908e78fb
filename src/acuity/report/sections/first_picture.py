"""One picture of the study below its verdict."""

from pathlib import Path

from acuity.report.drawing import address
from acuity.report.page import Section


def _build(page):
    path, words = page.picture
    return {"src": address(Path(path).read_bytes()), "words": words}


FIRST_PICTURE = Section(
    "picture",
    """
<figure class="first"><img src="{{ src }}" alt="{{ words }}"><figcaption>{{ words }}</figcaption></figure>
""",
    _build,
    when=lambda page: page.picture is not None,
)
