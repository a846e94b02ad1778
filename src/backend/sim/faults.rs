//! Which faults there are, how likely they are, and for which request one is due.

use std::time::Duration;

use super::call::Call;
use super::rng::Rng;

/// How likely faults are, and which are due for certain.
#[derive(Clone, Debug)]
pub(super) struct Faults {
    pub(super) short: f64,
    pub(super) interrupts: f64,
    pub(super) errors: f64,
    pub(super) errors_of: Vec<(Call, f64, i32)>,
    /// The n-th request of a kind, from 1 on, and with what it fails.
    pub(super) script: Vec<(Call, u64, i32)>,
    pub(super) delays: f64,
    pub(super) delay_max: Duration,
    pub(super) late_cancels: f64,
    pub(super) early_cancels: f64,
    pub(super) full_queue: f64,
    pub(super) resets: f64,
    pub(super) refusals: f64,
    pub(super) loss: f64,
    pub(super) duplicates: f64,
}

impl Faults {
    pub(super) const NONE: Self = Self {
        short: 0.0,
        interrupts: 0.0,
        errors: 0.0,
        errors_of: Vec::new(),
        script: Vec::new(),
        delays: 0.0,
        delay_max: Duration::ZERO,
        late_cancels: 0.0,
        early_cancels: 0.0,
        full_queue: 0.0,
        resets: 0.0,
        refusals: 0.0,
        loss: 0.0,
        duplicates: 0.0,
    };

    /// What is wrong with these numbers, if anything is.
    pub(super) fn check(&self) -> Result<(), String> {
        let single = [
            ("short_transfers", self.short),
            ("interrupts", self.interrupts),
            ("errors", self.errors),
            ("delays", self.delays),
            ("late_cancels", self.late_cancels),
            ("early_cancels", self.early_cancels),
            ("full_queue", self.full_queue),
            ("resets", self.resets),
            ("refusals", self.refusals),
            ("loss", self.loss),
            ("duplicates", self.duplicates),
        ];
        let by_call = self.errors_of.iter().map(|(_, p, _)| ("errors_of", *p));
        for (name, probability) in single.into_iter().chain(by_call) {
            if !(0.0..=1.0).contains(&probability) {
                return Err(format!(
                    "{name}: a probability is from 0 to 1, not {probability}"
                ));
            }
        }
        let by_script = self.script.iter().map(|(_, _, errno)| errno);
        let errnos = self.errors_of.iter().map(|(_, _, errno)| errno);
        for errno in errnos.chain(by_script) {
            if !(1..4096).contains(errno) {
                return Err(format!("an error number is from 1 to 4095, not {errno}"));
            }
        }
        if self.script.iter().any(|(_, n, _)| *n == 0) {
            return Err("fail_nth counts requests from 1 on".to_owned());
        }
        if self.full_queue >= 1.0 {
            return Err("full_queue: with 1 no request would ever be taken".to_owned());
        }
        Ok(())
    }

    /// The result, below zero, with which the n-th request of a kind fails instead of being done.
    pub(super) fn error(&self, call: Call, nth: u64, rng: &mut Rng) -> Option<i32> {
        let scripted = self.script.iter();
        let mut scripted = scripted.filter(|(of, n, _)| *of == call && *n == nth);
        if let Some((_, _, errno)) = scripted.next_back() {
            return Some(-errno);
        }
        for (of, probability, errno) in &self.errors_of {
            if *of == call && rng.chance(*probability) {
                return Some(-errno);
            }
        }
        if rng.chance(self.errors) {
            let errnos = usual_errors(call);
            if !errnos.is_empty() {
                return Some(-errnos[rng.index(errnos.len())]);
            }
        }
        let interruptions = interruptions(call);
        if !interruptions.is_empty() && rng.chance(self.interrupts) {
            return Some(-interruptions[rng.index(interruptions.len())]);
        }
        None
    }

    /// For how long a request is held back, in nanoseconds.
    pub(super) fn delay(&self, rng: &mut Rng) -> Option<u64> {
        if !rng.chance(self.delays) {
            return None;
        }
        let max = u64::try_from(self.delay_max.as_nanos()).unwrap_or(u64::MAX);
        Some(rng.between(1, max.max(1)))
    }

    /// How many of `len` bytes a transfer may move, if it is cut short.
    pub(super) fn cut(&self, len: u32, rng: &mut Rng) -> Option<u32> {
        if len < 2 || !rng.chance(self.short) {
            return None;
        }
        // Often very little, which is where off-by-one errors are.
        let max = if rng.chance(0.5) {
            u64::from(len - 1)
        } else {
            u64::from(len - 1).min(4)
        };
        u32::try_from(rng.between(1, max)).ok()
    }
}

/// `ERESTARTSYS`, which leaks from cancelled workers of the kernel.
const RESTART: i32 = 512;

/// The results after which a request is made again.
const fn interruptions(call: Call) -> &'static [i32] {
    match call {
        // Never interrupted; and what is made once only.
        Call::Nop | Call::Close => &[],
        // `EAGAIN` has a meaning of its own there.
        Call::Connect | Call::SendMsg => &[libc::EINTR, RESTART],
        _ => &[libc::EINTR, libc::EAGAIN, RESTART],
    }
}

/// The errors that such a request has to live with.
const fn usual_errors(call: Call) -> &'static [i32] {
    match call {
        Call::Nop => &[],
        Call::Read | Call::Readv | Call::Fsync | Call::Statx | Call::Close | Call::Splice => {
            &[libc::EIO]
        }
        Call::Write | Call::Writev => &[libc::EIO, libc::ENOSPC],
        Call::Fallocate => &[libc::ENOSPC],
        Call::Ftruncate => &[libc::EIO],
        Call::Open => &[libc::EMFILE, libc::EACCES, libc::EIO],
        Call::Unlink => &[libc::EIO, libc::EACCES],
        Call::Rename | Call::MakeDir => &[libc::EIO, libc::ENOSPC, libc::EACCES],
        Call::SendMsg | Call::Send => &[libc::ECONNRESET, libc::EPIPE, libc::ENOBUFS],
        Call::RecvMsg | Call::Recv => &[libc::ECONNRESET, libc::ENOMEM],
        Call::Socket => &[libc::EMFILE, libc::ENOBUFS],
        Call::Connect => &[libc::ECONNREFUSED, libc::ETIMEDOUT, libc::ENETUNREACH],
        Call::Accept => &[libc::ECONNABORTED, libc::EMFILE],
        Call::Bind => &[libc::EADDRINUSE, libc::EACCES],
        Call::Listen => &[libc::EADDRINUSE],
        Call::Shutdown => &[libc::ENOTCONN],
        Call::Poll => &[libc::ENOMEM],
    }
}
