"""HDF5 as it comes from beamlines, ilastik, BigDataViewer: values exact, or one sentence."""

import json
import os
import subprocess
import sys

import h5py
import imagecodecs
import numpy as np
import pytest

from acuity.errors import AcuityError
from acuity.formats.files import files_of
from acuity.formats.read import read_volume
from acuity.hdf5 import open_hdf5
from acuity.ingest.ingest import ingest, source_digest
from acuity.study.sample import Sample
from acuity.volume import open_volume
from tests.conftest import ROOT, shared

NM = "20 10 10 nm"


def values(shape=(6, 9, 11), dtype="uint16", seed=1):
    return np.random.default_rng(seed).integers(0, 200, shape).astype(dtype)


def write(path, datasets, **attributes):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open_hdf5(path, "w") as file:
        for name, data in datasets.items():
            file[name] = data
        file[next(iter(datasets))].attrs.update(attributes)
    return path


def note(volume):
    return volume.provenance[-1]


# ------------------------------------------------------------------------------- one way to open


def test_no_other_place_opens_hdf5():
    for path in [*(ROOT / "src").rglob("*.py"), *(ROOT / "scripts").glob("*.py")]:
        text = path.read_text()
        assert path.name == "hdf5.py" or "h5py.File(" not in text, path


def test_a_file_is_read_while_another_process_holds_its_lock(tmp_path):
    path = write(tmp_path / "a.h5", {"data": values()})
    with h5py.File(path, "a", locking=True):
        code = (
            "import sys; from acuity.formats.read import read_volume; "
            f"print(read_volume({str(path)!r}, '1 nm').read().sum())"
        )
        found = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=600, check=True
        )
    assert int(found.stdout) == values().sum()


# ------------------------------------------------------------------------------------ raw scans

PROJECTIONS = r"holds the projections of a scan .*no volume, known by"


@pytest.mark.parametrize(
    ("group", "beside", "word"),
    [
        ("exchange", {"data_white": values((2, 9, 11))}, "data_white beside"),
        ("exchange", {"data_dark": values((2, 9, 11))}, "data_dark beside"),
        ("exchange", {"theta": np.linspace(0, 180, 6)}, "theta beside"),
        ("scan", {"rotation_angle": np.linspace(0, 180, 6)}, "rotation_angle beside"),
        ("entry/instrument/detector", {"image_key": np.zeros(6, int)}, "image_key beside"),
    ],
)
def test_projections_are_no_volume(tmp_path, group, beside, word):
    held = {f"{group}/data": values()} | {f"{group}/{k}": v for k, v in beside.items()}
    path = write(tmp_path / "a.h5", held)
    for name in (path, f"{path}:/{group}/data"):
        with pytest.raises(AcuityError, match=f"{PROJECTIONS} {word}"):
            read_volume(name, NM, volume=True)


def test_an_image_key_elsewhere_in_the_file_counts_its_images(tmp_path):
    held = {"entry/data/data": values(), "entry/detector/image_key": np.zeros(6, int)}
    with pytest.raises(AcuityError, match="an image_key for its 6 images"):
        read_volume(write(tmp_path / "a.nxs", held), NM)
    # a reconstruction beside them has another number of slices, and its own place
    held = {"recon/data": values((5, 9, 11)), "entry/detector/image_key": np.zeros(6, int)}
    path = write(tmp_path / "b.nxs", held)
    assert np.array_equal(read_volume(path, NM).read(), values((5, 9, 11)))


def test_a_named_axis_may_be_an_angle(tmp_path):
    with pytest.raises(AcuityError, match="known by their axis theta"):
        read_volume(write(tmp_path / "a.h5", {"x": values()}, axes="theta:y:x"), NM)
    path = write(tmp_path / "b.h5", {"x": values()}, axes="z:y:x")
    assert np.array_equal(read_volume(path, NM).read(), values())


