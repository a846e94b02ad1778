//! `udp-echo`: 64 slots, each of which receives a datagram and sends it back.
//!
//! # Safety
//!
//! INV: slots are made before the ring and not moved; what a slot has at the kernel, a receive or a
//! send, uses the slot alone until its completion.
#![expect(unsafe_code, reason = "entries carry pointers to messages")]

use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd;
use std::ptr;

use io_uring::{opcode, types};
use sendio_bench::args::Args;
use sendio_bench::contender::Failure;
use sendio_bench::report::Report;
use sendio_bench::ring::{self, Ring};
use sendio_bench::serve::Control;

const SLOTS: u32 = 64;
/// The bit of the user data that tells a send from a receive.
const SEND: u64 = 1 << 63;

pub(crate) fn run(args: &Args) -> Result<Report, Failure> {
    if !args.variant.is_empty() {
        return Err(Failure::variant(args));
    }
    let control = Control::open(args)?;
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    control.ready(socket.local_addr()?)?;
    let fd = types::Fd(socket.as_raw_fd());
    let mut slots: Box<[Slot]> = (0..SLOTS).map(|_| Slot::new(args.buf)).collect();
    let mut uring = ring::build(SLOTS)?;
    let mut ring = Ring::new(&mut uring)?;
    for (slot, index) in slots.iter_mut().zip(0..) {
        slot.receive(&mut ring, fd, index);
    }
    loop {
        ring.turn(1)?;
        while let Some((user_data, result)) = ring.reap() {
            let index = user_data & !SEND;
            let slot = &mut slots[usize::try_from(index).unwrap_or(usize::MAX)];
            match usize::try_from(result) {
                Ok(len) if user_data & SEND == 0 => slot.send(&mut ring, fd, index, len),
                Ok(_) => slot.receive(&mut ring, fd, index),
                Err(_) => return Err(Failure::Io(ring::failed(result))),
            }
        }
    }
}

/// One message: its header, address, vector and bytes.
struct Slot {
    header: libc::msghdr,
    address: libc::sockaddr_in,
    vector: libc::iovec,
    buffer: Box<[u8]>,
}

impl Slot {
    fn new(len: usize) -> Self {
        // SAFETY: both are integers and pointers only, of which zeroes are values.
        let (header, address) = unsafe {
            (
                MaybeUninit::<libc::msghdr>::zeroed().assume_init(),
                MaybeUninit::<libc::sockaddr_in>::zeroed().assume_init(),
            )
        };
        let vector = libc::iovec {
            iov_base: ptr::null_mut(),
            iov_len: 0,
        };
        Self {
            header,
            address,
            vector,
            buffer: vec![0; len].into(),
        }
    }

    #[inline(always)]
    fn receive(&mut self, ring: &mut Ring<'_>, fd: types::Fd, index: u64) {
        self.prepare(self.buffer.len());
        let entry = opcode::RecvMsg::new(fd, &raw mut self.header).build();
        // SAFETY: the slot must stay in place, and alone, until the completion: slots are boxed,
        // and this one is used again only when it was reaped.
        unsafe { ring.push(&entry.user_data(index)) };
    }

    #[inline(always)]
    fn send(&mut self, ring: &mut Ring<'_>, fd: types::Fd, index: u64, len: usize) {
        self.prepare(len);
        let entry = opcode::SendMsg::new(fd, &raw const self.header).build();
        // SAFETY: as for `receive`.
        unsafe { ring.push(&entry.user_data(index | SEND)) };
    }

    /// Makes the header describe `len` bytes and the address.
    #[inline(always)]
    fn prepare(&mut self, len: usize) {
        self.vector.iov_base = self.buffer.as_mut_ptr().cast();
        self.vector.iov_len = len;
        self.header.msg_name = (&raw mut self.address).cast();
        self.header.msg_namelen = ADDRESS_LEN;
        self.header.msg_iov = &raw mut self.vector;
        self.header.msg_iovlen = 1;
    }
}

/// The size of an address of the Internet.
const ADDRESS_LEN: u32 = 16;
const _: () = assert!(size_of::<libc::sockaddr_in>() == ADDRESS_LEN as usize);
