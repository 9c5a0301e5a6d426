#!/bin/bash
# shardfs-materialize-node and the Slurm job: every node gets what its own ranks load, once.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/helpers.sh"
unset NODE_RANK NNODES GROUP_RANK GROUP_WORLD_SIZE SLURM_NODEID SLURM_NNODES SLURM_STEP_NUM_NODES
node_script=$root/mount-scripts/shardfs-materialize-node
mkdir "$scratch/bin"
ln -s "$SHARDFS_EXECUTABLE" "$scratch/bin/shardfs"
ln -s "$node_script" "$scratch/bin/shardfs-materialize-node"
PATH=$scratch/bin:$PATH

# expect_node DIRECTORY RANK: holds what the node loads, of two, and nothing else.
expect_node() {
  shardfs verify "$golden/source" "$1" "${golden_sizes[@]}" --node-rank "$2" --nnodes 2 >"$scratch/out" 2>&1 ||
    fail "$1 is not what node $2 loads: $(<"$scratch/out")"
}

# ---- one node ----

export SLURM_NODEID=1 SLURM_NNODES=2
expect_refused 2 'SOURCE and DEST' "$node_script" "$golden/source"
expect_refused 2 'there is no directory' "$node_script" "$golden/source" "$scratch/none/weights"

# As torchrun does it: eight processes at once, of which one works.
for local_rank in {0..7}; do
  LOCAL_RANK=$local_rank "$node_script" "$golden/source" "$scratch/weights" "${golden_sizes[@]}" \
    >"$scratch/out.$local_rank" 2>&1 &
done
for job in $(jobs -p); do wait "$job" || fail "one of eight fails: $(cat "$scratch"/out.*)"; done
[[ $(cat "$scratch"/out.* | grep -c 'were there') == 7 ]] || fail "not once: $(cat "$scratch"/out.*)"
[[ ! -e $scratch/weights.lock ]] || fail "a lock is left behind"
grep -q 'node 1 of 2 (SLURM_NODEID and SLURM_NNODES): ranks 2-3' "$scratch/out.0" || fail "which node: $(<"$scratch/out.0")"
expect_node "$scratch/weights" 1

# The same again writes nothing; another call is refused, and replaces when told to.
[[ $("$node_script" "$golden/source" "$scratch/weights" "${golden_sizes[@]}" 2>&1) == *'were there'* ]] ||
  fail "it writes again"
SLURM_NODEID=0 expect_refused 2 'another complete run' \
  "$node_script" "$golden/source" "$scratch/weights" "${golden_sizes[@]}"
# A mistake is refused before anything good is removed.
SLURM_NODEID=0 expect_refused 2 'give --world-size' "$node_script" "$golden/source" "$scratch/weights" --replace --dp 3
expect_refused 2 'no-such-option' \
  "$node_script" "$golden/source" "$scratch/weights" --replace "${golden_sizes[@]}" --no-such-option
SLURM_NODEID=0 expect_refused 3 'no *.safetensors file' \
  "$node_script" "$scratch/bin" "$scratch/weights" --replace "${golden_sizes[@]}"
expect_node "$scratch/weights" 1
SLURM_NODEID=0 "$node_script" "$golden/source" "$scratch/weights" --replace "${golden_sizes[@]}" >/dev/null 2>&1
expect_node "$scratch/weights" 0
"$node_script" "$golden/source" "$scratch/by-hand" --node-rank 0 --nnodes 2 "${golden_sizes[@]}" >/dev/null
expect_node "$scratch/by-hand" 0
expect_refused 2 'give --world-size' "$node_script" "$golden/source" "$scratch/wrong" --dp 3
[[ ! -e $scratch/wrong ]] || fail "a refused call leaves something"

# Any layout: vLLM's sharded_state, of which node 1 of two loads ranks 2 and 3.
"$node_script" "$golden/source" "$scratch/sharded" --layout sharded-state --tp 4 >"$scratch/out" 2>&1 ||
  fail "sharded_state: $(<"$scratch/out")"
[[ $(cd "$scratch/sharded" && echo model-rank-*) == 'model-rank-2-part-0.safetensors model-rank-3-part-0.safetensors' ]] ||
  fail "node 1 has $(ls "$scratch/sharded")"
shardfs check-vllm "$scratch/sharded" --node-rank 1 --nnodes 2 -- vllm serve "$scratch/sharded" \
  --load-format sharded_state --tensor-parallel-size 4 >"$scratch/out" || fail "check-vllm: $(<"$scratch/out")"

