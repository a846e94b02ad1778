//! The field `Range` (RFC 9110, 14): which bytes of a file are wanted.
//!
//! One range is served. A request for several gets the whole file, as the standard allows; so nobody
//! can make this server send many overlapping pieces. What is malformed is ignored.

use std::ops::Range;

/// What a `Range` means for a file of a certain length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// No range that is served.
    Whole,
    /// These bytes, at least one.
    Part(Range<u64>),
    /// The range lies outside of the file.
    Nothing,
}

/// Reads the value of a `Range` field, for a file of `len` bytes.
pub(crate) fn wanted(value: &[u8], len: u64) -> Wanted {
    range(value, len).unwrap_or(Wanted::Whole)
}

/// `None`: malformed, or more than one range, or not in bytes.
fn range(value: &[u8], len: u64) -> Option<Wanted> {
    let equals = value.iter().position(|&byte| byte == b'=')?;
    let (unit, set) = value.split_at(equals);
    if !unit.eq_ignore_ascii_case(b"bytes") {
        return None;
    }
    // Empty elements of a list are nothing.
    let elements = set[1..].split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
    let mut elements = elements.filter(|element| !element.is_empty());
    let (element, None) = (elements.next()?, elements.next()) else {
        return None;
    };
    let dash = element.iter().position(|&byte| byte == b'-')?;
    let (first, last) = (&element[..dash], &element[dash + 1..]);
    let range = if first.is_empty() {
        len.saturating_sub(number(last)?)..len
    } else {
        let first = number(first)?;
        let last = if last.is_empty() {
            u64::MAX
        } else {
            number(last)?
        };
        if last < first {
            return None;
        }
        first..last.saturating_add(1).min(len)
    };
    Some(match range.is_empty() {
        true => Wanted::Nothing,
        false => Wanted::Part(range),
    })
}

/// A number in decimal; one that is too large is larger than any file.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, &digit| {
        let digit = char::from(digit).to_digit(10)?;
        Some(number.saturating_mul(10).saturating_add(digit.into()))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
    use proptest::test_runner::Config;

    use super::Wanted::{Nothing, Part, Whole};
    use super::*;

    #[test]
    fn range_one_is_clipped_to_the_file() {
        let cases = [
            ("bytes=0-0", Part(0..1)),
            ("bytes=0-", Part(0..10)),
            ("bytes=3-5", Part(3..6)),
            ("bytes=9-9", Part(9..10)),
            ("bytes=9-99", Part(9..10)),
            ("bytes=5-18446744073709551616", Part(5..10)),
            ("bytes=-1", Part(9..10)),
            ("bytes=-10", Part(0..10)),
            ("bytes=-99999999999999999999", Part(0..10)),
            ("BYTES= 2-3 ", Part(2..4)),
            ("bytes=,2-3,", Part(2..4)),
            ("bytes=10-", Nothing),
            ("bytes=10-12", Nothing),
            ("bytes=99999999999999999999-", Nothing),
            ("bytes=-0", Nothing),
        ];
        for (value, expected) in cases {
            assert_eq!(wanted(value.as_bytes(), 10), expected, "{value}");
        }
    }

    #[test]
    fn range_of_an_empty_file_is_nothing() {
        for value in ["bytes=0-", "bytes=0-0", "bytes=-1"] {
            assert_eq!(wanted(value.as_bytes(), 0), Nothing, "{value}");
        }
    }

    #[test]
    fn range_malformed_several_or_of_another_unit_is_the_whole_file() {
        let cases = [
            "",
            "bytes",
            "bytes=",
            "bytes=,",
            "bytes=-",
            "bytes=a-b",
            "bytes=1",
            "bytes=5-3",
            "bytes=+1-2",
            "bytes=1-2-3",
            "bytes=--1",
            "lines=1-2",
            "bytes=0-1,3-4",
            "bytes 0-1",
            "bytes=1 -2",
        ];
        for value in cases {
            assert_eq!(wanted(value.as_bytes(), 10), Whole, "{value}");
        }
    }

    proptest! {
        #![proptest_config(Config { failure_persistence: None, ..Config::default() })]

        #[test]
        fn prop_range_part_lies_in_the_file(first in 0_u64..300, last in 0_u64..300, len in 0_u64..300) {
            let value = format!("bytes={first}-{last}");
            match wanted(value.as_bytes(), len) {
                Part(range) => {
                    prop_assert!(!range.is_empty() && range.end <= len);
                    prop_assert_eq!(range, first..(last + 1).min(len));
                }
                Nothing => prop_assert!(first >= len && first <= last),
                Whole => prop_assert!(first > last),
            }
        }

        #[test]
        fn prop_range_any_value_is_read(value in "bytes=[0-9, -]{0,30}", len in any::<u64>()) {
            if let Part(range) = wanted(value.as_bytes(), len) {
                prop_assert!(!range.is_empty() && range.end <= len);
            }
        }
    }
}
