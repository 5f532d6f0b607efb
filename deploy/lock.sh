#!/bin/sh
# Resolves pyproject.toml into requirements/*.txt: one file per image and one for everything (dev), all with hashes and
# the same versions. The addresses of package indexes stay out of the files.
set -eu
uv=${1:-uv}
cd "$(dirname "$0")/.."
compile() { # name, then extras
    name=$1; shift
    extras=; for extra in "$@"; do extras="$extras --extra $extra"; done
    constraint=; [ "$name" = dev ] || constraint="--constraint requirements/dev.txt"
    # shellcheck disable=SC2086  # word splitting is wanted
    "$uv" pip compile pyproject.toml $extras $constraint --quiet --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --no-annotate --custom-compile-command 'make lock' \
        --output-file "requirements/$name.txt"
}
compile dev all dev
compile api api
compile worker worker
compile trainer trainer
compile gpu gpu
compile openvino openvino
compile gateway gateway
# What builds: the installer itself and our wheel's build backend.
printf 'uv\nhatchling\neditables\n' | "$uv" pip compile - --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
    --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' --output-file requirements/build.txt
