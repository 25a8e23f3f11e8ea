# Starts a private PostgreSQL under target/postgres and exports ROOFMARK_TEST_POSTGRES. To be sourced; bash.
# Installs Debian's package where no server is there. A server that runs already is used again.
roofmark_postgres() {
    local root data bin port user=()
    root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
    if ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 && ! command -v initdb >/dev/null; then
        local sudo=(); [ "$(id -u)" = 0 ] || sudo=(sudo)
        "${sudo[@]}" apt-get update -qq
        "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql >/dev/null
    fi
    bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -1)
    bin=${bin:-$(dirname "$(command -v initdb)")}
    # The server refuses to run as root, and its user has to reach the folder.
    data="$root/target/postgres"
    if [ "$(id -u)" = 0 ]; then
        id postgres >/dev/null 2>&1 || useradd --system --no-create-home postgres
        user=(setpriv --reuid=postgres --regid=postgres --clear-groups env HOME=/tmp)
        data=$(printf '/tmp/roofmark-postgres-%s' "$(printf %s "$root" | cksum | cut -d' ' -f1)")
    fi
    mkdir -p "$data"
    [ "$(id -u)" = 0 ] && chown -R postgres "$data"
    if [ ! -s "$data/db/PG_VERSION" ]; then
        (cd / && "${user[@]}" "$bin/initdb" -D "$data/db" -U roofmark -A trust -E UTF8 --no-sync >/dev/null) || return 1
    fi
    if ! (cd / && "${user[@]}" "$bin/pg_ctl" -D "$data/db" status >/dev/null 2>&1); then
        port=$((20000 + RANDOM % 20000))
        while (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
        (cd / && "${user[@]}" "$bin/pg_ctl" -D "$data/db" -w -t 60 -l "$data/log" \
            -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories= " start >/dev/null) || { tail "$data/log"; return 1; }
    fi
    port=$(sed -n 4p "$data/db/postmaster.pid")
    export ROOFMARK_TEST_POSTGRES="postgres://roofmark@127.0.0.1:$port/postgres"
    ROOFMARK_POSTGRES_STOP=("${user[@]}" "$bin/pg_ctl" -D "$data/db" -m immediate stop)
}
stop_postgres() { (cd / && "${ROOFMARK_POSTGRES_STOP[@]}" >/dev/null 2>&1) || true; }
roofmark_postgres