def test_a_volume_beside_projections_is_named_and_read(tmp_path):
    held = {"exchange/data": values(), "exchange/theta": np.arange(6.0), "rec": values(seed=2)}
    path = write(tmp_path / "a.h5", held)
    with pytest.raises(AcuityError, match=r"name a volume in it, of /rec\."):
        read_volume(path, NM)
    assert np.array_equal(read_volume(f"{path}:/rec", NM).read(), values(seed=2))


def test_flats_that_were_never_taken_make_no_scan(tmp_path):
    held = {"data": values(), "flats": np.empty((0, 9, 11), "u2")}
    assert np.array_equal(
        read_volume(f"{write(tmp_path / 'a.h5', held)}:/data", NM).read(), values()
    )
    held["flats"] = values(seed=3)
    with pytest.raises(AcuityError, match="known by flats beside them"):
        read_volume(f"{write(tmp_path / 'b.h5', held)}:/data", NM)


def test_a_single_angle_is_the_tilt_of_a_stage(tmp_path):
    path = write(tmp_path / "a.h5", {"data": values(), "theta": 52.0})
    assert np.array_equal(read_volume(path, NM).read(), values())


@pytest.mark.parametrize("above", [False, True])
@pytest.mark.parametrize("virtual", [False, True])
def test_a_file_nearby_may_link_to_projections(tmp_path, above, virtual):
    path = write(tmp_path / "scan" / "images.h5", {"entry/frames/stack": values()})
    assert read_volume(path, NM).grid.shape == (6, 9, 11)
    master = tmp_path / ("scan.nxs" if above else "scan/scan.nxs")
    with open_hdf5(master, "w") as file:
        if virtual:
            layout = h5py.VirtualLayout((6, 9, 11), "u2")
            layout[...] = h5py.VirtualSource("images.h5", "/entry/frames/stack", (6, 9, 11))
            file.create_virtual_dataset("tomo/data", layout)
        else:
            file["tomo/data"] = h5py.ExternalLink("elsewhere/images.h5", "/entry/frames/stack")
    assert read_volume(path, NM).grid.shape == (6, 9, 11)  # a link alone says nothing
    with open_hdf5(master, "a") as file:
        file["tomo/image_key"] = np.zeros(6, int)
    with pytest.raises(AcuityError, match=r"known by scan\.nxs, which links to them with"):
        read_volume(path, NM)
    # what carries a voxel size is a volume
    with open_hdf5(path, "a") as file:
        file["entry"].attrs["voxel_size"] = "4 nm"
    assert read_volume(path).grid.spacing == (4, 4, 4)


@pytest.mark.parametrize(
    "name",
    ["entry/detector/detector", "entry/data/data", "entry/instrument/detector/data", "projections"],
)
def test_bare_images_of_a_detector_are_a_volume_where_the_sheet_says_so(tmp_path, name):
    path = write(tmp_path / "a.h5", {name: values()})
    with pytest.raises(AcuityError, match=r"looks like the images of a detector .*column volume"):
        read_volume(path, NM)
    assert np.array_equal(read_volume(path, NM, volume=True).read(), values())
    with open_hdf5(path, "a") as file:
        for axis, label in enumerate("zyx"):
            file[name].dims[axis].label = label
    assert np.array_equal(read_volume(path, NM).read(), values())


def test_the_sheets_word_reaches_the_import(tmp_path):
    row = {"sample": "a", "role": "test", "path": "a.h5"}
    assert [Sample(**row, volume=said).volume for said in ("true", "TRUE", None)] == [
        True,
        True,
        None,
    ]
    write(tmp_path / "a.h5", {"entry/data/data": values()})
    ingest(tmp_path / "a.h5", tmp_path / "v.ome.zarr", voxel_size=NM, volume=True)
    assert np.array_equal(open_volume(tmp_path / "v.ome.zarr").read(), values())


@pytest.mark.real
@pytest.mark.parametrize(
    "name",
    [
        "tooth.h5",
        "tooth.h5:/exchange/data",
        "k11-18014-imaging.h5",
        "k11-18014-imaging.h5:/entry/detector/detector",
        "k11-18014.nxs",
        "k11-18014.nxs:/entry/imaging/data",
    ],
)
def test_real_scans_are_refused(name):
    with pytest.raises(AcuityError, match=PROJECTIONS):
        read_volume(str(shared("raw/tooth.h5").parent / name), NM, volume=True)


