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
use std::mem::{ManuallyDrop, MaybeUninit};
use std::os::fd::AsFd;

use super::content::{Inward, Single, Taken};
use super::header::Header;
use super::received::Received;
use crate::backend::request::Request;
use crate::sched::io_context::handle::Io;
use crate::sched::io_context::io_sender::IoSender;
use crate::sched::io_context::op::{Ending, Kind, Progress};
use crate::senders::concept::outcome::Outcome;
use crate::senders::io::ancillary::AncillaryRoom;
use crate::senders::io::buf::{IoBufMut, IoBufsMut};
use crate::senders::io::msg_flags::MsgFlags;
use crate::senders::io::partial;
use crate::senders::io::target::{Target, conclude};
use crate::senders::io::transfer::{MsgOptions, PollFirst, Transfer};
use crate::tokens::endpoint::EndpointSpace;

/// A message into one buffer: completes with `(`[`Received`]`, buffer)`.
#[derive(Debug)]
pub struct RecvFrom<F, B>(Incoming<F, Single<B>>);

/// A message into several buffers, with ancillary data: completes with `(`[`Received`]`, buffers)`.
#[derive(Debug)]
pub struct RecvMsg<F, B, R = ()>(Incoming<F, Taken<B, R>>);

#[derive(Debug)]
struct Incoming<F, C> {
    target: Target<F>,
    content: C,
    envelope: Envelope,
    options: MsgOptions,
}

/// What tells of the message, besides its bytes: written by `request`, and then by the kernel. Nothing
/// of it is copied before.
#[derive(Debug)]
struct Envelope {
    header: Header,
    from: MaybeUninit<EndpointSpace>,
}

impl Envelope {
    #[inline]
    const fn new() -> Self {
        Self {
            header: Header::new(),
            from: MaybeUninit::uninit(),
        }
    }

    /// Makes it anew: with this header, and an empty place for the address. It has to stay where it is.
    #[inline]
    fn renew(&mut self, mut header: libc::msghdr) {
        let (name, _) = self.from.write(EndpointSpace::new()).as_mut_ptrs();
        header.msg_name = name.cast();
        header.msg_namelen = EndpointSpace::ROOM;
        self.header.write(header);
    }

    /// Brings the address that the kernel wrote into its form.
    ///
    /// # Safety
    ///
    /// - [`renew`](Self::renew) was called before, and the kernel has written what it writes.
    #[inline]
    unsafe fn settle(&mut self) {
        // SAFETY: both were written by `renew` (contract); not used after this function.
        let (header, from) = unsafe { (self.header.get(), self.from.assume_init_mut()) };
        from.settle(header.msg_namelen);
    }

    /// What there is to be told of a message of `len` bytes.
    ///
    /// # Safety
    ///
    /// - [`settle`](Self::settle) was called before.
    #[inline]
    unsafe fn received<R>(&self, len: u32, ancillary: R) -> Received<R> {
        // SAFETY: both were written by `renew`, before `settle` was called (contract); not used after
        //         this function.
        let (header, from) = unsafe { (self.header.get(), self.from.assume_init_ref()) };
        Received {
            len: len as usize,
            from: from.settled(),
            ancillary,
            flags: header.msg_flags,
        }
    }
}

impl<F: AsFd, C: Inward> Incoming<F, C> {
    #[inline]
    fn new(fd: F, content: C) -> Self {
        Self {
            target: Target::new(fd),
            content,
            envelope: Envelope::new(),
            options: MsgOptions::default(),
        }
    }

    #[inline]
    fn prepare(&mut self) {
        self.content.clear();
        self.target.resolve();
    }

    #[inline]
    fn request(&mut self) -> Request {
        let mut header = Header::empty();
        self.content.describe(&mut header);
        // Descriptors do not leak into programs that the process starts.
        let mut flags = self.options.flags.for_recv() | libc::MSG_CMSG_CLOEXEC;
        if header.msg_controllen > 0 {
            // A ring before Linux 6.5 that goes on after a part overwrites what came beside it, and
            // descriptors are lost. Later ones do not go on.
            flags &= !libc::MSG_WAITALL;
        }
        self.envelope.renew(header);
        Request::RecvMsg {
            fd: self.target.fd(),
            msg: self.envelope.header.as_mut_ptr(),
            flags,
            poll_first: self.options.poll_first,
        }
    }

    #[inline]
    fn advance(&mut self, result: u32) -> Progress {
        // SAFETY: a result comes after a request, which made the envelope, and the kernel is done with
        //         it. The receive succeeded, and this is its only result; the length is the kernel's.
        unsafe {
            let used = self.envelope.header.get().msg_controllen;
            self.content.set_used(used as _);
            self.envelope.settle();
        }
        assert!(
            result as usize <= self.content.space(),
            "the kernel reported more bytes than it was given room for"
        );
        Progress::Done
    }

