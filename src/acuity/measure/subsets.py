"""Names of parts of an image or spectrum that figures are of: the column ``subset`` of tables."""

BELOW, ALIASED = "below low Nyquist", "aliased"
