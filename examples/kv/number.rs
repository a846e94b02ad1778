//! Integers as Redis reads and writes them.

/// The integer that `text` spells in its one canonical form: no sign but `-`, no leading zero, no
/// space.
pub(crate) fn parse(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    match digits {
        [b'0'] if !negative => return Some(0),
        [b'1'..=b'9', ..] if digits.len() <= 19 => {}
        _ => return None,
    }
    let mut magnitude = 0u64;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        // Nineteen digits fit: at most 10^19 - 1.
        magnitude = magnitude * 10 + u64::from(digit);
    }
    if negative {
        0i64.checked_sub_unsigned(magnitude)
    } else {
        i64::try_from(magnitude).ok()
    }
}

/// Appends the decimal digits of `number`.
pub(crate) fn write(out: &mut Vec<u8>, number: i64) {
    if let Ok(digit @ 0..=9) = u8::try_from(number) {
        out.push(b'0' + digit);
        return;
    }
    let mut digits = [0; 20];
    let mut begin = digits.len();
    let mut rest = number.unsigned_abs();
    while rest > 0 {
        begin -= 1;
        let digit = u8::try_from(rest % 10).expect("a digit is below ten");
        digits[begin] = b'0' + digit;
        rest /= 10;
    }
    if number < 0 {
        begin -= 1;
        digits[begin] = b'-';
    }
    out.extend_from_slice(&digits[begin..]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parse_odd_spellings_are_refused() {
        for text in [
            "", "-", "+1", " 1", "1 ", "01", "-0", "-01", "1a", "0x1", "1.0",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text:?}");
        }
        for text in [
            "9223372036854775808",
            "-9223372036854775809",
            "99999999999999999999",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn parse_extremes_are_accepted() {
        for number in [i64::MIN, i64::MAX, 0, -1, 10] {
            assert_eq!(parse(number.to_string().as_bytes()), Some(number));
        }
    }

    proptest! {
        #[test]
        fn prop_write_is_display_and_parse_its_inverse(number: i64, shift in 0u32..64) {
            let number = number >> shift;
            let mut out = Vec::new();
            write(&mut out, number);
            prop_assert_eq!(&out, &number.to_string().into_bytes());
            prop_assert_eq!(parse(&out), Some(number));
        }
    }
}