# What the files say counts, not what was typed: the sizes in MindIE's configuration, and what is there.
mindie_config() { # DP TP
  cat <<TEXT
{"BackendConfig": {"ModelDeployConfig": {"ModelConfig": [{"modelName": "r1", "modelWeightPath": "$scratch/by-config",
  "worldSize": 4, "dp": $1, "tp": $2, "moe_tp": 2, "moe_ep": 2}]}}}
TEXT
}
by_config=("$golden/source" "$scratch/by-config" --mindie-config "$scratch/config.json" --mtp)
mindie_config 2 2 >"$scratch/config.json"
"$node_script" "${by_config[@]}" >"$scratch/out" 2>&1 || fail "by MindIE's configuration: $(<"$scratch/out")"
mindie_config 4 1 >"$scratch/config.json"
expect_refused 2 'another complete run' "$node_script" "${by_config[@]}"
mindie_config 2 2 >"$scratch/config.json"
rm -rf "$scratch/by-config"/*
"$node_script" "${by_config[@]}" >"$scratch/out" 2>&1 || fail "what is gone is not written again: $(<"$scratch/out")"
expect_node "$scratch/by-config" 1

# Only what a run left is replaced, and nothing that another run writes to.
mkdir "$scratch/mine"
touch "$scratch/mine/file"
expect_refused 2 'not empty' "$node_script" "$golden/source" "$scratch/mine" --replace "${golden_sizes[@]}"
[[ -e $scratch/mine/file ]] || fail "--replace removes what is not its own"
mkdir "$scratch/busy"
touch "$scratch/busy/.shardfs-journal"
flock "$scratch/busy/.shardfs-journal" \
  bash -c '"$@" >/dev/null 2>&1 || true' - "$node_script" "$golden/source" "$scratch/busy" --replace "${golden_sizes[@]}"
[[ -e $scratch/busy/.shardfs-journal ]] || fail "--replace removes what another run writes"

# A hundred processes, of which each takes the lock and removes it, never work at once.
cat >"$scratch/alone" <<'TEXT'
#!/bin/bash
mkdir "$WORKING" || { touch "$WORKING.twice"; exit 1; }
rmdir "$WORKING"
TEXT
mkdir "$scratch/alone-bin"
install -m 755 "$scratch/alone" "$scratch/alone-bin/shardfs"
runs=()
for _ in {1..100}; do
  PATH=$scratch/alone-bin:$PATH WORKING=$scratch/working "$node_script" "$golden/source" "$scratch/alone-out" &
  runs+=($!)
done
for job in "${runs[@]}"; do wait "$job" || fail "two processes work at once"; done
[[ ! -e $scratch/working.twice ]] || fail "two processes have worked at once"
[[ ! -e $scratch/alone-out.lock ]] || fail "a lock is left behind by many"

# The lock of another user: held, and left behind.
if ((EUID == 0)); then
  touch "$scratch/theirs.lock"
  chown 1001 "$scratch/theirs.lock"
  exec {theirs}<"$scratch/theirs.lock"
  flock "$theirs"
  expect_refused 2 "writes to $scratch/theirs" "$node_script" "$golden/source" "$scratch/theirs" "${golden_sizes[@]}"
  exec {theirs}<&-
  expect_refused 2 'no run holds it' "$node_script" "$golden/source" "$scratch/theirs" "${golden_sizes[@]}"
  [[ -e $scratch/theirs.lock && ! -e $scratch/theirs ]] || fail "what is another user's was touched"
fi

# A signal reaches the program, and what it leaves does not count as done.
mkdir "$scratch/slow"
cat >"$scratch/slow/shardfs" <<'TEXT'
#!/bin/bash
trap 'exit 9' TERM
touch "$3.started"
while :; do sleep 0.05; done
TEXT
chmod 755 "$scratch/slow/shardfs"
PATH=$scratch/slow:$PATH "$node_script" "$golden/source" "$scratch/stopped" &
script=$!
wait_for test -e "$scratch/stopped.started" || fail "the program is not started"
kill -TERM "$script"
code=0
wait "$script" || code=$?
((code == 9)) || fail "a stopped script ends with $code"
[[ ! -e $scratch/stopped/.shardfs-complete ]] || fail "a stopped call counts as done"
[[ ! -e $scratch/stopped.lock ]] || fail "a stopped call leaves its lock behind"

# ---- the Slurm job, with an srun that starts one task for each node here ----

unset SLURM_NODEID
cat >"$scratch/bin/srun" <<'TEXT'
#!/bin/bash
set -euo pipefail
[[ $1 == --ntasks=2 && $2 == --ntasks-per-node=1 ]]
shift 2
for node in 0 1; do
  # Nodes have memory of their own. A signal reaches the task, as srun hands it on.
  SLURM_NODEID=$node SLURM_NNODES=2 SLURM_LOCALID=0 "${@//NODE/$node}" &
  trap 'kill -TERM $!' TERM
  wait $!
done
TEXT
chmod 755 "$scratch/bin/srun"
mkdir "$scratch/memory-0" "$scratch/memory-1"
job=$root/mount-scripts/slurm/materialize.sbatch
run_job() { # SERVE
  SLURM_NNODES=2 SOURCE=$golden/source DEST=$scratch/memory-NODE/weights LAYOUT=${golden_sizes[*]} SERVE=$1 \
    bash "$job" >"$scratch/job.out" 2>&1
}
expect_freed() {
  local left
  left=$(find "$scratch/memory-0" "$scratch/memory-1" -mindepth 1)
  [[ -z $left ]] || fail "$1 leaves in memory: $left"
}
# While it serves the weights are there, and afterwards the memory is free.
run_job "cp -r $scratch/memory-NODE/weights $scratch/served-NODE" || fail "the job: $(<"$scratch/job.out")"
for node in 0 1; do expect_node "$scratch/served-$node" "$node"; done
expect_freed "the job"
if run_job false; then fail "a job whose server fails succeeds"; fi
expect_freed "a job whose server fails"
# Stopped while it serves.
SLURM_NNODES=2 SOURCE=$golden/source DEST=$scratch/memory-NODE/weights LAYOUT=${golden_sizes[*]} \
  SERVE="touch $scratch/serving; exec sleep 600" bash "$job" >"$scratch/job.out" 2>&1 &
script=$!
wait_for test -e "$scratch/serving" || fail "nothing is served: $(<"$scratch/job.out")"
kill -TERM "$script"
code=0
wait "$script" || code=$?
((code == 143)) || fail "a stopped job ends with $code: $(<"$scratch/job.out")"
expect_freed "a stopped job"
# What was there before the job stays.
mkdir "$scratch/memory-0/weights"
touch "$scratch/memory-0/weights/mine"
if run_job true; then fail "a directory of other files is written into"; fi
[[ -e $scratch/memory-0/weights/mine ]] || fail "the job removes what is not its own"
for line in nodes=2 mem=0 signal=B:TERM@120; do
  grep -q "^#SBATCH --$line\$" "$job" || fail "no #SBATCH --$line"
done
