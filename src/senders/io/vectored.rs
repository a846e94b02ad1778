//! Reads into, and writes of, several buffers: `readv_at`, `writev_at`, `readv`, `writev`.
//!
//! The list that the kernel reads lies in the operation; the caller's buffers are described in it
//! once, when the operation starts, and are not changed. Of more than `IOV_MAX` buffers the first
//! `IOV_MAX` take part; the result says how far it went.
//!
//! # Safety
//! INV-OP-2: list and buffers lie in the pinned operation while the request is in flight.

#![expect(
    unsafe_code,
    reason = "records how much of the buffers the kernel filled"
)]

use std::io;
use std::os::fd::AsFd;

use super::buf::{IoBufs, IoBufsMut, IoVecs};
use super::partial;
use super::returning::BufferKind;
use super::target::{Target, conclude, give_back};
use super::transfer::{Position, Transfer};
use crate::backend::request::Request;
use crate::sched::io_context::op::{Ending, Kind, Progress};
use crate::senders::concept::outcome::Outcome;

/// A read into several buffers: completes with `(bytes read, buffers)`.
#[derive(Debug)]
pub struct Readv<F, B>(Vectored<F, B>);

/// A write of several buffers: completes with `(bytes written, buffers)`.
#[derive(Debug)]
pub struct Writev<F, B>(Vectored<F, B>);

#[derive(Debug)]
struct Vectored<F, B> {
    target: Target<F>,
    bufs: B,
    list: IoVecs,
    position: Position,
    done: usize,
}

impl<F: AsFd, B> Vectored<F, B> {
    fn new(fd: F, bufs: B, position: Position) -> Self {
        Self {
            target: Target::new(fd),
            bufs,
            list: IoVecs::new(),
            position,
            done: 0,
        }
    }

    fn advance(&mut self, result: u32) -> Progress {
        assert!(
            result as usize <= self.list.bytes(),
            "the kernel reported more bytes than it was given"
        );
        self.done = result as usize;
        Progress::Done
    }
}

/// The list as a request wants it. It takes the list alone: a borrow of the whole operation would
/// end the right of the described pointers to buffers that lie within it (INV-BUF-2).
fn window(list: &IoVecs) -> (*const libc::iovec, u32) {
    let window = list.window();
    (window.as_ptr(), u32::try_from(window.len()).unwrap_or(0))
}

impl<F: AsFd, B: IoBufsMut> Vectored<F, B> {
    fn filled(&mut self) {
        // SAFETY: the kernel filled `done` bytes of the list, from its start, which was checked in
        //         `advance`.
        unsafe { self.bufs.set_list_filled(self.done) };
    }
}

impl<F: AsFd, B: IoBufsMut> Readv<F, B> {
    pub(crate) fn new(fd: F, bufs: B, position: Position) -> Self {
        Self(Vectored::new(fd, bufs, position))
    }
}

impl<F: AsFd, B: IoBufs> Writev<F, B> {
    pub(crate) fn new(fd: F, bufs: B, position: Position) -> Self {
        Self(Vectored::new(fd, bufs, position))
    }
}

// SAFETY: the owner of the descriptor is held until the result, and so are the buffers, which
//         promise their space (INV-BUF-2), and the list.
unsafe impl<F: AsFd, B: IoBufsMut> Kind for Readv<F, B> {
    type Value = (usize, B);

    fn prepare(&mut self) -> io::Result<Progress> {
        self.0.target.resolve();
        self.0.position.check()?;
        Ok(Progress::More)
    }

    fn request(&mut self) -> Request {
        // Described anew for each request: the description is good until the buffers are touched.
        self.0.list = IoVecs::new();
        self.0.bufs.io_list_mut(&mut self.0.list);
        let (iovecs, count) = window(&self.0.list);
        Request::Readv {
            fd: self.0.target.fd(),
            iovecs,
            count,
            offset: self.0.position.after(0),
        }
    }

    fn advance(&mut self, result: u32) -> Progress {
        self.0.advance(result)
    }

    fn finish(self, ending: Ending) -> Outcome<Self::Value, io::Error> {
        let mut this = self.0;
        if let Ending::Success(_) = ending {
            this.filled();
        }
        let done = this.done;
        let value = |_, bufs| (done, bufs);
        conclude(this.target, this.bufs, ending.into_outcome(), value)
    }
}

impl<F: AsFd, B: IoBufsMut> BufferKind for Readv<F, B> {
    type Buffer = B;

    fn finish_returning(self, ending: Ending) -> (io::Result<usize>, B) {
        let mut this = self.0;
        if let Ending::Success(_) = ending {
            this.filled();
        }
        let result = partial::into_result(ending.into_outcome(), this.done);
        give_back(this.target, this.bufs, result)
    }
}

// SAFETY: as for `Readv`, of the bytes of the buffers.
unsafe impl<F: AsFd, B: IoBufs> Kind for Writev<F, B> {
    type Value = (usize, B);

    fn prepare(&mut self) -> io::Result<Progress> {
        self.0.target.resolve();
        self.0.position.check()?;
        Ok(Progress::More)
    }

    fn request(&mut self) -> Request {
        self.0.list = IoVecs::new();
        self.0.bufs.io_list(&mut self.0.list);
        let (iovecs, count) = window(&self.0.list);
        Request::Writev {
            fd: self.0.target.fd(),
            iovecs,
            count,
            offset: self.0.position.after(0),
        }
    }

    fn advance(&mut self, result: u32) -> Progress {
        self.0.advance(result)
    }

    fn finish(self, ending: Ending) -> Outcome<Self::Value, io::Error> {
        let Vectored {
            target, bufs, done, ..
        } = self.0;
        conclude(target, bufs, ending.into_outcome(), |_, bufs| (done, bufs))
    }
}

impl<F: AsFd, B: IoBufs> BufferKind for Writev<F, B> {
    type Buffer = B;

    fn finish_returning(self, ending: Ending) -> (io::Result<usize>, B) {
        let this = self.0;
        let result = partial::into_result(ending.into_outcome(), this.done);
        give_back(this.target, this.bufs, result)
    }
}
