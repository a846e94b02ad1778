//! open: `open`, `open_at`.
//! Method: the options against their effect, wrong paths, stops, and a look at who owns the
//! descriptor afterwards.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::symlink;

use sendio::prelude::*;
use sendio::{Cwd, FileKind};

use super::common::files::temp_dir;
use super::common::outcomes::panic_message;
use super::support::{
    Refuses, code, context, fds_under, on_each_handle, outcome_of, stopped_after,
};

const READ: OpenOptions = OpenOptions::new().read(true);

on_each_handle! {
    fn open_options_have_the_effect_of_std(io, cx) {
        let dir = temp_dir();
        let path = dir.path().join("file");
        let missing = cx.run(io.open(&path, READ).then(drop));
        assert_eq!(missing.unwrap_err().kind(), io::ErrorKind::NotFound);
        let new = OpenOptions::new().write(true).create_new(true).mode(0o600);
        let file = cx.run(io.open(&path, new)).expect("create");
        cx.run(file.write_all("content")).expect("write");
        cx.run(file.close()).expect("close");
        let again = cx.run(io.open(&path, new).then(drop));
        assert_eq!(again.unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        let file = cx.run(io.open(&path, READ)).expect("open");
        assert_eq!(&cx.run(file.read_exact([0; 7])).expect("read"), b"content");
        assert_eq!(cx.run(file.metadata()).expect("metadata").permissions(), 0o600);
        drop(file);
        let empty = OpenOptions::new().write(true).truncate(true);
        drop(cx.run(io.open(&path, empty)).expect("truncate"));
        assert_eq!(fs::read(&path).expect("read"), b"");
        assert_eq!(fds_under(dir.path()), 0);
    }

    fn open_at_is_relative_to_the_directory(io, cx) {
        let dir = temp_dir();
        fs::write(dir.path().join("inside"), "x").expect("write");
        let directory = File::open(dir.path()).expect("open");
        let file = cx.run(io.open_at(&directory, "inside", READ)).expect("by reference");
        assert_eq!(cx.run(file.metadata()).expect("metadata").size(), 1);
        drop(file);
        let file = cx.run(io.open_at(directory, "inside", READ)).expect("by value");
        assert_eq!(file.token().kind().expect("kind"), FileKind::File);
        drop(file);
        assert_eq!(fds_under(dir.path()), 0, "the directory was let go");
        drop(cx.run(io.open_at(Cwd, "Cargo.toml", READ)).expect("the working directory"));
        let (pipe, _writer) = io::pipe().expect("pipe");
        let no_directory = cx.run(io.open_at(&pipe, "inside", READ).then(drop));
        assert_eq!(code(no_directory), Some(libc::ENOTDIR));
    }

    fn open_bad_paths_and_options_are_errors(io, cx) {
        let run = |path: &str, options| cx.run(io.open(path, options).then(drop)).unwrap_err();
        assert_eq!(run("a\0b", READ).kind(), io::ErrorKind::InvalidInput);
        assert_eq!(run("", READ).kind(), io::ErrorKind::NotFound);
        assert_eq!(run(&"p".repeat(256), READ).raw_os_error(), Some(libc::ENAMETOOLONG));
        assert_eq!(run(&"p/".repeat(2500), READ).raw_os_error(), Some(libc::ENAMETOOLONG));
        assert_eq!(run("/dev/null/x", READ).raw_os_error(), Some(libc::ENOTDIR));
        assert_eq!(run("/", READ.write(true)).raw_os_error(), Some(libc::EISDIR));
        assert_eq!(run("/", OpenOptions::new()).kind(), io::ErrorKind::InvalidInput);
    }

    fn open_beneath_stays_below_its_directory(io, cx) {
        let dir = temp_dir();
        let root = dir.path().join("root");
        fs::create_dir_all(root.join("sub")).expect("mkdir");
        fs::write(root.join("file"), "inside").expect("write");
        fs::write(dir.path().join("secret"), "outside").expect("write");
        for (target, link) in [
            ("../secret", "out"),
            ("/etc/passwd", "absolute"),
            ("..", "sub/up"),
            ("../file", "sub/in"),
            ("/proc/self/fd/0", "magic"),
        ] {
            symlink(target, root.join(link)).expect("symlink");
        }
        let handle = File::open(&root).expect("open");
        let open = |path: &str| cx.run(io.open_at(&handle, path, READ.beneath(true)));
        for path in ["file", "./sub/../file", "sub/in", "sub/up/file"] {
            let file = open(path).expect(path);
            assert_eq!(&cx.run(file.read_exact([0; 6])).expect("read"), b"inside");
        }
        let outside = dir.path().join("secret");
        let outside = outside.to_str().expect("UTF-8");
        for path in ["../secret", "out", "absolute", "sub/up/../secret", "magic", "/", outside] {
            assert_eq!(code(open(path).map(drop)), Some(libc::EXDEV), "{path}");
        }
        assert_eq!(open("missing").unwrap_err().kind(), io::ErrorKind::NotFound);
        let new = OpenOptions::new().write(true).create_new(true).mode(0o640).beneath(true);
        let file = cx.run(io.open_at(&handle, "new", new)).expect("create");
        assert_eq!(cx.run(file.metadata()).expect("metadata").permissions(), 0o640);
        let escaping = cx.run(io.open_at(&handle, "../new", new));
        assert_eq!(code(escaping.map(drop)), Some(libc::EXDEV));
        assert!(!dir.path().join("new").exists());
    }

    fn open_long_path_is_opened(io, cx) {
        let dir = temp_dir();
        let path = dir.path().join("n".repeat(200));
        fs::write(&path, "long").expect("write");
        let file = cx.run(io.open(&path, READ)).expect("open");
        assert_eq!(&cx.run(file.read_exact([0; 4])).expect("read"), b"long");
    }
}

#[test]
fn open_stop_before_start_opens_nothing() {
    let dir = temp_dir();
    let path = dir.path().join("never");
    let ctx = context();
    let create = OpenOptions::new().write(true).create(true);
    let open = ctx.scheduler().open(&path, create);
    assert!(matches!(stopped_after(&ctx, 0, open), Outcome::Stopped));
    assert!(!path.exists());
}

#[test]
fn open_stop_from_another_thread_delivers_or_closes() {
    let dir = temp_dir();
    let path = dir.path().join("raced");
    fs::write(&path, "x").expect("write");
    let ctx = context();
    let io = ctx.scheduler();
    for _ in 0..300 {
        let source = StopSource::new();
        std::thread::scope(|threads| {
            threads.spawn(|| source.request_stop());
            let open = io.open(&path, READ).with_stop_token(source.token());
            let opened = ctx.block_on(open.then(|file| file.as_fd().try_clone_to_owned().is_ok()));
            assert_ne!(opened.expect("no error"), Some(false));
        });
    }
    assert_eq!(fds_under(dir.path()), 0);
}

#[test]
fn open_handle_becomes_other_types() {
    let ctx = context();
    let file = ctx
        .block_on(ctx.scheduler().open("Cargo.toml", READ))
        .expect("open")
        .expect("not stopped");
    let std_file = File::from(OwnedFd::from(file));
    assert!(std_file.metadata().expect("metadata").len() > 0);
}

#[test]
fn open_at_directory_that_panics_is_told_on_the_panic_channel() {
    let ctx = context();
    let outcome = outcome_of(&ctx, ctx.scheduler().open_at(Refuses, "x", READ));
    assert_eq!(panic_message(outcome), "no descriptor for you");
}

#[test]
fn open_fifo_does_not_wait_for_the_other_end_and_reads_do() {
    let dir = temp_dir();
    let fifo = dir.path().join("fifo");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status();
    assert!(made.expect("run mkfifo").success());
    let ctx = context();
    let io = ctx.scheduler();
    let none = ctx.block_on(io.open(&fifo, OpenOptions::new().write(true)).then(drop));
    assert_eq!(code(none), Some(libc::ENXIO));
    let reader = ctx
        .block_on(io.open(&fifo, READ))
        .expect("open")
        .expect("not stopped");
    assert!(!reader.token().is_nonblocking().expect("query"));
    let writer = ctx
        .block_on(io.open(&fifo, OpenOptions::new().write(true)))
        .expect("open")
        .expect("not stopped");
    let (read, ()) = ctx
        .block_on(when_all((
            reader.read_some([0; 8]).then(|(n, _)| n),
            io.schedule()
                .let_value(|()| writer.write_all("hey"))
                .then(|_| ()),
        )))
        .expect("no error")
        .expect("not stopped");
    assert_eq!(read, 3);
}
