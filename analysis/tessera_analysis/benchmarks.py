"""Figures of the benchmark suite's results: time with peers, roofline, memory, scaling.

    tessera-benchmarks benchmarks.json --output pictures

The results file is written by tests/benchmarks/suite.py; parts that it lacks are left out of the figures.
"""

import argparse
import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator  # noqa: E402

from .quicklook import INK, STYLE  # noqa: E402

FORMAT = "tessera-benchmarks 1"
COLOURS = {"bc03lr": "#1f6f9e", "emiles": "#d1661f"}
NAMES = {"bc03lr": "BC03", "emiles": "E-MILES"}
MARKERS = {"MUSE 20": "o", "MUSE 60": "s", "MaNGA 37": "^"}
SETUPS = {"MUSE 20": "MUSE 100 × 100 × 3721", "MUSE 60": "MUSE 300 × 300 × 3721", "MaNGA 37": "MaNGA 74 × 74 × 4563"}
QUIET = "#6b6b6b"

# Stars, seconds, name, where, source. Galaxy -> cube of 100 x 100 x 3721 where measured; the papers' own cubes where
# published.
PEERS = (
    (6e6, 1.4 * 3600, "GalCraft", "24 cores", "its paper"),
    (6e6, 123.57, "RUBIX", "24 cores", "its paper"),
    (6e6, 8.58, "RUBIX", "A100 GPU", "its paper"),
    (1e5, 18.9, "RUBIX", "2 cores", "version 0.0.5, measured"),
    (3e5, 57.7, "RUBIX", "2 cores", "version 0.0.5, measured"),
    (1e4, 1.8, "synthesizer", "2 cores", "version 1.3.1, measured; no PSF, LSF, noise"),
    (1e5, 35.0, "synthesizer", "2 cores", "version 1.3.1, measured; no PSF, LSF, noise"),
    (1e4, 12.6, "SimSpin", "2 cores", "version 2.10.4, measured"),
    (1e5, 110.5, "SimSpin", "2 cores", "version 2.10.4, measured"),
    (1e4, 55.0, "GalCraft", "2 cores", "version 1.6.1, measured"),
)
RANK_CASES = {"all": "many galaxies", "giant": "one galaxy"}  # weak scaling; shared by the ranks
PEER_COLOURS = {"RUBIX": "#8a3ffc", "synthesizer": "#5b8c2a", "SimSpin": "#b5477f", "GalCraft": "#7a6a53"}
PEER_MARKERS = {"2 cores": "D", "24 cores": "P", "A100 GPU": "*"}


class ResultsError(Exception):
    """The results file cannot be used."""


