//! walk: control bytes of any content.
//! Method: random bytes, and encoded messages with one byte changed, walked with the addresses noted.

use proptest::prelude::*;

use super::*;

/// Where each message's data lies, and what it is; checked to be in order and within the bytes.
fn walked(bytes: &mut [u8]) -> Vec<(c_int, c_int, std::ops::Range<usize>)> {
    let (start, all) = (bytes.as_ptr().addr(), bytes.len());
    let mut rest = bytes;
    let mut found: Vec<(c_int, c_int, std::ops::Range<usize>)> = Vec::new();
    while let Some(raw) = split_first(&mut rest) {
        let at = raw.data.as_ptr().addr() - start;
        let end = at + raw.data.len();
        let before = found.last().map_or(0, |(_, _, range)| range.end);
        assert!(at >= before + HEADER && end <= all, "{at}..{end} of {all}");
        found.push((raw.level, raw.kind, at..end));
    }
    assert!(split_first(&mut rest).is_none(), "it has ended");
    found
}

/// Control bytes with these messages; the last one without its padding.
fn encoded(messages: &[(c_int, c_int, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (level, kind, data) in messages {
        bytes.resize(padded(bytes.len()), 0xaa);
        bytes.extend(header(HEADER + data.len(), *level, *kind));
        bytes.extend(data);
    }
    bytes
}

fn message() -> impl Strategy<Value = (c_int, c_int, Vec<u8>)> {
    let small = 0..4;
    (
        small.clone(),
        small,
        proptest::collection::vec(any::<u8>(), 0..40),
    )
}

proptest! {
    #[test]
    fn prop_walk_random_bytes_stays_within(mut bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        walked(&mut bytes);
    }

    #[test]
    fn prop_walk_random_small_lengths_stays_within(
        words in proptest::collection::vec(0_usize..64, 0..64),
        cut in 0_usize..8,
    ) {
        let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        bytes.truncate(bytes.len().saturating_sub(cut));
        walked(&mut bytes);
    }

    #[test]
    fn prop_walk_finds_what_was_encoded(messages in proptest::collection::vec(message(), 0..6)) {
        let mut bytes = encoded(&messages);
        let found = walked(&mut bytes);
        let found: Vec<_> = found
            .into_iter()
            .map(|(level, kind, range)| (level, kind, bytes[range].to_vec()))
            .collect();
        prop_assert_eq!(found, messages);
    }

    #[test]
    fn prop_walk_changed_byte_stays_within(
        messages in proptest::collection::vec(message(), 1..6),
        place in any::<prop::sample::Index>(),
        value in any::<u8>(),
    ) {
        let mut bytes = encoded(&messages);
        let place = place.index(bytes.len());
        bytes[place] = value;
        walked(&mut bytes);
    }

    #[test]
    fn prop_take_number_takes_each_once(mut data in proptest::collection::vec(any::<u8>(), 0..70)) {
        let (places, _) = data.as_chunks();
        let valid = |place: &[u8; 4]| Some(RawFd::from_ne_bytes(*place)).filter(|n| *n >= 0);
        let expected: Vec<RawFd> = places.iter().filter_map(valid).collect();
        prop_assert_eq!(numbers(&data), expected.len());
        let taken: Vec<RawFd> = std::iter::from_fn(|| take_number(&mut data)).collect();
        prop_assert_eq!(taken, expected);
        prop_assert_eq!(numbers(&data), 0);
    }
}

#[test]
fn walk_lengths_that_cannot_be_end_it() {
    for len in [
        0,
        1,
        HEADER - 1,
        HEADER + 9,
        usize::MAX,
        usize::MAX - 3,
        isize::MAX.cast_unsigned(),
    ] {
        let mut bytes = header(len, 1, 1).to_vec();
        bytes.extend([7; 8]);
        assert_eq!(walked(&mut bytes), [], "{len}");
    }
    let mut bytes = header(HEADER + 8, 1, 2).to_vec();
    bytes.extend([7; 8]);
    assert_eq!(walked(&mut bytes), [(1, 2, HEADER..HEADER + 8)]);
}
