//! Whole pipelines in thousands of worlds: every byte arrives, whatever the seed. `SENDIO_SIM_SEEDS` sets
//! how many seeds there are.

use std::time::Instant;

use sendio::sim::{self, SimConfig};

use super::support::{content, copy_file, echo_once};

/// How many seeds each pipeline has by default: some seconds.
const SEEDS: u64 = if cfg!(debug_assertions) { 400 } else { 20_000 };

fn seeds() -> u64 {
    let said = std::env::var("SENDIO_SIM_SEEDS").ok();
    said.and_then(|text| text.parse().ok()).unwrap_or(SEEDS)
}

/// Says how fast it was, for who reads the output.
#[expect(clippy::print_stdout, reason = "shown on request")]
fn told(name: &str, start: Instant) {
    let rate = seeds() as f64 / start.elapsed().as_secs_f64();
    println!("{name}: {} seeds, {rate:.0} seeds/s", seeds());
}

#[test]
fn pipelines_copy_every_byte_in_rough_worlds() {
    let bytes: Vec<u8> = (0..200_u8).collect();
    let config = SimConfig::rough().file("/in", &bytes);
    let start = Instant::now();
    sim::explore(0..seeds(), &config, |ctx| {
        copy_file(ctx, "/in", "/out").expect("a copy");
        assert_eq!(content(ctx, "/out").expect("read"), bytes);
    });
    told("copy", start);
}

#[test]
fn pipelines_echo_every_byte_in_rough_worlds() {
    let bytes: Vec<u8> = (0..=255).cycle().take(600).collect();
    let start = Instant::now();
    let config = SimConfig::rough().socket_buffer(100);
    sim::explore(0..seeds(), &config, |ctx| {
        assert_eq!(echo_once(ctx, &bytes).expect("an echo"), bytes);
    });
    told("echo", start);
}

#[test]
fn pipelines_copy_in_a_gentle_world_is_quick() {
    let config = SimConfig::new().memory_files().file("/in", [5; 100]);
    let start = Instant::now();
    sim::explore(0..seeds(), &config, |ctx| {
        copy_file(ctx, "/in", "/out").expect("a copy");
    });
    told("gentle copy", start);
}
