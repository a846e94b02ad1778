//! Checks on how files hang together: every file is compiled, and imports point downwards.

use std::collections::{BTreeMap, BTreeSet};

use crate::lex;
use crate::tree::Source;

/// The modules that `senders::concept` and `senders::stop` may build on.
const FOUNDATION: [&str; 5] = ["senders::concept", "senders::stop", "util", "sync", "abort"];

/// The files of `files` that no chain of `mod` declarations from one of `roots` reaches.
pub(crate) fn unreached(files: &[Source], roots: &[&str]) -> Vec<String> {
    let by_path: BTreeMap<&str, &Source> = files.iter().map(|f| (f.path.as_str(), f)).collect();
    let mut reached = BTreeSet::new();
    let mut pending: Vec<String> = roots.iter().map(|&root| root.to_owned()).collect();
    while let Some(path) = pending.pop() {
        if let Some(source) = by_path.get(path.as_str())
            && reached.insert(path)
        {
            pending.extend(module_files(source));
        }
    }
    let dead = files.iter().filter(|file| !reached.contains(&file.path));
    dead.map(|file| {
        let path = &file.path;
        format!("{path}: no `mod` declaration reaches it: declare it in its parent or delete it")
    })
    .collect()
}

/// The roots among test files: each file directly in `tests`, and `main.rs` of each directory.
pub(crate) fn test_roots(files: &[Source]) -> Vec<&str> {
    let paths = files.iter().map(|file| file.path.as_str());
    let is_root = |path: &&str| match path.split('/').collect::<Vec<_>>()[..] {
        [_, _] => true,
        [_, _, name] => name == "main.rs",
        _ => false,
    };
    paths.filter(is_root).collect()
}

/// The files that the `mod name;` items of `source` may stand for.
fn module_files(source: &Source) -> Vec<String> {
    let (dir, name) = source
        .path
        .rsplit_once('/')
        .expect("a path below a directory");
    let base = match name.trim_end_matches(".rs") {
        "lib" | "main" | "mod" => dir.to_owned(),
        _ if dir == "tests" => dir.to_owned(),
        stem => format!("{dir}/{stem}"),
    };
    let mut targets = Vec::new();
    for at in lex::word_offsets(&source.code, "mod") {
        let after = source.code[at + 3..].trim_start();
        let len = after
            .bytes()
            .position(|b| !lex::is_word(b))
            .unwrap_or(after.len());
        let (module, rest) = after.split_at(len);
        if module.is_empty() || !rest.trim_start().starts_with(';') {
            continue;
        }
        let item = source.code[..at]
            .rfind([';', '{', '}'])
            .map_or(0, |end| end + 1);
        match path_attribute(source, item, at) {
            Some(path) => targets.push(normalised(&format!("{dir}/{path}"))),
            None => {
                targets.push(format!("{base}/{module}.rs"));
                targets.push(format!("{base}/{module}/mod.rs"));
            }
        }
    }
    targets
}

/// The value of a `#[path = "..."]` between two offsets; one in a comment is none.
fn path_attribute(source: &Source, from: usize, to: usize) -> Option<&str> {
    let opening = "#[path = \"";
    let value = from + source.code[from..to].rfind(opening)? + opening.len();
    source.text[value..to].split_once('"').map(|(path, _)| path)
}

/// `path` without its `..` steps.
pub(crate) fn normalised(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "." | "" => {}
            ".." if parts.last().is_some_and(|&last| last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Imports that point against the layers: the foundation of the senders knows nothing above it,
/// and backends know requests, not senders.
pub(crate) fn wrong_arrows(files: &[Source]) -> Vec<String> {
    let mut violations = Vec::new();
    for file in files {
        let path = file.path.as_str();
        let in_any = |dirs: &[&str]| {
            dirs.iter()
                .any(|dir| path.starts_with(&format!("{dir}/")) || path == format!("{dir}.rs"))
        };
        let foundation = in_any(&["src/senders/concept", "src/senders/stop"]);
        if !foundation && !in_any(&["src/backend"]) {
            continue;
        }
        for (at, import) in crate_paths(&without_test_modules(&file.code)) {
            let is_in =
                |module: &str| import == module || import.starts_with(&format!("{module}::"));
            let from_root = import.starts_with(|c: char| c.is_uppercase());
            let place = file.place(at);
            if foundation && !FOUNDATION.iter().any(|module| is_in(module)) {
                violations.push(format!(
                    "{place}: `crate::{import}`: this layer builds only on {FOUNDATION:?}: \
                     move what is shared down, or this code up"
                ));
            } else if !foundation && (is_in("senders") || is_in("sched") || from_root) {
                violations.push(format!(
                    "{place}: `crate::{import}`: backends know requests and slots only: pass it \
                     in through the request, or name the module below the senders that defines it"
                ));
            }
        }
    }
    violations
}

/// `code` with the bodies of `#[cfg(test)]`-like inline modules blank.
fn without_test_modules(code: &str) -> String {
    let mut kept = code.to_owned();
    for (at, _) in code.match_indices("#[cfg(") {
        let Some((condition, item)) = code[at..].split_once(")]") else {
            continue;
        };
        let inline = item
            .split_once('{')
            .filter(|(head, _)| head.trim_start().starts_with("mod "));
        let (Some((head, _)), false) = (inline, lex::word_offsets(condition, "test").is_empty())
        else {
            continue;
        };
        let open = at + condition.len() + 2 + head.len();
        let end = open + block_len(&code[open..]);
        let lines: Vec<_> = code[open..end]
            .split('\n')
            .map(|line| " ".repeat(line.len()))
            .collect();
        kept.replace_range(open..end, &lines.join("\n"));
    }
    kept
}

/// The length of the block that `text` begins with, braces included.
fn block_len(text: &str) -> usize {
    let mut depth = 0_usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 1 => return at + 1,
            b'}' => depth -= 1,
            _ => {}
        }
    }
    text.len()
}

