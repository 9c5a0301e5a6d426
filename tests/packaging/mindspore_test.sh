#!/bin/bash
# The programs that take the command lines of MindSpore Transformers' tools: which shardfs command each runs, and what
# it leaves beside the files. A stand-in records the commands; the last part runs them with the program itself.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/helpers.sh"
scripts=$root/mount-scripts/mindspore
require_command python3
python3 -c 'import yaml' 2>/dev/null || skip "there is no python3-yaml here"
cd "$scratch"

# ---- the stand-in ----

# Prints world_size 4 for a plan, makes the directory of a materialize as shardfs does, and merges into a file.
mkdir bin
cat >bin/stand-in <<'TEXT'
#!/bin/bash
for argument; do printf '%s\n' "$argument"; done >>"$RECORD"
echo --- >>"$RECORD"
case $1 in
  plan) echo '{"world_size": 4}' ;;
  materialize)
    if [[ -n ${FAIL:-} && $* != *--replace* ]]; then exit "$FAIL"; fi
    mkdir -p "$3/rank_0" && touch "$3/.shardfs-complete"
    ;;
  merge-strategies) echo merged >"$3" ;;
esac
TEXT
chmod +x bin/stand-in
export RECORD=$scratch/record

# said COMMAND...: runs it with the stand-in; prints the shardfs commands in a line each, below $scratch as ".".
said() {
  : >"$RECORD"
  SHARDFS=$scratch/bin/stand-in "$@" >output 2>&1 || { echo "exit code $?" >>output && fail "$*: $(<output)"; }
  tr '\n' ' ' <"$RECORD" | sed "s:$scratch:.:g; s: *--- *:\\n:g"
}

# expect_said EXPECTED COMMAND...
expect_said() {
  local expected=$1 is
  shift
  is=$(said "$@")
  [[ $is == "$expected" ]] || fail "$* ran '$is' and not '$expected'"
  # What is run is printed too.
  grep -qF "$scratch/bin/stand-in materialize" output || fail "$* does not print what it runs: $(<output)"
}

expect_refusal() {
  : >"$RECORD"
  SHARDFS=$scratch/bin/stand-in expect_refused 2 "$@"
  [[ ! -s $RECORD ]] || fail "$* ran shardfs all the same: $(<"$RECORD")"
}

mkdir -p many/rank_0 many/rank_1 one/rank_0 full strategies out
touch many/rank_{0,1}/a.safetensors one/rank_0/a.safetensors full/{x.1,y}.safetensors src.ckpt dst.ckpt
view='--from mindspore --layout mindspore --prefix checkpoint_'

# ---- transform_checkpoint.py ----

transform=$scripts/transform_checkpoint.py
expect_said "materialize ./many ./out/many $view --src-strategy ./src.ckpt --dst-strategy ./dst.ckpt" \
  "$transform" --src_checkpoint many --dst_checkpoint_dir out --src_strategy src.ckpt --dst_strategy dst.ckpt
[[ -e out/many/transform_succeed_rank_0.txt ]] || fail "no marker of success"
# Older spellings, a strategy directory, and the default destination.
expect_said "materialize ./many ./transformed_checkpoint/many $view --src-strategy ./strategies" \
  "$transform" --src_checkpoint many/ --src_strategy_path_or_dir strategies --dst_strategy None --process_num 2 \
  --transform_by_rank True
# One rank folder is a full checkpoint, whose strategy counts for nothing.
expect_said 'materialize ./one ./out/one --from mindspore --layout mindspore --prefix p- --dst-strategy ./dst.ckpt' \
  "$transform" --src_checkpoint one --dst_checkpoint out --src_strategy src.ckpt --dst_strategy dst.ckpt --prefix p-
# Full files go into a folder each.
expect_said "materialize ./full/x.1.safetensors ./out/x $view --dst-strategy ./dst.ckpt
materialize ./full/y.safetensors ./out/y $view --dst-strategy ./dst.ckpt" \
  "$transform" --src_checkpoint full --dst_checkpoint_dir out --dst_strategy dst.ckpt
expect_said "materialize ./full/y.safetensors ./out/y $view --dst-strategy ./dst.ckpt" \
  "$transform" --src_checkpoint full/y.safetensors --dst_checkpoint_dir out --dst_strategy dst.ckpt
# The world size is checked against the view's; another process of the same run leaves its own marker.
expect_said "plan ./one $view --dst-strategy ./dst.ckpt --json
materialize ./one ./out/one $view --dst-strategy ./dst.ckpt" \
  "$transform" --src_checkpoint one --dst_checkpoint_dir out --dst_strategy dst.ckpt --world_size 4 \
  --transform_process_num 2 --rank_id 2