# ----------------------------------------------------------------------------------------- axes


def tags(letters):
    axes = [{"key": key, "typeFlags": 2, "resolution": 0, "description": ""} for key in letters]
    return {"axistags": json.dumps({"axes": axes})}


@pytest.mark.parametrize("letters", ["zyx", "xyz", "yxz", "xyzc", "zyxc", "tzyxc", "czyx", "xy"])
def test_axistags_of_ilastik_are_obeyed(tmp_path, letters):
    data = values((1, 9, 11) if letters == "xy" else (6, 9, 11))
    sizes = dict(zip("zyx", data.shape, strict=True)) | {"c": 1, "t": 1}
    order = [letter for letter in "zyx" if letter in letters]
    turned = np.transpose(
        data[0] if "z" not in letters else data,
        [order.index(letter) for letter in letters if letter in order],
    ).reshape([sizes[letter] for letter in letters])
    path = write(tmp_path / "a.h5", {"exported_data": turned}, **tags(letters))
    volume = read_volume(path, NM)
    assert np.array_equal(volume.read(), data)
    assert np.array_equal(volume.read(slice(0, 1), slice(2, 5), slice(3, 4)), data[:1, 2:5, 3:4])
    assert ("axes" in note(volume)) == (letters not in ("zyx", "zyxc", "tzyxc", "czyx"))


@pytest.mark.parametrize(
    "shape", [(1, 6, 9, 11), (6, 9, 11, 1), (1, 1, 6, 9, 11), (1, 6, 1, 9, 11)]
)
def test_axes_of_length_one_are_left_out(tmp_path, shape):
    volume = read_volume(write(tmp_path / "a.h5", {"data": values().reshape(shape)}), NM)
    assert np.array_equal(volume.read(), values())
    assert note(volume)["axes_left_out"].startswith(f"{len(shape) - 3} of length one")


def test_an_image_with_a_channel_axis_is_one_slice(tmp_path):
    data = values((1, 9, 11, 1))
    volume = read_volume(write(tmp_path / "a.h5", {"data": data}), NM)
    assert np.array_equal(volume.read(), data[..., 0])


def test_labels_of_dimensions_are_obeyed(tmp_path):
    path = write(tmp_path / "a.h5", {"data": values().transpose(2, 1, 0)})
    assert read_volume(path, NM).grid.shape == (11, 9, 6)
    with open_hdf5(path, "a") as file:
        for axis, label in enumerate("xyz"):
            file["data"].dims[axis].label = label
    assert np.array_equal(read_volume(path, NM).read(), values())


# ---------------------------------------------------------------------------------- voxel size


@pytest.mark.parametrize(
    ("size", "told"),
    [
        ([0.0, 0.0, 0.0], r"element_size_um = \[0. 0. 0.\]"),
        ([-1.0, 1, 1], "element_size_um"),
        ([np.nan, 1, 1], "element_size_um"),
        ("unknown", "element_size_um = unknown"),
        ([0.1, 0.2], "no voxel size of three numbers"),
        ([[0.1, 0.2], [0.1, 0.2]], "no voxel size of three numbers"),
    ],
)
def test_a_size_that_is_none_is_named_and_a_stated_one_suffices(tmp_path, size, told):
    path = write(tmp_path / "a.h5", {"data": values()}, element_size_um=size)
    with pytest.raises(
        AcuityError, match=rf"a\.h5: the file carries no voxel size \(it tells .*{told}"
    ):
        read_volume(path)
    assert read_volume(path, NM).grid.spacing == (20, 10, 10)


@pytest.mark.parametrize("text", ["0.3 0.1 0.2", "[0.3, 0.1, 0.2]", b"0.3;0.1;0.2"])
def test_a_size_may_be_numbers_in_a_text(tmp_path, text):
    path = write(tmp_path / "a.h5", {"data": values()}, element_size_um=text)
    assert read_volume(path).grid.spacing == (0.3, 0.1, 0.2)


