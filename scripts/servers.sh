#!/usr/bin/env bash
# servers.sh mariadb|mysql ...: makes database servers available for tests, demo and bench.
#   mariadb: Debian's/Ubuntu's mariadb-server-core and client (no service, no user, no datadir of their own)
#   mysql:   MySQL's newest server of Debian's unstable suite, unpacked with its own libc under $DM_SERVERS; the host stays as it is
# Each gets an initialised template datadir that tests copy. Idempotent; safe to run twice at the same time.
# DM_SERVERS: where to put it (default .dm/servers in the project).
set -euo pipefail
cd "$(dirname "$0")/.."
H=${DM_SERVERS:-$PWD/.dm/servers}
mkdir -p "$H"
exec 9>"$H/lock"; flock 9
export DEBIAN_FRONTEND=noninteractive
ROOT=; [ "$(id -u)" = 0 ] || ROOT=sudo
USEROPT=; [ "$(id -u)" = 0 ] && USEROPT=--user=root

say() { echo "servers: $*" >&2; }
trap 'say "failed in line $LINENO; the last log:"; tail -n 20 "$H"/*.log >&2 || true' ERR
set -E

need_apt() {
  command -v apt-get >/dev/null && return
  say "this machine has no apt-get. Install MariaDB's server and client (mariadbd, mariadb-install-db, mariadb) by hand"
  say "and run again, or use the Docker Compose file: docker compose -f scripts/demo-compose.yaml up"
  exit 1
}

packages() { # packages NAME...: installs what is missing
  dpkg -s "$@" >/dev/null 2>&1 && return
  need_apt
  say "installing $*"
  $ROOT apt-get update -qq || say "apt-get update failed, trying with the lists that are there"
  $ROOT apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

mariadb() {
  PATH=$PATH:/usr/sbin
  if ! command -v mariadbd >/dev/null || ! command -v mariadb-install-db >/dev/null; then
    packages mariadb-server-core mariadb-client
  fi
  [ -d "$H/mariadb/template/mysql" ] && return
  say "initialising a MariaDB datadir"
  local d="$H/mariadb/template.new"
  rm -rf "$H/mariadb"; mkdir -p "$d"
  local o=(--no-defaults $USEROPT --datadir="$d" --innodb-log-file-size=16M)
  # --force: a machine whose own name has no address is fine, nobody logs in by host name
  mariadb-install-db "${o[@]}" --force --auth-root-authentication-method=normal --skip-test-db --skip-name-resolve >"$H/mariadb.log" 2>&1
  mariadbd "${o[@]}" --bootstrap >>"$H/mariadb.log" 2>&1 <<'SQL'
FLUSH PRIVILEGES;
DELETE FROM mysql.global_priv WHERE User='root' AND Host NOT IN ('localhost','127.0.0.1') OR User='';
FLUSH PRIVILEGES;
CREATE OR REPLACE USER 'root'@'127.0.0.1' IDENTIFIED BY '123456';
GRANT ALL ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION;
ALTER USER 'root'@'localhost' IDENTIFIED BY '123456';
SQL
  mv "$d" "$H/mariadb/template"
}

mysql_tree() { # unpacks mysql-server-core with its whole dependency closure, own libc and loader included
  local prefix=$1 d; d=$(mktemp -d)
  local mirror
  mirror=$(cat /etc/apt/sources.list.d/*.sources /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
    awk '/^URIs:/{print $2} /^deb /{for(i=2;i<=NF;i++) if($i ~ /^(https?|mirror)[:+]/){print $i;break}}' |
    grep -E '/debian/?$' | head -n 1) || true
  [ -n "$mirror" ] || { say "MySQL comes from Debian's unstable suite, and the apt sources name no Debian mirror"; exit 1; }
  mkdir -p "$d"/{lists/partial,cache/archives/partial,parts} "$prefix"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror sid main" >"$d/sources.list"
  for p in perl perl-base debconf dpkg tar; do # wanted only by maintainer scripts: count as installed
    printf 'Package: %s\nStatus: install ok installed\nArchitecture: amd64\nMulti-Arch: allowed\nVersion: 99.0\nMaintainer: none\nDescription: stub\n\n' $p
  done >"$d/status"
  local apt=(-o Dir::Etc::sourcelist="$d/sources.list" -o Dir::Etc::sourceparts="$d/parts"
    -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts="$d/parts"
    -o Dir::State="$d" -o Dir::State::lists="$d/lists" -o Dir::State::status="$d/status" -o Dir::Cache="$d/cache"
    -o APT::Sandbox::User=root -o APT::Architecture=amd64 -o Acquire::Retries=3 -o Acquire::Languages=none
    -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false)
  apt-get "${apt[@]}" -qq update
  apt-get "${apt[@]}" -qq -y --no-install-recommends --download-only install mysql-server-core >/dev/null
  for x in bin sbin lib lib64; do mkdir -p "$prefix/usr/$x"; [ -e "$prefix/$x" ] || ln -s "usr/$x" "$prefix/$x"; done
  for deb in "$d"/cache/archives/*.deb; do
    dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink --no-same-owner -C "$prefix"
  done
  rm -rf "$prefix"/usr/share/{doc,man,lintian,bug,locale,info} "$prefix"/usr/lib/x86_64-linux-gnu/gconv "$prefix"/var "$d"
  local lib=$prefix/usr/lib/x86_64-linux-gnu
  patchelf --set-interpreter "$lib/ld-linux-x86-64.so.2" --force-rpath --set-rpath "$lib" "$prefix/usr/sbin/mysqld"
}

mysql() {
  if [ ! -x "$H/mysql/tree/usr/sbin/mysqld" ]; then
    packages patchelf
    say "fetching the MySQL server"
    rm -rf "$H/mysql"; mkdir -p "$H/mysql"
    mysql_tree "$H/mysql/tree.new" && mv "$H/mysql/tree.new" "$H/mysql/tree"
    # the loader path inside the binary names the folder: set it again after the move
    local lib=$H/mysql/tree/usr/lib/x86_64-linux-gnu
    patchelf --set-interpreter "$lib/ld-linux-x86-64.so.2" --force-rpath --set-rpath "$lib" "$H/mysql/tree/usr/sbin/mysqld"
  fi
  [ -d "$H/mysql/template/mysql" ] && return
  say "initialising a MySQL datadir"
  local d="$H/mysql/template.new" u=$H/mysql/tree/usr
  rm -rf "$d" "$H/mysql/template"
  cat >"$H/mysql/init.sql" <<'SQL'
ALTER USER 'root'@'localhost' IDENTIFIED BY '123456';
CREATE USER 'root'@'127.0.0.1' IDENTIFIED BY '123456';
GRANT ALL ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION;
SQL
  "$u/sbin/mysqld" --no-defaults $USEROPT --initialize-insecure --basedir="$u" --datadir="$d" \
    --innodb-redo-log-capacity=16M --lc-messages-dir="$u/share/mysql" --init-file="$H/mysql/init.sql" >"$H/mysql.log" 2>&1
  rm -f "$d/auto.cnf"
  mv "$d" "$H/mysql/template"
}

[ $# -gt 0 ] || set -- mariadb mysql
for what; do
  case $what in
    mariadb | mysql) "$what" ;;
    *) say "unknown server $what: mariadb or mysql"; exit 2 ;;
  esac
done
