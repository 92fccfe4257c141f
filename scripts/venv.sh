# Sourced by quickstart.sh and test.sh: gives them .venv in the repository with the pinned requirements.
# shellcheck shell=bash

# The first Python among the usual names that TensorFlow 2.21 has wheels for.
find_python() {
    local candidate
    for candidate in python3 python3.11 python3.12 python3.13 python; do
        if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
            echo "$candidate"
            return 0
        fi
    done
    echo "gmn_tf needs Python 3.11, 3.12 or 3.13; found $(python3 --version 2>/dev/null || echo 'no python3')." \
        "Install one of them (Debian, Ubuntu: apt install python3.11 python3.11-venv) and run this again." >&2
    return 1
}

# prepare_venv REQUIREMENTS_FILE: makes .venv when there is none, installs when the requirements changed.
prepare_venv() {
    local requirements=$1 python stamp wanted
    if [[ ! -x .venv/bin/python ]]; then
        python=$(find_python)
        echo "Making .venv with $("$python" --version)."
        if ! "$python" -m venv .venv; then
            rm -rf .venv
            echo "Python's venv module failed (Debian, Ubuntu: apt install python3-venv)." >&2
            return 1
        fi
    fi
    if ! .venv/bin/python -c 'import sys; sys.exit(sys.version_info[:2] < (3, 11))'; then
        echo ".venv holds $(.venv/bin/python --version), gmn_tf needs 3.11 or newer: remove .venv and run this again." >&2
        return 1
    fi
    .venv/bin/python -m pip --version >/dev/null 2>&1 || .venv/bin/python -m ensurepip --default-pip >/dev/null
    stamp=.venv/installed-$(basename "$requirements")
    wanted=$({ pwd; cat requirements*.txt pyproject.toml; } | sha256sum)
    if [[ "$(cat "$stamp" 2>/dev/null || true)" != "$wanted" ]]; then
        echo "Installing $requirements (about 3 GB on disk, a minute or two)."
        .venv/bin/python -m pip install -qq --disable-pip-version-check -r "$requirements"
        .venv/bin/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
        echo "$wanted" >"$stamp"
    fi
}
