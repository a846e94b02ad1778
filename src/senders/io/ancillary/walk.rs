//! Finds the messages in control bytes, and descriptor numbers in their data.
//!
//! Safe code that believes no length: what does not fit ends the walk.

use std::mem::{replace, size_of, take};
use std::os::fd::RawFd;

use libc::c_int;
use static_assertions::const_assert_eq;

/// What comes before the data of a message: its length (header included), level and type.
pub(super) const HEADER: usize = size_of::<usize>() + 2 * size_of::<c_int>();

const_assert_eq!(HEADER, size_of::<libc::cmsghdr>());

/// `len`, up to where the next message may begin.
pub(super) const fn padded(len: usize) -> usize {
    const UNIT: usize = size_of::<usize>();
    len.saturating_add(UNIT - 1) & !(UNIT - 1)
}

/// One message in control bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Raw<'a> {
    pub(super) level: c_int,
    pub(super) kind: c_int,
    pub(super) data: &'a mut [u8],
}

/// The bytes of a message's header as one.
pub(super) fn header(len: usize, level: c_int, kind: c_int) -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    let (first, rest) = bytes.split_at_mut(size_of::<usize>());
    let (second, third) = rest.split_at_mut(size_of::<c_int>());
    first.copy_from_slice(&len.to_ne_bytes());
    second.copy_from_slice(&level.to_ne_bytes());
    third.copy_from_slice(&kind.to_ne_bytes());
    bytes
}

/// Splits the first message off; `None` if there is none, or if its length cannot be, and then
/// nothing is left.
pub(super) fn split_first<'a>(rest: &mut &'a mut [u8]) -> Option<Raw<'a>> {
    let bytes = take(rest);
    let (len, after) = bytes.split_first_chunk()?;
    let (level, after) = after.split_first_chunk()?;
    let (kind, _) = after.split_first_chunk()?;
    let len = usize::from_ne_bytes(*len);
    let (level, kind) = (c_int::from_ne_bytes(*level), c_int::from_ne_bytes(*kind));
    if len < HEADER || len > bytes.len() {
        return None;
    }
    // Data that was cut short has no padding behind it.
    let end = padded(len).min(bytes.len());
    let (message, after) = bytes.split_at_mut(end);
    *rest = after;
    Some(Raw {
        level,
        kind,
        data: &mut message[HEADER..len],
    })
}

/// Takes the first number that was not taken yet; a place from which one was taken holds -1.
pub(super) fn take_number(data: &mut [u8]) -> Option<RawFd> {
    let (places, _) = data.as_chunks_mut::<{ size_of::<RawFd>() }>();
    places
        .iter_mut()
        .map(|place| RawFd::from_ne_bytes(replace(place, RawFd::to_ne_bytes(-1))))
        .find(|&number| number >= 0)
}

/// How many numbers were not taken yet.
pub(super) fn numbers(data: &[u8]) -> usize {
    let (places, _) = data.as_chunks::<{ size_of::<RawFd>() }>();
    places
        .iter()
        .filter(|&&place| RawFd::from_ne_bytes(place) >= 0)
        .count()
}

/// Whether the data of such a message is descriptors.
pub(super) const fn is_rights(level: c_int, kind: c_int) -> bool {
    level == libc::SOL_SOCKET && kind == libc::SCM_RIGHTS
}

#[cfg(test)]
mod tests;
