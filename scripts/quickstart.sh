#!/usr/bin/env bash
# From nothing to a served prediction: trains a population of small networks on scikit-learn's digits, learns to
# tell their test accuracy from their weights, compares, exports, and judges networks it has never seen.
#   bash scripts/quickstart.sh [--size 1400] [--epochs 30] [--seed 0] [--out quickstart]
# Makes .venv in the repository when there is none. Run again, it goes on where it stopped.
set -euo pipefail

usage() { sed -n '2,5s/^# \{0,1\}//p' "$0"; }

size=1400 epochs="" seed=0 out=""
while (($#)); do
    case $1 in
    --size | --epochs | --seed | --out)
        if (($# < 2)); then
            echo "$1 needs a value." >&2
            exit 2
        fi
        printf -v "${1#--}" '%s' "$2"
        shift 2
        ;;
    -h | --help) usage && exit 0 ;;
    *) echo "Unknown option $1." >&2 && usage >&2 && exit 2 ;;
    esac
done
[[ -z $out || $out == /* ]] || out=$PWD/$out
cd "$(dirname "${BASH_SOURCE[0]}")/.."
out=${out:-$PWD/quickstart}
source scripts/venv.sh
prepare_venv requirements.txt
mkdir -p "$out"
gmn_tf=.venv/bin/gmn-tf
began=$SECONDS
times=()

stage() {
    local name=$1 start=$SECONDS
    shift
    printf '\n== %s\n' "$name"
    "$@"
    times+=("$(printf '%5d s  %s' $((SECONDS - start)) "$name")")
    echo "== $name: $((SECONDS - start)) s"
}

train=("$gmn_tf" train accuracy --zoo "$out/zoo" --out "$out/run" --seed "$seed")
[[ -z $epochs ]] || train+=(--epochs "$epochs")

stage "1. a population of $size networks" \
    "$gmn_tf" zoo --data digits --family cnn --size "$size" --seed "$seed" --keras 6 --out "$out/zoo"
stage "2. the metanetwork" "${train[@]}"
stage "3. the comparison on held-out networks" "$gmn_tf" evaluate --run "$out/run" --zoo "$out/zoo"
networks=("$out"/zoo/keras/*.keras)
stage "   one network as a parameter graph" "$gmn_tf" inspect "${networks[0]}" --plot "$out/parameter-graph.png"
stage "4. export as a SavedModel" \
    "$gmn_tf" export --run "$out/run" --zoo "$out/zoo" --out "$out/export" --overwrite
stage "   the export in a process without this package" .venv/bin/python scripts/check_export.py "$out/export"
stage "5. networks of no split" \
    "$gmn_tf" predict --model "$out/export" --measured "$out/zoo/keras/accuracies.csv" "${networks[@]}"

printf '\nDone in %d s:\n' $((SECONDS - began))
printf '%s\n' "${times[@]}"
echo "In $out: zoo/ (the population), run/ (the metanetwork; see it train with .venv/bin/tensorboard --logdir"
echo "$out/run), parameter-graph.png, export/ (the SavedModel and its card)."
