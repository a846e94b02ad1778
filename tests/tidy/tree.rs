//! Reads the repository: paths relative to its root, sorted, texts split once.

use std::fs;
use std::path::Path;

use crate::lex;

/// One Rust file of the repository.
#[derive(Debug)]
pub(crate) struct Source {
    /// Path from the repository root, with `/`.
    pub(crate) path: String,
    /// The whole text.
    pub(crate) text: String,
    /// The text with comments and literals blank.
    pub(crate) code: String,
    /// The comments alone.
    pub(crate) comments: String,
}

impl Source {
    /// A source with this path and text, read from disk or made up by a test.
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let lex::Split { code, comments } = lex::split(text);
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
            code,
            comments,
        }
    }

    /// `path:line` of an offset into any of the three texts.
    pub(crate) fn place(&self, offset: usize) -> String {
        format!("{}:{}", self.path, lex::line_of(&self.text, offset))
    }
}

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below `dir` whose name ends in `suffix`; none if there is no such directory.
pub(crate) fn files(dir: &str, suffix: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut pending = vec![dir.to_owned()];
    while let Some(dir) = pending.pop() {
        let Ok(entries) = fs::read_dir(root().join(&dir)) else {
            continue;
        };
        for entry in entries {
            let entry = entry.expect("read a directory entry");
            let name = entry
                .file_name()
                .into_string()
                .expect("file names are UTF-8");
            let path = format!("{dir}/{name}");
            if entry.file_type().expect("read a file type").is_dir() {
                if name != "target" {
                    pending.push(path);
                }
            } else if name.ends_with(suffix) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The text of a file, or `None` if it does not exist.
pub(crate) fn read(path: &str) -> Option<String> {
    fs::read_to_string(root().join(path)).ok()
}

/// Every Rust file below the directories.
pub(crate) fn sources(dirs: &[&str]) -> Vec<Source> {
    let read = |path: &String| Source::new(path, &read(path).expect("read a source file"));
    dirs.iter()
        .flat_map(|dir| files(dir, ".rs"))
        .map(|path| read(&path))
        .collect()
}
