//! `udp-sink`: one multishot `recvmsg` with a ring of buffers.
//!
//! The variant `recvmmsg` leaves io_uring out: 64 datagrams with one blocking call.
//!
//! # Safety
//!
//! INV: headers, vectors and buffers are made before they are used, and outlive the loop, which does
//! not end but by an error.
#![expect(unsafe_code, reason = "calls carry pointers to messages")]

use std::io;
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd;
use std::ptr;

use io_uring::{cqueue, opcode, types};
use sendio_bench::args::Args;
use sendio_bench::contender::Failure;
use sendio_bench::report::Report;
use sendio_bench::ring::{self, Ring};
use sendio_bench::serve::{self, Control};

use crate::buffer_ring::{BufferRing, GROUP};

const BUFFERS: u16 = 256;
/// Datagrams of one `recvmmsg`.
const BATCH: u32 = 64;
/// What the kernel puts before a message that it wrote into a chosen buffer.
const HEADER: usize = 16;

pub(crate) fn run(args: &Args) -> Result<Report, Failure> {
    let serve = match args.variant.as_str() {
        "" => multishot,
        "recvmmsg" => recvmmsg,
        _ => return Err(Failure::variant(args)),
    };
    let control = Control::open(args)?;
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    control.ready(socket.local_addr()?)?;
    Err(serve(&socket, args.buf).into())
}

fn multishot(socket: &UdpSocket, buf: usize) -> io::Error {
    let end = || -> io::Result<()> {
        let mut header = empty_header();
        let mut uring = ring::build(BATCH)?;
        let mut ring = Ring::new(&mut uring)?;
        let mut buffers = BufferRing::register(&ring, BUFFERS, buf + HEADER)?;
        arm(&mut ring, socket, &raw mut header);
        loop {
            ring.turn(1)?;
            let mut count = 0;
            while let Some((_, result, flags)) = ring.reap_with_flags() {
                if let (0.., Some(buffer)) = (result, cqueue::buffer_select(flags)) {
                    buffers.give_back(buffer);
                    count += 1;
                } else if result != -libc::ENOBUFS {
                    return Err(ring::failed(result));
                }
                if !cqueue::more(flags) {
                    buffers.publish();
                    arm(&mut ring, socket, &raw mut header);
                }
            }
            buffers.publish();
            serve::received(count);
        }
    };
    end().err().unwrap_or_else(|| io::ErrorKind::Other.into())
}

/// Without name and ancillary data: the kernel reads only their lengths.
fn arm(ring: &mut Ring<'_>, socket: &UdpSocket, header: *mut libc::msghdr) {
    let fd = types::Fd(socket.as_raw_fd());
    let entry = opcode::RecvMsgMulti::new(fd, header, GROUP).build();
    // SAFETY: the header must stay valid until the last completion: it outlives the loop.
    unsafe { ring.push(&entry) };
}

fn recvmmsg(socket: &UdpSocket, buf: usize) -> io::Error {
    let mut buffers = vec![0_u8; BATCH as usize * buf];
    let mut vectors: Vec<libc::iovec> = buffers
        .chunks_exact_mut(buf)
        .map(|buffer| libc::iovec {
            iov_base: buffer.as_mut_ptr().cast(),
            iov_len: buf,
        })
        .collect();
    let mut messages: Vec<libc::mmsghdr> = vectors
        .iter_mut()
        .map(|vector| {
            let mut header = empty_header();
            header.msg_iov = ptr::from_mut(vector);
            header.msg_iovlen = 1;
            libc::mmsghdr {
                msg_hdr: header,
                msg_len: 0,
            }
        })
        .collect();
    loop {
        // SAFETY: the headers point to vectors and those to buffers, which live in this function.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                messages.as_mut_ptr(),
                BATCH,
                libc::MSG_WAITFORONE,
                ptr::null_mut(),
            )
        };
        match u64::try_from(count) {
            Ok(count) => serve::received(count),
            Err(_) => return io::Error::last_os_error(),
        }
    }
}

fn empty_header() -> libc::msghdr {
    // SAFETY: integers and pointers only, of which zeroes are values.
    unsafe { MaybeUninit::zeroed().assume_init() }
}
