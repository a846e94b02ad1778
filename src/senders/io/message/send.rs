//! Sends messages: `send_to`, `sendmsg`.
//!
//! # Errors
//!
//! `EMSGSIZE` for a datagram that is too long, `ECONNREFUSED` if an earlier one on a connected socket
//! was refused, `EDESTADDRREQ` or `ENOTCONN` without a destination, `EPIPE` (never the signal) if nobody
//! reads any more, `EINVAL` for ancillary data that the socket does not understand.
//!
//! # Safety
//! - INV-OP-2: header, list, address and control bytes lie in the pinned operation, like the buffers
//!   and the owners of descriptors, while the request is in flight.

#![expect(unsafe_code, reason = "implements `Kind`")]

use std::io;
use std::os::fd::AsFd;

use super::header::{Header, One};
use crate::backend::request::Request;
use crate::sched::io_context::handle::Io;
use crate::sched::io_context::io_sender::IoSender;
use crate::sched::io_context::op::{Ending, Kind, Progress};
use crate::senders::concept::outcome::Outcome;
use crate::senders::io::ancillary::{Ancillary, ControlBytes};
use crate::senders::io::buf::{IoBuf, IoBufs, IoVecs};
use crate::senders::io::msg_flags::MsgFlags;
use crate::senders::io::partial;
use crate::senders::io::returning::BufferKind;
use crate::senders::io::target::{Target, conclude, without};
use crate::senders::io::transfer::{MsgOptions, PollFirst, Transfer};
use crate::tokens::endpoint::{Domain, Endpoint};

/// A message from one buffer to an address: completes with `(bytes sent, buffer)`.
#[derive(Debug)]
pub struct SendTo<F, B>(Outgoing<F, One<B>, ()>);

/// A message from several buffers, with ancillary data: completes with `(bytes sent, buffers)`.
#[derive(Debug)]
pub struct SendMsg<F, B, A = ()>(Outgoing<F, B, A>);

#[derive(Debug)]
struct Outgoing<F, B, A> {
    target: Target<F>,
    bufs: B,
    list: IoVecs,
    to: Endpoint,
    ancillary: A,
    control: ControlBytes,
    header: Header,
    options: MsgOptions,
    done: usize,
}

impl<F: AsFd, B: IoBufs, A: Ancillary> Outgoing<F, B, A> {
    fn new(fd: F, bufs: B, to: Endpoint, ancillary: A) -> Self {
        Self {
            target: Target::new(fd),
            bufs,
            list: IoVecs::new(),
            to,
            ancillary,
            control: ControlBytes::new(),
            header: Header::new(),
            options: MsgOptions::default(),
            done: 0,
        }
    }

    fn prepare(&mut self) {
        self.target.resolve();
        self.ancillary.encode(&mut self.control);
    }

    fn request(&mut self) -> Request {
        self.list = IoVecs::new();
        self.bufs.io_list(&mut self.list);
        self.header = Header::new();
        self.header.set_list(&self.list);
        // No address: to the peer that the socket is connected to.
        if self.to.family() != Domain::Unspecified {
            self.header.0.msg_name = self.to.as_ptr().cast_mut().cast();
            self.header.0.msg_namelen = self.to.socklen();
        }
        let control = self.control.bytes();
        if !control.is_empty() {
            self.header
                .set_control(std::ptr::from_ref(control).cast_mut());
        }
        Request::SendMsg {
            fd: self.target.fd(),
            msg: &raw const self.header.0,
            flags: self.options.flags.for_send(),
            poll_first: self.options.poll_first,
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

    fn finish(self, ending: Ending) -> Outcome<(usize, B), io::Error> {
        let done = self.done;
        let outcome = without(self.ancillary, ending.into_outcome());
        conclude(self.target, self.bufs, outcome, |_, bufs| (done, bufs))
    }

    fn finish_returning(self, ending: Ending) -> (io::Result<usize>, B) {
        let result = match ending {
            Ending::Success(_) => Ok(self.done),
            Ending::Failure(error) => Err(error),
            Ending::Stopped => Err(partial::stopped(0)),
        };
        drop((self.ancillary, self.target));
        (result, self.bufs)
    }
}

impl<F: AsFd, B: IoBuf> SendTo<F, B> {
    pub(crate) fn new(fd: F, buf: B, to: Endpoint) -> Self {
        Self(Outgoing::new(fd, One(buf), to, ()))
    }
}

impl<F: AsFd, B: IoBufs> SendMsg<F, B> {
    pub(crate) fn new(fd: F, bufs: B) -> Self {
        Self(Outgoing::new(fd, bufs, Endpoint::unspecified(), ()))
    }
}

// SAFETY: the owner of the descriptor is held until the result, and so are the buffer, which
//         promises its bytes (INV-BUF-1), header, list and address.
unsafe impl<F: AsFd, B: IoBuf> Kind for SendTo<F, B> {
    type Value = (usize, B);

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
        outcome.map_value(|(done, One(buf))| (done, buf))
    }
}

impl<F: AsFd, B: IoBuf> BufferKind for SendTo<F, B> {
    type Buffer = B;

    fn finish_returning(self, ending: Ending) -> (io::Result<usize>, B) {
        let (result, One(buf)) = self.0.finish_returning(ending);
        (result, buf)
    }
}

// SAFETY: as for `SendTo`; the owners of descriptors in the ancillary data are held too.
unsafe impl<F: AsFd, B: IoBufs, A: Ancillary> Kind for SendMsg<F, B, A> {
    type Value = (usize, B);

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
            let mut new = Outgoing::new(old.target.into_owner(), old.bufs, old.to, ancillary);
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