[[ -e out/one/transform_succeed_rank_0.txt && -e out/one/transform_succeed_rank_2.txt ]] || fail "a marker is missing"
SHARDFS=$scratch/bin/stand-in expect_refused 2 'world_size is 8' "$transform" --src_checkpoint one \
  --dst_checkpoint_dir out --dst_strategy dst.ckpt --world_size 8
[[ -e out/one/transform_failed_rank_0.txt && ! -e out/one/transform_succeed_rank_0.txt ]] || fail "no marker of failure"
# A node's own ranks.
expect_said "plan ./one $view --dst-strategy ./dst.ckpt --json
materialize ./one ./out/one $view --dst-strategy ./dst.ckpt --ranks 2-3" \
  "$transform" --src_checkpoint one --dst_checkpoint_dir out --dst_strategy dst.ckpt --world_size 4 --rank_id 2 \
  --npu_num_per_node 2
# What shardfs wrote before for something else is replaced, unless it may be another node's.
expect_said "materialize ./one ./out/one $view --dst-strategy ./dst.ckpt
materialize ./one ./out/one $view --dst-strategy ./dst.ckpt --replace" \
  env FAIL=2 "$transform" --src_checkpoint one --dst_checkpoint_dir out --dst_strategy dst.ckpt
FAIL=2 SHARDFS=$scratch/bin/stand-in expect_refused 2 'stand-in materialize' "$transform" --src_checkpoint one \
  --dst_checkpoint_dir out --dst_strategy dst.ckpt --rank_id 0 --npu_num_per_node 2
FAIL=3 SHARDFS=$scratch/bin/stand-in expect_refused 3 'stand-in materialize' "$transform" --src_checkpoint one \
  --dst_checkpoint_dir out --dst_strategy dst.ckpt
[[ $(<out/one/transform_failed_rank_0.txt) == *'exit code 3'* ]] || fail "the marker does not say what went wrong"
# What the tool itself left is removed first, and nothing else is.
mkdir -p out/old/rank_0 out/old/rank_1 && touch out/old/rank_1/b out/old/notes out/old/transform_failed_rank_8.txt
cp -r many old
said "$transform" --src_checkpoint old --dst_checkpoint_dir out --src_strategy src.ckpt >/dev/null
[[ ! -e out/old/rank_1 && ! -e out/old/transform_failed_rank_8.txt && -e out/old/notes ]] || fail "out/old: $(ls out/old)"

expect_refusal 'slices of several ranks' "$transform" --src_checkpoint many --dst_strategy dst.ckpt
expect_refusal 'or both' "$transform" --src_checkpoint one
expect_refusal 'no rank_<n> folder' "$transform" --src_checkpoint strategies --dst_strategy dst.ckpt
expect_refusal 'does not exist' "$transform" --src_checkpoint nowhere --dst_strategy dst.ckpt
expect_refusal 'does not exist' "$transform" --src_checkpoint one --dst_strategy nothing.ckpt
expect_refusal 'which is read' "$transform" --src_checkpoint many --dst_checkpoint_dir . --src_strategy src.ckpt
expect_refusal 'does not divide' "$transform" --src_checkpoint one --dst_strategy dst.ckpt --world_size 4 \
  --transform_process_num 3
expect_refusal 'power of 2' "$transform" --src_checkpoint one --dst_strategy dst.ckpt --npu_num_per_node 6
SHARDFS=$scratch/bin/none expect_refused 2 'put shardfs into PATH' "$transform" --src_checkpoint one \
  --dst_strategy dst.ckpt

# ---- transform_checkpoint.sh ----

