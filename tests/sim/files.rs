//! The file system in memory, as programs see it; a disk that is full.

use std::io::ErrorKind;
use std::path::Path;

use sendio::prelude::*;
use sendio::sim::{self, Call, SimConfig};

use super::support::{Ctx, code, content, create, memory};

fn open(ctx: &Ctx, path: &str, options: OpenOptions) -> std::io::Result<()> {
    ctx.block_on(ctx.scheduler().open(path, options))
        .map(|file| drop(file.expect("not stopped")))
}

fn write(ctx: &Ctx, path: &str, bytes: &[u8]) -> std::io::Result<()> {
    let io = ctx.scheduler();
    let write = io
        .open(path, create())
        .let_value(|file| io.write_all_at(file, bytes, 0));
    ctx.block_on(write).map(|_| ())
}

#[test]
fn files_are_in_memory_and_nowhere_else() {
    let config = SimConfig::rough().file("/a/b/there", "content");
    sim::explore(0..50, &config, |ctx| {
        assert_eq!(content(ctx, "/a/b/there").expect("read"), b"content");
        assert_eq!(content(ctx, "a/./b/../b/there").expect("read"), b"content");
        write(ctx, "/sendio-made", b"new").expect("write");
        assert_eq!(content(ctx, "/sendio-made").expect("read"), b"new");
        assert!(!Path::new("/sendio-made").exists(), "not of the machine");
        let missing = open(ctx, "/etc/passwd", OpenOptions::new().read(true));
        assert_eq!(code(missing), Some(libc::ENOENT), "not of the machine");
    });
}

#[test]
fn files_are_opened_as_the_options_say() {
    sim::run(&memory().file("/dir/file", "content"), |ctx| {
        let read = || OpenOptions::new().read(true);
        let new = || OpenOptions::new().write(true).create_new(true);
        assert_eq!(code(open(ctx, "/none", read())), Some(libc::ENOENT));
        assert_eq!(code(open(ctx, "/dir/file", new())), Some(libc::EEXIST));
        assert_eq!(code(open(ctx, "/dir/file/x", read())), Some(libc::ENOTDIR));
        assert_eq!(code(open(ctx, "/dir", create())), Some(libc::EISDIR));
        assert_eq!(code(open(ctx, "/none/x", create())), Some(libc::ENOENT));
        open(ctx, "/dir", read()).expect("a directory");
        open(ctx, "/new", new()).expect("a new file");
        let io = ctx.scheduler();
        let file = ctx.block_on(io.open("/dir/file", read())).expect("open");
        let file = file.expect("a file");
        assert_eq!(
            code(ctx.block_on(file.write_at("x", 0))),
            Some(libc::EBADF),
            "it was opened for reading"
        );
        let append = OpenOptions::new().append(true);
        let append = io
            .open("/dir/file", append)
            .let_value(|file| io.write_all(file, " and more"));
        ctx.block_on(append).expect("write");
        assert_eq!(
            content(ctx, "/dir/file").expect("read"),
            b"content and more"
        );
        open(ctx, "/dir/file", create()).expect("truncate");
        assert_eq!(content(ctx, "/dir/file").expect("read"), b"");
    });
}

