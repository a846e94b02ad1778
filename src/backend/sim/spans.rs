//! The memory of a transfer, as a list of pieces: what is left of it after a part, and how much of that
//! may be moved now.
//!
//! # Safety
//! INV-SLOT-1: what a request names is good until its final completion.

#![expect(unsafe_code, reason = "reads the vectors and messages of requests")]

use libc::iovec;
use smallvec::SmallVec;

use crate::backend::request::Request;

/// The pieces of memory of a transfer.
pub(super) type Spans = SmallVec<[iovec; 8]>;

/// The pieces of the request's memory without the first `skip` bytes, and at most `limit` of them.
///
/// # Safety
///
/// - The request is in flight, so what it names is good (INV-SLOT-1).
pub(super) unsafe fn spans_of(request: &Request, skip: u32, limit: u32) -> Spans {
    // SAFETY: vectors and messages of a request in flight may be read.
    let mut spans = unsafe {
        match *request {
            Request::Read { buf, len, .. } | Request::Recv { buf, len, .. } => one(buf, len),
            Request::Write { buf, len, .. } | Request::Send { buf, len, .. } => {
                one(buf.cast_mut(), len)
            }
            Request::Readv { iovecs, count, .. } | Request::Writev { iovecs, count, .. } => {
                all(iovecs, count as usize)
            }
            Request::SendMsg { msg, .. } => all((*msg).msg_iov, length_of(&*msg)),
            Request::RecvMsg { msg, .. } => all((*msg).msg_iov, length_of(&*msg)),
            _ => Spans::new(),
        }
    };
    trim(&mut spans, skip as usize, limit as usize);
    spans
}

#[expect(
    clippy::useless_conversion,
    reason = "the type of the field depends on the C library"
)]
fn length_of(msg: &libc::msghdr) -> usize {
    usize::try_from(msg.msg_iovlen).unwrap_or(0)
}

fn one(base: *mut u8, len: u32) -> Spans {
    let mut spans = Spans::new();
    spans.push(iovec {
        iov_base: base.cast(),
        iov_len: len as usize,
    });
    spans
}

/// # Safety
///
/// - There are so many at `iovecs`.
unsafe fn all(iovecs: *const iovec, count: usize) -> Spans {
    if count == 0 {
        return Spans::new();
    }
    // SAFETY: so many (contract).
    unsafe { std::slice::from_raw_parts(iovecs, count) }.into()
}

fn trim(spans: &mut Spans, mut skip: usize, mut limit: usize) {
    for span in spans.iter_mut() {
        let skipped = span.iov_len.min(skip);
        skip -= skipped;
        span.iov_base = span.iov_base.cast::<u8>().wrapping_add(skipped).cast();
        span.iov_len = (span.iov_len - skipped).min(limit);
        limit -= span.iov_len;
    }
}

/// How many bytes they have.
pub(super) fn total(spans: &Spans) -> usize {
    spans
        .iter()
        .fold(0, |sum, span| sum.saturating_add(span.iov_len))
}

/// Copies out of the pieces, in order.
///
/// # Safety
///
/// - The pieces are initialised memory of a request in flight, for reading.
pub(super) unsafe fn gather(spans: &Spans) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(total(spans));
    for span in spans.iter().filter(|span| span.iov_len > 0) {
        // SAFETY: initialised, and as long as it says (contract).
        bytes.extend_from_slice(unsafe {
            std::slice::from_raw_parts(span.iov_base.cast::<u8>(), span.iov_len)
        });
    }
    bytes
}

/// Copies as much of `bytes` into the pieces as fits; how much.
///
/// # Safety
///
/// - The pieces are memory of a request in flight, for writing.
pub(super) unsafe fn scatter(spans: &Spans, mut bytes: &[u8]) -> usize {
    let mut copied = 0;
    for span in spans {
        let now = span.iov_len.min(bytes.len());
        if now == 0 {
            continue;
        }
        // SAFETY: there is room for so many bytes (contract), and nobody else looks at it meanwhile
        //         (INV-SLOT-1).
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), span.iov_base.cast(), now) };
        bytes = &bytes[now..];
        copied += now;
    }
    copied
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn spans_are_trimmed_at_both_ends() {
        let mut memory = [0_u8; 10];
        let base = memory.as_mut_ptr();
        let parts = [(0, 3), (3, 0), (3, 5), (8, 2)].map(|(at, len)| iovec {
            iov_base: base.wrapping_add(at).cast(),
            iov_len: len,
        });
        let request = Request::Writev {
            fd: -1,
            iovecs: parts.as_ptr(),
            count: 4,
            offset: 0,
        };
        // SAFETY: the memory is that of this frame, and initialised.
        unsafe {
            let spans = spans_of(&request, 0, u32::MAX);
            assert_eq!(total(&spans), 10);
            assert_eq!(scatter(&spans, b"0123456789abc"), 10);
            assert_eq!(gather(&spans_of(&request, 4, 5)), b"45678");
            assert_eq!(gather(&spans_of(&request, 2, 1)), b"2");
            assert_eq!(gather(&spans_of(&request, 10, 5)), b"");
            assert!(spans_of(&Request::Nop, 0, 9).is_empty());
        }
    }
}
