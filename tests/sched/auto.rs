//! auto: which backend a context runs on, with kernel interfaces forbidden one by one.
//! Method: a child process that a seccomp filter keeps from some system calls makes contexts, named
//! and not; what it chose, what it says about the others, and that it works.

#![expect(unsafe_code, reason = "a seccomp filter between fork and exec")]

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::process::CommandExt;

use sendio::Backend;
use sendio::BackendKind::{Aio, Epoll, Sim, Uring};
use sendio::backends::Auto;
use sendio::prelude::*;

use crate::child::in_child;

/// Does `body` in a child process in which the `forbidden` system calls fail with `code`, and the
/// environment names `backend`.
fn without(body: &str, forbidden: &[libc::c_long], code: i32, backend: Option<&str>) {
    let filter = filter(forbidden, code);
    in_child("auto", body, |command| {
        command.env_remove("SENDIO_BACKEND");
        if let Some(backend) = backend {
            command.env("SENDIO_BACKEND", backend);
        }
        // SAFETY: between fork and exec only `prctl` is called, with memory made before.
        unsafe {
            command.pre_exec(move || forbid(&filter));
        }
    });
}

/// A program of the kernel's filter machine: these system calls fail, the others are allowed.
fn filter(forbidden: &[libc::c_long], code: i32) -> Vec<libc::sock_filter> {
    let of = |code: u32, k: u32, jt: u8| libc::sock_filter {
        code: u16::try_from(code).expect("a code"),
        jt,
        jf: 0,
        k,
    };
    let answer = libc::SECCOMP_RET_ERRNO | u32::try_from(code).expect("an error number");
    let mut program = vec![of(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0)];
    for call in forbidden {
        let number = u32::try_from(*call).expect("a number");
        // To the next but one instruction if it is not that call.
        let mut compare = of(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, number, 0);
        compare.jf = 1;
        program.push(compare);
        program.push(of(libc::BPF_RET | libc::BPF_K, answer, 0));
    }
    program.push(of(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0));
    program
}

fn forbid(filter: &[libc::sock_filter]) -> io::Result<()> {
    let program = libc::sock_fprog {
        len: u16::try_from(filter.len()).map_err(io::Error::other)?,
        filter: filter.as_ptr().cast_mut(),
    };
    // SAFETY: the program is read during the call.
    let result = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        let mode = libc::SECCOMP_MODE_FILTER;
        libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const program, 0, 0)
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// A context does what contexts do.
fn works<B: Backend>(ctx: &IoContext<B>) {
    let io = ctx.scheduler();
    let file = File::open("Cargo.toml").expect("open");
    let read = io.read_at(&file, [0; 9], 0).then(|(n, _)| n);
    let both = when_all((read, io.schedule()));
    let n = ctx
        .block_on(both)
        .expect("no error")
        .expect("not stopped")
        .0;
    assert_eq!(n, 9);
}

#[test]
#[ignore = "the body of tests that need a process of their own"]
fn child() {
    match std::env::var("SENDIO_CHILD").as_deref() {
        Ok("no ring") => no_ring(),
        Ok("only a question") => only_a_question(),
        Ok("neither ring nor aio") => neither_ring_nor_aio(),
        Ok("nothing") => nothing(),
        Ok("named ring") => named_ring(),
        Ok("named epoll") => named_epoll(),
        Ok("named nonsense") => named_nonsense(),
        other => panic!("started by other tests only: {other:?}"),
    }
}

fn no_ring() {
    let ctx = IoContext::new().expect("a context");
    works(&ctx);
    let report = ctx.backend_report();
    assert_eq!(report.kind(), Some(Aio));
    assert_eq!(report.refused()[0].kind(), Uring);
    assert!(
        report.to_string().contains("\n  uring cannot be used: "),
        "{report}"
    );
    let error = IoContext::builder()
        .backend(Uring)
        .build()
        .expect_err("forbidden");
    let text = error.to_string();
    assert!(text.starts_with("uring cannot be used: "), "{text}");
    assert!(text.ends_with(", and it is named by the program"), "{text}");
    assert!(matches!(
        error.kind(),
        ErrorKind::PermissionDenied | ErrorKind::Unsupported
    ));
}

