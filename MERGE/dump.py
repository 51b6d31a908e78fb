"""dump.py ROOT STUDY OUT [key=value...]: jobs of a study with inputs, outputs, params."""
import sys, json, os
from pathlib import Path
root, study, out = sys.argv[1:4]
os.chdir(root)
from snakemake.api import SnakemakeApi
from snakemake.settings.types import *
import snakemake.settings.types as T
config = {}
for a in sys.argv[4:]:
    k, v = a.split("=", 1); import yaml; config[k] = yaml.safe_load(v)
workdir = Path(f"/tmp/dags/w{os.getpid()}"); workdir.mkdir(exist_ok=True)
# relative paths as in the checkout
with SnakemakeApi(T.OutputSettings(quiet={T.Quietness.ALL} if hasattr(T.Quietness,'ALL') else None)) as api:
    wf = api.workflow(resource_settings=T.ResourceSettings(cores=2), config_settings=T.ConfigSettings(configfiles=[Path(study)], config=config),
        snakefile=Path(root) / "Snakefile", workdir=Path(root), storage_settings=T.StorageSettings())
    dag = wf.dag(T.DAGSettings(forceall=True, forcerun=set()))
    try:
        dag.execute_workflow(executor="dryrun", execution_settings=T.ExecutionSettings(lock=False) if False else T.ExecutionSettings(lock=False))
    except Exception as e:
        print("execute:", repr(e)[:300])
    jobs = []
    for job in wf._workflow.dag.jobs:
        def files(named):
            d = {}
            for name, value in named.items():
                d[name] = [str(v) for v in value] if not isinstance(value, str) else str(value)
            return d
        try:
            cfg = json.loads(json.dumps(job.params.get("cfg"), default=str))
        except Exception as e:
            cfg = repr(e)
        jobs.append({"rule": job.rule.name, "wildcards": dict(job.wildcards_dict) if job.wildcards_dict else {},
            "input": sorted(str(f) for f in job.input), "named": files(job.input), "output": sorted(str(f) for f in job.output), "onamed": files(job.output), "cfg": cfg,
            "resources": {k: str(v) for k, v in job.resources.items() if not k.startswith("_") and k not in ("tmpdir",)}, "threads": job.threads})
    jobs.sort(key=lambda j: (j["rule"], sorted(j["output"])))
    Path(out).write_text(json.dumps(jobs, indent=1, sort_keys=True, default=str))
    print(study, len(jobs))
