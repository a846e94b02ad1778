//! From the target of a request to a path below the root: decoded, normalised, never out of it.
//!
//! This is the first of two walls. The second is the kernel's: files are opened with
//! `RESOLVE_BENEATH`, so what symbolic links make of a path cannot leave the root either.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::status::Status;

/// A path relative to the root, without empty components, `.`, `..` and NUL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FilePath {
    bytes: Vec<u8>,
    /// It ended in a slash.
    pub(crate) is_directory: bool,
}

impl FilePath {
    /// Decodes and normalises a target, whose query is ignored.
    ///
    /// # Errors
    ///
    /// *400* for `%` without two hexadecimal digits, for a NUL, for a fragment and for a path that
    /// leaves the root; *404* for a name with a slash in it (`%2F`), which no file has.
    pub(crate) fn of_target(target: &[u8]) -> Result<Self, Status> {
        let (path, _) = split_query(target);
        if path.contains(&b'#') {
            return Err(Status::BadRequest);
        }
        let mut bytes = Vec::with_capacity(path.len() + INDEX.len() + 1);
        let mut is_directory = true;
        for segment in path.split(|&byte| byte == b'/') {
            let start = bytes.len();
            if start > 0 {
                bytes.push(b'/');
            }
            let name = bytes.len();
            decode(segment, &mut bytes)?;
            is_directory = true;
            match &bytes[name..] {
                b"" | b"." => bytes.truncate(start),
                b".." => {
                    if start == 0 {
                        return Err(Status::BadRequest);
                    }
                    let parent = bytes[..start].iter().rposition(|&byte| byte == b'/');
                    bytes.truncate(parent.unwrap_or(0));
                }
                name if name.contains(&b'/') => return Err(Status::NotFound),
                _ => is_directory = false,
            }
        }
        Ok(Self {
            bytes,
            is_directory,
        })
    }

    /// The path as an operation takes it; the root is `.`.
    pub(crate) fn as_path(&self) -> &Path {
        match self.bytes.is_empty() {
            true => Path::new("."),
            false => Path::new(OsStr::from_bytes(&self.bytes)),
        }
    }

    /// The index of this directory.
    pub(crate) fn index(mut self) -> Self {
        if !self.bytes.is_empty() {
            self.bytes.push(b'/');
        }
        self.bytes.extend_from_slice(INDEX);
        self.is_directory = false;
        self
    }

    /// Where the directory of this name is, with the query of the request: the path from the host
    /// on, encoded. It has one slash at its start, so no browser takes it for another host.
    pub(crate) fn location(&self, target: &[u8]) -> Vec<u8> {
        let mut location = vec![b'/'];
        for &byte in &self.bytes {
            if byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@".contains(&byte) {
                location.push(byte);
            } else {
                let digit = |value: u8| b"0123456789ABCDEF"[usize::from(value)];
                location.extend([b'%', digit(byte >> 4), digit(byte & 15)]);
            }
        }
        if !self.bytes.is_empty() {
            location.push(b'/');
        }
        location.extend_from_slice(split_query(target).1);
        location
    }
}

/// What is sent for a directory.
const INDEX: &[u8] = b"index.html";

/// The path, and the query with its question mark.
fn split_query(target: &[u8]) -> (&[u8], &[u8]) {
    let query = target.iter().position(|&byte| byte == b'?');
    target.split_at(query.unwrap_or(target.len()))
}

