#!/bin/bash
# transform_ckpt_lora.py: which shardfs command it runs for which command line, and what the program then writes.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/helpers.sh"
program=$root/mount-scripts/mindspore/transform_ckpt_lora.py
require_command python3
cd "$scratch"

# ---- with a stand-in for shardfs, which records its arguments ----

mkdir bin
cat >bin/stand-in <<'TEXT'
#!/bin/bash
echo "$@" >>"$RECORD"
mkdir -p "$3"
TEXT
chmod +x bin/stand-in
export RECORD=$scratch/record

# expect_said EXPECTED OPTION...: the command that is run, below $scratch as ".".
expect_said() {
  local expected=$1 is
  shift
  : >"$RECORD"
  SHARDFS=$scratch/bin/stand-in "$program" "$@" >output 2>&1 || fail "$*: exit code $?: $(<output)"
  is=$(sed "s:$scratch:.:g" "$RECORD")
  [[ $is == "$expected" ]] || fail "$* ran '$is' and not '$expected'"
  grep -qF "$scratch/bin/stand-in materialize" output || fail "$* does not print what it runs: $(<output)"
}

expect_refusal() {
  : >"$RECORD"
  SHARDFS=$scratch/bin/stand-in expect_refused 2 "$1" "$program" "${@:2}"
  [[ ! -s $RECORD ]] || fail "${*:2} ran shardfs all the same: $(<"$RECORD")"
}

mkdir -p many/rank_0 many/rank_1 one/rank_0 strategies
touch full.ckpt strategy.ckpt
merged='--layout ckpt --file-name merged_lora.ckpt'
expect_said "materialize ./full.ckpt ./out --lora-scaling 1.0 $merged" --src_ckpt_path_or_dir full.ckpt \
  --dst_ckpt_dir out --src_ckpt_strategy None --prefix p-
expect_said "materialize ./full.ckpt ./out --lora-scaling 0.5 --layout safetensors \
--file-name merged_lora.ckpt.safetensors" --src_ckpt_path_or_dir full.ckpt --dst_ckpt_dir out --lora_scaling 0.5 \
  --save_format safetensors
expect_said "materialize ./many ./out --from mindspore --src-strategy ./strategies --lora-scaling 2.0 $merged" \
  --src_ckpt_path_or_dir many --src_ckpt_strategy strategies --dst_ckpt_dir out --lora_scaling 2
# One rank folder is a full checkpoint, whose strategy counts for nothing.
expect_said "materialize ./one ./out --lora-scaling 1.0 $merged" --src_ckpt_path_or_dir one \
  --src_ckpt_strategy strategy.ckpt --dst_ckpt_dir out
grep -q 'is not used' output || fail "an unused strategy is not named: $(<output)"
# What the tool itself left goes, and nothing else does.
touch out/merged_lora.ckpt out/notes
expect_said "materialize ./full.ckpt ./out --lora-scaling 1.0 $merged" --src_ckpt_path_or_dir full.ckpt \
  --dst_ckpt_dir out
[[ ! -e out/merged_lora.ckpt && -e out/notes ]] || fail "out: $(ls out)"
expect_refusal 'give the source' --dst_ckpt_dir out
expect_refusal 'give the destination' --src_ckpt_path_or_dir full.ckpt
expect_refusal 'does not exist' --src_ckpt_path_or_dir nowhere --dst_ckpt_dir out
expect_refusal 'does not exist' --src_ckpt_path_or_dir many --src_ckpt_strategy nowhere --dst_ckpt_dir out
expect_refusal 'slices of 2 ranks' --src_ckpt_path_or_dir many --dst_ckpt_dir out
expect_refusal 'leave --dst_ckpt_strategy out' --src_ckpt_path_or_dir many --src_ckpt_strategy strategies \
  --dst_ckpt_strategy strategy.ckpt --dst_ckpt_dir out
expect_refusal 'which is read' --src_ckpt_path_or_dir many --src_ckpt_strategy strategies --dst_ckpt_dir .
expect_refusal 'invalid' --src_ckpt_path_or_dir full.ckpt --dst_ckpt_dir out --lora_scaling two

# ---- with the program ----

export SHARDFS=$SHARDFS_EXECUTABLE
golden=$root/tests/golden/lora/mf_mindpet_ckpt
"$program" --src_ckpt_path_or_dir "$golden/source/rank_0/lora.ckpt" --dst_ckpt_dir merged --lora_scaling 2 >output 2>&1 ||
  fail "of a file: $(<output)"
cmp merged/merged_lora.ckpt "$golden/expected/merged_lora.ckpt" || fail "the merged file differs"
"$program" --src_ckpt_path_or_dir "$golden/source" --dst_ckpt_dir again --lora_scaling 2 >output 2>&1 ||
  fail "of a directory: $(<output)"
cmp again/merged_lora.ckpt "$golden/expected/merged_lora.ckpt" || fail "the merged file of a directory differs"
# Another scaling replaces what the first has written.
"$program" --src_ckpt_path_or_dir "$golden/source" --dst_ckpt_dir again --lora_scaling 1 >output 2>&1 ||
  fail "of another scaling: $(<output)"
if cmp -s again/merged_lora.ckpt "$golden/expected/merged_lora.ckpt"; then fail "the scaling has no effect"; fi
expect_refused 2 'has none' "$program" --src_ckpt_path_or_dir "$golden/expected/merged_lora.ckpt" --dst_ckpt_dir none
