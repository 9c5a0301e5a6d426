#!/bin/bash
# Takes the command line of MindSpore Transformers' transform_checkpoint.sh, and lets shardfs write the checkpoint.
# The tool starts PROCESS_NUM processes, each for its share of the ranks; here one process writes all of them, and the
# others, which wait for it, write their marker files. Their output is in ./log/transform_<i>.log, as the tool's is.
set -u

if (($# < 6)); then
  echo "Usage: $0 <src_ckpt> <src_strategy> <dst_ckpt_dir> <dst_strategy> <world_size> <process_num> [<prefix>]"
  exit 1
fi
directory=$(dirname "$(realpath "$0")")

# "None" and "" stand for no strategy.
absolute() {
  if [[ -n $1 && $1 != None ]]; then realpath -m -- "$1"; fi
}

source=$(absolute "$1")
src_strategy=$(absolute "$2")
destination=$(absolute "$3")
dst_strategy=$(absolute "$4")
world_size=$5
process_num=$6
prefix=${7:-checkpoint_}
for number in "$world_size" "$process_num"; do
  if ! [[ $number =~ ^[1-9][0-9]*$ ]]; then
    echo "$0: world_size and process_num are numbers of at least 1, and one is '$number'" >&2
    exit 2
  fi
done
if ((process_num > world_size || world_size % process_num != 0)); then
  echo "$0: world_size $world_size does not divide by process_num $process_num" >&2
  exit 2
fi

rm -rf ./log
mkdir -p ./log
processes=()
for ((i = 0; i < process_num; i++)); do
  rank_id=$((i * (world_size / process_num)))
  echo "start device_$i with rank_id $rank_id"
  python3 "$directory/transform_checkpoint.py" --src_checkpoint="$source" --dst_checkpoint_dir="$destination" \
    --src_strategy="$src_strategy" --dst_strategy="$dst_strategy" --prefix="$prefix" --rank_id="$rank_id" \
    --world_size="$world_size" --transform_process_num="$process_num" --transform_by_rank=True \
    &>"./log/transform_$i.log" &
  processes+=($!)
  echo "transform log saved in $PWD/log/transform_$i.log"
done

code=0
for i in "${!processes[@]}"; do
  wait "${processes[$i]}" || { code=$? && cat "./log/transform_$i.log" >&2; }
done
((code == 0)) || exit "$code"
echo "transform finished"
