//! incoming: rooms with data of any content, and with descriptors.
//! Method: bytes put where the kernel would put them; descriptors counted by asking the kernel.
//!
//! # Safety
//! INV-ANC-1: the descriptors in the bytes are new and without another owner.

#![expect(unsafe_code, reason = "tells a room how much of it was used")]

use std::fs::File;
use std::mem::forget;
use std::os::fd::{AsFd, AsRawFd, IntoRawFd};

use proptest::prelude::*;

use super::*;
use crate::BasicFd;
use crate::senders::io::ancillary::walk::{HEADER, header, padded};

/// A room with these messages in it.
fn holding(messages: &[(i32, i32, Vec<u8>)]) -> AncillaryBuf<2048> {
    let mut room = AncillaryBuf::new();
    for (level, kind, data) in messages {
        let (start, len) = (padded(room.used), HEADER + data.len());
        room.bytes[start..start + HEADER].copy_from_slice(&header(len, *level, *kind));
        room.bytes[start + HEADER..start + len].copy_from_slice(data);
        room.used = start + len;
    }
    room
}

/// A room with `count` descriptors in one message, and their numbers.
fn with_fds(count: usize) -> (AncillaryBuf<2048>, Vec<i32>) {
    let null = File::open("/dev/null").expect("open");
    let fds = (0..count).map(|_| null.try_clone().expect("dup").into_raw_fd());
    let fds: Vec<i32> = fds.collect();
    let data = fds.iter().flat_map(|fd| fd.to_ne_bytes()).collect();
    (holding(&[(libc::SOL_SOCKET, libc::SCM_RIGHTS, data)]), fds)
}

/// Whether the kernel knows this number.
fn open(number: i32) -> bool {
    std::fs::read_link(format!("/proc/self/fd/{number}")).is_ok()
}

const KNOWN: [(i32, i32); 5] = [
    (libc::SOL_SOCKET, libc::SCM_CREDENTIALS),
    (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS),
    (libc::IPPROTO_IP, libc::IP_PKTINFO),
    (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO),
    (libc::SOL_UDP, libc::UDP_GRO),
];

proptest! {
    #[test]
    fn prop_messages_of_known_kinds_with_any_data_are_all_told(
        messages in proptest::collection::vec(
            (0..KNOWN.len(), proptest::collection::vec(any::<u8>(), 0..40)),
            0..12,
        ),
    ) {
        let named = |(which, data): &(usize, Vec<u8>)| (KNOWN[*which].0, KNOWN[*which].1, data.clone());
        let messages: Vec<_> = messages.iter().map(named).collect();
        let mut room = holding(&messages);
        for _ in 0..2 {
            let told: Vec<_> = room.messages().collect();
            prop_assert_eq!(told.len(), messages.len());
            for (told, (level, kind, data)) in told.iter().zip(&messages) {
                if let AncillaryMessage::Other { level: l, kind: k, data: d } = told {
                    prop_assert_eq!((l, k, *d), (level, kind, &data[..]));
                }
            }
        }
        prop_assert_eq!(room.fds().count(), 0);
    }
}

#[test]
fn room_hands_each_descriptor_out_once() {
    let (mut room, numbers) = with_fds(3);
    assert!(numbers.iter().all(|&number| open(number)));
    let taken: Vec<OwnedFd> = room.fds().collect();
    assert_eq!(
        taken.iter().map(AsRawFd::as_raw_fd).collect::<Vec<_>>(),
        numbers
    );
    assert_eq!(room.fds().count(), 0);
    drop(room);
    assert!(
        taken.iter().all(|fd| BasicFd::from(fd.as_fd()).is_valid()),
        "the room has let go"
    );
}

#[test]
fn room_whose_iterator_was_forgotten_still_owns_the_rest() {
    let (mut room, numbers) = with_fds(3);
    let mut messages = room.messages();
    let Some(AncillaryMessage::Rights(mut fds)) = messages.next() else {
        panic!("no descriptors")
    };
    let first = fds.next().expect("the first");
    #[expect(clippy::mem_forget, reason = "what a user may do")]
    forget(fds);
    let rest: Vec<_> = room.fds().map(|fd| fd.as_raw_fd()).collect();
    assert_eq!(rest, &numbers[1..]);
    assert_eq!(first.as_raw_fd(), numbers[0]);
}

#[test]
fn room_data_of_half_a_number_is_none() {
    let mut room = holding(&[(libc::SOL_SOCKET, libc::SCM_RIGHTS, vec![0; 3])]);
    assert_eq!(room.messages().count(), 1);
    assert_eq!(room.fds().count(), 0);
}

#[test]
fn room_used_beyond_its_end_is_used_to_its_end() {
    let mut room = AncillaryBuf::<16>::new();
    // SAFETY: the bytes are zeroes, so there is no descriptor in them.
    unsafe { AncillaryRoom::set_used(&mut room, usize::MAX) };
    assert_eq!(room.messages().count(), 0);
}
