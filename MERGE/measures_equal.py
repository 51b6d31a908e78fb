import sys, runpy, numpy as np, os
from types import SimpleNamespace
from pathlib import Path
root, out = Path(sys.argv[1]), Path(sys.argv[2]); out.mkdir(exist_ok=True)
from acuity.volume import Volume, Grid, write_volume
rng=np.random.default_rng(0)
class Files(list):
    def __init__(s,*f,**n):
        super().__init__([*f,*n.values()]); s.__dict__.update(n); s.get=n.get; s.items=n.items
    def __getitem__(s,k): return s.__dict__[k] if isinstance(k,str) else super().__getitem__(k)
def store(name,a,sp=(10,10,10)):
    p=out/f"{name}.ome.zarr"
    if not p.exists(): write_volume(p,Volume(a,Grid(a.shape,sp,(0,0,0),"nm")))
    return str(p)
from scipy.ndimage import gaussian_filter
truth=(gaussian_filter(rng.normal(size=(40,40,40)),2)>0.02).astype(np.float32)*150+20+rng.normal(size=(40,40,40)).astype(np.float32)
truth[3,4,5]=90000
image=gaussian_filter(truth,1).astype(np.float32); rep=image+rng.normal(size=image.shape).astype(np.float32)
T,I,R=store("t",truth),store("i",image),store("r",rep)
L=store("low",truth[::4].copy(),(40,10,10)); LAB=store("lab",(truth>100).astype(np.uint8),(10,10,12))
yy,xx=np.mgrid[:96,:96]
flat=np.zeros((96,96),np.float32)
for y,x in ((20,20),(20,34),(50,40),(50,55),(75,70)): flat[(yy-y)**2+(xx-x)**2<36]=200
flat=gaussian_filter(flat,.7)[None]; flat[0,2,2]=9e5; fi=gaussian_filter(flat,(0,1,1)).astype(np.float32)
FT,FI=store("ft",flat,(5,5,5)),store("fi",fi,(5,5,5)); V=store("v",np.ones(flat.shape,np.uint8),(5,5,5))
g={"baseline":"background","exists":.6,"level":.8,"longest":80.,"depth":20.,"line_width":1.,"chosen":3,"seed":5}
task={"level":4.0,"scale":[4,1,1],"phase":[0,0,0]}
cases={
 "resolution":(dict(image=I,truth=T),{"mask_radius":15},("resolution","curve"),("table","curve")),
 "error":(dict(image=I,truth=T,low=L),{"task":task,"data_range":None,"threshold":90.,"volume_fraction":None},("error",),None),
 "scattering":(dict(image=I,truth=T),{},("scattering","scattering_curve"),("table","curve")),
 "fsc":(dict(image=I,repeat=R),{},("fsc","fsc_curve"),("table","curve")),
 "spectrum":(dict(image=FI,truth=FT),{"factor":3.0},("spectrum","spectrum_curve"),("table","curve")),
 "edges":(dict(image=FI,truth=FT,valid=V),{"repeated":1},("edges",),None),
 "gaps":(dict(image=FI,truth=FT,valid=V),g,("gap_summary","gaps"),("summary","table")),
 "pore_space":(dict(labels=LAB),{"pores":"labels","mask_radius":None},("pore_space","pore_space_curve"),("table","curve")),
}
new=(root/"scripts/measure.py").exists()
for name,(inp,cfg,tables,old) in cases.items():
    paths=[str(out/f"{t}.tsv") for t in tables]
    if new: o=Files(**dict(zip(tables,paths))); i=Files(**inp); script="measure"
    else:
        o=Files(**dict(zip(old,paths))) if old else Files(*paths)
        inp=dict(inp); 
        if name=="error": inp["cubic"]=inp.pop("low")
        i=Files(*inp.values()) if name in("fsc","pore_space") else Files(**inp); script=name
    job=SimpleNamespace(rule=name,log=[],threads=1,input=i,output=o,params=SimpleNamespace(cfg=cfg,measure=name))
    try: runpy.run_path(str(root/"scripts"/f"{script}.py"),init_globals={"snakemake":job})
    except SystemExit as e: print(name,"exit",e)
