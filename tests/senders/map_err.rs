//! map_err: changes the error with a function.
//! Method: the laws of `mapping`, then what becomes of each channel.

use sendio::SenderExt;

use crate::mapping::table;

crate::mapping::closure_laws!("error", |child, hook| child.map_err(move |e| {
    hook();
    e
}));

#[test]
fn map_err_each_channel_error_changes() {
    let outcomes = table(|s| s.map_err(|e| format!("<{e}>")));
    assert_eq!(
        outcomes,
        ["value 1", "error \"<2>\"", "stopped", "panicked three"]
    );
}
