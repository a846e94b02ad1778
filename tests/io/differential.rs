//! differential: random programs of operations give the same results on every backend.
//! Method: a program runs on each backend in a world of its own (a directory, a pipe, sockets); every
//! result is told as a line, with counts, bytes and error numbers; the lists are equal.

use proptest::prelude::{Strategy, any, prop_assert_eq, prop_oneof, proptest};
use proptest::test_runner::Config;

use super::common::backends::usable;
use world::World;

mod world;

#[derive(Clone, Debug)]
enum Step {
    Open { name: u8, how: u8 },
    ReadAt { at: u16, len: u16 },
    WriteAt { at: u16, len: u16 },
    ReadExactAt { at: u16, len: u16 },
    ReadSome { len: u16 },
    WriteSome { len: u16 },
    Readv { at: u16, len: u16 },
    Writev { at: u16, len: u16 },
    Ftruncate { len: u16 },
    Fallocate { at: u16, len: u16 },
    Sync { data: bool },
    Metadata { name: u8 },
    Rename { from: u8, to: u8, replace: bool },
    Unlink { name: u8 },
    Mkdir { name: u8 },
    Rmdir { name: u8 },
    PipeWrite { len: u16 },
    PipeRead { len: u16 },
    Send { len: u16, on: Link },
    Recv { len: u16, on: Link, flags: u8 },
    RecvStopped { on: Link },
    Exchange { len: u16, on: Link },
    Shutdown { on: Link, how: u8 },
    Poll { on: Link, events: u8 },
    AcceptConnect,
    ConnectRefused,
    Misuse { which: u8 },
}

/// Which pair of sockets.
#[derive(Clone, Copy, Debug)]
enum Link {
    Unix,
    Tcp,
}

fn link() -> impl Strategy<Value = Link> {
    any::<bool>().prop_map(|tcp| if tcp { Link::Tcp } else { Link::Unix })
}

fn step() -> impl Strategy<Value = Step> {
    let name = || 0_u8..4;
    let at = || 0_u16..9000;
    let len = || 0_u16..5000;
    let small = || 0_u16..600;
    let files = prop_oneof![
        (name(), 0_u8..6).prop_map(|(name, how)| Step::Open { name, how }),
        (at(), len()).prop_map(|(at, len)| Step::ReadAt { at, len }),
        (at(), len()).prop_map(|(at, len)| Step::WriteAt { at, len }),
        (at(), len()).prop_map(|(at, len)| Step::ReadExactAt { at, len }),
        len().prop_map(|len| Step::ReadSome { len }),
        len().prop_map(|len| Step::WriteSome { len }),
        (at(), len()).prop_map(|(at, len)| Step::Readv { at, len }),
        (at(), len()).prop_map(|(at, len)| Step::Writev { at, len }),
        at().prop_map(|len| Step::Ftruncate { len }),
        (at(), len()).prop_map(|(at, len)| Step::Fallocate { at, len }),
        any::<bool>().prop_map(|data| Step::Sync { data }),
    ];
    let paths = prop_oneof![
        name().prop_map(|name| Step::Metadata { name }),
        (name(), name(), any::<bool>()).prop_map(|(from, to, replace)| Step::Rename {
            from,
            to,
            replace
        }),
        name().prop_map(|name| Step::Unlink { name }),
        name().prop_map(|name| Step::Mkdir { name }),
        name().prop_map(|name| Step::Rmdir { name }),
    ];
    let streams = prop_oneof![
        small().prop_map(|len| Step::PipeWrite { len }),
        small().prop_map(|len| Step::PipeRead { len }),
        (small(), link()).prop_map(|(len, on)| Step::Send { len, on }),
        (small(), link(), 0_u8..3).prop_map(|(len, on, flags)| Step::Recv { len, on, flags }),
        link().prop_map(|on| Step::RecvStopped { on }),
        (len(), link()).prop_map(|(len, on)| Step::Exchange { len, on }),
        (link(), 0_u8..3).prop_map(|(on, how)| Step::Shutdown { on, how }),
        (link(), 0_u8..2).prop_map(|(on, events)| Step::Poll { on, events }),
        (0_u8..6).prop_map(|which| Step::Misuse { which }),
        (0_u8..2).prop_map(|one| match one {
            0 => Step::AcceptConnect,
            _ => Step::ConnectRefused,
        }),
    ];
    prop_oneof![4 => files, 2 => paths, 4 => streams]
}

proptest! {
    #![proptest_config(Config { cases: 96, failure_persistence: None, ..Config::default() })]

    #[test]
    fn prop_every_backend_gives_the_same_results(
        steps in proptest::collection::vec(step(), 1..40),
    ) {
        let kinds = usable();
        assert!(kinds.len() > 1, "there is something to compare");
        let told = |kind| {
            let mut world = World::new(kind);
            let mut told: Vec<String> = steps.iter().map(|step| world.take(step)).collect();
            told.push(world.files());
            told
        };
        let first = told(kinds[0]);
        for kind in &kinds[1..] {
            let other = told(*kind);
            for (index, (left, right)) in first.iter().zip(&other).enumerate() {
                prop_assert_eq!(
                    left, right, "step {} on {} and {}: {:?}", index, kinds[0], kind, steps.get(index)
                );
            }
        }
    }
}
