"""The study: its file and sample sheet, checked before anything runs, and what it means."""

from acuity.study.study import (
    Sample,
    Study,
    load_study,
    own_factor,
    read_keys,
    read_study,
    schema,
)

__all__ = ["Sample", "Study", "load_study", "own_factor", "read_keys", "read_study", "schema"]
