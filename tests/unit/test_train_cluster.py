"""Training on a cluster: a deadline of time, exact resume, and several processes."""

import itertools
import json
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from acuity.errors import AcuityError
from acuity.train import deadline as deadlines
from acuity.train.deadline import Deadline, TimeUp, end_of_job
from acuity.train.distributed import launch
from tests.runs import train
from tests.unit.test_train import CHILD, arguments, foam, tiny, write, written_pair


@pytest.fixture
def pair(tmp_path):
    return written_pair(tmp_path, foam((24, 32, 32)))


def table(path):
    """All of a history but the seconds."""
    return [line.rsplit("\t", 1)[0] for line in path.read_text().splitlines()]


# ------------------------------------------------------------------------------------ deadline


def test_stopped_by_its_budget_and_run_again_equals_undisturbed(tmp_path, pair, monkeypatch):
    settings = tiny("deepnet", steps=30, validate_every=7, validation_patches=2)
    settings["norm"] = "batch"
    undisturbed = arguments(tmp_path / "a")
    train("deepnet", settings, [pair], threads=1, **undisturbed)

    files = arguments(tmp_path / "b")
    # A clock by which each step takes a second, so that a busy machine changes nothing.
    ticks = iter(range(10**6))
    monkeypatch.setattr(deadlines, "time", SimpleNamespace(time=lambda: float(next(ticks))))
    stops = []
    for _ in range(10):
        try:
            train("deepnet", settings, [pair], threads=1, until=next(ticks) + 12.0, **files)
            break
        except TimeUp as error:
            stops.append(str(error))
            assert not files["output"].exists()
            assert not files["card"].exists()
    assert stops == [
        f"training of deepnet: stopped at step {step} of 30, before the job's time ends, with a "
        "checkpoint; it goes on from there when the job is run again"
        for step in (9, 18, 27)
    ]
    assert files["output"].read_bytes() == undisturbed["output"].read_bytes()
    assert table(files["history"]) == table(undisturbed["history"])


def interrupting(monkeypatch, steps):
    """Send SIGINT at the end of these steps, counted over all calls."""
    count = itertools.count(1)
    is_over = Deadline.is_over

    def look(deadline):
        if next(count) in steps:
            signal.raise_signal(signal.SIGINT)
        return is_over(deadline)

    monkeypatch.setattr(Deadline, "is_over", look)


def test_ctrl_c_saves_the_step_and_a_rerun_gives_what_an_undisturbed_run_gives(
    tmp_path, pair, monkeypatch
):
    settings = tiny("deepnet", steps=20, validate_every=7, validation_patches=2)
    undisturbed = arguments(tmp_path / "a")
    train("deepnet", settings, [pair], threads=1, **undisturbed)
    files = arguments(tmp_path / "b")
    usual = signal.getsignal(signal.SIGINT)
    interrupting(monkeypatch, {5, 11})
    stops = []
    for _ in range(3):
        try:
            train("deepnet", settings, [pair], threads=1, **files)
        except TimeUp as error:
            stops.append(str(error))
            assert not files["card"].exists()
        assert signal.getsignal(signal.SIGINT) is usual
    assert stops == [
        f"training of deepnet: interrupted at step {step} of 20 and saved there; run it again to go on"
        for step in (5, 11)
    ]
    assert files["output"].read_bytes() == undisturbed["output"].read_bytes()
    assert table(files["history"]) == table(undisturbed["history"])


def test_ctrl_c_in_the_last_step_ends_the_training_well(tmp_path, pair, monkeypatch):
    settings = tiny("deepnet", steps=4, validate_every=7, validation_patches=2)
    files = arguments(tmp_path / "a")
    interrupting(monkeypatch, {4})
    train("deepnet", settings, [pair], threads=1, **files)
    assert files["card"].exists()


