//! Pipes, and the state of a context's loop, for tests of I/O that waits.

use std::io::{PipeReader, PipeWriter, Write};

/// A pipe: nothing can be read until the test writes.
#[derive(Debug)]
pub(crate) struct Pipe {
    pub(crate) reader: PipeReader,
    pub(crate) writer: PipeWriter,
}

impl Pipe {
    /// An empty pipe.
    pub(crate) fn new() -> Self {
        let (reader, writer) = std::io::pipe().expect("make a pipe");
        Self { reader, writer }
    }

    /// Makes `bytes` readable.
    pub(crate) fn fill(&self, bytes: &[u8]) {
        (&self.writer).write_all(bytes).expect("write to a pipe");
    }
}

const _: () = {
    let _ = Pipe::new;
    let _ = Pipe::fill;
    let _ = |pipe: Pipe| pipe.reader;
};
