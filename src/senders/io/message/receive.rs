//! Receives messages: `recv_from`, `recvmsg`.
//!
//! # Cancellation
//!
//! A datagram, and a descriptor, that has been received is delivered, also when stop was requested. If
//! the operation ends in another way, nothing was taken from the socket.
//!
//! # Errors
//!
//! `ECONNREFUSED` if a datagram sent before on a connected socket was refused, `ECONNRESET` for a broken
//! connection, `ENOTSOCK`, `ENOTCONN` for a stream without a connection.
//!
//! # Safety
//! - INV-OP-2: header, list, address and room lie in the pinned operation, like the buffers, while
//!   the request is in flight.
//! - INV-BUF-3: the result is checked against the list before the buffers are told.
//! - INV-ANC-1: what a successful receive put into the room is handed to the room's owner once.

#![expect(unsafe_code, reason = "records what the kernel filled")]

use std::io;
use std::os::fd::AsFd;

use super::header::{Header, One};
use super::received::Received;
use crate::backend::request::Request;
use crate::sched::io_context::handle::Io;
use crate::sched::io_context::io_sender::IoSender;
use crate::sched::io_context::op::{Ending, Kind, Progress};
use crate::senders::concept::outcome::Outcome;
use crate::senders::io::ancillary::AncillaryRoom;
use crate::senders::io::buf::{IoBufMut, IoBufsMut, IoVecs};
use crate::senders::io::msg_flags::MsgFlags;
use crate::senders::io::partial;
use crate::senders::io::target::{Target, conclude};
use crate::senders::io::transfer::{MsgOptions, PollFirst, Transfer};
use crate::tokens::endpoint::EndpointSpace;

/// A message into one buffer: completes with `(`[`Received`]`, buffer)`.
#[derive(Debug)]
pub struct RecvFrom<F, B>(Incoming<F, One<B>, ()>);

/// A message into several buffers, with ancillary data: completes with `(`[`Received`]`, buffers)`.
#[derive(Debug)]
pub struct RecvMsg<F, B, R = ()>(Incoming<F, B, R>);

#[derive(Debug)]
struct Incoming<F, B, R> {
    target: Target<F>,
    bufs: B,
    list: IoVecs,
    from: EndpointSpace,
    room: R,
    header: Header,
    options: MsgOptions,
    done: usize,
}

/// How a receive ended, with everything that is given back.
struct Ended<F, B, R> {
    target: Target<F>,
    bufs: B,
    room: R,
    outcome: Outcome<Received, io::Error>,
}

impl<F: AsFd, B: IoBufsMut, R: AncillaryRoom> Incoming<F, B, R> {
    fn new(fd: F, bufs: B, room: R) -> Self {
        Self {
            target: Target::new(fd),
            bufs,
            list: IoVecs::new(),
            from: EndpointSpace::new(),
            room,
            header: Header::new(),
            options: MsgOptions::default(),
            done: 0,
        }
    }

    fn prepare(&mut self) {
        self.room.clear();
        self.target.resolve();
    }

    fn request(&mut self) -> Request {
        self.list = IoVecs::new();
        self.bufs.io_list_mut(&mut self.list);
        self.header = Header::new();
        self.header.set_list(&self.list);
        let (name, _) = self.from.as_mut_ptrs();
        self.header.0.msg_name = name.cast();
        self.header.0.msg_namelen = EndpointSpace::ROOM;
        self.header.set_control(self.room.room());
        Request::RecvMsg {
            fd: self.target.fd(),
            msg: &raw mut self.header.0,
            // Descriptors do not leak into programs that the process starts.
            flags: self.options.flags.for_recv() | libc::MSG_CMSG_CLOEXEC,
            poll_first: self.options.poll_first,
        }
    }

    fn advance(&mut self, result: u32) -> Progress {
        // SAFETY: the receive succeeded, and this is its only result; the length is the kernel's.
        unsafe { self.room.set_used(self.header.0.msg_controllen as _) };
        assert!(
            result as usize <= self.list.bytes(),
            "the kernel reported more bytes than it was given room for"
        );
        self.done = result as usize;
        Progress::Done
    }

