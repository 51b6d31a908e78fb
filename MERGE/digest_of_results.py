"""Digest of results of the functions, old and new; run with PYTHONPATH."""
import hashlib, json, sys, tempfile, os, re
from pathlib import Path
import numpy as np, pandas as pd
sys.path.insert(0, "/tmp/fd/base")
try:
    from acuity.settings import call
    NEW = True
except ImportError:
    NEW = False
    def call(f, *a, **k): return f(*a, **k)
from acuity.volume import Grid, Volume, open_volume, write_volume
TMP = Path(tempfile.mkdtemp(dir="/tmp/fd"))
def h(*things):
    m = hashlib.sha256()
    for t in things:
        if isinstance(t, np.ndarray): m.update(str((t.dtype, t.shape)).encode()); m.update(np.ascontiguousarray(t).tobytes())
        elif isinstance(t, pd.DataFrame): m.update(t.to_csv(index=False).encode())
        elif isinstance(t, Path):
            if t.is_dir():
                for p in sorted(t.rglob("*")):
                    if p.is_file(): m.update(p.relative_to(t).as_posix().encode()); m.update(p.read_bytes())
            else: m.update(t.read_bytes())
        elif isinstance(t, (list, tuple)): m.update(h(*t).encode())
        else: m.update(json.dumps(t, default=str).encode())
    return m.hexdigest()[:16]
OUT = {}
def case(name):
    def deco(f):
        if len(sys.argv) > 2 and not any(re.match(p, name) for p in sys.argv[2:]): return f
        try: OUT[name] = h(*(lambda r: r if isinstance(r, tuple) else (r,))(f()))
        except Exception as e:
            import traceback; traceback.print_exc(); OUT[name] = f"{type(e).__name__}: {e}"
        print(name, OUT[name], flush=True); return f
    return deco
rng = lambda s: np.random.Generator(np.random.Philox(s))

def spec(folder, kind, **s):
    from acuity.simulate.specimen import specimen
    d = TMP / folder; d.mkdir()
    paths = {"high_output": d/"high.ome.zarr", "low_output": d/"low.ome.zarr", "particles": d/"p.tsv", "warp": d/"w.tsv"}
    if NEW:
        from acuity.simulate.specimens import gold, hydrogel
        own = {k: s.pop(k) for k in ("layout", "surface", "damage") if k in s}
        if own:
            kind = gold.Gold(layout=gold.Layout(**own.get("layout", {})), surface=gold.Surface(**own.get("surface", {}))) if kind == "gold" else hydrogel.Hydrogel(surface=hydrogel.Network(**own.get("surface", {})), damage=hydrogel.Zones(**own.get("damage", {})))
    if NEW:
        from acuity.simulate.specimen import Outputs
        step = call(specimen, kind, Outputs(*paths.values()), **s)
    else:
        step = specimen(kind, **s, **paths)
    return (*paths.values(), step)
FULL = {"shape": (70, 83), "pixel_size": 0.009, "unit": "um", "factor": 3.0, "margin": 0.15, "supersample": 2, "spot": 14.0, "dwell": 20.0,
 "current": 0.7, "detected": 0.01, "noise": False, "streaks": 0.1, "shading": 0.08, "charging": 0.05, "rotation": 1.5, "scale": 0.02, "shift": 5.0, "elastic": 2.0, "elastic_wavelength": 90.0, "drift": 1.5}
@case("specimen gold")
def _(): return spec("g1", "gold", seed=3, shape=(96, 128))
@case("specimen hydrogel")
def _(): return spec("h1", "hydrogel", seed=3, shape=(96, 128), factor=2, spot=None)
@case("specimen gold full")
def _(): return spec("g2", "gold", seed=12, **FULL, layout={"diameter": (20.0, 120.0), "typical": 60.0}, surface={"rim": 0.8, "grain_size": 12.0})
@case("specimen hydrogel full")
def _(): return spec("h2", "hydrogel", seed=13, **FULL, surface={"pore": 300.0, "thickness": 60.0}, damage={"zones": 2, "radius": 22.0})

