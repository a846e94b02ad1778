//! dev
#[path = "common/mod.rs"]
mod common;
#[path = "sched/epoll.rs"]
mod epoll;