def test_an_image_may_tell_two_numbers(tmp_path):
    path = write(tmp_path / "a.h5", {"data": values((9, 11))}, element_size_um=[0.1, 0.2])
    assert read_volume(path).grid.spacing == (0.2, 0.1, 0.2)


def test_a_voxel_size_that_is_no_length_stops_no_study_that_states_one(tmp_path):
    path = write(tmp_path / "a.h5", {"data": values()}, voxel_size="ten")
    with pytest.raises(AcuityError, match=r"a\.h5: .*found 'ten'"):
        read_volume(path)
    assert read_volume(path, NM).grid.spacing == (20, 10, 10)


# ------------------------------------------------------------------------------- packed chunks


def packed(path, code, options, encode, data):
    """Write chunks as another program has packed them, without its filter."""
    with open_hdf5(path, "w") as file:
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk(data.shape[:0] + (4, *data.shape[1:]))
        plist.set_filter(code, h5py.h5z.FLAG_OPTIONAL, options)
        space = h5py.h5s.create_simple(data.shape)
        kind = h5py.h5t.py_create(data.dtype)
        dataset = h5py.Dataset(h5py.h5d.create(file.id, b"data", kind, space, plist))
        for first in range(0, data.shape[0], 4):
            chunk = np.zeros((4, *data.shape[1:]), data.dtype)
            part = data[first : first + 4]
            chunk[: len(part)] = part
            dataset.id.write_direct_chunk((first, 0, 0), encode(chunk))
    return path


def bitshuffle(chunk, block=256):
    """Pack as the filter Bitshuffle with LZ4 does."""
    raw, item = chunk.tobytes(), chunk.dtype.itemsize
    out = len(raw).to_bytes(8, "big") + (block * item).to_bytes(4, "big")
    at = 0
    while at < len(raw):
        count = min(block * item, len(raw) - at) // (8 * item) * 8 * item
        if not count:
            break
        bits = imagecodecs.bitshuffle_encode(
            raw[at : at + count], itemsize=item, blocksize=count // item
        )
        small = imagecodecs.lz4_encode(bits)
        out += len(small).to_bytes(4, "big") + bytes(small)
        at += count
    return out + raw[at:]


PACKED = [
    (32008, (0, 5, 2, 0, 2), bitshuffle),
    (32001, (2, 2, 2, 0, 5, 1, 0), lambda chunk: imagecodecs.blosc_encode(chunk.tobytes())),
    (32015, (3,), lambda chunk: imagecodecs.zstd_encode(chunk.tobytes())),
    (307, (9,), lambda chunk: imagecodecs.bz2_encode(chunk.tobytes())),
]


@pytest.mark.parametrize(("code", "options", "encode"), PACKED, ids=lambda item: str(item)[:5])
def test_chunks_packed_with_common_filters_are_read(tmp_path, code, options, encode):
    data = values((6, 19, 23))
    volume = read_volume(packed(tmp_path / "a.h5", code, options, encode, data), NM)
    assert np.array_equal(volume.read(), data)
    assert np.array_equal(volume.read(slice(3, 6), slice(2, 9), slice(5, 6)), data[3:6, 2:9, 5:6])


def test_a_chunk_that_does_not_unpack_is_damage(tmp_path):
    path = packed(tmp_path / "a.h5", 32008, (0, 5, 2, 0, 2), lambda chunk: b"\0" * 40, values())
    with pytest.raises(AcuityError, match=r"a\.h5: slices 0 to 5 cannot be read .*damaged"):
        read_volume(path, NM).read()


@pytest.mark.parametrize(("code", "name"), [(32013, "ZFP"), (32026, "Blosc2"), (32017, "SZ")])
def test_a_filter_that_is_not_installed_is_named_with_its_package(tmp_path, code, name):
    path = packed(tmp_path / "a.h5", code, (), bytes, values())
    with pytest.raises(AcuityError, match=rf"{name} \(HDF5 filter {code}\).*acuity\[hdf5plugin\]"):
        read_volume(path, NM)


