//! Models of the memory-ordering protocols, one file per protocol file; run by `scripts/loom`.

mod group;
mod inbox;
mod io_context;
mod joined_source;
mod stop_source;
