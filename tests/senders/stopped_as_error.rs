//! stopped_as_error: makes an error of *stopped*.
//! Method: the laws of `mapping`, then what becomes of each channel.

use sendio::SenderExt;

use crate::mapping::table;

crate::mapping::closure_laws!("stopped", |child, hook| child.stopped_as_error(move || {
    hook();
    3
}));

#[test]
fn stopped_as_error_each_channel_stopped_becomes_error() {
    let outcomes = table(|s| s.stopped_as_error(|| 13));
    assert_eq!(
        outcomes,
        ["value 1", "error 2", "error 13", "panicked three"]
    );
}
