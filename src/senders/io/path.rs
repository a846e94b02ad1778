//! [`IoPath`]: a path as the kernel reads it, with its NUL, held in the operation.
//!
//! Paths of less than 64 bytes lie within the value, so that opening a file by an ordinary path
//! allocates nothing; longer ones are on the heap. The kernel copies a path when the request is
//! submitted, so the pointer has to be good until then, or until the completion where the kernel
//! does not say when it copies.

use std::ffi::{CStr, c_char};
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use smallvec::SmallVec;

/// A path that ends in a NUL and contains no other.
#[derive(Clone)]
pub(crate) struct IoPath {
    bytes: SmallVec<[u8; 64]>,
}

impl IoPath {
    /// Copies the path. How long it may be is left to the kernel (`ENAMETOOLONG`).
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the path contains a NUL, which no file name does.
    pub(crate) fn new(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref().as_os_str().as_bytes();
        if let Some(position) = path.iter().position(|byte| *byte == 0) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("a path cannot contain a NUL byte, found at position {position}"),
            ));
        }
        let mut bytes = SmallVec::with_capacity(path.len() + 1);
        bytes.extend_from_slice(path);
        bytes.push(0);
        Ok(Self { bytes })
    }

    /// The path for the kernel. A short one lies within `self`: the pointer is good until `self` is
    /// moved, mutably borrowed or dropped, so it is taken when the operation is at its final address.
    pub(crate) fn as_ptr(&self) -> *const c_char {
        self.bytes.as_ptr().cast()
    }

    /// The path with its NUL.
    pub(crate) fn as_c_str(&self) -> &CStr {
        CStr::from_bytes_with_nul(&self.bytes).expect("checked when it was made")
    }
}

/// A path as the argument of an operation: what is wrong with it is told when the operation starts.
#[derive(Debug)]
pub(crate) struct PathArg(Result<IoPath, Option<io::Error>>);

impl PathArg {
    /// Copies the path.
    pub(crate) fn new(path: impl AsRef<Path>) -> Self {
        Self(IoPath::new(path).map_err(Some))
    }

    /// What was wrong with it.
    pub(crate) fn check(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Ok(_) => Ok(()),
            Err(error) => Err(error
                .take()
                .unwrap_or_else(|| io::ErrorKind::InvalidInput.into())),
        }
    }

    /// See [`IoPath::as_ptr`]. Of a path with which something is wrong: the empty one.
    pub(crate) fn as_ptr(&self) -> *const c_char {
        self.0.as_ref().map_or(c"".as_ptr(), IoPath::as_ptr)
    }
}

impl fmt::Debug for IoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("IoPath").field(&self.as_c_str()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use proptest::prelude::{any, prop_assert_eq, proptest};
    use proptest::test_runner::Config;

    use super::*;

    /// Whether the pointer lies within the value.
    fn is_inline(path: &IoPath) -> bool {
        let start = std::ptr::from_ref(path).addr();
        (start..start + size_of::<IoPath>()).contains(&path.as_ptr().addr())
    }

    #[test]
    fn io_path_short_lies_within_the_value_and_long_does_not() {
        for (len, inline) in [(0, true), (1, true), (63, true), (64, false), (5000, false)] {
            let text = "p".repeat(len);
            let path = IoPath::new(&text).expect("valid");
            assert_eq!(is_inline(&path), inline, "{len} bytes");
            assert_eq!(path.as_c_str().to_bytes(), text.as_bytes());
            assert_eq!(path.as_c_str().as_ptr(), path.as_ptr());
        }
    }

    #[test]
    fn io_path_interior_nul_is_invalid_input_with_its_position() {
        let error = IoPath::new("two\0words").expect_err("NUL");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains("NUL"), "{error}");
        assert!(error.to_string().contains("position 3"), "{error}");
        assert!(IoPath::new("ends\0").is_err());
    }

    #[test]
    fn io_path_debug_shows_the_path() {
        let path = IoPath::new("/dev/null").expect("valid");
        assert_eq!(format!("{path:?}"), "IoPath(\"/dev/null\")");
    }

    proptest! {
        #![proptest_config(Config { failure_persistence: None, ..Config::default() })]

        #[test]
        fn prop_io_path_keeps_every_byte(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let result = IoPath::new(OsStr::from_bytes(&bytes));
            prop_assert_eq!(result.is_err(), bytes.contains(&0));
            if let Ok(path) = result {
                prop_assert_eq!(path.as_c_str().to_bytes(), bytes);
            }
        }
    }
}
