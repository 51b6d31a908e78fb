"""Train and restore tiny things; print digests. Arguments: out.json folder [resume-from]"""
import hashlib, json, sys, shutil, inspect
from pathlib import Path
import numpy as np, torch
torch.set_num_threads(1)
from acuity.volume import Grid, Volume, write_volume, open_volume
import acuity.train.train as T
import acuity.predict.predict as P
from acuity.methods.base import load

OLD = "method_name" in inspect.signature(T.train).parameters

def train(name, settings, pairs, *, output, card, history, checkpoints, masks=None, threads=None, until=None, **kw):
    if OLD:
        return T.train(name, settings, pairs, output=output, card=card, history=history, checkpoints=checkpoints, masks=masks, threads=threads, until=until, **kw)
    from acuity.train.job import TrainingFiles, TrainingJob
    return T.train(TrainingJob(name, settings, **kw), TrainingFiles(pairs, output=output, card=card, history=history, checkpoints=checkpoints, masks=masks), threads=threads, until=until)

def predict(name, settings, low, out, *, model=None, card=None, disagreement=None, threads=None, **kw):
    if OLD:
        return P.predict(name, settings, low, out, model=model, card=card, disagreement=disagreement, threads=threads, **kw)
    from acuity.predict.job import PredictionFiles, PredictionJob
    return P.predict(PredictionJob(name, settings, **kw), PredictionFiles(low, out, model=model, card=card, disagreement=disagreement), threads=threads)

def store_digest(p):
    v = open_volume(p)
    return [hashlib.sha256(np.ascontiguousarray(v.read()).tobytes()).hexdigest()[:24], str(v.dtype), list(v.grid.shape), v.digest]

def write(path, data, spacing=(1,1,1), origin=None, unit="nm"):
    spacing = tuple(float(s) for s in spacing)
    origin = tuple((s-1)/2 for s in spacing) if origin is None else origin
    write_volume(path, Volume(data, Grid(data.shape, spacing, origin, unit)))
    return path

rng = np.random.default_rng(5)
base = Path(sys.argv[2]); shutil.rmtree(base, ignore_errors=True); base.mkdir(parents=True)
from scipy.ndimage import gaussian_filter
def field(shape, seed, s=1.5):
    f = gaussian_filter(np.random.default_rng(seed).normal(size=shape), s)
    return ((f - f.min()) / (f.max() - f.min()) * 200 + 20).astype(np.float32)