def test_a_second_ctrl_c_ends_at_once():
    # shells have programs in the background ignore it
    signal.signal(signal.SIGINT, signal.default_int_handler)
    deadline = Deadline()
    with deadline.until_interrupted():
        signal.raise_signal(signal.SIGINT)
        assert deadline.interrupted
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_a_budget_leaves_time_for_one_more_step_and_the_checkpoint(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(deadlines, "time", SimpleNamespace(time=lambda: now[0]))
    one, endless = Deadline(111.0), Deadline()
    for length, over in ((1, False), (3, False), (1, True)):  # 105 + 2 x 3 = 111
        now[0] += length
        assert one.is_over() == over
        assert not endless.is_over()


def test_end_of_a_job(tmp_path, monkeypatch):
    monkeypatch.delenv("SLURM_JOB_END_TIME", raising=False)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    assert end_of_job(10) is None  # no Slurm, no end
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert end_of_job() is None
    assert end_of_job(10) == pytest.approx(time.time() + 570, abs=30)
    squeue = tmp_path / "squeue"
    squeue.write_text('#!/bin/sh\n[ "$3" = 7 ] && echo 2026-11-26T03:18:34\n')
    squeue.chmod(0o755)
    assert end_of_job(10) == time.mktime((2026, 11, 26, 3, 18, 4, 0, 0, -1))
    squeue.write_text("#!/bin/sh\necho N/A\n")  # no limit
    assert end_of_job() is None
    monkeypatch.setenv("SLURM_JOB_END_TIME", "1234")
    assert end_of_job() == 1204


# ------------------------------------------------------------------------------------ processes


def difference(a, b):
    """Greatest difference of two models' weights and running variances.

    Biases before a batch normalisation, and the running means that follow them, have no effect on
    the loss: Adam moves them by the rounding errors of their gradients.
    """
    a, b = load_file(a["output"]), load_file(b["output"])
    kept = [key for key in a if key.endswith((".weight", ".running_var"))]
    return max(float((a[key] - b[key]).abs().max()) for key in kept)


@pytest.mark.slow
def test_two_processes_give_what_one_gives(tmp_path, pair):
    settings = tiny(
        "deepnet", steps=6, batch=4, validate_every=3, validation_patches=2, keep="last"
    )
    settings["norm"] = "batch"  # over the whole batch, not the half of a process

    def trained(name, processes, **options):
        files = arguments(tmp_path / name, fov_radius=14)  # patches with masks of unequal size
        chosen = {**settings, "train": {**settings["train"], "processes": processes, **options}}
        train("deepnet", chosen, [pair], threads=1, **files)
        return files

    one, two, half = trained("one", 1), trained("two", 2), trained("half", 1, batch=2)
    assert difference(one, two) < 1e-6
    assert difference(one, half) > 1e-3  # so much would be seen if half of the patches were lost
    cards = [json.loads(files["card"].read_text()) for files in (one, two)]
    assert [card["training"]["processes"] for card in cards] == [1, 2]
    assert cards[0]["scores"]["psnr"] == pytest.approx(cards[1]["scores"]["psnr"], abs=0.1)
    rows = [[row.split("\t") for row in table(files["history"])] for files in (one, two)]
    losses = [[float(row[2]) for row in part if row[1] == "train"] for part in rows]
    assert len(losses[0]) == 6
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


@pytest.mark.slow
def test_two_processes_stop_and_go_on_together(tmp_path, pair):
    settings = tiny("deepnet", steps=4, validation_fraction=0, processes=2)
    undisturbed, files = arguments(tmp_path / "a"), arguments(tmp_path / "b")
    train("deepnet", settings, [pair], threads=1, **undisturbed)
    with pytest.raises(TimeUp, match="stopped at step 1 of 4"):
        train("deepnet", settings, [pair], threads=1, until=time.time(), **files)
    # From a script, as Snakemake runs it, which the processes must not run again.
    script = tmp_path / "script.py"
    script.write_text(CHILD)
    job = [settings, {k: v if k in ("level", "seed") else str(v) for k, v in files.items()}]
    job = json.dumps([*job, *map(str, pair)])
    subprocess.run([sys.executable, script, job], check=True, timeout=600)
    assert files["output"].read_bytes() == undisturbed["output"].read_bytes()


@pytest.mark.slow
def test_a_mistake_in_a_process_is_one_sentence(tmp_path, pair):
    flat = write(tmp_path / "flat.ome.zarr", np.ones((24, 32, 32)))
    files = arguments(tmp_path / "out")
    with pytest.raises(AcuityError, match=r"flat.ome.zarr: the volume is constant"):
        train("deepnet", tiny("deepnet", steps=2, processes=2), [(flat, pair[1])], **files)
    assert not files["output"].exists()


def full(group):
    """What a rank does that finds its GPU's memory full."""
    raise torch.OutOfMemoryError("CUDA out of memory")


@pytest.mark.slow
def test_a_full_gpu_of_a_process_stays_one():
    with pytest.raises(torch.OutOfMemoryError, match="CUDA out of memory"):
        launch(full, {}, 2, "cpu")


def test_what_several_processes_cannot_train_is_refused(tmp_path, pair):
    files = arguments(tmp_path / "out")
    with pytest.raises(AcuityError, match=r"key train: .*multiple of processes \(2\); found 3"):
        train("deepnet", tiny("deepnet", batch=3, processes=2), [pair], **files)
    with pytest.raises(AcuityError, match=r"settings of srgan, key train.processes: found 2; .*1"):
        train("srgan", {"train": {"processes": 2}}, [pair], level=2, scale=(2, 1, 1),
              **{k: v for k, v in files.items() if k != "level"})  # fmt: skip
    if torch.cuda.device_count() == 1:
        with pytest.raises(AcuityError, match=r"train.processes: found 2; this job sees 1 GPU"):
            train("deepnet", tiny("deepnet", processes=2, device="cuda"), [pair], **files)
