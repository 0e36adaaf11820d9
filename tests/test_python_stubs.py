"""The type stubs of the Python package `tessera` against the module that they describe."""

import ast
import importlib.util
import os
import sys
import unittest

import python_scene as scene

scene.arguments()

import tessera  # noqa: E402


class TestStubs(unittest.TestCase):
    def test_stubs(self):
        """_core.pyi says what _core has, no more and no less; py.typed says that there are types."""
        folder = os.path.dirname(tessera.__file__)
        self.assertTrue(os.path.isfile(os.path.join(folder, "py.typed")))
        path = os.path.join(folder, "_core.pyi")
        if not os.path.isfile(path) and sys.version_info < (3, 11) and not importlib.util.find_spec("typing_extensions"):
            self.skipTest("stubs need typing_extensions before Python 3.11")
        with open(path, encoding="utf-8") as file:
            tree = ast.parse(file.read(), path)

        def defined(body):
            out = {n.name: n for n in body if isinstance(n, (ast.ClassDef, ast.FunctionDef))}
            return out | {n.target.id: n for n in body if isinstance(n, ast.AnnAssign)}

        def public(names):
            return {n for n in names if not n.startswith("_")}
        stub = defined(tree.body)
        self.assertEqual(public(stub), public(dir(tessera._core)))
        for name in ("Model", "Linearisation", "Stars", "Galaxy", "Snapshot"):
            self.assertIsInstance(stub[name], ast.ClassDef)
            self.assertEqual(public(defined(stub[name].body)), public(vars(getattr(tessera._core, name))), name)
            for function in stub[name].body:
                if isinstance(function, ast.FunctionDef):
                    self.assertIsNotNone(function.returns, f"{name}.{function.name}")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