/// Every path behind `crate::`, groups expanded, with the offset of its `crate`.
fn crate_paths(code: &str) -> Vec<(usize, String)> {
    let mut paths = Vec::new();
    for at in lex::word_offsets(code, "crate") {
        let names_visibility = code[..at].trim_end().ends_with("(in");
        if let Some(tree) = code[at + 5..].strip_prefix("::")
            && !names_visibility
        {
            expand("", tree, &mut |path| paths.push((at, path)));
        }
    }
    paths
}

/// Calls `found` for each leaf of the path tree at the start of `tree`; returns its length.
fn expand(prefix: &str, tree: &str, found: &mut dyn FnMut(String)) -> usize {
    let is_path = |byte: u8| lex::is_word(byte) || byte == b':' || byte == b'*';
    let len = tree.bytes().position(|b| !is_path(b)).unwrap_or(tree.len());
    let path = format!("{prefix}{}", &tree[..len]);
    if !tree[len..].starts_with('{') {
        if len > 0 {
            found(path.trim_end_matches(':').to_owned());
        }
        return len;
    }
    let mut at = len + 1;
    while let Some(&byte) = tree.as_bytes().get(at) {
        match byte {
            b'}' => return at + 1,
            b if is_path(b) || b == b'{' => at += expand(&path, &tree[at..], found).max(1),
            _ => at += 1,
        }
    }
    at
}

#[test]
fn unreached_file_without_mod_is_reported() {
    let files = [
        Source::new(
            "src/lib.rs",
            "//! L.\nmod a;\npub(crate) mod b { }\n// mod dead;\n",
        ),
        Source::new(
            "src/a/mod.rs",
            "#[cfg(test)]\nmod tests;\n#[path = \"../odd/file.rs\"]\nmod x;\n",
        ),
        Source::new("src/a/tests.rs", "mod deep;"),
        Source::new("src/a/tests/deep.rs", ""),
        Source::new("src/odd/file.rs", ""),
        Source::new("src/b.rs", ""),
        Source::new("src/dead.rs", ""),
    ];
    let violations = unreached(&files, &["src/lib.rs"]);
    assert_eq!(violations.len(), 2);
    assert!(violations[0].starts_with("src/b.rs:") && violations[1].starts_with("src/dead.rs:"));
}

#[test]
fn unreached_test_file_outside_every_binary_is_reported() {
    let files = [
        Source::new(
            "tests/single.rs",
            "#[path = \"common/mod.rs\"]\nmod common;\n",
        ),
        Source::new(
            "tests/common/mod.rs",
            "//! `#[path = \"x.rs\"]`\npub(crate) mod wait;",
        ),
        Source::new("tests/common/wait.rs", ""),
        Source::new("tests/io/main.rs", "mod read;"),
        Source::new("tests/io/read.rs", ""),
        Source::new("tests/io/write.rs", ""),
    ];
    let roots = test_roots(&files);
    assert_eq!(roots, ["tests/single.rs", "tests/io/main.rs"]);
    let violations = unreached(&files, &roots);
    assert_eq!(violations.len(), 1);
    assert!(violations[0].starts_with("tests/io/write.rs:"));
}

#[test]
fn wrong_arrows_upward_import_is_reported() {
    let concept = "use crate::senders::{concept::Sender, stop::{StopToken, X}, adaptor::Then};\n\
                   pub(in crate::senders) fn f() { crate::sync::spin_hint(); }\n\
                   #[cfg(test)]\nmod tests { use crate::just; }\n";
    let violations = wrong_arrows(&[Source::new("src/senders/concept/env.rs", concept)]);
    assert_eq!(violations.len(), 1);
    assert!(violations[0].contains("env.rs:1: `crate::senders::adaptor::Then`"));
    let backend = "use crate::util::List;\nuse crate::sched::IoContext;\nuse crate::Sender;\n";
    let violations = wrong_arrows(&[Source::new("src/backend/uring/mod.rs", backend)]);
    assert_eq!(violations.len(), 2);
    assert!(violations[0].contains(":2: `crate::sched::IoContext`"));
    assert!(violations[1].contains(":3: `crate::Sender`"));
    let above = Source::new("src/senders/adaptor/then.rs", "use crate::sched::Inline;\n");
    crate::none(&wrong_arrows(&[above]));
}
