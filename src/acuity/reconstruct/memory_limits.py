"""What a reconstruction holds at a time, in bytes; asked by what computes and by what plans."""

# The sums of the slices that are computed at a time, and a block of whole views, of which only the
# rows that these slices need are held. The second alone has a say in the values.
SUMS = 128 << 20
VIEWS = 512 << 20
