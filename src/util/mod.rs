//! Small parts without a home of their own.

pub(crate) mod thread_number;