    /// Tells the buffers how they were filled.
    #[inline]
    fn fill(content: &mut C, ending: &Ending) {
        if let Ending::Success(filled) = *ending {
            // SAFETY: the kernel filled so many bytes of the buffers, from their start: it is the
            //         result that was checked in `advance` (INV-BUF-3).
            unsafe { content.set_filled(filled as usize) };
        }
    }

    /// As [`Kind::finish_at`].
    ///
    /// # Safety
    ///
    /// - As there.
    #[inline]
    unsafe fn finish_at(
        this: *mut Self,
        ending: Ending,
    ) -> Outcome<(Received<C::Room>, C::Bufs), io::Error> {
        // SAFETY: all is there (contract), and is moved out once; what is left needs no drop.
        unsafe {
            let target = (&raw const (*this).target).read();
            let mut content = (&raw const (*this).content).read();
            Self::fill(&mut content, &ending);
            let envelope = &raw const (*this).envelope;
            let value = |len, (bufs, room)| {
                // A success comes after `advance`, which settled the envelope.
                let received = (*envelope).received(len, room);
                (received, bufs)
            };
            conclude(target, content.into_parts(), ending.into_outcome(), value)
        }
    }

    #[inline]
    fn finish(self, ending: Ending) -> Outcome<(Received<C::Room>, C::Bufs), io::Error> {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: it is there, and not used afterwards.
        unsafe { Self::finish_at(&raw mut *this, ending) }
    }

    fn finish_returning(mut self, ending: Ending) -> (io::Result<Received<C::Room>>, C::Bufs) {
        Self::fill(&mut self.content, &ending);
        drop(self.target);
        let (bufs, room) = self.content.into_parts();
        let result = match ending {
            // SAFETY: as in `finish`.
            Ending::Success(len) => Ok(unsafe { self.envelope.received(len, room) }),
            Ending::Failure(error) => Err(error),
            Ending::Stopped => Err(partial::stopped(0)),
        };
        (result, bufs)
    }
}

impl<F: AsFd, B: IoBufMut> RecvFrom<F, B> {
    #[inline]
    pub(crate) fn new(fd: F, buf: B) -> Self {
        Self(Incoming::new(fd, Single::new(buf)))
    }
}

impl<F: AsFd, B: IoBufsMut> RecvMsg<F, B> {
    pub(crate) fn new(fd: F, bufs: B) -> Self {
        Self(Incoming::new(fd, Taken::new(bufs, ())))
    }
}

// SAFETY: the owner of the descriptor is held until the result, and so are the buffer, which
//         promises its space (INV-BUF-1), header, list and the place of the address.
unsafe impl<F: AsFd, B: IoBufMut> Kind for RecvFrom<F, B> {
    type Value = (Received, B);
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
        self.0.options.refused(error)
    }

    #[inline]
    fn finish(self, ending: Ending) -> Outcome<Self::Value, io::Error> {
        self.0.finish(ending)
    }

    #[inline]
    unsafe fn finish_at(this: *mut Self, ending: Ending) -> Outcome<Self::Value, io::Error> {
        // SAFETY: the contract is the same.
        unsafe { Incoming::finish_at(&raw mut (*this).0, ending) }
    }
}

impl<F: AsFd, B: IoBufMut> MessageKind for RecvFrom<F, B> {
    type Room = ();
    type Buffer = B;

    fn finish_returning(self, ending: Ending) -> (io::Result<Received>, B) {
        self.0.finish_returning(ending)
    }
}

// SAFETY: as for `RecvFrom`; the room for ancillary data is held too.
unsafe impl<F: AsFd, B: IoBufsMut, R: AncillaryRoom> Kind for RecvMsg<F, B, R> {
    type Value = (Received<R>, B);
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
        self.0.options.refused(error)
    }

    #[inline]
    fn finish(self, ending: Ending) -> Outcome<Self::Value, io::Error> {
        self.0.finish(ending)
    }

    #[inline]
    unsafe fn finish_at(this: *mut Self, ending: Ending) -> Outcome<Self::Value, io::Error> {
        // SAFETY: the contract is the same.
        unsafe { Incoming::finish_at(&raw mut (*this).0, ending) }
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
    /// the operation starts. [`MsgFlags::WAITALL`] has no effect then: ancillary data ends a receive.
    pub fn ancillary<S: AncillaryRoom>(self, room: S) -> IoSender<H, RecvMsg<F, B, S>> {
        self.map_kind(|RecvMsg(old)| {
            let (bufs, _) = old.content.into_parts();
            let mut new = Incoming::new(old.target.into_owner(), Taken::new(bufs, room));
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
