#!/usr/bin/env bash
# Lint, format, types and tests, in .venv (made when there is none). Arguments go to pytest:
#   bash scripts/test.sh                    everything but the slow tests
#   bash scripts/test.sh -m slow            the slow tests
#   bash scripts/test.sh tests/test_cli.py  one file
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/venv.sh
prepare_venv requirements-dev.txt

failed=()
step() {
    local name=$1 start=$SECONDS
    shift
    echo "== $name"
    "$@" || failed+=("$name")
    echo "== $name: $((SECONDS - start)) s"
}
step "ruff check" .venv/bin/ruff check .
step "ruff format" .venv/bin/ruff format --check --exclude '*.md' .
step "mypy" .venv/bin/mypy
step "pytest" .venv/bin/python -m pytest -n 2 "$@"
if ((${#failed[@]})); then
    echo "FAILED: ${failed[*]}" >&2
    exit 1
fi
echo "All passed in $SECONDS s."
