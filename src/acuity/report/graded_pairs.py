"""What was restored of pairs of volumes, in a sentence."""

from acuity.report.style import look
from acuity.report.verdict import POOLED, UNMEASURED, tidy


def pair_sentence(metrics, samples=None):
    """Say how far the methods get above cubic interpolation, and how sure the registration is.

    Parameters
    ----------
    metrics : pandas.DataFrame
        ``metrics.tsv``.
    samples : list of str, optional
        Those that are told of; by default all unseen ones together.

    Returns
    -------
    str
    """
    rows = tidy(metrics)
    rows = rows[rows["sample"].isin(samples or [POOLED])]
    psnr = rows[(rows["metric"] == "psnr") & (rows["subset"] == "all")].set_index("method")["value"]
    said = []
    if "cubic" in psnr and len(psnr.drop(["cubic", "input"], errors="ignore")):
        best = psnr.drop(["cubic", "input"], errors="ignore").idxmax()
        said.append(
            f"{look(best).name} is {psnr[best] - psnr['cubic']:+.2f} dB against cubic interpolation "
            f"({psnr['cubic']:.2f} dB), both in the fine scan's grey values on slices that no model learned from"
        )
    error = rows[rows["metric"] == "registration_error"]["value"]
    if len(error):
        said.append(
            f"the map between the scans is known to about {error.max():.2f} voxels of the fine scan"
        )
    if not said:
        return UNMEASURED
    sentence = "; ".join(said)
    return f"{sentence[0].upper()}{sentence[1:]}."
