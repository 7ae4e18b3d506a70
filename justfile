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

# 200 rounds of every race of eight clones
race-nightly ROUNDS="200":
    SQUAD_RACE_ROUNDS={{ROUNDS}} cargo test --locked --release --test it races -- --test-threads 1 --nocapture

# The races with 8, 16, 32 and 64 clones
fleet-nightly ROUNDS="20":
    for clones in 8 16 32 64; do SQUAD_RACE_CLONES=$clones SQUAD_RACE_ROUNDS={{ROUNDS}} cargo test --locked --release --test it races -- --test-threads 1 --nocapture || exit 1; done

# The simulation of many clones, from many seeds
simulate SEEDS="10000":
    SQUAD_SEEDS={{SEEDS}} cargo test --locked --release --test machine fleet::every -- --nocapture

# The publish protocol with larger bounds: some 30 million states, minutes, a few gigabytes
model-nightly:
    SQUAD_MODEL=full cargo test --locked --release --test model -- --test-threads 1 --nocapture

# A kill at every system call of every kind that a change or a scan makes; takes hours
crash *ARGS="crash::":
    SQUAD_NO_SKIP=1 SQUAD_CRASH=all cargo test --locked --test it -- --nocapture {{ARGS}}

# Everything at once, with kills at random
chaos SECONDS="600":
    SQUAD_CHAOS_SECONDS={{SECONDS}} cargo test --locked --test it -- --nocapture chaos::

# No task is executed twice: RUNS small fleets of `run`, killed at random
soak RUNS="1000":
    SQUAD_SOAK_RUNS={{RUNS}} cargo test --locked --test soak -- --nocapture twice::

# Eight agents in three clones do TASKS tasks, with kills and outages
fleet TASKS="500":
    SQUAD_FLEET_TASKS={{TASKS}} cargo test --locked --test soak -- --nocapture fleet::

# Cut the power of a disk in a file, under a clone and its remote; as root, with loop devices and ext4
power-cut CUTS="10":
    SQUAD_POWER_CUTS={{CUTS}} cargo test --locked --test it -- --ignored --nocapture power::

# The published hook, run by the real pre-commit program, which has to be on PATH
pre-commit:
    SQUAD_NO_SKIP=1 cargo test --locked --test it -- --ignored hooks::the_pre_commit_program

# Feed RUNS inputs to a body of src/fuzz.rs (task, outbox, merge, review, globs, import); needs a nightly Rust and cargo-fuzz.
# Without FLAGS there are the address sanitizer and the tracing of compares, at a tenth of the speed
fuzz BODY RUNS="10000000" FLAGS="--sanitizer none --no-trace-compares":
    mkdir -p fuzz/corpus/{{BODY}}
    cargo +nightly fuzz run {{FLAGS}} {{BODY}} fuzz/corpus/{{BODY}} tests/fuzz-corpus/{{BODY}} -- -runs={{RUNS}} -timeout=20 -max_len=4096

# Licences, advisories, bans and sources of the dependencies
deny:
    cargo deny check