    fn end(mut self, ending: Ending) -> Ended<F, B, R> {
        if let Ending::Success(_) = ending {
            // SAFETY: the kernel filled `done` bytes of the list, from its start, which was checked
            //         in `advance` (INV-BUF-3).
            unsafe { self.bufs.set_list_filled(self.done) };
        }
        let received = |_| Received {
            len: self.done,
            from: self.from.endpoint_of(self.header.0.msg_namelen),
            ancillary: (),
            flags: self.header.0.msg_flags,
        };
        Ended {
            outcome: ending.into_outcome().map_value(received),
            target: self.target,
            bufs: self.bufs,
            room: self.room,
        }
    }

    fn finish(self, ending: Ending) -> Outcome<(Received<R>, B), io::Error> {
        let ended = self.end(ending);
        let rest = (ended.bufs, ended.room);
        conclude(
            ended.target,
            rest,
            ended.outcome,
            |received, (bufs, room)| (received.with(room), bufs),
        )
    }

    fn finish_returning(self, ending: Ending) -> (io::Result<Received<R>>, B) {
        let ended = self.end(ending);
        drop(ended.target);
        let result = match ended.outcome {
            Outcome::Value(received) => Ok(received.with(ended.room)),
            Outcome::Error(error) => Err(error),
            _ => Err(partial::stopped(0)),
        };
        (result, ended.bufs)
    }
}

impl Received {
    /// The same with ancillary data.
    fn with<R>(self, ancillary: R) -> Received<R> {
        Received {
            len: self.len,
            from: self.from,
            ancillary,
            flags: self.flags,
        }
    }
}

impl<F: AsFd, B: IoBufMut> RecvFrom<F, B> {
    pub(crate) fn new(fd: F, buf: B) -> Self {
        Self(Incoming::new(fd, One(buf), ()))
    }
}

impl<F: AsFd, B: IoBufsMut> RecvMsg<F, B> {
    pub(crate) fn new(fd: F, bufs: B) -> Self {
        Self(Incoming::new(fd, bufs, ()))
    }
}

// SAFETY: the owner of the descriptor is held until the result, and so are the buffer, which
//         promises its space (INV-BUF-1), header, list and the place of the address.
unsafe impl<F: AsFd, B: IoBufMut> Kind for RecvFrom<F, B> {
    type Value = (Received, B);

    #[inline]
    fn prepare(&mut self) -> io::Result<Progress> {
        self.0.prepare();
        Ok(Progress::More)
    }

    #[inline]
    fn request(&mut self) -> Request {
        self.0.request()
    }

    #[inline]
    fn advance(&mut self, result: u32) -> Progress {
        self.0.advance(result)
    }

    #[inline]
    fn refused(&mut self, error: &io::Error) -> Option<Progress> {
        self.0.options.refused(error)
    }

    #[inline]
    fn finish(self, ending: Ending) -> Outcome<Self::Value, io::Error> {
        let outcome = self.0.finish(ending);
        outcome.map_value(|(received, One(buf))| (received, buf))
    }
}

impl<F: AsFd, B: IoBufMut> MessageKind for RecvFrom<F, B> {
    type Room = ();
    type Buffer = B;

    fn finish_returning(self, ending: Ending) -> (io::Result<Received>, B) {
        let (result, One(buf)) = self.0.finish_returning(ending);
        (result, buf)
    }
}

// SAFETY: as for `RecvFrom`; the room for ancillary data is held too.
unsafe impl<F: AsFd, B: IoBufsMut, R: AncillaryRoom> Kind for RecvMsg<F, B, R> {
    type Value = (Received<R>, B);

    #[inline]
    fn prepare(&mut self) -> io::Result<Progress> {
        self.0.prepare();
        Ok(Progress::More)
    }

    #[inline]
    fn request(&mut self) -> Request {
        self.0.request()
    }

    #[inline]
    fn advance(&mut self, result: u32) -> Progress {
        self.0.advance(result)
    }

    #[inline]
    fn refused(&mut self, error: &io::Error) -> Option<Progress> {
        self.0.options.refused(error)
    }

    #[inline]
    fn finish(self, ending: Ending) -> Outcome<Self::Value, io::Error> {
        self.0.finish(ending)
    }
}

