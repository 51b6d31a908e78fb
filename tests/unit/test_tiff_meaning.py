"""TIFF: what its header says of its numbers, its sizes, and how many images it holds."""

import numpy as np
import pytest
import tifffile

from acuity.errors import AcuityError
from acuity.formats.read import read_volume
from acuity.formats.readers import tiff
from acuity.volume import Grid

NM = "20 10 10 nm"
DATA = np.random.default_rng(3).integers(0, 200, (16, 12, 10)).astype(np.uint8)


def plain(path, data=DATA, **options):
    tifffile.imwrite(path, data, **{"metadata": None, "photometric": "minisblack"} | options)
    return path


def imagej(path, text, data=DATA, resolution=(10, 10), count=16, options=()):
    """A TIFF as ImageJ writes it, with a text of its own behind the counts."""
    said = f"ImageJ=1.54f\nimages={count}\nslices={count}\n" if count else "ImageJ=1.54f\n"
    said = said.encode() + (text if isinstance(text, bytes) else text.encode("utf-8")) + b"\0"
    return plain(
        path,
        data,
        resolution=resolution,
        resolutionunit="NONE",
        extratags=[(270, 2, len(said), said, True)],
        **dict(options),
    )


# ------------------------------------------------------------------------ what the values mean


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "int8", "int16"])
def test_white_as_the_lowest_value_is_turned_over(tmp_path, dtype):
    data = DATA.astype(dtype) if dtype != "int8" else (DATA // 2).astype(dtype)
    limits = np.iinfo(dtype)
    stored = (int(limits.max) + int(limits.min) - data.astype(np.int64)).astype(dtype)
    volume = read_volume(plain(tmp_path / "a.tif", stored, photometric="miniswhite"), NM)
    assert np.array_equal(volume.read(), data)
    assert volume.dtype == dtype
    assert "MINISWHITE" in volume.provenance[0]["values"]
    same = read_volume(plain(tmp_path / "b.tif", stored), NM)
    assert np.array_equal(same.read(), stored)
    assert "values" not in same.provenance[0]


def test_masks_of_one_bit_are_turned_over_too(tmp_path):
    mask = DATA > 100
    for name in ("miniswhite", "minisblack"):
        path = plain(tmp_path / f"{name}.tif", mask, photometric=name)
        assert np.array_equal(read_volume(path, NM).read() == 1, mask ^ (name == "miniswhite"))


def test_an_orientation_that_changes_within_a_stack_is_refused(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for number, image in enumerate(DATA[:3]):
            options = {"extratags": [(274, 3, 1, 1 + number // 2, True)]}
            file.write(image, metadata=None, contiguous=False, **options)
    with pytest.raises(AcuityError, match=r"a\.tif: page 2 has another photometric .* orientation"):
        read_volume(tmp_path / "a.tif", NM)


def test_fractions_have_no_white_to_turn_over(tmp_path):
    path = plain(tmp_path / "a.tif", DATA.astype(np.float32), photometric="miniswhite")
    with pytest.raises(AcuityError, match=r"a\.tif: has white as its lowest value .* float32"):
        read_volume(path, NM)


@pytest.mark.parametrize(
    ("number", "turn"),
    [
        (1, lambda v: v),
        (2, lambda v: v[:, :, ::-1]),
        (3, lambda v: v[:, ::-1, ::-1]),
        (4, lambda v: v[:, ::-1]),
        (5, lambda v: v.swapaxes(1, 2)),
        (6, lambda v: np.rot90(v, -1, (1, 2))),
        (7, lambda v: np.rot90(v, 2, (1, 2)).swapaxes(1, 2)),
        (8, lambda v: np.rot90(v, 1, (1, 2))),
        (0, lambda v: v),
        (9, lambda v: v),
    ],
)
@pytest.mark.parametrize("once", [True, False])
def test_images_lie_as_the_orientation_says(tmp_path, number, turn, once):
    path = plain(
        tmp_path / "a.tif",
        resolution=(1e5, 2e5),
        resolutionunit="CENTIMETER",
        extratags=[(274, 3, 1, number, once)],
    )
    volume = read_volume(path, pitch="1 um")
    shown = turn(DATA)
    assert np.array_equal(volume.read(), shown)
    assert np.array_equal(volume.read(slice(2, 5), slice(1, 4), slice(3, 8)), shown[2:5, 1:4, 3:8])
    y, x = (100, 50) if number in (5, 6, 7, 8) else (50, 100)
    assert volume.grid.spacing == (1000, y, x)
    assert ("orientation" in volume.provenance[0]) == (number in range(2, 9))


@pytest.mark.parametrize("stored", ["uint16", "int16"])
def test_signed_values_of_imagej(tmp_path, stored):
    data = DATA.astype(np.int16) - 100
    raw = (data.astype(np.int32) + 32768).astype(np.uint16) if stored == "uint16" else data
    text = "cf=0\nc0=-32768.0\nc1=1.0\nvunit=Gray Value\n"
    volume = read_volume(imagej(tmp_path / "a.tif", text, raw), NM)
    assert np.array_equal(volume.read(), data)
    assert volume.dtype == np.int16
    plainly = read_volume(imagej(tmp_path / "b.tif", "", raw), NM)
    assert np.array_equal(plainly.read(), raw)


def test_calibrated_values_of_imagej(tmp_path):
    line = read_volume(imagej(tmp_path / "a.tif", "cf=0\nc0=-1.5\nc1=0.25\nvunit=g/cm3\n"), NM)
    assert np.array_equal(line.read(), DATA * np.float32(0.25) - np.float32(1.5))
    assert (line.dtype, line.intensity) == (np.float32, "g/cm3")
    assert line.provenance[0]["values"] == "ImageJ: -1.5 + 0.25 v of the stored v"
    square = "cf=1\nc0=0\nc1=1\nc2=0.5\nvunit=a\n"
    square = read_volume(imagej(tmp_path / "b.tif", square), NM).read()
    assert np.array_equal(square, DATA + DATA.astype(np.float32) ** 2 / 2)
    clipped = read_volume(imagej(tmp_path / "c.tif", "cf=0\nc0=-50\nc1=1\nzeroclip=true\n"), NM)
    assert np.array_equal(clipped.read(), np.maximum(DATA.astype(int) - 50, 0))
    none = read_volume(imagej(tmp_path / "d.tif", "cf=20\nc0=3\nc1=2\n"), NM)
    assert np.array_equal(none.read(), DATA)
    real = imagej(tmp_path / "e.tif", "cf=0\nc0=-50\nc1=2\n", DATA.astype(np.float32))
    assert np.array_equal(read_volume(real, NM).read(), DATA)  # as ImageJ does


# ----------------------------------------------------------------------------------------- sizes


@pytest.mark.parametrize(
    ("text", "spacing", "unit"),
    [
        ("unit=nm\nspacing=0.05\n", (0.05, 0.1, 0.1), "nm"),
        ("unit=nm\nzunit=\\u00B5m\nspacing=0.05\n", (50, 0.1, 0.1), "nm"),
        ("unit=\\u00B5m\nyunit=nm\nzunit=nm\nspacing=3\n", (0.003, 0.0001, 0.1), "um"),
        ("unit=µm\nspacing=0.5\n", (0.5, 0.1, 0.1), "um"),
        ("unit=μm\nspacing=0.5\n", (0.5, 0.1, 0.1), "um"),
        ("unit=µm\nspacing=0.5\n".encode("cp1252"), (0.5, 0.1, 0.1), "um"),
        ("unit=Âµm\nspacing=0.5\n", (0.5, 0.1, 0.1), "um"),
        ("unit=micron\nyunit=\nspacing=-0.5\n", (0.5, 0.1, 0.1), "um"),
    ],
)
def test_imagej_has_a_unit_for_each_axis(tmp_path, text, spacing, unit):
    grid = read_volume(imagej(tmp_path / "a.tif", text)).grid
    assert grid.unit == unit
    # 0.1 pixels a unit are 10 units a pixel
    assert grid.spacing == pytest.approx((spacing[0], spacing[1], spacing[2]), rel=1e-9)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("unit=nm\nzunit=slice\nspacing=0.05\n", "a spacing in 'slice'"),
        ("unit=nm\nspacing=0,05\n", "a spacing of '0,05'"),
        ("unit=nm\nspacing=0\n", "no distance between slices"),
        ("unit=nm\nyunit=furlong\nspacing=1\n", "a size in 'furlong'"),
        ("unit=pixel\nspacing=1\n", "a size in 'pixel'"),
    ],
)
def test_a_size_of_imagej_that_is_none_is_named_and_needs_not_stop(tmp_path, text, told):
    path = imagej(tmp_path / "a.tif", text)
    with pytest.raises(AcuityError, match=rf"a\.tif: .*{told}"):
        read_volume(path)
    assert read_volume(path, NM).grid.spacing == (20, 10, 10)


@pytest.mark.parametrize(
    ("resolution", "unit"),
    [
        (72, "INCH"),
        (96, "INCH"),
        (300, "INCH"),
        (1200, "INCH"),
        (2400, "INCH"),
        (109.6, "INCH"),
        (1, "INCH"),
        (1, "CENTIMETER"),
        (28.3, "CENTIMETER"),
        (28.35, "CENTIMETER"),
        (37.8, "CENTIMETER"),
        (37.7952755906, "CENTIMETER"),
        (118, "CENTIMETER"),
        (118.11, "CENTIMETER"),
        (236, "CENTIMETER"),
        (472.4, "CENTIMETER"),
        (944.88, "CENTIMETER"),
    ],
)
def test_resolutions_of_printers_and_screens_are_no_sizes(tmp_path, resolution, unit):
    path = plain(
        tmp_path / "a.tif", DATA[0], resolution=(resolution, resolution), resolutionunit=unit
    )
    with pytest.raises(AcuityError, match=r"a\.tif: .*dots an inch.*printer or a screen"):
        read_volume(path)
    assert read_volume(path, "10 nm").grid.spacing == (10, 10, 10)


@pytest.mark.parametrize(
    ("resolution", "unit", "um"),
    [
        (200, "CENTIMETER", 50),
        (400, "CENTIMETER", 25),
        (1000, "CENTIMETER", 10),
        (2000, "CENTIMETER", 5),
        (4481.3, "CENTIMETER", 2.2314953),
        (11382.7, "INCH", 2.2314565),
        (2540, "INCH", 10),
        (1e6, "CENTIMETER", 0.01),
    ],
)
def test_resolutions_of_a_sample_are_sizes(tmp_path, resolution, unit, um):
    path = plain(
        tmp_path / "a.tif", DATA[0], resolution=(resolution, resolution), resolutionunit=unit
    )
    grid = read_volume(path).grid
    assert grid.spacing == pytest.approx((um * (1000 if grid.unit == "nm" else 1),) * 3, rel=1e-6)


@pytest.mark.parametrize(("unit", "dots"), [("inch", 72), ("inch", 96), ("cm", 28.35)])
def test_a_stack_of_fiji_in_inches_has_no_size(tmp_path, unit, dots):
    path = imagej(tmp_path / "a.tif", f"unit={unit}\nspacing=1.0\n", resolution=(dots, dots))
    with pytest.raises(AcuityError, match="dots an inch"):
        read_volume(path)
    fine = imagej(tmp_path / "b.tif", "unit=inch\nspacing=1e-5\n", resolution=(1e5, 1e5))
    assert read_volume(fine).grid.spacing == pytest.approx((0.254, 0.254, 0.254))


def ome(path, data=DATA, **said):
    tifffile.imwrite(path, data, metadata={"axes": "ZYX"} | said)
    return path


@pytest.mark.parametrize("size", [0, "text", "1,5", -2, "nan", "inf"])
def test_a_physical_size_that_is_none_is_named_and_needs_not_stop(tmp_path, size):
    path = ome(tmp_path / "a.ome.tif", PhysicalSizeX=0.1, PhysicalSizeY=0.1, PhysicalSizeZ=7)
    content = path.read_bytes().replace(b'PhysicalSizeZ="7"', f'PhysicalSizeZ="{size}"'.encode())
    described = tifffile.tiffcomment(path).replace('PhysicalSizeZ="7"', f'PhysicalSizeZ="{size}"')
    assert content != path.read_bytes()
    tifffile.tiffcomment(path, described.encode())
    with pytest.raises(AcuityError, match=rf"a\.ome\.tif: .*a PhysicalSizeZ of '{size}'"):
        read_volume(path)
    assert read_volume(path, NM).grid == Grid((16, 12, 10), (20, 10, 10), (0, 0, 0), "nm")
    assert read_volume(path, pitch="1 um").grid.spacing == (1, 0.1, 0.1)


def test_a_printers_resolution_that_bio_formats_took_is_no_size(tmp_path):
    sizes = {"PhysicalSizeX": 352.7777777, "PhysicalSizeY": 352.7777777, "PhysicalSizeZ": 1}
    with pytest.raises(AcuityError, match="72 dots an inch"):
        read_volume(ome(tmp_path / "a.ome.tif", **sizes))
    sizes = {"PhysicalSizeX": 127, "PhysicalSizeY": 127, "PhysicalSizeZ": 127}
    assert read_volume(ome(tmp_path / "b.ome.tif", **sizes)).grid.spacing == (127, 127, 127)


# ----------------------------------------------------------------------- two counts of one thing


def one_directory(path, told, there):
    """ImageJ's way beyond 4 GiB: one directory, and slices one behind the other."""
    imagej(path, "unit=nm\nspacing=1\n", DATA[0], count=told)
    content = path.read_bytes()
    with tifffile.TiffFile(path) as file:
        offset = file.pages[0].dataoffsets[0]
    assert offset + DATA[0].size == len(content)
    path.write_bytes(content + DATA[1:there].tobytes())
    return path


def test_slices_behind_one_directory(tmp_path):
    volume = read_volume(one_directory(tmp_path / "a.tif", 16, 16), NM)
    assert np.array_equal(volume.read(), DATA)


@pytest.mark.parametrize(("told", "there"), [(24, 16), (16, 12), (2, 1), (12, 16)])
def test_fewer_slices_than_are_told(tmp_path, told, there):
    path = one_directory(tmp_path / "a.tif", told, there)
    with pytest.raises(
        AcuityError, match=rf"a\.tif: .* holds {told} images and has data for {there};"
    ):
        read_volume(path, NM)


@pytest.mark.parametrize("count", [8, 15, 17, 24])
def test_more_or_fewer_pages_than_are_told(tmp_path, count):
    path = imagej(tmp_path / "a.tif", "", count=count)
    with pytest.raises(
        AcuityError, match=rf"a\.tif: says that it holds {count} images and holds 16;"
    ):
        read_volume(path, NM)
    assert np.array_equal(read_volume(imagej(tmp_path / "b.tif", ""), NM).read(), DATA)


def test_counts_that_do_not_agree_with_one_another(tmp_path):
    path = imagej(tmp_path / "a.tif", "images=16\nslices=8\n", count=0)
    with pytest.raises(AcuityError, match="holds 16 images and lays them out as slices=8"):
        read_volume(path, NM)
    only = imagej(tmp_path / "b.tif", "images=16\n", count=0)
    assert np.array_equal(read_volume(only, NM).read(), DATA)
    none = imagej(tmp_path / "c.tif", "unit=nm\n", count=0)
    assert np.array_equal(read_volume(none, NM).read(), DATA)


@pytest.mark.parametrize("metadata", [{}, None])
def test_slices_that_were_appended_are_a_stack(tmp_path, metadata):
    for image in DATA:
        tifffile.imwrite(
            tmp_path / "a.tif", image, append=True, metadata=metadata, photometric="minisblack"
        )
    assert np.array_equal(read_volume(tmp_path / "a.tif", NM).read(), DATA)
    for part in (DATA[:6], DATA[6:]):
        tifffile.imwrite(tmp_path / "b.tif", part, append=True, photometric="minisblack")
    assert np.array_equal(read_volume(tmp_path / "b.tif", NM).read(), DATA)


def test_channels_that_were_appended_are_no_stack(tmp_path):
    options = {"append": True, "metadata": {"axes": "CYX"}, "photometric": "minisblack"}
    for part in (DATA[:3], DATA[3:6]):
        tifffile.imwrite(tmp_path / "a.tif", part, **options)
    with pytest.raises(AcuityError, match="found 3 channels"):
        read_volume(tmp_path / "a.tif", NM)


@pytest.mark.parametrize("flag", [1, 0])
@pytest.mark.parametrize("first", [False, True])
def test_a_thumbnail_is_left_out_and_said(tmp_path, flag, first):
    small = np.ascontiguousarray(DATA[0, ::2, ::2])
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        pages = [(image, 0) for image in DATA]
        for image, kind in [(small, flag), *pages] if first else [*pages, (small, flag)]:
            file.write(image, metadata=None, contiguous=False, subfiletype=kind)
    volume = read_volume(tmp_path / "a.tif", NM)
    assert np.array_equal(volume.read(), DATA)
    assert volume.provenance[0]["left_out"] == "1 reduced page"


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_the_grey_page_beside_a_coloured_one_is_taken_and_said(tmp_path, first, planar):
    colour = np.zeros((12, 10, 3) if planar == "contig" else (3, 12, 10), np.uint8)
    pages = [(DATA[0], {}), (colour, {"photometric": "rgb", "planarconfig": planar})]
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for image, options in pages[::-1] if first else pages:
            file.write(image, metadata=None, contiguous=False, **options)
    volume = read_volume(tmp_path / "a.tif", NM)
    assert np.array_equal(volume.read(), DATA[:1])
    assert volume.provenance[0]["left_out"] == "1 colour page"


def test_a_coloured_slice_of_a_stack_is_not_left_out(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for image in DATA[:4]:
            file.write(image, metadata=None, contiguous=False)
        file.write(np.zeros((12, 10, 3), np.uint8), metadata=None, photometric="rgb")
    with pytest.raises(AcuityError, match=r"a\.tif: page 4 is in colour and others are grey"):
        read_volume(tmp_path / "a.tif", NM)


def test_an_ome_tiff_may_be_renamed_and_not_lie_in_several_files(tmp_path):
    path = ome(tmp_path / "a.ome.tif")
    described = tifffile.tiffcomment(path)
    data = '<TiffData IFD="0" PlaneCount="16"><UUID FileName="{}">urn:uuid:1</UUID></TiffData>'
    found = described.index("<TiffData"), described.index("/>", described.index("<TiffData")) + 2
    parts = [data.format("a.ome.tif").replace("16", "8"), data.format("b.ome.tif")]
    described = described[: found[0]] + "".join(parts) + described[found[1] :]
    tifffile.tiffcomment(path, described.encode())
    with pytest.raises(
        AcuityError, match=r"a\.ome\.tif: .* over 2 files \(b\.ome\.tif is another\)"
    ):
        read_volume(path, NM)
    (tmp_path / "list.txt").write_text("a.ome.tif\n")
    with pytest.raises(AcuityError, match="holds 16 slices, allowed in a folder"):
        read_volume(tmp_path / "list.txt", NM)


def test_an_ome_tiff_says_how_many_planes_it_has(tmp_path):
    path = ome(tmp_path / "a.ome.tif")
    tifffile.tiffcomment(
        path, tifffile.tiffcomment(path).replace('SizeZ="16"', 'SizeZ="24"').encode()
    )
    with pytest.raises(
        AcuityError, match=r"a\.ome\.tif: says that it holds 24 images and holds 16"
    ):
        read_volume(path, NM)


# --------------------------------------------------------------------------------------- reading


def test_a_file_too_large_for_memory_is_not_called_damaged(tmp_path, monkeypatch):
    path = plain(tmp_path / "a.tif", compression="zlib")
    volume = read_volume(path, NM)

    def full(page, **options):
        raise MemoryError

    monkeypatch.setattr(tifffile.TiffPage, "asarray", full)
    with pytest.raises(AcuityError) as error:
        volume.read()
    assert "slice 0 needs" in str(error.value)
    assert "memory" in str(error.value)
    assert "damaged" not in str(error.value)


def test_pages_without_the_tag_of_their_meaning_are_black_where_low(tmp_path):
    content = bytearray(plain(tmp_path / "a.tif", DATA[0]).read_bytes())
    at = content.index((262).to_bytes(2, "little") + (3).to_bytes(2, "little"))
    content[at : at + 2] = (65000).to_bytes(2, "little")
    (tmp_path / "a.tif").write_bytes(content)
    assert np.array_equal(read_volume(tmp_path / "a.tif", NM).read()[0], DATA[0])


def test_what_is_meant_for_a_display():
    assert "72 dots" in tiff.display(1 / 72, "inch")
    assert "71.9 dots" in tiff.display(1 / 28.3, "cm")
    assert tiff.display(0.01, "mm") == tiff.display(2.2e-4, "cm") == ""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            'SizeX="10"',
            'SizeX="20"',
            "tell of images of 12 x 20 of uint8 and it holds 12 x 10 of uint8",
        ),
        ('SizeY="12"', 'SizeY="24"', "tell of images of 24 x 10 of uint8"),
        ('Type="uint8"', 'Type="int8"', "tell of images of 12 x 10 of int8 and it holds"),
    ],
)
def test_an_image_is_of_the_size_and_type_that_its_ome_metadata_tell(tmp_path, old, new, said):
    path = tmp_path / "a.ome.tif"
    sizes = {"PhysicalSizeX": 0.1, "PhysicalSizeY": 0.2, "PhysicalSizeZ": 0.3}
    tifffile.imwrite(path, DATA, metadata={"axes": "ZYX"} | sizes)
    assert read_volume(path).grid == Grid(DATA.shape, (0.3, 0.2, 0.1), (0, 0, 0), "um")
    text = tifffile.tiffcomment(path)
    assert old in text
    tifffile.tiffcomment(path, text.replace(old, new).encode())
    with pytest.raises(AcuityError, match=said):
        read_volume(path)
    with pytest.raises(AcuityError, match=said):
        read_volume(path, NM)


@pytest.mark.parametrize("dtype", ["float32", "float64", "bool"])
def test_types_of_ome_go_by_other_names(tmp_path, dtype):
    data = DATA.astype(dtype) if dtype != "bool" else DATA > 100
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, data, photometric="minisblack", metadata={"axes": "ZYX"})
    assert np.array_equal(read_volume(path, NM).read(), data)


def test_slices_that_were_written_as_channels_of_a_pixel_are_told_from_colours(tmp_path):
    path = tmp_path / "a.tif"
    plain(path, DATA, planarconfig="separate")
    with pytest.raises(AcuityError, match=r"found 16 values a pixel .*slices.*Bio-Formats"):
        read_volume(path, NM)
