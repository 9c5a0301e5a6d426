#!/bin/bash
# Checks that each layer includes only itself and those above it in the list below, that no layout includes another
# layout's folder, and that the layout huggingface and the transform select name no model family or engine. Prints each
# line that breaks a rule; exit code 1 if there is one.
set -euo pipefail
cd "${1:-$(dirname "${BASH_SOURCE[0]}")/..}"

layers=(base option console source parallel tensor format checkpoint view transform layout pipeline verify fuse
  materialize report service doctor cli)

if grep -rHniE 'deepseek|llama|qwen|mixtral|mindie' src/layout/huggingface src/transform/select* src/transform/rename*; then
  echo "tests/layers.sh: the lines above name a model family or an engine in a layout or transform for all of them" >&2
  exit 1
fi

grep -rHo --include='*.h' --include='*.cc' '^#include "[^"]*"' src include/shardfs |
  awk -F: -v layers="${layers[*]}" '
    BEGIN { count = split(layers, names, " "); for (i = 1; i <= count; ++i) place[names[i]] = i }
    function layer_of(path) { sub(/^(src|include\/shardfs|shardfs)\//, "", path); return path }
    {
      file = layer_of($1)
      target = $2; gsub(/^#include "|"$/, "", target); target = layer_of(target)
      split(file, from, "/"); split(target, to, "/")
      if (!(from[1] in place)) { print $1 ": its folder is not in the list of layers"; bad = 1; next }
      if (!(to[1] in place)) { print $1 ": includes \"" target "\", whose folder is not in the list of layers"; bad = 1; next }
      if (place[to[1]] > place[from[1]]) { print $1 ": " from[1] " includes \"" target "\" of a layer that stands on it"; bad = 1 }
      if (from[1] == "layout" && to[1] == "layout" && to[3] != "" && from[3] != "" && from[2] != to[2]) {
        print $1 ": the layout " from[2] " includes \"" target "\" of another layout"; bad = 1
      }
    }
    END { exit bad }'