fn only_a_question() {
    let ctx = IoContext::new().expect("a context");
    works(&ctx);
    assert_eq!(ctx.backend_report().kind(), Some(Uring));
}

fn neither_ring_nor_aio() {
    let ctx = IoContext::new().expect("a context");
    works(&ctx);
    let report = ctx.backend_report();
    assert_eq!(report.kind(), Some(Epoll));
    let refused: Vec<_> = report.refused().iter().map(|one| one.kind()).collect();
    assert_eq!(refused, [Uring, Aio]);
    assert!(
        report
            .refused()
            .iter()
            .all(|one| one.raw_os_error() == Some(libc::ENOSYS))
    );
}

fn nothing() {
    let error = IoContext::new().expect_err("nothing is left");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let text = error.to_string();
    for name in ["uring", "aio", "epoll"] {
        assert!(text.contains(&format!("{name} cannot be used: ")), "{text}");
    }
}

fn named_ring() {
    let error = IoContext::new().expect_err("it is named, and forbidden");
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(
        error
            .to_string()
            .ends_with(", and it is named by SENDIO_BACKEND"),
        "{error}"
    );
    // The program's word counts more.
    works(
        &IoContext::builder()
            .backend(Epoll)
            .build()
            .expect("another one"),
    );
}

fn named_epoll() {
    let ctx = IoContext::builder()
        .on::<Auto>()
        .build()
        .expect("a context");
    works(&ctx);
    let report = ctx.backend_report();
    assert_eq!((report.kind(), report.refused().len()), (Some(Epoll), 0));
    assert!(
        report
            .to_string()
            .starts_with("backend epoll, named by SENDIO_BACKEND")
    );
}

fn named_nonsense() {
    let error = IoContext::new().expect_err("no such backend");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(
        error.to_string().contains("`kqueue` is no backend"),
        "{error}"
    );
}

#[test]
fn auto_without_rings_is_aio_and_says_why() {
    for code in [libc::EPERM, libc::ENOSYS] {
        without("no ring", &[libc::SYS_io_uring_setup], code, None);
    }
    // The ring can be made, and then nothing can be done with it.
    without("no ring", &[libc::SYS_io_uring_enter], libc::EPERM, None);
}

#[test]
fn auto_with_rings_that_may_not_be_asked_uses_them() {
    without(
        "only a question",
        &[libc::SYS_io_uring_register],
        libc::EPERM,
        None,
    );
}

#[test]
fn auto_without_rings_and_aio_is_epoll() {
    let forbidden = [libc::SYS_io_uring_setup, libc::SYS_io_setup];
    without("neither ring nor aio", &forbidden, libc::ENOSYS, None);
}

#[test]
fn auto_without_anything_says_all_reasons() {
    let forbidden = [
        libc::SYS_io_uring_setup,
        libc::SYS_io_setup,
        libc::SYS_epoll_create1,
    ];
    without("nothing", &forbidden, libc::EPERM, None);
}

#[test]
fn auto_named_by_the_environment_is_that_or_an_error() {
    without(
        "named ring",
        &[libc::SYS_io_uring_setup],
        libc::EPERM,
        Some("uring"),
    );
    without("named epoll", &[], 0, Some("epoll"));
    without("named nonsense", &[], 0, Some("kqueue"));
    without("only a question", &[], 0, Some("auto"));
}

#[test]
fn auto_named_with_options_of_rings_is_an_error_that_names_them() {
    for kind in [Aio, Epoll] {
        let builder = IoContext::builder().backend(kind).iopoll(true);
        let error = builder.build().expect_err("it has no such thing");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("iopoll"), "{error}");
    }
    if cfg!(not(feature = "sim")) {
        let error = IoContext::builder()
            .backend(Sim)
            .build()
            .expect_err("not built in");
        assert!(error.to_string().contains("feature `sim`"), "{error}");
    }
}

#[test]
fn auto_is_the_only_type_that_can_be_told_to_be_another_one() {
    use sendio::backends::Epoll as EpollType;
    let on_epoll = |kind| IoContext::builder().on::<EpollType>().backend(kind).build();
    let same = on_epoll(Epoll).expect("the same");
    assert_eq!(same.backend_report().kind(), Some(Epoll));
    let error = on_epoll(Uring).expect_err("another one");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(
        error.to_string(),
        "uring was asked for, and these contexts are made for epoll"
    );
}