impl<F: AsFd, B: IoBufsMut, R: AncillaryRoom> MessageKind for RecvMsg<F, B, R> {
    type Room = R;
    type Buffer = B;

    fn finish_returning(self, ending: Ending) -> (io::Result<Received<R>>, B) {
        self.0.finish_returning(ending)
    }
}

impl<H: Io, F: AsFd, B: IoBufsMut, R: AncillaryRoom> IoSender<H, RecvMsg<F, B, R>> {
    /// Receives ancillary data into `room`, an [`AncillaryBuf`](crate::ancillary::AncillaryBuf) by
    /// value or as `&mut`; it is in [`Received::ancillary`] then. What it held before is dropped when
    /// the operation starts.
    pub fn ancillary<S: AncillaryRoom>(self, room: S) -> IoSender<H, RecvMsg<F, B, S>> {
        self.map_kind(|RecvMsg(old)| {
            let mut new = Incoming::new(old.target.into_owner(), old.bufs, room);
            new.options = old.options;
            RecvMsg(new)
        })
    }
}

/// A kind of operation that receives a message.
pub trait MessageKind: Kind {
    /// The room for ancillary data.
    type Room;
    /// The buffers.
    type Buffer;

    /// Turns the ending into the result and the buffers. A stop is the error `ECANCELED`.
    fn finish_returning(self, ending: Ending) -> (io::Result<Received<Self::Room>>, Self::Buffer);
}

/// Completes with the result and the buffers, always: the kind of a receive after
/// `returning_buffer`.
#[derive(Debug)]
pub struct ReturningMessage<K>(K);

// SAFETY: the kind in it promises the same, and is asked the same.
unsafe impl<K: MessageKind> Kind for ReturningMessage<K> {
    type Value = (io::Result<Received<K::Room>>, K::Buffer);
    const CANCELLABLE: bool = K::CANCELLABLE;
    const FINAL: bool = K::FINAL;

    fn prepare(&mut self) -> io::Result<Progress> {
        self.0.prepare()
    }

    fn request(&mut self) -> Request {
        self.0.request()
    }

    fn advance(&mut self, result: u32) -> Progress {
        self.0.advance(result)
    }

    fn refused(&mut self, error: &io::Error) -> Option<Progress> {
        self.0.refused(error)
    }

    fn finish(self, ending: Ending) -> Outcome<Self::Value, io::Error> {
        Outcome::Value(self.0.finish_returning(ending))
    }
}

/// Gives a receive the method that brings its buffers back on every path.
macro_rules! returning {
    ($([$($generics:tt)*] $Kind:ty),+ $(,)?) => {$(
        impl<H: Io, $($generics)*> IoSender<H, $Kind> {
            /// Delivers the buffers on every path: the value becomes
            /// `(io::Result<Received>, buffers)`. Errors, and a stop (as the error `ECANCELED`), are in
            /// the result then. Buffers lent by `&mut` need none of this.
            pub fn returning_buffer(self) -> IoSender<H, ReturningMessage<$Kind>> {
                self.map_kind(ReturningMessage)
            }
        }
    )+};
}

returning!(
    [F: AsFd, B: IoBufMut] RecvFrom<F, B>,
    [F: AsFd, B: IoBufsMut, R: AncillaryRoom] RecvMsg<F, B, R>,
);

/// Gives a receive flags, and lets it wait first.
macro_rules! options {
    ($([$($generics:tt)*] $Kind:ty),+ $(,)?) => {$(
        impl<H: Io, $($generics)*> IoSender<H, $Kind> {
            /// Receives with these flags.
            pub fn flags(self, flags: MsgFlags) -> Self {
                self.map_kind(|mut kind| {
                    kind.0.options.flags = flags;
                    kind
                })
            }
        }

        impl<$($generics)*> PollFirst for $Kind {
            fn set_poll_first(&mut self) {
                self.0.options = self.0.options.after_poll();
            }
        }
    )+};
}

options!(
    [F: AsFd, B: IoBufMut] RecvFrom<F, B>,
    [F: AsFd, B: IoBufsMut, R: AncillaryRoom] RecvMsg<F, B, R>,
);
