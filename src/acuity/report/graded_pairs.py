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
    figures = rows[rows["method"] == "pair"].set_index("metric")["value"]
    if "registration_error" in figures and "residual_rms" in figures:
        said.append(
            f"the error of the map between the scans is estimated as {figures['registration_error'].max():.2f} voxels of "
            f"the fine scan, and single blocks are off by {figures['residual_rms'].max():.1f} (rms)"
        )
    if "tre" in figures:
        said.append(
            f"by the true map, which is known here, it is {figures['tre'].max():.2f} (rms over the fine field)"
        )
    if not said:
        return UNMEASURED
    sentence = "; ".join(said)
    return f"{sentence[0].upper()}{sentence[1:]}."