/// Appends `segment` with each `%41` as the byte that it stands for.
fn decode(segment: &[u8], bytes: &mut Vec<u8>) -> Result<(), Status> {
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|d| u8::try_from(d).ok())
    };
    let mut rest = segment;
    while let [first, after @ ..] = rest {
        let mut byte = *first;
        rest = after;
        if byte == b'%' {
            let [high, low, after @ ..] = after else {
                return Err(Status::BadRequest);
            };
            let (high, low) = digit(*high).zip(digit(*low)).ok_or(Status::BadRequest)?;
            byte = high << 4 | low;
            rest = after;
        }
        if byte == 0 {
            return Err(Status::BadRequest);
        }
        bytes.push(byte);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Component;

    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
    use proptest::test_runner::Config;

    use super::*;

    fn resolved(target: &str) -> Result<(String, bool), Status> {
        let path = FilePath::of_target(target.as_bytes())?;
        Ok((path.as_path().display().to_string(), path.is_directory))
    }

    #[test]
    fn file_path_is_decoded_and_normalised() {
        let cases = [
            ("/", ".", true),
            ("", ".", true),
            ("?q", ".", true),
            ("/a", "a", false),
            ("/a/", "a", true),
            ("/a/b.txt?x=/../", "a/b.txt", false),
            ("//a///b//", "a/b", true),
            ("/./a/./b/.", "a/b", true),
            ("/a/../b", "b", false),
            ("/a/b/../../c/", "c", true),
            ("/a/..", ".", true),
            ("/a/b/%2e%2E/c", "a/c", false),
            ("/%41%20b%3f", "A b?", false),
            ("/...", "...", false),
            ("/..a/b..", "..a/b..", false),
            ("/a\\..\\b", "a\\..\\b", false),
        ];
        for (target, path, is_directory) in cases {
            assert_eq!(
                resolved(target),
                Ok((path.to_owned(), is_directory)),
                "{target}"
            );
        }
    }

    #[test]
    fn file_path_out_of_the_root_or_malformed_is_a_bad_request() {
        let cases = [
            "/..",
            "/../etc/passwd",
            "/a/../..",
            "/a/../../b",
            "/%2e%2e/x",
            "/.%2e/x",
            "/a%00",
            "/a%",
            "/a%4",
            "/a%4g",
            "/%%34",
            "/a%+1",
            "/a#b",
        ];
        for target in cases {
            assert_eq!(resolved(target), Err(Status::BadRequest), "{target}");
        }
        for target in ["/a%2fb", "/..%2f..%2fetc/passwd", "/%2F"] {
            assert_eq!(resolved(target), Err(Status::NotFound), "{target}");
        }
    }

    #[test]
    fn file_path_index_is_in_the_directory() {
        let index = |target: &[u8]| FilePath::of_target(target).map(FilePath::index);
        assert_eq!(index(b"/").unwrap().as_path(), Path::new("index.html"));
        assert_eq!(
            index(b"/a/b/").unwrap().as_path(),
            Path::new("a/b/index.html")
        );
    }

    #[test]
    fn file_path_location_names_no_other_host() {
        let location = |target: &[u8]| {
            let path = FilePath::of_target(target).unwrap();
            String::from_utf8(path.location(target)).unwrap()
        };
        assert_eq!(location(b"/a%20b?x=1&y"), "/a%20b/?x=1&y");
        assert_eq!(location(b"//example.org/.."), "/");
        assert_eq!(location(b"//example.org"), "/example.org/");
        assert_eq!(location(b"/a%0d%0ab"), "/a%0D%0Ab/");
    }

    proptest! {
        #![proptest_config(Config { failure_persistence: None, ..Config::default() })]

        #[test]
        fn prop_file_path_stays_below_the_root(target in "/?([a-c./%?#\\\\]|%2[eEfF]|%00|\\.\\./){0,40}") {
            if let Ok(path) = FilePath::of_target(target.as_bytes()) {
                let mut parts = path.as_path().components();
                if path.as_path() != Path::new(".") {
                    prop_assert!(parts.all(|part| matches!(part, Component::Normal(_))), "{path:?}");
                }
                prop_assert!(!path.as_path().as_os_str().as_bytes().contains(&0));
            }
        }

        #[test]
        fn prop_file_path_of_its_location_is_itself(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(path) = FilePath::of_target(&bytes) {
                let again = FilePath::of_target(&path.location(&bytes)).unwrap();
                prop_assert_eq!(again.as_path(), path.as_path());
                prop_assert!(again.is_directory);
            }
        }
    }
}
