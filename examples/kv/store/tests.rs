//! Times to live, and what is counted about them.

use std::cell::Cell;

use super::*;

thread_local! {
    static NOW: Cell<i64> = const { Cell::new(1_000_000) };
}

/// A store on a clock that only [`pass`] moves.
pub(crate) fn store() -> Store {
    Store::new(|| NOW.get())
}

/// Lets time pass for the stores of this thread, and begins a new batch.
pub(crate) fn pass(store: &mut Store, milliseconds: i64) {
    NOW.set(NOW.get() + milliseconds);
    store.begin();
}

fn text(store: &mut Store, key: &[u8]) -> Option<Vec<u8>> {
    store.get_as::<Text>(key).unwrap().cloned()
}

#[test]
fn set_then_get_returns_what_was_set_last() {
    let mut store = store();
    assert_eq!(text(&mut store, b"k"), None);
    for value in [&b"a"[..], b"", b"longer than before", &[b'x'; 1000], b"y"] {
        store.set(b"k", value, false);
        assert_eq!(text(&mut store, b"k").as_deref(), Some(value));
    }
    assert_eq!(store.len(), 1);
    assert!(store.remove(b"k").is_some() && store.remove(b"k").is_none());
    assert_eq!(store.len(), 0);
}

#[test]
fn key_is_there_until_its_deadline_and_gone_after() {
    let mut store = store();
    store.set(b"k", b"v", false);
    let deadline = store.now() + 10;
    store.set_deadline(b"k", Some(deadline));
    pass(&mut store, 10);
    assert_eq!(store.deadline(b"k"), Some(Some(deadline)));
    pass(&mut store, 1);
    assert_eq!((store.len(), store.volatile()), (1, 1));
    assert_eq!(text(&mut store, b"k"), None);
    assert_eq!((store.len(), store.volatile()), (0, 0));
    assert_eq!(store.stats.expired, 1);
}

#[test]
fn deadline_in_the_past_removes_the_key() {
    let mut store = store();
    store.set(b"k", b"v", false);
    let now = store.now();
    store.set_deadline(b"k", Some(now));
    assert_eq!((store.len(), store.volatile()), (0, 0));
}

#[test]
fn set_takes_the_deadline_unless_it_is_to_be_kept() {
    let mut store = store();
    store.set(b"k", b"v", false);
    let deadline = store.now() + 10;
    store.set_deadline(b"k", Some(deadline));
    store.set(b"k", b"w", true);
    assert_eq!(store.deadline(b"k"), Some(Some(deadline)));
    store.set(b"k", b"x", false);
    assert_eq!(store.deadline(b"k"), Some(None));
    assert_eq!(store.volatile(), 0);
}

#[test]
fn wrong_type_is_refused_and_changes_nothing() {
    let mut store = store();
    store.set(b"k", b"v", false);
    assert_eq!(store.get_as::<List>(b"k"), Err(Failure::WRONG_TYPE));
    assert_eq!(store.get_or_new::<Set>(b"k"), Err(Failure::WRONG_TYPE));
    assert_eq!(text(&mut store, b"k").as_deref(), Some(&b"v"[..]));
}

#[test]
fn remove_if_empty_keeps_what_is_not_empty() {
    let mut store = store();
    store
        .get_or_new::<List>(b"k")
        .unwrap()
        .push_back((*b"x").into());
    store.remove_if_empty::<List>(b"k");
    assert_eq!(store.len(), 1);
    store.get_or_new::<List>(b"k").unwrap().clear();
    store.remove_if_empty::<List>(b"k");
    assert_eq!(store.len(), 0);
}

#[test]
fn sweep_removes_all_that_is_over_and_nothing_else() {
    let mut store = store();
    let now = store.now();
    for n in 0..10_000 {
        let key = format!("k{n}").into_bytes();
        store.set(&key, b"v", false);
        match n % 4 {
            0 => store.set_deadline(&key, Some(now + 5)),
            1 => store.set_deadline(&key, Some(now + 1000)),
            _ => {}
        }
    }
    pass(&mut store, 6);
    // Each call looks at a thousand keys, so ten see each key once.
    for _ in 0..10 {
        store.sweep();
    }
    assert_eq!(
        (store.len(), store.volatile(), store.stats.expired),
        (7_500, 2_500, 2_500)
    );
    assert_eq!(store.keys().count(), 7_500);
    pass(&mut store, 1000);
    assert_eq!(store.keys().count(), 5_000);
}

#[test]
fn sweep_goes_on_while_it_is_worth_while() {
    let mut store = store();
    assert!(!store.sweep());
    let now = store.now();
    for n in 0..5_000 {
        let key = format!("k{n}").into_bytes();
        store.set(&key, b"v", false);
        store.set_deadline(&key, Some(now + 5));
    }
    assert!(!store.sweep());
    pass(&mut store, 6);
    let mut calls = 1;
    while store.sweep() {
        calls += 1;
    }
    assert_eq!((store.len(), store.volatile()), (0, 0));
    assert!((5..=6).contains(&calls), "{calls} calls");
}

#[test]
fn key_near_skips_what_is_over() {
    let mut store = store();
    assert_eq!(store.key_near(7), None);
    let now = store.now();
    for key in [b"a", b"b", b"c"] {
        store.set(key, b"v", false);
        store.set_deadline(key, Some(now + 5));
    }
    store.set(b"d", b"v", false);
    pass(&mut store, 6);
    for place in 0..9 {
        assert_eq!(store.key_near(place), Some(&b"d"[..]));
    }
}

#[test]
fn scan_shows_every_key_that_stays() {
    let mut store = store();
    let key = |n: u32| format!("k{n}").into_bytes();
    for n in 0..1000 {
        store.set(&key(n), b"v", false);
    }
    let mut seen = std::collections::BTreeSet::new();
    let (mut cursor, mut removed, mut calls) = (0, 0, 0);
    loop {
        cursor = store.scan(cursor, 7, |key, _| _ = seen.insert(key.to_vec()));
        calls += 1;
        if cursor == 0 {
            break;
        }
        // Odd keys go, new ones come, from all over the place.
        for n in [removed * 7 % 500, removed * 11 % 500] {
            store.remove(&key(2 * n + 1));
        }
        store.set(&key(2000 + 2 * removed), b"v", false);
        removed += 1;
    }
    assert!(calls <= 1000 / 7 + 1);
    assert!((0..500).all(|n| seen.contains(&key(2 * n))));
}
