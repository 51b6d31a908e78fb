"""The table of methods, with what its columns mean."""

from acuity.report.page import Section
from acuity.report.sem import page_table


def _build(page):
    columns, rows = page_table(page.metrics, page.samples)
    return {"columns": columns, "rows": rows}


SEM_METHODS = Section(
    "methods",
    """
{% if rows %}
<section aria-label="Table">
<h2>Methods</h2>
{{ parts.table(columns, rows, "Methods") }}
<details><summary>What the columns mean</summary>
<dl class="words">
<dt>Gaps unresolved</dt><dd>Share of the gaps between neighbouring particles of the truth that the image does not show: its lowest value between the particles does not fall below 60 % of the peak. In brackets the 95 % interval, by the bootstrap over the gaps and, where there are several images, over these.</dd>
<dt>Unresolved if as many were invented as in the input</dt><dd>The same, had the image's contrast been such that it shows as many gaps between touching particles as the input does. A network that darkens all gaps gains nothing here.</dd>
<dt>Gap error</dt><dd>Mean absolute difference of the gap widths (at 80 % of the peak) from the truth's, over gaps that both show.</dd>
<dt>Gaps invented</dt><dd>Share of the pairs of particles that touch in the truth and between which the image shows a gap.</dd>
<dt>Spectrum off</dt><dd>Greatest departure from 1 of the ratio of the spectrum's magnitude to the truth's: up to the Nyquist frequency of the low-resolution image, and from there to 0.8 of the truth's own (aliased).</dd>
<dt>Edge spread</dt><dd>Median distance over which the image rises from 20 to 80 % across the truth's straight, isolated edges; compare with the truth's own. Sharper than the truth is no gain.</dd>
<dt>PSNR, SSIM</dt><dd>Likeness to the truth, pixel by pixel and in small windows. Noise of the truth itself counts as error.</dd>
</dl>
</details>
</section>
{% endif %}
""",
    _build,
)
