//! The media type of a file, by the ending of its name.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Endings in lower case, with the type that browsers know. What is text is UTF-8.
const TYPES: &[(&str, &str)] = &[
    ("avif", "image/avif"),
    ("bmp", "image/bmp"),
    ("css", "text/css; charset=utf-8"),
    ("csv", "text/csv; charset=utf-8"),
    ("gif", "image/gif"),
    ("gz", "application/gzip"),
    ("htm", "text/html; charset=utf-8"),
    ("html", "text/html; charset=utf-8"),
    ("ico", "image/x-icon"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("js", "text/javascript; charset=utf-8"),
    ("json", "application/json"),
    ("map", "application/json"),
    ("md", "text/markdown; charset=utf-8"),
    ("mjs", "text/javascript; charset=utf-8"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("ogg", "audio/ogg"),
    ("otf", "font/otf"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("svg", "image/svg+xml"),
    ("tar", "application/x-tar"),
    ("ttf", "font/ttf"),
    ("txt", "text/plain; charset=utf-8"),
    ("wasm", "application/wasm"),
    ("wav", "audio/wav"),
    ("webm", "video/webm"),
    ("webp", "image/webp"),
    ("woff", "font/woff"),
    ("woff2", "font/woff2"),
    ("xml", "application/xml"),
    ("zip", "application/zip"),
];

/// The type of a file with this name; bytes of no known kind if its ending is not known.
pub(crate) fn of(path: &Path) -> &'static str {
    let unknown = "application/octet-stream";
    let Some(ending) = path.extension().map(OsStrExt::as_bytes) else {
        return unknown;
    };
    let known = TYPES.binary_search_by(|(known, _)| {
        let lower = ending.iter().map(u8::to_ascii_lowercase);
        known.bytes().cmp(lower)
    });
    known.map_or(unknown, |at| TYPES[at].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mime_every_known_ending_is_found() {
        for (ending, kind) in TYPES {
            for name in [
                format!("a.{ending}"),
                format!("d.x/b.{}", ending.to_uppercase()),
            ] {
                assert_eq!(of(Path::new(&name)), *kind, "{name}");
            }
        }
    }

    #[test]
    fn mime_unknown_ending_is_plain_bytes() {
        for name in ["a", ".html", "a.", "a.html5", "a.xyz", "html", "a.html/b"] {
            assert_eq!(of(Path::new(name)), "application/octet-stream", "{name}");
        }
    }
}
