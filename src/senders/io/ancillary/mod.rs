//! Ancillary data: what travels beside the bytes of a message.
//!
//! `outgoing` encodes what is sent, `incoming` holds what was received and owns the descriptors in it,
//! `kinds` has the types that both speak of, `walk` finds the messages in control bytes.
//!
//! # Flow
//!
//! ```text
//! (Rights([file]), SegmentSize(1200)) ──prepare──> ControlBytes ──> kernel
//! kernel ──> AncillaryBuf<N> ──advance──> owner of the descriptors ──messages()──> AncillaryMessage
//! ```

mod incoming;
mod kinds;
mod outgoing;
mod walk;

pub use incoming::{AncillaryBuf, AncillaryMessage, AncillaryMessages, AncillaryRoom, ReceivedFds};
pub use kinds::{Credentials, PacketInfoV4, PacketInfoV6, SegmentSize};
pub(crate) use outgoing::ControlBytes;
pub use outgoing::{Ancillary, FdList, Rights};
