"""Volumes that a study has made in slabs: a store, a job for each slab, and one that joins them.

Needs  the study key slabs
Makes  PARTS, which rules loop over
"""


class Part:
    """A volume as a whole or, in a study with slabs, what a job does of it (acuity.slabs).

    X_init makes the volume's store, the jobs of X_slab fill it, and X joins them.
    """

    def __init__(self, ending="", below="", words="", marker=None):
        self.ending, self.below, self.words, self.marker = ending, below, words, marker

    def name(self, rule):
        return rule + self.ending

    def volume(self, path):
        """The volume itself; or the marker that its store, or the slab, leaves when it is done."""
        if self.marker is None:
            return volume(path)
        return results(f"{path}.ome.zarr/.slabs/{self.marker}.json")

    def needed(self, *paths):
        """What a job needs of the volumes that slabs fill: all slabs to join them, the store to fill it."""
        if self is JOIN:
            return {"slabs": slabs_of(*paths)}
        return {"stores": [STORE.volume(p) for p in paths]} if self is SLAB else {}

    def made(self, path, **whole):
        """These files with the whole volume; of a store or a slab its marker alone."""
        return whole if self.marker is None else {"part": self.volume(path)}

    def gpus_to_restore(self, w):
        return 0 if self is JOIN else PROJECT.gpus(w.method, "predict")

    def log(self, path):
        return logs(f"{path}/{self.below}" if self.below else path)

    def benchmark(self, path):
        return benchmarks(f"{path}/{self.below}" if self.below else path)

    def says(self, message):
        return message + self.words

    def cfg(self, cfg):
        if self.marker is None:
            return cfg
        return lambda w: {
            **(cfg(w) if callable(cfg) else cfg),
            "part": [int(w.slab) if self is SLAB else 0, SLABS],
        }


WHOLE, JOIN = Part(), Part()
STORE = Part("_init", "init", ", empty store", "store")
SLAB = Part("_slab", "slab{slab}", ", slab {wildcards.slab}", "{slab}")
PARTS = [JOIN, STORE, SLAB] if SLABS > 1 else [WHOLE]


def slabs_of(*paths):
    """What all slabs of volumes leave, and what they agree upon."""
    stores = [results(f"{path}.ome.zarr/.slabs/") for path in paths]
    # A function: a list of thousands of patterns would be compiled for every rule.
    return lambda w: [
        f"{store}{name}.json"
        for store in (store.format(**dict(w.items())) for store in stores)
        for name in ("store", *range(1, SLABS + 1))
    ]


def counts_of(path):
    """What the slabs of a stage without a volume of its own have counted; none for one job."""
    if SLABS == 1:
        return []
    folder = results(path)
    return lambda w: [
        f"{folder.format(**dict(w.items()))}/{k}.npz" for k in range(1, SLABS + 1)
    ]
