"""The names users may rely on, and that importing the package stays light."""

from __future__ import annotations

import subprocess
import sys

import pytest

import gmn_tf

PUBLIC = [
    "AccuracyProbe",
    "ComputationGraph",
    "GmnError",
    "GraphMetanetwork",
    "ParameterGraph",
    "UnsupportedLayerError",
    "WeightsReader",
    "Zoo",
    "__version__",
    "check_symmetry",
    "keras_layers",
    "load",
    "optimizer_slots",
    "rank",
    "register_converter",
    "supported_layers",
]


def test_the_list():
    assert sorted(gmn_tf.__all__) == PUBLIC
    assert dir(gmn_tf) == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_every_name_is_there_and_documented(name):
    value = getattr(gmn_tf, name)
    if name != "__version__":
        assert value.__doc__, f"{name} has no docstring"


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = gmn_tf.no_such_name


def test_errors_are_value_errors_of_one_family():
    from gmn_tf import errors

    family = [item for item in vars(errors).values() if isinstance(item, type)]
    assert len(family) > 5
    assert all(issubclass(item, gmn_tf.GmnError) and issubclass(item, ValueError) for item in family)


def test_importing_the_package_imports_nothing_heavy():
    code = (
        "import sys, gmn_tf; "
        "heavy = {'tensorflow', 'keras', 'tf_keras', 'numpy', 'sklearn'} & set(sys.modules); "
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_keras_2_is_set_before_tensorflow_starts():
    code = (
        "import gmn_tf, os; print(os.environ['TF_USE_LEGACY_KERAS'], os.environ['TF_CPU_ALLOCATOR_USE_BFC'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "1"]


def test_a_warning_when_tensorflow_came_first():
    code = (
        "import sys, types, os, warnings\n"
        "os.environ.pop('TF_USE_LEGACY_KERAS', None)\n"
        "sys.modules['tensorflow'] = types.ModuleType('tensorflow')\n"
        "with warnings.catch_warnings(record=True) as caught:\n"
        "    warnings.simplefilter('always')\n"
        "    import gmn_tf\n"
        "assert len(caught) == 1 and 'import gmn_tf first' in str(caught[0].message), caught\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