# ---------------------------------------------------------------- links, virtual parts, outside


def halves(folder, where="", names=("low.h5", "high.h5"), lines=None):
    """Write a virtual dataset of two parts, one after the other or every other line."""
    data = values()
    rows = [slice(0, 3), slice(3, 6)] if lines is None else [slice(0, 6, 2), slice(1, 6, 2)]
    layout = h5py.VirtualLayout((6, 9, 11), "u2")
    for name, part in zip(names, rows, strict=True):
        write(folder / name, {"data": data[part]})
        layout[part] = h5py.VirtualSource(where + name, "/data", (3, 9, 11))
    with open_hdf5(folder / "whole.h5", "w") as file:
        file.create_virtual_dataset("volume", layout, fillvalue=0)
    return folder / "whole.h5"


@pytest.mark.parametrize("lines", [None, "every other"])
@pytest.mark.parametrize("where", ["", "moved/", "/nowhere/"])
def test_virtual_parts_are_read_from_beside_the_file(tmp_path, where, lines):
    path = halves(tmp_path, where, lines=lines)
    volume = read_volume(path, NM)
    assert np.array_equal(volume.read(), values())
    assert np.array_equal(
        volume.read(slice(2, 5), slice(1, 4), slice(7, 8)), values()[2:5, 1:4, 7:8]
    )
    assert [file.name for file in files_of(str(path))] == ["whole.h5", "high.h5", "low.h5"]


def test_a_virtual_part_that_is_missing_is_named_and_changes_the_digest(tmp_path):
    path = halves(tmp_path)
    before = source_digest(path)
    write(tmp_path / "high.h5", {"data": values((3, 9, 11), seed=5)})
    assert source_digest(path) != before
    (tmp_path / "high.h5").unlink()
    with pytest.raises(AcuityError, match=r"whole\.h5: its part high\.h5 is missing"):
        read_volume(path, NM)


def test_a_virtual_part_without_its_dataset_or_of_another_shape_is_named(tmp_path):
    path = halves(tmp_path)
    write(tmp_path / "high.h5", {"other": values((3, 9, 11))})
    with pytest.raises(AcuityError, match=r"its part high\.h5 has no dataset /data"):
        read_volume(path, NM)
    write(tmp_path / "high.h5", {"data": values((2, 9, 11))})
    with pytest.raises(AcuityError, match=r"its part high\.h5:/data holds \(2, 9, 11\)"):
        read_volume(path, NM)


def test_values_that_no_part_holds_are_counted(tmp_path):
    layout = h5py.VirtualLayout((6, 9, 11), "u2")
    write(tmp_path / "low.h5", {"data": values()[:3]})
    layout[:3] = h5py.VirtualSource("low.h5", "/data", (3, 9, 11))
    with open_hdf5(tmp_path / "a.h5", "w") as file:
        file.create_virtual_dataset("data", layout, fillvalue=4)
    volume = read_volume(tmp_path / "a.h5", NM)
    assert note(volume)["values_no_part_holds"] == "297, read as 4"
    assert np.array_equal(volume.read()[:3], values()[:3])
    assert (volume.read()[3:] == 4).all()


@pytest.mark.parametrize("kind", ["link", "virtual", "symlink"])
def test_a_part_outside_the_folder_is_not_followed(tmp_path, kind):
    outside = write(tmp_path / "secret" / "s.h5", {"data": values()})
    (tmp_path / "mine").mkdir()
    path = tmp_path / "mine" / "a.h5"
    target = "../secret/s.h5"
    if kind == "symlink":
        (tmp_path / "mine" / "s.h5").symlink_to(outside)
        target = "s.h5"
    with open_hdf5(path, "w") as file:
        if kind == "virtual":
            layout = h5py.VirtualLayout((6, 9, 11), "u2")
            layout[...] = h5py.VirtualSource(target, "/data", (6, 9, 11))
            file.create_virtual_dataset("data", layout)
        else:
            file["data"] = h5py.ExternalLink(target, "/data")
    for name in (path, f"{path}:/data"):
        with pytest.raises(AcuityError, match=rf"names {target} as a part .* outside its folder"):
            read_volume(name, NM)
    assert files_of(str(path)) == [path]
    # the same file in the folder is read
    (tmp_path / "mine" / "s.h5").unlink(missing_ok=True)
    os.rename(outside, tmp_path / "mine" / "s.h5")
    assert np.array_equal(read_volume(path, NM).read(), values())


