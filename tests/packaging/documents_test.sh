#!/bin/bash
# What the documents tell people to type is typed here, on a small checkpoint; and the Chinese ones have the commands
# and the figures of the English ones.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/helpers.sh"
cd "$root"

# ---- the same in both languages ----

# The fenced blocks of kind $2 (or of any) in document $1, without comments; "```" after each.
blocks() {
  awk -v kind="${2-.*}" '
    /^```/ { if (inside) { if (wanted) print; inside = 0 } else { inside = 1; wanted = $0 ~ "^```" kind "$" } next }
    inside && wanted { sub(/(^|[ \t]+)#.*/, ""); print }' "$1"
}

# What has to be the same in every row of every table, in any order: code and numbers.
table_rows() {
  grep '^|' "$1" | while IFS= read -r row; do
    { grep -o '`[^`]*`' <<<"$row" || true; sed 's/`[^`]*`//g' <<<"$row" | grep -oE '[0-9]+([.,][0-9]+)*' || true; } |
      sort | tr '\n' ' '
    echo
  done
}

commands='([^t].*)?'  # of any kind but "text", which is a picture
for document in README.md mount-scripts/{ascend-deepseek-moe,mindie,mindspore,vllm}/README.md; do
  chinese=${document%.md}.zh.md
  diff <(blocks "$document" "$commands") <(blocks "$chinese" "$commands") || fail "$document (<) and $chinese (>) have other commands"
  diff <(table_rows "$document") <(table_rows "$chinese") || fail "$document (<) and $chinese (>) have other figures"
  diff <(grep -o '^##* ' "$document") <(grep -o '^##* ' "$chinese") || fail "$document and $chinese have other sections"
done
(($(wc -l <README.md) <= 300)) || fail "README.md has more than 300 lines"

# ---- what the README says, and where ----

# The main job on the first screen, in three commands.
mapfile -t first < <(head -n 30 README.md | awk '/^```sh$/ { inside = 1; next } /^```$/ && inside { exit } inside')
[[ ${#first[@]} == 3 && ${first[0]} == 'shardfs plan '* && ${first[1]} == 'shardfs mount '* &&
  ${first[2]} == 'shardfs materialize '* ]] || fail "the first screen of README.md has ${#first[@]} commands: ${first[*]}"
# The tables have every source and every layout, and the sentence below them every transform.
while read -r kind name; do
  case $kind in
    reader) pattern="^\\| \`$name\` \\|" ;;
    layout) pattern="^\\| [^|]*\`$name\`[^|]* \\|" ;;
    transform) pattern="\`--$name\\b" ;;
  esac
  grep -qE -- "$pattern" README.md || fail "README.md lacks the $kind $name"
done < <("$SHARDFS_EXECUTABLE" layouts --format words | grep -E '^(reader|transform|layout) ')
# Each engine has a section, with what to type; and there are four figures.
for heading in 'With MindIE' 'With vLLM, vLLM-Ascend and SGLang' 'With MindSpore' "With DeepSeek's own code, and any other loader"; do
  typed=$(awk -v heading="## $heading" '/^## / { inside = $0 == heading } inside && /^shardfs mount /' README.md)
  [[ -n $typed ]] || fail "README.md does not say what to type: $heading"
done
for heading in Install 'What it promises' 'What it does not do' 'How it compares, and when something else serves better' \
  'Where it was run'; do
  grep -qxF "## $heading" README.md || fail "README.md has no section '$heading'"
done
figures=$(awk '/^## / { inside = $0 == "## Figures" } inside' README.md | grep -c '^| .* |$')
((figures == 1 + 4)) || fail "README.md has $((figures - 1)) figures of speed" # and the head of their table
# What it points to is there, whether a file or a heading.
for document in README.md README.zh.md; do
  headings=$(sed -n 's/^##* //p' "$document" | tr '[:upper:]' '[:lower:]' | sed 's/[,.]//g; s/ /-/g')
  while read -r target; do
    if [[ $target == '#'* ]]; then
      grep -qxF "${target#'#'}" <<<"$headings" || fail "$document has no heading for $target"
    else
      [[ -e ${target%%'#'*} ]] || fail "$document points to $target, which there is not"
    fi
  done < <(grep -oE '\]\([^)]+\)' "$document" | sed 's/^](//; s/)$//')
done
# In Chinese: MindIE's own words, and one line for a paragraph, because a break would be shown as a space.
for word in 权重 权重切分 目录布局 限制与约束 '在 MindIE 中使用' 守护进程已退出 静默加载 校验目录; do
  grep -qF "$word" README.zh.md || fail "nothing is called $word"
