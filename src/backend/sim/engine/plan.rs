//! Which requests go on now, and in which order; when the next thing happens, if none does.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::RawFd;

use super::super::call::{Way, line};
use super::super::descriptor::{pollfd, wait_for};
use super::super::host;
use super::super::net::{Moment, Ready};
use super::super::trace::Event;
use super::{Engine, Id, RESTART, State};

impl Engine {
    /// Chooses what goes on now, and in which order.
    pub(in super::super) fn plan(&mut self) {
        self.submitted += u64::from(std::mem::take(&mut self.fresh));
        let ready_outside = self.ready_outside();
        let now = self.now();
        let ids: Vec<Id> = self.table.keys().copied().collect();
        let mut chosen: Vec<Id> = Vec::new();
        // Lines in which somebody waits, so that those behind wait too.
        let mut held: BTreeSet<_> = BTreeSet::new();
        for id in ids {
            let Some(entry) = self.table.get(&id) else {
                continue;
            };
            let line = line(&entry.request);
            let is_ready = match entry.state {
                State::Due => continue,
                _ if line.is_some_and(|line| held.contains(&line)) => false,
                State::Fresh => true,
                State::Descriptor(..) => ready_outside.contains(&id),
                State::Until(at) => at <= now,
                State::Network => self.network_ready(id, now, false) == Ready::Now,
            };
            if self.settle(id, is_ready, now) {
                chosen.push(id);
            } else {
                held.extend(line);
            }
        }
        self.rng.shuffle(&mut chosen);
        self.keep_lines(&mut chosen);
        for id in &chosen {
            if let Some(entry) = self.table.get_mut(id) {
                entry.state = State::Due;
            }
        }
        self.due.extend(chosen);
    }

    /// Whether a request goes on now: it is ready and not held back, or its cancel takes effect.
    fn settle(&mut self, id: Id, is_ready: bool, now: u64) -> bool {
        let Some(entry) = self.table.get_mut(&id) else {
            return false;
        };
        let call = entry.call;
        if entry.cancel_at.is_some_and(|at| at <= now) {
            if !is_ready || self.rng.chance(self.faults.early_cancels) {
                let late = self.faults.late_cancels > 0.0;
                let code = if late && self.rng.chance(0.25) {
                    RESTART
                } else {
                    libc::ECANCELED
                };
                entry.verdict = Some(host::ended(-code, &entry.progress));
            }
            return true;
        }
        if !is_ready {
            return false;
        }
        if entry.may_delay {
            entry.may_delay = false;
            if let Some(nanos) = self.faults.delay(&mut self.rng) {
                entry.state = State::Until(now.saturating_add(nanos));
                self.record(id, call, Event::Delayed(nanos));
                return false;
            }
        }
        true
    }

    /// Puts requests of one line into the order in which they came.
    fn keep_lines(&self, chosen: &mut [Id]) {
        if chosen.len() < 2 {
            return;
        }
        let mut lines: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for (place, id) in chosen.iter().enumerate() {
            if let Some(line) = self.table.get(id).and_then(|entry| line(&entry.request)) {
                lines.entry(line).or_default().push(place);
            }
        }
        for places in lines.into_values().filter(|places| places.len() > 1) {
            let mut ids: Vec<Id> = places.iter().map(|place| chosen[*place]).collect();
            ids.sort_unstable();
            for (place, id) in places.into_iter().zip(ids) {
                chosen[place] = id;
            }
        }
    }

    /// Whether a request that waits for the network can go on; `watch` is whether ends of connections are
    /// looked for that were closed.
    fn network_ready(&mut self, id: Id, now: u64, watch: bool) -> Ready {
        let (Some(net), Some(entry)) = (&mut self.net, self.table.get(&id)) else {
            return Ready::Now;
        };
        let Some(object) = entry.object else {
            return Ready::Now;
        };
        let mut moment = Moment {
            now,
            rng: &mut self.rng,
        };
        net.ready(object.ident, &entry.request, watch, &mut moment)
    }

    /// The descriptors of the world outside that are waited for.
    pub(in super::super) fn outside(&self) -> Vec<libc::pollfd> {
        let waits = self.table.values().filter_map(|entry| match entry.state {
            State::Descriptor(fd, events) => Some(pollfd(fd, events)),
            _ => None,
        });
        waits.collect()
    }

    fn ready_outside(&self) -> BTreeSet<Id> {
        let mut fds = self.outside();
        if fds.is_empty() || !wait_for(&mut fds, 0) {
            return BTreeSet::new();
        }
        let waiting = self
            .table
            .iter()
            .filter(|(_, entry)| matches!(entry.state, State::Descriptor(..)));
        let with_fd = waiting.zip(&fds).filter(|(_, fd)| fd.revents != 0);
        with_fd.map(|((id, _), _)| *id).collect()
    }

    /// When the next thing happens that only takes time.
    pub(in super::super) fn next_time(&mut self) -> Option<u64> {
        let now = self.now();
        let ids: Vec<Id> = self.table.keys().copied().collect();
        let mut soonest: Option<u64> = None;
        for id in ids {
            let Some(entry) = self.table.get(&id) else {
                continue;
            };
            let cancel = entry.cancel_at;
            // What is ready now, and was not chosen, waits for others of its line.
            let own = match entry.state {
                State::Until(at) => Some(at),
                State::Network => match self.network_ready(id, now, true) {
                    Ready::Now => None,
                    Ready::Later(at) => at,
                },
                _ => None,
            };
            let times = [cancel, own].into_iter().flatten();
            soonest = times.filter(|at| *at > now).chain(soonest).min();
        }
        soonest
    }

    /// The first one of a line waits: those behind it do not go on either.
    pub(super) fn hold_back(&mut self, waiting: Option<(RawFd, Way)>) {
        let table = &mut self.table;
        self.due.retain(|id| match table.get_mut(id) {
            Some(entry) if entry.verdict.is_none() && line(&entry.request) == waiting => {
                entry.state = State::Fresh;
                false
            }
            _ => true,
        });
    }
}
