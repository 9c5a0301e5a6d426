#!/usr/bin/env bash
# Shows the page of `shardfs plan --html` to headless Chromium (page_test.mjs says what it looks at). Needs nodejs, npm
# and chromium (mount-scripts/install-dependencies.sh --browser) and, the first time, the npm registry. Without one of
# them it is skipped: exit code 77.
set -euo pipefail

usage() {
  cat <<'EOT'
Usage: tests/browser/run.sh SHARDFS [WORK_DIRECTORY]

  SHARDFS          the program (build/src/cli/shardfs)
  WORK_DIRECTORY   keeps the packages and the screenshots (default: a new one, removed at the end)
EOT
}

if (($# < 1)) || [[ $1 == --help ]]; then
  usage
  exit $(($# < 1 ? 2 : 0))
fi
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
shardfs=$(realpath "$1")
work=${2:-}
if [[ -z $work ]]; then
  work=$(mktemp -d "${TMPDIR:-/tmp}/shardfs-browser-XXXXXX")
  trap 'rm -rf "$work"' EXIT
fi

skip() {
  echo "tests/browser/run.sh: skipped: $1" >&2
  exit 77
}

command -v node >/dev/null || skip "there is no node"
command -v npm >/dev/null || skip "there is no npm"
chromium=$(command -v chromium || command -v chromium-browser || command -v google-chrome) || skip "there is no chromium"

mkdir -p "$work/screenshots"
exec {lock}>"$work/.lock" # one run at a time in a directory that is kept
flock "$lock"
cp "$here/package.json" "$here/package-lock.json" "$here/page_test.mjs" "$work"
cd "$work"
if [[ ! -e node_modules/axe-core/axe.min.js || ! -e node_modules/playwright-core/package.json ]]; then
  timeout 600 npm ci --no-audit --no-fund --fetch-retries=0 >npm.log 2>&1 || skip "npm cannot fetch the packages: $(tail -n 1 npm.log)"
fi

golden=$here/../golden
page() { # LANGUAGE NAME WORD...: the page of such a plan
  local language=$1 name=$2
  shift 2
  env "LC_ALL=$language" "$shardfs" plan "$@" --html "$work/$name.html" >/dev/null
  pages+=("$work/$name.html")
}
pages=()
moe=$golden/mindie/bf16_dp2tp8_mtp4ep4/source
page C mindie "$moe" --dp 2 --tp 8 --moe-tp 4 --moe-ep 4 --mtp --nnodes 2
page zh_CN.UTF-8 mindie-128-zh "$moe" --dp 8 --tp 16 --moe-tp 8 --moe-ep 16 --mtp --nnodes 16
page C sharded-state "$moe" --layout sharded-state --engine vllm --tp 2
page C rank-cut "$golden/rank-cut/v3_tp2_ep2_pp2/source" --layout rank-cut --rules "$golden/rank-cut/v3_tp2_ep2_pp2/rules.json"
page C huggingface "$moe" --layout huggingface
timeout 1500 node page_test.mjs "$chromium" "$work/screenshots" "${pages[@]}"