def blk(a, f):
    z,y,x = a.shape
    return a.reshape(z//f[0], f[0], y//f[1], f[1], x//f[2], f[2]).mean((1,3,5)).astype(np.float32)

T0 = {"steps": 6, "batch": 2, "validate_every": 3, "validation_patches": 2, "device": "cpu", "precision": "float32", "checkpoint_seconds": 0}
cases = {}
v = field((24,40,40), 1); lo = gaussian_filter(v, 1.5).astype(np.float32)
cases["deepnet"] = dict(s={"slices": 5, "features": 4, "pools": 2, "train": {**T0, "patch": (5,16,16)}}, pairs=[(write(base/"dl.ome.zarr", lo), write(base/"dt.ome.zarr", v))], kw=dict(level=1.5, seed=3, fov_radius=18), new=base/"dl.ome.zarr")
t = np.rint(field((64,36,36), 2)).astype(np.uint8)
fl = blk(t, (4,1,1))
st, sl = write(base/"st.ome.zarr", t), write(base/"sl.ome.zarr", fl, (4,1,1))
cases["srgan"] = dict(s={"features": 4, "blocks": 1, "discriminator": 4, "dense": 8, "kernels": (3,3), "pretrain": 2, "every": 2, "train": {**T0, "patch": (1,16,16)}}, pairs=[(None, st)], kw=dict(level=4, scale=(4,1,1), seed=3), new=sl, dis=True)
cases["sparse_coding"] = dict(s={"patch": 8, "atoms": 24, "nonzero": 3, "step": (1,4,4), "train": {"patches": 400, "passes": 2, "batch": 64, "validation_fraction": 0.2}}, pairs=[(sl, st)], kw=dict(level=4, scale=(4,1,1), seed=3), new=sl)
cases["fsrcnn3d"] = dict(s={"filters": 6, "shrink": 4, "mappings": 1, "kernels": ((3,3,3),(3,3,3),(5,3,3)), "train": {**T0, "patch": (4,10,10), "schedule": "cosine", "warm_up": 2}}, pairs=[(sl, st)], kw=dict(level=4, scale=(4,1,1), seed=3), new=sl)
cases["srunet3d"] = dict(s={"width": 2, "height": 2, "depth": 1, "train": {**T0, "patch": (4,16,16)}}, pairs=[(sl, st)], kw=dict(level=4, scale=(4,1,1), seed=3), new=sl)
cases["srcnn3d"] = dict(s={"features": (4,3), "train": {**T0, "steps": 3, "patch": (8,8,8)}}, pairs=[(sl, st)], kw=dict(level=4, scale=(4,1,1), seed=3), new=sl)
ims = []
for n in range(4):
    im = np.rint(field((1,48,48), 10+n)).astype(np.uint8)
    ims.append((write(base/f"il{n}.ome.zarr", np.rint(blk(im,(1,2,2))).astype(np.uint8), (1,2,2)), write(base/f"it{n}.ome.zarr", im)))
masks = [write(base/f"im{n}.ome.zarr", (field((1,48,48), 30+n) > 40).astype(np.uint8)) for n in range(4)]
cases["sem_gan"] = dict(s={"features": 4, "pools": 2, "discriminator": 4, "dense": 8, "discriminator_blocks": 2, "pretrain": 2, "every": 2, "train": {**T0, "patch": (1,16,16), "ema": 0.9}}, pairs=ims, kw=dict(level=2, scale=(1,2,2), seed=3), new=ims[0][0], masks=masks)
cases["semnet"] = dict(s={"features": 4, "growth": 2, "blocks": 1, "train": {**T0, "patch": (1,12,12)}}, pairs=ims, kw=dict(level=2, scale=(1,2,2), seed=3), new=ims[0][0])
cases["semnet_fly"] = dict(m="semnet", s=cases["semnet"]["s"], pairs=ims, kw=dict(level=2, scale=(1,2,2), seed=3, degradation={"noise_sd": (2, 10)}), new=ims[0][0])
cases["bicubic_gaussian"] = dict(s={}, pairs=ims, kw=dict(level=2, scale=(1,2,2), seed=3), new=ims[0][0], typed=True)
found = {}
clean = lambda c: {k: v for k, v in c.items() if k not in ("training", "execution", "versions", "seal")} | {"halo": c["execution"]["halo"]}
only = sys.argv[4:] 
for label, c in cases.items():
    if only and label not in only: continue
    name = c.get("m", label); d = base / label; d.mkdir()
    files = dict(output=d/"m.safetensors", card=d/"m.json", history=d/"h.tsv", checkpoints=d/"ck")
    try:
        train(name, c["s"], c["pairs"], masks=c.get("masks"), threads=1, **files, **c["kw"])
        r = {"model": hashlib.sha256(files["output"].read_bytes()).hexdigest()[:24]}
        card = json.loads(files["card"].read_text())
        ex = card["execution"]
        r["card"] = clean(card)
        rows = [l.split("\t") for l in files["history"].read_text().splitlines()]
        r["history"] = [row[:4] + row[5:] for row in rows]
        # a plan of execution that does not depend on the clock
        pc = {"precision": "float32"}
        kw = {k: v for k, v in c["kw"].items() if k not in ("seed", "degradation")}
        if c.get("typed"): kw["keep_type"] = True
        out, dis = d/"out.ome.zarr", (d/"dis.ome.zarr" if c.get("dis") else None)
        sett = {**c["s"], "predict": {**c["s"].get("predict", {}), **({} if name in ("bicubic_gaussian","sparse_coding") else pc)}}
        predict(name, sett, c["new"], out, model=files["output"], card=files["card"], disagreement=dis, threads=1, **kw)
        r["out"] = store_digest(out)
        if dis: r["dis"] = store_digest(dis)
        # stopped: leaves a checkpoint
        if name not in ("bicubic_gaussian", "sparse_coding"):
            e = base / f"{label}_cut"; e.mkdir()
            cut = dict(output=e/"m.safetensors", card=e/"m.json", history=e/"h.tsv", checkpoints=e/"ck")
            if len(sys.argv) > 3 and sys.argv[3] != "-":
                shutil.copytree(Path(sys.argv[3])/f"{label}_cut"/"ck", e/"ck")
                r["there"] = sorted(p.name for p in (e/"ck").rglob("step*"))
                train(name, c["s"], c["pairs"], masks=c.get("masks"), threads=1, **cut, **c["kw"])
                r["resumed"] = hashlib.sha256(cut["output"].read_bytes()).hexdigest()[:24]
                # the model made by the other code opens too
                o = Path(sys.argv[3])/label
                predict(name, sett, c["new"], e/"out.ome.zarr", model=o/"m.safetensors", card=o/"m.json", threads=1, **kw)
                r["old_model"] = store_digest(e/"out.ome.zarr")[0] 
            else:
                import time
                try:
                    train(name, c["s"], c["pairs"], masks=c.get("masks"), threads=1, until=time.time()+0.01, **cut, **c["kw"])
                    r["cut"] = "not stopped"
                except Exception as err:
                    r["cut"] = str(err)
        found[label] = r
    except Exception as err:
        import traceback; traceback.print_exc()
        found[label] = {"error": repr(err)}
for m, kw in (("cubic", dict(scale=(4,1,1))), ("lanczos", dict(scale=(4,1,1))), ("richardson_lucy", {})):
    if only: break
    out = base/f"{m}.ome.zarr"
    predict(m, {}, sl, out, level=2, fov_radius=15, **kw)
    found[m] = store_digest(out)
Path(sys.argv[1]).write_text(json.dumps(found, indent=1, sort_keys=True, default=str))
