//! What a message consists of besides its address: one buffer and nothing else, or several buffers and
//! ancillary data.
//!
//! # Safety
//! INV-BUF-3 and INV-ANC-1 are kept by who calls: what the kernel filled is passed on to the buffers and
//! to the room.

#![expect(unsafe_code, reason = "passes on what the kernel filled")]

use super::header::{Vector, set_control, set_list};
use crate::senders::io::ancillary::{Ancillary, AncillaryRoom, ControlBytes};
use crate::senders::io::buf::{IoBuf, IoBufMut, IoBufs, IoBufsMut, IoVecs};

/// What is sent.
pub(super) trait Outward {
    /// The buffers.
    type Bufs;
    /// What is held besides.
    type Ancillary;

    /// Makes ready what does not change from try to try.
    fn prepare(&mut self);

    /// Tells the header, which stays where it is, as does this.
    fn describe(&mut self, header: &mut libc::msghdr);

    /// How many bytes that was.
    fn bytes(&self) -> usize;

    /// Gives everything back.
    fn into_parts(self) -> (Self::Bufs, Self::Ancillary);
}

/// What is received.
pub(super) trait Inward {
    /// The buffers.
    type Bufs;
    /// The room for ancillary data.
    type Room;

    /// Lets go of what an earlier message left.
    fn clear(&mut self);

    /// Tells the header, which stays where it is, as does this.
    fn describe(&mut self, header: &mut libc::msghdr);

    /// For how many bytes there was space.
    fn space(&mut self) -> usize;

    /// Records how many bytes are in the buffers.
    ///
    /// # Safety
    ///
    /// - The kernel filled the first `filled` bytes of what was described, which is within the space.
    unsafe fn set_filled(&mut self, filled: usize);

    /// Records how much of the room was used.
    ///
    /// # Safety
    ///
    /// - As for [`AncillaryRoom::set_used`].
    unsafe fn set_used(&mut self, len: usize);

    /// Gives everything back.
    fn into_parts(self) -> (Self::Bufs, Self::Room);
}

/// One buffer, and no ancillary data.
#[derive(Debug)]
pub(super) struct Single<B> {
    buf: B,
    vector: Vector,
}

impl<B> Single<B> {
    #[inline]
    pub(super) const fn new(buf: B) -> Self {
        Self {
            buf,
            vector: Vector::new(),
        }
    }
}

impl<B: IoBuf> Outward for Single<B> {
    type Bufs = B;
    type Ancillary = ();

    #[inline]
    fn prepare(&mut self) {}

    #[inline]
    fn describe(&mut self, header: &mut libc::msghdr) {
        self.vector.name(self.buf.io_bytes().cast_mut(), header);
    }

    #[inline]
    fn bytes(&self) -> usize {
        self.buf.io_bytes().len()
    }

    #[inline]
    fn into_parts(self) -> (B, ()) {
        (self.buf, ())
    }
}

impl<B: IoBufMut> Inward for Single<B> {
    type Bufs = B;
    type Room = ();

    #[inline]
    fn clear(&mut self) {}

    #[inline]
    fn describe(&mut self, header: &mut libc::msghdr) {
        self.vector.name(self.buf.io_space(), header);
    }

    #[inline]
    fn space(&mut self) -> usize {
        self.buf.io_space().len()
    }

    #[inline]
    unsafe fn set_filled(&mut self, filled: usize) {
        // SAFETY: the contract is the buffer's own.
        unsafe { self.buf.set_filled(filled) };
    }

    #[inline]
    unsafe fn set_used(&mut self, _: usize) {}

    #[inline]
    fn into_parts(self) -> (B, ()) {
        (self.buf, ())
    }
}

/// Several buffers, and ancillary data.
#[derive(Debug)]
pub(super) struct Sent<B, A> {
    bufs: B,
    list: IoVecs,
    ancillary: A,
    control: ControlBytes,
}

impl<B, A> Sent<B, A> {
    pub(super) fn new(bufs: B, ancillary: A) -> Self {
        Self {
            bufs,
            list: IoVecs::new(),
            ancillary,
            control: ControlBytes::new(),
        }
    }
}

impl<B: IoBufs, A: Ancillary> Outward for Sent<B, A> {
    type Bufs = B;
    type Ancillary = A;

    fn prepare(&mut self) {
        self.ancillary.encode(&mut self.control);
    }

    #[inline]
    fn describe(&mut self, header: &mut libc::msghdr) {
        self.list = IoVecs::new();
        self.bufs.io_list(&mut self.list);
        set_list(header, &self.list);
        let control = self.control.bytes();
        if !control.is_empty() {
            set_control(header, std::ptr::from_ref(control).cast_mut());
        }
    }

    #[inline]
    fn bytes(&self) -> usize {
        self.list.bytes()
    }

    #[inline]
    fn into_parts(self) -> (B, A) {
        (self.bufs, self.ancillary)
    }
}

/// Several buffers, and room for ancillary data.
#[derive(Debug)]
pub(super) struct Taken<B, R> {
    bufs: B,
    list: IoVecs,
    room: R,
}

impl<B, R> Taken<B, R> {
    pub(super) fn new(bufs: B, room: R) -> Self {
        Self {
            bufs,
            list: IoVecs::new(),
            room,
        }
    }
}

impl<B: IoBufsMut, R: AncillaryRoom> Inward for Taken<B, R> {
    type Bufs = B;
    type Room = R;

    fn clear(&mut self) {
        self.room.clear();
    }

    #[inline]
    fn describe(&mut self, header: &mut libc::msghdr) {
        self.list = IoVecs::new();
        self.bufs.io_list_mut(&mut self.list);
        set_list(header, &self.list);
        set_control(header, self.room.room());
    }

    #[inline]
    fn space(&mut self) -> usize {
        self.list.bytes()
    }

    #[inline]
    unsafe fn set_filled(&mut self, filled: usize) {
        // SAFETY: the contract is the buffers' own.
        unsafe { self.bufs.set_list_filled(filled) };
    }

    #[inline]
    unsafe fn set_used(&mut self, len: usize) {
        // SAFETY: the contract is the room's own.
        unsafe { self.room.set_used(len) };
    }

    #[inline]
    fn into_parts(self) -> (B, R) {
        (self.bufs, self.room)
    }
}