def test_raw_bytes_outside_hdf5_are_refused(tmp_path):
    (tmp_path / "secret").write_bytes(bytes(range(200)))
    with open_hdf5(tmp_path / "a.h5", "w") as file:
        file.create_dataset(
            "data", (2, 10, 10), "u1", external=[(str(tmp_path / "secret"), 0, 200)]
        )
    with pytest.raises(AcuityError, match=r"voxels lie in another file \(.*secret\) as raw bytes"):
        read_volume(tmp_path / "a.h5", NM)
    path = write(tmp_path / "b.h5", {"data": np.arange(200, dtype="u1").reshape(2, 10, 10)})
    assert read_volume(path, NM).read()[1, 9, 9] == 199


def test_links_through_a_file_and_a_virtual_dataset(tmp_path):
    halves(tmp_path)
    with open_hdf5(tmp_path / "scan.nxs", "w") as file:
        file["a/volume"] = h5py.ExternalLink("whole.h5", "volume")
        file["b"] = h5py.SoftLink("/a/volume")
    for name in ("", ":/a/volume", ":/b"):
        path = f"{tmp_path / 'scan.nxs'}{name}"
        assert np.array_equal(read_volume(path, NM).read(), values())
        names = [file.name for file in files_of(path)]
        assert names == ["scan.nxs", "high.h5", "low.h5", "whole.h5"]


def test_links_in_a_circle_end(tmp_path):
    for own, other in (("a.h5", "b.h5"), ("b.h5", "a.h5")):
        with open_hdf5(tmp_path / own, "w") as file:
            file["data"] = h5py.ExternalLink(other, "/data")
    with pytest.raises(AcuityError, match="in a circle"):
        read_volume(tmp_path / "a.h5", NM)


# ------------------------------------------------------------------------------- BigDataViewer


def test_big_data_viewer_stores_numbers_without_a_sign(tmp_path):
    data = values() + np.uint16(60000)
    held = {
        "t00000/s00/0/cells": data.astype("int16"),
        "t00000/s00/1/cells": data[::2].astype("i2"),
    }
    volume = read_volume(write(tmp_path / "a.h5", held), NM)
    assert volume.dtype == np.uint16
    assert np.array_equal(volume.read(), data)
    assert "BigDataViewer" in note(volume)["values"]
    # int16 elsewhere keeps its sign
    path = write(tmp_path / "b.h5", {"data": data.astype("int16")})
    assert np.array_equal(read_volume(path, NM).read(), data.astype("int16"))
    held = {"t00000/s00/0/cells": data, "t00000/s01/0/cells": data}
    with pytest.raises(AcuityError, match="2 datasets that could be meant"):
        read_volume(write(tmp_path / "c.h5", held), NM)


def test_big_data_viewer_tells_the_voxel_size_in_its_xml(tmp_path):
    path = write(tmp_path / "a.h5", {"t00000/s00/0/cells": values(dtype="int16")})
    view = "<ViewSetup><id>0</id><voxelSize><unit>{}</unit><size>0.1 0.2 0.3</size></voxelSize></ViewSetup>"
    for unit in ("µm", "pixel"):
        xml = f"<SpimData><ViewSetups>{view.format(unit)}</ViewSetups></SpimData>"
        (tmp_path / "a.xml").write_text(xml, encoding="utf-8")
        assert [file.name for file in files_of(str(path))] == ["a.h5", "a.xml"]
        if unit == "µm":
            grid = read_volume(path).grid
            assert (grid.spacing, grid.unit) == ((0.3, 0.2, 0.1), "um")
        else:
            with pytest.raises(AcuityError, match=r"0.3 x 0.2 x 0.1 in 'pixel' \(a\.xml\)"):
                read_volume(path)


