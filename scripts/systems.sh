# shellcheck shell=bash
# systems.sh: minimal systems with other versions of PostgreSQL, for
# test-versions and test-upgrade.  Sourced after lib.sh, not run.
#
# A system is a folder to change root into.  It is made once, with mmdebstrap or
# debootstrap, from the mirror that this machine's apt uses, and kept below
# HIERARCHY_VERSIONS_DIR for the next time.  A version that this machine has
# complete needs none: its system is "/".

# The release of Debian that has a version.
declare -A SUITES=([15]=bookworm [17]=trixie [18]=forky)

# Everything in C has assertions, and no warnings.
# shellcheck disable=SC2034 # for those who source this
STRICT="-Werror -DUSE_ASSERT_CHECKING=1"

# find_cache: sets cache to the folder of the systems.
find_cache() {
    cache=${HIERARCHY_VERSIONS_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/hierarchy/versions}
    mkdir -p "$cache" || die "Cannot write to $cache."
    cache=$(cd "$cache" && pwd -P)
}

# own_pg_config VERSION: prints this machine's own installation of a version, if
# there is a complete one.
own_pg_config() {
    local candidate

    for candidate in "/usr/lib/postgresql/$1/bin/pg_config" "/usr/pgsql-$1/bin/pg_config" "$(command -v pg_config)"; do
        if [ -x "$candidate" ] && [ "$(pg_major "$candidate")" = "$1" ] && [ -z "$(pg_missing "$candidate")" ]; then
            say "$candidate"
            return
        fi
    done
}

# mirror PATTERN: the first address in apt's sources that the pattern fits.
mirror() {
    # shellcheck disable=SC2016 # apt's own variable
    apt-get indextargets --format '$(REPO_URI)' 2>/dev/null | grep -E "$1" | head -n 1
}

# answers URL: can the release file of a suite be had?
answers() {
    local file

    file=$(mktemp) || return 1
    /usr/lib/apt/apt-helper download-file "$1/InRelease" "$file" >/dev/null 2>&1 && [ -s "$file" ]
    set -- $?
    rm -f "$file"
    return "$1"
}

# hindrance VERSION: prints why no system with that version can be made here;
# nothing, if it is there or can be.
hindrance() {
    local main

    if [ "$(id -u)" -ne 0 ]; then
        say "making a system to change root into takes root"
    elif ! unshare --mount true 2>/dev/null; then
        say "this machine allows no mounts (unshare --mount)"
    elif [ -e "$cache/$1/ready" ]; then
        return
    elif ! command -v apt-get >/dev/null; then
        say "there is no apt-get to make a system with"
    elif main=$(mirror '/debian/?$'); [ -z "$main" ]; then
        say "apt knows no mirror of Debian"
    elif ! answers "${main%/}/dists/${SUITES[$1]}"; then
        say "the mirror $main does not answer, or has no ${SUITES[$1]}"
    elif ! command -v mmdebstrap >/dev/null && ! command -v debootstrap >/dev/null &&
        ! apt-get -q install -y --no-install-recommends mmdebstrap >/dev/null 2>&1; then
        say "neither mmdebstrap nor debootstrap is there, and apt cannot install them"
    fi
}

# bootstrap SUITE DIR: makes a minimal system there.
bootstrap() {
    local suite=$1 dir=$2 main security keyring=/usr/share/keyrings/debian-archive-keyring.gpg

    main=$(mirror '/debian/?$')
    security=$(mirror '/debian-security/?$')
    [ -z "$security" ] || answers "${security%/}/dists/$suite-security" || security=
    if command -v mmdebstrap >/dev/null; then
        mmdebstrap --variant=minbase --aptopt='Acquire::Check-Valid-Until "false"' \
            --aptopt='APT::Install-Recommends "false"' "$suite" "$dir" \
            "deb [signed-by=$keyring] $main $suite main" \
            ${security:+"deb [signed-by=$keyring] $security $suite-security main"}
    else
        debootstrap --variant=minbase "$suite" "$dir" "$main" &&
            { [ -z "$security" ] || echo "deb $security $suite-security main" >>"$dir/etc/apt/sources.list"; }
    fi
}

# make_system VERSION: a system for it, if it is not there yet.  What building and
# testing need is installed in it by the first test.
make_system() {
    local dir=$cache/$1

    [ ! -e "$dir/ready" ] || return 0
    say "making a system with PostgreSQL $1 (${SUITES[$1]})"
    rm -rf "$dir.new" "$dir"
    bootstrap "${SUITES[$1]}" "$dir.new" >"$cache/$1.log" 2>&1 || { tail -n 20 "$cache/$1.log"; return 1; }
    mv "$dir.new" "$dir"
    touch "$dir/ready"
}

# copy_tree DIR: the checkout, without what was built in it.
copy_tree() {
    rm -rf "$1"
    mkdir "$1" || die "Cannot write to $1."
    (cd "$ROOT" && tar -cf - --exclude=./.git --exclude='*.o' --exclude='*.bc' --exclude='*.so' \
        --exclude=./src/client/pg_hierarchy .) | tar -C "$1" --no-same-owner -xf - || die "Cannot copy the source tree."
}

# inside DIR COMMAND...: runs it in the system, with mounts that end with it.
# BINDS: pairs "from to" of folders that are to be seen inside, one a line.
inside() {
    local dir=$1

    shift
    # shellcheck disable=SC2016 # for the inner shell
    unshare --mount --fork --kill-child sh -c '
        dir=$1 binds=$2; shift 2
        mount -t proc proc "$dir/proc" && mount -t tmpfs tmpfs "$dir/dev/shm" && chmod 1777 "$dir/dev/shm" || exit 1
        mkdir -p "$dir/dev/pts" && mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$dir/dev/pts" || exit 1
        [ -e "$dir/dev/ptmx" ] || ln -s pts/ptmx "$dir/dev/ptmx"
        printf "%s\n" "$binds" | while read -r from to; do
            [ -z "$from" ] || { mkdir -p "$dir$to" && mount --bind "$from" "$dir$to"; } || exit 1
        done || exit 1
        cp -L /etc/resolv.conf "$dir/etc/resolv.conf" 2>/dev/null
        exec chroot "$dir" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
            HOME=/root LC_ALL=C.UTF-8 "$@"' sh "$dir" "${BINDS:-}" "$@"
}

# count_sum LOG NAME START: adds what a run of scripts/test says in its last line
# to passed and failed, and shows what failed.
count_sum() {
    local sum

    sum=$(grep -E '^[0-9]+ passed, [0-9]+ failed$' "$1" | tail -n 1)
    if [[ "$sum" =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
        passed=$((passed + BASH_REMATCH[1]))
        failed=$((failed + BASH_REMATCH[2]))
        [ "${BASH_REMATCH[2]}" -eq 0 ] || grep -vE '^  .*: ok |^[0-9]+ passed, [0-9]+ failed$' "$1" | tail -n 150
    else
        failed=$((failed + 1))
        tail -n 40 "$1"
    fi
    grep '^set-up: ' "$1"
    say "$2: ${sum:-did not finish} ($((SECONDS - $3)) s)"
}
