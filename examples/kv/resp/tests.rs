//! What the parser makes of whole, broken and split input.

use proptest::prelude::*;

use super::*;

/// What a client would see of the parser: commands, and the error that ends them.
#[derive(Debug, PartialEq, Eq, Clone)]
enum Seen {
    Command(Vec<Vec<u8>>),
    Malformed(Malformed),
}

/// Feeds `input` in pieces of the given lengths, in turn.
fn feed(input: &[u8], pieces: &[usize]) -> Vec<Seen> {
    let mut parser = Parser::default();
    let (mut begin, mut end) = (0, 0);
    let mut seen = Vec::new();
    let mut pieces = pieces.iter().cycle();
    loop {
        match parser.advance(&input[begin..end]) {
            Ok(Step::Command(len)) => {
                let args = parser.args(&input[begin..end]);
                seen.push(Seen::Command(args.from(0).map(<[u8]>::to_vec).collect()));
                assert!(len > 0 && args.len() > 0);
                begin += len;
            }
            Ok(Step::Nothing(len)) => {
                assert!(len > 0);
                begin += len;
            }
            Ok(Step::Missing(n)) => {
                assert!(n > 0);
                if end == input.len() {
                    return seen;
                }
                end = input.len().min(end + pieces.next().unwrap());
            }
            Err(malformed) => {
                seen.push(Seen::Malformed(malformed));
                return seen;
            }
        }
    }
}

fn whole(input: &[u8]) -> Vec<Seen> {
    feed(input, &[input.len().max(1)])
}

fn command(words: &[&str]) -> Seen {
    Seen::Command(words.iter().map(|word| word.as_bytes().to_vec()).collect())
}

#[test]
fn commands_of_both_forms_are_read_one_after_another() {
    let input =
        b"*2\r\n$3\r\nGET\r\n$4\r\na\r\nb\r\nPING 'x y'\r\n\r\n*0\r\n*-1\r\nquit\n*1\r\n$0\r\n\r\n";
    let expected = [
        command(&["GET", "a\r\nb"]),
        command(&["PING", "x y"]),
        command(&["quit"]),
        command(&[""]),
    ];
    assert_eq!(whole(input), expected);
}

#[test]
fn malformed_input_is_named_as_redis_names_it() {
    let long = |prefix: &str| [prefix.as_bytes(), &[b'1'; LINE_MAX + 1]].concat();
    let cases: [(&[u8], Malformed); 14] = [
        (b"*a\r\n", Malformed::BadCount),
        (b"*\r\n", Malformed::BadCount),
        (b"*01\r\n", Malformed::BadCount),
        (b"*2147483648\r\n", Malformed::BadCount),
        (b"*1\r\n$-1\r\n", Malformed::BadLength),
        (b"*1\r\n$x\r\n", Malformed::BadLength),
        (b"*1\r\n$536870913\r\n", Malformed::BadLength),
        (b"*1\r\n:3\r\n", Malformed::NoLength(b':')),
        (b"*1\r\n\r\n", Malformed::NoLength(b'\r')),
        (b"get \"a\r\n", Malformed::UnbalancedQuotes),
        (&long(""), Malformed::InlineTooBig),
        (&long("*"), Malformed::CountTooBig),
        (&long("*1\r\n$"), Malformed::LengthTooBig),
        (&long("*1\r\n"), Malformed::LengthTooBig),
    ];
    for (input, malformed) in cases {
        let shown = String::from_utf8_lossy(&input[..input.len().min(20)]);
        assert_eq!(whole(input), [Seen::Malformed(malformed)], "{shown:?}");
        assert!(malformed.text().starts_with(b"ERR Protocol error: "));
    }
    assert_eq!(
        Malformed::NoLength(b':').text(),
        b"ERR Protocol error: expected '$', got ':'"
    );
}

#[test]
fn limits_are_accepted_up_to_the_last_byte() {
    let mut line = vec![b'x'; LINE_MAX];
    line.extend_from_slice(b"\n");
    assert_eq!(whole(&line).len(), 1);
    assert_eq!(whole(b"*1\r\n$536870912\r\n"), []);
    assert_eq!(whole(b"*2147483647\r\n"), []);
}

#[test]
fn missing_says_how_much_of_a_long_argument_is_to_come() {
    let mut parser = Parser::default();
    assert_eq!(
        parser.advance(b"*1\r\n$1000\r\nabc"),
        Ok(Step::Missing(999))
    );
}

#[test]
fn long_input_byte_by_byte_takes_linear_time() {
    // Quadratic work would be 2 * 10^9 steps for each of the lines, and take minutes.
    let mut input = vec![b'x'; LINE_MAX - 1];
    input.push(b'\n');
    let argument = vec![b'y'; 1 << 20];
    input.extend_from_slice(format!("*1\r\n${}\r\n", argument.len()).as_bytes());
    input.extend_from_slice(&argument);
    input.extend_from_slice(b"\r\n");
    let many = 100_000;
    input.extend_from_slice(format!("*{many}\r\n").as_bytes());
    input.extend_from_slice(&b"$1\r\nz\r\n".repeat(many));
    let seen = feed(&input, &[1]);
    let lens = seen.iter().map(|seen| match seen {
        Seen::Command(args) => args.len(),
        Seen::Malformed(_) => 0,
    });
    assert_eq!(lens.collect::<Vec<_>>(), [1, 1, many]);
}

/// One command in either form, or something that breaks the protocol, or almost does.
fn fragment() -> impl Strategy<Value = Vec<u8>> {
    let array = prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..5);
    let array = array.prop_map(|args| {
        let mut bytes = format!("*{}\r\n", args.len()).into_bytes();
        for arg in args {
            bytes.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
            bytes.extend_from_slice(&arg);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes
    });
    let line = "[a-z\"'\\\\ ]{0,12}\r?\n".prop_map(String::into_bytes);
    let odd = prop::sample::select(vec!["*1\r\n", "$3\r\n", "*-1\r\n", "*x\r\n", "\r\n", "*"]);
    let odd = odd.prop_map(|text| text.as_bytes().to_vec());
    prop_oneof![6 => array, 3 => line, 1 => odd]
}

proptest! {
    #[test]
    fn prop_any_split_of_the_input_gives_the_same_commands(
        fragments in prop::collection::vec(fragment(), 0..12),
        pieces in prop::collection::vec(1usize..40, 1..20),
    ) {
        let input = fragments.concat();
        let expected = whole(&input);
        prop_assert_eq!(&feed(&input, &pieces), &expected);
        prop_assert_eq!(&feed(&input, &[1]), &expected);
    }
}