def load(path):
    try:
        results = json.loads(Path(path).read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ResultsError(f"{path}: is no JSON ({error})") from error
    if not isinstance(results, dict) or results.get("format") != FORMAT:
        raise ResultsError(f"{path}: is no results file of tests/benchmarks/suite.py")
    return results


def cases(results, part):
    return list(results["parts"].get(part, {}).values())


def caption(results):
    machine = results["machine"]
    stamps = sorted({(case["date"], case["commit"][:10]) for part in results["parts"].values() for case in part.values()})
    date, commit = stamps[-1]
    return (f"{machine['cores']} cores of {machine['cpu']}, {machine['simd'].upper()}, {machine['compiler']}; "
            f"{date}, commit {commit}")


def finish(fig, results, path, axes):
    for a in np.ravel(axes):
        a.grid(True, which="major", color="#e3e3e3", linewidth=0.6)
        a.set_axisbelow(True)
        for side in ("top", "right"):
            a.spines[side].set_visible(False)
    fig.text(0.995, 0.008, caption(results), ha="right", va="bottom", fontsize=6.5, color=QUIET)
    fig.savefig(path, dpi=120)
    plt.close(fig)
    return path


def curves(results):
    """{(setup, library): (stars, seconds, megabytes beyond the input)} of the part forward, by number of stars."""
    found = {}
    for case in cases(results, "forward"):
        found.setdefault((case["setup"], case["library"]), []).append(
            (case["stars"], case["median_seconds"], case["peak_megabytes"], case["cube_megabytes"]))
    return {key: np.array(sorted(rows)).T for key, rows in sorted(found.items())}


def peers(results):
    """Points of peers: the table above, and what this run measured."""
    points = list(PEERS)
    for case in cases(results, "rubix"):
        points = [p for p in points if not (p[2] == "RUBIX" and p[3] == "2 cores")]
        points.append((case["peer_stars"], case["peer_median_seconds"], "RUBIX", "2 cores", "measured in this run"))
    return points


def draw_time(results, path):
    """Two panels: seconds, and microseconds a star, against the number of stars."""
    fig, panels = plt.subplots(1, 2, figsize=(10.4, 4.9))
    fig.subplots_adjust(left=0.065, right=0.985, top=0.9, bottom=0.21, wspace=0.19)
    lines = {key: rows for key, rows in curves(results).items() if key[0] == "MUSE 20"}
    for axes, scale in zip(panels, (lambda n: 1.0, lambda n: 1e6 / n)):
        for (_, library), (stars, seconds, *_) in lines.items():
            axes.plot(stars, seconds * scale(stars), "-o", color=COLOURS.get(library, INK), lw=2, ms=4.5, zorder=5)
        for stars, seconds, name, where, _ in peers(results):
            axes.plot(stars, seconds * scale(stars), PEER_MARKERS[where], color=PEER_COLOURS[name], ms=11 if where == "A100 GPU"
                      else 6.5, mec="white", mew=0.6, zorder=4)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.margins(y=0.09)
        axes.set_xlabel("Stars")
    panels[0].set_title("Time for one cube of MUSE, 100 × 100 × 3721 [s]", loc="left", fontsize=10)
    panels[1].set_title("Time a star [µs]", loc="left", fontsize=10)
    handles = [plt.Line2D([], [], color=COLOURS.get(library, INK), lw=2, marker="o", ms=4.5,
                          label=f"Tessera, {NAMES.get(library, library)}") for _, library in lines]
    handles += [plt.Line2D([], [], color=QUIET, ls="", marker=marker, ms=6, label=where)
               for where, marker in PEER_MARKERS.items()]
    handles += [plt.Line2D([], [], color=colour, ls="", marker="s", ms=6, label=name)
                for name, colour in PEER_COLOURS.items()]
    fig.legend(handles=handles, loc="lower center", ncol=len(handles), frameon=False, fontsize=8,
               bbox_to_anchor=(0.5, 0.035), handletextpad=0.4, columnspacing=1.3)
    return finish(fig, results, path, panels)


def draw_roofline(results, path):
    """FMA rate against arithmetic intensity of every stage, below what the machine allows; all its threads."""
    limits = max(cases(results, "machine"), key=lambda case: case["threads"])
    peak, bandwidth = limits["giga_fma_per_second"], limits["triad_gigabytes_per_second"]
    stages = [case for case in cases(results, "kernels") if case["threads"] == limits["threads"] and case["fma"] > 0]
    fig, axes = plt.subplots(figsize=(7.2, 4.6))
    fig.subplots_adjust(left=0.095, right=0.98, top=0.91, bottom=0.15)
    intensities = [case["fma"] / case["bytes"] for case in stages] + [0.1, peak / bandwidth * 10]
    x = np.geomspace(min(intensities) / 2, max(intensities) * 5, 200)
    axes.plot(x, np.minimum(peak, x * bandwidth), color=INK, lw=1.6)
    axes.annotate(f"{peak:.0f} G FMA/s from registers", (x[-1], peak), xytext=(0, 5), textcoords="offset points",
                  ha="right", fontsize=8.5)
    for case in stages:
        if case["stage"] == "maps" and case["library"] != "bc03lr":
            continue  # the library makes no difference to them
        colour = COLOURS.get(case["library"], INK) if case["stage"] == "spectra" else "#4d4d4d"
        place = case["fma"] / case["bytes"], case["fma"] / case["median_seconds"] * 1e-9
        axes.plot(*place, "o", color=colour, ms=6.5, mec="white", mew=0.7)
        text = f"{case['stage']}, {NAMES.get(case['library'], case['library'])}" if case["stage"] == "spectra" else case["stage"]
        axes.annotate(text, place, xytext=(7, -3), textcoords="offset points", fontsize=8.5, color=colour)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("FMA a byte that must be moved")
    axes.set_title(f"Stages alone [G FMA/s], {limits['threads']} threads", loc="left", fontsize=10)
    axes.autoscale_view()
    low = x[0] * 2
    (x0, y0), (x1, y1) = axes.transData.transform([(low, low * bandwidth), (2 * low, 2 * low * bandwidth)])
    axes.annotate(f"memory, {bandwidth:.0f} GB/s", (low, low * bandwidth), xytext=(-3, 4), textcoords="offset points",
                  fontsize=8.5, rotation=np.degrees(np.arctan2(y1 - y0, x1 - x0)), rotation_mode="anchor")
    return finish(fig, results, path, axes)


def draw_memory(results, path):
    fig, axes = plt.subplots(figsize=(7.2, 4.4))
    fig.subplots_adjust(left=0.1, right=0.98, top=0.91, bottom=0.15)
    chosen = {key: rows for key, rows in curves(results).items() if key[1] == "bc03lr"}
    top = 1
    for (setup, library), (stars, _, peak, cube) in chosen.items():
        line, = axes.plot(stars, peak / 1024, "-" + MARKERS.get(setup, "o"), lw=1.8, ms=5,
                          label=SETUPS.get(setup, setup), color=("#1f6f9e", "#d1661f", "#5b8c2a")[len(axes.lines) // 2 % 3])
        n = np.geomspace(stars[0], stars[-1], 100)
        axes.plot(n, (cube[0] + 200 / 1.048576 + 100 * n / 2**20) / 1024, ":", lw=1.2, color=line.get_color())
        top = max(top, peak.max() / 1024)
    axes.plot([], [], ":", color=QUIET, label="cube + 100 bytes a star + 200 MB")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(0.1, top * 2.5)
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
    axes.set_xlabel("Stars")
    axes.set_title("Peak memory of the process, its stars included [GB]", loc="left", fontsize=10)
    axes.legend(frameon=False, fontsize=8.5, loc="upper left")
    return finish(fig, results, path, axes)


def draw_scaling(results, path):
    """Speed-up with threads; weak-scaling efficiency of ranks."""
    fig, panels = plt.subplots(1, 2, figsize=(8.4, 4.0))
    fig.subplots_adjust(left=0.065, right=0.985, top=0.89, bottom=0.16, wspace=0.18)
    counts = sorted({case["threads"] for case in cases(results, "threads")})
    for library in sorted({case["library"] for case in cases(results, "threads")}):
        rows = sorted((c["threads"], c["speedup"]) for c in cases(results, "threads") if c["library"] == library)
        x, y = np.array(rows).T
        panels[0].plot(x, y, "-o", lw=2, color=COLOURS.get(library, INK),
                       label=f"{NAMES.get(library, library)}: {y[-1]:.2f} × with {x[-1]:.0f}")
    panels[0].plot(counts, counts, "--", color=QUIET, lw=1)
    panels[0].legend(frameon=False, loc="upper left")
    panels[0].set_title("6e6 stars in memory: times as fast", loc="left", fontsize=10)
    panels[0].set_xlabel("Threads")
    shared = [c for c in cases(results, "ranks") if c["ranks"] > 1 and "efficiency" in c]
    panels[1].bar(range(len(shared)), [100 * c["efficiency"] for c in shared], width=0.5, color="#1f6f9e")
    for place, case in enumerate(shared):
        panels[1].annotate(f"{100 * case['efficiency']:.0f} %", (place, 100 * case["efficiency"]), xytext=(0, 3),
                           textcoords="offset points", ha="center")
    panels[1].set_title("Ranks of one thread: efficiency [%]", loc="left", fontsize=10)
    panels[1].set_ylim(0, 115)
    panels[0].xaxis.set_major_locator(FixedLocator(counts))
    panels[0].xaxis.set_minor_locator(NullLocator())
    panels[1].set_xticks(range(len(shared)), [f"{RANK_CASES[c['what']]},\n{c['ranks']} ranks, {c['layout']}" for c in shared],
                         fontsize=7)
    panels[1].tick_params(axis="x", length=0)
    return finish(fig, results, path, panels)


FIGURES = {"time": (draw_time, ("forward",)), "roofline": (draw_roofline, ("machine", "kernels")),
           "memory": (draw_memory, ("forward",)), "scaling": (draw_scaling, ("threads", "ranks"))}


def draw(path, output):
    """Draws what the results file has figures for; returns the paths of the PNG files."""
    results = load(path)
    folder = Path(output)
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    with plt.rc_context(STYLE):
        for name, (function, needed) in FIGURES.items():
            if all(results["parts"].get(part) for part in needed):
                made.append(function(results, folder / f"{name}.png"))
    if not made:
        raise ResultsError(f"{path}: has no part that a figure is made of")
    return made


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="tessera-benchmarks", description="Draws the results of the benchmark suite.")
    parser.add_argument("results", help="JSON file written by tests/benchmarks/suite.py")
    parser.add_argument("--output", default=".", help="folder for the pictures")
    options = parser.parse_args(arguments)
    try:
        for target in draw(options.results, options.output):
            print(target)
    except (ResultsError, OSError) as error:
        print(f"tessera-benchmarks: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