command=$(said "$scripts/transform_checkpoint.sh" many src.ckpt out2 dst.ckpt 4 2)
line="materialize ./many ./out2/many $view --src-strategy ./src.ckpt --dst-strategy ./dst.ckpt"
plan="plan ./many $view --src-strategy ./src.ckpt --dst-strategy ./dst.ckpt --json"
[[ $command == "$plan
$line
$plan
$line" ]] || fail "transform_checkpoint.sh ran '$command'"
[[ -e out2/many/transform_succeed_rank_0.txt && -e out2/many/transform_succeed_rank_2.txt ]] || fail "markers are missing"
grep -q 'stand-in materialize' log/transform_1.log || fail "no log of the second process"
command=$(said "$scripts/transform_checkpoint.sh" full/y.safetensors None out2 dst.ckpt 4 1 net_)
[[ $command == *"materialize ./full/y.safetensors ./out2/y ${view/checkpoint_/net_} --dst-strategy ./dst.ckpt" ]] ||
  fail "transform_checkpoint.sh ran '$command'"
expect_refused 1 'Usage:' "$scripts/transform_checkpoint.sh" many src.ckpt out2
expect_refusal 'does not divide' "$scripts/transform_checkpoint.sh" many src.ckpt out2 dst.ckpt 4 3
FAIL=3 SHARDFS=$scratch/bin/stand-in expect_refused 3 'stand-in' \
  "$scripts/transform_checkpoint.sh" many src.ckpt out2 dst.ckpt 4 2

# ---- unified_safetensors.py ----

unify=$scripts/unified_safetensors.py
mkdir -p out3/1_1_ckpt_convert/left
expect_said "merge-strategies ./strategies ./out3/1_1_ckpt_convert/merge_strategy/merge_strategy.ckpt
materialize ./many ./out3/1_1_ckpt_convert/unified_safe --from mindspore --src-strategy \
./out3/1_1_ckpt_convert/merge_strategy/merge_strategy.ckpt --layout mindspore-unified --file-suffix 1_1 --has-redundancy" \
  "$unify" --mindspore_ckpt_dir many --src_strategy_dirs strategies --output_dir out3
[[ ! -e out3/1_1_ckpt_convert/left ]] || fail "the output directory was not emptied"
expect_said "materialize ./many ./out3/2_5_ckpt_convert/unified_safe --from mindspore --src-strategy \
./out3/2_5_ckpt_convert/merge_strategy/merge_strategy.ckpt --layout mindspore-unified --file-suffix 2_5 \
--no-has-redundancy --filter-out-param-prefix adam_" \
  "$unify" --mindspore_ckpt_dir many --src_strategy_dirs src.ckpt --output_dir out3 --file_suffix 2_5 \
  --has_redundancy False --filter_out_param_prefix adam_ --max_process_num 8 --format ckpt
cmp src.ckpt out3/2_5_ckpt_convert/merge_strategy/merge_strategy.ckpt || fail "the strategy was not copied"
expect_refusal 'does not exist' "$unify" --src_strategy_dirs strategies --output_dir out3
expect_refusal 'invalid' "$unify" --mindspore_ckpt_dir many --src_strategy_dirs strategies --has_redundancy maybe

# ---- auto_trans_ckpt.py ----

auto=$scripts/auto_trans_ckpt.py
mkdir -p task/strategy
cat >task.yaml <<'TEXT'
load_checkpoint: many
src_strategy_path_or_dir: src.ckpt
auto_trans_ckpt: True
only_save_strategy: False
output_dir: task
use_parallel: True
parallel_config:
  data_parallel: 1
  model_parallel: 2
  pipeline_stage: 2
transform_process_num: 2
npu_num_per_node: 2
TEXT
views="$view --src-strategy ./src.ckpt --dst-strategy ./task/strategy"
expect_said "plan ./many $views --json
materialize ./many ./task/transformed_checkpoint/many $views" env -u RANK_ID "$auto" --config task.yaml
expect_said "plan ./many $views --json
materialize ./many ./task/transformed_checkpoint/many $views --ranks 2-3" env RANK_ID=3 "$auto" --config task.yaml
sed -i 's/^use_parallel: True/use_parallel: False/; s/^npu.*//; s/^transform.*//' task.yaml
expect_said "materialize ./many ./elsewhere/transformed_checkpoint/many $view --src-strategy ./src.ckpt" \
  "$auto" --config task.yaml --output_dir elsewhere
grep -qx 'auto_trans_ckpt: False' output || fail "it does not say what the task loads now: $(<output)"
expect_refusal 'only_save_strategy' "$auto" --config <(sed 's/False/True/' task.yaml) --output_dir elsewhere
expect_refusal 'it is True or False' "$auto" --config <(sed 's/use_parallel: False/use_parallel: 7/' task.yaml)
expect_refusal 'at least 1' "$auto" --config <(cat task.yaml && echo 'transform_process_num: many')
expect_refusal 'no load_checkpoint' "$auto" --config <(echo 'auto_trans_ckpt: True')
expect_refusal 'is no YAML' "$auto" --config <(echo '{')
expect_refusal 'no mapping' "$auto" --config <(echo 'a')
expect_refusal 'does not exist' "$auto" --config nowhere.yaml
[[ -z $(said "$auto" --config <(sed 's/^auto_trans_ckpt: True/auto_trans_ckpt: False/' task.yaml)) ]] ||
  fail "auto_trans_ckpt: False transforms"

# ---- the page, with shardfs itself ----

[[ -n ${MAKE_MINDSPORE:-} ]] || fail "MAKE_MINDSPORE does not name the generator"
require_fuse
page=$root/mount-scripts/mindspore/README.md
unset SHARDFS RANK_ID
rm bin/stand-in
ln -s "$SHARDFS_EXECUTABLE" bin/shardfs
PATH=$scratch/bin:$scripts:$PATH
mkdir mnt models data
"$MAKE_MINDSPORE" train --dp 2 --tp 2 --pp 2 --optimizer-shard -1 --moments 1 >/dev/null
rm -rf task
"$MAKE_MINDSPORE" task --tp 2 --pp 2 >/dev/null
"$MAKE_MINDSPORE" whole --no-hyper >/dev/null
mv whole/checkpoint/rank_0/*.safetensors models/llama.safetensors
cat >task/task.yaml <<TEXT
load_checkpoint: $scratch/train/checkpoint
src_strategy_path_or_dir: $scratch/train/strategy
auto_trans_ckpt: True
output_dir: $scratch/task
use_parallel: True
parallel_config: {data_parallel: 1, model_parallel: 2, pipeline_stage: 2}
TEXT
shardfs materialize train/checkpoint train/unified --src-strategy train/strategy --layout mindspore-unified >/dev/null

# Where the page's paths are, here.
here() {
  sed -E "s:/(train|task|models|data)/:$scratch/\\1/:g; s:/mnt/weights:$scratch/mnt:g" <<<"$1"
}

is_mounted() { findmnt --mountpoint mnt >/dev/null; }

run_line() {
  local line destination
  line=$(here "$1")
  case $line in
    'shardfs mount '*) if is_mounted; then shardfs umount mnt; fi ;;
    'shardfs materialize '*)
      destination=$(cut -d ' ' -f 4 <<<"$line")
      if [[ -e $destination ]]; then chmod -R u+rwX "$destination" && rm -rf "$destination"; fi
      ;;
    shardfs\ * | *.py\ * | *.sh\ *) ;;
    *) fail "no way to try this command of the page: $1" ;;
  esac
  bash -c "$line" >output 2>&1 || fail "exit code $? of '$1' on the page: $(<output)"
  if [[ $line == 'shardfs mount '* ]]; then is_mounted || fail "'$1' mounts nothing"; fi
}

commands=0
while IFS= read -r line; do
  run_line "$line"
  ((++commands))
done < <(awk '/^```/ { inside = /^```sh$/; next } inside' "$page" | sed -e ':join' -e '/\\$/ { N; s/\\\n *//; b join }')
((commands >= 15)) || fail "the page has $commands commands"
if is_mounted; then shardfs umount mnt; fi

# The programs write what shardfs writes.
same() {
  diff -r -x '.shardfs*' -x '*.txt' "$1" "$2" >output || fail "$1 and $2 differ: $(<output)"
}
shardfs materialize train/checkpoint expected --src-strategy train/strategy --layout mindspore \
  --dst-strategy task/strategy >/dev/null
same expected task/transformed_checkpoint/checkpoint
[[ -e task/transformed_checkpoint/checkpoint/transform_succeed_rank_0.txt ]] || fail "no marker of auto_trans_ckpt.py"
same train/unified data/unified/1_100_ckpt_convert/unified_safe
[[ -s data/unified/1_100_ckpt_convert/merge_strategy/merge_strategy.ckpt ]] || fail "no merged strategy"
transform_checkpoint.py --src_checkpoint train/checkpoint --src_strategy train/strategy --dst_checkpoint again \
  --dst_strategy task/strategy --world_size 4 >/dev/null
same expected again/checkpoint
expect_refused 2 'world_size is 8' transform_checkpoint.py --src_checkpoint train/checkpoint \
  --src_strategy train/strategy --dst_checkpoint again --dst_strategy task/strategy --world_size 8
# Other options replace what is there, and another node's files are left alone.
transform_checkpoint.py --src_checkpoint train/checkpoint --src_strategy train/strategy --dst_checkpoint again \
  --prefix net- --dst_strategy task/strategy >/dev/null
[[ -e again/checkpoint/rank_3/net-3.safetensors && ! -e again/checkpoint/rank_3/checkpoint_3.safetensors ]] ||
  fail "another prefix: $(ls again/checkpoint/rank_3)"
