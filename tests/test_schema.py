"""The printed JSON Schema against a validator that others wrote: valid itself, and of one mind with the parser."""
import argparse
import copy
import json
import subprocess
import sys
import tempfile

try:
    import jsonschema
except ImportError:
    print("SKIP: no jsonschema")
    sys.exit(77)

parser = argparse.ArgumentParser()
parser.add_argument("--tessera", required=True)
tessera = parser.parse_args().tessera
schema = json.loads(subprocess.run([tessera, "schema"], check=True, capture_output=True, text=True).stdout)
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)

example = {
    "snapshot": {"path": "/no/such/snapshot", "format": "auto", "number": 99},
    "galaxies": {"subhalos": [0, 3], "min_stars": 100, "particles": "subhalo"},
    "view": {"redshift": 0.1, "orientation": "face-on", "inclination": 0.0, "position_angle": 0.0,
             "systemic_velocity": "subhalo"},
    "cosmology": {"name": "Planck15"},
    "telescope": {"name": "MUSE", "fov": 20.0},
    "ssp": {"library": "bc03lr"},
    "spectra": {"doppler": "relativistic", "resample": "conserve", "accuracy": 1e-4},
    "psf": {"kind": "gaussian", "fwhm": 0.8},
    "lsf": {"fwhm": 2.5},
    "noise": {"signal_to_noise": 30, "seed": 1},
    "output": {"path": "cubes.hdf5", "unit": "flux", "fits": False, "compression": 4},
    "compat": "none",
}
# Changes of the example: section, new value, whether it is allowed.
changes = [
    ("view", [{"redshift": 1}, {"orientation": {"euler_deg": [1, 2, 3]}}], True),
    ("view", {"orientation": {"line_of_sight": [0, 0, 1]}}, True),
    ("view", {"orientation": {"line_of_sight": [0, 0]}}, False),
    ("view", {"orientation": "sideways"}, False),
    ("view", {"redshift": 0}, False),
    ("view", [], False),
    ("view", {"redshft": 0.1}, False),
    ("cosmology", "TNG", True),
    ("cosmology", "Plank15", False),
    ("telescope", "SAMI", True),
    ("telescope", {"name": "SAMI", "wavelength": [4000, 5000]}, False),
    ("psf", None, True),
    ("psf", {"fwhm": -1}, False),
    ("psf", {"sigma_spaxels": 0.6, "size": 5}, True),
    ("lsf", {"fwhm": "telescope"}, True),
    ("lsf", {"resolution": 3000}, True),
    ("lsf", {"fwhm": 2, "sigma": 1}, False),
    ("lsf", {}, False),
    ("noise", {"exposure_time": 3600}, True),
    ("noise", {"seed": -1}, False),
    ("galaxies", {"subhalos": [1, 1]}, False),
    ("galaxies", {"subhalos": None}, True),
    ("galaxies", {"subhalos": [1, "3-9"]}, True),
    ("galaxies", {"subhalos": "1,3-9, 12"}, True),
    ("galaxies", {"subhalos": ["3-"]}, False),
    ("galaxies", {"subhalos": "a"}, False),
    ("galaxies", {"stellar_mass": [1e9, None], "centrals": True}, True),
    ("galaxies", {"stellar_mass": [1e9]}, False),
    ("galaxies", {"star_formation_rate": [-1, 2]}, False),
    ("galaxies", {"particles": "group"}, True),
    ("galaxies", {"particles": "halo"}, False),
    ("galaxies", {"particles": "field", "depth": 500}, True),
    ("galaxies", {"particles": "field", "depth": 0}, False),
    ("output", {"assembly": "collective"}, True),
    ("output", {"assembly": "merge"}, False),
    ("output", {"compression": 1.5}, False),
    ("resources", {"backend": "cpu", "threads": 2}, True),
    ("compat", "galcraft", False),
    ("extra", {}, False),
]
cases = [(example, True)]
for section, value, allowed in changes:
    config = copy.deepcopy(example)
    config[section] = value
    cases.append((config, allowed))

failures = 0
for config, allowed in cases:
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(config, file)
        file.flush()
        run = subprocess.run([tessera, "run", file.name, "--dry-run"], capture_output=True, text=True)
    # The snapshot does not exist: a configuration that is in order ends with 1, any other with 2.
    by_parser, by_schema = run.returncode == 1, validator.is_valid(config)
    if (by_parser, by_schema) != (allowed, allowed):
        failures += 1
        print(f"parser {by_parser}, schema {by_schema}, expected {allowed}: {json.dumps(config)}\n{run.stderr}")
print(f"{len(cases)} configurations, {failures} failures")
sys.exit(failures > 0)
