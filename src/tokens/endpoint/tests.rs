//! Addresses of every family there and back, and lengths that lie.

use std::os::unix::net::{SocketAddr as UnixAddr, UnixListener};

use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use proptest::test_runner::Config;

use super::*;

fn hash_of(endpoint: Endpoint) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    endpoint.hash(&mut hasher);
    hasher.finish()
}

#[test]
fn endpoint_internet_addresses_come_back_with_every_part() {
    let v6 = SocketAddrV6::new(Ipv6Addr::new(0xfe80, 0, 0, 0, 1, 2, 3, 4), 65_535, 7, 3);
    for addr in [
        SocketAddr::from(([192, 0, 2, 33], 8080)),
        SocketAddr::from((Ipv6Addr::LOCALHOST, 1)),
        v6.into(),
    ] {
        let endpoint = Endpoint::from(addr);
        assert_eq!(endpoint.to_socket_addr(), Some(addr));
        assert_eq!(endpoint.ip(), Some(addr.ip()));
        assert_eq!(endpoint.port(), Some(addr.port()));
        assert_eq!(endpoint.to_string(), addr.to_string());
        assert_eq!(endpoint.unix_path(), None);
        assert_eq!(endpoint.unix_abstract_name(), None);
        assert!(!endpoint.is_unnamed());
    }
    assert_eq!(Endpoint::from(v6).family(), Domain::Inet6);
    assert_eq!(
        "[::1]:1".parse(),
        Ok(Endpoint::from((Ipv6Addr::LOCALHOST, 1)))
    );
    assert!("localhost:1".parse::<Endpoint>().is_err());
}

#[test]
fn endpoint_unix_names_come_back_and_differ() {
    let path = Endpoint::unix("/tmp/x").expect("valid");
    let name = Endpoint::unix_abstract("/tmp/x").expect("valid");
    let empty = Endpoint::unix_abstract("").expect("valid");
    let none = Endpoint::unix_unnamed();
    assert_eq!(path.unix_path(), Some(Path::new("/tmp/x")));
    assert_eq!(path.unix_abstract_name(), None);
    assert_eq!(name.unix_path(), None);
    assert_eq!(name.unix_abstract_name(), Some(&b"/tmp/x"[..]));
    assert_eq!(empty.unix_abstract_name(), Some(&b""[..]));
    assert_eq!((none.unix_path(), none.unix_abstract_name()), (None, None));
    for (endpoint, unnamed) in [(path, false), (name, false), (empty, false), (none, true)] {
        assert_eq!(endpoint.family(), Domain::Unix);
        assert_eq!(endpoint.is_unnamed(), unnamed, "{endpoint}");
        assert_eq!(endpoint.to_socket_addr(), None);
    }
    assert_ne!(path, name);
    assert_ne!(empty, none);
    assert_eq!(format!("{path:?}"), "Endpoint(/tmp/x)");
    let odd = Endpoint::unix_abstract(b"a\0\xff").expect("valid");
    assert_eq!(odd.to_string(), "@a\\x00\\xff");
    assert_eq!(none.to_string(), "unnamed");
}

#[test]
fn endpoint_unix_names_that_do_not_fit_are_invalid_input() {
    assert!(Endpoint::unix("p".repeat(107)).is_ok());
    assert!(Endpoint::unix_abstract([1; 107]).is_ok());
    for result in [
        Endpoint::unix("p".repeat(108)),
        Endpoint::unix(""),
        Endpoint::unix("a\0b"),
        Endpoint::unix_abstract([1; 108]),
        Endpoint::from_bytes(&[0; 129]),
    ] {
        let error = result.expect_err("too long");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
}

#[test]
fn endpoint_of_std_unix_addresses() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = dir.path().join("s");
    let listener = UnixListener::bind(&path).expect("bind");
    let addr = listener.local_addr().expect("address");
    assert_eq!(Endpoint::from(&addr).unix_path(), Some(&*path));
    let addr = UnixAddr::from_abstract_name(b"\0n").expect("valid");
    assert_eq!(
        Endpoint::from(&addr).unix_abstract_name(),
        Some(&b"\0n"[..])
    );
}

#[test]
fn endpoint_equal_addresses_are_equal_whatever_the_padding() {
    let plain = Endpoint::from(([127, 0, 0, 1], 9));
    let mut bytes = plain.as_bytes().to_vec();
    bytes[8..].fill(0xAA);
    bytes.extend([0xAA; 40]);
    let padded = Endpoint::from_bytes(&bytes).expect("fits");
    assert_eq!(plain, padded);
    assert_eq!(hash_of(plain), hash_of(padded));
    let path = Endpoint::unix("p").expect("valid");
    let mut bytes = path.as_bytes().to_vec();
    bytes.extend(b"\0\0junk");
    assert_eq!(path, Endpoint::from_bytes(&bytes).expect("fits"));
    bytes.truncate(3);
    assert_eq!(path, Endpoint::from_bytes(&bytes).expect("fits"));
}