from acuity.simulate.foam import foam, porosity, exact, exact_labels
def ball(): return call(foam, size=40, seed=3, diameter=(4.0, 14.0), small_below=6.0)
@case("foam")
def _(): return (ball(), call(foam, size=48, seed=5), call(foam, size=48, seed=5, porosity=0.2, min_gap=1.0, trial_points=5000, max_pores=40, small_fraction=0.3))
@case("acquire")
def _():
    from acuity.simulate.acquire import acquire
    out = []
    for n, kw in enumerate(({}, {"photons": None}, {"blur_domain": "attenuation", "photons": 1e6, "peak_attenuation": 1.0, "views": 30, "voxel_size": 2.0, "unit": "nm", "block": 7})):
        p = TMP / f"scan{n}.h5"; call(acquire, ball(), p, size=40, level=1.5, seed=4, **kw)
        import h5py
        with h5py.File(p) as f:
            out += [f["exchange/data"][()], f["exchange/data_white"][()], f["exchange/data_dark"][()], f["exchange/theta"][()], {k: str(v) for k, v in f["process/simulation"].attrs.items()}, {k: (float(v[()]), v.attrs["units"]) for k, v in f["measurement/instrument/geometry"].items()}]
    return tuple(out)
@case("reconstruct")
def _():
    from acuity.simulate.acquire import acquire
    from acuity.reconstruct.reconstruct import reconstruct, reconstruct_truth
    p = TMP / "s.h5"; call(acquire, ball(), p, size=40, level=0.5, seed=4)
    out = []
    for n, kw in enumerate(({}, {"size": 32, "hann": 0.8, "radius": 12.0, "slab": 5}, {"part": (0, 2)})):
        o = TMP / f"r{n}.ome.zarr"; call(reconstruct, p, o, **kw); out.append(o)
    for n, kw in enumerate(({}, {"views": 50, "peak_attenuation": 1.0, "voxel_size": 3.0, "unit": "nm", "slab": 9})):
        o = TMP / f"t{n}.ome.zarr"; call(reconstruct_truth, ball(), o, size=40, **kw); out.append(o)
    return tuple(out)
@case("fdk")
def _():
    from acuity.reconstruct.fdk import fdk
    from acuity.reconstruct.geometry import ConeBeam, full_circle
    from acuity.simulate.project import project
    g = ConeBeam.standard(40, 0.45); a = full_circle(40)
    p = project(ball(), g, a, size=40, cylinder_radius=0.45, solid=0.05)
    out = [call(fdk, p, g, a), call(fdk, p, g, a, size=30, voxel=g.voxel*1.1, z0=3, z1=17, radius=12.0, hann=0.7)]
    try: out += [call(fdk, p, g, a, size=24, backend="rtk", z0=2, z1=9, hann=0.5)]
    except Exception as e: out.append(str(e))
    return tuple(out)
@case("particles")
def _():
    from acuity.simulate.particles import layout, render
    t = call(layout, (0.0, 0.0, 800.0, 900.0), seed=1, gap=(6.0, 2.0), touching=0.2, facets=0.5, covered=0.8, bare_size=300.0)
    return (t, call(layout, (0.0, 0.0, 500.0, 500.0), seed=2), call(render, t, origin=(10.0, 20.0), shape=(120, 131), step=3.0, seed=4, carbon_grain=0.2, shadow=0.1, rim=0.7), call(render, t, origin=(0.0, 0.0), shape=(64, 70), step=5.0, seed=4))
@case("expose")
def _():
    from acuity.simulate.sem import expose
    s = rng(2).random((40, 60))
    b = {"dwell": 30.0, "current": 0.54, "detected": 0.006}
    return (call(expose, s, random=rng(3), **b), call(expose, s, random=rng(3), **b, streaks=0.2, streak_length=9.0, shading=0.3, charging=0.1, noise=False))
def table(v):
    from scipy import ndimage
    n = int(v.max()); rows = []
    for k in range(1, n + 1):
        z, y, x = np.nonzero(v == k)
        rows.append({"label": k, "voxels": len(z), "diameter": (6 * len(z) / np.pi) ** (1 / 3), "z": z.mean(), "y": y.mean(), "x": x.mean(), "edge": bool(z.min() == 0 or y.min() == 0)})
    return pd.DataFrame(rows)
