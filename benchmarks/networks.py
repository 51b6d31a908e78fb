"""Count the networks that the studies of config/ train: src/acuity/plan/networks.json.

    python benchmarks/networks.py

After a change of a method's network, or of a study's settings of one: tests/unit/test_plan.py tells.
"""

import json
from pathlib import Path

from acuity.methods.base import Task, load
from acuity.plan.networks import SHIPPED, count_all, key_of, words_of
from acuity.study.reading import read_keys
from acuity.study.study import Study

CONFIG = Path(__file__).parents[1] / "config"


def counted():
    """Count each network of each level once.

    Returns
    -------
    dict of str to dict
        Counts by `acuity.plan.networks.key_of`.
    """
    words = set()
    for path in [CONFIG / "config.yaml", *(CONFIG / "studies").glob("*.yaml")]:
        study = Study.model_validate(read_keys(path))
        for name, settings in study.methods.items():
            if load(name).has_network and study.trains(name):
                for level in study.levels:
                    method = load(name)(settings, Task(level, study.scale(level)))
                    words.add(words_of(method))
    words = sorted(words, key=key_of)
    return dict(zip(map(key_of, words), count_all(words), strict=True))


if __name__ == "__main__":
    SHIPPED.write_text(json.dumps(counted(), indent=1) + "\n", encoding="utf-8")
