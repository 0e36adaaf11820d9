"""How the scripts of this folder start, report and end."""

import argparse
import importlib
import json
import sys
import time
from pathlib import Path

FIGURES = Path(__file__).resolve().parents[2] / "docs" / "figures"
INK, TRUTH, FIT = "#222222", "#d1495b", "#2e86ab"
STYLE = {"font.size": 9, "font.family": "DejaVu Sans", "axes.edgecolor": "#555555", "axes.linewidth": 0.7, "axes.labelcolor": INK,
         "text.color": INK, "xtick.color": "#444444", "ytick.color": "#444444", "figure.dpi": 110, "savefig.dpi": 110}
_START = time.perf_counter()


def modules(*names):
    """The modules; where one is missing the script ends and says which, and where to get it."""
    try:
        return [importlib.import_module(name) for name in names]
    except ImportError as error:
        sys.exit(f"{sys.argv[0]}: {error}; needed are the package tessera (pip install . in the clone, docs/python.md) and "
                 "what pip install './analysis[fits]' brings")


def arguments(description, seed, library="bc03lr", **more):
    """The command line; more: name = (default, help)."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=FIGURES, help="folder of the figure and the JSON (docs/figures)")
    parser.add_argument("--library", default=library, help=f"SSP library ({library})")
    parser.add_argument("--seed", type=int, default=seed)
    parser.add_argument("--quick", action="store_true", help="a small problem: shows that it runs, not what it proves")
    for name, (default, text) in more.items():
        parser.add_argument(f"--{name}", type=type(default), default=default, help=f"{text} ({default})")
    return parser.parse_args()


def say(*words):
    print(f"[{time.perf_counter() - _START:6.1f} s]", *words, flush=True)


def finish(folder, name, results, figure):
    """Writes NAME.json and NAME.png."""
    folder.mkdir(parents=True, exist_ok=True)
    results = results | {"seconds": round(time.perf_counter() - _START, 1), "cpu_seconds": round(time.process_time(), 1)}
    (folder / f"{name}.json").write_text(json.dumps(results, indent=1, default=lambda x: x.tolist()) + "\n")
    figure.savefig(folder / f"{name}.png", bbox_inches="tight")
    say(f"wrote {folder / name}.png and .json")


def thinned_library(library, log_age, metallicity, band, path, samples=1):
    """Writes an SSP library (docs/formats.md) of those nodes of ``library`` (Model.library) that are nearest to the wanted ones (None: all),
    at wavelengths within band, means of so many samples. What a derivative costs grows with the numbers of templates and of
    samples, and the bundled libraries have a thousand templates, or a sample every 0.9 Angstrom. Returns path."""
    import h5py
    import numpy as np

    def nearest(axis, wanted):
        return np.arange(len(axis)) if wanted is None else np.unique([np.argmin(np.abs(axis - w)) for w in wanted])

    def coarser(x):
        return x[..., :x.shape[-1] // samples * samples].reshape(*x.shape[:-1], -1, samples).mean(axis=-1)

    ages = nearest(library["log_age"], log_age)
    metals = nearest(np.log10(library["metallicity"]), None if metallicity is None else np.log10(metallicity))
    waves = (library["wavelength"] > band[0]) & (library["wavelength"] < band[1])
    with h5py.File(path, "w") as file:
        file.attrs.update(tessera_ssp_version=1, name=f"nodes of {library['name']}", source=library["name"], medium="unstated",
                          flux_unit="Lsun/Angstrom/Msun")
        file["log_age"], file["metallicity"] = library["log_age"][ages], library["metallicity"][metals]
        file["wavelength"] = coarser(library["wavelength"][waves])
        file["flux"] = coarser(library["flux"][metals][:, ages][:, :, waves])
    return str(path)