@case("recover")
def _():
    from acuity.measure import recovery
    from scipy import ndimage
    out = []
    for s in range(4):
        r = rng(s); base = ndimage.gaussian_filter(r.standard_normal((30, 40, 40)), 2)
        other = base + 0.3 * ndimage.gaussian_filter(r.standard_normal((30, 40, 40)), 1.5) * base.std()
        t, _ = ndimage.label(base > 0.6 * base.std()); l, _ = ndimage.label(other > 0.7 * base.std())
        t, l = t.astype(np.uint32), l.astype(np.uint32)
        tt, lt = (table(v) for v in (t, l))
        if s % 2: lt["rim"] = lt["edge"]
        rows, status = recovery.recover(lt, tt, recovery.overlaps(l, t), **({"spacing": (2.0, 1.0, 1.0), "unit": "um", "classes": (4, 8, 12)} if s > 1 else {}))
        out += [json.dumps(rows, default=str), status]
    empty = tt.iloc[:0]
    for a, b in ((empty, tt), (lt, empty), (empty, empty)):
        rows, status = recovery.recover(a, b, np.zeros((0, 3), np.int64)); out += [json.dumps(rows, default=str), status, str(status.dtypes.to_dict())]
    return tuple(out)
@case("gaps")
def _():
    from acuity.measure.gaps import gaps, gap_files
    sys.path.insert(0, "/tmp/fd/base")
    from tests.pairs import discs
    t = discs(4, 220); i = t + 3 * rng(8).standard_normal(t.shape)
    from scipy import ndimage
    i = ndimage.gaussian_filter(i, 1.5)
    valid = np.ones(t.shape, np.uint8); valid[:30] = 0
    out = [call(gaps, i, t, pixel_size=7.1), call(gaps, i, t, pixel_size=3.0, valid=valid, baseline="zero", exists=0.5, level=0.7, longest=30.0, depth=10.0, line_width=3.0, chosen=5, seed=9, smoothing=0.8, smallest=5), call(gaps, i, t, pixel_size=7.1, line_width=0.0)]
    g = Grid((1, *t.shape), (7.1,) * 3, unit="nm")
    for n, v in (("i", i), ("t", t)): write_volume(TMP / f"gap{n}.ome.zarr", Volume(v[None].astype(np.float32), g))
    call(gap_files, open_volume(TMP / "gapi.ome.zarr"), open_volume(TMP / "gapt.ome.zarr"), TMP / "gaps.tsv", TMP / "gapsum.tsv", chosen=4, seed=3)
    return (*out, TMP / "gaps.tsv", TMP / "gapsum.tsv")
def PAIR(pair, high, low, d, **kw):
    names = {"low": d/"l.ome.zarr", "high": d/"h.ome.zarr", "valid": d/"v.ome.zarr", "transform": d/"t.json", "patches": d/"p.tsv", "table": d/"t.tsv"}
    if NEW:
        from acuity.pair.pair import Outputs
        return call(pair, high, low, Outputs(**names), factor=2, **kw)
    return pair(high, low, factor=2, **{(f"{k}_output" if k in ("low", "high", "valid") else k): v for k, v in names.items()}, **kw)
@case("pair")
def _():
    from acuity.pair.pair import pair
    r = spec("pg", "gold", seed=5, shape=(330, 400), factor=2)
    out = []
    for n, kw in enumerate(({}, {"patch": 64, "smallest_block": 48, "smoothness": 0.5, "blocks": 4, "max_residual": 1.0, "update": 0.1, "name": "gold-1"})):
        d = TMP / f"pair{n}"; d.mkdir()
        c = PAIR(pair, open_volume(r[0]), open_volume(r[1]), d, **kw)
        out += [d, json.dumps(c, default=str)]
    for kw in ({"least_accepted": 1.0, "max_residual": 0.001}, {"max_scale_error": 1e-6}):
        d = TMP / f"pairx{len(out)}"; d.mkdir()
        try: PAIR(pair, open_volume(r[0]), open_volume(r[1]), d, name="x", **kw); out.append("none")
        except Exception as e: out.append(re.sub(r"/tmp/fd/[^/]*", "", str(e)))
    return tuple(out)
