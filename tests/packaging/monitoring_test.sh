#!/bin/bash
# The alerts, the PodMonitor and the metrics themselves, as Prometheus and node_exporter see them. Both are large and are
# tried where they are installed (Debian: prometheus, prometheus-node-exporter); the names of metrics in the alerts, and
# the format of the text, are checked by tests of the program in any case.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/helpers.sh"
monitoring=$root/mount-scripts/monitoring

# The Operator's rules are those of the file.
diff <(sed -n '/^  groups:/,$ s/^  //p' "$monitoring/prometheus-rule.yaml") \
  <(sed -n '/^groups:/,$p' "$monitoring/shardfs.rules.yaml") ||
  fail "prometheus-rule.yaml (<) and shardfs.rules.yaml (>) have other rules"
(($(grep -c 'alert:' "$monitoring/shardfs.rules.yaml") == 3)) || fail "not three alerts"
grep -q 'matchLabels:' "$monitoring/pod-monitor.yaml" || fail "the PodMonitor selects nothing"
# The label that it selects is the DaemonSet's.
label=$(sed -n '/matchLabels:/ { n; s/^ *//p }' "$monitoring/pod-monitor.yaml")
grep -qF "$label" "$root/mount-scripts/kubernetes/mount-daemonset.yaml" || fail "no DaemonSet has the label $label"

if command -v promtool >/dev/null; then
  promtool check rules "$monitoring/shardfs.rules.yaml" >"$scratch/out" || fail "promtool: $(<"$scratch/out")"
  # Each alert fires for what it is for, and for nothing else.
  cat >"$scratch/cases.yaml" <<TEXT
rule_files: [$monitoring/shardfs.rules.yaml]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - series: 'up{job="shardfs", instance="a"}'
        values: '1 1 1 1 0 0 0 0 0 0'
      - series: 'shardfs_up{mountpoint="/m", node="n"}'
        values: '1 1 1 1 1 1 1 1 1 1'
    alert_rule_test:
      - {eval_time: 3m, alertname: ShardfsViewDown}
      - eval_time: 8m
        alertname: ShardfsViewDown
        exp_alerts:
          - exp_labels: {severity: critical, job: shardfs, instance: a}
            exp_annotations:
              summary: "The view  on a is down."
              description: "Its daemon has ended, or does not answer. On that node: \`shardfs status\` says which, and \`shardfs umount MOUNTPOINT\` takes a dead view away before it is mounted again."
  - interval: 1m
    input_series:
      - series: 'shardfs_health{mountpoint="/m", instance="a", state="source_changed"}'
        values: '0 0 1 1 1 1'
      - series: 'shardfs_read_errors_total{mountpoint="/m", instance="a", cause="source_changed"}'
        values: '0 0 5 9 9 9'
    alert_rule_test:
      - {eval_time: 1m, alertname: ShardfsSourceChanged}
      - {eval_time: 5m, alertname: ShardfsReadsFailing}
      - eval_time: 5m
        alertname: ShardfsSourceChanged
        exp_alerts:
          - exp_labels: {severity: critical, mountpoint: /m, instance: a, state: source_changed}
            exp_annotations:
              summary: "A source file of the view /m on a has changed."
              description: "Reads of what it feeds fail. \`shardfs status /m\` names the file: restore it, then mount the view again."
  - interval: 1m
    input_series:
      - series: 'shardfs_read_errors_total{mountpoint="/m", instance="a", cause="io_error"}'
        values: '0 0 3 3x20'
      - series: 'shardfs_read_errors_total{mountpoint="/m", instance="a", cause="out_of_memory"}'
        values: '7x30'
      - series: 'shardfs_health{mountpoint="/m", instance="a", state="source_silent"}'
        values: '0x30'
    alert_rule_test:
      - {eval_time: 1m, alertname: ShardfsReadsFailing}
      - {eval_time: 16m, alertname: ShardfsReadsFailing}
      - {eval_time: 5m, alertname: ShardfsSourceChanged}
      - eval_time: 5m
        alertname: ShardfsReadsFailing
        exp_alerts:
          - exp_labels: {severity: warning, mountpoint: /m, instance: a, cause: io_error}
            exp_annotations: &failing
              summary: "Reads of the view /m on a fail or hang."
              description: "\`shardfs status /m\` has the last error, and the daemon's log has each: a source that is out of reach or does not answer, or too little memory."
  - interval: 1m
    input_series:
      - series: 'shardfs_health{mountpoint="/m", instance="a", state="source_silent"}'
        values: '0 0 1 1 1 0 0'
    alert_rule_test:
      - {eval_time: 2m, alertname: ShardfsReadsFailing}
      - {eval_time: 6m, alertname: ShardfsReadsFailing}
      - eval_time: 4m
        alertname: ShardfsReadsFailing
        exp_alerts:
          - exp_labels: {severity: warning, mountpoint: /m, instance: a, state: source_silent}
            exp_annotations: *failing
  - interval: 1m # a daemon that was killed: its file stays, says that it is up, and grows old
    input_series:
      - series: 'node_textfile_mtime_seconds{file="/t/shardfs-m.prom", instance="a"}'
        values: '0 60 120 120x20'
      - series: 'node_textfile_mtime_seconds{file="/t/other.prom", instance="a"}'
        values: '0x20'
      - series: 'shardfs_up{mountpoint="/m", instance="a"}'
        values: '1x20'
    alert_rule_test:
      - {eval_time: 4m, alertname: ShardfsViewDown}
      - eval_time: 8m
        alertname: ShardfsViewDown
        exp_alerts:
          - exp_labels: {severity: critical, file: /t/shardfs-m.prom, instance: a}
            exp_annotations:
              summary: "The view /t/shardfs-m.prom on a is down."
              description: "Its daemon has ended, or does not answer. On that node: \`shardfs status\` says which, and \`shardfs umount MOUNTPOINT\` takes a dead view away before it is mounted again."
  - interval: 1m # a view that is gone from its node, while another one stays
    input_series:
      - series: 'shardfs_up{mountpoint="/m", node="n", instance="a"}'
        values: '1 1 1 _x20'
      - series: 'shardfs_up{mountpoint="/other", node="n", instance="a"}'
        values: '1x20'
    alert_rule_test:
      - {eval_time: 2m, alertname: ShardfsViewDown}
      - eval_time: 15m
        alertname: ShardfsViewDown
        exp_alerts:
          - exp_labels: {severity: critical, mountpoint: /m, node: n}
            exp_annotations:
              summary: "The view /m on  is down."
              description: "Its daemon has ended, or does not answer. On that node: \`shardfs status\` says which, and \`shardfs umount MOUNTPOINT\` takes a dead view away before it is mounted again."
