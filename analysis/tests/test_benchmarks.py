"""The figures of the benchmark suite from results of known content."""

import contextlib
import io
import json
import sys
import tempfile
import unittest
import warnings
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent.parent)]
from tessera_analysis import benchmarks  # noqa: E402

STAMP = {"commit": "0123456789abcdef", "date": "2026-01-31"}


def results(parts=None):
    """A machine of 100 GB/s and 200 G FMA/s, times of 0.1 s + 1 us a star, memory of 300 MB + 100 bytes a star."""
    made = {"machine": {f"{t} threads": {"threads": t, "triad_gigabytes_per_second": 50.0 * t, "giga_fma_per_second": 100.0 * t}
                        for t in (1, 2)},
            "kernels": {}, "forward": {}, "threads": {}, "ranks": {}}
    for library in ("bc03lr", "emiles"):
        for stage in ("spectra", "maps"):
            made["kernels"][f"{stage} {library}"] = {"stage": stage, "library": library, "threads": 2, "fma": 4e9,
                                                     "bytes": 1e9, "median_seconds": 0.1}
        for setup, cube in (("MUSE 20", 142.0), ("MaNGA 37", 95.0)):
            for stars in (1000, 1000000):
                made["forward"][f"{setup} {library} {stars}"] = {
                    "setup": setup, "library": library, "stars": stars, "median_seconds": 0.1 + 1e-6 * stars,
                    "peak_megabytes": 300 + 1e-4 * stars, "cube_megabytes": cube}
        for t, speedup in ((1, 1.0), (2, 1.9)):
            made["threads"][f"{library} {t}"] = {"library": library, "threads": t, "speedup": speedup}
    made["ranks"] = {f"{what}, {n} ranks": {"what": what, "layout": "parts", "ranks": n, "efficiency": 1 - 0.04 * (n - 1)}
                     for what in ("all", "giant") for n in (1, 2)}
    made["ranks"]["first half"] = {"what": "first half", "layout": "parts", "ranks": 1}
    for cases in made.values():
        for case in cases.values():
            case.update(STAMP)
    return {"format": benchmarks.FORMAT,
            "machine": {"cpu": "a processor", "cores": 2, "simd": "avx2", "compiler": "a compiler"},
            "parts": {name: cases for name, cases in made.items() if parts is None or name in parts}}


class TestBenchmarks(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.path = self.folder / "results.json"

    def draw(self, content):
        self.path.write_text(content if isinstance(content, str) else json.dumps(content))
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), warnings.catch_warnings():
            warnings.simplefilter("error")
            code = benchmarks.main([str(self.path), "--output", str(self.folder / "pictures")])
        return code, sorted(p.name for p in self.folder.glob("pictures/*")), err.getvalue()

    def test_draws_all_and_small(self):
        code, made, err = self.draw(results())
        self.assertEqual((code, made, err), (0, ["memory.png", "roofline.png", "scaling.png", "time.png"], ""))
        for picture in self.folder.glob("pictures/*"):
            content = picture.read_bytes()
            self.assertEqual(content[:8], b"\x89PNG\r\n\x1a\n")
            self.assertTrue(8000 < len(content) < 100000, (picture.name, len(content)))

    def test_draws_what_there_is(self):
        self.assertEqual(self.draw(results({"machine", "kernels"}))[:2], (0, ["roofline.png"]))
        self.assertEqual(self.draw(results({"machine"}))[0], 1)

    def test_curves_are_ordered_and_peers_of_the_run_replace_the_table(self):
        made = results()
        made["parts"]["forward"] = dict(reversed(made["parts"]["forward"].items()))
        stars, seconds, *_ = benchmarks.curves(made)["MUSE 20", "bc03lr"]
        self.assertEqual((list(stars), [round(s, 3) for s in seconds]), ([1000, 1000000], [0.101, 1.1]))
        here = [p for p in benchmarks.peers(made) if p[2:4] == ("RUBIX", "2 cores")]
        self.assertEqual(len(here), 2)
        made["parts"]["rubix"] = {"a": {"peer_stars": 500, "peer_median_seconds": 0.25, **STAMP}}
        here = [p for p in benchmarks.peers(made) if p[2:4] == ("RUBIX", "2 cores")]
        self.assertEqual([p[:2] for p in here], [(500, 0.25)])

    def test_errors(self):
        for content in ("{", "[]", "{}", {"format": "another"}):
            code, made, err = self.draw(content)
            self.assertEqual((code, made), (1, []))
            self.assertIn("tessera-benchmarks: ", err)
            self.assertIn(str(self.path), err)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
