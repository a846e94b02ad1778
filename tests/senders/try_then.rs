//! try_then: continues the value with a function that may fail.
//! Method: the laws of `mapping`, then what becomes of each channel.

use sendio::SenderExt;

use crate::mapping::table;

crate::mapping::closure_laws!("value", |child, hook| child.try_then(move |n| {
    hook();
    Ok(n)
}));

#[test]
fn try_then_ok_is_the_value() {
    let outcomes = table(|s| s.try_then(|n| Ok(n + 10)));
    assert_eq!(
        outcomes,
        ["value 11", "error 2", "stopped", "panicked three"]
    );
}

#[test]
fn try_then_err_is_the_error() {
    let outcomes = table(|s| s.try_then(|n| Err::<(), _>(n + 10)));
    assert_eq!(
        outcomes,
        ["error 11", "error 2", "stopped", "panicked three"]
    );
}
