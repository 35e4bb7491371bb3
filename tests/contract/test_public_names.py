"""What a module says it exports is there, sorted, and is everything that a user is meant to see."""

import importlib
import pkgutil
import subprocess
import sys
import types

import pytest

import softreg

MODULES = ["softreg", *(m.name for m in pkgutil.walk_packages(softreg.__path__, "softreg."))]
MODULES = [name for name in MODULES if not name.endswith(("._native", ".__main__"))]

SOFTREG = ["LBFGS", "SGD", "Dataset", "EarlyStopping", "Model", "Newton", "Proximal", "Score", "Settings"]
SOFTREG += [
    "SoftmaxRegression",
    "SoftmaxRegressionCV",
    "Solution",
    "Status",
    "cross_entropy",
    "fit",
    "log_softmax",
    "logsumexp",
    "softmax",
]


def test_softreg_exports_these_names_and_no_others() -> None:
    assert softreg.__all__ == SOFTREG
    public = {
        name
        for name, value in vars(softreg).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    }
    assert public | set(softreg._ESTIMATORS) == set(SOFTREG)


@pytest.mark.parametrize("name", MODULES)
def test_all_is_sorted_and_importable(name: str) -> None:
    module = importlib.import_module(name)
    exported = module.__all__
    assert list(exported) == sorted(exported, key=lambda n: (not n.isupper(), not n[:1].isupper(), n))
    assert [n for n in exported if not hasattr(module, n)] == []


@pytest.mark.parametrize("name", MODULES)
def test_everything_exported_has_a_docstring(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__doc__
    documented = (types.FunctionType, type)
    bare = [n for n in module.__all__ if isinstance(getattr(module, n), documented) and not getattr(module, n).__doc__]
    assert bare == []


@pytest.mark.parametrize("name", MODULES)
def test_nothing_public_is_left_out_of_all(name: str) -> None:
    module = importlib.import_module(name)
    defined = {
        n
        for n, value in vars(module).items()
        if not n.startswith("_") and getattr(value, "__module__", None) == name and callable(value)
    }
    assert defined - set(module.__all__) == set()


def modules_after(statement: str) -> set[str]:
    code = f"{statement}\nimport sys\nprint(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


HEAVY = {
    "sklearn",
    "scipy",
    "matplotlib",
    "pooch",
    "requests",
    "safetensors",
    "rich",
    "pandas",
    "PIL",
    "pyarrow",
    "torch",
    "platformdirs",
    "jinja2",
}


@pytest.mark.parametrize("statement", ["import softreg", "import softreg.cli"])
def test_importing_is_light(statement: str) -> None:
    assert not {name.split(".")[0] for name in modules_after(statement)} & HEAVY


def test_inference_comes_when_it_is_asked_for() -> None:
    assert "softreg.inference" not in modules_after("import softreg")
    assert "pandas" not in modules_after("import softreg.inference")


def test_what_draws_the_report_comes_with_its_page() -> None:
    assert not {name.split(".")[0] for name in modules_after("import softreg.report")} & {"jinja2", "matplotlib", "PIL"}


@pytest.mark.slow
@pytest.mark.parametrize("command", ["train", "tune", "predict", "report"])
def test_help_is_light(command: str) -> None:
    statement = f"import softreg.cli\ntry: softreg.cli.main(['{command}', '--help'])\nexcept SystemExit: pass"
    assert not {name.split(".")[0] for name in modules_after(statement)} & HEAVY