TEXT
  promtool test rules "$scratch/cases.yaml" >"$scratch/out" 2>&1 || fail "promtool: $(<"$scratch/out")"
else
  echo "promtool is not installed, and not tried"
fi

require_fuse
# Two views of one host, whose files lie in one directory.
mkdir "$scratch/mnt" "$scratch/other" "$scratch/textfile"
for point in mnt other; do
  "$SHARDFS_EXECUTABLE" mount "$golden/source" "$scratch/$point" "${golden_sizes[@]}" \
    --metrics-textfile "$scratch/textfile" --metrics-listen :0 --log-file "$scratch/log.$point"
done
files=()
both_written() {
  files=("$scratch"/textfile/*.prom)
  ((${#files[@]} == 2))
}
wait_for both_written || fail "the files of metrics are ${files[*]}"

# get ADDRESS PATH: the answer of an HTTP server, head and all.
get() {
  exec 3<>"/dev/tcp/${1%:*}/${1##*:}" || return 1
  printf 'GET %s HTTP/1.0\r\n\r\n' "$2" >&3
  cat <&3
} 2>/dev/null
served=()
for point in mnt other; do
  address=$(sed -nE 's!.*http://(127\.0\.0\.1:[0-9]+)/metrics.*!\1!p' "$scratch/log.$point" | head -n 1)
  [[ -n $address ]] || fail "the log does not say where the metrics of $point are: $(<"$scratch/log.$point")"
  get "$address" /metrics | sed '1,/^\r$/d' >"$scratch/served.$point"
  served+=("$scratch/served.$point")
done
if command -v promtool >/dev/null; then
  for text in "${files[@]}" "$scratch/mnt/.shardfs/metrics" "${served[@]}"; do
    promtool check metrics <"$text" >"$scratch/out" 2>&1 || fail "promtool on $text: $(<"$scratch/out")"
  done
fi
if command -v prometheus-node-exporter >/dev/null; then
  port=$((20000 + RANDOM % 10000))
  prometheus-node-exporter --collector.disable-defaults --collector.textfile \
    --collector.textfile.directory="$scratch/textfile" --web.listen-address="127.0.0.1:$port" 2>"$scratch/exporter" &
  exporter=$!
  trap 'kill "$exporter" 2>/dev/null || true; clean_up' EXIT
  scrape() { get "127.0.0.1:$port" /metrics >"$scratch/scraped"; }
  wait_for scrape || fail "node_exporter does not answer: $(<"$scratch/exporter")"
  grep -q "^node_textfile_scrape_error 0" "$scratch/scraped" || fail "node_exporter: $(<"$scratch/exporter")"
  for point in mnt other; do
    grep -qF "shardfs_up{layout=\"mindie\",mountpoint=\"$scratch/$point\"} 1" "$scratch/scraped" ||
      fail "node_exporter has no shardfs_up: $(grep shardfs "$scratch/scraped")"
  done
  for file in "${files[@]}"; do
    grep -q "node_textfile_mtime_seconds{file=\"$file\"}" "$scratch/scraped" || fail "the alert asks for another file"
  done
  # What is unmounted is gone with the next scrape, and the other view stays.
  "$SHARDFS_EXECUTABLE" umount "$scratch/other"
  other_gone() { scrape && ! grep -qF "$scratch/other" "$scratch/scraped"; }
  wait_for other_gone || fail "a view that is unmounted is still scraped"
  grep -qF "mountpoint=\"$scratch/mnt\"" "$scratch/scraped" || fail "the other view went with it"
  grep -q "^node_textfile_scrape_error 0" "$scratch/scraped" || fail "node_exporter: $(<"$scratch/exporter")"
else
  echo "prometheus-node-exporter is not installed, and not tried"
  "$SHARDFS_EXECUTABLE" umount "$scratch/other"
fi
"$SHARDFS_EXECUTABLE" umount "$scratch/mnt"
none_left() { [[ -z $(ls "$scratch/textfile") ]]; }
wait_for none_left || fail "files of metrics are left behind: $(ls "$scratch/textfile")"