#[test]
fn endpoint_truncated_is_no_internet_address() {
    for endpoint in [
        Endpoint::from(([127, 0, 0, 1], 9)),
        Endpoint::from((Ipv6Addr::LOCALHOST, 9)),
    ] {
        for len in 0..endpoint.as_bytes().len() {
            let cut = Endpoint::from_bytes(&endpoint.as_bytes()[..len]).expect("fits");
            assert_eq!(cut.to_socket_addr(), None, "{len}");
            assert_eq!(cut.port(), None, "{len}");
            assert_eq!(cut.as_bytes().len(), len.max(2));
            assert_eq!(cut.is_unnamed(), len < 2);
        }
    }
}

#[test]
fn endpoint_of_less_than_a_family_is_none() {
    for bytes in [&[][..], &[2], &[1]] {
        let endpoint = Endpoint::from_bytes(bytes).expect("fits");
        assert_eq!(endpoint, Endpoint::unspecified());
        assert_eq!(endpoint.family(), Domain::Unspecified);
    }
}

#[test]
fn endpoint_space_hostile_lengths_stay_within_the_place() {
    let mut space = EndpointSpace::new();
    space.0.room.0.fill(b'x');
    space.0.room.0[..2].copy_from_slice(&1_u16.to_ne_bytes());
    for len in [0, 1, 2, 3, 110, 111, 127, 128, 129, 1 << 20, u32::MAX] {
        let endpoint = space.endpoint_of(len);
        let path = endpoint
            .unix_path()
            .map_or(0, |path| path.as_os_str().len());
        assert_eq!(path, (len as usize).min(ROOM).saturating_sub(2), "{len}");
        let _ = (endpoint.to_string(), endpoint.unix_abstract_name());
    }
    let (_, len) = space.as_mut_ptrs();
    assert!(!len.is_null());
    assert_eq!(space.0.socklen(), EndpointSpace::ROOM);
}

#[test]
fn endpoint_space_settled_is_the_address_in_its_one_form() {
    let v4 = Endpoint::from((Ipv4Addr::new(192, 0, 2, 7), 80));
    let v6 = SocketAddrV6::new(Ipv6Addr::LOCALHOST, 443, 5, 6);
    let endpoints = [
        v4,
        v6.into(),
        Endpoint::unspecified(),
        Endpoint::unix_unnamed(),
        Endpoint::unix("/run/service.sock").expect("short"),
        Endpoint::unix_abstract("service").expect("short"),
        Endpoint::from_bytes(&[40, 0, 1, 2, 3, 4, 5, 6]).expect("fits"),
    ];
    for endpoint in endpoints {
        for len in [
            0,
            1,
            2,
            3,
            8,
            15,
            16,
            17,
            27,
            28,
            29,
            110,
            128,
            129,
            u32::MAX,
        ] {
            let mut space = EndpointSpace::new();
            space.0.room = endpoint.room;
            let expected = space.endpoint_of(len);
            space.settle(len);
            assert_eq!(space.settled(), expected, "{endpoint} {len}");
            assert_eq!(
                space.settled().room.0[16..],
                expected.room.0[16..],
                "{endpoint} {len}"
            );
        }
    }
    let mut space = EndpointSpace::new();
    space.0.room = v4.room;
    space.0.room.0[8..16].fill(b'x');
    space.settle(16);
    assert_eq!(space.settled().room.0, v4.room.0);
}

#[test]
fn endpoint_unknown_family_keeps_its_bytes() {
    let bytes = [40, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0, 0, 0, 0];
    let vsock = Endpoint::from_bytes(&bytes).expect("fits");
    assert_eq!(vsock.as_bytes(), bytes);
    assert_eq!(vsock.family(), Domain::Other(40));
    assert_eq!(vsock.family().as_raw(), 40);
    assert!(vsock.to_string().starts_with("family 40 ["));
    assert!(Endpoint::unspecified().is_unnamed());
    assert_eq!(Endpoint::unspecified().family(), Domain::Unspecified);
}

proptest! {
    #![proptest_config(Config { failure_persistence: None, ..Config::default() })]

    #[test]
    fn prop_endpoint_of_any_bytes_answers_and_is_its_own_form(
        family in 0_u8..12,
        rest in proptest::collection::vec(any::<u8>(), 0..126),
        len in any::<u32>(),
    ) {
        let mut bytes = vec![family, 0];
        bytes.extend(rest);
        let endpoint = Endpoint::from_bytes(&bytes).expect("fits");
        let _ = (endpoint.to_string(), endpoint.is_unnamed(), endpoint.ip());
        prop_assert!(endpoint.as_bytes().len() <= ROOM);
        prop_assert_eq!(Endpoint::from_bytes(endpoint.as_bytes()).expect("fits"), endpoint);
        let space = EndpointSpace(endpoint);
        prop_assert!(space.endpoint_of(len).as_bytes().len() <= ROOM);
    }
}
