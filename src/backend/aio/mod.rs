//! The Linux AIO backend.

pub(crate) mod context;
pub(crate) mod iocb;
pub(crate) mod queue;
pub(crate) mod ring;
