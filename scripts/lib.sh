# shellcheck shell=bash
# lib.sh: what setup, test and demo have in common.  Sourced, not run.
#
# test and demo never write into the source tree, into the system or into an
# existing cluster.  They copy the tree into a throwaway folder ($WORK) that an
# unprivileged user owns, build there, install below $WORK/dest, and start
# servers that listen on a socket inside $WORK only.  cleanup() runs however
# the script ends: it stops every process started here and removes $WORK.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P) || exit 1
# Jobs of a timer or a container may have none; the shell knows the user's.
HOME=${HOME:-~}

say() { printf '%s\n' "$*"; }
warn() { printf '%s\n' "$*" >&2; }
die() { warn "$*"; exit 1; }

# ---- which PostgreSQL ----

# pg_missing PG_CONFIG: prints what this installation lacks for building and
# testing; nothing when it is complete.
pg_missing() {
    local bindir pgxs include
    bindir=$("$1" --bindir 2>/dev/null) || { say "a working pg_config"; return; }
    include=$("$1" --includedir-server)
    pgxs=$("$1" --pgxs)
    [ -x "$bindir/postgres" ] || say "the server program in $bindir"
    [ -x "$bindir/initdb" ] || say "initdb in $bindir"
    [ -x "$bindir/psql" ] || say "psql in $bindir"
    [ -f "$include/postgres.h" ] || say "the server headers in $include"
    [ -f "$pgxs" ] || say "the extension makefiles (PGXS)"
    [ -x "$(pg_test_dir "$1")/regress/pg_regress" ] || say "pg_regress"
    [ -x "$(pg_test_dir "$1")/isolation/pg_isolation_regress" ] || say "pg_isolation_regress"
}

# pg_test_dir PG_CONFIG: where the test programs of this installation live.
pg_test_dir() { printf '%s/../test' "$(dirname "$("$1" --pgxs)")"; }

# pg_major PG_CONFIG: 15, 16, ...
pg_major() { "$1" --version | sed -E 's/^[^0-9]*([0-9]+).*/\1/'; }

# choose_pg_config: sets PG_CONFIG to the caller's choice, or else to the newest
# complete installation.  Fails when there is none.
choose_pg_config() {
    local candidate
    if [ -n "${PG_CONFIG:-}" ]; then
        PG_CONFIG=$(command -v "$PG_CONFIG") || return 1
        [ -z "$(pg_missing "$PG_CONFIG")" ]
        return
    fi
    while IFS= read -r candidate; do
        if [ -x "$candidate" ] && [ -z "$(pg_missing "$candidate")" ] &&
            [ "$(pg_major "$candidate")" -ge 15 ]; then
            PG_CONFIG=$candidate
            return 0
        fi
    done < <(
        for candidate in /usr/lib/postgresql/*/bin/pg_config /usr/pgsql-*/bin/pg_config \
            /usr/local/pgsql/bin/pg_config "$(command -v pg_config)"; do
            [ -x "$candidate" ] && printf '%s %s\n' "$(pg_major "$candidate")" "$candidate"
        done | sort -k1,1nr -s | cut -d' ' -f2-)
    return 1
}

# ---- a place to work, and a user who may run a server ----

