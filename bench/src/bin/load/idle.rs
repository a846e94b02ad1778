//! `idle`: what a connection costs that does nothing.
//!
//! Every connection makes one exchange, so that the server is known to have accepted it and to wait
//! for its next message; a few at a time, as connections come to a server. The kernel's memory is
//! that of the whole machine, and both ends of a connection are here.

use std::fs;
use std::io;
use std::net::TcpStream;
use std::time::Instant;

use sendio_bench::args::Args;
use sendio_bench::ring::Ring;

use crate::exchange::Exchange;
use crate::server::Server;

/// Connections that are at work at the same time.
const AT_A_TIME: u32 = 64;

pub(crate) fn measure(args: &Args, server: &mut Server) -> io::Result<String> {
    // What the server sets up for its first connections does not count.
    let mut few = args.clone();
    few.conns = args.conns.min(AT_A_TIME);
    let mut connections = Exchange::connect(&few, server.address())?;
    let mut ring = connections.ring()?;
    let mut ring = Ring::new(&mut ring)?;
    connections.run(&mut ring, u64::from(few.conns))?;
    let (resident_before, slab_before) = (resident_kb(server)?, slab_kb()?);
    let begun = Instant::now();
    let mut left = args.conns;
    while left > 0 {
        let some = left.min(AT_A_TIME);
        let first = connections.len();
        for _ in 0..some {
            let socket = TcpStream::connect(server.address())?;
            connections.add(socket.into(), args.size);
        }
        connections.run_on(&mut ring, first..connections.len(), u64::from(some))?;
        left -= some;
    }
    let nanos = begun.elapsed().as_nanos() as f64;
    let (resident, slab) = (resident_kb(server)?, slab_kb()?);
    let each = |kb: f64| kb * 1024.0 / f64::from(args.conns);
    Ok(format!(
        "{{\"ns_op\":{:.1},\"rss_conn\":{:.1},\"slab_conn\":{:.1}}}",
        nanos / f64::from(args.conns),
        each(resident - resident_before),
        each(slab - slab_before),
    ))
}

fn resident_kb(server: &mut Server) -> io::Result<f64> {
    let line = server.ask("rss")?;
    number(&line).ok_or_else(|| io::Error::other(format!("the server answers rss with {line:?}")))
}

fn slab_kb() -> io::Result<f64> {
    let meminfo = fs::read_to_string("/proc/meminfo")?;
    meminfo
        .lines()
        .find(|line| line.starts_with("Slab:"))
        .and_then(number)
        .ok_or_else(|| io::Error::other("no Slab in /proc/meminfo"))
}

/// The first number in a line.
fn number(line: &str) -> Option<f64> {
    let digits = line.trim_start_matches(|c: char| !c.is_ascii_digit());
    let end = digits.find(|c: char| !c.is_ascii_digit());
    digits[..end.unwrap_or(digits.len())].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn number_is_the_first_of_the_line() {
        assert_eq!(number("{\"rss_kb\":2048}"), Some(2048.0));
        assert_eq!(number("Slab:    17 kB, 4"), Some(17.0));
        assert_eq!(number("none"), None);
    }
}
