#!/bin/sh
# Compile an application in its folder of the share, as the user who runs this. The folder has its
# sources, `source.tar`, and `recipe.sh`, which puts programs into $BIN. Prints the programs' names.
# Usage: app_build.sh FOLDER DIGEST SUMS NEEDS [NAME=VALUE...]
# SUMS: a line of sha256sum(1) for each of both files; NEEDS: programs, with blanks between.
# Status 69: programs of NEEDS are missing, printed; 65: nothing was made; 70: the recipe failed;
# 75: another one has put its files there.
set -eu
cd "$1"
digest=$2 sums=$3 needs=$4
shift 4
build() {
  flock 9 # another one may build the same
  if [ -f built ] && [ "$(cat built)" = "$digest" ]; then ls bin; exit; fi
  printf '%s\n' "$sums" | sha256sum --check --status || exit 75 # EX_TEMPFAIL

  missing=
  for program in $needs; do
    command -v "$program" > /dev/null || missing="$missing $program"
  done
  if [ -n "$missing" ]; then echo "${missing# }"; exit 69; fi # EX_UNAVAILABLE

  rm -rf built src bin
  mkdir src bin
  BIN=$PWD/bin JOBS=$(nproc)
  export BIN JOBS
  tar -xf source.tar -C src --no-same-owner
  cd src
  top=$(find . -mindepth 1 -maxdepth 1)
  if [ -d "$top" ]; then cd "$top"; fi # an archive's one folder
  if ! env "$@" sh -eu "$BIN/../recipe.sh" > "$BIN/../build.log" 2>&1 9>&-; then
    tail -n 20 "$BIN/../build.log" >&2
    exit 70 # EX_SOFTWARE
  fi
  cd "$BIN"
  if [ -z "$(ls)" ]; then echo "no program in $BIN" >&2; exit 65; fi # EX_DATAERR
  printf %s "$digest" > ../built.new
  mv ../built.new ../built
  ls
}

build "$@" 9> lock