# start_work: sets RUN_USER (empty: run as the caller), WORK, and arms cleanup.
start_work() {
    local base candidate

    # Nothing below reads from the terminal or asks questions.
    exec </dev/null
    umask 022
    RUN_USER=
    if [ "$(id -u)" -eq 0 ]; then
        for candidate in postgres nobody; do
            if id -u "$candidate" >/dev/null 2>&1; then
                RUN_USER=$candidate
                break
            fi
        done
        [ -n "$RUN_USER" ] || die "Neither user postgres nor user nobody exists: run this as an ordinary user."
    fi
    WORK=
    CHILD=
    CHILDREN=()
    CLEAN_ENV=(PATH="$PATH")

    # Socket paths are short and makefiles dislike blanks, so TMPDIR is used
    # only if it suits both.
    base=
    for candidate in "${TMPDIR:-/tmp}" /tmp /var/tmp; do
        if [[ "$candidate" =~ ^/[A-Za-z0-9_./-]{1,40}$ ]] && can_work_in "$candidate"; then
            base=$candidate
            break
        fi
    done
    [ -n "$base" ] || die "No folder for temporary files: neither TMPDIR nor /tmp nor /var/tmp is writable."

    trap cleanup EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    trap 'exit 129' HUP
    trap 'exit 141' PIPE
    WORK=$(mktemp -d "$base/hierarchy.XXXXXX") || exit 1
    mkdir "$WORK/src" "$WORK/tmp" || exit 1
    give_to_user "$WORK"
    cd "$WORK" || exit 1

    # The caller's PG* and MAKE* variables must not reach what runs here.
    CLEAN_ENV=(PATH="$("$PG_CONFIG" --bindir):$PATH" HOME="$WORK" TMPDIR="$WORK/tmp"
        LC_ALL=C.UTF-8 PGCLIENTENCODING=UTF8 PG_CONFIG="$PG_CONFIG")
}

