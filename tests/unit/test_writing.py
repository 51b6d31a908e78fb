"""Files that are written beside their place: through no link, and nothing is left of a killed job."""

import contextlib
import fcntl
import multiprocessing
import os
import signal
import stat

import numpy as np
import pytest

from acuity import shards
from acuity.errors import AcuityError
from acuity.formats.export import export
from acuity.volume import Grid, Volume, open_volume, write_volume
from acuity.writing import part_of, remove_leftovers, replacing, write_bytes, write_text


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_replaced_whole_with_the_rights_of_any_file(tmp_path):
    path = tmp_path / "deep" / "t.txt"
    write_text(path, "one")
    write_text(path, "two")
    assert path.read_text() == "two"
    assert names(path.parent) == ["t.txt"]
    (tmp_path / "plain").write_text("")
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


def test_a_link_in_the_way_is_not_followed(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    # The name that parts had, and the file's own.
    (tmp_path / ".t.txt.part").symlink_to(victim)
    (tmp_path / "t.txt").symlink_to(victim)
    write_text(tmp_path / "t.txt", "new")
    assert victim.read_text() == "precious"
    assert (tmp_path / "t.txt").read_text() == "new"
    assert not (tmp_path / "t.txt").is_symlink()


def test_names_of_parts_are_never_the_same(tmp_path):
    seen = set()
    for _ in range(5):
        with replacing(tmp_path / "t.txt") as part:
            assert part.parent == tmp_path
            assert part.name.startswith(".t.txt.")
            seen.add(part.name)
    assert len(seen) == 5


def test_even_a_name_that_was_foreseen_is_not_followed(tmp_path, monkeypatch):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    monkeypatch.setattr("secrets.token_hex", lambda count: "0123456789abcdef")
    (tmp_path / ".t.txt.0123456789abcdef.part").symlink_to(victim)
    write_text(
        tmp_path / "t.txt", "new"
    )  # what looks like a killed job's is removed, the link alone
    assert victim.read_text() == "precious"
    monkeypatch.setattr("acuity.writing.remove_leftovers", lambda folder, name: None)
    (tmp_path / ".t.txt.0123456789abcdef.part").symlink_to(victim)
    with pytest.raises(AcuityError, match=r"cannot be written .File exists"):
        write_text(tmp_path / "t.txt", "newer")
    assert victim.read_text() == "precious"
    assert (tmp_path / "t.txt").read_text() == "new"


def test_a_part_that_was_exchanged_is_not_put_in_place(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    writer = replacing(tmp_path / "t.txt")
    part = writer.__enter__()
    part.unlink()
    part.symlink_to(victim)
    with pytest.raises(AcuityError, match=r"t\.txt: .* was exchanged while it was written"):
        writer.__exit__(None, None, None)
    assert names(tmp_path) == ["victim"]
    assert victim.read_text() == "precious"


def hang(path, ready):
    with replacing(path) as part:
        part.write_text("half")
        ready.set()
        signal.pause()


@contextlib.contextmanager
def writing(path):
    """Another process that is writing a file."""
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    other = context.Process(target=hang, args=(path, ready))
    other.start()
    try:
        assert ready.wait(60)
        yield other
    finally:
        other.kill()
        other.join()


def test_what_a_killed_job_left_is_removed_by_the_next_one(tmp_path):
    with writing(tmp_path / "t.txt") as other:
        (left,) = names(tmp_path)
        # It is alive: what it writes stays.
        write_text(tmp_path / "t.txt", "mine")
        assert names(tmp_path) == sorted([left, "t.txt"])
        other.kill()
        other.join()
        write_text(tmp_path / "t.txt.other", "of another file")
        assert left in names(tmp_path)
        write_text(tmp_path / "t.txt", "again")
    assert names(tmp_path) == ["t.txt", "t.txt.other"]


def test_files_of_the_user_that_look_alike_stay(tmp_path):
    for name in (".t.txt.part", ".t.txt.0123.part", "t.txt.0123456789abcdef.part", ".t.txt.swp"):
        (tmp_path / name).write_text("")
    before = names(tmp_path)
    write_text(tmp_path / "t.txt", "new")
    assert names(tmp_path) == sorted([*before, "t.txt"])


def test_a_folder_that_is_not_there_has_no_leftovers(tmp_path):
    remove_leftovers(tmp_path / "none")
    assert not names(tmp_path)


def test_leftovers_of_all_files_of_a_folder_go(tmp_path):
    (tmp_path / ".a.0123456789abcdef.part").write_text("")
    (tmp_path / ".b.0123456789abcdef.part").mkdir()
    (tmp_path / ".b.0123456789abcdef.part" / "c").write_text("")
    (tmp_path / "kept").write_text("")
    remove_leftovers(tmp_path)
    assert names(tmp_path) == ["kept"]


def test_where_locks_are_not_known_a_leftover_goes_too(tmp_path, monkeypatch):
    def unknown(handle, how):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", unknown)
    (tmp_path / ".t.txt.0123456789abcdef.part").write_text("")
    write_text(tmp_path / "t.txt", "new")
    assert names(tmp_path) == ["t.txt"]


def test_the_longest_names_can_be_written(tmp_path):
    path = tmp_path / ("µ" * 125 + ".txt")
    write_bytes(path, b"1")
    assert path.read_bytes() == b"1"
    assert len(os.fsencode(path.name)) == 254


def test_a_folder_takes_the_place_of_nothing_until_it_is_whole(tmp_path):
    with contextlib.suppress(RuntimeError), part_of(tmp_path / "d", folder=True) as part:
        (part / "file").write_text("")
        raise RuntimeError
    assert not names(tmp_path)
    with part_of(tmp_path / "d", folder=True) as part:
        (part / "file").write_text("")
    assert names(tmp_path / "d") == ["file"]


def test_shards_leave_nothing_and_follow_no_link(tmp_path):
    layout = shards.Layout((4, 4, 4), (4, 4, 4), (4, 4, 4))
    folder = tmp_path / "c" / "0" / "0"
    folder.mkdir(parents=True)
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (folder / ".0.part").symlink_to(victim)
    (folder / ".0.0123456789abcdef.part").symlink_to(victim)
    block = np.arange(64, dtype=np.uint8).reshape(4, 4, 4)
    shards.write_shard(tmp_path, layout, (0, 0, 0), block)
    assert victim.read_text() == "precious"
    assert names(folder) == [".0.part", "0"]
    box = (slice(0, 4),) * 3
    assert np.array_equal(shards.read_box(tmp_path, layout, np.dtype("uint8"), box), block)


@pytest.mark.parametrize("ending", [".tif", ".ome.tif", ".zarr"])
def test_an_export_follows_no_link_and_replaces_what_it_may(tmp_path, ending):
    data = np.arange(120, dtype=np.uint8).reshape(4, 5, 6)
    write_volume(tmp_path / "v.ome.zarr", Volume(data, Grid(data.shape, (1, 1, 1))))
    victim = tmp_path / "victim"
    victim.write_text("precious")
    output = tmp_path / f"out{ending}"
    (tmp_path / f".{output.name}.part").symlink_to(victim)
    output.symlink_to(victim)
    with pytest.raises(AcuityError, match="is there already"):
        export(tmp_path / "v.ome.zarr", output)
    for _ in range(2):
        export(tmp_path / "v.ome.zarr", output, overwrite=True)
        assert not output.is_symlink()
    assert victim.read_text() == "precious"
    assert len(names(tmp_path)) == 4
    assert np.array_equal(open_volume(tmp_path / "v.ome.zarr").read(), data)
