//! Sends messages: `send_to`, `sendmsg`.
//!
//! # Errors
//!
//! `EMSGSIZE` for a datagram that is too long, `ECONNREFUSED` if an earlier one on a connected socket
//! was refused, `EDESTADDRREQ` or `ENOTCONN` without a destination, `EPIPE` (never the signal) if nobody
//! reads any more, `EINVAL` for ancillary data that the socket does not understand.
//!
//! # Unix addresses
//!
//! To poll a Unix socket tells of its own buffer, not of that of a receiver which it is not connected
//! to. If that one is full, a ring tries again and again, and a cancel that comes meanwhile is lost.
//! So the first try does not wait, and the next one waits in a worker of the kernel. With `O_NONBLOCK`
//! that does not wait either, and the error is `EAGAIN`.
//!
//! # Safety
//! - INV-OP-2: header, list, address and control bytes lie in the pinned operation, like the buffers
//!   and the owners of descriptors, while the request is in flight.

#![expect(unsafe_code, reason = "implements `Kind`")]

use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::AsFd;

use super::content::{Outward, Sent, Single};
use super::header::Header;
use crate::backend::request::Request;
use crate::sched::io_context::handle::Io;
use crate::sched::io_context::io_sender::IoSender;
use crate::sched::io_context::op::{Ending, Kind, Progress};
use crate::senders::concept::outcome::Outcome;
use crate::senders::io::ancillary::Ancillary;
use crate::senders::io::buf::{IoBuf, IoBufs};
use crate::senders::io::msg_flags::MsgFlags;
use crate::senders::io::partial;
use crate::senders::io::returning::BufferKind;
use crate::senders::io::target::{Target, conclude, without};
use crate::senders::io::transfer::{MsgOptions, PollFirst, Transfer};
use crate::tokens::endpoint::{Domain, Endpoint};

/// A message from one buffer to an address: completes with `(bytes sent, buffer)`.
#[derive(Debug)]
pub struct SendTo<F, B>(Outgoing<F, Single<B>>);

/// A message from several buffers, with ancillary data: completes with `(bytes sent, buffers)`.
#[derive(Debug)]
pub struct SendMsg<F, B, A = ()>(Outgoing<F, Sent<B, A>>);

#[derive(Debug)]
struct Outgoing<F, C> {
    target: Target<F>,
    content: C,
    to: Endpoint,
    header: Header,
    options: MsgOptions,
    /// A first try has found no room.
    full: bool,
}

impl<F: AsFd, C: Outward> Outgoing<F, C> {
    #[inline]
    fn new(fd: F, content: C, to: Endpoint) -> Self {
        Self {
            target: Target::new(fd),
            content,
            to,
            header: Header::new(),
            options: MsgOptions::default(),
            full: false,
        }
    }

    #[inline]
    fn prepare(&mut self) {
        self.target.resolve();
        self.content.prepare();
    }

    #[inline]
    fn request(&mut self) -> Request {
        let mut header = Header::empty();
        self.content.describe(&mut header);
        // No address: to the peer that the socket is connected to.
        if self.to.family() != Domain::Unspecified {
            header.msg_name = self.to.as_ptr().cast_mut().cast();
            header.msg_namelen = self.to.socklen();
        }
        self.header.write(header);
        let flags = self.options.flags.for_send();
        Request::SendMsg {
            fd: self.target.fd(),
            msg: self.header.as_mut_ptr(),
            flags: if self.asks_first() {
                flags | libc::MSG_DONTWAIT
            } else {
                flags
            },
            poll_first: self.options.poll_first && !self.full,
            on_worker: self.full,
        }
    }

    /// Whether this is a try that does not wait, before one that does: to a Unix address.
    #[inline]
    fn asks_first(&self) -> bool {
        self.to.family() == Domain::Unix && !self.full
    }

    fn refused(&mut self, error: &io::Error) -> Option<Progress> {
        let answer = self.options.refused(error);
        if answer.is_some()
            || self.to.family() != Domain::Unix
            || error.raw_os_error() != Some(libc::EAGAIN)
        {
            return answer;
        }
        if self.full {
            // Even the worker does not wait: the socket has `O_NONBLOCK`.
            return Some(Progress::Done);
        }
        self.full = true;
        Some(Progress::More)
    }

    #[inline]
    fn advance(&mut self, result: u32) -> Progress {
        assert!(
            result as usize <= self.content.bytes(),
            "the kernel reported more bytes than it was given"
        );
        Progress::Done
    }

    /// As [`Kind::finish_at`].
    ///
    /// # Safety
    ///
    /// - As there.
    #[inline]
    unsafe fn finish_at(this: *mut Self, ending: Ending) -> Outcome<(usize, C::Bufs), io::Error> {
        // SAFETY: all is there (contract), and is moved out once; what is left needs no drop.
        let (target, content) = unsafe {
            (
                (&raw const (*this).target).read(),
                (&raw const (*this).content).read(),
            )
        };
        let (bufs, ancillary) = content.into_parts();
        let outcome = without(ancillary, ending.into_outcome());
        let value = |sent, bufs| (sent as usize, bufs);
        conclude(target, bufs, outcome, value)
    }

