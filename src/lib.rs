//! sendio.

#[cfg(all(test, loom))]
mod loom;
#[cfg_attr(
    not(test),
    expect(
        unused_imports,
        dead_code,
        reason = "the protocol files are still to come"
    )
)]
#[cfg_attr(
    test,
    expect(
        unused_imports,
        dead_code,
        reason = "the protocol files are still to come"
    )
)]
mod sync;
#[cfg_attr(
    not(all(test, not(loom))),
    expect(dead_code, reason = "the contexts are still to come")
)]
mod util;