# -------------------------------------------------------------- further words of other programs


@pytest.mark.parametrize(
    ("beside", "word"),
    [
        ({"flats": values((2, 9, 11)), "darks": values((2, 9, 11))}, "(flats|darks) beside"),
        ({"flat": values((9, 11)), "dark": values((9, 11))}, "flat and dark beside"),
        ({"flat_field": values((2, 9, 11))}, "flat_field beside"),
        ({"process/rotation/theta": np.arange(6.0)}, r"angles \(theta\) for its 6 images"),
        ({"measurement/angles": np.arange(6.0)}, r"angles \(angles\) for its 6 images"),
    ],
)
def test_flats_and_angles_beside_projections_or_elsewhere(tmp_path, beside, word):
    path = write(tmp_path / "a.h5", {"data": values()} | beside)
    for name in ("", ":/data"):
        with pytest.raises(AcuityError, match=PROJECTIONS + " " + word):
            read_volume(f"{path}{name}", NM)
    # as many angles as some other scan has images tell nothing of this one
    path = write(tmp_path / "b.h5", {"data": values(), "other/angles": np.arange(7.0)})
    assert np.array_equal(read_volume(path, NM).read(), values())


def test_a_reconstruction_beside_its_projections_is_a_volume(tmp_path):
    held = {"exchange/data": values(), "exchange/theta": np.arange(6.0)}
    path = write(tmp_path / "a.h5", held | {"exchange/recon": values(seed=2)})
    assert np.array_equal(read_volume(f"{path}:/exchange/recon", NM).read(), values(seed=2))
    with pytest.raises(AcuityError, match="name a volume in it, of /exchange/recon"):
        read_volume(path, NM)


@pytest.mark.parametrize(
    "name",
    [
        "entry/data/data_000001",
        "1.1/measurement/pcocam",
        "1.1/instrument/pcocam/data",
        "entry_0000/instrument/frelon/data",
    ],
)
def test_further_places_of_detectors(tmp_path, name):
    path = write(tmp_path / "a.h5", {name: values()})
    with pytest.raises(AcuityError, match="looks like the images of a detector"):
        read_volume(path, NM)
    assert np.array_equal(read_volume(path, NM, volume=True).read(), values())


@pytest.mark.parametrize("form", ["voxel_{}", "{}_axis", "pos {}", "{} [um]", "{}"])
def test_names_of_axes_that_hold_a_letter(tmp_path, form):
    axes = [form.format(letter) for letter in "xyz"]
    path = write(tmp_path / "a.h5", {"data": values().transpose(2, 1, 0)}, axes=axes)
    assert np.array_equal(read_volume(path, NM).read(), values())
    # other names tell nothing
    path = write(tmp_path / "b.h5", {"data": values()}, axes=["rows", "columns", "depth"])
    assert np.array_equal(read_volume(path, NM).read(), values())


@pytest.mark.parametrize(
    ("said", "spacing", "unit"),
    [
        ({"voxel_size": [20, 10, 5], "units": ["nm", "nm", "nm"]}, (20, 10, 5), "nm"),
        ({"resolution": [20, 10, 5], "units": ["nm", "nm", "nm"]}, (20, 10, 5), "nm"),
        ({"voxel_size": [0.02, 10, 5], "units": ["um", "nm", "nm"]}, (20, 10, 5), "nm"),
        ({"resolution": [20, 10, 5], "unit": "nm"}, (20, 10, 5), "nm"),
    ],
)
def test_a_unit_for_each_axis(tmp_path, said, spacing, unit):
    path = write(tmp_path / "a.h5", {"data": values()}, **said)
    grid = read_volume(path).grid
    assert (grid.spacing, grid.unit) == (spacing, unit)


