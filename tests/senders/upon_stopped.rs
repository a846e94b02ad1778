//! upon_stopped: makes a value of *stopped*.
//! Method: the laws of `mapping`, then what becomes of each channel.

use sendio::SenderExt;

use crate::mapping::table;

crate::mapping::closure_laws!("stopped", |child, hook| child.upon_stopped(move || {
    hook();
    3
}));

#[test]
fn upon_stopped_each_channel_stopped_becomes_value() {
    let outcomes = table(|s| s.upon_stopped(|| 13));
    assert_eq!(
        outcomes,
        ["value 1", "error 2", "value 13", "panicked three"]
    );
}