done
broken=$(awk '/^```/ { fence = !fence; previous = ""; next } fence { next }
  /^[^|#]/ && !/^(- |[0-9]+\. )/ && previous ~ /^[^|#]/ { print FNR ": " $0 } { previous = $0 }' README.zh.md)
[[ -z $broken ]] || fail "README.zh.md breaks a paragraph in line $broken"

# ---- every command does what it says ----

((EUID == 0)) || skip "only root may give files away, as the documents do"
require_fuse
chmod 755 "$scratch"  # the uid that MindIE runs as looks into it
mkdir -p "$scratch/bin" "$scratch/mnt" "$scratch/conf"
ln -s "$SHARDFS_EXECUTABLE" "$scratch/bin/shardfs"
ln -s "$SHARDFS_EXECUTABLE" "$scratch/bin/mount.shardfs"
PATH=$scratch/bin:$root/mount-scripts:$PATH
unset NODE_RANK NNODES GROUP_RANK GROUP_WORLD_SIZE SLURM_STEP_NUM_NODES
export SLURM_NODEID=0 SLURM_NNODES=2 # srun's part
"$MAKE_CHECKPOINT" --preset tiny "$scratch/demo" >/dev/null
"$MAKE_CHECKPOINT" --preset tiny --kind fp8 "$scratch/demo-FP8" >/dev/null # /models/R1-FP8
# DeepSeek's own code leaves out layer 61 alone, which a tiny model's MTP layer is not.
"$MAKE_CHECKPOINT" --preset tiny --kind fp8 --mtp-layers 0 "$scratch/v3" >/dev/null # /models/DeepSeek-V3-FP8

(cd "$scratch" && "$MAKE_MINDSPORE" train --dp 2 --tp 2 --pp 2 --optimizer-shard -1 --moments 1 &&
  "$MAKE_MINDSPORE" task --tp 2 --pp 2) >/dev/null
"$MAKE_CHECKPOINT" --preset deepseek-moe-small --layers 4 --heads 16 --hidden 64 --experts 64 --moe-intermediate 16 \
  --intermediate 32 --n-shared-experts 2 "$scratch/moe" >/dev/null

# server NAME FIRST: one of a rank table, with the ranks FIRST to FIRST + 7.
server() {
  local device
  printf '{"server_id": "%s", "device": [' "$1"
  for device in {0..7}; do
    printf '%s{"device_id": "%d", "rank_id": "%d"}' "$( ((device == 0)) || echo ', ')" "$device" $(($2 + device))
  done
  printf ']}'
}
printf '{"version": "1.0", "server_count": "2", "server_list": [%s, %s], "status": "completed"}\n' \
  "$(server "$HOSTNAME" 0)" "$(server 192.0.2.1 8)" >"$scratch/rank_table.json"

# The places of the documents, here.
here() {
  sed -E "s:/models/(DeepSeek-R1-W8A8|R1)\\b:$scratch/demo:g; s:/mnt/r1\\b:$scratch/mnt:g
    s:/dev/shm/r1\\b:$scratch/shm:g; s:/data/r1-sharded\\b:$scratch/sharded:g
    s:/models/DeepSeek-V3-FP8\\b:$scratch/v3:g
    s:/train/:$scratch/train/:g; s:/task/strategy\\b:$scratch/task/strategy:g; s:/models/deepseek-moe-16b\\b:$scratch/moe:g
    s:/data/rank_table_file.json:$scratch/rank_table.json:g; s:/etc/mindie/config.json:$scratch/conf/config.json:g
    s:\\bSOURCE\\b:$scratch/demo:g; s:\\bMOUNTPOINT\\b:$scratch/mnt:g
    s:\\bFILE\\b:$scratch/mnt/model-norm/model.safetensors:g" <<<"$1"
}

is_mounted() { findmnt --mountpoint "$scratch/mnt" >/dev/null; }
unmount() { if is_mounted; then shardfs umount "$scratch/mnt"; fi; }
# A directory, and the lock of shardfs-materialize-node beside it. Copies of a view's directories are read-only.
remove() {
  if [[ -e $1 ]]; then chmod -R u+rwX "$1"; fi
  rm -rf "$1" "$1.lock"
}

# Has there what the command line $1 needs and those before it in the document may have taken away.
prepare() {
  local -a words
  read -ra words <<<"$1"
  cp server.json config.json
  if [[ $1 == *"$scratch/shm"* ]]; then sed -i "s:\"$scratch/mnt\":\"$scratch/shm\":" config.json; fi
  cp config.json conf/config.json
  case $1 in
    'shardfs mount'*) unmount ;;
    getfattr* | 'shardfs explain'*) # of a file of MindIE's layout
      unmount
      shardfs mount "$scratch/demo" "$scratch/mnt" "${sizes[@]}" --uid 1001
      ;;
    *"$scratch/mnt"*) is_mounted || shardfs mount "$scratch/demo" "$scratch/mnt" "${sizes[@]}" --uid 1001 ;;
  esac
  case $1 in
    'shardfs materialize'* | shardfs-materialize-node* | 'cp -r'*) remove "$scratch/shm" ;;
    'shardfs mount '*"$scratch/sharded"* | 'shardfs plan '*"$scratch/sharded"*)
      if [[ ! -e $scratch/sharded ]]; then shardfs materialize "$scratch/demo" "$scratch/sharded" "${sizes[@]}" >/dev/null; fi
      ;;
    'shardfs verify '*"$scratch/sharded"*) # with the same options
      remove "$scratch/sharded"
      shardfs materialize "${words[@]:2}" >/dev/null
      ;;
    *"$scratch/shm"*)
      if [[ ! -e $scratch/shm/.shardfs-complete ]]; then
        remove "$scratch/shm"
        shardfs materialize "$scratch/demo" "$scratch/shm" "${sizes[@]}" >/dev/null
      fi
      ;;
  esac
}