# can_work_in DIR: may RUN_USER create and execute files there?
can_work_in() {
    local probe
    [ -d "$1" ] || return 1
    # shellcheck disable=SC2016
    probe=$(as_user_now sh -c 'f=$(mktemp "$1/hierarchy.XXXXXX") && printf "#!/bin/sh\n" >"$f" &&
        chmod 700 "$f" && "$f"; s=$?; rm -f "$f"; echo $s' sh "$1" 2>/dev/null)
    [ "$probe" = 0 ]
}

give_to_user() {
    [ -z "$RUN_USER" ] || chown -R "$RUN_USER:$(id -g "$RUN_USER")" "$@"
}

# as_user_now COMMAND...: runs it as the unprivileged user, in a clean
# environment.
as_user_now() {
    if [ -z "$RUN_USER" ]; then
        env -i "${CLEAN_ENV[@]}" "$@"
    elif command -v setpriv >/dev/null; then
        setpriv --reuid="$RUN_USER" --regid="$(id -g "$RUN_USER")" --init-groups \
            env -i "${CLEAN_ENV[@]}" "$@"
    else
        runuser -u "$RUN_USER" -- env -i "${CLEAN_ENV[@]}" "$@"
    fi
}

# as_user COMMAND...: the same as a process group of its own, so that a signal
# to this script is acted upon at once and takes the whole group along.
as_user() {
    local status
    set -m
    as_user_now "$@" 3>&- &
    CHILD=$!
    set +m
    wait "$CHILD"
    status=$?
    CHILD=
    return $status
}

# signal_groups SIGNAL PID...: to whole process groups.
signal_groups() {
    local pid
    for pid in "${@:2}"; do
        kill "-$1" -- "-$pid" 2>/dev/null
    done
}

# is_server PID DIR: does the server of this data folder run as that process?
# Servers that were killed leave their pid files behind, and the number may be
# another process's by now.
is_server() {
    if [ -e "/proc/self/cwd" ]; then
        [ "$(readlink "/proc/$1/cwd" 2>/dev/null)" = "$2" ]
    else
        ps -p "$1" -o comm= 2>/dev/null | grep -q postgres
    fi
}

# stop_servers DIR: those whose data is below it.  They run in process groups of
# their own; their pid files tell.
stop_servers() {
    local pidfile pid cluster
    find "$1" -name postmaster.pid 2>/dev/null | while IFS= read -r pidfile; do
        cluster=$(cd "$(dirname "$pidfile")" && pwd -P)
        pid=$(head -n 1 "$pidfile" 2>/dev/null)
        is_server "$pid" "$cluster" || continue
        as_user_now "$("$PG_CONFIG" --bindir)/pg_ctl" stop -D "$cluster" -m immediate -t 20 >/dev/null 2>&1 ||
            ! is_server "$pid" "$cluster" || as_user_now kill -KILL "$pid" 2>/dev/null
    done
}

# cleanup: ends every process of this run (CHILD, and what CHILDREN lists), and
# removes its folder.
cleanup() {
    local tries

    trap '' INT TERM HUP PIPE
    [ -n "${WORK:-}" ] || return 0
    # shellcheck disable=SC2164 # only to leave the folder that is removed
    cd /
    signal_groups TERM ${CHILD:+"$CHILD"} "${CHILDREN[@]}"
    stop_servers "$WORK"
    signal_groups KILL ${CHILD:+"$CHILD"} "${CHILDREN[@]}"

    # A process on its way out may still write a file.
    for tries in 1 2 3 4 5; do
        rm -rf "$WORK" 2>/dev/null && break
        sleep "0.$tries"
    done
}

# ---- build ----

# build: copies the tree, builds it and installs it where only the servers
# started here find it.  Sets SERVER_CONF, a file of settings they need.
build() {
    local jobs log="$WORK/build.log" share lib settings

    jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
    (cd "$ROOT" && tar -cf - --exclude=./.git --exclude='*.o' --exclude='*.bc' --exclude='*.so' \
        --exclude=./src/client/pg_hierarchy --exclude=./results --exclude=./tmp_check --exclude=./tmp_check_iso --exclude=./output_iso .) |
        tar -C "$WORK/src" -xf - || die "Cannot copy the source tree."
    give_to_user "$WORK/src"

    if ! as_user make -C "$WORK/src" -j"$jobs" with_llvm=no PG_CONFIG="$PG_CONFIG" COPT="${HIERARCHY_COPT:-}" >"$log" 2>&1 ||
        ! as_user make -C "$WORK/src" with_llvm=no PG_CONFIG="$PG_CONFIG" \
            DESTDIR="$WORK/dest" install >>"$log" 2>&1; then
        tail -n 60 "$log"
        die "The build failed."
    fi

    # The client, for the tests
    CLEAN_ENV[0]="PATH=$WORK/dest$("$PG_CONFIG" --bindir):${CLEAN_ENV[0]#PATH=}"

    SERVER_CONF="$WORK/server.conf"
    settings=$("$("$PG_CONFIG" --bindir)/postgres" --describe-config 2>/dev/null | cut -f1)
    share=$("$PG_CONFIG" --sharedir)
    lib=$("$PG_CONFIG" --pkglibdir)
    if grep -qx extension_destdir <<<"$settings"; then
        say "extension_destdir = '$WORK/dest'" >"$SERVER_CONF"
    elif grep -qx extension_control_path <<<"$settings"; then
        {
            say "extension_control_path = '$WORK/dest$share:\$system'"
            say "dynamic_library_path = '$WORK/dest$lib:\$libdir'"
        } >"$SERVER_CONF"
    else
        : >"$SERVER_CONF"
        install_ordinarily "$share" "$lib"
    fi
    give_to_user "$SERVER_CONF"

    # What programs are to find in their environment once all is built
    # shellcheck disable=SC2206 # words
    CLEAN_ENV+=(${HIERARCHY_ENV:-})
}

# install_ordinarily SHAREDIR LIBDIR: for servers that cannot be told to look
# elsewhere; the extension stays installed.
install_ordinarily() {
    local sudo=()

    say "This server has no setting for where extensions are: installing into $1 and $2."
    if [ ! -w "$1/extension" ] || [ ! -w "$2" ]; then
        sudo=(sudo -n)
        sudo -n true 2>/dev/null ||
            die "They are not writable: run this as root, or \"make install\" as one who may write there."
    fi
    "${sudo[@]}" env -i PATH="$PATH" make -C "$WORK/src" with_llvm=no PG_CONFIG="$PG_CONFIG" \
        install >>"$WORK/build.log" 2>&1 || { tail -n 20 "$WORK/build.log"; die "make install failed."; }
}
