//! Models of the concurrent protocols, run with
//! `RUSTFLAGS="--cfg loom" cargo test --release --lib loom`.

mod stop_source;