def test_a_unit_that_is_none_or_not_there_is_named(tmp_path):
    path = write(tmp_path / "a.h5", {"data": values()}, resolution=[20, 10, 5])
    with pytest.raises(AcuityError, match=r"a resolution of \[20 10  5\] without a unit"):
        read_volume(path)
    path = write(
        tmp_path / "b.h5", {"data": values()}, voxel_size=[2, 1, 1], units=["", "nm", "nm"]
    )
    with pytest.raises(AcuityError, match=r"a voxel_size of .* in '' 'nm' 'nm'"):
        read_volume(path)
    assert read_volume(path, NM).grid.spacing == (20, 10, 10)


def test_packed_values_are_unpacked_by_their_scale(tmp_path):
    path = write(tmp_path / "a.h5", {"data": values()}, scale_factor=0.5, add_offset=-3.0)
    volume = read_volume(path, NM)
    assert volume.dtype == np.float32
    assert np.array_equal(volume.read(), values() * 0.5 - 3)
    assert note(volume)["values"].startswith("stored values x 0.5 + -3")
    plain = read_volume(write(tmp_path / "b.h5", {"data": values()}, scale_factor=1.0), NM)
    assert np.array_equal(plain.read(), values())
    assert (plain.dtype, "values" in note(plain)) == (np.uint16, False)
    with pytest.raises(AcuityError, match="scale_factor and add_offset are text and 0"):
        read_volume(write(tmp_path / "c.h5", {"data": values()}, scale_factor="text"), NM)


@pytest.mark.parametrize(("size", "good"), [("11 9 6", True), ("22 18 12", False)])
def test_the_view_of_bigdataviewer_is_of_the_size_of_the_data(tmp_path, size, good):
    path = write(tmp_path / "a.h5", {"t00000/s00/0/cells": values(dtype="int16")})
    (tmp_path / "a.xml").write_text(
        f"<SpimData><ViewSetup><id>0</id><size>{size}</size><voxelSize><unit>um</unit>"
        "<size>0.1 0.2 0.3</size></voxelSize></ViewSetup></SpimData>"
    )
    if good:
        assert read_volume(path).grid.spacing == (0.3, 0.2, 0.1)
        return
    with pytest.raises(
        AcuityError, match=r"a view of 12 x 18 x 22 in a\.xml, and this one is 6 x 9"
    ):
        read_volume(path)


def test_chunks_that_were_never_written_are_counted(tmp_path):
    with open_hdf5(tmp_path / "a.h5", "w") as file:
        half = file.create_dataset("data", (6, 9, 11), "uint16", chunks=(2, 9, 11), fillvalue=7)
        half[:4] = values()[:4]
    volume = read_volume(tmp_path / "a.h5", NM)
    assert np.array_equal(volume.read(slice(0, 4)), values()[:4])
    assert (volume.read(slice(4, 6)) == 7).all()
    assert note(volume)["missing_chunks"] == "1 of 3 chunks, read as 7"
    whole = read_volume(write(tmp_path / "b.h5", {"data": values()}), NM)
    assert "missing_chunks" not in note(whole)


@pytest.mark.parametrize("chunks", [None, (2, 9, 11)])
def test_a_dataset_that_was_never_written_is_refused(tmp_path, chunks):
    with open_hdf5(tmp_path / "a.h5", "w") as file:
        file.create_dataset("data", (6, 9, 11), "uint16", chunks=chunks)
    with pytest.raises(AcuityError, match="none of its voxels was ever written"):
        read_volume(tmp_path / "a.h5", NM)


@pytest.mark.parametrize("last", ["z", "angles"])
def test_names_of_axes_as_emd_has_them(tmp_path, last):
    held = {"data/tomo/data": values().transpose(2, 1, 0)}
    path = write(tmp_path / "a.h5", held | {f"data/tomo/dim{n}": np.arange(6.0) for n in (1, 2, 3)})
    with open_hdf5(path, "a") as file:
        for n, name in enumerate(("x", "y", last), 1):
            file[f"data/tomo/dim{n}"].attrs["name"] = name
    if last == "z":
        assert np.array_equal(read_volume(path, NM).read(), values())
        return
    with pytest.raises(AcuityError, match=PROJECTIONS + " their axis angles"):
        read_volume(path, NM)
