"""What a run says of its failed jobs: texts as Snakemake 9.27 and its Slurm plugin 2.8 write them."""

import pytest

from acuity.failures import failures

START = """[Thu Nov 26 03:44:09 2026]
Job 1: left: import
Reason: Missing output files: results/own/ingest/left.ome.zarr/zarr.json
Job 1 has been submitted with SLURM jobid 31 (log: .snakemake/slurm_logs/rule_ingest/left/31.log).
"""
SLURM = """[Thu Nov  5 03:46:06 2026]
Error in rule ingest:
    message: SLURM-job '31' failed, SLURM status is: '{state}'. Detailed failure reason unavailable
    jobid: 1
    input: left.tif
    log: {log}, {slurm} (check log file(s) for error details)
    external_jobid: 31
"""
GROUP = """[Thu Nov 26 03:46:06 2026]
    message: SLURM-job '31' failed, SLURM status is: 'FAILED'. Detailed failure reason unavailable
    log: {slurm} (check log file(s) for error details)
    jobs:
        rule segment:
            jobid: 1
            output: results/own/segment/left.ome.zarr/zarr.json
            log: {log} (check log file(s) for error details)
"""
LOCAL = """[Thu Nov 26 03:46:06 2026]
Error in rule ingest:
    jobid: 1
    log: {log} (check log file(s) for error details)
"""
REFUSED = """[Thu Nov 26 03:47:26 2026]
Error in rule ingest:
    message: SLURM sbatch failed. The error message was 'sbatch: error: {first}
sbatch: error: Batch job submission failed: {second}'.
    sbatch call:
        sbatch --parsable --comment rule_ingest --wrap="python -m snakemake"
For further error details see the cluster/cloud log and the log files of the involved rule(s).
    jobid: 1
    log: {log} (check log file(s) for error details)
"""
DONE = """[Thu Nov 26 03:59:06 2026]
Finished jobid: 1 (Rule: ingest)
"""


@pytest.fixture
def logs(tmp_path):
    own, slurm = tmp_path / "left.log", tmp_path / "31.log"
    own.write_text("03:46:01 reading\n03:46:02 error: left.tif: it is cut short\n")
    slurm.write_text("")
    return {"log": str(own), "slurm": str(slurm)}


def test_a_job_that_failed_says_so_itself(logs):
    both = ("left.tif: it is cut short", [logs["log"], logs["slurm"]])
    assert failures(START + SLURM.format(state="FAILED", **logs)) == [both]
    alone = ("left.tif: it is cut short", [logs["log"]])
    assert failures(START + LOCAL.format(**logs)) == [alone]
    assert failures(START + GROUP.format(**logs)) == [(both[0], both[1][::-1])]


@pytest.mark.parametrize(
    ("state", "ending"),
    [
        ("CANCELLED", "was cancelled; run the same command again to go on"),
        ("TIMEOUT", "was ended at its time limit; give it a longer runtime"),
        ("OUT_OF_MEMORY", "was ended for want of memory; give it more mem_mb"),
        ("BOOT_FAIL", "ended in the state BOOT_FAIL; run the same command again to go on"),
    ],
)
def test_a_job_that_was_ended_leaves_no_sentence_and_is_told_by_its_state(logs, state, ending):
    # Its log is that of an earlier attempt, whose sentence is not its own.
    (found,) = failures(START + SLURM.format(state=state, **logs))
    assert found == (f"rule ingest: Slurm job 31 {ending}", [logs["log"], logs["slurm"]])


def test_a_job_that_failed_silently(tmp_path):
    files = {"log": str(tmp_path / "none.log"), "slurm": str(tmp_path / "31.log")}
    (found,) = failures(SLURM.format(state="FAILED", **files))
    assert found == ("rule ingest: Slurm job 31 failed without a word of its own", [])


def test_a_job_that_slurm_refused(logs):
    text = REFUSED.format(first="Invalid account.", second="Invalid account or partition", **logs)
    (found,) = failures(text)
    assert found[0].startswith(
        "rule ingest: Slurm refused the job (Invalid account.; Batch job submission failed: Invalid "
        "account or partition); it asks for a partition, account, memory, time or GPUs that"
    )
    assert found[1] == []  # it has no log; that of an earlier attempt is not shown
    assert failures(text + text.replace("jobid: 1", "jobid: 2")) == [found]


def test_what_was_done_in_another_attempt_is_no_failure(logs):
    failed = SLURM.format(state="TIMEOUT", **logs)
    again = SLURM.format(state="CANCELLED", **logs).replace("SLURM-job '31'", "SLURM-job '32'")
    (found,) = failures(failed + again)
    assert found[0].startswith("rule ingest: Slurm job 32 was cancelled")
    assert failures(failed + DONE) == []
    assert failures(START + DONE) == []