    #[inline]
    fn finish(self, ending: Ending) -> Outcome<(usize, C::Bufs), io::Error> {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: it is there, and not used afterwards.
        unsafe { Self::finish_at(&raw mut *this, ending) }
    }

    fn finish_returning(self, ending: Ending) -> (io::Result<usize>, C::Bufs) {
        let result = match ending {
            Ending::Success(sent) => Ok(sent as usize),
            Ending::Failure(error) => Err(error),
            Ending::Stopped => Err(partial::stopped(0)),
        };
        let (bufs, ancillary) = self.content.into_parts();
        drop((ancillary, self.target));
        (result, bufs)
    }
}

impl<F: AsFd, B: IoBuf> SendTo<F, B> {
    #[inline]
    pub(crate) fn new(fd: F, buf: B, to: Endpoint) -> Self {
        Self(Outgoing::new(fd, Single::new(buf), to))
    }
}

impl<F: AsFd, B: IoBufs> SendMsg<F, B> {
    pub(crate) fn new(fd: F, bufs: B) -> Self {
        let content = Sent::new(bufs, ());
        Self(Outgoing::new(fd, content, Endpoint::unspecified()))
    }
}

// SAFETY: the owner of the descriptor is held until the result, and so are the buffer, which
//         promises its bytes (INV-BUF-1), header, list and address.
unsafe impl<F: AsFd, B: IoBuf> Kind for SendTo<F, B> {
    type Value = (usize, B);
    const PASSES_STOPPED: bool = true;

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
        self.0.refused(error)
    }

    #[inline]
    fn finish(self, ending: Ending) -> Outcome<Self::Value, io::Error> {
        self.0.finish(ending)
    }

    #[inline]
    unsafe fn finish_at(this: *mut Self, ending: Ending) -> Outcome<Self::Value, io::Error> {
        // SAFETY: the contract is the same.
        unsafe { Outgoing::finish_at(&raw mut (*this).0, ending) }
    }
}

impl<F: AsFd, B: IoBuf> BufferKind for SendTo<F, B> {
    type Buffer = B;

    fn finish_returning(self, ending: Ending) -> (io::Result<usize>, B) {
        self.0.finish_returning(ending)
    }
}

// SAFETY: as for `SendTo`; the owners of descriptors in the ancillary data are held too.
unsafe impl<F: AsFd, B: IoBufs, A: Ancillary> Kind for SendMsg<F, B, A> {
    type Value = (usize, B);
    const PASSES_STOPPED: bool = true;

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
        self.0.refused(error)
    }

    #[inline]
    fn finish(self, ending: Ending) -> Outcome<Self::Value, io::Error> {
        self.0.finish(ending)
    }

    #[inline]
    unsafe fn finish_at(this: *mut Self, ending: Ending) -> Outcome<Self::Value, io::Error> {
        // SAFETY: the contract is the same.
        unsafe { Outgoing::finish_at(&raw mut (*this).0, ending) }
    }
}

impl<F: AsFd, B: IoBufs, A: Ancillary> BufferKind for SendMsg<F, B, A> {
    type Buffer = B;

    fn finish_returning(self, ending: Ending) -> (io::Result<usize>, B) {
        self.0.finish_returning(ending)
    }
}

impl<H: Io, F: AsFd, B: IoBufs, A: Ancillary> IoSender<H, SendMsg<F, B, A>> {
    /// Sends to this address; [`Endpoint::unspecified`] is the peer that the socket is connected to.
    pub fn to(self, endpoint: impl Into<Endpoint>) -> Self {
        self.map_kind(|mut kind| {
            kind.0.to = endpoint.into();
            kind
        })
    }

    /// Sends this beside the bytes, in place of what was given before: see [`Ancillary`].
    pub fn ancillary<C: Ancillary>(self, ancillary: C) -> IoSender<H, SendMsg<F, B, C>> {
        self.map_kind(|SendMsg(old)| {
            let (bufs, _) = old.content.into_parts();
            let content = Sent::new(bufs, ancillary);
            let mut new = Outgoing::new(old.target.into_owner(), content, old.to);
            new.options = old.options;
            SendMsg(new)
        })
    }
}

/// Gives a message that is sent flags, and lets it wait first.
macro_rules! options {
    ($([$($generics:tt)*] $Kind:ty),+ $(,)?) => {$(
        impl<H: Io, $($generics)*> IoSender<H, $Kind> {
            /// Sends with these flags.
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
    [F: AsFd, B: IoBuf] SendTo<F, B>,
    [F: AsFd, B: IoBufs, A: Ancillary] SendMsg<F, B, A>,
);
