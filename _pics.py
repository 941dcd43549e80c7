"""Splats of each mesh, shaded, 4 per row."""
import sys, numpy as np, torch, bridge, imageio.v3 as iio
from dataclasses import replace
from configs.upsample import UpsampleConfig
from configs.render import RenderConfig
from experiments.bench_upsample import scaled_mesh, SPACING
from mpm.particles import fill_mesh
from experiments.film import Film
from experiments.camera_views import perspective_views
from configs.cameras import *
bridge.init("cpu")
names=sys.argv[2:]
tiles=[]
from configs.load import load_config
SIDE=240
def film_of(half):
    r=2.9*half
    base=load_config("sphere_to_rabbit",["cameras.orbit={count: 1, radius: %f, elevation: 20, azimuth: 35, target: [0,0,0], fov: 40}"%r])
    return Film(base.render,perspective_views(base.cameras,SIDE,SIDE)[0],SIDE,None)
for n in names:
    v,f=scaled_mesh(n); v=v-(v.min(0)+v.max(0))/2
    if n.endswith(("bunny.obj",)): v=v[:,[1,2,0]]
    film=film_of(np.linalg.norm(v,axis=1).max())
    x=torch.from_numpy(fill_mesh(v,f,SPACING)).float()
    up=bridge.SurfaceUpsampler(UpsampleConfig(M=50000,thickness=0.3,sigma0=0.7),spacing=SPACING)
    s=up.detect(x); F=torch.eye(3).expand(len(x),3,3)
    tiles.append(film.draw(up(x,F,s)))
    np.save("/tmp/tile_%d.npy"%len(tiles), tiles[-1])
rows=[np.concatenate(tiles[i:i+4],axis=1) for i in range(0,len(tiles),4)]
iio.imwrite(sys.argv[1],(np.concatenate(rows)*255).astype(np.uint8))
