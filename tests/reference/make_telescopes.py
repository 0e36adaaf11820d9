"""Writes telescopes_rubix.json from RUBIX's rubix/telescope/telescopes.yaml (astro-rubix 0.0.5), given as argument.

Pixel and spaxel counts are numpy's: arange(min, max, step) and round(fov / spaxel).
"""
import json
import pathlib
import sys

import numpy as np
import yaml

apertures = {"square": "square", "circular": "circle", "hexagonal": "hexagon"}
rows = []
for name, t in yaml.safe_load(open(sys.argv[1])).items():
    if name == "TESTGRADIENT":
        continue
    low, high = (float(x) for x in t["wave_range"])
    rows.append({
        "name": name, "fov": float(t["fov"]), "spaxel": float(t["spatial_res"]), "min": low, "max": high,
        "step": float(t["wave_res"]), "lsf_fwhm": float(t["lsf_fwhm"]), "aperture": apertures[t["aperture_type"]],
        "pixels": len(np.arange(low, high, float(t["wave_res"]))), "spaxels": round(t["fov"] / t["spatial_res"])})
out = pathlib.Path(__file__).parent / "telescopes_rubix.json"
out.write_text("[\n" + ",\n".join(json.dumps(r) for r in rows) + "\n]\n")
