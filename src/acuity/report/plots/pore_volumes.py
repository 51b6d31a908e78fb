"""Cumulative volume of pores by their size, beside the truth's (Bukka et al. 2025, figure 12 b)."""

from typing import Any

from acuity.report.plots.base import Figure


class PoreVolumes(Figure):
    """A panel for each level, a line for each image."""

    page = "study"

    def plot(self, **sources: Any) -> Any:
        """Return the volumes of all objects up to a size, those of all samples together."""
        from functools import partial

        from acuity.report.figures import Panel, Plot
        from acuity.report.style import ordered

        pores, words = sources.get("pores"), sources["words"]
        panels: list[Any] = []
        names: list[str] = []
        if pores is not None and {"method", "level", "volume", "diameter"} <= set(pores):
            pores = pores[pores["diameter"] > 0]
            truth = pores[pores["method"] == "truth"]
            restored = pores[pores["method"] != "truth"]
            names = ordered(restored["method"].unique()) if len(truth) else []
            panels = [
                Panel(words.level(level), partial(_draw, truth=truth, rows=rows, words=words))
                for level, rows in restored.groupby("level")
                if len(truth)
            ]
        return Plot(
            self.name,
            f"Volume of {words.noun}s by size",
            f"Volume of all {words.noun}s up to an equivalent diameter, as a share of the volume of all true ones; the "
            "dashed line is the truth. A good restoration follows it. A line that begins further to the right has "
            f"lost the small {words.noun}s; one that ends above 1 has taken solid for {words.noun}s.",
            panels,
            names,
        )


def cumulative(diameters: Any, volumes: Any) -> tuple[Any, Any]:
    """Return diameters in rising order, and the volume of all objects up to each."""
    import numpy as np

    order = np.argsort(np.asarray(diameters, float), kind="stable")
    return np.asarray(diameters, float)[order], np.cumsum(np.asarray(volumes, float)[order])


def _draw(axes, truth, rows, words):
    from acuity.report.style import INK, look, ordered

    whole = float(truth["volume"].sum())
    at, total = cumulative(truth["diameter"], truth["volume"])
    axes.step(at, total / whole, where="post", color=INK, lw=1.4, ls="--", label="Truth")
    for method in ordered(rows["method"].unique()):
        own = rows[rows["method"] == method]
        at, total = cumulative(own["diameter"], own["volume"])
        how = look(method)
        axes.step(at, total / whole, where="post", lw=1.4, **{**how.line, "label": how.short})
    axes.set(xscale="log", ylim=(0, None))
    unit = f" ({words.unit})" if words.unit else ""
    axes.set_xlabel(f"Equivalent diameter{unit}")
    axes.set_ylabel("Cumulative volume, true ones = 1")


FIGURE = PoreVolumes()
