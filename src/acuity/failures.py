"""What became of the jobs that failed: one sentence each, read from Snakemake's own log."""

import re
import sys
from pathlib import Path

STATES = {
    "CANCELLED": "was cancelled; run the same command again to go on",
    "TIMEOUT": "was ended at its time limit; give it a longer runtime",
    "OUT_OF_MEMORY": "was ended for want of memory; give it more mem_mb",
    "NODE_FAIL": "was lost with its node; run the same command again to go on",
    "PREEMPTED": "was preempted; run the same command again to go on",
    "FAILED": "failed without a word of its own",
}
AGAIN = "ended in the state {}; run the same command again to go on"


def tell_failures(log):
    """Write to standard error why each job of a run failed, and where its logs are.

    Parameters
    ----------
    log : path
        Snakemake's log of the run.
    """
    path = Path(log)
    text = path.read_text(errors="replace") if path.exists() else ""
    for sentence, logs in failures(text):
        where = f"\n  (log: {', '.join(logs)})" if logs else ""
        print(f"\n{sentence}{where}", file=sys.stderr)


def failures(text):
    """Tell of each job that failed for good why it did, and where its logs are.

    Parameters
    ----------
    text : str
        Snakemake's log of a run.

    Returns
    -------
    list of (str, list of str)
        A sentence and log files; none of a job that Slurm refused. A job that failed and then was
        done in another attempt is left out, and so is one of this machine that ended without a
        sentence: Snakemake names its log.
    """
    done = set(re.findall(r"^Finished jobid: (\w+)", text, re.M))
    found = {}
    for event in re.split(r"^\[\w{3} \w{3} [ \d]\d [\d:]{8} \d{4}\]$", text, flags=re.M):
        number = re.search(r"^ +jobid: (\w+)$", event, re.M)
        # A rule, or the first one of a group that was handed in as one job.
        name = re.search(r"^(?:Error in| {4}jobs:\n +)\s*rule (\w+):$", event, re.M)
        if number is None or name is None or number[1] in done:
            continue
        logs = [
            path.strip()
            for line in re.findall(r"^ +log: (.*?)(?: \(check log file.*)?$", event, re.M)
            for path in line.split(", ")
        ]
        sentence = _refused(event, name[1])
        if sentence:
            logs = []
        else:
            sentence = _ended_by_slurm(event, name[1], logs) or _last_error(logs)
        if sentence:  # of the last attempt
            found[number[1]] = (sentence, tuple(path for path in logs if Path(path).exists()))
    return [(sentence, list(logs)) for sentence, logs in dict.fromkeys(found.values())]


def _refused(event, rule):
    """What is to be said of a job that Slurm did not take."""
    said = re.search(r"SLURM sbatch failed\. The error message was '(.*?)'\.$", event, re.S | re.M)
    said = said or re.search(r"Job submission failed with exception: (.*)", event)
    if said is None:
        return None
    reasons = re.findall(r"error: (.*)", said[1]) or [said[1].strip()]
    return (
        f"rule {rule}: Slurm refused the job ({'; '.join(reasons).rstrip('.')}); it asks for a "
        "partition, account, memory, time or GPUs that are not to be had: see default-resources and "
        "set-resources of the profile"
    )


def _ended_by_slurm(event, rule, logs):
    """What is to be said of a job that Slurm reports as failed."""
    ended = re.search(r"SLURM-job '(\w+)' failed.* status is: '(\w+)'", event)
    if ended is None:
        return None
    job, state = ended.groups()
    # A job that was ended from outside may have the log of an earlier one.
    if state == "FAILED" and (own := _last_error(logs)):
        return own
    return f"rule {rule}: Slurm job {job} {STATES.get(state, AGAIN.format(state))}"


def _last_error(paths):
    """The sentence that a log ends in."""
    for path in map(Path, paths):
        if not path.is_file():
            continue
        lines = path.read_text(errors="replace").splitlines()
        said = [line.split(" error: ", 1)[1] for line in lines if " error: " in line]
        if said:
            return said[-1]
    return None
