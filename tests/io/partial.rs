//! partial: what an error says about the bytes before it.
//! Method: errors of each origin, and their text, kind, cause and count.

use std::error::Error;
use std::fs::File;
use std::io;

use sendio::prelude::*;
use sendio::{Partial, transferred};

use super::support::{context, sealed_file};

#[test]
fn partial_error_has_kind_count_and_cause() {
    let ctx = context();
    let file = sealed_file(4096);
    let error = ctx
        .block_on(ctx.scheduler().write_all_at(&file, vec![0; 5000], 0))
        .unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    let partial = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<Partial>())
        .expect("a partial transfer");
    assert_eq!(partial.transferred(), 4096);
    let cause = partial.cause().expect("a cause");
    assert_eq!(cause.raw_os_error(), Some(libc::EPERM));
    assert!(partial.source().is_some());
    assert!(error.to_string().ends_with("after 4096 bytes"), "{error}");
}

#[test]
fn partial_end_of_input_has_no_cause() {
    let ctx = context();
    let null = File::open("/dev/null").expect("open");
    let error = ctx
        .block_on(ctx.scheduler().read_exact(&null, [0; 3]))
        .unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    let partial = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<Partial>());
    assert!(partial.expect("a partial transfer").cause().is_none());
    assert_eq!(error.to_string(), "ended after 0 bytes");
}

#[test]
fn transferred_of_other_errors_is_zero() {
    assert_eq!(transferred(&io::Error::from_raw_os_error(libc::EIO)), 0);
    assert_eq!(transferred(&io::Error::other("something else")), 0);
}
