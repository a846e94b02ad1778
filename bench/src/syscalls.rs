//! Counts system calls through the `raw_syscalls:sys_enter` tracepoint.
//!
//! The tracepoint's number is looked up where tracefs is usually mounted; if it is not, or may not
//! be read, there is no count.

use std::fs;

use crate::perf::{Counter, Event};

const ID_FILES: [&str; 2] = [
    "/sys/kernel/tracing/events/raw_syscalls/sys_enter/id",
    "/sys/kernel/debug/tracing/events/raw_syscalls/sys_enter/id",
];

/// Opens the counter for the calling thread and those it will create.
pub fn open() -> Option<Counter> {
    let id = ID_FILES
        .iter()
        .find_map(|path| fs::read_to_string(path).ok())?;
    Counter::open(Event::Tracepoint(id.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::open;

    #[test]
    fn syscalls_between_enable_and_disable_are_counted() {
        let Some(counter) = open() else {
            return; // not permitted here: the figure is left out of reports as well
        };
        counter.enable().expect("enable");
        for _ in 0..100 {
            std::thread::yield_now();
        }
        counter.disable().expect("disable");
        let count = counter.read().expect("read").expect("it ran");
        assert!((100.0..=102.0).contains(&count), "{count} calls");
    }
}
