"""Inputs and results in an S3 bucket, on a server of this machine."""

import io
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
import tifffile
from scipy.ndimage import gaussian_filter

from tests.conftest import Workflow

boto3 = pytest.importorskip("boto3", reason="needs the extra storage")
pytest.importorskip("snakemake_storage_plugin_s3", reason="needs the extra storage")
pytest.importorskip("moto", reason="needs moto, a stand-in for S3")

STUDY = {
    "study": "own",
    "samples": "own.tsv",
    "degrade": {"downsample": 2},
    "levels": [1],
    "methods": {"linear": None},
    "segment": False,
}
HEAD = "sample\trole\tpath\tvoxel_size\n"
RESULTS = ("--default-storage-provider", "s3", "--default-storage-prefix", "s3://out/facility")


@pytest.fixture(scope="module")
def server():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    end = time.monotonic() + 120
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        assert running.poll() is None
        assert time.monotonic() < end
        time.sleep(0.2)
    yield f"http://127.0.0.1:{port}"
    running.kill()
    running.wait()


@pytest.fixture
def credentials(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "someone")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "anything")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")  # nothing beyond this machine is asked


@pytest.fixture
def s3(server, credentials, monkeypatch):
    monkeypatch.setenv("SNAKEMAKE_STORAGE_S3_ENDPOINT_URL", server)
    client = boto3.client("s3", endpoint_url=server, region_name="us-east-1")
    for bucket in ("scans", "out"):
        client.create_bucket(Bucket=bucket)
    return client


def slices(seed=3, shape=(16, 40, 40)):
    field = gaussian_filter(np.random.default_rng(seed).standard_normal(shape), 3)
    for image in (60 + 120 * (field > 0)).astype(np.uint8):
        file = io.BytesIO()
        tifffile.imwrite(file, image, photometric="minisblack")
        yield file.getvalue()


def upload(s3, folder, **options):
    for number, content in enumerate(slices(**options)):
        s3.put_object(Bucket="scans", Key=f"{folder}/slice_{number:02}.tif", Body=content)


def keys(s3, bucket):
    return {item["Key"] for item in s3.list_objects_v2(Bucket=bucket).get("Contents", [])}


@pytest.mark.slow
def test_from_bucket_to_bucket_as_from_folder_to_folder(workflow, s3, tmp_path_factory):
    upload(s3, "day 1/stack")
    path = workflow.write_study(STUDY, HEAD + "a\ttest\ts3://scans/day 1/stack\t2 um\n", "own")
    command = (*RESULTS, "--configfile", path)
    workflow.run(*command)
    found = {key.removeprefix("facility/results/own/") for key in keys(s3, "out")}
    assert not [key for key in found if key.startswith("facility")]  # such as logs
    assert found >= {"metrics.tsv", "pores.tsv", "report/index.html", "report/a.html"}
    # Volumes and figures stay on the file system; nothing is in both.
    assert not [key for key in found if ".ome.zarr" in key or "figures" in key]
    here = workflow.folder / "results" / "own"
    assert (here / "ingest" / "a.ome.zarr" / "zarr.json").exists()
    assert not [name for name in found if (here / name).exists()]
    assert workflow.planned(*command) == {}

    other = Workflow(tmp_path_factory.mktemp("local"))
    (other.folder / "stack").mkdir()
    for number, content in enumerate(slices()):
        (other.folder / "stack" / f"slice_{number:02}.tif").write_bytes(content)
    tables = ("metrics.tsv", "pores.tsv")
    study = other.write_study(STUDY, HEAD + "a\ttest\tstack\t2 um\n", "own")
    other.run(*(f"results/own/{name}" for name in tables), "--configfile", study)
    for name in tables:
        body = s3.get_object(Bucket="out", Key=f"facility/results/own/{name}")["Body"].read()
        assert body == (other.folder / "results" / "own" / name).read_bytes()


def test_what_lies_beside_slices_reruns_nothing(workflow):
    (workflow.folder / "stack").mkdir()
    for number, content in enumerate(slices()):
        (workflow.folder / "stack" / f"slice_{number:02}.tif").write_bytes(content)
    study = workflow.write_study(STUDY, HEAD + "a\ttest\tstack\t2 um\n", "own")
    command = ("ingest_all", "--configfile", study)
    workflow.run(*command)
    for name in ("Thumbs.db", "desktop.ini", ".DS_Store", "notes.txt", "slice_03.xmp"):
        (workflow.folder / "stack" / name).write_text("of no slice")
    assert workflow.planned(*command) == {}
    content = next(slices(seed=5))
    (workflow.folder / "stack" / "slice_03.tif").write_bytes(content)
    assert workflow.planned(*command) == {"ingest": 1, "ingest_all": 1}


def test_a_changed_bucket_reruns_what_it_touches(workflow, s3):
    upload(s3, "left", seed=1)
    upload(s3, "right", seed=2)
    sheet = HEAD + "a\ttest\ts3://scans/left/\t2 um\nb\ttest\ts3://scans/right/\t2 um\n"
    path = workflow.write_study(STUDY, sheet, "own")
    command = ("ingest_all", "--configfile", path)
    workflow.run(*command)
    # what systems leave is no part of the input
    s3.put_object(Bucket="scans", Key="left/Thumbs.db", Body=b"a preview")
    assert workflow.planned(*command) == {}
    time.sleep(1)  # a bucket tells times in seconds
    s3.put_object(Bucket="scans", Key="left/slice_03.tif", Body=next(slices(seed=5)))
    assert workflow.planned(*command) == {"ingest": 1, "ingest_all": 1}
    workflow.run(*command)
    s3.delete_object(Bucket="scans", Key="right/slice_15.tif")
    assert workflow.planned(*command) == {"ingest": 1, "ingest_all": 1}


@pytest.mark.parametrize("address", ["s3://scans/nowhere", "s3://nowhere/stack"])
def test_what_is_not_there_is_told(workflow, s3, address):
    path = workflow.write_study(STUDY, HEAD + f"a\ttest\t{address}\t2 um\n", "own")
    done = workflow.run("-n", "--configfile", path, check=False)
    assert done.returncode != 0
    assert "Missing input files for rule ingest" in done.stdout
    assert f"\n        {address} (in storage)\n" in done.stdout
    assert "Traceback" not in done.stdout


def test_no_server_is_told(workflow, credentials, monkeypatch):
    monkeypatch.setenv("SNAKEMAKE_STORAGE_S3_ENDPOINT_URL", "http://127.0.0.1:9")
    path = workflow.write_study(STUDY, HEAD + "a\ttest\ts3://scans/stack\t2 um\n", "own")
    done = workflow.run("-n", "--storage-s3-retries", "1", "--configfile", path, check=False)
    assert done.returncode != 0
    assert "s3://scans/stack" in done.stdout
    assert "127.0.0.1:9" in done.stdout
    assert "Traceback" not in done.stdout