def stack():
    from scipy import ndimage
    big = ndimage.gaussian_filter(rng(11).standard_normal((12, 120, 130)), (1.0, 2, 2)); big = 120 + 30 * big / big.std()
    p = TMP / "stack.ome.zarr"
    if not p.exists(): write_volume(p, Volume(np.clip(big, 0, 255).astype(np.uint8), Grid(big.shape, (2.0, 1.0, 1.0), unit="nm")))
    return open_volume(p)
def ALIGN(align, volume, paths, **kw):
    if NEW:
        from acuity.align.align import Outputs
        return call(align, volume, Outputs(*paths), **kw)
    return align(volume, *paths, **kw)
@case("align")
def _():
    from acuity.align.align import align
    from acuity.align.disturb import disturb
    out = []
    d = TMP / "al"; d.mkdir()
    said = call(disturb, stack(), d/"d.ome.zarr", d/"d.tsv", drift=(3.0, -2.0), jitter=0.8, jumps={5: [4.0, 1.0]}, faults={"noisy": [3], "swapped": [8]}, noise=0.1, curtains=0.2, seed=7)
    said2 = call(disturb, stack(), d/"u.ome.zarr", d/"u.tsv", margin=said["margin"], seed=7)
    out += [said, said2]
    for n, kw in enumerate(({}, {"mode": "full", "neighbours": 2, "bridge": 4, "most_flagged": 0.9, "name": "st"}, {"mode": "template_roi", "roi": "10:90,10:100", "most_flagged": 1.0}, {"mode": "detrend_linear", "smooth": 4.0})):
        try: out.append(json.dumps(ALIGN(align, open_volume(d/"d.ome.zarr"), (d/f"t{n}.json", d/f"s{n}.tsv", d/f"p{n}.tsv"), **kw), default=str))
        except Exception as e: out.append(re.sub(r"/tmp/fd/[^/]*", "", str(e)))
    return (*out, d)
@case("segment")
def _():
    from acuity.segment.segment import find_objects, segment, number_objects
    out = []
    for n, kw in enumerate(({}, {"objects": "bright", "threshold": 130.0, "closing": 0, "separation": 0.5, "mask_radius": 40.0, "block": 48, "largest_radius": "6 nm"}, {"separation": None})):
        o = TMP / f"seg{n}.ome.zarr"; out.append(json.dumps(call(segment, stack(), o, smallest=5, **kw), default=str)); out.append(o)
        o = TMP / f"num{n}.ome.zarr"; out.append(json.dumps(call(find_objects, stack(), o, **kw), default=str)); out.append(o)
    return tuple(out)
@case("degrade")
def _():
    from acuity.degrade.degrade import degrade
    out = []
    for n, kw in enumerate(({"sigma": 1.5, "seed": 3}, {"sigma": (0.0, 1.0, 2.0), "photons": 500.0, "noise_sd": 0.05, "downsample": (2, 2, 3), "seed": 8, "slab_depth": 2})):
        o = TMP / f"deg{n}.ome.zarr"; call(degrade, stack(), o, **kw); out.append(o)
    return tuple(out)
@case("elastic")
def _():
    from acuity.register.elastic import refine_elastic
    from acuity.register.sampling import Sampler
    a = stack().read()[3].astype(np.float32); b = np.roll(a, 1, 0)
    out = []
    for kw in ({"smoothness": 0.1, "update": 0.02}, {"smoothness": 0.5, "update": 0.2, "passes": 2}):
        f, hist = call(refine_elastic, a, Sampler(b, (0.0, 0.0)) if True else None, np.array([[1.0, 0, 0.5], [0, 1.0, 0]]), blocks=3, smallest=24, band=(1.0, 6.0), **kw)
        out += [f.coefficients, str(hist)]
    return tuple(out)
Path(sys.argv[1]).write_text(json.dumps(OUT, indent=1))
import shutil; shutil.rmtree(TMP)
Path(sys.argv[1]).write_text(json.dumps(OUT, indent=1))