#[test]
fn files_are_renamed_removed_and_described() {
    sim::explore(
        0..20,
        &memory().file("/a", "one").file("/b", "two"),
        |ctx| {
            let io = ctx.scheduler();
            ctx.block_on(io.rename("/a", "/b")).expect("rename");
            assert_eq!(content(ctx, "/b").expect("read"), b"one");
            assert_eq!(code(content(ctx, "/a")), Some(libc::ENOENT));
            ctx.block_on(io.mkdir("/dir", 0o700)).expect("mkdir");
            assert_eq!(
                code(ctx.block_on(io.mkdir("/dir", 0o700))),
                Some(libc::EEXIST)
            );
            ctx.block_on(io.rename("/b", "/dir/c")).expect("rename");
            let kept = ctx.block_on(io.rename_noreplace("/dir/c", "/dir/c"));
            assert_eq!(code(kept), Some(libc::EEXIST));
            assert_eq!(
                code(ctx.block_on(io.rename("/dir", "/dir/below"))),
                Some(libc::EINVAL)
            );
            assert_eq!(code(ctx.block_on(io.rmdir("/dir"))), Some(libc::ENOTEMPTY));
            assert_eq!(code(ctx.block_on(io.unlink("/dir"))), Some(libc::EISDIR));
            let about = ctx.block_on(io.metadata_of("/dir/c")).expect("stat");
            let about = about.expect("a value");
            assert_eq!((about.size(), about.is_file()), (3, true));
            let dir = ctx.block_on(io.metadata_of("/dir")).expect("stat");
            assert!(dir.expect("a value").is_dir());

            // A file that is open is there without its name.
            let file = ctx.block_on(io.open("/dir/c", OpenOptions::new().read(true)));
            let file = file.expect("open").expect("a file");
            ctx.block_on(io.unlink("/dir/c")).expect("unlink");
            let bytes = ctx.block_on(file.read_exact_at([0; 3], 0)).expect("read");
            assert_eq!(&bytes.expect("a value"), b"one");
            assert_eq!(
                ctx.block_on(file.metadata())
                    .expect("stat")
                    .expect("a value")
                    .size(),
                3
            );
            ctx.block_on(io.rmdir("/dir")).expect("rmdir");
            assert_eq!(code(ctx.block_on(io.rmdir("/dir"))), Some(libc::ENOENT));
        },
    );
}

#[test]
fn files_are_found_relative_to_directories_and_not_beyond() {
    sim::run(&memory().file("/dir/x", "x").file("/y", "y"), |ctx| {
        let io = ctx.scheduler();
        let read = || OpenOptions::new().read(true);
        let dir = ctx.block_on(io.open("/dir", read())).expect("open");
        let dir = dir.expect("a directory");
        let there = |path: &str, options| {
            ctx.block_on(io.open_at(&dir, path, options))
                .map(|file| drop(file.expect("not stopped")))
        };
        there("x", read()).expect("in it");
        there("../y", read()).expect("beside it");
        assert_eq!(code(there("y", read())), Some(libc::ENOENT));
        there("x", read().beneath(true)).expect("beneath");
        assert_eq!(code(there("../y", read().beneath(true))), Some(libc::EXDEV));
    });
}

#[test]
fn files_fill_the_disk() {
    let config = memory().file("/there", [0; 60]).disk_size(100);
    sim::explore(0..50, &config, |ctx| {
        let io = ctx.scheduler();
        let file = ctx.block_on(io.open("/new", create())).expect("open");
        let file = file.expect("a file");
        let error = ctx
            .block_on(file.write_all_at([1; 50], 0))
            .expect_err("ten too many");
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        assert_eq!(transferred(&error), 40);
        assert_eq!(content(ctx, "/new").expect("read"), [1; 40]);
        assert_eq!(code(ctx.block_on(file.ftruncate(41))), Some(libc::ENOSPC));
        ctx.block_on(file.write_all_at([2; 40], 0))
            .expect("what is there may be replaced");
        ctx.block_on(io.unlink("/there")).expect("unlink");
        ctx.block_on(file.write_all_at([3; 50], 0))
            .expect("there is room again");
    });
}

#[test]
fn files_that_cannot_be_are_refused_when_the_context_is_made() {
    for path in ["/", "", "/a/../b"] {
        let error = sim::context(&memory().file(path, "x")).expect_err("no file");
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
    let twice = memory().file("/a", "x").file("/a/b", "x");
    assert!(sim::context(&twice).is_err());
}

#[test]
fn files_without_memory_files_are_those_of_the_machine() {
    let dir = crate::common::files::temp_dir();
    let path = dir.path().join("file");
    let name = path.to_str().expect("a name").to_owned();
    let config = SimConfig::new()
        .short_transfers(0.5)
        .fail_nth(Call::Fsync, 1, libc::EIO);
    sim::run(&config, |ctx| {
        write(ctx, &name, b"for real").expect("write");
        let io = ctx.scheduler();
        let sync = io
            .open(&name, OpenOptions::new().read(true))
            .let_value(|file| io.fsync(file));
        assert_eq!(code(ctx.block_on(sync)), Some(libc::EIO));
    });
    assert_eq!(std::fs::read(&path).expect("read"), b"for real");
}
