# What a contributor runs. `just` lists it.

_default:
    @just --list

# All checks that a change must pass
ci:
    .ci/run

# Format everything
fmt:
    cargo fmt --all

# Unit and integration tests
test *ARGS:
    cargo test --locked {{ARGS}}

# Accept changed snapshots after looking at them
review-snapshots:
    cargo insta review

# Measure against the floors of this machine and write docs/performance.md
bench *ARGS:
    cargo build --locked --release
    SQUAD_BIN="{{justfile_directory()}}/target/release/squad" cargo bench --locked --bench figures -- --into "{{justfile_directory()}}/docs/performance.md" {{ARGS}}

# Write a board of N tasks into a new bare repository
board TASKS DIR SEED="1":
    cargo bench --locked --bench generate -- --tasks {{TASKS}} --seed {{SEED}} {{DIR}}

# How much memory a look at 50,000 tasks takes
memory:
    cargo test --locked --release --test it memory -- --ignored --nocapture

# 200 rounds of every race
race-nightly ROUNDS="200":
    SQUAD_RACE_ROUNDS={{ROUNDS}} cargo test --locked --release --test it races -- --test-threads 1 --nocapture

# Licences, advisories, bans and sources of the dependencies
deny:
    cargo deny check
