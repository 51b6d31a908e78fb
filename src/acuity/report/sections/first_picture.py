"""One picture of the study below its verdict."""

import base64
from pathlib import Path

from acuity.report.page import Section


def _build(page):
    path, words = page.picture
    png = base64.b64encode(Path(path).read_bytes()).decode()
    return {"src": f"data:image/png;base64,{png}", "words": words}


FIRST_PICTURE = Section(
    "picture",
    """
<figure class="first"><img src="{{ src }}" alt="{{ words }}"><figcaption>{{ words }}</figcaption></figure>
""",
    _build,
    when=lambda page: page.picture is not None,
)