run_line() {
  local line code=0
  case $1 in
    ./mount-scripts/* | ./tests/* | 'apt install '* | 'dnf install '* | 'tar -xf '*) return ;; # tests of their own
    'srun --ntasks-per-node=1 '*) line=${1#srun --ntasks-per-node=1 } ;;
    shardfs* | 'cp -r '* | cat\ * | getfattr* | 'export '*) line=$1 ;;
    *) fail "no way to try this command of $document: $1" ;;
  esac
  line=$(here "$line")
  prepare "$line" >"$scratch/output" 2>&1 || fail "before '$1': $(<"$scratch/output")"
  if [[ $line == export* ]]; then
    eval "$line"
    return
  fi
  bash -c "$line" >"$scratch/output" 2>&1 || code=$?
  # doctor may find fault with the machine that runs the tests.
  if ((code == 1)) && [[ $line == 'shardfs doctor'* ]]; then return; fi
  ((code == 0)) || fail "exit code $code of '$1' in $document: $(<"$scratch/output")"
  ((++commands))
}

# A line of /etc/fstab, as mount(8) passes it on.
mount_fstab_line() {
  local source point type options
  read -r source point type options _ <<<"$(here "$1")"
  [[ $type == shardfs ]] || fail "a block of $document is neither commands nor a line of fstab: $1"
  unmount
  mount.shardfs "$source" "$point" -o "${options/,nofail/}" >"$scratch/output" 2>&1 ||
    fail "the line of fstab in $document: $(<"$scratch/output")"
  is_mounted || fail "the line of fstab in $document mounts nothing"
}

# run_document DOCUMENT OPTION...: all of it, with the server's configuration server.json; OPTIONS say the sizes.
run_document() {
  local line
  document=$1 commands=0
  sizes=("${@:2}")
  while IFS= read -r line; do
    [[ -z $line || $line == '```' ]] || run_line "$line"
  done < <(blocks "$root/$document" sh | sed -e ':join' -e '/\\$/ { N; s/\\\n *//; b join }')
  while IFS= read -r line; do
    [[ $line == '```' ]] || mount_fstab_line "$line"
  done < <(blocks "$root/$document" '')
  unmount
  unset RANK_TABLE_FILE
  remove "$scratch/shm"
  echo "$document: $commands commands"
}

cd "$scratch"
# Each configuration that the page of MindIE shows, with all of its commands.
count=0
while IFS= read -r -d '`' configuration; do
  [[ $configuration == *BackendConfig* ]] || continue
  here "$configuration" >server.json
  run_document mount-scripts/mindie/README.md --mindie-config conf/config.json
  ((++count))
done < <(blocks "$root/mount-scripts/mindie/README.md" json)
((count == 2)) || fail "$count configurations in the page of MindIE, not 2"

sed -i '/plugin_params/d; s/"moe_ep": 4,/"moe_ep": 4/' server.json
run_document mount-scripts/vllm/README.md --layout sharded-state --tp 16
run_document README.md --dp 2 --tp 8 --moe-tp 4 --moe-ep 4

# The page of deepseek-moe-16b, with its own places: a command after the other, as one would type them.
document=mount-scripts/ascend-deepseek-moe/README.md commands=0
mkdir "$scratch/ranks"
while IFS= read -r line; do
  [[ -z $line || $line == '```' ]] && continue
  line=$(sed "s:/models/deepseek-moe-16b:$scratch/moe:g; s:/mnt/ranks\\b:$scratch/ranks:g; s:/dev/shm/ranks\\b:$scratch/shm:g" \
    <<<"$line")
  if [[ $line == 'shardfs materialize'* ]]; then remove "$scratch/shm"; fi
  bash -c "$line" >"$scratch/output" 2>&1 || fail "exit code $? of '$line' in $document: $(<"$scratch/output")"
  ((++commands))
done < <(blocks "$root/$document" sh)
shardfs umount "$scratch/ranks"
remove "$scratch/shm"
((commands >= 12)) || fail "only $commands commands in $document"
echo "$document: $commands commands"
